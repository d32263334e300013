"""A job of ten thousand batches, for tests of what reads it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fcst.filters import Selection, Take
from fcst.services import jobs
from fcst.specs import JobSpec
from fcst.states import Stage
from fcst.store import jobs as stored_jobs
from fcst.store.database import transaction
from tests.conftest import copy_database
from tests.databases import admin, end_connections, url

N_BATCHES, N_EVENTS, N_REASONS, LIMIT = 10_000, 50_000, 20, 500


def insert_dataset() -> int:
    """Insert a dataset of items without sales, for runs that are not computed."""
    with transaction() as cur:
        cur.execute(
            "INSERT INTO fcst_app.datasets (name, version, spec, report, week_end, include_promo, n_items, n_weeks,"
            " first_wk_end_dt, last_wk_end_dt, total_units)"
            " VALUES ('s', 1, '{}', '{}', 'SAT', false, 1, 1, '2020-01-11', '2020-01-11', 1) RETURNING dataset_id"
        )
        dataset_id = cur.fetchone()["dataset_id"]
        cur.execute(
            "INSERT INTO fcst_app.items (dataset_id, unique_id, sales_rank, total_units, first_wk_end_dt, n_weeks,"
            " n_missing) SELECT %(dataset_id)s, 'item' || i, i, 1, '2020-01-11', 1, 0 FROM generate_series(1, 10000) i",
            {"dataset_id": dataset_id},
        )
        return dataset_id


def largest(n_items: int) -> Selection:
    return Selection(take=Take.LARGEST, n_items=n_items)


@pytest.fixture
def dataset_id(database: str) -> int:
    return insert_dataset()


@pytest.fixture(scope="module")
def large_template(server: dict[str, str], template: str) -> Iterator[str]:
    """Name of a template database with large runs; tests use the first one."""
    with admin(server) as cur:
        cur.execute(f"CREATE DATABASE template_large TEMPLATE {template}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url(server, "template_large"))
        insert_large_jobs(insert_dataset())
    with admin(server) as cur:
        end_connections(cur, "template_large")
    yield "template_large"
    with admin(server) as cur:
        cur.execute("DROP DATABASE template_large")


@pytest.fixture
def large_job(
    server: dict[str, str], large_template: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[int]:
    """A run with 5,000 of 10,000 batches done, 100,000 items and 50,000 events, and eight later runs of 4,000."""
    for _ in copy_database(server, monkeypatch, tmp_path, large_template):
        yield min(job.job_id for job in jobs.list_jobs())


def insert_large_jobs(dataset_id: int) -> None:
    job_id, *others = (
        stored_jobs.insert(dataset_id, largest(9), JobSpec(), f"job {i}", "", "ann")[0] for i in range(9)
    )
    insert_batches = (
        "INSERT INTO fcst_app.batch_status (job_id, batch_no, n_items) SELECT job_id, no, 10"
        " FROM unnest(%(ids)s) job_id CROSS JOIN generate_series(1, %(n)s) no ORDER BY job_id, no"
    )
    move = "UPDATE fcst_app.batch_status SET stage = %(stage)s, error = {} WHERE job_id = %(job_id)s"
    with transaction() as cur:
        cur.execute("TRUNCATE fcst_app.batch_status, fcst_app.job_items, fcst_app.batch_events RESTART IDENTITY")
        cur.execute(insert_batches, {"ids": [job_id], "n": N_BATCHES})
        for stage in (Stage.OBTAINING_SALES, Stage.PROCESSING):
            cur.execute(move.format("NULL"), {"job_id": job_id, "stage": stage})
        reason = f"CASE WHEN mod(batch_no, {N_BATCHES // N_REASONS}) = 0 THEN 'the process died' END"
        cur.execute(move.format(reason), {"job_id": job_id, "stage": Stage.SUBMITTED})
        cur.execute(move.format("NULL"), {"job_id": job_id, "stage": Stage.OBTAINING_SALES})
        cur.execute(insert_batches, {"ids": others, "n": 4_000})
        cur.execute("SET LOCAL session_replication_role = replica")  # no triggers, so no more events
        cur.execute(
            "INSERT INTO fcst_app.job_items (job_id, unique_id, batch_id, sales_rank)"
            " SELECT job_id, 'item' || (batch_no - 1) * 10 + i, batch_id, (batch_no - 1) * 10 + i"
            " FROM fcst_app.batch_status CROSS JOIN generate_series(1, 10) i"
            " WHERE job_id = %(job_id)s OR batch_no <= 500 ORDER BY batch_id, i",
            {"job_id": job_id},
        )
        cur.execute(
            "UPDATE fcst_app.batch_status SET stage = 'completed', attempt = 1, n_completed = n_items,"
            " started_at = now(), finished_at = now() WHERE batch_no <= 5000"
        )
        cur.execute(
            "UPDATE fcst_app.batch_status SET stage = 'submitted'"
            " WHERE stage = 'obtaining_sales' AND batch_no NOT IN (5001, 5002)"
        )
        cur.execute("ANALYZE fcst_app.batch_status, fcst_app.job_items, fcst_app.batch_events, fcst_app.jobs")
