"""What an analyst can do with scenarios of a run: change drivers of weeks ahead, compare, take over into the plan.

A scenario needs no new run: the effects that the run has learnt and its baselines stay as they are.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pandas as pd

from fcst.compute.learning import Learned
from fcst.compute.scenarios import item_in_scenario
from fcst.drivers import DriverKind
from fcst.engine.series_reading import read_series
from fcst.errors import InputError, NotFound
from fcst.filters import EVERY, RunFilter
from fcst.job_records import Job
from fcst.roles import Scope
from fcst.scenarios import (
    CHANGED_BY,
    ChangeableDriver,
    ChangeHow,
    DriverChange,
    Scenario,
    ScenarioItem,
    ScenarioUnits,
)
from fcst.services import identity
from fcst.services.adjustments import MAX_NAME, check_weeks, given_reason, named, scope_in_words, written
from fcst.services.jobs import choose_model
from fcst.store import adjustments as stored_plans
from fcst.store import drivers, learning, sales, scenarios
from fcst.store.adjustments import Asked

MAX_SCENARIOS = 50
MAX_CHANGES = 100
MAX_PERCENT = 1_000
MAX_VALUE = 1e9
ITEMS_AT_ONCE = 200
SHOWN_ITEMS = 50

OnProgress = Callable[[int, int], None]
"""Called with how many items are done, and of how many."""


def list_scenarios(job: Job) -> list[Scenario]:
    """The scenarios of a run in the order in which they were made."""
    return scenarios.find(job.job_id)


def get_scenario(job: Job, scenario_id: int) -> Scenario:
    """
    Raises
    ------
    NotFound
        if the run has no such scenario.
    """
    found = scenarios.find(job.job_id, scenario_id) if 0 < scenario_id < 2**31 else []
    if not found:
        raise NotFound(f"Run {job.job_id} has no scenario {scenario_id}.", "It may have been deleted.")
    return found[0]


def last_change(job_id: int) -> tuple[int, int, int]:
    """What differs whenever the scenarios of a run do."""
    return scenarios.last_change(job_id)


def changeable_drivers(job: Job) -> list[ChangeableDriver]:
    """The drivers that scenarios of a run can change: those with an effect; none where it has learnt none."""
    if not job.spec.driver_load or (learned := _learned(job.job_id)) is None:
        return []
    effects, found = learned.effects, dict[str, ChangeableDriver]()
    shown = {(one["driver"], one["shift"]): one["percent"] for one in learned.summary()["effects"]}
    for place, column in enumerate(effects.columns):
        if column.shift == 0 and column.kind in CHANGED_BY:
            reach = float(effects.lowest[place]), float(effects.highest[place])
            found[column.driver] = ChangeableDriver(column.driver, column.kind, shown[column.driver, 0], *reach)
    for load in drivers.list_loads(job.dataset_id, job.spec.driver_load):
        for driver in load.columns:
            if driver.kind is DriverKind.OPEN:  # nothing is sold where it is 0, whatever was learnt of it
                found.setdefault(driver.name, ChangeableDriver(driver.name, driver.kind, None, 0.0, 0.0))
    kinds = list(CHANGED_BY)
    return sorted(found.values(), key=lambda driver: (kinds.index(driver.kind), driver.name))


def create_scenario(job: Job, name: str, made_by: str = "", copy_of: int | None = None) -> Scenario:
    """Makes a scenario of a run, without changes or as a copy of another one of it.

    Raises
    ------
    InputError
        if no name is given, the run has a scenario of that name, or too many.
    """
    identity.require(Scope.RUN)
    name = written(name, MAX_NAME, "The scenario has no name.", "Give it a name.")
    if copy_of is not None:
        get_scenario(job, copy_of)
    if len(list_scenarios(job)) >= MAX_SCENARIOS:
        raise InputError(f"Run {job.job_id} has {MAX_SCENARIOS} scenarios.", "Delete one that is not needed.")
    return get_scenario(job, scenarios.insert(job.job_id, name, named(made_by), copy_of))


def delete_scenario(job: Job, scenario_id: int) -> None:
    """Deletes a scenario. A plan that took it over stays as it is.

    Raises
    ------
    NotFound
        if the run has no such scenario.
    """
    identity.require(Scope.RUN)
    get_scenario(job, scenario_id)
    scenarios.delete(job.job_id, scenario_id)


def add_change(
    job: Job,
    scenario_id: int,
    change: DriverChange,
    which: RunFilter = EVERY,
    made_by: str = "",
    scope: str = "",
    on_progress: OnProgress | None = None,
) -> Scenario:
    """Changes a driver of the items that match in a scenario, after its other changes; returns the scenario.

    Parameters
    ----------
    scope
        which items these are, in words.

    Raises
    ------
    InputError
        if the run has no effect of such a driver, a number or a week is out of range, or no item has effects.
    Conflict
        if the scenario was changed meanwhile.
    """
    identity.require(Scope.RUN)
    scenario = get_scenario(job, scenario_id)
    _check(job, scenario, change)
    who = named(made_by)
    unique_ids = scenarios.keys_with_uplift(job, which)
    if not unique_ids:
        raise InputError("None of these items has effects of drivers in this run.", "Choose other items.")
    items = _compute(job, scenario, unique_ids, change, on_progress)
    scenarios.add_change(scenario, change, unique_ids, scope_in_words(scope, which), who, items)
    return get_scenario(job, scenario_id)


def remove_change(job: Job, scenario_id: int, change_id: int, on_progress: OnProgress | None = None) -> Scenario:
    """Removes a change of a scenario; the others stay. Returns the scenario.

    Raises
    ------
    NotFound
        if the scenario has no such change.
    Conflict
        as `add_change`.
    """
    identity.require(Scope.RUN)
    scenario = get_scenario(job, scenario_id)
    unique_ids = scenarios.keys_of_change(scenario_id, change_id) if 0 < change_id < 2**63 else []
    if not unique_ids:
        raise NotFound(f"The scenario {scenario.name!r} has no change {change_id}.", "It may have been removed.")
    left = replace(scenario, changes=tuple(one for one in scenario.changes if one.change_id != change_id))
    items = _compute(job, left, unique_ids, None, on_progress)
    scenarios.remove_change(scenario, change_id, unique_ids, items)
    return get_scenario(job, scenario_id)


def sums(job: Job, model: str, which: RunFilter, chosen: Sequence[Scenario]) -> pd.DataFrame:
    """`wk_end_dt, change1, change2`: by how many units one or two scenarios change the final plan of the items that
    match, by week; without rows where they change none of them."""
    frame = scenarios.sums(job, model, which, [scenario.scenario_id for scenario in chosen])
    frame["wk_end_dt"] = pd.to_datetime(frame["wk_end_dt"])
    return frame.astype({"change1": float, "change2": float})


def list_items(job: Job, model: str, which: RunFilter, chosen: Sequence[Scenario]) -> list[ScenarioUnits]:
    """The items that match and that one or two scenarios change most."""
    return scenarios.list_items(job, model, which, [scenario.scenario_id for scenario in chosen], SHOWN_ITEMS)


def take_over(job: Job, model: str, scenario_id: int, reason: str, made_by: str = "", seen: int | None = None) -> int:
    """Changes the plan by one model as a scenario does; returns the id of the adjustment.

    Parameters
    ----------
    seen
        as of `adjustments.adjust`.

    Raises
    ------
    NotFound
        if the run has no such scenario.
    InputError
        if it changes nothing, or no reason or name is given.
    Conflict
        if the same weeks of the plan were changed since they were looked at.
    """
    identity.require(Scope.RUN)
    choose_model(job, model)
    scenario = get_scenario(job, scenario_id)
    steps = scenarios.changed_steps(scenario.scenario_id)
    if steps is None:
        raise InputError(f"The scenario {scenario.name!r} changes no week.", "Add a change to it.")
    first, last = (job.last_wk_end_dt + timedelta(weeks=step) for step in steps)
    asked = Asked(first, last, None, None, f"scenario {scenario.name}", given_reason(reason), named(made_by), seen)
    with stored_plans.open_plan(job, model) as plan:
        return plan.take_over(asked, scenario.scenario_id, steps)


def _learned(job_id: int) -> Learned | None:
    """What a run has learnt at the end of its history."""
    content = learning.contents(job_id).get(0)
    return None if content is None else Learned.from_bytes(content)


def _check(job: Job, scenario: Scenario, change: DriverChange) -> None:
    known = {driver.name: driver for driver in changeable_drivers(job)}
    if (driver := known.get(change.driver)) is None:
        raise InputError(
            f"Run {job.job_id} has learnt no effect of {change.driver!r}.",
            f"Choose among {', '.join(known)}." if known else "Load drivers for its dataset, then run again.",
        )
    if len(scenario.changes) >= MAX_CHANGES:
        raise InputError(f"The scenario has {MAX_CHANGES} changes.", "Remove some of them.")
    check_weeks(job, change.first, change.last)
    if change.how not in CHANGED_BY[driver.kind]:
        raise InputError(f"{change.driver!r} is a share of the week.", "Give a share, not a percentage of it.")
    least, most = _range(driver.kind, change.how)
    is_price = driver.kind is DriverKind.PRICE and change.value == least
    if not (math.isfinite(change.value) and least <= change.value <= most) or is_price:
        what = "above" if driver.kind is DriverKind.PRICE else "from"
        unit = " %" if change.how is ChangeHow.PERCENT else ""
        raise InputError(
            f"{change.driver!r} was to be {change.value:,.6g}{unit}.",
            f"Give a number {what} {least:,.0f} to {most:,.0f}.",
        )


def _range(kind: DriverKind, how: ChangeHow) -> tuple[float, float]:
    if how is ChangeHow.PERCENT:
        return -100.0, MAX_PERCENT
    if kind is DriverKind.NUMBER:
        return -MAX_VALUE, MAX_VALUE
    return 0.0, MAX_VALUE if kind is DriverKind.PRICE else 1.0


def _compute(
    job: Job, scenario: Scenario, unique_ids: Sequence[str], more: DriverChange | None, on_progress: OnProgress | None
) -> list[ScenarioItem]:
    """What becomes of items after the changes of a scenario that they have, and then one more."""
    learned = _learned(job.job_id)
    if learned is None:
        raise InputError(f"Run {job.job_id} has learnt no effects.", "Submit a run of the same items.")
    by_change = {one.change_id: one.change for one in scenario.changes}
    found = list[ScenarioItem]()
    for first in range(0, len(unique_ids), ITEMS_AT_ONCE):
        keys = unique_ids[first : first + ITEMS_AT_ONCE]
        have = scenarios.changes_of(scenario.scenario_id, keys)
        for series in read_series(job, sales.item_series(job.dataset_id, keys)):
            changes = [
                by_change[number] for number, of in have.items() if number in by_change and series.unique_id in of
            ]
            if changes := [*changes, *([more] if more else [])]:
                item = item_in_scenario(series, job.spec.h, learned.effects, changes)
                found += [item] if item is not None else []
        if on_progress is not None:
            on_progress(first + len(keys), len(unique_ids))
    return found
