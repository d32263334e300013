"""Live parts of pages: refresh at intervals, and share of reads among all visitors.

A refresh takes about 40 ms of the Python interpreter that all pages share. The status and counts of a run of 10,000
batches take PostgreSQL as long. A hundred pages that refresh every second would need more than a second of both.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import streamlit as st

PAGES_AT_FULL_RATE = 20
"""Open pages from which on intervals grow, in proportion to the pages."""
SHARED_S = 0.5

T = TypeVar("T")

_n_open = 0
_is_refresh: ContextVar[bool] = ContextVar("is_refresh", default=False)
_lock = threading.Lock()
_shared: dict[str, tuple[float, Future[Any]]] = {}
"""Pending and recent reads, with the monotonic time until which they are shared."""


@contextmanager
def open_page() -> Iterator[None]:
    """Counts a page as open. Call it in the server's event loop only."""
    global _n_open
    _n_open += 1
    try:
        yield
    finally:
        _n_open -= 1


def interval(seconds: float) -> float:
    """Seconds between refreshes; `seconds` while few pages are open."""
    return seconds * max(1.0, _n_open / PAGES_AT_FULL_RATE)


def draw(part: Callable[[], None], seconds: float | None) -> None:
    """Draws a part of the page now and every `seconds`; only once if that is None."""
    is_drawn = False

    @st.fragment(run_every=None if seconds is None else interval(seconds))
    def live_part() -> None:
        nonlocal is_drawn
        token = _is_refresh.set(is_drawn)
        is_drawn = True
        try:
            part()
        finally:
            _is_refresh.reset(token)

    live_part()


def read(key: Hashable, ask: Callable[[], T]) -> T:
    """Returns the result of `ask`. In a refresh it may be half a second old.

    All visitors share the result: do not change it. The key names what is read and its arguments. Concurrent reads of a
    key wait for the first one; its error is raised to all of them and not kept. A full run of the page always reads
    from the database, to show the visitor's own changes.
    """
    if not _is_refresh.get():
        return ask()
    name, now = repr(key), time.monotonic()
    with _lock:
        for old in [name for name, (until, _) in _shared.items() if until < now]:
            del _shared[old]
        found = _shared.get(name)
        if found is None:
            future: Future[T] = Future()
            _shared[name] = (float("inf"), future)  # pending
    if found is not None:
        shared: T = found[1].result()
        return shared
    try:
        value = ask()
    except BaseException as exc:
        with _lock:
            del _shared[name]
        future.set_exception(exc)
        raise
    with _lock:
        _shared[name] = (time.monotonic() + SHARED_S, future)
    future.set_result(value)
    return value
