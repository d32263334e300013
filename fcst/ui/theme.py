"""What of the look and of the browser no option of Streamlit has; the rest stands in `.streamlit/config.toml`."""

from pathlib import Path

import streamlit as st

from fcst.ui.page_table import PAGES

SUB_PAGES = {page.url_path: page.parent for page in PAGES if page.parent}
"""A page that the navigation does not list -> the one that it belongs to, which is marked instead."""

_SCRIPT = (Path(__file__).parent / "browser.js").read_text(encoding="utf-8")

# Words of what is selected have the colour of words: a frame and a ground of the theme's colour tell it apart.
# Streamlit gives them the colour of buttons, too dark for words on a dark ground; a lighter one would lose the white
# words of buttons. The words of charts have it too: the grey of the axes is too light. Streamlit's own words for a lost
# connection are replaced by those of `browser.js`. A phone has no room for the tools of a table or chart, which would
# cover the buttons above it. The red of what cannot be taken back is mixed with the colour of words, to be read on any
# ground. Pages are as wide as the window but for a margin: tables and plans need the room. A button without a frame has
# the colour of words also where the mouse is: that of buttons is too dark for words on a dark ground.
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


def mend(path: str) -> None:
    """The look and the script of every page; `path` is the page's own, as the URL calls it."""
    marked = _MARKED.replace("PAGE", SUB_PAGES[path]) if path in SUB_PAGES else ""
    st.html(f"<style>{_STYLE}{marked}</style>")
    with st.container(key="browser"):
        st.html(f"<script>{_SCRIPT}</script>", unsafe_allow_javascript=True)
