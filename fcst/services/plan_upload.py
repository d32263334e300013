"""An edited plan that comes back as a file: read and compared with the plan, and saved as one change of it."""

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
    cannot_be_met,
    cells_in_words,
    compare,
    weeks_for,
)
from fcst.services.plan_layout import PlanCopy, split_of
from fcst.services.plan_sheets import open_table


class Meanwhile(StrEnum):
    """What to do with cells that others have changed since the file was downloaded."""

    REFUSE = "refuse"
    KEEP = "keep"
    OVERWRITE = "overwrite"


def read_plan_file(job: Job, model: str, file: BinaryIO, name: str) -> PlanUpload:
    """Compares an edited plan with what was downloaded, and with the plan as it is now. Nothing is saved.

    Parameters
    ----------
    name
        what the file is called.

    Raises
    ------
    InputError
        if the file as a whole cannot be taken: it is no plan, of another run or model, or without periods.
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
    meanwhile: Meanwhile = Meanwhile.REFUSE,
) -> int:
    """Keeps the changed cells of a file as one change of the plan; returns its id. All of them, or nothing.

    Parameters
    ----------
    skip_bad
        whether the other cells are saved where some cannot be taken.
    meanwhile
        whether cells that others have changed since the download are refused, left as they are, or overwritten.

    Raises
    ------
    InputError
        if cells cannot be taken, nothing is changed, or there is no reason or name.
    Conflict
        if others have changed the same cells since the download, or since the file was read.
    """
    if upload.n_bad and not skip_bad:
        raise InputError(
            f"{cells_in_words(upload.n_bad)} cannot be taken: {_some(upload.bad)}.", "Correct them, or leave them out."
        )
    changes = upload.changes
    if found := upload.meanwhile:
        if meanwhile == Meanwhile.REFUSE:
            cells = ", ".join(change.cell for change in found[:5]) + (" …" if len(found) > 5 else "")
            raise Conflict(
                f"Others have changed {cells_in_words(len(found))} of the file since the download: {cells}.",
                "Say whether theirs or yours count.",
            )
        if meanwhile == Meanwhile.KEEP:
            changes = tuple(change for change in changes if not change.changed_meanwhile)
    split = split_of(job, upload.period)
    units: dict[str, dict[date, float]] = {}
    for key, wanted in _by_item(changes).items():
        weeks = weeks_for(split, upload.final[key], {change.period: change.after for change in wanted})
        if weeks is None:
            raise InputError(cannot_be_met(wanted), "Correct these cells.")
        units[key] = weeks
    n_items = len(units)
    scope = f"{upload.kind}, {n_items:,} {'item' if n_items == 1 else 'items'}"
    return adjustments.set_units(job, model, units, reason, made_by, scope, upload.seen)


def _some(bad: Sequence[BadCell]) -> str:
    return "; ".join(f"{one.cell}: {one.why}" for one in bad[:3]) + (" …" if len(bad) > 3 else "")


def _check_origin(job: Job, model: str, copy: PlanCopy, name: str) -> None:
    if copy.job_id != job.job_id:
        raise InputError(
            f"{name} is a plan of run {copy.job_id}, and this is run {job.job_id}.",
            f"Upload it to run {copy.job_id}, or download the plan of this run.",
        )
    if copy.model != model:
        raise InputError(
            f"{name} is a plan by {copy.model}, and this is the plan by {model}.",
            f"Choose the model {copy.model}, or download the plan by {model}.",
        )


def _by_item(changes: Sequence[CellChange]) -> dict[str, list[CellChange]]:
    found: dict[str, list[CellChange]] = {}
    for change in changes:
        found.setdefault(change.key, []).append(change)
    return found
