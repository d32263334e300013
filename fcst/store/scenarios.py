"""Scenarios of runs: driver changes, their effects on items, and the resulting plan."""

from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

import pandas as pd
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from fcst.errors import Conflict, InputError
from fcst.filters import RunFilter
from fcst.job_records import Job
from fcst.scenarios import ChangeHow, DriverChange, Scenario, ScenarioChange, ScenarioItem, ScenarioUnits
from fcst.store import binary_copy, item_filters
from fcst.store.database import copy_out, fetch_all, fetch_frame, fetch_one, transaction
from fcst.store.queries import for_spreadsheet, query


def insert(job_id: int, name: str, made_by: str, copy_of: int | None) -> int:
    """Creates an empty scenario or a copy of another one; returns its id.

    Raises
    ------
    InputError
        if the run already has a scenario with this name.
    """
    with transaction() as cur:
        cur.execute(query("insert_scenario"), {"job_id": job_id, "name": name, "made_by": made_by})
        created = cur.fetchone()
        if created is None:
            raise InputError(f"Run {job_id} already has a scenario {name!r}.", "Choose another name.")
        if copy_of is not None:
            for statement in ("copy_scenario_changes", "copy_scenario_items"):
                cur.execute(query(statement), {"scenario_id": created["scenario_id"], "copy_of": copy_of})
        return int(created["scenario_id"])


def find(job_id: int, only: int | None = None) -> list[Scenario]:
    """The scenarios of a run, oldest first, or only the one with the id `only`."""
    found: dict[int, list[ScenarioChange]] = {}
    heads: dict[int, Scenario] = {}
    for row in fetch_all("list_scenarios", job_id=job_id, only=only):
        head = (row["scenario_id"], row["job_id"], row["name"], row["made_by"], row["made_at"], row["version"])
        heads[row["scenario_id"]] = Scenario(*head)
        changes = found.setdefault(row["scenario_id"], [])
        if row["change_id"] is not None:
            weeks = row["first_wk_end_dt"], row["last_wk_end_dt"]
            change = DriverChange(row["driver"], *weeks, ChangeHow(row["how"]), row["value"])
            who = row["changed_by"], row["changed_at"]
            changes.append(ScenarioChange(row["change_id"], change, row["scope"], row["n_items"], *who))
    return [replace(head, changes=tuple(found[number])) for number, head in heads.items()]


def last_change(job_id: int) -> tuple[int, int, int]:
    """A fingerprint of the scenarios of a run; it differs after any change."""
    row = fetch_one("last_scenario_change", job_id=job_id) or {}
    return row["n"], row["versions"], row["newest"]


def delete(job_id: int, scenario_id: int) -> None:
    with transaction() as cur:
        cur.execute(query("delete_scenario"), {"job_id": job_id, "scenario_id": scenario_id})


def keys_with_uplift(job: Job, which: RunFilter) -> list[str]:
    """The items of a run that match and have driver effects."""
    model = job.spec.models[0]  # driver effects are the same for all models of a run
    items = item_filters.within("f.unique_id", job, model, which)
    statement = sql.SQL(query("keys_with_uplift")).format(which=items.text)
    return [row["unique_id"] for row in fetch_all(statement, **items.params | {"changed_model": model})]


def keys_of_change(scenario_id: int, change_id: int) -> list[str]:
    """The items of a change; empty if the scenario has no such change."""
    row = fetch_one("keys_of_scenario_change", scenario_id=scenario_id, change_id=change_id)
    return list(row["unique_ids"]) if row else []


def changes_of(scenario_id: int, unique_ids: Sequence[str]) -> dict[int, set[str]]:
    """change -> which of the given items it affects; oldest change first."""
    rows = fetch_all("changes_of_items", scenario_id=scenario_id, unique_ids=list(unique_ids))
    return {row["change_id"]: set(row["unique_ids"]) for row in rows}


def add_change(
    scenario: Scenario, change: DriverChange, unique_ids: Sequence[str], scope: str, who: str, items: list[ScenarioItem]
) -> None:
    """Saves a change and the resulting items, unless the scenario was changed meanwhile.

    Raises
    ------
    Conflict
        if the scenario was changed or deleted meanwhile.
    """
    how = {"driver": change.driver, "how": change.how, "value": change.value}
    weeks = {"first": change.first, "last": change.last}
    of = {"scope": scope, "unique_ids": list(unique_ids), "made_by": who, "scenario_id": scenario.scenario_id}
    with transaction() as cur:
        _increment_version(cur, scenario)
        cur.execute(query("insert_scenario_change"), how | weeks | of)
        _replace(cur, scenario.scenario_id, unique_ids, items)


def remove_change(scenario: Scenario, change_id: int, unique_ids: Sequence[str], items: list[ScenarioItem]) -> None:
    """Removes a change, and saves the items that result from the remaining changes.

    Raises
    ------
    Conflict
        as in `add_change`.
    """
    with transaction() as cur:
        _increment_version(cur, scenario)
        cur.execute(query("delete_scenario_change"), {"change_id": change_id, "scenario_id": scenario.scenario_id})
        _replace(cur, scenario.scenario_id, unique_ids, items)


def _increment_version(cur: Cursor, scenario: Scenario) -> None:
    of = {"scenario_id": scenario.scenario_id, "version": scenario.version}
    cur.execute(query("next_scenario_version"), of)
    if cur.fetchone() is None:
        raise Conflict(
            f"The scenario {scenario.name!r} was changed or deleted meanwhile.",
            "Nothing was saved. Review the current scenario, then change it again.",
        )


def _replace(cur: Cursor, scenario_id: int, unique_ids: Sequence[str], items: list[ScenarioItem]) -> None:
    of = {"scenario_id": scenario_id, "unique_ids": list(unique_ids)}
    cur.execute(query("delete_scenario_items"), of)
    rows = [(scenario_id, item.unique_id, item.uplift, item.factors) for item in items]
    cur.copy_expert(query("copy_scenario_rows"), binary_copy.encode(rows))


def sums(job: Job, model: str, which: RunFilter, scenario_ids: Sequence[int]) -> pd.DataFrame:
    """`wk_end_dt, change1, change2`: units by which one or two scenarios change the final plan of the items that match;
    no rows if they change none of them."""
    weeks = _weeks(job, model, which, scenario_ids, changed_only=True)
    statement = sql.SQL(query("sum_scenarios")).format(weeks=weeks.text)
    return fetch_frame(statement, **weeks.params)


def list_items(job: Job, model: str, which: RunFilter, scenario_ids: Sequence[int], limit: int) -> list[ScenarioUnits]:
    """The items that match with the largest changes in one or two scenarios."""
    weeks = _weeks(job, model, which, scenario_ids, changed_only=True)
    statement = sql.SQL(query("list_scenario_items")).format(weeks=weeks.text)
    own = {"planned_dataset": job.dataset_id, "limit": limit}
    return [
        ScenarioUnits(row["unique_id"], row["name"], row["plan"], (row["units1"], row["units2"])[: len(scenario_ids)])
        for row in fetch_all(statement, **weeks.params | own)
    ]


def copy_export(
    job: Job, model: str, which: RunFilter, scenario_ids: Sequence[int], out: BinaryIO, is_for_spreadsheets: bool = True
) -> None:
    """Streams the final plan and the plan in one or two scenarios as CSV without a header: `unique_id, name, wk_end_dt,
    plan`, and one column per scenario.

    Units are rounded to 4 decimals. For spreadsheets, text is escaped against formula injection.
    """
    weeks = _weeks(job, model, which, scenario_ids)
    columns = ["plan", "units1", "units2"][: 1 + len(scenario_ids)]
    numbers = [sql.SQL("round(w.{} * 10000) / 10000").format(sql.Identifier(column)) for column in columns]
    unique_id, name = "w.unique_id", "COALESCE(d.description, '')"
    text = for_spreadsheet if is_for_spreadsheets else sql.SQL
    statement = sql.SQL(query("export_scenarios")).format(
        unique_id=text(unique_id),
        name=text(name),
        numbers=sql.SQL(", ").join(numbers),
        weeks=weeks.text,
    )
    copy = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(statement)
    copy_out(copy, weeks.params | {"planned_dataset": job.dataset_id}, out)


def changed_steps(scenario_id: int) -> tuple[int, int] | None:
    """The first and last week, from 1, that a scenario changes; None if it changes none."""
    row = fetch_one("changed_steps", scenario_id=scenario_id)
    return (row["from_step"], row["to_step"]) if row and row["from_step"] is not None else None


def _weeks(
    job: Job, model: str, which: RunFilter, scenario_ids: Sequence[int], changed_only: bool = False
) -> item_filters.Part:
    items = item_filters.within("i.unique_id", job, model, which)
    is_changed = sql.SQL(query("scenario_changes_items") if changed_only else "")
    first, second = [*scenario_ids, None][:2]
    own = {"planned_model": model, "scenario1": first, "scenario2": second}
    text = sql.SQL(query("scenario_weeks")).format(which=sql.Composed([items.text, sql.SQL(" "), is_changed]))
    return item_filters.Part(text, items.params | own)
