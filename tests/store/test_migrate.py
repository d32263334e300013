"""Migrations: new schemas, concurrent starts, upgrades from all earlier versions."""

import io
import json
import threading
import uuid
from typing import Any

import pytest

from fcst.engine import retry_policy
from fcst.engine.retry_policy import Cause
from fcst.engine.task import run_batch, run_learning
from fcst.errors import StoreError
from fcst.filters import ItemSort, Selection
from fcst.services import accuracy, attention, exports, forecasts, jobs
from fcst.specs import IngestSpec
from fcst.store import attempts, datasets, ingests, queries, workers
from fcst.store.database import transaction
from fcst.store.jobs import freeze_ended
from fcst.store.migrate import migrate
from tests.store import schema
from tests.store.old_versions import LATEST, NAMES, PLANS, SERIES, SUMS, leave, tables

WORKER = str(uuid.uuid4())
LOST = "00000000-0000-0000-0000-000000000001"


def test_migrate_creates_the_schema_once(empty_database: str) -> None:
    assert migrate() == [name for _, name, _ in queries.migrations()]
    assert migrate() == []


def test_the_schema_in_the_docs_is_that_of_the_migrations(database: str) -> None:
    assert schema.FILE.read_text(encoding="utf-8") == schema.read_schema(database), "run tests/store/schema.py"


def test_concurrent_migrations_are_safe(empty_database: str) -> None:
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(migrate())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, applied)) == [0, 0, 0, len(queries.migrations())]


def test_migrate_needs_no_create_privilege_if_the_schema_exists(empty_database: str, monkeypatch) -> None:
    with transaction() as cur:
        cur.execute("DROP ROLE IF EXISTS guest")
        cur.execute("CREATE ROLE guest LOGIN")
        cur.execute("CREATE SCHEMA fcst_app AUTHORIZATION guest")
    monkeypatch.setenv("DATABASE_URL", empty_database.replace("fcst@", "guest@"))
    assert migrate()


def test_migrate_refuses_a_newer_schema(database: str) -> None:
    with transaction() as cur:
        cur.execute("INSERT INTO fcst_app.migrations (version, name) VALUES (9999, 'from_the_future')")
    with pytest.raises(StoreError, match="9999"):
        migrate()


# From one version to the next


@pytest.mark.few(4)
@pytest.mark.parametrize("version", range(1, LATEST))
def test_migrate_keeps_the_data_of_an_earlier_version_and_they_can_be_used(empty_database: str, version: int) -> None:
    leave(version)
    before = tables()
    assert all(before.values()), "a table was not filled"
    assert migrate() == [name for _, name, _ in queries.migrations()[version:]]
    after = tables()
    if version < SUMS:
        after |= with_sums(after)
    if version < SERIES:
        after |= {"weekly_sales": rows_of("weekly_sales"), "forecasts": rows_of("forecast_weeks")}
        for row in after["forecasts"]:  # the views have bounds by level
            row |= {side: [row["bounds"][f"{side}_80"]] for side in ("lo", "hi")}
    if version < PLANS:
        after |= {"adjusted_forecasts": adjusted_weeks(), "adjustments": adjustments_by_item()}
    for table, rows in before.items():
        kept = renamed(rows) if version < NAMES else rows
        columns = [
            name for name in kept[0] if name not in ("spec", "change", "phase_started_at")
        ]  # rewritten or removed columns
        assert values(after[table], columns) == values(kept, columns), table
    check_product_on_old_data(version)


def with_sums(tables: dict[str, list[dict]]) -> dict[str, list[dict]]:
    """The tables as before version SUMS, with totals in several tables."""
    sums = {(row["job_id"], row["model"], row["unique_id"]): row for row in tables["forecast_sums"]}

    def of(row: dict) -> dict:
        return sums[row["job_id"], row["model"], row["unique_id"]]

    names = ("sold", "abs_error", "error", "actual")
    return {
        "forecasts": [
            row | {"total": of(row)["forecast"]} | {name: of(row)[name] for name in names}
            for row in tables["forecasts"]
        ],
        "adjusted_forecasts": [row | {"total": of(row)["final"]} for row in tables["adjusted_forecasts"]],
        "attention": [row for row in sums.values() if row["reasons"] is not None],
        "forecast_sums": [row | {"last_year": row["known_last_year"]} for row in sums.values()],
    }


def renamed(value: Any) -> Any:
    """Rows with the names of version NAMES, for columns and keys of JSON."""
    new = {
        "item_in_hand": "current_item",
        "model_in_hand": "current_model",
        "doubts": "warnings",
        "n_sifted": "n_filtered",
        "sifted": "filtered",
        "one_sided": "bias_ratio",
        "far": "plan_change",
    }
    if isinstance(value, list):
        return [renamed(one) for one in value]
    return {new.get(key, key): renamed(one) for key, one in value.items()} if isinstance(value, dict) else value


def rows_of(name: str) -> list[dict]:
    with transaction() as cur:
        cur.execute(f"SELECT to_jsonb(t) AS row FROM fcst_app.{name} t")
        return [row["row"] for row in cur.fetchall()]


def adjusted_weeks() -> list[dict]:
    """Adjusted weeks as before version PLANS: one row per week."""
    return [
        {name: row[name] for name in ("job_id", "unique_id", "model", "wk_end_dt")} | {"adjusted": row["final"]}
        for row in rows_of("forecast_weeks")
        if row["final"] != row["forecast"]
    ]


def adjustments_by_item() -> list[dict]:
    """Adjustments as before version PLANS: one item each."""
    items = {row["adjustment_id"]: row["unique_id"] for row in rows_of("adjustment_items")}
    return [row | {"unique_id": items[row["adjustment_id"]]} for row in rows_of("adjustments")]


def values(rows: list[dict], columns: list[str]) -> list[str]:
    return sorted(json.dumps([row[name] for name in columns], sort_keys=True) for row in rows)


def check_product_on_old_data(version: int) -> None:
    dataset = datasets.get(1)
    if PLANS <= version < NAMES:
        assert (dataset.spec.fingerprint, dataset.spec.requested_by) == ("x", "Ana")
        assert (dataset.report.warnings, dataset.report.n_filtered, dataset.report.dropped.filtered) == (("odd",), 2, 2)
        found = attention.thresholds(dataset.name)
        assert (found.bias_ratio, found.plan_change) == (0.8, 0.4)
    job = jobs.get_job(1)
    assert (job.status, job.n_completed, job.n_failed, job.note) == ("completed", 2, 1, "a note")
    assert jobs.get_job(2).batches == {"processing": 1, "submitted": 1}
    assert [event.to_stage for event in reversed(jobs.list_events(1))] == [
        *("submitted", "submitted", "obtaining_sales", "obtaining_sales", "processing", "processing"),
        *("completed", "failed"),
    ]
    assert [item.unique_id for item in forecasts.list_items(job, "SeasonalNaive")] == ["a", "b", "c"]
    out = io.BytesIO()
    exports.write_export(job, out, "csv")
    head, *lines = out.getvalue().decode().splitlines()
    assert len(lines) == 8 and head.endswith("made_by,adjusted")
    first = dict(zip(head.split(","), lines[0].split(","), strict=True))
    assert (first["unique_id"], float(first["forecast"]), float(first["hi_80"])) == ("a", 10, 20)
    assert float(first["adjusted"]) == (77 if version >= 6 else 10)
    assert accuracy.list_accuracy(job, "model")["wape"].tolist() == [0.5]
    assert jobs.retry_job(1) == 1
    workers.register(WORKER, "here", 1, "0", 1, 60)
    for lost in attempts.list_lost(WORKER, [], [LOST]):
        assert retry_policy.end_attempt(lost.batch_id, lost.attempt, Cause.LOST, "its supervisor was lost")
    while claimed := attempts.claim(WORKER, 1):
        (run_learning if claimed[0].is_learning else run_batch)(claimed[0].batch_id, claimed[0].attempt)
    freeze_ended()
    assert [jobs.get_job(job_id).n_completed for job_id in (1, 2)] == [3, 3]
    datasets.delete(1, "Ben")
    left = {"ingests", "workers", "actions", "notifications"}
    kept = (("tokens", 7), ("sign_outs", 10), ("attention_thresholds", 19))
    left |= {name for name, since in kept if version >= since}
    assert {name for name, rows in tables().items() if rows} == left


def test_migrate_reports_its_progress(empty_database: str) -> None:
    leave(1)
    seen: list[tuple[str, int, int]] = []
    migrate(lambda name, done, total: seen.append((name, done, total)))
    steps = [(done, total) for name, done, total in seen if name == "store_one_row_a_series"]
    assert steps == [(0, 1), (0, 1), (0, 2), (1, 2)], "one dataset twice, then two runs"


def test_migrate_updates_the_planner_statistics(empty_database: str) -> None:
    leave(LATEST - 1)
    migrate()
    with transaction() as cur:
        cur.execute("SELECT relname FROM pg_class WHERE relnamespace = 'fcst_app'::regnamespace AND reltuples > 0")
        counted = {row["relname"] for row in cur.fetchall()}
    assert counted >= {"items", "sales", "job_items", "batch_status", "forecasts", "metrics", "backtests"}


@pytest.fixture
def first_version(empty_database: str) -> None:
    leave(1)


def test_migrate_converts_specs_of_the_first_version(first_version: None) -> None:
    assert migrate() == [name for _, name, _ in queries.migrations()[1:]]
    spec = IngestSpec(
        paths=("/data/train.csv",),
        name="favorita",
        mapping={"item": ["item_nbr"], "date": ["date"], "sales": ["unit_sales"], "promo": ["onpromotion"]},
        duplicates="keep",
        week_end="SAT",
    )
    assert (datasets.get(1).spec, datasets.get(1).report.version) == (spec, 1)
    assert [dataset.spec for dataset in datasets.list_all()] == [spec]
    (waiting,) = ingests.list_open()
    assert waiting.spec == spec
    assert (waiting.status, waiting.done_bytes, waiting.total_bytes) == ("submitted", 0, 0)
    item = datasets.list_items(1, Selection(), ItemSort.SALES, 1, 0)[0]
    assert (item.unique_id, item.total_units, item.demand_class) == ("a", 800, None)


def test_ingest_of_an_earlier_version_can_be_cancelled(first_version: None) -> None:
    migrate()
    (waiting,) = ingests.list_open()
    assert ingests.request_cancel(waiting.ingest_id, "ann")
    assert ingests.cancel_waiting() == [waiting.ingest_id]
    cancelled = ingests.get(waiting.ingest_id)
    assert cancelled is not None
    assert (cancelled.status, cancelled.finished_at is not None) == ("cancelled", True)


def test_migrate_keeps_specs_of_the_current_version(database: str) -> None:
    spec = IngestSpec(paths=("/a", "/b"), name="n", where=(("city", "Quito"),))
    ingest_id = ingests.insert(spec, "ann")
    assert migrate() == []
    ingest = ingests.get(ingest_id)
    assert ingest is not None and ingest.spec == spec
