"""Ingests by a real supervisor into a real database: cancel, crash, repeat, refusal, deletion."""

import csv
import gzip
import io
import os
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from fcst.dataset_records import Dependents
from fcst.engine.task import run_batch, run_ingest
from fcst.errors import BadRows, InputError
from fcst.escaping import for_spreadsheet
from fcst.samples.favorita import write_sample
from fcst.services import datasets, jobs, loading
from fcst.settings import load_settings
from fcst.specs import IngestSpec, JobSpec
from fcst.store import attempts, ingests
from fcst.store import jobs as store_jobs
from fcst.store.database import transaction
from tests.conftest import wait_until, write_sales
from tests.engine.helpers import workers_of
from tests.nasty_files import KEYS, write_keys

TABLES = "datasets items sales jobs batch_status batch_events job_items forecasts metrics backtests".split()


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sales file that takes a few seconds to read."""
    folder = tmp_path_factory.mktemp("large")
    write_sample(folder, n_items=2_000, n_stores=4, years=2)
    return folder / "train.csv"


def count(table: str) -> int:
    with transaction() as cur:
        cur.execute(f"SELECT count(*) AS n FROM fcst_app.{table}")
        return cur.fetchone()["n"]


def working_folders() -> list[Path]:
    return [*load_settings().home.glob("tmp/*")]


def request(path: Path, **options: object) -> int:
    return loading.request_ingest(IngestSpec(paths=(str(path),), name="n", **options))


def is_reading(ingest_id: int) -> bool:
    row = loading.get_ingest(ingest_id)
    assert row.finished_at is None, f"it ended too early: {row.status} {row.error}"
    return row.status == "running" and row.done_bytes > 0


def assert_no_working_folder() -> None:
    """It is deleted just after the commit that ends the ingest."""
    wait_until(lambda: not working_folders(), 5, "for the working folder to be deleted")


def assert_nothing_is_left() -> None:
    assert [count(table) for table in ("datasets", "items", "sales")] == [0, 0, 0]
    assert_no_working_folder()


@pytest.mark.full
def test_progress_grows_to_the_end(start_supervisor: Callable, large: Path) -> None:
    ingest_id = request(large)
    start_supervisor()
    seen: list[tuple[str, int, int]] = []

    def is_over() -> bool:
        row = loading.get_ingest(ingest_id)
        if row.progress and row.total_bytes:
            seen.append((row.progress, row.done_bytes, row.total_bytes))
        return row.finished_at is not None

    wait_until(is_over, what="for the ingest to end")
    assert loading.get_ingest(ingest_id).status == "completed"
    done = [done for what, done, _ in seen if what == "reading"]
    assert done == sorted(done) and len(set(done)) > 1
    assert all(0 <= done <= total for _, done, total in seen)
    assert {total for what, _, total in seen if what == "reading"} == {large.stat().st_size}
    assert_no_working_folder()


@pytest.mark.full
def test_cancelled_running_ingest_leaves_nothing(start_supervisor: Callable, large: Path) -> None:
    ingest_id = request(large)
    start_supervisor()
    wait_until(lambda: is_reading(ingest_id), what="for the reading to start")
    begin = time.monotonic()
    assert loading.cancel_ingest(ingest_id)
    wait_until(lambda: loading.get_ingest(ingest_id).status == "cancelled", 10, "for the ingest to end")
    assert time.monotonic() - begin < 2.5
    assert_nothing_is_left()
    assert not loading.cancel_ingest(ingest_id)
    with pytest.raises(InputError, match="was cancelled"):
        loading.wait_for_ingest(ingest_id)


@pytest.mark.full
def test_cancelled_ingest_does_not_stop_the_next(start_supervisor: Callable, large: Path, tmp_path: Path) -> None:
    write_sales(tmp_path / "small.csv", 3, 20)
    first, second = request(large), request(tmp_path / "small.csv")
    start_supervisor(FCST_PROCESSES="1")
    wait_until(lambda: is_reading(first), what="for the reading to start")
    loading.cancel_ingest(first)
    assert loading.wait_for_ingest(second).n_items == 3
    assert loading.get_ingest(first).status == "cancelled"


def test_cancelled_waiting_ingest_is_not_read(database: str, large: Path) -> None:
    ingest_id = request(large)
    assert loading.cancel_ingest(ingest_id)
    row = loading.get_ingest(ingest_id)
    assert (row.status, row.attempt, row.dataset_id) == ("cancelled", 0, None)
    assert ingests.claim(str(uuid.uuid4())) is None
    assert_nothing_is_left()


@pytest.mark.full
def test_ingest_is_retried_after_its_process_is_killed(start_supervisor: Callable, large: Path) -> None:
    ingest_id = request(large)
    supervisor = start_supervisor()
    wait_until(lambda: is_reading(ingest_id), what="for the reading to start")
    for worker in workers_of(supervisor.pid):
        os.kill(worker, signal.SIGKILL)
    dataset = loading.wait_for_ingest(ingest_id)
    assert loading.get_ingest(ingest_id).attempt == 2
    assert (count("datasets"), count("items")) == (1, dataset.n_items)
    assert_no_working_folder()


@pytest.mark.full
def test_ingest_is_taken_over_after_its_supervisor_is_killed(start_supervisor: Callable, large: Path) -> None:
    ingest_id = request(large)
    first = start_supervisor(FCST_LEASE_S="2")
    wait_until(lambda: is_reading(ingest_id), what="for the reading to start")
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    start_supervisor(FCST_LEASE_S="2")
    dataset = loading.wait_for_ingest(ingest_id)
    assert loading.get_ingest(ingest_id).attempt == 2
    assert (count("datasets"), count("items")) == (1, dataset.n_items)
    assert_no_working_folder()


def test_same_file_again_is_marked_as_the_same_version(load_dataset: Callable, tmp_path: Path) -> None:
    write_sales(tmp_path / "sales.csv", 4, 60)
    first = load_dataset(tmp_path / "sales.csv")
    job_id = jobs.submit_job(first.dataset_id, jobs.choose_largest(first, 2), JobSpec(h=2))
    second = load_dataset(tmp_path / "sales.csv")
    assert (second.name, second.version, second.report.same_as_version) == ("s", 2, 1)
    assert first.report.same_as_version is None
    assert jobs.get_job(job_id).dataset_id == first.dataset_id
    assert [row.n_jobs for row in datasets.list_versions("s")] == [0, 1]
    write_sales(tmp_path / "sales.csv", 5, 60)
    assert load_dataset(tmp_path / "sales.csv").report.same_as_version is None


def test_deleting_a_dataset_deletes_its_data_once_its_runs_have_ended(load_dataset: Callable) -> None:
    kept = load_dataset(name="kept")
    before = {table: count(table) for table in TABLES}
    dataset = load_dataset(name="deleted")
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 3), JobSpec(h=2))
    with pytest.raises(InputError, match="1 run of this dataset has not ended"):
        datasets.delete_dataset(dataset.dataset_id)
    assert count("sales") == 2 * before["sales"]
    while claimed := attempts.claim(str(uuid.uuid4()), 1):
        run_batch(claimed[0].batch_id, claimed[0].attempt)
    store_jobs.freeze_ended()
    assert jobs.get_job(job_id).status == "completed"
    assert all(count(table) > before[table] for table in TABLES)
    assert datasets.count_dependents(dataset.dataset_id) == Dependents(n_jobs=1, n_open_jobs=0, n_forecasts=3)
    datasets.delete_dataset(dataset.dataset_id)
    assert {table: count(table) for table in TABLES} == before
    assert [row.dataset_id for row in datasets.list_datasets()] == [kept.dataset_id]
    with pytest.raises(InputError, match="There is no dataset"):
        datasets.delete_dataset(dataset.dataset_id)


@pytest.mark.full
def test_refused_file_leaves_only_its_report(start_supervisor: Callable, tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    write_sales(path, 3, 20)
    with path.open("a") as file:
        file.write("2020-01-06,a,many\n2020-01-06,a\0b,1\n2020-01-06,a\n")
    start_supervisor()
    ingest_id = request(path)
    with pytest.raises(BadRows, match="line 122: unit_sales is not a number: 'many'") as caught:
        loading.wait_for_ingest(ingest_id)
    assert [row.line for row in caught.value.report.bad_rows.first] == [122, 123, 124]
    assert_nothing_is_left()
    good = loading.wait_for_ingest(loading.request_valid_rows(ingest_id))
    assert (good.n_items, good.report.dropped.bad) == (3, 3)


def test_broken_archive_is_refused_with_its_name(database: str, tmp_path: Path) -> None:
    path = tmp_path / "sales.csv.gz"
    write_sales(tmp_path / "sales.csv", 200, 300)
    path.write_bytes(gzip.compress((tmp_path / "sales.csv").read_bytes())[:-1_000])
    (tmp_path / "sales.csv").unlink()
    ingest_id = request(path)
    claimed = ingests.claim(str(uuid.uuid4()))
    assert claimed is not None
    run_ingest(ingest_id, claimed.attempt)
    with pytest.raises(InputError, match="sales.csv.gz › sales.csv is broken"):
        loading.wait_for_ingest(ingest_id)
    assert_nothing_is_left()


def test_keys_are_stored_and_exported_exactly(load_dataset: Callable, tmp_path: Path) -> None:
    write_keys(tmp_path / "keys.csv")
    dataset = load_dataset(tmp_path / "keys.csv")
    items = datasets.list_items(dataset.dataset_id)
    assert {item.unique_id: item.description for item in items} == {key: f"{key}  {key}" for key in KEYS}
    out = io.BytesIO()
    datasets.write_weekly_file(dataset.dataset_id, out)
    found = {row["item_nbr"] for row in csv.DictReader(io.StringIO(out.getvalue().decode(), newline=""))}
    assert found == set(map(for_spreadsheet, KEYS)) != set(KEYS)


def test_zero_bytes_in_flags_are_reported_as_text(load_dataset: Callable, tmp_path: Path) -> None:
    lines = ["date,item_nbr,unit_sales,onpromotion"]
    lines += [f"2020-01-{day:02},a,1,x\0y" for day in range(5, 19)]
    (tmp_path / "sales.csv").write_text("\n".join(lines))
    assert load_dataset(tmp_path / "sales.csv").report.unknown_flags == {"x\\0y": 14}
