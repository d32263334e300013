"""Files to take away: forecasts of a run or of some of its items as CSV, Parquet, Excel; weekly sales; reports.

Forecasts are made from one stream of CSV out of the database, by way of the disk: memory stays flat however many
rows there are, and a reader who is slow holds no connection. But an Excel file's accuracies are held in memory.
"""

import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import anyio
import pandas as pd

from fcst.dataset_records import Dataset
from fcst.errors import InputError, NotFound
from fcst.files import make_home, open_within_reserve
from fcst.filters import EVERY, RunFilter, only
from fcst.job_records import Job
from fcst.names import EFFECTS, EXPORT_FORMATS, in_file_name
from fcst.services import accuracy, datasets, jobs
from fcst.services.adjustments import list_adjustments
from fcst.services.item_selection import name_some
from fcst.services.whole_file import open_whole
from fcst.services.workbook import write_workbook
from fcst.settings import load_settings
from fcst.specs import JobSpec
from fcst.store import forecasts

MAX_WORKBOOK_ROWS = 300_000
"""Of a sheet of forecasts. Excel has room for a million: such a file takes 90 s to write and has 215 MB."""
NO_WORKBOOK = "Take CSV or Parquet, fewer items, or the final plan as a workbook, which has one row an item."

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
    "json": "application/json",
}
CHUNK_BYTES = 1 << 18
at_once = anyio.CapacityLimiter(2)
"""Files that the server makes; who wants more waits for a turn, so that pages keep their connections."""
BLOCK_BYTES = 2 << 20
"""Of CSV; each block becomes a row group of a Parquet file, of some 25,000 rows."""


def count_rows(job: Job, n_items: int) -> int:
    """Rows of a file of so many items of a run, if they have completed."""
    return int(min(n_items, job.n_completed) * len(job.spec.models) * job.spec.h)


def check_items(job_id: int, unique_ids: list[str]) -> None:
    """
    Raises
    ------
    InputError
        that names those that the run has not.
    """
    # No text in Postgres has a zero byte.
    unknown = [key for key in unique_ids if "\0" in key] or forecasts.unknown_items(job_id, unique_ids)
    if unknown:
        raise NotFound(f"Run {job_id} has no item {name_some(unknown)}.", "Keys must match to the letter.")


def write_export(job: Job, out: BinaryIO, file_format: str, which: RunFilter = EVERY, model: str = "") -> None:
    """Writes the forecasts of the items of a run that match, the largest sellers first; of all its models.

    Parameters
    ----------
    out
        for Excel and Parquet a file on the disk, for CSV any stream.
    model
        by what this one forecasts of an item it is filtered.

    Raises
    ------
    InputError
        if the format is unknown, or Excel has not so many rows.
    """
    if file_format == "csv":
        forecasts.copy_export(job, out, which, model)
        return
    if file_format not in EXPORT_FORMATS:
        raise InputError(f"There is no format {file_format!r}.", f"Choose among {', '.join(EXPORT_FORMATS)}.")
    measured = []
    if file_format == "xlsx":
        _check_rows(count_rows(job, count_chosen(job, which, model)[0]), "forecasts")
        measured = _measured(job, which, model)
        _check_rows(sum(map(len, measured)), "accuracies")
    with scratch_file() as rows:
        forecasts.copy_export(job, rows, which, model, is_for_spreadsheets=False)
        rows.seek(0)
        if file_format == "parquet":
            _write_parquet(rows, job.spec, out)
        else:
            changes = list_adjustments(job, which, model)
            write_workbook(out, rows, measured, changes, describe(job, which, model))


def count_chosen(job: Job, which: RunFilter, model: str) -> tuple[int, str | None]:
    """How many items of a run match, and the key of one of them."""
    if which.is_empty:
        return job.n_items, None
    if which.keys is not None and which.has_keys_only:
        return len(which.keys), which.keys[0] if which.keys else None
    return forecasts.count_job_items(job, model, which)


def export_job(job_id: int, path: Path, file_format: str, unique_ids: list[str] | None = None) -> None:
    """Writes `write_export` to a path; a file that is there already is replaced when the new one is whole.

    Raises
    ------
    InputError
        if the file cannot be written, there is no such item or format, or Excel has not so many rows.
    NoRoom
        if a disk is full.
    """
    job = jobs.get_job(job_id)
    check_items(job_id, unique_ids or [])
    with open_whole(path) as out:
        write_export(job, out, file_format, EVERY if unique_ids is None else only(*unique_ids))


def scratch_file() -> BinaryIO:
    """A file without a name in fcst's own folder: its room is free again when it is closed, or this process is gone.

    To write to it raises NoRoom where only the reserve for the database is left.
    """
    home = make_home(load_settings().home)
    with tempfile.TemporaryFile(dir=home, buffering=0) as file:
        return open_within_reserve(os.dup(file.fileno()), "a file while it is made", "FCST_HOME", home)


def open_export(job: Job, file_format: str, which: RunFilter = EVERY, model: str = "") -> tuple[BinaryIO, int]:
    """A file as `write_export` makes it, whole on the disk and at its beginning, and its size in bytes."""
    return open_written(lambda out: write_export(job, out, file_format, which, model))


def open_weekly_file(dataset_id: int) -> tuple[BinaryIO, int]:
    """The weekly file of a dataset, as `open_export` gives the forecasts of a run."""
    return open_written(lambda out: datasets.write_weekly_file(dataset_id, out))


def open_report(dataset: Dataset) -> tuple[BinaryIO, int]:
    """The report of a dataset as JSON, as `open_export` gives the forecasts of a run."""
    document = json.dumps(dataset.report.to_json(), indent=1, ensure_ascii=False).encode(errors="backslashreplace")
    return io.BytesIO(document), len(document)


def open_written(write: Callable[[BinaryIO], None]) -> tuple[BinaryIO, int]:
    """A file as `write` makes it, whole on the disk and at its beginning, and its size in bytes.

    Raises
    ------
    NoRoom
        if the disk is full.
    """
    out = scratch_file()
    try:
        write(out)
        n_bytes = out.seek(0, os.SEEK_END)
        out.seek(0)
    except BaseException:
        out.close()
        raise
    return out, n_bytes


def chunks(file: BinaryIO) -> Iterator[bytes]:
    """The file in pieces; closed at the end."""
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def name_parts(job: Job, which: RunFilter = EVERY, model: str = "") -> list[str]:
    """What a file's name begins with: the run and its dataset, and which items."""
    items = "all-items"
    if not which.is_empty:
        n_items, key = count_chosen(job, which, model)
        items = f"item-{in_file_name(key)}" if n_items == 1 and key is not None else f"{n_items}-items"
    return [f"run{job.job_id}_{in_file_name(job.dataset)}", items]


def file_name(job: Job, file_format: str, which: RunFilter = EVERY, model: str = "") -> str:
    """Says what a file is: `run12_sample_forecasts_all-items_2017-08-19_2017-11-11.csv`."""
    first = job.last_wk_end_dt + timedelta(weeks=1)
    last = job.last_wk_end_dt + timedelta(weeks=job.spec.h)
    run, items = name_parts(job, which, model)
    return f"{run}_forecasts_{items}_{first}_{last}.{file_format}"


def report_name(dataset: Dataset) -> str:
    """What the report of a dataset is called: `report_sample_v1.json`."""
    return f"report_{in_file_name(dataset.name)}_v{dataset.version}.json"


def file_headers(job: Job, file_format: str, which: RunFilter = EVERY, model: str = "") -> dict[str, str]:
    """The headers of HTTP with which a browser keeps such a file under its name."""
    return headers_of(file_name(job, file_format, which, model))


def headers_of(name: str) -> dict[str, str]:
    """The headers of HTTP with which a browser keeps a file under this name; its ending says what it is."""
    return {
        "Content-Type": MEDIA_TYPES[name.rpartition(".")[2]],
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def describe(job: Job, which: RunFilter, model: str) -> dict[str, Any]:
    """What a file is: the run, its data and its spec, in words and numbers."""
    spec = job.spec
    n_chosen = None if which.is_empty else count_chosen(job, which, model)[0]
    return {
        "Run": job.job_id,
        "Name": job.name,
        "Note": job.note,
        "Status": job.status,
        "Items in this file": f"{n_chosen:,} chosen" if n_chosen is not None else "all that completed",
        "Items of the run": job.n_items,
        "… completed": job.n_completed,
        "… failed": job.n_failed,
        "… cancelled": job.n_cancelled,
        "Dataset": job.dataset,
        "Dataset version": job.dataset_version,
        "Last week of sales, ends": job.last_wk_end_dt,
        "Promotional sales": "kept" if job.include_promo else "left out, where the data have a flag for them",
        "Models": ", ".join(spec.models),
        "Weeks ahead": spec.h,
        "Interval levels, percent": ", ".join(map(str, spec.level)),
        "Backtest windows of 13 weeks": spec.n_windows,
        "Suspected stock-outs": "taken as missing" if spec.skips_stockouts else "counted as zero demand",
        "Submitted, UTC": f"{job.submitted_at:%Y-%m-%d %H:%M:%S}",
        "Finished, UTC": f"{job.finished_at:%Y-%m-%d %H:%M:%S}" if job.finished_at else "",
        "Units": "forecast, lo, hi and adjusted in units a week; WAPE, bias, sMAPE, CRPS, coverage and value added as "
        "fractions; widths in units",
        "Empty cells of accuracy": "not defined, or not measured",
    }


def why_no_workbook(n_rows: int, what: str = "forecasts") -> str:
    """Why so many rows are not written as a workbook, and what to take; empty where they are."""
    if n_rows <= MAX_WORKBOOK_ROWS:
        return ""
    return (
        f"A workbook of {n_rows:,} {what} would take minutes to write and to open; at most {MAX_WORKBOOK_ROWS:,} rows "
        "are written."
    )


def _check_rows(n_rows: int, what: str) -> None:
    if reason := why_no_workbook(n_rows, what):
        raise InputError(reason, NO_WORKBOOK)


def _measured(job: Job, which: RunFilter, model: str) -> list[pd.DataFrame]:
    """The accuracy of each model over the whole run, without a key, and that of each item."""
    items = accuracy.measure(job, "item", which, model)
    total = accuracy.measure(job, "model").assign(key=None)
    head = ["of", "unique_id", "model"]
    named = [
        frame.rename(columns={"key": "unique_id"}).assign(of=of)
        for of, frame in (("whole run", total), ("item", items))
    ]
    return [frame[[*head, *frame.columns.difference(head, sort=False)]] for frame in named]


def _write_parquet(rows: BinaryIO, spec: JobSpec, out: BinaryIO) -> None:
    import pyarrow as pa  # here: the command line does without it
    from pyarrow import csv, parquet

    bounds = [(f"{side}_{percent}", pa.float64()) for percent in spec.level for side in ("lo", "hi")]
    effects = [(name, pa.float64()) for name in EFFECTS if spec.driver_load]
    schema = pa.schema(
        [
            ("unique_id", pa.string()),
            ("wk_end_dt", pa.date32()),
            ("model", pa.string()),
            ("forecast", pa.float64()),
            *bounds,
            ("is_fallback", pa.bool_()),
            ("made_by", pa.string()),
            ("adjusted", pa.float64()),
            *effects,
        ]
    )
    blocks = csv.open_csv(
        rows,
        read_options=csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=schema),
    )
    with parquet.ParquetWriter(out, schema) as writer:
        for block in blocks:
            writer.write_batch(block)
