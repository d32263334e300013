"""What a user can do with results: look at one item or at the sum of some or all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fcst.filters import EVERY, RunFilter, RunSort
from fcst.job_records import Job
from fcst.records import ForecastSum, RunItem
from fcst.services import datasets
from fcst.store import accuracy, adjustments, forecasts, sales

USUAL_CORRELATION = 0.3
"""Of items' errors; chosen by backtest on several sets, where sums of 20 and of all items were covered best."""


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


def list_items(
    job: Job,
    model: str,
    which: RunFilter = EVERY,
    sort: RunSort = RunSort.SALES,
    limit: int | None = None,
    skip: int = 0,
) -> list[RunItem]:
    """Items of a job that match, in an order, with what `model` forecasts of them."""
    return forecasts.list_job_items(job, model, which, sort, limit, skip)


def count_items(job: Job, model: str, which: RunFilter) -> int:
    """How many items of a job match."""
    return job.n_items if which.is_empty else forecasts.count_job_items(job, model, which)[0]


def place_of(job: Job, model: str, which: RunFilter, sort: RunSort, unique_id: str) -> int | None:
    """How many of the items that match come before this one; None if it does not match."""
    return forecasts.place_of(job, model, which, sort, unique_id)


def list_options(job: Job, model: str) -> dict[str, list[str]]:
    """What a job's items can be filtered by: `family`, `class`, `demand_class` and `heaviest`, with their values.

    Families and classes are those of the dataset.
    """
    options = datasets.list_options(job.dataset_id)
    return options | {"heaviest": forecasts.list_heaviest(job.job_id, model)}


def list_page(
    job: Job, unique_ids: list[str] | None, after: int, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """Forecasts of all models of up to `limit` completed items whose rank is above `after`, the largest sellers first.

    Returns
    -------
    rows, last
        each `unique_id, wk_end_dt, model, forecast, lo, hi, is_fallback, made_by, adjusted`, bounds by level as text;
        the rank of the last item where there may be more.
    """
    rows = forecasts.page(job.job_id, unique_ids, after, limit)
    levels = [str(percent) for percent in job.spec.level]
    for row in rows:
        row["lo"], row["hi"] = (dict(zip(levels, row[side], strict=True)) for side in ("lo", "hi"))
    ranks = {row["sales_rank"] for row in rows}
    return rows, max(ranks) if len(ranks) == limit else None


def view(job: Job, model: str, which: RunFilter = EVERY) -> View:
    """History, forecast and accuracy of the sum of the items of a job that match; one item is a sum of one."""
    level = job.spec.level
    correlation, is_measured = (1.0, False) if which.is_one else error_correlation(job.job_id, model)
    total = forecasts.add_up(job, model, which, len(level))
    metrics = accuracy.by_key(job, "model", which, model)
    n_items = total.n_items if total else 0
    return View(
        history=_numeric(sales.job_totals(job, model, which, n_items), "unit_sales"),
        forecast=_with_adjusted(_with_bounds(total, level, correlation), adjustments.totals(job, model, which)),
        metrics={row["model"]: row for row in metrics.to_dict("records")},
        n_items=n_items,
        n_fallback=total.n_fallback if total else 0,
        made_by=total.made_by if total and which.is_one else model,
        correlation=correlation,
        is_correlation_measured=is_measured,
    )


def list_forecasts(job: Job, model: str, which: RunFilter = EVERY, filtered_by: str | None = None) -> pd.DataFrame:
    """What a model forecasts of the sum of the items that match: `wk_end_dt, forecast`.

    Parameters
    ----------
    filtered_by
        the model by whose forecasts items are filtered, if it is another one.
    """
    return _with_bounds(forecasts.add_up(job, model, which, 0, filtered_by), [], 0.0)


def error_correlation(job_id: int, model: str) -> tuple[float, bool]:
    """How much the items of a job err together, from 0 (each by itself) to 1 (all alike), and whether it was measured.

    Measured in the windows of the backtest; a few windows tell little of it, so it is drawn to what is usual.
    """
    n_windows, measured = accuracy.error_correlation(job_id, model)
    if measured is None:
        return USUAL_CORRELATION, False
    return (n_windows * min(max(measured, 0.0), 1.0) + USUAL_CORRELATION) / (n_windows + 1), True


def _with_bounds(total: ForecastSum | None, level: Sequence[int], correlation: float) -> pd.DataFrame:
    """The sum's forecast, and its bounds by level.

    The distances d of items' bounds from their forecasts add up to sqrt((1 - c) sum(d^2) + c sum(d)^2), where c is how
    much items err together.
    """
    sides = [f"{side}_{percent}" for percent in level for side in ("lo", "hi")]
    if total is None:
        return pd.DataFrame(columns=["wk_end_dt", "forecast", *sides], dtype=float).astype(
            {"wk_end_dt": "datetime64[ns]"}
        )
    first = pd.Timestamp(total.first_wk_end_dt)
    frame = pd.DataFrame(
        {
            "wk_end_dt": [first + pd.Timedelta(weeks=week) for week in range(len(total.forecast))],
            "forecast": total.forecast,
        }
    )
    for i, percent in enumerate(level):
        for side, sign, bound, squares in (("lo", -1, total.lo, total.down), ("hi", 1, total.hi, total.up)):
            distance = sign * (bound[i] - total.forecast)
            distance = np.sqrt((1 - correlation) * squares[i] + correlation * distance**2)
            moved = total.forecast + sign * distance
            frame[f"{side}_{percent}"] = np.maximum(moved, 0) if side == "lo" else moved
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
