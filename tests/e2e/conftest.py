"""A server of the product's own, started by the README's command, and a real browser to look at it.

Where a test looks at runs in a certain state, it is their engine: it runs their batches one by one.
"""

import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from fcst.engine.task import run_batch, run_ingest
from fcst.services import datasets, jobs, loading
from fcst.settings import PROJECT, SAMPLE
from fcst.specs import IngestSpec, JobSpec
from fcst.store import batches, ingests, workers
from fcst.store import jobs as store
from fcst.store.embedded import ensure_running
from fcst.store.migrate import migrate
from tests.conftest import fail_batch, url, wait_until

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run"
    " --disable-background-networking --disable-component-update --disable-sync"
)
BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium at /usr/bin/chromium"),
]
"""The marks of every module here."""
expect.set_options(timeout=20_000)

WORKER = str(uuid.uuid4())
DIED, SLOW = "its process died (signal 9)", "it took longer than 300 s"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("it's a home") / "data"
    yield home
    if (home / "pg.location").exists():  # as root the database is elsewhere
        shutil.rmtree((home / "pg.location").read_text().strip(), ignore_errors=True)


def serve(home: Path, port: int, project: Path = PROJECT, **more: str) -> subprocess.Popen:
    env = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "FCST_WORKER")}
    env |= {"FCST_HOME": str(home), "FCST_PROCESSES": "2", "FCST_IDLE_EXIT_S": "3", **more}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), "--server.headless=true"]
    home.mkdir(parents=True, exist_ok=True)
    with (home / "app.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=project, env=env, stdout=log, stderr=log, start_new_session=True)
    wait_until(lambda: answers(port), what="for the app to answer")
    return process


@contextmanager
def own_database(place: Path) -> Iterator[None]:
    """A migrated, empty Postgres in `place`, known by its DATABASE_URL only; no supervisor works on it by itself."""
    where = ensure_running(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url(where, where["dbname"]))
        patch.setenv("FCST_HOME", str(place / "home"))
        patch.setenv("FCST_WORKER", "external")
        migrate()
        yield
    if (place / "pg.location").exists():
        shutil.rmtree((place / "pg.location").read_text().strip(), ignore_errors=True)


def serve_own(place: Path, port: int, project: Path = PROJECT) -> subprocess.Popen:
    """A server on the database of `own_database`."""
    return serve(place / "home", port, project, DATABASE_URL=os.environ["DATABASE_URL"], FCST_WORKER="external")


def load_here(path: Path, name: str) -> dict[str, Any]:
    """Loads a dataset as the supervisor's task does, here and now."""
    loading.request_ingest(IngestSpec(paths=(str(path),), name=name))
    claimed = ingests.claim(str(uuid.uuid4()))
    assert claimed is not None
    run_ingest(claimed["ingest_id"], claimed["attempt"])
    return datasets.list_datasets()[0]


def answers(port: int) -> bool:
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).status == 200
    except (urllib.error.URLError, OSError):
        return False


def stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def app(home: Path, port: int) -> Iterator[dict]:
    """The running app; a test may stop and replace `process`."""
    running = {"url": f"http://127.0.0.1:{port}", "process": serve(home, port)}
    yield running
    stop(running["process"])
    log = (home / "app.log").read_text()
    assert "Traceback" not in log, log[-4000:]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS.split())
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB", timezone_id="UTC")
    yield context.new_page()
    context.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[[], Page]]:
    """Opens the browser of another visitor."""
    contexts: list[BrowserContext] = []

    def visit() -> Page:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-GB", timezone_id="UTC"))
        return contexts[-1].new_page()

    yield visit
    for context in contexts:
        context.close()


def settled(page: Page) -> None:
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    expect(page.get_by_test_id("stException")).to_have_count(0)


def linked_file(page: Page, row: str, name: str) -> io.BytesIO:
    """What a link of *Download* leads to; the tab that a click opens closes before Playwright sees its download."""
    link = page.locator(f".st-key-{row}").get_by_role("link", name=name)
    if link.count() == 0:
        page.get_by_test_id("stPopoverButton").click()
    answer = page.request.get(urljoin(page.url, link.get_attribute("href") or ""))
    assert answer.ok and "attachment" in answer.headers["content-disposition"]
    return io.BytesIO(answer.body())


@dataclass
class Desk:
    """A server on a database with the sample and two runs that have ended: one well, one with failures."""

    place: Path
    port: int
    process: subprocess.Popen
    dataset: dict[str, Any]
    finished: int
    broken: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def submit(self, name: str, models: tuple[str, ...] = ("SeasonalNaive",)) -> int:
        """A run of the six largest items, two a batch."""
        items = jobs.choose_largest(self.dataset, 6)
        return jobs.submit_job(self.dataset["dataset_id"], items, JobSpec(models=models, batch_size=2), name)

    def submit_broken(self, name: str) -> int:
        """A run whose batches have failed for two reasons."""
        job_id = self.submit(name)
        for batch, reason in zip(batches.claim(WORKER, 3), (DIED, DIED, SLOW), strict=True):
            fail_batch(batch, reason)
        store.freeze_ended()
        return job_id


def work(n_batches: int) -> None:
    """As a supervisor does, with batches that wait."""
    for _ in range(n_batches):
        (batch,) = batches.claim(WORKER, 1)
        run_batch(batch["batch_id"], batch["attempt"])
    store.freeze_ended()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    place = tmp_path_factory.mktemp("desk")
    with own_database(place):
        dataset = load_here(SAMPLE, "sample")
        workers.register(WORKER, "elsewhere", 1, "0", 2, 3600)
        port = free_port()
        desk = Desk(place, port, serve_own(place, port), dataset, 0, 0)
        try:
            desk.finished = desk.submit("autumn", ("Auto", "SeasonalNaive"))
            work(3)
            desk.broken = desk.submit_broken("broken")
            yield desk
        finally:
            stop(desk.process)
        log = (place / "home" / "app.log").read_text()
        assert "Traceback" not in log, log[-4000:]


def box(page: Page, label: str) -> Locator:
    """The box whose label begins with these words."""
    return page.get_by_role("combobox", name=re.compile(f"^{re.escape(label)}"))


def control(page: Page, name: str) -> Locator:
    """One of a row of options."""
    return page.get_by_role("radio", name=name, exact=True)


def cells(page: Page, number: int) -> Locator:
    """A column of the first table, by the table that stands in for its canvas."""
    return page.get_by_test_id("stDataFrame").first.locator(f"[data-testid^='glide-cell-{number}-']")
