"""The history of an item that begins with that of others: of its predecessors, or of one that it is like.

    of predecessors    their units, added up; from the launch on the item's own as well: it takes over what they sell
    of a like item     its units; from the launch on the item's own alone. As these become more, the like item's units
                       are drawn to their level

Accuracy is measured on the item's own weeks alone. Without any of this a launch may show in the units: an item that
sold a trickle for long and then its level (`find_launch`). Letters: T weeks.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from fcst.compute.series import Life, Series
from fcst.drivers import Driver, DriverKind
from fcst.lifecycles import Origin
from fcst.names import SEASON_LENGTH
from fcst.records import FloatArray

LEVEL_ERROR = 0.45
"""Standard error of the logarithm of a new item's level: forecasts of improved products and of additions to a line are
off by 35 to 37 % on average (Kahn 2002, Journal of Product Innovation Management 19, 133-143)."""

LEVEL_WEEKS = 4.0
"""Weeks of own sales that say as much of an item's level as what was expected of it."""


LEAST_BEFORE, LEAST_SINCE, MOST_SINCE = 8, 13, 104
"""Known weeks before and since a launch that is found in the units. Longer ago it does no harm."""

TRICKLE = 0.25
"""The mean before a launch is below so much of the mean since. A tenth finds fewer, and gains as much in each."""


STEP = 0.5
"""The mean of the last weeks before a launch is below so much of that of the first weeks since, unlike in growth."""


def find_launch(y: FloatArray) -> int:
    """The week of a launch that the units show; 0 where they show none.

    Where the logarithm of units breaks best in two, and what was sold before is a trickle: its mean is far below that
    since, from one week to the next, and nine in ten of its weeks are below three in four of those since. There is a
    year before or since, or it may be a season.

    Parameters
    ----------
    y
        (T,) units by week; NaN is a missing week. The first is known.
    """
    weeks = np.flatnonzero(~np.isnan(y))
    known = np.maximum(y[weeks], 0.0)
    n = len(known)
    if n < LEAST_BEFORE + LEAST_SINCE:
        return 0
    places, total = np.arange(1, n), np.cumsum(np.log1p(known))
    explained = total[:-1] ** 2 / places + (total[-1] - total[:-1]) ** 2 / (n - places)
    place = int(places[explained.argmax()])
    launch, n_since = int(weeks[place]), n - place
    if place < LEAST_BEFORE or not LEAST_SINCE <= n_since < MOST_SINCE:
        return 0
    if launch < SEASON_LENGTH and len(y) - launch < SEASON_LENGTH:
        return 0
    before, since = known[:place], known[place:]
    if launch >= SEASON_LENGTH and _is_season(y, launch):
        return 0
    if before[-LEAST_BEFORE:].mean() >= STEP * since[:LEAST_BEFORE].mean():
        return 0
    is_launch = before.mean() < TRICKLE * since.mean() and np.quantile(before, 0.9) < np.quantile(since, 0.25)
    return launch if is_launch else 0


def _is_season(y: FloatArray, launch: int) -> bool:
    """Whether as many weeks a year before a launch sold more than a trickle too."""
    since = y[launch:][:SEASON_LENGTH]
    before = y[launch - SEASON_LENGTH :][: len(since)]
    return bool(np.nan_to_num(before).sum() >= TRICKLE * np.nan_to_num(since).sum())


def at_level(y: FloatArray, life: Life, cutoff: int) -> FloatArray:
    """(cutoff,) the units before a cutoff, with those of a like item drawn to the level of the item's own.

    Parameters
    ----------
    y
        (T,) units; NaN is a missing week.
    """
    y, n = y[:cutoff], life.n_borrowed
    if not len(life.like) or n >= cutoff:
        return y
    own, like = y[n:], life.like[n:cutoff]
    is_known = ~np.isnan(own) & ~np.isnan(like)
    if own[is_known].sum() <= 0 or like[is_known].sum() <= 0:
        return y
    share = is_known.sum() / (is_known.sum() + LEVEL_WEEKS)
    ratio = float(own[is_known].sum() / like[is_known].sum())
    return np.concatenate([y[:n] * ratio**share, own])


def level_error(y: FloatArray, life: Life, cutoff: int) -> float:
    """The standard error of the logarithm of the item's level at a cutoff; 0 where no week is borrowed."""
    if not life.n_borrowed:
        return 0.0
    n_own = int(np.count_nonzero(~np.isnan(y[life.n_borrowed : cutoff])))
    return LEVEL_ERROR / (1 + n_own / LEVEL_WEEKS)


def continued(
    own: Series,
    origin: Origin | None,
    sources: Sequence[tuple[Series, float]],
    launch: date | None,
    last_day: date | None,
) -> Series:
    """The series of an item with what is known of its life.

    Parameters
    ----------
    own
        the item's own sales; of one without any they are missing weeks.
    sources
        the series that come before it, all ending in the same week, each with its factor; they may begin with others'.
    launch, last_day
        the first and the last day on which it is sold. Own weeks before the launch are left out, as a trickle.
    """
    n_weeks = max([len(own.y), *(len(series.y) for series, _ in sources)])
    y = _from(own.y, n_weeks)
    is_own = np.cumsum(np.nan_to_num(y) > 0) > 0
    if launch is not None:
        days = (launch - own.last_wk_end_dt).days - 1  # from the last week's end; its first day is -6
        week = n_weeks + days // 7
        is_own &= np.arange(n_weeks) >= week
        if origin is not Origin.PREDECESSOR and days % 7 != 0 and 0 <= week < n_weeks:
            y[week] = np.nan  # it was sold for a part of the week only
    n_before = int(n_weeks - is_own.sum())
    if not sources:
        y[:n_before] = np.nan
        return replace(own, y=y, life=Life(own=own.y, launch=launch, last_day=last_day))
    parts = np.array([factor * _from(_until_sold(series, origin), n_weeks) for series, factor in sources])
    is_known = ~np.isnan(parts).all(0)
    before = np.where(is_known, np.nansum(parts, 0), np.nan)
    added = np.nan_to_num(before) if origin is Origin.PREDECESSOR else 0.0
    life = Life(
        origin,
        tuple(series.unique_id for series, _ in sources),
        n_before,
        before if origin is Origin.LIKE else np.zeros(0),
        own.y,
        launch,
        last_day,
    )
    drivers = _drivers(own, sources[0][0], n_weeks, n_before)
    return replace(own, y=np.where(is_own, y + added, before), drivers=drivers, life=life)


def _until_sold(series: Series, origin: Origin | None) -> FloatArray:
    """(T,) the units of a source, those of a like item before it at its own level. Of a predecessor without the weeks
    after its last sale: it had ended, and the demand for it had not."""
    y = at_level(series.y, series.life, len(series.y))
    if origin is Origin.PREDECESSOR and (sold := np.flatnonzero(np.nan_to_num(y) > 0)).size:
        y = y.copy()
        y[sold[-1] + 1 :] = np.nan
    return y


def _from(y: FloatArray, n_weeks: int) -> FloatArray:
    """(n_weeks,) units that end in the same week, missing before."""
    return np.concatenate([np.full(n_weeks - len(y), np.nan), y])


def _longer(drivers: Sequence[Driver], n_more: int) -> tuple[Driver, ...]:
    return tuple(replace(d, values=np.r_[np.full(n_more, np.nan), d.values]) for d in drivers)


def _drivers(own: Series, source: Series, n_weeks: int, n_before: int) -> tuple[Driver, ...]:
    """The drivers of an item: before its launch those of its first source, whose prices are put on the item's level."""
    others = {d.name: d for d in _longer(source.drivers, n_weeks - len(source.y))}
    found = []
    for driver in _longer(own.drivers, n_weeks - len(own.y)):
        values = driver.values.copy()
        if driver.name in others:
            before, later = others[driver.name].values[:n_before], values[n_before:]
            is_price = driver.kind is DriverKind.PRICE
            if is_price and not (np.isnan(before).all() or np.isnan(later).all()):
                before = before * (np.nanmedian(later) / np.nanmedian(before))
            values[:n_before] = before
        found.append(replace(driver, values=values))
    return tuple(found)
