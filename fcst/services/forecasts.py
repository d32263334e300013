"""What a user can do with results: look at one item or at the sum of all."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pandas as pd

from fcst.names import ENDED_AFTER_WEEKS, NEW_WITHIN_WEEKS
from fcst.states import Outcome
from fcst.store import accuracy, adjustments, forecasts, sales

FLAGS = ("ended", "new", "fallback", "adjusted", "no forecast")
"""What is noteworthy of an item: no sale for half a year, half a year of weeks or less, a simpler model,
a change by an analyst, or no forecast."""

USUAL_CORRELATION = 0.3
"""Of items' errors; chosen by backtest on several sets, where sums of 20 and of all items were covered best."""


FILTERS = ("family", "class", "demand_class", "heaviest", "flags")
"""What items are filtered by: columns of `list_items`."""


@dataclass(frozen=True)
class Filter:
    """Which items of a run are looked at; what is empty asks for nothing.

    Parameters
    ----------
    search
        words that all must be in an item's key, family or description, in capitals or not.
    chosen
        column of FILTERS -> values of which the item has one.
    """

    search: str = ""
    chosen: Mapping[str, Collection[str]] = field(default_factory=dict)

    def apply(self, items: pd.DataFrame) -> pd.DataFrame:
        """Those of the items of `list_items` that match, in the same order."""
        is_match = pd.Series(True, index=items.index)
        for word in self.search.lower().split():
            is_match &= items["words"].str.contains(word, regex=False)
        for name, values in self.chosen.items():
            if values and name == "flags":
                is_match &= items["flags"].map(lambda flags, wanted=set(values): bool(wanted & set(flags)))
            elif values:
                is_match &= items[name].isin(values)
        return items[is_match]


@dataclass(frozen=True)
class View:
    """What is shown of one item, or of a sum of items, by one model.

    Parameters
    ----------
    history
        `wk_end_dt, unit_sales, promo_units`; a missing week is NaN.
    forecast
        `wk_end_dt, forecast, lo_80, hi_80, …`, bounds of the job's levels; with `adjusted` where an analyst changed a
        week, which is the forecast in the others.
    metrics
        by model what `services.accuracy.list_accuracy` tells of it.
    n_items
        how many items are in it, and how many of their forecasts are fallbacks.
    correlation
        of a sum, how much its items err together, from 0 to 1: its interval follows from theirs by it; and whether
        that was measured, or is what is usual.
    """

    history: pd.DataFrame
    forecast: pd.DataFrame
    metrics: dict[str, dict[str, Any]]
    n_items: int
    n_fallback: int
    made_by: str
    correlation: float
    is_correlation_measured: bool


def list_items(job: dict[str, Any], model: str) -> pd.DataFrame:
    """The items of a job, the largest sellers first, with what `model` says of them.

    Returns
    -------
    DataFrame
        `unique_id, sales_rank, outcome, reason, family, class, demand_class, description, n_weeks, last_sale_dt`;
        `recent_weeks` (a list of the last year's units), `recent` and `forecast` (units of the last and the next h
        weeks), `change` (a fraction, NaN where not all of the last h weeks are known), `adjusted` (units of the next h
        weeks, NaN where nobody changed them), `wape, bias` (fractions, NaN where undefined), `made_by`, and of that
        `heaviest`, the model with the largest weight; `flags`, some of FLAGS; and `words`, which are searched.
    """
    frame = forecasts.list_job_items(job["job_id"], model)
    numbers = ("recent", "forecast", "change", "adjusted", "wape", "bias")
    frame = frame.assign(**{name: pd.to_numeric(frame[name]) for name in numbers})
    since = job["last_wk_end_dt"] - timedelta(weeks=ENDED_AFTER_WEEKS)
    flagged = {
        "ended": [day is None or day <= since for day in frame["last_sale_dt"]],
        "new": frame["n_weeks"] <= NEW_WITHIN_WEEKS,
        "fallback": frame["is_fallback"].eq(True),
        "adjusted": frame["adjusted"].notna(),
        "no forecast": frame["outcome"] != Outcome.COMPLETED,
    }
    rows = zip(*(flagged[name] for name in FLAGS), strict=True)
    flags = [tuple(name for name, is_set in zip(FLAGS, row, strict=True) if is_set) for row in rows]
    heaviest = frame["made_by"].str.split(r" \d+%", n=1, regex=True).str[0]
    words = frame["unique_id"].str.cat([frame[name].fillna("") for name in ("family", "description")], sep="\n")
    return frame.assign(flags=flags, heaviest=heaviest, words=words.str.lower())


def list_page(
    job: dict[str, Any], unique_ids: list[str] | None, after: int, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """Forecasts of all models of up to `limit` completed items whose rank is above `after`, the largest sellers first.

    Returns
    -------
    rows, last
        each `unique_id, wk_end_dt, model, forecast, lo, hi, is_fallback, made_by, adjusted`, bounds by level as text;
        the rank of the last item where there may be more.
    """
    rows = forecasts.page(job["job_id"], unique_ids, after, limit)
    levels = [str(percent) for percent in job["spec"]["level"]]
    for row in rows:
        row["lo"], row["hi"] = (dict(zip(levels, row[side], strict=True)) for side in ("lo", "hi"))
    ranks = {row["sales_rank"] for row in rows}
    return rows, max(ranks) if len(ranks) == limit else None


def view(job: dict[str, Any], model: str, unique_ids: list[str] | None = None) -> View:
    """History, forecast and accuracy of the sum of these items of a job, or of all; one item is a sum of one."""
    job_id = job["job_id"]
    is_one = unique_ids is not None and len(unique_ids) == 1
    correlation, is_measured = (1.0, False) if is_one else error_correlation(job_id, model)
    rows = forecasts.total_forecasts(job_id, model, unique_ids, correlation)
    metrics = accuracy.by_key(job_id, "model", tuple(job["spec"]["level"]), unique_ids)
    return View(
        history=_numeric(sales.job_weekly_totals(job_id, unique_ids), "unit_sales"),
        forecast=_with_adjusted(
            _with_bounds(rows, job["spec"]["level"]), adjustments.totals(job_id, model, unique_ids)
        ),
        metrics={row["model"]: row for row in metrics.to_dict("records")},
        n_items=int(rows["n_items"].max()) if len(rows) else 0,
        n_fallback=int(rows["n_fallback"].max()) if len(rows) else 0,
        made_by=rows["made_by"].iloc[0] if is_one and len(rows) else model,
        correlation=correlation,
        is_correlation_measured=is_measured,
    )


def list_forecasts(job_id: int, model: str, unique_ids: list[str] | None = None) -> pd.DataFrame:
    """What a model forecasts, of the sum of these items or of all: `wk_end_dt, forecast`."""
    return _numeric(forecasts.list_forecasts(job_id, model, unique_ids), "forecast")


def error_correlation(job_id: int, model: str) -> tuple[float, bool]:
    """How much the items of a job err together, from 0 (each by itself) to 1 (all alike), and whether it was measured.

    Measured in the windows of the backtest; a few windows tell little of it, so it is drawn to what is usual.
    """
    n_windows, measured = accuracy.error_correlation(job_id, model)
    if measured is None:
        return USUAL_CORRELATION, False
    return (n_windows * min(max(measured, 0.0), 1.0) + USUAL_CORRELATION) / (n_windows + 1), True


def _with_bounds(rows: pd.DataFrame, level: list[int]) -> pd.DataFrame:
    frame = _numeric(rows[["wk_end_dt", "forecast"]].copy(), "forecast")
    for i, percent in enumerate(level):
        for side in ("lo", "hi"):
            frame[f"{side}_{percent}"] = [bounds[i] for bounds in rows[side]]
    return frame


def _with_adjusted(forecast: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    if changes.empty:
        return forecast
    by_week = _numeric(changes, "change").set_index("wk_end_dt")["change"]
    return forecast.assign(adjusted=forecast["forecast"] + forecast["wk_end_dt"].map(by_week).fillna(0.0))


def _numeric(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    frame["wk_end_dt"] = pd.to_datetime(frame["wk_end_dt"])
    frame[column] = pd.to_numeric(frame[column])
    return frame
