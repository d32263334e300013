"""Auto: the forecast of one weekly series, chosen by its own past. Pure: arrays in, arrays out, no randomness.

1. Isolated huge weeks are capped in what models see; errors are measured on the weeks as they were.
2. Demand class and length decide the candidates.
3. Up to three windows of 13 weeks before the end: every candidate is fitted on what precedes the window.
4. A candidate's weight falls with its backtest error, relative to the median candidate's and shrunk to it. Seasonal
   ones are weighted as well by what last year's move was worth over three years: a few windows tell little of a season.
5. The forecast is, step by step, the weighted mean of the middle of the weight.
6. Intervals come from the errors of the combination in each window, with weights from the other windows.

The constants were chosen by backtest on the training parts of several sets. Two were looked for only after a test part
had shown a gap: the pool of short smooth series, and bounds that grow with the root of the level. Letters: T weeks of
history, H steps, C candidates, W windows, L levels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from fcst.compute.candidates import Array, candidate_forecasts, moving_mean
from fcst.compute.intervals import interval
from fcst.names import ADI_CUTOFF, CV2_CUTOFF, ENDED_AFTER_WEEKS, HOLDOUT_WEEKS, SEASON_LENGTH

MAX_WINDOWS = 3
MIN_TRAINING = 26  # weeks before a window
MAX_WEEKS = 520  # of a history that is looked at
MIN_WEEKS = 8  # below which there is nothing to choose by

SHORT_POOL = tuple(
    "Naive SeasonalNaive SmoothSeasonalNaive TSB IMAPA Window8 Window26 SES Theta CES(N) RidgeAR MFLES".split()
)
CALM_SHORT_POOL = tuple(
    "Naive Drift SeasonalNaive SmoothSeasonalNaive LogSeasonalMove SES AutoETS Theta CES(N) RidgeAR MFLES IMAPA".split()
)
SPARSE_POOL = (*SHORT_POOL, "RidgeAR-F1", "RidgeAR-FL", "Harmonic6-SES", "Harmonic6-AR")
FULL_POOL = tuple(
    "Naive SeasonalNaive SmoothSeasonalNaive LogSeasonalMove TSB IMAPA Window8 SES RidgeAR RidgeAR-F1 RidgeAR-F3 "
    "RidgeAR-FL RidgeAR-FLong RidgeAR-FK RidgeAR-FH RidgeAR-Raw Harmonic6-SES Harmonic6-AR STL-AR CES(N) MFLES "
    "AutoCES AutoETS STL-ETS".split()
)
NON_SEASONAL = frozenset("Naive Drift TSB IMAPA Window8 Window26 SES Theta CES(N) RidgeAR AutoETS".split())


@dataclass(frozen=True)
class Rule:
    """How a pool is combined.

    Parameters
    ----------
    pool
        names of the candidates.
    loss
        of the backtest: `absolute` or `squared`.
    power
        by which a weight falls with the error.
    keep
        share of the weight, in the middle, that makes the forecast.
    empirical
        how much of the intervals' shape is that of the errors themselves; the rest is Student's.
    """

    pool: tuple[str, ...]
    loss: str
    power: float
    keep: float
    empirical: float


@dataclass(frozen=True)
class AutoForecast:
    """What Auto says of one series.

    Parameters
    ----------
    mean
        (H,) expected units.
    lo, hi
        (L, H) bounds, in the order of the levels asked; wider levels enclose narrower ones.
    weights
        candidate -> its weight; they sum to 1. Empty where there was nothing to choose by.
    note
        what should be known of it, or an empty text.
    """

    mean: Array
    lo: Array
    hi: Array
    weights: dict[str, float]
    note: str


def auto_forecast(
    y: Array, h: int, level: Sequence[int], tell: Callable[[str], None] = lambda name: None
) -> AutoForecast:
    """Forecasts `h` weeks of one series.

    Parameters
    ----------
    y
        (T,) units, at least one week, all known.
    level
        interval levels in percent, each from 1 to 99.
    tell
        is called with the name of each candidate before it is fitted.
    """
    y = y[-MAX_WEEKS:]
    n = len(y)
    if n < MIN_WEEKS or np.ptp(y) == 0:
        return _plain(y, h, level)
    rule = rule_of(demand_class(y), n)
    final = candidate_forecasts(cap_spikes(y), h, rule.pool, SEASON_LENGTH, tell)
    names = list(final)
    cutoffs = [n - HOLDOUT_WEEKS * j for j in range(1, MAX_WINDOWS + 1) if n - HOLDOUT_WEEKS * j >= MIN_TRAINING]
    past = np.full((len(cutoffs), len(names), HOLDOUT_WEEKS), np.nan)  # a candidate may be missing before a cutoff
    for w, cutoff in enumerate(cutoffs):
        made = candidate_forecasts(cap_spikes(y[:cutoff]), HOLDOUT_WEEKS, names, SEASON_LENGTH, tell)
        for name, forecast in made.items():
            past[w, names.index(name)] = forecast
    actual = np.array([y[c : c + HOLDOUT_WEEKS] for c in cutoffs]).reshape(-1, HOLDOUT_WEEKS)
    tilt = _tilt(y, names, rule)
    weights = backtest_weights(past, actual, rule, tilt)
    mean = trimmed_mean(np.array(list(final.values())), weights, rule.keep)
    fitted = _fitted(past, actual, rule, tilt)
    lo, hi = interval(y, mean, fitted, actual, cutoffs, level, rule.empirical)
    shares = dict(sorted(zip(names, weights.tolist(), strict=True), key=lambda share: -share[1]))
    return AutoForecast(mean, lo, hi, shares, _note(y, cutoffs))


def _tilt(y: Array, names: list[str], rule: Rule) -> Array:
    """(C,) factors of the weights: below 1 for seasonal candidates where last year tells less than the recent level."""
    worth, n_cutoffs = season_worth(y, rule.loss)
    factor = np.clip(worth, 0.25, 4.0) ** -(min(n_cutoffs, 20) / 20)
    return np.array([1.0 if name in NON_SEASONAL else factor for name in names])


def _fitted(past: Array, actual: Array, rule: Rule, tilt: Array) -> Array:
    """(W, H) the combination in each window, with weights from the others."""
    fitted = np.empty_like(actual)
    for w in range(len(past)):
        weights = backtest_weights(np.delete(past, w, 0), np.delete(actual, w, 0), rule, tilt)
        known = np.isfinite(past[w]).all(1)
        fitted[w] = trimmed_mean(past[w][known], weights[known] / weights[known].sum(), rule.keep)
    return fitted


def demand_class(y: Array) -> str:
    """Syntetos and Boylan's classes: average demand interval 1.32, squared variation of the demands 0.49."""
    sold = y[y > 0]
    if not len(sold):
        return "lumpy"
    calm, dense = (sold.std() / sold.mean()) ** 2 < CV2_CUTOFF, len(y) / len(sold) < ADI_CUTOFF
    return ("smooth" if calm else "erratic") if dense else ("intermittent" if calm else "lumpy")


def rule_of(demand: str, n: int) -> Rule:
    """Squared errors where zeros are many; equal-ish weights and a narrow middle where little can be learnt."""
    sparse, short = demand in ("intermittent", "lumpy"), n < 2 * SEASON_LENGTH
    loss, empirical = "squared" if sparse else "absolute", 0.3 if demand == "smooth" else 0.7
    if short:
        return Rule(CALM_SHORT_POOL if demand == "smooth" else SHORT_POOL, loss, 1.0, 0.5, empirical)
    return Rule(SPARSE_POOL, loss, 2.0, 0.5, empirical) if sparse else Rule(FULL_POOL, loss, 4.0, 0.7, empirical)


def cap_spikes(y: Array) -> Array:
    """Runs of one or two weeks beyond exp(median + 4 robust deviations) of the last 104 logs are cut down to it."""
    sold = y[y > 0][-104:]
    if len(sold) < 8:
        return y
    logs = np.log(sold)
    middle = np.median(logs)
    cap = np.exp(middle + 4 * max(1.4826 * np.median(np.abs(logs - middle)), 0.25))
    over = y > cap
    if not over.any():
        return y
    edges = np.flatnonzero(np.diff(np.r_[0, over.astype(int), 0]))
    out = y.copy()
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start <= 2:
            out[start:end] = cap
    return out


def backtest_weights(past: Array, actual: Array, rule: Rule, tilt: Array) -> Array:
    """(C,) weights that sum to 1, from the candidates' forecasts (W, C, H) and what was sold (W, H)."""
    relative = np.ones(len(tilt))
    if len(past):
        e = past - actual[:, None]
        e = (np.abs(e) if rule.loss == "absolute" else e * e).mean(2)
        known = np.isfinite(e)
        reference = np.nanmedian(np.where(known.all(0), e, np.nan), axis=1, keepdims=True)
        seen = known.sum(0)
        ratio = np.where(known, e, 0.0).sum(0) / (np.where(known, reference, 0.0).sum(0) + 1e-9)
        relative = (ratio * seen + 1.0) / (seen + 1.0)
        relative = np.sqrt(relative) if rule.loss == "squared" else relative
    weights = (relative + 0.02) ** -rule.power * tilt
    return weights / weights.sum()


def trimmed_mean(forecasts: Array, weights: Array, keep: float) -> Array:
    """(H,) weighted mean of (C, H), only of the middle `keep` of the weight in each step's order."""
    order = np.argsort(forecasts, axis=0, kind="stable")
    w = weights[order]
    upto, cut = np.cumsum(w, axis=0), (1 - keep) / 2
    inner = np.clip(np.minimum(upto, 1 - cut) - np.maximum(upto - w, cut), 0.0, None)
    return (inner * np.take_along_axis(forecasts, order, 0)).sum(0) / inner.sum(0)


def season_worth(y: Array, loss: str) -> tuple[float, int]:
    """Error of 'recent level and last year's move' over that of 'recent level', every 4th cutoff of three years."""
    n, steps = len(y), np.arange(HOLDOUT_WEEKS)
    cutoffs = np.arange(n - HOLDOUT_WEEKS, max(n - HOLDOUT_WEEKS - 3 * SEASON_LENGTH, SEASON_LENGTH + 8) - 1, -4)
    if len(cutoffs) < 3:
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


def _plain(y: Array, h: int, level: Sequence[int]) -> AutoForecast:
    """Of a few weeks the mean; of a constant series its value, without any width."""
    mean = np.full(h, y.mean())
    is_constant = len(y) >= MIN_WEEKS
    width = 0.0 if is_constant else max(float(y.std()), float(np.sqrt(max(y.mean(), 0.0))))
    reach = np.array([stdtrit(max(len(y) - 1, 2), 0.5 + percent / 200) * width for percent in level]).reshape(-1, 1)
    what = f"all its {len(y)} weeks are the same" if is_constant else f"a history of {len(y)} weeks: the mean of them"
    return AutoForecast(mean, mean - reach, mean + reach, {}, what)


def _note(y: Array, cutoffs: list[int]) -> str:
    since = len(y) - 1 - np.flatnonzero(y)[-1]
    parts = [f"no sale in the last {since} weeks"] if since >= ENDED_AFTER_WEEKS else []
    parts += ["no year of history, so its season is not known"] if len(y) < SEASON_LENGTH else []
    parts += ["too short a history to choose by: all models have the same weight"] if not cutoffs else []
    return "; ".join(parts)
