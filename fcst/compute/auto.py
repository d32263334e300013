"""Auto: a weighted combination of models, by their errors in backtests of the series itself. No randomness.

1. Isolated huge weeks that no other year has are capped in what models see; errors are measured on the actual weeks.
2. Demand class and length decide the candidates.
3. Up to four windows of 13 weeks before the end, the first of them a year ago, in the forecast's own season: every
   candidate is fitted on what precedes the window.
4. A candidate's weight falls with its backtest error, relative to the median candidate's and shrunk to it. Seasonal
   ones are weighted as well by what last year's move was worth over three years: a few windows show little of a season.
   In a short pool they are few, and weigh more, so that as a group they are not outvoted.
5. The forecast is, step by step, the weighted mean of the middle half of the weight, of logs where all are positive.
6. With two years of history, and up to half a year more, no two windows can try what needs two years. There half of
   the forecast is the median of a few models that do well on most series.
7. Parts that were learnt across items (`learning`) stand beside the combination, not among its candidates. All
   begin with equal shares (parts with less in histories of over five years), which fall with the error in the same
   windows. There the pool is smaller, at a third of the cost. Sparse items have no such parts.
8. Intervals come from the errors of the forecast in each window, with weights from the other windows.

The constants were chosen by backtest on the training parts of several sets; one of them, the pool of short smooth
series, after a test part had shown a gap. Letters: T weeks of history, H steps, C candidates, W windows, L levels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from fcst.compute.demand import SPARSE_CLASSES
from fcst.compute.fits import Fits, NoFit
from fcst.compute.history import SeriesHistories
from fcst.compute.intervals import interval
from fcst.compute.models import (
    AUTO_MIN_TRAINING,
    AUTO_WINDOWS,
    CATALOGUE,
    LEARNED_WINDOWS,
    TWO_YEARS,
    auto_median,
    auto_pool,
)
from fcst.compute.regressions import moving_mean
from fcst.names import ENDED_AFTER_WEEKS, HOLDOUT_WEEKS, SEASON_LENGTH
from fcst.records import FloatArray

BoolArray = npt.NDArray[np.bool_]

Parts = Callable[[int], Mapping[str, FloatArray]]
"""What parts that were learnt across items forecast of this one after a cutoff: part -> (H,) units."""

MIN_WEEKS = 8
"""Fewer weeks are forecast by their mean."""

KEEP = 0.5
"""The share of the weight, in the middle, that makes the forecast."""

BLEND_POWER = 3.0
"""By which the share of a learned part falls with its error."""

EQUAL_UP_TO = 5 * SEASON_LENGTH
"""Weeks of history up to which learned parts begin with the same share as the combination; beyond it they have less."""

LONG_PAUSE = 13
"""Weeks without a sale, in an item that sells more often than once a month, that are worth a note."""


@dataclass(frozen=True)
class Rule:
    """How a pool is combined.

    Parameters
    ----------
    pool
        names of the candidates that are weighed.
    median
        names of those whose median is half of the forecast; empty where it is none of it.
    loss
        of the backtest: `absolute` or `squared`.
    power
        by which a weight falls with the error.
    seasonal
        by which a seasonal candidate's weight is multiplied, before anything is known of the season.
    empirical
        how much of the intervals' shape is that of the errors of simple forecasts; the rest is Student's.
    """

    pool: tuple[str, ...]
    median: tuple[str, ...]
    loss: str
    power: float
    seasonal: float
    empirical: float


@dataclass(frozen=True)
class Candidate:
    """One model in Auto's combination.

    Parameters
    ----------
    weight
        its share, by its weight and as one of those whose median is taken; all shares sum to 1.
    score
        its backtest error in units, by the rule's loss (mean absolute, or root mean squared); NaN without a window.
    """

    model: str
    weight: float
    score: float


@dataclass(frozen=True)
class AutoForecast:
    """The forecast of Auto for one series.

    Parameters
    ----------
    mean
        (H,) expected units.
    lo, hi
        (L, H) bounds, in the order of the levels asked; wider levels enclose narrower ones.
    candidates
        the models in it, the heaviest first; empty where the series is constant or has too few weeks.
    cutoffs
        of the windows in which they were backtested.
    demand
        the demand class, by which they were chosen.
    loss
        what the backtest scored, `absolute` or `squared` errors.
    note
        what is odd about the history and what was done about it, or an empty text.
    """

    mean: FloatArray
    lo: FloatArray
    hi: FloatArray
    candidates: tuple[Candidate, ...]
    cutoffs: tuple[int, ...]
    demand: str
    loss: str
    note: str


def auto_forecast(
    histories: SeriesHistories, fits: Fits, cutoff: int, level: Sequence[int], learned: Parts | None = None
) -> AutoForecast:
    """Forecasts the weeks after a cutoff.

    Parameters
    ----------
    level
        interval levels in percent, each from 1 to 99.
    learned
        parts that were learnt across items; of smooth and erratic items they are in the forecast.
    """
    history = histories.at(cutoff)
    y, demand, capped = history.y, history.demand, history.capped
    parts = learned(cutoff) if learned and demand not in SPARSE_CLASSES else {}
    rule = rule_of(demand, len(y), bool(parts))
    if len(y) < MIN_WEEKS or np.ptp(y) == 0:
        mean, lo, hi, note = _plain(y, history.h, level)
        return AutoForecast(mean, lo, hi, (), (), demand, rule.loss, note)
    asked = dict.fromkeys((*rule.pool, *rule.median))
    final = {name: f for name in asked if not isinstance(f := fits.forecast(name, capped), NoFit)}
    names = list(final)
    cutoffs = histories.windows_before(cutoff, LEARNED_WINDOWS if parts else AUTO_WINDOWS, AUTO_MIN_TRAINING)
    made = forecast_windows(histories, fits, names, cutoffs)
    actual = histories.actuals(cutoffs)
    tilt = tilt_of(y, names, rule)
    weights = backtest_weights(made, actual, rule, tilt)
    in_median = np.isin(names, rule.median)
    mean = combined(np.array(list(final.values())), weights, in_median)
    fitted = _fitted(made, actual, rule, tilt, in_median)
    scores = _scores(made, actual, rule)
    shares = (weights + in_median / in_median.sum()) / 2 if in_median.any() else weights
    if learned and parts:
        tried = _forecast_parts(learned, list(parts), cutoffs, fitted)
        prior = np.r_[1.0, np.full(len(parts), min(1.0, EQUAL_UP_TO / len(y)))]
        mean, fitted, beside = _blended(np.array([mean, *parts.values()]), tried, actual, prior)
        names, shares = [*names, *parts], np.r_[shares * beside[0], beside[1:]]
        scores = np.r_[scores, _scores(tried[:, 1:], actual, rule)]
    since = histories.since_launch(cutoff, cutoffs)
    lo, hi = interval(history, mean, fitted, actual, since, level, rule.empirical, TWO_YEARS)
    ordered = sorted(zip(names, shares.tolist(), scores.tolist(), strict=True), key=lambda share: -share[1])
    candidates = tuple(Candidate(*share) for share in ordered)
    note = _note(y, cutoffs, n_capped=int((capped.y != y).sum()))
    return AutoForecast(mean, lo, hi, candidates, tuple(cutoffs), demand, rule.loss, note)


def forecast_windows(
    histories: SeriesHistories, fits: Fits, names: Sequence[str], cutoffs: Sequence[int]
) -> FloatArray:
    """(W, C, HOLDOUT_WEEKS) what candidates forecast after some cutoffs; NaN where one cannot be fitted before it."""
    made = np.full((len(cutoffs), len(names), HOLDOUT_WEEKS), np.nan)
    for w, cutoff in enumerate(cutoffs):
        for c, name in enumerate(names):
            forecast = fits.forecast(name, histories.at(cutoff).capped)
            if not isinstance(forecast, NoFit):
                made[w, c] = forecast
    return made


def _forecast_parts(learned: Parts, names: Sequence[str], cutoffs: Sequence[int], fitted: FloatArray) -> FloatArray:
    """(W, 1 + P, HOLDOUT_WEEKS) the combination in each window and what parts forecast there; NaN where none was
    learned."""
    unknown = np.full(HOLDOUT_WEEKS, np.nan)
    rows = [[own, *(learned(c).get(name, unknown) for name in names)] for c, own in zip(cutoffs, fitted, strict=True)]
    return np.array(rows).reshape(len(cutoffs), 1 + len(names), HOLDOUT_WEEKS)


def _blended(
    forecasts: FloatArray, tried: FloatArray, actual: FloatArray, prior: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The combination and learned parts together.

    Parameters
    ----------
    forecasts
        (1 + P, H) the combination and the parts.
    tried, actual
        (W, 1 + P, HOLDOUT_WEEKS) the same in each window, NaN where a part was not learned; and what was sold.
    prior
        (1 + P,) weights before any error is known.

    Returns
    -------
    tuple
        (H,) the forecast; (W, HOLDOUT_WEEKS) the same in each window, with shares from the others; (1 + P,) shares.
    """
    shares, fitted = blend_shares(tried, actual, prior), np.empty_like(actual)
    for w in range(len(tried)):
        shares_of_others = blend_shares(np.delete(tried, w, 0), np.delete(actual, w, 0), prior)
        own = shares_of_others * np.isfinite(tried[w]).all(1)
        fitted[w] = own @ np.nan_to_num(tried[w]) / own.sum()
    return shares @ forecasts, fitted, shares


def blend_shares(tried: FloatArray, actual: FloatArray, prior: FloatArray) -> FloatArray:
    """(1 + P,) shares that sum to 1: as the prior, and less with the mean absolute error relative to the combination's.

    The relative error counts as if one more window had shown no difference.
    """
    error = _errors(tried, actual, "absolute")
    is_tried = np.isfinite(error)
    n, own = is_tried.sum(0), np.where(is_tried, error[:, :1], 0.0).sum(0)
    relative = (n * np.where(is_tried, error, 0.0).sum(0) / (own + 1e-9) + 1.0) / (n + 1.0)
    weights = prior * (relative + 0.02) ** -BLEND_POWER
    shares: FloatArray = weights / weights.sum()
    return shares


def _scores(made: FloatArray, actual: FloatArray, rule: Rule) -> FloatArray:
    """(C,) mean loss over the windows in which a candidate was tried, in units; NaN without one."""
    e = _errors(made, actual, rule.loss)
    seen = np.isfinite(e).sum(0)
    mean = np.divide(np.nansum(e, 0), seen, out=np.full(e.shape[1], np.nan), where=seen > 0)
    return np.asarray(np.sqrt(mean) if rule.loss == "squared" else mean)


def _errors(made: FloatArray, actual: FloatArray, loss: str) -> FloatArray:
    """(W, C) mean loss over the known weeks of each window."""
    e = made - actual[:, None]
    is_known = ~np.isnan(actual)[:, None]
    losses = np.where(is_known, np.abs(e) if loss == "absolute" else e * e, 0.0)
    errors: FloatArray = losses.sum(2) / is_known.sum(2)
    return errors


def tilt_of(y: FloatArray, names: list[str], rule: Rule) -> FloatArray:
    """(C,) factors of the weights: lower for seasonal candidates where last year's move is worth little; 0 for models
    that are not weighed."""
    worth, n_cutoffs = season_worth(y, rule.loss)
    factor = rule.seasonal * np.clip(worth, 0.25, 4.0) ** -(2 * min(n_cutoffs, 8) / 8)
    has_season = {name: CATALOGUE[name].is_seasonal and (name != "MFLES" or len(y) >= TWO_YEARS) for name in names}
    return np.array([(name in rule.pool) * (factor if has_season[name] else 1.0) for name in names])


def _fitted(made: FloatArray, actual: FloatArray, rule: Rule, tilt: FloatArray, in_median: BoolArray) -> FloatArray:
    """(W, H) the combination in each window, with weights from the others."""
    fitted = np.empty_like(actual)
    for w in range(len(made)):
        weights = backtest_weights(np.delete(made, w, 0), np.delete(actual, w, 0), rule, tilt)
        known = np.isfinite(made[w]).all(1)
        fitted[w] = combined(made[w][known], weights[known] / weights[known].sum(), in_median[known])
    return fitted


def rule_of(demand: str, n_weeks: int, is_learned: bool = False) -> Rule:
    """Squared errors where weeks without a sale are many; more equal weights where the history is short.

    `is_learned`: parts that were learnt across items are in the forecast.
    """
    is_sparse, pool = demand in SPARSE_CLASSES, auto_pool(demand, n_weeks, is_learned)
    loss, empirical = "squared" if is_sparse else "absolute", 0.3 if demand == "smooth" else 0.7
    if n_weeks < TWO_YEARS:
        return Rule(pool, (), loss, 1.0, 1.5 if is_sparse else 3.0, empirical)
    return Rule(pool, auto_median(demand, n_weeks), loss, 2.0 if is_sparse else 4.0, 1.0, empirical)


def backtest_weights(made: FloatArray, actual: FloatArray, rule: Rule, tilt: FloatArray) -> FloatArray:
    """(C,) weights that sum to 1, from the candidates' forecasts (W, C, H) and what was sold (W, H), where known."""
    relative = np.ones(len(tilt))
    if len(made):
        e = _errors(made, actual, rule.loss)
        known = np.isfinite(e)
        reference = np.nanmedian(np.where(known.all(0), e, np.nan), axis=1, keepdims=True)
        seen = known.sum(0)
        ratio = np.where(known, e, 0.0).sum(0) / (np.where(known, reference, 0.0).sum(0) + 1e-9)
        relative = (ratio * seen + 1.0) / (seen + 1.0)
        relative = np.sqrt(relative) if rule.loss == "squared" else relative
    weights = (relative + 0.02) ** -rule.power * tilt
    shares: FloatArray = weights / weights.sum()
    return shares


def combined(forecasts: FloatArray, weights: FloatArray, in_median: BoolArray) -> FloatArray:
    """(H,) from (C, H): the middle of the weight; of logs where all are positive, for forecasts are skewed upwards.

    Where some are `in_median`, half of it is theirs.
    """
    is_weighed = weights > 0
    weighed, weights = forecasts[is_weighed], weights[is_weighed]
    if weighed.min() > 0:
        mean = np.exp(trimmed_mean(np.log(weighed), weights, KEEP))
    else:
        mean = trimmed_mean(weighed, weights, KEEP)
    return (mean + np.median(forecasts[in_median], axis=0)) / 2 if in_median.any() else mean


def trimmed_mean(forecasts: FloatArray, weights: FloatArray, keep: float) -> FloatArray:
    """(H,) weighted mean of (C, H), only of the middle `keep` of the weight in each step's order."""
    order = np.argsort(forecasts, axis=0, kind="stable")
    w = weights[order]
    upto, cut = np.cumsum(w, axis=0), (1 - keep) / 2
    inner = np.clip(np.minimum(upto, 1 - cut) - np.maximum(upto - w, cut), 0.0, None)
    mean: FloatArray = (inner * np.take_along_axis(forecasts, order, 0)).sum(0) / inner.sum(0)
    return mean


def season_worth(y: FloatArray, loss: str) -> tuple[float, int]:
    """Error of 'recent level and last year's move' over that of 'recent level', every 4th cutoff of three years."""
    n, steps = len(y), np.arange(HOLDOUT_WEEKS)
    cutoffs = np.arange(n - HOLDOUT_WEEKS, max(n - HOLDOUT_WEEKS - 3 * SEASON_LENGTH, SEASON_LENGTH + 8) - 1, -4)
    if not len(cutoffs):
        return 1.0, 0
    smooth = moving_mean(y, 5)
    now = np.array([y[c - 4 : c].mean() for c in cutoffs])[:, None]
    then = np.array([y[c - SEASON_LENGTH - 4 : c - SEASON_LENGTH].mean() for c in cutoffs])[:, None]
    moved = now + smooth[cutoffs[:, None] - SEASON_LENGTH + steps] - then
    moved = np.maximum(moved, 0.0) if y.min() >= 0 else moved
    actual = y[cutoffs[:, None] + steps]
    q = 1 if loss == "absolute" else 2
    with_move, without = ((np.abs(f - actual) ** q).mean() ** (1 / q) for f in (moved, now))
    return float(max(with_move / max(without, 1e-12), 1e-6)), len(cutoffs)


def _plain(y: FloatArray, h: int, level: Sequence[int]) -> tuple[FloatArray, FloatArray, FloatArray, str]:
    """Of a few weeks the mean; of a constant series its value, without any width. And which of the two it is."""
    mean = np.full(h, y.mean())
    is_constant = len(y) >= MIN_WEEKS
    width = 0.0 if is_constant else max(float(y.std()), float(np.sqrt(max(y.mean(), 0.0))))
    reach = np.array([stdtrit(max(len(y) - 1, 2), 0.5 + percent / 200) * width for percent in level]).reshape(-1, 1)
    what = f"all its {len(y)} weeks are the same" if is_constant else f"a history of {len(y)} weeks: the mean of them"
    return mean, mean - reach, mean + reach, what


def _note(y: FloatArray, cutoffs: list[int], n_capped: int) -> str:
    """What is odd about a history, and what was done about it."""
    sold = np.flatnonzero(y)
    since, pauses = len(y) - 1 - sold[-1], np.diff(sold) - 1
    parts = [f"no sale in the last {since} weeks"] if since >= ENDED_AFTER_WEEKS else []
    if len(pauses) and pauses.max() >= LONG_PAUSE and len(sold) > len(y) / 4:
        parts.append(f"up to {pauses.max()} weeks in a row without a sale, taken as no demand")
    if n_capped:
        parts.append(f"{n_capped} huge {'week' if n_capped == 1 else 'weeks'} capped in what the models see")
    parts += ["no year of history, so its season is not known"] if len(y) < SEASON_LENGTH else []
    parts += ["too short a history to choose by: all models have the same weight"] if not cutoffs else []
    return "; ".join(parts)
