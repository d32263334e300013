"""Runs with 10,000 batches: queries use indexes, runs share the workers, active batches are limited."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fcst.engine import retry_policy
from fcst.services import jobs
from fcst.specs import JobSpec
from fcst.states import FINAL_STAGES, Stage
from fcst.store import attempts, database, workers
from fcst.store import jobs as stored_jobs
from fcst.store.database import transaction
from tests.engine.helpers import check_items, submit
from tests.engine.large_jobs import LIMIT, N_EVENTS, N_REASONS, dataset_id, large_job, large_template, largest

__all__ = ["dataset_id", "large_job", "large_template"]  # fixtures

LARGE_TABLES = {"batch_status", "job_items", "batch_events"}
WORKER = str(uuid.uuid4())


# Queries of the run page


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


@pytest.mark.full
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


@pytest.mark.full
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
        lambda: workers.find_pending_work(include_notifications=True),
    ):
        assert read_whole(explain(statements, ask)) == []


# Fairness between runs


def insert(dataset_id: int, n_batches: int) -> int:
    return stored_jobs.insert(dataset_id, largest(n_batches), JobSpec(batch_size=1), "", "", "ann")[0]


def claim(n: int, times: int) -> list[tuple[int, int]]:
    """Claim `n` batches at a time; return (job_id, batch_no) of each."""
    return [(row.job_id, row.batch_no) for _ in range(times) for row in attempts.claim(WORKER, n)]


@pytest.mark.few(1)
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


@pytest.mark.full
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
