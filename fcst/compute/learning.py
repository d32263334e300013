"""What is learnt across the items of a run, before each item is forecast: at the end, and at each of its cutoffs.

    effects          of drivers, pooled over the items; all that follows is of histories without them
    boosting         one model of all items
    pooled seasons   sums of groups, of which an item has its share, where they are of use

What was learnt at a cutoff is only asked at that cutoff, or, of effects, at earlier ones for which nothing was learnt
apart: it has seen no week that it forecasts. Letters: H steps.
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
"""Items that effects are learnt from, and weeks times regressors of all of them: the cost is bounded."""

MAX_TRIED = 40
"""Items on which pooled seasons are compared with Auto; each takes as long as one of the run."""

LEAST_WEEKS_WITH_EFFECTS = TWO_YEARS + 2 * HOLDOUT_WEEKS
"""Weeks of history below which an item with effects of drivers has no other learnt parts."""

WORTH = 0.95
"""Pooled seasons are used where their error is at most so much of Auto's."""


@dataclass(frozen=True, eq=False)
class Learned:
    """What was learnt from what precedes one cutoff.

    Parameters
    ----------
    weeks_ago
        weeks from the cutoff to the end of the histories.
    effects
        of drivers; without columns where no item has any.
    boosting, pooled
        None where too little was known, they are of no use, or were not asked for.
    """

    weeks_ago: int
    effects: Effects
    boosting: Boosting | None = None
    pooled: PooledSeasons | None = None

    def to_bytes(self) -> bytes:
        """For the database; `from_bytes` makes the same of it, bit by bit."""
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
        """What people read of it, as plain data: pooled `effects`, from how many items, and the other `parts`."""
        names = [name for name, part in zip((BOOSTING, POOLED), self._parts.values(), strict=True) if part]
        return {"effects": describe(self.effects), "n_items": self.effects.n_items, "parts": names}

    @property
    def _parts(self) -> dict[str, Boosting | PooledSeasons | None]:
        return {"boosting": self.boosting, "pooled": self.pooled}


def parts_of(learned: Mapping[int, Learned], histories: SeriesHistories) -> Parts:
    """What the learnt parts forecast of one item after a cutoff, each computed once.

    Parameters
    ----------
    learned
        weeks before the end -> what was learnt there.
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
    """Whether learnt parts stand in an item's forecast.

    Not in under two years of an item without a family or class: of unrelated series, as M4's, they know nothing then.
    Nor beside effects of drivers in a short history: there they made two quarters of drugstores worse by a tenth, and
    changed little on orange juice.
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
    """Learns at the end, at the windows on which accuracy is measured, and at those by which Auto weights the parts.

    The same from the same series in any order.

    Parameters
    ----------
    series
        all ending in the same week.
    n_windows
        on which accuracy is measured.
    h
        H, the weeks to forecast from the end; from the other cutoffs it is HOLDOUT_WEEKS.
    has_auto
        Auto forecasts them; other models use effects alone.
    on_progress
        is called now and then.

    Returns
    -------
    dict
        weeks before the end -> what was learnt there.
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
    if _are_worth(pooled, effects, items):
        newer = (weeks_ago for weeks_ago in cutoffs if weeks_ago not in oldest)
        pooled |= {w: fit_pooled_seasons(known[w], HOLDOUT_WEEKS if w else h) for w in newer}
    else:
        pooled = {}
    on_progress()
    return {w: Learned(w, effects[w], boostings[w], pooled.get(w)) for w in cutoffs}


def learn_effects(series: Sequence[Series], weeks_ago: int) -> Effects:
    """Effects of drivers from what precedes a cutoff; of many series some are drawn by their keys."""
    return fit_effects(list(_samples(series, weeks_ago)))


def _samples(series: Sequence[Series], weeks_ago: int) -> Iterator[EffectsSample]:
    """Of up to MAX_ITEMS series with drivers, within MAX_CELLS."""
    n_items, n_cells = 0, 0
    for s in sorted((s for s in series if s.drivers), key=_draw):
        y, drivers = usable_part(s)
        cutoff = len(y) - weeks_ago
        if cutoff <= 0 or not drivers:
            continue
        n_items, n_cells = n_items + 1, n_cells + cutoff * len(columns_of(drivers))
        if n_items > 1 and (n_items > MAX_ITEMS or n_cells > MAX_CELLS):
            return
        units = demand_of(y[:cutoff]) if s.skips_stockouts else y[:cutoff]
        yield EffectsSample(units, regressors_at(drivers, cutoff, 0))


def _draw(series: Series) -> tuple[bytes, str]:
    """A place in an order of keys that is as good as random, and always the same."""
    return hashlib.blake2b(series.unique_id.encode(), digest_size=8).digest(), series.unique_id


def _histories(series: Sequence[Series], h: int, effects: Mapping[int, Effects]) -> Iterator[SeriesHistories]:
    """Of the series with a known week, in the order of their keys."""
    for s in sorted(series, key=lambda s: s.unique_id):
        try:
            yield SeriesHistories(s, h, effects)
        except ComputeError:
            continue


def _before(item: SeriesHistories, weeks_ago: int) -> Series | None:
    """The history of an item at a cutoff, without the effects of drivers; None where it has none."""
    cutoff = item.end - weeks_ago
    if cutoff <= 0:
        return None
    units = item.at(cutoff).units
    known = np.flatnonzero(~np.isnan(units))
    if not len(known):
        return None
    return Series(item.unique_id, item.wk_end_dt(cutoff), units[known[0] :], item.attributes)


def _are_worth(
    pooled: Mapping[int, PooledSeasons | None], effects: Mapping[int, Effects], items: Sequence[SeriesHistories]
) -> bool:
    """Whether pooled seasons forecast some of the items better than Auto does, after the same cutoffs.

    Errors are divided by the item's mean, so that every item counts the same.
    """
    known = {weeks_ago: Learned(weeks_ago, effects[weeks_ago], None, found) for weeks_ago, found in pooled.items()}
    ordered = sorted(items, key=lambda item: (zlib.crc32(item.unique_id.encode()), item.unique_id))
    own = others = 0.0
    for item in ordered[:MAX_TRIED] if any(pooled.values()) else ():
        parts, fits = parts_of(known, item), Fits()
        for weeks_ago in pooled:
            cutoff = item.end - weeks_ago
            if not item.windows_before(cutoff + HOLDOUT_WEEKS, 1, AUTO_MIN_TRAINING):
                continue
            history, actual = item.at(cutoff), item.actual(cutoff)
            if history.demand not in SPARSE_CLASSES and POOLED in parts(cutoff):
                size = float(np.abs(history.y).mean())
                own += float(np.nanmean(np.abs(parts(cutoff)[POOLED] - actual))) / size
                others += float(np.nanmean(np.abs(auto_forecast(item, fits, cutoff, ()).mean - actual))) / size
    return own < WORTH * others
