"""Upload of edited plan files: read, compare with the plan, save as one adjustment."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import BinaryIO

from fcst.errors import Conflict, InputError
from fcst.job_records import Job
from fcst.services import adjustments, jobs
from fcst.services.plan_comparison import (
    BadCell,
    CellChange,
    PlanUpload,
    compare,
    count_cells,
    unsolvable_message,
    weeks_for,
)
from fcst.services.plan_layout import PlanCopy, split_of
from fcst.services.plan_sheets import open_table


class ConflictPolicy(StrEnum):
    """How to handle cells that others have changed since the download."""

    REFUSE = "refuse"
    KEEP = "keep"
    OVERWRITE = "overwrite"


def read_plan_file(job: Job, model: str, file: BinaryIO, name: str) -> PlanUpload:
    """Reads a plan file and compares it with the downloaded and the current plan, without saving.

    Parameters
    ----------
    name
        file name, for messages.

    Raises
    ------
    InputError
        if the whole file is refused: not a plan, a plan of another run or model, or without periods.
    """
    jobs.choose_model(job, model)
    table = open_table(file, name)
    if table.copy is not None:
        _check_origin(job, model, table.copy, name)
    return compare(job, model, table, name)


def save_plan_file(
    job: Job,
    model: str,
    upload: PlanUpload,
    reason: str,
    made_by: str = "",
    skip_bad: bool = False,
    on_conflict: ConflictPolicy = ConflictPolicy.REFUSE,
) -> int:
    """Saves the changed cells of a file as one adjustment, all or none; returns its id.

    Parameters
    ----------
    skip_bad
        save the valid cells if others are refused.
    on_conflict
        refuse, keep or overwrite cells that others have changed since the download.

    Raises
    ------
    InputError
        if cells are refused, no cell changes the plan, or the reason or name is missing.
    Conflict
        if others have changed the same cells since the download, or since the file was read.
    """
    if upload.n_bad and not skip_bad:
        raise InputError(
            f"Refused {count_cells(upload.n_bad)}: {_first_three(upload.bad)}.", "Correct them, or skip them."
        )
    changes = upload.changes
    if found := upload.conflicts:
        if on_conflict == ConflictPolicy.REFUSE:
            cells = ", ".join(change.cell for change in found[:5]) + (" …" if len(found) > 5 else "")
            raise Conflict(
                f"Others have changed {count_cells(len(found))} of the file since the download: {cells}.",
                "Choose whether to keep or overwrite their changes.",
            )
        if on_conflict == ConflictPolicy.KEEP:
            changes = tuple(change for change in changes if not change.has_conflict)
    split = split_of(job, upload.period)
    units: dict[str, dict[date, float]] = {}
    for key, wanted in _by_item(changes).items():
        weeks = weeks_for(split, upload.final[key], {change.period: change.after for change in wanted})
        if weeks is None:
            raise InputError(unsolvable_message(wanted), "Correct these cells.")
        units[key] = weeks
    n_items = len(units)
    scope = f"{upload.kind}, {n_items:,} {'item' if n_items == 1 else 'items'}"
    return adjustments.set_units(job, model, units, reason, made_by, scope, upload.seen)


def _first_three(bad: Sequence[BadCell]) -> str:
    return "; ".join(f"{one.cell}: {one.why}" for one in bad[:3]) + (" …" if len(bad) > 3 else "")


def _check_origin(job: Job, model: str, copy: PlanCopy, name: str) -> None:
    if copy.job_id != job.job_id:
        raise InputError(
            f"{name} is a plan of run {copy.job_id}, but this is run {job.job_id}.",
            f"Upload it to run {copy.job_id}, or download the plan of this run.",
        )
    if copy.model != model:
        raise InputError(
            f"{name} is a plan by {copy.model}, but this is the plan by {model}.",
            f"Choose the model {copy.model}, or download the plan by {model}.",
        )


def _by_item(changes: Sequence[CellChange]) -> dict[str, list[CellChange]]:
    found: dict[str, list[CellChange]] = {}
    for change in changes:
        found.setdefault(change.key, []).append(change)
    return found
