"""The weekly series of one item, input of all forecasts. Letters: T weeks, H steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Self

import numpy as np

from fcst.drivers import Driver
from fcst.lifecycles import Origin
from fcst.records import FloatArray


@dataclass(frozen=True, eq=False)
class Life:
    """Lifecycle of one item and its borrowed history.

    Parameters
    ----------
    origin, sources
        kind of the borrowed history, and the items it comes from; None and empty without borrowed history.
    n_borrowed
        number of borrowed weeks at the start of the series.
    like
        (T,) units of the like item, times the factor; empty without one.
    own
        (≤ T,) the item's own units of the last weeks; empty if all weeks are its own.
    launch, last_day
        first and last day on sale, if known.
    """

    origin: Origin | None = None
    sources: tuple[str, ...] = ()
    n_borrowed: int = 0
    like: FloatArray = field(default_factory=lambda: np.zeros(0))
    own: FloatArray = field(default_factory=lambda: np.zeros(0))
    launch: date | None = None
    last_day: date | None = None

    def is_sold(self, first_wk_end_dt: date, h: int) -> FloatArray:
        """(H,) share of each week's days, from 0 to 1, on which the item is on sale."""
        days = 7.0 * np.arange(h)  # from the first day of the first week
        first_day = first_wk_end_dt.toordinal() - 6
        begin = -np.inf if self.launch is None else self.launch.toordinal() - first_day
        end = np.inf if self.last_day is None else self.last_day.toordinal() - first_day + 1
        share: FloatArray = np.clip(np.minimum(end, days + 7) - np.maximum(begin, days), 0.0, 7.0) / 7
        return share

    def without_first(self, n_weeks: int) -> Self:
        """Return the lifecycle for the series without its first `n_weeks`."""
        return replace(self, n_borrowed=max(self.n_borrowed - n_weeks, 0), like=self.like[n_weeks:])


OWN_LIFE = Life()
"""Lifecycle of an item of which only the sales are known."""


@dataclass(frozen=True, eq=False)
class Series:
    """The weekly units of one item.

    Parameters
    ----------
    last_wk_end_dt
        last day of the last week.
    y
        (T,) units by week, float64; NaN is a missing week.
    attributes
        of the item, such as its family: name -> value.
    drivers
        drivers with distinct names, each with the T weeks of `y` and the known weeks after them.
    life
        lifecycle of the item; its first weeks may be borrowed from other items.
    skips_stockouts
        treat weeks that look like stock-outs, by `stockouts.suspected_weeks`, as missing instead of zero.
    """

    unique_id: str
    last_wk_end_dt: date
    y: FloatArray
    attributes: Mapping[str, str] = field(default_factory=dict)
    drivers: tuple[Driver, ...] = ()
    life: Life = OWN_LIFE
    skips_stockouts: bool = False

    def wk_end_dt(self, weeks_ago: int) -> date:
        """Return the last day of the week `weeks_ago` weeks before the last one; negative is in the future."""
        return self.last_wk_end_dt - timedelta(weeks=weeks_ago)
