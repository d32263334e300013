"""What one row is, as a record with names: items, series, forecasts, backtests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fcst.states import Outcome

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Item:
    """An item of a dataset.

    Parameters
    ----------
    sales_rank
        its place by units sold, from 1.
    n_weeks, n_missing
        the weeks of its life up to the dataset's last week, and how many of them are missing.
    life
        `new`, `ended` or empty.
    """

    unique_id: str
    sales_rank: int
    total_units: float
    first_wk_end_dt: date
    last_sale_dt: date | None
    n_weeks: int
    n_missing: int
    family: str | None
    item_class: str | None
    description: str | None
    demand_class: str | None
    adi: float | None
    cv2: float | None
    life: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(**row)


@dataclass(frozen=True)
class ItemCounts:
    """How many items there are, and what they sold.

    Parameters
    ----------
    alike
        (weeks of history, demand class, how many items have both).
    """

    n_items: int
    total_units: float
    alike: tuple[tuple[int, str | None, int], ...]

    def n_shorter_than(self, n_weeks: int) -> int:
        """How many have a history of fewer weeks."""
        return sum(n for weeks, _, n in self.alike if weeks < n_weeks)


@dataclass(frozen=True)
class SalesRecord:
    """The weekly sales of one item, up to the last week of its dataset.

    Parameters
    ----------
    unit_sales
        (T,) units by week; NaN is a missing week.
    """

    unique_id: str
    unit_sales: FloatArray


@dataclass(frozen=True)
class ForecastRecord:
    """What a model forecasts of one item in a run.

    Parameters
    ----------
    first_wk_end_dt
        the last day of the first week that is forecast.
    forecast
        (H,) units by week, not negative.
    lo, hi
        (L, H) bounds, in the order of the levels of the run's spec.
    made_by
        what computed it; is_fallback, whether that is a simpler model than the one asked for.
    """

    model: str
    first_wk_end_dt: date
    forecast: FloatArray
    lo: FloatArray
    hi: FloatArray
    is_fallback: bool
    made_by: str


@dataclass(frozen=True)
class BacktestRecord:
    """What a model forecasts after an earlier cutoff, from what was known then, with the actuals and its accuracy.

    Parameters
    ----------
    actual
        (H,) units sold; NaN where a week is missing.
    forecast, lo, hi
        as in ForecastRecord.
    sums
        over the known weeks, in units: abs_error, error, sq_error, actual, pinball.
    scores
        wape, bias, smape, mase, rmsse, scaled_crps; NaN is undefined.
    coverage, mean_width, msis
        (L,) by level; NaN is undefined.
    """

    model: str
    cutoff: date
    actual: FloatArray
    forecast: FloatArray
    lo: FloatArray
    hi: FloatArray
    is_fallback: bool
    made_by: str
    n_weeks: int
    sums: tuple[float, float, float, float, float]
    scores: tuple[float, float, float, float, float, float]
    coverage: tuple[float, ...]
    mean_width: tuple[float, ...]
    msis: tuple[float, ...]


@dataclass(frozen=True)
class ItemResult:
    """How one item of a run ended.

    Parameters
    ----------
    reason
        why it failed, or what should be known of its forecast.
    provenance
        where its forecasts come from, as plain data.
    """

    unique_id: str
    outcome: Outcome
    reason: str | None
    forecasts: Sequence[ForecastRecord] = ()
    backtests: Sequence[BacktestRecord] = ()
    provenance: Mapping[str, Any] | None = None
