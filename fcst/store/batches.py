"""Batches: claimed by a supervisor, run by a task, ended by either. Every write of a task is fenced.

A fenced write names batch, attempt and run_token; a row that has moved on refuses it, and the task must stop. From the
second attempt on a batch is run carefully: its task writes down which item it has in hand, so that an item that kills
its process is known and fails alone.
"""

import json
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

import pandas as pd
from psycopg2.extensions import cursor as Cursor

from fcst.errors import StaleState
from fcst.specs import JobSpec
from fcst.states import TRANSITIONS, Outcome, Stage
from fcst.store import forecasts
from fcst.store.database import execute, fetch_all, fetch_frame, fetch_one, transaction
from fcst.store.queries import query

MAX_TRIES = 5  # attempts in a row that end no item
CANCELLED = "cancelled by the user"


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
    def is_careful(self) -> bool:
        """Whether the item in hand is written down before it is computed: something went wrong before."""
        return self.attempt > 1

    @property
    def ids(self) -> dict[str, Any]:
        """What a line of the log says it is about."""
        return {"job": self.job_id, "batch": self.batch_id, "attempt": self.attempt}

    @property
    def fence(self) -> dict[str, Any]:
        return {"batch_id": self.batch_id, "attempt": self.attempt, "run_token": self.run_token}


@dataclass(frozen=True)
class ItemResult:
    """How one item ended: its rows (forecasts.py says which columns) and their origin, or why there are none."""

    unique_id: str
    outcome: Outcome
    reason: str | None
    forecast_rows: list[tuple[Any, ...]] = field(default_factory=list)
    metric_rows: list[tuple[Any, ...]] = field(default_factory=list)
    backtest_rows: list[tuple[Any, ...]] = field(default_factory=list)
    provenance: dict[str, Any] | None = None


def claim(worker_id: str, n: int) -> list[dict[str, Any]]:
    """Up to `n` waiting batches, now this supervisor's: `batch_id, job_id, batch_no, attempt`."""
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


def save(run: Run, results: list[ItemResult], stage: Stage, item_in_hand: str | None = None) -> None:
    """Writes finished items in one fenced transaction; in `saving` it completes the batch as well.

    Parameters
    ----------
    item_in_hand
        the item that the task computes next, where it runs carefully.

    Raises
    ------
    StaleState
        if the batch is not this task's any more; nothing is written then.
    """
    with transaction() as cur:
        _save(cur, run, results, stage, item_in_hand)
        if stage == Stage.SAVING:
            _move(cur, run, Stage.SAVING, Stage.COMPLETED)


def give_up_item(run: Run, unique_id: str, reason: str) -> None:
    """The task fails the item in hand and lets go of its batch, before it ends its own process.

    Raises
    ------
    StaleState
        if the batch is not this task's any more; nothing is written then.
    """
    with transaction() as cur:
        _save(cur, run, [ItemResult(unique_id, Outcome.FAILED, reason)], Stage.PROCESSING, None)
        end = {"stage": Stage.SUBMITTED, "reason": f"item {unique_id!r}: {reason}", "tries": 0, "n_blamed": 0}
        cur.execute(query("end_held_attempt"), {"batch_id": run.batch_id, **end})


def _save(cur: Cursor, run: Run, results: list[ItemResult], stage: Stage, item_in_hand: str | None) -> None:
    outcomes = [result.outcome for result in results]
    counts = {f"n_{o}": outcomes.count(o) for o in (Outcome.COMPLETED, Outcome.FAILED)}
    cur.execute(query("fence_batch"), {**run.fence, **counts, "stage": stage, "item_in_hand": item_in_hand})
    _check_held(cur, run)
    if results:
        forecasts.replace(cur, run.job_id, results)
        _finish_items(cur, run.batch_id, run.attempt, results)


def _finish_items(cur: Cursor, batch_id: int, attempt: int, results: list[ItemResult]) -> None:
    items = {
        "unique_ids": [result.unique_id for result in results],
        "outcomes": [result.outcome for result in results],
        "reasons": [result.reason for result in results],
        "provenances": [None if result.provenance is None else json.dumps(result.provenance) for result in results],
    }
    cur.execute(query("finish_items"), {"batch_id": batch_id, "attempt": attempt, **items})


def set_model_in_hand(run: Run, model: str) -> None:
    """The task, where it runs carefully, tells what it fits to the item in hand; StaleState if it lost the batch."""
    with transaction() as cur:
        cur.execute(query("set_model_in_hand"), {**run.fence, "model": model})
        _check_held(cur, run)


def check(run: Run) -> None:
    """StaleState if the batch is not this task's any more, as after a cancel."""
    with transaction() as cur:
        cur.execute(query("check_batch"), run.fence)
        _check_held(cur, run)


def _check_held(cur: Cursor, run: Run) -> None:
    if cur.fetchone() is None:
        raise StaleState(f"Batch {run.batch_id} was taken from attempt {run.attempt}.")


def _move(cur: Cursor, run: Run, from_stage: Stage, to_stage: Stage) -> None:
    if to_stage not in TRANSITIONS[from_stage]:
        raise ValueError(f"A batch does not go from {from_stage} to {to_stage}.")
    cur.execute(query("move_batch"), {**run.fence, "from_stage": from_stage, "to_stage": to_stage})
    _check_held(cur, run)


class Ending(StrEnum):
    """Why a supervisor ends an attempt that did not complete, which tells who is to blame."""

    CANCELLED = "cancelled"
    """The user wants it: the batch and its pending items are cancelled."""
    INNOCENT = "innocent"
    """What went wrong has nothing to do with the batch: the database is away, the supervisor was told to end."""
    LOST = "lost"
    """Supervisor or pool is gone. Only where that happens again and again is the item in hand to blame, or the batch;
    nobody where no task had begun it."""
    FAILED = "failed"
    """The task raised an error; the same."""
    DIED = "died"
    """The task's process died or hangs: the item in hand is to blame, where one is known."""


def end_attempt(batch_id: int, attempt: int, ending: Ending, reason: str) -> bool:
    """The supervisor ends an attempt that did not complete; harmless if the batch has moved on.

    The batch waits for another attempt, without the item that is to blame. It fails when MAX_TRIES attempts in a row
    have ended no item. A job that is to stop gets no other attempt, whatever the ending.

    Returns
    -------
    bool
        False if a frozen worker holds the batch's row: then it must be tried again.
    """
    key = {"batch_id": batch_id, "attempt": attempt}
    with transaction() as cur:
        cur.execute(query("hold_attempt"), key)
        held = cur.fetchone()
        if held is None:
            cur.execute(query("is_attempt_open"), key)
            return not (cur.fetchone() or {})["found"]
        end = _judge(held, ending, reason)
        if end.blamed is not None:
            _finish_items(cur, batch_id, attempt, [ItemResult(held["item_in_hand"], Outcome.FAILED, end.blamed)])
        values = {"stage": end.stage, "reason": end.reason, "tries": end.tries, "n_blamed": int(end.blamed is not None)}
        cur.execute(query("end_held_attempt"), {"batch_id": batch_id, **values})
        if end.stage != Stage.SUBMITTED:
            left = {"batch_id": batch_id, "outcome": end.stage, "reason": end.reason}
            cur.execute(query("end_pending_items"), left)
    return True


@dataclass(frozen=True)
class _End:
    """What becomes of a batch; `blamed` is why its item in hand failed, None if that is not to blame."""

    stage: Stage
    reason: str
    tries: int
    blamed: str | None = None


def _judge(held: dict[str, Any], ending: Ending, reason: str) -> _End:
    if held["is_cancelled"] or ending == Ending.CANCELLED:
        return _End(Stage.CANCELLED, CANCELLED, held["tries"])
    if ending == Ending.INNOCENT or ending == Ending.LOST and not held["has_begun"]:
        return _End(Stage.SUBMITTED, reason, held["tries"])
    tries = held["tries"] + 1
    item, model = held["item_in_hand"], held["model_in_hand"]
    if item is not None and (ending == Ending.DIED or tries >= MAX_TRIES):
        blamed = f"{reason} while {f'fitting {model}' if model else 'computing it'}"
        return _End(Stage.SUBMITTED, f"item {item!r}: {blamed}", 0, blamed)
    if tries >= MAX_TRIES:
        return _End(Stage.FAILED, f"gave up after {tries} tries: {reason}", tries)
    return _End(Stage.SUBMITTED, reason, tries)


def cancel_waiting() -> None:
    """Ends the waiting batches of all jobs that are to stop."""
    execute("cancel_waiting_batches")


def list_lost(worker_id: str, running: list[int]) -> list[dict[str, Any]]:
    """`batch_id, job_id, attempt` of batches whose supervisor is gone, or is this one and does not know of them.

    Parameters
    ----------
    running
        the batches that this supervisor runs.
    """
    return fetch_all("list_lost_batches", worker_id=worker_id, running=running)


def list_silent(running: list[int], margin_s: float, wait_s: float) -> dict[int, float]:
    """Those of the batches that run whose item in hand has passed its limit by more than `margin_s`.

    Parameters
    ----------
    wait_s
        how much longer a task may take that has not begun.

    Returns
    -------
    dict
        batch_id -> seconds since anything was written of it.
    """
    rows = fetch_all("list_silent_batches", running=running, margin_s=margin_s, wait_s=wait_s)
    return {row["batch_id"]: row["seconds"] for row in rows}


def find(job_id: int, stages: list[str] | None, sort: str, limit: int | None, skip: int = 0) -> list[dict[str, Any]]:
    """Batches of a job in some stages, by number or as the statement knows to sort them."""
    return fetch_all("list_batches", job_id=job_id, stages=stages, sort=sort, limit=limit, skip=skip)


def find_one(job_id: int, batch_no: int | None) -> dict[str, Any] | None:
    """The batch with a number; without one the batch most worth a look, None if none has begun."""
    return fetch_one("find_batch", job_id=job_id, batch_no=batch_no)


def list_attempts(job_id: int, limit: int, skip: int) -> pd.DataFrame:
    """`batch_no, attempt, started_at, ended_at, to_stage` of attempts, in the order in which they began."""
    return fetch_frame("list_attempts", job_id=job_id, limit=limit, skip=skip)


def list_busy_jobs() -> list[dict[str, Any]]:
    """`job_id, n_active` of the jobs whose batches run now."""
    return fetch_all("list_busy_jobs")


def list_events(job_id: int, only_with_reason: bool, limit: int | None) -> list[dict[str, Any]]:
    return fetch_all("list_batch_events", job_id=job_id, only_with_reason=only_with_reason, limit=limit)


def list_item_failures(job_id: int, limit: int | None, skip: int) -> list[dict[str, Any]]:
    return fetch_all("list_item_failures", job_id=job_id, limit=limit, skip=skip)


def count_reasons(job_id: int) -> list[dict[str, Any]]:
    """`outcome, reason, n_items, n_batches, first_ids` of what did not complete: failures, the most frequent first."""
    return fetch_all("count_reasons", job_id=job_id)


def list_items_of_reason(job_id: int, outcome: Outcome, reason: str) -> list[str]:
    rows = fetch_all("list_items_of_reason", job_id=job_id, outcome=outcome, reason=reason)
    return [row["unique_id"] for row in rows]
