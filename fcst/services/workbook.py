"""Excel workbook of a run: four sheets with frozen headers and typed cells, without formulas."""

import csv
import io
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from itertools import chain
from typing import Any, BinaryIO

import pandas as pd
import xlsxwriter
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from fcst.export_formats import Cell, ExportColumn
from fcst.files import convert_disk_full, disk_full_error, free_space, make_home, private_folder, within_reserve
from fcst.job_records import Adjustment
from fcst.names import SCRATCH
from fcst.settings import load_settings

MAX_ROWS = 1_048_575
"""Row limit of a sheet, below its header."""

MAX_TEXT = 32_767  # characters of a cell

UNFINISHED = "a temporary workbook"

_CHANGES = (
    "unique_id model first_wk_end_dt last_wk_end_dt units percent reason made_by made_at undone_by undone_at".split()
)
_FRACTIONS = ("wape", "bias", "smape", "scaled_crps", "coverage", "fva")


@contextmanager
def new_workbook(out: BinaryIO) -> Iterator[xlsxwriter.Workbook]:
    """Yields an empty workbook and writes it to `out` at the end, unless there is an error.

    Rows are streamed to a temporary folder in FCST_HOME, which is deleted afterwards.
    """
    home = load_settings().home
    folder = home / SCRATCH / f"workbook-{uuid.uuid4().hex}"
    packed = folder / "packed.xlsx"  # on a disk with a checked reserve: zipfile cannot abort cleanly on a full disk
    book = xlsxwriter.Workbook(str(packed), {"constant_memory": True, "tmpdir": str(folder)})
    try:
        with convert_disk_full(UNFINISHED, "FCST_HOME"):
            private_folder(folder, make_home(home), exist_ok=False)
            yield book
            n_bytes = 2 * sum(file.stat().st_size for file in folder.iterdir())  # each sheet is copied and compressed
            if n_bytes > (n_free := free_space(home)):
                raise disk_full_error(UNFINISHED, "FCST_HOME", n_bytes, n_free)
            try:
                book.close()
            except FileCreateError as exc:
                raise exc.args[0] from None  # the OSError of the file
        with packed.open("rb") as file:
            shutil.copyfileobj(file, out, 1 << 20)
    finally:
        for sheet in book.worksheets():
            with suppress(OSError):
                sheet.row_data_fh.close()
        shutil.rmtree(folder, ignore_errors=True)


def write_workbook(
    out: BinaryIO,
    rows: BinaryIO,
    columns: list[ExportColumn],
    measured: list[pd.DataFrame],
    changes: list[Adjustment],
    run: dict[str, Any],
) -> None:
    """Writes the sheets *Forecasts*, *Accuracy*, *Adjustments* and *Run*.

    Parameters
    ----------
    rows
        forecasts as CSV with a header; closed by this function.
    columns
        of `rows`.
    measured
        accuracy, in frames with the same columns; undefined values are None or NaN.
    changes
        adjustments from `list_adjustments`.
    run
        content of the sheet *Run*, by name.
    """
    with io.TextIOWrapper(rows, encoding="utf-8", newline="") as lines, new_workbook(out) as book:
        styles = {
            "header": book.add_format({"bold": True}),
            "week": book.add_format({"num_format": "yyyy-mm-dd"}),
            "units": book.add_format({"num_format": "#,##0.00"}),
            "fraction": book.add_format({"num_format": "0.00%"}),
        }
        records = csv.reader(lines)
        widths = [column.width for column in columns]
        sheet = _add_sheet(book, "Forecasts", next(records), widths, styles["header"])
        _write_forecasts(sheet, within_reserve(records, UNFINISHED, load_settings().home), columns, styles)
        names = list(measured[0])
        accuracies = _add_sheet(book, "Accuracy", names, [11, 22, 20, *[14] * (len(names) - 3)], styles["header"])
        formats = [styles["fraction"] if name.startswith(_FRACTIONS) else None for name in names]
        cells = chain.from_iterable(frame.itertuples(index=False, name=None) for frame in measured)
        for number, values in enumerate(cells, 1):
            for column, value in enumerate(values):
                _write(accuracies, number, column, value, formats[column])
        adjusted = _add_sheet(
            book, "Adjustments", _CHANGES, [22, 20, 14, 14, 12, 10, 50, 22, 17, 22, 17], styles["header"]
        )
        for number, change in enumerate(changes, 1):
            for column, name in enumerate(_CHANGES):
                style = styles["week"] if name.endswith("_dt") else None
                _write(adjusted, number, column, getattr(change, name), style)
        facts = _add_sheet(book, "Run", ["Field", "Value"], [30, 90], styles["header"])
        for number, (name, value) in enumerate(run.items(), 1):
            facts.write_string(number, 0, name)
            _write(facts, number, 1, value, styles["week"] if isinstance(value, date) else None)


def _add_sheet(book: xlsxwriter.Workbook, name: str, header: list[str], widths: list[int], bold: Format) -> Worksheet:
    sheet = book.add_worksheet(name)
    sheet.freeze_panes(1, 0)
    for column, (title, width) in enumerate(zip(header, widths, strict=True)):
        sheet.set_column(column, column, width)
        sheet.write_string(0, column, title, bold)
    return sheet


def _write_forecasts(
    sheet: Worksheet, rows: Iterable[list[str]], columns: list[ExportColumn], styles: dict[str, Format]
) -> None:
    places = {cell: [n for n, column in enumerate(columns) if column.cell == cell] for cell in Cell}
    for number, row in enumerate(rows, 1):
        for place in places[Cell.TEXT]:
            sheet.write_string(number, place, row[place][:MAX_TEXT])
        for place in places[Cell.DATE]:
            sheet.write_datetime(number, place, date.fromisoformat(row[place]), styles["week"])
        for place in places[Cell.FLAG]:
            sheet.write_boolean(number, place, row[place] == "true")
        for place in places[Cell.NUMBER]:
            sheet.write_number(number, place, float(row[place]), styles["units"])


def _write(sheet: Worksheet, row: int, column: int, value: Any, style: Format | None) -> None:
    """Writes a cell with the type of its value; skips undefined values. Text is never written as a formula."""
    if value is None or value != value:
        return
    if isinstance(value, str):
        sheet.write_string(row, column, value[:MAX_TEXT])
    elif isinstance(value, datetime):  # Excel has no time zones
        sheet.write_string(row, column, f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
    elif isinstance(value, date):
        sheet.write_datetime(row, column, value, style)
    else:
        sheet.write_number(row, column, float(value), style)
