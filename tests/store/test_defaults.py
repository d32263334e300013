"""Non-default settings of a server, database or role do not change results."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fcst.dataset_records import Dataset
from fcst.errors import DatabaseUnreachable, StoreError
from fcst.services import exports
from fcst.services.health import run_checks
from fcst.store.database import transaction
from fcst.store.migrate import applied_version, migrate
from tests.computed_runs import run
from tests.conftest import write_sales
from tests.databases import admin, end_connections, url

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
    """Loads, runs and exports; returns the file."""
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


def test_load_and_run_give_the_same_file(
    odd: str, load_dataset: Callable[..., Dataset], server: dict[str, str], tmp_path: Path
) -> None:
    write_sales(tmp_path / "own.csv", 4, 120)
    found = forecast(load_dataset, tmp_path / "own.csv", "Ünï")
    with admin(server) as cur:
        cur.execute(f"ALTER DATABASE {odd} RESET ALL")
        end_connections(cur, odd)
    assert forecast(load_dataset, tmp_path / "own.csv", "default") == found


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_database_with_another_encoding_is_refused(
    server: dict[str, str], empty_database: str, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    name = f"in_{encoding.lower()}"
    with admin(server) as cur:
        cur.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    monkeypatch.setenv("DATABASE_URL", url(server, name))
    try:
        with pytest.raises(StoreError, match=f"{name}' has the encoding {encoding}"):
            migrate()
        assert applied_version() is None, "nothing was created"
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
        with pytest.raises(StoreError, match=r"allowed \d+ connections at a time, but fcst needs 20") as refused:
            migrate()
        assert "CONNECTION LIMIT" in refused.value.hint
    finally:
        with admin(server) as cur:
            end_connections(cur, name)
            cur.execute(f"REVOKE ALL ON DATABASE {name} FROM few")
            cur.execute("DROP ROLE few")


def test_transaction_timeout_is_refused(server: dict[str, str], empty_database: str) -> None:
    name = empty_database.partition("@/")[2].partition("?")[0]
    with admin(server) as cur:
        cur.execute(f"ALTER DATABASE {name} SET transaction_timeout = '5min'")
        end_connections(cur, name)
    with pytest.raises(StoreError, match="ends every transaction after 5min"):
        migrate()


def test_deadlock_counts_as_a_try(database: str) -> None:
    """DatabaseUnreachable would be retried without limit."""
    with pytest.raises(StoreError) as refused, transaction() as cur:
        cur.execute("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")
    assert not isinstance(refused.value, DatabaseUnreachable)
