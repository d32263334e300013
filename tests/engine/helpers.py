"""Helpers of the engine tests: processes, rows, events."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from fcst.dataset_records import Dataset
from fcst.errors import DatabaseUnreachable
from fcst.job_records import Job
from fcst.services import jobs
from fcst.specs import JobSpec
from fcst.states import TRANSITIONS, Stage
from fcst.store.database import transaction
from tests.conftest import wait_until

SLOW = JobSpec(models=("AutoCES",), h=13, level=(80,), batch_size=10)  # about 0.2 s per item


def children(pid: int) -> list[int]:
    """All descendant processes of `pid`."""
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, task.read_text().split()):
                found += [child, *children(child)]
    return found


def workers_of(pid: int) -> list[int]:
    """The pool's worker processes: children of the fork server."""
    return [child for server in children(pid) for child in children(server)]


def is_running(pid: int) -> bool:
    """Whether a process is running and not a zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop the process in the meantime."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def finish(job_id: int, seconds: float = 90.0) -> None:
    """Wait for the end of a run, also while the database is unreachable; does not start a supervisor."""

    def is_over() -> bool:
        with contextlib.suppress(DatabaseUnreachable):
            return bool(jobs.get_job(job_id).is_over)
        return False

    wait_until(is_over, seconds, f"for run {job_id} to end")


def is_processing(job_id: int) -> bool:
    return jobs.get_job(job_id).batches.get("processing", 0) > 0


def submit(dataset: Dataset, n_items: int, spec: JobSpec) -> int:
    return jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, n_items), spec)


def forecasts_of(job_id: int) -> list[tuple]:
    """All forecasts of a run, for exact comparison."""
    with transaction() as cur:
        cur.execute(
            "SELECT unique_id, model, first_wk_end_dt, forecast, lo, hi, is_fallback, made_by FROM fcst_app.forecasts"
            " WHERE job_id = %(job_id)s ORDER BY unique_id, model",
            {"job_id": job_id},
        )
        return [tuple(row.values()) for row in cur.fetchall()]


def reasons_of(job_id: int) -> list[str]:
    """Reasons of interrupted attempts, in order."""
    return [event.reason for event in reversed(jobs.list_events(job_id, only_with_reason=True))]


def check_history(job_id: int) -> None:
    """Replay the events of a run: all transitions are allowed, and lead to the current stages of its batches."""
    stages: dict[int, str | None] = {}
    for event in reversed(jobs.list_events(job_id)):
        assert event.from_stage == stages.get(event.batch_id), event
        if event.from_stage is not None:
            assert Stage(event.to_stage) in TRANSITIONS[Stage(event.from_stage)], event
        stages[event.batch_id] = event.to_stage
    learning = jobs.find_learning(job_id)
    found = {row.batch_id: row.stage for row in jobs.list_batches(job_id)}
    others = [stage for batch_id, stage in stages.items() if batch_id not in found]
    assert others == ([learning.stage] if learning else [])
    assert found.items() <= stages.items()


def check_items(job_id: int) -> Job:
    """Check that all items are final, and that exactly the completed ones have all forecasts; return the run."""
    job = jobs.get_job(job_id)
    assert job.is_over and job.n_ended == job.n_items, job
    with transaction() as cur:
        cur.execute(
            "SELECT i.unique_id, i.outcome, i.reason, COALESCE(sum(cardinality(f.forecast)), 0) AS n"
            " FROM fcst_app.job_items i LEFT JOIN fcst_app.forecasts f USING (job_id, unique_id)"
            " WHERE i.job_id = %(job_id)s GROUP BY i.unique_id, i.outcome, i.reason",
            {"job_id": job_id},
        )
        rows = cur.fetchall()
    assert len(rows) == job.n_items
    n_rows = job.spec.h * len(job.spec.models)
    for row in rows:
        assert row["outcome"] in ("completed", "failed", "cancelled"), row
        assert row["n"] == (n_rows if row["outcome"] == "completed" else 0), row
    for outcome in ("completed", "failed", "cancelled"):
        assert sum(row["outcome"] == outcome for row in rows) == getattr(job, f"n_{outcome}")
    check_history(job_id)
    return job
