"""Records of items, series, forecasts, backtests and groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
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
        rank by units sold, from 1.
    n_weeks, n_missing
        weeks of its life up to the dataset's last week, and how many of them are missing.
    price
        mean price: value sold ÷ units, in the currency of the file; None if no column has values.
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
    price: float | None
    life: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(**row)


@dataclass(frozen=True)
class RunItem:
    """An item of a run, with the forecast of one model.

    Parameters
    ----------
    has_sales
        False for an item known from its lifecycle only.
    recent_weeks
        units of the last year's weeks; None is a missing week.
    recent, forecast, final
        units of the last h weeks, the forecast of the next h weeks, and the same with adjustments.
    last_year
        units of the weeks 52 weeks before the next h; None if one of them is unknown.
    change
        relative change of the final plan from last year, a fraction.
    wape, bias
        fractions, None where undefined.
    reasons
        why it needs attention, `AttentionReason`.
    at_stake
        units of the next h weeks by which the plan may be wrong, for these reasons.
    abc, xyz
        classes by sales and by accuracy.
    """

    unique_id: str
    sales_rank: int
    outcome: str
    reason: str | None
    family: str | None
    item_class: str | None
    demand_class: str | None
    description: str | None
    n_weeks: int
    last_sale_dt: date | None
    has_sales: bool
    recent_weeks: tuple[float | None, ...]
    recent: float | None
    last_year: float | None
    forecast: float | None
    final: float | None
    change: float | None
    wape: float | None
    bias: float | None
    made_by: str | None
    is_fallback: bool | None
    reasons: tuple[str, ...]
    at_stake: float
    abc: str
    xyz: str
    reviewed_by: str | None
    reviewed_at: datetime | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        lists = {"recent_weeks": tuple(row["recent_weeks"] or ()), "reasons": tuple(row["reasons"])}
        return cls(**{**row, **lists})


@dataclass(frozen=True)
class ForecastWeek:
    """One week of a model's forecast of an item, in units.

    Parameters
    ----------
    lo, hi
        level in percent, as text -> bound.
    adjusted
        the adjusted forecast; without adjustment the forecast.
    baseline, uplift
        forecast without effects of drivers, and their multiplier; None without drivers.
    """

    unique_id: str
    sales_rank: int
    wk_end_dt: date
    model: str
    forecast: float
    lo: dict[str, float]
    hi: dict[str, float]
    is_fallback: bool
    made_by: str
    adjusted: float
    baseline: float | None
    uplift: float | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any], level: tuple[int, ...]) -> Self:
        names = [str(percent) for percent in level]
        return cls(**{**row, **{side: dict(zip(names, row[side], strict=True)) for side in ("lo", "hi")}})


@dataclass(frozen=True)
class ForecastBlock:
    """The forecasts of one model for N items of a run.

    Parameters
    ----------
    forecast
        (N, H) units by week, not negative.
    lo, hi
        (N, L, H) bounds, in the order of the levels of the run's spec.
    is_fallback
        (N,) whether a fallback computed it.
    """

    forecast: FloatArray
    lo: FloatArray
    hi: FloatArray
    is_fallback: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class BacktestBlock:
    """Backtest forecasts of one model for some items of a run; rows of an item are adjacent.

    Parameters
    ----------
    item
        (R,) number of the row's item, ascending.
    cutoff
        (R,) datetime64[D].
    actual, forecast
        (R, HOLDOUT_WEEKS) units; NaN where a week is missing.
    """

    item: npt.NDArray[np.int32]
    cutoff: npt.NDArray[np.datetime64]
    actual: FloatArray
    forecast: FloatArray


@dataclass(frozen=True)
class Histogram:
    """Histogram of the errors of items, with bins of equal width.

    Parameters
    ----------
    first, width
        start of the first bin, and width of each: fractions.
    counts
        number of items by bin.
    n_beyond
        number of items beyond the last bin.
    """

    first: float
    width: float
    counts: tuple[int, ...]
    n_beyond: int

    @property
    def n_items(self) -> int:
        return sum(self.counts) + self.n_beyond


@dataclass(frozen=True)
class ItemCounts:
    """Number of items, and their total units.

    Parameters
    ----------
    alike
        (weeks of history, demand class, number of items with both).
    """

    n_items: int
    total_units: float
    alike: tuple[tuple[int, str | None, int], ...]

    def n_shorter_than(self, n_weeks: int) -> int:
        """Number of items with fewer weeks of history."""
        return sum(n for weeks, _, n in self.alike if weeks < n_weeks)


@dataclass(frozen=True)
class SalesRecord:
    """The weekly sales of one item, up to the last week of its dataset.

    Parameters
    ----------
    unit_sales
        (T,) units by week; NaN is a missing week.
    attributes
        name -> value, such as its family; without missing ones.
    """

    unique_id: str
    unit_sales: FloatArray
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LearnedRecord:
    """What a run learned across items at a cutoff: a summary for users, and the content that batches load."""

    summary: Mapping[str, Any]
    content: bytes


@dataclass(frozen=True)
class SalesWeek:
    """A week of an item's sales in units; None is a missing week."""

    wk_end_dt: date
    unit_sales: float | None
    promo_units: float


@dataclass(frozen=True)
class ForecastRecord:
    """A model's forecast of one item in a run.

    Parameters
    ----------
    first_wk_end_dt
        last day of the first forecast week.
    forecast
        (H,) units by week, not negative.
    lo, hi
        (L, H) bounds, in the order of the levels of the run's spec.
    is_fallback
        whether a fallback computed it.
    made_by
        description of the models that computed it.
    heaviest
        model with the largest weight.
    baseline, uplift
        (H,) units without effects of drivers, and their multipliers; None without drivers.
    """

    model: str
    first_wk_end_dt: date
    forecast: FloatArray
    lo: FloatArray
    hi: FloatArray
    is_fallback: bool
    made_by: str
    heaviest: str
    baseline: FloatArray | None = None
    uplift: FloatArray | None = None


@dataclass(frozen=True)
class BacktestRecord:
    """A model's forecast after an earlier cutoff, from the history at that cutoff, with actuals and accuracy.

    Parameters
    ----------
    actual
        (H,) units sold; NaN where a week is missing.
    forecast, lo, hi
        as in ForecastRecord.
    sums
        abs_error, error, sq_error, actual, pinball: sums over the known weeks, in units.
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
class GroupSums:
    """Sums over the horizon of a run's items with the same value of an attribute; units.

    Parameters
    ----------
    down, up, squares_down, squares_up
        (L,) by level: sums over the items of the distances of their bounds from the forecasts, and of their squares.
    """

    value: str | None
    n_items: int
    sold: float | None
    last_year: float | None
    forecast: float | None
    final: float | None
    wape: float | None
    bias: float | None
    down: Sequence[float]
    up: Sequence[float]
    squares_down: Sequence[float]
    squares_up: Sequence[float]

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(**row)


@dataclass(frozen=True)
class Group:
    """A group: a run's items with the same value of an attribute, summed over the horizon of h weeks.

    Parameters
    ----------
    value
        value of the attribute; None for items without a value, or for all items.
    n_items
        number of items, including those without a forecast.
    sold, last_year
        units of the last h weeks of the dataset, and of the weeks 52 weeks before the forecast weeks, without missing
        weeks; None if no item has such a week, or h is more than 52.
    forecast, final
        forecast units, and the same with adjustments; None if no item has a forecast.
    lo, hi
        level in percent, as text -> bound of the forecast; empty if bounds were not requested.
    wape, bias
        fractions, over the backtests of the items; None where undefined.
    """

    value: str | None
    n_items: int
    sold: float | None
    last_year: float | None
    forecast: float | None
    final: float | None
    lo: dict[str, float]
    hi: dict[str, float]
    wape: float | None
    bias: float | None


@dataclass(frozen=True)
class LostSales:
    """Weeks out of stock in an item's history, and the estimated lost sales.

    Parameters
    ----------
    n_weeks
        weeks out of stock, from a driver, or suspected if the run skips suspected stock-outs; they count as missing.
    units
        estimated units lost in them.
    n_suspected
        weeks without a sale that look like stock-outs, skipped by the run or not.
    """

    n_weeks: int
    units: float
    n_suspected: int


@dataclass(frozen=True)
class Signals:
    """Findings in the history of an item that need a planner's attention.

    Parameters
    ----------
    level_shift
        shift of the recent level from the expected one in units per week; None if not significant.
    recent_stockouts
        weeks of the last quarter that look like stock-outs.
    capped_units
        units of the last year cut off by capping extreme weeks.
    """

    level_shift: float | None
    recent_stockouts: int
    capped_units: float


@dataclass(frozen=True)
class ItemResult:
    """Result of one item of a run.

    Parameters
    ----------
    reason
        why it failed, or notes on its forecast.
    provenance
        how its forecasts were made, as plain data.
    lost, signals
        None if it failed.
    """

    unique_id: str
    outcome: Outcome
    reason: str | None
    forecasts: Sequence[ForecastRecord] = ()
    backtests: Sequence[BacktestRecord] = ()
    provenance: Mapping[str, Any] | None = None
    lost: LostSales | None = None
    signals: Signals | None = None
