"""The server of the README's command, on a database of its own, asked over HTTP; the test is its engine."""

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
class Desk:
    """A running server and how it is asked; where people sign in, by a token of the scope admin."""

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
        """A run of the four largest items of `s`, two a batch."""
        body = {"dataset": "s", "items": 4, "models": ["SeasonalNaive"], "h": 4, "batch_size": 2, **more}
        answer = self.http.post("/api/jobs", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["job_id"]

    def clear(self) -> None:
        """Stops the runs of other tests: what is claimed from here on is this test's."""
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
    """A folder whose database has the datasets `s`, of six items over two years, and a `small` one after it."""
    place = tmp_path_factory.mktemp("api")
    for address in copy_database(server, patch, place, template):
        patch.setenv("DATABASE_URL", address.replace("@", f":{PASSWORD}@", 1))
        write_sales(place / "s.csv", 6, 120)
        load_here(place / "s.csv", "s")
        write_sales(place / "small.csv", 2, 60)
        load_here(place / "small.csv", "small")
        yield place


@pytest.fixture(scope="module")
def desk(place: Path) -> Iterator[Desk]:
    """Where nobody signs in: whoever is on this machine may do everything."""
    with at_work(place, PROJECT) as desk:
        yield desk


@pytest.fixture(scope="module")
def office(place: Path, patch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Where people sign in, and programs show tokens."""
    project = place / "project"
    skip = shutil.ignore_patterns("local", "__pycache__", "tests", "docs", ".*_cache")
    for name in ("pages", "fcst", "data", ".streamlit"):
        shutil.copytree(PROJECT / name, project / name, ignore=skip)
    shutil.copy(PROJECT / "app.py", project)
    (project / ".streamlit" / "secrets.toml").write_text(SIGN_IN)
    patch.setenv("FCST_INGEST_ROOTS", str(place))
    patch.setenv("FCST_WEBHOOK_URL", "http://127.0.0.1:9/")
    patch.setenv("FCST_WEBHOOK_SECRET", WEBHOOK)
    with at_work(place, project) as desk:
        desk.http.headers["Authorization"] = f"Bearer {make_token('desk', 'admin')}"
        yield desk


@contextmanager
def at_work(place: Path, project: Path, **env: str) -> Iterator[Desk]:
    """A server until the end; what its log has of errors by then, a test has asked for."""
    port = free_port()
    process = serve_own(place, port, project, **{"FCST_API_RATE": "100000/minute", **env})
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            yield Desk(place, project, port, os.environ["DATABASE_URL"], http)
    finally:
        stop(process)


def make_token(name: str, scope: str, days: int | None = None) -> str:
    with identity.acting_as(identity.operator()):
        return create_token(name, scope, days)


def ask_database(statement: str, **values: Any) -> list[dict[str, Any]]:
    with transaction() as cur:
        cur.execute(statement, values)
        return cur.fetchall() if cur.description else []


def is_problem(answer: httpx.Response, status: int, says: str = "") -> bool:
    """Whether an answer is a problem, whole and of this status; fails with what it is instead."""
    told = f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:500]}"
    assert answer.status_code == status, told
    assert answer.headers["content-type"] == "application/problem+json", told
    body = answer.json()
    assert {"type", "title", "status", "detail", "hint"} <= set(body) and body["status"] == status, told
    assert body["detail"].endswith(".") and says in body["detail"], told
    return True


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
