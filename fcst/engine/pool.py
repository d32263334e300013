"""Pools that run batches: the interface, and the local process pool.

The local pool uses Pebble. Its workers are preloaded, and exit when their supervisor dies. The other pool is in
dask_pool.py.
"""

import faulthandler
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import Protocol

from pebble import ProcessExpired, ProcessPool

from fcst.logs import LinePipe, redirect_stderr

log = logging.getLogger(__name__)

STOP_S = 5.0  # grace period of workers on stop
STUCK_S = 30.0  # limit for a submitted task to start; there is a free worker for each

BROKE = "the process pool broke"

_PRELOADED = [
    "fcst.engine.task",
    "fcst.compute.statsforecast_import",
    "statsmodels.tsa.seasonal",
    "sklearn.linear_model",
    "duckdb",
]


class WorkerDied(Exception):
    """The worker process of a task died; the text gives the exit reason if it is known, such as `signal 9`."""


class PoolLost(Exception):
    """The pool was lost with all its running tasks; no task is the cause."""


class Task(Protocol):
    """A submitted task."""

    def done(self) -> bool:
        """Whether it has ended, with or without success."""

    def result(self) -> None:
        """Return if the function returned; otherwise raise its error, WorkerDied or PoolLost. Call only when done."""

    def cancel(self) -> None:
        """Stop the task as soon as the pool can; the database rejects its later writes."""


class Pool(Protocol):
    """Runs tasks in other processes. No method blocks."""

    @property
    def size(self) -> int:
        """Number of tasks that can run at once now; 0 while the pool cannot be reached."""

    @property
    def wait_s(self) -> float:
        """Maximum seconds that a submitted task may wait for a worker."""

    @property
    def problem(self) -> str:
        """Message for users about what keeps the pool or a part of it from working; empty if there is no problem."""

    @property
    def is_broken(self) -> bool:
        """Whether the pool is unusable and its running tasks are lost."""

    def submit(self, wake: Callable[[], object], function: Callable[..., None], *args: object) -> Task:
        """Submit a task to the next free worker; `wake` is called when it ends. Raises PoolLost without a pool."""

    def rebuild(self) -> None:
        """Replace a broken pool. Tasks of the old one are lost."""

    def stop(self) -> None:
        """Stop the pool's own workers, busy or not."""


class LocalPool:
    """Runs tasks in `size` worker processes, forked from a server that has imported the required modules."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._n_breaks = 0  # since a task last completed
        self._submitted: dict[Future[None], float] = {}  # time of submission, until they start
        self._rebuild_due = 0.0
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOADED)
        # Nothing is written to this pipe: a worker that reads end-of-file has lost its supervisor.
        self._reader, self._writer = self._context.Pipe(duplex=False)
        self._lines = LinePipe()
        self._pool = self._start()

    def _start(self) -> ProcessPool:
        pool = ProcessPool(
            max_workers=self._size,
            context=self._context,
            initializer=_begin_worker,
            initargs=(self._reader, self._lines.writer),
        )
        pool.active  # noqa: B018  starts the workers now, so the first task does not wait for their imports
        return pool

    @property
    def size(self) -> int:
        return self._size if self._pool.active else 0

    @property
    def wait_s(self) -> float:
        return STUCK_S

    @property
    def problem(self) -> str:
        return "The worker processes exit right after they start. See the log." if self._n_breaks > 2 else ""

    @property
    def is_broken(self) -> bool:
        """Whether the pool is unusable, for example after an idle worker or one holding the task lock has died."""
        now = time.monotonic()
        self._submitted = {f: at for f, at in self._submitted.items() if not (f.running() or f.done())}
        is_stuck = any(now - at > STUCK_S for at in self._submitted.values())
        return (is_stuck or not self._pool.active) and now >= self._rebuild_due

    def submit(self, wake: Callable[[], object], function: Callable[..., None], *args: object) -> Task:
        try:
            future = self._pool.schedule(function, args=args)
        except RuntimeError as exc:  # the pool has just broken
            raise PoolLost(BROKE) from exc

        def note_end(future: Future[None]) -> None:
            if not future.cancelled() and not isinstance(future.exception(), BrokenProcessPool):
                self._n_breaks = 0
            wake()

        self._submitted[future] = time.monotonic()
        future.add_done_callback(note_end)
        return _LocalTask(future)

    def rebuild(self) -> None:
        """Replace a broken pool, with exponential backoff if it keeps breaking."""
        log.warning("%s and is rebuilt", BROKE)
        self._stop_workers()
        self._submitted.clear()
        self._pool = self._start()
        self._n_breaks += 1
        self._rebuild_due = time.monotonic() + min(0.25 * 2**self._n_breaks, 30.0)

    def stop(self) -> None:
        self._stop_workers()
        self._lines.close()

    def _stop_workers(self) -> None:
        """Stop workers within STOP_S, because Pebble waits for a lock that a frozen or killed worker may hold."""
        stopping = threading.Thread(target=_stop, args=(self._pool,), daemon=True)
        stopping.start()
        stopping.join(STOP_S)
        if stopping.is_alive():
            for process in multiprocessing.active_children():
                process.kill()


def _stop(pool: ProcessPool) -> None:
    pool.stop()
    pool.join()


class _LocalTask:
    def __init__(self, future: Future[None]) -> None:
        self._future = future

    def done(self) -> bool:
        return self._future.done()

    def result(self) -> None:
        try:
            self._future.result(timeout=0)
        except ProcessExpired as exc:
            raise WorkerDied(_exit_reason(exc.exitcode)) from exc
        except (BrokenProcessPool, CancelledError, TimeoutError) as exc:
            # TimeoutError: the future was never resolved; observed once when the whole pool broke.
            raise PoolLost(BROKE) from exc

    def cancel(self) -> None:
        self._future.cancel()


def _begin_worker(supervisor: Connection, lines: Connection) -> None:
    """Initialize a worker process: exit at once on SIGTERM, and automatically when the supervisor dies."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor handles Ctrl-C and lets batches finish
    redirect_stderr(lines.fileno())
    lines.close()
    faulthandler.enable()  # logs the Python traceback of crashes in compiled code

    def wait() -> None:
        supervisor.poll(None)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _exit_reason(exitcode: int | None) -> str:
    return f"signal {-exitcode}" if exitcode is not None and exitcode < 0 else f"exit code {exitcode}"
