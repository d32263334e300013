"""The retry policy: what becomes of a batch whose attempt did not complete.

A batch waits for another attempt, without the item that failed it. It fails when MAX_TRIES attempts in a row have ended
no item. A job that is to stop gets no other attempt, whatever the cause.
"""

from enum import StrEnum

from fcst.states import Stage
from fcst.store import attempts
from fcst.store.attempts import AttemptEnd, HeldAttempt

MAX_TRIES = 5  # attempts in a row that end no item
CANCELLED = "cancelled by the user"


class Cause(StrEnum):
    """Why an attempt did not complete."""

    CANCELLED = "cancelled"
    """The user cancelled the run: the batch and its pending items are cancelled."""
    UNRELATED = "unrelated"
    """The batch is not the cause: the database is away, or the supervisor ends. It counts as no try."""
    LOST = "lost"
    """Supervisor or pool is gone. It counts as a try where a task had begun; the item in hand fails with the last."""
    FAILED = "failed"
    """The task raised an error. It counts as a try; the item in hand fails with the last."""
    DIED = "died"
    """The task's process died or hangs: the item in hand, where one is known, fails."""


def decide(held: HeldAttempt, cause: Cause, reason: str) -> AttemptEnd:
    """What becomes of the batch.

    Parameters
    ----------
    reason
        what happened, in words.
    """
    if held.is_cancelled or cause == Cause.CANCELLED:
        return AttemptEnd(Stage.CANCELLED, CANCELLED, held.tries)
    if cause == Cause.UNRELATED or cause == Cause.LOST and not held.has_begun:
        return AttemptEnd(Stage.SUBMITTED, reason, held.tries)
    tries = held.tries + 1
    if held.item_in_hand is not None and (cause == Cause.DIED or tries >= MAX_TRIES):
        doing = f"fitting {held.model_in_hand}" if held.model_in_hand else "computing it"
        failure = f"{reason} while {doing}"
        return AttemptEnd(Stage.SUBMITTED, f"item {held.item_in_hand!r}: {failure}", 0, failure)
    if tries >= MAX_TRIES:
        return AttemptEnd(Stage.FAILED, f"gave up after {tries} tries: {reason}", tries)
    return AttemptEnd(Stage.SUBMITTED, reason, tries)


def end_attempt(batch_id: int, attempt: int, cause: Cause, reason: str) -> bool:
    """Ends an attempt that did not complete; False if a frozen worker holds its row, and it must be tried again."""
    return attempts.end(batch_id, attempt, lambda held: decide(held, cause, reason))
