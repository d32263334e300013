"""Forecast results: the view of one item or of a total, item lists, earlier plans."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from fcst.compute.aggregation import ForecastSum, Total
from fcst.dataset_records import NewerDataset
from fcst.filters import ALL_RUN_ITEMS, BY_SALES, RunFilter, RunOrder
from fcst.job_records import Job
from fcst.records import ForecastBlock, ForecastWeek, RunItem
from fcst.services import accuracy, datasets
from fcst.store import adjustments, forecasts, sales

EARLIER_RUNS = 3
"""Number of earlier runs whose plans are shown with that of a run."""


@dataclass(frozen=True)
class View:
    """History, forecast and accuracy of one item or of a total of items, by one model.

    Parameters
    ----------
    history
        `wk_end_dt, unit_sales, promo_units`; a missing week is NaN.
    forecast
        `wk_end_dt, forecast, final, lo_80, hi_80, …`, with bounds of the run's levels; `final` is the adjusted
        forecast. A run with driver effects also has `baseline`, the forecast without them.
    is_adjusted
        an analyst adjusted a week.
    metrics
        rows of `services.accuracy.list_accuracy`, by model.
    n_items, n_fallback
        number of items, and of those with a fallback forecast.
    correlation, is_correlation_measured
        correlation of the item errors, from 0 to 1, from which the interval of a total follows; and whether it was
        measured, or is the prior.
    """

    history: pd.DataFrame
    forecast: pd.DataFrame
    is_adjusted: bool
    metrics: dict[str, dict[str, Any]]
    n_items: int
    n_fallback: int
    correlation: float
    is_correlation_measured: bool


def list_items(
    job: Job,
    model: str,
    which: RunFilter = ALL_RUN_ITEMS,
    order: RunOrder = BY_SALES,
    limit: int | None = None,
    skip: int = 0,
) -> list[RunItem]:
    """Matching items of a run, sorted, with the forecasts of `model`."""
    return forecasts.list_job_items(job, model, which, order, limit, skip)


def count_items(job: Job, model: str, which: RunFilter) -> int:
    """Counts the matching items of a run."""
    return job.n_items if which.is_empty else forecasts.count_job_items(job, model, which)[0]


def place_of(job: Job, model: str, which: RunFilter, order: RunOrder, unique_id: str) -> int | None:
    """Position of an item among the matching items, from 0; None if it does not match."""
    return forecasts.place_of(job, model, which, order, unique_id)


def list_options(job: Job, model: str) -> dict[str, list[str]]:
    """Filter fields of a run's items with their values: those of the dataset, and `heaviest` (main candidate)."""
    options = datasets.list_options(job.dataset_id)
    return options | {"heaviest": forecasts.list_heaviest(job.job_id, model)}


def list_page(job: Job, model: str, which: RunFilter, after: int, limit: int) -> tuple[list[ForecastWeek], int | None]:
    """A page of forecasts by all models: up to `limit` matching completed items with a rank above `after`, largest
    sellers first. Items are filtered by the forecasts of `model`.

    Returns
    -------
    weeks, last
        forecasts by item, model and week; the rank of the last item if there may be more, otherwise None.
    """
    weeks = forecasts.page(job, model, which, after, limit)
    ranks = {week.sales_rank for week in weeks}
    return weeks, max(ranks) if len(ranks) == limit else None


def view(
    job: Job,
    model: str,
    which: RunFilter = ALL_RUN_ITEMS,
    correlation: tuple[float, bool] | None = None,
    by_model: pd.DataFrame | None = None,
) -> View:
    """Returns history, forecast and accuracy of the total of the matching items of a run; one item is a total of one.

    Parameters
    ----------
    correlation
        result of `accuracy.error_correlation` for the model, if the caller has it.
    by_model
        result of `accuracy.list_accuracy` by model, if the caller has it; only for all items.
    """
    level = job.spec.level
    total, n_fallback = _add_up(job, model, which, len(level))
    if by_model is None:
        by_model = accuracy.measure(job, "model", which, model)
    if which.is_one:
        correlation = 1.0, False
    elif correlation is None:
        correlation = accuracy.error_correlation(job, model)
    forecast = _frame(job, total.total(correlation[0]), level)
    if job.spec.driver_load and len(forecast):
        baselines = _numeric(forecasts.sum_baselines(job, model, which), "baseline")
        merged = forecast.merge(baselines, on="wk_end_dt", how="left")
        has_effects = not np.allclose(merged["baseline"], merged["forecast"], equal_nan=True)
        forecast = merged if has_effects else forecast
    changes = adjustments.totals(job, model, which)
    return View(
        history=_numeric(sales.job_totals(job, model, which, total.n_items), "unit_sales"),
        forecast=_with_final(forecast, changes),
        is_adjusted=not changes.empty,
        metrics={row["model"]: row for row in by_model.to_dict("records")},
        n_items=total.n_items,
        n_fallback=n_fallback,
        correlation=correlation[0],
        is_correlation_measured=correlation[1],
    )


def borrowed_history(job: Job, unique_id: str) -> pd.DataFrame | None:
    """Borrowed history of an item (from predecessors or like items), up to two years: `wk_end_dt, unit_sales`; None
    if there is none."""
    found = accuracy.item_provenance(job.job_id, unique_id).get("borrowed")
    if found is None:
        return None
    units = found["units"]
    last = job.last_wk_end_dt - timedelta(weeks=found["weeks_ago"])
    weeks = [last - timedelta(weeks=n) for n in range(len(units) - 1, -1, -1)]
    return pd.DataFrame({"wk_end_dt": weeks, "unit_sales": pd.Series(units, dtype=float)})


def later_actuals(job: Job, model: str, newer: NewerDataset, which: RunFilter = ALL_RUN_ITEMS) -> pd.DataFrame:
    """Later actuals of the matching items: `wk_end_dt, unit_sales` of the forecast weeks that a newer dataset version
    has."""
    return _numeric(forecasts.sum_later_actuals(job, model, which, newer.dataset_id), "unit_sales")


def earlier_plans(job: Job, model: str, which: RunFilter = ALL_RUN_ITEMS) -> dict[int, pd.DataFrame]:
    """Final plans of the matching items in the last earlier runs: job id -> `wk_end_dt, forecast`."""
    frame = _numeric(forecasts.sum_earlier_plans(job, model, which, EARLIER_RUNS), "forecast")
    by_run = frame.groupby("job_id", sort=False)
    return {int(job_id): weeks.drop(columns="job_id") for job_id, weeks in by_run}


def list_forecasts(
    job: Job, model: str, which: RunFilter = ALL_RUN_ITEMS, filtered_by: str | None = None
) -> pd.DataFrame:
    """Forecast of the total of the matching items by one model: `wk_end_dt, forecast`.

    Parameters
    ----------
    filtered_by
        items are filtered by the forecasts of this model; None: `model`.
    """
    return _frame(job, _add_up(job, model, which, 0, filtered_by)[0].total(0.0), [])


def _add_up(
    job: Job, model: str, which: RunFilter, n_levels: int, filtered_by: str | None = None
) -> tuple[ForecastSum, int]:
    """Sums the forecasts of the matching items; returns the sum and the number of fallback forecasts."""
    total, n_fallback = ForecastSum(job.spec.h, n_levels), 0

    def add(block: ForecastBlock) -> None:
        nonlocal n_fallback
        total.add(block.forecast, block.lo, block.hi)
        n_fallback += int(block.is_fallback.sum())

    forecasts.read_blocks(job, model, which, n_levels, add, filtered_by)
    return total, n_fallback


def _frame(job: Job, total: Total, level: Sequence[int]) -> pd.DataFrame:
    """`wk_end_dt, forecast, lo_80, hi_80, …` of a total; no rows if it has no items."""
    first = pd.Timestamp(job.last_wk_end_dt) + pd.Timedelta(weeks=1)
    weeks = pd.date_range(first, periods=len(total.mean), freq=pd.Timedelta(weeks=1))
    bounds = {f"{side}_{p}": getattr(total, side)[i] for i, p in enumerate(level) for side in ("lo", "hi")}
    frame = pd.DataFrame({"wk_end_dt": weeks, "forecast": total.mean, **bounds})
    return frame if total.n_items else frame.head(0)


def _with_final(forecast: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    by_week = _numeric(changes, "change").set_index("wk_end_dt")["change"]
    final = forecast["forecast"] + forecast["wk_end_dt"].map(by_week).fillna(0.0)
    forecast.insert(forecast.columns.get_loc("forecast") + 1, "final", final.clip(lower=0.0))
    return forecast


def _numeric(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    frame["wk_end_dt"] = pd.to_datetime(frame["wk_end_dt"])
    frame[column] = pd.to_numeric(frame[column])
    return frame
