"""Safety stocks and reorder points of the items of a run, computed on request."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import TextIO

import numpy as np

from fcst.compute.stock import SumErrors, lumps, scaled_errors, stock_of, variances
from fcst.escaping import for_spreadsheet
from fcst.filters import ALL_RUN_ITEMS, RunFilter, by_keys
from fcst.job_records import Job
from fcst.names import HOLDOUT_WEEKS
from fcst.services import jobs
from fcst.services.stock_settings import settings_of
from fcst.stock import StockFigures, StockSettings
from fcst.store import stock

MANY_BACKTESTS = 20_000
"""Backtests of a run used to learn quantiles; of more, about this many are sampled. Precision at 98 %: 0.1 %."""

PAGE_ITEMS = 5_000
"""Items per page when all items of a run are read."""

OF_SALES = ("units_per_sale", "cv2", "adi")
"""Statistics of an item's weeks with sales, parameters of `compute.stock.lumps`."""

NO_OVERRIDES = StockSettings()
NOT_SET = "No lead time is set."
NOT_FORECAST = "The run has no forecast of this item."
NO_LEVEL = "The run has no prediction intervals."


def list_stock(
    job: Job,
    model: str,
    which: RunFilter = ALL_RUN_ITEMS,
    limit: int | None = None,
    skip: int = 0,
    overrides: StockSettings = NO_OVERRIDES,
) -> list[StockFigures]:
    """Safety stocks and reorder points of the matching items of a run, largest sellers first.

    Parameters
    ----------
    overrides
        settings for all items, which take precedence over the saved ones.
    """
    return _figures(job, model, stock.page(job, model, which, 0, limit, skip), overrides)


def find_stock(job: Job, model: str, unique_id: str) -> StockFigures | None:
    """Stock figures of one item; None if the run does not have it."""
    found = list_stock(job, model, by_keys(unique_id))
    return found[0] if found else None


def list_page(
    job: Job, model: str, unique_ids: list[str] | None, after: int, limit: int, overrides: StockSettings = NO_OVERRIDES
) -> tuple[list[StockFigures], int | None]:
    """A page of stock figures: up to `limit` items with a rank above `after`.

    Returns the figures, and the rank of the last item if there may be more, otherwise None.
    """
    which = ALL_RUN_ITEMS if unique_ids is None else by_keys(*unique_ids)
    found = _figures(job, model, stock.page(job, model, which, after, limit, 0), overrides)
    return found, found[-1].sales_rank if len(found) == limit else None


def write_stock(job: Job, model: str, out: TextIO, overrides: StockSettings = NO_OVERRIDES) -> None:
    """Writes the stock figures of all items of a run as CSV: formula characters are escaped, undefined is empty."""
    names = [field.name for field in fields(StockFigures) if field.name != "sales_rank"]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for found in each_page(job, model, overrides):
        writer.writerows([_cell(getattr(figures, name)) for name in names] for figures in found)


def each_page(job: Job, model: str, overrides: StockSettings = NO_OVERRIDES) -> Iterator[list[StockFigures]]:
    """Yields the stock figures of all items of a run in pages of `PAGE_ITEMS`."""
    after: int | None = 0
    while after is not None:
        found, after = list_page(job, model, None, after, PAGE_ITEMS, overrides)
        yield found


def _cell(value: object) -> object:
    if isinstance(value, float):
        return round(value, 4)
    return for_spreadsheet(value) if isinstance(value, str) else value


def _figures(job: Job, model: str, items: Sequence[stock.StockItem], overrides: StockSettings) -> list[StockFigures]:
    rows = [(item, overrides.over(found)) for item, found in zip(items, settings_of(job, items), strict=True)]
    reasons = [_undefined_reason(job, item, own) for item, own in rows]
    defined = [row for row, reason in zip(rows, reasons, strict=True) if reason is None]
    found = iter(_compute(job, model, defined))
    return [
        StockFigures(
            unique_id=item.unique_id,
            sales_rank=item.sales_rank,
            **vars(own),
            **(vars(next(found)) if reason is None else vars(NOT_DEFINED)),
            reason=reason,
        )
        for (item, own), reason in zip(rows, reasons, strict=True)
    ]


@dataclass(frozen=True)
class _Computed:
    demand: float | None
    safety_stock: float | None
    reorder_point: float | None
    is_measured: bool


NOT_DEFINED = _Computed(None, None, None, False)


def _undefined_reason(job: Job, item: stock.StockItem, settings: StockSettings) -> str | None:
    """Returns why the figures of an item are undefined; None if they are defined."""
    if item.forecast is None:
        return NOT_FORECAST
    if item.bounds is None:
        return NO_LEVEL
    if settings.lead_time_days is None:
        return NOT_SET
    if (days := _days(settings)) > 7 * job.spec.h:
        return f"Lead time and review period are {days:g} days, longer than the horizon of {7 * job.spec.h} days."
    return None


def _days(settings: StockSettings) -> float:
    """The protection interval, in days."""
    return (settings.lead_time_days or 0.0) + (settings.review_period_days or 0.0)


def _compute(job: Job, model: str, rows: Sequence[tuple[stock.StockItem, StockSettings]]) -> list[_Computed]:
    """Computes the figures of items for which they are defined."""
    if not rows:
        return []
    errors = _learn(job.job_id, job.submitted_at, job.n_attempts, job.n_completed, model)
    levels = [own.service_level or 0.0 for _, own in rows]
    pairs = [(item.demand_class or "", level) for (item, _), level in zip(rows, levels, strict=True)]
    factors = {pair: errors.factors(*pair) for pair in set(pairs)}
    forecast = np.array([item.forecast for item, _ in rows])
    bounds = np.array([item.bounds for item, _ in rows])
    of_sales = (np.array([getattr(item, name) for item, _ in rows], dtype=float) for name in OF_SALES)
    found = stock_of(
        plan=np.array([item.plan for item, _ in rows]),
        forecast=forecast,
        variance=variances(bounds[:, 0], bounds[:, 1], job.spec.level[0]),
        lump=lumps(*of_sales),
        weeks=np.array([_days(own) / 7 for _, own in rows]),
        service_levels=np.array(levels),
        factors=np.array([factors[pair][0] for pair in pairs]),
        is_enough=np.array([factors[pair][1] for pair in pairs]),
    )
    columns = (found.demand, found.safety_stock, found.reorder_point, found.is_measured)
    return [_Computed(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


@lru_cache(maxsize=32)
def _learn(job_id: int, submitted_at: datetime, n_attempts: int, n_completed: int, model: str) -> SumErrors:
    """Learns error quantiles from the backtests of a run; cached until the run changes."""
    job = jobs.get_job(job_id)
    scaled, classes = [np.empty((0, HOLDOUT_WEEKS))], list[str]()

    def add(found: stock.ClassedBacktests) -> None:
        variance = variances(found.lo, found.hi, job.spec.level[0])
        lump = lumps(found.units_per_sale, found.cv2, found.adi)
        scaled.append(scaled_errors(found.actual, found.forecast, variance, lump))
        classes.extend(found.classes)

    every = max(n_completed * job.spec.n_windows // MANY_BACKTESTS, 1)
    stock.read_backtests(job, model, every, add)
    return SumErrors(np.concatenate(scaled), classes)
