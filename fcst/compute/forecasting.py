"""The forecast of one item: every asked model, its intervals, and how it did on windows of the past.

Pure: arrays in, arrays out, the same input gives the same output. Letters: T weeks of history, H weeks ahead,
L interval levels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from fcst.compute.accuracy import Accuracy, measure
from fcst.compute.auto import MIN_WEEKS, AutoForecast, auto_forecast, demand_class, rule_of
from fcst.compute.fits import TOO_SHORT
from fcst.compute.intervals import interval
from fcst.compute.models import AUTO, CATALOGUE_VERSION, INTERVAL_WINDOWS, LAST_RESORT, MEDIAN, MEDIAN_MEMBERS, chain
from fcst.compute.past import MIN_TRAINING_WEEKS, Past
from fcst.errors import ComputeError
from fcst.names import BENCHMARKS, HOLDOUT_WEEKS
from fcst.specs import JobSpec

Array = np.ndarray

NAMED_MODELS = 3
"""Models of a combination that are named with their weight; there may be two dozen."""


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

    mean: Array
    lo: Array
    hi: Array
    made_by: str
    is_fallback: bool


@dataclass(frozen=True)
class Backtest:
    """What one model said at an earlier cutoff, made of what was known then, and what came.

    Parameters
    ----------
    weeks_ago
        the weeks between the cutoff and the end of the history.
    y
        (HOLDOUT_WEEKS,) units sold; NaN where a week is missing.
    """

    model: str
    weeks_ago: int
    y: Array
    forecast: Forecast
    accuracy: Accuracy


@dataclass(frozen=True)
class ItemForecast:
    """Forecasts by model name, backtests, in `note` what should be known of them, or an empty text.

    `provenance` tells where the forecasts come from, as plain data: `catalogue` and `statsforecast` versions; by model
    `made_by`, `fallback` (why, or None) and `weeks_ago` of the windows behind weights and intervals; of Auto as well
    `demand_class`, `loss`, and `candidates`, each with `model, weight, score, forecast` and, where accuracy was
    measured, `n_weeks, abs_error, error, actual` over the windows. Weeks ago are counted from the end of the history.
    """

    forecasts: dict[str, Forecast]
    backtests: list[Backtest]
    note: str
    provenance: dict[str, Any]


def forecast_item(y: Array, spec: JobSpec, tell: Callable[[str], None] = lambda name: None) -> ItemForecast:
    """Forecasts one item.

    Parameters
    ----------
    y
        (T,) weekly units up to the cutoff; NaN where a week is missing.
    tell
        is called with the name of each model before it is fitted.

    Raises
    ------
    ComputeError
        if no week of the history is known.
    """
    past = Past(y, spec.h, tell)
    windows = past.measured_windows(spec.n_windows)
    forecasts, models = {}, {}
    auto_note, problems = "", dict[str, str]()
    for name in spec.models:
        if name == AUTO:
            found = auto_forecast(past, past.end, spec.level)
            forecasts[name], told = _of_auto(found, past.end), _tell_auto(past, found, windows)
            auto_note = why = f"{AUTO}: {found.note}" if found.note else ""
        else:
            forecasts[name], cutoffs, own_problems = _by_hand(past, past.end, name, spec.level)
            told = {"weeks_ago": [past.end - cutoff for cutoff in cutoffs]}
            why = _tell_problems(own_problems, past.end)
            problems |= own_problems
        forecast = forecasts[name]
        models[name] = {"made_by": forecast.made_by, "fallback": why if forecast.is_fallback else None, **told}
    backtests = [
        _backtest(past, cutoff, name, spec.level)
        for name in dict.fromkeys((*spec.models, *BENCHMARKS))
        for cutoff in windows
    ]
    provenance = {"catalogue": CATALOGUE_VERSION, "statsforecast": _library_version(), "models": models}
    note = "; ".join(filter(None, [auto_note, _tell_problems(problems, past.end)]))
    return ItemForecast(forecasts, backtests, note, provenance)


@cache
def _library_version() -> str:
    return version("statsforecast")


def _backtest(past: Past, cutoff: int, name: str, level: tuple[int, ...]) -> Backtest:
    if name == AUTO:
        forecast = _of_auto(auto_forecast(past, cutoff, level), cutoff)
    else:
        forecast, *_ = _by_hand(past, cutoff, name, level)
    y = past.window(cutoff)
    accuracy = measure(y, forecast.mean, forecast.lo, forecast.hi, level, past.y[:cutoff])
    return Backtest(name, past.end - cutoff, y, forecast, accuracy)


# Auto


def _of_auto(found: AutoForecast, cutoff: int) -> Forecast:
    """The mean of a few weeks is told as a fallback."""
    if not found.candidates:
        is_constant = cutoff >= MIN_WEEKS
        return _tidy(found.mean, found.lo, found.hi, "Constant" if is_constant else "Mean", not is_constant)
    shares = [f"{c.model} {c.weight:.0%}" for c in found.candidates[:NAMED_MODELS]]
    others = [f"{len(found.candidates) - len(shares)} more"] if len(found.candidates) > len(shares) else []
    return _tidy(found.mean, found.lo, found.hi, ", ".join([*shares, *others]), is_fallback=False)


def _tell_auto(past: Past, found: AutoForecast, windows: list[int]) -> dict[str, Any]:
    candidates = []
    for c in found.candidates:
        errors, sold = np.concatenate([np.zeros((2, 0)), *(_tried(past, w, c.model) for w in windows)], axis=1)
        told: dict[str, Any] = {"model": c.model, "weight": round(c.weight, 5), "score": _rounded(c.score)}
        told["forecast"] = [_rounded(v) for v in np.asarray(past.fits(past.end, is_capped=True).forecast(c.model))]
        if len(errors):
            sums = {"abs_error": np.abs(errors).sum(), "error": errors.sum(), "actual": np.abs(sold).sum()}
            told |= {"n_weeks": len(errors), **{key: _rounded(total) for key, total in sums.items()}}
        candidates.append(told)
    weeks_ago = [past.end - cutoff for cutoff in found.cutoffs]
    return {"weeks_ago": weeks_ago, "demand_class": found.demand, "loss": found.loss, "candidates": candidates}


def _tried(past: Past, cutoff: int, name: str) -> Array:
    """(2, ·) errors of a candidate, and units sold, in the known weeks of a window; none where it was not fitted."""
    forecast, y = past.fits(cutoff, is_capped=True).forecast(name), past.window(cutoff)
    if isinstance(forecast, str):
        return np.zeros((2, 0))
    return np.array([forecast - y, y])[:, ~np.isnan(y)]


def _rounded(value: float) -> float | None:
    """Five digits are enough to read; an undefined number is None."""
    return float(f"{value:.5g}") if np.isfinite(value) else None


# Models picked by hand


@dataclass(frozen=True)
class _Point:
    """A forecast (H,) without intervals, who made it, and of the models that did not, why."""

    mean: Array
    made_by: str
    is_fallback: bool
    problems: dict[str, str]


def _by_hand(past: Past, cutoff: int, name: str, level: tuple[int, ...]) -> tuple[Forecast, list[int], dict[str, str]]:
    """The forecast of a model after a cutoff, the windows behind its intervals, and who could not make it and why."""
    point = _point(past, cutoff, name)
    if not level:
        none = np.empty((0, len(point.mean)))
        return _tidy(point.mean, none, none, point.made_by, point.is_fallback), [], point.problems
    cutoffs = past.windows_before(cutoff, INTERVAL_WINDOWS, MIN_TRAINING_WEEKS)
    fitted = np.array([_point(past, c, name).mean for c in cutoffs]).reshape(-1, HOLDOUT_WEEKS)
    actual = np.array([past.window(c) for c in cutoffs]).reshape(-1, HOLDOUT_WEEKS)
    empirical = rule_of(demand_class(past.known(cutoff)), cutoff).empirical
    lo, hi = interval(past.y[:cutoff], point.mean, fitted, actual, cutoffs, level, empirical)
    return _tidy(point.mean, lo, hi, point.made_by, point.is_fallback), cutoffs, point.problems


def _point(past: Past, cutoff: int, name: str) -> _Point:
    return _median(past, cutoff) if name == MEDIAN else _single(past, cutoff, name)


def _single(past: Past, cutoff: int, name: str) -> _Point:
    problems: dict[str, str] = {}
    for made_by in chain(name):
        mean = past.fits(cutoff).forecast(made_by)
        if not isinstance(mean, str):
            return _Point(mean, made_by, made_by != name, problems)
        problems[made_by] = mean
    reasons = "; ".join(f"{made_by}: {why}" for made_by, why in problems.items())
    raise ComputeError(f"{name} could not be computed, nor what stands in for it ({reasons}).")


def _median(past: Past, cutoff: int) -> _Point:
    """The median, week by week. A fallback that two members share counts once, a last resort only by itself."""
    singles = [_single(past, cutoff, member) for member in MEDIAN_MEMBERS]
    members = {p.made_by: p.mean for p in singles if p.made_by not in (LAST_RESORT, "Naive")} or {
        p.made_by: p.mean for p in singles if p.made_by == LAST_RESORT
    }
    return _Point(
        np.median(list(members.values()), axis=0),
        f"{MEDIAN} of {', '.join(members)}" if len(members) > 1 else next(iter(members)),
        any(p.is_fallback for p in singles),
        {model: why for p in singles for model, why in p.problems.items()},
    )


def _tell_problems(problems: dict[str, str], n_weeks: int) -> str:
    """Why models were not used, in one sentence or none."""
    short = [name for name, why in problems.items() if why == TOO_SHORT]
    parts = [f"a history of {n_weeks} weeks is too short for {', '.join(short)}"] if short else []
    parts += [f"{name} gave no forecast ({why})" for name, why in problems.items() if why != TOO_SHORT]
    return "; ".join(parts)


def _tidy(mean: Array, lo: Array, hi: Array, made_by: str, is_fallback: bool) -> Forecast:
    """Sales are not negative, bounds hold the forecast, wider levels enclose narrower ones."""
    mean = np.maximum(mean, 0.0)
    lo = np.minimum.accumulate(np.clip(lo, 0.0, mean), axis=0)
    hi = np.maximum.accumulate(np.maximum(hi, mean), axis=0)
    return Forecast(mean, lo, hi, made_by, is_fallback)
