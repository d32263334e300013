"""Plan files over HTTP: download, compare after an edit, save; invalid requests."""

import csv
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from fcst.api.request_checks import MAX_BODY
from fcst.filters import ALL_RUN_ITEMS, by_keys
from fcst.periods import Period
from fcst.services import jobs, plan_workbook
from tests.api.conftest import ApiServer, ask_database, is_problem
from tests.api.plans import H, adjust, listed, plan, run, week
from tests.workbooks import cells

FIRST = 7  # the first column of a period


@pytest.fixture
def job_id(api: ApiServer) -> int:
    """A run of six items and four weeks without adjustments."""
    ask_database("DELETE FROM fcst_app.adjustments")
    return run(api)


def download(api: ApiServer, job_id: int, **params: Any) -> bytes:
    answer = api.get(f"/api/jobs/{job_id}/plan", params=params)
    assert answer.status_code == 200, answer.text
    return answer.content


def upload(api: ApiServer, job_id: int, content: bytes, name: str = "plan.xlsx", **options: Any) -> httpx.Response:
    data = {"options": json.dumps(options)} if options else {}
    answer: httpx.Response = api.post(f"/api/jobs/{job_id}/plan", files={"file": (name, content)}, data=data)
    return answer


def edited(content: bytes, edit: Callable[[Worksheet], object]) -> bytes:
    book = openpyxl.load_workbook(io.BytesIO(content))
    edit(book["Plan"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def set_cells(**values: Any) -> Callable[[Worksheet], None]:
    def edit(sheet: Worksheet) -> None:
        for cell, value in values.items():
            sheet[cell] = value

    return edit


@pytest.mark.few(2)
@pytest.mark.parametrize("by", Period)
@pytest.mark.parametrize("file_format", ["xlsx", "csv"])
@pytest.mark.parametrize("keys", [None, ["item2", "item5"]])
def test_files_match_the_services(
    api: ApiServer, job_id: int, by: Period, file_format: str, keys: list[str] | None
) -> None:
    adjust(api, job_id, percent=10, model="Naive")
    params = {"by": str(by), "format": file_format, "item": keys or [], "model": "Naive"}
    answer = api.get(f"/api/jobs/{job_id}/plan", params=params, headers={"Accept-Encoding": "identity"})
    out = io.BytesIO()
    plan_workbook.write_plan(
        jobs.get_job(job_id), "Naive", out, file_format, by, ALL_RUN_ITEMS if keys is None else by_keys(*keys)
    )
    assert answer.status_code == 200 and int(answer.headers["content-length"]) == len(answer.content)
    name = "2-items" if keys else "all-items"
    assert answer.headers["content-disposition"].endswith(f"run{job_id}_s_plan_Naive_by-{by}_{name}.{file_format}")
    if file_format == "csv":
        assert answer.content == out.getvalue() and answer.headers["content-type"].startswith("text/csv")
        return
    for found, wanted in zip(cells(answer.content), cells(out.getvalue()), strict=True):
        assert [row for row in found if "Downloaded, UTC" not in row] == [
            row for row in wanted if "Downloaded, UTC" not in row
        ]


def test_plan_has_the_filters_of_the_worklist(api: ApiServer, job_id: int) -> None:
    def keys(**params: Any) -> list[str]:
        rows = download(api, job_id, format="csv", **params).decode("utf-8-sig").splitlines()
        return [row["Key"] for row in csv.DictReader(rows)]

    assert keys() == [f"item{n}" for n in range(6, 0, -1)]
    assert keys(q="item3") == ["item3"] and keys(family="none") == []
    adjust(api, job_id, percent=10)
    assert keys(reason="adjusted") == ["item3"] and keys(reason="adjusted", model="Naive") == []


def test_edited_workbook_is_compared_and_saved(api: ApiServer, job_id: int) -> None:
    before = plan(api, job_id, "item6"), plan(api, job_id)
    edit = set_cells(G2=before[0][0] + 5, H3="many", I4=-1, J5=1e300, G6=True, H7=None)
    file = edited(download(api, job_id), edit)
    found = upload(api, job_id, file).json()
    (change,) = found["changes"]
    assert change == {
        "key": "item6", "name": "", "period": week(job_id, 1), "cell": "Plan!G2", "before": before[0][0],
        "after": before[0][0] + 5, "has_conflict": False,
    }  # fmt: skip
    bad = {row["cell"]: row["why"] for row in found["bad"]}
    assert bad == {
        "Plan!H3": "it has the text 'many', not a number",
        "Plan!I4": "it has -1, but units must not be negative",
        "Plan!J5": "it has 1e+300, but the maximum is 1,000,000,000,000",
        "Plan!G6": "it has TRUE, not units",
    }
    names = ("adjustment_id", "kind", "period", "n_rows", "n_items", "n_changes", "n_bad", "n_empty", "n_unchanged")
    assert [found[name] for name in names] == [None, "workbook", "week", 6, 1, 1, 4, 1, 18]
    assert found["last_change"] == 0 and any("Empty" in remark for remark in found["remarks"])
    assert plan(api, job_id) == before[1] and listed(api, job_id) == []
    answer = upload(api, job_id, file, save=True, reason="sales team")
    assert is_problem(answer, 422, "Refused 4 cells: Plan!H3: it has the text 'many', not a number")
    saved = upload(api, job_id, file, save=True, reason="sales team", who="Ann", skip_bad=True).json()
    (row,) = listed(api, job_id)
    assert (row["adjustment_id"], row["reason"], row["made_by"]) == (saved["adjustment_id"], "sales team", "Ann")
    assert plan(api, job_id, "item6") == pytest.approx([before[0][0] + 5, *before[0][1:]])
    assert upload(api, job_id, file).json()["n_changes"] == 0


def test_month_cell_sets_the_sum_of_its_weeks(api: ApiServer, job_id: int) -> None:
    file = edited(download(api, job_id, by="month", model="Naive"), set_cells(G2=77))
    saved = upload(api, job_id, file, save=True, reason="contract", model="Naive").json()
    assert (saved["period"], saved["n_items"]) == ("month", 1) and saved["adjustment_id"]
    sheet = openpyxl.load_workbook(io.BytesIO(download(api, job_id, by="month", model="Naive")))["Plan"]
    assert sheet.cell(2, FIRST).value == pytest.approx(77)


def test_cells_changed_by_others_need_a_decision(api: ApiServer, job_id: int) -> None:
    file = edited(download(api, job_id), set_cells(G2=70, H2=71))
    adjust(api, job_id, items=["item6"], first=1, last=1, units=5)
    found = upload(api, job_id, file).json()
    assert [change["has_conflict"] for change in found["changes"]] == [True, False]
    answer = upload(api, job_id, file, save=True, reason="mine")
    assert is_problem(answer, 409, "Others have changed 1 cell of the file since the download: Plan!G2.")
    upload(api, job_id, file, save=True, reason="mine", on_conflict="keep")
    assert plan(api, job_id, "item6")[:2] == [5, 71]
    upload(api, job_id, file, save=True, reason="mine", on_conflict="overwrite")
    assert plan(api, job_id, "item6")[:2] == [70, 71]


def test_change_between_comparison_and_saving_is_not_overwritten(api: ApiServer, job_id: int) -> None:
    """A CSV file does not store the downloaded values."""
    lines = download(api, job_id, format="csv").decode("utf-8-sig").splitlines()
    rows = [line.split(",") for line in lines]
    rows[1][FIRST - 1] = "70"
    file = "\r\n".join(map(",".join, rows)).encode()
    found = upload(api, job_id, file, "plan.csv").json()
    assert (found["kind"], [change["cell"] for change in found["changes"]]) == ("CSV file", ["G2"])
    adjust(api, job_id, items=["item6"], first=1, last=1, units=5)
    save = {"save": True, "reason": "mine"}
    answer = upload(api, job_id, file, "plan.csv", last_change=found["last_change"], **save)
    assert is_problem(answer, 409, "These weeks were changed meanwhile.")
    assert plan(api, job_id, "item6")[0] == 5
    seen = upload(api, job_id, file, "plan.csv").json()["last_change"]
    assert upload(api, job_id, file, "plan.csv", last_change=seen, **save).json()["adjustment_id"]
    assert plan(api, job_id, "item6")[0] == 70


@pytest.mark.full
def test_upload_may_be_larger_than_other_bodies(api: ApiServer, job_id: int) -> None:
    rows = [f"a_long_key_that_no_item_of_this_run_has_{number:020},1" for number in range(MAX_BODY // 60)]
    file = "\n".join([f"Key,{week(job_id, 1)}", *rows]).encode()
    assert len(file) > MAX_BODY
    found = upload(api, job_id, file, "plan.csv").json()
    assert found["n_bad"] == found["n_rows"] == len(rows) and len(found["bad"]) == 1_000


def test_run_without_a_plan_accepts_no_cells(api: ApiServer) -> None:
    api.clear()
    job_id = api.submit()
    assert download(api, job_id, format="csv").count(b"\n") == 1
    found = upload(api, job_id, f"Key,{week(job_id, 1)}\nitem6,3\n".encode(), "plan.csv").json()
    assert [row["why"] for row in found["bad"]] == ["item 'item6' has no plan because it is pending"]
    past = upload(api, job_id, f"Key,{week(job_id, 0)},{week(job_id, H)}\nitem6,3,3\n".encode(), "plan.csv").json()
    assert past["bad"][0]["cell"] == "B1" and f"{week(job_id, 0)} is not in this run" in past["bad"][0]["why"]


def test_invalid_request_is_a_problem_with_a_hint(api: ApiServer, job_id: int) -> None:
    address = f"/api/jobs/{job_id}/plan"
    for query, status, words in (
        ("format=parquet", 422, "format"),
        ("by=day", 422, "by"),
        ("model=Auto", 422, "has no model Auto"),
        ("item=nobody", 404, "has no item nobody"),
        ("reason=odd", 422, "reason"),
    ):
        assert is_problem(api.get(f"{address}?{query}"), status, words), query
    book = download(api, job_id)
    other = download(api, job_id, model="Naive")
    sheetless = io.BytesIO()
    with zipfile.ZipFile(sheetless, "w") as archive:
        archive.writestr("x.txt", "x")
    for name, content, words in (
        ("plan.xlsx", b"", "has no column 'Key'"),
        ("plan.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "is not UTF-8"),
        ("plan.bin", bytes(range(1, 256)) * 20, "is not UTF-8"),
        ("plan.xls", b"\xd0\xcf\x11\xe0" + bytes(100), "in an older format"),
        ("plan.xlsx", sheetless.getvalue(), "cannot be read as a workbook"),
        ("plan.xlsx", book[: len(book) // 2], "cannot be read as a workbook"),
        ("plan.csv", b"Key\nitem6\n", "no column of a week, month or quarter"),
        ("plan.csv", b"Key,2026-11,2026-Q4\nitem6,1,1\n", "months and quarters as columns"),
        ("plan.xlsx", other, "is a plan by Naive"),
    ):
        assert is_problem(upload(api, job_id, content, name), 422, words), (name, words)
    newer = run(api)
    assert is_problem(upload(api, newer, book), 422, f"is a plan of run {job_id}, but this is run {newer}.")
    changed = edited(book, set_cells(G2=70))
    for options, words in (
        ({"save": True}, "A change needs a reason."),
        ({"save": "yes"}, "save"),
        ({"saved": True}, "saved"),
        ({"on_conflict": "mine"}, "on_conflict"),
        ({"reason": "x" * 501}, "reason"),
        ({"reason": "a\0b"}, "reason"),
        ({"who": "x" * 101}, "who"),
        ({"last_change": "0"}, "last_change"),
        ({"model": "Auto"}, "has no model Auto"),
    ):
        assert is_problem(upload(api, job_id, changed, **options), 422, words), options
    assert is_problem(upload(api, job_id, book, save=True, reason="x"), 422, "The adjustment is empty.")
    for text in ("", "[]", "{", "null", "NaN"):
        answer = api.post(address, files={"file": ("plan.xlsx", book)}, data={"options": text})
        assert is_problem(answer, 422), text
    assert is_problem(api.post(address, json={"save": True}), 415)
    assert is_problem(api.post(address, content=book, headers={"Content-Type": "text/csv"}), 415)
    assert is_problem(api.post(address), 415)
    assert is_problem(api.post(address, data={"file": "x"}, files={"other": ("x", b"x")}), 422, "No file was uploaded.")
    two = [("file", ("a.xlsx", book)), ("file", ("b.xlsx", book))]
    assert is_problem(api.post(address, files=two), 422, "2 files were uploaded.")
    cut = {"Content-Type": "multipart/form-data; boundary=b"}
    assert is_problem(api.post(address, content=b"--b\r\nno header", headers=cut), 400)
    assert listed(api, job_id) == []
    for number in (0, 2**31, 10**39):
        assert is_problem(api.get(f"/api/jobs/{number}/plan"), 404, f"Run {number} does not exist.")
        assert is_problem(upload(api, number, book), 404, f"Run {number} does not exist.")
