"""What an operator can do against a database that only grows: delete old runs, and datasets that none of them uses."""

from collections.abc import Callable

from fcst.dataset_records import UnusedDataset
from fcst.errors import InputError
from fcst.job_records import EndedJob
from fcst.roles import Scope
from fcst.services import identity
from fcst.store import datasets, jobs

MAX_NUMBER = 1_000_000


def _no_progress(row: EndedJob | UnusedDataset) -> None:
    pass


def list_runs(older_than: int | None, keep: int | None) -> list[EndedJob]:
    """Runs that ended more than `older_than` days ago, or all that have ended but the last `keep`; the oldest first."""
    for number in (older_than, keep):
        if number is not None and not 0 <= number <= MAX_NUMBER:
            raise InputError(f"{number} is not a number of days or runs.", f"It may be 0 to {MAX_NUMBER:,}.")
    return jobs.list_ended(older_than, keep)


def list_datasets(runs: list[EndedJob]) -> list[UnusedDataset]:
    """Versions of datasets that no run uses when `runs` are gone, and of which there is a newer one."""
    return datasets.list_unused([run.job_id for run in runs])


def delete_runs(runs: list[EndedJob], on_begin: Callable[[EndedJob], None] = _no_progress) -> list[EndedJob]:
    """Deletes runs as `list_runs` gives them, each with its forecasts in a transaction of its own; returns which.

    `on_begin` is called before each. One that was deleted meanwhile, or is tried again, is not among them.
    """
    who = identity.require(Scope.ADMIN)
    deleted = []
    for run in runs:
        on_begin(run)
        if jobs.delete_ended(run.job_id, run.finished_at, who):
            deleted.append(run)
    return deleted


def delete_datasets(
    versions: list[UnusedDataset], on_begin: Callable[[UnusedDataset], None] = _no_progress
) -> list[UnusedDataset]:
    """Deletes versions of datasets as `list_datasets` gives them; returns which: one that a run uses stays.

    `on_begin` is called before each.
    """
    who = identity.require(Scope.ADMIN)
    deleted = []
    for row in versions:
        on_begin(row)
        if datasets.delete_unused(row.dataset_id, who):
            deleted.append(row)
    return deleted
