"""Accuracy of one forecast over one window: all metrics, and the sums needed for totals over items."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fcst.compute import metrics
from fcst.records import FloatArray


@dataclass(frozen=True)
class Accuracy:
    """The metrics of one model over one window, as `metrics` defines them; NaN is undefined.

    Parameters
    ----------
    n_weeks
        known weeks; only these are scored.
    abs_error, error, sq_error, actual
        Σ|ŷ − y|, Σ(ŷ − y), Σ(ŷ − y)², Σ|y| over the known weeks, in units.
    pinball
        pinball loss in units, summed over weeks and averaged over the quantiles of the bounds.
    coverage, mean_width, msis
        (L,) by level.
    """

    n_weeks: int
    abs_error: float
    error: float
    sq_error: float
    actual: float
    pinball: float
    wape: float
    bias: float
    smape: float
    mase: float
    rmsse: float
    scaled_crps: float
    coverage: tuple[float, ...]
    mean_width: tuple[float, ...]
    msis: tuple[float, ...]


def measure(
    y: FloatArray, mean: FloatArray, lo: FloatArray, hi: FloatArray, level: Sequence[int], history: FloatArray
) -> Accuracy:
    """Return the accuracy of a forecast.

    Parameters
    ----------
    y, mean
        (H,) units sold, NaN where a week is missing; and units forecast.
    lo, hi
        (L, H) bounds by level.
    history
        (T,) weeks before the forecast, NaN where missing. Gives the scale of MASE, RMSSE and MSIS.
    """
    is_known = ~np.isnan(y)
    n_weeks, error = int(is_known.sum()), (mean - y)[is_known]
    abs_error, sum_error, actual = float(np.abs(error).sum()), float(error.sum()), float(np.abs(y[is_known]).sum())
    mae, mse = metrics.naive_mae(history), metrics.naive_mse(history)
    tails = [(1 - percent / 100) / 2 for percent in level]
    qs = [*tails, *(1 - tail for tail in tails)]
    losses = [metrics.pinball(y, bound, q) for bound, q in zip([*lo, *hi], qs, strict=True)]
    pinball = float(np.mean(losses) * n_weeks) if losses else float("nan")
    by_level = list(zip(lo, hi, level, strict=True))
    return Accuracy(
        n_weeks=n_weeks,
        abs_error=abs_error,
        error=sum_error,
        sq_error=float((error**2).sum()),
        actual=actual,
        pinball=pinball,
        wape=metrics.wape_of(abs_error, actual),
        bias=metrics.bias_of(sum_error, actual),
        smape=metrics.smape(y, mean),
        mase=metrics.mase(y, mean, mae),
        rmsse=metrics.rmsse(y, mean, mse),
        scaled_crps=metrics.scaled_crps_of(pinball, actual),
        coverage=tuple(metrics.coverage(y, low, high) for low, high, _ in by_level),
        mean_width=tuple(metrics.mean_width(y, low, high) for low, high, _ in by_level),
        msis=tuple(metrics.msis(y, low, high, percent, mae) for low, high, percent in by_level),
    )
