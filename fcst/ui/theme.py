"""Styles and browser script that Streamlit has no option for; `.streamlit/config.toml` has the others."""

from pathlib import Path

import streamlit as st

from fcst.ui.page_table import PAGES

SUB_PAGES = {page.url_path: page.parent for page in PAGES if page.parent}
"""Page that is not in the navigation -> the page that the navigation marks instead."""

_SCRIPT = (Path(__file__).parent / "browser.js").read_text(encoding="utf-8")

# - Pages use the width of the window, less a margin, for tables and plans.
# - Selected labels and hovered tertiary buttons keep the text colour. Streamlit's primary colour is too dark for text
#   on a dark background; a lighter primary colour would make white button labels unreadable.
# - Chart text has the text colour; Plotly's grey has too little contrast.
# - Destructive buttons mix red with the text colour, which is readable on light and dark backgrounds.
# - `browser.js` shows its own message for a lost connection instead of Streamlit's.
# - On phones the toolbars of tables and charts are hidden; they would cover the buttons above.
_STYLE = """
div[data-testid=stMainBlockContainer] {padding-inline: clamp(1rem, 2.5vw, 3rem)}
button[data-selected][data-selected]:not([data-disabled]), div[data-testid=stSliderThumbValue] {color: inherit}
.js-plotly-plot :is(.cartesianlayer, .infolayer) text {fill: currentColor !important}
[class*=st-key-destructive_] button:not(:disabled), [class*=st-key-destructive_] button:not(:disabled):hover {
    color: color-mix(in srgb, #e0383f 70%, currentColor); border-color: currentColor;
}
button[kind=tertiary]:not(:disabled):is(:hover, :focus, :active) {color: inherit; text-decoration: underline}
.st-key-browser {display: none}
#fcst-connection:not(:empty) {
    position: fixed; top: 0; left: 0; right: 0; z-index: 2000000; padding: 0.6rem 1rem; text-align: center;
    font: 600 0.9rem sans-serif; color: #ffffff; background: #8a2c36;
}
:root[data-connection=lost] :is(
    [data-testid=stConnectionStatus], [data-testid=stStatusWidget],
    [data-testid=stDialog]:not(:has([data-testid=stVerticalBlock]))
) {display: none}
@media (max-width: 640px) {[data-testid=stElementToolbar], .js-plotly-plot .modebar {display: none !important}}
"""
_MARKED = """
:is([data-testid=stTopNavLink], [data-testid=stSidebarNavLink])[href$="/PAGE"] {
    background: rgba(157, 190, 190, 0.25);
}
:is([data-testid=stTopNavLink], [data-testid=stSidebarNavLink])[href$="/PAGE"] p {font-weight: 600}
"""


def apply(path: str) -> None:
    """Adds the styles and the script to a page; `path` is its path in the URL."""
    marked = _MARKED.replace("PAGE", SUB_PAGES[path]) if path in SUB_PAGES else ""
    st.html(f"<style>{_STYLE}{marked}</style>")
    with st.container(key="browser"):
        st.html(f"<script>{_SCRIPT}</script>", unsafe_allow_javascript=True)
