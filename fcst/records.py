"""What one row is, as a record with names: items, series, forecasts, backtests."""

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
        its place by units sold, from 1.
    n_weeks, n_missing
        the weeks of its life up to the dataset's last week, and how many of them are missing.
    price
        what all its units were sold for, divided by them, in the money of the file; None where no column says so.
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
    """An item of a run, with what one model forecasts of it.

    Parameters
    ----------
    has_sales
        it is no item that only its lifecycle names.
    recent_weeks
        the units of the last year's weeks; None is a missing week.
    recent, forecast, final
        units of the last and the next h weeks; `final` is the forecast as it was adjusted.
    last_year
        units of the same weeks as the next h, a year before; None where one of them is not known.
    change
        of the final plan to last year, a fraction.
    wape, bias
        fractions, None where undefined.
    reasons
        why it needs attention, `AttentionReason`.
    at_stake
        units of the next h weeks that the plan may be wrong by, for these reasons.
    abc, xyz
        its classes by what it sold and by how well it is forecast.
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
    """One week of what a model forecasts of an item, in units.

    Parameters
    ----------
    lo, hi
        level in percent, as text -> bound.
    adjusted
        as analysts changed it; else the forecast.
    baseline, uplift
        what the forecast is without the effects of drivers, and by what these multiply it; None where none is known.
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
        (N,) whether a simpler model than the one asked for computed it.
    """

    forecast: FloatArray
    lo: FloatArray
    hi: FloatArray
    is_fallback: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class BacktestBlock:
    """What one model forecasts after earlier cutoffs of some items of a run, all windows of an item together.

    Parameters
    ----------
    item
        (R,) a number for each row's item, ascending.
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
    """How many items have which error, in bins of one width.

    Parameters
    ----------
    first, width
        where the first bin begins, and how wide each is: fractions.
    counts
        items of each bin.
    n_beyond
        items beyond the last bin.
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
    attributes
        name -> value, such as its family; those it has.
    """

    unique_id: str
    unit_sales: FloatArray
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LearnedRecord:
    """What a run has learnt from the weeks up to a cutoff: what people read of it, and what batches load."""

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
    heaviest
        the model that has the largest weight in it.
    baseline, uplift
        (H,) units without the effects of drivers, and by what these multiply them; None where no driver is known.
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
class GroupSums:
    """Items of a run with the same value of an attribute, added up over the horizon; units.

    Parameters
    ----------
    down, up, squares_down, squares_up
        (L,) by level, over the items: sums of the distances of their bounds from their forecasts, and of these squared.
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
    """Items of a run with the same value of an attribute, added up over the horizon of h weeks.

    Parameters
    ----------
    value
        None: they have none, or are all items together.
    n_items
        also those without a forecast.
    sold, last_year
        units of the last h weeks of the dataset, and of the weeks 52 weeks before those that are forecast, without
        missing weeks; None where none of the items has such a week, or h is more than 52.
    forecast, final
        units that the model forecasts, and with what people changed; None where no item has a forecast.
    lo, hi
        level in percent, as text -> bound of the forecast; empty where bounds were not asked for.
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
    """Weeks of an item's history without stock, and what would have sold in them.

    Parameters
    ----------
    n_weeks
        weeks out of stock, by a driver or because the run takes them as such: they are missing, not zero.
    units
        about how many units more would have sold in them.
    n_suspected
        weeks without a sale that look like stock-outs, whether the run takes them as such or as zero demand.
    """

    n_weeks: int
    units: float
    n_suspected: int


@dataclass(frozen=True)
class Signals:
    """What in the history of an item needs a planner's attention.

    Parameters
    ----------
    level_shift
        by how many units a week the level of the last weeks differs from the one expected; None where it does not.
    recent_stockouts
        weeks of the last quarter that look like stock-outs.
    capped_units
        units of huge weeks of the last year that the models do not see.
    """

    level_shift: float | None
    recent_stockouts: int
    capped_units: float


@dataclass(frozen=True)
class ItemResult:
    """How one item of a run ended.

    Parameters
    ----------
    reason
        why it failed, or what should be known of its forecast.
    provenance
        where its forecasts come from, as plain data.
    lost, signals
        None where it failed.
    """

    unique_id: str
    outcome: Outcome
    reason: str | None
    forecasts: Sequence[ForecastRecord] = ()
    backtests: Sequence[BacktestRecord] = ()
    provenance: Mapping[str, Any] | None = None
    lost: LostSales | None = None
    signals: Signals | None = None
