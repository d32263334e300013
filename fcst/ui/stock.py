"""Stock on pages: figures of one item, and the stock settings of a dataset."""

import pandas as pd
import streamlit as st

from fcst.dataset_records import Dataset
from fcst.errors import FcstError
from fcst.job_records import Job
from fcst.roles import Scope
from fcst.services import stock, stock_settings
from fcst.stock import (
    MAX_DAYS,
    MAX_SERVICE_LEVEL,
    MIN_SERVICE_LEVEL,
    GroupSettings,
    StockFigures,
    StockSettings,
    StoredSettings,
)
from fcst.ui import tables, text
from fcst.ui.glossary import MEANING
from fcst.ui.item_files import load_file, number_of, start_again
from fcst.ui.shell import action_errors, choose_page, page_in_url, show_error
from fcst.ui.signin import may

PAGE_ROWS = 100
NAME = "stock_setting"
"""Prefix of widget keys, as for `item_files.load_file`."""

GROUP_LABELS = {"all": "all items", "item": "item", "part": "part of the key", "family": "family", "class": "class"}


def show_item(job: Job, model: str, unique_id: str) -> None:
    """Shows demand over the lead time, safety stock and reorder point of an item, with their assumptions."""
    found = stock.find_stock(job, model, unique_id)
    if found is None:
        return
    if found.reason is not None:
        hint = " Set one on the page Dataset, view Stock." if found.lead_time_days is None else ""
        st.caption(f"Stock: {text.plain(found.reason)}{hint}")
        return
    days = (found.lead_time_days or 0) + (found.review_period_days or 0)
    with st.container(horizontal=True):
        for label, value, meaning in (
            (f"Demand in {days:g} days", found.demand, "Final plan over lead time and review period."),
            ("Safety stock", found.safety_stock, MEANING["safety_stock"]),
            ("Reorder point", found.reorder_point, MEANING["reorder_point"]),
        ):
            st.metric(label, f"{text.units(value)} units", border=True, help=meaning)
    st.caption(assumptions(found))


def assumptions(found: StockFigures) -> str:
    """Describes the settings and assumptions of stock figures."""
    review = f", review period {found.review_period_days:g} days" if found.review_period_days else ""
    errors = "as in the backtests" if found.is_measured else "as usual (too few backtests to measure them)"
    return (
        f"Lead time {found.lead_time_days:g} days{review}, service level {100 * (found.service_level or 0):g} %. "
        f"Assumes that the lead time is certain, sales equal demand, and errors are {errors}."
    )


def show_settings(dataset: Dataset) -> None:
    """Shows the stock settings of a dataset, and lets analysts change them."""
    page = page_in_url(stock_settings.count_settings(dataset.dataset_id), PAGE_ROWS)
    stored, n_found = stock_settings.find_settings(dataset.dataset_id, PAGE_ROWS, (page - 1) * PAGE_ROWS)
    for message in st.session_state.pop("stock_settings_saved", ()):
        st.warning(text.plain(message), icon=":material/help:")
    if stored:
        _show_stored(dataset, stored)
        choose_page(n_found, PAGE_ROWS)
    else:
        st.info(
            "No lead times. Set lead time and review period of orders to get safety stocks and reorder points.",
            icon=":material/inventory_2:",
        )
    if not may(Scope.RUN):
        return
    left, right = st.columns(2, gap="large")
    with left:
        _set_defaults(dataset)
    with right:
        load_file(
            dataset,
            NAME,
            "Columns: item, family or class; lead_time_days or lead_time_weeks, review_period_days, service_level.",
            stock_settings.read_file,
            lambda found: tables.show(_frame(found), placeholder="", height=215),
            lambda found: _save(dataset, found),
        )


def _frame(found: list[GroupSettings]) -> pd.DataFrame:
    def percent(level: float | None) -> str | None:
        return None if level is None else f"{100 * level:g} %"

    return pd.DataFrame(
        {
            "Applies to": [", ".join(row.key_columns) or GROUP_LABELS[row.grouped_by] for row in found],
            "Key": [row.key for row in found],
            "Lead time, days": pd.Series([row.settings.lead_time_days for row in found], dtype=float),
            "Review period, days": pd.Series([row.settings.review_period_days for row in found], dtype=float),
            "Service level": [percent(row.settings.service_level) for row in found],
        }
    )


def _show_stored(dataset: Dataset, stored: list[StoredSettings]) -> None:
    frame = _frame([row.group for row in stored]).assign(
        Saved=[text.moment(row.changed_at) for row in stored], By=[row.changed_by for row in stored]
    )
    can_change = may(Scope.RUN)
    days = dict.fromkeys(("Lead time, days", "Review period, days"), tables.NUMBER)
    chosen = tables.show(
        frame,
        key=f"stock_settings_{number_of(NAME)}",
        placeholder="",
        column_config=days,
        on_select="rerun" if can_change else "ignore",
    )
    st.caption(
        "The most specific setting of an item is used. Changes apply to all versions of the dataset and to existing "
        "runs."
    )
    rows = chosen["selection"]["rows"] if can_change else []
    if not rows:
        return
    group = stored[rows[0]].group
    if st.button(f"Remove settings of {text.plain(group.key or 'all items')}", icon=":material/delete:", key="remove"):
        with action_errors():
            stock_settings.remove_settings(dataset.dataset_id, [group])
            start_again(NAME)


def _set_defaults(dataset: Dataset) -> None:
    st.header("Defaults", anchor=False)
    st.caption("For items without other settings.")
    now, number = stock_settings.default_settings(dataset.dataset_id), number_of(NAME)
    with st.form(f"stock_defaults_{number}", border=False):
        lead_time = st.number_input(
            "Lead time, days", 0.0, MAX_DAYS, now.lead_time_days, 1.0, "%g",
            key=f"stock_lead_time_{number}", help=MEANING["lead_time"], placeholder="not set",
        )  # fmt: skip
        review_period = st.number_input(
            "Review period, days", 0.0, MAX_DAYS, now.review_period_days, 1.0, "%g",
            key=f"stock_review_period_{number}", help=MEANING["review_period"],
        )  # fmt: skip
        level = st.number_input(
            "Service level, %", 100 * MIN_SERVICE_LEVEL, 100 * MAX_SERVICE_LEVEL,
            round(100 * (now.service_level or 0.0), 6), 1.0, "%g",
            key=f"stock_service_level_{number}", help=MEANING["service_level"],
        )  # fmt: skip
        if st.form_submit_button("Save", key="save_stock_defaults", icon=":material/save:"):
            settings = StockSettings(lead_time, review_period, round(level / 100, 8))
            _save(dataset, [GroupSettings("all", "", settings)])


def _save(dataset: Dataset, found: list[GroupSettings]) -> None:
    try:
        unknown = stock_settings.save_settings(dataset.dataset_id, found)
    except FcstError as exc:
        show_error(exc)
        return
    if unknown:
        st.session_state["stock_settings_saved"] = [stock_settings.unknown_message(unknown)]
    start_again(NAME)
