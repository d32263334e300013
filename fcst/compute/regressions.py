"""Forecasts and regressions implemented here: smoothed last year, seasonal moves, Fourier terms, ridge autoregression.

Letters: T weeks of history, H steps. `season` is the number of weeks in a year.
"""

import numpy as np

from fcst.records import FloatArray


def moving_mean(z: FloatArray, width: int) -> FloatArray:
    """(T,) centred moving mean over `width` weeks; the first and last values are repeated at the ends."""
    return np.convolve(np.pad(z, width // 2, mode="edge"), np.full(width, 1 / width), "valid")


def smooth_seasonal_naive(y: FloatArray, h: int, season: int) -> FloatArray:
    """Forecast by last year's weeks, smoothed over five, times the shrunk growth of the last 13 weeks over a year."""
    n, m = len(y), min(13, len(y) - season)
    base = np.resize(moving_mean(y, 5)[n - season :], h)
    if m < 4:
        return base
    shrink = 0.25 * m * y.mean()
    growth = (y[-m:].sum() + shrink) / (y[n - season - m : n - season].sum() + shrink)
    smooth: FloatArray = base * np.clip(growth, 0.25, 4.0)
    return smooth


def seasonal_move(z: FloatArray, h: int, season: int) -> FloatArray:
    """Forecast by the level of the last 4 weeks plus the mean move after the same weeks of the last three years."""
    n = len(z)
    ends = [n - j * season for j in (1, 2, 3) if n - j * season >= 4]
    moves = [np.resize(z[e : e + season], h) - z[e - 4 : e].mean() for e in ends]
    path: FloatArray = z[-4:].mean() + np.mean(moves, axis=0)
    return path


def fourier(n: int, k: int, season: int) -> FloatArray:
    """(n, 2k) Fourier terms of the year; a year is a little longer than `season` weeks."""
    t = np.arange(n) * 2 * np.pi / (season * 365.25 / 364)
    return np.column_stack([f(i * t) for i in range(1, k + 1) for f in (np.sin, np.cos)]) if k else np.zeros((n, 0))


def harmonic_season(y: FloatArray, h: int, k: int, log: bool, season: int) -> FloatArray:
    """(T + H,) season by ridge regression on Fourier terms, around a deseasonalized yearly moving mean, in 3 rounds."""
    z = np.log(y) if log else y
    n, x = len(y), fourier(len(y) + h, k, season)
    gram, penalty = x[:n].T @ x[:n], np.diag(np.repeat(np.arange(1, k + 1) ** 2.0, 2))
    s = np.zeros(n + h)
    for _ in range(3):
        rest = z - moving_mean(z - s[:n], season + 1 - season % 2)
        best = (np.inf, s)
        for strength in (0.3, 1.0, 3.0, 10.0, 30.0):
            inverse = np.linalg.inv(gram + strength * penalty)
            b = inverse @ (x[:n].T @ rest)
            gcv = ((rest - x[:n] @ b) ** 2).sum() / (n - np.trace(inverse @ gram)) ** 2
            best = min(best, (float(gcv), x @ b), key=lambda pair: pair[0])
        s = best[1]
    return np.exp(s) if log else s


def ridge_ar(
    y: FloatArray, h: int, p: int, k: int, *, log: bool, season: int, lags: tuple[int, ...] = (),
    half_life: int | None = None, spans: tuple[int, ...] = (26,), rising: bool = False,
) -> FloatArray:  # fmt: skip
    """Forecast by ridge regression of the weekly change.

    Regressors: its last `p` values and `lags`, `k` pairs of Fourier terms, and the distances of the series from its
    means over `spans`. Generalised cross-validation selects the penalty. The forecast is recursive.

    `half_life`: weeks after which the weight of a row is halved. `rising`: the penalty of Fourier terms grows with the
    order.
    """
    z = np.log(y) if log else y
    change = np.diff(z)
    unit = float(change.std())
    if unit == 0:
        return np.full(h, y[-1])
    z, change, n = z / unit, change / unit, len(change)
    used = [*range(1, p + 1), *(lag for lag in lags if n >= lag + season + 30)]
    first, waves = max(*used, 8), fourier(n + h, k, season)
    if n - first < 3 * p:
        raise ValueError("too short")
    rows, total = np.arange(first, n), np.r_[0.0, np.cumsum(z)]
    starts = [np.maximum(0, rows - span + 1) for span in spans]
    away = [z[rows] - (total[rows + 1] - total[s]) / (rows + 1 - s) for s in starts]
    x = np.column_stack([*(change[first - lag : n - lag] for lag in used), waves[first:n], *away, np.ones(len(rows))])
    wave_penalty = np.repeat(np.arange(1.0, k + 1), 2) if rising else np.ones(2 * k)
    root = np.sqrt(np.r_[np.ones(len(used)), wave_penalty, np.full(len(spans), 0.3), 5.0])
    weight = np.sqrt(0.5 ** (np.arange(len(rows))[::-1] / half_life)) if half_life else np.ones(len(rows))
    u, s, v = np.linalg.svd(x * weight[:, None] / root, full_matrices=False)
    target = change[first:] * weight
    projected, best = u.T @ target, (np.inf, np.zeros(0))
    for strength in (1.0, 4.0, 16.0, 64.0, 256.0):
        shrunk = s * s / (s * s + strength)
        gcv = ((target - u @ (shrunk * projected)) ** 2).sum() / (len(rows) - shrunk.sum()) ** 2
        best = min(best, (float(gcv), v.T @ (s / (s * s + strength) * projected) / root), key=lambda pair: pair[0])
    changes, path = change.tolist(), z.tolist()
    for i in range(n, n + h):
        away_now = [path[i] - sum(path[max(0, i - span + 1) :]) / min(span, i + 1) for span in spans]
        row = np.r_[[changes[i - lag] for lag in used], waves[i], away_now, 1.0]
        changes.append(float(row @ best[1]))
        path.append(path[-1] + changes[-1])
    level: FloatArray = np.array(path[-h:]) * unit
    if not log:
        return level
    left = (change[first:] - x @ best[1]) * unit
    smearing = np.average(np.exp(left), weights=weight**2)  # Duan 1983: converts the median to the mean
    mean: FloatArray = np.exp(level) * smearing
    return mean
