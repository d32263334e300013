"""Which items of a dataset a run takes: all that match a filter, the largest or some at random of them; or a list."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from fcst.harmless import for_spreadsheet

MOST_NAMED = 10


class Take(StrEnum):
    """What is taken of the items that match."""

    LARGEST = "largest"
    RANDOM = "random"
    ALL = "all"


@dataclass(frozen=True)
class Filter:
    """What an item must have; what is empty asks for nothing.

    Parameters
    ----------
    families, classes, demand_classes
        values of which the item has one.
    search
        a part of its key, in capitals or not.
    """

    families: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    demand_classes: tuple[str, ...] = ()
    search: str = ""

    def apply(self, items: pd.DataFrame) -> pd.DataFrame:
        """Those of a dataset's items that match, in the same order."""
        is_match = pd.Series(True, index=items.index)
        for name, values in (
            ("family", self.families),
            ("class", self.classes),
            ("demand_class", self.demand_classes),
        ):
            if values:
                is_match &= items[name].isin(values)
        if self.search.strip():
            is_match &= items["unique_id"].str.contains(self.search.strip(), case=False, regex=False)
        return items[is_match]


def take(items: pd.DataFrame, how: Take, n_items: int, seed: int) -> pd.DataFrame:
    """All of `items`, the `n_items` largest sellers or as many at random; where there are fewer, all. Largest first."""
    if how == Take.ALL:
        return items
    if how == Take.LARGEST:
        return items.head(n_items)
    return items.sample(min(n_items, len(items)), random_state=seed).sort_values("sales_rank")


def take_listed(items: pd.DataFrame, keys: Iterable[str]) -> tuple[pd.DataFrame, list[str]]:
    """The items that have these keys, the largest sellers first; and the keys that no item has, as they came."""
    wanted = dict.fromkeys(keys)
    found = items[items["unique_id"].isin(wanted)]
    known = set(found["unique_id"])
    return found, [key for key in wanted if key not in known]


def parse_keys(pasted: str, items: pd.DataFrame) -> list[str]:
    """The keys of a pasted text: one a line, or several separated by commas, semicolons or tabs.

    A line that is the key of an item as a whole is one key, whatever signs are in it. So is one that was copied from a
    table or a CSV, where a ' stands before what a spreadsheet could take for a formula.
    """
    lines = [line.strip() for line in pasted.splitlines()]
    names = {for_spreadsheet(key): key for key in items["unique_id"]} if "'" in pasted else {}
    names |= {key: key for key in items.loc[items["unique_id"].isin(lines), "unique_id"]}
    parts = (part for line in lines for part in ([line] if line in names else re.split(r"[,;\t]", line)))
    keys = [part.strip() for part in parts]
    known = set(items.loc[items["unique_id"].isin(keys), "unique_id"])
    return [key if key in known else names.get(key, key) for key in keys if key]


def name_some(keys: list[str]) -> str:
    """The first ten of them, and how many more there are."""
    rest = len(keys) - MOST_NAMED
    return ", ".join(keys[:MOST_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
