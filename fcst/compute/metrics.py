"""Accuracy metrics, one function per metric. Undefined values are NaN, never 0 or infinite.

Metrics defined by sums (WAPE, bias, scaled CRPS) have a second function that takes the sums: `wape(y, y_hat)` is
`wape_of(abs_error, actual)` of one series. For totals over items and windows, pass the sums over these.

Letters: H weeks of the horizon, T weeks of history, Q quantiles. Weeks with unknown actual sales (NaN) are not scored.
Errors are ŷ − y: positive = forecast too high.
"""

from typing import overload

import numpy as np
import numpy.typing as npt

from fcst.records import FloatArray


def wape(y: FloatArray, y_hat: FloatArray) -> float:
    """Weighted absolute percentage error: Σ|ŷ − y| ÷ Σ|y|, a fraction.

    Parameters
    ----------
    y, y_hat
        (H,) units sold and forecast.

    Returns
    -------
    float
        NaN if no week is known, or nothing was sold.

    Source: Kolassa & Schütz 2007, 'Advantages of the MAD/mean ratio over the MAPE', Foresight 6.
    """
    return wape_of(_total(np.abs(y_hat - y), y), _total(np.abs(y), y))


@overload
def wape_of(abs_error: float, actual: float) -> float: ...
@overload
def wape_of(abs_error: FloatArray, actual: FloatArray) -> FloatArray: ...
def wape_of(abs_error: float | FloatArray, actual: float | FloatArray) -> float | FloatArray:
    """WAPE from sums over the known weeks.

    Parameters
    ----------
    abs_error, actual
        Σ|ŷ − y| and Σ|y|, in units; numbers, or arrays of the same shape.

    Returns
    -------
    float or array
        NaN where nothing was sold.
    """
    return _ratio(abs_error, actual)


def bias(y: FloatArray, y_hat: FloatArray) -> float:
    """Bias: mean(ŷ − y) ÷ mean|y|, a fraction; positive = forecast too high.

    Parameters
    ----------
    y, y_hat
        (H,) units sold and forecast.

    Returns
    -------
    float
        NaN if no week is known, or nothing was sold.
    """
    return bias_of(_total(y_hat - y, y), _total(np.abs(y), y))


@overload
def bias_of(error: float, actual: float) -> float: ...
@overload
def bias_of(error: FloatArray, actual: FloatArray) -> FloatArray: ...
def bias_of(error: float | FloatArray, actual: float | FloatArray) -> float | FloatArray:
    """Bias from sums over the known weeks: Σ(ŷ − y) and Σ|y|, otherwise as `wape_of`."""
    return _ratio(error, actual)


def smape(y: FloatArray, y_hat: FloatArray) -> float:
    """Symmetric mean absolute percentage error: mean of 2|ŷ − y| ÷ (|y| + |ŷ|), a fraction from 0 to 2.

    A week with neither sales nor a forecast has no error.

    Parameters
    ----------
    y, y_hat
        (H,) units sold and forecast.

    Returns
    -------
    float
        NaN if no week is known.

    Source: Makridakis et al. 2020, doi:10.1016/j.ijforecast.2019.04.014 (M4, which gives it in percent).
    """
    error, size = np.abs(y_hat - y), np.abs(y) + np.abs(y_hat)
    return _mean(np.divide(2 * error, size, out=np.zeros_like(size), where=size != 0), y)


def naive_mae(y: FloatArray) -> float:
    """The scale of MASE and MSIS: mean absolute change from week to week in the history, in units.

    The naive forecast is the week before, as in the M4 competition's weekly table, not the year before. So the scale
    is defined for short histories.

    Parameters
    ----------
    y
        (T,) units sold up to the cutoff; changes to and from unknown weeks are ignored.

    Returns
    -------
    float
        NaN without two consecutive known weeks, or if sales never changed.
    """
    return _scale(np.abs(np.diff(y)))


def naive_mse(y: FloatArray) -> float:
    """The squared scale of RMSSE: mean squared change from week to week; otherwise as `naive_mae`."""
    return _scale(np.diff(y) ** 2)


def mase(y: FloatArray, y_hat: FloatArray, scale: float) -> float:
    """Mean absolute scaled error: mean|ŷ − y| ÷ `naive_mae` of the history.

    Parameters
    ----------
    y, y_hat
        (H,) units sold and forecast.
    scale
        `naive_mae` of the history before them; NaN where it is undefined.

    Returns
    -------
    float
        NaN if no week is known, or the scale is undefined.

    Source: Hyndman & Koehler 2006, doi:10.1016/j.ijforecast.2006.03.001.
    """
    return _mean(np.abs(y_hat - y), y) / scale


def rmsse(y: FloatArray, y_hat: FloatArray, scale: float) -> float:
    """Root mean squared scaled error: √(mean (ŷ − y)² ÷ `naive_mse` of the history).

    Parameters
    ----------
    y, y_hat
        (H,) units sold and forecast.
    scale
        `naive_mse` of the history before them; NaN where it is undefined.

    Returns
    -------
    float
        NaN if no week is known, or the scale is undefined.

    Source: Makridakis et al. 2022, doi:10.1016/j.ijforecast.2021.11.013 (M5).
    """
    return float(np.sqrt(_mean((y_hat - y) ** 2, y) / scale))


def pinball(y: FloatArray, y_hat: FloatArray, q: float) -> float:
    """Pinball loss of a quantile: mean of q·(y − ŷ) where y is above ŷ, (1 − q)·(ŷ − y) where it is below, in units.

    Parameters
    ----------
    y, y_hat
        (H,) units sold, and the quantile forecast.
    q
        probability of the quantile, between 0 and 1.

    Returns
    -------
    float
        NaN if no week is known.

    Source: Koenker & Bassett 1978, doi:10.2307/1913643.
    """
    return _mean(np.maximum(q * (y - y_hat), (q - 1) * (y - y_hat)), y)


def scaled_crps(y: FloatArray, quantiles: FloatArray, qs: FloatArray) -> float:
    """Continuous ranked probability score from quantiles: twice their mean pinball loss ÷ mean|y|, a fraction.

    Parameters
    ----------
    y
        (H,) units sold.
    quantiles
        (Q, H) quantile forecasts.
    qs
        (Q,) probabilities of the quantiles, between 0 and 1.

    Returns
    -------
    float
        NaN if no week is known, nothing was sold, or there is no quantile.

    Source: Rangapuram et al. 2021, 'End-to-end learning of coherent probabilistic forecasts', ICML.
    """
    if not len(qs):
        return float("nan")
    losses = [pinball(y, y_hat, float(q)) for y_hat, q in zip(quantiles, qs, strict=True)]
    return scaled_crps_of(float(np.mean(losses)) * int(_known(y).sum()), _total(np.abs(y), y))


@overload
def scaled_crps_of(pinball_loss: float, actual: float) -> float: ...
@overload
def scaled_crps_of(pinball_loss: FloatArray, actual: FloatArray) -> FloatArray: ...
def scaled_crps_of(pinball_loss: float | FloatArray, actual: float | FloatArray) -> float | FloatArray:
    """Scaled CRPS from sums over the known weeks: pinball loss averaged over the quantiles, and Σ|y|; otherwise as
    `wape_of`."""
    return _ratio(2 * pinball_loss, actual)


def coverage(y: FloatArray, lo: FloatArray, hi: FloatArray) -> float:
    """Coverage: share of weeks with sales within the interval, bounds included.

    Parameters
    ----------
    y, lo, hi
        (H,) units sold, and the bounds.

    Returns
    -------
    float
        NaN if no week is known.
    """
    return _mean(np.where(np.isnan(lo + hi), np.nan, (lo <= y) & (y <= hi)), y)


def mean_width(y: FloatArray, lo: FloatArray, hi: FloatArray) -> float:
    """Mean width of an interval over the known weeks, in units; NaN if none is known."""
    return _mean(hi - lo, y)


def msis(y: FloatArray, lo: FloatArray, hi: FloatArray, level: float, scale: float) -> float:
    """Mean scaled interval score: width plus 2 ÷ α times the distance of sales outside, ÷ `naive_mae` of the history.

    Parameters
    ----------
    y, lo, hi
        (H,) units sold, and the bounds.
    level
        the interval's level in percent; α is 1 − level ÷ 100.
    scale
        `naive_mae` of the history before them; NaN where it is undefined.

    Returns
    -------
    float
        NaN if no week is known, or the scale is undefined.

    Source: Gneiting & Raftery 2007, doi:10.1198/016214506000001437; scaled as in M4.
    """
    outside = np.maximum(lo - y, 0) + np.maximum(y - hi, 0)
    return _mean(hi - lo + 2 / (1 - level / 100) * outside, y) / scale


@overload
def value_added(error: float, benchmark_error: float) -> float: ...
@overload
def value_added(error: FloatArray, benchmark_error: FloatArray) -> FloatArray: ...
def value_added(error: float | FloatArray, benchmark_error: float | FloatArray) -> float | FloatArray:
    """Forecast value added: 1 − error ÷ error of a benchmark; negative if the forecast is worse.

    Parameters
    ----------
    error, benchmark_error
        the same metric of both, over the same weeks; numbers, or arrays of the same shape.

    Returns
    -------
    float or array
        NaN where either is undefined, or the benchmark has no error.

    Source: Gilliland 2010, 'The Business Forecasting Deal', ch. 4.
    """
    return 1 - _ratio(error, benchmark_error)


def mean_of(total: FloatArray, n: FloatArray) -> FloatArray:
    """Means from sums and counts, arrays of the same shape; NaN where the count is 0."""
    return np.asarray(_ratio(total, n))


def _known(y: FloatArray) -> npt.NDArray[np.bool_]:
    return ~np.isnan(y)


def _total(values: FloatArray, y: FloatArray) -> float:
    return float(values[_known(y)].sum())


def _mean(values: FloatArray, y: FloatArray) -> float:
    known = values[_known(y)]
    return float(known.mean()) if len(known) else float("nan")


def _scale(changes: FloatArray) -> float:
    mean = _mean(changes, changes)
    return mean if mean > 0 else float("nan")


@overload
def _ratio(part: float, whole: float) -> float: ...
@overload
def _ratio(part: float | FloatArray, whole: float | FloatArray) -> float | FloatArray: ...
def _ratio(part: float | FloatArray, whole: float | FloatArray) -> float | FloatArray:
    if isinstance(whole, np.ndarray):
        ratios: FloatArray = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
        return ratios
    return part / whole if whole > 0 else float("nan")
