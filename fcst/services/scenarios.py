"""Scenarios of a run: change drivers of future weeks, compare, apply to the plan.

A scenario needs no new run: it uses the learnt effects and baselines of the run.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pandas as pd

from fcst.drivers import DriverKind
from fcst.engine.series_reading import read_series
from fcst.errors import InputError, NotFound
from fcst.filters import ALL_RUN_ITEMS, RunFilter
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
from fcst.services.adjustments import MAX_NAME, check_weeks, named, required_reason, scope_in_words, written
from fcst.services.jobs import choose_model
from fcst.store import adjustments as stored_plans
from fcst.store import drivers, learning, sales, scenarios
from fcst.store.adjustments import Asked

if TYPE_CHECKING:
    from fcst.compute.learning import Learned

MAX_SCENARIOS = 50
MAX_CHANGES = 100
MAX_PERCENT = 1_000
MAX_VALUE = 1e9
ITEMS_AT_ONCE = 200
SHOWN_ITEMS = 50

OnProgress = Callable[[int, int], None]
"""Called with the number of items done, and the total."""


def list_scenarios(job: Job) -> list[Scenario]:
    """Scenarios of a run, in order of creation."""
    return scenarios.find(job.job_id)


def get_scenario(job: Job, scenario_id: int) -> Scenario:
    """Returns a scenario.

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
    """Version of the scenarios of a run: differs after each change."""
    return scenarios.last_change(job_id)


def changeable_drivers(job: Job) -> list[ChangeableDriver]:
    """Drivers that scenarios of a run can change: those with a learnt effect; empty if there are none."""
    if not job.spec.driver_load or (learned := _learned(job.job_id)) is None:
        return []
    effects, found = learned.effects, dict[str, ChangeableDriver]()
    shown = {(one["driver"], one["shift"]): one["percent"] for one in learned.summary()["effects"]}
    for place, column in enumerate(effects.columns):
        if column.shift == 0 and column.kind in CHANGED_BY:
            limits = float(effects.lowest[place]), float(effects.highest[place])
            found[column.driver] = ChangeableDriver(column.driver, column.kind, shown[column.driver, 0], *limits)
    for load in drivers.list_loads(job.dataset_id, job.spec.driver_load):
        for driver in load.columns:
            if driver.kind is DriverKind.OPEN:  # 0 means no sales, independent of any learnt effect
                found.setdefault(driver.name, ChangeableDriver(driver.name, driver.kind, None, 0.0, 0.0))
    kinds = list(CHANGED_BY)
    return sorted(found.values(), key=lambda driver: (kinds.index(driver.kind), driver.name))


def create_scenario(job: Job, name: str, made_by: str = "", copy_of: int | None = None) -> Scenario:
    """Creates a scenario of a run, empty or as a copy of another scenario of the run.

    Raises
    ------
    InputError
        if a name is missing, the run has a scenario of that name, or it has the maximum number of scenarios.
    """
    identity.require(Scope.RUN)
    name = written(name, MAX_NAME, "The scenario has no name.", "Enter a name.")
    if copy_of is not None:
        get_scenario(job, copy_of)
    if len(list_scenarios(job)) >= MAX_SCENARIOS:
        raise InputError(f"Run {job.job_id} has {MAX_SCENARIOS} scenarios.", "Delete one first.")
    return get_scenario(job, scenarios.insert(job.job_id, name, named(made_by), copy_of))


def delete_scenario(job: Job, scenario_id: int) -> None:
    """Deletes a scenario. A plan to which it was applied does not change.

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
    which: RunFilter = ALL_RUN_ITEMS,
    made_by: str = "",
    scope: str = "",
    on_progress: OnProgress | None = None,
) -> Scenario:
    """Adds a driver change for the matching items to a scenario, after its other changes; returns the scenario.

    Parameters
    ----------
    scope
        description of the items.

    Raises
    ------
    InputError
        if the run has no effect of this driver, a number or week is out of range, or no item has effects.
    Conflict
        if the scenario was changed meanwhile.
    """
    identity.require(Scope.RUN)
    scenario = get_scenario(job, scenario_id)
    _check(job, scenario, change)
    who = named(made_by)
    unique_ids = scenarios.keys_with_uplift(job, which)
    if not unique_ids:
        raise InputError("None of these items has driver effects in this run.", "Choose other items.")
    items = _compute(job, scenario, unique_ids, change, on_progress)
    scenarios.add_change(scenario, change, unique_ids, scope_in_words(scope, which), who, items)
    return get_scenario(job, scenario_id)


def remove_change(job: Job, scenario_id: int, change_id: int, on_progress: OnProgress | None = None) -> Scenario:
    """Removes a change of a scenario and keeps the others; returns the scenario.

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
    remaining = replace(scenario, changes=tuple(one for one in scenario.changes if one.change_id != change_id))
    items = _compute(job, remaining, unique_ids, None, on_progress)
    scenarios.remove_change(scenario, change_id, unique_ids, items)
    return get_scenario(job, scenario_id)


def sums(job: Job, model: str, which: RunFilter, chosen: Sequence[Scenario]) -> pd.DataFrame:
    """Weekly change of the final plan of the matching items by one or two scenarios, in units: `wk_end_dt, change1,
    change2`. No rows if the scenarios do not change these items."""
    frame = scenarios.sums(job, model, which, [scenario.scenario_id for scenario in chosen])
    frame["wk_end_dt"] = pd.to_datetime(frame["wk_end_dt"])
    return frame.astype({"change1": float, "change2": float})


def list_items(job: Job, model: str, which: RunFilter, chosen: Sequence[Scenario]) -> list[ScenarioUnits]:
    """The matching items with the largest change by one or two scenarios."""
    return scenarios.list_items(job, model, which, [scenario.scenario_id for scenario in chosen], SHOWN_ITEMS)


def apply_to_plan(
    job: Job, model: str, scenario_id: int, reason: str, made_by: str = "", seen: int | None = None
) -> int:
    """Applies a scenario to the plan by one model; returns the adjustment id.

    Parameters
    ----------
    seen
        as in `adjustments.adjust`.

    Raises
    ------
    NotFound
        if the run has no such scenario.
    InputError
        if the scenario changes nothing, or the reason or name is missing.
    Conflict
        if the same weeks of the plan were changed since they were read.
    """
    identity.require(Scope.RUN)
    choose_model(job, model)
    scenario = get_scenario(job, scenario_id)
    steps = scenarios.changed_steps(scenario.scenario_id)
    if steps is None:
        raise InputError(f"The scenario {scenario.name!r} does not change any week.", "Add a change first.")
    first, last = (job.last_wk_end_dt + timedelta(weeks=step) for step in steps)
    record = Asked(first, last, None, None, f"scenario {scenario.name}", required_reason(reason), named(made_by), seen)
    with stored_plans.open_plan(job, model) as plan:
        return plan.apply_scenario(record, scenario.scenario_id, steps)


def _learned(job_id: int) -> "Learned | None":
    """Learnt effects of a run at the end of its history; None if there are none."""
    from fcst.compute.learning import Learned  # imports SciPy, which a server's start does not need

    content = learning.contents(job_id).get(0)
    return None if content is None else Learned.from_bytes(content)


def _check(job: Job, scenario: Scenario, change: DriverChange) -> None:
    known = {driver.name: driver for driver in changeable_drivers(job)}
    if (driver := known.get(change.driver)) is None:
        raise InputError(
            f"Run {job.job_id} has learnt no effect of {change.driver!r}.",
            f"Choose one of {', '.join(known)}." if known else "Load drivers for the dataset, then submit a new run.",
        )
    if len(scenario.changes) >= MAX_CHANGES:
        raise InputError(f"The scenario has {MAX_CHANGES} changes.", "Remove some of them.")
    check_weeks(job, change.first, change.last)
    if change.how not in CHANGED_BY[driver.kind]:
        raise InputError(
            f"{change.driver!r} is a share of the week.", "Give a share from 0 to 1, not a percent change."
        )
    least, most = _range(driver.kind, change.how)
    is_price = driver.kind is DriverKind.PRICE and change.value == least
    if not (math.isfinite(change.value) and least <= change.value <= most) or is_price:
        what = "above" if driver.kind is DriverKind.PRICE else "from"
        unit = " %" if change.how is ChangeHow.PERCENT else ""
        raise InputError(
            f"The value {change.value:,.6g}{unit} of {change.driver!r} is out of range.",
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
    """Computes items with their changes of a scenario, and optionally one more change."""
    from fcst.compute.scenarios import item_in_scenario

    learned = _learned(job.job_id)
    if learned is None:
        raise InputError(f"Run {job.job_id} has learnt no effects.", "Submit a new run of these items.")
    by_change = {one.change_id: one.change for one in scenario.changes}
    found = list[ScenarioItem]()
    for first in range(0, len(unique_ids), ITEMS_AT_ONCE):
        keys = unique_ids[first : first + ITEMS_AT_ONCE]
        by_item = scenarios.changes_of(scenario.scenario_id, keys)
        for series in read_series(job, sales.item_series(job.dataset_id, keys)):
            changes = [
                by_change[change_id]
                for change_id, own in by_item.items()
                if change_id in by_change and series.unique_id in own
            ]
            if changes := [*changes, *([more] if more else [])]:
                item = item_in_scenario(series, job.spec.h, learned.effects, changes)
                found += [item] if item is not None else []
        if on_progress is not None:
            on_progress(first + len(keys), len(unique_ids))
    return found
