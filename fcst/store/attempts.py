"""Attempts at batches: claimed by a supervisor, begun and written by a task, ended by either.

Every write of a task is fenced by batch, attempt and run_token. If the row belongs to a newer attempt, the write raises
StaleState and the task must stop. From the second attempt on, a task records each item before it computes it. So an
item that crashes its process is known, and only that item fails.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor

from fcst.errors import StaleState
from fcst.job_records import ClaimedBatch
from fcst.records import ItemResult, LearnedRecord
from fcst.specs import JobSpec
from fcst.states import TRANSITIONS, Outcome, Stage
from fcst.store import accuracy, adjustments, forecasts, learning
from fcst.store.database import execute, fetch_all, fetch_one, transaction
from fcst.store.migrate import latest_version
from fcst.store.queries import query


@dataclass(frozen=True)
class BatchAttempt:
    """One attempt at a batch, held by one task: the fence of its writes, and its inputs.

    Parameters
    ----------
    worked_before_s
        seconds of work on the batch in earlier attempts.
    begun_at
        start time by the monotonic clock of this process.
    """

    batch_id: int
    attempt: int
    run_token: str
    job_id: int
    dataset_id: int
    spec: JobSpec
    last_wk_end_dt: date
    worked_before_s: float
    begun_at: float

    @property
    def is_careful(self) -> bool:
        """Whether the task records each item before computing it; true after a failed attempt."""
        return self.attempt > 1

    @property
    def ids(self) -> dict[str, Any]:
        """The ids for log lines."""
        return {"job": self.job_id, "batch": self.batch_id, "attempt": self.attempt}

    @property
    def fence(self) -> dict[str, Any]:
        return {"batch_id": self.batch_id, "attempt": self.attempt, "run_token": self.run_token}

    @property
    def worked_s(self) -> float:
        """Seconds of work on the batch so far, in all attempts."""
        return self.worked_before_s + time.monotonic() - self.begun_at


@dataclass(frozen=True)
class HeldAttempt:
    """The state of an attempt that did not complete, when it is ended.

    Parameters
    ----------
    tries
        consecutive earlier attempts that finished no item.
    has_begun
        whether a task has started it.
    current_item, current_model
        the item and model being computed, if the task recorded them.
    is_cancelled
        whether the job is being cancelled.
    """

    job_id: int
    tries: int
    has_begun: bool
    current_item: str | None
    current_model: str | None
    is_cancelled: bool


@dataclass(frozen=True)
class AttemptEnd:
    """The new state of a batch after an attempt that did not complete.

    Parameters
    ----------
    item_failure
        why the item in hand failed; None if it stays pending.
    """

    stage: Stage
    reason: str
    tries: int
    item_failure: str | None = None


def claim(worker_id: str, n: int) -> list[ClaimedBatch]:
    """Claims up to `n` waiting batches for a supervisor; none if the schema is newer than this program."""
    rows = fetch_all("claim_batches", worker_id=worker_id, n=n, schema_version=latest_version())
    return [ClaimedBatch(**row) for row in rows]


def begin(batch_id: int, attempt: int, run_token: str) -> BatchAttempt:
    """Begins an attempt at a batch.

    Raises
    ------
    StaleState
        if the attempt has already begun, or is not the current one.
    """
    row = fetch_one("begin_batch", batch_id=batch_id, attempt=attempt, run_token=run_token)
    if row is None:
        raise StaleState(f"Batch {batch_id} no longer waits for attempt {attempt}.")
    return BatchAttempt(
        batch_id,
        attempt,
        run_token,
        row["job_id"],
        row["dataset_id"],
        JobSpec.from_json(row["spec"]),
        row["last_wk_end_dt"],
        worked_before_s=row["worked_s"],
        begun_at=time.monotonic(),
    )


def move(attempt: BatchAttempt, from_stage: Stage, to_stage: Stage) -> None:
    """Moves the batch to the next stage; StaleState if the attempt has lost the batch."""
    with transaction() as cur:
        _move(cur, attempt, from_stage, to_stage)


def save(attempt: BatchAttempt, results: list[ItemResult], stage: Stage, current_item: str | None = None) -> None:
    """Writes finished items in one fenced transaction; in the stage `saving`, also completes the batch.

    Parameters
    ----------
    current_item
        the item that the task computes next, if it records items.

    Raises
    ------
    StaleState
        if the attempt has lost the batch; nothing is written then.
    """
    with transaction() as cur:
        _save(cur, attempt, results, stage, current_item)
        if stage == Stage.SAVING:
            if attempt.spec.n_windows:
                accuracy.store_sums(cur, attempt.dataset_id, attempt.job_id, attempt.batch_id, attempt.spec.level)
            _move(cur, attempt, Stage.SAVING, Stage.COMPLETED)


def fail_item(attempt: BatchAttempt, unique_id: str, reason: str) -> None:
    """Fails the item in hand and releases the batch, before the task ends its own process.

    Raises
    ------
    StaleState
        if the attempt has lost the batch; nothing is written then.
    """
    with transaction() as cur:
        _save(cur, attempt, [ItemResult(unique_id, Outcome.FAILED, reason)], Stage.PROCESSING, None)
        end = {"stage": Stage.SUBMITTED, "reason": f"item {unique_id!r}: {reason}", "tries": 0, "n_item_failures": 0}
        cur.execute(query("end_held_attempt"), {"batch_id": attempt.batch_id, **end})


def _save(
    cur: Cursor, attempt: BatchAttempt, results: list[ItemResult], stage: Stage, current_item: str | None
) -> None:
    outcomes = [result.outcome for result in results]
    counts = {f"n_{o}": outcomes.count(o) for o in (Outcome.COMPLETED, Outcome.FAILED)}
    values = {"stage": stage, "current_item": current_item, "worked_s": attempt.worked_s}
    cur.execute(query("fence_batch"), {**attempt.fence, **counts, **values})
    _check_held(cur, attempt)
    if results:
        forecasts.replace(cur, attempt.job_id, results)
        _finish_items(cur, attempt.job_id, attempt.batch_id, attempt.attempt, results)


def _finish_items(cur: Cursor, job_id: int, batch_id: int, attempt: int, results: list[ItemResult]) -> None:
    items = {
        "unique_ids": [result.unique_id for result in results],
        "outcomes": [result.outcome for result in results],
        "reasons": [result.reason for result in results],
        "provenances": [None if result.provenance is None else json.dumps(result.provenance) for result in results],
        "out_of_stock_weeks": [result.lost and result.lost.n_weeks for result in results],
        "lost_units": [result.lost and result.lost.units for result in results],
        "suspected_weeks": [result.lost and result.lost.n_suspected for result in results],
        "level_shifts": [result.signals and result.signals.level_shift for result in results],
        "recent_stockouts": [result.signals and result.signals.recent_stockouts for result in results],
        "capped_units": [result.signals and result.signals.capped_units for result in results],
    }
    cur.execute(query("finish_items"), {"batch_id": batch_id, "attempt": attempt, **items})
    adjustments.begin_plan(cur, job_id, [result.unique_id for result in results])


def set_current_model(attempt: BatchAttempt, model: str) -> None:
    """Records the model being fitted to the item in hand; StaleState if the attempt has lost the batch."""
    with transaction() as cur:
        cur.execute(query("set_current_model"), {**attempt.fence, "model": model})
        _check_held(cur, attempt)


def touch(attempt: BatchAttempt) -> None:
    """Sends a heartbeat; StaleState if the attempt has lost the batch."""
    with transaction() as cur:
        cur.execute(query("touch_batch"), attempt.fence)
        _check_held(cur, attempt)


def save_learned(attempt: BatchAttempt, learned: Mapping[int, LearnedRecord]) -> None:
    """Writes the models learnt across items, by weeks before the end, and completes the learning, fenced.

    Raises
    ------
    StaleState
        if the attempt has lost the learning; nothing is written then.
    """
    with transaction() as cur:
        _move(cur, attempt, Stage.LEARNING, Stage.COMPLETED)
        learning.replace(cur, attempt.job_id, learned)


def fail_learning(attempt: BatchAttempt, reason: str) -> None:
    """Fails the learning of the run, before the task ends its own process; the run continues without it.

    Raises
    ------
    StaleState
        if the attempt has lost the learning; nothing is written then.
    """
    with transaction() as cur:
        cur.execute(query("check_batch"), attempt.fence)
        _check_held(cur, attempt)
        end = {"stage": Stage.FAILED, "reason": reason, "tries": 0, "n_item_failures": 0}
        cur.execute(query("end_held_attempt"), {"batch_id": attempt.batch_id, **end})


def check(attempt: BatchAttempt) -> None:
    """Raises StaleState if the attempt has lost the batch, as after a cancel."""
    with transaction() as cur:
        cur.execute(query("check_batch"), attempt.fence)
        _check_held(cur, attempt)


def _check_held(cur: Cursor, attempt: BatchAttempt) -> None:
    if cur.fetchone() is None:
        raise StaleState(f"Attempt {attempt.attempt} no longer holds batch {attempt.batch_id}.")


def _move(cur: Cursor, attempt: BatchAttempt, from_stage: Stage, to_stage: Stage) -> None:
    if to_stage not in TRANSITIONS[from_stage]:
        raise ValueError(f"A batch cannot move from {from_stage} to {to_stage}.")
    values = {"from_stage": from_stage, "to_stage": to_stage, "worked_s": attempt.worked_s}
    cur.execute(query("move_batch"), {**attempt.fence, **values})
    _check_held(cur, attempt)


def end(batch_id: int, attempt: int, decide: Callable[[HeldAttempt], AttemptEnd]) -> bool:
    """Ends an attempt that did not complete, as `decide` returns; does nothing if the attempt is over.

    Returns
    -------
    bool
        False if a frozen worker process locks the row of the batch; call again later.
    """
    key = {"batch_id": batch_id, "attempt": attempt}
    with transaction() as cur:
        cur.execute(query("hold_attempt"), key)
        row = cur.fetchone()
        if row is None:
            cur.execute(query("is_attempt_open"), key)
            return not (cur.fetchone() or {})["found"]
        held = HeldAttempt(**row)
        found = decide(held)
        if found.item_failure is not None:
            assert held.current_item is not None
            failed = ItemResult(held.current_item, Outcome.FAILED, found.item_failure)
            _finish_items(cur, held.job_id, batch_id, attempt, [failed])
        values = {"stage": found.stage, "reason": found.reason, "tries": found.tries}
        n_failed = int(found.item_failure is not None)
        cur.execute(query("end_held_attempt"), {"batch_id": batch_id, "n_item_failures": n_failed, **values})
        if found.stage != Stage.SUBMITTED:
            left = {"batch_id": batch_id, "outcome": found.stage, "reason": found.reason}
            cur.execute(query("end_pending_items"), left)
    return True


def cancel_waiting() -> None:
    """Cancels the waiting batches of all jobs with a cancel request."""
    execute("cancel_waiting_batches")


def list_lost(worker_id: str, running: list[int], lost: list[str]) -> list[ClaimedBatch]:
    """Batches claimed by a lost supervisor, or by this one without running here.

    Parameters
    ----------
    running
        the batches that this supervisor runs.
    lost
        the lost supervisors.
    """
    rows = fetch_all("list_lost_batches", worker_id=worker_id, running=running, lost=lost)
    return [ClaimedBatch(**row) for row in rows]


@dataclass(frozen=True)
class Heartbeat:
    """The last heartbeat of a running batch, by the database's clock; `limit_s` is the longest time without one."""

    batch_id: int
    touched_at: datetime
    limit_s: float


def list_heartbeats(running: list[int], margin_s: float, wait_s: float) -> list[Heartbeat]:
    """The last heartbeats of batches.

    Parameters
    ----------
    margin_s
        seconds that a task may be silent beyond the time limit of an item.
    wait_s
        additional seconds for a task that has not begun.
    """
    rows = fetch_all("list_heartbeats", running=running, margin_s=margin_s, wait_s=wait_s)
    return [Heartbeat(**row) for row in rows]


def list_busy_jobs() -> list[int]:
    """The jobs with running batches."""
    return [row["job_id"] for row in fetch_all("list_busy_jobs")]
