"""Loads of sales files: inspect, request, follow, cancel; and copies of uploaded files."""

import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from fcst.dataset_records import Dataset, Ingest
from fcst.errors import BadRows, InputError, NotFound
from fcst.files import convert_disk_full, disk_full_error, free_space, make_home, open_private, private_folder
from fcst.ingest.archives import bare_name
from fcst.ingest.date_texts import ambiguous_dates, month_first
from fcst.ingest.folders import Folders, folders_for
from fcst.ingest.number_texts import ambiguous_numbers
from fcst.ingest.parts import Part
from fcst.ingest.plan import Look, describe_file, look_at
from fcst.ingest.sources import Workspace, make_folder
from fcst.names import SCRATCH
from fcst.quality_report import FileRead
from fcst.roles import Scope
from fcst.services import identity
from fcst.services.supervision import ensure_supervisor, restart_crashed_supervisor, retry_while_database_away
from fcst.settings import SAMPLE, load_settings
from fcst.specs import DECIMALS, ROLES, IngestSpec, Mapping
from fcst.states import FINAL_INGEST_STATUSES, IngestStatus
from fcst.store import datasets, ingests, submission

PREVIEW_ROWS = 50
KEEP_UPLOADS_S = 24 * 3600
POLL_S = 0.1
PROGRESS_EVERY_S = 5.0
WAITING = "queued"


@dataclass(frozen=True)
class Question:
    """A question about a format that the values leave ambiguous.

    Parameters
    ----------
    readings
        the two possible values of the spec -> label of each.
    rows
        sample values: the text, and its meaning by either reading.
    """

    readings: dict[str, str]
    rows: list[tuple[str, str, str]]


@dataclass(frozen=True)
class Inspection:
    """Preview of a load: files, mapping, formats and open questions.

    Parameters
    ----------
    mapping, date_format, decimal
        recognised or given; a role without a column has an empty list.
    files
        the sales files.
    others
        other files found, which would not be read.
    preview
        first rows of the first file, as text, by column.
    week_end
        the weekday of all sampled dates if the data seem weekly; otherwise empty.
    is_lines
        rows seem to be receipt lines.
    remembered
        the dataset whose mapping was reused because its file had the same header; otherwise empty.
    date_question, number_question
        open questions about date and number formats; None if the values are unambiguous.
    cancelled
        the column that marks cancelled or refunded orders; empty if there is none.
    fingerprint
        of the inspected files, for `IngestSpec.fingerprint`.
    """

    mapping: Mapping
    date_format: str
    decimal: str
    files: list[FileRead]
    others: list[str]
    preview: pd.DataFrame
    week_end: str
    is_lines: bool
    remembered: str
    date_question: Question | None
    number_question: Question | None
    cancelled: str
    fingerprint: str


def inspect(spec: IngestSpec) -> Inspection:
    """Inspects the files of a spec: finds the sales files and maps their columns. Reads and unpacks only a sample.

    Raises
    ------
    InputError
        if no file can be read.
    """
    look = inspect_files(spec)
    spec, remembered = fill_mapping(spec, look)
    plan = look.plan(spec, is_draft=True)
    part = plan.parts[0]
    proposal = part.proposal
    return Inspection(
        mapping=proposal.mapping,
        date_format=proposal.date_format,
        decimal=proposal.decimal,
        files=[describe_file(part) for part in plan.parts],
        others=plan.others,
        preview=pd.DataFrame(list(part.table.sample[:PREVIEW_ROWS]), columns=list(part.table.columns)),
        week_end=proposal.week_end,
        is_lines=part.is_lines,
        remembered=remembered,
        date_question=next((_date_question(part) for part in plan.parts if part.proposal.is_day_first_assumed), None),
        number_question=next(
            (_number_question(part) for part in plan.parts if part.proposal.is_decimal_doubtful), None
        ),
        cancelled=proposal.cancelled.column if proposal.cancelled else "",
        fingerprint=plan.fingerprint,
    )


def _date_question(part: Part) -> Question:
    day_first = part.proposal.date_format
    readings = {day_first: "Day first", month_first(day_first): "Month first"}
    return Question(readings, ambiguous_dates(part.values("date"), day_first))


def _number_question(part: Part) -> Question:
    rows = ambiguous_numbers(part.values("sales"))
    sign = next(char for char in rows[0][0] if char in DECIMALS)
    other = next(decimal for decimal in DECIMALS if decimal != sign)
    return Question({other: "Thousands", sign: "A fraction"}, rows)


def inspect_files(spec: IngestSpec) -> Look:
    """Finds the sales files under the spec's paths and reads a sample of each; does not use the database.

    Raises
    ------
    InputError
        if no file can be read.
    """
    identity.require(Scope.RUN)
    with workspace() as own:
        return look_at(spec, _folders(spec), own)


def spec_of_preview(spec: IngestSpec, paths: tuple[str, ...], is_copy: bool) -> IngestSpec:
    """The spec to inspect the files that were fetched from a source."""
    return replace(spec, paths=paths, from_source=False, is_upload=is_copy)


def fill_mapping(spec: IngestSpec, look: Look) -> tuple[IngestSpec, str]:
    """Fills the mapping from the newest dataset whose file had the same columns; roles in the spec take precedence.

    Returns the spec, and the name and version of that dataset, or an empty text. Date and number formats are not
    reused: a file with the same columns may use other formats.
    """
    known = datasets.find_by_columns(look.tables[0].header)
    if known is None:
        return spec, ""
    return replace(spec, mapping=known.spec.mapping | spec.mapping), f"{known.name} version {known.version}"


def request_ingest(spec: IngestSpec, look: Look | None = None) -> int:
    """Checks that the files are readable and have their columns, then requests an ingest; returns its id.

    The ingest refuses files that have changed since they were inspected.

    Parameters
    ----------
    look
        result of `inspect_files`; None inspects the files here.

    Raises
    ------
    InputError
        if a file is missing, empty or unreadable, or lacks a column; nothing is requested then.
    """
    who = identity.require(Scope.RUN)
    plan = (look or inspect_files(spec)).plan(spec)
    return insert_ingest(replace(spec, fingerprint=plan.fingerprint, requested_by=who if spec.then_run else ""), who)


def insert_ingest(spec: IngestSpec, who: str) -> int:
    """Inserts an ingest of checked files and wakes or starts a supervisor; returns the ingest id."""
    absolute = [str(Path(path).expanduser().resolve()) for path in spec.paths]
    ensure_supervisor()  # before: insert nothing if no supervisor can start
    ingest_id = ingests.insert(replace(spec, paths=tuple(absolute)), who)
    ensure_supervisor()
    return ingest_id


def check_files(spec: IngestSpec, look: Look) -> list[FileRead]:
    """Describes how each inspected sales file will be read; does not use the database.

    Raises
    ------
    InputError
        if a file lacks a required column, or a format is ambiguous and the spec does not give it.
    """
    return [describe_file(part) for part in look.plan(spec).parts]


def describe_reading(file: FileRead) -> tuple[str, ...]:
    """Describes a file in lines of text: the role of each column and why, the formats, and remarks."""
    lines = [
        f"{ROLES[role].lower()} = {' + '.join(names)}" + (f" ({file.why[role]})" if role in file.why else "")
        for role, names in file.mapping.items()
    ]
    if file.date_format:
        lines.append(f"dates as {file.date_format} ({file.why['dates']})")
    if "numbers" in file.why:
        lines.append(f"decimal sign {file.decimal} ({file.why['numbers']})")
    return (*lines, *file.remarks)


def run_after_load(ingest: Ingest) -> int | None:
    """Returns the run requested together with a completed load; None if none was requested.

    The supervisor submits it after the load. If it crashed in between, the run is submitted here.
    """
    if not ingest.spec.then_run or ingest.dataset_id is None:
        return None
    who = ingest.spec.requested_by
    return submission.submit_after_load(ingest.ingest_id, ingest.dataset_id, who, load_settings())


def request_valid_rows(ingest_id: int) -> int:
    """Requests a refused ingest again, for its valid rows only; returns the new ingest id."""
    spec = replace(get_ingest(ingest_id).spec, skip_bad=True, fingerprint="")
    return insert_ingest(spec, identity.require(Scope.RUN)) if spec.from_source else request_ingest(spec)


def cancel_ingest(ingest_id: int) -> bool:
    """Cancels an ingest and discards its data; returns False if it has already ended."""
    is_new = ingests.request_cancel(ingest_id, identity.require(Scope.RUN))
    ingests.cancel_waiting()
    ensure_supervisor()
    return is_new


def request_sample() -> int:
    """Requests an ingest of the bundled sample as dataset 'sample'."""
    return request_ingest(IngestSpec(paths=(str(SAMPLE),), name="sample"))


def reads_paths() -> bool:
    """Whether pages and API may read files from a folder of this machine."""
    return bool(load_settings().ingest_roots)


def _folders(spec: IngestSpec) -> Folders:
    return folders_for(spec, load_settings())


@contextmanager
def workspace() -> Iterator[Workspace]:
    """Yields a temporary folder for archives that are unpacked during inspection."""
    settings = load_settings()
    folder = settings.home / SCRATCH / f"look-{uuid.uuid4().hex}"
    make_folder(folder, settings.home)
    try:
        yield Workspace(folder, settings.unpack_limit)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def save_upload(name: str, content: BinaryIO, folder: Path | None = None) -> str:
    """Saves a copy of an uploaded file until its ingest has ended; returns its path.

    Characters of `name` other than letters, digits and `._-` are replaced, so a browser cannot choose the path.

    Parameters
    ----------
    folder
        folder of another upload of the same dataset.

    Raises
    ------
    DiskFull
        if the disk lacks free space, beyond the reserve for the database; nothing is written then.
    InputError
        if the copy cannot be written.
    """
    settings = load_settings()
    target = folder or settings.uploads / uuid.uuid4().hex
    path = target / (re.sub(r"[^\w.-]|^\.+", "_", name.rsplit("/", 1)[-1])[-100:] or "upload.csv")
    if path.exists():
        path = path.with_name(f"{uuid.uuid4().hex[:8]}_{path.name}"[-100:])
    n_bytes = content.seek(0, os.SEEK_END)
    content.seek(0)
    try:
        if n_bytes > (n_free := free_space(settings.home)):
            raise disk_full_error("the upload", "FCST_HOME", n_bytes, n_free)
        with convert_disk_full("the upload", "FCST_HOME"):
            private_folder(target, make_home(settings.home))
            with open(path, "wb", opener=open_private) as out:
                shutil.copyfileobj(content, out, 1 << 20)
    except BaseException as exc:
        shutil.rmtree(target, ignore_errors=True)
        if not isinstance(exc, OSError):
            raise
        raise InputError(f"The upload cannot be saved: {exc.strerror}.", "Check the folder FCST_HOME.") from exc
    return str(path)


def save_uploads(files: Iterable[tuple[str, BinaryIO]]) -> list[str]:
    """Saves the uploads of one dataset, each with `save_upload`; returns their paths."""
    identity.require(Scope.RUN)
    paths: list[str] = []
    for name, content in files:
        paths.append(save_upload(name, content, Path(paths[0]).parent if paths else None))
    return paths


def discard_upload(path: str) -> None:
    """Removes an upload that is not going to be loaded."""
    shutil.rmtree(Path(path).parent, ignore_errors=True)


def discard_old_uploads() -> None:
    """Removes uploads that no ingest has used within a day."""
    folder = load_settings().uploads
    needed = {Path(path).parent for ingest in ingests.list_open() for path in ingest.spec.paths}
    for upload in folder.iterdir() if folder.is_dir() else ():
        if upload not in needed and time.time() - upload.stat().st_mtime > KEEP_UPLOADS_S:
            shutil.rmtree(upload, ignore_errors=True)


def default_name(path: str) -> str:
    """Default dataset name: the file name without extensions, or the folder name."""
    try:
        source = Path(path).expanduser().resolve()
        is_folder = source.is_dir()
    except (OSError, RuntimeError, ValueError):  # the inspection reports what is wrong
        source, is_folder = Path(path), False
    name = source.name if is_folder else bare_name(source.name)
    for ending in (".csv", ".tsv", ".txt", ".json", ".jsonl", ".parquet", ".xlsx", ".xls", ".ods"):
        name = name.removesuffix(ending)
    printable = "".join(char for char in name if char.isprintable()).strip()
    return printable[:100] or "dataset"


def get_ingest(ingest_id: int) -> Ingest:
    """Returns an ingest.

    Raises
    ------
    NotFound
        if no ingest has this id.
    """
    ingest = ingests.get(ingest_id) if 0 < ingest_id < 2**31 else None
    if ingest is None:
        raise NotFound(f"There is no ingest {ingest_id}.", "Load the file again.")
    return ingest


def list_open_ingests() -> list[Ingest]:
    """Running and waiting ingests, oldest first."""
    return ingests.list_open()


def wait_for_ingest(ingest_id: int, on_progress: Callable[[str], None] | None = None) -> Dataset:
    """Waits until an ingest has ended; returns its dataset. Restarts a supervisor that crashes meanwhile.

    Parameters
    ----------
    on_progress
        called with a progress text when the phase changes, and every few seconds.

    Raises
    ------
    InputError
        if the file was refused, with the reason.
    """
    reported, reported_at = "", 0.0
    while (ingest := retry_while_database_away(lambda: get_ingest(ingest_id))).status not in FINAL_INGEST_STATUSES:
        what = ingest.progress or WAITING
        if on_progress and (what != reported or time.monotonic() - reported_at > PROGRESS_EVERY_S):
            reported, reported_at = what, time.monotonic()
            on_progress(format_progress(ingest))
        restart_crashed_supervisor()
        time.sleep(POLL_S)
    if ingest.status == IngestStatus.FAILED:
        if ingest.report is not None:
            raise BadRows(ingest.error or "", ingest.hint or "", ingest.report)
        raise InputError(ingest.error or "", ingest.hint or "")
    if ingest.status == IngestStatus.CANCELLED:
        raise InputError(f"Loading {ingest.spec.name!r} was cancelled.", "No data was kept.")
    if ingest.dataset_id is None:
        raise NotFound(f"The dataset {ingest.spec.name!r} was deleted.", "Load the file again.")
    return datasets.get(ingest.dataset_id)


def format_progress(ingest: Ingest) -> str:
    """Progress text of an ingest: phase, share of bytes, rate and time left (`reading, 40 % of 4,900.0 MB, …`)."""
    what = ingest.progress or WAITING
    done, total, seconds = ingest.done_bytes, ingest.total_bytes, ingest.phase_s
    if not total:
        return what
    words = f"{what}, {done * 100 // total} % of {total / 1e6:,.1f} MB"
    if done and seconds > 1:
        rate = done / seconds
        words += f", {rate / 1e6:,.1f} MB/s, about {(total - done) / rate:,.0f} s left"
    return words
