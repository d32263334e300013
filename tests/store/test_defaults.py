"""What a server, a database or a role has set otherwise changes nothing of what fcst does."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fcst.dataset_records import Dataset
from fcst.errors import DatabaseAway, StoreError
from fcst.services import exports
from fcst.services.health import run_checks
from fcst.store.database import transaction
from fcst.store.migrate import applied_version, migrate
from tests.conftest import admin, end_connections, url, write_sales
from tests.services.test_accuracy import run

ODD = {
    "default_transaction_isolation": "'repeatable read'",
    "default_transaction_read_only": "on",
    "standard_conforming_strings": "off",
    "DateStyle": "'German, DMY'",
    "IntervalStyle": "'iso_8601'",
    "TimeZone": "'Asia/Kolkata'",
    "search_path": "nowhere",
    "bytea_output": "escape",
    "extra_float_digits": "-10",
    "statement_timeout": "5",
    "lock_timeout": "5",
    "client_encoding": "LATIN1",
}


def forecast(load_dataset: Callable[..., Dataset], path: Path, name: str) -> bytes:
    """What a load and a run come to, as a file."""
    job = run(load_dataset(path, name=name), 4, models=("SeasonalNaive", "Naive"), n_windows=1)
    assert (job.status, job.n_completed) == ("completed", 4)
    out = io.BytesIO()
    exports.write_export(job, out, "csv")
    return out.getvalue()


@pytest.fixture
def odd(server: dict[str, str], database: str) -> str:
    name = os.environ["DATABASE_URL"].partition("@/")[2].partition("?")[0]
    with admin(server) as cur:
        for setting, value in ODD.items():
            cur.execute(f"ALTER DATABASE {name} SET {setting} = {value}")
        end_connections(cur, name)
    return name


def test_settings_are_those_of_the_program(odd: str) -> None:
    with transaction() as cur:
        for setting in ODD:
            if setting.startswith("default_"):
                continue
            cur.execute(f"SHOW {setting}")
            (found,) = cur.fetchone().values()
            assert found not in (ODD[setting].strip("'"), f"{ODD[setting]}ms"), setting
        cur.execute("SHOW transaction_isolation")
        assert cur.fetchone() == {"transaction_isolation": "read committed"}
        cur.execute("SHOW transaction_read_only")
        assert cur.fetchone() == {"transaction_read_only": "off"}


def test_load_and_run_come_to_the_same(
    odd: str, load_dataset: Callable[..., Dataset], server: dict[str, str], tmp_path: Path
) -> None:
    write_sales(tmp_path / "own.csv", 4, 120)
    found = forecast(load_dataset, tmp_path / "own.csv", "Ünï")
    with admin(server) as cur:
        cur.execute(f"ALTER DATABASE {odd} RESET ALL")
        end_connections(cur, odd)
    assert forecast(load_dataset, tmp_path / "own.csv", "usual") == found


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_database_that_cannot_store_all_texts_is_refused(
    server: dict[str, str], empty_database: str, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    name = f"in_{encoding.lower()}"
    with admin(server) as cur:
        cur.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    monkeypatch.setenv("DATABASE_URL", url(server, name))
    try:
        with pytest.raises(StoreError, match=f"{name}' has the encoding {encoding}"):
            migrate()
        assert applied_version() is None, "nothing was made"
        (found,) = [check for check in run_checks(is_thorough=True) if check.name == "limits"]
        assert not found.is_ok and "TEMPLATE template0" in found.hint
    finally:
        with admin(server) as cur:
            cur.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("limited", ["ROLE few", "DATABASE {name}"])
def test_role_or_database_with_few_connections_is_refused(
    server: dict[str, str], empty_database: str, monkeypatch: pytest.MonkeyPatch, limited: str
) -> None:
    name = empty_database.partition("@/")[2].partition("?")[0]
    with admin(server) as cur:
        cur.execute("CREATE ROLE few LOGIN")
        cur.execute(f"GRANT CREATE ON DATABASE {name} TO few")
        cur.execute(f"ALTER {limited.format(name=name)} CONNECTION LIMIT 10")
    monkeypatch.setenv("DATABASE_URL", url({**server, "user": "few"}, name))
    try:
        with pytest.raises(StoreError, match=r"gave \d+ connections at a time, and fcst needs 20") as refused:
            migrate()
        assert "CONNECTION LIMIT" in refused.value.hint
    finally:
        with admin(server) as cur:
            end_connections(cur, name)
            cur.execute(f"REVOKE ALL ON DATABASE {name} FROM few")
            cur.execute("DROP ROLE few")


def test_limit_of_a_transaction_is_refused(server: dict[str, str], empty_database: str) -> None:
    name = empty_database.partition("@/")[2].partition("?")[0]
    with admin(server) as cur:
        cur.execute(f"ALTER DATABASE {name} SET transaction_timeout = '5min'")
        end_connections(cur, name)
    with pytest.raises(StoreError, match="ends every transaction after 5min"):
        migrate()


def test_deadlock_is_counted_as_a_try(database: str) -> None:
    """It is no absence, which is waited for without an end."""
    with pytest.raises(StoreError) as refused, transaction() as cur:
        cur.execute("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")
    assert not isinstance(refused.value, DatabaseAway)
