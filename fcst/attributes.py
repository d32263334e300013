"""Attributes of items for filters and sums, such as store, city or family.

An item has at most one value of an attribute. If item keys are joined from several columns, such as 28|2 from store_nbr
and item_nbr, the parts are attributes with the names of these columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

COLUMNS = ("family", "class", "perishable")
"""Attributes with their own column in the table of items."""

KEY = "key"
"""Source of attributes that are parts of item keys."""

ALL = "all"
"""Grouping of all items into one group; not allowed as the name of an attribute."""

MAX_ATTRIBUTES = 30
"""Maximum number of attributes of a dataset."""
MAX_LISTED = 1_000
"""Maximum number of listed values of an attribute."""
MAX_NAME, MAX_VALUE = 100, 500
"""Maximum lengths in characters."""


@dataclass(frozen=True)
class Attribute:
    """An attribute of a dataset's items.

    Parameters
    ----------
    source
        file it comes from, or KEY.
    keyed_by
        attributes that determine it, as the store determines the city. Empty: it is given for each item.
    is_own
        whether it comes from the sales file; otherwise from an attribute file loaded later.
    n_items, n_values
        number of items with a value, and number of distinct values.
    values
        the MAX_LISTED most frequent values, sorted.
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
    """Sort key of attribute values: numbers first, by size, then texts."""
    is_number = value.isascii() and value.isdigit() and len(value) < 16
    return not is_number, float(value) if is_number else 0.0, value


def free_name(name: str, source: str, taken: set[str]) -> str:
    """Return the attribute name for the column `name` of a file; the file name is appended if it is taken."""
    name = name.strip()[:MAX_NAME]
    if name not in taken and name not in (*COLUMNS, ALL):
        return name
    return f"{name} ({source})"


@dataclass(frozen=True)
class AttributeFile:
    """Parsed file of attributes.

    Parameters
    ----------
    source
        name of the file.
    keyed_by
        attributes whose values are the keys; empty: keys are item keys.
    names
        of the attributes.
    rows
        (key, values): one text for each of `keyed_by`, or the item key; and one for each of `names`, where '' deletes
        the value. Keys are unique.
    ignored
        columns that are not changed, because they come from the sales file.
    """

    source: str
    keyed_by: tuple[str, ...]
    names: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Saved:
    """Result of saving attributes.

    Parameters
    ----------
    n_keys, n_items
        number of matched keys, and of items that now have at least one of the attributes.
    n_unknown, unknown
        number of keys without an item, and the first of them; a later version of the dataset may have these items.
    """

    n_keys: int
    n_items: int
    n_unknown: int
    unknown: tuple[str, ...]
