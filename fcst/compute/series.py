"""The weekly series of one item, as forecasts are computed from it. Letters: T weeks, H steps."""

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
    """What is known of one item's life besides its own sales.

    Parameters
    ----------
    origin, sources
        what stands before its own history, and of which items; None and empty where nothing does.
    n_borrowed
        weeks at the beginning of the series that are not its own.
    like
        (T,) units of the item that it is like, times the factor; empty without one.
    own
        (≤ T,) the item's own units, of the last weeks; empty where the series has no others.
    launch, last_day
        the first and the last day on which it is sold, where they are known.
    """

    origin: Origin | None = None
    sources: tuple[str, ...] = ()
    n_borrowed: int = 0
    like: FloatArray = field(default_factory=lambda: np.zeros(0))
    own: FloatArray = field(default_factory=lambda: np.zeros(0))
    launch: date | None = None
    last_day: date | None = None

    def is_sold(self, first_wk_end_dt: date, h: int) -> FloatArray:
        """(H,) the share of each week's days, from 0 to 1, on which it is sold."""
        days = 7.0 * np.arange(h)  # from the first day of the first week
        first_day = first_wk_end_dt.toordinal() - 6
        begin = -np.inf if self.launch is None else self.launch.toordinal() - first_day
        end = np.inf if self.last_day is None else self.last_day.toordinal() - first_day + 1
        share: FloatArray = np.clip(np.minimum(end, days + 7) - np.maximum(begin, days), 0.0, 7.0) / 7
        return share

    def without_first(self, n_weeks: int) -> Self:
        """The same of a series without its first weeks."""
        return replace(self, n_borrowed=max(self.n_borrowed - n_weeks, 0), like=self.like[n_weeks:])


OWN_LIFE = Life()
"""Of an item of which nothing is known but its sales."""


@dataclass(frozen=True, eq=False)
class Series:
    """The weekly units of one item.

    Parameters
    ----------
    last_wk_end_dt
        the last day of the last week.
    y
        (T,) units by week, of type float64; NaN is a missing week.
    attributes
        of the item, such as its family: name -> value.
    drivers
        what is known besides units, by names that differ, each with the T weeks of `y` and those known after them.
    life
        what is known of the item's life; some of the weeks may be those of other items.
    skips_stockouts
        weeks that look like stock-outs, by `stockouts.suspected_weeks`, are missing for models, not zero.
    """

    unique_id: str
    last_wk_end_dt: date
    y: FloatArray
    attributes: Mapping[str, str] = field(default_factory=dict)
    drivers: tuple[Driver, ...] = ()
    life: Life = OWN_LIFE
    skips_stockouts: bool = False

    def wk_end_dt(self, weeks_ago: int) -> date:
        """The last day of the week that is `weeks_ago` before the last one; a negative number is in the future."""
        return self.last_wk_end_dt - timedelta(weeks=weeks_ago)
