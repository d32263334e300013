"""Jobs: submit, cancel, final status, retry."""

import threading
import uuid

import pytest

from fcst.engine import retry_policy
from fcst.engine.task import run_batch
from fcst.errors import Conflict, InputError, NotFound
from fcst.filters import Selection
from fcst.records import ItemResult
from fcst.services import datasets, forecasts, jobs
from fcst.specs import JobSpec
from fcst.states import Outcome, Stage
from fcst.store import attempts, statistics
from fcst.store import jobs as store
from fcst.store.database import transaction
from tests.conftest import fail_batch, write_sales

WORKER = str(uuid.uuid4())


@pytest.fixture
def job(load_dataset) -> int:
    """A job of 6 items in 3 batches."""
    dataset = load_dataset()
    return jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(batch_size=2), "n", "note")


def rows(statement: str) -> list[tuple]:
    with transaction() as cur:
        cur.execute(statement)
        return [tuple(row.values()) for row in cur.fetchall()]


def test_submit_creates_job_batches_and_items_together(job: int) -> None:
    found = jobs.get_job(job)
    assert (found.status, found.n_items, found.n_batches) == ("submitted", 6, 3)
    assert (found.name, found.note, found.batches) == ("n", "note", {"submitted": 3})
    assert [b.n_items for b in jobs.list_batches(job)] == [2, 2, 2]
    assert rows("SELECT count(*), count(DISTINCT batch_id) AS b, min(outcome) FROM fcst_app.job_items") == [
        (6, 3, "pending")
    ]


def test_failed_submit_leaves_nothing(load_dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load_dataset()
    monkeypatch.setattr(statistics, "analyze_job", lambda cur, n_items: cur.execute("SELECT 1 / 0"))
    with pytest.raises(Exception, match="refused"):
        jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 2), JobSpec())
    with pytest.raises(Conflict, match="None of the chosen items"):
        jobs.submit_job(dataset.dataset_id, Selection(keys=("nope",)), JobSpec())
    assert rows("SELECT 1 FROM fcst_app.jobs UNION ALL SELECT 1 FROM fcst_app.batch_status") == []


def test_choose_refuses_unknown_items(load_dataset) -> None:
    dataset = load_dataset()
    with pytest.raises(InputError, match="item nope"):
        jobs.choose_named(dataset, ["item1", "nope"])
    for n in (0, -1, 7):
        with pytest.raises(InputError):
            jobs.choose_largest(dataset, n)
    assert jobs.choose_named(dataset, ["item1", "item6"]).keys == ("item6", "item1")


def test_submit_for_a_deleted_dataset_is_refused(job: int) -> None:
    with pytest.raises(NotFound, match="Dataset 99 was deleted"):
        jobs.submit_job(99, Selection(keys=("item1",)), JobSpec())


@pytest.mark.parametrize("job_id", [0, -1, 99, 10**12])
def test_unknown_job_is_reported(database: str, job_id: int) -> None:
    for use in (jobs.get_job, jobs.cancel_job, jobs.retry_job):
        with pytest.raises(InputError, match=f"Run {job_id} does not exist"):
            use(job_id)


def test_cancel_ends_waiting_batches_and_job_at_once(job: int) -> None:
    assert jobs.cancel_job(job)
    found = jobs.get_job(job)
    assert (found.status, found.n_cancelled, found.batches) == ("cancelled", 6, {"cancelled": 3})
    assert rows("SELECT DISTINCT outcome, reason FROM fcst_app.job_items") == [("cancelled", "cancelled by the user")]


def test_repeated_cancel_has_no_effect(job: int) -> None:
    assert jobs.cancel_job(job)
    assert not jobs.cancel_job(job)
    assert jobs.get_job(job).status == "cancelled"


def test_cancel_leaves_a_running_batch_to_its_supervisor(job: int) -> None:
    (claimed,) = attempts.claim(WORKER, 1)
    jobs.cancel_job(job)
    assert jobs.get_job(job).batches == {"obtaining_sales": 1, "cancelled": 2}
    retry_policy.end_attempt(claimed.batch_id, claimed.attempt, retry_policy.Cause.LOST, "its supervisor was lost")
    store.freeze_ended()
    assert jobs.get_job(job).status == "cancelled", "a job with a cancel request gets no new attempt"


def test_retry_runs_only_incomplete_items(job: int) -> None:
    claimed = attempts.claim(WORKER, 3)
    run = attempts.begin(claimed[0].batch_id, 1, str(uuid.uuid4()))
    attempts.move(run, Stage.OBTAINING_SALES, Stage.PROCESSING)
    keys = jobs.list_keys(job)[:2]
    attempts.save(run, [ItemResult(keys[0], Outcome.COMPLETED, None)], Stage.PROCESSING)
    for row in claimed:
        fail_batch(row, "boom")
    store.freeze_ended()
    assert jobs.get_job(job).status == "completed", "one item completed, so the job did"
    assert jobs.retry_job(job) == 5
    found = jobs.get_job(job)
    assert (found.n_completed, found.n_failed, found.batches) == (1, 0, {"submitted": 3})
    again = attempts.claim(WORKER, 9)
    assert {row.attempt for row in again} == {2} and len(again) == 3
    assert rows("SELECT count(*) FROM fcst_app.batch_events WHERE reason = 'gave up after 5 tries: boom'") == [(3,)]


def outcomes(job: int) -> list[str]:
    return [item.outcome for item in forecasts.list_items(jobs.get_job(job), "")]


def test_retry_of_some_items_keeps_the_outcomes_of_others(job: int) -> None:
    for row, reason in zip(attempts.claim(WORKER, 3), ("boom", "boom", "bang"), strict=True):
        fail_batch(row, reason)
    store.freeze_ended()
    boom = next(row.reason for row in jobs.count_reasons(job) if row.n_items == 4)
    first, *_ = keys = jobs.list_keys(job)
    assert jobs.retry_job(job, [first, "no such item"]) == 1
    found = jobs.get_job(job)
    assert (found.status, found.n_failed, found.batches) == ("running", 5, {"submitted": 1, "failed": 2})
    assert found.items_per_s is None, "items that failed before the retry do not count"
    assert outcomes(job) == ["pending"] + ["failed"] * 5
    (claimed,) = attempts.claim(WORKER, 9)
    assert claimed.attempt == 2
    run_batch(claimed.batch_id, claimed.attempt)
    store.freeze_ended()
    found = jobs.get_job(job)
    assert (found.status, found.n_completed, found.n_failed) == ("completed", 1, 5)
    assert outcomes(job) == ["completed"] + ["failed"] * 5
    assert jobs.retry_reason(job, "failed", boom) == 3
    assert [row.unique_id for row in jobs.list_failures(job)] == keys[4:]
    for row in attempts.claim(WORKER, 9):
        run_batch(row.batch_id, row.attempt)
    store.freeze_ended()
    found = jobs.get_job(job)
    assert (found.status, found.n_completed, found.n_failed) == ("completed", 4, 2)


def test_retry_of_some_items_of_a_cancelled_job_leaves_it_cancelled(job: int) -> None:
    (claimed,) = attempts.claim(WORKER, 1)
    fail_batch(claimed, "boom")
    jobs.cancel_job(job)
    (failed, cancelled) = jobs.count_reasons(job)
    assert (failed.outcome, failed.n_items, cancelled.outcome, cancelled.n_items) == (*("failed", 2, "cancelled", 4),)
    assert jobs.retry_reason(job, "failed", failed.reason) == 2
    (again,) = attempts.claim(WORKER, 9)
    run_batch(again.batch_id, again.attempt)
    store.freeze_ended()
    found = jobs.get_job(job)
    assert (found.status, found.n_completed, found.n_cancelled) == ("cancelled", 2, 4)
    assert jobs.retry_job(job) == 4 and jobs.get_job(job).n_cancelled == 0


def test_retry_of_no_items_keeps_the_job_unchanged(job: int) -> None:
    jobs.cancel_job(job)
    before = jobs.get_job(job)
    assert jobs.retry_job(job, []) == jobs.retry_reason(job, "cancelled", "no such reason") == 0
    assert jobs.get_job(job) == before


def test_jobs_are_found_by_status_dataset_and_words(job: int) -> None:
    dataset_id = jobs.get_job(job).dataset_id
    second = jobs.submit_job(dataset_id, Selection(keys=("item1",)), JobSpec(), "100% Spring_", "for *Ann*")
    attempts.claim(WORKER, 1)

    def found(**which: object) -> list[int]:
        return [row.job_id for row in jobs.list_jobs(jobs.Filter(**which))]

    assert found() == [second, job]
    assert (found(statuses=("running",)), found(statuses=("submitted", "failed"))) == ([job], [second])
    assert found(dataset_id=dataset_id) == [second, job] and found(dataset_id=dataset_id + 1) == []
    assert found(words="% spring_") == found(words=" ANN ") == found(words=str(second)) == [second]
    assert found(words="%") == [second] and found(words="nothing") == []
    (row,), n_found = jobs.find_jobs(limit=1, skip=1)
    assert (row.job_id, n_found) == (job, 2)
    assert jobs.find_jobs(limit=1, skip=2) == ([], 2)


def test_actions_on_several_jobs_return_the_number_of_items(job: int) -> None:
    dataset_id = jobs.get_job(job).dataset_id
    second = jobs.submit_job(dataset_id, Selection(keys=("item1",)), JobSpec())
    assert [jobs.n_to_cancel(row) for row in jobs.list_jobs()] == [1, 6]
    assert jobs.cancel_jobs([job, second]) == 2 and jobs.cancel_jobs([job, second]) == 0
    assert [(jobs.n_to_cancel(row), jobs.n_to_retry(row)) for row in jobs.list_jobs()] == [(0, 1), (0, 6)]
    assert jobs.retry_jobs([job, second]) == 7
    assert jobs.retry_jobs([job, second]) == 0, "they are running again"


def test_concurrent_loads_of_one_name_get_different_versions(load_dataset, tmp_path) -> None:
    write_sales(tmp_path / "s.csv", 2, 8)
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(load_dataset(tmp_path / "s.csv").version)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [1, 2, 3]


def test_retry_of_a_running_job_is_refused(job: int) -> None:
    with pytest.raises(InputError, match="still running"):
        jobs.retry_job(job)


def test_job_without_completed_items_has_failed(job: int) -> None:
    for row in attempts.claim(WORKER, 3):
        fail_batch(row, "boom")
    store.freeze_ended()
    found = jobs.get_job(job)
    assert (found.status, found.n_failed, found.is_over) == ("failed", 6, True)
    assert len(jobs.list_failures(job)) == 6


def test_small_job_takes_turns_with_a_large_one(job: int, load_dataset) -> None:
    dataset = datasets.find_dataset("s")
    small = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 1), JobSpec(), "", "")
    assert [row.job_id for row in attempts.claim(WORKER, 3)] == [job, small, job]


def test_jobs_take_turns_after_the_database_clock_was_set_back(job: int, load_dataset) -> None:
    attempts.claim(WORKER, 1)
    with transaction() as cur:
        cur.execute("UPDATE fcst_app.batch_status SET started_at = now() + interval '1 day' WHERE attempt > 0")
    dataset = datasets.find_dataset("s")
    other = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(batch_size=2), "", "")
    assert sorted(attempts.claim(WORKER, 1)[0].job_id for _ in range(4)) == [job, job, other, other]


@pytest.mark.full
def test_cancel_after_all_batches_ended_changes_nothing(job: int) -> None:
    for row in attempts.claim(WORKER, 3):
        run_batch(row.batch_id, row.attempt)
    jobs.cancel_job(job)  # before the job gets its final status
    found = jobs.get_job(job)
    assert (found.status, found.n_completed, found.n_cancelled) == ("completed", 6, 0)


def test_job_retried_while_it_ends_stays_open(job: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for row in attempts.claim(WORKER, 3):
        fail_batch(row, "boom")
    freezing = threading.Thread(target=store.freeze_ended)

    def freeze_meanwhile(*_: object) -> None:
        freezing.start()
        freezing.join(1)  # if it waits for the job's row, it continues when this transaction ends

    monkeypatch.setattr(store, "record", freeze_meanwhile)
    batch_id = jobs.list_batches(job)[0].batch_id
    assert jobs.retry_batch(job, batch_id) == 2
    freezing.join()
    assert jobs.get_job(job).status == "running"
    for row in attempts.claim(WORKER, 9):
        run_batch(row.batch_id, row.attempt)
    store.freeze_ended()
    assert jobs.get_job(job).status == "completed"
