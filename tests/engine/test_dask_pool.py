"""The Dask pool with a real scheduler and real workers: tasks, failures, checks of workers."""

import contextlib
import logging
import os
import re
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fcst import __version__
from fcst.engine import dask_pool, task
from fcst.engine.dask_pool import DaskPool
from fcst.engine.pool import PoolLost, WorkerDied
from fcst.errors import DatabaseUnreachable, StaleState
from fcst.services import jobs
from fcst.specs import JobSpec
from fcst.store import attempts, workers
from tests.conftest import wait_until
from tests.databases import admin, url
from tests.engine.dask_cluster import Dask, dask

__all__ = ["dask"]  # a fixture


@pytest.fixture
def open_pool(database: str) -> Iterator[Callable[..., DaskPool]]:
    """Returns a function that opens a pool; without `worker_id` it registers a supervisor."""
    pools: list[DaskPool] = []

    def open(address: str, worker_id: str | None = None) -> DaskPool:
        if worker_id is None:
            worker_id = str(uuid.uuid4())
            register(worker_id)
        pools.append(DaskPool(address, worker_id))
        return pools[-1]

    yield open
    for pool in pools:
        pool.stop()


def register(worker_id: str) -> None:
    workers.register(worker_id, "here", os.getpid(), __version__, 2, 60.0)


def ready(pool: DaskPool, size: int) -> None:
    wait_until(lambda: pool.size == size, 30, f"for {size} workers: {pool.size}, {pool.problem}")


def hold(mark: str, gate: str) -> None:
    """Write the process id to `mark`, and wait until the file `gate` exists."""
    with open(mark, "a") as file:
        print(os.getpid(), file=file)
    while not os.path.exists(gate):  # noqa: PTH110
        time.sleep(0.02)


def touch(path: str) -> None:
    Path(path).touch()


def fail(error: Exception) -> None:
    raise error


def nothing() -> None:
    pass


def pids(mark: Path) -> list[int]:
    return [int(line) for line in mark.read_text().split()] if mark.exists() else []


@pytest.mark.full
def test_all_workers_run_tasks_and_return_errors(dask: Dask, open_pool, tmp_path: Path) -> None:
    pool = open_pool(dask.address)
    wait_until(lambda: "has no workers" in pool.problem)
    assert pool.size == 0 and f"dask worker {dask.address}" in pool.problem
    dask.start_worker()
    dask.start_worker()
    ready(pool, 2)
    assert pool.problem == "" and not pool.is_broken
    woken = threading.Event()
    tasks = [pool.submit(woken.set, hold, str(tmp_path / f"mark{i}"), str(tmp_path / "gate")) for i in range(2)]
    wait_until(lambda: pids(tmp_path / "mark0") and pids(tmp_path / "mark1"), what="for both tasks at once")
    assert {*pids(tmp_path / "mark0"), *pids(tmp_path / "mark1")} == {process.pid for process in dask.workers}
    assert not any(task.done() for task in tasks) and not woken.is_set()
    touch(str(tmp_path / "gate"))
    wait_until(lambda: all(task.done() for task in tasks))
    assert woken.is_set() and [task.result() for task in tasks] == [None, None]

    refused = pool.submit(woken.set, fail, StaleState("The batch has moved on.", "Leave it."))
    wait_until(refused.done)
    with pytest.raises(StaleState) as caught:
        refused.result()
    assert caught.value.args == ("The batch has moved on.", "Leave it.")

    many = [pool.submit(woken.set, nothing) for _ in range(300)]
    wait_until(lambda: all(task.done() for task in many))
    assert [task.result() for task in many] == [None] * 300
    inner = pool._cluster
    assert inner is not None
    assert not any(worker.tasks for worker in inner._workers.values())
    wait_until(lambda: not inner._client.futures, what="for Dask to release ended tasks")

    unsendable = pool.submit(woken.set, fail, threading.Lock())
    wait_until(unsendable.done)
    with pytest.raises(TypeError, match="pickle"):
        unsendable.result()


@pytest.mark.full
def test_killed_worker_loses_its_task_without_a_rerun(dask: Dask, open_pool, tmp_path: Path) -> None:
    pool = open_pool(dask.address)
    addresses = [dask.start_worker(), dask.start_worker()]
    ready(pool, 2)
    mark = tmp_path / "mark"
    held = pool.submit(nothing, hold, str(mark), str(tmp_path / "gate"))
    wait_until(lambda: pids(mark))
    (killed,) = (n for n, process in enumerate(dask.workers) if process.pid == pids(mark)[0])
    dask.workers[killed].kill()
    wait_until(held.done, 5)
    with pytest.raises(WorkerDied, match=f"Dask worker {addresses[killed]} was lost"):
        held.result()
    ready(pool, 1)
    assert not pool.is_broken
    others = [pool.submit(nothing, touch, str(tmp_path / f"other{i}")) for i in range(3)]
    wait_until(lambda: all(task.done() for task in others))
    assert (tmp_path / "other2").exists()
    assert len(pids(mark)) == 1
    dask.start_worker()
    ready(pool, 2)


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.full)])
@pytest.mark.full
def test_lost_scheduler_loses_its_tasks_and_is_replaced(
    how: signal.Signals, dask: Dask, open_pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setattr(dask_pool, "SILENCE_S", 2.0)
    for name in ("distributed", "distributed.client"):  # their logs do not propagate
        logging.getLogger(name).addHandler(caplog.handler)
    pool = open_pool(dask.address)
    dask.start_worker()
    dask.start_worker()
    ready(pool, 2)
    monkeypatch.setattr(dask_pool, "CONNECT_S", 1.0)  # needs several connection attempts
    woken = threading.Event()
    held = [pool.submit(woken.set, hold, str(tmp_path / f"mark{i}"), str(tmp_path / "gate")) for i in range(3)]
    wait_until(lambda: pids(tmp_path / "mark0") and pids(tmp_path / "mark1"))
    assert dask.scheduler is not None
    dask.scheduler.send_signal(how)
    wait_until(lambda: all(task.done() for task in held), 6, "for the tasks to be lost")
    assert woken.is_set()
    for lost in held:
        with pytest.raises(PoolLost):
            lost.result()
    assert pool.is_broken and pool.size == 0
    assert pool.problem == f"The Dask scheduler {dask.address} cannot be reached; trying again."
    with pytest.raises(PoolLost, match="cannot be reached"):
        pool.submit(nothing, nothing)
    pool.rebuild()
    assert not pool.is_broken and pool.size == 0
    dask.kill()
    time.sleep(dask_pool.CONNECT_S + 0.5)
    dask.start_scheduler()
    dask.start_worker()
    ready(pool, 1)
    again = pool.submit(nothing, touch, str(tmp_path / "again"))
    wait_until(again.done)
    assert again.result() is None and (tmp_path / "again").exists()
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) < 10 and not any(record.exc_info for record in warnings)
    assert {record.name for record in warnings} == {"fcst.engine.dask_pool"}


@pytest.mark.full
def test_cancelled_tasks_end_immediately(dask: Dask, open_pool, tmp_path: Path) -> None:
    pool = open_pool(dask.address)
    dask.start_worker()
    ready(pool, 1)
    gate, waiting = tmp_path / "gate", tmp_path / "waiting"
    running = pool.submit(nothing, hold, str(tmp_path / "mark"), str(gate))
    queued = pool.submit(nothing, touch, str(waiting))
    wait_until(lambda: pids(tmp_path / "mark"))
    running.cancel()
    queued.cancel()
    wait_until(lambda: running.done() and queued.done(), 2)
    for cancelled in (running, queued):
        with pytest.raises(PoolLost):
            cancelled.result()
    assert pool.size == 1 and not pool.is_broken
    touch(str(gate))
    after = pool.submit(nothing, touch, str(tmp_path / "after"))
    wait_until(after.done)
    assert after.result() is None and (tmp_path / "after").exists() and not waiting.exists()


@pytest.mark.full
def test_unusable_workers_are_named_and_get_no_tasks(
    dask: Dask, open_pool, server, template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_pool, "MAX_NAMED", 9)
    block = "import sys\nsys.modules['statsforecast'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(block)
    old = tmp_path / "old" / "fcst"
    old.mkdir(parents=True)
    (old / "__init__.py").write_text("__version__ = '0.0.1'\n")
    other = f"other_{uuid.uuid4().hex[:8]}"
    with admin(server) as cur:
        cur.execute(f"CREATE DATABASE {other} TEMPLATE {template}")
    expected = {
        dask.start_worker(DATABASE_URL="postgresql://u:secret@127.0.0.1:9/x"): "database cannot be reached",
        dask.start_worker(DATABASE_URL=url(server, other)): "database is not the supervisor's",
        dask.start_worker(DATABASE_URL=""): "has no DATABASE_URL",
        dask.start_worker(PYTHONPATH=str(tmp_path)): "statsforecast",
        dask.start_worker(cwd=tmp_path): "No module named 'fcst'",
        dask.start_worker(cwd=old.parent): f"has fcst 0.0.1, and the supervisor {__version__}",
    }
    dask.start_worker()
    healthy = dask.workers[-1]
    try:
        pool = open_pool(dask.address)

        def problem_of(address: str) -> str:
            return pool.problem.partition(f"Dask worker {address} cannot be used: ")[2].partition(" Dask worker")[0]

        def is_checked() -> bool:
            return pool.size == 1 and all(words in problem_of(address) for address, words in expected.items())

        wait_until(is_checked, 60, f"for all checks: {pool.problem}")
        assert "secret" not in pool.problem and "Traceback" not in pool.problem
        assert not (tmp_path / "home" / "pg.server").exists(), "a worker started its own server"
        touch(str(tmp_path / "gate"))
        held = [pool.submit(nothing, hold, str(tmp_path / "mark"), str(tmp_path / "gate")) for _ in range(12)]
        wait_until(lambda: all(task.done() for task in held))
        assert [task.result() for task in held] == [None] * 12
        assert pids(tmp_path / "mark") == [healthy.pid] * 12
    finally:
        dask.kill()
        with admin(server) as cur:
            cur.execute(f"DROP DATABASE {other} WITH (FORCE)")


@pytest.mark.full
def test_worker_is_rechecked_until_usable_and_after_losing_the_database(dask: Dask, open_pool) -> None:
    worker_id = str(uuid.uuid4())
    address = dask.start_worker()
    pool = open_pool(dask.address, worker_id)
    wait_until(lambda: "not the supervisor's" in pool.problem)
    assert address in pool.problem and pool.size == 0
    with pytest.raises(PoolLost, match="not the supervisor's"):
        pool.submit(nothing, nothing)
    register(worker_id)
    ready(pool, 1)
    assert pool.problem == ""
    seen: list[tuple[int, str]] = []
    away = pool.submit(
        lambda: seen.append((pool.size, pool.problem)), fail, DatabaseUnreachable("The database is away.")
    )
    wait_until(away.done)
    with pytest.raises(DatabaseUnreachable):
        away.result()
    assert seen == [(0, f"Dask worker {address} cannot be used: The database is away.")]
    ready(pool, 1)
    assert pool.problem == ""


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("address", "words"),
    [("tcp://127.0.0.1:9", "cannot be reached; trying again"), ("nonsense://x", "cannot be used: .*nonsense")],
)
def test_missing_scheduler_does_not_block(address: str, words: str, caplog, capfd, monkeypatch) -> None:
    monkeypatch.setattr(dask_pool, "CONNECT_S", 0.5)
    began = time.monotonic()
    pool = DaskPool(address, str(uuid.uuid4()))
    assert pool.size == 0 and address in pool.problem and not pool.is_broken
    with pytest.raises(PoolLost):
        pool.submit(nothing, nothing)
    pool.rebuild()
    assert time.monotonic() - began < 0.3
    wait_until(lambda: "trying" in pool.problem or "used" in pool.problem, 5)
    assert re.search(words, pool.problem)
    time.sleep(2.5)  # a few more tries
    assert not pool.is_broken
    began = time.monotonic()
    pool.stop()
    assert time.monotonic() - began < dask_pool.CLOSE_S + 1
    assert not pool._thread.is_alive()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [pool.problem]
    assert capfd.readouterr() == ("", "")


@pytest.mark.full
def test_stop_does_not_stop_the_cluster(dask: Dask, open_pool, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(dask_pool, "BUSY_S", 1.0)
    pool = open_pool(dask.address)
    dask.start_worker()
    ready(pool, 1)
    held = pool.submit(nothing, hold, str(tmp_path / "mark"), str(tmp_path / "gate"))
    wait_until(lambda: pids(tmp_path / "mark"))
    pool.stop()
    assert held.done() and not pool.is_broken and pool.size == 0
    with pytest.raises(PoolLost):
        held.result()
    with pytest.raises(PoolLost):
        pool.submit(nothing, nothing)
    other = open_pool(dask.address)  # its check waits behind the running task
    wait_until(lambda: "may be busy" in other.problem)
    assert other.size == 0
    touch(str(tmp_path / "gate"))
    ready(other, 1)
    assert other.problem == ""
    with contextlib.suppress(subprocess.TimeoutExpired):
        dask.workers[0].wait(0.5)
    assert dask.workers[0].poll() is None and dask.scheduler is not None and dask.scheduler.poll() is None


@pytest.mark.full
def test_batches_run_on_dask(dask: Dask, open_pool, load_dataset) -> None:
    dataset = load_dataset()
    worker_id = str(uuid.uuid4())
    register(worker_id)
    pool = open_pool(dask.address, worker_id)
    dask.start_worker()
    dask.start_worker()
    ready(pool, 2)
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(batch_size=3, h=3))
    claimed = attempts.claim(worker_id, 2)
    tasks = [pool.submit(nothing, task.run_batch, row.batch_id, row.attempt) for row in claimed]
    assert len(tasks) == 2
    wait_until(lambda: all(t.done() for t in tasks), 60)
    assert [t.result() for t in tasks] == [None, None]
    job = jobs.get_job(job_id)
    assert job.n_completed == 6 and job.batches == {"completed": 2}
    again = pool.submit(nothing, task.run_batch, claimed[0].batch_id, claimed[0].attempt)
    wait_until(again.done)
    with pytest.raises(StaleState):
        again.result()
