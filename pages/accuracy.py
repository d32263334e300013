"""Accuracy: errors of a run's forecasts by model, weeks ahead, family, class and item; and of earlier runs."""

from typing import Any

import pandas as pd
import streamlit as st

from fcst import charts
from fcst.compute.models import AUTO
from fcst.job_records import Job
from fcst.names import BENCHMARK, HOLDOUT_WEEKS
from fcst.services import accuracy, jobs
from fcst.ui import text
from fcst.ui.accuracy import (
    BENCHMARK_NAME,
    group_rows,
    show_all_metrics,
    show_candidates,
    show_effects,
    show_group,
    show_items,
    show_leaderboard,
    show_totals,
)
from fcst.ui.cache import draw, read, run_key
from fcst.ui.comparison import show_lags
from fcst.ui.downloads import image_config
from fcst.ui.lost_sales import show_lost_sales
from fcst.ui.publishing import show_accuracy
from fcst.ui.results import choose_run, find_runs
from fcst.ui.shell import choose, choose_view, show_page

SHOWN_ITEMS = 10
BACKTESTS, LAGS = "backtests", "lags"
VIEWS = {BACKTESTS: "Backtests", LAGS: "Earlier forecasts"}


def main() -> None:
    st.title("Accuracy", anchor=False)
    found = find_runs("No accuracy yet. Start a run first.", ":material/monitoring:")
    if not found:
        return
    notices = st.container()
    left, right, _ = st.columns([2, 2, 3], vertical_alignment="bottom")
    with left:
        job = choose_run(found, notices)
    by_model = measured(job, "model")
    models = [*job.spec.models, *(m for m in by_model["model"] if m not in job.spec.models)]
    view = choose_view(VIEWS)
    with right:
        model = choose("Model", models, "model", text.model_name)
    if view == LAGS:
        show_lags(job.dataset, model)
        show_accuracy(job.dataset)
    elif by_model.empty:
        show_nothing(job)
        if item := show_lost_sales(job):
            open_item(job, item, job.spec.models[0])
    else:
        show_backtests(job, by_model, models, model)


def show_backtests(job: Job, by_model: pd.DataFrame, models: list[str], model: str) -> None:
    """Accuracy in the run's own backtests."""
    rows = {row["model"]: row for row in by_model.to_dict("records")}
    st.markdown(f"**{text.describe_error(model, rows[model]['wape'], rows[BENCHMARK]['wape'])}**")
    show_totals(job, rows[model], rows[BENCHMARK])
    show_basis(job, rows[model])
    st.header("Models", anchor=False)
    show_leaderboard(by_model, job.spec)
    show_all_metrics(by_model, job.spec.level)
    left, right = st.columns(2, gap="large")
    by_step = measured(job, "horizon")
    with left:
        st.header("By weeks ahead", anchor=False)
        if by_step.empty:
            st.caption("Not available: the version of fcst that made this run did not store it.")
        chart = draw(("horizon chart", run_key(job)), lambda: horizon_chart(by_step, models))
        st.plotly_chart(
            chart,
            width="stretch",
            key="by_horizon",
            config=image_config(job, "WAPE by weeks ahead"),
            alt="WAPE of each model by weeks ahead",
        )
    with right:
        st.header("Items by error", anchor=False)
        errors = read(("errors", run_key(job), model), lambda: accuracy.count_items_by_error(job.job_id, model))
        chart = draw(("distribution chart", run_key(job), model), lambda: charts.distribution_chart(errors))
        st.plotly_chart(
            chart,
            width="stretch",
            key="over_items",
            config=image_config(job, f"WAPE over items {model}"),
            alt="Number of items by WAPE",
        )
    for key, label in (("family", "Family"), ("demand_class", "Demand class")):
        st.header(f"By {label.lower()}", anchor=False)
        show_group(read_group(job, model, key), key, label, job.spec.level)
    if effects := read(("effects", run_key(job)), lambda: jobs.learned_effects(job.job_id)):
        st.header("Driver effects", anchor=False)
        st.caption(
            "In percent of the baseline, learnt across the items of the run. Effects of items are shrunk to these."
        )
        show_effects(effects, "effects")
    show_best_and_worst(job, model, errors.n_items)
    if item := show_lost_sales(job):
        open_item(job, item, model)
    candidates = read(("candidates", run_key(job)), lambda: accuracy.list_candidates(job.job_id))
    if AUTO in job.spec.models and len(candidates):
        st.header("Auto candidates", anchor=False)
        show_candidates(candidates)


def horizon_chart(by_step: pd.DataFrame, models: list[str]) -> charts.Figure:
    """Chart of the error by weeks ahead, with models in this order."""
    order = {name: number for number, name in enumerate(models)}
    rows = by_step.sort_values(["model", "step"], key=lambda c: c.map(order).fillna(c))
    return charts.horizon_chart(rows.assign(model=rows["model"].map(text.model_name)))


def measured(job: Job, by: str) -> pd.DataFrame:
    return read(("accuracy", run_key(job), by), lambda: accuracy.list_accuracy(job, by))


def read_group(job: Job, model: str, key: str) -> pd.DataFrame:
    level = job.spec.level
    ask = lambda: group_rows(measured(job, key), model, key, level)  # noqa: E731
    return read(("accuracy rows", run_key(job), model, key), ask)


def show_nothing(job: Job) -> None:
    if job.spec.n_windows:
        why = f"All items have too short a history: a backtest needs at least {2 * HOLDOUT_WEEKS} weeks."
    else:
        why = "It has no backtests. Start a new run with backtests."
    st.info(f"This run has no accuracy. {why}", icon=":material/monitoring:")


def show_basis(job: Job, row: dict[str, Any]) -> None:
    """Caption with the backtests measured and the items and windows left out."""
    n_windows = job.spec.n_windows
    parts = [
        f"Up to {text.count(n_windows, 'backtest')} of {HOLDOUT_WEEKS} weeks at the end of each history:"
        f" {text.count(row['n_items'], 'item')}, {text.count(row['n_windows'], 'window')}."
    ]
    missing = job.n_completed - row["n_items"]
    if missing > 0:  # an open run completes items between two reads
        parts.append(f"{text.count(missing, 'item')} with too short a history left out.")
    if row["n_unsold"]:
        parts.append(f"{text.count(row['n_unsold'], 'window')} without sales: no WAPE.")
    if row["n_unscaled"]:
        parts.append(f"{text.count(row['n_unscaled'], 'window')} with constant sales before: no MASE or RMSSE.")
    st.caption(" ".join(parts))


def show_best_and_worst(job: Job, model: str, n_known: int) -> None:
    """Items with the largest error, and with the largest gain over the benchmark, in units; a click opens an item."""
    n = min(SHOWN_ITEMS, -(-n_known // 2))
    if not n:
        return

    def extreme(is_worst: bool) -> pd.DataFrame:
        key = ("extreme items", run_key(job), model, is_worst, n)
        return read(key, lambda: accuracy.list_extreme_items(job, model, is_worst, n))

    best, left = None, st.container()
    if model != BENCHMARK:
        left, right = st.columns(2, gap="large")
        with right:
            st.header("Best items", anchor=False)
            if len(gaining := extreme(is_worst=False)):
                best = show_items(gaining, "best", "gained")
            else:
                st.caption(f"No item has less error than {BENCHMARK_NAME}.")
    with left:
        st.header("Worst items", anchor=False)
        worst = show_items(extreme(is_worst=True), "worst", "abs_error")
    st.caption("Ranked by error in units, not in percent. Click an item to open its forecast.")
    if item := worst or best:
        open_item(job, item, model)


def open_item(job: Job, item: str, model: str) -> None:
    """Opens the forecast of an item."""
    st.switch_page("pages/forecasts.py", query_params={"job": str(job.job_id), "item": item, "model": model})


show_page(main)
