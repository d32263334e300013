"""Outbox of `job.ended` notifications: written when a job ends, claimed for delivery, marked as delivered or failed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor

from fcst.store.database import execute, fetch_all
from fcst.store.queries import query


@dataclass(frozen=True)
class Notification:
    """A `job.ended` notification that is due.

    Parameters
    ----------
    attempts
        number of delivery attempts, including this one.
    data
        the payload: data of the job.
    """

    notification_id: int
    job_id: int
    ended_at: datetime
    attempts: int
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Undelivered:
    """An undelivered notification; the next attempt is at `due_at`, unless `is_given_up`."""

    job_id: int
    attempts: int
    error: str
    due_at: datetime
    is_given_up: bool


def forget_old(cur: Cursor) -> None:
    """Deletes notifications that were delivered or given up days ago."""
    cur.execute(query("forget_notifications"))


def claim(n: int, hold_s: float) -> list[Notification]:
    """Claims up to `n` due notifications for `hold_s` seconds."""
    return [Notification(**row) for row in fetch_all("claim_notifications", n=n, hold_s=hold_s)]


def mark_delivered(notification_id: int) -> None:
    execute("mark_delivered", notification_id=notification_id)


def record_failure(notification_id: int, error: str, wait_s: float, is_final: bool) -> None:
    """Records a failed delivery attempt; `is_final`: gives up further attempts."""
    execute("note_failed_delivery", notification_id=notification_id, error=error, wait_s=wait_s, is_final=is_final)


def list_undelivered(limit: int) -> list[Undelivered]:
    """Undelivered notifications, newest first."""
    return [Undelivered(**row) for row in fetch_all("list_undelivered", limit=limit)]
