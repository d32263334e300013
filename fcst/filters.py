"""Filters, sort orders and selections of items: frozen records from which the store builds SQL."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

LIVES = ("new", "ended")
"""Flags of an item of a dataset."""

WITHOUT = ""
"""Filter value for items without a value of an attribute."""

AttributeFilter = tuple[tuple[str, tuple[str, ...]], ...]
"""Attribute filter: (name, allowed values) pairs; an item must match each."""

PREFIX = "attr."
"""Prefix of attribute names in URLs: `attr.city=Quito`."""


@dataclass(frozen=True)
class ItemFilter:
    """Filter of a dataset's items. Empty fields do not filter.

    Parameters
    ----------
    search
        words that must all occur in the key or description, ignoring case.
    families, classes, demand_classes, lives
        allowed values.
    also_in
        `family` or `class`: other columns to search.
    attributes
        (name, values): allowed values of each attribute; WITHOUT means no value.
    """

    search: str = ""
    families: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    demand_classes: tuple[str, ...] = ()
    lives: tuple[str, ...] = ()
    also_in: tuple[str, ...] = ()
    attributes: tuple[Any, ...] = ()  # AttributeFilter; mypy rejects fields of another type when ** fills the others

    @property
    def words(self) -> list[str]:
        """The words of the search in lower case, without duplicates."""
        return list(dict.fromkeys(to_lower(word) for word in self.search.replace("\0", "").split()))


ALL_DATASET_ITEMS = ItemFilter()


@dataclass(frozen=True)
class RunFilter(ItemFilter):
    """Filter of a run's items, by the forecast of one model.

    Parameters
    ----------
    heaviest
        allowed models with the largest weight in the forecast.
    reasons
        values of `AttentionReason`, of which the item has at least one.
    abc, xyz
        allowed classes.
    review
        `open`: has a reason and is not reviewed; `done`: is reviewed; empty: all.
    keys
        allowed item keys.
    """

    also_in: tuple[str, ...] = ("family",)
    heaviest: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    abc: tuple[str, ...] = ()
    xyz: tuple[str, ...] = ()
    review: str = ""
    keys: tuple[str, ...] | None = None

    @property
    def has_keys_only(self) -> bool:
        """Whether no field except `keys` filters."""
        of_dataset = (self.families, self.classes, self.demand_classes, self.lives, self.attributes)
        of_run = (self.heaviest, self.reasons, self.abc, self.xyz, self.review)
        return not self.words and not any(of_dataset + of_run)

    @property
    def is_empty(self) -> bool:
        """Whether every item matches."""
        return self.keys is None and self.has_keys_only

    @property
    def is_one(self) -> bool:
        """Whether it selects a single item by key."""
        return self.keys is not None and len(self.keys) == 1


def attribute_pairs(attributes: AttributeFilter) -> list[tuple[str, str]]:
    """Convert an attribute filter to URL parameters: `("attr.city", "Quito")`, one per value."""
    return [(f"{PREFIX}{name}", value) for name, values in attributes for value in values]


def attributes_in(parameters: Iterable[tuple[str, str]]) -> AttributeFilter:
    """Parse the attribute filter from URL parameters; others are ignored."""
    found: dict[str, dict[str, None]] = {}
    for name, value in parameters:
        if name.startswith(PREFIX) and "\0" not in name + value:
            found.setdefault(name.removeprefix(PREFIX), {})[value] = None
    return tuple((name, tuple(values)) for name, values in found.items())


ALL_RUN_ITEMS = RunFilter()


def by_keys(*keys: str) -> RunFilter:
    """Return a filter for the items of a run with these keys."""
    return RunFilter(keys=keys)


class RunSort(StrEnum):
    """Sort columns of a run's items; numbers descending, others ascending."""

    STAKE = "stake"
    SALES = "sales"
    KEY = "key"
    FORECAST = "forecast"
    FINAL = "final"
    SOLD = "sold"
    LAST_YEAR = "last_year"
    CHANGE = "change"
    WAPE = "wape"
    BIAS = "bias"


@dataclass(frozen=True)
class RunOrder:
    """Sort order of a run's items. Ties are ordered by sales; items without the number come last.

    Parameters
    ----------
    is_reversed
        numbers ascending; keys and sales have one direction only.
    """

    sort: RunSort = RunSort.SALES
    is_reversed: bool = False

    def __str__(self) -> str:
        return f"{self.sort}-reversed" if self.is_reversed else str(self.sort)


BY_SALES = RunOrder()


def parse_order(text: str, usual: RunOrder) -> RunOrder:
    """Parse a sort order from its URL form; return `usual` if it is invalid."""
    name, _, direction = text.partition("-")
    known = name in set(RunSort) and direction in ("", "reversed")
    return RunOrder(RunSort(name), bool(direction)) if known else usual


class GroupSort(StrEnum):
    """Sort orders of groups of a run's items: largest first, for `FALL` and `UNDER` smallest first.

    Ties are ordered by the groups' values; groups without the number come last.
    """

    FORECAST = "forecast"
    VALUE = "value"
    ITEMS = "items"
    SOLD = "sold"
    LAST_YEAR = "last_year"
    RISE = "rise"
    FALL = "fall"
    WAPE = "wape"
    OVER = "over"
    UNDER = "under"


class ItemSort(StrEnum):
    """Sort orders of a dataset's items; ties are ordered by sales."""

    SALES = "sales"
    KEY = "key"
    SHORTEST = "shortest"
    MISSING = "missing"
    ADI = "adi"
    CV2 = "cv2"
    NEWEST = "newest"
    LAST_SALE = "last_sale"


class Take(StrEnum):
    """How items are selected from those that match."""

    LARGEST = "largest"
    RANDOM = "random"
    ALL = "all"


@dataclass(frozen=True)
class Selection:
    """The items of a dataset that a run forecasts.

    Parameters
    ----------
    which
        filter.
    take, n_items, seed
        all matching items, the `n_items` with the largest sales, or `n_items` at random with this seed.
    keys
        allowed item keys.
    job_id
        only items of this earlier run.
    """

    which: ItemFilter = ItemFilter()
    take: Take = Take.ALL
    n_items: int = 0
    seed: int = 0
    keys: tuple[str, ...] | None = None
    job_id: int | None = None


def to_lower(text: str) -> str:
    """Convert to lower case character by character, as databases do, so the length does not change."""
    return "".join(letter.lower()[:1] for letter in text)
