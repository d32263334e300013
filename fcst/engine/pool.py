"""Where batches run: what the supervisor asks of a pool, and the process pool of this machine.

The pool of this machine is Pebble's, its workers warm, and dead when their supervisor is. dask_pool.py has the other.
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

from fcst.logs import LinePipe, write_into

log = logging.getLogger(__name__)

STOP_S = 5.0  # for the workers to end when they are told to
STUCK_S = 30.0  # without a worker that takes a task, though there is one for each

BROKE = "the process pool broke"

_PRELOADED = [
    "fcst.engine.task",
    "fcst.compute.statsforecast_import",
    "statsmodels.tsa.seasonal",
    "sklearn.linear_model",
    "duckdb",
]


class WorkerDied(Exception):
    """The process that ran the task is gone; the text says how, as far as it is known: `signal 9`."""


class PoolLost(Exception):
    """The pool as a whole is gone, and with it whatever ran there; no task is to blame."""


class Task(Protocol):
    """A task in flight."""

    def done(self) -> bool:
        """Whether it has ended, in whatever way."""

    def result(self) -> None:
        """Returns if the function did; raises what it raised, or WorkerDied or PoolLost. Only when done."""

    def cancel(self) -> None:
        """Ends it as soon as the pool can; what it may still write is refused by the database."""


class Pool(Protocol):
    """Runs tasks elsewhere. No method waits for anything slow."""

    @property
    def size(self) -> int:
        """How many tasks can run at once now; 0 while it cannot be reached."""

    @property
    def wait_s(self) -> float:
        """Seconds that a task it was given may wait for a worker."""

    @property
    def problem(self) -> str:
        """What keeps it, or a part of it, from working, in words for people; empty while all is well."""

    @property
    def is_broken(self) -> bool:
        """Whether the pool as a whole is of no use any more, and all that ran in it is lost."""

    def submit(self, wake: Callable[[], object], function: Callable[..., None], *args: object) -> Task:
        """Hands a task to the next free worker; `wake` is called when it ends. PoolLost if there is no pool."""

    def rebuild(self) -> None:
        """Replaces a broken pool. What ran in the old one is lost."""

    def stop(self) -> None:
        """Ends all workers that are its own, busy or not."""


class LocalPool:
    """Runs tasks in `size` worker processes, each forked from a server that has imported all they need."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._n_breaks = 0  # since a task last ran to its end
        self._submitted: dict[Future[None], float] = {}  # when, until they begin
        self._rebuild_due = 0.0
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOADED)
        # Nothing is ever written: a worker that reads its end has lost its supervisor.
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
        pool.active  # noqa: B018  starts the workers now, so that the first task need not wait for their imports
        return pool

    @property
    def size(self) -> int:
        return self._size if self._pool.active else 0

    @property
    def wait_s(self) -> float:
        return STUCK_S

    @property
    def problem(self) -> str:
        return "Its worker processes end as soon as they start; its log tells why." if self._n_breaks > 2 else ""

    @property
    def is_broken(self) -> bool:
        """As after the death of an idle worker, or of one with the lock in hand by which they take tasks."""
        now = time.monotonic()
        self._submitted = {f: at for f, at in self._submitted.items() if not (f.running() or f.done())}
        is_stuck = any(now - at > STUCK_S for at in self._submitted.values())
        return (is_stuck or not self._pool.active) and now >= self._rebuild_due

    def submit(self, wake: Callable[[], object], function: Callable[..., None], *args: object) -> Task:
        try:
            future = self._pool.schedule(function, args=args)
        except RuntimeError as exc:  # it broke this instant
            raise PoolLost(BROKE) from exc

        def note_end(future: Future[None]) -> None:
            if not future.cancelled() and not isinstance(future.exception(), BrokenProcessPool):
                self._n_breaks = 0
            wake()

        self._submitted[future] = time.monotonic()
        future.add_done_callback(note_end)
        return _LocalTask(future)

    def rebuild(self) -> None:
        """Replaces a broken pool; one that breaks again and again, at longer and longer intervals."""
        log.warning("%s and is built anew", BROKE)
        self._stop_workers()
        self._submitted.clear()
        self._pool = self._start()
        self._n_breaks += 1
        self._rebuild_due = time.monotonic() + min(0.25 * 2**self._n_breaks, 30.0)

    def stop(self) -> None:
        self._stop_workers()
        self._lines.close()

    def _stop_workers(self) -> None:
        """Ends them within bounded time. Pebble waits for a lock that a frozen or killed worker may hold."""
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
            # A timeout: its future never resolved, as seen once where the whole pool broke.
            raise PoolLost(BROKE) from exc

    def cancel(self) -> None:
        self._future.cancel()


def _begin_worker(supervisor: Connection, lines: Connection) -> None:
    """A worker ends at once when told to, and by itself when its supervisor is gone, however that died."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the supervisor, which lets the batches finish
    write_into(lines.fileno())
    lines.close()
    faulthandler.enable()  # a crash in compiled code leaves the Python lines that led to it in the log

    def wait() -> None:
        supervisor.poll(None)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _exit_reason(exitcode: int | None) -> str:
    return f"signal {-exitcode}" if exitcode is not None and exitcode < 0 else f"exit code {exitcode}"
