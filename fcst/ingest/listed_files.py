"""Small files with few columns that users maintain, such as lifecycles: reads all rows into memory."""

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
"""Accepted names of the column with item keys, normalised."""

MAX_SHOWN = 5
"""Bad rows quoted in an error."""


def find_table(spec: IngestSpec, folders: Folders, workspace: Workspace) -> Table:
    """Returns the table of the spec's file.

    Raises
    ------
    InputError
        if the spec has several files, or none that is readable.
    """
    (table, *others) = look_at(replace(spec, mapping={"sales": []}), folders, workspace).tables
    if others:
        raise InputError("Several files were given.", "Load one file at a time.")
    return table


def read_rows(table: Table, workspace: Workspace, max_rows: int) -> list[tuple[str | None, ...]]:
    """Reads all rows of a table in order, as text.

    Raises
    ------
    InputError
        if a line does not match the header, or there are more than `max_rows` rows.
    """
    columns = ", ".join(f"c{place}" for place in range(len(table.columns)))
    with duckdb.connect() as con:
        try:
            con.execute("SET threads = 1")  # keeps the order of rows
            rows = fetch_all(con, f"SELECT {columns} FROM {make_readable(table, workspace).sql()} LIMIT {max_rows + 1}")
            n_rejected, _ = count_rejected(con)
        except duckdb.Error as exc:
            raise InputError(
                f"{table.name} cannot be read: {first_line(exc)}.", "Check that the file is complete."
            ) from exc
    if n_rejected:
        raise InputError(f"{n_rejected:,} lines of {table.name} do not match its header.", "Correct the file.")
    if len(rows) > max_rows:
        raise InputError(f"{table.name} has more than {max_rows:,} rows.", "Split the file.")
    return rows


def find_places(table: Table, names: Sequence[str]) -> list[int]:
    """The indexes of the table's columns with these names, in the order of the names; missing names are skipped."""
    in_file = [normalised(name) for name in table.columns]
    return [in_file.index(normalised(name)) for name in names if normalised(name) in in_file]


def refuse_bad_rows(file: str, bad: Sequence[str]) -> None:
    """Refuses a file with bad rows.

    Parameters
    ----------
    bad
        one message per bad row.

    Raises
    ------
    InputError
        if there is a bad row; the message quotes the first ones.
    """
    if bad:
        more = f"; and {len(bad) - MAX_SHOWN:,} more" if len(bad) > MAX_SHOWN else ""
        raise InputError(
            f"{len(bad):,} bad row{'s' if len(bad) > 1 else ''} in {file}. {' '.join(bad[:MAX_SHOWN])}{more}",
            "Correct the file.",
        )
