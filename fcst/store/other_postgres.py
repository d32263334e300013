"""Queries on a Postgres that is not fcst's own: one statement, in a read-only transaction, copied to a file."""

from typing import Protocol

import psycopg2
from psycopg2.extensions import parse_dsn

from fcst import logs
from fcst.errors import ConfigError, InputError
from fcst.store.queries import query

CONNECT_S = 15


class Target(Protocol):
    """A file for the rows."""

    def write(self, data: bytes) -> int: ...


def copy_query(url: str, statement: str, target: Target, limit_s: float, max_rows: int | None = None) -> int:
    """Copies the rows of a statement to a file, as CSV with a header; returns their number.

    Parameters
    ----------
    statement
        one that returns rows, without a semicolon.
    limit_s
        maximum time of the statement.
    max_rows
        maximum number of rows; None: all.

    Raises
    ------
    ConfigError
        if the URL is not a libpq URL.
    InputError
        if the database cannot be reached, or refuses the query, as for a query that writes.
    """
    try:
        parse_dsn(url)
    except psycopg2.ProgrammingError:
        raise ConfigError(
            "The secret of the source is not a Postgres URL.",
            "Use the form postgresql://user:password@host:5432/database.",
        ) from None  # libpq's message contains the URL with the password
    try:
        con = psycopg2.connect(url, connect_timeout=CONNECT_S, client_encoding="UTF8", application_name="fcst source")
    except psycopg2.Error as exc:
        raise InputError(f"The database of the source cannot be reached: {_reason(exc)}.", "Check it.") from None
    try:
        con.set_session(readonly=True)  # of each transaction, so a pooler in transaction mode works
        # Without `with con`: after a refused row its ROLLBACK would first read the rest of the rows, even endless ones.
        with con.cursor() as cur:
            cur.execute(query("prepare_source_query"), {"limit_ms": str(int(limit_s * 1000)), "query": statement})
            # COPY takes no parameters, and text in it could close its parenthesis and go on with other statements,
            # such as COMMIT. A cursor opens only one statement that returns rows. Such a text is balanced, so
            # it cannot close the parenthesis either.
            cur.execute(query("check_source_query"))
            some = f"SELECT * FROM (\n{statement}\n) AS source_query LIMIT {max_rows}"
            rows = statement if max_rows is None else some
            cur.copy_expert(f"COPY (\n{rows}\n) TO STDOUT (FORMAT csv, HEADER)", target)
            return int(cur.rowcount)
    except psycopg2.Error as exc:
        raise InputError(f"The database of the source refuses the query: {_reason(exc)}.", "Correct it.") from None
    finally:
        con.close()


def _reason(exc: psycopg2.Error) -> str:
    """The first line of the message, without secrets."""
    text = str(exc).strip() or type(exc).__name__
    return logs.mask(text.splitlines()[0][:300]).rstrip(".")
