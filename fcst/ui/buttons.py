"""Buttons of what cannot be taken back: they look like it, and the question after them offers to keep all as it is."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from fcst.ui.text import count


def destructive_button(label: str, key: str, **options: Any) -> bool:
    """A button with a red border and label; `ui.theme` has the colour. Options are those of Streamlit's button."""
    with st.container(key=f"destructive_{key}", width="content"):
        return st.button(label, key=key, **options)


MANY_ITEMS = 50_000
"""With which something is done in seconds, and not at once."""


def say_at_work(what: str, n_items: int) -> None:
    """Says in a callback what goes on, where that takes a while: a page draws nothing else before it is done."""
    if n_items >= MANY_ITEMS:
        st.toast(f"{what} {count(n_items, 'item')} …", icon=":material/hourglass_top:", duration="long")


def keep_or(
    label: str,
    key: str,
    on_click: Callable[..., None] | None = None,
    args: tuple[Any, ...] = (),
    disabled: bool = False,
) -> bool:
    """The end of a dialog that asks: *Keep*, which closes it, and the button that does it; whether that was clicked."""
    with st.container(horizontal=True):
        if st.button("Keep", key=f"keep_{key}", type="primary"):
            st.rerun()
        return destructive_button(label, key, on_click=on_click, args=args, disabled=disabled)
