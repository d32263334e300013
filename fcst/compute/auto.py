"""Auto: a weighted combination of models. Weights come from backtests of the series itself. Deterministic.

1. Isolated extreme weeks that no other year has are capped before models are fitted. Errors are measured on the actual
   weeks.
2. The demand class and the length of the history select the candidates.
3. Up to four windows of 13 weeks precede the end. The earliest starts a year ago, in the season of the forecast. Every
   candidate is fitted to the weeks before each window.
4. A candidate's weight falls with its backtest error, relative to the median candidate and shrunk towards it. The
   weight of seasonal candidates also depends on how well last year's move forecast the last three years, because a few
   windows show little of a season. A short pool has few seasonal candidates, so each weighs more.
5. The forecast of each step is a trimmed weighted mean: the middle half of the weight, of logs if all are positive.
6. Models that need two years of history cannot be backtested in two windows until two and a half years are known. In
   this range, half of the forecast is the median of a few models that do well on most series.
7. Parts learned across items (`learning`) are blended with the combination; they are not among its candidates. All
   start with equal shares, and with smaller shares for the parts in histories of over five years. Shares fall with the
   error in the same windows. The pool is then smaller, at a third of the cost. Sparse items have no such parts.
8. Intervals come from the errors of the forecast in each window, with weights from the other windows.

The constants were chosen by backtest on the training parts of several datasets. One of them, the pool of short smooth
series, was changed after a test part had shown a gap.
Letters: T weeks of history, H steps, C candidates, W windows, L levels.
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
"""Forecasts of one item by the parts learned across items: cutoff -> {part: (H,) units}."""

MIN_WEEKS = 8
"""A history with fewer weeks is forecast by its mean."""

KEEP = 0.5
"""The middle share of the weight that the trimmed mean keeps."""

BLEND_POWER = 3.0
"""Exponent with which the share of a learned part falls with its error."""

EQUAL_UP_TO = 5 * SEASON_LENGTH
"""Weeks of history up to which learned parts start with the same share as the combination; beyond it with less."""

LONG_PAUSE = 13
"""Weeks without a sale that are noted, for an item that sells in more than a quarter of its weeks."""


@dataclass(frozen=True)
class Rule:
    """Settings of a combination.

    Parameters
    ----------
    pool
        names of the weighted candidates.
    median
        names of the models whose median is half of the forecast; empty if there is no such half.
    loss
        of the backtest: `absolute` or `squared`.
    power
        exponent with which a weight falls with the error.
    seasonal
        prior factor of the weights of seasonal candidates.
    empirical
        share of the intervals' shape taken from the errors of simple forecasts; the rest is Student's t.
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
        total share, including its part in the median half; shares sum to 1.
    score
        backtest error in units: mean absolute or root mean squared, by the rule's loss; NaN without a window.
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
        (L, H) bounds, in the order of the requested levels; wider levels enclose narrower ones.
    candidates
        models of the combination, largest weight first; empty for a constant or very short series.
    cutoffs
        of the backtest windows.
    demand
        demand class that selected the candidates.
    loss
        loss of the backtest, `absolute` or `squared`.
    note
        irregularities of the history and how they were handled; empty if there are none.
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
    """Forecast the weeks after a cutoff.

    Parameters
    ----------
    level
        interval levels in percent, each from 1 to 99.
    learned
        parts learned across items; used for smooth and erratic items only.
    """
    history = histories.at(cutoff)
    y, demand, capped = history.y, history.demand, history.capped
    parts = learned(cutoff) if learned and demand not in SPARSE_CLASSES else {}
    rule = rule_of(demand, len(y), bool(parts))
    if len(y) < MIN_WEEKS or np.ptp(y) == 0:
        mean, lo, hi, note = _mean_or_constant(y, history.h, level)
        return AutoForecast(mean, lo, hi, (), (), demand, rule.loss, note)
    wanted = dict.fromkeys((*rule.pool, *rule.median))
    final = {name: f for name in wanted if not isinstance(f := fits.forecast(name, capped), NoFit)}
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
        mean, fitted, blend = _blended(np.array([mean, *parts.values()]), tried, actual, prior)
        names, shares = [*names, *parts], np.r_[shares * blend[0], blend[1:]]
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
    """(W, C, HOLDOUT_WEEKS) forecasts of the candidates after each cutoff; NaN where one cannot be fitted."""
    made = np.full((len(cutoffs), len(names), HOLDOUT_WEEKS), np.nan)
    for w, cutoff in enumerate(cutoffs):
        for c, name in enumerate(names):
            forecast = fits.forecast(name, histories.at(cutoff).capped)
            if not isinstance(forecast, NoFit):
                made[w, c] = forecast
    return made


def _forecast_parts(learned: Parts, names: Sequence[str], cutoffs: Sequence[int], fitted: FloatArray) -> FloatArray:
    """(W, 1 + P, HOLDOUT_WEEKS) forecasts of the combination and of each part by window; NaN where a part was not
    learned."""
    unknown = np.full(HOLDOUT_WEEKS, np.nan)
    rows = [[own, *(learned(c).get(name, unknown) for name in names)] for c, own in zip(cutoffs, fitted, strict=True)]
    return np.array(rows).reshape(len(cutoffs), 1 + len(names), HOLDOUT_WEEKS)


def _blended(
    forecasts: FloatArray, tried: FloatArray, actual: FloatArray, prior: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Blend the combination with the learned parts.

    Parameters
    ----------
    forecasts
        (1 + P, H) the combination and the parts.
    tried, actual
        (W, 1 + P, HOLDOUT_WEEKS) the same by window, NaN where a part was not learned; (W, HOLDOUT_WEEKS) units sold.
    prior
        (1 + P,) weights without any known error.

    Returns
    -------
    tuple
        (H,) blended forecast; (W, HOLDOUT_WEEKS) blended forecast of each window, with shares from the other windows;
        (1 + P,) shares.
    """
    shares, fitted = blend_shares(tried, actual, prior), np.empty_like(actual)
    for w in range(len(tried)):
        shares_of_others = blend_shares(np.delete(tried, w, 0), np.delete(actual, w, 0), prior)
        own = shares_of_others * np.isfinite(tried[w]).all(1)
        fitted[w] = own @ np.nan_to_num(tried[w]) / own.sum()
    return shares @ forecasts, fitted, shares


def blend_shares(tried: FloatArray, actual: FloatArray, prior: FloatArray) -> FloatArray:
    """(1 + P,) shares that sum to 1: the prior times a factor that falls with the mean absolute error.

    The error is relative to that of the combination, and shrunk as by one more window without a difference.
    """
    error = _errors(tried, actual, "absolute")
    is_tried = np.isfinite(error)
    n, own = is_tried.sum(0), np.where(is_tried, error[:, :1], 0.0).sum(0)
    relative = (n * np.where(is_tried, error, 0.0).sum(0) / (own + 1e-9) + 1.0) / (n + 1.0)
    weights = prior * (relative + 0.02) ** -BLEND_POWER
    shares: FloatArray = weights / weights.sum()
    return shares


def _scores(made: FloatArray, actual: FloatArray, rule: Rule) -> FloatArray:
    """(C,) mean loss in units over the windows in which a candidate was fitted; NaN without such a window."""
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
    """(C,) factors of the weights: lower for seasonal candidates if last year's move forecasts badly; 0 for models
    outside the pool."""
    ratio, n_cutoffs = seasonal_error_ratio(y, rule.loss)
    factor = rule.seasonal * np.clip(ratio, 0.25, 4.0) ** -(2 * min(n_cutoffs, 8) / 8)
    has_season = {name: CATALOGUE[name].is_seasonal and (name != "MFLES" or len(y) >= TWO_YEARS) for name in names}
    return np.array([(name in rule.pool) * (factor if has_season[name] else 1.0) for name in names])


def _fitted(made: FloatArray, actual: FloatArray, rule: Rule, tilt: FloatArray, in_median: BoolArray) -> FloatArray:
    """(W, H) the combination in each window, with weights from the other windows."""
    fitted = np.empty_like(actual)
    for w in range(len(made)):
        weights = backtest_weights(np.delete(made, w, 0), np.delete(actual, w, 0), rule, tilt)
        known = np.isfinite(made[w]).all(1)
        fitted[w] = combined(made[w][known], weights[known] / weights[known].sum(), in_median[known])
    return fitted


def rule_of(demand: str, n_weeks: int, is_learned: bool = False) -> Rule:
    """Return the rule of a demand class: squared errors for sparse items, more equal weights for short histories.

    `is_learned`: the forecast includes parts learned across items.
    """
    is_sparse, pool = demand in SPARSE_CLASSES, auto_pool(demand, n_weeks, is_learned)
    loss, empirical = "squared" if is_sparse else "absolute", 0.3 if demand == "smooth" else 0.7
    if n_weeks < TWO_YEARS:
        return Rule(pool, (), loss, 1.0, 1.5 if is_sparse else 3.0, empirical)
    return Rule(pool, auto_median(demand, n_weeks), loss, 2.0 if is_sparse else 4.0, 1.0, empirical)


def backtest_weights(made: FloatArray, actual: FloatArray, rule: Rule, tilt: FloatArray) -> FloatArray:
    """(C,) weights that sum to 1, from the candidates' forecasts (W, C, H) and units sold (W, H), NaN if unknown."""
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
    """(H,) trimmed weighted mean of (C, H); of logs if all are positive, because forecasts are skewed upwards.

    If some candidates are `in_median`, half of the result is their median.
    """
    is_weighed = weights > 0
    weighed, weights = forecasts[is_weighed], weights[is_weighed]
    if weighed.min() > 0:
        mean = np.exp(trimmed_mean(np.log(weighed), weights, KEEP))
    else:
        mean = trimmed_mean(weighed, weights, KEEP)
    return (mean + np.median(forecasts[in_median], axis=0)) / 2 if in_median.any() else mean


def trimmed_mean(forecasts: FloatArray, weights: FloatArray, keep: float) -> FloatArray:
    """(H,) weighted mean of (C, H) over the middle share `keep` of the weight, in the order of each step."""
    order = np.argsort(forecasts, axis=0, kind="stable")
    w = weights[order]
    upto, cut = np.cumsum(w, axis=0), (1 - keep) / 2
    inner = np.clip(np.minimum(upto, 1 - cut) - np.maximum(upto - w, cut), 0.0, None)
    mean: FloatArray = (inner * np.take_along_axis(forecasts, order, 0)).sum(0) / inner.sum(0)
    return mean


def seasonal_error_ratio(y: FloatArray, loss: str) -> tuple[float, int]:
    """Return the error of 'recent level plus last year's move' ÷ that of 'recent level', and the number of cutoffs.

    Cutoffs are every fourth week of the last three years.
    """
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


def _mean_or_constant(y: FloatArray, h: int, level: Sequence[int]) -> tuple[FloatArray, FloatArray, FloatArray, str]:
    """Forecast a very short series by its mean, or a constant one by its value with zero-width intervals.

    Returns mean, lower bounds, upper bounds and a note that names the case.
    """
    mean = np.full(h, y.mean())
    is_constant = len(y) >= MIN_WEEKS
    width = 0.0 if is_constant else max(float(y.std()), float(np.sqrt(max(y.mean(), 0.0))))
    reach = np.array([stdtrit(max(len(y) - 1, 2), 0.5 + percent / 200) * width for percent in level]).reshape(-1, 1)
    n_weeks = "1 week" if len(y) == 1 else f"{len(y)} weeks"
    note = f"all {n_weeks} have the same units" if is_constant else f"history of only {n_weeks}; their mean is used"
    return mean, mean - reach, mean + reach, note


def _note(y: FloatArray, cutoffs: list[int], n_capped: int) -> str:
    """Describe irregularities of a history and how they were handled."""
    sold = np.flatnonzero(y)
    since, pauses = len(y) - 1 - sold[-1], np.diff(sold) - 1
    parts = [f"no sale in the last {since} weeks"] if since >= ENDED_AFTER_WEEKS else []
    if len(pauses) and pauses.max() >= LONG_PAUSE and len(sold) > len(y) / 4:
        parts.append(f"up to {pauses.max()} weeks in a row without a sale, counted as zero demand")
    if n_capped:
        weeks = "1 unusually high week was" if n_capped == 1 else f"{n_capped} unusually high weeks were"
        parts.append(f"{weeks} capped before fitting")
    parts += ["less than a year of history, so no seasonality"] if len(y) < SEASON_LENGTH else []
    parts += ["too short a history for a backtest, so all models have the same weight"] if not cutoffs else []
    return "; ".join(parts)
