"""Parameters learnt across the items of a run, by weeks before the end of its dataset."""

import json
from collections.abc import Mapping
from typing import Any

from psycopg2.extensions import cursor as Cursor

from fcst.records import LearnedRecord
from fcst.store.database import fetch_all
from fcst.store.queries import query


def replace(cur: Cursor, job_id: int, learned: Mapping[int, LearnedRecord]) -> None:
    """Writes the learnt parameters of a run, replacing those of an earlier attempt, in the caller's transaction."""
    cur.execute(query("delete_learned"), {"job_id": job_id})
    for weeks_ago, record in learned.items():
        values = {"summary": json.dumps(dict(record.summary)), "content": record.content}
        cur.execute(query("insert_learned"), {"job_id": job_id, "weeks_ago": weeks_ago, **values})


def contents(job_id: int) -> dict[int, bytes]:
    """weeks before the end -> learnt parameters, serialized for batches."""
    return {row["weeks_ago"]: bytes(row["content"]) for row in fetch_all("list_learned", job_id=job_id)}


def summary(job_id: int) -> dict[str, Any]:
    """A readable summary over all weeks; empty if the run has learnt nothing."""
    rows = fetch_all("learned_summary", job_id=job_id)
    return dict(rows[0]["summary"]) if rows else {}
