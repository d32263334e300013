"""Notifications of ended jobs: written when a job ends, claimed for delivery, marked as delivered or failed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor

from fcst.store.database import execute, fetch_all
from fcst.store.queries import query


@dataclass(frozen=True)
class Notification:
    """The end of a job that is due to be delivered.

    Parameters
    ----------
    attempts
        at delivering it, this one included.
    data
        what the message says of the job.
    """

    notification_id: int
    job_id: int
    ended_at: datetime
    attempts: int
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Undelivered:
    """The end of a job that was not delivered; another attempt is made at `due_at`, unless it was given up."""

    job_id: int
    attempts: int
    error: str
    due_at: datetime
    is_given_up: bool


def forget_old(cur: Cursor) -> None:
    """Removes those that were delivered or given up days ago."""
    cur.execute(query("forget_notifications"))


def claim(n: int, hold_s: float) -> list[Notification]:
    """Up to `n` that are due, which are the caller's for `hold_s` seconds."""
    return [Notification(**row) for row in fetch_all("claim_notifications", n=n, hold_s=hold_s)]


def note_delivery(notification_id: int) -> None:
    execute("note_delivery", notification_id=notification_id)


def note_failure(notification_id: int, error: str, wait_s: float, is_final: bool) -> None:
    """It was not delivered; `is_final`: no further attempt is made."""
    execute("note_failed_delivery", notification_id=notification_id, error=error, wait_s=wait_s, is_final=is_final)


def list_undelivered(limit: int) -> list[Undelivered]:
    """Those that were not delivered, the newest first."""
    return [Undelivered(**row) for row in fetch_all("list_undelivered", limit=limit)]
