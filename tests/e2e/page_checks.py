"""Screenshots of a page, with checks for horizontal scrolling and WCAG rules."""

from pathlib import Path
from typing import Literal

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect

WINDOWS = ((1280, 720), (390, 844))
HEADER, TALLEST = 60, 2600  # pixels: height of the page header, and maximum height of a screenshot
AXE = """async rules => (await axe.run(document, {
    runOnly: rules, resultTypes: ['violations'], selectors: false,
})).violations.flatMap(found => found.nodes
    .map(node => `${found.id}: ${node.html.slice(0, 200)} ${node.any[0]?.message ?? ''}`))"""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
COLORS = ["color-contrast"]  # rules that depend on the colour scheme
STILL = """async () => {
    const frame = () => new Promise(requestAnimationFrame)
    const main = document.querySelector('[data-testid="stMain"]')
    for (let height = -1, n = 0; n < 3; n++) {
        await frame()
        const isMoving = document.getAnimations().some(animation => animation.playState === 'running'
            && animation.effect.getComputedTiming().endTime !== Infinity)
        if (isMoving || height !== main.scrollHeight) n = 0
        height = main.scrollHeight
    }
    return main.scrollHeight
}"""
"""Waits until animations and layout changes have ended; returns the page height."""
SIDEWAYS = """() => [document.documentElement, document.querySelector('[data-testid="stMain"]')]
    .some(element => element.scrollWidth > element.clientWidth)"""
BACKGROUNDS: dict[Literal["light", "dark"], str] = {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 25, 30)"}


def faults(page: Page, folder: Path, name: str, is_brief: bool = False) -> list[str]:
    """Takes screenshots of a page, wide and narrow, light and dark; returns faults: horizontal scrolling, violations of
    WCAG AA.

    `is_brief` takes only wide light and narrow dark screenshots.
    """
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(content=AXE_SCRIPT)
    found: list[str] = []
    schemes_of: tuple[tuple[Literal["light", "dark"], ...], ...] = (("light", "dark"), ("dark", "light"))
    for schemes, (width, height) in zip(schemes_of, WINDOWS, strict=True):
        page.set_viewport_size({"width": width, "height": height})
        needed = page.evaluate(STILL) + HEADER
        if needed > height and not page.get_by_role("dialog").count():
            page.set_viewport_size({"width": width, "height": min(needed, TALLEST)})
        for scheme in schemes[:1] if is_brief else schemes:
            page.emulate_media(color_scheme=scheme)
            expect(page.get_by_test_id("stApp")).to_have_css("background-color", BACKGROUNDS[scheme])
            page.evaluate(STILL)
            page.screenshot(path=folder / f"{name}_{width}_{scheme}.png")
            where = f"{width} px, {scheme}"
            if page.evaluate(SIDEWAYS):
                found.append(f"{where}: scrolls sideways")
            rules = RULES if scheme == schemes[0] else COLORS
            found += [f"{where}: {words}" for words in page.evaluate(AXE, rules)]
    return found
