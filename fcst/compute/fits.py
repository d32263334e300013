"""How each model of the catalogue is computed from one history. Letters: T weeks of history, H steps.

`FITS` has the recipes; `Fits` makes each at most once, whoever asks, and tells why one cannot be made.
"""

import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from fcst.compute.models import CATALOGUE, TWO_YEARS
from fcst.compute.regressions import (
    fourier,
    harmonic_season,
    ridge_ar,
    seasonal_move,
    smooth_seasonal_naive,
)
from fcst.names import SEASON_LENGTH

Array = np.ndarray

TOO_SHORT = "too short a history"
MOST_TIMES = 100
"""A forecast beyond so many times the largest week of the history is no forecast."""


class Unfit(Exception):
    """A model does not suit this history; the text says why."""


class Fits:
    """The models fitted to one history.

    Parameters
    ----------
    y
        (T,) units, at least one week, all known.
    h
        H.
    tell
        is called with the name of each model before it is fitted.
    """

    def __init__(self, y: Array, h: int, tell: Callable[[str], None]) -> None:
        self.y, self.h, self.n = y, h, len(y)
        self.is_positive = bool(y.min() > 0)
        self._tell = tell
        self._made: dict[str, Array | str] = {}

    def forecast(self, name: str) -> Array | str:
        """(H,) the forecast of a model, or why there is none; not negative if no week of the history is."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    @property
    def problems(self) -> dict[str, str]:
        """Of the models that were asked for, those that gave no forecast, and why."""
        return {name: made for name, made in self._made.items() if isinstance(made, str)}

    def _make(self, name: str) -> Array | str:
        if self.n < CATALOGUE[name].min_history:
            return TOO_SHORT
        self._tell(name)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                mean = np.asarray(FITS[name](self), float)
        except Unfit as exc:
            return str(exc)
        except Exception as exc:  # noqa: BLE001  a model may fail in any way; the note tells of it
            return f"{type(exc).__name__}: {exc}"
        if not np.isfinite(mean).all():
            return "its forecast is not finite"
        if np.abs(mean).max() > MOST_TIMES * np.abs(self.y).max() + 1e-6:  # zeros may be forecast as almost zero
            return f"its forecast is over {MOST_TIMES} times the largest week"
        return np.maximum(mean, 0.0) if self.y.min() >= 0 else mean

    # What recipes are made of

    def flat(self, value: float) -> Array:
        return np.full(self.h, value)

    def library(self, name: str, z: Array | None = None, **options: Any) -> Array:
        """The forecast of a model of statsforecast, of this history or of `z` (T,)."""
        return self._library_model(name, **options).forecast(y=self.y if z is None else z, h=self.h)["mean"]

    def arima(self, k: int) -> Array:
        """AutoARIMA without a season of its own, with `k` pairs of waves of the year as regressors."""
        x = fourier(self.n + self.h, k, SEASON_LENGTH)
        model = self._library_model("AutoARIMA", season_length=1)
        return model.forecast(y=self.y, h=self.h, X=x[: self.n], X_future=x[self.n :])["mean"]

    def _library_model(self, name: str, **options: Any) -> Any:
        from fcst.compute.library import models  # takes seconds, and the supervisor imports this module

        return getattr(models, name)(**options)

    def ridge(self, p: int, k: int, z: Array | None = None, log: bool = True, **options: Any) -> Array:
        """Our regression on `p` weeks and `k` pairs of waves; of logs, unless there are weeks without sales."""
        z = self.y if z is None else z
        return ridge_ar(z, self.h, p, k, log=log and bool(z.min() > 0), season=SEASON_LENGTH, **options)

    def without(self, season: Array, model: Callable[[Array], Array]) -> Array:
        """The forecast that `model` makes of the history freed of `season` (T + H,), with it."""
        past, ahead = season[: self.n], season[self.n :]
        return model(self.y / past) * ahead if self.is_positive else model(self.y - past) + ahead

    @cached_property
    def stl(self) -> Array:
        """(T + H,) season by STL, changing slowly: factors of a positive series, addends of another."""
        from statsmodels.tsa.seasonal import STL

        z = np.log(self.y) if self.is_positive else self.y
        jumps = {"trend_jump": 9, "low_pass_jump": 6}  # a fifth of the time, and the season differs by 0.5 %
        s = STL(z, period=SEASON_LENGTH, seasonal=11, seasonal_deg=0, **jumps).fit().seasonal
        s = np.r_[s, np.resize(s[-SEASON_LENGTH:], self.h)]
        return np.exp(s) if self.is_positive else s

    @cached_property
    def waves(self) -> Array:
        """(T + H,) season by six pairs of waves, as `stl`."""
        return harmonic_season(self.y, self.h, 6, self.is_positive, SEASON_LENGTH)


def _log_seasonal_move(s: Fits) -> Array:
    if not s.is_positive:
        raise Unfit("weeks without sales have no logarithm")
    return np.exp(seasonal_move(np.log(s.y), s.h, SEASON_LENGTH))


def _ridge_raw(s: Fits) -> Array:
    if not s.is_positive:
        raise Unfit("where weeks have no sales it is RidgeAR-FH")
    return s.ridge(4, 4, log=False, lags=_LAST_YEAR, **_SLOW)


_LAST_YEAR = (SEASON_LENGTH, SEASON_LENGTH + 1)
_LAST_YEARS = (SEASON_LENGTH // 2, SEASON_LENGTH - 1, SEASON_LENGTH, SEASON_LENGTH + 1, 2 * SEASON_LENGTH)
_SLOW: dict[str, Any] = {"half_life": 4 * SEASON_LENGTH, "spans": (13, SEASON_LENGTH)}
_FAST: dict[str, Any] = {"half_life": 2 * SEASON_LENGTH, "spans": (13, SEASON_LENGTH)}

FITS: dict[str, Callable[[Fits], Array]] = {
    "Naive": lambda s: s.flat(s.y[-1]),
    "SeasonalNaive": lambda s: np.resize(s.y[-SEASON_LENGTH:], s.h),
    "RandomWalkWithDrift": lambda s: s.y[-1] + (s.y[-1] - s.y[0]) / (s.n - 1) * np.arange(1, s.h + 1),
    "WindowAverage": lambda s: s.flat(s.y[-8:].mean()),
    "WindowAverage(26)": lambda s: s.flat(s.y[-26:].mean()),
    "SmoothSeasonalNaive": lambda s: smooth_seasonal_naive(s.y, s.h, SEASON_LENGTH),
    "LogSeasonalMove": _log_seasonal_move,
    "SES": lambda s: s.library("SimpleExponentialSmoothingOptimized"),
    "AutoETS": lambda s: s.library("AutoETS", season_length=1),
    "AutoETS(A)": lambda s: s.library("AutoETS", season_length=1, model="AZN"),
    "DynamicOptimizedTheta(1)": lambda s: s.library("DynamicOptimizedTheta", season_length=1),
    "DynamicOptimizedTheta": lambda s: s.library("DynamicOptimizedTheta", season_length=SEASON_LENGTH),
    "AutoCES(1)": lambda s: s.library("AutoCES", season_length=1, model="N"),
    "AutoCES": lambda s: s.library("AutoCES", season_length=SEASON_LENGTH),
    "AutoARIMA": lambda s: s.library("AutoARIMA", season_length=1),
    "AutoARIMA-Fourier": lambda s: s.arima(3),
    "MSTL": lambda s: s.library("MSTL", season_length=SEASON_LENGTH),
    "MFLES": lambda s: s.library("MFLES", season_length=SEASON_LENGTH if s.n >= TWO_YEARS else None),
    "STL-ETS": lambda s: s.without(s.stl, lambda z: s.library("AutoETS", z, season_length=1, model="AZN")),
    "STL-AR": lambda s: s.without(s.stl, lambda z: s.ridge(8, 0, z)),
    "Harmonic6-SES": lambda s: s.without(s.waves, lambda z: s.library("SimpleExponentialSmoothingOptimized", z)),
    "Harmonic6-AR": lambda s: s.without(s.waves, lambda z: s.ridge(8, 0, z)),
    "RidgeAR": lambda s: s.ridge(8, 0),
    "RidgeAR-F1": lambda s: s.ridge(8, 1),
    "RidgeAR-F3": lambda s: s.ridge(8, 3),
    "RidgeAR-FL": lambda s: s.ridge(4, 4, lags=_LAST_YEAR),
    "RidgeAR-FK": lambda s: s.ridge(4, 6, lags=_LAST_YEAR, rising=True),
    "RidgeAR-FH": lambda s: s.ridge(4, 4, lags=_LAST_YEAR, **_FAST),
    "RidgeAR-FLong": lambda s: s.ridge(8, 6, lags=_LAST_YEARS, **_SLOW),
    "RidgeAR-Raw": _ridge_raw,
    "CrostonSBA": lambda s: s.library("CrostonSBA"),
    "TSB": lambda s: s.library("TSB", alpha_d=0.2, alpha_p=0.2),
    "ADIDA": lambda s: s.library("ADIDA"),
    "IMAPA": lambda s: s.library("IMAPA"),
}
"""Model -> how it is computed."""
