"""The table of a run's items: filters in the URL, a line of each item's last year, and the way from one to the next."""

import zlib
from typing import Any

import pandas as pd
import streamlit as st

from fcst.services import forecasts
from fcst.ui import tables, text
from fcst.ui.shell import choose_some, search

ALL_ITEMS = ""
"""Stands for the sum of all items that are shown; no key of an item is empty."""


@st.cache_resource(max_entries=10, show_spinner="Reading the items …")
def all_items(job_id: int, ended: tuple[int, ...], n_changes: int, model: str, _job: dict[str, Any]) -> pd.DataFrame:
    """The items of a run with what a model says of them; it changes only with how many items have `ended` and how, in
    how many attempts, and with the changes that analysts make.

    One frame for all, which nobody writes to.
    """
    items = forecasts.list_items(_job, model)
    return items.assign(recent_weeks=items["recent_weeks"].map(_line))


def _line(weeks: list[float | None] | None) -> tuple[float, ...]:
    """A line cannot have gaps in a table: a missing week keeps the height of the one before.

    A tuple: Streamlit takes forty times as long to send as many lists.
    """
    line: list[float] = []
    for units in weeks or []:
        line.append(units if units is not None else line[-1] if line else 0.0)
    return tuple(line)


def choose_filter(items: pd.DataFrame) -> forecasts.Filter:
    """What is searched for and chosen; all of that stands in the URL."""
    wanted = search("Search", "q", placeholder="Item, family or description")
    with st.expander("Filters", type="compact", expanded=any(map(st.query_params.get_all, _LABELS))):
        places = st.columns(2) * len(_LABELS)
        options = {name: values for name in _LABELS if len(values := _options(items, name)) > 1}
        chosen = {}
        for place, (name, values) in zip(places, options.items(), strict=False):
            with place:
                chosen[name] = choose_some(_LABELS[name], values, name)
    return forecasts.Filter(wanted, chosen)


_LABELS = {
    "family": "Family",
    "class": "Class",
    "demand_class": "Demand class",
    "heaviest": "Made by, above all",
    "flags": "Flag",
}


def _options(items: pd.DataFrame, name: str) -> list[str]:
    return list(forecasts.FLAGS) if name == "flags" else sorted(items[name].dropna().unique())


def show_items(shown: pd.DataFrame, unique_id: str, h: int) -> None:
    """The table; the selected row is the item of the URL. Its key changes with its rows, for a selection is a place."""
    if shown.empty:
        return
    keys = shown["unique_id"].tolist()
    key = f"items_{zlib.crc32(chr(0).join(keys).encode())}_{unique_id}"

    def open_selected() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        _open(keys[rows[0]] if rows else ALL_ITEMS)

    adjusted = ["adjusted"] if shown["adjusted"].notna().any() else []
    tables.show(
        shown.assign(
            forecast=text.round_units(shown["forecast"]),
            adjusted=text.round_units(shown["adjusted"].fillna(shown["forecast"])),
            recent=text.round_units(shown["recent"]),
            **{name: 100 * shown[name] for name in ("change", "wape", "bias")},
        )[
            [
                "unique_id",
                "recent_weeks",
                "forecast",
                *adjusted,
                "change",
                "wape",
                "bias",
                "recent",
                "family",
                "flags",
                "made_by",
            ]
        ],
        placeholder="not defined",
        height=min(36 + 35 * len(shown), 560),
        key=key,
        on_select=open_selected,
        selection_mode="single-row",
        selection_default={"selection": {"rows": [keys.index(unique_id)] if unique_id in keys else []}},
        column_config={
            "unique_id": st.column_config.TextColumn("Item", pinned=True, width=90),
            "recent_weeks": st.column_config.LineChartColumn("Last year", y_min=0, width=90),
            "forecast": st.column_config.NumberColumn(
                "Forecast", format="localized", width=95, help=f"Units of the next {h} weeks."
            ),
            "adjusted": st.column_config.NumberColumn(
                "Adjusted", format="localized", help=f"Units of the next {h} weeks, as analysts changed them."
            ),
            "change": st.column_config.NumberColumn(
                "Change", format="%+.0f %%", width=82, help=f"To the last {h} weeks."
            ),
            "wape": st.column_config.NumberColumn("WAPE", format="%.1f %%", width=82),
            "bias": st.column_config.NumberColumn("Bias", format="%+.1f %%", width=82),
            "recent": st.column_config.NumberColumn("Sold", format="localized", help=f"In the last {h} weeks."),
            "family": "Family",
            "flags": st.column_config.ListColumn("Flags"),
            "made_by": "Made by",
        },
    )


def show_steps(shown: pd.DataFrame, unique_id: str) -> None:
    """Buttons to the item before and after, in the order of sales, and to the sum of all that are shown."""
    keys = shown["unique_id"].tolist()
    place = keys.index(unique_id) if unique_id in keys else -1
    before = keys[place - 1] if place > 0 else None
    after = keys[place + 1] if place + 1 < len(keys) else None
    with st.container(horizontal=True, width="content", vertical_alignment="center"):
        for label, target, shortcut in (("Previous", before, "Alt+Up"), ("Next", after, "Alt+Down")):
            st.button(
                label, disabled=target is None, on_click=_open, args=(target,), shortcut=shortcut, key=f"step_{label}"
            )
        st.button("All", disabled=unique_id == ALL_ITEMS, on_click=_open, args=(ALL_ITEMS,), key="step_all")


def _open(unique_id: str | None) -> None:
    if unique_id:
        st.query_params["item"] = unique_id
    else:
        st.query_params.pop("item", None)
