"""Pruning deletes old runs with all their rows, and keeps open, new and used ones."""

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable

import pytest

from fcst.cli.main import main
from fcst.dataset_records import Dataset
from fcst.errors import InputError
from fcst.filters import Selection
from fcst.services import datasets, jobs, pruning
from fcst.settings import PROJECT
from fcst.specs import JobSpec
from fcst.store import attempts
from fcst.store.database import transaction
from fcst.store.jobs import freeze_ended
from tests.computed_runs import run
from tests.conftest import fail_batch, wait_until
from tests.engine.helpers import check_items
from tests.engine.large_jobs import large_job, large_template
from tests.store.old_versions import tables

__all__ = ["large_job", "large_template"]  # fixtures

OF_RUNS = (
    *("jobs", "batch_status", "batch_events", "job_items", "forecasts", "forecast_sums", "metrics"),
    *("accuracy_sums", "backtests"),
)


@pytest.fixture
def dataset(load_dataset: Callable[..., Dataset]) -> Dataset:
    return load_dataset()


@pytest.fixture
def three(dataset: Dataset) -> list[int]:
    """Three runs that ended 40, 20 and 0 days ago; a fourth run waits."""
    found = [run(dataset, 2, models=("Naive",), n_windows=1).job_id for _ in range(3)]
    with transaction() as cur:
        for job_id, days in zip(found, (40, 20, 0), strict=True):
            cur.execute(
                "UPDATE fcst_app.jobs SET finished_at = finished_at - make_interval(days => %(days)s)"
                " WHERE job_id = %(job_id)s",
                {"days": days, "job_id": job_id},
            )
    jobs.submit_job(dataset.dataset_id, Selection(keys=("item1",)), JobSpec())
    return found


def remaining() -> list[int]:
    return sorted(job.job_id for job in jobs.list_jobs())


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("args", "n_deleted"),
    [
        (("--older-than", "30"), 1),
        (("--older-than", "20"), 2),
        (("--older-than", "0"), 3),
        (("--older-than", "41"), 0),
        (("--keep", "0"), 3),
        (("--keep", "2"), 1),
        (("--keep", "5"), 0),
    ],
)
def test_old_and_surplus_runs_are_deleted(three: list[int], args: tuple[str, ...], n_deleted: int, capsys) -> None:
    waiting = three[-1] + 1
    before = tables()
    assert main(["prune", *args, "--dry-run", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["is_dry_run"] and [row["job_id"] for row in listed["runs"]] == three[:n_deleted]
    assert tables() == before
    assert main(["prune", *args, "--yes"]) == 0
    output = capsys.readouterr()
    assert f"Deleted: {n_deleted} run{'s' if n_deleted != 1 else ''} (forecasts of {2 * n_deleted} items)" in output.err
    assert [line.split()[0] for line in output.out.splitlines()[1:]] == list(map(str, three[:n_deleted]))
    assert remaining() == [*three[n_deleted:], waiting]
    after = tables()
    for table in OF_RUNS:
        assert after[table] == [row for row in before[table] if row["job_id"] not in three[:n_deleted]], table
    n_actions = len(before["actions"])
    noted = [(row["action"], row["number"]) for row in sorted(after["actions"], key=lambda row: row["action_id"])]
    assert noted[n_actions:] == [("delete", job_id) for job_id in three[:n_deleted]]
    assert {name: rows for name, rows in after.items() if name not in (*OF_RUNS, "actions")} == {
        name: rows for name, rows in before.items() if name not in (*OF_RUNS, "actions")
    }
    for job_id in three[n_deleted:]:
        check_items(job_id)


def test_nothing_is_deleted_without_yes(three: list[int], capsys) -> None:
    before = tables()
    assert main(["prune", "--keep", "0"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert tables() == before


@pytest.mark.few(1)
@pytest.mark.parametrize(("answer", "code", "n_left"), [("y", 0, 1), ("n", 1, 4), ("", 1, 4)])
def test_terminal_user_is_asked_for_confirmation(three: list[int], answer: str, code: int, n_left: int) -> None:
    parent, child = os.openpty()
    command = [sys.executable, "-m", "fcst", "prune", "--keep", "0"]
    os.write(parent, f"{answer}\n".encode())
    done = subprocess.run(command, cwd=PROJECT, stdin=child, capture_output=True, text=True, timeout=60)
    for end in (parent, child):
        os.close(end)
    assert done.returncode == code and "Delete them? [y/N]" in done.stderr, done.stderr
    assert len(remaining()) == n_left


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "args", [(), ("--keep", "1", "--older-than", "1"), ("--keep", "-1"), ("--older-than", "x"), ("--keep", "9" * 12)]
)
def test_invalid_usage_is_refused(three: list[int], args: tuple[str, ...]) -> None:
    try:
        code = main(["prune", *args, "--yes"])
    except SystemExit as exc:
        code = exc.code
    assert code == 2 and len(remaining()) == 4


def test_run_retried_meanwhile_is_kept(three: list[int]) -> None:
    job_id = three[-1] + 1
    (batch,) = attempts.claim(str(uuid.uuid4()), 1)
    fail_batch(batch, "boom")
    freeze_ended()
    runs = pruning.list_runs(None, 0)
    assert jobs.retry_job(job_id) == 1
    assert [row.job_id for row in pruning.delete_runs(runs)] == three
    assert remaining() == [job_id]
    assert pruning.delete_runs(runs) == []


def test_retry_that_waits_for_a_prune_finds_no_run(three: list[int]) -> None:
    refused: list[str] = []

    def retry() -> None:
        try:
            jobs.retry_job(three[0])
        except InputError as exc:
            refused.append(exc.message)

    thread = threading.Thread(target=retry)
    with transaction() as cur:
        cur.execute("SELECT job_id FROM fcst_app.jobs WHERE job_id = %(id)s FOR UPDATE", {"id": three[0]})
        thread.start()

        def waits() -> bool:
            cur.execute("SELECT 1 FROM pg_locks WHERE NOT granted")
            return cur.fetchone() is not None

        wait_until(waits, 10, "for the retry to wait")
        cur.execute("DELETE FROM fcst_app.jobs WHERE job_id = %(id)s", {"id": three[0]})
    thread.join()
    assert refused == [f"Run {three[0]} does not exist."]


def test_unused_datasets_are_deleted_except_the_newest_of_each_name(load_dataset, capsys) -> None:
    first, second, third = (load_dataset(n_items=n) for n in (2, 3, 4))
    alone = load_dataset(name="alone", n_items=1)
    run(first, 1, models=("Naive",), n_windows=0)
    run(second, 1, models=("Naive",), n_windows=0)
    assert main(["prune", "--keep", "2", "--datasets", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"is_dry_run": False, "runs": [], "datasets": []}
    assert main(["prune", "--keep", "1", "--datasets", "--dry-run"]) == 0
    assert len(datasets.list_datasets()) == 4
    runs = pruning.list_runs(None, 1)
    versions = pruning.list_datasets(runs)
    assert [row.dataset_id for row in versions] == [first.dataset_id]
    assert pruning.delete_datasets(versions) == []  # its run still exists
    assert main(["prune", "--keep", "1", "--datasets", "--yes"]) == 0
    assert [row.dataset_id for row in datasets.list_datasets()] == [
        alone.dataset_id,
        third.dataset_id,
        second.dataset_id,
    ]
    for table in ("items", "sales"):
        assert first.dataset_id not in {row["dataset_id"] for row in tables()[table]}


@pytest.mark.full
def test_run_of_ten_thousand_batches_is_deleted_by_index(large_job: int) -> None:
    with transaction() as cur:
        cur.execute("UPDATE fcst_app.jobs SET status = 'completed', finished_at = now()")
    (run,) = [row for row in pruning.list_runs(None, 0) if row.job_id == large_job]
    begin = time.monotonic()
    assert pruning.delete_runs([run]) == [run]
    # 0.5 s; a sequential scan for each batch would take a minute.
    assert time.monotonic() - begin < 10
    assert not jobs.list_batches(large_job)
