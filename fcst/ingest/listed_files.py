"""Files of a few columns that people keep by hand, such as lifecycles: read whole, row by row."""

from collections.abc import Sequence
from dataclasses import replace

import duckdb

from fcst.errors import InputError
from fcst.ingest.bad_rows import count_rejected
from fcst.ingest.columns import normalised
from fcst.ingest.duck import fetch_all, first_line
from fcst.ingest.folders import Folders
from fcst.ingest.plan import look_at
from fcst.ingest.sources import Workspace
from fcst.ingest.tables import Table, make_readable
from fcst.specs import IngestSpec

ITEM_NAMES = ("item", "uniqueid", "key")
"""How the column of whole keys may be called, small and without spaces and signs."""

MAX_SHOWN = 5
"""Rows that a refusal names."""


def look_at_one(spec: IngestSpec, folders: Folders, workspace: Workspace) -> Table:
    """The table of the file that a spec names.

    Raises
    ------
    InputError
        if it names several, or none that can be read.
    """
    (table, *others) = look_at(replace(spec, mapping={"sales": []}), folders, workspace).tables
    if others:
        raise InputError("Several files were given.", "Load them one by one.")
    return table


def read_rows(table: Table, workspace: Workspace, max_rows: int) -> list[tuple[str | None, ...]]:
    """All rows of a table in their order, as text.

    Raises
    ------
    InputError
        if a line does not fit the header, or there are too many.
    """
    columns = ", ".join(f"c{place}" for place in range(len(table.columns)))
    with duckdb.connect() as con:
        try:
            con.execute("SET threads = 1")  # the rows stay in order
            rows = fetch_all(con, f"SELECT {columns} FROM {make_readable(table, workspace).sql()} LIMIT {max_rows + 1}")
            n_rejected, _ = count_rejected(con)
        except duckdb.Error as exc:
            raise InputError(
                f"{table.name} cannot be read: {first_line(exc)}.", "Check that the file is whole."
            ) from exc
    if n_rejected:
        raise InputError(f"{n_rejected:,} lines of {table.name} do not fit its header.", "Correct the file.")
    if len(rows) > max_rows:
        raise InputError(f"{table.name} has more than {max_rows:,} rows.", "Split it.")
    return rows


def find_places(table: Table, names: Sequence[str]) -> list[int]:
    """The places of those columns of a table that have one of these names, in the order of the names."""
    in_file = [normalised(name) for name in table.columns]
    return [in_file.index(normalised(name)) for name in names if normalised(name) in in_file]


def refuse_bad(file: str, bad: Sequence[str]) -> None:
    """Refuses a file that has rows which cannot be used.

    Parameters
    ----------
    bad
        what is wrong, row by row.

    Raises
    ------
    InputError
        if there is a bad row; the text names the first.
    """
    if bad:
        more = f"; and {len(bad) - MAX_SHOWN:,} more" if len(bad) > MAX_SHOWN else ""
        raise InputError(
            f"{len(bad):,} row{'s' if len(bad) > 1 else ''} of {file} cannot be used."
            f" {' '.join(bad[:MAX_SHOWN])}{more}",
            "Correct the file.",
        )
