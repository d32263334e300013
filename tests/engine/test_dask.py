"""Runs on a Dask cluster: the same guarantees as with the local process pool."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fcst.services import drivers, jobs
from fcst.specs import JobSpec
from fcst.store import learning, workers
from tests.conftest import wait_until, write_sales
from tests.engine.dask_cluster import Dask, dask
from tests.engine.faults import sitecustomize as faults
from tests.engine.helpers import SLOW, check_items, finish, forecasts_of, is_processing, reasons_of, submit

pytestmark = pytest.mark.full

__all__ = ["dask"]  # a fixture

FAULTS = str(Path(faults.__file__).parent)


@pytest.fixture
def start(dask: Dask, start_supervisor) -> Callable[..., None]:
    """Returns a function that starts a supervisor on the cluster with some workers, and waits for them."""

    def run(n_workers: int, **env: str) -> None:
        start_supervisor(FCST_DASK_SCHEDULER=dask.address, FCST_LEASE_S="5")
        for _ in range(n_workers):
            dask.start_worker(**env)
        wait_until(lambda: [w.problem for w in workers.list_live()] == [""], 60, "for the cluster")

    return run


def test_run_completes_after_losing_a_worker_and_the_scheduler(dask: Dask, start, load_dataset) -> None:
    dataset = load_dataset(n_items=30)
    start(2)
    job_id = submit(dataset, 30, SLOW)
    wait_until(lambda: jobs.get_job(job_id).batches.get("processing") == 2, 60, "for both workers to have a batch")
    os.kill(dask.workers[0].pid, signal.SIGKILL)
    wait_until(lambda: reasons_of(job_id), 30, "for the loss to be detected")
    dask.kill()
    wait_until(lambda: "cannot be reached" in workers.list_live()[0].problem, 30, "for the supervisor to report it")
    dask.start_scheduler()
    dask.start_worker()
    finish(job_id)
    assert check_items(job_id).n_completed == 30


@pytest.mark.full
def test_dask_gives_the_same_forecasts_as_the_local_pool(
    dask: Dask, start, start_supervisor, load_dataset, tmp_path: Path
) -> None:
    from fcst.services import loading
    from fcst.specs import IngestSpec

    start(2)
    write_sales(tmp_path / "here.csv", 12, 120)
    ingest = loading.request_ingest(IngestSpec(paths=(str(tmp_path / "here.csv"),), name="s"))
    dataset = loading.wait_for_ingest(ingest)
    drivers.add_holidays(dataset.dataset_id, "EC")  # so that the runs learn
    on_dask = submit(dataset, 12, SLOW)
    finish(on_dask)
    dask.kill()
    start_supervisor(FCST_HOME=str(tmp_path / "other"))
    here = submit(dataset, 12, SLOW)
    finish(here)
    assert check_items(on_dask).n_completed == 12
    assert forecasts_of(here) == forecasts_of(on_dask)
    assert learning.contents(here) == learning.contents(on_dask) != {}


@pytest.mark.full
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.KILLED, "was lost) while fitting AutoETS"),
        (faults.HANGS, "took longer than 3 s, the limit of an item, while fitting AutoETS"),
    ],
    ids=["killed", "hangs"],
)
def test_a_bad_item_fails_alone(start, load_dataset, tmp_path: Path, fault: int, reason: str) -> None:
    write_sales(tmp_path / "sales.csv", 5, 60)
    with (tmp_path / "sales.csv").open("a") as file:
        file.write("".join(f"2020-0{1 + i}-05,bad,{fault if i == 0 else 5}\n" for i in range(3)))
    dataset = load_dataset(tmp_path / "sales.csv")
    start(2, has_nanny=True, PYTHONPATH=FAULTS)
    job_id = submit(dataset, 6, JobSpec(models=("AutoETS",), batch_size=3, item_limit_s=3.0))
    wait_until(lambda: jobs.get_job(job_id).is_over, 120, "for the run to end")
    job = check_items(job_id)
    assert (job.n_completed, job.n_failed) == (5, 1)
    (failure,) = jobs.list_failures(job_id)
    assert failure.unique_id == "bad" and reason in failure.reason


@pytest.mark.full
def test_cancel_is_immediate_and_frees_the_workers(start, load_dataset) -> None:
    dataset = load_dataset(n_items=60)
    start(2)
    job_id = submit(dataset, 60, SLOW)
    wait_until(lambda: is_processing(job_id), 60, "for a batch to be processed")
    begin = time.monotonic()
    jobs.cancel_job(job_id)
    wait_until(lambda: jobs.get_job(job_id).is_over, 10, "for the cancelled run to end")
    shown = time.monotonic() - begin
    check_items(job_id)
    next_id = submit(dataset, 4, JobSpec(models=("SeasonalNaive",)))
    finish(next_id)
    print(f"cancelled after {shown:.2f} s, the next run done after {time.monotonic() - begin:.2f} s")
    assert time.monotonic() - begin < 20, "the cancelled batches would have taken longer"
    check_items(job_id)
