"""Every page in every state: screenshots, wide and narrow, light and dark, with layout and accessibility checks.

FCST_PICTURES is the folder for the screenshots, if set. A scene prepares a state: a database without open runs, with a
running run, an empty one, an unreachable one. The tests take minutes and run with `pytest -m full tests/e2e`;
`test_views` makes the same checks on each page with data.
"""

import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from playwright.sync_api import Browser, Page, expect

from fcst.dataset_records import Dataset
from fcst.engine import retry_policy
from fcst.engine.task import run_ingest
from fcst.filters import by_keys
from fcst.services import adjustments, forecasts, jobs, loading
from fcst.services.adjustments import Change
from fcst.settings import SAMPLE
from fcst.specs import IngestSpec, JobSpec
from fcst.states import Stage
from fcst.store import attempts, ingests
from fcst.store import jobs as store
from fcst.store.database import transaction
from fcst.store.migrate import migrate
from tests.conftest import fail_batch, write_sales
from tests.e2e.conftest import (
    BROWSER,
    DIED,
    WORKER,
    Desk,
    cells,
    free_port,
    load_here,
    serve,
    stop,
    work,
)
from tests.e2e.page_checks import faults

pytestmark = [*BROWSER, pytest.mark.full]

NAIVE = ("SeasonalNaive",)


# Data


@pytest.fixture(scope="module")
def ids(desk: Desk) -> dict[str, Any]:
    """Adds data to the desk; returns the values of the placeholders in the addresses below."""
    write_sales(desk.place / "shop.csv", 6, 120)
    shop = load_here(desk.place / "shop.csv", "shop")
    past = submit(shop, "spring plan")
    work(1)
    change(past, jobs.list_keys(past)[0])
    unmeasured = submit(shop, "no backtest", n_windows=0)
    work(1)
    write_sales(desk.place / "shop.csv", 6, 126)
    newer = load_here(desk.place / "shop.csv", "shop")
    partly = desk.submit("partly")
    work(1)
    (batch,) = attempts.claim(WORKER, 1)
    fail_batch(batch, DIED)
    work(1)
    stopped = desk.submit("stopped")
    work(1)
    jobs.cancel_job(stopped)
    store.freeze_ended()
    changed = desk.submit("changed")
    work(3)
    item = jobs.list_keys(desk.finished)[1]
    change(changed, item)
    bad = desk.place / "bad.csv"
    bad.write_text((desk.place / "shop.csv").read_text() + "2022-06-31,item1,4\n2022-06-18,item1,four\n")
    return {
        "dataset": desk.dataset.dataset_id,
        "shop": newer.dataset_id,
        "finished": desk.finished,
        "broken": desk.broken,
        "past": past,
        "unmeasured": unmeasured,
        "partly": partly,
        "stopped": stopped,
        "changed": changed,
        "item": item,
        "failed_item": jobs.list_failures(partly)[0].unique_id,
        "refused": refuse(bad),
        "bad": bad,
        "sales": SAMPLE / "train.csv.gz",
    }


def submit(dataset: Dataset, name: str, n_windows: int = 3) -> int:
    spec = JobSpec(models=NAIVE, n_windows=n_windows)
    return jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), spec, name, "For the *autumn*.")


def change(job_id: int, unique_id: str) -> None:
    """Adjusts the second to fourth week of a forecast."""
    job, item = jobs.get_job(job_id), by_keys(unique_id)
    weeks = forecasts.view(job, NAIVE[0], item).forecast["wk_end_dt"].dt.date
    by_a_fifth = Change(weeks.iloc[1], weeks.iloc[3], percent=20.0)
    adjustments.adjust(
        jobs.get_job(job_id), NAIVE[0], by_keys(unique_id), by_a_fifth, "A campaign in the *whole* region", "Ann"
    )


def refuse(path: Path) -> int:
    """Creates an ingest that was refused because of invalid rows; returns its id."""
    ingest_id = loading.request_ingest(IngestSpec(paths=(str(path),), name="shop"))
    claimed = ingests.claim(str(uuid.uuid4()))
    assert claimed is not None and claimed.ingest_id == ingest_id
    run_ingest(ingest_id, claimed.attempt)
    return ingest_id


# Scenes: yield the URL of a server


@contextmanager
def ended(desk: Desk, ids: dict[str, Any]) -> Iterator[str]:
    """No run is open."""
    yield desk.url


@contextmanager
def running(desk: Desk, ids: dict[str, Any]) -> Iterator[str]:
    """One run is running, one is stopping, one waits, and sales are being loaded."""
    ids["running"] = desk.submit("autumn again")
    work(1)
    in_work = attempts.claim(WORKER, 1)
    run = attempts.begin(in_work[0].batch_id, in_work[0].attempt, str(uuid.uuid4()))
    attempts.move(run, Stage.OBTAINING_SALES, Stage.PROCESSING)
    ids["stopping"] = desk.submit("a mistake")
    in_work += attempts.claim(WORKER, 1)
    jobs.cancel_job(ids["stopping"])
    ids["waiting"] = desk.submit("later")
    ingest_id = loading.request_sample()
    claimed = ingests.claim(WORKER)
    assert claimed is not None
    token = str(uuid.uuid4())
    ingests.begin(ingest_id, claimed.attempt, token)
    ingests.set_progress(ingest_id, token, "reading train.csv.gz", 2.0, 1_400_000, 2_300_000)
    ids["ingest"] = ingest_id
    yield desk.url
    ingests.cancel(ingest_id, claimed.attempt)
    for job in jobs.list_jobs(jobs.OPEN):
        jobs.cancel_job(job.job_id)
    for batch in in_work:
        retry_policy.end_attempt(batch.batch_id, batch.attempt, retry_policy.Cause.CANCELLED, "")
    attempts.cancel_waiting()
    store.freeze_ended()


def set_lease(expires_at: str) -> None:
    with transaction() as cur:
        cur.execute(f"UPDATE fcst_app.workers SET lease_expires_at = {expires_at}")


@contextmanager
def stalled(desk: Desk, ids: dict[str, Any]) -> Iterator[str]:
    """A run waits, and no supervisor is running."""
    ids["stalled"] = desk.submit("for Monday")
    set_lease("now()")
    yield desk.url
    set_lease("now() + interval '1 hour'")
    jobs.cancel_job(ids["stalled"])
    attempts.cancel_waiting()
    store.freeze_ended()


@contextmanager
def slow(desk: Desk, ids: dict[str, Any]) -> Iterator[str]:
    """Queries of large tables wait for a lock."""
    with closing(psycopg2.connect(os.environ["DATABASE_URL"])) as con, con.cursor() as cur:
        cur.execute(
            "LOCK TABLE fcst_app.forecasts, fcst_app.metrics, fcst_app.sales, fcst_app.sales_totals, fcst_app.workers"
        )
        yield desk.url


@contextmanager
def empty(desk: Desk, ids: dict[str, Any]) -> Iterator[str]:
    """The database is empty."""
    with another_database(desk) as address:
        yield address


@contextmanager
def loaded(desk: Desk, ids: dict[str, Any]) -> Iterator[str]:
    """Sales are loaded, and there are no runs."""
    with another_database(desk) as address:
        write_sales(desk.place / "first.csv", 6, 120)
        load_here(desk.place / "first.csv", "first")
        yield address


@contextmanager
def away(desk: Desk, ids: dict[str, Any]) -> Iterator[str]:
    """The database is not reachable."""
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    with serving(desk.place / "away", nowhere) as address:
        yield address


@contextmanager
def another_database(desk: Desk) -> Iterator[str]:
    """Creates an empty database on the same Postgres and uses it within the block."""
    name = f"another_{uuid.uuid4().hex[:8]}"
    with closing(psycopg2.connect(os.environ["DATABASE_URL"])) as con:
        con.autocommit = True
        con.cursor().execute(f"CREATE DATABASE {name}")
    address = re.sub(r"/[^/?]*\?", f"/{name}?", os.environ["DATABASE_URL"], count=1)
    with pytest.MonkeyPatch.context() as patch, serving(desk.place / name, address) as server:
        patch.setenv("DATABASE_URL", address)
        migrate()
        yield server


@contextmanager
def serving(home: Path, database: str) -> Iterator[str]:
    port = free_port()
    process = serve(home, port, DATABASE_URL=database, FCST_WORKER="external")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)


# States: each function asserts the expected content


Scene = Callable[[Desk, dict[str, Any]], AbstractContextManager[str]]
STATES: dict[str, tuple[Scene, str, Callable[[Page, dict[str, Any]], None]]] = {}


def state(scene: Scene, address: str) -> Callable[[Callable[[Page, dict[str, Any]], None]], None]:
    """Registers a state of a page; the function performs the steps to it and asserts its content."""

    def add(look: Callable[[Page, dict[str, Any]], None]) -> None:
        STATES[look.__name__] = (scene, address, look)

    return add


def says(page: Page, words: str) -> None:
    expect(page.get_by_text(words, exact=False).first).to_be_visible()


def heads(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", name=words).first).to_be_visible()


def press(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()


def asks(page: Page, words: str) -> None:
    expect(page.get_by_role("dialog")).to_contain_text(words)


@state(ended, "/home")
def home(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "Recent runs")
    says(page, "Click a run to open it.")


@state(ended, "/data")
def data(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Click a dataset to open it.")


@state(ended, "/data?ingest=99")
def data_unknown(page: Page, ids: dict[str, Any]) -> None:
    says(page, "There is no ingest 99")


@state(ended, "/data?ingest={refused}")
def data_refused(page: Page, ids: dict[str, Any]) -> None:
    says(page, "2 of 1,514 rows cannot be read")


@state(ended, "/load")
def load(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Kaggle's Favorita files load as downloaded.")


@state(ended, "/load?path={sales}")
def load_file(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "Files")


@state(ended, "/load?path=/nowhere.csv")
def load_refused(page: Page, ids: dict[str, Any]) -> None:
    says(page, "/nowhere.csv")


@state(ended, "/dataset?dataset={dataset}&view=weeks")
def dataset_weeks(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "Units per week, all items")


@state(ended, "/dataset?dataset={dataset}&view=quality")
def dataset_quality(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "Rows")
    heads(page, "Coverage")


@state(ended, "/dataset?dataset={dataset}&view=items")
def dataset_items(page: Page, ids: dict[str, Any]) -> None:
    says(page, "200 of 200 items")


@state(ended, "/dataset?dataset={dataset}&view=items&q=zzz")
def dataset_items_none(page: Page, ids: dict[str, Any]) -> None:
    says(page, "0 of 200 items")


@state(ended, "/dataset?dataset={dataset}&view=reading")
def dataset_reading(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "Rules")


@state(ended, "/dataset?dataset={shop}&view=versions")
def dataset_versions(page: Page, ids: dict[str, Any]) -> None:
    expect(cells(page, 0)).to_have_text(["2", "1"])


@state(ended, "/dataset?dataset=77")
def dataset_unknown(page: Page, ids: dict[str, Any]) -> None:
    says(page, "There is no dataset 77.")


@state(ended, "/dataset?dataset={dataset}")
def dataset_delete(page: Page, ids: dict[str, Any]) -> None:
    press(page, "Delete …")
    asks(page, "This also deletes ")


@state(ended, "/new-run?dataset={dataset}")
def new_run(page: Page, ids: dict[str, Any]) -> None:
    says(page, "100 items in")


@state(ended, "/new-run?dataset={dataset}&take=random&n=10&seed=7")
def new_run_random(page: Page, ids: dict[str, Any]) -> None:
    says(page, "10 items in")


@state(ended, "/new-run?dataset={dataset}&take=all&family=PRODUCE")
def new_run_all(page: Page, ids: dict[str, Any]) -> None:
    says(page, " items match.")


@state(ended, "/new-run?dataset={dataset}&take=list")
def new_run_list(page: Page, ids: dict[str, Any]) -> None:
    field = page.get_by_role("textbox", name="Item keys")
    field.fill(f"{ids['item']}\nnobody\n*x*")
    field.press("Control+Enter")
    says(page, "2 keys are not in this dataset")


@state(ended, "/new-run?from={past}")
def new_run_from(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Settings of Run")


@state(ended, "/new-run?dataset={dataset}&q=zzz")
def new_run_none(page: Page, ids: dict[str, Any]) -> None:
    says(page, "No items match")


@state(ended, "/new-run?dataset=77")
def new_run_unknown(page: Page, ids: dict[str, Any]) -> None:
    says(page, "There is no dataset 77.")


@state(ended, "/new-run?dataset={dataset}&n=5")
def new_run_refused(page: Page, ids: dict[str, Any]) -> None:
    page.get_by_role("button", name="Clear all").first.click()
    press(page, "Start run")
    says(page, "No model was selected.")


@state(ended, "/runs")
def runs(page: Page, ids: dict[str, Any]) -> None:
    says(page, "7 runs. Click one to open it.")


@state(ended, "/runs?status=failed&status=cancelled&q=o")
def runs_filtered(page: Page, ids: dict[str, Any]) -> None:
    says(page, "2 runs. Click one")


@state(ended, "/runs?q=zzz")
def runs_none(page: Page, ids: dict[str, Any]) -> None:
    says(page, "No runs match.")


@state(ended, "/runs")
def runs_retry(page: Page, ids: dict[str, Any]) -> None:
    press(page, "Retry items …")
    asks(page, "will be retried")


@state(ended, "/runs")
def runs_nothing_to_cancel(page: Page, ids: dict[str, Any]) -> None:
    press(page, "Cancel runs …")
    asks(page, "None of these runs can be cancelled")


@state(ended, "/runs?job={partly}&view=batches")
def run_batches(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "Batches: 2 completed, 1 failed")


@state(ended, "/runs?job={partly}&view=timeline")
def run_timeline(page: Page, ids: dict[str, Any]) -> None:
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()


@state(ended, "/runs?job={partly}&view=failures")
def run_failures(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "2 items failed")


@state(ended, "/runs?job={partly}&view=history")
def run_history(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Problems only")


@state(ended, "/runs?job={partly}&view=log")
def run_log(page: Page, ids: dict[str, Any]) -> None:
    says(page, "is failed, attempt")


@state(ended, "/runs?job={unmeasured}")
def run_completed(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "Batches: 1 completed")


@state(ended, "/runs?job={stopped}&view=failures")
def run_cancelled(page: Page, ids: dict[str, Any]) -> None:
    says(page, "4 items cancelled")


@state(ended, "/runs?job={broken}")
def run_failed(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "Batches: 3 failed")


@state(ended, "/runs?job=99")
def run_unknown(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Run 99 does not exist.")


@state(ended, "/forecasts?job={finished}")
def forecasts_all(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "All items: total of 6 plans")


@state(ended, "/forecasts?job={finished}&show=Backtest&show=Other+models&show=Earlier+runs")
def forecasts_marked(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "All items: total of 6 plans")


@state(ended, "/forecasts?job={finished}&family=BEVERAGES")
def forecasts_filtered(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "shown: total of")


@state(ended, "/forecasts?job={finished}&q=zzz")
def forecasts_none(page: Page, ids: dict[str, Any]) -> None:
    says(page, "No items shown have a forecast.")


@state(ended, "/forecasts?job=99")
def forecasts_unknown_run(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Run 99 has no forecasts")


@state(ended, "/forecasts?job={finished}&item={item}")
def item(page: Page, ids: dict[str, Any]) -> None:
    heads(page, ids["item"])


@state(ended, "/forecasts?job={finished}&item={item}&show=Backtest&show=Other+models&show=Earlier+runs")
def item_marked(page: Page, ids: dict[str, Any]) -> None:
    heads(page, ids["item"])


@state(ended, "/forecasts?job={finished}&item=nobody")
def item_unknown(page: Page, ids: dict[str, Any]) -> None:
    says(page, "This run has no item nobody")


@state(ended, "/forecasts?job={partly}&item={failed_item}")
def item_failed(page: Page, ids: dict[str, Any]) -> None:
    says(page, "This item has no forecast: failed, gave up after 5 tries")


@state(ended, "/forecasts?job={changed}&item={item}")
def item_adjusted(page: Page, ids: dict[str, Any]) -> None:
    says(page, "A campaign in the *whole* region")


@state(ended, "/forecasts?job={finished}&item={item}")
def item_adjust(page: Page, ids: dict[str, Any]) -> None:
    press(page, "Adjust weeks …")
    asks(page, "13 weeks: ")


@state(ended, "/forecasts?job={finished}&item={item}")
def item_adjust_refused(page: Page, ids: dict[str, Any]) -> None:
    press(page, "Adjust weeks …")
    press(page, "Save adjustment")
    asks(page, "A change needs a reason.")


@state(ended, "/forecasts?job={changed}&item={item}")
def item_undo(page: Page, ids: dict[str, Any]) -> None:
    press(page, "Undo …")
    asks(page, "is removed from the final plan")


@state(ended, "/forecasts?job={finished}&item={item}&q={item}")
def item_download(page: Page, ids: dict[str, Any]) -> None:
    page.get_by_test_id("stPopoverButton").click()
    expect(page.get_by_role("link", name="Parquet").first).to_be_visible()


@state(ended, "/accuracy?job={finished}")
def accuracy(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "Auto candidates")


@state(ended, "/accuracy?job={past}&view=lags")
def accuracy_lags(page: Page, ids: dict[str, Any]) -> None:
    says(page, "These are too few runs")


@state(ended, "/accuracy?job={finished}&view=lags")
def accuracy_lags_none(page: Page, ids: dict[str, Any]) -> None:
    says(page, "has forecast a week that the newest version")


@state(running, "/runs?job={running}")
def run_cancel(page: Page, ids: dict[str, Any]) -> None:
    press(page, "Cancel run …")
    asks(page, "will not be forecast")


@state(ended, "/accuracy?job={unmeasured}")
def accuracy_none(page: Page, ids: dict[str, Any]) -> None:
    says(page, "It has no backtests.")


@state(ended, "/compare?job={finished}&other={changed}")
def compare(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "Items")


@state(ended, "/compare?job={past}&other={unmeasured}")
def compare_since(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Forecast value added")


@state(ended, "/compare?job={past}&other={finished}")
def compare_different(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "Items")


@state(ended, "/glossary")
def glossary(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Scaled CRPS")


@state(ended, "/glossary?word=zzz")
def glossary_none(page: Page, ids: dict[str, Any]) -> None:
    says(page, "No terms match “zzz”.")


@state(ended, "/nonsense")
def unknown_page(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "Forecasts")


@state(running, "/home")
def home_running(page: Page, ids: dict[str, Any]) -> None:
    says(page, "autumn again: 2 of 6 items")


@state(running, "/data?ingest={ingest}")
def data_loading(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Loading sample")


@state(running, "/dataset?dataset={dataset}")
def dataset_delete_refused(page: Page, ids: dict[str, Any]) -> None:
    press(page, "Delete …")
    asks(page, "A run of this dataset is still open")


@state(running, "/runs")
def runs_running(page: Page, ids: dict[str, Any]) -> None:
    expect(cells(page, 2)).to_contain_text(["submitted", "running", "running"])


@state(running, "/runs?q=again")
def runs_cancel(page: Page, ids: dict[str, Any]) -> None:
    press(page, "Cancel runs …")
    asks(page, "still open will be cancelled")


@state(running, "/runs?job={running}&view=batches")
def running_batches(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "Batches: 1 submitted, 1 processing, 1 completed")


@state(running, "/runs?job={running}&view=timeline")
def running_timeline(page: Page, ids: dict[str, Any]) -> None:
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()


@state(running, "/runs?job={running}&view=failures")
def running_failures(page: Page, ids: dict[str, Any]) -> None:
    says(page, "No items have failed so far.")


@state(running, "/runs?job={running}&view=history")
def running_history(page: Page, ids: dict[str, Any]) -> None:
    expect(cells(page, 0).first).to_be_attached()


@state(running, "/runs?job={running}&view=log")
def running_log(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Batch 1 is completed, attempt 1.")


@state(running, "/runs?job={waiting}")
def run_waiting(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Waiting behind run")


@state(running, "/runs?job={stopping}")
def run_stopping(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Cancelling …")


@state(running, "/forecasts?job={running}")
def forecasts_running(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "total of 2 plans, 4 without forecast")


@state(stalled, "/home")
def home_stalled(page: Page, ids: dict[str, Any]) -> None:
    says(page, "No supervisor is running, and work is waiting")


@state(stalled, "/runs?job={stalled}")
def run_stalled(page: Page, ids: dict[str, Any]) -> None:
    says(page, "No supervisor is running, and work is waiting")


@state(slow, "/home")
def home_slow(page: Page, ids: dict[str, Any]) -> None:
    heads(page, "Home")


@state(slow, "/dataset?dataset=2")
def dataset_slow(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Reading …")


@state(slow, "/forecasts?job={changed}&q=3")
def forecasts_slow(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Reading …")


@state(slow, "/accuracy?job={partly}")
def accuracy_slow(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Reading …")


@state(slow, "/compare?job={past}&other={changed}")
def compare_slow(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Reading …")


@state(empty, "/")
def home_empty(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Load sample")


@state(empty, "/data")
def data_empty(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Load sales to start.")


@state(empty, "/new-run")
def new_run_empty(page: Page, ids: dict[str, Any]) -> None:
    says(page, "No sales loaded yet.")


@state(empty, "/runs")
def runs_empty(page: Page, ids: dict[str, Any]) -> None:
    says(page, "No runs yet.")


@state(empty, "/forecasts")
def forecasts_empty(page: Page, ids: dict[str, Any]) -> None:
    says(page, "No forecasts yet.")


@state(empty, "/accuracy")
def accuracy_empty(page: Page, ids: dict[str, Any]) -> None:
    says(page, "No accuracy yet.")


@state(empty, "/compare")
def compare_empty(page: Page, ids: dict[str, Any]) -> None:
    says(page, "No runs to compare yet.")


@state(loaded, "/home")
def home_loaded(page: Page, ids: dict[str, Any]) -> None:
    says(page, "Forecast first")


@state(away, "/")
def home_away(page: Page, ids: dict[str, Any]) -> None:
    says(page, "The database is unreachable, trying again …")


@state(away, "/runs?job=1")
def run_away(page: Page, ids: dict[str, Any]) -> None:
    says(page, "The database is unreachable, trying again …")


@state(away, "/load")
def load_away(page: Page, ids: dict[str, Any]) -> None:
    says(page, "The database is unreachable, trying again …")


# The test


@pytest.fixture(scope="module")
def visitor(browser: Browser) -> Iterator[Page]:
    """One page for all states, to reuse cached Streamlit files."""
    context = browser.new_context(locale="en-GB", timezone_id="UTC", color_scheme="light", reduced_motion="reduce")
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest, desk: Desk, ids: dict[str, Any]) -> Iterator[str]:
    """URL of the server of a scene."""
    with request.param(desk, ids) as address:
        yield address


@pytest.mark.parametrize(
    ("stage", "name"),
    [pytest.param(scene, name, id=name) for name, (scene, _, _) in STATES.items()],
    indirect=["stage"],
    scope="module",
)
def test_page_has_no_faults_in_any_state(
    stage: str, ids: dict[str, Any], visitor: Page, tmp_path: Path, name: str
) -> None:
    folder = Path(os.environ.get("FCST_PICTURES", tmp_path))
    scene, address, look = STATES[name]
    page = visitor
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(stage + address.format(**ids))
    look(page, ids)
    if scene is not slow:
        page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    for chart in page.get_by_test_id("stPlotlyChart").all():
        expect(chart.locator(".main-svg").first).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert not (found := faults(page, folder, f"state_{name}")), "\n".join(found)
