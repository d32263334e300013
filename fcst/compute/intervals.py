"""Prediction intervals of a combination, from its own backtest errors and from what is usual for the series.

Letters: T weeks of history, H steps, W backtest windows, L levels.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from fcst.names import HOLDOUT_WEEKS

Array = np.ndarray


def interval(
    y: Array, mean: Array, fitted: Array, actual: Array, cutoffs: Sequence[int], level: Sequence[int], empirical: float
) -> tuple[Array, Array]:
    """(L, H) bounds around `mean` from (W, H) backtests at `cutoffs`; never crossing, not negative if `y` is not."""
    growth = 0.2

    def noise(f: Array) -> Array:  # grows with the root of the level, as counts do, where every week sold
        return np.sqrt(np.clip(f / y[-52:].mean(), 0.2, 5.0)) if y.min() > 0 else np.ones_like(f)

    errors = (actual - fitted) / noise(fitted)
    if len(errors) >= 2:
        early, late = (np.sqrt((errors[:, part] ** 2).mean() + 1e-12) for part in (slice(0, 5), slice(8, 13)))
        growth = 0.3 * 0.2 + 0.7 * float(np.clip(np.log(late / early) / np.log(11 / 3), 0, 1))
    profile = np.arange(1, max(len(mean), HOLDOUT_WEEKS) + 1) ** growth
    where, usual = level_errors(y)
    usual = usual / profile[:HOLDOUT_WEEKS]
    scale, shapes = _spread(usual), [usual / max(_spread(usual), 1e-12)] if usual.size else []
    if len(errors):
        scaled = errors / profile[:HOLDOUT_WEEKS]
        own = _spread(scaled)
        shapes.append(scaled / max(np.sqrt((scaled**2).mean()), 1e-12))
        nearest = [int(np.argmin(np.abs(where - c))) for c in cutoffs]
        then = _spread(usual[nearest])
        scale = own * np.clip(scale / then, 0.5, 2.0) ** 0.7 if min(scale, then) > 0 else own
    scale = max(scale, 0.35 * float(np.sqrt((np.diff(y[-14:]) ** 2).mean())))
    if len(errors) == 0 or scale <= 0:
        scale = max(scale, float(y[-26:].std()), float(np.sqrt(max(y[-26:].mean(), 0.0))) if y.min() >= 0 else 0.0)
    shape = np.concatenate([s.ravel() for s in shapes]) if shapes else np.zeros(1)
    share = empirical * min(1.0, shape.size / 300)
    order = np.argsort(level, kind="stable")
    lo, hi = np.empty((len(level), len(mean))), np.empty((len(level), len(mean)))
    low, high = np.zeros(1), np.zeros(1)
    reach = scale * profile[: len(mean)] * noise(mean)
    for i in order:
        tail = 0.5 + level[i] / 200
        student = 0.93 * stdtrit(6, tail)
        below, above = np.quantile(shape, [1 - tail, tail]) * 1.05
        low = np.minimum(low, -(1 - share) * student + share * below)
        high = np.maximum(high, (1 - share) * student + share * above)
        lo[i], hi[i] = mean + low * reach, mean + high * reach
        if (y[-52:] == 0).mean() > 1 - tail:  # a quantile of what is that often zero
            lo[i] = np.minimum(lo[i], 0.0)
    return (np.maximum(lo, 0.0) if y.min() >= 0 else lo), hi


def level_errors(y: Array) -> tuple[Array, Array]:
    """(N,) cutoffs, every second week of five years, and (N, 13) errors of the best of four moving means there."""
    n = len(y)
    cutoffs = np.arange(n - HOLDOUT_WEEKS, max(n - HOLDOUT_WEEKS - 260, 4) - 1, -2)
    if len(cutoffs) < 2:
        return np.zeros(0, int), np.zeros((0, HOLDOUT_WEEKS))
    actual, total = y[cutoffs[:, None] + np.arange(HOLDOUT_WEEKS)], np.r_[0.0, np.cumsum(y)]
    spans = (np.minimum(k, cutoffs) for k in (1, 4, 13, 26))
    errors = [actual - ((total[cutoffs] - total[cutoffs - k]) / k)[:, None] for k in spans]
    return cutoffs, min(errors, key=lambda e: float((e * e).mean()))


def _spread(e: Array) -> float:
    """Between the root mean square and the mean size (times 1.25: equal for normal errors)."""
    return float(np.sqrt(np.sqrt((e * e).mean()) * 1.25 * np.abs(e).mean())) if e.size else 0.0
