"""Worklist of a run: attention reasons of its items, reviews, and thresholds."""

from fcst.attention import Thresholds
from fcst.filters import ALL_RUN_ITEMS, RunFilter
from fcst.job_records import AttentionCount, Job
from fcst.roles import Scope
from fcst.services import identity
from fcst.services.adjustments import named
from fcst.store import attention


def prepare(job: Job) -> None:
    """Computes the attention data of a run from an earlier fcst version, which lacks them."""
    attention.find_abc(job.dataset_id)
    if attention.is_missing(job.job_id):
        attention.refresh_run(job.job_id)


def count(job: Job, model: str, which: RunFilter = ALL_RUN_ITEMS) -> list[AttentionCount]:
    """Counts the matching items of a run by attention reason."""
    return attention.count(job, model, which)


def review(job: Job, model: str, which: RunFilter, who: str = "") -> int:
    """Marks the matching items of a run as reviewed; returns how many were not reviewed before.

    A review ends when a new run gives the item a new reason, or a plan that differs by a tenth.

    Parameters
    ----------
    who
        name of the reviewer; not needed if signed in.

    Raises
    ------
    InputError
        if the name is missing.
    """
    identity.require(Scope.RUN)
    return attention.review(job, model, which, named(who))


def reopen(job: Job, model: str, which: RunFilter) -> int:
    """Removes the reviews of the matching items of a run; returns how many had one."""
    identity.require(Scope.RUN)
    return attention.reopen(job, model, which)


def last_review(job_id: int) -> tuple[str, int]:
    """Version of the reviews of a run: changes when a review is added or removed."""
    return attention.last_review(job_id)


def thresholds(dataset: str) -> Thresholds:
    """Thresholds of a dataset name."""
    return attention.thresholds(dataset)


def set_thresholds(job: Job, wanted: Thresholds, who: str = "") -> None:
    """Sets the thresholds of the name of a run's dataset: for this run at once, and for future runs.

    Raises
    ------
    InputError
        if a number is out of range, or the name is missing.
    """
    identity.require(Scope.RUN)
    wanted.check()
    attention.set_thresholds(job.dataset, wanted, named(who))
    attention.refresh_run(job.job_id)
