"""Worklist: the table of a run's items, sorted and filtered in the database, and buttons to step through it.

Filter, order and page are in the URL.
"""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from fcst.attention import ABC, XYZ, AttentionReason
from fcst.filters import RunFilter, RunOrder, RunSort, by_keys, parse_order
from fcst.job_records import Job
from fcst.records import RunItem
from fcst.roles import Scope
from fcst.services import attention, forecasts
from fcst.ui import text
from fcst.ui.attribute_filter import choose_attributes, has_attributes_in_url
from fcst.ui.cache import read, run_key
from fcst.ui.components import Column, Row, rows_table
from fcst.ui.downloads import FILTERS
from fcst.ui.glossary import MEANING
from fcst.ui.groups import choose_grouping, read_dataset
from fcst.ui.shell import (
    PAGE,
    action_errors,
    choose_one,
    choose_page,
    choose_some,
    number_in_url,
    page_in_url,
    search,
    write_to_url,
)
from fcst.ui.signin import actor_name, may

ALL_ITEMS = ""
"""The total of all items that match; no item has an empty key."""

PAGE_ITEMS = 100
TABLE_HEIGHT = 470  # pixels
DEFAULT_ORDER = RunOrder(RunSort.STAKE)
SORT = "sort"

_LABELS = {
    "family": "Family",
    "class": "Class",
    "abc": "ABC (units sold)",
    "xyz": "XYZ (forecastability)",
    "demand_class": "Demand class",
    "heaviest": "Main model",
}


@dataclass(frozen=True)
class Items:
    """The sorted items of a run that match a filter, read in pages.

    Parameters
    ----------
    key
        cache key: changes when the data of the run change.
    """

    job: Job
    key: tuple[object, ...]
    model: str
    which: RunFilter
    order: RunOrder

    @property
    def n_found(self) -> int:
        ask = lambda: forecasts.count_items(self.job, self.model, self.which)  # noqa: E731
        return read(("count", self.key, self.model, self.which), ask)

    def page(self, number: int) -> list[RunItem]:
        """Items of a page; pages count from 1."""
        return self._list((number - 1) * PAGE_ITEMS, PAGE_ITEMS)

    def place_of(self, unique_id: str) -> int | None:
        """Number of items before this one; None if it does not match."""
        ask = lambda: forecasts.place_of(self.job, self.model, self.which, self.order, unique_id)  # noqa: E731
        return read(("place", self.key, self.model, self.which, self.order, unique_id), ask)

    def at(self, place: int) -> RunItem | None:
        """The item at a position from 0; None if there is none, for example because the run was deleted."""
        if not 0 <= place < self.n_found:
            return None
        found = self.page(place // PAGE_ITEMS + 1)
        return found[place % PAGE_ITEMS] if place % PAGE_ITEMS < len(found) else None

    def find(self, unique_id: str) -> RunItem | None:
        """An item of the run, also if it does not match; None if unknown."""
        ask = lambda: forecasts.list_items(self.job, self.model, by_keys(unique_id))  # noqa: E731
        found = read(("item", self.key, self.model, unique_id), ask) if "\0" not in unique_id else []
        return found[0] if found else None

    def _list(self, skip: int, limit: int) -> list[RunItem]:
        ask = lambda: forecasts.list_items(self.job, self.model, self.which, self.order, limit, skip)  # noqa: E731
        return read(("items", self.key, self.model, self.which, self.order, skip, limit), ask)


def worklist_key(job: Job) -> tuple[object, ...]:
    """Cache key of the worklist: run data, adjustments, reviews and thresholds."""
    key = run_key(job, with_adjustments=True)
    return (*key, attention.last_review(job.job_id), attention.thresholds(job.dataset))


def choose_filter(job: Job, key: tuple[object, ...], model: str) -> tuple[RunFilter, RunOrder, str]:
    """Returns the filter, the order, and the rows: ITEMS, or the attribute that groups them. All are in the URL."""
    counted = read(("attention", key, model), lambda: attention.count(job, model))
    by_reason = {found.reason: found for found in counted}
    n_open = by_reason[""].n_open if "" in by_reason else 0
    views = {"": f"All {job.n_items:,}", "open": f"To review {n_open:,}", "done": "Reviewed"}
    left, right = st.columns([7, 3], vertical_alignment="bottom")
    with left:
        review = choose_one("Items", views, "review", label_visibility="collapsed")
    with right:
        by = choose_grouping(read_dataset(job))
    left, right = st.columns([1, 1])
    with left:
        wanted = search("Search", "q", placeholder="Item, name or family", label_visibility="collapsed")
    with right:
        numbers = {str(reason): by_reason[reason].n_items if reason in by_reason else 0 for reason in AttentionReason}
        label = lambda reason: f"{reason} ({numbers[reason]:,})"  # noqa: E731
        reasons = choose_some("Reasons", list(numbers), "reason", format_func=label, placeholder="any reason")
    is_filtered = any(map(st.query_params.get_all, _LABELS)) or has_attributes_in_url()
    with st.expander("Filters", type="compact", expanded=is_filtered):
        places = st.columns(2) * len(_LABELS)
        values = read(("run options", run_key(job), model), lambda: forecasts.list_options(job, model))
        values |= {"abc": list(ABC), "xyz": list(XYZ)}
        options = {name: values[name] for name in _LABELS if len(values[name]) > 1}
        chosen = dict[str, Any]()
        for place, (name, found) in zip(places, options.items(), strict=False):
            with place:
                chosen[FILTERS[name]] = tuple(choose_some(_LABELS[name], found, name))
        chosen["attributes"] = choose_attributes(read_dataset(job), 2)
    which = RunFilter(wanted, reasons=tuple(reasons), review=review, **chosen)
    return which, parse_order(st.query_params.get(SORT, ""), DEFAULT_ORDER), by


def shown_page(items: Items, unique_id: str) -> int:
    """The table page in the URL; without one, the page with the open item if it matches."""
    if number_in_url(PAGE) is not None or not unique_id:
        return page_in_url(items.n_found, PAGE_ITEMS)
    if any(item.unique_id == unique_id for item in items.page(1)):
        return 1
    return (items.place_of(unique_id) or 0) // PAGE_ITEMS + 1


def show_items(items: Items, page: int, unique_id: str) -> None:
    """Shows the table with the row of the open item marked."""
    rows = items.page(page)
    if not rows:
        st.info("No items match. Change the search or the filters.", icon=":material/search_off:")
        return
    columns = _columns(items.job.spec.h)
    rows_table(
        "Items of the run",
        columns,
        [Row(item.unique_id, tuple(_cell(item, column.label) for column in columns)) for item in rows],
        key="items",
        height=TABLE_HEIGHT,
        selected=unique_id,
        sort=items.order.sort,
        is_reversed=items.order.is_reversed,
        on_open=lambda key: open_item(key, page),
        on_sort=lambda name: _sort_by(items.order, name),
        on_check=lambda key: _review(items, key),
    )
    choose_page(items.n_found, PAGE_ITEMS, page)


def _columns(h: int) -> tuple[Column, ...]:
    return (
        Column("Item", "name", RunSort.KEY),
        Column("Reviewed", "check"),
        Column("Last year", "line", help="Units per week."),
        Column("Plan", "number", RunSort.FINAL, f"Final plan, units of the next {h} weeks."),
        Column("Change", "number", RunSort.CHANGE, "Final plan vs. the same weeks last year."),
        Column("At stake", "number", RunSort.STAKE, MEANING["at_stake"]),
        Column("Reasons", "chips", help=MEANING["attention"]),
        Column("WAPE", "number", RunSort.WAPE, MEANING["wape"]),
        Column("Bias", "number", RunSort.BIAS, MEANING["bias"]),
        Column("Forecast", "number", RunSort.FORECAST, f"Model forecast, units of the next {h} weeks."),
        Column("Last year, units", "number", RunSort.LAST_YEAR, "Units sold in the same weeks last year."),
        Column("Sold", "number", RunSort.SOLD, f"Units sold in the last {h} weeks."),
        Column("Class", "text", help=f"{MEANING['abc']} {MEANING['xyz']}"),
        Column("Family", "text"),
    )


def _cell(item: RunItem, label: str) -> object:
    units = {
        "Plan": item.final,
        "At stake": item.at_stake,
        "Forecast": item.forecast,
        "Last year, units": item.last_year,
        "Sold": item.recent,
    }
    fractions = {"Change": (item.change, True, 0), "WAPE": (item.wape, False, 1), "Bias": (item.bias, True, 1)}
    if label in units:
        value = units[label]
        return "–" if value is None else text.units(round(value) if abs(value) >= 10 else round(value, 1))
    if label in fractions:
        fraction, signed, digits = fractions[label]
        return "–" if fraction is None else f"{100 * fraction:{'+' if signed else ''},.{digits}f} %"
    if label == "Reviewed":
        when = f"{item.reviewed_by}, {text.moment(item.reviewed_at)}" if item.reviewed_at else "Mark as reviewed"
        return item.reviewed_at is not None, when
    others: dict[str, object] = {
        "Item": (item.unique_id, item.description or ""),
        "Last year": _line(item.recent_weeks),
        "Reasons": item.reasons,
        "Class": item.abc + item.xyz,
        "Family": item.family or "",
    }
    return others[label]


def _line(weeks: tuple[float | None, ...]) -> tuple[float, ...]:
    """Values of the line; a missing week repeats the week before."""
    line: list[float] = []
    for units in weeks:
        line.append(units if units is not None else line[-1] if line else 0.0)
    return tuple(line)


def _sort_by(order: RunOrder, name: str) -> None:
    wanted = RunOrder(RunSort(name), order.sort == name and not order.is_reversed)
    write_to_url(SORT, "" if wanted == DEFAULT_ORDER else str(wanted))


def _review(items: Items, unique_id: str) -> None:
    """Marks an item as reviewed, or removes the mark."""
    if not may(Scope.RUN):
        return
    item = items.find(unique_id)
    with action_errors():
        if item is not None and item.reviewed_at is not None:
            attention.reopen(items.job, items.model, by_keys(unique_id))
        elif item is not None:
            attention.review(items.job, items.model, by_keys(unique_id), actor_name())


def show_steps(items: Items, page: int, unique_id: str) -> None:
    """Buttons for the previous and next item of the table, for all items, and to mark this item as reviewed."""
    keys = [item.unique_id for item in items.page(page)]
    place: int | None = -1
    if unique_id in keys:
        place = (page - 1) * PAGE_ITEMS + keys.index(unique_id)
    elif unique_id:
        place = items.place_of(unique_id)
    before, after = (-1, 0) if place is None else (place - 1, place + 1)  # no previous item if it does not match
    with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
        if unique_id and place is not None:
            st.caption(f"{place + 1:,} of {items.n_found:,}", width="content")
        for label, target, shortcut in (("Previous", before, "Alt+Up"), ("Next", after, "Alt+Down")):
            item = items.at(target)
            st.button(
                label,
                disabled=item is None,
                on_click=open_item,
                args=(item.unique_id if item else ALL_ITEMS, target // PAGE_ITEMS + 1),
                shortcut=shortcut,
                key=f"step_{label}",
            )
        if unique_id and may(Scope.RUN):
            following = items.at(after)
            st.button(
                "Mark reviewed",
                on_click=_review_and_open_next,
                args=(items, unique_id, following.unique_id if following else unique_id),
                shortcut="Alt+M",
                key="step_reviewed",
            )
        st.button("All", disabled=unique_id == ALL_ITEMS, on_click=open_item, args=(ALL_ITEMS, page), key="step_all")


def _review_and_open_next(items: Items, unique_id: str, following: str) -> None:
    with action_errors():
        attention.review(items.job, items.model, by_keys(unique_id), actor_name())
        open_item(following, None)


def show_review_all(items: Items) -> None:
    """Button that marks all items that match as reviewed."""
    label = f"Mark {text.count(items.n_found, 'item')} as reviewed"
    if may(Scope.RUN) and items.n_found and st.button(label, icon=":material/done_all:", key="review_all"):
        with action_errors():
            n = attention.review(items.job, items.model, items.which, actor_name())
            st.toast(f"{text.count(n, 'item')} marked as reviewed.")
            st.rerun()


def open_item(unique_id: str, page: int | None) -> None:
    """Opens an item, or all items; sets the table page if it is known."""
    if unique_id:
        st.query_params["item"] = unique_id
    else:
        st.query_params.pop("item", None)
    if page is not None and page > 1:
        st.query_params[PAGE] = str(page)
    else:
        st.query_params.pop(PAGE, None)
