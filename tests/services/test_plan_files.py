"""Plan files: written, edited with openpyxl or as CSV text, read back and saved."""

import csv
import io
import json
import zipfile
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet
from starlette.applications import Starlette

from fcst.cli.main import main
from fcst.dataset_records import Dataset
from fcst.errors import Conflict, InputError
from fcst.filters import ALL_RUN_ITEMS, RunFilter, by_keys
from fcst.job_records import Job
from fcst.periods import Period
from fcst.services import adjustments, forecasts, jobs, plan_sheets, plan_workbook
from fcst.services.adjustments import Change
from fcst.services.plan_comparison import PlanUpload
from fcst.services.plan_layout import split_of
from fcst.services.plan_upload import ConflictPolicy, read_plan_file, save_plan_file
from fcst.settings import Settings
from fcst.store.database import transaction
from fcst.ui import downloads
from tests.computed_runs import run

MODEL = "WindowAverage"
UNSAFE_KEYS = [
    "=1+1",
    "+1",
    "-2+3",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "\nx",
    "＝1+1",
    'a/b "c"',
    "_x000D_",
    "a\x01b",
    "007",
    "1e5",
]
UNSAFE_KEYS += ["NA", "<b>&amp;", " x ", "Käse", "true", "a,b;c", "12|-3", "日本", "2026-11-28"]
FIRST = 7  # the first period column


@pytest.fixture
def job(load_dataset: Callable[..., Dataset], once: Callable) -> Job:
    def make() -> Job:
        return run(load_dataset(n_items=3, n_weeks=60), 3, models=(MODEL, "Naive"), h=13, n_windows=0)

    return once("plan_files", make)


def written(
    job: Job,
    period: Period = Period.WEEK,
    which: RunFilter = ALL_RUN_ITEMS,
    file_format: str = "xlsx",
    model: str = MODEL,
) -> io.BytesIO:
    out = io.BytesIO()
    plan_workbook.write_plan(job, model, out, file_format, period, which)
    out.seek(0)
    return out


def edited(file: io.BytesIO, edit: Callable[[Worksheet], object], is_bare: bool = False) -> io.BytesIO:
    """Edits the sheet Plan of a workbook; `is_bare` removes the hidden sheet."""
    book = openpyxl.load_workbook(file)
    edit(book["Plan"])
    if is_bare:
        del book["fcst"]
    out = io.BytesIO()
    book.save(out)
    out.seek(0)
    return out


def read(job: Job, file: io.BytesIO, model: str = MODEL) -> PlanUpload:
    return read_plan_file(job, model, file, "plan.xlsx")


def after(
    job: Job, edit: Callable[[Worksheet], object], period: Period = Period.WEEK, is_bare: bool = False
) -> PlanUpload:
    return read(job, edited(written(job, period), edit, is_bare))


def row_of(sheet: Worksheet, key: str) -> int:
    (row,) = [cells[0].row for cells in sheet.iter_rows() if cells[0].value == key]
    return int(row)


def put(key: str, place: int, value: Any) -> Callable[[Worksheet], object]:
    """Returns an edit that sets the cell of an item and a period, by its position."""

    def edit(sheet: Worksheet) -> None:
        sheet.cell(row_of(sheet, key), FIRST + place).value = value

    return edit


def plan(job: Job, *items: str) -> np.ndarray:
    return forecasts.view(job, MODEL, by_keys(*items) if items else ALL_RUN_ITEMS).forecast["final"].to_numpy()


def week(job: Job, step: int) -> date:
    return job.last_wk_end_dt + timedelta(weeks=step)


def bad(upload: PlanUpload) -> dict[str, str]:
    assert upload.n_bad == len(upload.bad)
    return {one.cell: one.why for one in upload.bad}


# Writing


def test_workbook_has_one_row_per_item_and_one_column_per_week(job: Job) -> None:
    book = openpyxl.load_workbook(written(job))
    assert book.sheetnames == ["Plan", "Forecast", "Last year", "Bounds", "Read me", "fcst"]
    assert book["fcst"].sheet_state == "veryHidden"
    head, *rows = book["Plan"].iter_rows(values_only=True)
    assert head[:6] == ("Key", "Name", "Family", "Last year", "Forecast", "Final plan")
    assert [cell.date() for cell in head[6:]] == [week(job, n) for n in range(1, 14)]
    assert book["Plan"]["G1"].number_format == "yyyy-mm-dd" and book["Plan"].freeze_panes == "C2"
    assert book["Plan"].auto_filter.ref == "A1:S4"
    assert [row[0] for row in rows] == ["item3", "item2", "item1"], "largest sellers first"
    for row in rows:
        view = forecasts.view(job, MODEL, by_keys(row[0]))
        history = view.history["unit_sales"].to_numpy()
        assert row[6:] == pytest.approx(plan(job, row[0]), abs=1e-4)
        assert row[3:6] == pytest.approx([history[-52:-39].sum(), *[view.forecast["forecast"].sum()] * 2], abs=1e-3)
    head, *bounds = book["Bounds"].iter_rows(values_only=True)
    assert [row[2] for row in bounds[:4]] == ["lo_80", "hi_80", "lo_95", "hi_95"] and len(bounds) == 12
    assert bounds[0][3:] == pytest.approx(forecasts.view(job, MODEL, by_keys("item3")).forecast["lo_80"], abs=1e-3)
    for sheet in book:
        assert not [cell for cells in sheet.iter_rows() for cell in cells if cell.data_type == "f"]


def test_months_add_up_and_partial_months_are_marked(job: Job) -> None:
    book = openpyxl.load_workbook(written(job, Period.MONTH))
    head, *rows = book["Plan"].iter_rows(values_only=True)
    spans = split_of(job, Period.MONTH).spans
    assert head[6:] == tuple(span.name for span in spans) and not spans[0].is_whole
    assert sum(rows[0][6:]) == pytest.approx(plan(job, "item3").sum(), abs=1e-3) == rows[0][5]
    assert f"{spans[0].n_days} of " in book["Plan"].cell(1, FIRST).comment.text
    facts = dict(book["Read me"].iter_rows(values_only=True))
    assert facts["Partial periods"].startswith(f"{spans[0].name}: {spans[0].n_days} of ")
    last_year = [row[2:] for row in book["Last year"].iter_rows(min_row=2, values_only=True)]
    assert sum(last_year[0]) == pytest.approx(rows[0][3], abs=1e-3)


def test_unknown_weeks_of_last_year_are_empty(load_dataset: Callable[..., Dataset]) -> None:
    job = run(load_dataset(n_items=3, n_weeks=45), 3, models=(MODEL,), h=13, n_windows=0)
    sheet = openpyxl.load_workbook(written(job, Period.MONTH))["Last year"]
    assert sheet.cell(2, 3).value is None and sheet.cell(2, sheet.max_column).value is not None


def test_csv_has_the_same_rows(job: Job) -> None:
    data = written(job, Period.MONTH, file_format="csv").getvalue()
    assert data.startswith(b"\xef\xbb\xbfKey,Name,Family,")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    cells = openpyxl.load_workbook(written(job, Period.MONTH))["Plan"].iter_rows(min_row=2, values_only=True)
    assert [[*map(float, row[3:])] for row in rows[1:]] == [pytest.approx(row[3:]) for row in cells]


def test_filter_selects_items_and_unknown_models_are_refused(job: Job) -> None:
    sheet = openpyxl.load_workbook(written(job, which=RunFilter(search="item2")))["Plan"]
    assert [row[0] for row in sheet.iter_rows(min_row=2, values_only=True)] == ["item2"]
    with pytest.raises(InputError, match="no model Auto"):
        written(job, model="Auto")
    with pytest.raises(InputError, match="no format 'pdf'"):
        written(job, file_format="pdf")


def test_more_rows_than_a_sheet_allows_are_refused(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_workbook, "MAX_ROWS", 11)
    with pytest.raises(InputError, match="has at most 11 rows below its header; these bounds need 12"):
        written(job)


# Reading


def test_three_edited_cells_become_one_adjustment(job: Job) -> None:
    def edit(sheet: Worksheet) -> None:
        for key, place, units in (("item1", 0, 5), ("item1", 12, 0), ("item3", 4, 77.25)):
            put(key, place, units)(sheet)

    before = {key: plan(job, key) for key in ("item1", "item2", "item3")}
    upload = after(job, edit)
    assert (upload.n_rows, upload.n_unchanged, upload.n_empty, upload.n_bad) == (3, 36, 0, 0)
    assert {(c.key, c.period, c.cell, c.after) for c in upload.changes} == {
        ("item1", str(week(job, 1)), "Plan!G4", 5),
        ("item1", str(week(job, 13)), "Plan!S4", 0),
        ("item3", str(week(job, 5)), "Plan!K2", 77.25),
    }
    assert [c.before for c in upload.changes if c.key == "item3"] == pytest.approx([before["item3"][4]])
    assert not upload.conflicts and upload.remarks == ()
    save_plan_file(job, MODEL, upload, "a count", "Ann")
    (made,) = adjustments.list_adjustments(job)
    assert (made.scope, made.n_items, made.reason, made.made_by) == ("workbook, 2 items", 2, "a count", "Ann")
    wanted = {key: units.copy() for key, units in before.items()}
    wanted["item1"][[0, 12]], wanted["item3"][4] = (5, 0), 77.25
    for key, units in wanted.items():
        assert plan(job, key).tolist() == units.tolist(), "the other weeks do not change"


@pytest.mark.few(2)
@pytest.mark.parametrize("period", [Period.MONTH, Period.QUARTER])
@pytest.mark.parametrize("units", [0, 1, 12345.6])
def test_edited_period_adds_up_exactly(job: Job, period: Period, units: float) -> None:
    upload = after(job, put("item2", 1, units), period)
    save_plan_file(job, MODEL, upload, "a contract", "Ann")
    split, now = split_of(job, period), plan(job, "item2")
    assert split.add_up(now)[1] == pytest.approx(units, abs=1e-6)
    file = openpyxl.load_workbook(written(job, period))["Plan"]
    assert file.cell(row_of(file, "item2"), FIRST + 1).value == pytest.approx(units, abs=1e-4)


def test_unedited_file_changes_nothing(job: Job) -> None:
    adjustments.adjust(job, MODEL, ALL_RUN_ITEMS, Change(week(job, 1), week(job, 13), percent=100 / 7), "a fair", "Ann")
    for period in Period:
        for file_format in ("xlsx", "csv"):
            upload = read(job, written(job, period, file_format=file_format))
            assert (upload.changes, upload.bad, upload.n_empty) == ((), (), 0) and upload.n_unchanged > 0
            with pytest.raises(InputError, match="The adjustment is empty"):
                save_plan_file(job, MODEL, upload, "why", "Ann")


def test_rows_and_columns_can_be_moved_deleted_and_added(job: Job) -> None:
    def edit(sheet: Worksheet) -> None:
        put("item1", 12, 5)(sheet)
        sheet.move_range("S1:S4", cols=2)
        sheet["T1"].value, sheet["T2"].value = "my notes", "buy more"
        sheet.insert_rows(1, 2)
        sheet["A1"].value = "Plan of the fair"
        sheet.delete_cols(2, 6)  # including the first week
        sheet.delete_rows(row_of(sheet, "item2"))
        sheet["B3"].value = str(week(job, 2))

    upload = after(job, edit)
    (change,) = upload.changes
    assert (change.key, change.period, change.cell, change.after) == ("item1", str(week(job, 13)), "Plan!O5", 5)
    assert upload.n_rows == 2 and upload.n_unchanged == 23 and not upload.bad
    assert upload.remarks == ("Ignored columns: 'my notes'.",)


def test_changes_by_others_in_unedited_cells_are_kept(job: Job) -> None:
    file = edited(written(job), put("item1", 0, 5))
    adjustments.adjust(job, MODEL, by_keys("item1"), Change(week(job, 2), week(job, 3), units=9), "fair", "Bob")
    upload = read(job, file)
    assert [change.cell for change in upload.changes] == ["Plan!G4"] and not upload.conflicts
    save_plan_file(job, MODEL, upload, "mine", "Ann")
    assert plan(job, "item1")[:3].tolist() == [5, 9, 9]


def test_changes_by_others_in_edited_cells_are_a_conflict_until_confirmed(job: Job) -> None:
    def edit(sheet: Worksheet) -> None:
        put("item1", 0, 5)(sheet)
        put("item1", 1, 6)(sheet)

    file = edited(written(job), edit)
    adjustments.adjust(job, MODEL, by_keys("item1"), Change(week(job, 1), week(job, 1), units=9), "fair", "Bob")
    upload = read(job, file)
    assert [(c.cell, c.before, c.after) for c in upload.conflicts] == [("Plan!G4", 9, 5)] and len(upload.changes) == 2
    with pytest.raises(Conflict, match="changed 1 cell of the file since the download: Plan!G4"):
        save_plan_file(job, MODEL, upload, "mine", "Ann")
    assert len(adjustments.list_adjustments(job)) == 1
    made = save_plan_file(job, MODEL, upload, "mine", "Ann", on_conflict=ConflictPolicy.KEEP)
    assert plan(job, "item1")[:2].tolist() == [9, 6]
    adjustments.undo(made, "Ann")
    upload = read(job, file)
    save_plan_file(job, MODEL, upload, "mine", "Ann", on_conflict=ConflictPolicy.OVERWRITE)
    assert plan(job, "item1")[:2].tolist() == [5, 6]


def test_change_between_preview_and_saving_is_a_conflict(job: Job) -> None:
    upload = after(job, put("item1", 0, 5))
    adjustments.adjust(job, MODEL, by_keys("item1"), Change(week(job, 1), week(job, 1), units=9), "fair", "Bob")
    with pytest.raises(Conflict, match="by Bob: fair"):
        save_plan_file(job, MODEL, upload, "mine", "Ann")
    assert plan(job, "item1")[0] == 9


def test_file_without_the_hidden_sheet_is_compared_with_the_current_plan(job: Job) -> None:
    file = edited(written(job), put("item1", 0, 5), is_bare=True)
    adjustments.adjust(job, MODEL, by_keys("item2"), Change(week(job, 1), week(job, 1), units=9), "fair", "Bob")
    upload = read(job, file)
    assert [c.cell for c in upload.changes] == ["Plan!G3", "Plan!G4"] and not upload.conflicts
    assert "compared with the current plan" in upload.remarks[0]


# Refusals


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("abc", "it has the text 'abc', not a number"),
        ("12", "it has the text '12', not a number"),
        (-1, "it has -1, but units must not be negative"),
        (1e300, "it has 1e+300, but the maximum is 1,000,000,000,000"),
        (True, "it has TRUE, not units"),
        (datetime(2026, 11, 28), "it has a date or time, 2026-11-28"),
        ("#DIV/0!", "it has the error #DIV/0!"),
        ("=1+1", "its formula has no computed value"),
    ],
)
def test_invalid_cell_is_named(job: Job, value: Any, message: str) -> None:
    def edit(sheet: Worksheet) -> None:
        put("item1", 1, value)(sheet)
        put("item1", 2, 5)(sheet)

    upload = after(job, edit)
    assert list(bad(upload)) == ["Plan!H4"] and message in bad(upload)["Plan!H4"]
    assert [change.cell for change in upload.changes] == ["Plan!I4"]
    with pytest.raises(InputError, match="Refused 1 cell: Plan!H4: it"):
        save_plan_file(job, MODEL, upload, "why", "Ann")
    assert adjustments.list_adjustments(job) == []
    save_plan_file(job, MODEL, upload, "why", "Ann", skip_bad=True)
    assert plan(job, "item1")[2] == 5


def with_xml(file: io.BytesIO, old: str, new: str) -> io.BytesIO:
    """Replaces text in the XML of the first sheet of a workbook."""
    out = io.BytesIO()
    with zipfile.ZipFile(file) as before, zipfile.ZipFile(out, "w") as target:
        for info in before.infolist():
            data = before.read(info)
            if info.filename == "xl/worksheets/sheet1.xml":
                assert old in data.decode()
                data = data.decode().replace(old, new, 1).encode()
            target.writestr(info.filename, data)
    out.seek(0)
    return out


def test_infinite_and_nan_numbers_are_named(job: Job) -> None:
    file = edited(written(job), put("item1", 0, 123.5))
    assert "inf, not units" in bad(read(job, with_xml(file, "<v>123.5</v>", "<v>1e999</v>")))["Plan!G4"]
    with pytest.raises(InputError, match="Plan!G4 of plan.xlsx has 'NaN', not a number"):
        read(job, with_xml(file, "<v>123.5</v>", "<v>NaN</v>"))


def test_formula_is_read_by_its_saved_value(job: Job) -> None:
    file = edited(written(job), put("item1", 0, 123.5))
    (change,) = read(job, with_xml(file, "<v>123.5</v>", "<f>100+23.5</f><v>123.5</v>")).changes
    assert change.after == 123.5


def test_empty_cells_are_counted_and_change_nothing(job: Job) -> None:
    upload = after(job, put("item1", 0, None))
    assert upload.n_empty == 1 and not upload.changes and not upload.bad
    assert upload.remarks == ("Empty cells do not change the plan: 1 cell.",)


def test_merged_cells_are_named(job: Job) -> None:
    upload = after(job, lambda sheet: sheet.merge_cells("H3:I4"))
    assert list(bad(upload)) == ["Plan!H3", "Plan!I3", "Plan!H4", "Plan!I4"]
    assert "merged cells H3:I4" in bad(upload)["Plan!H3"] and not upload.changes
    assert bad(after(job, lambda sheet: sheet.merge_cells("A3:A4")))["Plan!A3"] == "the key is in merged cells"
    assert "header is in the merged cells" in bad(after(job, lambda sheet: sheet.merge_cells("G1:H1")))["Plan!G1"]


def test_unknown_duplicate_and_missing_keys_are_named(job: Job) -> None:
    def edit(sheet: Worksheet) -> None:
        sheet["A2"].value = "item9"
        sheet["A3"].value = "item1"
        sheet["G3"].value = 5
        sheet["G6"].value = 7

    assert bad(after(job, edit)) == {
        "Plan!A2": f"run {job.job_id} has no item 'item9'",
        "Plan!A3": "item 'item1' occurs in 2 rows",
        "Plan!A4": "item 'item1' occurs in 2 rows",
        "Plan!A6": "there is no key",
    }


def test_duplicate_headers_are_named(job: Job) -> None:
    def edit(sheet: Worksheet) -> None:
        sheet["H1"].value = week(job, 1)
        sheet["G2"].value = 5

    upload = after(job, edit)
    assert bad(upload) == dict.fromkeys(("Plan!G1", "Plan!H1"), f"{week(job, 1)} occurs in 2 columns")
    assert not upload.changes
    with pytest.raises(InputError, match="several columns 'Key': Plan!A1 and Plan!B1"):
        after(job, lambda sheet: setattr(sheet["B1"], "value", "key"))


def test_weeks_outside_the_forecast_are_named(job: Job) -> None:
    def edit(sheet: Worksheet) -> None:
        sheet["G1"].value = week(job, 0)
        sheet["G2"].value = 5

    upload = after(job, edit)
    first, last = week(job, 1), week(job, 13)
    assert bad(upload) == {"Plan!G1": f"{week(job, 0)} is not in this run, which covers {first} to {last}"}
    assert not upload.changes


def test_items_that_failed_are_named(job: Job) -> None:
    file = edited(written(job), put("item1", 0, 5))
    with transaction() as cur:
        cur.execute("UPDATE fcst_app.job_items SET outcome = 'failed', reason = 'No sales.' WHERE unique_id = 'item1'")
    assert bad(read(job, file)) == {"Plan!A4": "item 'item1' has no plan because it is failed: No sales"}


def test_contradicting_periods_that_share_a_week_are_named(job: Job) -> None:
    def edit(sheet: Worksheet) -> None:
        for place in range(len(split_of(job, Period.MONTH).spans)):
            put("item1", place, 0)(sheet)
        put("item1", 0, 1e6)(sheet)  # its last days are in a week of the next month
        put("item1", 1, 0)(sheet)

    upload = after(job, edit, Period.MONTH)
    if upload.n_bad:
        assert "share weeks" in upload.bad[0].why and not upload.changes
    else:
        save_plan_file(job, MODEL, upload, "why", "Ann")
        assert split_of(job, Period.MONTH).add_up(plan(job, "item1"))[0] == pytest.approx(1e6)


def test_file_of_another_run_or_model_is_refused(job: Job) -> None:
    file = written(job)
    other = run_again(job)
    with pytest.raises(InputError, match=rf"is a plan of run {job.job_id}, but this is run {other.job_id}"):
        read(other, file)
    with pytest.raises(InputError, match="is a plan by WindowAverage, but this is the plan by Naive"):
        read(job, file, "Naive")


def run_again(job: Job) -> Job:
    from fcst.services import datasets

    return run(datasets.get_dataset(job.dataset_id), 3, models=(MODEL,), h=13, n_windows=0)


def book_with(**sheets: list[list[object]]) -> io.BytesIO:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    out.seek(0)
    return out


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("file", "message"),
    [
        (book_with(Other=[["Key"]]), "has no sheet Plan"),
        (book_with(Plan=[["Name", "2026-11"]]), "no column 'Key'"),
        (book_with(Plan=[["Key", "Name"], ["item1", 1]]), "no column of a week, month or quarter"),
        (book_with(Plan=[["Key", "2026-11", "2026-Q4"]]), "has months and quarters as columns"),
        (io.BytesIO(b"PK\x03\x04 no workbook"), "cannot be read as a workbook"),
        (io.BytesIO(b"\xd0\xcf\x11\xe0 old"), "in an older format"),
        (io.BytesIO(b""), "no column 'Key'"),
        (io.BytesIO("Key;Käse".encode("latin-1")), "not UTF-8"),
        (io.BytesIO(b"\x89PNG" + bytes(100)), "not UTF-8"),
    ],
)
def test_file_that_is_not_a_plan_is_refused(job: Job, file: io.BytesIO, message: str) -> None:
    file.seek(0)
    with pytest.raises(InputError, match=message):
        read(job, file)


@pytest.mark.full
def test_huge_files_are_refused(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(job)
    far = with_xml(edited(file, lambda sheet: None), '<row r="4"', '<row r="999999999"')
    with pytest.raises(InputError, match="has more than 1,048,575 rows"):
        read(job, far)
    wide = edited(file, lambda sheet: setattr(sheet["XFD4"], "value", 1))
    assert not read(job, wide).changes
    for limit, value, message in (
        ("MAX_PARTS", 1000, "unpacks to more than"),
        ("MAX_UNPACKED", 1000, "unpacks to more than"),
        ("MAX_CELLS", 10, "or 10 cells"),
        ("MAX_FILE_BYTES", 1000, "Give at most"),
    ):
        with monkeypatch.context() as patch, pytest.raises(InputError, match=message):
            patch.setattr(plan_sheets, limit, value)
            read(job, file)


# CSV


def lines_of(job: Job, period: Period = Period.WEEK) -> list[list[str]]:
    text = written(job, period, file_format="csv").getvalue().decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def as_csv(rows: list[list[str]], separator: str = ",", encoding: str = "utf-8") -> io.BytesIO:
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows(rows)
    return io.BytesIO(out.getvalue().encode(encoding))


@pytest.mark.few(2)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize(("separator", "typed"), [(",", "12.5"), (";", "12.5"), (";", "12,5"), ("\t", "12,5")])
def test_csv_of_common_programs_is_read(job: Job, separator: str, typed: str, encoding: str) -> None:
    rows = lines_of(job)
    if "," in typed:
        rows = [rows[0], *([cell.replace(".", ",") for cell in row] for row in rows[1:])]
    rows[0][6:9] = [f"{week(job, 1):%d.%m.%Y}", f"{week(job, 2):%m/%d/%Y}", str(week(job, 3))]
    rows[3][6:9] = [typed] * 3
    upload = read(job, as_csv(rows, separator, encoding))
    assert [(c.cell, c.period, c.after) for c in upload.changes] == [
        (cell, str(week(job, n)), 12.5) for n, cell in ((1, "G4"), (2, "H4"), (3, "I4"))
    ]
    assert not upload.bad and "compared with the current plan" in upload.remarks[0]
    save_plan_file(job, MODEL, upload, "why", "Ann")
    assert adjustments.list_adjustments(job)[0].scope == "CSV file, 1 item"


def test_month_formats_of_excel_are_read(job: Job) -> None:
    rows = lines_of(job, Period.MONTH)
    spans = split_of(job, Period.MONTH).spans
    rows[0][6:] = [f"{span.first:%b-%y}" for span in spans]
    rows[1][7] = "55"
    (change,) = read(job, as_csv(rows)).changes
    assert (change.period, change.after) == (spans[1].name, 55)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("typed", "message"),
    [("12,5", "the text '12,5'"), ("1 000", "the text"), ("nan", "the text 'nan'"), ("inf", "text"), ("1e999", "inf"),
     ("-3", "must not be negative"), ("=1+1", "the text '=1+1'"), ("1_0", "text"), ("٣", "text")],
)  # fmt: skip
def test_invalid_csv_cell_is_named(job: Job, typed: str, message: str) -> None:
    rows = lines_of(job)
    rows[1][6] = typed
    upload = read(job, as_csv(rows))
    assert list(bad(upload)) == ["G2"] and message in bad(upload)["G2"]


def test_points_with_decimal_commas_are_named(job: Job) -> None:
    rows = [[cell.replace(".", ",") for cell in row] for row in lines_of(job)]
    rows[1][6] = "1.234,5"
    assert "decimal commas" in bad(read(job, as_csv(rows, ";")))["G2"]


# Unsafe and ambiguous texts


def make_unsafe_run(load_dataset: Callable[..., Dataset]) -> Job:
    job = run(load_dataset(n_items=len(UNSAFE_KEYS)), len(UNSAFE_KEYS), models=("SeasonalNaive",), n_windows=0, h=2)
    with transaction() as cur:
        for table in ("items", "sales", "job_items", "forecasts", "forecast_sums"):
            for number, key in enumerate(UNSAFE_KEYS, 1):
                names = {"key": key, "old": f"item{number}"}
                cur.execute(f"UPDATE fcst_app.{table} SET unique_id = %(key)s WHERE unique_id = %(old)s", names)
        cur.execute("UPDATE fcst_app.items SET description = '=1+1', family = '@x'")
        cur.execute("UPDATE fcst_app.jobs SET name = '=1+1', note = '@x'")
    return jobs.get_job(job.job_id)


@pytest.mark.parametrize("file_format", ["xlsx", "csv"])
def test_unsafe_keys_survive_a_round_trip(
    load_dataset: Callable[..., Dataset], once: Callable, file_format: str
) -> None:
    job = once("nasty_plan", lambda: make_unsafe_run(load_dataset))
    file = written(job, file_format=file_format, model="SeasonalNaive")
    if file_format == "xlsx":
        book = openpyxl.load_workbook(file)
        sheet = book["Plan"]
        assert {cell.data_type for cells in sheet["A2:C100"] for cell in cells if cell.value is not None} <= {
            "s",
            "inlineStr",
        }
        for row in range(2, len(UNSAFE_KEYS) + 2):
            sheet.cell(row, FIRST).value = 1000 + row
        book.save(file := io.BytesIO())
    else:
        rows = list(csv.reader(io.StringIO(file.getvalue().decode("utf-8-sig"), newline="")))
        assert not [cell for row in rows for cell in row if cell[:1] in tuple("=+-@\t\r\n")]
        rows[1:] = [[*row[:6], str(1000 + number)] for number, row in enumerate(rows[1:], 2)]
        file = as_csv(rows)
    upload = read(job, file, "SeasonalNaive")
    assert not upload.bad and upload.n_rows == len(UNSAFE_KEYS)
    assert {change.key for change in upload.changes} == set(UNSAFE_KEYS) and not upload.conflicts
    save_plan_file(job, "SeasonalNaive", upload, "=1+1", "@Ann")
    assert forecasts.view(job, "SeasonalNaive").forecast["final"].iloc[0] == sum(c.after for c in upload.changes)


# The CLI, and download links of the pages


def command(*args: object) -> int:
    return main(["final-plan", *map(str, args)])


def test_cli_writes_reads_and_saves(job: Job, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plan.xlsx"
    assert command(job.job_id, "-o", path, "--by", "month") == 0
    path.write_bytes(edited(io.BytesIO(path.read_bytes()), put("item1", 1, 5)).getvalue())
    assert command(job.job_id, "--upload", path, "--dry-run", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert [change["cell"] for change in found["changes"]] == ["Plan!H4"] and found["adjustment_id"] is None
    assert command(job.job_id, "--upload", path) == 2  # no reason
    assert adjustments.list_adjustments(job) == []
    assert command(job.job_id, "--upload", path, "--reason", "sales") == 0
    (made,) = adjustments.list_adjustments(job)
    assert (made.reason, made.scope) == ("sales", "workbook, 1 item")
    assert command(job.job_id, "--model", "Naive", "--format", "csv") == 0
    assert capfd.readouterr().out.splitlines()[-1].startswith("item1,")
    assert command(job.job_id, "--format", "xlsx") == 2
    assert command(job.job_id, "--upload", tmp_path / "none.xlsx", "--reason", "x") == 2


def test_cli_lists_invalid_cells_and_saves_nothing(job: Job, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plan.xlsx"

    def edit(sheet: Worksheet) -> None:
        for place, value in enumerate(("abc", -1, 5)):
            put("item1", place, value)(sheet)

    path.write_bytes(edited(written(job), edit).getvalue())
    assert command(job.job_id, "--upload", path, "--reason", "sales") == 2
    lines = capfd.readouterr().err.splitlines()
    assert "Plan!G4: it has the text 'abc', not a number" in lines
    assert "Plan!H4: it has -1, but units must not be negative" in lines
    assert adjustments.list_adjustments(job) == []
    assert command(job.job_id, "--upload", path, "--reason", "sales", "--skip-bad") == 0
    assert plan(job, "item1")[2] == 5


def get(path: str) -> httpx.Response:
    """Requests a link from the server."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=downloads.ROUTES))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.get(path)

    return anyio.run(ask)


def test_links_return_the_files(job: Job) -> None:
    link = downloads.link_to_plan(job.job_id, "xlsx", [("item", "item2"), ("model", MODEL), ("by", "month")])
    found = get(link)
    assert found.status_code == 200 and found.headers["x-content-type-options"] == "nosniff"
    assert f"_plan_{MODEL}_by-month_item-item2.xlsx" in found.headers["content-disposition"]
    sheet = openpyxl.load_workbook(io.BytesIO(found.content))["Plan"]
    assert [sheet.max_row, sheet["A2"].value] == [2, "item2"]
    query = downloads.filter_query(RunFilter(search="item1"), MODEL)
    text = get(downloads.link_to_plan(job.job_id, "csv", query)).content.decode("utf-8-sig")
    assert [line.split(",")[0] for line in text.splitlines()] == ["Key", "item1"]
    for path in ("plan.pdf", "plan.csv?by=year", "plan.csv?model=X", "plan.csv?item=item9", "plan.csv?x=1"):
        assert get(f"/downloads/{job.job_id}/{path}").status_code == 404


def test_unsigned_links_are_refused_with_sign_in(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "has_sign_in", property(lambda self: True))
    monkeypatch.setattr(downloads, "signing_secret", lambda: "a secret of sixteen characters or more")
    link = downloads.link_to_plan(job.job_id, "csv", [("model", MODEL)])
    assert get(link).status_code == 200
    assert get(link.replace(MODEL, "Naive")).status_code == 403
    assert get(f"/downloads/{job.job_id}/plan.csv").status_code == 403
