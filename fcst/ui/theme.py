"""What of the look no option of Streamlit has; the rest stands in `.streamlit/config.toml`."""

import streamlit as st


def mend() -> None:
    """Words of what is selected have the colour of words: a frame and a ground of the theme's colour tell it apart.

    Streamlit gives them the colour of buttons, too dark for words on a dark ground; a lighter one would lose the white
    words of buttons. Pages are as wide as the window but for a margin: tables and plans need the room.
    """
    wide = "div[data-testid=stMainBlockContainer] {padding-inline: clamp(1rem, 2.5vw, 3rem)}"
    selected = "button[data-selected][data-selected]:not([data-disabled])"  # more particular than Streamlit's own rule
    st.html(f"<style>{selected}, div[data-testid=stSliderThumbValue] {{color: inherit}} {wide}</style>")
