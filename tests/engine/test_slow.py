"""A machine that is ten times slower is not taken for one on which things die."""

from pathlib import Path

import pytest

from fcst.services import jobs, loading
from fcst.specs import IngestSpec, JobSpec
from fcst.store.database import fetch_one
from tests.conftest import write_sales
from tests.engine.outages import OwnServer, own_server
from tests.engine.seen import check_items, finish, submit
from tests.engine.slow import slowed

__all__ = ["own_server"]  # a fixture

MODELS = ("AutoETS", "DynamicOptimizedTheta", "AutoCES", "MSTL")


@pytest.mark.full
def test_nothing_is_tried_twice_where_all_is_slow(
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
    said = capfd.readouterr().err
    assert "level=warning" not in said and "level=error" not in said, said
