"""Jobs: submit with all batches and items, list, cancel, retry, delete."""

import json
from datetime import datetime
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from fcst.errors import Conflict, NotFound
from fcst.filters import Selection
from fcst.job_records import EndedJob, Job, Pace
from fcst.specs import JobSpec
from fcst.states import Stage
from fcst.store import adjustments, item_filters, notifications, statistics
from fcst.store.actions import record
from fcst.store.database import fetch_all, fetch_one, transaction
from fcst.store.queries import query


def insert(
    dataset_id: int,
    selection: Selection,
    spec: JobSpec,
    name: str,
    note: str,
    who: str,
    idempotency: tuple[str, str, str] | None = None,
) -> tuple[int, bool]:
    """Creates a job, its batches and its items in one transaction; returns the job's id, and whether it is new.

    Parameters
    ----------
    selection
        the items to forecast; the largest sellers run first.
    idempotency
        (caller, key, fingerprint) of a request. A repeated request with the same caller and key returns the job of the
        first one.

    Raises
    ------
    NotFound
        if the dataset was deleted.
    Conflict
        if the key was used for a request with another fingerprint, or the run whose items are selected was deleted.
    """
    chosen = item_filters.select(dataset_id, selection)
    with transaction() as cur:
        if idempotency is not None and (known := _take_key(cur, *idempotency)) is not None:
            return known, False
        cur.execute(query("hold_dataset"), {"dataset_id": dataset_id})
        if cur.fetchone() is None:
            raise NotFound(f"Dataset {dataset_id} was deleted.", "Choose another.")
        statement = sql.SQL(query("count_chosen")).format(chosen=chosen.text)
        cur.execute(statement, chosen.params)
        n_items = int((cur.fetchone() or {})["n_items"])
        if not n_items:
            raise Conflict("None of the chosen items exists.", "Choose the items again.")
        sizes = {"n_items": n_items, "n_batches": -(-n_items // spec.batch_size)}
        job = {"dataset_id": dataset_id, "name": name, "note": note, "spec": spec.to_json()}
        cur.execute(query("insert_job"), job | sizes)
        job_id = int((cur.fetchone() or {})["job_id"])
        cur.execute(query("insert_batches"), sizes | {"job_id": job_id, "batch_size": spec.batch_size})
        if spec.learns:
            cur.execute(query("insert_learning"), {"job_id": job_id})
        statement = sql.SQL(query("insert_job_items")).format(chosen=chosen.text)
        cur.execute(statement, chosen.params | {"job_id": job_id, "batch_size": spec.batch_size})
        if cur.rowcount != n_items:  # the run whose items are selected was deleted after the count
            raise Conflict("Some of the chosen items were deleted meanwhile.", "Choose the items again.")
        statistics.analyze_job(cur, n_items)
        adjustments.carry(cur, job_id)
        if idempotency is not None:
            request = {"who": idempotency[0], "key": idempotency[1], "job_id": job_id}
            cur.execute(query("fill_idempotency_key"), request)
        record(cur, who, "submit", "job", job_id, name)
    return job_id, True


def _take_key(cur: Cursor, who: str, key: str, fingerprint: str) -> int | None:
    """Reserves an idempotency key; returns the job that already has it, or None.

    Waits for a concurrent transaction that holds the same key.
    """
    cur.execute(query("forget_idempotency_keys"))
    while True:
        cur.execute(query("take_idempotency_key"), {"who": who, "key": key, "fingerprint": fingerprint})
        if cur.rowcount:
            return None
        cur.execute(query("find_idempotency_key"), {"who": who, "key": key})
        if (found := cur.fetchone()) is not None:  # None: its job has just been deleted
            return _job_of(found, key, fingerprint)


def find_by_idempotency_key(who: str, key: str, fingerprint: str) -> int | None:
    """The job with an idempotency key; None without one.

    Raises
    ------
    Conflict
        if the key was used for a request with another fingerprint.
    """
    found = fetch_one("find_idempotency_key", who=who, key=key)
    return None if found is None else _job_of(found, key, fingerprint)


def _job_of(found: dict[str, Any], key: str, fingerprint: str) -> int:
    if found["fingerprint"] != fingerprint:
        raise Conflict(
            f"The idempotency key {key!r} was used for another request.", "Use a new key for each new request."
        )
    return int(found["job_id"])


def find(
    statuses: list[str] | None, dataset_id: int | None, words: str, limit: int | None, skip: int
) -> tuple[list[Job], int]:
    """A page of the jobs that match, newest first, and the number of all that match."""
    rows = fetch_all(
        "list_jobs", job_id=None, statuses=statuses, dataset_id=dataset_id, words=words, limit=limit, skip=skip
    )
    n_found = rows[0]["n_found"] if rows else 0
    if not rows and skip:  # beyond the end
        n_found = find(statuses, dataset_id, words, 1, 0)[1]
    return [_to_job(row) for row in rows], n_found


def _to_job(row: dict[str, Any]) -> Job:
    return Job.from_row({name: value for name, value in row.items() if name != "n_found"})


def get(job_id: int) -> Job:
    """One job.

    Raises
    ------
    NotFound
        if it does not exist.
    """
    row = None
    if 0 < job_id < 2**31:
        row = fetch_one("list_jobs", job_id=job_id, statuses=None, dataset_id=None, words="", limit=None, skip=0)
    if row is None:
        raise _no_such_job(job_id)
    return _to_job(row)


def _no_such_job(job_id: int) -> NotFound:
    return NotFound(f"Run {job_id} does not exist.", "See all runs on the page Runs, or with the command status.")


def has_any() -> bool:
    """Whether there is a job."""
    return bool((fetch_one("has_jobs") or {})["has_any"])


def has_open() -> bool:
    """Whether a job is open."""
    return bool((fetch_one("has_jobs") or {})["has_open"])


def has_forecasts() -> bool:
    """Whether any run has a completed item."""
    return bool((fetch_one("has_forecasts") or {})["found"])


def count_by_status() -> dict[str, int]:
    """status -> number of jobs; the status of open jobs is derived from their batches."""
    return {row["status"]: row["n"] for row in fetch_all("count_jobs")}


def count_open_batches() -> dict[Stage, tuple[int, float]]:
    """stage -> number of batches of open jobs, and seconds since the first of them entered the stage."""
    return {Stage(row["stage"]): (row["n"], row["age_s"]) for row in fetch_all("count_open_batches")}


def find_pace(models: tuple[str, ...], learns: bool, dataset: str, n_items: int, host: str) -> Pace | None:
    """The speed of the most similar earlier run with these models on this host; None without one."""
    params = {"models": json.dumps(models), "learns": learns, "dataset": dataset, "n_items": n_items, "host": host}
    row = fetch_one("find_pace", **params)
    return None if row is None else Pace(**row)


def newest_of_item(dataset_id: int, unique_id: str) -> int | None:
    """The newest job with a forecast of an item, on any version of the dataset; None without one."""
    row = fetch_one("newest_job_of_item", dataset_id=dataset_id, unique_id=unique_id)
    return None if row is None else int(row["job_id"])


def last_changes(job_ids: list[int]) -> dict[int, datetime]:
    """job -> when one of its batches last changed its stage."""
    return {row["job_id"]: row["at"] for row in fetch_all("last_changes", job_ids=job_ids)}


def list_keys(job_id: int) -> list[str]:
    """The keys of a job's items, largest sellers first."""
    return [row["unique_id"] for row in fetch_all("list_job_keys", job_id=job_id)]


def request_cancel(job_id: int, who: str) -> bool:
    """Requests a cancel and cancels the waiting batches; False if the job has ended or has a cancel request."""
    with transaction() as cur:
        cur.execute(query("lock_job"), {"job_id": job_id})
        cur.execute(query("request_cancel"), {"job_id": job_id})
        is_new = bool(cur.rowcount)
        if is_new:
            record(cur, who, "cancel", "job", job_id)
        cur.execute(query("cancel_waiting_batches"))
        _freeze_ended(cur)
    return is_new


def retry(job_id: int, unique_ids: list[str] | None, who: str) -> int:
    """Reopens an ended job to retry its failed and cancelled items; returns their number.

    Parameters
    ----------
    unique_ids
        retry only these items; None: all that failed or were cancelled.

    Raises
    ------
    NotFound
        if it does not exist.
    Conflict
        if it is still running.
    """
    with transaction() as cur:
        cur.execute(query("lock_job"), {"job_id": job_id})
        row = cur.fetchone()
        if row is None:
            raise _no_such_job(job_id)
        if row["status"] is None:
            raise Conflict(f"Run {job_id} is still running.", "Wait until it ends, or cancel it first.")
        n_items = _retry_items(cur, job_id, unique_ids, None)
        if n_items:
            record(cur, who, "retry", "job", job_id, f"{n_items:,} items")
    return n_items


def retry_batch(job_id: int, batch_id: int, who: str) -> int:
    """Retries the failed and cancelled items of one batch, also while other batches run; returns their number.

    Raises
    ------
    NotFound
        if the job has no such batch.
    Conflict
        if it has not failed or been cancelled, or its job is being cancelled.
    """
    with transaction() as cur:
        cur.execute(query("lock_job"), {"job_id": job_id})
        job = cur.fetchone() or {}
        cur.execute(query("lock_batch"), {"job_id": job_id, "batch_id": batch_id if batch_id < 2**63 else 0})
        batch = cur.fetchone()
        if batch is None:
            raise NotFound(f"Run {job_id} has no batch {batch_id}.", "List its batches with the command batches.")
        if batch["stage"] not in (Stage.FAILED, Stage.CANCELLED):
            raise Conflict(
                f"Batch {batch_id} is in the stage {batch['stage']}.",
                "Only failed and cancelled batches can be retried.",
            )
        if job["status"] is None and job["cancel_requested_at"] is not None:
            raise Conflict(f"Run {job_id} is being cancelled.", "Wait until it ends.")
        n_items = _retry_items(cur, job_id, None, batch_id)
        record(cur, who, "retry", "job", job_id, f"batch {batch_id}, {n_items:,} items")
    return n_items


def _retry_items(cur: Cursor, job_id: int, unique_ids: list[str] | None, batch_id: int | None) -> int:
    which = {"job_id": job_id, "batch_id": batch_id}
    cur.execute(query("retry_items"), which | {"unique_ids": unique_ids})
    n_items = int(cur.rowcount)
    if n_items:
        cur.execute(query("retry_batches"), which)
        cur.execute(query("reopen_job"), {"job_id": job_id})
    return n_items


def freeze_ended() -> None:
    """Sets the final status of jobs whose last batch has ended."""
    with transaction() as cur:
        _freeze_ended(cur)


def _freeze_ended(cur: Cursor) -> None:
    # Lock first, then read in a second statement: a single statement that waited for a retry would miss its changes.
    cur.execute(query("lock_ended_jobs"))
    job_ids = [row["job_id"] for row in cur.fetchall()]
    if job_ids:
        cur.execute(query("freeze_ended_jobs"), {"job_ids": job_ids})
        notifications.forget_old(cur)


def list_ended(days: int | None, n_kept: int | None) -> list[EndedJob]:
    """Jobs that ended more than `days` ago, or all ended jobs except the last `n_kept`; oldest first."""
    return [EndedJob.from_row(row) for row in fetch_all("list_ended_jobs", days=days, n_kept=n_kept)]


def delete_ended(job_id: int, finished_at: datetime, who: str) -> bool:
    """Deletes a job with all its data; False if it no longer exists, or was retried after `finished_at`."""
    with transaction() as cur:
        cur.execute(query("lock_ended_job"), {"job_id": job_id, "finished_at": finished_at})
        exists = cur.fetchone() is not None
        if exists:
            cur.execute(query("delete_jobs"), {"job_ids": [job_id]})
            record(cur, who, "delete", "job", job_id)
    return exists
