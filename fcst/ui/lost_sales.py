"""Lost sales on pages: totals and items of a run, and a caption for one item."""

from dataclasses import asdict

import pandas as pd
import streamlit as st

from fcst.job_records import ItemLostSales, Job, RunLostSales
from fcst.services import lost_sales
from fcst.ui import tables, text
from fcst.ui.cache import read, run_key
from fcst.ui.glossary import MEANING
from fcst.ui.shell import choose_page, page_in_url

PAGE_ITEMS = 20


def show_lost_sales(job: Job) -> str | None:
    """Shows totals and a page of items of a run; nothing if no week is out of stock or suspected.

    Returns
    -------
    str or None
        the clicked item.
    """
    totals = read(("lost sales", run_key(job)), lambda: lost_sales.sum_lost_sales(job))
    if not totals.n_found:
        return None
    st.header("Lost sales", anchor=False)
    _show_totals(totals)
    st.caption(_describe(job, totals))
    page = page_in_url(totals.n_found, PAGE_ITEMS)
    items = read(
        ("items that lost", run_key(job), page),
        lambda: lost_sales.list_lost_sales(job, PAGE_ITEMS, (page - 1) * PAGE_ITEMS),
    )
    chosen = _show_items(items, page, has_lost=totals.n_items > 0)
    choose_page(totals.n_found, PAGE_ITEMS)
    st.caption("Click an item to open its forecast.")
    return chosen


def show_item(job: Job, unique_id: str) -> None:
    """Caption on the lost sales of an item; nothing if it has no week out of stock."""
    found = read(("item that lost", run_key(job), unique_id), lambda: lost_sales.find_lost_sales(job, unique_id))
    if found is not None and found.n_weeks:
        share = "" if found.share is None else f", {text.percent(found.share)} of the units sold in its history"
        st.caption(
            f"Lost sales: about {text.count(round(found.units), 'unit')} in {text.count(found.n_weeks, 'week')}{share}."
        )


def _show_totals(totals: RunLostSales) -> None:
    with st.container(horizontal=True):
        if totals.n_items:
            share = text.percent(totals.share)
            _metric("Lost units", text.large(totals.units), f"{share} of units sold", "lost_sales")
            note = f"of {text.count(totals.n_items, 'item')}"
            _metric("Weeks out of stock", f"{totals.n_weeks:,}", note, "out_of_stock")
        if totals.n_items_suspected:
            note = f"of {text.count(totals.n_items_suspected, 'item')}"
            _metric("Suspected weeks", f"{totals.n_weeks_suspected:,}", note, "suspected")


def _metric(label: str, value: str, note: str, meaning: str) -> None:
    help_text = MEANING[meaning]
    st.metric(label, value, note, delta_color="off", delta_arrow="off", border=True, width=260, help=help_text)


def _describe(job: Job, totals: RunLostSales) -> str:
    """Scope of the totals, and how this run counts suspected weeks."""
    parts = ["Over the whole history of the items."]
    if totals.n_items:
        parts.append(
            "Lost units are estimated from the weeks around. The share is of the units sold by all items of the run."
        )
    if totals.n_weeks_suspected and job.spec.skips_stockouts:
        parts.append("Suspected weeks count as out of stock.")
    elif totals.n_weeks_suspected:
        parts.append("Suspected weeks count as zero demand. A new run can skip them.")
    return " ".join(parts)


def _show_items(items: list[ItemLostSales], page: int, has_lost: bool) -> str | None:
    if not items:  # the run was deleted in the meantime
        return None
    known = [name for name in ("description", "family") if any(getattr(item, name) for item in items)]
    columns = ["unique_id", *known, *(["units", "share", "n_weeks"] if has_lost else []), "n_suspected"]
    frame = pd.DataFrame([asdict(item) for item in items])
    frame["share"] = [None if item.share is None else 100 * item.share for item in items]
    chosen = tables.show(
        frame.assign(units=text.round_units(frame["units"]), share=pd.to_numeric(frame["share"]))[columns],
        placeholder="not defined",
        key=f"lost_sales_{page}",
        on_select="rerun",
        selection_mode="single-cell",
        column_config={
            "unique_id": st.column_config.TextColumn("Item", pinned=True),
            "description": "Name",
            "family": "Family",
            "units": st.column_config.NumberColumn("Lost units", format="localized", help=MEANING["lost_sales"]),
            "share": st.column_config.NumberColumn(
                "Share of sold", format="%.1f %%", help="Lost units, divided by the units sold of the item."
            ),
            "n_weeks": st.column_config.NumberColumn(
                "Weeks out of stock", format="localized", help=MEANING["out_of_stock"]
            ),
            "n_suspected": st.column_config.NumberColumn(
                "Suspected weeks", format="localized", help=MEANING["suspected"]
            ),
        },
    )
    row = tables.clicked_row(chosen)
    return None if row is None else items[row].unique_id
