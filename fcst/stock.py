"""Stock settings of items (lead time, review period, service level), and stock figures of a run's items."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from fcst.errors import InputError

MAX_KEY = 1_000

MAX_DAYS = 728.0
"""Maximum lead time or review period: 104 weeks, the longest forecast."""

MIN_SERVICE_LEVEL, MAX_SERVICE_LEVEL = 0.5, 0.999
"""Below the minimum the safety stock is 0; above the maximum no run has enough backtests."""

GROUPS = ("item", "part", "family", "class", "all")
"""Groups that settings apply to: an item; items that share a part of their keys; a family; a class; all items."""

_DAYS = re.compile(r"(\d{1,6}(?:[.,]\d{1,6})?)\s*(d|days?|w|wks?|weeks?)?", re.IGNORECASE)
_SHARE = re.compile(r"(\d{1,3}(?:[.,]\d{1,6})?)\s*(%)?")


@dataclass(frozen=True)
class StockSettings:
    """Replenishment settings. None: the setting of the next larger group applies.

    Parameters
    ----------
    lead_time_days
        days from an order until its goods can be sold.
    review_period_days
        days between orders; 0: continuous review.
    service_level
        probability, a fraction, that demand over lead time and review period is at most the reorder point.

    Raises
    ------
    InputError
        if a number is out of range.
    """

    lead_time_days: float | None = None
    review_period_days: float | None = None
    service_level: float | None = None

    def __post_init__(self) -> None:
        for what, days in (("lead time", self.lead_time_days), ("review period", self.review_period_days)):
            if days is not None and not (math.isfinite(days) and 0 <= days <= MAX_DAYS):
                raise InputError(f"A {what} of {days:g} days is out of range.", f"Give 0 to {MAX_DAYS:.0f} days.")
        level = self.service_level
        if level is not None and not MIN_SERVICE_LEVEL <= level <= MAX_SERVICE_LEVEL:
            raise InputError(
                f"A service level of {100 * level:g} % is out of range.",
                f"Give {100 * MIN_SERVICE_LEVEL:g} to {100 * MAX_SERVICE_LEVEL:g} percent.",
            )

    @property
    def is_empty(self) -> bool:
        """Whether no setting is given."""
        return self == StockSettings()

    def over(self, others: "StockSettings") -> "StockSettings":
        """Return these settings, with missing ones filled from `others`."""
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
"""Default settings; there is no default lead time."""


@dataclass(frozen=True)
class GroupSettings:
    """Settings of one item or group, for all versions of a dataset.

    Parameters
    ----------
    grouped_by
        one of GROUPS.
    key
        key of the item or part, or name of the family or class; empty for all.
    key_columns
        for a part: the columns it is joined from, by their names in the dataset's mapping.

    Raises
    ------
    InputError
        if the group is invalid.
    """

    grouped_by: str
    key: str
    settings: StockSettings
    key_columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.grouped_by == "part") != bool(self.key_columns):
            raise InputError(
                f"Settings by {self.grouped_by} of {self.key[:100]!r} have "
                + ("key columns." if self.key_columns else "no key columns."),
                "Name key columns for a part of the keys, and only for a part.",
            )
        if (self.grouped_by == "all") != (not self.key):
            raise InputError(
                f"Settings by {self.grouped_by} have the key {self.key[:100]!r}.",
                "Give a key for a group, and no key for all items.",
            )
        if len(self.key) > MAX_KEY or not self.key.isprintable():
            raise InputError(
                f"{self.key[:100]!r} is not a valid key.",
                f"Use up to {MAX_KEY} characters, without control characters.",
            )


@dataclass(frozen=True)
class StoredSettings:
    """Saved settings of a group, with time and user."""

    group: GroupSettings
    changed_at: datetime
    changed_by: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(settings_of(row), row["changed_at"], row["changed_by"])


def settings_of(row: Mapping[str, Any]) -> GroupSettings:
    """Build settings from a database row."""
    settings = StockSettings(row["lead_time_days"], row["review_period_days"], row["service_level"])
    return GroupSettings(row["grouped_by"], row["key"], settings, tuple(row["key_columns"]))


@dataclass(frozen=True)
class StockFigures:
    """Stock figures of one item of a run, in units; None is not set or undefined.

    Parameters
    ----------
    demand
        final plan over lead time and review period.
    safety_stock, reorder_point
        for the service level; the reorder point is demand plus safety stock.
    is_measured
        whether the safety stock comes from backtest errors; otherwise from default assumptions.
    reason
        why a figure is undefined, in a sentence.
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
    """Parse a number of days from a text such as 14d or 2 weeks.

    Parameters
    ----------
    what
        name for messages, such as `lead time`.
    unit
        default unit, `d` or `w`; empty: the text needs a unit.

    Raises
    ------
    InputError
        if the text is invalid or has no unit.
    """
    found = _DAYS.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{text[:40]!r} is not a valid {what}.", "Write it as 14d or 2w.")
    name = (found[2] or unit).lower()
    if not name:
        raise InputError(f"The {what} {text[:40]!r} has no unit.", f"Write {found[1]}d or {found[1]}w.")
    return float(found[1].replace(",", ".")) * (7 if name.startswith("w") else 1)


def parse_service_level(text: str) -> float:
    """Parse a fraction from a text such as 95, 95 % or 0.95.

    Raises
    ------
    InputError
        if the text is invalid.
    """
    found = _SHARE.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{text[:40]!r} is not a valid service level.", "Write it as 95 % or 0.95.")
    number = float(found[1].replace(",", "."))
    return number if number < 1 and not found[2] else number / 100
