"""Retry policy for batches whose attempt did not complete.

A batch is retried without the item that caused the failure. It fails after MAX_TRIES attempts in a row that finished no
item. A batch of a cancelled run is not retried, for any cause.
"""

from enum import StrEnum

from fcst.states import Stage
from fcst.store import attempts
from fcst.store.attempts import AttemptEnd, HeldAttempt

MAX_TRIES = 5  # attempts in a row without a finished item
CANCELLED = "cancelled by the user"


class Cause(StrEnum):
    """Why an attempt did not complete."""

    CANCELLED = "cancelled"
    """The user cancelled the run. The batch and its pending items are cancelled."""
    UNRELATED = "unrelated"
    """The batch is not the cause: the database is unreachable, or the supervisor stops. Does not count as a try."""
    LOST = "lost"
    """The supervisor or the pool was lost. Counts as a try if the task had started; the last try fails the current
    item."""
    FAILED = "failed"
    """The task raised an error. Counts as a try; the last try fails the current item."""
    DIED = "died"
    """The worker process died or hangs. The current item fails, if it is known."""


def decide(held: HeldAttempt, cause: Cause, reason: str) -> AttemptEnd:
    """Return how the attempt ends: the next stage of the batch, the reason, its tries, and a failed item.

    Parameters
    ----------
    reason
        message of what happened.
    """
    if held.is_cancelled or cause == Cause.CANCELLED:
        return AttemptEnd(Stage.CANCELLED, CANCELLED, held.tries)
    if cause == Cause.UNRELATED or cause == Cause.LOST and not held.has_begun:
        return AttemptEnd(Stage.SUBMITTED, reason, held.tries)
    tries = held.tries + 1
    if held.current_item is not None and (cause == Cause.DIED or tries >= MAX_TRIES):
        doing = f"fitting {held.current_model}" if held.current_model else "computing it"
        failure = f"{reason} while {doing}"
        return AttemptEnd(Stage.SUBMITTED, f"item {held.current_item!r}: {failure}", 0, failure)
    if tries >= MAX_TRIES:
        return AttemptEnd(Stage.FAILED, f"gave up after {tries} tries: {reason}", tries)
    return AttemptEnd(Stage.SUBMITTED, reason, tries)


def end_attempt(batch_id: int, attempt: int, cause: Cause, reason: str) -> bool:
    """End an attempt that did not complete; False if a frozen worker locks its row, so the caller must retry."""
    return attempts.end(batch_id, attempt, lambda held: decide(held, cause, reason))
