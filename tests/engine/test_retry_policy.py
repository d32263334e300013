"""Retry policy: all cases of attempts that did not complete."""

import pytest

from fcst.engine.retry_policy import CANCELLED, MAX_TRIES, Cause, decide
from fcst.states import Stage
from fcst.store.attempts import AttemptEnd, HeldAttempt


def held(
    tries: int = 0,
    has_begun: bool = True,
    current_item: str | None = None,
    current_model: str | None = None,
    is_cancelled: bool = False,
) -> HeldAttempt:
    return HeldAttempt(1, tries, has_begun, current_item, current_model, is_cancelled)


def again(reason: str, tries: int) -> AttemptEnd:
    return AttemptEnd(Stage.SUBMITTED, reason, tries)


@pytest.mark.parametrize("cause", Cause)
def test_cancelled_run_is_not_retried(cause: Cause) -> None:
    assert decide(held(tries=2, is_cancelled=True), cause, "x") == AttemptEnd(Stage.CANCELLED, CANCELLED, 2)


def test_a_cancel_ends_the_batch() -> None:
    assert decide(held(), Cause.CANCELLED, "x") == AttemptEnd(Stage.CANCELLED, CANCELLED, 0)


@pytest.mark.parametrize("tries", [0, MAX_TRIES - 1, MAX_TRIES + 3])
def test_unrelated_causes_do_not_count_as_tries(tries: int) -> None:
    assert decide(held(tries, current_item="a"), Cause.UNRELATED, "away") == again("away", tries)
    assert decide(held(tries, has_begun=False), Cause.LOST, "lost") == again("lost", tries)


@pytest.mark.parametrize("cause", [Cause.LOST, Cause.FAILED, Cause.DIED])
def test_tries_are_counted_and_the_last_one_fails_the_batch(cause: Cause) -> None:
    assert decide(held(), cause, "why") == again("why", 1)
    assert decide(held(MAX_TRIES - 2), cause, "why") == again("why", MAX_TRIES - 1)
    last = decide(held(MAX_TRIES - 1), cause, "why")
    assert last == AttemptEnd(Stage.FAILED, f"gave up after {MAX_TRIES} tries: why", MAX_TRIES)


def test_current_item_fails_when_its_process_dies() -> None:
    end = decide(held(current_item="a", current_model="MSTL"), Cause.DIED, "the process died")
    failure = "the process died while fitting MSTL"
    assert end == AttemptEnd(Stage.SUBMITTED, f"item 'a': {failure}", 0, failure)
    assert decide(held(current_item="a"), Cause.DIED, "it died").item_failure == "it died while computing it"


@pytest.mark.parametrize("cause", [Cause.LOST, Cause.FAILED])
def test_current_item_fails_with_the_last_try_only(cause: Cause) -> None:
    assert decide(held(MAX_TRIES - 2, current_item="a"), cause, "why") == again("why", MAX_TRIES - 1)
    end = decide(held(MAX_TRIES - 1, current_item="a"), cause, "why")
    assert (end.stage, end.tries, end.item_failure) == (Stage.SUBMITTED, 0, "why while computing it")
