"""Histories of items with borrowed weeks: those of predecessors, or of a like item.

    predecessors    the sum of their units; from the launch on plus the item's own, because it takes over their demand
    like item       its units; from the launch on the item's own only. The like item's units are scaled towards the
                    item's level as own sales accumulate

Accuracy is measured on the item's own weeks only. For items without a given lifecycle, `find_launch` finds launches in
the units: a long period of few sales, then the item's level.
Letters: T weeks.
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
"""Standard error of the log level of a new item: forecasts of improved products and of line extensions are off by 35
to 37 % on average (Kahn 2002, Journal of Product Innovation Management 19, 133-143)."""

LEVEL_WEEKS = 4.0
"""Weeks of own sales with the same weight as the expected level of an item."""


LEAST_BEFORE, LEAST_SINCE, MOST_SINCE = 8, 13, 104
"""Minimum of known weeks before a launch, minimum and maximum since it, for `find_launch`. Earlier launches do not
disturb the models."""

MAX_RATIO_BEFORE = 0.25
"""Maximum ratio of the mean before a launch to the mean since. With 0.1 fewer launches are found, with the same gain in
each."""


STEP = 0.5
"""Maximum ratio of the mean just before a launch to the mean just after it; excludes gradual growth."""


def find_launch(y: FloatArray) -> int:
    """Find the week of a launch in the units; 0 if there is none.

    The launch splits log units into two means with the least squared error. The mean before it is far below the mean
    since, also in the adjacent weeks, and the 90 % quantile before is below the 25 % quantile since. At least a year
    is known before or since, otherwise it may be a season.

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
    is_launch = before.mean() < MAX_RATIO_BEFORE * since.mean() and np.quantile(before, 0.9) < np.quantile(since, 0.25)
    return launch if is_launch else 0


def _is_season(y: FloatArray, launch: int) -> bool:
    """Whether the same weeks a year before sold at least MAX_RATIO_BEFORE of the units since: a season, no launch."""
    since = y[launch:][:SEASON_LENGTH]
    before = y[launch - SEASON_LENGTH :][: len(since)]
    return bool(np.nan_to_num(before).sum() >= MAX_RATIO_BEFORE * np.nan_to_num(since).sum())


def at_level(y: FloatArray, life: Life, cutoff: int) -> FloatArray:
    """(cutoff,) units before a cutoff; those of a like item are scaled towards the level of the item's own.

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
    """Return the standard error of the item's log level at a cutoff; 0 without borrowed weeks."""
    if not life.n_borrowed:
        return 0.0
    n_own = int(np.count_nonzero(~np.isnan(y[life.n_borrowed : cutoff])))
    return LEVEL_ERROR / (1 + n_own / LEVEL_WEEKS)


def apply_lifecycle(
    own: Series,
    origin: Origin | None,
    sources: Sequence[tuple[Series, float]],
    launch: date | None,
    last_day: date | None,
) -> Series:
    """Return the series of an item extended by its lifecycle and borrowed weeks.

    Parameters
    ----------
    own
        the item's own series; all weeks are missing if it has no sales.
    sources
        series to borrow from, with a factor each, all ending in the same week; they may have borrowed weeks themselves.
    launch, last_day
        first and last day on sale. Own weeks before the launch are left out.
    """
    n_weeks = max([len(own.y), *(len(series.y) for series, _ in sources)])
    y = _pad_start(own.y, n_weeks)
    is_own = np.cumsum(np.nan_to_num(y) > 0) > 0
    if launch is not None:
        days = (launch - own.last_wk_end_dt).days - 1  # 0: the day after the last week; its own first day is -7
        week = n_weeks + days // 7
        is_own &= np.arange(n_weeks) >= week
        if origin is not Origin.PREDECESSOR and days % 7 != 0 and 0 <= week < n_weeks:
            y[week] = np.nan  # on sale for a part of the week only
    n_before = int(n_weeks - is_own.sum())
    if not sources:
        y[:n_before] = np.nan
        return replace(own, y=y, life=Life(own=own.y, launch=launch, last_day=last_day))
    parts = np.array([factor * _pad_start(_until_sold(series, origin), n_weeks) for series, factor in sources])
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
    """(T,) units of a source, with its own borrowed weeks scaled to its level.

    The weeks after the last sale of a predecessor are missing: it was discontinued, but its demand went on.
    """
    y = at_level(series.y, series.life, len(series.y))
    if origin is Origin.PREDECESSOR and (sold := np.flatnonzero(np.nan_to_num(y) > 0)).size:
        y = y.copy()
        y[sold[-1] + 1 :] = np.nan
    return y


def _pad_start(y: FloatArray, n_weeks: int) -> FloatArray:
    """(n_weeks,) units, padded at the start with missing weeks."""
    return np.concatenate([np.full(n_weeks - len(y), np.nan), y])


def _pad_drivers(drivers: Sequence[Driver], n_more: int) -> tuple[Driver, ...]:
    return tuple(replace(d, values=np.r_[np.full(n_more, np.nan), d.values]) for d in drivers)


def _drivers(own: Series, source: Series, n_weeks: int, n_before: int) -> tuple[Driver, ...]:
    """Return an item's drivers; before its launch those of its first source, with prices scaled to the item's level."""
    others = {d.name: d for d in _pad_drivers(source.drivers, n_weeks - len(source.y))}
    found = []
    for driver in _pad_drivers(own.drivers, n_weeks - len(own.y)):
        values = driver.values.copy()
        if driver.name in others:
            before, later = others[driver.name].values[:n_before], values[n_before:]
            is_price = driver.kind is DriverKind.PRICE
            if is_price and not (np.isnan(before).all() or np.isnan(later).all()):
                before = before * (np.nanmedian(later) / np.nanmedian(before))
            values[:n_before] = before
        found.append(replace(driver, values=values))
    return tuple(found)
