"""The table of a run's items: filters, order and page in the URL, a line of each item's last year, and the way from one
to the next."""

import zlib
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from fcst.filters import FLAGS, RunFilter, RunSort
from fcst.records import RunItem
from fcst.services import forecasts
from fcst.ui import tables, text
from fcst.ui.cache import read, run_key
from fcst.ui.downloads import FILTERS
from fcst.ui.shell import PAGE, choose, choose_page, choose_some, number_in_url, page_in_url, search

ALL_ITEMS = ""
"""Stands for the sum of all items that match; no key of an item is empty."""

PAGE_ITEMS = 100

_LABELS = {
    "family": "Family",
    "class": "Class",
    "demand_class": "Demand class",
    "heaviest": "Made by, above all",
    "flags": "Flag",
}

_ORDERS = {
    RunSort.SALES: "largest sellers first",
    RunSort.KEY: "by key",
    RunSort.FORECAST: "largest forecast first",
    RunSort.SOLD: "most sold lately first",
    RunSort.RISE: "largest rise first",
    RunSort.FALL: "largest fall first",
    RunSort.WAPE: "largest WAPE first",
    RunSort.OVER: "most over-forecast first",
    RunSort.UNDER: "most under-forecast first",
}


@dataclass(frozen=True)
class Items:
    """The items of a run that match, in an order; a page of them at a time.

    Parameters
    ----------
    key
        what is read of the run holds as long as it stays the same.
    """

    job: dict[str, Any]
    key: tuple[int, ...]
    model: str
    which: RunFilter
    sort: RunSort

    @property
    def n_found(self) -> int:
        ask = lambda: forecasts.count_items(self.job, self.model, self.which)  # noqa: E731
        return read(("count", self.key, self.model, self.which), ask)

    def page(self, number: int) -> list[RunItem]:
        """The items of a page, from 1."""
        return self._list((number - 1) * PAGE_ITEMS, PAGE_ITEMS)

    def place_of(self, unique_id: str) -> int | None:
        """How many items come before this one; None if it does not match."""
        ask = lambda: forecasts.place_of(self.job, self.model, self.which, self.sort, unique_id)  # noqa: E731
        return read(("place", self.key, self.model, self.which, self.sort, unique_id), ask)

    def at(self, place: int) -> RunItem | None:
        """The item that so many come before; None where there is none, as when its run was deleted meanwhile."""
        if not 0 <= place < self.n_found:
            return None
        page = self.page(place // PAGE_ITEMS + 1)
        return page[place % PAGE_ITEMS] if place % PAGE_ITEMS < len(page) else None

    def find(self, unique_id: str) -> RunItem | None:
        """An item of the run, whether it matches or not."""
        which = RunFilter(keys=(unique_id,))
        ask = lambda: forecasts.list_items(self.job, self.model, which)  # noqa: E731
        found = read(("item", self.key, self.model, unique_id), ask) if "\0" not in unique_id else []
        return found[0] if found else None

    def _list(self, skip: int, limit: int) -> list[RunItem]:
        ask = lambda: forecasts.list_items(self.job, self.model, self.which, self.sort, limit, skip)  # noqa: E731
        return read(("items", self.key, self.model, self.which, self.sort, skip, limit), ask)


def choose_filter(job: dict[str, Any], model: str) -> tuple[RunFilter, RunSort]:
    """What is searched for and chosen, and the order; all of that stands in the URL."""
    left, right = st.columns([3, 2])
    with left:
        wanted = search("Search", "q", placeholder="Item, family or description")
    with right:
        sort = choose("Order", list(_ORDERS), "sort", _ORDERS.__getitem__)
    with st.expander("Filters", type="compact", expanded=any(map(st.query_params.get_all, _LABELS))):
        places = st.columns(2) * len(_LABELS)
        known = read(("run options", run_key(job), model), lambda: forecasts.list_options(job, model))
        known |= {"flags": list(FLAGS)}
        options = {name: known[name] for name in _LABELS if len(known[name]) > 1}
        chosen = {}
        for place, (name, values) in zip(places, options.items(), strict=False):
            with place:
                chosen[FILTERS[name]] = tuple(choose_some(_LABELS[name], values, name))
    return RunFilter(wanted, **chosen), sort


def shown_page(items: Items, unique_id: str) -> int:
    """The page of the table that the URL has; without one, that with the item of the URL, if it matches."""
    if number_in_url(PAGE) is not None or not unique_id:
        return page_in_url(items.n_found, PAGE_ITEMS)
    if any(item.unique_id == unique_id for item in items.page(1)):
        return 1
    return (items.place_of(unique_id) or 0) // PAGE_ITEMS + 1


def show_items(items: Items, page: int, unique_id: str, h: int) -> None:
    """The table; the selected row is the item of the URL. Its key changes with its rows, for a selection is a place."""
    rows = items.page(page)
    if not rows:
        return
    keys = [item.unique_id for item in rows]
    key = f"items_{zlib.crc32(chr(0).join(keys).encode())}_{unique_id}"

    def open_selected() -> None:
        selected = st.session_state[key]["selection"]["rows"]
        _open(keys[selected[0]] if selected else ALL_ITEMS, page)

    shown = pd.DataFrame([vars(item) for item in rows])
    numbers = {
        name: pd.to_numeric(shown[name]) for name in ("forecast", "adjusted", "recent", "change", "wape", "bias")
    }
    adjusted = ["adjusted"] if numbers["adjusted"].notna().any() else []
    tables.show(
        shown.assign(
            recent_weeks=[_line(item.recent_weeks) for item in rows],
            forecast=text.round_units(numbers["forecast"]),
            adjusted=text.round_units(numbers["adjusted"].fillna(numbers["forecast"])),
            recent=text.round_units(numbers["recent"]),
            **{name: 100 * numbers[name] for name in ("change", "wape", "bias")},
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
    choose_page(items.n_found, PAGE_ITEMS, page)


def _line(weeks: tuple[float | None, ...]) -> tuple[float, ...]:
    """A line cannot have gaps in a table: a missing week keeps the height of the one before.

    A tuple: Streamlit takes forty times as long to send as many lists.
    """
    line: list[float] = []
    for units in weeks:
        line.append(units if units is not None else line[-1] if line else 0.0)
    return tuple(line)


def show_steps(items: Items, page: int, unique_id: str) -> None:
    """Buttons to the item before and after, in the order of the table, and to the sum of all that match."""
    keys = [item.unique_id for item in items.page(page)]
    place: int | None = -1
    if unique_id in keys:
        place = (page - 1) * PAGE_ITEMS + keys.index(unique_id)
    elif unique_id:
        place = items.place_of(unique_id)
    before, after = (-1, 0) if place is None else (place - 1, place + 1)  # an item that does not match has none before
    with st.container(horizontal=True, width="content", vertical_alignment="center"):
        for label, target, shortcut in (("Previous", before, "Alt+Up"), ("Next", after, "Alt+Down")):
            item = items.at(target)
            st.button(
                label,
                disabled=item is None,
                on_click=_open,
                args=(item.unique_id if item else ALL_ITEMS, target // PAGE_ITEMS + 1),
                shortcut=shortcut,
                key=f"step_{label}",
            )
        st.button("All", disabled=unique_id == ALL_ITEMS, on_click=_open, args=(ALL_ITEMS, page), key="step_all")


def _open(unique_id: str, page: int) -> None:
    """Shows an item, or all, with the page of the table that it is on."""
    if unique_id:
        st.query_params["item"] = unique_id
    else:
        st.query_params.pop("item", None)
    if page > 1:
        st.query_params[PAGE] = str(page)
    else:
        st.query_params.pop(PAGE, None)
