"""Pruning: delete old runs, and dataset versions that no run uses."""

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
    """Runs that ended more than `older_than` days ago, or all ended runs except the last `keep`; oldest first."""
    for number in (older_than, keep):
        if number is not None and not 0 <= number <= MAX_NUMBER:
            raise InputError(f"{number} is out of range for days or runs.", f"Give a number from 0 to {MAX_NUMBER:,}.")
    return jobs.list_ended(older_than, keep)


def list_datasets(runs: list[EndedJob]) -> list[UnusedDataset]:
    """Dataset versions that no run uses once `runs` are deleted, and that have a newer version."""
    return datasets.list_unused([run.job_id for run in runs])


def delete_runs(runs: list[EndedJob], on_begin: Callable[[EndedJob], None] = _no_progress) -> list[EndedJob]:
    """Deletes runs from `list_runs` with their forecasts, one transaction each; returns the deleted ones.

    Calls `on_begin` before each run. Skips runs that were deleted or retried meanwhile.
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
    """Deletes dataset versions from `list_datasets`; returns the deleted ones. Skips versions that a run uses.

    Calls `on_begin` before each version.
    """
    who = identity.require(Scope.ADMIN)
    deleted = []
    for row in versions:
        on_begin(row)
        if datasets.delete_unused(row.dataset_id, who):
            deleted.append(row)
    return deleted
