"""Migrations of the schema `fcst_app`: numbered, each applied once, safe with concurrent processes.

A migration that moves many rows is split into steps. Statements between `-- for each row of: QUERY` and `-- for all`
run once for each row of the query, with its columns as parameters.
"""

import re
from collections.abc import Callable
from functools import cache

from psycopg2.extensions import cursor as Cursor

from fcst.errors import StoreError
from fcst.store import queries
from fcst.store.database import check_disk_space, fetch_one, transaction
from fcst.store.server_checks import check_database
from fcst.store.statistics import analyze_all

OnProgress = Callable[[str, int, int], None]
"""Progress callback with a migration's name, the steps done, and the total steps."""

_LOCK = 7_283_502_611  # arbitrary; the lock ends with the transaction, so it works through a pooler
_STEPS = re.compile(r"^-- for each row of: (?P<rows>.+)\n(?P<statements>(?s:.+?))^-- for all$", re.MULTILINE)


def _no_progress(name: str, done: int, total: int) -> None:
    pass


@cache
def latest_version() -> int:
    """The schema version of this program."""
    return queries.migrations()[-1][0]


def applied_version() -> int | None:
    """The schema version of the database; 0 before the first migration, None without a schema."""
    if not (fetch_one("schema_version") or {})["found"]:
        return None
    return int((fetch_one("newest_migration") or {})["version"] or 0)


def migrate(on_progress: OnProgress = _no_progress) -> list[str]:
    """Applies pending migrations; returns their names.

    Raises
    ------
    StoreError
        if the schema is newer than this program, the database does not meet fcst's requirements, or a statement fails.
    DiskFull
        if the disk of the embedded server is full up to the reserve. Nothing is changed then.
    """
    known = queries.migrations()
    applied: list[str] = []
    with transaction() as cur:
        cur.execute(queries.query("schema_version"))
        has_schema = bool((cur.fetchone() or {}).get("found"))
        if has_schema:
            cur.execute(queries.query("applied_migrations"))
            if [row["version"] for row in cur.fetchall()] == [number for number, _, _ in known]:
                return []
    if not has_schema:
        check_database()
    check_disk_space("the upgrade of the database")
    with transaction() as cur:
        cur.execute("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": _LOCK})
        cur.execute(queries.query("create_migrations"))
        cur.execute(queries.query("applied_migrations"))
        done = {row["version"] for row in cur.fetchall()}
        if unknown := done - {number for number, _, _ in known}:
            raise StoreError(
                f"The database has schema version {max(unknown)}, which belongs to a newer fcst.",
                "Update this installation, or point DATABASE_URL to another database.",
            )
        for number, name, statements in known:
            if number not in done:
                apply(cur, name, statements, on_progress)
                cur.execute(queries.query("record_migration"), {"version": number, "name": name})
                applied.append(name)
        if applied:
            analyze_all(cur)
    return applied


def apply(cur: Cursor, name: str, statements: str, on_progress: OnProgress = _no_progress) -> None:
    """Runs the statements of one migration, step by step."""
    begin = 0
    for steps in _STEPS.finditer(statements):
        _execute(cur, statements[begin : steps.start()])
        cur.execute(steps["rows"])
        rows = cur.fetchall()
        for number, row in enumerate(rows):
            on_progress(name, number, len(rows))
            cur.execute(steps["statements"], row)
        begin = steps.end()
    _execute(cur, statements[begin:])


def _execute(cur: Cursor, statements: str) -> None:
    if statements.strip():  # psycopg2 refuses an empty query
        cur.execute(statements)
