"""Batches: claimed by a supervisor, run by a task, ended by either. Every write of a task is fenced.

A fenced write names batch, attempt and run_token; a row that has moved on refuses it, and the task must stop.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg2.extensions import cursor as Cursor

from fcst.errors import StaleState
from fcst.specs import JobSpec
from fcst.states import TRANSITIONS, Outcome, Stage
from fcst.store import forecasts
from fcst.store.database import execute, fetch_all, fetch_one, transaction
from fcst.store.queries import query


@dataclass(frozen=True)
class Run:
    """One attempt at a batch, held by one task: what fences its writes, and what it needs to know."""

    batch_id: int
    attempt: int
    run_token: str
    job_id: int
    dataset_id: int
    spec: JobSpec
    last_wk_end_dt: date

    @property
    def fence(self) -> dict[str, Any]:
        return {"batch_id": self.batch_id, "attempt": self.attempt, "run_token": self.run_token}


@dataclass(frozen=True)
class ItemResult:
    """How one item ended: its forecast and accuracy rows (forecasts.py says which columns), or why there are none."""

    unique_id: str
    outcome: Outcome
    reason: str | None
    forecast_rows: list[tuple[Any, ...]]
    metric_rows: list[tuple[Any, ...]]


def claim(worker_id: str, n: int) -> list[dict[str, Any]]:
    """Up to `n` waiting batches, now this supervisor's: `batch_id, job_id, batch_no, attempt, tries`."""
    rows = fetch_all("claim_batches", worker_id=worker_id, n=n)
    return sorted(rows, key=lambda row: (row["batch_no"], row["job_id"]))


def begin(batch_id: int, attempt: int, run_token: str) -> Run:
    """The task takes the batch.

    Raises
    ------
    StaleState
        if it has been taken already, or belongs to another attempt.
    """
    row = fetch_one("begin_batch", batch_id=batch_id, attempt=attempt, run_token=run_token)
    if row is None:
        raise StaleState(f"Batch {batch_id} is not waiting for attempt {attempt} any more.")
    spec = JobSpec.from_dict(row["spec"])
    return Run(batch_id, attempt, run_token, row["job_id"], row["dataset_id"], spec, row["last_wk_end_dt"])


def move(run: Run, from_stage: Stage, to_stage: Stage) -> None:
    """The task moves its batch on; StaleState if it is not its own any more."""
    with transaction() as cur:
        _move(cur, run, from_stage, to_stage)


def save(run: Run, results: list[ItemResult], stage: Stage) -> None:
    """Writes finished items in one fenced transaction; in `saving` it completes the batch as well.

    Raises
    ------
    StaleState
        if the batch is not this task's any more; nothing is written then.
    """
    with transaction() as cur:
        cur.execute(query("guard_fenced_write"))
        outcomes = [result.outcome for result in results]
        counts = {f"n_{o}": outcomes.count(o) for o in (Outcome.COMPLETED, Outcome.FAILED)}
        cur.execute(query("fence_batch"), {**run.fence, **counts, "stage": stage})
        if cur.fetchone() is None:
            raise StaleState(f"Batch {run.batch_id} was taken from attempt {run.attempt}.")
        forecasts.upsert(cur, run.job_id, results)
        cur.execute(
            query("finish_items"),
            {
                "batch_id": run.batch_id,
                "attempt": run.attempt,
                "unique_ids": [result.unique_id for result in results],
                "outcomes": outcomes,
                "reasons": [result.reason for result in results],
            },
        )
        if stage == Stage.SAVING:
            _move(cur, run, Stage.SAVING, Stage.COMPLETED)


def _move(cur: Cursor, run: Run, from_stage: Stage, to_stage: Stage) -> None:
    if to_stage not in TRANSITIONS[from_stage]:
        raise ValueError(f"A batch does not go from {from_stage} to {to_stage}.")
    cur.execute(query("move_batch"), {**run.fence, "from_stage": from_stage, "to_stage": to_stage})
    if cur.fetchone() is None:
        raise StaleState(f"Batch {run.batch_id} was taken from attempt {run.attempt}.")


def end_attempt(batch_id: int, attempt: int, to_stage: Stage, reason: str, is_forgiven: bool = False) -> None:
    """The supervisor ends an attempt that did not complete; harmless if the batch has moved on.

    Parameters
    ----------
    to_stage
        `submitted` for another try, `failed`, or `cancelled`; a job that is to stop gets `cancelled` in any case.
    is_forgiven
        the try does not count: the batch is not to blame.
    """
    with transaction() as cur:
        end = {"batch_id": batch_id, "attempt": attempt, "to_stage": to_stage, "reason": reason}
        cur.execute(query("end_batch"), {**end, "forgiven": int(is_forgiven)})
        row = cur.fetchone()
        if row is not None and row["stage"] != Stage.SUBMITTED:
            left = {"batch_id": batch_id, "outcome": row["stage"], "reason": row["error"]}
            cur.execute(query("end_pending_items"), left)


def cancel_waiting() -> None:
    """Ends the waiting batches of all jobs that are to stop."""
    execute("cancel_waiting_batches")


def list_lost(worker_id: str, running: list[int]) -> list[dict[str, Any]]:
    """`batch_id, attempt, tries` of batches whose supervisor is gone, or is this one and does not know of them.

    Parameters
    ----------
    running
        the batches that this supervisor runs.
    """
    return fetch_all("list_lost_batches", worker_id=worker_id, running=running)


def list_all(job_id: int) -> list[dict[str, Any]]:
    return fetch_all("list_batches", job_id=job_id)


def list_events(job_id: int) -> list[dict[str, Any]]:
    return fetch_all("list_batch_events", job_id=job_id)


def list_item_failures(job_id: int) -> list[dict[str, Any]]:
    return fetch_all("list_item_failures", job_id=job_id)
