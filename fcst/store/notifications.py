"""Ends of jobs that may be told: noted when a job ends, claimed by whoever tells them, noted as heard or not."""

from typing import Any

from psycopg2.extensions import cursor as Cursor

from fcst.store.database import execute, fetch_all
from fcst.store.queries import query


def forget_old(cur: Cursor) -> None:
    """Removes those that were told or given up days ago."""
    cur.execute(query("forget_notifications"))


def claim(n: int, hold_s: float) -> list[dict[str, Any]]:
    """`notification_id, job_id, ended_at, attempts, data` of up to `n` that are due, for `hold_s` seconds its own."""
    return fetch_all("claim_notifications", n=n, hold_s=hold_s)


def note_delivery(notification_id: int) -> None:
    execute("note_delivery", notification_id=notification_id)


def note_failure(notification_id: int, error: str, wait_s: float, is_final: bool) -> None:
    """It was not heard; `is_final`: it is not told again."""
    execute("note_failed_delivery", notification_id=notification_id, error=error, wait_s=wait_s, is_final=is_final)


def list_undelivered(limit: int) -> list[dict[str, Any]]:
    return fetch_all("list_undelivered", limit=limit)
