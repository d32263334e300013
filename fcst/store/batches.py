"""Queries about batches: state, attempts, events, failures."""

import pandas as pd

from fcst.job_records import Batch, BatchEvent, BegunBatch, ItemFailure, Learning, Reason
from fcst.states import Outcome
from fcst.store.database import fetch_all, fetch_frame, fetch_one


def find(job_id: int, stages: list[str] | None, sort: str, limit: int | None, skip: int = 0) -> list[Batch]:
    """Batches of a job, optionally in some stages, in an order that the query `list_batches` supports."""
    rows = fetch_all("list_batches", job_id=job_id, stages=stages, sort=sort, limit=limit, skip=skip)
    return [Batch.from_row(row) for row in rows]


def find_learning(job_id: int) -> Learning | None:
    """Progress of the learning of a job; None if the job does not learn."""
    row = fetch_one("find_learning", job_id=job_id)
    return None if row is None else Learning.from_row(row)


def find_one(job_id: int, batch_no: int | None) -> BegunBatch | None:
    """The batch with a number; without one, the first failed or else begun batch; None if none has begun."""
    row = fetch_one("find_batch", job_id=job_id, batch_no=batch_no)
    return None if row is None else BegunBatch.from_row(row)


def list_attempts(job_id: int, limit: int, skip: int) -> pd.DataFrame:
    """`batch_no, attempt, started_at, ended_at, to_stage` of attempts, by start."""
    return fetch_frame("list_attempts", job_id=job_id, limit=limit, skip=skip)


def list_events(job_id: int, only_with_reason: bool, limit: int | None) -> list[BatchEvent]:
    rows = fetch_all("list_batch_events", job_id=job_id, only_with_reason=only_with_reason, limit=limit)
    return [BatchEvent.from_row(row) for row in rows]


def list_item_failures(job_id: int, limit: int | None, skip: int) -> list[ItemFailure]:
    return [ItemFailure(**row) for row in fetch_all("list_item_failures", job_id=job_id, limit=limit, skip=skip)]


def count_reasons(job_id: int) -> list[Reason]:
    """Reasons of incomplete items: failures, most frequent first, then cancellations."""
    return [Reason.from_row(row) for row in fetch_all("count_reasons", job_id=job_id)]


def list_items_of_reason(job_id: int, outcome: Outcome, reason: str) -> list[str]:
    rows = fetch_all("list_items_of_reason", job_id=job_id, outcome=outcome, reason=reason)
    return [row["unique_id"] for row in rows]
