"""Reading of the cells of an edited plan from an Excel workbook or CSV; `plan_comparison` interprets them."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO
from xml.etree import ElementTree

from fcst.errors import InputError
from fcst.services.plan_layout import COPY_SHEET, KEY, PLAN_SHEET, PlanCopy
from fcst.services.workbook import MAX_ROWS

MAX_FILE_BYTES = 100 << 20
MAX_UNPACKED = 1 << 30
MAX_PARTS = 200 << 20
"""Limit of bytes of a workbook besides its sheets, because its shared strings are loaded into memory."""
MAX_COLUMNS = 1_000
MAX_CELLS = 5_000_000
MAX_MERGED = 1_000
HEAD_ROWS = 20
"""Number of rows searched for the header."""

_NO_NUMBER = re.compile(r"[^0-9eE.+\-\s]")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")

Row = Sequence[Any]


@dataclass(frozen=True)
class Area:
    """A range of merged cells; rows and columns from 1."""

    name: str
    first_row: int
    last_row: int
    first_column: int
    last_column: int


@dataclass(frozen=True)
class PlanTable:
    """The rows of an edited plan.

    Parameters
    ----------
    header_row
        row number of the header, from 1.
    header
        cells of the header.
    rows
        (row number, cells) of the non-empty rows below. A cell is None, bool, int, float, str, date or time.
    merged
        merged areas, from the top.
    without_value
        (row, column) of formulas without a computed value.
    copy
        the downloaded values, if the file has them.
    is_text
        whether numbers are written as text, as in CSV.
    separator
        delimiter of CSV.
    """

    header_row: int
    header: Row
    rows: list[tuple[int, Row]]
    merged: list[Area] = field(default_factory=list)
    without_value: frozenset[tuple[int, int]] = frozenset()
    copy: PlanCopy | None = None
    is_text: bool = False
    separator: str = ""

    def address(self, row: int, column: int) -> str:
        """Address of a cell: `Plan!H17`, or `H17` for CSV; row and column from 1."""
        return cell_name(row, column) if self.is_text else f"{PLAN_SHEET}!{cell_name(row, column)}"


def cell_name(row: int, column: int) -> str:
    """Excel name of a cell, such as `H17`; row and column from 1."""
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return f"{letters}{row}"


def unescaped(text: str) -> str:
    """Decodes the `_x0001_` escapes that workbooks use for control characters."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def open_table(file: BinaryIO, name: str) -> PlanTable:
    """Reads a plan file and finds its table by the header.

    Raises
    ------
    InputError
        if the file is neither .xlsx nor CSV, is too large, or has no plan header.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size > MAX_FILE_BYTES:
        raise InputError(f"{name} has {size / 1e6:,.0f} MB.", f"Give at most {MAX_FILE_BYTES / 1e6:,.0f} MB.")
    head = file.read(8)
    file.seek(0)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise InputError(f"{name} is a workbook in an older format.", "Save it as .xlsx.")
    return _of_workbook(file, name) if head.startswith(b"PK") else _of_csv(file.read(), name)


def _is_header(row: Row) -> bool:
    return any(isinstance(cell, str) and cell.strip().lower() == KEY.lower() for cell in row)


def _find_header(rows: Iterable[Row], name: str) -> tuple[int, Row]:
    """Returns the row number of the header, and its cells up to the last non-empty one."""
    for number, row in enumerate(islice(rows, HEAD_ROWS), 1):
        if _is_header(row):
            width = max(place for place, cell in enumerate(row, 1) if cell is not None and cell != "")
            return number, row[:width]
    raise InputError(
        f"{name} has no column {KEY!r} in its first {HEAD_ROWS} rows.", "Download the plan again, and edit that file."
    )


def _below(rows: Iterable[Row], header_row: int, width: int, name: str) -> list[tuple[int, Row]]:
    """Returns (row number, cells) of the non-empty rows below the header."""
    found: list[tuple[int, Row]] = []
    for number, row in enumerate(rows, header_row + 1):
        if number > MAX_ROWS + 1 or len(found) * width > MAX_CELLS:
            limits = f"{MAX_ROWS:,} rows or {MAX_CELLS:,} cells"
            raise InputError(f"{name} has more than {limits}.", "Download fewer items at a time, or delete empty rows.")
        if any(cell is not None and cell != "" for cell in row):
            found.append((number, row))
    return found


def _of_csv(data: bytes, name: str) -> PlanTable:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InputError(f"{name} is not UTF-8 (byte {exc.start:,}).", "Save it as 'CSV UTF-8'.") from exc
    head = "".join(text.splitlines(keepends=True)[:HEAD_ROWS])
    try:
        found = (mark for mark in ",;\t" if any(map(_is_header, csv.reader(io.StringIO(head), delimiter=mark))))
        separator = next(found, ",")
        header_row, header = _find_header(_csv_rows(text, separator), name)
        lines = islice(_csv_rows(text, separator), header_row, None)
        rows = _below((line[: len(header)] for line in lines), header_row, len(header), name)
    except csv.Error as exc:
        raise InputError(f"{name} cannot be read as CSV: {exc}.", "Save it again as CSV.") from exc
    return PlanTable(header_row, header, rows, is_text=True, separator=separator)


def _csv_rows(text: str, separator: str) -> Iterator[Row]:
    return (row[:MAX_COLUMNS] for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator))


def _of_workbook(file: BinaryIO, name: str) -> PlanTable:
    import openpyxl  # imported here: the import is slow, and only uploads need it

    try:
        with zipfile.ZipFile(file) as archive:
            _check_size(archive, name)
            file.seek(0)
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            try:
                return _read_book(book, archive, name)
            finally:
                book.close()
    except InputError:
        raise
    except Exception as exc:  # noqa: BLE001  openpyxl raises many types for a damaged workbook
        raise InputError(f"{name} cannot be read as a workbook: {exc}.", "Save it again as .xlsx, or as CSV.") from exc


def _check_size(archive: zipfile.ZipFile, name: str) -> None:
    sizes = {info.filename: info.file_size for info in archive.infolist()}
    parts = sum(size for part, size in sizes.items() if not part.startswith("xl/worksheets/"))
    if sum(sizes.values()) > MAX_UNPACKED or parts > MAX_PARTS:
        limits = f"{MAX_UNPACKED / 1e6:,.0f} MB, or {MAX_PARTS / 1e6:,.0f} MB besides its sheets"
        raise InputError(f"{name} unpacks to more than {limits}.", "Download fewer items at a time, or CSV.")


def _read_book(book: Any, archive: zipfile.ZipFile, name: str) -> PlanTable:
    sheets = {page.title.strip().lower(): page for page in book.worksheets}
    page = sheets.get(PLAN_SHEET.lower())
    if page is None:
        raise InputError(
            f"{name} has no sheet {PLAN_SHEET}.", "Download the plan as Excel, edit that sheet, and upload the file."
        )
    copy = _read_copy(sheets[COPY_SHEET]) if COPY_SHEET in sheets else None
    merged, without_value = _scan(archive, page, name)
    page.reset_dimensions()  # the size stored in a sheet is often wrong
    header_row, header = _find_header(page.iter_rows(max_col=MAX_COLUMNS, values_only=True), name)
    below = page.iter_rows(min_row=header_row + 1, max_col=len(header), values_only=True)
    return PlanTable(header_row, header, _below(below, header_row, len(header), name), merged, without_value, copy)


def _read_copy(page: Any) -> PlanCopy | None:
    """Reads the downloaded values; None if the sheet was changed and cannot be read."""
    page.reset_dimensions()
    rows = page.iter_rows(max_col=2, values_only=True)
    try:
        facts = json.loads(next(rows)[0])
        spans = tuple(map(str, facts["spans"]))
        filled = (row for row in rows if len(row) > 1 and row[0])
        cells = {unescaped(str(row[0])): [float(units) for units in json.loads(row[1])] for row in filled}
        return PlanCopy(int(facts["run"]), str(facts["model"]), spans, cells)
    except (StopIteration, ValueError, TypeError, KeyError, IndexError):
        return None


def _scan(archive: zipfile.ZipFile, page: Any, name: str) -> tuple[list[Area], frozenset[tuple[int, int]]]:
    """Finds merged areas and formulas without a value, which openpyxl does not report in read-only mode.

    Raises
    ------
    InputError
        if a numeric cell has no valid number, as some programs write it; openpyxl cannot read such a cell.
    """
    from openpyxl.utils.cell import coordinate_to_tuple, range_boundaries

    merged, without_value = list[Area](), set[tuple[int, int]]()
    with archive.open(page._worksheet_path) as stream:
        for _, element in ElementTree.iterparse(stream):
            tag = element.tag.rpartition("}")[2]
            if tag == "row":
                for cell in element:
                    parts = {part.tag.rpartition("}")[2]: part.text for part in cell}
                    if "f" in parts and not parts.get("v") and "r" in cell.attrib:
                        without_value.add(coordinate_to_tuple(cell.attrib["r"]))
                    is_number = cell.attrib.get("t", "n") == "n"
                    if is_number and _NO_NUMBER.search(parts.get("v") or ""):
                        where = f"{PLAN_SHEET}!{cell.attrib.get('r', '')}"
                        raise InputError(f"{where} of {name} has {parts['v']!r}, not a number.", "Correct this cell.")
                element.clear()
            elif tag == "mergeCell":
                if len(merged) >= MAX_MERGED:
                    raise InputError(f"{name} has more than {MAX_MERGED:,} merged cells.", "Unmerge them.")
                left, top, right, bottom = range_boundaries(element.attrib["ref"])
                merged.append(Area(element.attrib["ref"], top, bottom, left, right))
    return sorted(merged, key=lambda area: area.first_row), frozenset(without_value)
