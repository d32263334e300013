"""The local pool in cases Pebble does not handle: a lost lock, a frozen fork server, workers that fail to start."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcst.engine import pool as pools
from fcst.engine.pool import LocalPool
from tests.conftest import wait_until
from tests.engine.helpers import children, frozen, workers_of


@pytest.fixture
def pool() -> Iterator[LocalPool]:
    pool = LocalPool(1)
    yield pool
    pool.stop()


def touch(path: str) -> None:
    Path(path).touch()


def lose_lock(pool: LocalPool) -> None:
    """Acquire the lock that Pebble's workers hold while taking a task, as if a worker had died with it."""
    assert pool._pool._pool_manager.worker_manager.workers_channel.mutex.acquire(block=True, timeout=10)


@pytest.mark.full
def test_pool_with_frozen_processes_stops(pool: LocalPool, tmp_path: Path) -> None:
    task = pool.submit(lambda: None, touch, str(tmp_path / "begun"))
    wait_until(task.done, 60, "for the pool to work")
    servers = [pid for pid in children(os.getpid()) if set(children(pid)) & set(workers_of(os.getpid()))]
    with contextlib.ExitStack() as standstill:
        for pid in [*servers, *workers_of(os.getpid())]:
            standstill.enter_context(frozen(pid))
        stopping = threading.Thread(target=pool.stop, daemon=True)
        stopping.start()
        stopping.join(3 * pools.STOP_S)
        assert not stopping.is_alive()


@pytest.mark.full
def test_stuck_pool_is_detected_and_rebuilt(pool: LocalPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = pool.submit(lambda: None, touch, str(tmp_path / "begun"))
    wait_until(task.done, 60, "for the pool to work")
    assert not pool.is_broken
    monkeypatch.setattr(pools, "STUCK_S", 1.0)
    lose_lock(pool)
    lost = pool.submit(lambda: None, touch, str(tmp_path / "lost"))
    wait_until(lambda: pool.is_broken, 10, "for the stuck pool to be detected")
    assert not lost.done()
    pool.rebuild()
    monkeypatch.undo()
    woken = threading.Event()
    again = pool.submit(woken.set, touch, str(tmp_path / "again"))
    assert woken.wait(60) and again.done()
    again.result()
    assert (tmp_path / "again").exists() and not (tmp_path / "lost").exists()


@pytest.mark.full
def test_pool_that_keeps_breaking_is_rebuilt_with_backoff(pool: LocalPool) -> None:
    pauses = []
    for _ in range(4):
        wait_until(lambda: workers_of(os.getpid()), 60, "for a worker")
        for pid in workers_of(os.getpid()):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: pool.size == 0, 20, "for the pool to break")
        begin = time.monotonic()
        wait_until(lambda: pool.is_broken, 20, "for the next rebuild to be due")
        pauses.append(time.monotonic() - begin)
        pool.rebuild()
    assert pauses[3] > pauses[1] and pauses[3] > 0.5, pauses
    assert "exit right after they start" in pool.problem
    task = pool.submit(lambda: None, time.sleep, 0.0)
    wait_until(task.done, 60, "for the pool to work")
    task.result()
    assert not pool.problem
