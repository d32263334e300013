"""Slows processes down to a tenth of their speed."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

from tests.engine.helpers import children

SLICE_S = 0.05


@contextlib.contextmanager
def slowed(*roots: int, factor: int = 10) -> Iterator[None]:
    """Let processes and their descendants run in one of `factor` time slices, all in the same one, and stop them in
    the others."""
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
