"""Downloads: forecasts of a run as CSV, Parquet or Excel; weekly sales; data quality reports.

All formats are made from one CSV stream of the database, through a file on disk: memory use does not grow with the
number of rows, and a slow client holds no database connection. The accuracy sheet of a workbook is held in memory.
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
from fcst.export_formats import EXPORT_FORMATS, FILE_FORMATS, Cell, check_format, export_columns
from fcst.files import make_home, open_within_reserve
from fcst.filters import ALL_RUN_ITEMS, RunFilter, by_keys
from fcst.job_records import Job
from fcst.names import safe_file_name
from fcst.services import accuracy, datasets, jobs
from fcst.services.adjustments import list_adjustments
from fcst.services.atomic_files import open_atomic
from fcst.services.item_selection import join_keys
from fcst.services.workbook import write_workbook
from fcst.settings import load_settings
from fcst.store import forecasts

MAX_WORKBOOK_ROWS = 300_000
"""Row limit of a forecast sheet. Excel allows a million, but such a file takes 90 s to write and has 215 MB."""
WORKBOOK_HINT = "Choose CSV or Parquet, fewer items, or the final plan as a workbook, which has one row per item."

CHUNK_BYTES = 1 << 18
download_limiter = anyio.CapacityLimiter(2)
"""Files made concurrently; further downloads wait, so that pages keep database connections."""
BLOCK_BYTES = 2 << 20
"""CSV bytes per block. Each block becomes a Parquet row group of about 25,000 rows."""


def count_rows(job: Job, n_items: int) -> int:
    """Number of rows in an export of `n_items` completed items."""
    return int(min(n_items, job.n_completed) * len(job.spec.models) * job.spec.h)


def check_items(job_id: int, unique_ids: list[str]) -> None:
    """Checks that a run has all these items.

    Raises
    ------
    NotFound
        if the run lacks some of them; the message names them.
    """
    # Postgres text cannot contain a zero byte.
    unknown = [key for key in unique_ids if "\0" in key] or forecasts.unknown_items(job_id, unique_ids)
    if unknown:
        raise NotFound(f"Run {job_id} has no item {join_keys(unknown)}.", "Keys must match exactly.")


def write_export(job: Job, out: BinaryIO, file_format: str, which: RunFilter = ALL_RUN_ITEMS, model: str = "") -> None:
    """Writes the forecasts of the matching items of a run by all its models, largest sellers first.

    Parameters
    ----------
    out
        for Excel and Parquet a file on disk, for CSV any stream.
    model
        items are filtered by the forecasts of this model.

    Raises
    ------
    InputError
        if the format is unknown, or the rows exceed the limit of a workbook.
    """
    check_format(file_format, EXPORT_FORMATS)
    _WRITERS[file_format](job, out, which, model)


def count_chosen(job: Job, which: RunFilter, model: str) -> tuple[int, str | None]:
    """Number of matching items of a run, and the key of one of them."""
    if which.is_empty:
        return job.n_items, None
    if which.keys is not None and which.has_keys_only:
        return len(which.keys), which.keys[0] if which.keys else None
    return forecasts.count_job_items(job, model, which)


def export_job(job_id: int, path: Path, file_format: str, unique_ids: list[str] | None = None) -> None:
    """Exports forecasts to a path, as `write_export`; replaces an existing file when the new one is complete.

    Raises
    ------
    InputError
        if the file cannot be written, an item or format does not exist, or the rows exceed the limit of a workbook.
    DiskFull
        if a disk is full.
    """
    job = jobs.get_job(job_id)
    check_items(job_id, unique_ids or [])
    with open_atomic(path) as out:
        write_export(job, out, file_format, ALL_RUN_ITEMS if unique_ids is None else by_keys(*unique_ids))


def scratch_file() -> BinaryIO:
    """Opens an unnamed temporary file in FCST_HOME; its disk space is freed when it is closed or this process ends.

    Writing raises DiskFull if only the reserve for the database is left.
    """
    home = make_home(load_settings().home)
    with tempfile.TemporaryFile(dir=home, buffering=0) as file:
        return open_within_reserve(os.dup(file.fileno()), "a temporary file", "FCST_HOME", home)


def open_export(job: Job, file_format: str, which: RunFilter = ALL_RUN_ITEMS, model: str = "") -> tuple[BinaryIO, int]:
    """Writes forecasts to a temporary file; returns it, positioned at the start, and its size in bytes."""
    return open_temporary(lambda out: write_export(job, out, file_format, which, model))


def open_weekly_file(dataset_id: int) -> tuple[BinaryIO, int]:
    """Writes the weekly sales of a dataset to a temporary file, as `open_export`."""
    return open_temporary(lambda out: datasets.write_weekly_file(dataset_id, out))


def open_report(dataset: Dataset) -> tuple[BinaryIO, int]:
    """Returns the report of a dataset as a JSON file in memory, and its size in bytes."""
    document = json.dumps(dataset.report.to_json(), indent=1, ensure_ascii=False).encode(errors="backslashreplace")
    return io.BytesIO(document), len(document)


def open_temporary(write: Callable[[BinaryIO], None]) -> tuple[BinaryIO, int]:
    """Calls `write` with a temporary file; returns the file, positioned at the start, and its size in bytes.

    Raises
    ------
    DiskFull
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
    """Yields a file in chunks and closes it at the end."""
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def name_parts(job: Job, which: RunFilter = ALL_RUN_ITEMS, model: str = "") -> list[str]:
    """First parts of a file name: run with dataset, and items."""
    items = "all-items"
    if not which.is_empty:
        n_items, key = count_chosen(job, which, model)
        items = f"item-{safe_file_name(key)}" if n_items == 1 and key is not None else f"{n_items}-items"
    return [f"run{job.job_id}_{safe_file_name(job.dataset)}", items]


def file_name(job: Job, file_format: str, which: RunFilter = ALL_RUN_ITEMS, model: str = "") -> str:
    """File name of an export: `run12_sample_forecasts_all-items_2017-08-19_2017-11-11.csv`."""
    first = job.last_wk_end_dt + timedelta(weeks=1)
    last = job.last_wk_end_dt + timedelta(weeks=job.spec.h)
    run, items = name_parts(job, which, model)
    return f"{run}_forecasts_{items}_{first}_{last}.{file_format}"


def report_name(dataset: Dataset) -> str:
    """File name of a dataset report: `report_sample_v1.json`."""
    return f"report_{safe_file_name(dataset.name)}_v{dataset.version}.json"


def file_headers(job: Job, file_format: str, which: RunFilter = ALL_RUN_ITEMS, model: str = "") -> dict[str, str]:
    """HTTP headers of a forecast export."""
    return headers_of(file_name(job, file_format, which, model))


def headers_of(name: str) -> dict[str, str]:
    """HTTP headers of a download; the media type follows from the file extension."""
    return {
        "Content-Type": FILE_FORMATS[name.rpartition(".")[2]].media_type,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def describe(job: Job, which: RunFilter, model: str) -> dict[str, Any]:
    """Describes an export: the run, its dataset and its settings."""
    spec = job.spec
    n_chosen = None if which.is_empty else count_chosen(job, which, model)[0]
    return {
        "Run": job.job_id,
        "Name": job.name,
        "Note": job.note,
        "Status": job.status,
        "Items in this file": f"{n_chosen:,} selected" if n_chosen is not None else "all completed items",
        "Items of the run": job.n_items,
        "… completed": job.n_completed,
        "… failed": job.n_failed,
        "… cancelled": job.n_cancelled,
        "Dataset": job.dataset,
        "Dataset version": job.dataset_version,
        "Last week of sales, ends": job.last_wk_end_dt,
        "Promotional sales": "included" if job.include_promo else "excluded, if flagged in the data",
        "Models": ", ".join(spec.models),
        "Weeks ahead": spec.h,
        "Interval levels, percent": ", ".join(map(str, spec.level)),
        "Backtest windows of 13 weeks": spec.n_windows,
        "Suspected stock-outs": "treated as missing" if spec.skips_stockouts else "counted as zero demand",
        "Submitted, UTC": f"{job.submitted_at:%Y-%m-%d %H:%M:%S}",
        "Finished, UTC": f"{job.finished_at:%Y-%m-%d %H:%M:%S}" if job.finished_at else "",
        "Units": "forecast, lo, hi and adjusted in units per week; WAPE, bias, sMAPE, CRPS, coverage and value added "
        "as fractions; widths in units",
        "Empty accuracy cells": "undefined or not measured",
    }


def workbook_refusal(n_rows: int, what: str = "forecasts") -> str:
    """Returns why a workbook of `n_rows` is refused; empty if it is allowed."""
    if n_rows <= MAX_WORKBOOK_ROWS:
        return ""
    return (
        f"A workbook of {n_rows:,} {what} would take minutes to write and to open; the limit is "
        f"{MAX_WORKBOOK_ROWS:,} rows."
    )


def _check_rows(n_rows: int, what: str) -> None:
    if reason := workbook_refusal(n_rows, what):
        raise InputError(reason, WORKBOOK_HINT)


def _measured(job: Job, which: RunFilter, model: str) -> list[pd.DataFrame]:
    """Accuracy of each model: over the whole run, with key None, and by item."""
    items = accuracy.measure(job, "item", which, model)
    total = accuracy.measure(job, "model").assign(key=None)
    head = ["of", "unique_id", "model"]
    named = [
        frame.rename(columns={"key": "unique_id"}).assign(of=of)
        for of, frame in (("whole run", total), ("item", items))
    ]
    return [frame[[*head, *frame.columns.difference(head, sort=False)]] for frame in named]


def _write_csv(job: Job, out: BinaryIO, which: RunFilter, model: str) -> None:
    forecasts.copy_export(job, out, which, model)


def _write_xlsx(job: Job, out: BinaryIO, which: RunFilter, model: str) -> None:
    _check_rows(count_rows(job, count_chosen(job, which, model)[0]), "forecasts")
    measured = _measured(job, which, model)
    _check_rows(sum(map(len, measured)), "accuracies")
    with scratch_file() as rows:
        forecasts.copy_export(job, rows, which, model, is_for_spreadsheets=False)
        rows.seek(0)
        changes = list_adjustments(job, which, model)
        write_workbook(out, rows, export_columns(job.spec), measured, changes, describe(job, which, model))


def _write_parquet(job: Job, out: BinaryIO, which: RunFilter, model: str) -> None:
    import pyarrow as pa  # imported here: the CLI does not need it
    from pyarrow import csv, parquet

    types = {Cell.TEXT: pa.string(), Cell.DATE: pa.date32(), Cell.NUMBER: pa.float64(), Cell.FLAG: pa.bool_()}
    schema = pa.schema([(column.name, types[column.cell]) for column in export_columns(job.spec)])
    with scratch_file() as rows:
        forecasts.copy_export(job, rows, which, model, is_for_spreadsheets=False)
        rows.seek(0)
        blocks = csv.open_csv(
            rows,
            read_options=csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(column_types=schema),
        )
        with parquet.ParquetWriter(out, schema) as writer:
            for block in blocks:
                writer.write_batch(block)


_WRITERS: dict[str, Callable[[Job, BinaryIO, RunFilter, str], None]] = {
    "csv": _write_csv,
    "parquet": _write_parquet,
    "xlsx": _write_xlsx,
}
