"""Stock: what planners say of the replenishment of items, and what a run says for it: safety stock, reorder point."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from fcst.errors import InputError

MAX_KEY = 1_000

MAX_DAYS = 728.0
"""Of a lead time or review period: 104 weeks, the longest forecast."""

LEAST_SERVICE_LEVEL, MOST_SERVICE_LEVEL = 0.5, 0.999
"""Below the first the safety stock is 0; beyond the second no run has enough backtests."""

GROUPS = ("item", "part", "family", "class", "all")
"""What settings may be of: an item; items that share some of the columns of their keys; a family; a class; all."""

_DAYS = re.compile(r"(\d{1,6}(?:[.,]\d{1,6})?)\s*(d|days?|w|wks?|weeks?)?", re.IGNORECASE)
_SHARE = re.compile(r"(\d{1,3}(?:[.,]\d{1,6})?)\s*(%)?")


@dataclass(frozen=True)
class StockSettings:
    """What planners say of the replenishment of an item. None: what is said of a larger group holds.

    Parameters
    ----------
    lead_time_days
        days from an order until its goods can be sold.
    review_period_days
        days from one order to the next; 0: one may be made at any time.
    service_level
        the probability, a fraction, that the demand over lead time and review period is at most the reorder point.

    Raises
    ------
    InputError
        for a number out of its range.
    """

    lead_time_days: float | None = None
    review_period_days: float | None = None
    service_level: float | None = None

    def __post_init__(self) -> None:
        for what, days in (("lead time", self.lead_time_days), ("review period", self.review_period_days)):
            if days is not None and not (math.isfinite(days) and 0 <= days <= MAX_DAYS):
                raise InputError(f"A {what} of {days:g} days cannot be used.", f"Give 0 to {MAX_DAYS:.0f} days.")
        level = self.service_level
        if level is not None and not LEAST_SERVICE_LEVEL <= level <= MOST_SERVICE_LEVEL:
            raise InputError(
                f"A service level of {100 * level:g} % cannot be used.",
                f"Give {100 * LEAST_SERVICE_LEVEL:g} to {100 * MOST_SERVICE_LEVEL:g} percent.",
            )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return self == StockSettings()

    def over(self, others: "StockSettings") -> "StockSettings":
        """These, and where they say nothing, others."""
        return StockSettings(
            *(
                own if own is not None else other
                for own, other in (
                    (self.lead_time_days, others.lead_time_days),
                    (self.review_period_days, others.review_period_days),
                    (self.service_level, others.service_level),
                )
            )
        )


USUAL = StockSettings(None, 7.0, 0.95)
"""What holds where nobody says otherwise; a lead time is known to planners alone."""


@dataclass(frozen=True)
class GroupSettings:
    """What is said of one item or group of a dataset's name.

    Parameters
    ----------
    grouped_by
        one of GROUPS.
    key
        the item's, the part's, the family's or the class's; empty for all.
    key_columns
        of a part: the columns of which it is joined, by their names in the dataset's mapping.

    Raises
    ------
    InputError
        for a group that cannot be.
    """

    grouped_by: str
    key: str
    settings: StockSettings
    key_columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.grouped_by == "part") != bool(self.key_columns):
            raise InputError(
                f"Settings of {self.key[:100]!r} are by {self.grouped_by}, and have columns of keys or lack them.",
                "Name the columns for a part of the keys, and only for one.",
            )
        if (self.grouped_by == "all") != (not self.key):
            raise InputError(
                f"Settings by {self.grouped_by} have the key {self.key[:100]!r}.",
                "Give a key, but none for all items together.",
            )
        if len(self.key) > MAX_KEY or not self.key.isprintable():
            raise InputError(
                f"{self.key[:100]!r} cannot be a key.", f"Use up to {MAX_KEY} characters, without control characters."
            )


@dataclass(frozen=True)
class StoredSettings:
    """Settings of a group, when they were saved, and by whom."""

    group: GroupSettings
    changed_at: datetime
    changed_by: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(settings_of(row), row["changed_at"], row["changed_by"])


def settings_of(row: Mapping[str, Any]) -> GroupSettings:
    """From a row of the database."""
    settings = StockSettings(row["lead_time_days"], row["review_period_days"], row["service_level"])
    return GroupSettings(row["grouped_by"], row["key"], settings, tuple(row["key_columns"]))


@dataclass(frozen=True)
class StockFigures:
    """The stock of one item of a run, in units; None is not set or not defined.

    Parameters
    ----------
    demand
        the final plan over lead time and review period.
    safety_stock, reorder_point
        by the service level; the reorder point is demand and safety stock together.
    is_measured
        the safety stock comes from errors that backtests have measured; else from what is usual.
    reason
        why something is not defined, in a sentence.
    """

    unique_id: str
    sales_rank: int
    lead_time_days: float | None
    review_period_days: float | None
    service_level: float | None
    demand: float | None
    safety_stock: float | None
    reorder_point: float | None
    is_measured: bool
    reason: str | None


def parse_days(text: str, what: str, unit: str = "") -> float:
    """Days, of a text such as 14d or 2 weeks.

    Parameters
    ----------
    what
        what it is of, such as `lead time`.
    unit
        `d` or `w`, of a number without one; empty: it needs one.

    Raises
    ------
    InputError
        for another text, or a number without a unit.
    """
    found = _DAYS.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{text[:40]!r} is no {what}.", "Write it as 14d or 2w.")
    name = (found[2] or unit).lower()
    if not name:
        raise InputError(f"The {what} {text[:40]!r} may be days or weeks.", f"Write {found[1]}d or {found[1]}w.")
    return float(found[1].replace(",", ".")) * (7 if name.startswith("w") else 1)


def parse_service_level(text: str) -> float:
    """A fraction, of a text such as 95, 95 % or 0.95.

    Raises
    ------
    InputError
        for another text.
    """
    found = _SHARE.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{text[:40]!r} is no service level.", "Write it as 95 % or 0.95.")
    number = float(found[1].replace(",", "."))
    return number if number < 1 and not found[2] else number / 100
