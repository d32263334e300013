"""The API keeps its own word: Schemathesis reads /api/openapi.json and tries what it says, and what it does not."""

import os
import subprocess
import sys

import pytest

from tests.api.conftest import Desk
from tests.servers import work

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,negative_data_rejection,missing_required_header,ignored_auth"
)


@pytest.fixture(scope="module")
def tried(office: Desk) -> Desk:
    """A server whose first run has ended and whose second waits, which keeps its dataset from being deleted."""
    assert office.submit(items=6, batch_size=6, n_windows=1) == 1
    work(1)
    office.submit()
    return office


def run(desk: Desk, *options: str) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{desk.url}/api/openapi.json", "--checks", CHECKS]
    command += ["--header", f"Authorization: {desk.headers['authorization']}"]
    command += ["--generation-deterministic", "--no-color", "--warnings", "off", *options]
    env = {**os.environ, "HOME": str(desk.place)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=desk.place, env=env)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert "Traceback" not in desk.log


def test_answers_are_as_the_schema_says(tried: Desk) -> None:
    run(tried, "--phases", "examples,coverage,fuzzing", "--max-examples", "20")


@pytest.mark.full
def test_answers_are_as_the_schema_says_for_long(tried: Desk) -> None:
    run(tried, "--max-examples", "300")
