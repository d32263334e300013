"""Prediction intervals of a forecast, from its own backtest errors and those of simple forecasts of the series.

A bound is the forecast plus quantile × size × growth by step. A few windows show the size of errors well, but not
their shape. So the shape is that of simple forecasts' errors over the whole history, mixed with Student's t. The size
is shrunk half way to the errors of simple forecasts in the same season of other years, because the windows may be of
another season. Errors of windows without a known season count less. If every week has sales, errors are of square
roots: the variance of sales grows with their level, and errors are skewed upwards. Constants were chosen by backtest,
never on a test part.

Letters: T weeks of history, H steps, W backtest windows, N cutoffs of simple forecasts, L levels.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from fcst.compute.history import History
from fcst.compute.regressions import moving_mean
from fcst.names import HOLDOUT_WEEKS, SEASON_LENGTH
from fcst.records import FloatArray

IntArray = npt.NDArray[np.intp]

MANY_CUTOFFS = 13  # half a year of cutoffs; fewer do not show the size of errors
USUAL_GROWTH = 0.2  # prior exponent of the growth of errors by step: two thirds more after a quarter

SAME_SEASON = 6  # cutoffs within this many weeks of the same date in other years are in the forecast's season
SEASON_SHARE = 0.7  # weight of the same season in the usual size of errors; the rest is of the whole history
SEASON_GAIN = 0.5  # reduction of squared errors by a known season, per unit of correlation of the last two years

EFFECT_ERRORS = 2.5  # error of an effect in standard errors; promotions of an item differ from each other

_STEPS = np.arange(HOLDOUT_WEEKS)
_MEANS_OVER = np.array([[1], [4], [13], [26]])  # lengths of the moving means used as simple forecasts, in weeks


def interval(
    history: History,
    mean: FloatArray,
    fitted: FloatArray,
    actual: FloatArray,
    cutoffs: Sequence[int],
    level: Sequence[int],
    empirical: float,
    season_from: int,
) -> tuple[FloatArray, FloatArray]:
    """(L, H) bounds in units around a forecast.

    Bounds enclose the forecast, wider levels enclose narrower ones. Bounds are not negative if neither history nor
    forecast is.

    Parameters
    ----------
    mean
        (H,) forecast in units.
    fitted, actual
        (W, 13) units forecast in the same way, and units sold (NaN where missing), after each of `cutoffs`. Without a
        window, the size of errors is that of simple forecasts.
    level
        interval levels in percent, each from 1 to 99.
    empirical
        share of the shape, from 0 to 1, taken from the errors of simple forecasts; the rest is Student's t.
    season_from
        weeks of history from which the forecast uses a season of two years; 0 if it never does.
    """
    is_rooted, sold = history.is_positive, _known(history.units)
    y, actual, fitted = (_rooted(units) if is_rooted else units for units in (history.y, actual, fitted))
    errors = actual - fitted
    growth = np.arange(1, max(len(mean), HOLDOUT_WEEKS) + 1) ** _growth(errors)
    usual_at, usual = usual_errors(y, np.isnan(history.units))
    errors, usual = errors / growth[:HOLDOUT_WEEKS], usual / growth[:HOLDOUT_WEEKS]
    is_untried = np.array([cutoff < season_from <= len(y) for cutoff in cutoffs], bool)
    if is_untried.any():
        errors = errors * np.where(is_untried, _season_gain(y), 1.0)[:, None]
    size = _size(errors, usual, usual_at, cutoffs, len(y))
    if size <= 0 or len(errors) == 0 and len(usual) < MANY_CUTOFFS:
        recent = sold[-26:]
        size = max(size, float((np.sqrt(recent) if is_rooted else recent).std()))
    if not (len(errors) or len(usual)):  # very short history: at least as uncertain as Poisson demand
        size = max(size, 0.5 if is_rooted else math.sqrt(max(history.y.mean(), 0.0)))
    n_windows = len(errors) or min(3 * len(usual) / MANY_CUTOFFS, 3.0)  # fewer windows give wider intervals
    low, high = _quantiles(_known(usual), level, 3 * (1 + n_windows), empirical)
    reach = size * growth[: len(mean)]
    if is_rooted:
        root = _rooted(mean)
        lo, hi = (np.maximum(root + sides * reach, 0.0) ** 2 for sides in (low, high))
    else:
        lo, hi = (mean + sides * reach for sides in (low, high))
    lo, hi = np.minimum(lo, mean), np.maximum(hi, mean)
    last_year = sold[-52:]
    share_unsold = np.count_nonzero(last_year == 0) / len(last_year)
    for i, percent in enumerate(level):
        if share_unsold > _tail(percent):  # zero is within the quantile
            lo[i] = np.minimum(lo[i], 0.0)
    return (np.maximum(lo, np.minimum(mean, 0.0)) if history.y.min() >= 0 else lo), hi


def widened(
    mean: FloatArray, lo: FloatArray, hi: FloatArray, log_error: float, level: Sequence[int]
) -> tuple[FloatArray, FloatArray]:
    """(L, H) bounds in units, widened by the standard error of the log level.

    Parameters
    ----------
    mean, lo, hi
        (H,) and (L, H), 0 ≤ lo ≤ mean ≤ hi.
    """
    reach = log_error * np.array([ndtri(1 - _tail(percent)) for percent in level]).reshape(-1, 1)
    down, up = mean * (1 - np.exp(-reach)), mean * (np.exp(reach) - 1)
    return np.maximum(mean - np.hypot(mean - lo, down), 0.0), mean + np.hypot(hi - mean, up)


def lifted(
    mean: FloatArray, lo: FloatArray, hi: FloatArray, uplift: FloatArray, log_error: FloatArray, level: Sequence[int]
) -> tuple[FloatArray, FloatArray]:
    """(L, H) bounds in units, from those of the baseline forecast.

    Parameters
    ----------
    mean, lo, hi
        (H,) and (L, H) of the baseline, 0 ≤ lo ≤ mean ≤ hi.
    uplift, log_error
        (H,) multipliers of the baseline, and the standard errors of their logarithms, as in `effects.ItemEffects`.
    """
    z = np.array([ndtri(1 - _tail(percent)) for percent in level]).reshape(-1, 1)
    reach = z * EFFECT_ERRORS * log_error * mean
    down, up = np.hypot(mean - lo, reach), np.hypot(hi - mean, reach)
    return np.maximum(mean - down, 0.0) * uplift, (mean + up) * uplift


def _quantiles(
    errors: FloatArray, level: Sequence[int], freedom: float, empirical: float
) -> tuple[FloatArray, FloatArray]:
    """(L, 1) lower and upper quantiles of errors of size 1: Student's t mixed with the errors of simple forecasts.

    Wider levels enclose narrower ones, and each interval contains 0.
    """
    share = empirical * min(1.0, errors.size / 300) if errors.size else empirical / 300
    scale = max(_mean_size(errors), 1e-12)
    ordered = np.sort(errors) if errors.size else np.zeros(1)
    lower, upper = np.empty((len(level), 1)), np.empty((len(level), 1))
    low = high = 0.0
    for i in np.argsort(level, kind="stable").tolist():
        tail = _tail(level[i])
        below, above = (_quantile(ordered, q, scale) for q in (tail, 1 - tail))
        low = min(low, (1 - share) * float(stdtrit(freedom, tail)) + share * below)
        high = max(high, (1 - share) * float(stdtrit(freedom, 1 - tail)) + share * above)
        lower[i], upper[i] = low, high
    return lower, upper


def _tail(percent: int) -> float:
    """Return the probability beyond one bound of an interval."""
    return 0.5 - percent / 200


def _quantile(ordered: FloatArray, q: float, scale: float) -> float:
    """Return a quantile of sorted values ÷ `scale`, as np.quantile does, in a tenth of the time."""
    place = (len(ordered) - 1) * q
    first = int(place)
    a, b = float(ordered[first]) / scale, float(ordered[min(first + 1, len(ordered) - 1)]) / scale
    t = place - first
    return b - (b - a) * (1 - t) if t >= 0.5 else a + (b - a) * t


def usual_errors(y: FloatArray, is_missing: npt.NDArray[np.bool_]) -> tuple[IntArray, FloatArray]:
    """Return the errors of simple forecasts of a series: the best of four moving means, or last year's move.

    Parameters
    ----------
    y
        (T,) units sold, with missing weeks filled in.
    is_missing
        (T,) missing weeks, which have no error.

    Returns
    -------
    tuple
        (N,) cutoffs, every second week of five years, latest first; (N, 13) errors after each, in units, NaN where the
        week is missing.
    """
    n = len(y)
    cutoffs = np.arange(n - HOLDOUT_WEEKS, max(n - HOLDOUT_WEEKS - 260, 4) - 1, -2)
    if len(cutoffs) < 2:
        return cutoffs[:0], np.zeros((0, HOLDOUT_WEEKS))
    total = np.zeros(n + 1)
    np.cumsum(y, out=total[1:])
    actual = (np.where(is_missing, np.nan, y) if is_missing.any() else y)[cutoffs[:, None] + _STEPS]
    begin = cutoffs - np.minimum(_MEANS_OVER, cutoffs)
    means = (total[cutoffs] - total[begin]) / (cutoffs - begin)
    errors = min((actual - m[:, None] for m in means), key=_root_mean_square)
    n_seasonal = int(np.count_nonzero(cutoffs >= SEASON_LENGTH + 4))
    if n_seasonal >= 2 * MANY_CUTOFFS:
        c = cutoffs[:n_seasonal]
        year_ago = c - SEASON_LENGTH
        level, smooth = (total[4:] - total[:-4]) / 4, (total[5:] - total[:-5]) / 5  # means of 4 and of 5 weeks
        last_year = smooth[(year_ago - 2)[:, None] + _STEPS]
        seasonal: FloatArray = actual[:n_seasonal] - (level[c - 4][:, None] + last_year - level[year_ago - 4][:, None])
        if _root_mean_square(seasonal) < _root_mean_square(errors[:n_seasonal]):
            return c, seasonal
    return cutoffs, errors


def _growth(errors: FloatArray) -> float:
    """Estimate the exponent of the growth of errors (W, 13) by step, shrunk towards USUAL_GROWTH."""
    if len(errors) == 0:
        return USUAL_GROWTH
    early, late = _root_mean_square(errors[:, :5]), _root_mean_square(errors[:, 8:])
    shown = min(max(float(np.log((late + 1e-6) / (early + 1e-6)) / np.log(11 / 3)), 0.0), 1.0)
    share = len(errors) / (len(errors) + 7)
    return (1 - share) * USUAL_GROWTH + share * shown


def _season_gain(y: FloatArray) -> float:
    """Return the factor of errors with a known season: less than 1 if the last two years, detrended, correlate."""
    smooth = moving_mean(y[-2 * SEASON_LENGTH :], 5)
    week = np.arange(len(smooth)) - (len(smooth) - 1) / 2
    smooth = smooth - week * (float((week * smooth).sum()) / float((week**2).sum()))
    before, last = (year - year.mean() for year in (smooth[:-SEASON_LENGTH], smooth[-SEASON_LENGTH:]))
    size = math.sqrt(float((before**2).sum() * (last**2).sum()))
    alike = max(float((before * last).sum()) / size, 0.0) if size > 0 else 0.0
    return math.sqrt(1 - SEASON_GAIN * alike)


def _size(errors: FloatArray, usual: FloatArray, usual_at: IntArray, cutoffs: Sequence[int], n_weeks: int) -> float:
    """Return the size of backtest errors (W, 13), shrunk towards the usual size in the season of the forecast.

    The windows may have been unusually calm or volatile, or of another season. So the size is scaled half way, in
    logs, from the errors of simple forecasts (N, 13) at the windows to those over the whole history and season.
    """
    if not len(errors):
        return _mean_size(usual)
    size = _mean_size(errors)
    near = [int(np.abs(usual_at - cutoff).argmin()) for cutoff in cutoffs] if len(usual) else []
    if near and (then := _mean_size(usual[near])) > 0:
        wanted, ago = _mean_size(usual), n_weeks - usual_at
        away = np.abs(ago - SEASON_LENGTH * np.maximum(np.round(ago / SEASON_LENGTH), 1))
        if (season := _mean_size(usual[away <= SAME_SEASON])) > 0:
            wanted = wanted ** (1 - SEASON_SHARE) * season**SEASON_SHARE
        size *= math.sqrt(min(max(wanted / then, 0.5), 2.0))
    return size


def _mean_size(errors: FloatArray) -> float:
    """Return a robust standard deviation of the known errors: 1.25 × mean absolute error. 0 if none is known."""
    known = _known(errors)
    return 1.25 * (float(np.abs(known).sum()) / known.size) if known.size else 0.0


def _root_mean_square(errors: FloatArray) -> float:
    """Return the root mean square of the known errors; 0 if none is known."""
    if not errors.size:
        return 0.0
    found = math.sqrt(float(np.square(errors.ravel()).sum()) / errors.size)
    if found == found:
        return found
    known = _known(errors)
    return _root_mean_square(known) if known.size else 0.0


def _known(values: FloatArray) -> FloatArray:
    """(·,) values that are not NaN, in order."""
    values = values.ravel()
    is_missing = np.isnan(values)
    return values[~is_missing] if is_missing.any() else values


def _rooted(units: FloatArray) -> FloatArray:
    return np.sqrt(np.maximum(units, 0.0))
