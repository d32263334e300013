"""Processes that get a tenth of the machine."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

from tests.engine.seen import children

SLICE_S = 0.05


@contextlib.contextmanager
def slowed(*roots: int, factor: int = 10) -> Iterator[None]:
    """These processes and all below them run for one slice of time in `factor`, all in the same one; in the others
    they are stopped."""
    is_over = threading.Event()

    def send(number: int) -> None:
        for root in roots:
            for pid in (root, *children(root)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def slice_time() -> None:
        while not is_over.is_set():
            send(signal.SIGSTOP)
            is_over.wait((factor - 1) * SLICE_S)
            send(signal.SIGCONT)
            time.sleep(SLICE_S)

    thread = threading.Thread(target=slice_time)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        send(signal.SIGCONT)
