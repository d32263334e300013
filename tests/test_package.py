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
from tests.conftest import wait_until, write_sales
from tests.docs import examples
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


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a virtual environment with the installed wheel."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=True, system_site_packages=True)
    subprocess.run([folder / "bin" / "pip", "install", "-q", "--no-deps", wheel], check=True, capture_output=True)
    return folder / "bin"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of a user who has set nothing for fcst."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("FCST_", "DATABASE_URL", "PYTHON"))
    }
    folders = {"XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    return kept | folders | {"FCST_IDLE_EXIT_S": "1"}


@pytest.mark.full
def test_the_commands_of_the_installation_page_serve_and_forecast_from_any_folder(
    programs: Path, env: dict[str, str], tmp_path: Path
) -> None:
    (_install, commands) = examples("how-to/install.md", "sh")[:2]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_sales(elsewhere / "sales.csv", n_items=3, n_weeks=60)
    env["PATH"] = f"{programs}:{env['PATH']}"

    def run(command: str) -> str:
        done = subprocess.run(command, shell=True, cwd=elsewhere, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    port = free_port()
    server = subprocess.Popen([programs / "fcst", "serve", "--port", str(port), "--no-browser"], cwd=elsewhere, env=env)
    try:
        wait_until(lambda: answers(port), what="for the server to answer")
        run(f"set -e\n{commands}")
        with urllib.request.urlopen(f"http://localhost:{port}/api/jobs/1") as answer:
            assert json.load(answer)["n_completed"] == 3
        run("fcst doctor")
    finally:
        stop(server)
    assert (tmp_path / "data" / "fcst" / "pg.users").exists()
    assert {path.name for path in elsewhere.iterdir()} == {"sales.csv", "forecasts.csv"}
    assert (elsewhere / "forecasts.csv").read_text("utf-8").count("\n") == 1 + 3 * 13


@pytest.mark.full
def test_a_second_worker_with_a_home_of_its_own_shares_the_database(
    programs: Path, env: dict[str, str], empty_database: str, tmp_path: Path
) -> None:
    env |= {"DATABASE_URL": empty_database, "HOME": str(tmp_path), "PATH": f"{programs}:{env['PATH']}"}
    env["FCST_IDLE_EXIT_S"] = "60"
    commands = examples("how-to/install.md", "sh")[2]
    second = next(line for line in commands.splitlines() if line.endswith("fcst worker"))
    workers = [
        subprocess.Popen(f"exec env {command}", shell=True, cwd=tmp_path, env=env, stderr=subprocess.DEVNULL)
        for command in ("fcst worker", second)
    ]
    try:
        wait_until(lambda: doctor(programs, env).count(" processes)") == 2, what="for both workers")
    finally:
        for worker in workers:
            worker.terminate()
        assert [worker.wait(timeout=30) for worker in workers] == [0, 0]


def doctor(programs: Path, env: dict[str, str]) -> str:
    """What `fcst doctor` prints of supervisors."""
    done = subprocess.run([programs / "fcst", "doctor"], env=env, capture_output=True, text=True)
    return "".join(line for line in done.stdout.splitlines() if "supervisor" in line)
