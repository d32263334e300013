"""Forecasts: the table of items, and beside it the chart of one, or of all that are shown together."""

import pandas as pd
import streamlit as st

from fcst import charts
from fcst.compute.models import AUTO
from fcst.filters import RunFilter, only
from fcst.job_records import Job
from fcst.records import RunItem
from fcst.services import accuracy, forecasts
from fcst.states import Outcome
from fcst.ui import text
from fcst.ui.accuracy import show_provenance
from fcst.ui.adjustments import adjust_button, show_adjustments
from fcst.ui.cache import draw, read, run_key
from fcst.ui.downloads import one_item, picture, show_downloads, those_that_match
from fcst.ui.items import ALL_ITEMS, Items, choose_filter, show_items, show_steps, shown_page
from fcst.ui.lost_sales import show_item as show_lost_item
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
            models = job.spec.models
            model = choose("Model", models, "model", str)
        key = run_key(job, with_adjustments=True)
        which, sort = choose_filter(job, model)
        items = Items(job, key, model, which, sort)
        item = items.find(st.query_params.get("item", ALL_ITEMS)) if "item" in st.query_params else None
        unique_id = item.unique_id if item else ALL_ITEMS
        page = shown_page(items, unique_id)
        how = " Select one to see it by itself." if items.n_found else ""
        st.caption(f"{text.count(items.n_found, 'item')} of {job.n_items:,}.{how}")
        show_items(items, page, unique_id, job.spec.h)
    with notices:
        known = [item.unique_id] if item else []
        warn_of_unknown("item", known, "This run has no item {}; this is the sum of those shown.")
    with detail:
        show_detail(items, page, item)


def show_detail(items: Items, page: int, item: RunItem | None) -> None:
    """One item, or the sum of all that match."""
    job, model = items.job, items.model
    unique_id = item.unique_id if item else ALL_ITEMS
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        title = st.container(width="stretch")
        show_steps(items, page, unique_id)
    if item is not None:
        st.query_params["job"] = str(job.job_id)  # an item is one of this run, also when a newer one ends
        if item.outcome != Outcome.COMPLETED:
            with title:
                st.header(item_title(item), anchor=False)
            why = f": {text.plain(item.reason)}" if item.reason else ""
            st.warning(f"This item has no forecast; it is {item.outcome}{why}.", icon=":material/error:")
            return
    which = items.which if item is None else only(unique_id)
    view = read(("view", items.key, model, which), lambda: read_view(job, model, which))
    if view.forecast.empty:
        st.info("No item shown has a forecast. Change the search or the filters.", icon=":material/search_off:")
        return
    n_shown, n_items = items.n_found, job.n_items
    with title:
        show_title(job, item, view, n_shown)
    show_numbers(job, view, model)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        marks = choose_some("Show in the chart", [BACKTEST, OTHERS, LAST_YEAR], "show", are_pills=True)
        with st.container(horizontal=True, width="content"):
            if item is not None:
                adjust_button(job, model, unique_id, view)
            with st.popover("Download", type="primary", icon=":material/download:"):
                if item is not None:
                    show_downloads(job, "this item", 1, one_item(unique_id))
                if n_shown < n_items:
                    show_downloads(job, "the items shown", n_shown, those_that_match(items.which, model))
                show_downloads(job, "all items of this run", n_items)
    chart_key = ("forecast chart", items.key, model, which, tuple(marks))
    st.plotly_chart(
        draw(chart_key, lambda: forecast_chart(items, which, view, marks)),
        width="stretch",
        key="chart",
        config=picture(job, f"forecast {model}", unique_id),
        alt="Units a week: history, then the forecast with its intervals, "
        f"{text.units(view.forecast['forecast'].sum())} units in {text.count(job.spec.h, 'week')}",
    )
    show_notes(job, item, view)
    if item is not None:
        show_lost_item(job, unique_id)
    if item is not None and (provenance := accuracy.item_provenance(job.job_id, unique_id)):
        show_provenance(provenance, model, job)
    if item is not None:
        show_adjustments(job, model, unique_id)
    show_table(view, job.spec.level)


def read_view(job: Job, model: str, which: RunFilter) -> forecasts.View:
    """A view, of which what no adjustment changes is read once for a run."""
    correlation = by_model = None
    if not which.is_one:
        correlation = read(("correlation", run_key(job), model), lambda: accuracy.error_correlation(job, model))
    if which.is_empty:
        by_model = read(("accuracy", run_key(job), "model"), lambda: accuracy.list_accuracy(job))
    return forecasts.view(job, model, which, correlation, by_model)


def forecast_chart(items: Items, which: RunFilter, view: forecasts.View, marks: list[str]) -> charts.Figure:
    """The history and the forecast, with what was asked for beside them."""
    job, model = items.job, items.model
    backtests = None
    if BACKTEST in marks:
        key = ("backtests", items.key, model, which)  # adjusted items can be asked for
        backtests = read(key, lambda: accuracy.list_backtests(job, model, which))
    return charts.forecast_chart(
        view.history,
        view.forecast,
        job.spec.level,
        backtests,
        other_forecasts(items, which, view) if OTHERS in marks else None,
        has_last_year=LAST_YEAR in marks,
        borrowed=forecasts.borrowed_history(job, which.keys[0]) if which.is_one and which.keys else None,
    )


def other_forecasts(items: Items, which: RunFilter, view: forecasts.View) -> dict[str, pd.DataFrame]:
    """What the run's other models say; of an item of Auto also what the heaviest of its candidates do.

    Of the same items: those that match by what the shown model forecasts of them.
    """
    job, model = items.job, items.model
    others = {
        name: read(
            ("forecasts", items.key, model, name, which),
            lambda name=name: forecasts.list_forecasts(job, name, which, model),  # type: ignore[misc]
        )
        for name in job.spec.models
        if name != model
    }
    if model == AUTO and which.is_one and which.keys:
        found = accuracy.item_provenance(job.job_id, which.keys[0]).get("models", {}).get(AUTO, {})
        for candidate in found.get("candidates", [])[:SHOWN_CANDIDATES]:
            weeks = view.forecast[["wk_end_dt"]].assign(forecast=candidate["forecast"])
            others.setdefault(f"{candidate['model']} ({candidate['weight']:.0%})", weeks)
    return others


def show_title(job: Job, item: RunItem | None, view: forecasts.View, n_shown: int) -> None:
    if item is None:
        what = "All items" if n_shown == job.n_items else f"The {text.count(n_shown, 'item')} shown"
        what += f": the sum of {text.count(view.n_items, 'forecast')}"
        what += "; the others have none" if view.n_items < n_shown else ""
    else:
        what = item_title(item)
    st.header(
        what + ("" if job.include_promo or not view.history["promo_units"].any() else ", without promotions"),
        anchor=False,
    )


def item_title(item: RunItem) -> str:
    return f"Item {text.plain(item.unique_id)}" + (f", {text.plain(item.family)}" if item.family else "")


show_page(main)
