"""Why an item of a run needs attention: the reasons, the thresholds behind them, and the classes ABC and XYZ."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Self

from fcst.errors import InputError


class AttentionReason(StrEnum):
    """A reason to look at an item; stored, and part of addresses, as it stands here."""

    NO_FORECAST = "no forecast"
    OUTSIDE = "outside interval"
    WORSE = "worse than last year"
    BIASED = "biased"
    FAR = "far from last year"
    SHIFT = "level shift"
    STOCK_OUT = "stock-out"
    OUTLIER = "outlier"
    NEW = "new"
    ENDED = "ended"
    FALLBACK = "fallback"
    ADJUSTED = "adjusted"


@dataclass(frozen=True)
class Thresholds:
    """From which value on a reason holds; each from 0 on.

    Parameters
    ----------
    worse_by
        how much larger than that of last year's sales the error in backtests is, as a fraction of it.
    one_sided
        the tracking signal: the sum of the errors in backtests by the sum of their sizes, from 0 to 1.
    far
        how far the final plan is from the same weeks of last year, as a fraction of these.
    outside_weeks
        weeks since the last run that sold more or less than its widest interval said.
    shift
        by how much the level of the last weeks differs from the one before, as a fraction of what was sold lately.
    x_below, y_below
        the WAPE below which an item is of class X, and of class Y; the others are of class Z.
    """

    worse_by: float = 0.05
    one_sided: float = 0.7
    far: float = 0.5
    outside_weeks: float = 1
    shift: float = 0.3
    x_below: float = 0.25
    y_below: float = 0.5

    @classmethod
    def from_json(cls, stored: Mapping[str, float]) -> Self:
        """What was set; the usual value of what was not. Names of other versions are left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: float(value) for name, value in stored.items() if name in known})

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    def check(self) -> None:
        """
        Raises
        ------
        InputError
            that names a value that is no number from 0 on.
        """
        for name, value in self.to_json().items():
            if not (math.isfinite(value) and 0 <= value <= MOST):
                raise InputError(f"The threshold {name} is {value:g}.", f"Give a number from 0 to {MOST:,}.")


MOST = 1000
"""The largest threshold."""

ABC = ("A", "B", "C")
"""Items that make the first 80 percent of all units sold, or of their value; the next 15 percent; and the rest."""

ABC_SHARES = (0.8, 0.95)

XYZ = ("X", "Y", "Z")
"""Items that can be forecast well, less well, and badly or not measured: by the WAPE of backtests."""
