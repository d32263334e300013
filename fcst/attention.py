"""Reasons why an item of a run needs attention, their thresholds, and the ABC and XYZ classes."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Self

from fcst.errors import InputError


class AttentionReason(StrEnum):
    """A reason to review an item. The values are stored, and used in URLs."""

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
    """Minimum values at which a reason applies; not negative.

    Parameters
    ----------
    worse_by
        excess of the backtest error over that of last year's sales, as a fraction of the latter.
    bias_ratio
        tracking signal from 0 to 1: sum of the backtest errors ÷ sum of their absolute values.
    plan_change
        difference of the final plan from the same weeks of last year, as a fraction of these.
    outside_weeks
        weeks since the last run with sales outside its widest interval.
    shift
        change of the level of the last weeks, as a fraction of recent sales.
    x_below, y_below
        WAPE below which an item is in class X or Y; others are in class Z.
    """

    worse_by: float = 0.05
    bias_ratio: float = 0.7
    plan_change: float = 0.5
    outside_weeks: float = 1
    shift: float = 0.3
    x_below: float = 0.25
    y_below: float = 0.5

    @classmethod
    def from_json(cls, stored: Mapping[str, float]) -> Self:
        """Load stored thresholds. Missing ones get their defaults; unknown names, from other versions, are ignored."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: float(value) for name, value in stored.items() if name in known})

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    def check(self) -> None:
        """
        Raises
        ------
        InputError
            names a value that is not a number from 0 to MOST.
        """
        for name, value in self.to_json().items():
            if not (math.isfinite(value) and 0 <= value <= MOST):
                raise InputError(f"The threshold {name} is {value:g}.", f"Give a number from 0 to {MOST:,}.")


MOST = 1000
"""The largest threshold."""

ABC = ("A", "B", "C")
"""Items that make up the first 80 % of all units sold, or of their value; the next 15 %; and the rest."""

ABC_SHARES = (0.8, 0.95)

XYZ = ("X", "Y", "Z")
"""Items with low, medium, and high or undefined WAPE in backtests."""
