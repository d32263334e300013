"""Files of lifecycles: one row an item, or for an item with several predecessors one row each.

    item, predecessor, factor, launch, last day
    item, like, factor, launch, last day

The item is one column, or those of which the dataset's keys are joined. Days are written as 2024-03-31.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import duckdb

from fcst.errors import InputError
from fcst.ingest.bad_rows import count_rejected
from fcst.ingest.columns import normalised
from fcst.ingest.duck import fetch_all, first_line
from fcst.ingest.folders import Folders
from fcst.ingest.plan import look_at
from fcst.ingest.sources import Workspace, with_file_errors
from fcst.ingest.tables import Table, make_readable
from fcst.lifecycles import Lifecycle, Origin, Source
from fcst.names import KEY_JOINT
from fcst.specs import IngestSpec

MAX_ROWS = 100_000
MAX_SHOWN = 5
"""Rows that a refusal names."""

_NAMES = {
    "item": ("item", "uniqueid", "key"),
    "predecessor": ("predecessor", "replaces"),
    "like": ("like", "likeitem"),
    "factor": ("factor",),
    "launch": ("launch", "launchday", "firstday"),
    "last": ("lastday", "end", "until"),
}
"""What a column means -> how it may be called, small and without spaces and signs."""

_DAY = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ]00:00(?::00(?:\.0+)?)?)?")
"""A day as text; a workbook may add the time of midnight."""

_FACTOR = re.compile(r"\d{1,7}(?:\.\d*|,\d{1,2}|,\d{4,})?(?:[eE][+-]?\d{1,2})?")
"""A number as text; after a comma stand no three digits, which may be thousands."""


@with_file_errors()
def read_lifecycles(
    spec: IngestSpec, folders: Folders, workspace: Workspace, key_columns: Sequence[str]
) -> list[Lifecycle]:
    """Reads a file of lifecycles whole.

    Parameters
    ----------
    key_columns
        the columns of which the dataset's keys are joined.

    Raises
    ------
    InputError
        if it has other columns, too many rows, or rows that cannot be used; the text names the first of these.
    """
    (table, *others) = look_at(replace(spec, mapping={"sales": []}), folders, workspace).tables
    if others:
        raise InputError("Several files were given.", "Load them one by one.")
    places, keys = _find_columns(table, key_columns)
    found: dict[str, Lifecycle] = {}
    bad: list[str] = []
    for number, cells in enumerate(_read_rows(table, workspace), 1):
        row = {role: (cells[place] or "").strip() for role, place in places.items()}
        parts = [(cells[place] or "").strip() for place in keys]
        row["item"] = KEY_JOINT.join(parts)
        if not any(row[role] for role in places) and not any(parts):
            continue
        try:
            if not all(parts):
                raise InputError("It names no item.", "Give all columns of the key.")
            lifecycle = _lifecycle_of(row)
            before = found.get(lifecycle.unique_id)
            found[lifecycle.unique_id] = lifecycle if before is None else _joined(before, lifecycle)
        except InputError as exc:
            bad.append(f"row {number}: {exc.message} {exc.hint}")
    if bad:
        more = f"; and {len(bad) - MAX_SHOWN:,} more" if len(bad) > MAX_SHOWN else ""
        raise InputError(
            f"{len(bad):,} rows of {table.name} cannot be used. {' '.join(bad[:MAX_SHOWN])}{more}", "Correct the file."
        )
    if not found:
        raise InputError(f"{table.name} has no rows.", "Give a file with at least one item.")
    return list(found.values())


def _find_columns(table: Table, key_columns: Sequence[str]) -> tuple[dict[str, int], list[int]]:
    """role -> its place among the table's columns, and the places of the columns that make the key."""
    places: dict[str, int] = {}
    unknown = []
    for place, name in enumerate(table.columns):
        role = next((role for role, names in _NAMES.items() if normalised(name) in names), None)
        if role in places:
            raise InputError(f"{table.name} has two columns for {role}.", "Remove one.")
        if role is not None:
            places[role] = place
        elif normalised(name) not in map(normalised, key_columns):
            unknown.append(name)
    names = [normalised(name) for name in table.columns]
    keys = [names.index(normalised(name)) for name in key_columns if normalised(name) in names]
    if len(keys) == len(key_columns) > 0:
        places.pop("item", None)
    else:
        keys = [places.pop("item")] if "item" in places else []
    known = "item, predecessor or like, factor, launch, last day"
    if not keys or not places:
        raise InputError(
            f"{table.name} is no list of lifecycles: it has the columns {', '.join(table.columns[:20])}.",
            f"Give a file with columns of {known}.",
        )
    if unknown:
        raise InputError(f"{table.name} has a column {unknown[0]!r} that is not known.", f"Known are {known}.")
    return places, keys


def _read_rows(table: Table, workspace: Workspace) -> list[tuple[str | None, ...]]:
    columns = ", ".join(f"c{place}" for place in range(len(table.columns)))
    with duckdb.connect() as con:
        try:
            con.execute("SET threads = 1")  # the rows stay in order
            rows = fetch_all(con, f"SELECT {columns} FROM {make_readable(table, workspace).sql()} LIMIT {MAX_ROWS + 1}")
            n_rejected, _ = count_rejected(con)
        except duckdb.Error as exc:
            raise InputError(
                f"{table.name} cannot be read: {first_line(exc)}.", "Check that the file is whole."
            ) from exc
    if n_rejected:
        raise InputError(f"{n_rejected:,} lines of {table.name} do not fit its header.", "Correct the file.")
    if len(rows) > MAX_ROWS:
        raise InputError(f"{table.name} has more than {MAX_ROWS:,} rows.", "Split it.")
    return rows


def _lifecycle_of(row: dict[str, str]) -> Lifecycle:
    predecessor, like = row.get("predecessor", ""), row.get("like", "")
    if predecessor and like:
        raise InputError(f"Item {row['item']!r} has a predecessor and a like item.", "Give one of them.")
    factor = _number(row.get("factor", ""))
    if factor is not None and not (predecessor or like):
        raise InputError(
            f"Item {row['item']!r} has a factor without an item that it is of.", "Give a predecessor or a like item."
        )
    origin = Origin.PREDECESSOR if predecessor else Origin.LIKE if like else None
    sources = (Source(predecessor or like, 1.0 if factor is None else factor),) if origin else ()
    return Lifecycle(row["item"], origin, sources, _day(row.get("launch", "")), _day(row.get("last", "")))


def _joined(before: Lifecycle, more: Lifecycle) -> Lifecycle:
    """The lifecycle of an item that is in several rows: with all its predecessors."""
    if not (before.origin is more.origin is Origin.PREDECESSOR):
        raise InputError(f"Item {more.unique_id!r} is in several rows.", "Only predecessors may be several.")
    for one, other, what in ((before.launch, more.launch, "launch"), (before.last_day, more.last_day, "last day")):
        if one and other and one != other:
            raise InputError(f"Item {more.unique_id!r} has two days of {what}.", "Give one.")
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
        raise InputError(f"{text[:40]!r} is no factor.", "Write it as 1.2.")
    return float(text.replace(",", "."))


def _day(text: str) -> date | None:
    if not text:
        return None
    found = _DAY.fullmatch(text)
    try:
        return date.fromisoformat(found[1] if found else "")
    except ValueError:
        raise InputError(f"{text[:40]!r} is no day.", "Write days as 2024-03-31.") from None
