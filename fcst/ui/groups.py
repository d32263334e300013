"""Worklist grouped by an attribute: a row of totals for each store, family or city; a click opens its items."""

import streamlit as st

from fcst.attributes import COLUMNS
from fcst.dataset_records import Dataset
from fcst.filters import PREFIX, WITHOUT, GroupSort, RunFilter
from fcst.job_records import Job
from fcst.records import Group
from fcst.services import accuracy, datasets, hierarchy
from fcst.ui import text
from fcst.ui.attribute_filter import read_attributes
from fcst.ui.cache import read, run_key
from fcst.ui.components import Column, Row, rows_table
from fcst.ui.downloads import FILTERS
from fcst.ui.glossary import MEANING
from fcst.ui.shell import choose, choose_page, page_in_url, write_to_url

BY, SORT = "by", "group_sort"
ITEMS = "items"
"""No grouping."""

PAGE_GROUPS = 100


def read_dataset(job: Job) -> Dataset:
    """The dataset of a run."""
    return read(("dataset", job.dataset_id, job.attribute_change), lambda: datasets.get_dataset(job.dataset_id))


def choose_grouping(dataset: Dataset) -> str:
    """The attribute that groups the worklist, or ITEMS; from the URL."""
    known = [attribute.name for attribute in read_attributes(dataset) if attribute.n_values > 1]
    label = lambda name: "Items" if name == ITEMS else f"By {text.plain(name)}"  # noqa: E731
    return choose("Rows", [ITEMS, *known], BY, label, label_visibility="collapsed")


def show_groups(job: Job, key: tuple[object, ...], model: str, which: RunFilter, by: str, height: int) -> None:
    """Table of groups with totals; a click shows the items of a group."""
    wanted = st.query_params.get(SORT, "")
    sort = GroupSort(wanted) if wanted in set(GroupSort) else GroupSort.FORECAST
    n_found = read(("n groups", key, model, which, by), lambda: hierarchy.count_groups(job, model, by, which))
    page = page_in_url(n_found, PAGE_GROUPS)
    correlation = read(("correlation", run_key(job), model), lambda: accuracy.error_correlation(job, model))
    groups = read(
        ("groups", key, model, which, by, sort, page),
        lambda: hierarchy.list_groups(
            job, model, by, which, sort, PAGE_GROUPS, (page - 1) * PAGE_GROUPS, correlation=correlation[0]
        ),
    )
    level = str(min(job.spec.level)) if job.spec.level else ""
    h = job.spec.h
    columns = (
        Column(by, "text", GroupSort.VALUE),
        Column("Items", "number", GroupSort.ITEMS),
        Column("Plan", "number", GroupSort.FORECAST, f"Final plan, units of the next {h} weeks."),
        Column("Change", "number", GroupSort.RISE, "Final plan vs. the same weeks last year."),
        Column("WAPE", "number", GroupSort.WAPE, f"{MEANING['wape']} Over items and weeks; errors are not netted."),
        Column("Bias", "number", GroupSort.OVER, MEANING["bias"]),
        Column("Last year, units", "number", GroupSort.LAST_YEAR, "Units sold in the same weeks last year."),
        Column("Sold", "number", GroupSort.SOLD, f"Units sold in the last {h} weeks."),
        *([Column(f"{level} % interval", "number", help="Interval of the model's total forecast.")] if level else []),
    )
    rows_table(
        f"Totals by {by}",
        columns,
        [Row(group.value or WITHOUT, _cells(group, level)) for group in groups],
        key="groups",
        height=height,
        selected="\0",
        sort=sort,
        is_reversed=False,
        on_open=lambda value: _open(by, value),
        on_sort=lambda name: write_to_url(SORT, "" if name == GroupSort.FORECAST else name),
        on_check=lambda value: None,
    )
    choose_page(n_found, PAGE_GROUPS)


def _cells(group: Group, level: str) -> tuple[str, ...]:
    change = group.final / group.last_year - 1 if group.final is not None and group.last_year else None
    interval = [f"{_units(group.lo[level])} – {_units(group.hi[level])}" if group.lo else "–"] if level else []
    return (
        group.value or "(none)",
        f"{group.n_items:,}",
        _units(group.final),
        _percent(change, 0, signed=True),
        _percent(group.wape, 1),
        _percent(group.bias, 1, signed=True),
        _units(group.last_year),
        _units(group.sold),
        *interval,
    )


def _units(units: float | None) -> str:
    return "–" if units is None else f"{units:,.0f}"


def _percent(fraction: float | None, digits: int, signed: bool = False) -> str:
    return "–" if fraction is None else f"{100 * fraction:{'+' if signed else ''},.{digits}f} %"


def _open(by: str, value: str) -> None:
    """Filters by the group and shows its items."""
    is_column = by in COLUMNS and by in FILTERS and value != WITHOUT
    name = by if is_column else f"{PREFIX}{by}"
    write_to_url(name, [value])
    st.query_params.pop(BY, None)
    st.query_params.pop(SORT, None)
    st.query_params.pop("item", None)
