"""Fixtures: a server started by the command of the README, and a Chromium browser.

Tests that need runs in a certain state run the batches themselves, one by one, without a supervisor.
"""

import io
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from fcst.dataset_records import Dataset
from fcst.services import jobs
from fcst.settings import SAMPLE
from fcst.specs import JobSpec
from fcst.store import attempts, workers
from fcst.store import jobs as store
from tests.conftest import fail_batch
from tests.servers import WORKER, free_port, load_here, own_database, serve, serve_own, stop, work

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run"
    " --disable-background-networking --disable-component-update --disable-sync"
)
BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium at /usr/bin/chromium"),
]
"""Marks of all modules in this folder."""
expect.set_options(timeout=20_000)

DIED, SLOW = "its process died (signal 9)", "it took longer than 300 s"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("it's a home") / "data"
    yield home
    if (home / "pg.location").exists():  # for root, the database is in another folder
        shutil.rmtree((home / "pg.location").read_text().strip(), ignore_errors=True)


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def app(home: Path, port: int) -> Iterator[dict]:
    """The running app; tests may stop and replace `process`."""
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


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Browser context of one visitor, with cached scripts of the app."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB", timezone_id="UTC")
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    yield page
    page.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[[], Page]]:
    """Returns a function that opens a page in the browser context of another visitor."""
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
    """Downloads a link of the popover *Download*."""
    link = page.locator(f".st-key-{row}").get_by_role("link", name=name)
    if link.count() == 0:
        page.get_by_test_id("stPopoverButton").click()
    return file_of(page, link)[1]


def file_of(page: Page, link: Locator) -> tuple[str, io.BytesIO]:
    """Name and content of a linked file; requested directly, because a click opens a tab that closes itself."""
    answer = page.request.get(urljoin(page.url, link.get_attribute("href") or ""))
    kind, _, name = answer.headers["content-disposition"].partition("; filename*=UTF-8''")
    assert answer.ok and kind == "attachment"
    return name, io.BytesIO(answer.body())


@dataclass
class Desk:
    """A server on a database with the sample and two ended runs: one completed, one with failures."""

    place: Path
    port: int
    process: subprocess.Popen
    dataset: Dataset
    finished: int
    broken: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def submit(self, name: str, models: tuple[str, ...] = ("SeasonalNaive",)) -> int:
        """Submits a run of the six largest items, two per batch."""
        items = jobs.choose_largest(self.dataset, 6)
        return jobs.submit_job(self.dataset.dataset_id, items, JobSpec(models=models, batch_size=2), name)

    def submit_broken(self, name: str) -> int:
        """Submits a run whose batches have failed for two reasons."""
        job_id = self.submit(name)
        for batch, reason in zip(attempts.claim(WORKER, 3), (DIED, DIED, SLOW), strict=True):
            fail_batch(batch, reason)
        store.freeze_ended()
        return job_id


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
    """Combobox by the start of its label."""
    return page.get_by_role("combobox", name=re.compile(f"^{re.escape(label)}"))


def control(page: Page, name: str) -> Locator:
    """Radio option by name."""
    return page.get_by_role("radio", name=name, exact=True)


def cells(page: Page, number: int) -> Locator:
    """Cells of a column of the first table, from the accessible table behind its canvas."""
    return page.get_by_test_id("stDataFrame").first.locator(f"[data-testid^='glide-cell-{number}-']")
