"""Changes of forecasts by analysts: kept one by one, with the weeks that come of them."""

from datetime import date
from typing import Any

import pandas as pd
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from fcst.errors import InputError, NotFound
from fcst.filters import RunFilter
from fcst.job_records import Adjustment, Job
from fcst.store import item_filters
from fcst.store.database import fetch_all, fetch_frame, fetch_one, transaction
from fcst.store.queries import query


def insert(
    job_id: int,
    unique_id: str,
    model: str,
    weeks: tuple[date, date],
    units: float | None,
    percent: float | None,
    reason: str,
    made_by: str,
) -> int:
    """Writes a change and the weeks that come of it, in one transaction; returns its id.

    Raises
    ------
    InputError
        if there is no such forecast, or it has not these weeks.
    """
    key = {"job_id": job_id, "unique_id": unique_id, "model": model}
    with transaction() as cur:
        cur.execute(query("lock_forecast"), key)
        found = cur.fetchone()
        if found is None or found["first_wk_end_dt"] is None:
            raise InputError(
                f"Run {job_id} has no forecast of item {unique_id} by {model}.",
                "Only what is forecast can be adjusted.",
            )
        first, last = weeks
        if not found["first_wk_end_dt"] <= first <= last <= found["last_wk_end_dt"]:
            raise InputError(
                f"The weeks from {first} to {last} are not within the forecast.",
                f"It is of the weeks ending {found['first_wk_end_dt']} to {found['last_wk_end_dt']}.",
            )
        change = {
            "first_wk_end_dt": first,
            "last_wk_end_dt": last,
            "units": units,
            "percent": percent,
            "reason": reason,
            "made_by": made_by,
        }
        cur.execute(query("insert_adjustment"), key | change)
        adjustment_id = int((cur.fetchone() or {})["adjustment_id"])
        _apply(cur, key)
    return adjustment_id


def undo(adjustment_id: int, undone_by: str) -> bool:
    """Marks a change as undone and writes the weeks without it, in one transaction; False if it was undone before.

    Raises
    ------
    InputError
        if there is no such change.
    """
    with transaction() as cur:
        cur.execute(query("find_adjustment"), {"adjustment_id": adjustment_id})
        key = cur.fetchone()
        if key is None:
            raise NotFound(f"There is no adjustment {adjustment_id}.", "Its run may have been deleted.")
        cur.execute(query("lock_forecast"), dict(key))
        cur.execute(query("undo_adjustment"), {"adjustment_id": adjustment_id, "undone_by": undone_by})
        is_new = bool(cur.rowcount)
        if is_new:
            _apply(cur, dict(key))
    return is_new


def _apply(cur: Cursor, key: dict[str, Any]) -> None:
    cur.execute(query("clear_adjusted"), key)
    cur.execute(query("apply_adjustments"), key)


def find(job: Job, model: str, which: RunFilter) -> list[Adjustment]:
    items = item_filters.within("unique_id", job, model, which)
    rows = fetch_all(sql.SQL(query("list_adjustments")).format(which=items.text), **items.params)
    return [Adjustment(**row) for row in rows]


def count(job_id: int) -> int:
    return int((fetch_one("count_adjustments", job_id=job_id) or {})["n_changes"])


def totals(job: Job, model: str, which: RunFilter) -> pd.DataFrame:
    items = item_filters.within("a.unique_id", job, model, which)
    statement = sql.SQL(query("adjusted_totals")).format(which=items.text)
    return fetch_frame(statement, **(items.params | {"model": model}))
