"""The forecast of one item: every asked model, its intervals, and its accuracy on weeks held out.

Pure: arrays in, arrays out, the same input gives the same output. Letters: T weeks of history, H weeks ahead,
L interval levels.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from fcst.compute import metrics
from fcst.compute.auto import auto_forecast
from fcst.compute.models import AUTO, CATALOGUE, MEDIAN, Fit
from fcst.errors import ComputeError
from fcst.names import BENCHMARK, HOLDOUT_WEEKS
from fcst.specs import JobSpec

MIN_TRAINING_WEEKS = 13
"""Known weeks that must remain before the held-out ones for accuracy to be measured."""

TOO_SHORT = "too short a history"

NAMED_MODELS = 3
"""Models of a combination that are named with their weight; there may be two dozen."""

RECENT_WEEKS = 8
"""Weeks that the recent mean looks back."""


@dataclass(frozen=True)
class Forecast:
    """What one model says of one item.

    Parameters
    ----------
    mean
        (H,) expected units, not negative.
    lo, hi
        (L, H) bounds, levels ascending, 0 ≤ lo ≤ mean ≤ hi; wider levels enclose narrower ones.
    made_by
        what computed it.
    is_fallback
        it is not (or, for a combination, not in all its parts) by the model that was asked for.
    """

    mean: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    made_by: str
    is_fallback: bool


@dataclass(frozen=True)
class Score:
    """How one model did on the last `h` weeks, `n_weeks` of which are known; NaN is undefined: nothing was sold."""

    model: str
    h: int
    n_weeks: int
    wape: float
    bias: float
    abs_error: float
    error: float
    actual: float
    made_by: str
    is_fallback: bool


@dataclass(frozen=True)
class ItemForecast:
    """Forecasts by model name, scores, and in `note` what should be known of them, or an empty text."""

    forecasts: dict[str, Forecast]
    scores: list[Score]
    note: str


def forecast_item(y: np.ndarray, spec: JobSpec, tell: Callable[[str], None] = lambda made_by: None) -> ItemForecast:
    """Forecasts one item.

    Parameters
    ----------
    y
        (T,) weekly units up to the cutoff; NaN where a week is missing.
    tell
        is called with the name of each fit before it is made.

    Raises
    ------
    ComputeError
        if no week of the history is known.
    """
    known = fill_missing(y)
    forecasts, note = _forecast_all(known, spec.models, spec.h, spec.level, tell)
    scores = _score(y, spec, tell) if spec.n_windows else []
    return ItemForecast(forecasts, scores, note)


def fill_missing(y: np.ndarray) -> np.ndarray:
    """The history that models see: missing weeks interpolated, those before the first known one cut off.

    Raises
    ------
    ComputeError
        if no week is known.
    """
    weeks = np.flatnonzero(~np.isnan(y))
    if not len(weeks):
        raise ComputeError(
            "No week of its history is known: all its sales were promotional and left out.",
            "Load the dataset with promotions included to forecast it.",
        )
    start = weeks[0]
    return np.interp(np.arange(start, len(y)), weeks, y[weeks])


def _score(y: np.ndarray, spec: JobSpec, tell: Callable[[str], None]) -> list[Score]:
    """Accuracy on the last HOLDOUT_WEEKS, by models that saw only what came before."""
    train, held_out = y[:-HOLDOUT_WEEKS], y[-HOLDOUT_WEEKS:]
    if np.count_nonzero(~np.isnan(train)) < MIN_TRAINING_WEEKS or np.isnan(held_out).all():
        return []
    models = tuple(dict.fromkeys((*spec.models, BENCHMARK)))
    forecasts, _ = _forecast_all(fill_missing(train), models, HOLDOUT_WEEKS, (), tell)
    known = ~np.isnan(held_out)
    return [
        Score(
            model=name,
            h=HOLDOUT_WEEKS,
            n_weeks=int(known.sum()),
            wape=metrics.wape(held_out, forecast.mean),
            bias=metrics.bias(held_out, forecast.mean),
            abs_error=float(np.abs(forecast.mean - held_out)[known].sum()),
            error=float((forecast.mean - held_out)[known].sum()),
            actual=float(np.abs(held_out[known]).sum()),
            made_by=forecast.made_by,
            is_fallback=forecast.is_fallback,
        )
        for name, forecast in forecasts.items()
    ]


def _forecast_all(
    y: np.ndarray, models: tuple[str, ...], h: int, level: tuple[int, ...], tell: Callable[[str], None]
) -> tuple[dict[str, Forecast], str]:
    """The forecasts of `models`, and a note on the fits that did not work. Fits that models share are made once."""
    made: dict[str, Forecast | str] = {}

    def attempt(fit: Fit) -> Forecast | str:
        if fit.made_by not in made:
            tell(fit.made_by)
            made[fit.made_by] = _try_fit(fit, y, h, level)
        return made[fit.made_by]

    notes: list[str] = []
    forecasts = {}
    for name in models:
        if name == AUTO:
            forecasts[name], note = _auto(y, h, level, tell)
            notes += [f"{AUTO}: {note}"] if note else []
        else:
            forecasts[name] = _median(attempt) if name == MEDIAN else _single(attempt, name)
    return forecasts, "; ".join(filter(None, [*notes, _note(made, len(y))]))


def _auto(y: np.ndarray, h: int, level: tuple[int, ...], tell: Callable[[str], None]) -> tuple[Forecast, str]:
    """The forecast of Auto, and what should be known of it. The mean of a few weeks is told as a fallback."""
    found = auto_forecast(y, h, level, tell)
    if not found.weights:
        made_by = "Mean" if np.ptp(y) else "Constant"
        return replace(_tidy(found.mean, found.lo, found.hi, made_by), is_fallback=bool(np.ptp(y) > 0)), found.note
    shares = [f"{name} {share:.0%}" for name, share in list(found.weights.items())[:NAMED_MODELS]]
    others = [f"{len(found.weights) - len(shares)} more"] if len(found.weights) > len(shares) else []
    return _tidy(found.mean, found.lo, found.hi, ", ".join([*shares, *others])), found.note


def _note(made: dict[str, Forecast | str], n_weeks: int) -> str:
    """Why some fits were not used, in one sentence or none."""
    problems = {name: why for name, why in made.items() if isinstance(why, str)}
    short = [name for name, why in problems.items() if why == TOO_SHORT]
    parts = [f"a history of {n_weeks} weeks is too short for {', '.join(short)}"] if short else []
    parts += [f"{name} gave no forecast ({why})" for name, why in problems.items() if why != TOO_SHORT]
    return "; ".join(parts)


def _single(attempt: Callable[[Fit], Forecast | str], name: str) -> Forecast:
    reasons = []
    for number, fit in enumerate(CATALOGUE[name].fits):
        result = attempt(fit)
        if isinstance(result, Forecast):
            return replace(result, is_fallback=number > 0)
        reasons.append(f"{fit.made_by}: {result}")
    raise ComputeError(f"{name} could not be computed, nor what stands in for it ({'; '.join(reasons)}).")


def _median(attempt: Callable[[Fit], Forecast | str]) -> Forecast:
    """The median of all models, week by week; its bounds are the medians of their bounds, widened to hold it.

    A fallback that two models share counts once, and the recent mean only where there is nothing else.
    """
    singles = [_single(attempt, member) for member in CATALOGUE]
    members = {f.made_by: f for f in singles if f.made_by not in ("RecentMean", "Naive")} or {
        f.made_by: f for f in singles if f.made_by == "RecentMean"
    }
    mean = np.median([f.mean for f in members.values()], axis=0)
    return Forecast(
        mean=mean,
        lo=np.minimum(np.median([f.lo for f in members.values()], axis=0), mean),
        hi=np.maximum(np.median([f.hi for f in members.values()], axis=0), mean),
        made_by=f"{MEDIAN} of {', '.join(members)}" if len(members) > 1 else next(iter(members)),
        is_fallback=any(f.is_fallback for f in singles),
    )


def _try_fit(fit: Fit, y: np.ndarray, h: int, level: tuple[int, ...]) -> Forecast | str:
    """The forecast of one fit, or why there is none."""
    if len(y) < fit.min_history:
        return TOO_SHORT
    if fit.build is None:
        return _recent_mean(y, h, level)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = fit.build().forecast(y=y, h=h, level=list(level) or None)
    except Exception as exc:  # noqa: BLE001  a model may fail in any way; its fallback and the note tell of it
        return f"{type(exc).__name__}: {exc}"
    lo = np.array([result[f"lo-{percent}"] for percent in level]).reshape(len(level), h)
    hi = np.array([result[f"hi-{percent}"] for percent in level]).reshape(len(level), h)
    if not all(np.isfinite(part).all() for part in (result["mean"], lo, hi)):
        return "its forecast is not finite"
    return _tidy(result["mean"], lo, hi, fit.made_by)


def _recent_mean(y: np.ndarray, h: int, level: tuple[int, ...]) -> Forecast:
    """The mean of the last weeks, with normal bounds; a deviation below that of Poisson demand is not believed."""
    recent = y[-RECENT_WEEKS:]
    mean = max(float(recent.mean()), 0.0)
    deviation = max(float(recent.std()), mean**0.5)
    reach = np.array([NormalDist().inv_cdf(0.5 + percent / 200) for percent in level]).reshape(-1, 1) * deviation
    flat = np.full(h, mean)
    return _tidy(flat, flat - reach, flat + reach, "RecentMean")


def _tidy(mean: np.ndarray, lo: np.ndarray, hi: np.ndarray, made_by: str) -> Forecast:
    """Sales are not negative, bounds hold the forecast, wider levels enclose narrower ones."""
    mean = np.maximum(mean, 0.0)
    lo = np.minimum.accumulate(np.clip(lo, 0.0, mean), axis=0)
    hi = np.maximum.accumulate(np.maximum(hi, mean), axis=0)
    return Forecast(mean, lo, hi, made_by, is_fallback=False)
