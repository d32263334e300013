"""Live parts of pages: reads are shared by visitors, and intervals grow with the number of open pages."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from fcst.ui import live


@pytest.fixture
def refresh() -> Iterator[None]:
    """Runs the test as a refresh of a live part."""
    token = live._is_refresh.set(True)
    yield
    live._is_refresh.reset(token)


def read_in_refresh(key: str, ask) -> object:
    live._is_refresh.set(True)  # in its own thread
    return live.read(key, ask)


def test_concurrent_refreshes_read_once() -> None:
    n_reads, is_reading, may_return = 0, threading.Event(), threading.Event()

    def ask() -> list[int]:
        nonlocal n_reads
        n_reads += 1
        is_reading.set()
        assert may_return.wait(10)
        return [n_reads]

    with ThreadPoolExecutor(8) as pool:
        found = [pool.submit(read_in_refresh, "together", ask) for _ in range(8)]
        assert is_reading.wait(10)
        may_return.set()
        assert [one.result(10) for one in found] == [[1]] * 8


def test_error_is_raised_to_all_waiting_reads_and_not_kept() -> None:
    n_reads, is_reading, may_fail = 0, threading.Event(), threading.Event()

    def fail() -> None:
        nonlocal n_reads
        n_reads += 1
        is_reading.set()
        assert may_fail.wait(10)
        raise ValueError("no database")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(read_in_refresh, "failing", fail)
        assert is_reading.wait(10)
        second = pool.submit(read_in_refresh, "failing", lambda: "answer")
        may_fail.set()
        for found in (first, second):
            error = found.exception(10)
            # The second read waited for the first, or came after it and read again.
            assert isinstance(error, ValueError) or (found is second and found.result() == "answer")
    assert n_reads == 1
    assert "'failing'" not in live._shared or live._shared["'failing'"][1].exception() is None


def test_result_is_shared_for_half_a_second(refresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(live.time, "monotonic", lambda: now)
    assert live.read("lately", lambda: 1) == 1
    now += live.SHARED_S - 0.01
    assert live.read("lately", lambda: 2) == 1
    assert live.read("something else", lambda: 3) == 3
    now += 0.02
    assert live.read("lately", lambda: 4) == 4


def test_full_page_run_always_reads(refresh: None) -> None:
    assert live.read("page", lambda: "before the click") == "before the click"
    live._is_refresh.set(False)
    assert live.read("page", lambda: "after it") == "after it"


def test_intervals_grow_with_open_pages() -> None:
    with ExitStack() as pages:
        for _ in range(live.PAGES_AT_FULL_RATE):
            pages.enter_context(live.open_page())
        assert live.interval(1.0) == 1.0
        for _ in range(4 * live.PAGES_AT_FULL_RATE):
            pages.enter_context(live.open_page())
        assert (live.interval(1.0), live.interval(0.5)) == (5.0, 2.5)
    assert live.interval(1.0) == 1.0
