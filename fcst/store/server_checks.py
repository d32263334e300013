"""Checks that a database meets fcst's requirements: UTF-8, no transaction timeout, enough connections."""

import contextlib

import psycopg2

from fcst.errors import StoreError
from fcst.settings import load_settings
from fcst.store.database import MAX_CONNECTIONS, connect_kwargs, fetch_one

LEAST_CONNECTIONS = 2 * MAX_CONNECTIONS
"""Required concurrent connections: up to MAX_CONNECTIONS for the app, and as many for the supervisor and its tasks."""


def check_database() -> None:
    """Check an external database; the embedded server always meets the requirements.

    Raises
    ------
    StoreError
        if a requirement is not met; its hint says what to change.
    DatabaseUnreachable
        if the database cannot be reached.
    """
    if load_settings().database_url is None:
        return
    row = fetch_one("database_limits") or {}
    if row["encoding"] != "UTF8":
        raise StoreError(
            f"The database {row['name']!r} has the encoding {row['encoding']}, which cannot store all texts.",
            f"Create another one: CREATE DATABASE {row['name']}_utf8 ENCODING 'UTF8' TEMPLATE template0.",
        )
    if row["transaction_timeout"] not in (None, "0"):
        raise StoreError(
            f"The server ends every transaction after {row['transaction_timeout']}, which would abort loads.",
            f'Set it to 0 for this role: ALTER ROLE "{row["role"]}" SET transaction_timeout = 0.',
        )
    _check_connections(str(row["role"]))


def _check_connections(role: str) -> None:
    """Open the required connections; the server, the database, the role or a pooler may limit them."""
    with contextlib.ExitStack() as stack:
        for n in range(LEAST_CONNECTIONS):
            try:
                con = psycopg2.connect(**connect_kwargs(), connect_timeout=10)
            except psycopg2.OperationalError as exc:
                raise StoreError(
                    f"The database allowed {n} connections at a time, but fcst needs {LEAST_CONNECTIONS}: "
                    f"{(str(exc).strip().splitlines() or [''])[-1].rstrip('.')}.",
                    f"Raise max_connections, or the CONNECTION LIMIT of the database or of the role {role!r}.",
                ) from exc
            stack.callback(con.close)
