"""What of the look no option of Streamlit has; the rest stands in `.streamlit/config.toml`."""

import streamlit as st


def mend() -> None:
    """Words of what is selected get a colour of their own.

    That of buttons is too dark for words on a dark ground, and a lighter one would lose the white words on it.
    """
    st.html(
        "<style>[data-selected] p, [data-testid=stSliderThumbValue] p {color: light-dark(#0c6f7d, #3fb3c1)}</style>"
    )
