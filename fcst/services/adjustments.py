"""Plan adjustments: change weeks of one, some or all items, with a reason, and undo changes.

Forecasts and intervals are not changed; the final plan is stored separately.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from fcst.errors import InputError
from fcst.filters import ALL_RUN_ITEMS, RunFilter
from fcst.job_records import Adjustment, Job, PlanTotals
from fcst.roles import Scope
from fcst.services import identity
from fcst.services.item_selection import join_keys
from fcst.store import adjustments
from fcst.store.adjustments import Asked, Week

MAX_PERCENT = 10_000
MAX_UNITS = adjustments.MAX_UNITS
MAX_REASON = 500  # characters
MAX_NAME = 100
MAX_SCOPE = 300


@dataclass(frozen=True)
class Change:
    """A requested change of some weeks of a plan. Exactly one of the four values is set, the others are None.

    Parameters
    ----------
    first, last
        last day of the first and of the last week.
    percent
        change in percent of the current plan.
    units
        new units per week.
    total
        new units in all weeks together. Each week keeps its share; with `is_even` all weeks get the same.
    targets
        new units of each week; None leaves a week unchanged.
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
    """Changes the plan of the items that match, distributing the change over them; returns the adjustment id.

    Items keep their shares of each week. A week whose plan is zero is distributed by recent sales.

    Parameters
    ----------
    made_by
        name of the analyst; not needed if signed in.
    scope
        description of the items.
    seen
        result of `last_change` when the plan was read; None skips the conflict check.

    Raises
    ------
    InputError
        if an item has no forecast, a week is outside the forecast, a number is out of range, the reason or name is
        missing, or there are no shares to distribute by.
    Conflict
        if the same weeks were changed since they were read; the message names the changes.
    """
    identity.require(Scope.RUN)
    _check_change(change)
    check_weeks(job, change.first, change.last)
    reason = required_reason(reason)
    record = Asked(
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
            raise _no_forecast(job, model, f"item {join_keys(unknown)}")
        now = plan.totals(which)
        if not now.n_items:
            raise _no_forecast(job, model, "the chosen items")
        first = (change.first - job.last_wk_end_dt).days // 7 - 1
        base = now.units[first : first + change.n_weeks]
        if which.is_one and which.keys and change.percent is None:
            return plan.set_units(record, {which.keys[0]: _targets(change, base)})
        factors, spread = _spread(change, base, now)
        return plan.change_all(record, which, factors, spread, now.sold)


def set_units(
    job: Job,
    model: str,
    units: Mapping[str, Mapping[date, float]],
    reason: str,
    made_by: str = "",
    scope: str = "",
    seen: int | None = None,
) -> int:
    """Sets weekly units of several items as one adjustment; returns its id.

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
        raise InputError("The adjustment is empty.", "Change at least one week of an item.")
    check_weeks(job, days[0], days[-1])
    for weeks in units.values():
        for value in weeks.values():
            _check_units(value, "units per week")
    first, n_weeks = days[0], (days[-1] - days[0]).days // 7 + 1
    by_week = {
        key: [weeks.get(first + timedelta(weeks=n)) for n in range(n_weeks)] for key, weeks in units.items() if weeks
    }
    reason = required_reason(reason)
    scope = scope_in_words(scope, RunFilter(keys=tuple(by_week)))
    record = Asked(first, days[-1], None, None, scope, reason, named(made_by), seen)
    with adjustments.open_plan(job, model) as plan:
        if unknown := plan.unplanned(list(by_week)):
            raise _no_forecast(job, model, f"item {join_keys(unknown)}")
        return plan.set_units(record, by_week)


def undo(adjustment_id: int, undone_by: str = "") -> bool:
    """Undoes an adjustment, which stays in the list; returns False if it was undone before.

    Raises
    ------
    InputError
        if there is no such adjustment, or the name is missing.
    """
    identity.require(Scope.RUN)
    return adjustments.undo(adjustment_id, named(undone_by))


def undo_carried(job: Job, model: str, undone_by: str = "") -> int:
    """Undoes all adjustments that a run carried over from earlier runs; returns their number.

    Raises
    ------
    InputError
        if the name is missing.
    """
    identity.require(Scope.RUN)
    return adjustments.undo_carried(job.job_id, model, named(undone_by))


def list_adjustments(
    job: Job, which: RunFilter = ALL_RUN_ITEMS, model: str = "", limit: int | None = None, skip: int = 0
) -> list[Adjustment]:
    """Adjustments of the items that match, newest first, including undone ones.

    Parameters
    ----------
    model
        only adjustments of the plan by this model; empty: of all models.
    """
    return adjustments.find(job, model, which, limit, skip)


def last_change(job_id: int) -> int:
    """Version of a run's plan: grows with each adjustment and each undo."""
    return adjustments.last_change(job_id)


def _no_forecast(job: Job, model: str, what: str) -> InputError:
    return InputError(
        f"Run {job.job_id} has no forecast of {what} by {model}.", "Only items with a forecast can be adjusted."
    )


def _spread(change: Change, base: Sequence[float], plan: PlanTotals) -> tuple[list[Week], list[Week] | None]:
    """By week: factors of each item's plan, and units to distribute by recent sales."""
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
            "The change cannot be distributed: the plan of these weeks is zero, and the items had no recent sales.",
            "Adjust the items one by one.",
        )
    return factors, spread


def _targets(change: Change, base: Sequence[float]) -> list[Week]:
    """Requested units of each week; None leaves a week unchanged."""
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
    given = [value for value in (change.percent, change.units, change.total, change.targets) if value is not None]
    if len(given) != 1 or (change.targets is not None and all(value is None for value in change.targets)):
        raise InputError("The adjustment is empty.", "Give units or a percentage.")
    if change.percent is not None and not (math.isfinite(change.percent) and -100 <= change.percent <= MAX_PERCENT):
        raise InputError(
            f"A change of {change.percent:+,} % is out of range.", f"Give a number from -100 to {MAX_PERCENT:,}."
        )
    if change.units is not None:
        _check_units(change.units, "units per week")
    if change.total is not None:
        _check_units(change.total, "units")
    if change.targets is not None:
        if len(change.targets) != change.n_weeks:
            raise InputError(
                f"{len(change.targets)} values were given for {change.n_weeks} weeks.", "Give one value per week."
            )
        for value in change.targets:
            if value is not None:
                _check_units(value, "units per week")


def _check_units(value: float, what: str) -> None:
    if not (math.isfinite(value) and 0 <= value <= MAX_UNITS):
        raise InputError(f"{value:,} {what} is out of range.", f"Give a number from 0 to {MAX_UNITS:,.0f}.")


def check_weeks(job: Job, first: date, last: date) -> None:
    """Checks that weeks lie within the forecast of a run.

    Raises
    ------
    InputError
        if `first` and `last` are not last days of forecast weeks, in order.
    """
    after = job.last_wk_end_dt
    ahead = after + timedelta(weeks=1), after + timedelta(weeks=job.spec.h)
    if not ahead[0] <= first <= last <= ahead[1] or (first - after).days % 7 or (last - after).days % 7:
        raise InputError(
            f"The weeks {first} to {last} are not within the forecast.",
            f"The forecast covers the weeks ending {ahead[0]} to {ahead[1]}.",
        )


def scope_in_words(words: str, which: RunFilter) -> str:
    """Describes the selected items; `words` if given."""
    words = words.replace("\0", "").strip()[:MAX_SCOPE]
    if words:
        return words
    if which.is_empty:
        return "all items"
    if which.has_keys_only and which.keys:
        return f"item {which.keys[0]}"[:MAX_SCOPE] if which.is_one else f"{len(which.keys):,} items"
    return "the items that match a filter"


def named(who: str) -> str:
    """Returns the name of the signed-in actor, otherwise the given name."""
    if (actor := identity.current()).is_known:
        return actor.name
    return written(who, MAX_NAME, "Your name is missing.", "Enter your name, so that others can ask you.")


def required_reason(words: str) -> str:
    """Returns the trimmed reason; raises InputError if it is empty."""
    return written(
        words, MAX_REASON, "A change needs a reason.", "Enter a reason, so that others understand the change."
    )


def written(words: str, most: int, message: str, hint: str) -> str:
    """Returns a required text, trimmed and cut to `most` characters; raises InputError if it is empty."""
    words = words.replace("\0", "").strip()[:most]
    if not words:
        raise InputError(message, hint)
    return words
