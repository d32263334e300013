"""Ends of jobs that are to be told: claimed one by one, noted as heard or not."""

from typing import Any

from fcst.store.database import execute, fetch_all, fetch_one


def claim(hold_s: float) -> dict[str, Any] | None:
    """`notification_id, job_id, ended_at, attempts` of the next that is due, for `hold_s` seconds this caller's."""
    return fetch_one("claim_notification", hold_s=hold_s)


def note_delivery(notification_id: int) -> None:
    execute("note_delivery", notification_id=notification_id)


def note_failure(notification_id: int, error: str, wait_s: float, is_final: bool) -> None:
    """It was not heard; `is_final`: it is not told again."""
    execute("note_failed_delivery", notification_id=notification_id, error=error, wait_s=wait_s, is_final=is_final)


def list_undelivered(limit: int) -> list[dict[str, Any]]:
    return fetch_all("list_undelivered", limit=limit)
