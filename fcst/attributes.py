"""Attributes of items: by what they are filtered and summed, such as their store, its city, their family.

An item has at most one value of an attribute. Where a key is joined of several columns, as 28|2 of store_nbr and
item_nbr, its parts are attributes with the names of these columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

COLUMNS = ("family", "class", "perishable")
"""Attributes that have a column of their own in the table of items."""

KEY = "key"
"""The source of attributes that are parts of the items' keys."""

ALL = "all"
"""Stands for no attribute: all items are one group. No attribute has this name."""

MAX_ATTRIBUTES = 30
"""Of a dataset."""
MAX_LISTED = 1_000
"""Values of an attribute that are listed."""
MAX_NAME, MAX_VALUE = 100, 500
"""Characters."""


@dataclass(frozen=True)
class Attribute:
    """An attribute that items of a dataset have.

    Parameters
    ----------
    source
        the file that says it, or KEY.
    keyed_by
        the attributes that decide it: the city is decided by the store. Empty: it is said of each item.
    is_own
        it came with the sales; else a file of attributes was loaded for the dataset.
    n_items, n_values
        items that have a value, and how many different values these are.
    values
        the MAX_LISTED values that most items have, in order.
    """

    name: str
    source: str
    keyed_by: tuple[str, ...]
    is_own: bool
    n_items: int
    n_values: int
    values: tuple[str, ...]

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(**{**row, "keyed_by": tuple(row["keyed_by"]), "values": tuple(sorted(row["values"], key=in_order))})


def in_order(value: str) -> tuple[bool, float, str]:
    """By what values are ordered: numbers first, by size, then texts."""
    is_number = value.isascii() and value.isdigit() and len(value) < 16
    return not is_number, float(value) if is_number else 0.0, value


def free_name(name: str, source: str, taken: set[str]) -> str:
    """The name of an attribute that the column `name` of a file makes: with that of the file where it is taken."""
    name = name.strip()[:MAX_NAME]
    if name not in taken and name not in (*COLUMNS, ALL):
        return name
    return f"{name} ({source})"


@dataclass(frozen=True)
class AttributeFile:
    """What a file says of attributes.

    Parameters
    ----------
    source
        the file's name.
    keyed_by
        the attributes whose values are the keys; empty: the keys are those of items.
    names
        of the attributes.
    rows
        (key, values): a text for each of `keyed_by`, or the item's key alone; and one for each of `names`, where ''
        takes the value away. Each key once.
    ignored
        columns that are left as they are, for they came with the sales.
    """

    source: str
    keyed_by: tuple[str, ...]
    names: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Saved:
    """What came of saving attributes.

    Parameters
    ----------
    n_keys, n_items
        keys that fit, and items that have at least one of the attributes now.
    n_unknown, unknown
        keys that no item has, and the first of them; a later version of the dataset may have them.
    """

    n_keys: int
    n_items: int
    n_unknown: int
    unknown: tuple[str, ...]
