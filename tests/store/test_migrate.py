"""Migrations: from nothing to the schema, once, also when many start together."""

import json
import threading

import pytest

from fcst.errors import StoreError
from fcst.specs import IngestSpec
from fcst.store import datasets, ingests, queries
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


# From one version to the next

OLD_SPEC = {
    "path": "/data/train.csv",
    "name": "favorita",
    "include_promo": False,
    "week_end": "SAT",
    "item": "item_nbr",
    "date": "date",
    "sales": "unit_sales",
    "promo": "onpromotion",
    "is_upload": False,
}


@pytest.fixture
def first_version(empty_database: str) -> None:
    """A database as the first migration leaves it, with one ingest and the dataset it made."""
    version, name, statements = queries.migrations()[0]
    with transaction() as cur:
        cur.execute(queries.query("create_migrations"))
        cur.execute(statements)
        cur.execute(queries.query("record_migration"), {"version": version, "name": name})
        cur.execute(
            "INSERT INTO fcst_app.datasets (dataset_id, name, version, spec, report, week_end, include_promo, n_items,"
            " n_weeks, first_wk_end_dt, last_wk_end_dt, total_units)"
            " VALUES (1, 'favorita', 1, %(spec)s, %(report)s, 'SAT', false, 1, 2, '2020-01-11', '2020-01-18', 3)",
            {"spec": json.dumps(OLD_SPEC), "report": json.dumps({"n_rows": 3})},
        )
        cur.execute(
            "INSERT INTO fcst_app.items (dataset_id, unique_id, sales_rank, total_units, first_wk_end_dt, last_sale_dt,"
            " n_weeks, n_missing) VALUES (1, 'a', 1, 3, '2020-01-11', '2020-01-18', 2, 0)"
        )
        cur.execute(
            "INSERT INTO fcst_app.ingests (spec, status, dataset_id, finished_at)"
            " VALUES (%(spec)s, 'completed', 1, now())",
            {"spec": json.dumps(OLD_SPEC)},
        )
        cur.execute("INSERT INTO fcst_app.ingests (spec) VALUES (%(spec)s)", {"spec": json.dumps(OLD_SPEC)})


def test_migrate_makes_what_was_asked_before_readable_for_the_new_program(first_version: None) -> None:
    assert migrate() == [name for _, name, _ in queries.migrations()[1:]]
    asked = IngestSpec(
        paths=("/data/train.csv",),
        name="favorita",
        mapping={"item": ["item_nbr"], "date": ["date"], "sales": ["unit_sales"], "promo": ["onpromotion"]},
        week_end="SAT",
    )
    assert IngestSpec.from_dict(datasets.get(1)["spec"]) == asked
    (waiting,) = ingests.list_open()
    assert IngestSpec.from_dict(waiting["spec"]) == asked
    assert (waiting["status"], waiting["done_bytes"], waiting["total_bytes"]) == ("submitted", 0, 0)
    (item,) = datasets.items(1, 10).to_dict("records")
    assert (item["unique_id"], item["total_units"], item["demand_class"]) == ("a", 3, None)


def test_migrate_lets_an_ingest_of_before_be_cancelled(first_version: None) -> None:
    migrate()
    (waiting,) = ingests.list_open()
    assert ingests.request_cancel(waiting["ingest_id"], "ann")
    assert ingests.cancel_waiting() == [waiting["ingest_id"]]
    cancelled = ingests.get(waiting["ingest_id"])
    assert (cancelled["status"], cancelled["finished_at"] is not None) == ("cancelled", True)


def test_migrate_leaves_specs_of_its_own_version_alone(database: str) -> None:
    spec = IngestSpec(paths=("/a", "/b"), name="n", where=(("city", "Quito"),))
    ingest_id = ingests.insert(spec, "ann")
    assert migrate() == []
    assert IngestSpec.from_dict(ingests.get(ingest_id)["spec"]) == spec
