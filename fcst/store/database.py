"""Connections to Postgres: address, connection pool with reconnect, transactions.

All access to the database goes through `transaction`. Nothing depends on a session: no session lock, and no SET beyond
its transaction. So a pooler in transaction mode works.
"""

import contextlib
import os
import re
import select
import threading
import time
from collections.abc import Iterator
from typing import Any, Protocol

import pandas as pd
import psycopg2
from psycopg2 import sql
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, make_dsn, parse_dsn
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.pool import ThreadedConnectionPool

from fcst.errors import ConfigError, DatabaseFull, DatabaseUnreachable, StoreError
from fcst.files import disk_full_error, free_space
from fcst.settings import load_settings
from fcst.store import answer_limits
from fcst.store.embedded import EmbeddedDown, ensure_running
from fcst.store.embedded_paths import find_place
from fcst.store.queries import query

MAX_CONNECTIONS = 10
BEGIN_LIMIT_S = 30.0
TEST_AFTER_IDLE_S = 5.0  # idle connections are tested before reuse: hosted servers close them

DISK_FULL = "53100"

n_errors = {"away": 0, "refused": 0}
"""Failed transactions of this process: database not available, or statement refused."""
_pools: dict[tuple[int, str], "_Pool"] = {}
_pools_lock = threading.Lock()


class _Pool(ThreadedConnectionPool):  # type: ignore[misc]  # psycopg2 has no types
    """psycopg2's pool that also waits when exhausted, keeps connections open, and tests idle ones before reuse."""

    def __init__(self, dsn: str) -> None:
        super().__init__(0, MAX_CONNECTIONS, dsn)
        self.minconn = MAX_CONNECTIONS  # psycopg2 closes returned connections above this number
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._used_at: dict[int, float] = {}
        self.in_use: dict[int, Connection] = {}

    def acquire(self) -> Connection:
        if not self._free.acquire(timeout=30):
            raise DatabaseUnreachable("All database connections are in use.", "Try again in a moment.")
        try:
            while True:
                con = self._open_or_reuse()
                self.in_use[id(con)] = con
                used_at = self._used_at.pop(id(con), None)
                if used_at is None:  # a new connection
                    con.autocommit = True  # _GuardedCursor begins and ends transactions
                    return con
                if not _has_unread_data(con) and (time.monotonic() - used_at < TEST_AFTER_IDLE_S or _is_usable(con)):
                    return con
                del self.in_use[id(con)]
                self.putconn(con, close=True)
        except BaseException:
            self._free.release()
            raise

    def _open_or_reuse(self) -> Connection:
        try:
            return self.getconn()
        except psycopg2.OperationalError:
            if load_settings().database_url is not None:
                raise
        connect_kwargs()  # restarts the embedded server, which was killed, at the same address
        return self.getconn()

    def release(self, con: Connection) -> None:
        self._used_at[id(con)] = time.monotonic()
        del self.in_use[id(con)]
        # Close a connection whose transaction did not end; the server then rolls it back.
        is_idle = con.info.transaction_status == TRANSACTION_STATUS_IDLE
        self.putconn(con, close=bool(con.closed) or not is_idle)
        self._free.release()


def _has_unread_data(con: Connection) -> bool:
    """Whether an idle connection has unread data: then the server has closed it."""
    poll = select.poll()  # not select(), which refuses descriptors above 1023
    poll.register(con, select.POLLIN)
    return bool(poll.poll(0))


def _is_usable(con: Connection) -> bool:
    try:
        with con.cursor() as cur:
            cur.execute("SELECT 1")
    except psycopg2.Error:
        return False
    return True


def connect_kwargs() -> dict[str, str]:
    """libpq's connection parameters of the database; starts the embedded server if it is in use.

    Raises
    ------
    ConfigError
        if DATABASE_URL is not a libpq URL, or the embedded server cannot be started.
    """
    settings = load_settings()
    if settings.database_url is None:
        return ensure_running(settings.home)
    url = re.sub(r"^postgres(ql)?\+\w+://", "postgresql://", settings.database_url)
    try:
        found: dict[str, str] = parse_dsn(url)
    except psycopg2.ProgrammingError:
        raise ConfigError(
            "DATABASE_URL is not a Postgres URL.",
            "Use the form postgresql://user:password@host:5432/database?sslmode=require.",
        ) from None  # libpq's message contains the URL with the password
    return found


def database_label() -> str:
    """A description of the database without secrets, for pages and messages; does not connect."""
    if load_settings().database_url is None:
        return f"embedded Postgres in {load_settings().home}"
    where = connect_kwargs()
    host = where.get("host") or where.get("hostaddr") or "localhost"
    return f"database {where.get('dbname', '')!r} at {host}:{where.get('port', '5432')}"


def _pool() -> _Pool:
    settings = load_settings()
    key = (os.getpid(), settings.database_url or str(settings.home))
    with _pools_lock:
        if key not in _pools:
            defaults = {
                "application_name": "fcst",
                "connect_timeout": "10",
                "client_encoding": "UTF8",
                # Detects a silently dropped connection within a minute.
                "keepalives_idle": "30",
                "keepalives_interval": "10",
                "keepalives_count": "3",
                "tcp_user_timeout": "30000",
            }
            _pools[key] = _Pool(make_dsn(**(defaults | connect_kwargs())))
        return _pools[key]


class _GuardedCursor(Cursor):  # type: ignore[misc]  # psycopg2 has no types
    """A cursor that returns rows as dictionaries and runs one transaction with its own settings.

    The settings let the server end the transaction of a frozen or lost client, which would otherwise lock its rows
    forever. The transaction begins with the first statement. The settings are sent with BEGIN, in one round trip, and
    end with the transaction. A pooler without a free server connection delays BEGIN but no later statement, so only
    BEGIN has a time limit.
    """

    has_begun = False

    def execute(self, statement: str | sql.Composable, params: dict[str, Any] | None = None) -> None:
        self._begin()
        super().execute(statement, params)

    def copy_expert(self, statement: str, file: Any, size: int = 8192) -> None:
        self._begin()
        super().copy_expert(statement, file, size)

    def end(self, how: str) -> None:
        """Ends the transaction with COMMIT or ROLLBACK, if it has begun."""
        if self.has_begun:
            super().execute(how)

    def _begin(self) -> None:
        if self.has_begun:
            return
        self.has_begun = True
        begin = time.monotonic()
        try:
            with answer_limits.limit(self.connection.fileno(), BEGIN_LIMIT_S):
                super().execute(query("begin_transaction"))
        except psycopg2.Error as exc:
            if (waited := time.monotonic() - begin) < BEGIN_LIMIT_S:
                raise
            raise psycopg2.OperationalError(f"no transaction began within {waited:.0f} s") from exc

    def fetchone(self) -> dict[str, Any] | None:
        row = super().fetchone()
        return None if row is None else dict(zip(self._names(), row, strict=True))

    def fetchall(self) -> list[dict[str, Any]]:
        names = self._names()
        return [dict(zip(names, row, strict=True)) for row in super().fetchall()]

    def _names(self) -> list[str]:
        return [column.name for column in self.description or ()]


@contextlib.contextmanager
def transaction() -> Iterator[Cursor]:
    """A cursor in a new transaction, with rows as dictionaries; commits at the end, rolls back on any error.

    The server ends the transaction after 8 idle seconds between two statements.

    Raises
    ------
    DatabaseUnreachable
        if the database cannot be reached.
    DatabaseFull
        if its disk is full.
    StoreError
        if it refuses a statement.
    """
    try:
        pool = _pool()
        con = pool.acquire()
    except EmbeddedDown as exc:  # for example a full disk; it can start again when space is free
        n_errors["away"] += 1
        raise DatabaseUnreachable(exc.message, exc.hint) from exc
    except psycopg2.OperationalError as exc:
        n_errors["away"] += 1
        hint = "Check that the server runs and that DATABASE_URL points to it."
        if re.search("SSL|certificate", str(exc)):
            hint = "Check sslmode and sslrootcert in DATABASE_URL, and the server's certificate."
        raise DatabaseUnreachable(f"The database cannot be reached: {_first_line(exc)}.", hint) from exc
    try:
        with con.cursor(cursor_factory=_GuardedCursor) as cur:
            try:
                yield cur
            except BaseException:
                with contextlib.suppress(psycopg2.Error):  # pool.release closes the connection then
                    cur.end("ROLLBACK")
                raise
            cur.end("COMMIT")
    except psycopg2.Error as exc:
        is_away = _is_retryable(exc)
        n_errors["away" if is_away else "refused"] += 1
        if exc.pgcode == DISK_FULL:
            raise DatabaseFull("The disk of the database is full.", "Free disk space there, then try again.") from exc
        if is_away:
            raise DatabaseUnreachable(
                f"The database connection was lost: {_first_line(exc)}.", "Try again in a moment."
            ) from exc
        raise StoreError(f"The database refused the statement: {_first_line(exc)}") from exc
    finally:
        pool.release(con)


def cancel_statements() -> None:
    """Cancels all running statements of this process on the server; their callers get an error."""
    with _pools_lock:
        pools = list(_pools.values())
    for con in [con for pool in pools for con in list(pool.in_use.values())]:
        with contextlib.suppress(psycopg2.Error):  # the connection just closed, or the server is unreachable
            con.cancel()


def check_disk_space(what: str, n_bytes: int = 1) -> None:
    """Checks the free disk space of the embedded server; a full disk would stop the server and all work.

    Parameters
    ----------
    what
        the data to be written, such as `the weekly sales in the database`.
    n_bytes
        their approximate size; by default, checks that any space is free.

    Raises
    ------
    DiskFull
        if the data do not fit. The free space of an external server is unknown and not checked.
    """
    settings = load_settings()
    if settings.database_url is not None:
        return
    place = find_place(settings.home)[0]
    if (n_free := free_space(place)) < n_bytes:
        raise disk_full_error(what, place, n_bytes if n_bytes > 1 else 0, n_free)


def server_version() -> str:
    """The version of the Postgres server, such as 16.4.

    Raises
    ------
    StoreError
        if the server does not answer.
    """
    return str((fetch_one("server_version") or {})["version"])


def encryption() -> str | None:
    """The encryption protocol of the connection, such as TLSv1.3; empty if unencrypted, None on a local socket."""
    with transaction() as cur:
        info = cur.connection.info
        if info.ssl_in_use:
            return str(info.ssl_attribute("protocol"))
        return None if not info.host or info.host.startswith("/") else ""


def _is_retryable(exc: psycopg2.Error) -> bool:
    """Whether the same statement may succeed later: the connection was lost, or the server lacks resources.

    Decides by SQLSTATE: psycopg2's OperationalError also covers permanent limits.
    """
    code = exc.pgcode
    if code is None:  # raised by the client; a connection lost during a response is a plain DatabaseError
        return (
            isinstance(exc, psycopg2.OperationalError | psycopg2.InterfaceError) or type(exc) is psycopg2.DatabaseError
        )
    return code[:2] in ("08", "53") or code[:3] == "57P" or code == "25P03"


def _first_line(exc: Exception) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0].rstrip(".")


def fetch_all(name: str | sql.Composed, /, **params: Any) -> list[dict[str, Any]]:
    """The rows of the query `name`, or of a composed statement, in a transaction of its own."""
    with transaction() as cur:
        cur.execute(query(name) if isinstance(name, str) else name, params)
        rows: list[dict[str, Any]] = cur.fetchall()
    return rows


def fetch_one(name: str | sql.Composed, /, **params: Any) -> dict[str, Any] | None:
    """The first row of the query `name`, or of a composed statement; None without rows."""
    rows = fetch_all(name, **params)
    return rows[0] if rows else None


def fetch_frame(name: str | sql.Composed, /, **params: Any) -> pd.DataFrame:
    """The rows of the query `name`, or of a composed statement, as a frame; it has its columns even without rows."""
    with transaction() as cur:
        cur.execute(query(name) if isinstance(name, str) else name, params)
        columns = [column.name for column in cur.description or ()]
        rows = cur.fetchall()
    return pd.DataFrame([row.values() for row in rows], columns=columns)


def execute(name: str, /, **params: Any) -> int:
    """Runs the statement `name` in a transaction of its own; returns the number of affected rows."""
    with transaction() as cur:
        cur.execute(query(name), params)
        return int(cur.rowcount)


class Writable(Protocol):
    """Accepts the bytes of a COPY."""

    def write(self, data: bytes, /) -> int: ...


class Reader(Writable, Protocol):
    """Accepts the bytes of a COPY, and processes the last of them on close."""

    def close(self) -> None: ...


def copy_rows(statement: sql.Composed, params: dict[str, Any], reader: Reader) -> None:
    """Streams the rows of a COPY statement into a reader, in a transaction of its own, and closes the reader."""
    copy_out(statement, params, reader)
    reader.close()


def copy_out(statement: sql.Composed, params: dict[str, Any], out: Writable) -> None:
    """As `copy_rows`, without closing `out`."""
    with transaction() as cur:
        cur.copy_expert(cur.mogrify(statement.as_string(cur), params).decode(), out)
