"""Starts app servers with the README's command, and databases for them.

Tests that need runs in a certain state execute their batches one by one with `work`.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fcst.dataset_records import Dataset
from fcst.engine.task import run_batch, run_ingest
from fcst.services import datasets, loading
from fcst.settings import PROJECT
from fcst.specs import IngestSpec
from fcst.store import attempts, ingests
from fcst.store import jobs as store
from fcst.store.embedded import ensure_running
from fcst.store.migrate import migrate
from tests.conftest import wait_until
from tests.databases import url

WORKER = str(uuid.uuid4())


def serve(home: Path, port: int, project: Path = PROJECT, **more: str) -> subprocess.Popen:
    env = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "FCST_WORKER")}
    env |= {"FCST_HOME": str(home), "FCST_PROCESSES": "2", "FCST_IDLE_EXIT_S": "3", **more}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), "--server.headless=true"]
    home.mkdir(parents=True, exist_ok=True)
    with (home / "app.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=project, env=env, stdout=log, stderr=log, start_new_session=True)
    wait_until(lambda: answers(port), what="for the app to answer")
    return process


@contextmanager
def own_database(place: Path) -> Iterator[None]:
    """A migrated, empty Postgres in `place`, set as DATABASE_URL; no supervisor starts automatically."""
    where = ensure_running(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url(where, where["dbname"]))
        patch.setenv("FCST_HOME", str(place / "home"))
        patch.setenv("FCST_INGEST_ROOTS", "/")
        patch.setenv("FCST_WORKER", "external")
        migrate()
        yield
    if (place / "pg.location").exists():
        shutil.rmtree((place / "pg.location").read_text().strip(), ignore_errors=True)


def serve_own(place: Path, port: int, project: Path = PROJECT, **more: str) -> subprocess.Popen:
    """Starts an app server on the database in use; no supervisor starts automatically."""
    env = {"DATABASE_URL": os.environ["DATABASE_URL"], "FCST_WORKER": "external", **more}
    return serve(place / "home", port, project, **env)


@contextmanager
def supervisor() -> Iterator[None]:
    """Runs a supervisor on the database in use."""
    process = subprocess.Popen([sys.executable, "-m", "fcst", "worker"], cwd=PROJECT)
    try:
        yield
    finally:
        stop(process)


def load_here(path: Path, name: str) -> Dataset:
    """Loads a dataset in this process, as a supervisor's task does."""
    loading.request_ingest(IngestSpec(paths=(str(path),), name=name))
    read()
    return datasets.find_dataset(name)


def read() -> None:
    """Executes the next waiting ingest, as a supervisor does."""
    claimed = ingests.claim(WORKER)
    assert claimed is not None
    run_ingest(claimed.ingest_id, claimed.attempt)


def answers(port: int) -> bool:
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).status == 200
    except (urllib.error.URLError, OSError):
        return False


def stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def work(n_batches: int) -> None:
    """Executes waiting batches, as a supervisor does."""
    for _ in range(n_batches):
        (batch,) = attempts.claim(WORKER, 1)
        run_batch(batch.batch_id, batch.attempt)
    store.freeze_ended()
