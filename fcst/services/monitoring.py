"""Load and error counters for monitoring."""

from dataclasses import dataclass

from fcst.services import jobs
from fcst.states import JobStatus, Stage
from fcst.store import database
from fcst.store import jobs as store
from fcst.store.workers import list_live


@dataclass(frozen=True)
class Load:
    """Runs, batches, throughput and worker processes at one moment.

    Parameters
    ----------
    jobs, batches
        status -> number of runs; stage -> number of batches of open runs.
    items_per_s
        items that end per second, over all runs.
    queue_age_s
        age of the oldest waiting batch in seconds; 0 if none waits.
    n_processes, n_busy
        worker processes of running supervisors, and how many of them have a batch.
    """

    jobs: dict[str, int]
    batches: dict[str, int]
    items_per_s: float
    queue_age_s: float
    n_processes: int
    n_busy: int


def measure_load() -> Load:
    """Measures the current load."""
    stages = store.count_open_batches()
    batches = {stage.value: stages.get(stage, (0, 0.0))[0] for stage in Stage}
    return Load(
        jobs={status.value: 0 for status in JobStatus} | store.count_by_status(),
        batches=batches,
        items_per_s=sum(job.items_per_s or 0.0 for job in jobs.list_jobs(jobs.OPEN)),
        queue_age_s=stages.get(Stage.SUBMITTED, (0, 0.0))[1],
        n_processes=sum(row.processes for row in list_live()),
        n_busy=sum(batches[stage] for stage in (Stage.OBTAINING_SALES, Stage.PROCESSING, Stage.SAVING)),
    )


def count_database_errors() -> dict[str, int]:
    """Failed transactions since this process started: `away` (database not reachable), `refused` (database error)."""
    return dict(database.n_errors)
