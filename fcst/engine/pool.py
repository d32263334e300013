"""The process pool of this machine: Pebble's, its workers warm, and dead when their supervisor is."""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.connection import Connection

from pebble import ProcessPool

log = logging.getLogger(__name__)

_PRELOADED = ["fcst.engine.task", "statsforecast.models", "duckdb"]


class LocalPool:
    """Runs tasks in `processes` worker processes, each forked from a server that has imported all they need."""

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOADED)
        # Nothing is ever written: a worker that reads its end has lost its supervisor.
        self._reader, self._writer = self._context.Pipe(duplex=False)
        self._pool = self._start()

    def _start(self) -> ProcessPool:
        pool = ProcessPool(
            max_workers=self.processes,
            context=self._context,
            initializer=_begin_worker,
            initargs=(self._reader,),
        )
        pool.active  # noqa: B018  starts the workers now, so that the first task need not wait for their imports
        return pool

    @property
    def is_broken(self) -> bool:
        """Whether the pool as a whole is of no use any more, as after the death of an idle worker."""
        return not self._pool.active

    def submit(self, function: Callable[..., None], *args: object) -> Future:
        """Hands a task to the next free worker."""
        return self._pool.schedule(function, args=args)

    def rebuild(self) -> None:
        """Replaces the pool. What ran in the old one is lost: its futures may never resolve."""
        log.warning("the process pool broke and is built anew")
        self.stop()
        self._pool = self._start()

    def stop(self) -> None:
        """Ends all workers, busy or not."""
        self._pool.stop()
        self._pool.join()


def _begin_worker(supervisor: Connection) -> None:
    """A worker ends at once when told to, and by itself when its supervisor is gone, however that died."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the supervisor, which lets the batches finish

    def wait() -> None:
        supervisor.poll(None)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
