"""Items that kill their process, hang or exceed memory fail alone; the other items complete."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fcst.dataset_records import Dataset
from fcst.services import jobs
from fcst.specs import JobSpec
from tests.conftest import wait_until
from tests.engine.faults import sitecustomize as faults
from tests.engine.helpers import check_items, finish, forecasts_of, reasons_of, submit

FAULTS = str(Path(faults.__file__).parent)
LIMITS = {"item_limit_s": 3.0, "process_memory": 900_000_000}


@pytest.fixture
def load_with(load_dataset, tmp_path: Path) -> Callable[..., Dataset]:
    """Returns a function that loads eight items; the first ones start with the given numbers."""

    def load(*first_units: int) -> Dataset:
        path = tmp_path / "sales.csv"
        lines = ["date,item_nbr,unit_sales"]
        for i in range(8):
            lines += [f"2020-01-05,item{i},{first_units[i] if i < len(first_units) else 5}"]
            lines += [f"{day:%Y-%m-%d},item{i},{(k * 7 + i * 3) % 11 + 1}" for k, day in enumerate(saturdays(60), 1)]
        path.write_text("\n".join(lines))
        return load_dataset(path)

    return load


def saturdays(n: int) -> list:
    import pandas as pd

    return list(pd.date_range("2020-01-18", periods=n, freq="W-SAT"))


@pytest.mark.full
@pytest.mark.parametrize(
    ("fault", "reason", "attempts"),
    [
        (faults.KILLED, "the process died (signal 9) while fitting AutoETS", 3),
        pytest.param(faults.CRASHES, "the process died (signal 11) while fitting AutoETS", 3, marks=pytest.mark.full),
        (faults.HANGS, "took longer than 3 s, the limit of an item, while fitting AutoETS", 2),
        pytest.param(
            faults.GROWS, "over 0.9 GB, the limit of a process, while fitting AutoETS", 2, marks=pytest.mark.full
        ),
        pytest.param(
            faults.HANGS_LOCKED,
            "the process did not respond for",
            3,
            marks=pytest.mark.full,  # only the supervisor can detect it, twice, each time after its margin
        ),
    ],
    ids=["killed", "crashes", "hangs", "grows", "hangs_with_the_lock"],
)
def test_bad_item_fails_alone_with_its_reason(
    start_supervisor, load_with, fault: int, reason: str, attempts: int
) -> None:
    dataset = load_with(fault)
    start_supervisor(PYTHONPATH=FAULTS)
    limits = LIMITS | ({"item_limit_s": 30.0} if fault == faults.GROWS else {})  # on a busy machine it grows slowly
    job_id = submit(dataset, 8, JobSpec(models=("AutoETS",), batch_size=8, **limits))
    wait_until(lambda: jobs.get_job(job_id).is_over, 90, "for the run to end")
    job = check_items(job_id)
    assert (job.status, job.n_completed, job.n_failed) == ("completed", 7, 1)
    (failure,) = jobs.list_failures(job_id)
    assert failure.unique_id == "item0" and reason in failure.reason
    (batch,) = jobs.list_batches(job_id)
    assert (batch.stage, batch.attempt) == ("completed", attempts)
    assert any("item0" in text for text in reasons_of(job_id)), "the events name the item too"


@pytest.mark.full
def test_several_killing_items_in_a_batch_fail_one_by_one_also_on_retry(start_supervisor, load_with) -> None:
    dataset = load_with(*[faults.KILLED, 5, faults.CRASHES, 5, faults.KILLED])
    start_supervisor(PYTHONPATH=FAULTS)
    job_id = submit(dataset, 8, JobSpec(models=("AutoETS",), batch_size=8, **LIMITS))
    finish(job_id)
    job = check_items(job_id)
    assert (job.n_completed, job.n_failed) == (5, 3)
    old_reasons = reasons_of(job_id)
    assert jobs.retry_job(job_id) == 3
    finish(job_id)
    assert check_items(job_id).n_failed == 3
    assert reasons_of(job_id)[: len(old_reasons)] == old_reasons, "earlier failures are kept"


@pytest.mark.full
def test_run_with_only_killing_items_fails(start_supervisor, load_with) -> None:
    dataset = load_with(*[faults.KILLED] * 8)
    start_supervisor(PYTHONPATH=FAULTS)
    job_id = submit(dataset, 8, JobSpec(models=("AutoETS",), batch_size=4, **LIMITS))
    finish(job_id)
    job = check_items(job_id)
    assert (job.status, job.n_failed) == ("failed", 8)
    assert max(batch.attempt for batch in jobs.list_batches(job_id)) <= 6


@pytest.mark.full
def test_good_items_are_not_affected_by_a_bad_one(start_supervisor, load_with) -> None:
    dataset = load_with(faults.KILLED)
    start_supervisor(PYTHONPATH=FAULTS)
    spec = JobSpec(models=("AutoETS",), batch_size=8, **LIMITS)
    job_id = submit(dataset, 8, spec)
    finish(job_id)
    good = jobs.choose_named(dataset, [f"item{i}" for i in range(1, 8)])
    alone = jobs.submit_job(dataset.dataset_id, good, spec)
    finish(alone)
    assert forecasts_of(job_id) == forecasts_of(alone)
