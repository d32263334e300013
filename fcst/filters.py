"""Which items are shown or taken, and in which order: frozen records, from which the store builds its SQL."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

LIVES = ("new", "ended")
"""What is noteworthy of an item of a dataset."""

WITHOUT = ""
"""Stands for items without a value of an attribute."""

Wanted = tuple[tuple[str, tuple[str, ...]], ...]
"""Names of attributes, each with the values of which an item has one."""

PREFIX = "attr."
"""Before the names of attributes in addresses: `attr.city=Quito`."""


@dataclass(frozen=True)
class ItemFilter:
    """What an item of a dataset must have. Empty fields do not filter.

    Parameters
    ----------
    search
        words that all must be in its key or description, in capitals or not.
    families, classes, demand_classes, lives
        values of which the item has one.
    also_in
        `family` or `class`: columns in which a word may be as well.
    attributes
        (name, values): the item has one of the values of each attribute named; WITHOUT stands for no value.
    """

    search: str = ""
    families: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    demand_classes: tuple[str, ...] = ()
    lives: tuple[str, ...] = ()
    also_in: tuple[str, ...] = ()
    attributes: tuple[Any, ...] = ()  # Wanted; but mypy lets no field of another type stand beside those that ** fills

    @property
    def words(self) -> list[str]:
        """The words of the search in small letters."""
        return list(dict.fromkeys(in_small_letters(word) for word in self.search.replace("\0", "").split()))


EVERY_ITEM = ItemFilter()


@dataclass(frozen=True)
class RunFilter(ItemFilter):
    """What an item of a run must have, by what one model forecasts of it.

    Parameters
    ----------
    heaviest
        models of which one has the largest weight in the forecast.
    reasons
        some of `AttentionReason`, of which the item has one.
    abc, xyz
        classes of which the item has one.
    review
        `open`, it has a reason and was not reviewed; `done`, it was reviewed; empty for all.
    keys
        only items that have one of these keys.
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
        """Whether nothing but the key of an item is asked for."""
        of_dataset = (self.families, self.classes, self.demand_classes, self.lives, self.attributes)
        of_run = (self.heaviest, self.reasons, self.abc, self.xyz, self.review)
        return not self.words and not any(of_dataset + of_run)

    @property
    def is_empty(self) -> bool:
        """Whether every item matches."""
        return self.keys is None and self.has_keys_only

    @property
    def is_one(self) -> bool:
        """Whether it is for one item by its key."""
        return self.keys is not None and len(self.keys) == 1


def attribute_pairs(attributes: Wanted) -> list[tuple[str, str]]:
    """Wanted attributes as parameters of an address: `("attr.city", "Quito")`, one for each value."""
    return [(f"{PREFIX}{name}", value) for name, values in attributes for value in values]


def attributes_in(parameters: Iterable[tuple[str, str]]) -> Wanted:
    """Those of the parameters of an address that want attributes, as a filter has them."""
    found: dict[str, dict[str, None]] = {}
    for name, value in parameters:
        if name.startswith(PREFIX) and "\0" not in name + value:
            found.setdefault(name.removeprefix(PREFIX), {})[value] = None
    return tuple((name, tuple(values)) for name, values in found.items())


EVERY = RunFilter()


def only(*keys: str) -> RunFilter:
    """The items of a run that have these keys."""
    return RunFilter(keys=keys)


class RunSort(StrEnum):
    """What a run's items are ordered by; numbers from the largest, the rest from the first."""

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
    """An order of a run's items; items that are alike follow by their sales, those without the number come last.

    Parameters
    ----------
    is_reversed
        numbers from the smallest; keys and sales have one direction only.
    """

    sort: RunSort = RunSort.SALES
    is_reversed: bool = False

    def __str__(self) -> str:
        return f"{self.sort}-reversed" if self.is_reversed else str(self.sort)


BY_SALES = RunOrder()


def order_from(text: str, usual: RunOrder) -> RunOrder:
    """The order that is written so, as in an address; else the usual one."""
    name, _, direction = text.partition("-")
    known = name in set(RunSort) and direction in ("", "reversed")
    return RunOrder(RunSort(name), bool(direction)) if known else usual


class GroupSort(StrEnum):
    """Orders of groups of a run's items: the most, or for a fall and an under-forecast the least, first; those that are
    alike by their values, and those without the number last."""

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
    """Orders of a dataset's items; items that are alike follow by their sales."""

    SALES = "sales"
    KEY = "key"
    SHORTEST = "shortest"
    MISSING = "missing"
    ADI = "adi"
    CV2 = "cv2"
    NEWEST = "newest"
    LAST_SALE = "last_sale"


class Take(StrEnum):
    """What is taken of the items that match."""

    LARGEST = "largest"
    RANDOM = "random"
    ALL = "all"


@dataclass(frozen=True)
class Selection:
    """Which items of a dataset a run takes.

    Parameters
    ----------
    which
        what an item must have.
    take, n_items, seed
        all that match, the `n_items` largest sellers of them, or as many at random, which the seed fixes.
    keys
        only items that have one of these.
    job_id
        only items of this earlier run.
    """

    which: ItemFilter = ItemFilter()
    take: Take = Take.ALL
    n_items: int = 0
    seed: int = 0
    keys: tuple[str, ...] | None = None
    job_id: int | None = None


def in_small_letters(text: str) -> str:
    """Letter by letter, as databases do it: one letter stays one letter, whatever stands beside it."""
    return "".join(letter.lower()[:1] for letter in text)
