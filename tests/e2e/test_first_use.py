"""First use: from an empty installation to a forecast file of own sales, with a limit of clicks."""

import io
import re
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.conftest import write_sales
from tests.e2e.conftest import BROWSER, file_of, settled

pytestmark = [*BROWSER, pytest.mark.full]

MOST_CLICKS = 6


class Clicks:
    """Clicks and counts clicks."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self, target: Locator) -> None:
        self.n += 1
        target.click()


def test_own_sales_to_forecast_file_in_few_clicks(app: dict, page: Page, tmp_path: Path) -> None:
    write_sales(tmp_path / "shop.csv", 6, 120)
    click = Clicks()
    page.goto(app["url"])
    expect(page).to_have_url(f"{app['url']}/home")  # there are no forecasts
    click(page.get_by_role("button", name="Load sales"))
    with page.expect_file_chooser() as chooser:
        click(page.get_by_test_id("stFileUploader").locator("button").first)
    chooser.value.set_files(tmp_path / "shop.csv")
    expect(page.get_by_text("Item = item_nbr", exact=False)).to_be_visible(timeout=30_000)
    settled(page)
    click(page.get_by_role("button", name="Load and forecast all"))
    expect(page).to_have_url(re.compile(r"/runs\?job=1&then=forecasts"), timeout=60_000)
    expect(page).to_have_url(re.compile(r"/forecasts\?job=1"), timeout=120_000)  # automatically when the run has ended
    settled(page)
    file = page.get_by_role("link", name="CSV", exact=True).first
    if not file.is_visible():
        click(page.get_by_test_id("stPopoverButton").filter(has_text="Download"))
    expect(file).to_be_visible()
    click.n += 1  # the link; a headless browser downloads it without a click
    _, content = file_of(page, file)
    rows = pd.read_csv(io.BytesIO(content.read()))
    assert rows["unique_id"].nunique() == 6 and len(rows) == 6 * 13
    assert click.n <= MOST_CLICKS

    page.go_back()  # the page stays: the forecasts open only once
    expect(page.get_by_role("heading", name="Run 1")).to_be_visible()
    direct = page.get_by_role("link", name="Download CSV")
    expect(direct).to_be_visible()
    page.wait_for_timeout(1_500)
    assert "/runs" in page.url
    assert len(pd.read_csv(file_of(page, direct)[1])) == 6 * 13
