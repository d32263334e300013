"""The SQL of the product, by name: `sql/*.sql` holds blocks of `-- name`, a sentence, the statement."""

import re
from functools import cache
from pathlib import Path

from psycopg2 import sql

from fcst import harmless

SQL = Path(__file__).parent / "sql"
_NAME = re.compile(r"^-- (\w+)\n", re.MULTILINE)


@cache
def _load() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(SQL.glob("*.sql")):
        parts = _NAME.split(path.read_text(encoding="utf-8"))[1:]
        for name, body in zip(parts[::2], parts[1::2], strict=True):
            if name in found:
                raise ValueError(f"{path.name} names {name} a second time")
            found[name] = body.strip().rstrip(";")
    return found


def query(name: str) -> str:
    """The statement called `name`."""
    return _load()[name]


def query_names() -> list[str]:
    """All names, for the test that each is used."""
    return list(_load())


def migrations() -> list[tuple[int, str, str]]:
    """(number, name, statements) of each migration, in order."""
    paths = sorted((SQL / "migrations").glob("[0-9]*.sql"))
    return [(int(p.stem[:4]), p.stem[5:], p.read_text(encoding="utf-8")) for p in paths]


def for_spreadsheet(column: str) -> sql.Composed:
    """`harmless.for_spreadsheet` of a column of text, as SQL."""
    # Most texts have none of the signs: to look for one takes less than half of what replacing takes.
    return sql.SQL(
        "CASE WHEN {column} !~ {some} THEN {column} "
        "ELSE CASE WHEN {column} ~ {first} THEN {quote} ELSE '' END || "
        "regexp_replace({column}, {formula}, {marked}, 'g') END"
    ).format(
        column=sql.SQL(column),
        some=sql.Literal(harmless.SOME),
        first=sql.Literal(harmless.FIRST),
        quote=sql.Literal("'"),
        formula=sql.Literal(harmless.FORMULA),
        marked=sql.Literal(r"\1'\2"),
    )
