"""Named SQL queries from `sql/*.sql`: blocks of `-- name`, a description, and the statement."""

import re
from functools import cache
from pathlib import Path

from psycopg2 import sql

from fcst import escaping

SQL = Path(__file__).parent / "sql"
_NAME = re.compile(r"^-- (\w+)\n", re.MULTILINE)


@cache
def _load() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(SQL.glob("*.sql")):
        parts = _NAME.split(path.read_text(encoding="utf-8"))[1:]
        for name, body in zip(parts[::2], parts[1::2], strict=True):
            if name in found:
                raise ValueError(f"{path.name} defines the query {name} a second time")
            found[name] = body.strip().rstrip(";")
    return found


def query(name: str) -> str:
    """The statement with this name."""
    return _load()[name]


def query_names() -> list[str]:
    """All query names; a test checks that each is used."""
    return list(_load())


def migrations() -> list[tuple[int, str, str]]:
    """(number, name, statements) of each migration, in order."""
    paths = sorted((SQL / "migrations").glob("[0-9]*.sql"))
    return [(int(p.stem[:4]), p.stem[5:], p.read_text(encoding="utf-8")) for p in paths]


def for_spreadsheet(column: str) -> sql.Composed:
    """`escaping.for_spreadsheet` for a text column, as SQL."""
    # Most texts need no escaping: the check takes less than half the time of the replacement.
    return sql.SQL(
        "CASE WHEN {column} !~ {some} THEN {column} "
        "ELSE CASE WHEN {column} ~ {first} THEN {quote} ELSE '' END || "
        "regexp_replace({column}, {formula}, {marked}, 'g') END"
    ).format(
        column=sql.SQL(column),
        some=sql.Literal(escaping.SOME),
        first=sql.Literal(escaping.FIRST),
        quote=sql.Literal("'"),
        formula=sql.Literal(escaping.FORMULA),
        marked=sql.Literal(r"\1'\2"),
    )
