"""Clients of the pages: the app in a separate process, sessions using Streamlit's protocol, and Chromium."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psutil
import websockets
from playwright.sync_api import Browser, Page, sync_playwright
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from fcst.settings import PROJECT

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run"
    " --disable-background-networking --disable-component-update --disable-sync"
)


class App:
    """The app, started as users do, with its output in `log`."""

    def __init__(self, log: Path, **env: str) -> None:
        self.log = log
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={self.port}"]
        with log.open("ab") as out:
            self.process = psutil.Popen(
                [*command, "--server.headless=true"], cwd=PROJECT, env=os.environ | env, stdout=out, stderr=out
            )

    def wait(self) -> None:
        """Wait until it listens."""
        while True:
            assert self.process.is_running(), self.log.read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.01)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
        assert "Traceback" not in self.log.read_text(), self.log.read_text()[-4000:]

    def cpu_s(self) -> float:
        return sum(self.process.cpu_times()[:2])

    def url(self, page: str, query: str = "") -> str:
        return f"http://127.0.0.1:{self.port}/{page}?{query}"


@contextlib.contextmanager
def running_app(folder: Path, **env: str) -> Iterator[App]:
    app = App(folder / "app.log", **env)
    try:
        app.wait()
        yield app
    finally:
        app.stop()


class Visitor:
    """One session: sends and receives the messages of a browser for a page, without rendering."""

    def __init__(self, stream: websockets.ClientConnection, page: str, query: str) -> None:
        self.stream, self.page, self.query = stream, page, query
        self.every: dict[str, float] = {}  # fragment -> seconds from one refresh to the next
        self.n_bytes = 0

    async def ask(self, fragment: str = "") -> None:
        """Request a run of the page, or of a fragment that refreshes automatically."""
        message = BackMsg()
        state = message.rerun_script
        state.page_name, state.query_string = self.page, self.query
        state.fragment_id, state.is_auto_rerun = fragment, bool(fragment)
        state.context_info.timezone, state.context_info.locale = "Europe/Berlin", "en-GB"
        await self.stream.send(message.SerializeToString())

    async def finished(self) -> list[str]:
        """Wait for the end of a run; return its fragments, or an empty list for the whole page."""
        while True:
            data = await self.stream.recv()
            self.n_bytes += len(data)
            message = ForwardMsg.FromString(data)
            kind = message.WhichOneof("type")
            if kind == "delta":
                self._check(message)
            elif kind == "auto_rerun":
                self.every[message.auto_rerun.fragment_id] = message.auto_rerun.interval
            elif kind == "page_info_changed":  # the script changed the browser's URL
                self.query = message.page_info_changed.query_string
            elif kind == "script_finished":
                assert message.script_finished != ForwardMsg.FINISHED_WITH_COMPILE_ERROR
                fragments = list(message.metadata.run.fragment_ids)
                # An interrupted run of the page is followed by another one; a fragment's run is always complete.
                if fragments or message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                    return fragments

    def _check(self, message: ForwardMsg) -> None:
        element = message.delta.new_element
        is_error = element.WhichOneof("type") == "alert" and element.alert.format == Alert.ERROR
        assert element.WhichOneof("type") != "exception" and not is_error, element

    async def run(self) -> float:
        """Run the whole page; return the seconds."""
        begin = time.perf_counter()
        await self.ask()
        while await self.finished():
            pass
        return time.perf_counter() - begin

    async def look(self, seconds: float) -> list[float]:
        """Keep the page open; return the seconds of each refresh of a fragment."""
        asked: dict[str, float] = {}
        took: list[float] = []

        async def refresh(fragment: str, every: float) -> None:
            while True:
                await asyncio.sleep(every)
                asked.setdefault(fragment, time.perf_counter())
                await self.ask(fragment)

        async def read() -> None:
            while True:
                for fragment in await self.finished():
                    if fragment in asked:
                        took.append(time.perf_counter() - asked.pop(fragment))

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
                tasks.create_task(read())
                for fragment, every in self.every.items():
                    tasks.create_task(refresh(fragment, every))
        now = time.perf_counter()
        return took + [now - begin for begin in asked.values() if now - begin > 1]  # include pending refreshes


@contextlib.asynccontextmanager
async def visit(app: App, page: str, query: str = "", place: str = "127.0.0.1") -> AsyncIterator[Visitor]:
    """A session from a local address; the server limits the number of sessions per address."""
    address = f"ws://127.0.0.1:{app.port}/_stcore/stream"
    async with websockets.connect(address, subprotocols=["streamlit"], max_size=None, local_addr=(place, 0)) as stream:
        yield Visitor(stream, page, query)


async def time_runs(
    app: App, page: str, query: str, n: int, spent: Callable[[], float]
) -> tuple[float, list[float], float]:
    """Seconds of the first run of a page, and of `n` reruns in the same session; growth of `spent` per rerun."""
    async with visit(app, page, query) as visitor:
        first = await visitor.run()
        before = spent()
        seconds = [await visitor.run() for _ in range(n)]
        return first, seconds, (spent() - before) / n


async def time_crowd(app: App, page: str, query: str, n: int, seconds: float) -> list[float]:
    """Seconds of each refresh in `n` sessions, which open the page one after the other."""

    async def one(number: int) -> list[float]:
        await asyncio.sleep(number * 5.03 / n)  # spread out the refreshes
        async with visit(app, page, query) as visitor:
            await visitor.run()
            return await visitor.look(seconds - number * 5.03 / n)

    found = await asyncio.gather(*(one(number) for number in range(n)))
    return [took for part in found for took in part]


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS.split())
        yield browser
        browser.close()


# Time from the mouse press to the frame after the last change of the chart's lines (SVG paths).
WATCH_CHART = """() => {
    const lines = () => [...document.querySelectorAll('.st-key-chart .js-plotly-plot .scatterlayer path')]
        .map(path => path.getAttribute('d')).join();
    window.pressed = window.painted = 0;
    document.addEventListener('pointerdown', () => {
        window.pressed = performance.now();
        let last = lines();
        const look = () => {
            const now = lines();
            if (now !== last) { last = now; window.painted = performance.now(); }
            if (performance.now() - window.pressed < 3000) requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
    }, {capture: true, once: true});
}"""


def settle(page: Page) -> None:
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    page.wait_for_timeout(300)


def time_item(page: Page, unique_id: str, row: int | None) -> float:
    """Seconds from a click on a row of the item table, or on Next, to the painted chart of that item."""
    settle(page)
    page.evaluate(WATCH_CHART)
    if row is None:
        page.locator(".st-key-step_Next button").click()
    else:
        page.locator("tr[data-key]").nth(row).click()
    page.get_by_role("heading", name=re.compile(unique_id)).wait_for(timeout=20_000)
    page.wait_for_function("window.painted > 0 && performance.now() - window.painted > 500")
    return page.evaluate("(window.painted - window.pressed) / 1000")
