"""Effect of floods by one client on others: `python tests/benchmarks/floods.py`.

During each flood, /healthz is requested from another connection. A minute later, the server's memory is compared with
that before. Prints the median and the slowest response, without and with the flood, and the memory.
"""

import contextlib
import logging
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from streamlit.proto.WidgetStates_pb2 import WidgetState

from tests.benchmarks.visitors import App, running_app
from tests.gate.sessions import session, status_of_session

ASK_EVERY_S = 0.05
LOOK_S = 8.0
SETTLE_S = 60.0


@contextlib.contextmanager
def probed(port: int) -> Iterator[list[float]]:
    """Request /healthz repeatedly; yields the response times in seconds."""
    took: list[float] = []
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.wait(ASK_EVERY_S):
            begin = time.perf_counter()
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=30)
            took.append(time.perf_counter() - begin)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield took
    finally:
        is_over.set()
        thread.join()


def own(app: App) -> dict[str, str]:
    return {"host": f"127.0.0.1:{app.port}", "origin": f"http://127.0.0.1:{app.port}"}


def large_states(app: App) -> str:
    """Forty sessions that send a widget state of 24 MB."""
    widget = WidgetState(id="$$ID-x-None", string_value="x" * 24_000_000)
    n_refused = 0
    with contextlib.ExitStack() as stack:
        for visitor in [stack.enter_context(session(app.port, **own(app))) for _ in range(40)]:
            try:
                visitor.run("glossary", widgets=[widget])
            except Exception:  # noqa: BLE001  any kind of disconnect
                n_refused += 1
        time.sleep(LOOK_S)
    return f"{n_refused} of 40 refused"


def full_states(app: App) -> str:
    """As many sessions as allowed, each with as much state as allowed."""
    widget = WidgetState(id="$$ID-x-None", string_value="x" * 900_000)
    n_open = 0
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(Exception):
            while True:
                visitor = stack.enter_context(session(app.port, **own(app)))
                visitor.run("glossary", widgets=[widget])
                n_open += 1
        time.sleep(LOOK_S)
    return f"{n_open} sessions opened"


def tabs(app: App) -> str:
    """246 pages opened in sequence."""
    with contextlib.ExitStack() as stack:
        n_open = 0
        for _ in range(246):
            with contextlib.suppress(Exception):
                stack.enter_context(session(app.port, **own(app))).run("glossary")
                n_open += 1
        time.sleep(LOOK_S)
    return f"{n_open} of 246 opened"


def half_heads(app: App) -> str:
    """A thousand requests with incomplete headers."""
    sockets = [socket.create_connection(("127.0.0.1", app.port)) for _ in range(1_000)]
    for sock in sockets:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    time.sleep(25)
    n_closed = 0
    for sock in sockets:
        sock.settimeout(0.01)
        with contextlib.suppress(TimeoutError):
            n_closed += sock.recv(10) == b""
        sock.close()
    return f"{n_closed} of 1,000 closed within 25 s"


def foreign_origins(app: App) -> str:
    """Ten concurrent sessions from another site; the server's proxy does not respond."""
    end = time.monotonic() + LOOK_S
    n = [0]

    def attack() -> None:
        while time.monotonic() < end:
            status_of_session(app.port, host=f"127.0.0.1:{app.port}", origin="http://evil.example")
            n[0] += 1

    threads = [threading.Thread(target=attack) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return f"{n[0]} refused"


FLOODS: list[Callable[[App], str]] = [large_states, full_states, tabs, half_heads, foreign_origins]


def main() -> None:
    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # disconnects are expected
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as proxy:
        unresponsive = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        with running_app(
            Path(folder), FCST_HOME=f"{folder}/home", http_proxy=unresponsive, https_proxy=unresponsive
        ) as app:
            server = psutil.Process(app.process.pid)
            with session(app.port, **own(app)) as visitor:
                visitor.run("glossary")
            with probed(app.port) as quiet:
                time.sleep(LOOK_S)
            print(f"quiet: median {statistics.median(quiet) * 1e3:.0f} ms, slowest {max(quiet) * 1e3:.0f} ms")
            for flood in FLOODS:
                if sys.argv[1:] and flood.__name__ not in sys.argv[1:]:
                    continue
                before = server.memory_info().rss
                with probed(app.port) as took:
                    what = flood(app)
                    peak = server.memory_info().rss
                time.sleep(SETTLE_S)
                after = server.memory_info().rss
                print(
                    f"{flood.__name__}: {what}; /healthz median {statistics.median(took) * 1e3:.0f} ms, "
                    f"slowest {max(took) * 1e3:.0f} ms; memory {before / 1e6:.0f} → {peak / 1e6:.0f} → "
                    f"{after / 1e6:.0f} MB a minute later",
                    flush=True,
                )


if __name__ == "__main__":
    main()
