"""Fixtures: a running server on its own database, with an HTTP client; the tests run the engine themselves."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from fcst.services import identity, jobs
from fcst.services.tokens import create_token
from fcst.settings import PROJECT
from fcst.store.database import transaction
from tests.conftest import copy_database, write_sales
from tests.servers import free_port, load_here, serve_own, stop

PASSWORD = "pass-word-of-the-database"
SIGN_IN = """
[auth]
redirect_uri = "http://localhost/oauth2callback"
cookie_secret = "a secret of sixteen characters or more"
client_id = "fcst"
client_secret = "not so secret"
server_metadata_url = "http://localhost:9/.well-known/openid-configuration"
[roles]
admin = ["ada@shop.example"]
"""
WEBHOOK = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class ApiServer:
    """A running server and an HTTP client for it; with sign-in, the client sends an admin token."""

    place: Path
    project: Path
    port: int
    database: str
    http: httpx.Client

    def __getattr__(self, name: str) -> Any:
        return getattr(self.http, name)  # get, post, delete, request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.place / "home" / "app.log").read_text()

    def submit(self, **more: Any) -> int:
        """Submits a run of the four largest items of `s`, two per batch; returns its id."""
        body = {"dataset": "s", "items": 4, "models": ["SeasonalNaive"], "h": 4, "batch_size": 2, **more}
        answer = self.http.post("/api/jobs", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["job_id"]

    def clear(self) -> None:
        """Cancels the runs of other tests, so that later claims belong to this test."""
        for job in jobs.list_jobs(jobs.OPEN):
            self.http.post(f"/api/jobs/{job.job_id}/cancel")


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def place(
    server: dict[str, str], template: str, patch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A folder with a database that has the datasets `s` (six items, two years) and, newer, `small`."""
    place = tmp_path_factory.mktemp("api")
    for address in copy_database(server, patch, place, template):
        patch.setenv("DATABASE_URL", address.replace("@", f":{PASSWORD}@", 1))
        write_sales(place / "s.csv", 6, 120)
        load_here(place / "s.csv", "s")
        write_sales(place / "small.csv", 2, 60)
        load_here(place / "small.csv", "small")
        yield place


@pytest.fixture(scope="module")
def api(place: Path) -> Iterator[ApiServer]:
    """A server without sign-in: local clients have all permissions."""
    with serve_api(place, PROJECT) as api:
        yield api


@pytest.fixture(scope="module")
def secured_api(place: Path, patch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """A server with sign-in: API clients need tokens."""
    project = place / "project"
    skip = shutil.ignore_patterns("local", "__pycache__", "tests", "docs", ".*_cache")
    for name in ("pages", "fcst", "data", ".streamlit"):
        shutil.copytree(PROJECT / name, project / name, ignore=skip)
    shutil.copy(PROJECT / "app.py", project)
    (project / ".streamlit" / "secrets.toml").write_text(SIGN_IN)
    patch.setenv("FCST_INGEST_ROOTS", str(place))
    patch.setenv("FCST_WEBHOOK_URL", "http://127.0.0.1:9/")
    patch.setenv("FCST_WEBHOOK_SECRET", WEBHOOK)
    with serve_api(place, project) as api:
        api.http.headers["Authorization"] = f"Bearer {make_token('api', 'admin')}"
        yield api


@contextmanager
def serve_api(place: Path, project: Path, **env: str) -> Iterator[ApiServer]:
    """Runs a server for the block."""
    port = free_port()
    process = serve_own(place, port, project, **{"FCST_API_RATE": "100000/minute", **env})
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            yield ApiServer(place, project, port, os.environ["DATABASE_URL"], http)
    finally:
        stop(process)


def make_token(name: str, scope: str, days: int | None = None) -> str:
    with identity.acting_as(identity.operator()):
        return create_token(name, scope, days)


def ask_database(statement: str, **values: Any) -> list[dict[str, Any]]:
    with transaction() as cur:
        cur.execute(statement, values)
        return cur.fetchall() if cur.description else []


def is_problem(answer: httpx.Response, status: int, text: str = "") -> bool:
    """Asserts that a response is a complete problem with this status and text; returns True."""
    shown = f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:500]}"
    assert answer.status_code == status, shown
    assert answer.headers["content-type"] == "application/problem+json", shown
    body = answer.json()
    assert {"type", "title", "status", "detail", "hint"} <= set(body) and body["status"] == status, shown
    assert body["detail"].endswith(".") and text in body["detail"], shown
    return True


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
