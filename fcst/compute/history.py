"""Histories of one series at its cutoffs: the training data of models.

A cutoff is a number of weeks from the start of the series; the history at it is `y[:cutoff]`. Backtest windows are
HOLDOUT_WEEKS long and adjacent, so all backtests of a series share cutoffs and the models fitted there.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fcst.compute.demand import demand_class
from fcst.compute.effects import Effects, ItemEffects, item_effects
from fcst.compute.lifecycles import at_level, find_launch, level_error
from fcst.compute.regressions import harmonic_season
from fcst.compute.regressors import is_without_demand, regressors_at
from fcst.compute.series import Series
from fcst.compute.stockouts import BoolArray, demand_of, suspected_weeks
from fcst.drivers import Driver, DriverKind
from fcst.errors import ComputeError
from fcst.names import HOLDOUT_WEEKS, SEASON_LENGTH
from fcst.records import FloatArray

MAX_WEEKS = 520
"""Maximum length of a history: ten years. Earlier weeks are ignored."""

MIN_TRAINING_WEEKS = 13
"""Minimum number of known weeks before a backtest window."""

MIN_KNOWN = 4
"""Minimum number of known weeks in a backtest window."""

MIN_WEEKS_TO_CAP = 26
"""Minimum length of a history for capping extreme weeks."""


NO_EFFECTS: Mapping[int, Effects] = {}


class History:
    """The weeks of one series up to a cutoff, and cached transforms that several models share.

    Parameters
    ----------
    units
        (T,) units by week; NaN is a missing week. The first week is known.
    h
        H, the number of weeks to forecast.
    y
        (T,) units for fitting, without NaN; by default `units` with missing weeks interpolated.
    """

    season_length = SEASON_LENGTH

    def __init__(self, units: FloatArray, h: int, y: FloatArray | None = None) -> None:
        self.units, self.h = units, h
        self.y = fill_missing(units) if y is None else y
        self.n = len(units)

    @cached_property
    def is_positive(self) -> bool:
        """Whether every week has units above 0."""
        return bool(self.y.min() > 0)

    @cached_property
    def demand(self) -> str:
        """Demand class of the known weeks."""
        return demand_class(self.units)

    @cached_property
    def capped(self) -> "History":
        """The history with isolated extreme weeks capped in `y`; the same object if there are none."""
        y = cap_spikes(self.y)
        return self if y is self.y else History(self.units, self.h, y)

    @cached_property
    def stl(self) -> FloatArray:
        """(T + H,) slowly changing season by STL: multiplicative if all weeks are positive, otherwise additive."""
        from statsmodels.tsa.seasonal import STL

        z = np.log(self.y) if self.is_positive else self.y
        jumps = {"trend_jump": 9, "low_pass_jump": 6}  # a fifth of the time, and the season differs by 0.5 %
        fitted = STL(z, period=self.season_length, seasonal=11, seasonal_deg=0, **jumps).fit().seasonal
        season: FloatArray = np.r_[fitted, np.resize(fitted[-self.season_length :], self.h)]
        return np.exp(season) if self.is_positive else season

    @cached_property
    def waves(self) -> FloatArray:
        """(T + H,) season by six pairs of Fourier terms; multiplicative or additive as in `stl`."""
        return harmonic_season(self.y, self.h, 6, self.is_positive, self.season_length)


class SeriesHistories:
    """Cached histories of one series at its cutoffs.

    With effects of drivers, histories and actuals are on the scale of the baseline: units ÷ the multipliers fitted at
    the cutoff. A forecast times the future multipliers is in units.

    If the series skips stock-outs, weeks that look like one at the cutoff are missing in the history. Weeks of a
    forecast window are checked at the end of the window. The scored actuals, `sold`, are never changed.

    Parameters
    ----------
    h
        weeks to forecast from the end of the series; from earlier cutoffs it is HOLDOUT_WEEKS.
    effects
        weeks before the end -> pooled effects fitted to the weeks before. A cutoff uses the effects of the same week,
        otherwise the nearest earlier ones, otherwise the oldest.

    Attributes
    ----------
    drivers
        drivers in use, aligned with the weeks of the history; empty without effects.

    Raises
    ------
    ComputeError
        if no week is known.
    """

    def __init__(self, series: Series, h: int, effects: Mapping[int, Effects] = NO_EFFECTS) -> None:
        self.y, self.drivers = usable_part(series if effects else replace(series, drivers=()))
        self._effects = effects if self.drivers else NO_EFFECTS
        if not len(self.y):
            raise ComputeError(
                "The item has no known week: it has no sales, or all were promotional and left out.",
                "Load the dataset with promotions included to forecast it.",
            )
        self.end = len(self.y)
        self.life = series.life.without_first(len(series.y) - self.end)
        self._series, self._h = series, h
        self._histories: dict[int, History] = {}
        self._fitted: dict[int, ItemEffects] = {}
        self._demand: dict[int, FloatArray] = {}
        self._launches: dict[int, int] = {}

    @property
    def unique_id(self) -> str:
        return self._series.unique_id

    @property
    def attributes(self) -> Mapping[str, str]:
        return self._series.attributes

    def at(self, cutoff: int) -> History:
        if cutoff not in self._histories:
            first = self.launch(cutoff)
            self._histories[cutoff] = History(self._on_baseline(cutoff, first, cutoff), self._h_at(cutoff))
        return self._histories[cutoff]

    def launch(self, cutoff: int) -> int:
        """Return the first week of the history at a cutoff: 0, or a launch found in the units before the cutoff.

        A known launch or origin of the item disables the search.
        """
        if self.life.origin is not None or self.life.launch is not None:
            return 0
        if cutoff not in self._launches:
            self._launches[cutoff] = find_launch(self._demand_before(cutoff))
        return self._launches[cutoff]

    def since_launch(self, cutoff: int, cutoffs: list[int]) -> list[int]:
        """Convert earlier cutoffs to weeks from the start of the history at `cutoff`."""
        return [earlier - self.launch(cutoff) for earlier in cutoffs]

    def effects_at(self, cutoff: int) -> ItemEffects | None:
        """Return the item's effects, fitted to the weeks before a cutoff; None without pooled effects or drivers."""
        if not self._effects:
            return None
        if cutoff not in self._fitted:
            weeks_ago = self.end - cutoff
            pooled = self._effects[min((w for w in self._effects if w >= weeks_ago), default=max(self._effects))]
            regressors = regressors_at(self.drivers, cutoff, self._h_at(cutoff), pooled.columns)
            self._fitted[cutoff] = item_effects(pooled, self._demand_before(cutoff), regressors)
        return self._fitted[cutoff]

    def out_of_stock(self) -> BoolArray:
        """(T,) weeks that a driver marks as out of stock on all days."""
        is_out = np.zeros(self.end, bool)
        for driver in self.drivers:
            if driver.kind is DriverKind.STOCK:
                known = driver.values[: self.end]
                is_out[: len(known)] |= known <= 0
        is_out[: self.life.n_borrowed] = False
        return is_out

    def suspected(self) -> BoolArray:
        """(T,) weeks that look like stock-outs at the end of the history, skipped or not."""
        suspected = suspected_weeks(self.y)
        suspected[: self.life.n_borrowed] = False
        return suspected

    def lost_units(self, is_out: BoolArray) -> float:
        """Estimate the units lost in some missing weeks (T,): the baseline of the weeks around them minus units sold.

        Weeks before the launch do not count.
        """
        demand = self.at(self.end).y
        n_weeks = len(demand)
        sold = np.nan_to_num(self._series.y[-n_weeks:])
        return float(np.maximum(demand - sold, 0.0)[is_out[-n_weeks:]].sum())

    def wk_end_dt(self, cutoff: int) -> date:
        """Return the last day of the last week before a cutoff."""
        return self._series.wk_end_dt(self.end - cutoff)

    def sold(self, cutoff: int) -> FloatArray:
        """(HOLDOUT_WEEKS,) units sold in the window after a cutoff; NaN for missing and borrowed weeks."""
        y, n_others = self.y[cutoff : cutoff + HOLDOUT_WEEKS], self.life.n_borrowed - cutoff
        return np.where(np.arange(len(y)) < n_others, np.nan, y) if n_others > 0 else y

    def level_error(self, cutoff: int) -> float:
        """Return the standard error of the log level at a cutoff, for an item with borrowed history; otherwise 0."""
        return level_error(self.y, self.life, cutoff)

    def is_sold(self, cutoff: int) -> FloatArray:
        """(H,) share of each week after a cutoff in which the item is on sale.

        A known launch or last day applies to the forecast only, because it may not have been known at earlier cutoffs.
        """
        h = self._h_at(cutoff)
        return self.life.is_sold(self._series.wk_end_dt(-1), h) if cutoff == self.end else np.ones(h)

    def actual(self, cutoff: int) -> FloatArray:
        """(HOLDOUT_WEEKS,) units sold in the window after a cutoff, on the scale of the history."""
        return self._on_baseline(cutoff, cutoff, cutoff + HOLDOUT_WEEKS)

    def actuals(self, cutoffs: list[int]) -> FloatArray:
        """(W, HOLDOUT_WEEKS) actuals of the windows after some cutoffs."""
        return np.array([self.actual(cutoff) for cutoff in cutoffs]).reshape(-1, HOLDOUT_WEEKS)

    def _h_at(self, cutoff: int) -> int:
        return self._h if cutoff == self.end else HOLDOUT_WEEKS

    def _on_baseline(self, cutoff: int, start: int, end: int) -> FloatArray:
        """(end − start,) units ÷ the multipliers fitted at a cutoff; NaN in weeks in which the item is closed."""
        y, fitted = self._demand_before(end)[start:], self.effects_at(cutoff)
        if fitted is None:
            return y
        multipliers = fitted.multipliers[start:end]
        return y / np.where(multipliers > 0, multipliers, np.nan)

    def _demand_before(self, end: int) -> FloatArray:
        """(end,) units of the first weeks. Units of a like item are scaled to the item's own level. Weeks that look
        like stock-outs at `end` are missing if the series skips them."""
        if end not in self._demand:
            units = at_level(self.y, self.life, end)
            self._demand[end] = demand_of(units) if self._series.skips_stockouts else units
        return self._demand[end]

    def windows_before(self, cutoff: int, n: int, min_training: int) -> list[int]:
        """Return the cutoffs of up to `n` windows before `cutoff`, latest first.

        Each has at least `min_training` weeks since the launch. Windows with fewer than MIN_KNOWN known weeks are left
        out.
        """
        cutoffs = [cutoff - HOLDOUT_WEEKS * j for j in range(1, n + 1)]
        return [
            c
            for c in cutoffs
            if c - self.launch(cutoff) >= min_training
            and _n_known(self._demand_before(c + HOLDOUT_WEEKS)[c:]) >= MIN_KNOWN
        ]

    def measured_windows(self, n: int) -> list[int]:
        """Return the cutoffs of the last `n` windows that have enough data to measure accuracy, latest first."""
        cutoffs = [self.end - HOLDOUT_WEEKS * j for j in range(1, n + 1)]
        return [
            c
            for c in cutoffs
            if c > 0 and _n_known(self.y[:c]) >= MIN_TRAINING_WEEKS and _n_known(self.sold(c)) >= MIN_KNOWN
        ]


def _n_known(y: FloatArray) -> int:
    return int(np.count_nonzero(~np.isnan(y)))


def usable_part(series: Series) -> tuple[FloatArray, tuple[Driver, ...]]:
    """(T,) units of the last MAX_WEEKS from the first known week on, and the aligned drivers; T = 0 without known week.

    Weeks in which the item was closed or out of stock all the time are missing. If this leaves no known week, drivers
    are ignored.
    """
    is_without = is_without_demand(series.drivers, len(series.y))
    y, drivers = np.where(is_without, np.nan, series.y) if is_without.any() else series.y, series.drivers
    if np.isnan(y[-MAX_WEEKS:]).all():
        y, drivers = series.y, ()
    known = np.flatnonzero(~np.isnan(y[-MAX_WEEKS:]))
    first = max(len(y) - MAX_WEEKS, 0) + int(known[0]) if len(known) else len(y)
    return y[first:], tuple(replace(driver, values=driver.values[first:]) for driver in drivers)


def fill_missing(y: FloatArray) -> FloatArray:
    """(T,) copy of `y` with missing weeks interpolated; missing weeks at the end get the last known value.

    The first week must be known.
    """
    is_missing = np.isnan(y)
    if not is_missing.any():
        return y.copy()
    weeks = np.flatnonzero(~is_missing)
    return np.interp(np.arange(len(y)), weeks, y[weeks])


def cap_spikes(y: FloatArray) -> FloatArray:
    """Cap isolated peaks at exp(3 robust standard deviations) times the median of the surrounding 17 weeks.

    A peak is one or two weeks long; at the end of the series one week, because two may be a new level. Seasonal peaks
    are kept: those that most other years have in the same weeks, ± 1. Returns `y` itself if there are no peaks.
    """
    n = len(y)
    if n < MIN_WEEKS_TO_CAP or y.min() < 0:
        return y
    level = np.nanmedian(sliding_window_view(np.pad(y, 8, constant_values=np.nan), 17), axis=1)
    sold = (y > 0) & (level > 0)
    if sold.sum() < 12:
        return y
    above = np.zeros(n)
    above[sold] = np.log(y[sold] / level[sold])
    limit = 3 * max(1.4826 * np.median(np.abs(above[sold][-104:])), 0.2)
    out = y
    edges = np.flatnonzero(np.diff(np.r_[0, (above > limit / 2).astype(int), 0]))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        peak = above[start:end].max()
        if peak <= limit or end - start > (1 if end == n else 2):
            continue
        years = [j * SEASON_LENGTH for j in range(-(n // SEASON_LENGTH), n // SEASON_LENGTH + 1) if j]
        others = [above[max(start + j - 1, 0) : end + j + 1].max() for j in years if end + j > 0 and start + j < n]
        if not others or np.mean(np.array(others) > peak / 2) <= 0.6:
            out = out.copy() if out is y else out
            out[start:end] = np.minimum(y[start:end], level[start:end] * np.exp(limit))
    return out
