"""URLs of views, and live updates of open pages.

The tests run the batches themselves, one by one, without a supervisor.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pandas as pd
import pytest
from playwright.sync_api import Page, TimeoutError, expect

from fcst.services import jobs
from fcst.settings import SAMPLE
from tests.e2e.conftest import (
    BROWSER,
    DIED,
    SLOW,
    Desk,
    box,
    cells,
    control,
    free_port,
    linked_file,
    serve_own,
    settled,
    stop,
    work,
)
from tests.e2e.page_checks import faults

pytestmark = BROWSER

REFRESHES_MS = 2_500  # a live page refreshes every second


@pytest.fixture(autouse=True)
def cancel_open_runs(desk: Desk) -> Iterator[None]:
    """Cancels the open runs of a test."""
    yield
    for job in jobs.list_jobs(jobs.OPEN):
        jobs.cancel_job(job.job_id)


LINKS: dict[str, tuple[str, Callable[[Page, Desk], None]]] = {}


def link(address: str) -> Callable[[Callable[[Page, Desk], None]], Callable[[Page, Desk], None]]:
    """Registers the address of a view; the function asserts its content."""

    def add(check: Callable[[Page, Desk], None]) -> Callable[[Page, Desk], None]:
        LINKS[check.__name__] = (address, check)
        return check

    return add


@link("/home")
def home(page: Page, desk: Desk) -> None:
    expect(page.get_by_role("button", name=re.compile(r"View forecasts of run \d"))).to_be_visible()


@link("/data?ingest=99")
def data(page: Page, desk: Desk) -> None:
    expect(page.get_by_text("There is no ingest 99", exact=False)).to_be_visible()
    expect(page.get_by_text("Click a dataset to open it.")).to_be_visible()


@link("/load?path={sample}/train.csv.gz")
def load(page: Page, desk: Desk) -> None:
    expect(page.get_by_role("textbox", name=re.compile("^File, folder"))).to_have_value(str(SAMPLE / "train.csv.gz"))
    expect(page.get_by_role("heading", name="Files", exact=True)).to_be_visible()


@link("/dataset?dataset={dataset}&view=items&q=800039")
def dataset(page: Page, desk: Desk) -> None:
    expect(control(page, "Items")).to_be_checked()
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("800039")
    expect(page.get_by_text("1 of 200 items", exact=False)).to_be_visible()


@link("/new-run?dataset={dataset}&take=random&n=5&seed=7&family=PRODUCE")
def new_run(page: Page, desk: Desk) -> None:
    expect(control(page, "Random")).to_be_checked()
    expect(page.get_by_role("spinbutton", name="Seed")).to_have_value("7")
    expect(page.get_by_text("5 items in 1 batch", exact=False)).to_be_visible()


@link("/runs?q=bro&status=failed&status=completed")
def runs(page: Page, desk: Desk) -> None:
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("bro")
    expect(page.get_by_text("1 run. Click one to open it.")).to_be_visible()
    expect(cells(page, 0)).to_have_text([str(desk.broken)])


@link("/runs?job={broken}&view=batches&stage=failed&sort=longest")
def run(page: Page, desk: Desk) -> None:
    expect(page.get_by_role("heading", name=f"Run {desk.broken} · broken")).to_be_visible()
    expect(control(page, "Batches")).to_be_checked()
    expect(box(page, "Order")).to_have_value("longest first")
    expect(cells(page, 0)).to_have_count(3)


@link("/forecasts?job={finished}&item={item}&model=SeasonalNaive&q={item}&family={family}&show=Earlier+runs")
def forecasts(page: Page, desk: Desk) -> None:
    expect(page.get_by_role("heading", name=item_of(desk)[0])).to_be_visible()
    expect(page.get_by_role("searchbox", name="Search")).to_have_value(item_of(desk)[0])
    expect(page.get_by_text("1 of 1", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stMultiSelect").filter(has_text=item_of(desk)[1])).to_be_visible()
    expect(box(page, "Model")).to_have_value("same weeks last year")
    expect(page.locator(".st-key-chart .js-plotly-plot").last).to_be_visible()


@link("/accuracy?job={finished}&model=SeasonalNaive")
def accuracy(page: Page, desk: Desk) -> None:
    expect(box(page, "Model")).to_have_value("same weeks last year")
    expect(page.get_by_test_id("stMetric").filter(has_text="Error vs. same weeks last year")).to_contain_text(
        "0.0 % less"
    )


@link("/compare?job={finished}&model=SeasonalNaive&other={finished}")
def compare(page: Page, desk: Desk) -> None:
    expect(page.get_by_role("heading", name=f"Run {desk.finished} · autumn: forecast vs. actual sales")).to_be_visible()
    expect(box(page, "Model").first).to_have_value("same weeks last year")


@link("/glossary?word=pinball")
def glossary(page: Page, desk: Desk) -> None:
    expect(page.get_by_text("Scaled CRPS", exact=True)).to_be_visible()
    expect(page.get_by_text("Lumpy", exact=True)).to_have_count(0)


def view_in(address: str) -> tuple[str, list[tuple[str, str]]]:
    """Path and sorted parameters of a URL."""
    parts = urlsplit(address)
    return parts.path or "/", sorted(parse_qsl(parts.query))


def item_of(desk: Desk) -> tuple[str, str]:
    """The second item of the finished run, and its family."""
    key = jobs.list_keys(desk.finished)[1]
    return key, FAMILIES[key]


FAMILIES = {"380965": "BEVERAGES"}


def address_of(desk: Desk, name: str) -> str:
    item, family = item_of(desk)
    values = {"dataset": desk.dataset.dataset_id, "finished": desk.finished, "broken": desk.broken}
    return LINKS[name][0].format(**values, sample=SAMPLE, item=item, family=family)


@pytest.mark.full
@pytest.mark.parametrize("name", LINKS)
def test_link_shows_its_view_in_all_window_sizes(desk: Desk, page: Page, tmp_path: Path, name: str) -> None:
    """Screenshots are saved in the folder FCST_PICTURES, if set."""
    folder = Path(os.environ.get("FCST_PICTURES", tmp_path))
    page.goto(desk.url + address_of(desk, name))
    check_view(page, desk, name)
    for chart in page.get_by_test_id("stPlotlyChart").all():
        expect(chart.locator(".main-svg").first).to_be_visible()
    assert not (found := faults(page, folder, name, is_brief="FCST_PICTURES" not in os.environ)), "\n".join(found)


FEW = ("forecasts", "run")


@pytest.mark.full
@pytest.mark.parametrize(
    "name", [name if name in FEW else pytest.param(name, marks=pytest.mark.full) for name in LINKS]
)
def test_link_as_first_request_of_a_server(desk: Desk, page: Page, name: str) -> None:
    port = free_port()
    process = serve_own(desk.place, port)
    try:
        page.goto(f"http://127.0.0.1:{port}{address_of(desk, name)}")
        check_view(page, desk, name)
    finally:
        process.kill()
        process.wait()


def check_view(page: Page, desk: Desk, name: str) -> None:
    LINKS[name][1](page, desk)
    settled(page)
    expect(page.get_by_role("link", name="New run", exact=True)).to_be_visible()  # app.py has run, not only the page
    assert view_in(page.url) == view_in(address_of(desk, name))


@pytest.mark.full
def test_view_of_a_run_is_kept_on_refresh_and_stops_refreshing_at_its_end(desk: Desk, page: Page) -> None:
    job_id = desk.submit("live")
    address = f"{desk.url}/runs?job={job_id}&stage=submitted&sort=number"
    with page.expect_websocket() as opened:
        page.goto(address)
    socket = opened.value
    expect(page.get_by_role("heading", name="Batches: 3 submitted")).to_be_visible()
    expect(page).to_have_title(f"0 % · Run {job_id}")
    for n_done, title in ((1, "33 %"), (2, "67 %")):
        work(1)
        expect(page).to_have_title(f"{title} · Run {job_id}")
        expect(page.get_by_role("heading", name=f"Batches: {3 - n_done} submitted, {n_done} completed")).to_be_visible()
        expect(box(page, "Stage")).to_have_value("submitted")
        expect(cells(page, 0)).to_have_text([str(number) for number in range(n_done + 1, 4)])
    socket.wait_for_event("framesent", timeout=REFRESHES_MS)
    work(1)
    expect(page.get_by_test_id("stToast")).to_contain_text(f"Run {job_id} · live is completed: 6 of 6 items done.")
    expect(page).to_have_title(f"completed · Run {job_id}")
    expect(page.get_by_text("No batches are in this stage now.")).to_be_visible()
    settled(page)
    with pytest.raises(TimeoutError):
        socket.wait_for_event("framesent", timeout=REFRESHES_MS)
    assert page.url == address


@pytest.mark.full
def test_search_of_runs_is_kept_on_refresh(desk: Desk, page: Page) -> None:
    job_id = desk.submit("searched for")
    page.goto(f"{desk.url}/runs")
    search = page.get_by_role("searchbox", name="Search")
    search.press_sequentially("searched")
    expect(page).to_have_url(f"{desk.url}/runs?q=searched")
    expect(page.get_by_text("1 run. Click one to open it.")).to_be_visible()
    expect(cells(page, 2)).to_have_text(["submitted"])
    work(3)
    expect(page.get_by_test_id("stToast")).to_contain_text(f"Run {job_id} · searched for is completed")
    expect(cells(page, 2)).to_have_text(["completed"])
    expect(search).to_have_value("searched")
    expect(search).to_be_focused()


@pytest.mark.full
def test_back_and_forward_restore_views(desk: Desk, page: Page) -> None:
    page.goto(f"{desk.url}/runs")
    page.get_by_role("searchbox", name="Search").fill("broken")
    expect(page.get_by_text("1 run. Click one to open it.")).to_be_visible()
    settled(page)
    expect(cells(page, 0)).to_have_text([str(desk.broken)])
    page.get_by_test_id("stDataFrame").first.click(position={"x": 300, "y": 35 + 17})
    title = page.get_by_role("heading", name=f"Run {desk.broken} · broken")
    expect(title).to_be_visible()
    control(page, "Failures").click()
    expect(page.get_by_role("button", name="Retry").first).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Batches: 3 failed")).to_be_visible()
    expect(control(page, "Batches")).to_be_checked()
    page.go_back()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("broken")
    expect(page.get_by_text("1 run. Click one to open it.")).to_be_visible()
    page.go_forward()
    expect(title).to_be_visible()
    page.go_forward()
    expect(control(page, "Failures")).to_be_checked()
    expect(page.get_by_role("button", name="Retry").first).to_be_visible()


@pytest.mark.full
def test_filtered_runs_are_cancelled_and_retried_together(desk: Desk, page: Page) -> None:
    plans = [desk.submit("plan A"), desk.submit("plan B")]
    other = desk.submit("other")
    page.goto(f"{desk.url}/runs?q=plan")
    expect(page.get_by_text("2 runs. Click one to open it.")).to_be_visible()
    for button, promise, done, status in (
        ("Cancel runs", "2 runs with 12 items still open will be cancelled", "2 runs cancelled.", "cancelled"),
        ("Retry", "12 items of 2 runs", "Retrying 12 items.", "submitted"),
    ):
        page.get_by_role("button", name=button).click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text(promise)
        dialog.get_by_role("button", name=button, exact=True).click()
        expect(page.get_by_test_id("stToast").filter(has_text=done)).to_be_visible()
        expect(dialog).to_have_count(0)
        expect(cells(page, 2)).to_have_text([status, status])
        assert [jobs.get_job(job_id).status for job_id in (*plans, other)] == [status, status, "submitted"]


@pytest.mark.full
def test_failures_are_grouped_by_reason_and_retried_by_group(desk: Desk, page: Page) -> None:
    job_id = desk.submit_broken("torn")
    page.goto(f"{desk.url}/runs?job={job_id}&view=failures")
    expect(page.get_by_text(f"4 items failed: gave up after 5 tries: {DIED}")).to_be_visible()
    expect(page.get_by_text(f"2 items failed: gave up after 5 tries: {SLOW}")).to_be_visible()
    page.get_by_role("button", name="Retry").first.click()
    expect(page.get_by_text("Failed items can be retried after the run has ended.")).to_be_visible()
    work(2)
    expect(page.get_by_test_id("stToast")).to_contain_text("is completed: 4 of 6 items done.")
    expect(page.get_by_role("button", name="Retry")).to_have_count(1)
    expect(page.get_by_text(DIED, exact=False)).to_have_count(0)
    expect(page.get_by_text(f"2 items failed: gave up after 5 tries: {SLOW}")).to_be_visible()


@pytest.mark.full
def test_unknown_keys_of_a_pasted_list_are_named(desk: Desk, page: Page) -> None:
    page.goto(f"{desk.url}/new-run?take=list")
    keys = jobs.list_keys(desk.finished)
    field = page.get_by_role("textbox", name="Item keys")
    field.fill(f"{keys[0]}, nobody\n*x*\n{keys[2]}")
    field.press("Control+Enter")
    expect(page.get_by_text("2 keys are not in this dataset and are left out: nobody, *x*.")).to_be_visible()
    expect(page.get_by_text("2 items in 1 batch", exact=False)).to_be_visible()
    expect(cells(page, 1)).to_have_text([keys[0], keys[2]])


@pytest.mark.full
def test_link_reproduces_the_random_items(desk: Desk, page: Page, visit: Callable[[], Page]) -> None:
    page.goto(f"{desk.url}/new-run?dataset={desk.dataset.dataset_id}&take=random&n=5")
    page.get_by_text("Advanced", exact=True).click()
    seed = page.get_by_role("spinbutton", name="Seed")
    expect(seed).to_have_value("1")
    expect(cells(page, 1)).to_have_text([re.compile(r"\d")] * 5)
    first = cells(page, 1).all_text_contents()
    seed.fill("7")
    seed.press("Enter")
    expect(page).to_have_url(re.compile("seed=7"))
    expect(cells(page, 1)).not_to_have_text(first)
    chosen = cells(page, 1).all_text_contents()
    colleague = visit()
    colleague.goto(page.url)
    expect(cells(colleague, 1)).to_have_text(chosen)


@pytest.mark.full
def test_new_run_from_a_run_has_its_items_and_models(desk: Desk, page: Page) -> None:
    page.goto(f"{desk.url}/runs?job={desk.finished}")
    page.get_by_role("button", name="New run with these settings").click()
    expect(page).to_have_url(re.compile(rf"/new-run\?from={desk.finished}\b"))
    expect(page.get_by_text(f"Settings of Run {desk.finished} · autumn.")).to_be_visible()
    expect(control(page, f"Same as run {desk.finished}")).to_be_checked()
    page.get_by_role("button", name="Start run").click()
    expect(page).to_have_url(re.compile(r"/runs\?job=\d+$"))
    again = jobs.get_job(int(page.url.rsplit("=", 1)[1]))
    assert again.job_id != desk.finished and again.spec == jobs.get_job(desk.finished).spec
    assert jobs.list_keys(again.job_id) == jobs.list_keys(desk.finished)


@pytest.mark.full
def test_cancel_by_one_visitor_is_shown_to_others(desk: Desk, visit: Callable[[], Page]) -> None:
    job_id = desk.submit("shared")
    one, other = visit(), visit()
    for page in (one, other):
        page.goto(f"{desk.url}/runs?job={job_id}")
        expect(page.get_by_role("heading", name="Batches: 3 submitted")).to_be_visible()
    work(1)
    for page in (one, other):
        expect(page.get_by_role("heading", name="Batches: 2 submitted, 1 completed")).to_be_visible()
    one.get_by_role("button", name="Cancel run …").click()
    dialog = one.get_by_role("dialog")
    expect(dialog).to_contain_text("4 items will not be forecast.")
    one.wait_for_timeout(REFRESHES_MS)  # the page behind the dialog refreshes meanwhile
    dialog.get_by_role("button", name="Keep").click()
    expect(dialog).to_have_count(0)
    assert jobs.get_job(job_id).status == "running"
    one.get_by_role("button", name="Cancel run …").click()
    dialog.get_by_role("button", name="Cancel run").click()
    for page in (one, other):
        expect(page).to_have_title(f"cancelled · Run {job_id}")
        expect(page.get_by_role("button", name="Finish 4 items")).to_be_visible()
        expect(page.get_by_role("button", name="Cancel run")).to_have_count(0)


@pytest.mark.full
def test_open_page_restores_its_view_after_a_server_restart(desk: Desk, page: Page) -> None:
    job_id = desk.submit("restarted")
    address = f"{desk.url}/runs?job={job_id}&view=history"
    page.goto(address)
    expect(control(page, "History")).to_be_checked()
    page.evaluate("window.isTheSamePage = true")
    stop(desk.process)
    work(3)
    desk.process = serve_own(desk.place, desk.port)
    expect(page).to_have_title(f"completed · Run {job_id}", timeout=30_000)
    expect(control(page, "History")).to_be_checked()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.url == address and page.evaluate("window.isTheSamePage") is True


@pytest.mark.full
def test_forecast_is_adjusted_and_undone(desk: Desk, page: Page) -> None:
    item = item_of(desk)[0]
    page.goto(f"{desk.url}/forecasts?job={desk.finished}&item={item}&model=SeasonalNaive")
    page.get_by_role("button", name="Adjust weeks …").click()
    dialog = page.get_by_role("dialog")
    preview = dialog.get_by_text(re.compile("13 weeks: .* →"))
    more = preview.inner_text()
    percent = dialog.get_by_role("spinbutton")
    percent.fill("-50")
    percent.press("Enter")
    expect(preview).not_to_have_text(more)
    before, after = (number(words) for words in preview.inner_text().split("→"))
    assert after == pytest.approx(before / 2, rel=0.01)
    dialog.get_by_role("button", name="Save adjustment").click()
    expect(dialog.get_by_text("A change needs a reason.", exact=False)).to_be_visible()
    dialog.get_by_role("textbox", name="Reason").fill("Shop *closes* <b>early</b>")
    dialog.get_by_role("textbox", name="Your name").fill("Ann")
    dialog.get_by_role("button", name="Save adjustment").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("Shop *closes* <b>early</b>", exact=False)).to_be_visible()
    expect(page.get_by_test_id("stMetric").filter(has_text="Final plan")).to_contain_text("model: ")
    frame = pd.read_csv(linked_file(page, "downloads_this-item", "CSV"))
    frame = frame[frame["model"] == "SeasonalNaive"]
    assert frame["adjusted"].to_numpy() == pytest.approx(frame["forecast"].to_numpy() / 2, abs=1e-3)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Undo …").click()
    page.get_by_role("dialog").get_by_role("button", name="Undo adjustment").click()
    expect(page.get_by_text("Undone by Ann", exact=False)).to_be_visible()
    expect(page.get_by_test_id("stMetric").filter(has_text="Final plan")).to_contain_text("next 13 weeks")
    expect(page.get_by_role("button", name="Undo …")).to_have_count(0)


def number(words: str) -> float:
    """Last number in a text."""
    return float(re.findall(r"[\d,.]*\d", words)[-1].replace(",", ""))


@pytest.mark.full
def test_downloaded_files_match_their_links(desk: Desk, page: Page) -> None:
    page.goto(f"{desk.url}/forecasts?job={desk.finished}&q={item_of(desk)[0]}")
    expect(page.get_by_text("1 item shown", exact=False)).to_be_visible()
    for row, n_items in (("downloads_the-items-shown", 1), ("downloads_all-items-of-this-run", 6)):
        csv = pd.read_csv(linked_file(page, row, "CSV"))
        assert len(csv) == n_items * 2 * 13 and csv["unique_id"].nunique() == n_items
        book = linked_file(page, row, "Excel")
        assert set(pd.read_excel(book, sheet_name=None)) == {"Forecasts", "Accuracy", "Adjustments", "Run"}
        for frame in (pd.read_excel(book), pd.read_parquet(linked_file(page, row, "Parquet"))):
            assert frame["forecast"].to_numpy() == pytest.approx(csv["forecast"].to_numpy())
            assert frame["wk_end_dt"].astype(str).tolist() == csv["wk_end_dt"].tolist()
    page.keyboard.press("Escape")
    page.locator(".st-key-chart .js-plotly-plot").last.hover()
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download plot as a PNG").last.click()
    assert caught.value.suggested_filename == f"run{desk.finished}_sample_forecast-Auto.png"
    assert caught.value.path().read_bytes().startswith(b"\x89PNG")
