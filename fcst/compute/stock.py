"""Safety stock and reorder point of items, from the quantiles of the sum of their demand over the lead time.

The protection interval is the lead time plus the review period: today's order must last until the next order arrives.
The service level is the cycle service level: the probability that demand over the protection interval is at most the
reorder point. The reorder point is the plan over the protection interval plus the safety stock.

Errors of consecutive weeks are correlated, and their sums have longer tails than a normal distribution. So no
distribution is assumed. In each backtest, the sum of the errors over the first 1, 2, … weeks is divided by its size.
The safety stock is the empirical quantile of these ratios, times the size of the item's own sum. The size is the square
root of the summed weekly variances. Each has two parts: the variance of the narrowest interval, and the variance of
random sales (forecast × lump), which intervals of sparse demand miss. Quantiles are pooled over the items of a demand
class, and shrunk towards those of all items if a class has few backtests. Constants and the formula of the size were
chosen with `tests/benchmarks/stock.py`.

Assumptions: the lead time is certain, sales equal demand, and future errors are distributed as in the backtests.

Letters: N items, R backtests, H weeks ahead, W weeks of a backtest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from fcst.records import FloatArray

BoolArray = npt.NDArray[np.bool_]

LEAST_EXPECTED = 0.01
"""Minimum forecast of a backtest, in lumps; smaller forecasts count as this many."""

OTHERS_COUNT = 20
"""Number of backtests of a class that have the same weight as all items of the run together."""

USUAL_CORRELATION = 0.25
"""Default correlation of the errors of two weeks of one item, from backtests on several datasets."""


def variances(lo: FloatArray, hi: FloatArray, level: int) -> FloatArray:
    """Return the variance of each week's error from the width of an interval, in squared units.

    Parameters
    ----------
    lo, hi
        bounds of one level, arrays of the same shape.
    level
        in percent.
    """
    shown: FloatArray = ((hi - lo) / (2 * ndtri(0.5 + level / 200))) ** 2
    return shown


def lumps(units_per_sale: FloatArray, cv2: FloatArray, adi: FloatArray) -> FloatArray:
    """(N,) lump of items in units: variance ÷ mean of a week's demand for sales at random.

    It is 1 for counts, plus the share of weeks without sales times the mean squared units ÷ mean units of a week with
    sales.

    Parameters
    ----------
    units_per_sale
        (N,) mean units of the weeks with sales.
    cv2, adi
        (N,) as in `demand.Demand`; NaN if the item never sold.
    """
    excess = (1 - 1 / adi) * np.maximum(units_per_sale, 0.0) * (1 + cv2)
    return 1 + np.nan_to_num(excess)


def sizes(forecast: FloatArray, variance: FloatArray, lump: FloatArray) -> FloatArray:
    """(N, H) size of the error of the sum of the first 1, 2, … H weeks, for independent errors.

    Parameters
    ----------
    forecast, variance
        (N, H) units, not negative; and the result of `variances`.
    lump
        (N,) result of `lumps`.
    """
    found: FloatArray = np.sqrt(np.cumsum(variance + forecast * lump[:, None], axis=1))
    return found


def scaled_errors(actual: FloatArray, forecast: FloatArray, variance: FloatArray, lump: FloatArray) -> FloatArray:
    """(R, W) errors of the sums of the first 1, 2, … W weeks of backtests, divided by their sizes.

    NaN where a week of the sum is missing or the size is 0. A size is at least that of LEAST_EXPECTED lumps; otherwise
    one sale of an item with a forecast near 0 would dominate the pooled quantiles.

    Parameters
    ----------
    actual, forecast, variance
        (R, W) units sold, NaN where a week is missing; forecast; result of `variances`.
    lump
        (R,) result of `lumps`.
    """
    errors, n_weeks = np.cumsum(actual - forecast, axis=1), actual.shape[1]
    least = np.sqrt(LEAST_EXPECTED * np.arange(1, n_weeks + 1) / n_weeks) * lump[:, None]
    size = np.maximum(sizes(forecast, variance, lump), least)
    found: FloatArray = np.where(size > 0, errors / np.where(size > 0, size, 1.0), np.nan)
    return found


class SumErrors:
    """Quantiles of the errors of sums of weeks in a run's backtests, by demand class and overall.

    Parameters
    ----------
    scaled
        (R, W) result of `scaled_errors`.
    classes
        (R,) demand class of each backtest's item.
    """

    def __init__(self, scaled: FloatArray, classes: Sequence[str]) -> None:
        self._all, names = _sorted(scaled), np.array(classes, dtype=object)
        self._by_class = {name: _sorted(scaled[names == name]) for name in sorted(set(classes))}

    def factors(self, demand_class: str, service_level: float) -> tuple[FloatArray, BoolArray]:
        """(W,) multipliers of the size of the sum of 1, 2, … W weeks, and whether there are enough backtests.

        A service level q needs q / (1 − q) backtests, for example 19 for 0.95. With fewer, the largest error is used
        instead of the quantile; without any, NaN.
        """
        own = self._by_class.get(demand_class, [np.zeros(0)] * len(self._all))
        found, is_enough = np.full(len(self._all), np.nan), np.zeros(len(self._all), bool)
        for i, (every, alike) in enumerate(zip(self._all, own, strict=True)):
            if len(every):
                found[i], is_enough[i] = _quantile(every, service_level)
            if len(alike):
                share = len(alike) / (len(alike) + OTHERS_COUNT)
                found[i] = share * _quantile(alike, service_level)[0] + (1 - share) * found[i]
        return found, is_enough


def _sorted(scaled: FloatArray) -> list[FloatArray]:
    """Return the sorted known errors by number of weeks in the sum."""
    return [np.sort(column[~np.isnan(column)]) for column in scaled.T]


def _quantile(ordered: FloatArray, q: float) -> tuple[float, bool]:
    """Return the smallest of n values that the next one exceeds with probability at most 1 − q, and True; or the
    largest value and False if there is none."""
    rank = max(int(np.ceil(round((len(ordered) + 1) * q, 9))), 1)
    return float(ordered[min(rank, len(ordered)) - 1]), rank <= len(ordered)


@dataclass(frozen=True)
class Stock:
    """Stock levels of N items in units; NaN where undefined.

    Parameters
    ----------
    demand
        (N,) plan over the protection interval.
    safety_stock
        (N,) not negative; does not decrease with the interval or the service level.
    is_measured
        (N,) whether the quantile comes from enough backtests.
    """

    demand: FloatArray
    safety_stock: FloatArray
    is_measured: BoolArray

    @property
    def reorder_point(self) -> FloatArray:
        """(N,) demand plus safety stock."""
        return self.demand + self.safety_stock


def stock_of(
    plan: FloatArray,
    forecast: FloatArray,
    variance: FloatArray,
    lump: FloatArray,
    weeks: FloatArray,
    service_levels: FloatArray,
    factors: FloatArray,
    is_enough: BoolArray,
) -> Stock:
    """Compute demand over the protection interval, and safety stock.

    With too few backtests, errors are assumed normal with the variance of the intervals and USUAL_CORRELATION between
    weeks, or equal to the largest known error if that is more. Beyond W weeks, the factor of W weeks grows according to
    this correlation.

    Parameters
    ----------
    plan, forecast, variance
        (N, H) final plan and the forecast before adjustments, in units; result of `variances`.
    lump
        (N,) result of `lumps`.
    weeks
        (N,) protection interval. In a partial week, demand and the squared safety stock are interpolated linearly.
        NaN, or longer than H: undefined.
    service_levels
        (N,) fractions between 0 and 1.
    factors, is_enough
        (N, W) results of `SumErrors.factors`.
    """
    safety, is_measured = _safety_stock(sizes(forecast, variance, lump), variance, service_levels, factors, is_enough)
    is_within = weeks <= plan.shape[1]  # NaN is not
    known = np.where(is_within, weeks, 0.0)
    before, after = np.floor(known).astype(int), np.ceil(known).astype(int)
    part, rows = known - before, np.arange(len(plan))
    units, squares = (np.pad(values, ((0, 0), (1, 0))) for values in (np.cumsum(plan, axis=1), safety**2))
    demand, square = ((1 - part) * of[rows, before] + part * of[rows, after] for of in (units, squares))
    is_measured = np.pad(is_measured, ((0, 0), (1, 0)), constant_values=True)[rows, after]
    undefined = np.where(is_within, 0.0, np.nan)
    return Stock(demand + undefined, np.sqrt(square) + undefined, is_measured & is_within)


def _safety_stock(
    size: FloatArray, variance: FloatArray, service_levels: FloatArray, factors: FloatArray, is_enough: BoolArray
) -> tuple[FloatArray, BoolArray]:
    """(N, H) safety stock over 1, 2, … H weeks, and whether it was measured."""
    h, n_weeks = size.shape[1], factors.shape[1]
    growth = np.sqrt(1 + USUAL_CORRELATION * np.arange(max(h, n_weeks)))
    beyond = factors[:, -1:] * growth[n_weeks:] / growth[n_weeks - 1]
    all_factors = np.concatenate([factors, beyond], axis=1)[:, :h]
    is_measured, is_shown = (
        np.concatenate([is_enough, np.broadcast_to(more, beyond.shape)], axis=1)[:, :h]
        for more in (False, is_enough[:, -1:])
    )
    shown = np.nan_to_num(all_factors * size)
    apart, alike = np.cumsum(variance, axis=1), np.cumsum(np.sqrt(variance), axis=1) ** 2
    usual = np.sqrt((1 - USUAL_CORRELATION) * apart + USUAL_CORRELATION * alike)
    normal = ndtri(service_levels)[:, None] * usual
    safety: FloatArray = np.where(is_shown, shown, np.maximum(shown, normal))
    return np.maximum.accumulate(np.maximum(safety, 0.0), axis=1), is_measured
