"""The app as started by the README, with a browser: the sample, a run, a downloaded file.

Uses the embedded server, in a home whose path has a space and a quote.
"""

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from fcst.services import jobs
from fcst.settings import SAMPLE
from fcst.specs import JobSpec
from fcst.store.database import transaction
from fcst.store.embedded import ensure_running
from tests.conftest import wait_until, write_sales
from tests.e2e.conftest import (
    BROWSER,
    cells,
    file_of,
    free_port,
    linked_file,
    load_here,
    own_database,
    serve,
    serve_own,
    settled,
    stop,
)

pytestmark = BROWSER


def job_of(page: Page) -> str:
    expect(page).to_have_url(re.compile(r"/runs\?job=\d+"))
    return page.url.rsplit("=", 1)[1]


def load_sample(app: dict) -> None:
    """Loads the sample, unless an earlier test of this module did."""
    with httpx.Client(base_url=f"{app['url']}/api") as client:
        if client.get("/datasets").json()["datasets"]:
            return
        ingest = client.post("/datasets", json={"path": str(SAMPLE)}).raise_for_status().json()["ingest_id"]
        wait_until(lambda: client.get(f"/ingests/{ingest}").json()["status"] == "completed", 60, "for the sample")


def test_first_visit_sample_run_forecast_and_file(app: dict, page: Page, tmp_path: Path) -> None:
    page.goto(app["url"])
    expect(page.get_by_role("heading", name="Home")).to_be_visible()
    page.get_by_role("button", name="Load sample").click()
    expect(page.get_by_role("button", name="Forecast these items")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("200", exact=True).first).to_be_visible()
    name, file = file_of(page, page.get_by_role("link", name="Weekly sales (CSV)"))
    assert name == "wkly_sales_data.csv"
    weekly = pd.read_csv(file)
    assert list(weekly) == ["item_nbr", "wk_end_dt", "unit_sales"] and weekly["item_nbr"].nunique() == 200

    page.get_by_role("button", name="Forecast these items").click()
    expect(page.get_by_text("200 items in", exact=False)).to_be_visible()
    page.get_by_role("radio", name="Largest").click()
    field = page.get_by_role("spinbutton", name="Number of items")
    field.fill("12")
    field.press("Enter")
    expect(page.get_by_test_id("stSliderThumbValue")).to_have_text("12")
    expect(page.get_by_text("12 items in 3 batches of up to 5, 13 weeks ahead")).to_be_visible()
    page.get_by_role("button", name="Start run").click()
    job_id = job_of(page)
    expect(page.get_by_text("12 of 12", exact=True)).to_be_visible(timeout=120_000)

    page.get_by_role("button", name="View forecasts").click()
    expect(page).to_have_url(re.compile(rf"/forecasts\?job={job_id}$"))
    expect(page.get_by_text("total of 12 plans")).to_be_visible()
    page.goto(f"{app['url']}/forecasts?job={job_id}&sort=sales")
    expect(page.locator("tr[data-key]").first).to_be_visible()
    settled(page)
    for item in weekly.groupby("item_nbr")["unit_sales"].sum().nlargest(3).index:
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_role("heading", name=str(item))).to_be_visible()
        expect(page).to_have_url(re.compile(rf"item={item}"))
    page.go_back()
    second = weekly.groupby("item_nbr")["unit_sales"].sum().nlargest(2).index[1]
    expect(page.get_by_role("heading", name=str(second))).to_be_visible()
    expect(page.locator(".st-key-chart .js-plotly-plot").last).to_be_visible()  # the previous one may still be attached
    rows = pd.read_csv(linked_file(page, "downloads_all-items-of-this-run", "CSV"))
    assert len(rows) == 12 * 13 and not rows.isna().any().any()
    assert list(rows)[:8] == ["unique_id", "wk_end_dt", "model", "forecast", "lo_80", "hi_80", "lo_95", "hi_95"]
    assert (rows[["forecast", "lo_80", "lo_95"]] >= 0).all().all()
    assert len(pd.read_csv(linked_file(page, "downloads_this-item", "CSV"))) == 13
    assert len(pd.read_excel(linked_file(page, "downloads_this-item", "Excel"))) == 13
    assert len(pd.read_parquet(linked_file(page, "downloads_this-item", "Parquet"))) == 13

    page.get_by_role("link", name="Accuracy").click()
    expect(page.get_by_text("12 items, 36 windows", exact=False)).to_be_visible()
    expect(page.get_by_text("Error vs. same weeks last year")).to_be_visible()
    page.get_by_role("link", name="Home").click()
    page.get_by_role("button", name=f"View forecasts of run {job_id}").click()
    expect(page).to_have_url(re.compile(rf"/forecasts\?job={job_id}$"))


@pytest.mark.full
def test_run_continues_while_the_app_is_down_and_a_deep_link_opens_it(
    app: dict, browser: Browser, page: Page, home: Path, port: int
) -> None:
    load_sample(app)
    page.goto(f"{app['url']}/new-run?n=40")
    expect(page.get_by_text("40 items in", exact=False)).to_be_visible()
    page.get_by_role("button", name="Start run").click()
    job_id = job_of(page)
    expect(page.get_by_role("heading", name=re.compile("processing"))).to_be_visible()
    stop(app["process"])
    app["process"] = serve(home, port)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    fresh = context.new_page()
    fresh.goto(f"{app['url']}/runs?job={job_id}")  # the first request to this server
    expect(fresh.get_by_role("heading", name=f"Run {job_id}")).to_be_visible()
    expect(fresh.get_by_role("link", name="New run", exact=True)).to_be_visible()
    expect(fresh.get_by_text("40 of 40", exact=True)).to_be_visible(timeout=120_000)
    context.close()


@pytest.mark.full
def test_own_file_is_uploaded_mapped_refused_loaded_and_deleted(app: dict, page: Page, tmp_path: Path) -> None:
    """A German export: semicolons, decimal commas, German column names, cp1252, and one invalid row."""
    days = pd.date_range("2023-01-01", "2023-12-30")
    rows = [f"{day:%d.%m.%Y};{key};{n % 7},5" for n, day in enumerate(days) for key in ("00042", "Käse", "=1+1")]
    rows.insert(10, "31.02.2023;00042;1")
    (tmp_path / "export.csv").write_text("\n".join(["Tag;Nummer;Menge", *rows]), encoding="cp1252")
    page.add_init_script("window.showSaveFilePicker = undefined")  # a system dialog, which a test cannot close
    page.goto(f"{app['url']}/data")
    page.get_by_role("button", name="Load sales").click()
    page.locator("input[type=file]").set_input_files(tmp_path / "export.csv")
    expect(page.get_by_text("separated by semicolons", exact=False)).to_be_visible()
    settled(page)
    expect(page.get_by_text("Item = Nummer · Date = Tag · Units sold = Menge", exact=False)).to_be_visible()
    page.get_by_text("Column mapping").click()
    page.get_by_role("combobox", name=re.compile("^Units sold")).click()
    page.get_by_role("option", name="Nummer").click()
    expect(page.get_by_text("Units sold = Nummer", exact=False)).to_be_visible()
    page.get_by_role("combobox", name=re.compile("^Units sold")).click()
    page.get_by_role("option", name="Menge").click()
    expect(page.get_by_text("Units sold = Menge", exact=False)).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Load", exact=True).click()
    expect(page.get_by_text("line 12: Tag is not a valid date", exact=False)).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Load 1,092 good rows").click()
    expect(page.get_by_role("heading", name="export")).to_be_visible(timeout=30_000)
    _, file = file_of(page, page.get_by_role("link", name="Weekly sales (CSV)"))
    weekly = pd.read_csv(file, dtype={"item_nbr": str})
    assert set(weekly["item_nbr"]) == {"00042", "Käse", "'=1+1"} and len(weekly) == 3 * 52
    assert weekly["unit_sales"].sum() == pytest.approx(3 * sum(n % 7 + 0.5 for n in range(364)))
    page.get_by_role("radio", name="Quality").or_(page.get_by_role("button", name="Quality")).first.click()
    expect(page).to_have_url(re.compile("view=quality"))
    expect(page.get_by_role("heading", name="Rows", exact=True)).to_be_visible()
    expect(page.locator(".st-key-coverage .js-plotly-plot").last).to_be_visible()
    name, file = file_of(page, page.get_by_role("link", name="Quality report (JSON)"))
    assert name == "report_export_v1.json" and json.loads(file.read())["n_rows"] == 1_093
    page.get_by_role("radio", name="Items", exact=True).click()
    expect(page).to_have_url(re.compile("view=items"))
    expect(cells(page, 1).filter(has_text="'=1+1")).to_have_count(1)
    page.get_by_test_id("stDataFrame").hover()
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download as CSV").click()
    table = caught.value.path().read_text(encoding="utf-8-sig")
    assert "'=1+1" in table and ",=1+1" not in table, "also in the file of the toolbar"
    page.get_by_role("button", name="Delete …").click()
    page.get_by_role("button", name="Delete dataset").click()
    expect(page.get_by_text("Dataset export deleted.")).to_be_visible()
    expect(page.get_by_role("heading", name="Data", exact=True)).to_be_visible()
    page.go_back()
    expect(page.get_by_text("There is no dataset", exact=False)).to_be_visible()


@pytest.mark.full
def test_cancelled_run_is_completed_by_a_retry(app: dict, page: Page) -> None:
    load_sample(app)
    page.goto(f"{app['url']}/new-run?n=24")
    expect(page.get_by_text("24 items in", exact=False)).to_be_visible()
    page.get_by_role("button", name="Start run").click()
    job_of(page)
    page.get_by_role("button", name="Cancel run …").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel run").click()
    page.get_by_role("button", name=re.compile(r"Finish \d+ items?")).click()
    expect(page.get_by_text("24 of 24", exact=True)).to_be_visible(timeout=120_000)


@pytest.mark.full
def test_no_process_remains_after_the_app_has_stopped(app: dict, home: Path) -> None:
    stop(app["process"])
    wait_until(lambda: not list(processes_of(home)), 40, "for the supervisor and the server to end")


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder with its own Postgres, in which run 1 waits."""
    place = tmp_path_factory.mktemp("elsewhere")
    with own_database(place):
        write_sales(place / "s.csv", 3, 20)
        dataset = load_here(place / "s.csv", "s")
        assert jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 3), JobSpec()) == 1
        yield place


@pytest.mark.full
def test_page_recovers_automatically_with_its_database(place: Path, browser: Browser, page: Page) -> None:
    port = free_port()
    process = serve_own(place, port)
    try:
        address = f"http://127.0.0.1:{port}/runs?job=1"
        page.goto(address)
        expect(page.get_by_text("No supervisor is running, and work is waiting", exact=False)).to_be_visible()
        with transaction() as cur:
            cur.execute("SHOW data_directory")
            data = Path(cur.fetchone()["data_directory"])
        postmaster = int((data / "postmaster.pid").read_text().split()[0])
        page.evaluate("window.isTheSamePage = true")
        os.kill(postmaster, signal.SIGINT)
        away = "The database is unreachable, trying again …"
        expect(page.get_by_text(away)).to_be_visible()
        late = page.context.new_page()  # its whole script fails, not only the live fragment
        late.goto(address)
        expect(late.get_by_text(away)).to_be_visible()
        late.evaluate("window.isTheSamePage = true")
        for _ in range(3):  # and also after retries
            late.wait_for_timeout(1_000)
            assert page.get_by_text(away).count() == late.get_by_text(away).count() == 1
        ensure_running(place)
        for tab in (page, late):
            expect(tab.get_by_role("heading", name="Run 1")).to_be_visible()
            expect(tab.get_by_text("No supervisor is running, and work is waiting", exact=False)).to_be_visible()
            expect(tab.get_by_text(away)).to_have_count(0)
            assert tab.evaluate("window.isTheSamePage") is True and tab.url == address
        jobs.cancel_job(1)
        for tab in (page, late):  # both refresh again
            expect(tab.get_by_role("button", name="Finish 3 items")).to_be_visible()
        assert "Traceback" not in (place / "home" / "app.log").read_text()
    finally:
        stop(process)


def processes_of(home: Path) -> Iterator[int]:
    """Processes with this FCST_HOME in their environment: app, supervisor, workers, guard, server."""
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"FCST_HOME={home}".encode() in environ.read_bytes().split(b"\0"):
                yield int(environ.parent.name)
        except OSError:
            continue
