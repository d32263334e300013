"""Schema conformance: Schemathesis tests the API against /api/openapi.json, with valid and invalid requests."""

import os
import subprocess
import sys

import pytest

from tests.api.conftest import ApiServer
from tests.servers import work

pytestmark = pytest.mark.full

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,negative_data_rejection,missing_required_header,ignored_auth"
)


@pytest.fixture(scope="module")
def tried(secured_api: ApiServer) -> ApiServer:
    """A server with an ended run and a waiting one, which protects the dataset from deletion."""
    assert secured_api.submit(items=6, batch_size=6, n_windows=1) == 1
    work(1)
    secured_api.submit()
    return secured_api


def run(api: ApiServer, *options: str) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{api.url}/api/openapi.json", "--checks", CHECKS]
    command += ["--header", f"Authorization: {api.headers['authorization']}"]
    command += ["--generation-deterministic", "--no-color", "--warnings", "off", *options]
    env = {**os.environ, "HOME": str(api.place)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=api.place, env=env)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert "Traceback" not in api.log


def test_responses_match_the_schema(tried: ApiServer) -> None:
    run(tried, "--phases", "examples,fuzzing", "--max-examples", "2")


@pytest.mark.full
def test_responses_match_the_schema_with_many_examples(tried: ApiServer) -> None:
    run(tried, "--max-examples", "300")
