"""DuckDB helpers: run a statement and fetch all its rows; quote names and literals.

All rows are fetched, because DuckDB refuses the next statement while rows of the last one remain.
"""

import re
from typing import Any

import duckdb
import pyarrow as pa

Connection = duckdb.DuckDBPyConnection


def fetch_all(con: Connection, sql: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
    """Returns all rows."""
    return con.execute(sql, values or []).fetchall()


def fetch_row(con: Connection, sql: str, values: list[Any] | None = None) -> tuple[Any, ...]:
    """Returns the only row of a statement."""
    (row,) = fetch_all(con, sql, values)
    return row


def fetch_arrow(con: Connection, sql: str) -> pa.Table:
    """Returns all rows as an Arrow table, which numpy reads without copying."""
    found = con.sql(sql).to_arrow_table()
    assert found is not None
    return found


def fetch_dicts(con: Connection, sql: str) -> list[dict[str, Any]]:
    """Returns all rows as dicts by column name."""
    found = con.execute(sql)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def is_disk_full(exc: duckdb.Error) -> bool:
    """Whether an error means that the disk is full, or that DuckDB reached its limit for temporary files."""
    return bool(re.search("No space left|failed to offload|could not write|max_temp_directory_size", str(exc), re.I))


def is_date_format(date_format: str) -> bool:
    """Whether DuckDB accepts a date format."""
    with duckdb.connect() as con:
        try:
            con.execute(f"SELECT try_strptime('', {literal(date_format)})")
        except duckdb.Error:
            return False
    return True


def literal(text: str) -> str:
    """A text as an SQL literal."""
    written = "'" + text.replace("'", "''") + "'"
    # A statement must not contain a zero byte.
    return f"({written})".replace("\0", "' || chr(0) || '") if "\0" in text else written


def quoted(name: str) -> str:
    """A column name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def first_line(exc: Exception) -> str:
    """The first line of an error message, without the error type and the final punctuation."""
    return re.sub(r"^[A-Z][A-Za-z ]* Error: ", "", str(exc).strip().splitlines()[0]).rstrip(".!")
