"""Lifecycles of items: predecessors, like items, launch and last day.

A new item has no history. Its lifecycle names the items whose sales are used instead: the predecessors that it
replaces, or a like item. It can also give the first and last day of sale.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Self
from unicodedata import category

from fcst.errors import InputError

MAX_SOURCES = 10
MAX_FACTOR = 1e6
MAX_KEY = 500
_UNUSABLE = ("Cc", "Cs")
"""Unicode categories that are not allowed in keys: control characters and surrogates."""


class Origin(StrEnum):
    """Kind of the items whose sales are used as history."""

    PREDECESSOR = "predecessor"
    """The item replaces them: it takes over their sales from its launch on, and they end."""
    LIKE = "like"
    """The item is expected to sell like this one; both continue."""


@dataclass(frozen=True)
class Source:
    """An item whose units, times the factor, are used as history of another one."""

    unique_id: str
    factor: float = 1.0


@dataclass(frozen=True)
class Lifecycle:
    """Lifecycle of one item; at least one field is set.

    Parameters
    ----------
    origin
        kind of its sources; None without sources.
    sources
        up to MAX_SOURCES predecessors, or one like item.
    launch
        first day of sale; None: the day of its first sale, or the next week if it has no sales.
    last_day
        last day of sale; None: it continues.

    Raises
    ------
    InputError
        names the item and the invalid value.
    """

    unique_id: str
    origin: Origin | None = None
    sources: tuple[Source, ...] = ()
    launch: date | None = None
    last_day: date | None = None

    def __post_init__(self) -> None:
        for key in (self.unique_id, *(source.unique_id for source in self.sources)):
            if not 0 < len(key) <= MAX_KEY or key != key.strip() or any(category(char) in _UNUSABLE for char in key):
                raise InputError(
                    f"{key[:100]!r} is not a valid item key.",
                    f"Use 1 to {MAX_KEY} characters, without control characters, and without spaces at the ends.",
                )
        if (self.origin is None) != (not self.sources):
            missing = "a relation without items" if self.origin else "items without a relation"
            raise InputError(
                f"Item {self.unique_id!r} has {missing}.",
                "Give both: the items, and whether it replaces them or is like one.",
            )
        if not self.sources and self.launch is None and self.last_day is None:
            raise InputError(
                f"The lifecycle of item {self.unique_id!r} is empty.",
                "Give a predecessor, a like item, a launch or a last day.",
            )
        most = 1 if self.origin is Origin.LIKE else MAX_SOURCES
        if len(self.sources) > most:
            raise InputError(
                f"Item {self.unique_id!r} has {len(self.sources)} source items.",
                f"Give one like item, or up to {MAX_SOURCES} predecessors.",
            )
        if len({source.unique_id for source in self.sources}) < len(self.sources):
            raise InputError(f"A predecessor of item {self.unique_id!r} is named twice.", "Name each once.")
        for source in self.sources:
            if source.unique_id == self.unique_id:
                raise InputError(f"Item {self.unique_id!r} cannot be its own source.", "Name another item.")
            if not (math.isfinite(source.factor) and 0 < source.factor <= MAX_FACTOR):
                raise InputError(
                    f"The factor of item {self.unique_id!r} is {source.factor:g}.",
                    f"Give a number above 0, up to {MAX_FACTOR:,.0f}.",
                )
        if self.launch is not None and self.last_day is not None and self.last_day < self.launch:
            raise InputError(
                f"The last day of item {self.unique_id!r}, {self.last_day}, is before its launch on {self.launch}.",
                "Correct one of the dates.",
            )


@dataclass(frozen=True)
class StoredLifecycle:
    """A saved lifecycle of a dataset's item, with time and user, and whether the item has its own sales."""

    lifecycle: Lifecycle
    has_sales: bool
    created_at: datetime
    created_by: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(lifecycle_of(row), row["has_sales"], row["created_at"], row["created_by"])


def lifecycle_of(row: Mapping[str, Any]) -> Lifecycle:
    """Build a lifecycle from a database row."""
    sources = tuple(map(Source, row["sources"], row["factors"]))
    origin = Origin(row["origin"]) if row["origin"] else None
    return Lifecycle(row["unique_id"], origin, sources, row["launch"], row["last_day"])
