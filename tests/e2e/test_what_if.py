"""The view What if in a browser: a family on promotion as scenario, file and plan adjustment."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from fcst.filters import RunFilter
from fcst.job_records import Job
from fcst.services import forecasts, scenarios
from tests.e2e.conftest import BROWSER, file_of, settled
from tests.servers import free_port, load_here, own_database, serve_own, stop
from tests.shop_with_drivers import MODEL, forecast, load_shop

pytestmark = [*BROWSER, pytest.mark.full]

DAIRY = RunFilter(families=("DAIRY",))


@dataclass
class Shop:
    url: str
    job: Job


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    place = tmp_path_factory.mktemp("what if")
    with own_database(place):
        job = forecast(load_shop(partial(load_here, name="shop"), place))
        port = free_port()
        process = serve_own(place, port)
        try:
            yield Shop(f"http://127.0.0.1:{port}", job)
        finally:
            stop(process)
        log = (place / "home" / "app.log").read_text()
        assert "Traceback" not in log, log[-4000:]


def units(job: Job, which: RunFilter) -> float:
    return float(forecasts.view(job, MODEL, which).forecast["final"].sum())


def test_promotion_of_a_family_as_scenario_file_and_plan_adjustment(shop: Shop, page: Page, tmp_path: Path) -> None:
    job, before = shop.job, units(shop.job, DAIRY)
    page.goto(f"{shop.url}/forecasts?family=DAIRY")
    settled(page)
    page.get_by_role("radio", name="What if").click()
    expect(page).to_have_url(f"{shop.url}/forecasts?family=DAIRY&below=what-if")
    page.get_by_role("textbox", name="Scenario name").fill("Dairy week")
    page.get_by_role("textbox", name="Your name").fill("Ana")
    page.get_by_role("textbox", name="Your name").press("Tab")
    settled(page)
    page.get_by_role("button", name="Change items shown by DAIRY").click()
    expect(page.get_by_text("Changes of Dairy week")).to_be_visible()
    expect(page.locator(".st-key-chart").get_by_text("scenario Dairy week")).to_be_visible()
    (made,) = scenarios.list_scenarios(job)
    assert [(one.n_items, one.made_by) for one in made.changes] == [(3, "Ana")]
    wanted = before + float(scenarios.sums(job, MODEL, DAIRY, [made])["change1"].sum())
    assert wanted > 1.1 * before
    settled(page)

    colleague = page.context.new_page()  # the link shows the same view
    colleague.goto(page.url)
    expect(colleague.get_by_text("Changes of Dairy week")).to_be_visible()
    colleague.close()

    page.get_by_role("button", name="Download scenarios").click()
    _, file = file_of(page, page.get_by_role("link", name="Scenarios as CSV"))
    rows = list(csv.DictReader(io.TextIOWrapper(file, "utf-8")))
    assert {row["unique_id"] for row in rows} == {"item0", "item1", "item2"}
    assert sum(float(row["Dairy week"]) for row in rows) == pytest.approx(wanted, rel=1e-4)
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Apply to plan …").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Your name").fill("Ana")
    dialog.get_by_role("button", name="Apply", exact=True).click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("scenario Dairy week", exact=False).first).to_be_visible()
    assert units(job, DAIRY) == pytest.approx(wanted)
