"""Browser behaviour of all pages: scroll position, history, navigation, contrast, mobile layout, lost connection."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import BROWSER, Desk, serve_own, settled, stop

pytestmark = [*BROWSER, pytest.mark.full]

MAIN = "document.querySelector('[data-testid=\"stMain\"]')"


def scroll_down(page: Page) -> None:
    """Scrolls to the end; the page must be higher than the window."""
    page.wait_for_function(f"{MAIN}.scrollHeight > {MAIN}.clientHeight + 100")
    page.evaluate(f"{MAIN}.scrollTo(0, {MAIN}.scrollHeight)")
    assert page.evaluate(f"{MAIN}.scrollTop") > 50


def expect_top(page: Page, path: str) -> None:
    expect(page).to_have_url(re.compile(path))
    settled(page)
    page.wait_for_timeout(500)  # and it must stay there
    assert page.evaluate(f"{MAIN}.scrollTop") == 0, path


def test_every_page_opens_at_its_top(desk: Desk, visit: Callable[[], Page]) -> None:
    """Switches pages from the end of a page: by navigation, button, table click and back."""
    page = visit()
    page.set_viewport_size({"width": 1280, "height": 400})  # so that each page scrolls
    page.goto(f"{desk.url}/accuracy?job={desk.finished}")
    settled(page)
    for name, path in (("Forecasts", "/forecasts"), ("Accuracy", "/accuracy"), ("Compare", "/compare")):
        scroll_down(page)
        page.get_by_role("link", name=name, exact=True).click()
        expect_top(page, path)
    page.get_by_role("link", name="Glossary", exact=True).click()
    expect_top(page, "/glossary")
    scroll_down(page)
    page.get_by_role("link", name="Home", exact=True).click()
    expect_top(page, "/home$")
    scroll_down(page)
    page.get_by_role("button", name=re.compile("View forecasts")).evaluate("button => button.click()")
    expect_top(page, r"/forecasts\?job=")
    scroll_down(page)
    page.get_by_role("link", name="Runs", exact=True).click()
    expect_top(page, "/runs$")
    page.evaluate(f"{MAIN}.scrollTo(0, 40)")
    page.get_by_test_id("stDataFrame").first.click(position={"x": 300, "y": 35 + 17})
    expect_top(page, r"/runs\?job=")
    scroll_down(page)
    page.get_by_role("button", name="All runs").evaluate("button => button.click()")
    expect_top(page, "/runs$")
    page.goto(f"{desk.url}/dataset?dataset={desk.dataset.dataset_id}&view=quality")
    settled(page)
    scroll_down(page)
    page.get_by_role("button", name="Forecast these items").evaluate("button => button.click()")
    expect_top(page, "/new-run")
    scroll_down(page)
    page.go_back()
    expect_top(page, rf"/dataset\?dataset={desk.dataset.dataset_id}&view=quality$")


def test_back_after_a_page_switch_restores_the_view(desk: Desk, page: Page) -> None:
    page.goto(f"{desk.url}/data")
    address = f"{desk.url}/dataset?dataset={desk.dataset.dataset_id}&view=versions"
    page.goto(address)
    page.get_by_role("button", name="All data").click()
    expect(page).to_have_url(f"{desk.url}/data")
    page.go_back()
    expect(page).to_have_url(address)
    expect(page.get_by_role("heading", name="sample")).to_be_visible()
    page.go_forward()
    expect(page.get_by_role("heading", name="Data", exact=True)).to_be_visible()


def test_start_page_is_forecasts_and_status_opens_the_run(desk: Desk, page: Page) -> None:
    page.goto(desk.url)
    expect(page).to_have_url(f"{desk.url}/forecasts")
    settled(page)
    page.locator(".st-key-status button").first.click()
    expect(page).to_have_url(re.compile(r"/runs\?job=\d+$"))
    page.go_back()
    expect(page).to_have_url(f"{desk.url}/forecasts")
    page.get_by_role("link", name="Home").click()
    expect(page).to_have_url(f"{desk.url}/home")
    page.reload()
    expect(page).to_have_url(f"{desk.url}/home")
    expect(page.get_by_role("heading", name="Home")).to_be_visible()


def test_navigation_marks_data_on_its_sub_pages(desk: Desk, page: Page) -> None:
    link = page.get_by_role("link", name="Data", exact=True)
    page.goto(f"{desk.url}/runs")
    expect(link).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    for path in ("/load", f"/dataset?dataset={desk.dataset.dataset_id}"):
        page.goto(desk.url + path)
        expect(link).not_to_have_css("background-color", "rgba(0, 0, 0, 0)")


def luminance(color: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_chart_labels_have_sufficient_contrast(desk: Desk, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{desk.url}/forecasts?job={desk.finished}")
    words = page.locator(".js-plotly-plot :is(.xtick, .ytick, .rangeselector .button) text")
    expect(words.filter(has_text="6 months").first).to_be_visible()
    background = page.get_by_test_id("stApp").evaluate("app => getComputedStyle(app).backgroundColor")
    for color in set(words.evaluate_all("all => all.map(one => getComputedStyle(one).fill)")):
        light, dark = sorted((luminance(color), luminance(background)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, color


COVERED = """() => {
    const shown = element => element.offsetWidth && getComputedStyle(element).visibility !== 'hidden'
    const tools = [...document.querySelectorAll('[data-testid=stElementToolbar], .modebar')].filter(shown)
    const inside = element => element.closest('[data-testid=stElementToolbar], .modebar')
    const buttons = [...document.querySelectorAll('[data-testid=stMain] :is(button, a, input, .rangeselector rect)')]
        .filter(element => !inside(element))
    const meet = (a, b) => a.width && b.width && Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1
    return tools.flatMap(tool => buttons
        .filter(button => meet(tool.getBoundingClientRect(), button.getBoundingClientRect()))
        .map(button => button.outerHTML.slice(0, 100)))
}"""


def test_toolbars_cover_no_button_on_a_phone(desk: Desk, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    for path in (f"/forecasts?job={desk.finished}", f"/accuracy?job={desk.finished}", f"/runs?job={desk.finished}"):
        page.goto(desk.url + path)
        settled(page)
        for table in page.get_by_test_id("stDataFrame").filter(visible=True).all()[:2]:
            table.tap()
            assert page.evaluate(COVERED) == [], path
    context.close()


def test_start_button_is_in_the_viewport(desk: Desk, visit: Callable[[], Page]) -> None:
    page = visit()
    page.goto(f"{desk.url}/new-run?dataset={desk.dataset.dataset_id}&take=all")
    button = page.get_by_role("button", name="Start run")
    expect(button).to_be_in_viewport(ratio=1)
    settled(page)
    expect(button).to_be_in_viewport(ratio=1)


def test_lost_connection_shows_our_message(desk: Desk, page: Page) -> None:
    page.goto(f"{desk.url}/runs")
    settled(page)
    stop(desk.process)
    try:
        expect(page.get_by_role("status").filter(has_text="The connection to fcst is lost.")).to_be_visible()
        page.wait_for_timeout(3_000)  # after which Streamlit opens its own dialog
        expect(page.get_by_text("Connection error")).not_to_be_visible()
        expect(page.get_by_text("CONNECTING", exact=True)).not_to_be_visible()
    finally:
        desk.process = serve_own(desk.place, desk.port)
    expect(page.get_by_text("The connection to fcst is lost.", exact=False)).to_have_count(0, timeout=30_000)
    expect(page.get_by_text("Connection error")).to_have_count(0)
