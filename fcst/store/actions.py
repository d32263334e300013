"""Who did what: written in the transaction that does it, and read again."""

from datetime import datetime

from psycopg2.extensions import cursor as Cursor

from fcst.job_records import Action
from fcst.store.database import fetch_all, fetch_one, transaction
from fcst.store.queries import query


def record(cur: Cursor, who: str, action: str, noun: str, number: int, words: str = "") -> None:
    """Notes in the transaction of `cur` that somebody did something to a `job`, `dataset`, `ingest`, …"""
    cur.execute(query("insert_action"), {"who": who, "action": action, "noun": noun, "number": number, "words": words})


def note(who: str, action: str, noun: str, number: int, words: str) -> None:
    """As `record`, of what has no transaction of ours."""
    with transaction() as cur:
        record(cur, who, action, noun, number, words)


def find(noun: str | None, number: int | None, limit: int) -> list[Action]:
    """What was done, the newest first."""
    return [Action(**row) for row in fetch_all("list_actions", noun=noun, number=number, limit=limit)]


def last_restore() -> datetime | None:
    """When a backup last took the place of what was in the database; None where none has."""
    found: datetime | None = (fetch_one("last_restore") or {})["at"]
    return found
