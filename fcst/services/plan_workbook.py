"""Plan files for editing: the final plan of a run in wide format, as Excel workbook or CSV."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from fcst.errors import InputError
from fcst.escaping import for_spreadsheet
from fcst.export_formats import PLAN_FORMATS, check_format
from fcst.files import within_reserve
from fcst.filters import ALL_RUN_ITEMS, RunFilter
from fcst.job_records import Job
from fcst.names import safe_file_name
from fcst.periods import Period, Split
from fcst.records import FloatArray
from fcst.services import adjustments, exports, jobs
from fcst.services.atomic_files import open_atomic
from fcst.services.plan_layout import COPY_SHEET, FIXED, PLAN_SHEET, by_span, split_of
from fcst.services.workbook import MAX_ROWS, MAX_TEXT, UNFINISHED, new_workbook
from fcst.settings import load_settings
from fcst.store import plans
from fcst.store.plans import PlanRow

_PERIODS = {Period.WEEK: "weeks", Period.MONTH: "months", Period.QUARTER: "quarters"}
_KEY_WIDTH, _NAME_WIDTH, _FAMILY_WIDTH, _UNITS_WIDTH = 22, 32, 20, 12


def write_plan(
    job: Job,
    model: str,
    out: BinaryIO,
    file_format: str = "xlsx",
    period: Period = Period.WEEK,
    which: RunFilter = ALL_RUN_ITEMS,
) -> None:
    """Writes the final plan of the matching completed items of a run by one model, largest sellers first.

    Parameters
    ----------
    out
        for Excel a file on disk, for CSV any stream.
    file_format
        one of `PLAN_FORMATS`.

    Raises
    ------
    InputError
        if the run has no such model, the format is unknown, or the rows exceed the limit of an Excel sheet.
    """
    jobs.choose_model(job, model)
    check_format(file_format, PLAN_FORMATS)
    split = split_of(job, period)
    if file_format == "csv":
        _write_csv(out, split, plans.read(job, model, which))
        return
    n_items = exports.count_chosen(job, which, model)[0]
    if (n_rows := n_items * max(1, 2 * len(job.spec.level))) > MAX_ROWS:
        raise InputError(
            f"An Excel sheet has at most {MAX_ROWS:,} rows below its header; these bounds need {n_rows:,}.",
            "Choose fewer items, or CSV.",
        )
    seen = adjustments.last_change(job.job_id)  # before the plan is read: a change in between counts as later
    with new_workbook(out) as book:
        _PlanBook(book, job, model, period, split, seen).write(
            within_reserve(plans.read(job, model, which), UNFINISHED, load_settings().home, step=1)
        )


def save_plan(job_id: int, path: Path, file_format: str, period: Period, model: str = "") -> None:
    """Saves the plan of a whole run to a path, as `write_plan`; replaces an existing file once the new one is complete.

    Raises
    ------
    InputError
        as `write_plan`, or if the file cannot be written.
    """
    job = jobs.get_job(job_id)
    with open_atomic(path) as out:
        write_plan(job, model or job.spec.models[0], out, file_format, period)


def open_plan(job: Job, model: str, file_format: str, period: Period, which: RunFilter) -> tuple[BinaryIO, int]:
    """Writes a plan to a temporary file; returns it, positioned at the start, and its size in bytes."""
    return exports.open_temporary(lambda out: write_plan(job, model, out, file_format, period, which))


def plan_file_name(job: Job, model: str, file_format: str, period: Period, which: RunFilter = ALL_RUN_ITEMS) -> str:
    """File name of a plan: `run12_sample_plan_Auto_by-month_all-items.xlsx`."""
    run, items = exports.name_parts(job, which, model)
    return f"{run}_plan_{safe_file_name(model)}_by-{period}_{items}.{file_format}"


@contextmanager
def _text_stream(out: BinaryIO) -> Iterator[io.TextIOWrapper]:
    """Wraps a byte stream, which stays open, as UTF-8 text with the byte order mark that Excel needs."""
    lines = io.TextIOWrapper(out, encoding="utf-8-sig", newline="")
    try:
        yield lines
    finally:
        lines.detach()


def _write_csv(out: BinaryIO, split: Split, blocks: Iterator[list[PlanRow]]) -> None:
    with _text_stream(out) as lines:
        writer = csv.writer(lines, lineterminator="\r\n")
        writer.writerow([*FIXED, *(span.name for span in split.spans)])
        for rows in blocks:
            cells = _Cells(split, rows)
            for row, totals, units in zip(rows, cells.totals.tolist(), cells.final.tolist(), strict=True):
                texts = [for_spreadsheet(text) for text in (row.unique_id, row.name, row.family)]
                writer.writerow([*texts, *map(_as_text, totals), *map(_as_text, units)])


def _as_text(units: float) -> str:
    """Formats units without exponent and trailing zeros; empty for NaN."""
    return "" if units != units else f"{units:.4f}".rstrip("0").rstrip(".")


class _Cells:
    """Numbers of some rows: totals of last year, forecast and final plan, and the three by span."""

    def __init__(self, split: Split, rows: Sequence[PlanRow]) -> None:
        last_year, forecast, final = (
            np.array([getattr(row, name) for row in rows]) for name in ("last_year", "forecast", "final")
        )
        self.totals: FloatArray = np.round([values.sum(axis=1) for values in (last_year, forecast, final)], 4).T
        self.last_year, self.forecast, self.final = (by_span(split, part) for part in (last_year, forecast, final))


@dataclass(frozen=True)
class _Styles:
    header: Format
    week: Format
    text: Format
    units: Format
    edited: Format
    wrapped: Format


class _PlanBook:
    """The sheets of a plan workbook; rows are written as they are read."""

    def __init__(
        self, book: xlsxwriter.Workbook, job: Job, model: str, period: Period, split: Split, seen: int
    ) -> None:
        self._book, self._job, self._model, self._period, self._split = book, job, model, period, split
        units = {"num_format": "#,##0.0", "align": "right"}
        self._styles = _Styles(
            header=book.add_format({"bold": True, "bottom": 1}),
            week=book.add_format({"bold": True, "bottom": 1, "num_format": "yyyy-mm-dd", "align": "right"}),
            text=book.add_format({"num_format": "@"}),
            units=book.add_format(units),
            edited=book.add_format({**units, "bg_color": "#FFF6DA", "border": 1, "border_color": "#E6D9A8"}),
            wrapped=book.add_format({"text_wrap": True, "valign": "top"}),
        )
        widths = [_KEY_WIDTH, _NAME_WIDTH, _FAMILY_WIDTH, *[_UNITS_WIDTH] * 3]
        self._plan = self._add_sheet(PLAN_SHEET, FIXED, widths)
        named = FIXED[:2], [_KEY_WIDTH, _NAME_WIDTH]
        self._forecast = self._add_sheet("Forecast", *named)
        self._last_year = self._add_sheet("Last year", *named)
        self._bounds: Worksheet | None = None
        if job.spec.level:
            weeks = split_of(job, Period.WEEK)
            self._bounds = self._add_sheet("Bounds", [*FIXED[:2], "Bound"], [*named[1], _UNITS_WIDTH], weeks)
        self._write_read_me(book.add_worksheet("Read me"))
        self._copy = book.add_worksheet(COPY_SHEET)
        self._copy.very_hidden()
        facts = {"run": job.job_id, "model": model, "period": str(period), "seen": seen}
        self._copy.write_string(0, 0, json.dumps(facts | {"spans": [span.name for span in split.spans]}))

    def write(self, blocks: Iterator[list[PlanRow]]) -> None:
        n_rows = n_bounds = 0
        for rows in blocks:
            cells = _Cells(self._split, rows)
            for place, row in enumerate(rows):
                n_rows += 1
                self._write_plan_row(n_rows, row, cells, place)
                for sheet, units in ((self._forecast, cells.forecast), (self._last_year, cells.last_year)):
                    self._write_texts(sheet, n_rows, (row.unique_id, row.name))
                    self._write_units(sheet, n_rows, 2, units[place].tolist(), self._styles.units)
                self._copy.write_string(n_rows, 0, row.unique_id[:MAX_TEXT])
                self._copy.write_string(n_rows, 1, json.dumps(cells.final[place].tolist()))
                if self._bounds is not None:
                    n_bounds = self._write_bounds(self._bounds, n_bounds, row)
        last = len(FIXED) + len(self._split.spans) - 1
        self._plan.autofilter(0, 0, max(n_rows, 1), last)
        self._plan.data_validation(
            *(1, len(FIXED), max(n_rows, 1), last),
            {
                "validate": "decimal",
                "criteria": "between",
                "minimum": 0,
                "maximum": adjustments.MAX_UNITS,
                "error_title": "Units",
                "error_message": "Enter units as a number of at least 0.",
            },
        )

    def _write_plan_row(self, number: int, row: PlanRow, cells: _Cells, place: int) -> None:
        self._write_texts(self._plan, number, (row.unique_id, row.name, row.family))
        self._write_units(self._plan, number, 3, cells.totals[place].tolist(), self._styles.units)
        self._write_units(self._plan, number, len(FIXED), cells.final[place].tolist(), self._styles.edited)

    def _write_bounds(self, sheet: Worksheet, number: int, row: PlanRow) -> int:
        for level, lo, hi in zip(self._job.spec.level, row.lo.tolist(), row.hi.tolist(), strict=True):
            for side, units in (("lo", lo), ("hi", hi)):
                number += 1
                self._write_texts(sheet, number, (row.unique_id, row.name, f"{side}_{level}"))
                self._write_units(sheet, number, 3, units, self._styles.units)
        return number

    def _add_sheet(
        self, name: str, titles: Sequence[str], widths: Sequence[int], split: Split | None = None
    ) -> Worksheet:
        sheet = self._book.add_worksheet(name)
        sheet.freeze_panes(1, 2)
        for column, (title, width) in enumerate(zip(titles, widths, strict=True)):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, title, self._styles.header)
        spans = (split or self._split).spans
        sheet.set_column(len(titles), len(titles) + len(spans) - 1, _UNITS_WIDTH)
        is_weekly = split is not None or self._period == Period.WEEK
        for column, span in enumerate(spans, len(titles)):
            if is_weekly:
                sheet.write_datetime(0, column, datetime.combine(span.last, datetime.min.time()), self._styles.week)
                continue
            sheet.write_string(0, column, span.name, self._styles.week)
            if not span.is_whole:
                n_days = (span.last - span.first).days + 1
                sheet.write_comment(0, column, f"{span.n_days} of {n_days} days are in the run.", {"author": "fcst"})
        return sheet

    def _write_texts(self, sheet: Worksheet, number: int, texts: Sequence[str]) -> None:
        """Writes texts, never formulas; the key column has text format, so that retyped keys stay text."""
        for column, text in enumerate(texts):
            sheet.write_string(number, column, text[:MAX_TEXT], self._styles.text if column == 0 else None)

    def _write_units(self, sheet: Worksheet, number: int, first: int, units: Sequence[float], style: Format) -> None:
        for column, value in enumerate(units, first):
            if value == value:
                sheet.write_number(number, column, value, style)

    def _write_read_me(self, sheet: Worksheet) -> None:
        sheet.set_column(0, 0, 26)
        sheet.set_column(1, 1, 100, self._styles.wrapped)
        for number, (title, text) in enumerate(self._read_me().items()):
            sheet.write_string(number, 0, title, self._styles.header)
            sheet.write_string(number, 1, text[:MAX_TEXT], self._styles.wrapped)

    def _read_me(self) -> dict[str, str]:
        job, weeks = self._job, self._split.week_ends
        parts = [
            f"{span.name}: {span.n_days} of {(span.last - span.first).days + 1} days"
            for span in self._split.spans
            if not span.is_whole
        ]
        periods = _PERIODS[self._period]
        facts = {
            "Content": f"The final plan of run {job.job_id} by {self._model}, by {periods}, for editing.",
            "Run": f"{job.job_id}{f', {job.name}' if job.name else ''}",
            "Dataset": f"{job.dataset}, version {job.dataset_version}",
            "Model": self._model,
            "Weeks": f"{len(weeks)}, ending {weeks[0]} to {weeks[-1]}",
            "Periods": f"{periods}, each named by its last day",
            "Downloaded, UTC": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
            "How to edit": f"Change the coloured cells of the sheet {PLAN_SHEET}, in units of at least 0. Save the "
            "file. On the page Forecasts, open this run and this model, and press 'Upload a plan …'.",
            "What is read": f"From the sheet {PLAN_SHEET}: the column {FIXED[0]} and the columns of {periods}. "
            "Empty and unchanged cells do not change the plan. You can move, sort and delete rows and columns. "
            "The totals before the periods are not read, and are not updated by your changes.",
            "Forecast, Last year": "The model forecast, and the units of the same weeks of the last known year, "
            f"by {periods}. Empty cells are unknown.",
        }
        if self._period != Period.WEEK:
            facts["Periods"] = f"{periods}; a week in two of them is split by days"
        if parts:
            facts["Partial periods"] = "; ".join(parts)
        if job.spec.level:
            facts["Bounds"] = (
                "By week: lo_80 and hi_80 are the bounds of the 80 % interval. Months and quarters have none, "
                "because the bounds of a total are not the totals of the bounds."
            )
        return facts


def as_period(text: str) -> Period:
    """Parses a period.

    Raises
    ------
    InputError
        if there is no such period.
    """
    if text not in set(Period):
        raise InputError(f"There is no period {text!r}.", f"Choose one of {', '.join(Period)}.")
    return Period(text)
