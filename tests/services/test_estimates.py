"""Duration estimates: from a similar run on this machine, otherwise from model costs."""

import socket
import uuid
from collections.abc import Callable

import pytest

from fcst.compute.models import LEARNED_WINDOWS
from fcst.dataset_records import Dataset, ListedDataset
from fcst.engine.task import run_batch
from fcst.filters import Selection
from fcst.services import datasets, drivers, estimates, jobs
from fcst.specs import JobSpec
from fcst.store import attempts, workers
from fcst.store import jobs as store
from fcst.store.database import transaction

MODELS = ("Naive",)


def listed(dataset: Dataset) -> ListedDataset:
    return next(row for row in datasets.list_datasets() if row.dataset_id == dataset.dataset_id)


def run_on(host: str, dataset: Dataset, seconds: float, n_windows: int = 3) -> int:
    """Creates a run of six items in three batches, each of which took `seconds` on one process."""
    job_id = jobs.submit_job(
        dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(MODELS, batch_size=2, n_windows=n_windows)
    )
    worker = str(uuid.uuid4())
    workers.register(worker, host, 1, "0", 2, 60)
    while claimed := attempts.claim(worker, 1):
        run_batch(claimed[0].batch_id, claimed[0].attempt)
    store.freeze_ended()
    with transaction() as cur:
        cur.execute(
            "UPDATE fcst_app.batch_status SET started_at = submitted_at + interval '1 s',"
            " finished_at = submitted_at + make_interval(secs => 1 + %(s)s), worked_s = %(s)s"
            " WHERE job_id = %(job_id)s",
            {"s": seconds, "job_id": job_id},
        )
        cur.execute(
            "UPDATE fcst_app.jobs SET finished_at = submitted_at + make_interval(secs => 1.5 + %(s)s)"
            " WHERE job_id = %(job_id)s",
            {"s": seconds, "job_id": job_id},
        )
    return job_id


def estimate(dataset: Dataset, n_windows: int = 3, batch_size: int = 2) -> estimates.Estimate:
    counts = datasets.count_items(dataset.dataset_id, Selection())
    return estimates.estimate(listed(dataset), counts, MODELS, n_windows, batch_size)


def test_estimate_uses_a_similar_run_with_its_start_and_end(
    load_dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCST_PROCESSES", "2")
    dataset = load_dataset(n_items=6)
    assert estimate(dataset).job_id is None
    run_on("elsewhere", dataset, 500)
    assert estimate(dataset).job_id is None, "run on another machine"
    job_id = run_on(socket.gethostname(), dataset, 60)
    found = estimate(dataset)
    assert found.job_id == job_id
    # 30 s of one core per item, six items on two processes, 1 s to start and 0.5 s to end
    assert found.seconds == pytest.approx(1 + 6 * 30 / 2 + 0.5)
    assert estimate(dataset, batch_size=6).seconds == pytest.approx(1 + 6 * 30 + 0.5), "one batch, one process"
    assert estimate(dataset, n_windows=6).seconds > found.seconds


def test_estimate_ignores_clock_changes_during_a_run(
    load_dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCST_PROCESSES", "2")
    dataset = load_dataset(n_items=6)
    job_id = run_on(socket.gethostname(), dataset, 60)
    with transaction() as cur:
        cur.execute("UPDATE fcst_app.jobs SET finished_at = finished_at + interval '1 day'")
        cur.execute("UPDATE fcst_app.batch_status SET finished_at = finished_at + interval '1 day'")
    assert estimate(dataset).job_id == job_id
    assert estimate(dataset).seconds == pytest.approx(1 + 6 * 30 / 2 + 0.5)


def test_estimate_without_a_similar_run_includes_start_and_learning(load_dataset: Callable[..., Dataset]) -> None:
    dataset = load_dataset(n_items=6)
    alone = estimate(dataset)
    assert alone.job_id is None and estimates.START_S < alone.seconds < estimates.START_S + 5
    drivers.add_holidays(dataset.dataset_id, "EC")
    learnt = estimate(dataset)
    assert learnt.seconds == pytest.approx(alone.seconds + (1 + 3 + LEARNED_WINDOWS) * estimates.LEARNING_S)
