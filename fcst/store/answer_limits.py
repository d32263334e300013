"""A limit for waits for the database's answer, which psycopg2 does not have.

A connection on which an answer is due is noted with its deadline. One thread of the process looks at all that are
noted, and shuts the socket of one that is late: to libpq that is a server that went away. A note costs microseconds, a
thread for each wait would cost a hundred.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator

LOOK_EVERY_S = 1.0


class _Watch:
    """The deadlines of this process, by the number of the socket, and the thread that keeps them."""

    def __init__(self) -> None:
        self.deadlines: dict[int, float] = {}
        self._lock = threading.Lock()
        self._is_needed = threading.Event()
        self._thread: threading.Thread | None = None

    def note(self, number: int, deadline: float) -> None:
        with self._lock:
            self.deadlines[number] = deadline
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="answer-limits", daemon=True)
                self._thread.start()
        self._is_needed.set()

    def forget(self, number: int) -> None:
        with self._lock:
            self.deadlines.pop(number, None)

    def _look(self) -> None:
        while self._is_needed.wait():
            time.sleep(LOOK_EVERY_S)
            now = time.monotonic()
            with self._lock:  # under it no socket is closed, and its number given to another
                for number in [number for number, deadline in self.deadlines.items() if deadline < now]:
                    del self.deadlines[number]
                    _shut(number)
                if not self.deadlines:
                    self._is_needed.clear()


def _shut(number: int) -> None:
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(number)) as copy:
        copy.shutdown(socket.SHUT_RDWR)


_watch = _Watch()


def _begin_anew() -> None:
    """A forked child has none of its parent's threads."""
    global _watch
    _watch = _Watch()


os.register_at_fork(after_in_child=_begin_anew)


@contextlib.contextmanager
def limit(number: int, seconds: float) -> Iterator[None]:
    """Shuts the socket of this number where the block lasts longer, within a second."""
    watch = _watch
    watch.note(number, time.monotonic() + seconds)
    try:
        yield
    finally:
        watch.forget(number)
