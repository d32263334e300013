"""DuckDB as the other modules use it: a statement's rows, fetched to the end.

DuckDB refuses the next statement of a connection while rows of the last one are left.
"""

import re
from typing import Any

import duckdb
import pyarrow as pa

Connection = duckdb.DuckDBPyConnection


def fetch_all(con: Connection, sql: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
    """All rows."""
    return con.execute(sql, values or []).fetchall()


def fetch_row(con: Connection, sql: str, values: list[Any] | None = None) -> tuple[Any, ...]:
    """The one row of a statement that always has one."""
    (row,) = fetch_all(con, sql, values)
    return row


def fetch_arrow(con: Connection, sql: str) -> pa.Table:
    """All rows as an Arrow table, which numpy reads without copying."""
    found = con.sql(sql).to_arrow_table()
    assert found is not None
    return found


def fetch_dicts(con: Connection, sql: str) -> list[dict[str, Any]]:
    """All rows by the names of their columns."""
    found = con.execute(sql)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def is_out_of_room(exc: duckdb.Error) -> bool:
    """Whether an error tells that the disk is full, or that DuckDB may write no more to it."""
    return bool(re.search("No space left|failed to offload|could not write|max_temp_directory_size", str(exc), re.I))


def is_date_format(date_format: str) -> bool:
    """Whether dates can be read by it."""
    with duckdb.connect() as con:
        try:
            con.execute(f"SELECT try_strptime('', {literal(date_format)})")
        except duckdb.Error:
            return False
    return True


def literal(text: str) -> str:
    """A text as SQL writes it."""
    written = "'" + text.replace("'", "''") + "'"
    return f"({written})".replace("\0", "' || chr(0) || '") if "\0" in text else written  # no statement may hold one


def quoted(name: str) -> str:
    """A column's name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def first_line(exc: Exception) -> str:
    """What an error says, without its kind, the statement and the sign at its end."""
    return re.sub(r"^[A-Z][A-Za-z ]* Error: ", "", str(exc).strip().splitlines()[0]).rstrip(".!")
