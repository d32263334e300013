"""Workbooks: streams one sheet row by row into CSV, with the row number as the first cell.

openpyxl reads Excel files since 2007, because it gives the number format of a cell. calamine reads older ones (.xls,
.xlsb) and OpenDocument (.ods); it loads the whole sheet into memory.
"""

import contextlib
import csv
import datetime
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fcst.errors import InputError
from fcst.ingest.archives import FREE_RATIO_BYTES, MAX_RATIO
from fcst.ingest.totals import TOTAL

_TOTAL = re.compile(TOTAL)
MAX_SHEET_BYTES = 4 << 30  # unpacked, as declared; a workbook cannot exceed its declared size
MAX_COLUMNS = 2_000
MAX_CELL = 32_767  # characters; Excel's limit
FORMULAS = "If the cells contain formulas, save the workbook in Excel, which stores their values."


def read_rows(path: Path, sheet: str, name: str) -> Iterator[list[str]]:
    """Yields the rows of a sheet as text; formulas as the values saved by Excel, empty cells as ''.

    Raises
    ------
    InputError
        if the workbook is broken, too large, or has no such sheet.
    """
    if not _is_of_openpyxl(path):
        yield from _rows_of_others(path, sheet, name)
        return
    with _opened(path, name) as book:
        shown = [page for page in book.worksheets if page.sheet_state == "visible"] or book.worksheets
        page = next((page for page in (book.worksheets if sheet else shown) if not sheet or page.title == sheet), None)
        if page is None:
            raise InputError(f"{name} has no such sheet with cells.", "Choose another sheet (--file SHEET).")
        page.reset_dimensions()  # the size declared in a sheet is often wrong
        try:
            for row in page.iter_rows():
                yield [_shown(cell) for cell in row[:MAX_COLUMNS]]
        except Exception as exc:  # noqa: BLE001  the library raises any exception on a broken sheet
            raise InputError(f"{name} cannot be read: {exc}.", "Save it again as .xlsx, or as CSV.") from exc


def sheet_names(path: Path, name: str) -> list[str]:
    """The names of a workbook's visible sheets with cells, in order; all sheets if all are hidden."""
    if not _is_of_openpyxl(path):
        return _names_of_others(path, name)
    with _opened(path, name) as book:
        shown = [page.title for page in book.worksheets if page.sheet_state == "visible"]
        return shown or [page.title for page in book.worksheets]


def _is_of_openpyxl(path: Path) -> bool:
    with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        return "xl/workbook.xml" in archive.namelist()
    return False


def _names_of_others(path: Path, name: str) -> list[str]:
    """The names of the visible sheets; all sheets if all are hidden."""
    with _opened_by_calamine(path, name) as book:
        shown = [page.name for page in book.sheets_metadata if str(page.visible).endswith("Visible")]
        return shown or list(book.sheet_names)


def _rows_of_others(path: Path, sheet: str, name: str) -> Iterator[list[str]]:
    names = _names_of_others(path, name)
    with _opened_by_calamine(path, name) as book:
        wanted = sheet or names[0]
        if wanted not in book.sheet_names:
            raise InputError(f"{name} has no such sheet with cells.", "Choose another sheet (--file SHEET).")
        with _converted_errors(f"{name} cannot be read"):
            rows = book.get_sheet_by_name(wanted).to_python(skip_empty_area=False)
        for row in rows:
            yield [_as_text(None if cell == "" else cell) for cell in row[:MAX_COLUMNS]]


@contextmanager
def _converted_errors(what: str) -> Iterator[None]:
    """Converts any error of a workbook library into InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as exc:  # noqa: BLE001  the libraries' errors have no common ancestor
        raise InputError(f"{what}: {exc}.", "Save it again as .xlsx, or as CSV.") from exc


@contextmanager
def _opened_by_calamine(path: Path, name: str) -> Iterator[Any]:
    from python_calamine import CalamineWorkbook  # imported here: few files need it

    with _converted_errors(f"{name} cannot be opened as a workbook"):
        if zipfile.is_zipfile(path):
            _check_size(path, name)
        book = CalamineWorkbook.from_path(str(path))
    try:
        yield book
    finally:
        book.close()


@contextmanager
def _opened(path: Path, name: str) -> Iterator[Any]:
    import openpyxl  # imported here: slow to import, and few files need it

    with path.open("rb") as file:  # opened here: the library does not close a file that it fails to read
        with _converted_errors(f"{name} cannot be opened as a workbook"):
            _check_size(path, name)
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        try:
            yield book
        finally:
            book.close()


def write_csv(
    path: Path, sheet: str, name: str, skip: int, width: int, target: Path, filled_down: Collection[int] = ()
) -> None:
    """Writes the rows below the first `skip` as CSV without a header: the row's number, then `width` cells.

    Parameters
    ----------
    filled_down
        indexes of the columns whose empty cells repeat the value above.
    """
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        rows = enumerate(read_rows(path, sheet, name), 1)
        below = ((number, row) for number, row in rows if number > skip and any(row))
        for number, row in fill_down(below, filled_down):
            writer.writerow([number, *row[:width], *[""] * (width - len(row))])


def fill_down(rows: Iterable[tuple[int, list[str]]], places: Collection[int]) -> Iterator[tuple[int, list[str]]]:
    """Fills empty cells of the given columns with the value above, except in total rows."""
    above: dict[int, str] = {}
    for number, row in rows:
        is_sum = bool(places) and any(_TOTAL.fullmatch(cell) for cell in row if cell)
        for place in () if is_sum else places:
            if place < len(row):
                row[place] = above[place] = row[place] or above.get(place, "")
        yield number, row


def _check_size(path: Path, name: str) -> None:
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(info.file_size for info in archive.infolist())
    most = min(MAX_SHEET_BYTES, max(FREE_RATIO_BYTES, MAX_RATIO * path.stat().st_size))
    if unpacked > most:
        raise InputError(f"{name} unpacks to more than {most / 1e9:,.1f} GB.", "Save the sheet as CSV.")


def _shown(cell: Any) -> str:
    """The value of a cell as text; a number keeps the leading zeros of its number format, such as 00123."""
    text = _as_text(cell.value)
    if isinstance(cell.value, int) and len(form := cell.number_format) > 1 and not form.strip("0"):
        return text.zfill(len(form))
    return text


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ") if value.time() != datetime.time() else value.date().isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)[:MAX_CELL]
