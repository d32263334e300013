"""Lifecycles: what people know of an item's life that its sales do not show.

A new item has no history. Its lifecycle says whose sales it continues: those of the items that it replaces, its
predecessors, or of one that is like it. It may say as well from when and until when the item is sold.
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
"""Categories of Unicode: control characters and halves of characters."""


class Origin(StrEnum):
    """Which items' sales stand before an item's own."""

    PREDECESSOR = "predecessor"
    """It replaces them: what they sell now it sells from its launch on, and they sell nothing then."""
    LIKE = "like"
    """It is expected to sell as this one does; both go on."""


@dataclass(frozen=True)
class Source:
    """An item whose units, times the factor, stand before another one's."""

    unique_id: str
    factor: float = 1.0


@dataclass(frozen=True)
class Lifecycle:
    """What is known of one item's life; at least one thing is.

    Parameters
    ----------
    origin
        what its sources are; None where it has none.
    sources
        up to MAX_SOURCES predecessors, or one item that is like it.
    launch
        the first day on which it is sold; None: that of its first sale, or for an item without one the next week.
    last_day
        the last day on which it is sold; None: it goes on.

    Raises
    ------
    InputError
        that names the item and what cannot be used.
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
                    f"{key[:100]!r} cannot be an item.",
                    f"Use 1 to {MAX_KEY} characters, without control characters and spaces at the ends.",
                )
        if (self.origin is None) != (not self.sources):
            missing = "a relation without items" if self.origin else "items without a relation"
            raise InputError(
                f"Item {self.unique_id!r} has {missing}.",
                "Give both: the items, and whether it replaces them or is like one.",
            )
        if not self.sources and self.launch is None and self.last_day is None:
            raise InputError(
                f"Nothing is said of item {self.unique_id!r}.",
                "Give a predecessor, a like item, a launch or a last day.",
            )
        most = 1 if self.origin is Origin.LIKE else MAX_SOURCES
        if len(self.sources) > most:
            raise InputError(
                f"Item {self.unique_id!r} has {len(self.sources)} items before it.",
                f"Give one that it is like, or up to {MAX_SOURCES} predecessors.",
            )
        if len({source.unique_id for source in self.sources}) < len(self.sources):
            raise InputError(f"A predecessor of item {self.unique_id!r} is named twice.", "Name each once.")
        for source in self.sources:
            if source.unique_id == self.unique_id:
                raise InputError(f"Item {self.unique_id!r} cannot come before itself.", "Name another item.")
            if not (math.isfinite(source.factor) and 0 < source.factor <= MAX_FACTOR):
                raise InputError(
                    f"The factor of item {self.unique_id!r} is {source.factor:g}.",
                    f"Give a number above 0, up to {MAX_FACTOR:,.0f}.",
                )
        if self.launch is not None and self.last_day is not None and self.last_day < self.launch:
            raise InputError(
                f"Item {self.unique_id!r} would be sold until {self.last_day}, before its launch on {self.launch}.",
                "Correct one of the days.",
            )


@dataclass(frozen=True)
class StoredLifecycle:
    """A lifecycle of a dataset's item: when it was saved, by whom, and whether the item has sales of its own."""

    lifecycle: Lifecycle
    has_sales: bool
    created_at: datetime
    created_by: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(lifecycle_of(row), row["has_sales"], row["created_at"], row["created_by"])


def lifecycle_of(row: Mapping[str, Any]) -> Lifecycle:
    """From a row of the database."""
    sources = tuple(map(Source, row["sources"], row["factors"]))
    origin = Origin(row["origin"]) if row["origin"] else None
    return Lifecycle(row["unique_id"], origin, sources, row["launch"], row["last_day"])
