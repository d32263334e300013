"""Fit functions of models: each returns a forecast from a history. Most are built by factory functions.

statsforecast is imported when a model is first fitted, because it takes seconds and the catalogue does not need it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fcst.compute.history import History
from fcst.compute.regressions import fourier, ridge_ar, seasonal_move, smooth_seasonal_naive
from fcst.names import SEASON_LENGTH
from fcst.records import FloatArray

Fit = Callable[[History], FloatArray]
"""Returns a forecast (H,) from a history."""

LAST_YEAR = (SEASON_LENGTH, SEASON_LENGTH + 1)
LAST_YEARS = (SEASON_LENGTH // 2, SEASON_LENGTH - 1, SEASON_LENGTH, SEASON_LENGTH + 1, 2 * SEASON_LENGTH)
CROSTON_ALPHA = 0.1  # smoothing constant of Croston's size and interval
SLOW: dict[str, Any] = {"half_life": 4 * SEASON_LENGTH, "spans": (13, SEASON_LENGTH)}
FAST: dict[str, Any] = {"half_life": 2 * SEASON_LENGTH, "spans": (13, SEASON_LENGTH)}


class CannotFit(Exception):
    """A model cannot be fitted to a history; the text gives the reason."""


def naive(history: History) -> FloatArray:
    return np.full(history.h, history.y[-1])


def seasonal_naive(history: History) -> FloatArray:
    return np.resize(history.y[-history.season_length :], history.h)


def drift(history: History) -> FloatArray:
    y = history.y
    path: FloatArray = y[-1] + (y[-1] - y[0]) / (history.n - 1) * np.arange(1, history.h + 1)
    return path


def window_average(n_weeks: int) -> Fit:
    return lambda history: np.full(history.h, history.y[-n_weeks:].mean())


def smoothed_last_year(history: History) -> FloatArray:
    return smooth_seasonal_naive(history.y, history.h, history.season_length)


def log_seasonal_move(history: History) -> FloatArray:
    if not history.is_positive:
        raise CannotFit("it needs sales in every week")
    return np.exp(seasonal_move(np.log(history.y), history.h, history.season_length))


def by_statsforecast(class_name: str, /, **options: Any) -> Fit:
    """Fit a statsforecast model, given by its class name."""
    return lambda history: _mean(_statsforecast_model(class_name, options).forecast(y=history.y, h=history.h))


def croston_sba(history: History) -> FloatArray:
    """Croston's method with the Syntetos-Boylan bias correction: smoothed sale size ÷ smoothed interval of sales.

    Size and interval start at their means over the whole history. If they started at the first sale and gap, one huge
    early sale would raise the forecast of every week.
    """
    sold = np.flatnonzero(history.y > 0)
    if not len(sold):
        return np.zeros(history.h)
    size, interval = float(history.y[sold].mean()), history.n / len(sold)
    for week, gap in zip(sold[1:], np.diff(sold), strict=True):
        size += CROSTON_ALPHA * (float(history.y[week]) - size)
        interval += CROSTON_ALPHA * (float(gap) - interval)
    return np.full(history.h, (1 - CROSTON_ALPHA / 2) * size / interval)


def mfles(history: History) -> FloatArray:
    season_length = history.season_length if history.n >= 2 * history.season_length else None
    return by_statsforecast("MFLES", season_length=season_length)(history)


def arima_with_waves(k: int) -> Fit:
    """AutoARIMA without seasonal terms, with `k` pairs of Fourier terms of the year as regressors."""

    def fit(history: History) -> FloatArray:
        n, model = history.n, _statsforecast_model("AutoARIMA", {"season_length": 1})
        x = fourier(n + history.h, k, history.season_length)
        return _mean(model.forecast(y=history.y, h=history.h, X=x[:n], X_future=x[n:]))

    return fit


def _statsforecast_model(class_name: str, options: dict[str, Any]) -> Any:
    from fcst.compute.statsforecast_import import models

    return getattr(models, class_name)(**options)


def _mean(forecast: dict[str, Any]) -> FloatArray:
    mean: FloatArray = forecast["mean"]
    return mean


def ridge(p: int, k: int, log: bool = True, **options: Any) -> Fit:
    """Ridge autoregression on `p` weeks and `k` pairs of Fourier terms; of logs if every week has sales."""

    def fit(history: History) -> FloatArray:
        is_log, season = log and history.is_positive, history.season_length
        return ridge_ar(history.y, history.h, p, k, log=is_log, season=season, **options)

    return fit


def ridge_raw(history: History) -> FloatArray:
    if not history.is_positive:
        raise CannotFit("with weeks without sales it equals RidgeAR-FH")
    return ridge(4, 4, log=False, lags=LAST_YEAR, **SLOW)(history)


def stl(history: History) -> FloatArray:
    return history.stl


def waves(history: History) -> FloatArray:
    return history.waves


def without_season(season: Fit, fit_rest: Fit) -> Fit:
    """Fit a model to the deseasonalized history, and reseasonalize its forecast. `season` returns (T + H,)."""

    def fit(history: History) -> FloatArray:
        whole = season(history)
        known, ahead = whole[: history.n], whole[history.n :]
        if history.is_positive:
            return fit_rest(_same_weeks(history, history.y / known)) * ahead
        return fit_rest(_same_weeks(history, history.y - known)) + ahead

    return fit


def _same_weeks(history: History, y: FloatArray) -> History:
    return History(y, history.h, y)
