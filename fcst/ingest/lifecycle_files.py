"""Lifecycle files: one row per item; an item with several predecessors has one row for each.

    item, predecessor, factor, launch, last day
    item, like, factor, launch, last day

The item is one column, or the columns that form the dataset's item keys. Dates have the format 2024-03-31.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from fcst.errors import InputError
from fcst.ingest.folders import Folders
from fcst.ingest.item_files import FileForm, read_item_rows
from fcst.ingest.sources import Workspace, with_file_errors
from fcst.lifecycles import Lifecycle, Origin, Source
from fcst.specs import IngestSpec

_FORM = FileForm(
    "list of lifecycles",
    {
        "predecessor": ("predecessor", "replaces"),
        "like": ("like", "likeitem"),
        "factor": ("factor",),
        "launch": ("launch", "launchday", "firstday"),
        "last": ("lastday", "end", "until"),
    },
    "item, predecessor or like, factor, launch, last day",
)

_DAY = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ]00:00(?::00(?:\.0+)?)?)?")
"""A date as text; workbooks may append the time 00:00."""

_FACTOR = re.compile(r"\d{1,7}(?:\.\d*|,\d{1,2}|,\d{4,})?(?:[eE][+-]?\d{1,2})?")
"""A number as text. Three digits after a comma are not allowed, because they may be thousands."""


@with_file_errors()
def read_lifecycles(
    spec: IngestSpec, folders: Folders, workspace: Workspace, key_columns: Sequence[str]
) -> list[Lifecycle]:
    """Reads a lifecycle file.

    Parameters
    ----------
    key_columns
        the columns that form the dataset's item keys.

    Raises
    ------
    InputError
        if the file has unknown columns, too many rows, or bad rows; the message quotes the first ones.
    """
    found: dict[str, Lifecycle] = {}

    def add(unique_id: str, cells: Mapping[str, str]) -> None:
        lifecycle = _lifecycle_of(unique_id, cells)
        before = found.get(unique_id)
        found[unique_id] = lifecycle if before is None else _joined(before, lifecycle)

    read_item_rows(spec, folders, workspace, key_columns, _FORM).for_each(add)
    return list(found.values())


def _lifecycle_of(unique_id: str, row: Mapping[str, str]) -> Lifecycle:
    predecessor, like = row.get("predecessor", ""), row.get("like", "")
    if predecessor and like:
        raise InputError(f"Item {unique_id!r} has both a predecessor and a like item.", "Give one of them.")
    factor = _number(row.get("factor", ""))
    if factor is not None and not (predecessor or like):
        raise InputError(
            f"Item {unique_id!r} has a factor but no predecessor or like item.", "Give a predecessor or a like item."
        )
    origin = Origin.PREDECESSOR if predecessor else Origin.LIKE if like else None
    sources = (Source(predecessor or like, 1.0 if factor is None else factor),) if origin else ()
    return Lifecycle(unique_id, origin, sources, _day(row.get("launch", "")), _day(row.get("last", "")))


def _joined(before: Lifecycle, more: Lifecycle) -> Lifecycle:
    """Joins several rows of one item into one lifecycle with all predecessors."""
    if not (before.origin is more.origin is Origin.PREDECESSOR):
        raise InputError(
            f"Item {more.unique_id!r} is in several rows.", "Give one row; only predecessors may have several rows."
        )
    for one, other, what in ((before.launch, more.launch, "launch"), (before.last_day, more.last_day, "last day")):
        if one and other and one != other:
            raise InputError(f"Item {more.unique_id!r} has two different dates for {what}.", "Give one of them.")
    return replace(
        before,
        sources=(*before.sources, *more.sources),
        launch=before.launch or more.launch,
        last_day=before.last_day or more.last_day,
    )


def _number(text: str) -> float | None:
    if not text:
        return None
    if not _FACTOR.fullmatch(text):
        raise InputError(f"{text[:40]!r} is not a valid factor.", "Write it as 1.2.")
    return float(text.replace(",", "."))


def _day(text: str) -> date | None:
    if not text:
        return None
    found = _DAY.fullmatch(text)
    try:
        return date.fromisoformat(found[1] if found else "")
    except ValueError:
        raise InputError(f"{text[:40]!r} is not a valid date.", "Write dates as 2024-03-31.") from None
