"""Learning across the items of a run: before its batches, at each cutoff, fenced, optional for the run."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from fcst.dataset_records import Dataset
from fcst.engine import retry_policy, task
from fcst.engine.retry_policy import MAX_TRIES, Cause
from fcst.errors import StaleState
from fcst.services import jobs
from fcst.specs import JobSpec
from fcst.states import Stage
from fcst.store import attempts, learning
from fcst.store.database import transaction
from fcst.store.jobs import freeze_ended
from tests.engine.learning_runs import UPLIFT, load_plan, promoted, run, submit
from tests.engine.tasks import WORKER, exported

__all__ = ["promoted"]  # fixtures


def stage_of(job_id: int) -> Stage:
    found = jobs.find_learning(job_id)
    assert found is not None
    return found.stage


def test_batches_wait_for_learning(promoted: Dataset) -> None:
    job_id = submit(promoted)
    assert stage_of(job_id) == Stage.SUBMITTED
    (first,) = attempts.claim(WORKER, 5)
    assert first.is_learning and stage_of(job_id) == Stage.LEARNING
    assert attempts.claim(WORKER, 5) == []
    task.run_learning(first.batch_id, first.attempt)
    assert stage_of(job_id) == Stage.COMPLETED
    assert sorted(learning.contents(job_id)) == [0, 13, 26]
    assert [batch.is_learning for batch in attempts.claim(WORKER, 5)] == [False, False]
    assert jobs.get_job(job_id).batches == {"obtaining_sales": 2}, "learning does not count as a batch"
    assert {event.batch_no: event.to_stage for event in jobs.list_events(job_id)}[0] == Stage.SUBMITTED


def test_forecast_is_baseline_times_the_true_uplift(promoted: Dataset) -> None:
    job_id = submit(promoted)
    run(job_id)
    rows = exported(job_id)
    assert list(rows.columns[-2:]) == ["baseline", "uplift"]
    np.testing.assert_allclose(rows["baseline"] * rows["uplift"], rows["forecast"], rtol=1e-3)
    promo = rows[rows["uplift"] > 1.2]
    assert 0 < len(promo) < len(rows)
    assert promo["uplift"].mean() == pytest.approx(UPLIFT, rel=0.1)
    assert rows[rows["uplift"] <= 1.2]["uplift"].mean() == pytest.approx(1.0, abs=0.05)
    assert jobs.get_job(job_id).n_completed == 8


def test_small_run_without_drivers_does_not_learn(load_dataset: Callable[..., Dataset]) -> None:
    dataset = load_dataset()
    job_id = submit(dataset, JobSpec(h=2))
    assert jobs.find_learning(job_id) is None
    assert [batch.is_learning for batch in attempts.claim(WORKER, 1)] == [False]


def test_later_plan_does_not_change_a_submitted_run(promoted: Dataset, tmp_path: Path) -> None:
    job_id = submit(promoted)
    week = promoted.last_wk_end_dt + timedelta(weeks=1)
    rows = [f"{week},item{item},1" for item in range(8)]
    (tmp_path / "later.csv").write_text("\n".join(["week ending,item,promo", *rows]))
    load_plan(promoted, tmp_path / "later.csv")
    later = submit(promoted)
    run(job_id)
    first, second = (exported(job).groupby("wk_end_dt")["uplift"].min().iloc[0] for job in (job_id, later))
    assert first < 1.2 < second


@pytest.mark.full
def test_run_continues_with_a_note_after_learning_failed(promoted: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = submit(promoted)

    def broken(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(task, "learn", broken)
    for attempt in range(1, MAX_TRIES + 1):
        (claimed,) = attempts.claim(WORKER, 1)
        assert claimed.is_learning and claimed.attempt == attempt
        with pytest.raises(MemoryError):
            task.run_learning(claimed.batch_id, claimed.attempt)
        retry_policy.end_attempt(claimed.batch_id, claimed.attempt, Cause.FAILED, "MemoryError")
    found = jobs.find_learning(job_id)
    assert found is not None and found.stage == Stage.FAILED and "MemoryError" in (found.error or "")
    run(job_id)
    freeze_ended()
    job = jobs.get_job(job_id)
    assert (job.status, job.n_completed) == ("completed", 8)
    with transaction() as cur:
        cur.execute("SELECT DISTINCT reason FROM fcst_app.job_items WHERE job_id = %(job_id)s", {"job_id": job_id})
        assert [row["reason"] for row in cur.fetchall()] == [task.UNLEARNED]
    assert set(exported(job_id)["uplift"]) == {1.0}


def test_learning_of_a_lost_attempt_is_rejected(promoted: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = submit(promoted)
    (first,) = attempts.claim(WORKER, 1)
    real = task.learn

    def overtaken(*args: object) -> object:
        monkeypatch.setattr(task, "learn", real)
        retry_policy.end_attempt(first.batch_id, first.attempt, Cause.LOST, "its supervisor was lost")
        return real(*args)

    monkeypatch.setattr(task, "learn", overtaken)
    with pytest.raises(StaleState):
        task.run_learning(first.batch_id, first.attempt)
    assert learning.contents(job_id) == {} and stage_of(job_id) == Stage.SUBMITTED
    run(job_id)
    assert stage_of(job_id) == Stage.COMPLETED and jobs.get_job(job_id).n_completed == 8


def test_cancelled_learning_is_retried_with_the_run(promoted: Dataset) -> None:
    job_id = submit(promoted)
    assert jobs.cancel_job(job_id)
    assert stage_of(job_id) == Stage.CANCELLED and jobs.get_job(job_id).status == "cancelled"
    assert jobs.retry_job(job_id) == 8
    assert stage_of(job_id) == Stage.SUBMITTED
    run(job_id)
    assert stage_of(job_id) == Stage.COMPLETED and jobs.get_job(job_id).n_completed == 8


def test_learning_at_a_cutoff_ignores_later_weeks(promoted: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A jump in the last 13 weeks changes only what is learned at the end."""
    contents = []
    for factor in (1.0, 50.0):
        with transaction() as cur:
            cur.execute(
                "UPDATE fcst_app.sales SET unit_sales = unit_sales[:47] || ARRAY("
                " SELECT %(factor)s * u FROM unnest(unit_sales[48:]) u)",
                {"factor": factor},
            )
        job_id = submit(promoted)
        run(job_id)
        contents.append(learning.contents(job_id))
    before, after = contents
    assert before[0] != after[0]
    assert (before[13], before[26]) == (after[13], after[26])


@pytest.mark.full
def test_learning_is_bitwise_reproducible(promoted: Dataset) -> None:
    found = []
    for size in (1, 8):
        job_id = submit(promoted, JobSpec(models=("SeasonalNaive",), h=4, batch_size=size, n_windows=1))
        run(job_id)
        found.append((learning.contents(job_id), exported(job_id).to_csv()))
    assert found[0] == found[1]
