"""Attempts at batches: claimed by a supervisor, begun and written by a task, ended by either.

Every write of a task is fenced: it names batch, attempt and run_token. A row that has moved on refuses it, and the task
must stop. From the second attempt on a task writes down each item before it computes it, so that an item that kills its
process is known and fails alone.
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
    """One attempt at a batch, held by one task: what fences its writes, and what it needs to know.

    Parameters
    ----------
    worked_before_s
        seconds that tasks worked at the batch in earlier attempts.
    begun_at
        by the clock of this process that is never set.
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
        """Whether each item is written down before it is computed: an attempt failed before."""
        return self.attempt > 1

    @property
    def ids(self) -> dict[str, Any]:
        """The ids of a line of the log."""
        return {"job": self.job_id, "batch": self.batch_id, "attempt": self.attempt}

    @property
    def fence(self) -> dict[str, Any]:
        return {"batch_id": self.batch_id, "attempt": self.attempt, "run_token": self.run_token}

    @property
    def worked_s(self) -> float:
        """Seconds that tasks have worked at the batch, in all attempts, until now."""
        return self.worked_before_s + time.monotonic() - self.begun_at


@dataclass(frozen=True)
class HeldAttempt:
    """An attempt that did not complete, as it is when it is ended.

    Parameters
    ----------
    tries
        attempts in a row that ended no item, without this one.
    has_begun
        a task took it.
    item_in_hand, model_in_hand
        what was being computed, where the task wrote that down.
    is_cancelled
        its job is to stop.
    """

    job_id: int
    tries: int
    has_begun: bool
    item_in_hand: str | None
    model_in_hand: str | None
    is_cancelled: bool


@dataclass(frozen=True)
class AttemptEnd:
    """What becomes of a batch whose attempt did not complete.

    Parameters
    ----------
    item_failure
        why the item in hand failed; None where it stays pending.
    """

    stage: Stage
    reason: str
    tries: int
    item_failure: str | None = None


def claim(worker_id: str, n: int) -> list[ClaimedBatch]:
    """Up to `n` waiting batches, now this supervisor's; none where the schema is newer than this program."""
    rows = fetch_all("claim_batches", worker_id=worker_id, n=n, schema_version=latest_version())
    return [ClaimedBatch(**row) for row in rows]


def begin(batch_id: int, attempt: int, run_token: str) -> BatchAttempt:
    """The task takes the batch.

    Raises
    ------
    StaleState
        if it has been taken already, or belongs to another attempt.
    """
    row = fetch_one("begin_batch", batch_id=batch_id, attempt=attempt, run_token=run_token)
    if row is None:
        raise StaleState(f"Batch {batch_id} is not waiting for attempt {attempt} any more.")
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
    """The task moves its batch on; StaleState if it is not its own any more."""
    with transaction() as cur:
        _move(cur, attempt, from_stage, to_stage)


def save(attempt: BatchAttempt, results: list[ItemResult], stage: Stage, item_in_hand: str | None = None) -> None:
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
        _save(cur, attempt, results, stage, item_in_hand)
        if stage == Stage.SAVING:
            if attempt.spec.n_windows:
                accuracy.keep_sums(cur, attempt.dataset_id, attempt.job_id, attempt.batch_id, attempt.spec.level)
            _move(cur, attempt, Stage.SAVING, Stage.COMPLETED)


def give_up_item(attempt: BatchAttempt, unique_id: str, reason: str) -> None:
    """The task fails the item in hand and lets go of its batch, before it ends its own process.

    Raises
    ------
    StaleState
        if the batch is not this task's any more; nothing is written then.
    """
    with transaction() as cur:
        _save(cur, attempt, [ItemResult(unique_id, Outcome.FAILED, reason)], Stage.PROCESSING, None)
        end = {"stage": Stage.SUBMITTED, "reason": f"item {unique_id!r}: {reason}", "tries": 0, "n_item_failures": 0}
        cur.execute(query("end_held_attempt"), {"batch_id": attempt.batch_id, **end})


def _save(
    cur: Cursor, attempt: BatchAttempt, results: list[ItemResult], stage: Stage, item_in_hand: str | None
) -> None:
    outcomes = [result.outcome for result in results]
    counts = {f"n_{o}": outcomes.count(o) for o in (Outcome.COMPLETED, Outcome.FAILED)}
    values = {"stage": stage, "item_in_hand": item_in_hand, "worked_s": attempt.worked_s}
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


def set_model_in_hand(attempt: BatchAttempt, model: str) -> None:
    """The task, where it runs carefully, tells what it fits to the item in hand; StaleState if it lost the batch."""
    with transaction() as cur:
        cur.execute(query("set_model_in_hand"), {**attempt.fence, "model": model})
        _check_held(cur, attempt)


def touch(attempt: BatchAttempt) -> None:
    """The task gives a sign of life; StaleState if the batch is not its own any more."""
    with transaction() as cur:
        cur.execute(query("touch_batch"), attempt.fence)
        _check_held(cur, attempt)


def save_learned(attempt: BatchAttempt, learned: Mapping[int, LearnedRecord]) -> None:
    """Writes what a run has learnt, by weeks before the end, and completes its learning in one fenced transaction.

    Raises
    ------
    StaleState
        if the learning is not this task's any more; nothing is written then.
    """
    with transaction() as cur:
        _move(cur, attempt, Stage.LEARNING, Stage.COMPLETED)
        learning.replace(cur, attempt.job_id, learned)


def give_up_learning(attempt: BatchAttempt, reason: str) -> None:
    """The task fails its run's learning, before it ends its own process; the run goes on without it.

    Raises
    ------
    StaleState
        if the learning is not this task's any more; nothing is written then.
    """
    with transaction() as cur:
        cur.execute(query("check_batch"), attempt.fence)
        _check_held(cur, attempt)
        end = {"stage": Stage.FAILED, "reason": reason, "tries": 0, "n_item_failures": 0}
        cur.execute(query("end_held_attempt"), {"batch_id": attempt.batch_id, **end})


def check(attempt: BatchAttempt) -> None:
    """StaleState if the batch is not this task's any more, as after a cancel."""
    with transaction() as cur:
        cur.execute(query("check_batch"), attempt.fence)
        _check_held(cur, attempt)


def _check_held(cur: Cursor, attempt: BatchAttempt) -> None:
    if cur.fetchone() is None:
        raise StaleState(f"Batch {attempt.batch_id} was taken from attempt {attempt.attempt}.")


def _move(cur: Cursor, attempt: BatchAttempt, from_stage: Stage, to_stage: Stage) -> None:
    if to_stage not in TRANSITIONS[from_stage]:
        raise ValueError(f"A batch does not go from {from_stage} to {to_stage}.")
    values = {"from_stage": from_stage, "to_stage": to_stage, "worked_s": attempt.worked_s}
    cur.execute(query("move_batch"), {**attempt.fence, **values})
    _check_held(cur, attempt)


def end(batch_id: int, attempt: int, decide: Callable[[HeldAttempt], AttemptEnd]) -> bool:
    """Ends an attempt that did not complete as `decide` says; harmless if the batch has moved on.

    Returns
    -------
    bool
        False if a frozen worker holds the batch's row: then it must be tried again.
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
            assert held.item_in_hand is not None
            failed = ItemResult(held.item_in_hand, Outcome.FAILED, found.item_failure)
            _finish_items(cur, held.job_id, batch_id, attempt, [failed])
        values = {"stage": found.stage, "reason": found.reason, "tries": found.tries}
        n_failed = int(found.item_failure is not None)
        cur.execute(query("end_held_attempt"), {"batch_id": batch_id, "n_item_failures": n_failed, **values})
        if found.stage != Stage.SUBMITTED:
            left = {"batch_id": batch_id, "outcome": found.stage, "reason": found.reason}
            cur.execute(query("end_pending_items"), left)
    return True


def cancel_waiting() -> None:
    """Ends the waiting batches of all jobs that are to stop."""
    execute("cancel_waiting_batches")


def list_lost(worker_id: str, running: list[int], lost: list[str]) -> list[ClaimedBatch]:
    """Batches whose supervisor is gone, or is this one and does not know of them.

    Parameters
    ----------
    running
        the batches that this supervisor runs.
    lost
        the supervisors that are gone.
    """
    rows = fetch_all("list_lost_batches", worker_id=worker_id, running=running, lost=lost)
    return [ClaimedBatch(**row) for row in rows]


@dataclass(frozen=True)
class Touch:
    """When anything was last written of a batch that runs, by the database's clock; it may be silent for `limit_s`."""

    batch_id: int
    touched_at: datetime
    limit_s: float


def list_touches(running: list[int], margin_s: float, wait_s: float) -> list[Touch]:
    """The last signs of life of batches.

    Parameters
    ----------
    margin_s
        seconds beyond the limit of an item that a task may be silent.
    wait_s
        how much longer one may be that has not begun.
    """
    rows = fetch_all("list_touches", running=running, margin_s=margin_s, wait_s=wait_s)
    return [Touch(**row) for row in rows]


def list_busy_jobs() -> list[int]:
    """The jobs whose batches run now."""
    return [row["job_id"] for row in fetch_all("list_busy_jobs")]
