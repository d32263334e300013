"""Learning across the items of a run, before single items are forecast: at the end and at each backtest cutoff.

    effects          of drivers, pooled over the items; the other parts use histories without effects
    boosting         one global model of all items
    pooled seasons   forecasts of group sums, shared out to items; only if they improve on Auto

Parts learned at a cutoff are used at that cutoff only, so they never see a week they forecast. Effects are also used
at earlier cutoffs without effects of their own.
Letters: H steps.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import numpy as np

from fcst.compute.auto import Parts, auto_forecast
from fcst.compute.boosting import Boosting, fit_boosting
from fcst.compute.demand import SPARSE_CLASSES
from fcst.compute.effects import Effects, EffectsSample, describe, fit_effects
from fcst.compute.fits import Fits
from fcst.compute.history import SeriesHistories, usable_part
from fcst.compute.models import AUTO_MIN_TRAINING, LEARNED_WINDOWS, TWO_YEARS
from fcst.compute.pooled_seasons import PooledSeasons, fit_pooled_seasons
from fcst.compute.regressors import columns_of, regressors_at
from fcst.compute.series import Series
from fcst.compute.stockouts import demand_of
from fcst.errors import ComputeError
from fcst.names import HOLDOUT_WEEKS
from fcst.records import FloatArray

BOOSTING, POOLED = "Boosting", "PooledSeasons"

MAX_ITEMS, MAX_CELLS = 1_000, 6_000_000
"""Limits of the sample that effects are fitted to: items, and weeks × regressors of all items."""

MAX_TRIED = 40
"""Number of items on which pooled seasons are compared with Auto; each takes as long as one item of the run."""

LEAST_WEEKS_WITH_EFFECTS = TWO_YEARS + 2 * HOLDOUT_WEEKS
"""Minimum history of an item with effects of drivers to use the other learned parts, in weeks."""

MAX_ERROR_RATIO = 0.95
"""Pooled seasons are used if their error is below this fraction of Auto's."""


@dataclass(frozen=True, eq=False)
class Learned:
    """Parts learned from the weeks before one cutoff.

    Parameters
    ----------
    weeks_ago
        weeks from the cutoff to the end of the histories.
    effects
        of drivers; without columns if no item has drivers.
    boosting, pooled
        None with too little data, without improvement, or for runs without Auto.
    """

    weeks_ago: int
    effects: Effects
    boosting: Boosting | None = None
    pooled: PooledSeasons | None = None

    def to_bytes(self) -> bytes:
        """Serialize for the database; `from_bytes` restores the same object bit by bit."""
        parts = {name: part and base64.b64encode(part.to_bytes()).decode() for name, part in self._parts.items()}
        return json.dumps({"weeks_ago": self.weeks_ago, "effects": self.effects.to_plain(), **parts}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        value = json.loads(data)
        effects = Effects.from_plain(value["effects"])
        boosting, pooled = (base64.b64decode(value[name] or "") for name in ("boosting", "pooled"))
        return cls(
            value["weeks_ago"],
            effects,
            Boosting.from_bytes(boosting) if boosting else None,
            PooledSeasons.from_bytes(pooled) if pooled else None,
        )

    def summary(self) -> dict[str, Any]:
        """Return a summary as plain data: pooled `effects`, their number of items `n_items`, and the other `parts`."""
        names = [name for name, part in zip((BOOSTING, POOLED), self._parts.values(), strict=True) if part]
        return {"effects": describe(self.effects), "n_items": self.effects.n_items, "parts": names}

    @property
    def _parts(self) -> dict[str, Boosting | PooledSeasons | None]:
        return {"boosting": self.boosting, "pooled": self.pooled}


def parts_of(learned: Mapping[int, Learned], histories: SeriesHistories) -> Parts:
    """Return a cached function that forecasts one item by the learned parts after a cutoff.

    Parameters
    ----------
    learned
        weeks before the end -> parts learned at that cutoff.
    """

    @cache
    def forecasts(cutoff: int) -> dict[str, FloatArray]:
        found, made = learned.get(histories.end - cutoff), dict[str, FloatArray]()
        if found is None or not has_parts(histories):
            return made
        history, day, attributes = histories.at(cutoff), histories.wk_end_dt(cutoff), histories.attributes
        if found.boosting is not None:
            made[BOOSTING] = found.boosting.forecast(history.units, day, attributes, history.h)
        if found.pooled is not None:
            share = found.pooled.forecast(history.units, attributes, history.h)
            made |= {} if share is None else {POOLED: share}
        return made

    return forecasts


def has_parts(histories: SeriesHistories) -> bool:
    """Whether an item's forecast uses boosting and pooled seasons.

    They are not used for items without attributes and with less than two years of history: for unrelated series, such
    as M4's, they have no information then. They are not used for short histories with effects of drivers either: on
    drugstore data they increased the error of two quarters by a tenth, on orange juice they changed little.
    """
    if histories.end < TWO_YEARS and not histories.attributes:
        return False
    return histories.end >= LEAST_WEEKS_WITH_EFFECTS or histories.effects_at(histories.end) is None


def learn(
    series: Sequence[Series],
    n_windows: int,
    h: int,
    has_auto: bool = True,
    on_progress: Callable[[], None] = lambda: None,
) -> dict[int, Learned]:
    """Learn at the end, at the windows that measure accuracy, and at the windows by which Auto weights the parts.

    The result does not depend on the order of the series.

    Parameters
    ----------
    series
        all ending in the same week.
    n_windows
        number of windows that measure accuracy.
    h
        H, the weeks to forecast from the end; from the other cutoffs it is HOLDOUT_WEEKS.
    has_auto
        the run uses Auto; other models use effects only.
    on_progress
        called after each step.

    Returns
    -------
    dict
        weeks before the end -> parts learned at that cutoff.
    """
    cutoffs = [HOLDOUT_WEEKS * j for j in range(1 + n_windows + (LEARNED_WINDOWS if has_auto else 0))]
    effects = {weeks_ago: learn_effects(series, weeks_ago) for weeks_ago in cutoffs}
    learned = {weeks_ago: Learned(weeks_ago, found) for weeks_ago, found in effects.items()}
    on_progress()
    if not has_auto:
        return learned
    items = list(_histories(series, h, effects))
    if not any(map(has_parts, items)):
        return learned
    known: dict[int, list[Series]] = {}
    boostings: dict[int, Boosting | None] = {}
    for weeks_ago in cutoffs:
        known[weeks_ago] = [part for item in items if (part := _before(item, weeks_ago)) is not None]
        boostings[weeks_ago] = fit_boosting(known[weeks_ago])
        on_progress()
    oldest = cutoffs[-LEARNED_WINDOWS:]
    pooled = {weeks_ago: fit_pooled_seasons(known[weeks_ago], HOLDOUT_WEEKS) for weeks_ago in oldest}
    if _improve_on_auto(pooled, effects, items):
        newer = (weeks_ago for weeks_ago in cutoffs if weeks_ago not in oldest)
        pooled |= {w: fit_pooled_seasons(known[w], HOLDOUT_WEEKS if w else h) for w in newer}
    else:
        pooled = {}
    on_progress()
    return {w: Learned(w, effects[w], boostings[w], pooled.get(w)) for w in cutoffs}


def learn_effects(series: Sequence[Series], weeks_ago: int) -> Effects:
    """Fit pooled effects of drivers to the weeks before a cutoff; many series are sampled by key."""
    return fit_effects(list(_samples(series, weeks_ago)))


def _samples(series: Sequence[Series], weeks_ago: int) -> Iterator[EffectsSample]:
    """Yield samples of up to MAX_ITEMS series with drivers, within MAX_CELLS."""
    n_items, n_cells = 0, 0
    for s in sorted((s for s in series if s.drivers), key=_sampling_key):
        y, drivers = usable_part(s)
        cutoff = len(y) - weeks_ago
        if cutoff <= 0 or not drivers:
            continue
        n_items, n_cells = n_items + 1, n_cells + cutoff * len(columns_of(drivers))
        if n_items > 1 and (n_items > MAX_ITEMS or n_cells > MAX_CELLS):
            return
        units = demand_of(y[:cutoff]) if s.skips_stockouts else y[:cutoff]
        yield EffectsSample(units, regressors_at(drivers, cutoff, 0))


def _sampling_key(series: Series) -> tuple[bytes, str]:
    """Return a sort key for a reproducible pseudo-random order of items."""
    return hashlib.blake2b(series.unique_id.encode(), digest_size=8).digest(), series.unique_id


def _histories(series: Sequence[Series], h: int, effects: Mapping[int, Effects]) -> Iterator[SeriesHistories]:
    """Yield histories of the series with a known week, ordered by key."""
    for s in sorted(series, key=lambda s: s.unique_id):
        try:
            yield SeriesHistories(s, h, effects)
        except ComputeError:
            continue


def _before(item: SeriesHistories, weeks_ago: int) -> Series | None:
    """Return the history of an item at a cutoff without effects of drivers; None if no week is known."""
    cutoff = item.end - weeks_ago
    if cutoff <= 0:
        return None
    units = item.at(cutoff).units
    known = np.flatnonzero(~np.isnan(units))
    if not len(known):
        return None
    return Series(item.unique_id, item.wk_end_dt(cutoff), units[known[0] :], item.attributes)


def _improve_on_auto(
    pooled: Mapping[int, PooledSeasons | None], effects: Mapping[int, Effects], items: Sequence[SeriesHistories]
) -> bool:
    """Whether pooled seasons forecast a sample of items better than Auto at the same cutoffs.

    Errors are divided by the item's mean, so every item has the same weight.
    """
    known = {weeks_ago: Learned(weeks_ago, effects[weeks_ago], None, found) for weeks_ago, found in pooled.items()}
    ordered = sorted(items, key=lambda item: (zlib.crc32(item.unique_id.encode()), item.unique_id))
    pooled_error = auto_error = 0.0
    for item in ordered[:MAX_TRIED] if any(pooled.values()) else ():
        parts, fits = parts_of(known, item), Fits()
        for weeks_ago in pooled:
            cutoff = item.end - weeks_ago
            if not item.windows_before(cutoff + HOLDOUT_WEEKS, 1, AUTO_MIN_TRAINING):
                continue
            history, actual = item.at(cutoff), item.actual(cutoff)
            if history.demand not in SPARSE_CLASSES and POOLED in parts(cutoff):
                size = float(np.abs(history.y).mean())
                pooled_error += float(np.nanmean(np.abs(parts(cutoff)[POOLED] - actual))) / size
                auto_error += float(np.nanmean(np.abs(auto_forecast(item, fits, cutoff, ()).mean - actual))) / size
    return pooled_error < MAX_ERROR_RATIO * auto_error
