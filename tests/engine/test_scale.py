"""Runs with 10,000 batches: queries use indexes, runs share the workers, active batches are limited."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fcst.engine import retry_policy
from fcst.filters import Selection, Take
from fcst.services import jobs
from fcst.specs import JobSpec
from fcst.states import FINAL_STAGES, Stage
from fcst.store import attempts, database, workers
from fcst.store import jobs as stored_jobs
from fcst.store.database import transaction
from tests.conftest import admin, copy_database, end_connections, url
from tests.engine.seen import check_items, submit

LARGE_TABLES = {"batch_status", "job_items", "batch_events"}
N_BATCHES, N_EVENTS, N_REASONS, LIMIT = 10_000, 50_000, 20, 500
WORKER = str(uuid.uuid4())


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


# Queries of the run page


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


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Statements sent to the database from now on."""
    sent: list[tuple[str, Any]] = []
    real = database._GuardedCursor.execute

    def execute(self: Any, statement: str, params: dict[str, Any] | None = None) -> None:
        sent.append((statement, params))
        real(self, statement, params)

    monkeypatch.setattr(database._GuardedCursor, "execute", execute)
    return sent


def explain(statements: list[tuple[str, Any]], ask: Callable[[], object]) -> list[dict[str, Any]]:
    """Return the analyzed plans of the statements that `ask` sends; print their milliseconds."""
    statements.clear()
    ask()
    sent, plans = list(statements), []
    for statement, params in sent:
        with transaction() as cur:
            cur.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statement, params)
            (plan,) = cur.fetchone()["QUERY PLAN"]
        plans.append(plan)
        print(f"{plan['Planning Time']:.1f} + {plan['Execution Time']:.1f} ms: {' '.join(statement.split())[:100]}")
    return plans


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def read_whole(plans: list[dict[str, Any]]) -> list[str]:
    """Large tables with sequential scans."""
    scans = [n for plan in plans for n in nodes(plan["Plan"]) if n["Node Type"] == "Seq Scan" and n["Actual Loops"]]
    return [node["Relation Name"] for node in scans if node["Relation Name"] in LARGE_TABLES]


def count_read(plan: dict[str, Any], table: str) -> float:
    """Number of rows read from a table, used or not."""
    found = [node for node in nodes(plan["Plan"]) if node.get("Relation Name") == table]
    return sum(n["Actual Loops"] * (n["Actual Rows"] + n.get("Rows Removed by Filter", 0)) for n in found)


def test_page_of_a_large_run_reads_by_index(large_job: int, statements: list[tuple[str, Any]]) -> None:
    job = jobs.get_job(large_job)
    assert job.batches == {Stage.COMPLETED: 5_000, Stage.OBTAINING_SALES: 2, Stage.SUBMITTED: 4_998}
    assert job.n_completed == 50_000 and job.status == "running"
    plans = explain(statements, lambda: jobs.get_job(large_job))
    assert len(plans) == 1 and read_whole(plans) == []
    for ask in (jobs.list_batches, jobs.list_failures):
        plans = explain(statements, lambda ask=ask: ask(large_job))
        assert len(plans) == 1 and read_whole(plans) == []
    shown = jobs.list_batches(large_job, 200, sort=jobs.BatchSort.URGENT)
    assert len(shown) == 200 and [row.stage for row in shown[:2]] == [Stage.OBTAINING_SALES] * 2


def test_history_of_a_large_run_is_read_by_index(large_job: int, statements: list[tuple[str, Any]]) -> None:
    assert len(jobs.list_events(large_job)) == N_EVENTS
    for only_with_reason, n in ((False, LIMIT), (True, N_REASONS)):
        assert len(jobs.list_events(large_job, only_with_reason, LIMIT)) == n
        (plan,) = explain(statements, lambda only=only_with_reason: jobs.list_events(large_job, only, LIMIT))
        assert read_whole([plan]) == []
        assert count_read(plan, "batch_events") == n  # no rows of the other runs, although these are newer


def test_supervisor_polls_for_work_by_index(large_job: int, statements: list[tuple[str, Any]]) -> None:
    for ask in (
        lambda: attempts.claim(WORKER, 2),
        lambda: attempts.list_lost(WORKER, [1, 2], [WORKER]),
        lambda: attempts.list_heartbeats([1, 2], 10.0, 30.0),
        stored_jobs.freeze_ended,
        lambda: workers.look(include_notifications=True),
    ):
        assert read_whole(explain(statements, ask)) == []


# Fairness between runs


def insert(dataset_id: int, n_batches: int) -> int:
    return stored_jobs.insert(dataset_id, largest(n_batches), JobSpec(batch_size=1), "", "", "ann")[0]


def claim(n: int, times: int) -> list[tuple[int, int]]:
    """Claim `n` batches at a time; return (job_id, batch_no) of each."""
    return [(row.job_id, row.batch_no) for _ in range(times) for row in attempts.claim(WORKER, n)]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_small_run_does_not_wait_for_a_large_one(dataset_id: int, n: int) -> None:
    huge = insert(dataset_id, 10_000)
    assert claim(n, 5) == [(huge, number) for number in range(1, 5 * n + 1)]
    small = insert(dataset_id, 3)
    assert [no for job_id, no in claim(n, -(-7 // n)) if job_id == small] == [1, 2, 3]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_large_runs_share_workers_equally_and_in_order(dataset_id: int, n: int) -> None:
    ids = [insert(dataset_id, 500) for _ in range(3)]
    claimed = claim(n, 60 // n)
    assert Counter(job_id for job_id, _ in claimed) == dict.fromkeys(ids, 20)
    for job_id in ids:
        assert [no for job, no in claimed if job == job_id] == list(range(1, 21))
    for number in range(3, len(claimed)):  # no run waits for two turns of another
        assert max(Counter(job_id for job_id, _ in claimed[:number]).values()) <= number // 3 + 1 + (n > 1)


def test_released_batch_is_claimed_next(dataset_id: int) -> None:
    job_id = insert(dataset_id, 100)
    first, second = attempts.claim(WORKER, 2)
    retry_policy.end_attempt(first.batch_id, 1, retry_policy.Cause.LOST, "its supervisor was lost")
    assert claim(2, 1) == [(job_id, 1), (job_id, 3)]
    assert second.batch_no == 2


# Active batches


def test_active_batches_are_limited_to_the_processes(start_supervisor, load_dataset) -> None:
    dataset = load_dataset(n_items=60)
    start_supervisor(FCST_PROCESSES="2")
    ids = [submit(dataset, 60, JobSpec(models=("AutoETS",), batch_size=1)) for _ in range(2)]
    for job_id in ids:
        jobs.wait_for_job(job_id)
        assert check_items(job_id).n_completed == 60
    events = sorted((event for job_id in ids for event in jobs.list_events(job_id)), key=lambda e: e.event_id)
    active, seen = 0, []
    for event in events:
        active += (event.to_stage == Stage.OBTAINING_SALES) - (event.to_stage in FINAL_STAGES)
        seen.append(active)
    assert max(seen) == 2 and seen[-1] == 0
