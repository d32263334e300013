"""Buttons of destructive actions, and the confirmation buttons of their dialogs."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from fcst.ui.text import count


def destructive_button(label: str, key: str, **options: Any) -> bool:
    """A button with a red border and label; `ui.theme` sets the colour. `options` are those of Streamlit's button."""
    with st.container(key=f"destructive_{key}", width="content"):
        return st.button(label, key=key, **options)


MANY_ITEMS = 50_000
"""Items from which an action takes seconds."""


def toast_slow_action(what: str, n_items: int) -> None:
    """Shows a toast in a callback before an action on many items; the page shows nothing else until it is done."""
    if n_items >= MANY_ITEMS:
        st.toast(f"{what} {count(n_items, 'item')} …", icon=":material/hourglass_top:", duration="long")


def confirm_buttons(
    label: str,
    key: str,
    on_click: Callable[..., None] | None = None,
    args: tuple[Any, ...] = (),
    disabled: bool = False,
) -> bool:
    """Buttons of a confirmation dialog: *Keep* closes it. Returns whether the other button was clicked."""
    with st.container(horizontal=True):
        if st.button("Keep", key=f"keep_{key}", type="primary"):
            st.rerun()
        return destructive_button(label, key, on_click=on_click, args=args, disabled=disabled)
