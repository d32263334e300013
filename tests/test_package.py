"""The wheel: it holds all that running needs, and works from any folder without a checkout."""

import json
import os
import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

from fcst.settings import PROJECT
from tests.conftest import wait_until
from tests.servers import answers, free_port, stop


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", ".", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    (path,) = folder.glob("fcst-*.whl")
    return path


def test_the_wheel_has_every_file_that_running_needs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    parts = ("fcst", "pages", "data/sample")
    files = [path for part in parts for path in (PROJECT / part).rglob("*") if path.is_file()]
    tracked = [path.relative_to(PROJECT).as_posix() for path in files if "__pycache__" not in path.parts]
    tracked += ["app.py", ".streamlit/config.toml"]
    assert len(tracked) > 200
    for name in tracked:
        assert (name if name.startswith("fcst/") else f"fcst/bundle/{name}") in names
    assert not [name for name in names if "secrets" in name or name.startswith("tests")]


@pytest.mark.full
def test_an_installed_package_serves_and_forecasts_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True, system_site_packages=True)
    programs = tmp_path / "venv" / "bin"
    subprocess.run([programs / "pip", "install", "-q", "--no-deps", wheel], check=True, capture_output=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("FCST_", "DATABASE_URL", "PYTHON"))
    }
    env |= {
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "FCST_IDLE_EXIT_S": "1",
    }

    def run(*command: str) -> str:
        done = subprocess.run([programs / "fcst", *command], cwd=elsewhere, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    port = free_port()
    server = subprocess.Popen([programs / "fcst", "serve", "--port", str(port), "--no-browser"], cwd=elsewhere, env=env)
    try:
        wait_until(lambda: answers(port), what="for the server to answer")
        sample = next((tmp_path / "venv").rglob("bundle/data/sample"))
        assert json.loads(run("ingest", str(sample), "--name", "sample", "--json"))["name"] == "sample"
        assert run("submit", "--items", "3", "--models", "Naive", "--wait").strip() == "1"
        with urllib.request.urlopen(f"http://localhost:{port}/api/jobs/1") as answer:
            assert json.load(answer)["n_completed"] == 3
        run("doctor")
    finally:
        stop(server)
    assert (tmp_path / "data" / "fcst" / "pg.users").exists()
    assert list(elsewhere.iterdir()) == []
