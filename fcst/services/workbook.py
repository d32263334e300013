"""A run as an Excel workbook: four sheets with frozen headers and typed cells, none of them a formula."""

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

from fcst.files import make_home, needing_room, no_room, private_folder, room_in, within_reserve
from fcst.job_records import Adjustment
from fcst.names import SCRATCH
from fcst.settings import load_settings

MAX_ROWS = 1_048_575
"""Of a sheet, below its header."""

MAX_TEXT = 32_767  # characters of a cell

UNFINISHED = "a workbook while it is made"

_CHANGES = (
    "unique_id model first_wk_end_dt last_wk_end_dt units percent reason made_by made_at undone_by undone_at".split()
)
_KEYS = ("unique_id", "wk_end_dt", "model")
_FRACTIONS = ("wape", "bias", "smape", "scaled_crps", "coverage", "fva")


@contextmanager
def new_workbook(out: BinaryIO) -> Iterator[xlsxwriter.Workbook]:
    """A workbook to be filled, which is written to `out` at the end, but not after an error.

    Rows go to the disk as they come, into a folder of FCST_HOME that is gone afterwards.
    """
    home = load_settings().home
    folder = home / SCRATCH / f"workbook-{uuid.uuid4().hex}"
    packed = folder / "packed.xlsx"  # where there is room: a zip on a full disk cannot be given up without noise
    book = xlsxwriter.Workbook(str(packed), {"constant_memory": True, "tmpdir": str(folder)})
    try:
        with needing_room(UNFINISHED, "FCST_HOME"):
            private_folder(folder, make_home(home), exist_ok=False)
            yield book
            n_bytes = 2 * sum(file.stat().st_size for file in folder.iterdir())  # each sheet is copied, and packed
            if n_bytes > (n_free := room_in(home)):
                raise no_room(UNFINISHED, "FCST_HOME", n_bytes, n_free)
            try:
                book.close()
            except FileCreateError as exc:
                raise exc.args[0] from None  # the error of the file
        with packed.open("rb") as file:
            shutil.copyfileobj(file, out, 1 << 20)
    finally:
        for sheet in book.worksheets():
            with suppress(OSError):
                sheet.row_data_fh.close()
        shutil.rmtree(folder, ignore_errors=True)


def write_workbook(
    out: BinaryIO, rows: BinaryIO, measured: list[pd.DataFrame], changes: list[Adjustment], run: dict[str, Any]
) -> None:
    """Writes the sheets *Forecasts*, *Accuracy*, *Adjustments* and *Run*.

    Parameters
    ----------
    rows
        forecasts in the export form, as CSV with a header; it is closed.
    measured
        accuracy, in frames of the same columns; an undefined number is None or NaN.
    changes
        adjustments, as `list_adjustments` tells them.
    run
        what stands on the sheet of the run, by name.
    """
    with io.TextIOWrapper(rows, encoding="utf-8", newline="") as lines, new_workbook(out) as book:
        styles = {
            "header": book.add_format({"bold": True}),
            "week": book.add_format({"num_format": "yyyy-mm-dd"}),
            "units": book.add_format({"num_format": "#,##0.00"}),
            "fraction": book.add_format({"num_format": "0.00%"}),
        }
        records = csv.reader(lines)
        header = next(records)
        first, n_units = len(_KEYS), header.index("is_fallback") - len(_KEYS)
        widths = [22, 12, 20, *[12] * n_units, 11, 22, *[12] * (len(header) - first - n_units - 2)]
        _write_forecasts(
            _add_sheet(book, "Forecasts", header, widths, styles["header"]),
            within_reserve(records, UNFINISHED, load_settings().home),
            n_units,
            styles,
        )
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
        facts = _add_sheet(book, "Run", ["What", "Value"], [30, 90], styles["header"])
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


def _write_forecasts(sheet: Worksheet, rows: Iterable[list[str]], n_units: int, styles: dict[str, Format]) -> None:
    """Rows of the export form: keys, so many numbers, whether it is a fallback, what made it, and more numbers."""
    end = len(_KEYS) + n_units
    for number, row in enumerate(rows, 1):
        key, week, model = row[: len(_KEYS)]
        sheet.write_string(number, 0, key[:MAX_TEXT])
        sheet.write_datetime(number, 1, date.fromisoformat(week), styles["week"])
        sheet.write_string(number, 2, model)
        sheet.write_boolean(number, end, row[end] == "true")
        sheet.write_string(number, end + 1, row[end + 1])
        for column in (*range(len(_KEYS), end), *range(end + 2, len(row))):
            sheet.write_number(number, column, float(row[column]), styles["units"])


def _write(sheet: Worksheet, row: int, column: int, value: Any, style: Format | None) -> None:
    """A cell of the type of its value; none where it is not defined. Text is text, whatever it begins with."""
    if value is None or value != value:
        return
    if isinstance(value, str):
        sheet.write_string(row, column, value[:MAX_TEXT])
    elif isinstance(value, datetime):  # Excel knows no time zones
        sheet.write_string(row, column, f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
    elif isinstance(value, date):
        sheet.write_datetime(row, column, value, style)
    else:
        sheet.write_number(row, column, float(value), style)
