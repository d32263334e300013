"""Makes the pictures of the tutorial, docs/tutorial-*.png: `python tests/pictures.py` follows it in Chromium."""

import re
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fcst.settings import PROJECT
from tests.e2e.conftest import CHROMIUM, FLAGS, settled
from tests.servers import free_port, serve, stop

expect.set_options(timeout=600_000)


def picture(page: Page, name: str) -> None:
    """Writes what the window shows, with 128 colours: a quarter of the size."""
    settled(page)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    for toast in page.get_by_test_id("stToast").get_by_role("button").all():
        toast.click()
    page.wait_for_timeout(1_000)  # for the charts' transitions
    path = PROJECT / "docs" / f"tutorial-{name}.png"
    page.screenshot(path=path)
    Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)


def follow(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_role("button", name="Load sample")).to_be_visible()
    picture(page, "home")
    page.get_by_role("button", name="Load sample").click()
    expect(page.get_by_role("button", name="Forecast these items")).to_be_visible()
    picture(page, "dataset")
    page.get_by_role("button", name="Forecast these items").click()
    expect(page.get_by_text("200 items in", exact=False)).to_be_visible()
    picture(page, "new-run")
    page.get_by_role("button", name="Start run").click()
    expect(page.get_by_role("heading", name=re.compile("processing"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"^[4-9]\d of 200$"))).to_be_visible()
    picture(page, "run")
    expect(page.get_by_text("200 of 200", exact=True)).to_be_visible()
    page.get_by_role("button", name="View forecasts").click()
    expect(page.get_by_text("total of 200 plans")).to_be_visible()
    page.locator("tr[data-key] td").first.click()
    expect(page.locator(".st-key-chart .js-plotly-plot").last).to_be_visible()
    picture(page, "forecasts")
    page.get_by_role("link", name="Accuracy").click()
    expect(page.get_by_text("Error vs. same weeks last year")).to_be_visible()
    picture(page, "accuracy")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        port = free_port()
        process = serve(Path(folder) / "home", port)
        try:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS.split())
            follow(browser.new_page(viewport={"width": 1280, "height": 800}), f"http://127.0.0.1:{port}")
        finally:
            stop(process)
