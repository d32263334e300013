"""Buttons of what cannot be taken back: they look like it, and the question after them offers to keep all as it is."""

from collections.abc import Callable
from typing import Any

import streamlit as st


def destructive_button(label: str, key: str, **options: Any) -> bool:
    """A button with a red border and label; `ui.theme` has the colour. Options are those of Streamlit's button."""
    with st.container(key=f"destructive_{key}", width="content"):
        return st.button(label, key=key, **options)


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
