"""What an analyst can do to a plan: change weeks of one item, of many or of all, with a reason, and undo that.

The model's forecast stays as it is, with its interval; the final plan stands beside it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from fcst.errors import InputError
from fcst.filters import EVERY, RunFilter
from fcst.job_records import Adjustment, Job, PlanTotals
from fcst.roles import Scope
from fcst.services import identity
from fcst.services.item_selection import name_some
from fcst.store import adjustments
from fcst.store.adjustments import Asked, Week

MAX_PERCENT = 10_000
MAX_UNITS = adjustments.MAX_UNITS
MAX_REASON = 500  # characters
MAX_NAME = 100
MAX_SCOPE = 300


@dataclass(frozen=True)
class Change:
    """What is asked for some weeks of the plan of one item or of a sum; one of the four values, the others are None.

    Parameters
    ----------
    first, last
        the last days of the first and the last week that it is for.
    percent
        by so many percent of what stands there.
    units
        to so many units each week.
    total
        to so many units in all its weeks together: each keeps its share of them or, where `is_even`, has the same.
    targets
        to so many units in each week of its own, None leaves the week as it is.
    """

    first: date
    last: date
    percent: float | None = None
    units: float | None = None
    total: float | None = None
    is_even: bool = False
    targets: tuple[Week, ...] | None = None

    @property
    def n_weeks(self) -> int:
        return (self.last - self.first).days // 7 + 1


def adjust(
    job: Job,
    model: str,
    which: RunFilter,
    change: Change,
    reason: str,
    made_by: str = "",
    scope: str = "",
    seen: int | None = None,
) -> int:
    """Keeps a change of the plan of the items that match, spread over them; returns its id.

    Items keep their shares of each week. A week in which none of them has units is spread by what they sold lately.

    Parameters
    ----------
    made_by
        the name of who makes it; not asked for where they have signed in.
    scope
        which items these are, in words.
    seen
        what `last_change` gave when the plan was looked at; None where later changes do not matter.

    Raises
    ------
    InputError
        if there is no such forecast, be it of one of several keys, or no such week in it, a number is out of range, no
        reason or name is given, or there is nothing to spread on.
    Conflict
        if the same weeks were changed since they were looked at; it names the changes.
    """
    identity.require(Scope.RUN)
    _check_change(change)
    check_weeks(job, change.first, change.last)
    reason = given_reason(reason)
    asked = Asked(
        change.first,
        change.last,
        change.units,
        change.percent,
        scope_in_words(scope, which),
        reason,
        named(made_by),
        seen,
    )
    with adjustments.open_plan(job, model) as plan:
        if which.keys and (unknown := plan.unplanned(list(which.keys))):
            raise _no_forecast(job, model, f"item {name_some(unknown)}")
        now = plan.totals(which)
        if not now.n_items:
            raise _no_forecast(job, model, "the chosen items")
        first = (change.first - job.last_wk_end_dt).days // 7 - 1
        base = now.units[first : first + change.n_weeks]
        if which.is_one and which.keys and change.percent is None:
            return plan.set_units(asked, {which.keys[0]: _targets(change, base)})
        factors, spread = _spread(change, base, now)
        return plan.change_all(asked, which, factors, spread, now.sold)


def set_units(
    job: Job,
    model: str,
    units: Mapping[str, Mapping[date, float]],
    reason: str,
    made_by: str = "",
    scope: str = "",
    seen: int | None = None,
) -> int:
    """Keeps units of weeks of some items, each with its own, as one change; returns its id.

    Parameters
    ----------
    units
        by item and last day of the week.

    Raises
    ------
    InputError, Conflict
        as `adjust`.
    """
    identity.require(Scope.RUN)
    days = sorted({day for weeks in units.values() for day in weeks})
    if not days:
        raise InputError("Nothing was changed.", "Change a week of an item.")
    check_weeks(job, days[0], days[-1])
    for weeks in units.values():
        for value in weeks.values():
            _check_units(value, "units a week")
    first, n_weeks = days[0], (days[-1] - days[0]).days // 7 + 1
    by_week = {
        key: [weeks.get(first + timedelta(weeks=n)) for n in range(n_weeks)] for key, weeks in units.items() if weeks
    }
    reason = given_reason(reason)
    scope = scope_in_words(scope, RunFilter(keys=tuple(by_week)))
    asked = Asked(first, days[-1], None, None, scope, reason, named(made_by), seen)
    with adjustments.open_plan(job, model) as plan:
        if unknown := plan.unplanned(list(by_week)):
            raise _no_forecast(job, model, f"item {name_some(unknown)}")
        return plan.set_units(asked, by_week)


def undo(adjustment_id: int, undone_by: str = "") -> bool:
    """Takes a change back, which stays to be read; False if it was undone before.

    Raises
    ------
    InputError
        if there is no such change, or no name is given.
    """
    identity.require(Scope.RUN)
    return adjustments.undo(adjustment_id, named(undone_by))


def drop_carried(job: Job, model: str, undone_by: str = "") -> int:
    """Takes back all changes that a run took over from earlier ones; returns how many they were.

    Raises
    ------
    InputError
        if no name is given.
    """
    identity.require(Scope.RUN)
    return adjustments.undo_carried(job.job_id, model, named(undone_by))


def list_adjustments(
    job: Job, which: RunFilter = EVERY, model: str = "", limit: int | None = None, skip: int = 0
) -> list[Adjustment]:
    """Changes of the plan of the items of a run that match, the newest first, also those that are undone.

    Parameters
    ----------
    model
        only changes of its plan; an empty text for all models.
    """
    return adjustments.find(job, model, which, limit, skip)


def last_change(job_id: int) -> int:
    """Grows with each change and each undoing: what was read of a run's plan holds until it does."""
    return adjustments.last_change(job_id)


def _no_forecast(job: Job, model: str, what: str) -> InputError:
    return InputError(
        f"Run {job.job_id} has no forecast of {what} by {model}.", "Only what is forecast can be adjusted."
    )


def _spread(change: Change, base: Sequence[float], plan: PlanTotals) -> tuple[list[Week], list[Week] | None]:
    """By week: what the plan of each item is multiplied by, and units to be shared by what was sold lately."""
    if change.percent is not None:
        return [1 + change.percent / 100] * len(base), None
    factors: list[Week] = []
    spread: list[Week] = []
    for target, units in zip(_targets(change, base), base, strict=True):
        has_shares = target is None or units > 0
        factors.append(None if target is None else target / units if units > 0 else None if target else 1.0)
        spread.append(None if has_shares or not target else target)
    if not any(units is not None for units in spread):
        return factors, None
    if plan.sold <= 0:
        raise InputError(
            "There is nothing to spread on: the items have no units in the plan of these weeks, and sold none lately.",
            "Change the items one by one.",
        )
    return factors, spread


def _targets(change: Change, base: Sequence[float]) -> list[Week]:
    """Units of each week, as asked; None leaves the week as it is."""
    n = len(base)
    if change.targets is not None:
        return list(change.targets)
    if change.units is not None:
        return [change.units] * n
    assert change.total is not None
    whole = math.fsum(base)
    if change.is_even or whole <= 0:
        return [change.total / n] * n
    return [units / whole * change.total for units in base]


def _check_change(change: Change) -> None:
    asked = [value for value in (change.percent, change.units, change.total, change.targets) if value is not None]
    if len(asked) != 1 or (change.targets is not None and all(value is None for value in change.targets)):
        raise InputError("Nothing was changed.", "Give units, or a percentage.")
    if change.percent is not None and not (math.isfinite(change.percent) and -100 <= change.percent <= MAX_PERCENT):
        raise InputError(f"{change.percent:+,} % was asked for.", f"Give a number from -100 to {MAX_PERCENT:,}.")
    if change.units is not None:
        _check_units(change.units, "units a week")
    if change.total is not None:
        _check_units(change.total, "units")
    if change.targets is not None:
        if len(change.targets) != change.n_weeks:
            raise InputError(f"{len(change.targets)} values were given for {change.n_weeks} weeks.", "Give one a week.")
        for value in change.targets:
            if value is not None:
                _check_units(value, "units a week")


def _check_units(value: float, what: str) -> None:
    if not (math.isfinite(value) and 0 <= value <= MAX_UNITS):
        raise InputError(f"{value:,} {what} were asked for.", f"Give a number from 0 to {MAX_UNITS:,.0f}.")


def check_weeks(job: Job, first: date, last: date) -> None:
    """
    Raises
    ------
    InputError
        if two days are not the last ones of weeks that a run forecasts, in order.
    """
    after = job.last_wk_end_dt
    ahead = after + timedelta(weeks=1), after + timedelta(weeks=job.spec.h)
    if not ahead[0] <= first <= last <= ahead[1] or (first - after).days % 7 or (last - after).days % 7:
        raise InputError(
            f"The weeks from {first} to {last} are not within the forecast.",
            f"It is of the weeks ending {ahead[0]} to {ahead[1]}.",
        )


def scope_in_words(words: str, which: RunFilter) -> str:
    """Which items are asked for, in words."""
    words = words.replace("\0", "").strip()[:MAX_SCOPE]
    if words:
        return words
    if which.is_empty:
        return "all items"
    if which.has_keys_only and which.keys:
        return f"item {which.keys[0]}"[:MAX_SCOPE] if which.is_one else f"{len(which.keys):,} items"
    return "the items that match a filter"


def named(who: str) -> str:
    """Who acts: as they have signed in, else by the name that is given."""
    if (actor := identity.current()).is_known:
        return actor.name
    return written(who, MAX_NAME, "Nobody's name is given.", "Say who you are, so that others can ask.")


def given_reason(words: str) -> str:
    """The reason of a change; InputError where none is given."""
    return written(words, MAX_REASON, "A change needs a reason.", "Say why, so that others understand it later.")


def written(words: str, most: int, message: str, hint: str) -> str:
    """A text that must be given, of at most so many characters; InputError where it is empty."""
    words = words.replace("\0", "").strip()[:most]
    if not words:
        raise InputError(message, hint)
    return words
