"""How one forecast did over one window: all metrics, and the sums from which totals over items are made."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fcst.compute import metrics

Array = np.ndarray


@dataclass(frozen=True)
class Accuracy:
    """The metrics of one model over one window, as `metrics` defines them; NaN is undefined.

    Parameters
    ----------
    n_weeks
        weeks that are known, and scored.
    abs_error, error, sq_error, actual
        over these weeks Σ|ŷ − y|, Σ(ŷ − y), Σ(ŷ − y)², Σ|y|, in units.
    pinball
        the pinball loss summed over weeks and averaged over the quantiles that the bounds are, in units.
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


def measure(y: Array, mean: Array, lo: Array, hi: Array, level: Sequence[int], history: Array) -> Accuracy:
    """The accuracy of a forecast.

    Parameters
    ----------
    y, mean
        (H,) units sold, NaN where a week is missing, and forecast.
    lo, hi
        (L, H) bounds by level.
    history
        (T,) the weeks before, NaN where missing: the scale of MASE, RMSSE and MSIS.
    """
    is_known = ~np.isnan(y)
    error = (mean - y)[is_known]
    mae, mse = metrics.naive_mae(history), metrics.naive_mse(history)
    tails = [(1 - percent / 100) / 2 for percent in level]
    quantiles, qs = np.concatenate([lo, hi]), np.array([*tails, *(1 - tail for tail in tails)])
    losses = [metrics.pinball(y, q_hat, float(q)) for q_hat, q in zip(quantiles, qs, strict=True)]
    by_level = list(zip(lo, hi, level, strict=True))
    return Accuracy(
        n_weeks=int(is_known.sum()),
        abs_error=float(np.abs(error).sum()),
        error=float(error.sum()),
        sq_error=float((error**2).sum()),
        actual=float(np.abs(y[is_known]).sum()),
        pinball=float(np.mean(losses) * is_known.sum()) if losses else float("nan"),
        wape=metrics.wape(y, mean),
        bias=metrics.bias(y, mean),
        smape=metrics.smape(y, mean),
        mase=metrics.mase(y, mean, mae),
        rmsse=metrics.rmsse(y, mean, mse),
        scaled_crps=metrics.scaled_crps(y, quantiles, qs),
        coverage=tuple(metrics.coverage(y, low, high) for low, high, _ in by_level),
        mean_width=tuple(metrics.mean_width(y, low, high) for low, high, _ in by_level),
        msis=tuple(metrics.msis(y, low, high, percent, mae) for low, high, percent in by_level),
    )
