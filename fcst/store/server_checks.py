"""What a database must allow before fcst works with it: all texts, and enough connections at a time."""

import contextlib

import psycopg2

from fcst.errors import StoreError
from fcst.settings import load_settings
from fcst.store.database import MAX_CONNECTIONS, connect_kwargs, fetch_one

LEAST_CONNECTIONS = 2 * MAX_CONNECTIONS
"""At a time: the app may use MAX_CONNECTIONS, and the supervisor with its tasks about as many."""


def check_database() -> None:
    """The embedded server is not looked at: it is made so.

    Raises
    ------
    StoreError
        that says what the database does not allow, and what to do; DatabaseAway, if it cannot be reached.
    """
    if load_settings().database_url is None:
        return
    row = fetch_one("database_limits") or {}
    if row["encoding"] != "UTF8":
        raise StoreError(
            f"The database {row['name']!r} has the encoding {row['encoding']}, in which not every text can be stored.",
            f"Make another one: CREATE DATABASE {row['name']}_utf8 ENCODING 'UTF8' TEMPLATE template0.",
        )
    if row["transaction_timeout"] not in (None, "0"):
        raise StoreError(
            f"The server ends every transaction after {row['transaction_timeout']}: loads would break off.",
            f'Set it to 0 for this role: ALTER ROLE "{row["role"]}" SET transaction_timeout = 0.',
        )
    _check_connections(str(row["role"]))


def _check_connections(role: str) -> None:
    """By opening them: limits are those of the server, the database and the role, or of a pooler between."""
    with contextlib.ExitStack() as stack:
        for n in range(LEAST_CONNECTIONS):
            try:
                con = psycopg2.connect(**connect_kwargs(), connect_timeout=10)
            except psycopg2.OperationalError as exc:
                raise StoreError(
                    f"The database gave {n} connections at a time, and fcst needs {LEAST_CONNECTIONS}: "
                    f"{(str(exc).strip().splitlines() or [''])[-1].rstrip('.')}.",
                    f"Raise max_connections, or the CONNECTION LIMIT of the database or of the role {role!r}.",
                ) from exc
            stack.callback(con.close)
