"""Adjustments of a run's plan by analysts, and the final plan that they produce."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from fcst.errors import Conflict, InputError, NotFound
from fcst.filters import RunFilter
from fcst.job_records import Adjustment, Job, PlanTotals
from fcst.store import attention, item_filters
from fcst.store.database import fetch_all, fetch_frame, fetch_one, transaction
from fcst.store.queries import query

MAX_UNITS = 1e12
"""Maximum units of an item in a week of the plan."""

Week = float | None
"""The value of one week; None leaves the week unchanged."""


@dataclass(frozen=True)
class Asked:
    """The request for an adjustment, as stored in its row.

    Parameters
    ----------
    first, last
        the last days of the first and last week it changes.
    units, percent
        the same for all weeks and items; both None if weeks or items have individual values.
    scope
        description of the selected items.
    seen
        number of the last adjustment that the analyst saw, for conflict detection; None skips the check.
    """

    first: date
    last: date
    units: float | None
    percent: float | None
    scope: str
    reason: str
    made_by: str
    seen: int | None = None


@contextmanager
def open_plan(job: Job, model: str) -> Iterator["OpenPlan"]:
    """Opens the plan of a run and model for changes in one transaction; locks it against other writers."""
    with transaction() as cur:
        _lock(cur, job.job_id)
        yield OpenPlan(cur, job, model)


class OpenPlan:
    """The plan of a run, locked for changes."""

    def __init__(self, cur: Cursor, job: Job, model: str) -> None:
        self._cur, self._job, self._model = cur, job, model
        self._key: dict[str, Any] = {"job_id": job.job_id, "model": model}

    def totals(self, which: RunFilter) -> PlanTotals:
        """The total plan by week of the items that match."""
        items = item_filters.within("f.unique_id", self._job, self._model, which)
        statement = sql.SQL(query("plan_totals")).format(which=items.text)
        self._cur.execute(statement, items.params | self._key)
        rows = self._cur.fetchall()
        if not rows:
            return PlanTotals((), 0, 0.0)
        return PlanTotals(tuple(row["units"] for row in rows), rows[0]["n_items"], rows[0]["sold"] or 0.0)

    def unplanned(self, unique_ids: list[str]) -> list[str]:
        """The given keys that have no forecast."""
        self._cur.execute(query("unplanned_keys"), self._key | {"unique_ids": unique_ids})
        return [row["unique_id"] for row in self._cur.fetchall()]

    def change_all(
        self, request: Asked, which: RunFilter, factors: Sequence[Week], spread: Sequence[Week] | None, sold: float
    ) -> int:
        """Multiplies the plan of the items that match by factors; returns the adjustment's id.

        Parameters
        ----------
        factors
            for each changed week, the factor applied to the plan.
        spread, sold
            used instead of factors: for each week, units to distribute by the items' shares of `sold`, their recent
            sales.
        """
        adjustment_id = self._insert(request)
        items = item_filters.within("f.unique_id", self._job, self._model, which)
        numbers = {"factors": list(factors), "spread": None if spread is None else list(spread), "sold": sold}
        statement = sql.SQL(query("insert_items_by_factors")).format(which=items.text)
        self._cur.execute(statement, items.params | self._key | numbers | {"adjustment_id": adjustment_id})
        return self._complete(adjustment_id, request)

    def set_units(self, request: Asked, units: Mapping[str, Sequence[Week]]) -> int:
        """Sets the units of weeks, individually for each item; returns the adjustment's id."""
        adjustment_id = self._insert(request)
        rows = {"unique_ids": list(units), "units": [json.dumps(list(weeks)) for weeks in units.values()]}
        self._cur.execute(query("insert_items_by_units"), rows | {"adjustment_id": adjustment_id})
        return self._complete(adjustment_id, request)

    def apply_scenario(self, request: Asked, scenario_id: int, steps: tuple[int, int]) -> int:
        """Applies a scenario of the run to the plan; returns the adjustment's id.

        Parameters
        ----------
        steps
            the first and last changed week, from 1.
        """
        adjustment_id = self._insert(request)
        of_scenario = {"scenario_id": scenario_id, "from_step": steps[0], "to_step": steps[1]}
        key = self._key | {"adjustment_id": adjustment_id}
        self._cur.execute(query("insert_items_of_scenario"), key | of_scenario)
        return self._complete(adjustment_id, request)

    def _insert(self, request: Asked) -> int:
        weeks = {"first_wk_end_dt": request.first, "last_wk_end_dt": request.last}
        how = {"units": request.units, "percent": request.percent, "scope": request.scope}
        who = {"reason": request.reason, "made_by": request.made_by}
        self._cur.execute(query("insert_adjustment"), self._key | weeks | how | who)
        return int((self._cur.fetchone() or {})["adjustment_id"])

    def _complete(self, adjustment_id: int, request: Asked) -> int:
        of_change = self._key | {"adjustment_id": adjustment_id}
        if request.seen is not None:
            weeks = {"first_wk_end_dt": request.first, "last_wk_end_dt": request.last}
            self._cur.execute(query("list_changes_since"), of_change | weeks | {"seen": request.seen})
            if changes := self._cur.fetchall():
                hint = "Nothing was saved. Review the current plan, then save again."
                raise Conflict(_describe_changes(changes), hint)
        self._cur.execute(query("count_adjusted_items"), of_change)
        _apply_change(self._cur, of_change)
        self._cur.execute(query("largest_adjusted"), of_change)
        if ((self._cur.fetchone() or {})["units"] or 0) > MAX_UNITS:
            raise InputError(f"A week would have more than {MAX_UNITS:,.0f} units.", "Make a smaller change.")
        return adjustment_id


def _lock(cur: Cursor, job_id: int) -> None:
    cur.execute(query("lock_plan"), {"job_id": job_id})


def _describe_changes(changes: list[dict[str, Any]]) -> str:
    parts = []
    for row in changes:
        how = f"{row['percent']:+,.1f} %" if row["percent"] is not None else "units"
        how = f"to {row['units']:,.6g} units per week" if row["units"] is not None else how
        who = f"undone by {row['undone_by']}" if row["undone_by"] else f"by {row['made_by']}"
        parts.append(f"{row['scope']}, {how}, {who}: {row['reason']}")
    return f"These weeks were changed meanwhile. {'; '.join(parts)}."


def undo(adjustment_id: int, undone_by: str) -> bool:
    """Undoes an adjustment and rewrites the plan, in one transaction; False if it was already undone.

    Raises
    ------
    InputError
        if there is no such adjustment.
    """
    of_change = {"adjustment_id": adjustment_id}
    with transaction() as cur:
        cur.execute(query("find_adjustment"), of_change)
        key = cur.fetchone()
        if key is None:
            raise NotFound(f"There is no adjustment {adjustment_id}.", "Its run may have been deleted.")
        _lock(cur, key["job_id"])
        return _undo(cur, dict(key) | of_change, undone_by)


def undo_carried(job_id: int, model: str, undone_by: str) -> int:
    """Undoes all adjustments that a run carried over from earlier runs; returns their number."""
    key = {"job_id": job_id, "model": model}
    with transaction() as cur:
        _lock(cur, job_id)
        cur.execute(query("list_carried"), key)
        ids = [row["adjustment_id"] for row in cur.fetchall()]
        return sum(_undo(cur, key | {"adjustment_id": found}, undone_by) for found in ids)


def _undo(cur: Cursor, of_change: dict[str, Any], undone_by: str) -> bool:
    cur.execute(query("undo_adjustment"), of_change | {"undone_by": undone_by})
    is_new = bool(cur.rowcount)
    if is_new:
        _apply_change(cur, of_change)
    return is_new


_ITEMS_OF_CHANGE = sql.SQL(
    "SELECT c.unique_id FROM fcst_app.adjustment_items c WHERE c.adjustment_id = %(adjustment_id)s"
)


def _apply_change(cur: Cursor, of_change: dict[str, Any]) -> None:
    """Rewrites the plan of the items of an adjustment."""
    _apply(cur, of_change, _ITEMS_OF_CHANGE)
    attention.refresh(cur, of_change, _ITEMS_OF_CHANGE)


def begin_plan(cur: Cursor, job_id: int, keys: list[str]) -> None:
    """Writes the plan and attention reasons of newly completed items, in the caller's transaction."""
    params, items = {"job_id": job_id, "keys": keys}, sql.SQL("SELECT unnest(%(keys)s::text[])")
    _apply(cur, params, items)
    attention.refresh(cur, params, items)
    attention.carry_reviews(cur, params, items)


def _apply(cur: Cursor, params: dict[str, Any], items: sql.SQL) -> None:
    for name in ("clear_adjusted", "apply_adjustments"):
        statement = sql.SQL(query(name)).format(keys=items)
        cur.execute(statement, params)


def carry(cur: Cursor, job_id: int) -> None:
    """Copies adjustments of future weeks to a new run, from earlier runs on datasets of the same name."""
    cur.execute(query("set_earlier_jobs"), {"job_id": job_id})
    cur.execute(query("carry_adjustments"), {"job_id": job_id})


def find(job: Job, model: str, which: RunFilter, limit: int | None = None, skip: int = 0) -> list[Adjustment]:
    """Adjustments of the items that match, newest first; of all models if `model` is empty."""
    items = item_filters.within("i.unique_id", job, model, which)
    of_items = sql.SQL("").format() if which.is_empty else sql.SQL(query("of_items")).format(which=items.text)
    statement = sql.SQL(query("list_adjustments")).format(which=of_items)
    rows = fetch_all(statement, **items.params | {"model": model, "limit": limit, "skip": skip})
    return [Adjustment(**row) for row in rows]


def last_change(job_id: int) -> int:
    return int((fetch_one("count_adjustments", job_id=job_id) or {})["last_change"])


def totals(job: Job, model: str, which: RunFilter) -> pd.DataFrame:
    items = item_filters.within("a.unique_id", job, model, which)
    statement = sql.SQL(query("adjusted_totals")).format(which=items.text)
    return fetch_frame(statement, **(items.params | {"model": model}))
