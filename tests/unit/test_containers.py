"""The container file and the compose file: linted, and what they name is there. No container is started."""

import fnmatch
import json
import re
import shutil
import subprocess

import pytest
import yaml

from fcst.cli.main import make_parser
from fcst.settings import PROJECT, SETTINGS

CONTAINER = (PROJECT / "Containerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((PROJECT / "compose.yaml").read_text("utf-8"))
IGNORED = (PROJECT / ".dockerignore").read_text("utf-8").split()


def test_container_file_is_linted() -> None:
    program = shutil.which("hadolint")
    assert program, "pip install -r requirements-dev.txt"
    done = subprocess.run([program, str(PROJECT / "Containerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_container_gets_all_that_the_wheel_is_built_from() -> None:
    files = (path.relative_to(PROJECT).as_posix() for path in PROJECT.rglob("*") if path.is_file())
    copied = [name for name in files if not any(is_ignored(name, pattern) for pattern in IGNORED)]
    for name in ("pyproject.toml", "README.md", "LICENSE", "app.py", "pages/home.py", "fcst/__main__.py",
                 ".streamlit/config.toml", "data/sample/items.csv", "requirements.txt"):  # fmt: skip
        assert name in copied
    assert not [name for name in copied if name.startswith(("tests/", "docs/"))]


def is_ignored(name: str, pattern: str) -> bool:
    return fnmatch.fnmatch(name, pattern) or name.startswith(f"{pattern}/")


def test_steps_of_the_container_are_those_that_are_tested() -> None:
    steps = re.findall(r"^RUN (.+)$", CONTAINER, re.MULTILINE)
    installs = [step for step in steps if step.startswith("pip install")]
    assert installs == [
        "pip install --no-cache-dir --require-hashes -r requirements.txt",
        "pip install --no-cache-dir --no-deps .",  # as tests/test_package.py does
    ]
    assert CONTAINER.index("\nUSER 1000\n") < CONTAINER.index("\nCMD ")


@pytest.mark.full
def test_packages_of_the_container_can_be_installed_with_their_hashes(tmp_path) -> None:
    command = ["pip", "install", "-q", "--dry-run", "--ignore-installed", "--require-hashes", "-r", "requirements.txt"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("service", ["app", "worker"])
def test_services_run_commands_with_settings_that_there_are(service: str) -> None:
    about = COMPOSE["services"][service]
    (command,) = re.findall(r"^CMD (\[.+\])$", CONTAINER, re.MULTILINE)
    program, *words = about.get("command") or json.loads(command)
    assert program == "fcst" and make_parser().parse_args(words).run
    assert set(about["environment"]) <= set(SETTINGS)
    assert about["build"]["dockerfile"] == "Containerfile"
    assert about["depends_on"]["db"]["condition"] == "service_healthy"


def test_only_this_machine_reaches_the_port() -> None:
    ports = [port for about in COMPOSE["services"].values() for port in about.get("ports", [])]
    assert ports == ["127.0.0.1:8501:8501"]
    volumes = {name.partition(":")[0] for about in COMPOSE["services"].values() for name in about["volumes"]}
    assert volumes == set(COMPOSE["volumes"])
