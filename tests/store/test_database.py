"""The connection pool: its limit, replaced connections, errors."""

import threading

import psycopg2
import pytest

from fcst.errors import ConfigError, DatabaseUnreachable, StoreError
from fcst.store import database
from fcst.store.database import transaction


def backend() -> int:
    with transaction() as cur:
        cur.execute("SELECT pg_backend_pid() AS pid")
        return int(cur.fetchone()["pid"])


def test_connection_closed_by_the_server_is_replaced(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcst.store.database.TEST_AFTER_IDLE_S", 0.0)
    first = backend()
    con = psycopg2.connect(database)
    with con.cursor() as cur:
        cur.execute("SELECT pg_terminate_backend(%s)", (first,))
    con.close()
    assert backend() != first


def test_threads_wait_when_all_connections_are_in_use(database: str) -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(backend())) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 40 and len(set(found)) <= 10


def test_failed_transaction_is_rolled_back(database: str) -> None:
    with pytest.raises(RuntimeError), transaction() as cur:
        cur.execute("INSERT INTO fcst_app.ingests (spec) VALUES ('{}')")
        raise RuntimeError
    with transaction() as cur:
        cur.execute("SELECT count(*) AS n FROM fcst_app.ingests")
        assert cur.fetchone()["n"] == 0


def test_permanent_limit_is_not_retryable(database: str) -> None:
    with pytest.raises(StoreError, match="refused") as caught, transaction() as cur:
        cur.execute("CREATE TABLE fcst_app.wide (x text PRIMARY KEY)")
        cur.execute("INSERT INTO fcst_app.wide SELECT string_agg(md5(i::text), '') FROM generate_series(1, 999) i")
    assert not isinstance(caught.value, DatabaseUnreachable)


def test_lost_connection_raises_database_away(database: str) -> None:
    with pytest.raises(DatabaseUnreachable, match="connection was lost"), transaction() as cur:
        cur.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "postgresql://u:secret@h:99999999/d?nonsense=1", "words"])
def test_invalid_url_is_refused_without_showing_the_password(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises((ConfigError, StoreError)) as caught, transaction():
        pass
    assert "secret" not in str(caught.value)


def test_unreachable_database_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/d")
    with pytest.raises(StoreError, match="cannot be reached") as caught, transaction():
        pass
    assert "secret" not in str(caught.value)


def test_options_of_the_url_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg2://u:p@h:6543/d?sslmode=require")
    assert database.connect_kwargs() == {
        "user": "u", "password": "p", "host": "h", "port": "6543", "dbname": "d", "sslmode": "require"
    }  # fmt: skip
