"""Forecast of one item by each model of a run, with intervals, backtests and provenance.

Deterministic. Letters: H weeks ahead, L interval levels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from fcst.compute.accuracy import Accuracy, measure
from fcst.compute.auto import MIN_WEEKS, AutoForecast, Parts, auto_forecast, rule_of
from fcst.compute.effects import describe
from fcst.compute.fits import TOO_SHORT, Fits, NoFit
from fcst.compute.history import MIN_TRAINING_WEEKS, History, SeriesHistories
from fcst.compute.intervals import interval, lifted, widened
from fcst.compute.learning import Learned, parts_of
from fcst.compute.lifecycles import at_level
from fcst.compute.models import (
    AUTO,
    CATALOGUE,
    CATALOGUE_VERSION,
    INTERVAL_WINDOWS,
    LAST_RESORT,
    MEDIAN,
    MEDIAN_MODELS,
    chain,
    season_from,
)
from fcst.compute.series import Series
from fcst.compute.signals import level_shift
from fcst.compute.stockouts import BoolArray
from fcst.errors import ComputeError
from fcst.lifecycles import Origin
from fcst.names import BENCHMARKS, HOLDOUT_WEEKS, SEASON_LENGTH
from fcst.records import FloatArray, LostSales, Signals
from fcst.specs import JobSpec

NAMED_MODELS = 3
"""Number of models in a combination that `made_by` names with their weights; there may be two dozen."""

SHOWN_WEEKS = 104
"""Maximum number of borrowed weeks kept for display before an item's own weeks: two years."""

NOTHING_LEARNED: Mapping[int, Learned] = {}


@dataclass(frozen=True)
class Forecast:
    """The forecast of one model for one item.

    Parameters
    ----------
    mean
        (H,) expected units, not negative.
    lo, hi
        (L, H) bounds, levels ascending, 0 ≤ lo ≤ mean ≤ hi; wider levels enclose narrower ones.
    made_by
        description of the models that computed it.
    heaviest
        model with the largest weight; the model itself if there is only one.
    is_fallback
        a fallback computed the forecast, or a part of a combination.
    baseline, uplift
        (H,) expected units without effects of drivers, and their multipliers; 1 without effects.
    """

    mean: FloatArray
    lo: FloatArray
    hi: FloatArray
    made_by: str
    heaviest: str
    is_fallback: bool
    baseline: FloatArray
    uplift: FloatArray


@dataclass(frozen=True)
class Backtest:
    """Forecast of one model after an earlier cutoff, from the history at that cutoff, with actuals and accuracy.

    Parameters
    ----------
    cutoff
        last day of the last known week.
    y
        (HOLDOUT_WEEKS,) actual units of the weeks after it; NaN is a missing week.
    """

    model: str
    cutoff: date
    y: FloatArray
    forecast: Forecast
    accuracy: Accuracy


@dataclass(frozen=True)
class ItemForecast:
    """Forecasts of one item by model, and its backtests.

    `note` describes irregularities, or is empty. `first_wk_end_dt` is the last day of the first forecast week. `lost`
    are sales lost to stock-outs. `signals` are findings in the history that need a planner's attention.

    `provenance` records as plain data how the forecasts were made:

    - `catalogue` and `statsforecast`: versions.
    - by model: `made_by`, `fallback` (reason, or None), and `weeks_ago` of the windows behind weights and intervals,
      counted from the end of the history.
    - of Auto also `demand_class`, `loss` and `candidates`, each with `model, weight, score, forecast` and, where
      accuracy was measured, `n_weeks, abs_error, error, actual` over the windows. With effects of drivers, `score` is
      of the baseline; all other values are in units.
    - `effects` of drivers: `driver`, `kind`, `shift` (1: the week after, -1: the week before), the `coefficient` of the
      logarithm of units, its standard `error`, and the effect in `percent` (at `drivers.SHOWN_AT`).
    - `borrowed`, if the history starts with that of other items: the `sources`, up to SHOWN_WEEKS of their `units`, and
      how many `weeks_ago` these end.
    """

    first_wk_end_dt: date
    forecasts: dict[str, Forecast]
    backtests: list[Backtest]
    note: str
    provenance: dict[str, Any]
    lost: LostSales
    signals: Signals


def forecast_item(
    series: Series,
    spec: JobSpec,
    learned: Mapping[int, Learned] = NOTHING_LEARNED,
    on_progress: Callable[[str], None] = lambda model: None,
) -> ItemForecast:
    """Forecast one item.

    Parameters
    ----------
    learned
        weeks before the end -> parts learned across items at that cutoff, as `learning.learn` returns them. Without
        them drivers are not used, and Auto uses only the item's own history.
    on_progress
        called with the name of each model before it is fitted.

    Raises
    ------
    ComputeError
        if no week of the series is known.
    """
    histories = SeriesHistories(series, spec.h, {weeks_ago: known.effects for weeks_ago, known in learned.items()})
    item = _Item(histories, Fits(on_progress), spec.level, parts_of(learned, histories))
    end, windows = item.histories.end, item.histories.measured_windows(spec.n_windows)
    forecasts, models = {}, {}
    auto_note, failures = "", dict[str, NoFit]()
    for name in spec.models:
        if name == AUTO:
            found = item.auto(end)
            forecasts[name], details = item.of_auto(found, end), _describe_auto(item, found, windows)
            auto_note = reason = f"{AUTO}: {found.note}" if found.note else ""
        else:
            forecasts[name], cutoffs, own_failures = item.by_name(end, name)
            details = {"weeks_ago": [end - cutoff for cutoff in cutoffs]}
            reason = _describe_failures(own_failures, histories.at(end).n)
            failures |= own_failures
        forecast = forecasts[name]
        models[name] = {"made_by": forecast.made_by, "fallback": reason if forecast.is_fallback else None, **details}
    names = dict.fromkeys((*spec.models, *BENCHMARKS))
    backtests = [item.backtest(cutoff, name) for name in names for cutoff in windows]
    provenance = {"catalogue": CATALOGUE_VERSION, "statsforecast": _statsforecast_version(), "models": models}
    if (fitted := item.histories.effects_at(end)) is not None:
        provenance["effects"] = describe(fitted)
    lost, lost_note = _lost_sales(histories, spec.skips_stockouts)
    notes = (auto_note, _describe_failures(failures, histories.at(end).n), lost_note, _describe_life(histories))
    note = "; ".join(filter(None, notes))
    if histories.life.n_borrowed:
        provenance["borrowed"] = _describe_borrowed(histories)
    return ItemForecast(series.wk_end_dt(-1), forecasts, backtests, note, provenance, lost, _signals(histories))


@cache
def _statsforecast_version() -> str:
    return version("statsforecast")


class _Item:
    """Shared state of one item's forecasts: histories, fitted models, interval levels and learned parts."""

    def __init__(self, histories: SeriesHistories, fits: Fits, level: tuple[int, ...], parts: Parts) -> None:
        self.histories, self.fits, self.level, self.parts = histories, fits, level, parts

    def uplift(self, cutoff: int) -> FloatArray | float:
        """(H,) multipliers of the weeks after a cutoff; 1.0 without effects."""
        effects = self.histories.effects_at(cutoff)
        return 1.0 if effects is None else effects.multipliers[cutoff:]

    def auto(self, cutoff: int) -> AutoForecast:
        return auto_forecast(self.histories, self.fits, cutoff, self.level, self.parts)

    def candidate(self, cutoff: int, name: str) -> FloatArray | NoFit:
        """(H,) forecast of a candidate of Auto, or of a part learned across items."""
        if name in CATALOGUE:
            return self.fits.forecast(name, self.histories.at(cutoff).capped)
        return self.parts(cutoff).get(name, TOO_SHORT)

    def by_name(self, cutoff: int, name: str) -> tuple[Forecast, list[int], dict[str, NoFit]]:
        """Return the forecast of a model other than Auto, the windows of its intervals, and the failed models."""
        history = self.histories.at(cutoff)
        point = _point(self.fits, history, name)
        if not self.level:
            none = np.empty((0, history.h))
            return self._of_point(cutoff, point, none, none), [], point.failures
        cutoffs = self.histories.windows_before(cutoff, INTERVAL_WINDOWS, MIN_TRAINING_WEEKS)
        means = [_point(self.fits, self.histories.at(earlier), name).mean for earlier in cutoffs]
        fitted, actual = np.array(means).reshape(-1, HOLDOUT_WEEKS), self.histories.actuals(cutoffs)
        since = self.histories.since_launch(cutoff, cutoffs)
        empirical = rule_of(history.demand, history.n).empirical
        lo, hi = interval(history, point.mean, fitted, actual, since, self.level, empirical, season_from(name))
        return self._of_point(cutoff, point, lo, hi), cutoffs, point.failures

    def backtest(self, cutoff: int, name: str) -> Backtest:
        if name == AUTO:
            forecast = self.of_auto(self.auto(cutoff), cutoff)
        else:
            forecast, *_ = self.by_name(cutoff, name)
        y, units = self.histories.sold(cutoff), self.histories.y[:cutoff]
        accuracy = measure(y, forecast.mean, forecast.lo, forecast.hi, self.level, units)
        return Backtest(name, self.histories.wk_end_dt(cutoff), y, forecast, accuracy)

    def of_auto(self, found: AutoForecast, cutoff: int) -> Forecast:
        """Convert a forecast of Auto; the mean of a very short series counts as a fallback."""
        if not found.candidates:
            is_constant = self.histories.at(cutoff).n >= MIN_WEEKS
            made_by = "Constant" if is_constant else "Mean"
            return self._in_units(cutoff, found.mean, found.lo, found.hi, made_by, made_by, not is_constant)
        shares = [f"{c.model} {c.weight:.0%}" for c in found.candidates[:NAMED_MODELS]]
        others = [f"{len(found.candidates) - len(shares)} more"] if len(found.candidates) > len(shares) else []
        made_by, heaviest = ", ".join([*shares, *others]), found.candidates[0].model
        return self._in_units(cutoff, found.mean, found.lo, found.hi, made_by, heaviest, is_fallback=False)

    def _of_point(self, cutoff: int, point: "_Point", lo: FloatArray, hi: FloatArray) -> Forecast:
        return self._in_units(cutoff, point.mean, lo, hi, point.made_by, point.made_by, point.is_fallback)

    def _in_units(
        self, cutoff: int, mean: FloatArray, lo: FloatArray, hi: FloatArray,
        made_by: str, heaviest: str, is_fallback: bool,
    ) -> Forecast:  # fmt: skip
        """Convert a forecast from the scale of the history to units, with the effects of drivers.

        Clips units at 0, makes bounds enclose the forecast and wider levels enclose narrower ones.
        """
        mean = np.maximum(mean, 0.0)
        lo = np.minimum.accumulate(np.minimum(np.maximum(lo, 0.0), mean), axis=0)
        hi = np.maximum.accumulate(np.maximum(hi, mean), axis=0)
        if level_error := self.histories.level_error(cutoff):
            lo, hi = widened(mean, lo, hi, level_error, self.level)
        effects, uplift = self.histories.effects_at(cutoff), np.ones(len(mean))
        if effects is not None:
            uplift, log_error = effects.multipliers[cutoff:], effects.log_errors[cutoff:]
            lo, hi = lifted(mean, lo, hi, uplift, log_error, self.level)
        share = self.histories.is_sold(cutoff)
        baseline, lo, hi = mean * share, lo * share, hi * share
        return Forecast(baseline * uplift, lo, hi, made_by, heaviest, is_fallback, baseline, uplift)


def _signals(histories: SeriesHistories) -> Signals:
    own = histories.y[histories.life.n_borrowed :]
    history = histories.at(histories.end)
    capped = (history.y - history.capped.y)[-SEASON_LENGTH:]
    return Signals(
        level_shift=level_shift(own),
        recent_stockouts=int(histories.suspected()[-HOLDOUT_WEEKS:].sum()),
        capped_units=float(capped.sum()),
    )


def _lost_sales(histories: SeriesHistories, skips: bool) -> tuple[LostSales, str]:
    """Return lost sales in known and suspected stock-outs, and a note about them, or an empty text."""
    known, suspected, notes = histories.out_of_stock(), histories.suspected(), []
    n_known, n_suspected = int(known.sum()), int(suspected.sum())
    units = histories.lost_units(known)
    if n_known:
        estimate = f"about {units:,.0f} more units would have sold; the forecast is of demand"
        notes.append(f"out of stock in {_count_weeks(n_known)}: {estimate}")
    lost = LostSales(n_known, units, n_suspected)
    if n_suspected:
        is_one = n_suspected == 1
        text = f"{_count_weeks(n_suspected)} without a sale {'looks' if is_one else 'look'} like "
        text += f"{'a stock-out' if is_one else 'stock-outs'} ({_describe_runs(histories, suspected)}) and "
        if skips:
            units = histories.lost_units(suspected)
            lost = LostSales(n_known + n_suspected, lost.units + units, n_suspected)
            text += f"{'counts' if is_one else 'count'} as missing; about {units:,.0f} more units would have sold; "
            text += "the forecast is of demand"
        else:
            text += f"{'counts' if is_one else 'count'} as zero demand"
        notes.append(text)
    return lost, "; ".join(notes)


def _count_weeks(n: int) -> str:
    return "1 week" if n == 1 else f"{n} weeks"


def _describe_runs(histories: SeriesHistories, suspected: BoolArray) -> str:
    """Describe the dates of the suspected weeks: week-ending dates of the only run, or the number of runs and the last.

    A run here is a sequence of consecutive weeks.
    """
    weeks = np.flatnonzero(suspected)
    starts = weeks[np.diff(weeks, prepend=-2) > 1]
    first, last = (histories.wk_end_dt(int(week) + 1) for week in (starts[-1], weeks[-1]))
    when = f"{first}" if first == last else f"{first} to {last}"
    return when if len(starts) == 1 else f"in {len(starts)} runs, the last {when}"


def _describe_life(histories: SeriesHistories) -> str:
    """Describe launch, last day of sale and borrowed history of an item, or return an empty text."""
    life, parts = histories.life, list[str]()
    if life.n_borrowed and life.origin is not None:
        kind = "its predecessor" if life.origin is Origin.PREDECESSOR else "the like item"
        kind += "s" if len(life.sources) > 1 else ""
        until = histories.wk_end_dt(life.n_borrowed)
        parts.append(f"its history up to {until} is that of {kind} {', '.join(life.sources)}")
    if n_before := histories.launch(histories.end):
        launch = histories.wk_end_dt(n_before + 1)
        parts.append(f"launched in the week to {launch}: the few sales in the {n_before} weeks before are left out")
    if life.launch is not None and life.launch > histories.wk_end_dt(histories.end):
        parts.append(f"sold from {life.launch}")
    if life.last_day is not None:
        parts.append(f"sold until {life.last_day}")
    return "; ".join(parts)


def _describe_borrowed(histories: SeriesHistories) -> dict[str, Any]:
    """Return the borrowed weeks before the item's own history, as the models used them."""
    life, end = histories.life, histories.end
    units = at_level(histories.y, life, end)[: life.n_borrowed][-SHOWN_WEEKS:]
    return {
        "sources": list(life.sources),
        "weeks_ago": end - life.n_borrowed,
        "units": [_rounded(value) for value in units.tolist()],
    }


# Auto


def _describe_auto(item: _Item, found: AutoForecast, windows: list[int]) -> dict[str, Any]:
    end, candidates = item.histories.end, []
    for c in found.candidates:
        entry: dict[str, Any] = {"model": c.model, "weight": round(c.weight, 5), "score": _rounded(c.score)}
        mean = item.candidate(end, c.model)
        ahead = item.uplift(end) * item.histories.is_sold(end)
        units = [] if isinstance(mean, NoFit) else (mean * ahead).tolist()
        entry["forecast"] = [_rounded(value) for value in units]
        tried = [_errors_and_actual(item, cutoff, c.model) for cutoff in windows]
        errors, actual = np.concatenate([np.zeros((2, 0)), *tried], axis=1)
        if len(errors):
            sums = {"abs_error": np.abs(errors).sum(), "error": errors.sum(), "actual": np.abs(actual).sum()}
            entry |= {"n_weeks": len(errors), **{key: _rounded(total) for key, total in sums.items()}}
        candidates.append(entry)
    weeks_ago = [end - cutoff for cutoff in found.cutoffs]
    return {"weeks_ago": weeks_ago, "demand_class": found.demand, "loss": found.loss, "candidates": candidates}


def _errors_and_actual(item: _Item, cutoff: int, model: str) -> FloatArray:
    """(2, ·) errors of a candidate and units sold in the known weeks of a window; empty if it was not fitted."""
    mean, y = item.candidate(cutoff, model), item.histories.sold(cutoff)
    if isinstance(mean, NoFit):
        return np.zeros((2, 0))
    return np.array([mean * item.uplift(cutoff) - y, y])[:, ~np.isnan(y)]


def _rounded(value: float) -> float | None:
    """Round to five significant digits; None for an undefined number."""
    return float(f"{value:.5g}") if np.isfinite(value) else None


# Single models and the median


@dataclass(frozen=True)
class _Point:
    """A point forecast (H,), the model that made it, and the models that failed."""

    mean: FloatArray
    made_by: str
    is_fallback: bool
    failures: dict[str, NoFit]


def _point(fits: Fits, history: History, name: str) -> _Point:
    return _median(fits, history) if name == MEDIAN else _single(fits, history, name)


def _single(fits: Fits, history: History, name: str) -> _Point:
    """Forecast by a model, or by its first fallback that can be fitted."""
    failures: dict[str, NoFit] = {}
    for made_by in chain(name):
        mean = fits.forecast(made_by, history)
        if not isinstance(mean, NoFit):
            return _Point(mean, made_by, made_by != name, failures)
        failures[made_by] = mean
    reasons = "; ".join(f"{made_by}: {failure.reason}" for made_by, failure in failures.items())
    raise ComputeError(f"Neither {name} nor its fallbacks could be computed ({reasons}).")


def _median(fits: Fits, history: History) -> _Point:
    """Forecast by the weekly median of models.

    A fallback shared by two models counts once. Naive and the last resort count only if there is no other forecast.
    """
    singles = [_single(fits, history, name) for name in MEDIAN_MODELS]
    means = {p.made_by: p.mean for p in singles if p.made_by not in (LAST_RESORT, "Naive")} or {
        p.made_by: p.mean for p in singles if p.made_by == LAST_RESORT
    }
    return _Point(
        np.median(list(means.values()), axis=0),
        f"{MEDIAN} of {', '.join(means)}" if len(means) > 1 else next(iter(means)),
        any(p.is_fallback for p in singles),
        {model: failure for p in singles for model, failure in p.failures.items()},
    )


def _describe_failures(failures: dict[str, NoFit], n_weeks: int) -> str:
    """Describe why models failed, or return an empty text."""
    if not failures:
        return ""
    short = [name for name, failure in failures.items() if failure == TOO_SHORT]
    parts = [f"a history of {n_weeks} weeks is too short for {', '.join(short)}"] if short else []
    others = {name: failure.reason for name, failure in failures.items() if failure != TOO_SHORT}
    return "; ".join([*parts, *(f"{name} gave no forecast ({reason})" for name, reason in others.items())])
