"""Fixtures: a real Postgres, with a fresh copy of the migrated database for each test."""

import copy
import hashlib
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from fcst.dataset_records import Dataset
from fcst.engine.retry_policy import MAX_TRIES, Cause, end_attempt
from fcst.job_records import ClaimedBatch
from fcst.services.loading import request_ingest, wait_for_ingest
from fcst.settings import PROJECT
from fcst.specs import IngestSpec
from fcst.store.database import fetch_one, transaction
from fcst.store.embedded import ensure_running
from fcst.store.migrate import migrate
from tests.databases import ReusedDatabase, Snapshot, admin, end_connections, restore_snapshot, take_snapshot, url

T = TypeVar("T")
SHARED = PROJECT.parent / "shared" / "data"
GUAYAS = SHARED / "favorita" / "guayas_35items_2013_2014.csv"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the cases of a test with `few(n)` as `full`, all but `n` evenly spaced ones."""
    cases: dict[tuple[Path, str], list[pytest.Item]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("few") and not item.get_closest_marker("full"):
            cases.setdefault((item.path, item.originalname), []).append(item)
    for found in cases.values():
        n = found[0].get_closest_marker("few").args[0]
        chosen = {round(place * (len(found) - 1) / max(n - 1, 1)) for place in range(n)}
        for place, item in enumerate(found):
            if place not in chosen:
                item.add_marker("full")


@pytest.fixture(autouse=True)
def kept_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brings back `__main__`, which AppTest replaces by a page: the processes of later tests would import it."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The connection of this test run's server; the server stops and its data are deleted with its home."""
    home = tmp_path_factory.mktemp("server")
    where = ensure_running(home)
    with admin(where) as cur:  # faster: each test creates and drops a database, and durability does not matter
        cur.execute("ALTER SYSTEM SET fsync = off")
        cur.execute("SELECT pg_reload_conf()")
    yield where
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def template(server: dict[str, str]) -> str:
    """The name of a migrated database without connections, used as a template."""
    with admin(server) as cur:
        cur.execute("CREATE DATABASE template_fcst")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url(server, "template_fcst"))
        migrate()
    with admin(server) as cur:
        end_connections(cur, "template_fcst")
    return "template_fcst"


@pytest.fixture
def empty_database(server: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The URL of the database in use, without fcst's schema, with its own home."""
    yield from copy_database(server, monkeypatch, tmp_path, "template1")


@pytest.fixture(scope="session")
def reused(server: dict[str, str], template: str) -> ReusedDatabase:
    """The database that the tests of this process use one after the other."""
    return ReusedDatabase(server, template)


@pytest.fixture
def database(
    server: dict[str, str], reused: ReusedDatabase, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[str]:
    """The URL of the database in use, migrated and empty, with its own home."""
    address = url(server, reused.prepare())
    use_database(monkeypatch, address, tmp_path)
    yield address
    reused.release()


def copy_database(server: dict[str, str], patch: pytest.MonkeyPatch, folder: Path, template: str) -> Iterator[str]:
    """Copies a database, sets the copy as the database in use, and drops it at the end."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with admin(server) as cur:
        cur.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    use_database(patch, url(server, name), folder)
    yield url(server, name)
    with admin(server) as cur:
        cur.execute(f"DROP DATABASE {name} WITH (FORCE)")


def use_database(patch: pytest.MonkeyPatch, address: str, folder: Path) -> None:
    """Sets the database in use, with a home below `folder`."""
    patch.setenv("DATABASE_URL", address)
    patch.setenv("FCST_HOME", str(folder / "home"))
    patch.setenv("FCST_PROCESSES", "2")
    patch.setenv("FCST_INGEST_ROOTS", "/")  # tests read files in their own folders
    patch.setenv("FCST_WORKER", "external")  # tests start supervisors explicitly


@pytest.fixture(scope="session")
def kept() -> dict[str, tuple[object, Snapshot]]:
    """Results of `once` by name, with the rows of their databases."""
    return {}


@pytest.fixture
def once(
    server: dict[str, str], database: str, kept: dict[str, tuple[object, Snapshot]]
) -> Callable[[str, Callable[[], T]], T]:
    """Fills the test's database with a function on the first call, and with the same rows on later calls."""

    def fill(name: str, make: Callable[[], T]) -> T:
        current = database.partition("@/")[2].partition("?")[0]
        if name not in kept:
            kept[name] = make(), take_snapshot(server, current)
        else:
            restore_snapshot(server, current, kept[name][1])
        return copy.deepcopy(kept[name][0])

    return fill


@pytest.fixture
def supervisors() -> list[subprocess.Popen]:
    """The supervisors that this test has started."""
    return []


@pytest.fixture
def start_supervisor(database: str, supervisors: list[subprocess.Popen]) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts real supervisors on the test's database; they are ended after the test."""
    started = supervisors

    def start(**env: str) -> subprocess.Popen:
        process = subprocess.Popen([sys.executable, "-m", "fcst", "worker"], cwd=PROJECT, env={**os.environ, **env})
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
    for process in started:
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def load_dataset(
    request: pytest.FixtureRequest, database: str, tmp_path: Path, supervisors: list[subprocess.Popen]
) -> Callable[..., Dataset]:
    """Loads a dataset in this process, as a supervisor's task does; a test's first load uses a copy if possible."""
    from fcst.engine.task import run_ingest
    from fcst.store import ingests

    def load(path: Path | None = None, n_items: int = 6, n_weeks: int = 120, **options: object) -> Dataset:
        if path is not None:
            return read(path, **options)
        path = tmp_path / "sales.csv"
        write_sales(path, n_items, n_weeks)
        # Tests with their own server or role, with supervisors, or with data, load without a copy.
        is_shared = os.environ["DATABASE_URL"] == database and not supervisors
        if not is_shared or options.keys() - {"name"} or (fetch_one("has_data") or {})["found"]:
            return read(path, **options)
        once = request.getfixturevalue("once")
        name = hashlib.sha256(f"{n_items} {n_weeks} {options}".encode()).hexdigest()[:12]
        return once(f"dataset_{name}", lambda: read(path, **options))

    def read(path: Path, **options: object) -> Dataset:
        ingest_id = request_ingest(IngestSpec(paths=(str(path),), name=str(options.pop("name", "s")), **options))
        claimed = ingests.claim(str(uuid.uuid4()))
        assert claimed is not None
        run_ingest(claimed.ingest_id, claimed.attempt)
        return wait_for_ingest(ingest_id)

    return load


def write_sales(path: Path, n_items: int, n_weeks: int) -> None:
    """Writes a file of `n_items` items with sales on two days of each of `n_weeks` full weeks ending on Saturday."""
    import datetime

    first = datetime.date(2020, 1, 5)  # a Sunday
    lines = ["date,item_nbr,unit_sales"]
    for week in range(n_weeks):
        for offset in (0, 6):
            day = first + datetime.timedelta(weeks=week, days=offset)
            lines += [f"{day},item{i},{(week * 7 + i * 3 + offset) % 11 + 10 * i}" for i in range(1, n_items + 1)]
    path.write_text("\n".join(lines) + "\n")


def wait_until(condition: Callable[[], object], seconds: float = 30.0, what: str = "") -> None:
    """Waits until a condition is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"timed out after {seconds} s waiting {what}"
        time.sleep(0.02)


def fail_batch(batch: ClaimedBatch, reason: str) -> None:
    """Ends a claimed batch as failed: sets the retry count to its last try."""
    with transaction() as cur:
        values = {"tries": MAX_TRIES - 1, "batch_id": batch.batch_id}
        cur.execute("UPDATE fcst_app.batch_status SET tries = %(tries)s WHERE batch_id = %(batch_id)s", values)
    assert end_attempt(batch.batch_id, batch.attempt, Cause.FAILED, reason)
