"""Forecasts: the table of items, and beside it the chart of one, or of all that are shown together."""

from typing import Any

import pandas as pd
import streamlit as st

from fcst import charts
from fcst.compute.models import AUTO
from fcst.services import accuracy, adjustments, forecasts
from fcst.states import Outcome
from fcst.ui import text
from fcst.ui.accuracy import show_provenance
from fcst.ui.adjustments import adjust_button, show_adjustments
from fcst.ui.downloads import one_item, picture, show_downloads, those_that_match
from fcst.ui.items import ALL_ITEMS, all_items, choose_filter, show_items, show_steps
from fcst.ui.results import choose_run, find_runs, show_notes, show_numbers, show_table
from fcst.ui.shell import choose, choose_some, show_page, warn_of_unknown

BACKTEST, OTHERS, LAST_YEAR = "Backtest", "Other models", "Last year"
SHOWN_CANDIDATES = 5


def main() -> None:
    st.title("Forecasts", anchor=False)
    found = find_runs("There are no forecasts yet.", ":material/query_stats:")
    if not found:
        return
    notices = st.container()
    table, detail = st.columns([5, 7], gap="medium")
    with table:
        left, right = st.columns(2)
        with left:
            job = choose_run(found, notices)
        with right:
            models = job["spec"]["models"]
            model = choose("Model", models, "model", str)
        ended = (job["n_completed"], job["n_failed"], job["n_cancelled"], job["n_attempts"])
        n_changes = adjustments.count_changes(job["job_id"])
        items = all_items(job["job_id"], ended, n_changes, model, job)
        which = choose_filter(items)
        shown = which.apply(items)
        how = " Select one to see it by itself." if len(shown) else ""
        st.caption(f"{text.count(len(shown), 'item')} of {len(items):,}.{how}")
        unique_id = item_in_url(items)
        show_items(shown, unique_id, job["spec"]["h"])
    with notices:
        warn_of_unknown("item", items["unique_id"], "This run has no item {}; this is the sum of those shown.")
    with detail:
        show_detail(job, model, items, which, shown, unique_id, n_changes)


def item_in_url(items: pd.DataFrame) -> str:
    wanted = st.query_params.get("item", ALL_ITEMS)
    return wanted if wanted in set(items["unique_id"]) else ALL_ITEMS


def show_detail(
    job: dict[str, Any],
    model: str,
    items: pd.DataFrame,
    which: forecasts.Filter,
    shown: pd.DataFrame,
    unique_id: str,
    n_changes: int,
) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        title = st.container(width="stretch")
        show_steps(shown, unique_id)
    row = None if unique_id == ALL_ITEMS else items[items["unique_id"] == unique_id].iloc[0]
    if row is not None:
        st.query_params["job"] = str(job["job_id"])  # an item is one of this run, also when a newer one ends
        if row["outcome"] != Outcome.COMPLETED:
            with title:
                st.header(item_title(row), anchor=False)
            why = f": {text.plain(row['reason'])}" if row["reason"] else ""
            st.warning(f"This item has no forecast; it is {row['outcome']}{why}.", icon=":material/error:")
            return
        unique_ids = [unique_id]
    else:
        unique_ids = None if len(shown) == len(items) else shown["unique_id"].tolist()
    view = read_view(job["job_id"], job["n_completed"], n_changes, model, unique_ids, job)
    if view.forecast.empty:
        st.info("No item shown has a forecast. Change the search or the filters.", icon=":material/search_off:")
        return
    with title:
        show_title(job, row, view, len(shown), len(items))
    show_numbers(job, view, model)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        marks = choose_some("Show in the chart", [BACKTEST, OTHERS, LAST_YEAR], "show", are_pills=True)
        with st.container(horizontal=True, width="content"):
            if row is not None:
                adjust_button(job, model, unique_id, view)
            with st.popover("Download", type="primary", icon=":material/download:"):
                if row is not None:
                    show_downloads(job, "this item", 1, one_item(unique_id))
                if len(shown) < len(items):
                    show_downloads(job, "the items shown", len(shown), those_that_match(which, model))
                show_downloads(job, "all items of this run", len(items))
    st.plotly_chart(
        charts.forecast_chart(
            view.history,
            view.forecast,
            job["spec"]["level"],
            read_backtests(job["job_id"], job["n_completed"], model, unique_ids) if BACKTEST in marks else None,
            other_forecasts(job, unique_ids, model, view) if OTHERS in marks else None,
            has_last_year=LAST_YEAR in marks,
        ),
        width="stretch",
        key="chart",
        config=picture(job, f"forecast {model}", unique_id),
        alt="Units a week: history, then the forecast with its intervals, "
        f"{text.units(view.forecast['forecast'].sum())} units in {text.count(job['spec']['h'], 'week')}",
    )
    show_notes(job, row, view)
    if row is not None and (provenance := accuracy.item_provenance(job["job_id"], unique_id)):
        show_provenance(provenance, model, job)
    if row is not None:
        show_adjustments(job, model, unique_id)
    show_table(view, job["spec"]["level"])


@st.cache_data(max_entries=30, show_spinner="Adding up the items …")
def read_view(
    job_id: int, n_completed: int, n_changes: int, model: str, unique_ids: list[str] | None, _job: dict[str, Any]
) -> forecasts.View:
    """What is shown of items; it changes only with the number of completed items and with the changes of analysts."""
    return forecasts.view(_job, model, unique_ids)


@st.cache_data(max_entries=30, show_spinner="Adding up the items …")
def read_backtests(job_id: int, n_completed: int, model: str, unique_ids: list[str] | None) -> pd.DataFrame:
    return accuracy.list_backtests(job_id, model, unique_ids)


@st.cache_data(max_entries=60, show_spinner="Adding up the items …")
def read_forecasts(job_id: int, n_completed: int, model: str, unique_ids: list[str] | None) -> pd.DataFrame:
    return forecasts.list_forecasts(job_id, model, unique_ids)


def other_forecasts(
    job: dict[str, Any], unique_ids: list[str] | None, model: str, view: forecasts.View
) -> dict[str, pd.DataFrame]:
    """What the run's other models say; of an item of Auto also what the heaviest of its candidates do."""
    names = [name for name in job["spec"]["models"] if name != model]
    others = {name: read_forecasts(job["job_id"], job["n_completed"], name, unique_ids) for name in names}
    if model == AUTO and unique_ids is not None and len(unique_ids) == 1:
        found = accuracy.item_provenance(job["job_id"], unique_ids[0]).get("models", {}).get(AUTO, {})
        for candidate in found.get("candidates", [])[:SHOWN_CANDIDATES]:
            weeks = view.forecast[["wk_end_dt"]].assign(forecast=candidate["forecast"])
            others.setdefault(f"{candidate['model']} ({candidate['weight']:.0%})", weeks)
    return others


def show_title(job: dict[str, Any], row: pd.Series | None, view: forecasts.View, n_shown: int, n_items: int) -> None:
    if row is None:
        what = "All items" if n_shown == n_items else f"The {text.count(n_shown, 'item')} shown"
        what += f": the sum of {text.count(view.n_items, 'forecast')}"
        what += "; the others have none" if view.n_items < n_shown else ""
    else:
        what = item_title(row)
    st.header(
        what + ("" if job["include_promo"] or not view.history["promo_units"].any() else ", without promotions"),
        anchor=False,
    )


def item_title(row: pd.Series) -> str:
    return f"Item {text.plain(row['unique_id'])}" + (f", {text.plain(row['family'])}" if row["family"] else "")


show_page(main)
