"""Writes the rows of an SQL query to a CSV file: by COPY from Postgres, by SQLAlchemy from other databases."""

import csv
import io
from typing import Any

from fcst.errors import ConfigError, InputError
from fcst.fetch.limits import LIMIT_S, Fetching, LimitedFile
from fcst.store import other_postgres

FILE = "query.csv"
ROWS_AT_ONCE = 10_000


def query_rows(url: str, query: str, fetching: Fetching) -> str:
    """Runs a query that only reads; returns the path of its rows as CSV with a header.

    Parameters
    ----------
    url
        of the database: a libpq URL, or one of SQLAlchemy.

    Raises
    ------
    ConfigError
        if the URL is not valid.
    InputError
        if the database cannot be reached, or refuses the query, or the query has no rows.
    """
    query = query.strip().rstrip(";").rstrip()
    file = LimitedFile(fetching, FILE)
    try:
        if url.startswith(("postgresql://", "postgres://")):
            n_rows = other_postgres.copy_query(url, query, file, LIMIT_S, fetching.max_rows)
        else:
            n_rows = _query_by_sqlalchemy(url, query, file, fetching.max_rows)
    finally:
        file.close()
    if not n_rows:
        raise InputError("The query has no rows.", "Check its conditions.")
    return str(file.path)


def _query_by_sqlalchemy(url: str, query: str, file: LimitedFile, max_rows: int | None) -> int:
    try:
        import sqlalchemy
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
    except ImportError as exc:
        raise InputError(
            "Reading from this database needs SQLAlchemy, which is not installed.",
            "Install it: pip install 'fcst[sql]', and the driver of the database.",
        ) from exc
    try:
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    except ModuleNotFoundError as exc:
        raise InputError(f"The driver {exc.name} of the database is not installed.", "Install its package.") from exc
    except (ArgumentError, NoSuchModuleError, ValueError) as exc:
        raise ConfigError(
            "The secret of the source is not the URL of a database.",
            "Use the form postgresql://user:password@host/database, or a URL of SQLAlchemy.",
        ) from exc
    try:
        with engine.connect() as con:
            _forbid_writing(con)
            result = con.execution_options(stream_results=True, max_row_buffer=ROWS_AT_ONCE).exec_driver_sql(query)
            if not result.returns_rows:
                con.rollback()
                raise InputError("The query returns no table.", "Write a query that reads: SELECT ….")
            n_rows = _write_rows(result, file, max_rows)
            con.rollback()
    except SQLAlchemyError as exc:
        raise InputError(f"The database refuses the query: {_reason(exc)}.", "Correct the query.") from exc
    finally:
        engine.dispose()
    return n_rows


def _forbid_writing(con: Any) -> None:
    """Makes the transaction read-only where the database can; everywhere it is rolled back at the end."""
    statement = {
        "mysql": "SET TRANSACTION READ ONLY",
        "mariadb": "SET TRANSACTION READ ONLY",
        "oracle": "SET TRANSACTION READ ONLY",
        "sqlite": "PRAGMA query_only = ON",
    }.get(con.dialect.name)
    if statement:
        con.exec_driver_sql(statement)


def _write_rows(result: Any, file: LimitedFile, max_rows: int | None) -> int:
    """Writes rows as CSV: dates in ISO format, NULL as an empty field."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(result.keys())
    n_rows = 0
    for rows in result.partitions(ROWS_AT_ONCE):
        rows = rows if max_rows is None else rows[: max_rows - n_rows]
        writer.writerows(rows)
        n_rows += len(rows)
        file.write(buffer.getvalue().encode())
        buffer.seek(0)
        buffer.truncate()
        if n_rows == max_rows:
            break
    return n_rows


def _reason(exc: Exception) -> str:
    """The first line of the driver's message; SQLAlchemy's own has the whole statement."""
    text = str(getattr(exc, "orig", None) or exc).strip()
    return text.splitlines()[0][:300].rstrip(".") if text else type(exc).__name__
