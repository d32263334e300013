"""Timeouts with a pooler that has no free server connection."""

import io
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from fcst.errors import DatabaseUnreachable
from fcst.store import database
from fcst.store.database import fetch_one, transaction
from tests.engine.outages import OwnServer, needs_pgbouncer, own_server, pgbouncer

__all__ = ["own_server"]

pytestmark = [needs_pgbouncer, pytest.mark.full]


@pytest.fixture
def address(own_server: OwnServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a PgBouncer with one server connection, set as the database in use."""
    with pgbouncer(own_server, tmp_path / "pgbouncer", "default_pool_size = 1\n") as address:
        monkeypatch.setenv("DATABASE_URL", address)
        monkeypatch.setattr(database, "BEGIN_LIMIT_S", 1.0)
        yield address


def test_transaction_blocked_by_a_pooler_times_out_and_the_next_one_works(address: str) -> None:
    assert fetch_one("has_data") == {"found": False}
    holder = psycopg2.connect(address)
    with holder.cursor() as cur:
        cur.execute("SELECT 1")
    begin = time.monotonic()
    for read in (lambda: fetch_one("has_data"), copy):
        with pytest.raises(DatabaseUnreachable, match=r"no transaction began within \d s"):
            read()
    assert time.monotonic() - begin < 60, "PgBouncer itself gives up after 120 s"
    holder.close()
    assert fetch_one("has_data") == {"found": False}


def test_statement_may_take_longer_than_the_limit(address: str) -> None:
    with transaction() as cur:
        cur.execute("SELECT pg_sleep(3)")
        cur.copy_expert("COPY (SELECT pg_sleep(3)) TO STDOUT", io.BytesIO())


def copy() -> None:
    with transaction() as cur:
        cur.copy_expert("COPY (SELECT 1) TO STDOUT", io.BytesIO())
