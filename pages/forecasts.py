"""Forecasts: the worklist on the left; the plan of one item, or of all items shown, on the right."""

import pandas as pd
import streamlit as st

from fcst import charts
from fcst.compute.models import AUTO
from fcst.dataset_records import NewerDataset
from fcst.filters import ALL_RUN_ITEMS, RunFilter, by_keys
from fcst.job_records import Job
from fcst.records import RunItem
from fcst.services import accuracy, adjustments, attention, comparison, drivers, forecasts
from fcst.states import Outcome
from fcst.ui import text
from fcst.ui.accuracy import show_provenance
from fcst.ui.cache import draw, read, run_key
from fcst.ui.downloads import MODEL, Query, filter_query, image_config, one_item, period_in_url, show_downloads
from fcst.ui.groups import ITEMS, show_groups
from fcst.ui.items import (
    ALL_ITEMS,
    TABLE_HEIGHT,
    Items,
    choose_filter,
    show_items,
    show_review_all,
    show_steps,
    shown_page,
    worklist_key,
)
from fcst.ui.lost_sales import show_item as show_lost_item
from fcst.ui.plan import EditTarget, show_changes, show_plan
from fcst.ui.plan_upload import upload_button
from fcst.ui.publishing import publish_button
from fcst.ui.results import choose_run, find_runs, show_notes, show_numbers, show_table
from fcst.ui.shell import choose, choose_one, choose_some, show_page, warn_of_unknown
from fcst.ui.status import status_chip
from fcst.ui.stock import show_item as show_item_stock
from fcst.ui.streamlit_internals import DeltaGenerator
from fcst.ui.thresholds import thresholds_button
from fcst.ui.what_if import WhatIfContext, chosen_scenarios, lines, show_what_if

EARLIER, BACKTEST, OTHERS = MARKS = "Earlier runs", "Backtest", "Other models"
BELOW, WHAT_IF = "below", "what-if"
SHOWN_CANDIDATES = 5


def main() -> None:
    head = st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="head")
    found = find_runs("No forecasts yet. Start a run first.", ":material/query_stats:")
    if not found:
        with head:
            st.title("Forecasts", anchor=False)
        return
    notices = st.container()
    with head:
        st.title("Forecasts", anchor=False, width="content")
        job = choose_run(found, notices)
        model = choose("Model", job.spec.models, "model", text.model_name, label_visibility="collapsed", width=175)
        status_chip(job)
        thresholds_button(job)
    read(("prepared", run_key(job)), lambda: attention.prepare(job))
    key = worklist_key(job)
    table, detail = st.columns([5, 7], gap="medium")
    with table:
        which, order, by = choose_filter(job, key, model)
        items = Items(job, key, model, which, order)
        item = items.find(st.query_params.get("item", ALL_ITEMS)) if "item" in st.query_params else None
        unique_id = item.unique_id if item else ALL_ITEMS
        page = shown_page(items, unique_id)
        if by == ITEMS:
            show_items(items, page, unique_id)
            show_review_all(items)
        else:
            show_groups(job, key, model, which, by, TABLE_HEIGHT)
    with notices:
        known = [item.unique_id] if item else []
        warn_of_unknown("item", known, "This run has no item {}. The total of the items shown is displayed.")
    with detail:
        show_detail(items, page, item, head)


def show_files(items: Items, item: RunItem | None) -> None:
    """Downloads, the upload of an edited plan, and the published plan."""
    job, model, period = items.job, items.model, period_in_url()
    with st.popover("Download", type="primary", icon=":material/download:"):
        if item is not None:
            show_downloads(job, "this item", 1, one_item(item.unique_id), model, period)
        if items.n_found < job.n_items:
            show_downloads(job, "the items shown", items.n_found, filter_query(items.which, model), model, period)
        show_downloads(job, "all items of this run", job.n_items, (), model, period)
    upload_button(job, model)
    publish_button(job, model)


def show_detail(items: Items, page: int, item: RunItem | None, head: DeltaGenerator) -> None:
    """Shows one item, or the total of all that match; its downloads go to the head of the page."""
    job, model = items.job, items.model
    unique_id = item.unique_id if item else ALL_ITEMS
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        title = st.container(width="stretch", gap=None)
        show_steps(items, page, unique_id)
    if item is not None:
        st.query_params["job"] = str(job.job_id)  # keep the item's run in the URL, also when a newer run ends
        if item.outcome != Outcome.COMPLETED:
            with title:
                st.header(item_title(item), anchor=False)
            why = f", {text.plain(item.reason)}" if item.reason else ""
            st.warning(f"This item has no forecast: {item.outcome}{why}.", icon=":material/error:")
            return
    which = items.which if item is None else by_keys(unique_id)
    view = read(("view", items.key, model, which), lambda: read_view(job, model, which))
    if view.forecast.empty:
        st.info("No items shown have a forecast. Change the search or the filters.", icon=":material/search_off:")
        return
    n_shown, n_items = items.n_found, job.n_items
    with title:
        show_title(job, item, view, n_shown)
    show_numbers(job, view, model)
    with head:
        show_files(items, item)
    marks = [mark for mark in MARKS if mark in st.query_params.get_all("show")]
    scope = f"item {unique_id}" if item else scope_of(items.which, n_shown, n_items)
    what_if = None
    if BELOW in st.query_params:
        query = one_item(unique_id) if item is not None else filter_query(items.which, model)
        what_if = what_if_of(items, which, scope, query)
    newer = comparison.newer_dataset(job)
    chart_key = ("forecast chart", items.key, model, which, tuple(marks), what_if and what_if.chosen, newer)
    st.plotly_chart(
        draw(chart_key, lambda: forecast_chart(items, which, view, marks, what_if, newer)),
        width="stretch",
        key="chart",
        config=image_config(job, f"forecast {model}", unique_id),
        alt="Units per week: history, then the plan with its intervals, "
        f"{text.units(view.forecast['final'].sum())} units in {text.count(job.spec.h, 'week')}",
    )
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        choose_some("Show in the chart", list(MARKS), "show", are_pills=True)
        choose_one("Below the chart", {"": "Plan", WHAT_IF: "What if"}, BELOW, label_visibility="collapsed")
    if what_if is not None:
        show_what_if(what_if, view)
    else:
        show_plan(EditTarget(job, model, which, scope, adjustments.last_change(job.job_id)), view)
        show_changes(job, model, which)
    show_notes(job, item, view)
    if item is not None:
        show_item_stock(job, model, unique_id)
        show_lost_item(job, unique_id)
        if provenance := accuracy.item_provenance(job.job_id, unique_id):
            show_provenance(provenance, model, job)
    with st.expander("Weekly table", type="compact"):
        show_table(view, job.spec.level)


def what_if_of(items: Items, which: RunFilter, scope: str, query: Query) -> WhatIfContext:
    job, model = items.job, items.model

    def plan_of_all() -> float:
        view = read(("view", items.key, model, ALL_RUN_ITEMS), lambda: read_view(job, model, ALL_RUN_ITEMS))
        return float(view.forecast["final"].sum())

    of_plan = [*(pair for pair in query if pair[0] != MODEL), (MODEL, model)]
    return WhatIfContext(job, model, which, scope, of_plan, items.key, chosen_scenarios(job), plan_of_all)


def scope_of(which: RunFilter, n_shown: int, n_items: int) -> str:
    """Describes the items shown; stored with adjustments of their plan."""
    if n_shown == n_items:
        return "all items"
    parts = [value or "(none)" for _, values in which.attributes for value in values]
    parts += [*which.families, *which.classes, *which.demand_classes, *which.abc, *which.xyz, *which.reasons]
    if which.search:
        parts.insert(0, f"'{which.search}'")
    return f"items shown by {', '.join(parts)}" if parts else "items shown"


def read_view(job: Job, model: str, which: RunFilter) -> forecasts.View:
    """Reads a view; parts that adjustments do not change are cached per run."""
    correlation = by_model = None
    if not which.is_one:
        correlation = read(("correlation", run_key(job), model), lambda: accuracy.error_correlation(job, model))
    if which.is_empty:
        by_model = read(("accuracy", run_key(job), "model"), lambda: accuracy.list_accuracy(job))
    return forecasts.view(job, model, which, correlation, by_model)


def forecast_chart(
    items: Items,
    which: RunFilter,
    view: forecasts.View,
    marks: list[str],
    what_if: WhatIfContext | None,
    newer: NewerDataset | None,
) -> charts.Figure:
    """Chart of history, plan and later actual sales, with the selected marks and scenarios."""
    job, model = items.job, items.model
    others = other_forecasts(items, which, view) if OTHERS in marks else {}
    others |= lines(what_if, view) if what_if else {}
    backtests, earlier = None, dict[str, pd.DataFrame]()
    if BACKTEST in marks:
        key = ("backtests", items.key, model, which)  # the filter can select adjusted items
        backtests = read(key, lambda: accuracy.list_backtests(job, model, which))
    if EARLIER in marks:
        plans = forecasts.earlier_plans(job, model, which)
        earlier = {f"plan of run {job_id}": weeks for job_id, weeks in plans.items()}
    return charts.forecast_chart(
        charts.ForecastSeries(
            view.history,
            view.forecast,
            job.spec.level,
            later_actuals=forecasts.later_actuals(job, model, newer, which) if newer else None,
            earlier=earlier,
            backtests=backtests,
            others=others,
            events=drivers.list_events(job, which.keys[0] if which.is_one and which.keys else None),
            borrowed=forecasts.borrowed_history(job, which.keys[0]) if which.is_one and which.keys else None,
        )
    )


def other_forecasts(items: Items, which: RunFilter, view: forecasts.View) -> dict[str, pd.DataFrame]:
    """Forecasts of the run's other models; for an item of Auto also of its candidates with the largest weights.

    All are of the same items: those that match by the forecasts of the shown model.
    """
    job, model = items.job, items.model
    others = {
        text.model_name(name): read(
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
        what = "All items" if n_shown == job.n_items else f"{text.count(n_shown, 'item')} shown"
        what += f": total of {text.count(view.n_items, 'plan')}"
        what += f", {n_shown - view.n_items:,} without forecast" if view.n_items < n_shown else ""
    else:
        what = item_title(item)
    st.header(what, anchor=False)
    promotions = [] if job.include_promo or not view.history["promo_units"].any() else ["without promotions"]
    notes = [*promotions, *(item.reasons if item else ())]
    if notes:
        st.caption(text.plain(" · ".join(notes)))


def item_title(item: RunItem) -> str:
    name = f" · {text.plain(item.description)}" if item.description else ""
    return f"{text.plain(item.unique_id)}{name}" + (f", {text.plain(item.family)}" if item.family else "")


show_page(main)
