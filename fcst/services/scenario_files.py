"""Scenario files: the plan of a run in scenarios, as CSV or as Excel workbook with the changes of each scenario."""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import BinaryIO

from fcst.errors import InputError
from fcst.escaping import for_spreadsheet
from fcst.export_formats import PLAN_FORMATS, check_format
from fcst.files import within_reserve
from fcst.filters import RunFilter
from fcst.job_records import Job
from fcst.names import safe_file_name
from fcst.scenarios import Scenario
from fcst.services import exports
from fcst.services.jobs import choose_model
from fcst.services.workbook import MAX_ROWS, MAX_TEXT, UNFINISHED, new_workbook
from fcst.settings import load_settings
from fcst.store import scenarios

COLUMNS = ("unique_id", "name", "wk_end_dt", "plan")
_WIDTHS = (22, 32, 12, 12)
_CHANGES = ("scenario", "driver", "first_wk_end_dt", "last_wk_end_dt", "how", "value", "scope", "made_by", "made_at")


def open_scenarios(
    job: Job, model: str, file_format: str, which: RunFilter, chosen: Sequence[Scenario]
) -> tuple[BinaryIO, int]:
    """Writes scenarios to a temporary file; returns it, positioned at the start, and its size in bytes."""
    return exports.open_temporary(lambda out: write_scenarios(job, model, out, file_format, which, chosen))


def scenario_file_name(job: Job, model: str, file_format: str, which: RunFilter, chosen: Sequence[Scenario]) -> str:
    """File name of scenarios: `run12_sample_scenarios_Carnival_all-items.csv`."""
    run, items = exports.name_parts(job, which, model)
    names = "_".join(safe_file_name(scenario.name) for scenario in chosen)
    return f"{run}_scenarios_{names}_{items}.{file_format}"


def write_scenarios(
    job: Job, model: str, out: BinaryIO, file_format: str, which: RunFilter, chosen: Sequence[Scenario]
) -> None:
    """Writes the weekly final plan of the matching items and its values in one or two scenarios, largest sellers first.

    The columns are `COLUMNS`, then one per scenario, with its name.

    Parameters
    ----------
    out
        for Excel a file on disk, for CSV any stream.

    Raises
    ------
    InputError
        if the run has no such model, the format is unknown, or the rows exceed the limit of an Excel sheet.
    """
    choose_model(job, model)
    check_format(file_format, PLAN_FORMATS)
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
            f"An Excel sheet has at most {MAX_ROWS:,} rows below its header; these items need {n_rows:,}.",
            "Choose fewer items, or CSV.",
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
