"""Batches: claims, fencing, ends of attempts, stage events."""

import threading
import time
import uuid
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from fcst.engine import retry_policy
from fcst.errors import StaleState
from fcst.job_records import Batch
from fcst.records import ForecastRecord, ItemResult
from fcst.services import jobs
from fcst.specs import JobSpec
from fcst.states import TRANSITIONS, Outcome, Stage
from fcst.store import attempts, workers
from fcst.store.attempts import BatchAttempt
from fcst.store.database import fetch_all, transaction

WORKER = str(uuid.uuid4())


@pytest.fixture
def job(load_dataset) -> int:
    dataset = load_dataset()
    return jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(batch_size=2))


def begin_one() -> BatchAttempt:
    (claimed,) = attempts.claim(WORKER, 1)
    run = attempts.begin(claimed.batch_id, claimed.attempt, str(uuid.uuid4()))
    attempts.move(run, Stage.OBTAINING_SALES, Stage.PROCESSING)
    return run


def result(run: BatchAttempt, number: int, forecast: float = 1.5) -> ItemResult:
    items = [r["unique_id"] for r in fetch_all("batch_series", dataset_id=run.dataset_id, batch_id=run.batch_id)]
    record = ForecastRecord(
        model="Auto",
        first_wk_end_dt=date(2030, 1, 5),
        forecast=np.array([forecast, 2.0]),
        lo=np.array([[1.0, 1.5], [0.5, 0.75]]),
        hi=np.array([[2.0, 2.5], [3.0, 3.5]]),
        is_fallback=False,
        made_by="AutoETS",
        heaviest="AutoETS",
    )
    return ItemResult(items[number], Outcome.COMPLETED, None, [record])


def stored() -> list[tuple]:
    with transaction() as cur:
        cur.execute("SELECT unique_id, forecast, lo, hi FROM fcst_app.forecasts ORDER BY unique_id")
        return [tuple(row.values()) for row in cur.fetchall()]


def test_two_supervisors_never_claim_the_same_batch(job: int) -> None:
    found: list[int] = []

    def claim() -> None:
        found.extend(row.batch_id for row in attempts.claim(str(uuid.uuid4()), 1))

    threads = [threading.Thread(target=claim) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3 == len(set(found))


def test_only_one_task_can_begin_an_attempt(job: int) -> None:
    (claimed,) = attempts.claim(WORKER, 1)
    attempts.begin(claimed.batch_id, 1, str(uuid.uuid4()))
    with pytest.raises(StaleState):
        attempts.begin(claimed.batch_id, 1, str(uuid.uuid4()))
    with pytest.raises(StaleState):
        attempts.begin(claimed.batch_id, 2, str(uuid.uuid4()))


def test_checkpoint_writes_forecasts_outcomes_and_counts(job: int) -> None:
    run = begin_one()
    attempts.save(run, [result(run, 0)], Stage.PROCESSING)
    assert stored()[0][1:] == ([1.5, 2.0], [[1.0, 1.5], [0.5, 0.75]], [[2.0, 2.5], [3.0, 3.5]])
    assert (jobs.get_job(job).n_completed, jobs.get_job(job).batches["processing"]) == (1, 1)
    attempts.move(run, Stage.PROCESSING, Stage.SAVING)
    attempts.save(run, [result(run, 0)], Stage.SAVING)
    (first, *_) = jobs.list_batches(job)
    assert (first.stage, first.n_completed) == ("completed", 2) and first.finished_at is not None


def test_late_write_is_refused_and_writes_nothing(job: int) -> None:
    run = begin_one()
    late = result(run, 0)
    retry_policy.end_attempt(run.batch_id, run.attempt, retry_policy.Cause.LOST, "its supervisor was lost")
    for write in (
        lambda: attempts.save(run, [late], Stage.PROCESSING),
        lambda: attempts.move(run, Stage.PROCESSING, Stage.SAVING),
    ):
        with pytest.raises(StaleState):
            write()
    again = begin_one()
    assert (again.batch_id, again.attempt) == (run.batch_id, 2)
    with pytest.raises(StaleState):
        attempts.save(run, [late], Stage.PROCESSING)
    assert stored() == []


def test_completion_is_refused_while_an_item_is_open(job: int) -> None:
    run = begin_one()
    attempts.move(run, Stage.PROCESSING, Stage.SAVING)
    with pytest.raises(Exception, match="refused"):
        attempts.save(run, [result(run, 0)], Stage.SAVING)
    assert stored() == [] and jobs.get_job(job).n_completed == 0


def test_lost_batches_are_those_of_lost_and_unknown_supervisors(job: int) -> None:
    gone, running = str(uuid.uuid4()), str(uuid.uuid4())
    workers.register(gone, "h", 1, "0", 2, lease_s=20)
    workers.register(running, "h", 2, "0", 2, lease_s=60)
    (lost,) = attempts.claim(gone, 1)
    (taken,) = attempts.claim(running, 1)
    (unknown,) = attempts.claim(str(uuid.uuid4()), 1)
    own = [taken.batch_id]
    assert [row.batch_id for row in attempts.list_lost(running, own, [])] == [unknown.batch_id]
    found = {row.batch_id for row in attempts.list_lost(running, own, [gone])}
    assert found == {lost.batch_id, unknown.batch_id}


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("ends_in_s", "holds"), [(20, True), (-1, False), (39, True), (3600, False), (86_400, False), (-86_400, False)]
)
def test_lease_that_expires_too_far_ahead_is_invalid(job: int, ends_in_s: float, holds: bool) -> None:
    """Otherwise a lease would stay valid for as long as the database's clock was set back."""
    holder, other = str(uuid.uuid4()), str(uuid.uuid4())
    workers.register(holder, "h", 1, "0", 2, lease_s=20)
    attempts.claim(holder, 1)
    with transaction() as cur:
        cur.execute(
            "UPDATE fcst_app.workers SET lease_expires_at = now() + make_interval(secs => %(s)s)", {"s": ends_in_s}
        )
    assert [lease.holds for lease in workers.list_leases(other)] == [holds]
    assert [row.worker_id for row in workers.list_live()] == [holder] * holds
    assert workers.list_leases(holder) == []


def test_every_stage_change_is_an_allowed_event(job: int) -> None:
    run = begin_one()
    retry_policy.end_attempt(run.batch_id, run.attempt, retry_policy.Cause.DIED, "its process died")
    run = begin_one()
    attempts.move(run, Stage.PROCESSING, Stage.SAVING)
    attempts.save(run, [result(run, 0), result(run, 1)], Stage.SAVING)
    jobs.cancel_job(job)
    jobs.retry_job(job)
    events = jobs.list_events(job)[::-1]
    by_batch: dict[int, Stage | None] = {}
    for event in events:
        assert event.from_stage == by_batch.get(event.batch_id)
        if event.from_stage is not None:
            assert Stage(event.to_stage) in TRANSITIONS[Stage(event.from_stage)]
        by_batch[event.batch_id] = event.to_stage
    assert {row.batch_id: row.stage for row in jobs.list_batches(job)} == by_batch
    assert [e.reason for e in events if e.reason] == ["its process died"] + ["cancelled by the user"] * 2
    assert len([e for e in events if e.batch_id == run.batch_id]) == 1 + 3 + 4


def end_attempts(ending: retry_policy.Cause, n: int, is_begun: bool = True) -> Batch:
    """Ends `n` attempts at the first batch; returns the batch."""
    for _ in range(n):
        if is_begun:
            run = begin_one()
            key = (run.batch_id, run.attempt)
        else:
            (claimed,) = attempts.claim(WORKER, 1)
            key = (claimed.batch_id, claimed.attempt)
        assert retry_policy.end_attempt(*key, ending, "a reason")
    return jobs.list_batches(jobs.list_jobs()[0].job_id)[0]


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("ending", "is_begun", "stage"),
    [
        (retry_policy.Cause.UNRELATED, True, "submitted"),
        (retry_policy.Cause.LOST, False, "submitted"),
        (retry_policy.Cause.LOST, True, "failed"),
        (retry_policy.Cause.FAILED, True, "failed"),
        (retry_policy.Cause.DIED, True, "failed"),
    ],
)
def test_tries_count_only_if_the_batch_may_be_the_cause(
    job: int, ending: retry_policy.Cause, is_begun: bool, stage: str
) -> None:
    found = end_attempts(ending, retry_policy.MAX_TRIES - 1, is_begun)
    assert found.stage == "submitted"
    found = end_attempts(ending, 1, is_begun)
    assert found.stage == stage
    assert (found.error == "gave up after 5 tries: a reason") == (stage == "failed")


def begin_with_current_item() -> BatchAttempt:
    run = begin_one()
    if not run.is_careful:
        retry_policy.end_attempt(run.batch_id, run.attempt, retry_policy.Cause.DIED, "the process died")
        run = begin_one()
    assert run.is_careful
    attempts.save(run, [], Stage.PROCESSING, "item6")
    attempts.set_current_model(run, "AutoETS")
    return run


@pytest.mark.parametrize("ending", [retry_policy.Cause.LOST, retry_policy.Cause.FAILED, retry_policy.Cause.UNRELATED])
def test_only_a_crash_fails_the_current_item_at_once(job: int, ending: retry_policy.Cause) -> None:
    run = begin_with_current_item()
    retry_policy.end_attempt(run.batch_id, run.attempt, ending, "a reason")
    assert jobs.list_failures(job) == []
    run = begin_with_current_item()
    retry_policy.end_attempt(run.batch_id, run.attempt, retry_policy.Cause.DIED, "the process died (signal 9)")
    (failure,) = jobs.list_failures(job)
    assert (failure.unique_id, failure.reason) == ("item6", "the process died (signal 9) while fitting AutoETS")
    assert jobs.list_batches(job)[0].stage == "submitted"


def test_current_item_fails_after_repeated_loss_of_supervisors(job: int) -> None:
    for _ in range(retry_policy.MAX_TRIES - 1):  # the first crash counts too
        run = begin_with_current_item()
        retry_policy.end_attempt(run.batch_id, run.attempt, retry_policy.Cause.LOST, "its supervisor was lost")
    (failure,) = jobs.list_failures(job)
    assert failure.reason == "its supervisor was lost while fitting AutoETS"


def test_finished_item_resets_the_tries(job: int) -> None:
    end_attempts(retry_policy.Cause.FAILED, retry_policy.MAX_TRIES - 1)
    run = begin_one()
    attempts.save(run, [result(run, 0)], Stage.PROCESSING)
    retry_policy.end_attempt(run.batch_id, run.attempt, retry_policy.Cause.FAILED, "a reason")
    assert jobs.list_batches(job)[0].stage == "submitted"


def test_attempt_with_a_locked_row_is_ended_later(job: int) -> None:
    run = begin_one()
    with transaction() as cur:  # like a worker process that is frozen during a write
        cur.execute("SELECT 1 FROM fcst_app.batch_status WHERE batch_id = %(batch_id)s FOR UPDATE", run.fence)
        assert not retry_policy.end_attempt(run.batch_id, run.attempt, retry_policy.Cause.DIED, "the process died")
    assert retry_policy.end_attempt(run.batch_id, run.attempt, retry_policy.Cause.DIED, "the process died")
    assert retry_policy.end_attempt(run.batch_id, run.attempt, retry_policy.Cause.DIED, "repeated")


def test_item_over_its_limit_fails_and_its_batch_is_released(job: int) -> None:
    run = begin_one()
    attempts.fail_item(run, "item6", "took longer than 1 s")
    assert jobs.list_batches(job)[0].stage == "submitted" and len(jobs.list_failures(job)) == 1
    with pytest.raises(StaleState):
        attempts.fail_item(run, "item5", "took longer than 1 s")
    assert len(jobs.list_failures(job)) == 1


def test_a_task_that_has_not_begun_may_wait_longer(load_dataset) -> None:
    dataset = load_dataset()
    jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 2), JobSpec(batch_size=2, item_limit_s=10.0))
    (claimed,) = attempts.claim(WORKER, 1)
    (waiting,) = attempts.list_heartbeats([claimed.batch_id], 10.0, 20.0)
    attempts.begin(claimed.batch_id, 1, str(uuid.uuid4()))
    (begun,) = attempts.list_heartbeats([claimed.batch_id], 10.0, 20.0)
    assert (waiting.limit_s, begun.limit_s) == (40, 20)
    assert begun.touched_at > waiting.touched_at


def test_rate_of_a_running_job_uses_the_clocks_of_its_tasks(job: int) -> None:
    run = replace(begin_one(), begun_at=time.monotonic() - 10)  # ten seconds of work
    keys = jobs.list_keys(job)
    attempts.save(run, [ItemResult(keys[0], Outcome.COMPLETED, None)], Stage.PROCESSING)
    attempts.claim(WORKER, 1)  # a second task is running
    with transaction() as cur:
        cur.execute("UPDATE fcst_app.batch_status SET started_at = now() - interval '1 day' WHERE attempt > 0")
    found = jobs.get_job(job)
    assert found.items_per_s == pytest.approx(2 / 10, rel=0.1)
    assert found.time_left_s == pytest.approx(5 * 10 / 2, rel=0.1)
    retry_policy.end_attempt(run.batch_id, run.attempt, retry_policy.Cause.DIED, "its process died")
    again = replace(begin_one(), begun_at=time.monotonic() - 20)
    attempts.move(again, Stage.PROCESSING, Stage.SAVING)
    assert jobs.get_job(job).items_per_s == pytest.approx(2 / 30, rel=0.1), "the time of both attempts counts"


def test_batches_are_sorted_and_paged(job: int) -> None:
    for row in attempts.claim(WORKER, 2):
        retry_policy.end_attempt(row.batch_id, row.attempt, retry_policy.Cause.UNRELATED, "its supervisor left")
    (first,) = attempts.claim(WORKER, 1)
    retry_policy.end_attempt(first.batch_id, first.attempt, retry_policy.Cause.UNRELATED, "its supervisor left")
    first, second = attempts.claim(WORKER, 2)
    retry_policy.end_attempt(second.batch_id, second.attempt, retry_policy.Cause.CANCELLED, "")

    def numbers(**options: object) -> list[int]:
        return [row.batch_no for row in jobs.list_batches(job, **options)]

    assert numbers() == [1, 2, 3]
    assert numbers(sort=jobs.BatchSort.ATTEMPTS) == numbers(sort=jobs.BatchSort.LONGEST) == [1, 2, 3]
    assert numbers(stages=["submitted", "cancelled"]) == [2, 3] and numbers(stages=[]) == []
    assert numbers(limit=1, skip=2) == [3]
    assert jobs.find_batch(job, 2).stage == "cancelled" and jobs.find_batch(job, 9) is None


def test_attempts_use_as_many_lanes_as_ran_concurrently(job: int) -> None:
    (first,), _ = attempts.claim(WORKER, 1), attempts.claim(WORKER, 1)
    retry_policy.end_attempt(first.batch_id, 1, retry_policy.Cause.LOST, "its supervisor was lost")
    for _ in range(2):
        attempts.claim(WORKER, 1)
    found = jobs.list_attempts(job, 10)
    assert found[["batch_no", "attempt", "lane"]].values.tolist() == [[1, 1, 1], [2, 1, 2], [1, 2, 1], [3, 1, 3]]
    assert found["to_stage"].tolist() == ["submitted", None, None, None]
    assert (found["ended_at"] >= found["started_at"]).all()
    assert jobs.get_job(job).n_attempts == len(found)
    assert jobs.list_attempts(job, 1, 2)[["batch_no", "attempt"]].values.tolist() == [[1, 2]]


def test_times_and_rates_are_not_negative_after_the_clock_was_set_back(job: int) -> None:
    run = begin_one()
    attempts.save(run, [ItemResult(jobs.list_keys(job)[0], Outcome.COMPLETED, None)], Stage.PROCESSING)
    with transaction() as cur:
        cur.execute(
            "UPDATE fcst_app.batch_status SET started_at = now() + interval '1 hour' WHERE batch_id = %(batch_id)s",
            {"batch_id": run.batch_id},
        )
    found = jobs.get_job(job)
    assert (found.n_completed, found.seconds) == (1, 0)
    assert found.items_per_s > 0 and found.time_left_s > 0
    assert [batch.seconds for batch in jobs.list_batches(job) if batch.batch_id == run.batch_id] == [0]
