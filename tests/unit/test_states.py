"""State transitions: completeness, the diagram in the docstring, and the checks in the database."""

import re
from enum import StrEnum

import pytest

from fcst import states
from fcst.states import (
    ACTIVE_STAGES,
    FINAL_INGEST_STATUSES,
    FINAL_STAGES,
    FINAL_STATUSES,
    TRANSITIONS,
    IngestStatus,
    JobStatus,
    Outcome,
    Stage,
)
from fcst.store.queries import SQL

FIRST, *LATER = (path.read_text(encoding="utf-8") for path in sorted((SQL / "migrations").glob("*.sql")))
DIAGRAM = states.__doc__ or ""

PATHS = ((Stage.OBTAINING_SALES, Stage.PROCESSING, Stage.SAVING), (Stage.LEARNING,))


def created_text(table: str) -> str:
    """The definition of a table in the first migration."""
    return FIRST.split(f"CREATE TABLE fcst_app.{table} (")[1].split("\n);")[0]


def check_lists(table: str, column: str) -> list[list[str]]:
    """The values of each `column IN (…)` check of the table in order, as of the newest migration."""
    pattern = rf"\b{column} IN\s*\(([^)]*)\)"
    lists = re.findall(pattern, created_text(table))
    for text in LATER:
        for change in re.findall(rf"ALTER TABLE fcst_app\.{table}\n[^;]*;", text):
            found = re.findall(pattern, change) if "ADD CONSTRAINT" in change else []
            lists[: len(found)] = found
    return [re.findall(r"'(\w+)'", words) for words in lists]


def reachable(start: Stage) -> set[Stage]:
    found: set[Stage] = set()
    todo = [start]
    while todo:
        new = TRANSITIONS[todo.pop()] - found
        found |= new
        todo += new
    return found


# Transitions


def test_every_stage_has_transitions() -> None:
    assert set(TRANSITIONS) == set(Stage)


def test_stages_are_waiting_active_or_final() -> None:
    assert sorted([Stage.SUBMITTED, *ACTIVE_STAGES, *FINAL_STAGES]) == sorted(Stage)


@pytest.mark.parametrize("stage", FINAL_STAGES)
def test_final_stage_is_left_only_for_submitted(stage: Stage) -> None:
    assert TRANSITIONS[stage] == {Stage.SUBMITTED}


@pytest.mark.parametrize("stage", Stage)
def test_no_stage_has_a_transition_to_itself(stage: Stage) -> None:
    assert stage not in TRANSITIONS[stage]


def test_every_stage_can_be_reached_from_submitted() -> None:
    assert reachable(Stage.SUBMITTED) == set(Stage)


@pytest.mark.parametrize("stage", [Stage.SUBMITTED, *ACTIVE_STAGES])
def test_every_open_stage_can_complete_and_be_cancelled(stage: Stage) -> None:
    assert Stage.COMPLETED in reachable(stage)
    assert Stage.CANCELLED in TRANSITIONS[stage]


@pytest.mark.parametrize("stage", ACTIVE_STAGES)
def test_active_stage_can_fail_or_be_resubmitted(stage: Stage) -> None:
    assert {Stage.FAILED, Stage.SUBMITTED} <= TRANSITIONS[stage]


def test_only_the_last_active_stage_completes() -> None:
    completing = [stage for stage in Stage if Stage.COMPLETED in TRANSITIONS[stage]]
    assert sorted(completing) == sorted(path[-1] for path in PATHS)


# The diagram


def test_diagram_shows_every_stage() -> None:
    assert set(Stage) <= set(re.findall(r"\w+", DIAGRAM))


def test_arrows_of_the_diagram_are_allowed_transitions() -> None:
    arrows = re.findall(r"(?=\b([\w, ]+) ──[^─>]+──> (\w+))", DIAGRAM)
    moves = {(Stage(start), Stage(end)) for starts, end in arrows for start in re.findall(r"\w+", starts)}
    for path in PATHS:
        stages = [Stage.SUBMITTED, *path, Stage.COMPLETED]
        assert moves >= set(zip(stages[:-1], stages[1:], strict=True))
    assert moves >= {(stage, Stage.SUBMITTED) for stage in FINAL_STAGES}
    assert all(end in TRANSITIONS[start] for start, end in moves)


# Checks in the database


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [("batch_status", "stage", Stage), ("job_items", "outcome", Outcome), ("ingests", "status", IngestStatus)],
)
def test_column_check_matches_its_enum(table: str, column: str, words: type[StrEnum]) -> None:
    assert check_lists(table, column)[0] == [word.value for word in words]


def test_stored_job_status_check_matches_the_final_statuses() -> None:
    assert check_lists("jobs", "status") == [[status.value for status in FINAL_STATUSES]]


def test_job_status_is_final_or_derived_from_batches() -> None:
    assert set(JobStatus) == {*FINAL_STATUSES, JobStatus.SUBMITTED, JobStatus.RUNNING}


def test_finished_at_is_set_exactly_in_final_stages() -> None:
    assert check_lists("batch_status", "stage")[1] == [stage.value for stage in FINAL_STAGES]
    assert check_lists("ingests", "status")[1] == [status.value for status in FINAL_INGEST_STATUSES]


def test_ingest_status_is_submitted_running_or_final() -> None:
    assert set(IngestStatus) == {IngestStatus.SUBMITTED, IngestStatus.RUNNING, *FINAL_INGEST_STATUSES}
    assert IngestStatus.CANCELLED in FINAL_INGEST_STATUSES


@pytest.mark.parametrize(("table", "column"), [("batch_status", "stage"), ("job_items", "outcome")])
def test_new_rows_start_in_the_first_state(table: str, column: str) -> None:
    first = {"stage": Stage.SUBMITTED, "outcome": Outcome.PENDING}[column]
    assert re.search(rf"{column}\s+text NOT NULL DEFAULT '{first}'", created_text(table))
