"""Prediction intervals of a forecast, from its own backtest errors and from what is usual for the series.

A bound is the forecast plus a quantile of the errors' shape, times their size, times how they grow by the step. A few
windows tell the size well and the shape badly: so the shape is that of simple forecasts' errors all over the history,
mixed with Student's. Where every week sold, all this is of square roots: sales vary as theirs do, and more upwards.
Constants were chosen by backtest, never on a test part.

Letters: T weeks of history, H steps, W backtest windows, N cutoffs of simple forecasts, L levels.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from fcst.compute.past import fill_missing
from fcst.names import HOLDOUT_WEEKS, SEASON_LENGTH

Array = np.ndarray

MANY_CUTOFFS = 13  # half a year of them: fewer do not tell the size of errors
USUAL_GROWTH = 0.2  # errors grow with the step to this power where nothing else is known: by two thirds in a quarter


def interval(
    y: Array, mean: Array, fitted: Array, actual: Array, cutoffs: Sequence[int], level: Sequence[int], empirical: float
) -> tuple[Array, Array]:
    """(L, H) bounds, in units, around a forecast.

    They hold it, wider levels enclose narrower ones, and none is negative where neither history nor forecast is.

    Parameters
    ----------
    y
        (T,) units sold; NaN where a week is missing. The first is known.
    mean
        (H,) the forecast, in units.
    fitted, actual
        (W, 13) units forecast the same way, and sold (NaN where missing), from each of `cutoffs` on. Without a window
        the size of errors is that of simple forecasts.
    level
        interval levels in percent, each from 1 to 99.
    empirical
        how much of the shape, from 0 to 1, is that of simple forecasts' errors; the rest is Student's.
    """
    is_missing, sold = np.isnan(y), y[~np.isnan(y)]
    y = fill_missing(y)
    is_rooted = y.min() > 0

    def root(units: Array) -> Array:
        return np.sqrt(np.maximum(units, 0.0)) if is_rooted else units

    def bound(reach: Array) -> Array:
        return np.maximum(root(mean) + reach, 0.0) ** 2 if is_rooted else mean + reach

    errors = root(actual) - root(fitted)
    by_step = np.arange(1, max(len(mean), HOLDOUT_WEEKS) + 1) ** _growth(errors)
    where, usual = usual_errors(root(y), is_missing)
    errors, usual = errors / by_step[:HOLDOUT_WEEKS], usual / by_step[:HOLDOUT_WEEKS]
    size = _size(errors) if len(errors) else _size(usual)
    if len(errors) and len(usual):
        then = _size(usual[[int(np.argmin(np.abs(where - c))) for c in cutoffs]])
        if then > 0:  # the windows may have been calm or wild weeks: half way, in logs, to the whole history
            size *= float(np.sqrt(np.clip(_size(usual) / then, 0.5, 2.0)))
    if size <= 0 or len(errors) == 0 and len(usual) < MANY_CUTOFFS:
        size = max(size, float(root(sold[-26:]).std()))
    if not (len(errors) or len(usual)):  # a few weeks, which show little: no surer than of Poisson demand
        size = max(size, 0.5 if is_rooted else float(np.sqrt(max(y.mean(), 0.0))))
    shape = usual[~np.isnan(usual)]
    shape = shape / max(_rms(shape), 1e-12) if shape.size else np.zeros(1)
    share = empirical * min(1.0, shape.size / 300)
    told = len(errors) or min(3 * len(usual) / MANY_CUTOFFS, 3.0)  # the less told of the size, the less sure it is
    freedom = 3 * (1 + told)
    reach = size * by_step[: len(mean)]
    lo, hi = np.empty((len(level), len(mean))), np.empty((len(level), len(mean)))
    low = high = 0.0
    for i in np.argsort(level, kind="stable"):
        tail = 0.5 - level[i] / 200
        below, above = np.quantile(shape, [tail, 1 - tail])
        low = min(low, (1 - share) * stdtrit(freedom, tail) + share * below)
        high = max(high, (1 - share) * stdtrit(freedom, 1 - tail) + share * above)
        lo[i], hi[i] = np.minimum(bound(low * reach), mean), np.maximum(bound(high * reach), mean)
        if (sold[-52:] == 0).mean() > tail:  # a quantile of what is that often zero
            lo[i] = np.minimum(lo[i], 0.0)
    return (np.maximum(lo, np.minimum(mean, 0.0)) if y.min() >= 0 else lo), hi


def usual_errors(y: Array, is_missing: Array) -> tuple[Array, Array]:
    """What simple forecasts of a series miss: the best of four moving means and of last year's move.

    Parameters
    ----------
    y
        (T,) units sold, missing weeks filled in.
    is_missing
        (T,) which these are: nobody knows what is missed there.

    Returns
    -------
    tuple
        (N,) cutoffs, every second week of five years, the last first; (N, 13) errors from there on, in units, NaN
        where the week is missing.
    """
    n, steps = len(y), np.arange(HOLDOUT_WEEKS)
    cutoffs = np.arange(n - HOLDOUT_WEEKS, max(n - HOLDOUT_WEEKS - 260, 4) - 1, -2)
    if len(cutoffs) < 2:
        return np.zeros(0, int), np.zeros((0, HOLDOUT_WEEKS))
    total = np.r_[0.0, np.cumsum(y)]

    def mean(begin: Array, end: Array) -> Array:
        return (total[end] - total[begin]) / (end - begin)

    c = cutoffs[:, None]
    actual = np.where(is_missing, np.nan, y)[c + steps]
    errors = min((actual - mean(c - np.minimum(k, c), c) for k in (1, 4, 13, 26)), key=_rms)
    has_year = cutoffs >= SEASON_LENGTH + 4
    if has_year.sum() >= 2 * MANY_CUTOFFS:
        c = c[has_year]
        ago = c - SEASON_LENGTH
        moved = mean(c - 4, c) + mean(ago + steps - 2, ago + steps + 3) - mean(ago - 4, ago)
        seasonal = actual[has_year] - moved
        if _rms(seasonal) < _rms(errors[has_year]):
            return cutoffs[has_year], seasonal
    return cutoffs, errors


def _growth(errors: Array) -> float:
    """The power of the step that errors (W, 13) grow by: what is usual, and a little of what they show."""
    if len(errors) == 0:
        return USUAL_GROWTH
    early, late = _rms(errors[:, :5]), _rms(errors[:, 8:])
    shown = float(np.clip(np.log((late + 1e-6) / (early + 1e-6)) / np.log(11 / 3), 0.0, 1.0))
    share = len(errors) / (len(errors) + 7)
    return (1 - share) * USUAL_GROWTH + share * shown


def _rms(errors: Array) -> float:
    """The root mean square of those that are known; 0 where none is."""
    known = errors[~np.isnan(errors)]
    return float(np.sqrt((known**2).mean())) if known.size else 0.0


def _size(errors: Array) -> float:
    """The mean size of known errors, as a standard deviation: times 1.25, as for normal ones. Lone huge weeks count
    less. 0 where none is known."""
    known = errors[~np.isnan(errors)]
    return 1.25 * float(np.abs(known).mean()) if known.size else 0.0
