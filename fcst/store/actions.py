"""The audit log: who did what, written in the same transaction as the action."""

from datetime import datetime

from psycopg2.extensions import cursor as Cursor

from fcst.job_records import Action
from fcst.store.database import fetch_all, fetch_one, transaction
from fcst.store.queries import query


def record(cur: Cursor, who: str, action: str, noun: str, number: int, words: str = "") -> None:
    """Logs an action on a `job`, `dataset`, `ingest`, … in the transaction of `cur`."""
    cur.execute(query("insert_action"), {"who": who, "action": action, "noun": noun, "number": number, "words": words})


def note(who: str, action: str, noun: str, number: int, words: str) -> None:
    """As `record`, in a transaction of its own."""
    with transaction() as cur:
        record(cur, who, action, noun, number, words)


def find(noun: str | None, number: int | None, limit: int) -> list[Action]:
    """Logged actions, newest first."""
    return [Action(**row) for row in fetch_all("list_actions", noun=noun, number=number, limit=limit)]


def last_restore() -> datetime | None:
    """When a backup was last restored; None if never."""
    found: datetime | None = (fetch_one("last_restore") or {})["at"]
    return found
