"""Migrations: from nothing to the schema, once, also when many start together."""

import threading

import pytest

from fcst.errors import StoreError
from fcst.store import queries
from fcst.store.database import transaction
from fcst.store.migrate import migrate


def test_migrate_makes_the_schema_once(empty_database: str) -> None:
    assert migrate() == [name for _, name, _ in queries.migrations()]
    assert migrate() == []


def test_migrate_is_safe_when_several_start_together(empty_database: str) -> None:
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(migrate())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, applied)) == [0, 0, 0, len(queries.migrations())]


def test_migrate_needs_no_right_to_create_a_schema_that_is_there(empty_database: str, monkeypatch) -> None:
    with transaction() as cur:
        cur.execute("DROP ROLE IF EXISTS guest")
        cur.execute("CREATE ROLE guest LOGIN")
        cur.execute("CREATE SCHEMA fcst_app AUTHORIZATION guest")
    monkeypatch.setenv("DATABASE_URL", empty_database.replace("fcst@", "guest@"))
    assert migrate()


def test_migrate_refuses_a_database_of_a_newer_program(database: str) -> None:
    with transaction() as cur:
        cur.execute("INSERT INTO fcst_app.migrations (version, name) VALUES (9999, 'from_the_future')")
    with pytest.raises(StoreError, match="9999"):
        migrate()
