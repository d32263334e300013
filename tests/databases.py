"""The database of a test: one per process, emptied and renamed between tests.

A copy of a database writes some 350 files, which takes longer than most tests. Rows are restored from a snapshot
instead. A database whose catalog was changed, by a migration or a grant, is replaced by a copy of the template.
"""

import contextlib
import io
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg2

CATALOG = """
SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
    SELECT concat_ws(' ', c.oid, c.relname, c.relkind, c.relacl, c.relchecks, c.relhastriggers, c.reloptions,
        a.attname, a.atttypid, a.attnotnull, a.attacl) AS line
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL SELECT concat_ws(' ', nspname, nspacl) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'
    UNION ALL SELECT concat_ws(' ', oid, proname, proacl, prosrc) FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', oid, tgname, tgenabled) FROM pg_trigger
    UNION ALL SELECT concat_ws(' ', oid, conname) FROM pg_constraint WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', datacl, datallowconn) FROM pg_database WHERE datname = current_database()
    UNION ALL SELECT concat_ws(' ', setconfig) FROM pg_db_role_setting
) AS lines
"""
TABLES = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace('fcst_app')"
LARGE = 1_000_000  # bytes of tables that are truncated; rows of smaller ones are deleted
SEQUENCES = TABLES.replace("'r'", "'S'")


@dataclass(frozen=True)
class Snapshot:
    """The rows of all tables that have any, in COPY's binary format, and the positions of sequences that were used."""

    rows: dict[str, bytes]
    positions: dict[str, int]


def url(server: dict[str, str], database: str) -> str:
    return f"postgresql://{server['user']}@/{database}?host={server['host']}&port={server['port']}"


@contextlib.contextmanager
def admin(server: dict[str, str], database: str = "postgres") -> Iterator[psycopg2.extensions.cursor]:
    # Limits that a test has set for the database do not apply.
    options = "-c statement_timeout=0 -c lock_timeout=0 -c default_transaction_read_only=off"
    con = psycopg2.connect(**{**server, "dbname": database, "options": options})
    con.autocommit = True
    try:
        with con.cursor() as cur:
            yield cur
    finally:
        con.close()


def end_connections(cur: psycopg2.extensions.cursor, name: str) -> None:
    """Ends all connections to a database and waits for their end."""
    statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %(name)s"
    while cur.execute(statement, {"name": name}) or cur.rowcount:
        time.sleep(0.002)  # the function's own wait looks every 100 ms only


class ReusedDatabase:
    """The database that tests of this process use one after the other.

    Parameters
    ----------
    server
        its connection.
    template
        a migrated database without rows of a test, and without connections.
    """

    def __init__(self, server: dict[str, str], template: str) -> None:
        self._server, self._template = server, template
        self._name = ""
        self._catalog = ""
        self._empty = Snapshot({}, {})

    def prepare(self) -> str:
        """The name of the database, new for each test: caches of one test find nothing for the next."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        with admin(self._server) as cur:
            if self._name:
                cur.execute(f"ALTER DATABASE {self._name} RENAME TO {name}")
            else:
                cur.execute(f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY file_copy")
        if not self._name:
            with admin(self._server, name) as cur:
                self._catalog = _catalog(cur)
            self._empty = take_snapshot(self._server, name)
        self._name = name
        return name

    def release(self) -> None:
        """Ends the connections of a test, and brings the rows back to the template's."""
        with admin(self._server) as cur:
            end_connections(cur, self._name)
            cur.execute("SELECT FROM pg_database WHERE datname = %(name)s", {"name": self._name})
            if not cur.fetchall():
                self._name = ""
                return
        with admin(self._server, self._name) as cur:
            is_unchanged = _catalog(cur) == self._catalog
        if is_unchanged:
            restore_snapshot(self._server, self._name, self._empty)
            return
        with admin(self._server) as cur:
            cur.execute(f"DROP DATABASE {self._name} WITH (FORCE)")
        self._name = ""


def take_snapshot(server: dict[str, str], database: str) -> Snapshot:
    with admin(server, database) as cur:
        rows = {}
        for table in _filled(cur):
            out = io.BytesIO()
            cur.copy_expert(f"COPY {table} TO STDOUT (FORMAT binary)", out)
            rows[table] = out.getvalue()
        return Snapshot(rows, _positions(cur))


def restore_snapshot(server: dict[str, str], database: str, snapshot: Snapshot) -> None:
    with admin(server, database) as cur:
        cur.execute("SET session_replication_role = replica")  # no triggers, no order of foreign keys
        filled, positions = _filled(cur), _positions(cur)
        cur.execute(
            "SELECT sum(pg_relation_size(name)) FROM unnest(%(filled)s::regclass[]) AS name", {"filled": filled}
        )
        if (cur.fetchone()[0] or 0) > LARGE:
            cur.execute(f"TRUNCATE {', '.join(filled)} CASCADE")  # makes new files, also of empty tables
        else:
            for table in filled:
                cur.execute(f"DELETE FROM {table}")
        for table, rows in snapshot.rows.items():
            cur.copy_expert(f"COPY {table} FROM STDIN (FORMAT binary)", io.BytesIO(rows))
        for name in positions.keys() | snapshot.positions.keys():
            if (position := snapshot.positions.get(name)) is None:
                cur.execute(f"ALTER SEQUENCE {name} RESTART")
            elif position != positions.get(name):
                cur.execute("SELECT setval(%(name)s, %(position)s)", {"name": name, "position": position})


def _catalog(cur: psycopg2.extensions.cursor) -> str:
    cur.execute(CATALOG)
    return str(cur.fetchone()[0])


def _filled(cur: psycopg2.extensions.cursor) -> list[str]:
    """The tables that have rows."""
    cur.execute(TABLES)
    tables = [name for (name,) in cur.fetchall()]
    if not tables:
        return []
    cur.execute(" UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in tables))
    return [name for (name,) in cur.fetchall()]


def _positions(cur: psycopg2.extensions.cursor) -> dict[str, int]:
    """The last value of each sequence that was used."""
    cur.execute(SEQUENCES)
    names = [name for (name,) in cur.fetchall()]
    if not names:
        return {}
    cur.execute(" UNION ALL ".join(f"SELECT '{name}', last_value FROM {name} WHERE is_called" for name in names))
    return dict(cur.fetchall())
