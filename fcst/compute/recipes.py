"""The parts that models are made of: functions that return the `fit` of a model, which forecasts from a history.

A library is imported when a model is first fitted: statsforecast takes seconds, and the catalogue is read without it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fcst.compute.history import History
from fcst.compute.regressions import fourier, ridge_ar, seasonal_move, smooth_seasonal_naive
from fcst.names import SEASON_LENGTH
from fcst.records import FloatArray

Fit = Callable[[History], FloatArray]
"""Forecasts (H,) from a history."""

LAST_YEAR = (SEASON_LENGTH, SEASON_LENGTH + 1)
LAST_YEARS = (SEASON_LENGTH // 2, SEASON_LENGTH - 1, SEASON_LENGTH, SEASON_LENGTH + 1, 2 * SEASON_LENGTH)
CROSTON_ALPHA = 0.1  # by which Croston's size and interval are smoothed
SLOW: dict[str, Any] = {"half_life": 4 * SEASON_LENGTH, "spans": (13, SEASON_LENGTH)}
FAST: dict[str, Any] = {"half_life": 2 * SEASON_LENGTH, "spans": (13, SEASON_LENGTH)}


class CannotFit(Exception):
    """A model does not suit a history; the text says why."""


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
        raise CannotFit("weeks without sales have no logarithm")
    return np.exp(seasonal_move(np.log(history.y), history.h, history.season_length))


def by_statsforecast(class_name: str, /, **options: Any) -> Fit:
    """A model of statsforecast, by the name of its class."""
    return lambda history: _mean(_statsforecast_model(class_name, options).forecast(y=history.y, h=history.h))


def croston_sba(history: History) -> FloatArray:
    """The size of a sale divided by the weeks between two, both smoothed, less the bias of that.

    Both start at their mean over the whole history: started at the first sale and the first gap, one huge sale of long
    ago would be forecast for every week.
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
    """AutoARIMA without a season of its own, with `k` pairs of waves of the year as regressors."""

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
    """Our regression on `p` weeks and `k` pairs of waves; of logs, unless there are weeks without sales."""

    def fit(history: History) -> FloatArray:
        is_log, season = log and history.is_positive, history.season_length
        return ridge_ar(history.y, history.h, p, k, log=is_log, season=season, **options)

    return fit


def ridge_raw(history: History) -> FloatArray:
    if not history.is_positive:
        raise CannotFit("where weeks have no sales it is RidgeAR-FH")
    return ridge(4, 4, log=False, lags=LAST_YEAR, **SLOW)(history)


def stl(history: History) -> FloatArray:
    return history.stl


def waves(history: History) -> FloatArray:
    return history.waves


def without_season(season: Fit, fit_rest: Fit) -> Fit:
    """The forecast of the history freed of a season (T + H,), with the season put back."""

    def fit(history: History) -> FloatArray:
        whole = season(history)
        known, ahead = whole[: history.n], whole[history.n :]
        if history.is_positive:
            return fit_rest(_same_weeks(history, history.y / known)) * ahead
        return fit_rest(_same_weeks(history, history.y - known)) + ahead

    return fit


def _same_weeks(history: History, y: FloatArray) -> History:
    return History(y, history.h, y)
