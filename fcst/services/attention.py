"""What a planner should look at: why items of a run need attention, their reviews, and the thresholds behind it."""

from fcst.attention import Thresholds
from fcst.filters import EVERY, RunFilter
from fcst.job_records import AttentionCount, Job
from fcst.roles import Scope
from fcst.services import identity
from fcst.services.adjustments import named
from fcst.store import attention


def prepare(job: Job) -> None:
    """Finds what the worklist of a run is ordered by, where it is not there yet: the run is of an earlier version."""
    attention.find_abc(job.dataset_id)
    if attention.is_missing(job.job_id):
        attention.refresh_run(job.job_id)


def count(job: Job, model: str, which: RunFilter = EVERY) -> list[AttentionCount]:
    """How many of the items of a run that match have each reason."""
    return attention.count(job, model, which)


def review(job: Job, model: str, which: RunFilter, who: str = "") -> int:
    """Marks the items of a run that match as reviewed; returns how many were not.

    A review holds until a new run gives the item another reason, or a plan that differs by a tenth.

    Parameters
    ----------
    who
        the name of the reviewer; not asked for where they have signed in.

    Raises
    ------
    InputError
        if no name is given.
    """
    identity.require(Scope.RUN)
    return attention.review(job, model, which, named(who))


def reopen(job: Job, model: str, which: RunFilter) -> int:
    """Takes the reviews of the items of a run that match back; returns how many had one."""
    identity.require(Scope.RUN)
    return attention.reopen(job, model, which)


def last_review(job_id: int) -> tuple[str, int]:
    """Changes with each review and each one that is taken back."""
    return attention.last_review(job_id)


def thresholds(dataset: str) -> Thresholds:
    """Those that hold for the runs of a dataset's name."""
    return attention.thresholds(dataset)


def set_thresholds(job: Job, wanted: Thresholds, who: str = "") -> None:
    """Sets the thresholds of the name of a run's dataset: they hold for this run at once, and for the runs to come.

    Raises
    ------
    InputError
        if a number is out of range, or no name is given.
    """
    identity.require(Scope.RUN)
    wanted.check()
    attention.set_thresholds(job.dataset, wanted, named(who))
    attention.refresh_run(job.job_id)
