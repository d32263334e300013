"""A planning session: worklist by units at stake, reviews by keyboard, adjustment of a family, edited grid cells, undo;
then newer sales are loaded, and the next run carries over the adjustments of future weeks.

The test runs the batches itself, without a supervisor.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urljoin

import openpyxl
import pytest
from playwright.sync_api import Page, expect

from fcst.filters import RunFilter, RunOrder, RunSort, Selection, by_keys
from fcst.job_records import Job
from fcst.services import adjustments, attention, forecasts, jobs
from fcst.specs import JobSpec
from fcst.store import workers
from tests.e2e.conftest import BROWSER, control, settled
from tests.servers import WORKER, free_port, load_here, own_database, serve_own, stop, work

pytestmark = [*BROWSER, pytest.mark.full]

MODEL = "SeasonalNaive"
N_ITEMS, N_WEEKS, NEWER_WEEKS = 14, 110, 111
FAMILIES = ("BREAD", "MILK")


def write_shop(folder: Path, n_weeks: int) -> Path:
    """Writes weekly sales of items of two families, each with its own trend."""
    folder.mkdir(parents=True)
    units = {
        f"item{i:02}": [round((40 + 9 * i) * (1 + w * (i - 7) / 700) + (w * (i + 3)) % 11) for w in range(n_weeks)]
        for i in range(1, N_ITEMS + 1)
    }
    first = date(2020, 1, 5)  # a Sunday; the first and last day of each week have rows
    rows = [
        f"{first + timedelta(days=7 * week + day)},{key},{sold / 2}"
        for key, weeks in units.items()
        for week, sold in enumerate(weeks)
        for day in (0, 6)
    ]
    (folder / "train.csv").write_text("\n".join(["date,item_nbr,unit_sales", *rows]))
    lines = [f"{key},{FAMILIES[n % 2]},Loaf {n}" for n, key in enumerate(units)]
    (folder / "items.csv").write_text("\n".join(["item_nbr,family,description", *lines]) + "\n")
    return folder


@dataclass
class Shop:
    """A server with a dataset and one completed run."""

    place: Path
    url: str
    job: Job


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    place = tmp_path_factory.mktemp("shop")
    with own_database(place):
        dataset = load_here(write_shop(place / "first", N_WEEKS), "shop")
        workers.register(WORKER, "elsewhere", 1, "0", 2, 3600)
        port = free_port()
        process = serve_own(place, port)
        try:
            yield Shop(place, f"http://127.0.0.1:{port}", run(dataset.dataset_id))
        finally:
            stop(process)
        log = (place / "home" / "app.log").read_text()
        assert "Traceback" not in log, log[-4000:]


def run(dataset_id: int) -> Job:
    job_id = jobs.submit_job(dataset_id, Selection(), JobSpec(models=(MODEL,), h=6, n_windows=2, batch_size=50))
    work(1)
    return jobs.get_job(job_id)


def keys_shown(page: Page) -> list[str]:
    return [row.get_attribute("data-key") or "" for row in page.locator("tr[data-key]").all()]


def plan(job: Job, *keys: str) -> list[float]:
    which = by_keys(*keys) if keys else RunFilter()
    return [float(units) for units in forecasts.view(job, MODEL, which).forecast["final"]]


def save_grid(page: Page, cells: dict[int, str], reason: str) -> None:
    """Types into cells of the final plan and saves them with a reason."""
    for place, typed in cells.items():
        page.locator(f"td.edit input[data-place='{place}']").fill(typed)
    page.get_by_role("textbox", name="Reason").fill(reason)
    page.get_by_role("textbox", name="Your name").fill("Ann")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text(reason, exact=False).first).to_be_visible()
    settled(page)


def test_planning_session(shop: Shop, page: Page) -> None:
    job = shop.job
    page.goto(f"{shop.url}/forecasts")
    expect(page.locator("tr[data-key]")).to_have_count(N_ITEMS, timeout=60_000)
    settled(page)

    # The worklist is sorted by units at stake and shows descriptions.
    by_stake = [item.unique_id for item in forecasts.list_items(job, MODEL, order=RunOrder(RunSort.STAKE))]
    assert keys_shown(page) == by_stake
    expect(page.locator("tr[data-key]").first).to_contain_text("Loaf")

    # A click on a header sorts in the database; the URL, Next and Previous keep the order.
    page.get_by_role("button", name="Plan", exact=True).click()
    expect(page).to_have_url(f"{shop.url}/forecasts?sort=final")
    by_plan = [item.unique_id for item in forecasts.list_items(job, MODEL, order=RunOrder(RunSort.FINAL))]
    expect(page.locator("tr[data-key]").first).to_have_attribute("data-key", by_plan[0])
    page.locator("tr[data-key]").nth(2).locator("td").nth(4).click()
    expect(page.locator("tr[aria-selected='true']")).to_have_attribute("data-key", by_plan[2])
    expect(page.get_by_text(f"3 of {N_ITEMS}", exact=True)).to_be_visible()
    assert keys_shown(page) == by_plan, "a selection keeps the order"

    # Ten items are reviewed by keyboard.
    page.goto(f"{shop.url}/forecasts?item={by_stake[0]}")
    expect(page.get_by_text(f"1 of {N_ITEMS}", exact=True)).to_be_visible()
    settled(page)
    for n in range(10):
        expect(page.locator(".st-key-step_reviewed button")).to_be_enabled()
        page.keyboard.press("Alt+m")
        expect(page.get_by_text(f"{n + 2} of {N_ITEMS}", exact=True)).to_be_visible()
        settled(page)
    assert forecasts.count_items(job, MODEL, RunFilter(review="done")) == 10
    expect(page.locator("[role='checkbox'][aria-checked='true']")).to_have_count(10)

    # A family is raised by 8 % for two weeks.
    page.goto(f"{shop.url}/forecasts?family=MILK")
    expect(page.get_by_role("heading", name="7 items shown", exact=False)).to_be_visible()
    before = plan(job)
    milk = plan(job, *[key for n, key in enumerate(sorted(by_stake)) if n % 2])
    settled(page)
    save_grid(page, {1: "+8%", 2: "+8%"}, "fair in two weeks")
    assert plan(job)[0] == pytest.approx(before[0])
    for week in (1, 2):
        assert plan(job)[week] - before[week] == pytest.approx(0.08 * milk[week])

    # Three grid cells of an item change by units and percent; invalid input is refused in the browser.
    item = by_stake[-1]
    page.goto(f"{shop.url}/forecasts?item={item}")
    own = plan(job, item)
    expect(page.locator("td.edit input").first).to_be_visible()
    settled(page)
    page.locator("td.edit input").first.fill("many")
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    expect(page.get_by_role("alert").filter(has_text="Enter units, 0 or more")).to_be_visible()
    save_grid(page, {0: "123", 1: "-50%", 2: "0"}, "listed again")
    assert plan(job, item) == pytest.approx([123, own[1] / 2, 0, *own[3:]])

    # The workbook is edited and uploaded.
    page.goto(f"{shop.url}/forecasts")
    settled(page)
    page.get_by_role("button", name="Download", exact=True).click()
    link = page.locator(".st-key-plan_all-items-of-this-run").get_by_role("link", name="Plan as Excel")
    book = openpyxl.load_workbook(
        io.BytesIO(page.request.get(urljoin(page.url, link.get_attribute("href") or "")).body())
    )
    sheet = book["Plan"]
    (row,) = [cells for cells in sheet.iter_rows(min_row=2) if cells[0].value == by_stake[3]]
    row[-1].value = 77
    book.save(shop.place / "plan.xlsx")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Upload plan …").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("input[type='file']").set_input_files(shop.place / "plan.xlsx")
    dialog.get_by_role("textbox", name="Reason").fill("counted by hand")
    dialog.get_by_role("textbox", name="Your name").fill("Ann")
    dialog.get_by_role("button", name="Save 1 change").click()
    expect(dialog).to_have_count(0)
    assert plan(job, by_stake[3])[-1] == pytest.approx(77)

    # The total and the CSV have the final plan.
    page.goto(f"{shop.url}/forecasts")
    settled(page)
    page.get_by_role("button", name="Download", exact=True).click()
    link = page.locator(".st-key-downloads_all-items-of-this-run").get_by_role("link", name="CSV", exact=True)
    answer = page.request.get(urljoin(page.url, link.get_attribute("href") or ""))
    rows = list(csv.DictReader(io.StringIO(answer.text())))
    assert sum(float(row["adjusted"]) for row in rows) == pytest.approx(sum(plan(job)), rel=1e-4)

    # One edit is undone.
    page.goto(f"{shop.url}/forecasts?item={item}")
    expect(page.get_by_text("listed again", exact=False).first).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Undo …").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Your name").fill("Ann")
    dialog.get_by_role("button", name="Undo adjustment").click()
    expect(page.get_by_text("Undone by Ann", exact=False)).to_be_visible()
    assert plan(job, item)[0] == pytest.approx(own[0])

    # A newer dataset is loaded: the next run carries over the adjustment of the family and shows this.
    newer = run(load_here(write_shop(shop.place / "second", NEWER_WEEKS), "shop").dataset_id)
    carried = adjustments.list_adjustments(newer)
    assert [(row.reason, row.carried_from) for row in carried] == [
        ("counted by hand", job.job_id),
        ("fair in two weeks", job.job_id),
    ]
    assert carried[1].first_wk_end_dt == job.last_wk_end_dt + timedelta(weeks=2)
    assert any(found.reason == "adjusted" for found in attention.count(newer, MODEL))
    page.goto(f"{shop.url}/forecasts?family=MILK")
    expect(page.get_by_text(f"carried over from run {job.job_id}", exact=False)).to_be_visible()
    page.goto(f"{shop.url}/forecasts?job={job.job_id}")
    settled(page)
    expect(page.locator(".st-key-chart").get_by_text("actual sales")).to_be_visible()


def test_concurrent_edit_of_the_same_weeks_is_a_conflict(shop: Shop, page: Page) -> None:
    job = shop.job
    item = forecasts.list_items(job, MODEL)[0].unique_id
    page.goto(f"{shop.url}/forecasts?job={job.job_id}&item={item}")
    expect(page.locator("td.edit input").first).to_be_visible()
    settled(page)
    week = job.last_wk_end_dt + timedelta(weeks=1)
    adjustments.set_units(job, MODEL, {item: {week: 55.0}}, "a call", "Bob")
    page.locator("td.edit input").first.fill("66")
    page.get_by_role("textbox", name="Reason").fill("mine")
    page.get_by_role("textbox", name="Your name").fill("Ann")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("These weeks were changed meanwhile", exact=False)).to_be_visible()
    expect(page.get_by_text("by Bob: a call", exact=False).first).to_be_visible()
    assert plan(job, item)[0] == 55
    assert control(page, "Weeks").is_checked()
