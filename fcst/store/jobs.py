"""Jobs: submitted whole, with all their batches and items; cancelled; tried again."""

from datetime import datetime
from typing import Any

from fcst.errors import InputError
from fcst.specs import JobSpec, split_batches
from fcst.store.database import execute, fetch_all, fetch_one, transaction
from fcst.store.queries import query


def insert(dataset_id: int, items: list[tuple[str, int]], spec: JobSpec, name: str, note: str) -> int:
    """Creates a job, its batches and its items in one transaction; returns the job's id.

    Parameters
    ----------
    items
        (unique_id, sales_rank), in the order in which they are to be run.
    """
    slices = split_batches([key for key, _ in items], spec.batch_size)
    with transaction() as cur:
        cur.execute(
            query("insert_job"),
            {
                "dataset_id": dataset_id,
                "name": name,
                "note": note,
                "spec": spec.to_json(),
                "n_items": len(items),
                "n_batches": len(slices),
            },
        )
        job_id = int((cur.fetchone() or {})["job_id"])
        cur.execute(query("insert_batches"), {"job_id": job_id, "sizes": [len(part) for part in slices]})
        cur.execute(
            query("insert_job_items"),
            {
                "job_id": job_id,
                "unique_ids": [key for key, _ in items],
                "sales_ranks": [rank for _, rank in items],
                "batch_nos": [number for number, part in enumerate(slices, 1) for _ in part],
            },
        )
    return job_id


def find(
    statuses: list[str] | None, dataset_id: int | None, words: str, limit: int | None, skip: int
) -> list[dict[str, Any]]:
    """Jobs that a filter lets through, with status and counts, the newest first; `n_found` is how many there are."""
    return fetch_all(
        "list_jobs", job_id=None, statuses=statuses, dataset_id=dataset_id, words=words, limit=limit, skip=skip
    )


def get(job_id: int) -> dict[str, Any]:
    """One job with its status, its counts, and `batches`: how many are in each stage.

    Raises
    ------
    InputError
        if there is none with this id.
    """
    row = None
    if 0 < job_id < 2**31:
        row = fetch_one("list_jobs", job_id=job_id, statuses=None, dataset_id=None, words="", limit=None, skip=0)
    if row is None:
        raise _no_such_job(job_id)
    row["batches"] = {r["stage"]: r["n"] for r in fetch_all("count_stages", job_id=job_id)}
    return row


def _no_such_job(job_id: int) -> InputError:
    return InputError(f"There is no job {job_id}.", "The page Runs lists all; so does the command status.")


def list_keys(job_id: int) -> list[str]:
    """The keys of a job's items, the largest sellers first."""
    return [row["unique_id"] for row in fetch_all("list_job_keys", job_id=job_id)]


def request_cancel(job_id: int) -> bool:
    """Asks the job to stop and ends its waiting batches; False if it has ended or was asked already."""
    with transaction() as cur:
        cur.execute(query("lock_job"), {"job_id": job_id})
        cur.execute(query("request_cancel"), {"job_id": job_id})
        is_new = cur.rowcount > 0
        cur.execute(query("cancel_waiting_batches"))
        cur.execute(query("freeze_ended_jobs"))
    return is_new


def retry(job_id: int, unique_ids: list[str] | None = None) -> int:
    """Opens an ended job again for its failed and cancelled items; returns how many there are.

    Parameters
    ----------
    unique_ids
        only those of them, if given; the others stay as they ended.

    Raises
    ------
    InputError
        if there is no such job, or it is still running.
    """
    with transaction() as cur:
        cur.execute(query("lock_job"), {"job_id": job_id})
        row = cur.fetchone()
        if row is None:
            raise _no_such_job(job_id)
        if row["status"] is None:
            raise InputError(f"Job {job_id} is still running.", "Wait for its end, or cancel it first.")
        cur.execute(query("retry_items"), {"job_id": job_id, "unique_ids": unique_ids})
        n_items = cur.rowcount
        if n_items:
            cur.execute(query("retry_batches"), {"job_id": job_id})
            cur.execute(query("reopen_job"), {"job_id": job_id})
    return n_items


def freeze_ended() -> None:
    """Gives every job whose last batch has ended its status for good."""
    execute("freeze_ended_jobs")


def list_ended(days: int | None, n_kept: int | None) -> list[dict[str, Any]]:
    """Jobs that ended more than `days` ago, or all that have ended but the last `n_kept`; the oldest first."""
    return fetch_all("list_ended_jobs", days=days, n_kept=n_kept)


def delete_ended(job_id: int, finished_at: datetime) -> bool:
    """Removes a job with all that is its own; False if it is gone, or was tried again since it ended then."""
    with transaction() as cur:
        cur.execute(query("lock_ended_job"), {"job_id": job_id, "finished_at": finished_at})
        is_there = cur.fetchone() is not None
        if is_there:
            cur.execute(query("delete_jobs"), {"job_ids": [job_id]})
    return is_there
