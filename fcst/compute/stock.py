"""Safety stock and reorder point of items, from the quantiles of the sum of their demand over the lead time.

The protection interval is the lead time and the review period: what is ordered today has to last until what is ordered
at the next review has come. The service level is the cycle service level: the probability that the demand over the
protection interval is at most the reorder point. The reorder point is the plan over the protection interval and the
safety stock.

Errors of weeks one after the other are alike, and their sums have longer tails than normal ones. So no distribution is
assumed: of each backtest the sum of the errors over the first 1, 2, … weeks is divided by its size; the safety stock is
the empirical quantile of these, times the size of the item's own sum. The size is the root of the sum of the weeks'
variances: that of the narrowest interval, and that of sales that come at random, the forecast times the lump, which
intervals of sparse demand miss. Quantiles are pooled over the items of a demand class; a class of few backtests is
drawn to all items. Constants, and what stands in the size, were chosen with `tests/benchmarks/stock.py`.

It is assumed that the lead time is certain, that sales are all the demand, and that errors to come are as those of the
backtests were.

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
"""Lumps in the weeks of a backtest: one of which less was expected counts as if it were so many."""

OTHERS_COUNT = 20
"""Backtests of a class that count as much as all items of the run together."""

USUAL_CORRELATION = 0.25
"""Of the errors of two weeks of one item, where it was not measured; from the backtests of several sets."""


def variances(forecast: FloatArray, lo: FloatArray, hi: FloatArray, level: int) -> FloatArray:
    """The variance of each week's error that an interval shows, in units squared.

    Parameters
    ----------
    forecast, lo, hi
        of one shape, 0 ≤ lo ≤ forecast ≤ hi; bounds of one level.
    level
        in percent.
    """
    shown: FloatArray = ((hi - lo) / (2 * ndtri(0.5 + level / 200))) ** 2
    return shown


def lumps(units_per_sale: FloatArray, cv2: FloatArray, adi: FloatArray) -> FloatArray:
    """(N,) the lump of items, in units: the variance of a week's demand as a multiple of its mean, of sales at random.

    One, as of a count; and of items that do not sell each week what a unit has beside it in its week, times the share
    of the weeks without sales.

    Parameters
    ----------
    units_per_sale
        (N,) the mean of the weeks with sales.
    cv2, adi
        (N,) as `demand.Demand` has them; NaN where the item never sold.
    """
    beside = (1 - 1 / adi) * np.maximum(units_per_sale, 0.0) * (1 + cv2)
    return 1 + np.nan_to_num(beside)


def sizes(forecast: FloatArray, variance: FloatArray, lump: FloatArray) -> FloatArray:
    """(N, H) the size of the error of the sum of the first 1, 2, … H weeks, were each week's error by itself.

    Parameters
    ----------
    forecast, variance
        (N, H) units, not negative, and what `variances` gives.
    lump
        (N,) as `lumps` gives them.
    """
    found: FloatArray = np.sqrt(np.cumsum(variance + forecast * lump[:, None], axis=1))
    return found


def scaled_errors(actual: FloatArray, forecast: FloatArray, variance: FloatArray, lump: FloatArray) -> FloatArray:
    """(R, W) the errors of the sums of the first 1, 2, … W weeks of backtests, divided by their sizes.

    NaN where a week of the sum is missing, and where the size is 0. A size is not less than that of LEAST_EXPECTED
    lumps: one sale of an item of which none was expected would say too much of others.

    Parameters
    ----------
    actual, forecast, variance
        (R, W) units sold, NaN where a week is missing; forecast; what `variances` gives.
    lump
        (R,) units.
    """
    errors, n_weeks = np.cumsum(actual - forecast, axis=1), actual.shape[1]
    least = np.sqrt(LEAST_EXPECTED * np.arange(1, n_weeks + 1) / n_weeks) * lump[:, None]
    size = np.maximum(sizes(forecast, variance, lump), least)
    found: FloatArray = np.where(size > 0, errors / np.where(size > 0, size, 1.0), np.nan)
    return found


class SumErrors:
    """What the backtests of a run show of the errors of sums of weeks: quantiles, by demand class and over all.

    Parameters
    ----------
    scaled
        (R, W) as `scaled_errors` gives them.
    classes
        (R,) the demand class of each backtest's item.
    """

    def __init__(self, scaled: FloatArray, classes: Sequence[str]) -> None:
        self._all, names = _sorted(scaled), np.array(classes, dtype=object)
        self._by_class = {name: _sorted(scaled[names == name]) for name in sorted(set(classes))}

    def factors(self, demand_class: str, service_level: float) -> tuple[FloatArray, BoolArray]:
        """(W,) by what the size of the sum of 1, 2, … W weeks is multiplied, and whether enough backtests are known.

        A service level q needs q / (1 − q) backtests, as 19 for 0.95; with fewer the largest error stands for the
        quantile, and NaN where none is known.
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
    """By number of weeks the known errors of their sum, ascending."""
    return [np.sort(column[~np.isnan(column)]) for column in scaled.T]


def _quantile(ordered: FloatArray, q: float) -> tuple[float, bool]:
    """The least value that the next one of n + 1 exceeds with a probability of at most 1 − q, and whether there is one;
    else the largest."""
    rank = max(int(np.ceil(round((len(ordered) + 1) * q, 9))), 1)
    return float(ordered[min(rank, len(ordered)) - 1]), rank <= len(ordered)


@dataclass(frozen=True)
class Stock:
    """The stock of N items, in units; NaN where undefined.

    Parameters
    ----------
    demand
        (N,) the plan over the protection interval.
    safety_stock
        (N,) not negative; not less than over a shorter interval, or for a lower service level.
    is_measured
        (N,) whether the quantile comes from enough backtests.
    """

    demand: FloatArray
    safety_stock: FloatArray
    is_measured: BoolArray

    @property
    def reorder_point(self) -> FloatArray:
        """(N,) demand and safety stock together."""
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
    """Demand over the protection interval, and safety stock.

    Where too few backtests are known, errors are taken as normal, of the intervals' variance and of
    USUAL_CORRELATION between weeks, or as the largest that is known, if that is more. Beyond W weeks the factor of W
    weeks grows as it does with this correlation.

    Parameters
    ----------
    plan, forecast, variance
        (N, H) the final plan and the forecast that it changes, in units; what `variances` gives.
    lump
        (N,) units.
    weeks
        (N,) the protection interval. Of a part of a week demand counts by its days, and the square of the safety stock
        grows in proportion. NaN, or longer than H: undefined.
    service_levels
        (N,) fractions between 0 and 1.
    factors, is_enough
        (N, W) as `SumErrors.factors` gives them.
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
    """(N, H) the safety stock over 1, 2, … H weeks, and whether it was measured."""
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
