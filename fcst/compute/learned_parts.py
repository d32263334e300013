"""What is learned from all items of a run at each of its cutoffs, and what it forecasts of one item.

A part is only asked at the cutoff at which it was learned: it has seen no week that it forecasts. Whether pooled
seasons are of use is decided once for a run, at cutoffs before every window on which accuracy is measured.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import numpy as np

from fcst.compute.auto import Learned, auto_forecast
from fcst.compute.boosting import Boosting, fit_boosting
from fcst.compute.demand import SPARSE_CLASSES
from fcst.compute.fits import Fits
from fcst.compute.history import MAX_WEEKS, SeriesHistories
from fcst.compute.models import AUTO_MIN_TRAINING, LEARNED_WINDOWS
from fcst.compute.pooled_seasons import PooledSeasons, fit_pooled_seasons
from fcst.compute.series import Series
from fcst.names import HOLDOUT_WEEKS
from fcst.records import FloatArray

BOOSTING, POOLED = "Boosting", "PooledSeasons"

MAX_TRIED = 40
"""Items on which pooled seasons are compared with Auto; each takes as long as one of the run."""

WORTH = 0.95
"""Pooled seasons are used where their error is at most so much of Auto's."""


@dataclass(frozen=True, eq=False)
class LearnedParts:
    """What was learned at the cutoffs of a run.

    Parameters
    ----------
    boostings, pooled
        by the last day of the last week before a cutoff; a cutoff where too little was known has none.
    """

    boostings: Mapping[date, Boosting]
    pooled: Mapping[date, PooledSeasons]

    def of(self, histories: SeriesHistories) -> Learned:
        """What the parts forecast of one item after a cutoff, each computed once."""

        @cache
        def forecasts(cutoff: int) -> dict[str, FloatArray]:
            history, day, attributes = histories.at(cutoff), histories.wk_end_dt(cutoff), histories.attributes
            made: dict[str, FloatArray] = {}
            if day in self.boostings:
                made[BOOSTING] = self.boostings[day].forecast(history.units, day, attributes, history.h)
            if (
                day in self.pooled
                and (share := self.pooled[day].forecast(history.units, attributes, history.h)) is not None
            ):
                made[POOLED] = share
            return made

        return forecasts


def learn_parts(items: Sequence[Series], n_windows: int, h: int) -> LearnedParts:
    """Learns at the end, at the windows on which accuracy is measured, and at those by which Auto weights its parts.

    Parameters
    ----------
    items
        the histories of all items; NaN is a missing week.
    n_windows
        on which accuracy is measured.
    h
        H, the weeks to forecast from the end; from the other cutoffs it is HOLDOUT_WEEKS.
    """
    if not items:
        return LearnedParts({}, {})
    last = max(item.last_wk_end_dt for item in items)
    days = [last - timedelta(weeks=HOLDOUT_WEEKS * j) for j in range(1 + n_windows + LEARNED_WINDOWS)]
    known = {day: [part for item in items if (part := _before(item, day)) is not None] for day in days}
    boostings = {day: boosting for day in days if (boosting := fit_boosting(known[day]))}
    pooled = _fit_pooled({day: known[day] for day in days[-LEARNED_WINDOWS:]}, HOLDOUT_WEEKS)
    if not _are_worth(pooled, known[last]):
        return LearnedParts(boostings, {})
    later = _fit_pooled({day: known[day] for day in days[1:-LEARNED_WINDOWS]}, HOLDOUT_WEEKS)
    return LearnedParts(boostings, pooled | later | _fit_pooled({last: known[last]}, h))


def _fit_pooled(known: Mapping[date, Sequence[Series]], h: int) -> dict[date, PooledSeasons]:
    return {day: seasons for day, items in known.items() if (seasons := fit_pooled_seasons(items, h))}


def _are_worth(pooled: Mapping[date, PooledSeasons], items: Sequence[Series]) -> bool:
    """Whether pooled seasons forecast some of the items better than Auto does, after the same cutoffs.

    Errors are divided by the item's mean, so that every item counts the same.
    """
    ordered = sorted(items, key=lambda item: (zlib.crc32(item.unique_id.encode()), item.unique_id))
    own = others = 0.0
    for item in ordered[:MAX_TRIED] if pooled else ():
        histories, fits = SeriesHistories(item, HOLDOUT_WEEKS), Fits()
        parts = LearnedParts({}, pooled).of(histories)
        for cutoff in histories.windows_before(histories.end, histories.end // HOLDOUT_WEEKS, AUTO_MIN_TRAINING):
            history, actual = histories.at(cutoff), histories.actual(cutoff)
            if (
                histories.wk_end_dt(cutoff) in pooled
                and history.demand not in SPARSE_CLASSES
                and POOLED in parts(cutoff)
            ):
                size = float(np.abs(history.y).mean())
                own += float(np.nanmean(np.abs(parts(cutoff)[POOLED] - actual))) / size
                others += float(np.nanmean(np.abs(auto_forecast(histories, fits, cutoff, ()).mean - actual))) / size
    return own < WORTH * others


def _before(item: Series, day: date) -> Series | None:
    """The history of an item up to a day, from its first known week on; None where it has none."""
    n_later = max((item.last_wk_end_dt - day).days // 7, 0)
    y = item.y[: len(item.y) - n_later][-MAX_WEEKS:]
    known = np.flatnonzero(~np.isnan(y))
    return Series(item.unique_id, item.wk_end_dt(n_later), y[known[0] :], item.attributes) if len(known) else None
