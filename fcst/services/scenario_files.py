"""The plan of a run in scenarios as a file: CSV, or an Excel workbook that says what the scenarios change."""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import BinaryIO

from fcst.errors import InputError
from fcst.files import within_reserve
from fcst.filters import RunFilter
from fcst.harmless import for_spreadsheet
from fcst.job_records import Job
from fcst.names import in_file_name
from fcst.scenarios import Scenario
from fcst.services import exports
from fcst.services.jobs import choose_model
from fcst.services.plan_layout import PLAN_FORMATS
from fcst.services.workbook import MAX_ROWS, MAX_TEXT, UNFINISHED, new_workbook
from fcst.settings import load_settings
from fcst.store import scenarios

COLUMNS = ("unique_id", "name", "wk_end_dt", "plan")
_WIDTHS = (22, 32, 12, 12)
_CHANGES = ("scenario", "driver", "first_wk_end_dt", "last_wk_end_dt", "how", "value", "scope", "made_by", "made_at")


def open_scenarios(
    job: Job, model: str, file_format: str, which: RunFilter, chosen: Sequence[Scenario]
) -> tuple[BinaryIO, int]:
    """A file as `write_scenarios` makes it, whole on the disk and at its beginning, and its size in bytes."""
    return exports.open_written(lambda out: write_scenarios(job, model, out, file_format, which, chosen))


def scenario_file_name(job: Job, model: str, file_format: str, which: RunFilter, chosen: Sequence[Scenario]) -> str:
    """Says what a file is: `run12_sample_scenarios_Carnival_all-items.csv`."""
    run, items = exports.name_parts(job, which, model)
    names = "_".join(in_file_name(scenario.name) for scenario in chosen)
    return f"{run}_scenarios_{names}_{items}.{file_format}"


def write_scenarios(
    job: Job, model: str, out: BinaryIO, file_format: str, which: RunFilter, chosen: Sequence[Scenario]
) -> None:
    """Writes the final plan of the items that match by week, and what it is in one or two scenarios: `COLUMNS`, and a
    column a scenario by its name; the largest sellers first.

    Parameters
    ----------
    out
        for Excel a file on the disk, for CSV any stream.

    Raises
    ------
    InputError
        if the run has no such model, the format is unknown, or an Excel sheet has not so many rows.
    """
    choose_model(job, model)
    if file_format not in PLAN_FORMATS:
        raise InputError(
            f"There is no format {file_format!r} of scenarios.", f"Choose among {', '.join(PLAN_FORMATS)}."
        )
    ids = [scenario.scenario_id for scenario in chosen]
    if file_format == "csv":
        header = io.StringIO()
        names = (for_spreadsheet(scenario.name) for scenario in chosen)
        csv.writer(header, lineterminator="\n").writerow([*COLUMNS, *names])
        out.write(header.getvalue().encode())
        scenarios.copy_export(job, model, which, ids, out)
        return
    n_rows = exports.count_chosen(job, which, model)[0] * job.spec.h
    if n_rows > MAX_ROWS:
        raise InputError(
            f"An Excel sheet holds {MAX_ROWS:,} rows below its header, and these items have {n_rows:,}.",
            "Take fewer items, or CSV.",
        )
    with exports.scratch_file() as rows:
        scenarios.copy_export(job, model, which, ids, rows, is_for_spreadsheets=False)
        rows.seek(0)
        with io.TextIOWrapper(rows, "utf-8", newline="") as lines:
            _write_workbook(out, csv.reader(lines), chosen)


def _write_workbook(out: BinaryIO, rows: Iterator[list[str]], chosen: Sequence[Scenario]) -> None:
    with new_workbook(out) as book:
        bold, day = book.add_format({"bold": True, "bottom": 1}), book.add_format({"num_format": "yyyy-mm-dd"})
        units = book.add_format({"num_format": "#,##0.0"})
        sheet = book.add_worksheet("Scenarios")
        sheet.freeze_panes(1, 2)
        for column, title in enumerate([*COLUMNS, *(scenario.name for scenario in chosen)]):
            sheet.set_column(column, column, _WIDTHS[min(column, len(_WIDTHS) - 1)])
            sheet.write_string(0, column, title, bold)
        for number, (unique_id, name, wk_end_dt, *numbers) in enumerate(
            within_reserve(rows, UNFINISHED, load_settings().home), 1
        ):
            sheet.write_string(number, 0, unique_id[:MAX_TEXT])
            sheet.write_string(number, 1, name[:MAX_TEXT])
            sheet.write_datetime(number, 2, datetime.fromisoformat(wk_end_dt), day)
            for column, cell in enumerate(numbers, len(COLUMNS) - 1):
                sheet.write_number(number, column, float(cell), units)
        changes = book.add_worksheet("Changes")
        changes.freeze_panes(1, 0)
        changes.set_column(0, len(_CHANGES) - 1, 18)
        for column, title in enumerate(_CHANGES):
            changes.write_string(0, column, title, bold)
        for number, values in enumerate(_change_rows(chosen), 1):
            for column, value in enumerate(values):
                if isinstance(value, date):
                    changes.write_datetime(number, column, datetime.combine(value, datetime.min.time()), day)
                elif isinstance(value, float):
                    changes.write_number(number, column, value)
                else:
                    changes.write_string(number, column, value[:MAX_TEXT])


def _change_rows(chosen: Sequence[Scenario]) -> Iterator[tuple[str | float | date, ...]]:
    for scenario in chosen:
        for one in scenario.changes:
            change, when = one.change, f"{one.made_at:%Y-%m-%d %H:%M}"
            weeks = change.first, change.last
            yield scenario.name, change.driver, *weeks, change.how, change.value, one.scope, one.made_by, when
