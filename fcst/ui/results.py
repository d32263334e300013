"""Parts around a forecast: run selection, totals and accuracy, notes, weekly table."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from fcst.job_records import Job
from fcst.names import BENCHMARK, ENDED_AFTER_WEEKS, SEASON_LENGTH
from fcst.records import RunItem
from fcst.roles import Scope
from fcst.services import forecasts, jobs
from fcst.ui import tables, text
from fcst.ui.glossary import MEANING
from fcst.ui.shell import choose, warn_of_unknown
from fcst.ui.signin import may
from fcst.ui.streamlit_internals import DeltaGenerator


def find_runs(nothing: str, icon: str) -> dict[int, Job]:
    """Runs with forecasts, newest first; without any, shows a message and a button to start one."""
    found = {job.job_id: job for job in jobs.list_jobs() if job.n_completed}
    if not found:
        st.info(nothing, icon=icon)
        if may(Scope.RUN) and st.button("New run", type="primary"):
            st.switch_page("pages/new_run.py")
    return found


def choose_run(found: dict[int, Job], notices: DeltaGenerator) -> Job:
    """The chosen run; a warning on an unknown run in the URL goes to `notices`."""
    with notices:
        warn_of_unknown("job", map(str, found), "Run {} has no forecasts. The newest run with forecasts is shown.")
    return found[
        choose(
            "Run",
            list(found),
            "job",
            lambda key: text.job_title(found[key]),
            label_visibility="collapsed",
            width=260,
        )
    ]


def show_numbers(job: Job, view: forecasts.View, model: str) -> None:
    """Cards: final plan, change from last year, WAPE and bias with those of the benchmark."""
    history, h = view.history["unit_sales"], job.spec.h
    own, naive = view.metrics.get(model, {}), view.metrics.get(BENCHMARK, {})
    benchmark = "last week" if view.n_items == 1 and naive.get("n_fallback") else "last year"
    weeks, n_windows = text.count(h, "week"), job.spec.n_windows
    final, forecast = view.forecast["final"].sum(), view.forecast["forecast"].sum()
    model_note = f"model: {text.large(forecast)}" if view.is_adjusted else f"next {weeks}"
    last_year = history.iloc[-SEASON_LENGTH:].head(h)
    is_known = len(history) >= SEASON_LENGTH >= h and last_year.notna().all() and last_year.sum() > 0
    change = final / last_year.sum() - 1 if is_known else None
    cards: list[tuple[str, str, str, str | None]] = [
        ("Final plan", f"{text.large(final)} units", model_note, MEANING["final_plan"]),
        (
            "vs. last year",
            text.percent(change, True),
            f"from {_total(last_year)} units" if is_known else "last year not known",
            None,
        ),
    ]
    for name, label, is_signed in (("wape", "WAPE", False), ("bias", "Bias", True)) if n_windows else ():
        note = f"{benchmark}: {text.percent(naive.get(name), is_signed)}"
        how = f"{MEANING[name]} Measured in {text.describe_backtests(n_windows)}. "
        how += "Not defined for weeks without sales or with too short a history."
        cards.append((label, text.percent(own.get(name), is_signed), note, how))
    for place, (label, value, note, meaning) in zip(st.columns(len(cards), gap="small"), cards, strict=True):
        place.metric(label, value, note, help=meaning, **_CARD)


def _total(units: pd.Series) -> str:
    return text.large(float(units.sum()))


_CARD: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off", "border": True, "height": "stretch"}


def show_notes(job: Job, item: RunItem | None, view: forecasts.View) -> None:
    """Notes on the forecast of an item, or of a total if `item` is None."""
    if item is None:
        how = "measured in backtests" if view.is_correlation_measured else "the default, not measured"
        st.caption(
            "Interval of the total: from the intervals of the items and the correlation of their errors, "
            f"{view.correlation:.2f} ({how}). Accuracy is over items and weeks; errors are not netted."
        )
        if n_naive := view.metrics.get(BENCHMARK, {}).get("n_fallback"):
            n = text.count(n_naive, "item")
            year, week = text.model_name(BENCHMARK), text.model_name("Naive")
            st.caption(f":material/info: {n} with less than a year of history before a backtest: {year} uses {week}.")
        if view.n_fallback:
            n = text.count(view.n_fallback, "item")
            st.caption(f":material/info: {n} with a fallback.")
        return
    st.caption(f"Made by {text.plain(text.made_by(item.made_by or ''))}.")
    if view.n_fallback or item.reason:
        what = "Fallback" if view.n_fallback else "Note"
        st.caption(f":material/info: {what}: {text.plain(item.reason or 'the requested model gave no forecast')}.")
    if not item.has_sales:
        return
    if view.history["unit_sales"].isna().any():
        st.caption("Gaps in the line are weeks with promotional sales only. They are missing; models interpolate them.")
    if not view.metrics and job.spec.n_windows:
        st.caption(":material/info: The history is too short for a backtest, so accuracy is not defined.")
    last = job.last_wk_end_dt
    if item.last_sale_dt is None or (last - item.last_sale_dt).days >= 7 * ENDED_AFTER_WEEKS:
        st.caption(f":material/info: No sale in the last {ENDED_AFTER_WEEKS} weeks. This item may have ended.")


EXTRA_COLUMNS = {"baseline": "Baseline", "final": "Final plan"}
"""Further columns of a forecast -> label."""


def show_table(view: forecasts.View, levels: Sequence[int]) -> None:
    """Table of the forecast and its bounds by week."""
    numbers = {"forecast": "Forecast, units"}
    numbers |= {name: label for name, label in EXTRA_COLUMNS.items() if name in view.forecast}
    for level in sorted(levels):
        numbers |= {f"lo_{level}": f"{level} % low", f"hi_{level}": f"{level} % high"}
    is_large = view.forecast[list(numbers)].max().max() >= 1000
    weeks = view.forecast[["wk_end_dt", *numbers]].round(0 if is_large else 1)
    if "baseline" in weeks:
        baseline = view.forecast["baseline"].where(view.forecast["baseline"] > 0)
        weeks.insert(weeks.columns.get_loc("baseline") + 1, "uplift", view.forecast["forecast"] / baseline - 1)
    tables.show(
        weeks,
        placeholder="not defined",
        column_config={
            "wk_end_dt": st.column_config.DateColumn("Week ending", format="YYYY-MM-DD"),
            "uplift": st.column_config.NumberColumn("Uplift", format="percent", help=MEANING["uplift"]),
            **{
                key: st.column_config.NumberColumn(label, format="localized" if is_large else "%.1f")
                for key, label in numbers.items()
            },
        },
    )
