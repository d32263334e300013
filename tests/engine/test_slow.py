"""A machine that is ten times slower causes no false failures."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from fcst.services import jobs, loading
from fcst.specs import IngestSpec, JobSpec
from fcst.store.database import fetch_one
from tests.conftest import wait_until, write_sales
from tests.engine.helpers import SLOW, check_items, finish, frozen, is_processing, reasons_of, submit, workers_of
from tests.engine.outages import OwnServer, own_server
from tests.engine.slow import slowed

__all__ = ["own_server"]  # a fixture

MODELS = ("AutoETS", "DynamicOptimizedTheta", "AutoCES", "MSTL")


@pytest.mark.full
def test_slow_machine_needs_no_retries(
    own_server: OwnServer, start_supervisor, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_sales(tmp_path / "sales.csv", 40, 120)
    supervisor = start_supervisor()
    with slowed(own_server.pid, supervisor.pid):
        ingest_id = loading.request_ingest(IngestSpec(paths=(str(tmp_path / "sales.csv"),), name="s"))
        dataset = loading.wait_for_ingest(ingest_id)
        job_id = submit(dataset, 40, JobSpec(models=MODELS, h=13, level=(80,), batch_size=10, n_windows=1))
        finish(job_id, 600)
    assert check_items(job_id).n_completed == 40
    assert [row.attempt for row in jobs.list_batches(job_id)] == [1] * 4
    assert jobs.list_events(job_id, only_with_reason=True) == []
    assert fetch_one("get_ingest", ingest_id=ingest_id)["attempt"] == 1
    log = capfd.readouterr().err
    assert "level=warning" not in log and "level=error" not in log, log


@pytest.mark.full
def test_stopped_time_does_not_count_towards_the_item_limit(load_dataset, start_supervisor) -> None:
    dataset = load_dataset(n_items=20)
    supervisor = start_supervisor(FCST_PROCESSES="1")
    job_id = submit(dataset, 20, replace(SLOW, item_limit_s=3.0, batch_size=20))
    wait_until(lambda: is_processing(job_id), what="for the batch to begin")
    (worker,) = workers_of(supervisor.pid)
    with frozen(worker):
        time.sleep(5.0)  # longer than the item limit, shorter than the limit for a hanging process
    finish(job_id)
    assert check_items(job_id).n_completed == 20 and reasons_of(job_id) == []
