"""Timeouts for responses of the database, which psycopg2 lacks.

Each waiting connection is registered with a deadline. One thread per process checks the deadlines and shuts down the
socket of a connection past its deadline; libpq then reports a lost connection. Registering takes microseconds, a thread
for each wait a hundred.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator

CHECK_EVERY_S = 1.0


class _Watchdog:
    """The deadlines of this process by file descriptor, and the thread that enforces them."""

    def __init__(self) -> None:
        self.deadlines: dict[int, float] = {}
        self._lock = threading.Lock()
        self._is_needed = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, number: int, deadline: float) -> None:
        with self._lock:
            self.deadlines[number] = deadline
            if self._thread is None:
                self._thread = threading.Thread(target=self._check_deadlines, name="answer-limits", daemon=True)
                self._thread.start()
        self._is_needed.set()

    def remove(self, number: int) -> None:
        with self._lock:
            self.deadlines.pop(number, None)

    def _check_deadlines(self) -> None:
        while self._is_needed.wait():
            time.sleep(CHECK_EVERY_S)
            now = time.monotonic()
            with self._lock:  # delays the closing of sockets, so that no descriptor is reused meanwhile
                for number in [number for number, deadline in self.deadlines.items() if deadline < now]:
                    del self.deadlines[number]
                    _shut(number)
                if not self.deadlines:
                    self._is_needed.clear()


def _shut(number: int) -> None:
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(number)) as copy:
        copy.shutdown(socket.SHUT_RDWR)


_watchdog = _Watchdog()


def _reset_after_fork() -> None:
    """Starts a new watchdog in a forked child, which has none of its parent's threads."""
    global _watchdog
    _watchdog = _Watchdog()


os.register_at_fork(after_in_child=_reset_after_fork)


@contextlib.contextmanager
def limit(number: int, seconds: float) -> Iterator[None]:
    """Shuts down the socket `number` if the block takes longer than `seconds`, at most a second late."""
    watchdog = _watchdog
    watchdog.add(number, time.monotonic() + seconds)
    try:
        yield
    finally:
        watchdog.remove(number)
