"""Brings the schema `fcst_app` up to date: numbered migrations, each applied once, safely when two processes start."""

from fcst.errors import StoreError
from fcst.store import queries
from fcst.store.database import transaction

_LOCK = 7_283_502_611  # any number that is ours; the lock ends with the transaction, so a pooler may stand between


def migrate() -> list[str]:
    """Applies what is missing; returns the names of the migrations it applied.

    Raises
    ------
    StoreError
        if the schema is newer than this program, or the database refuses.
    """
    known = queries.migrations()
    applied: list[str] = []
    with transaction() as cur:
        cur.execute(queries.query("schema_version"))
        if (cur.fetchone() or {}).get("found"):
            cur.execute(queries.query("applied_migrations"))
            if [row["version"] for row in cur.fetchall()] == [number for number, _, _ in known]:
                return []
    with transaction() as cur:
        cur.execute("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": _LOCK})
        cur.execute(queries.query("create_migrations"))
        cur.execute(queries.query("applied_migrations"))
        done = {row["version"] for row in cur.fetchall()}
        if unknown := done - {number for number, _, _ in known}:
            raise StoreError(
                f"The database has schema version {max(unknown)}, made by a newer fcst.",
                "Update this installation, or point DATABASE_URL to another database.",
            )
        for number, name, statements in known:
            if number not in done:
                cur.execute(statements)
                cur.execute(queries.query("record_migration"), {"version": number, "name": name})
                applied.append(name)
    return applied
