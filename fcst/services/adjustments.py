"""What an analyst can do to a forecast: change weeks of an item, with a reason, and undo that.

The model's forecast stays as it is, with its interval; the adjusted one stands beside it.
"""

import math
from dataclasses import dataclass
from datetime import date

import pandas as pd

from fcst.errors import InputError
from fcst.filters import EVERY, RunFilter
from fcst.job_records import Adjustment, Job
from fcst.roles import Scope
from fcst.services import identity
from fcst.store import adjustments

MAX_PERCENT = 10_000
MAX_UNITS = 1e12
MAX_REASON = 500  # characters
MAX_NAME = 100


@dataclass(frozen=True)
class Change:
    """To so many units a week, or by so many percent of what stands there; one of the two is None.

    Parameters
    ----------
    first, last
        the last days of the first and the last week that it is for.
    """

    first: date
    last: date
    units: float | None = None
    percent: float | None = None

    def apply(self, weeks: pd.DataFrame) -> pd.Series:
        """The weeks of a forecast, `wk_end_dt, adjusted`, as they are after it."""
        is_in = weeks["wk_end_dt"].between(pd.Timestamp(self.first), pd.Timestamp(self.last))
        changed = weeks["adjusted"] * (1 + (self.percent or 0) / 100)
        return weeks["adjusted"].mask(is_in, changed if self.units is None else self.units)


def adjust(job_id: int, unique_id: str, model: str, change: Change, reason: str, made_by: str = "") -> int:
    """Keeps a change of a forecast; returns its id.

    Parameters
    ----------
    made_by
        the name of who makes it; not asked for where they have signed in.

    Raises
    ------
    InputError
        if there is no such forecast or no such week in it, a number is out of range, or no reason or name is given.
    """
    identity.require(Scope.RUN)
    if (change.units is None) == (change.percent is None):
        raise InputError("Nothing was changed.", "Give units a week, or a percentage.")
    if change.units is not None and not 0 <= change.units <= MAX_UNITS:
        raise InputError(f"{change.units:,} units a week were asked for.", "Give a number from 0 on.")
    if change.percent is not None and not (math.isfinite(change.percent) and -100 <= change.percent <= MAX_PERCENT):
        raise InputError(f"{change.percent:+,} % was asked for.", f"Give a number from -100 to {MAX_PERCENT:,}.")
    reason = _written(reason, MAX_REASON, "A change needs a reason.", "Say why, so that others understand it later.")
    return adjustments.insert(
        job_id, unique_id, model, (change.first, change.last), change.units, change.percent, reason, _named(made_by)
    )


def undo(adjustment_id: int, undone_by: str = "") -> bool:
    """Takes a change back, which stays to be read; False if it was undone before.

    Raises
    ------
    InputError
        if there is no such change, or no name is given.
    """
    identity.require(Scope.RUN)
    return adjustments.undo(adjustment_id, _named(undone_by))


def list_adjustments(job: Job, which: RunFilter = EVERY, model: str = "") -> list[Adjustment]:
    """Changes of forecasts of the items of a job that match, the newest first, also those that are undone.

    Each `adjustment_id, unique_id, model, first_wk_end_dt, last_wk_end_dt, units, percent, reason, made_by, made_at,
    undone_by, undone_at`.
    """
    return adjustments.find(job, model, which)


def count_changes(job_id: int) -> int:
    """Grows with each change and each undoing: what was read of a job's adjusted forecasts holds until it does."""
    return adjustments.count(job_id)


def _named(who: str) -> str:
    """Who acts: as they have signed in, else by the name that is given."""
    if (actor := identity.current()).is_known:
        return actor.name
    return _written(who, MAX_NAME, "Nobody's name is given.", "Say who you are, so that others can ask.")


def _written(words: str, most: int, message: str, hint: str) -> str:
    words = words.replace("\0", "").strip()[:most]
    if not words:
        raise InputError(message, hint)
    return words
