"""Database outages: work resumes automatically, with and without a connection pooler."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fcst.engine.supervisor import END_S
from fcst.services import jobs
from fcst.services.supervision import retry_while_database_away
from fcst.settings import PROJECT
from fcst.store import workers
from fcst.store.database import transaction
from tests.conftest import wait_until, write_sales
from tests.engine.helpers import SLOW, check_items, children, finish, is_running, submit
from tests.engine.outages import OwnServer, needs_pgbouncer, own_server, pgbouncer

pytestmark = pytest.mark.full

__all__ = ["own_server"]  # a fixture

N_ITEMS = 30
BLOCKED_BY = {"obtaining_sales": "sales", "saving": "forecasts"}


@pytest.fixture
def database(own_server: OwnServer) -> OwnServer:
    """Replaces the shared server that other tests use, because these tests stop the server."""
    return own_server


@pytest.fixture(
    params=[pytest.param("direct", marks=pytest.mark.full), pytest.param("pgbouncer", marks=needs_pgbouncer)]
)
def through(
    request: pytest.FixtureRequest, own_server: OwnServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[str]:
    """How all processes connect to the server."""
    if request.param == "direct":
        yield request.param
        return
    with pgbouncer(own_server, tmp_path / "pgbouncer") as address:
        monkeypatch.setenv("DATABASE_URL", address)
        yield request.param


@pytest.fixture
def supervisor(through: str) -> Iterator[subprocess.Popen]:
    env = {**os.environ, "FCST_LEASE_S": "5"}
    process = subprocess.Popen([sys.executable, "-m", "fcst", "worker"], cwd=PROJECT, env=env)
    yield process
    process.terminate()
    assert process.wait(40) == 0


@pytest.mark.parametrize(
    ("stage", "seconds"),
    [
        ("processing", 3),
        pytest.param("obtaining_sales", 5, marks=pytest.mark.full),
        pytest.param("saving", 5, marks=pytest.mark.full),
        pytest.param("processing", 60, marks=pytest.mark.full),
        pytest.param("saving", 60, marks=pytest.mark.full),
    ],
)
def test_work_resumes_after_a_restart_of_the_server(
    own_server: OwnServer, supervisor: subprocess.Popen, load_dataset, stage: str, seconds: float
) -> None:
    dataset = load_dataset(n_items=N_ITEMS)
    # With SLOW, an earlier checkpoint would wait for the lock while processing.
    spec = replace(SLOW, models=("SeasonalNaive",)) if stage == "saving" else SLOW
    with Blocker(BLOCKED_BY.get(stage)):
        job_id = submit(dataset, N_ITEMS, spec)
        wait_until(lambda: jobs.get_job(job_id).batches.get(stage, 0) > 0, 120, f"for a batch to be {stage}")
        own_server.stop()
    time.sleep(seconds)
    own_server.start()
    back_at = time.monotonic()
    finish(job_id)
    print(f"done {time.monotonic() - back_at:.1f} s after the restart")
    job = check_items(job_id)
    assert (job.status, job.n_completed) == ("completed", N_ITEMS)
    assert supervisor.poll() is None


@pytest.mark.full
def test_run_completes_although_connections_are_terminated_repeatedly(
    own_server: OwnServer, supervisor: subprocess.Popen, load_dataset
) -> None:
    dataset = load_dataset(n_items=N_ITEMS)
    job_id = submit(dataset, N_ITEMS, SLOW)
    n_ended, deadline = 0, time.monotonic() + 5
    while time.monotonic() < deadline or n_ended <= 3 and not jobs.get_job(job_id).is_over:
        n_ended += own_server.terminate_clients()
        time.sleep(0.3)
    assert n_ended > 3
    finish(job_id)
    assert check_items(job_id).n_completed == N_ITEMS


@pytest.mark.full
def test_ingest_and_idle_supervisor_survive_an_outage(
    own_server: OwnServer, supervisor: subprocess.Popen, tmp_path: Path
) -> None:
    from fcst.services import loading
    from fcst.specs import IngestSpec

    write_sales(tmp_path / "s.csv", 300, 200)
    ingest_id = loading.request_ingest(IngestSpec(paths=(str(tmp_path / "s.csv"),), name="s"))
    wait_until(lambda: loading.get_ingest(ingest_id).status == "running", 30, "for the reading to start")
    own_server.stop()
    time.sleep(5)
    own_server.start()
    dataset = loading.wait_for_ingest(ingest_id)
    assert dataset.n_items == 300
    own_server.stop()  # nothing runs now
    time.sleep(5)
    own_server.start()
    retry_while_database_away(jobs.list_jobs)  # the first query after an outage fails
    job_id = submit(dataset, 4, SLOW)
    finish(job_id)
    assert check_items(job_id).n_completed == 4


@pytest.mark.full
def test_supervisor_stops_while_the_database_is_frozen(own_server: OwnServer) -> None:
    env = {**os.environ, "FCST_LEASE_S": "2", "FCST_GRACE_S": "0"}
    process = subprocess.Popen([sys.executable, "-m", "fcst", "worker"], cwd=PROJECT, env=env)
    wait_until(workers.list_live, 30, "for the supervisor")
    own_server.freeze()
    try:
        time.sleep(6)  # it has sent a query, at the latest to renew its lease
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_S + 10) == -signal.SIGALRM
    finally:
        own_server.freeze(signal.SIGCONT)


@pytest.mark.full
def test_supervisor_stops_while_the_database_is_unreachable(own_server: OwnServer, load_dataset) -> None:
    dataset = load_dataset(n_items=N_ITEMS)
    env = {**os.environ, "FCST_LEASE_S": "2", "FCST_GRACE_S": "1"}
    process = subprocess.Popen([sys.executable, "-m", "fcst", "worker"], cwd=PROJECT, env=env)
    job_id = submit(dataset, N_ITEMS, SLOW)
    wait_until(lambda: jobs.get_job(job_id).batches.get("processing", 0) > 0, 30, "for a batch to be processed")
    below = children(process.pid)
    own_server.stop()
    process.terminate()
    process.wait(30)
    wait_until(lambda: not any(is_running(pid) for pid in below), 10, "for its workers to end")
    own_server.start()
    again = subprocess.Popen([sys.executable, "-m", "fcst", "worker"], cwd=PROJECT, env=env)
    finish(job_id)
    assert check_items(job_id).n_completed == N_ITEMS
    again.terminate()
    assert again.wait(30) == 0


class Blocker:
    """Locks a table so that all statements on it wait; the end of its connection releases the lock."""

    def __init__(self, table: str | None) -> None:
        self._table = table
        self._is_held = threading.Event()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def __enter__(self) -> None:
        if self._table is not None:
            self._thread.start()
            assert self._is_held.wait(20)

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        if self._table is not None:
            self._thread.join()

    def _hold(self) -> None:
        from fcst.errors import DatabaseUnreachable

        try:
            with transaction() as cur:
                cur.execute(f"LOCK TABLE fcst_app.{self._table} IN ACCESS EXCLUSIVE MODE")
                self._is_held.set()
                while not self._is_over.wait(1):
                    cur.execute("SELECT 1")  # prevents the idle-in-transaction timeout
        except DatabaseUnreachable:
            pass  # expected
