"""The numbers around a forecast: its sum and accuracy, what should be known of it, its table."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from fcst.job_records import Job
from fcst.names import BENCHMARK, ENDED_AFTER_WEEKS, SEASON_LENGTH
from fcst.records import RunItem
from fcst.roles import Scope
from fcst.services import forecasts, jobs
from fcst.ui import tables, text
from fcst.ui.glossary import MEANING
from fcst.ui.shell import choose, warn_of_unknown
from fcst.ui.signin import may


def find_runs(nothing: str, icon: str) -> dict[int, Job]:
    """The runs that have forecasts, the newest first; where there is none, says so and leads to a new one."""
    found = {job.job_id: job for job in jobs.list_jobs() if job.n_completed}
    if not found:
        st.info(nothing, icon=icon)
        if may(Scope.RUN) and st.button("New run", type="primary"):
            st.switch_page("pages/new_run.py")
    return found


def choose_run(found: dict[int, Job], notices: DeltaGenerator) -> Job:
    """The run that is to be looked at; `notices` is where an unknown one in the URL is told."""
    with notices:
        warn_of_unknown("job", map(str, found), "Run {} has no forecasts; this is the newest run that has.")
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
    """The final plan beside last year and what was sold, and its accuracy beside the benchmark's."""
    history, h = view.history["unit_sales"], job.spec.h
    own, naive = view.metrics.get(model, {}), view.metrics.get(BENCHMARK, {})
    benchmark = text.model_name("Naive" if view.n_items == 1 and naive.get("n_fallback") else BENCHMARK)
    weeks, n_windows = text.count(h, "week"), job.spec.n_windows
    final, forecast = view.forecast["final"].sum(), view.forecast["forecast"].sum()
    model_note = f"model: {text.large(forecast)}" if view.is_adjusted else f"next {weeks}"
    last_year = history.iloc[-SEASON_LENGTH:].head(h)
    is_known = len(history) >= SEASON_LENGTH >= h and last_year.notna().all() and last_year.sum() > 0
    change = final / last_year.sum() - 1 if is_known else None
    cards: list[tuple[str, str, str, str | None]] = [
        ("Final plan", f"{text.large(final)} units", model_note, MEANING["final_plan"]),
        (
            "To last year",
            text.percent(change, True),
            f"then: {_known(last_year)} units" if is_known else "not known",
            None,
        ),
    ]
    for name, label, is_signed in (("wape", "WAPE", False), ("bias", "Bias", True)) if n_windows else ():
        note = f"{text.percent(naive.get(name), is_signed)} {benchmark}"
        how = f"{MEANING[name]} Measured by {text.backtest_in_words(n_windows)}, each from the weeks before it. "
        how += "Not defined where nothing was sold, or too few weeks come before."
        cards.append((label, text.percent(own.get(name), is_signed), note, how))
    for place, (label, value, note, meaning) in zip(st.columns(len(cards), gap="small"), cards, strict=True):
        place.metric(label, value, note, help=meaning, **_CARD)


def _known(units: pd.Series) -> str:
    return text.large(float(units.sum()))


_CARD: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off", "border": True, "height": "stretch"}


def show_notes(job: Job, item: RunItem | None, view: forecasts.View) -> None:
    """What should be known of this forecast; `item` is None for a sum."""
    if item is None:
        how = "by the backtests" if view.is_correlation_measured else "as is usual: it was not measured"
        st.caption(
            "The interval of the sum follows from those of the items and how much these err together: a correlation of "
            f"{view.correlation:.2f}, {how}. Accuracy is over items and weeks; errors are not netted."
        )
        if n_naive := view.metrics.get(BENCHMARK, {}).get("n_fallback"):
            n = text.count(n_naive, "item")
            year, week = text.model_name(BENCHMARK), text.model_name("Naive")
            st.caption(f":material/info: For {n} without a full year before a backtest, {year} is {week}.")
        if view.n_fallback:
            n = text.count(view.n_fallback, "item")
            st.caption(f":material/info: For {n} a simpler model than the one asked for had to stand in.")
        return
    st.caption(f"Made by {text.plain(text.made_by(item.made_by or ''))}.")
    if view.n_fallback or item.reason:
        what = "A fallback" if view.n_fallback else "Note"
        st.caption(f":material/info: {what}: {text.plain(item.reason or 'the model asked for gave no forecast')}.")
    if not item.has_sales:
        return
    if view.history["unit_sales"].isna().any():
        st.caption("Gaps in the line are weeks with promotional sales only: not known, interpolated for the models.")
    if not view.metrics and job.spec.n_windows:
        st.caption(":material/info: The history is too short for a backtest: accuracy is not defined.")
    last = job.last_wk_end_dt
    if item.last_sale_dt is None or (last - item.last_sale_dt).days >= 7 * ENDED_AFTER_WEEKS:
        st.caption(f":material/info: No sale in the last {ENDED_AFTER_WEEKS} weeks: this item seems to have ended.")


SHOWN_BESIDE = {"baseline": "Baseline", "final": "Final plan"}
"""Columns of a forecast beside the model's own -> what people read."""


def show_table(view: forecasts.View, levels: Sequence[int]) -> None:
    """The forecast and its bounds, week by week."""
    numbers = {"forecast": "Forecast, units"}
    numbers |= {name: label for name, label in SHOWN_BESIDE.items() if name in view.forecast}
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
