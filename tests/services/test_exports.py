"""Forecast exports, read with common libraries and compared with database rows; download routes."""

import io
import json
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
import uvicorn
from starlette.applications import Starlette

from fcst.cli.main import main
from fcst.dataset_records import Dataset
from fcst.errors import InputError
from fcst.escaping import for_spreadsheet
from fcst.export_formats import FILE_FORMATS
from fcst.filters import ALL_RUN_ITEMS, RunFilter, by_keys
from fcst.job_records import Job
from fcst.roles import RoleRules
from fcst.services import accuracy, datasets, exports, jobs
from fcst.services.forecasts import list_items
from fcst.settings import load_settings
from fcst.store.database import transaction
from fcst.ui import downloads
from tests.computed_runs import run
from tests.nasty_text import cells

UNSAFE_KEYS = [
    "=cmd|'/c calc'!A1",
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
]
UNSAFE_KEYS += ["NA", "null", "00042", "<b>&amp;", " x ", "Käse", "1e5", "true", "a,b;c", "A-5", "store|item"]
UNSAFE_KEYS += [";=1", "a; ＝1", "a\t=1", 'x";=1', "12|-3", " @x"]


@pytest.fixture
def job(load_dataset: Callable[..., Dataset], once: Callable) -> Job:
    models = ("SeasonalNaive", "Naive")
    return once("to_export", lambda: run(load_dataset(name="a/b ü"), 4, models=models, n_windows=1))


@pytest.fixture
def unsafe(load_dataset: Callable[..., Dataset], once: Callable) -> Job:
    return once("unsafe", lambda: make_unsafe_run(load_dataset))


def make_unsafe_run(load_dataset: Callable[..., Dataset]) -> Job:
    """Creates a run whose item keys are unsafe or ambiguous in files."""
    job = run(load_dataset(n_items=len(UNSAFE_KEYS)), len(UNSAFE_KEYS), models=("SeasonalNaive",), n_windows=1, h=1)
    with transaction() as cur:
        for table in ("items", "sales", "job_items", "forecasts", "forecast_sums", "metrics"):
            for number, key in enumerate(UNSAFE_KEYS, 1):
                cur.execute(
                    f"UPDATE fcst_app.{table} SET unique_id = %(key)s WHERE unique_id = %(old)s",
                    {"key": key, "old": f"item{number}"},
                )
        cur.execute("UPDATE fcst_app.jobs SET name = '=1+1', note = '@x'")
    return jobs.get_job(job.job_id)


def in_database(job: Job, unique_ids: list[str] | None = None) -> pd.DataFrame:
    with transaction() as cur:
        cur.execute(
            """SELECT f.unique_id, wk_end_dt, model, forecast, (bounds ->> 'lo_80')::float8 AS lo_80,
                      (bounds ->> 'hi_80')::float8 AS hi_80, (bounds ->> 'lo_95')::float8 AS lo_95,
                      (bounds ->> 'hi_95')::float8 AS hi_95, is_fallback, made_by, forecast AS adjusted
               FROM fcst_app.forecast_weeks f JOIN fcst_app.job_items i USING (job_id, unique_id)
               WHERE job_id = %(job_id)s ORDER BY i.sales_rank, model, wk_end_dt""",
            vars(job),
        )
        frame = pd.DataFrame(cur.fetchall())
    if unique_ids is not None:
        frame = frame[frame["unique_id"].isin(unique_ids)].reset_index(drop=True)
    return frame.assign(wk_end_dt=pd.to_datetime(frame["wk_end_dt"]))


def written(job: Job, file_format: str, unique_ids: list[str] | None = None) -> io.BytesIO:
    out = io.BytesIO()
    exports.write_export(job, out, file_format, ALL_RUN_ITEMS if unique_ids is None else by_keys(*unique_ids))
    out.seek(0)
    return out


def read_csv(file: io.BytesIO) -> pd.DataFrame:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    texts = {"unique_id": str, "model": str, "made_by": str}
    # engine="python", because the C engine reads a quoted carriage return as end of line
    return pd.read_csv(text, dtype=texts, parse_dates=["wk_end_dt"], keep_default_na=False, engine="python")


def read_parquet(file: io.BytesIO) -> pd.DataFrame:
    frame = pq.read_table(file).to_pandas()
    return frame.assign(wk_end_dt=pd.to_datetime(frame["wk_end_dt"]))


def unescaped(value: str) -> str:
    return re.sub("_x([0-9A-F]{4})_", lambda found: chr(int(found[1], 16)), value)


def read_xlsx(file: io.BytesIO) -> pd.DataFrame:
    head, *rows = openpyxl.load_workbook(file)["Forecasts"].iter_rows(values_only=True)
    frame = pd.DataFrame(rows, columns=head)
    return frame.assign(wk_end_dt=pd.to_datetime(frame["wk_end_dt"]), unique_id=frame["unique_id"].map(unescaped))


READERS = {"csv": read_csv, "parquet": read_parquet, "xlsx": read_xlsx}
EVERY_FORMAT = pytest.mark.parametrize("file_format", READERS)


@pytest.mark.few(3)
@EVERY_FORMAT
@pytest.mark.parametrize("unique_ids", [None, ["item3"], ["item4", "item6"]])
def test_export_equals_database_rows(job: Job, file_format: str, unique_ids: list[str] | None) -> None:
    found = READERS[file_format](written(job, file_format, unique_ids))
    wanted = in_database(job, unique_ids)
    assert len(found) == exports.count_rows(job, len(unique_ids or "1234")) == 8 * len(unique_ids or "1234")
    pd.testing.assert_frame_equal(found, wanted, check_exact=False, rtol=0, atol=5.1e-5, check_dtype=False)
    assert found["is_fallback"].dtype == bool and found["forecast"].dtype.kind in "if"


@pytest.mark.few(1)
@EVERY_FORMAT
def test_unsafe_keys_survive_a_round_trip(unsafe: Job, file_format: str) -> None:
    found = READERS[file_format](written(unsafe, file_format))["unique_id"]
    assert set(found) == set(map(for_spreadsheet, UNSAFE_KEYS) if file_format == "csv" else UNSAFE_KEYS)


def test_no_csv_text_begins_a_formula_with_any_separator(unsafe: Job, load_dataset: Callable) -> None:
    with transaction() as cur:
        cur.execute("UPDATE fcst_app.forecasts SET model = ';=2', made_by = '=3 | +4'")
    weekly = io.BytesIO()
    datasets.write_weekly_file(unsafe.dataset_id, weekly)
    for document in (written(unsafe, "csv").getvalue().decode(), weekly.getvalue().decode()):
        for separator in ",;\t|":
            found = [cell for cell in cells(document, separator) if re.match(r"\s*[=+@＝＋－＠-]", cell)]
            assert found == []
    frame = read_csv(written(unsafe, "csv"))
    assert set(frame["model"]) == {";'=2"} and set(frame["made_by"]) == {"'=3 | '+4"}


def test_workbook_has_four_sheets_with_typed_cells_and_no_formulas(unsafe: Job) -> None:
    book = openpyxl.load_workbook(written(unsafe, "xlsx"))
    assert book.sheetnames == ["Forecasts", "Accuracy", "Adjustments", "Run"]
    kinds = {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row}
    assert kinds == {"s", "n", "d", "b"}
    assert all(sheet.freeze_panes == "A2" and sheet["A1"].font.b and not sheet["A2"].font.b for sheet in book)
    first = book["Forecasts"][2]
    assert [cell.data_type for cell in first] == ["s", "d", "s", "n", "n", "n", "n", "n", "b", "s", "n"]
    assert first[1].number_format == "yyyy-mm-dd"
    facts = dict(book["Run"].iter_rows(min_row=2, values_only=True))
    assert (facts["Run"], facts["Name"], facts["Note"]) == (unsafe.job_id, "=1+1", "@x")
    assert (facts["Models"], facts["Weeks ahead"], facts["… completed"]) == ("SeasonalNaive", 1, len(UNSAFE_KEYS))


@pytest.mark.parametrize("unique_ids", [None, ["item3"], ["item4", "item6"]])
def test_workbook_has_accuracy_of_the_run_and_its_items(job: Job, unique_ids: list[str] | None) -> None:
    sheet = openpyxl.load_workbook(written(job, "xlsx", unique_ids))["Accuracy"]
    head, *rows = sheet.iter_rows(values_only=True)
    found = pd.DataFrame(rows, columns=head)
    total = accuracy.measure(job, "model")
    items = accuracy.measure(job, "item")
    if unique_ids is not None:
        items = items[items["key"].isin(unique_ids)]
    assert found["of"].tolist() == ["whole run"] * len(total) + ["item"] * len(items)
    wanted = pd.concat([total["wape"], items["wape"]]).astype(float)
    assert found["wape"].tolist() == pytest.approx(wanted.tolist())
    assert found["unique_id"].tolist() == [None] * len(total) + items["key"].tolist()
    assert found["model"].tolist() == [*total["model"], *items["model"]]
    assert sheet.cell(2, head.index("wape") + 1).number_format == "0.00%"


def test_undefined_accuracy_is_an_empty_cell(job: Job) -> None:
    with transaction() as cur:
        cur.execute("UPDATE fcst_app.metrics SET mase = NULL WHERE unique_id = 'item4'")
    head, *rows = openpyxl.load_workbook(written(job, "xlsx", ["item4"]))["Accuracy"].iter_rows(values_only=True)
    assert [row[head.index("mase")] is None for row in rows if row[0] == "item"] == [True] * 2


def test_workbook_with_too_many_rows_is_refused(job: Job) -> None:
    many = replace(job, n_items=37_501, n_completed=37_501)  # by 2 models and 4 weeks
    with pytest.raises(InputError, match="300,008 forecasts would take minutes .* the limit is 300,000 rows") as caught:
        exports.write_export(many, io.BytesIO(), "xlsx")
    assert caught.value.hint.startswith("Choose CSV or Parquet")


@EVERY_FORMAT
def test_exports_exclude_items_that_did_not_complete(job: Job, file_format: str) -> None:
    with transaction() as cur:
        cur.execute("UPDATE fcst_app.job_items SET outcome = 'failed', reason = 'x' WHERE unique_id = 'item4'")
    keys = set(in_database(job)["unique_id"])
    assert "item4" in keys
    assert set(READERS[file_format](written(job, file_format))["unique_id"]) == keys - {"item4"}


@EVERY_FORMAT
def test_cli_writes_the_same_file(
    job: Job, tmp_path: Path, file_format: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path, key = tmp_path / f"out.{file_format}", in_database(job)["unique_id"].iloc[-1]
    assert main(["export", str(job.job_id), "-o", str(path)]) == 0
    assert READERS[file_format](io.BytesIO(path.read_bytes())).equals(READERS[file_format](written(job, file_format)))
    assert main(["export", str(job.job_id), "-o", str(path), "--format", file_format, "--item", key]) == 0
    assert len(READERS[file_format](io.BytesIO(path.read_bytes()))) == 8
    assert main(["export", str(job.job_id), "-o", str(path), "--item", "missing"]) == 2
    assert len(READERS[file_format](io.BytesIO(path.read_bytes()))) == 8, "the existing file is kept"
    assert [file.name for file in tmp_path.glob(".*")] == []


# Download routes


@pytest.fixture
def site(database: str) -> Iterator[str]:
    """URL of a server with the download routes, on the test database."""
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=downloads.ROUTES), port=0, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def get(address: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=60) as answer:
            return answer.status, dict(answer.headers.items()), answer.read()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, dict(exc.headers.items()), exc.read()


@EVERY_FORMAT
def test_route_returns_the_file_with_a_descriptive_name(job: Job, site: str, file_format: str) -> None:
    status, headers, body = get(site + downloads.link_to_forecasts(job.job_id, file_format))
    assert status == 200 and headers["content-length"] == str(len(body))
    assert headers["content-type"] == FILE_FORMATS[file_format].media_type
    name = urllib.parse.unquote(headers["content-disposition"].split("''")[1])
    first, last = in_database(job)["wk_end_dt"].agg(["min", "max"])
    assert headers["content-disposition"].startswith("attachment;")
    assert name == f"run{job.job_id}_a-b-ü_forecasts_all-items_{first:%Y-%m-%d}_{last:%Y-%m-%d}.{file_format}"
    pd.testing.assert_frame_equal(
        READERS[file_format](io.BytesIO(body)), READERS[file_format](written(job, file_format))
    )


def test_route_returns_the_same_bytes_as_the_cli(
    job: Job, site: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["export", str(job.job_id)]) == 0
    assert get(f"{site}/downloads/{job.job_id}/forecasts.csv")[2] == capfdbinary.readouterr().out


def test_route_finds_unsafe_keys(unsafe: Job, site: str) -> None:
    for key in UNSAFE_KEYS:
        status, headers, body = get(
            site + downloads.link_to_forecasts(unsafe.job_id, "parquet", downloads.one_item(key))
        )
        assert status == 200 and read_parquet(io.BytesIO(body))["unique_id"].tolist() == [key]
    assert "item-a-b--c-_" in headers["content-disposition"] or key != 'a/b "c"'


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "which",
    [
        RunFilter("ITEM 2"),
        RunFilter("item", heaviest=("SeasonalNaive",)),
        RunFilter(reasons=("fallback", "ended", "no forecast")),
        RunFilter("nowhere"),
    ],
)
def test_link_with_a_filter_returns_the_matching_items(job: Job, site: str, which: RunFilter) -> None:
    chosen = [item.unique_id for item in list_items(job, "SeasonalNaive", which)]
    address = site + downloads.link_to_forecasts(job.job_id, "csv", downloads.filter_query(which, "SeasonalNaive"))
    status, headers, body = get(address)
    assert status == 200 and body == written(job, "csv", chosen).getvalue()
    assert ("_item-item2_" if len(chosen) == 1 else f"_{len(chosen)}-items_") in headers["content-disposition"]


def test_route_returns_the_files_of_a_dataset(unsafe: Job, site: str) -> None:
    dataset = datasets.get_dataset(unsafe.dataset_id)
    status, headers, body = get(site + downloads.link_to_dataset(dataset.dataset_id, downloads.WEEKLY_SALES))
    assert status == 200 and headers["content-length"] == str(len(body))
    assert headers["content-disposition"] == "attachment; filename*=UTF-8''wkly_sales_data.csv"
    assert headers["content-type"] == "text/csv; charset=utf-8"
    weekly = io.BytesIO()
    datasets.write_weekly_file(dataset.dataset_id, weekly)
    assert body == weekly.getvalue() and body.startswith(b"item_nbr,wk_end_dt,unit_sales\n")
    status, headers, body = get(site + downloads.link_to_dataset(dataset.dataset_id, downloads.REPORT))
    assert status == 200 and json.loads(body) == dataset.report.to_json()
    assert headers["content-disposition"] == "attachment; filename*=UTF-8''report_s_v1.json"
    assert headers["content-type"] == "application/json"
    for name in (downloads.WEEKLY_SALES, downloads.REPORT):
        status, headers, body = get(f"{site}/downloads/datasets/99/{name}")
        assert status == 404 and body == b"There is no dataset 99. Choose one from the list of datasets."
        assert headers["content-type"] == "text/plain; charset=utf-8"
        assert get(site + downloads.link_to_dataset(dataset.dataset_id, name), "HEAD")[2] == b""


@pytest.mark.parametrize("name", [downloads.WEEKLY_SALES, downloads.REPORT])
def test_dataset_files_need_a_signed_link_with_sign_in(
    unsafe: Job, site: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(load_settings(), role_rules=RoleRules({}))
    monkeypatch.setattr(downloads, "load_settings", lambda: settings)
    dataset_id = unsafe.dataset_id
    address = site + downloads.link_to_dataset(dataset_id, name)
    assert get(address)[0] == 200
    until = re.search(r"until=(\d+)", address)
    assert until is not None and 11 * 3600 < int(until[1]) - time.time() <= 12 * 3600
    other = downloads.REPORT if name == downloads.WEEKLY_SALES else downloads.WEEKLY_SALES
    for wrong in (
        address.partition("?")[0],
        address.partition("&")[0],
        address.replace(name, other),
        address.replace(f"/{dataset_id}/", f"/{dataset_id + 1}/"),
        address.replace("until=", "until=9"),
        address[:-1] + ("0" if address[-1] != "0" else "1"),
        address.replace(f"datasets/{dataset_id}/{name}", f"{unsafe.job_id}/forecasts.csv"),
    ):
        status, _, body = get(wrong)
        assert wrong != address and status == 403 and b"Reload its page" in body, wrong
    monkeypatch.setattr(time, "time", lambda: int(until[1]))
    assert get(address)[0] == 403


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("99/forecasts.csv", 404, "Run 99 does not exist."),
        ("99999999999999999999/forecasts.csv", 404, "does not exist"),
        ("{job}/forecasts.csv?items=item1", 404, "There is no parameter items"),
        ("{job}/forecasts.exe", 404, "There is no format 'exe'"),
        ("{job}/forecasts.csv?item=missing", 404, "no item missing"),
        ("{job}/forecasts.csv?item=item1&item=%3Cb%3E", 404, "no item"),
        ("{job}/forecasts.csv?item=%00", 404, "no item"),
        ("{job}/forecasts.csv?item=%ff", 404, "no item"),
        ("{job}/forecasts.csv?item=", 404, "no item"),
        ("{job}/forecasts.csv?item=';DROP TABLE fcst_app.jobs--".replace(" ", "%20"), 404, "no item ';DROP TABLE"),
        ("{job}/forecasts.csv?q=1&model=AutoETS", 404, "no model AutoETS"),
        ("x/forecasts.csv", 404, "Not Found"),
        ("datasets/99999999999999999999/weekly-sales.csv", 404, "There is no dataset 99999999999999999999."),
        ("datasets/1/weekly-sales.csv?item=item1", 404, "There is no parameter item. This file has the whole"),
        ("datasets/1/forecasts.csv", 404, "Not Found"),
        ("{job}/../../etc/passwd", 404, "Not Found"),
    ],
)
def test_route_rejects_invalid_requests_with_a_message(
    job: Job, site: str, path: str, status: int, message: str
) -> None:
    found, headers, body = get(f"{site}/downloads/{path.format(job=job.job_id)}")
    assert found == status and message in body.decode() and "Traceback" not in body.decode()
    assert headers["content-type"] == "text/plain; charset=utf-8"


def test_route_rejects_post_and_head_writes_no_file(job: Job, site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"{site}/downloads/{job.job_id}/forecasts.csv"
    assert get(address, "POST")[0] == 405
    monkeypatch.delattr(exports, "write_export")
    status, headers, body = get(address, "HEAD")
    assert status == 200 and body == b"" and "attachment" in headers["content-disposition"]


def test_route_reports_a_failure_by_a_log_reference(
    job: Job, site: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with transaction() as cur:
        cur.execute("""UPDATE fcst_app.jobs SET spec = spec - 'models'""")
    status, _, body = get(f"{site}/downloads/{job.job_id}/forecasts.xlsx")
    reference = body.decode().split("reference ")[1].rstrip(".")
    assert status == 500 and "KeyError" not in body.decode()
    assert reference in caplog.text and "KeyError" in caplog.text
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/d")
    status, _, body = get(f"{site}/downloads/{job.job_id}/forecasts.csv")
    assert status == 503 and b"secret" not in body and b"Try again" in body


@pytest.mark.full
def test_concurrent_downloads_are_complete(job: Job, site: str) -> None:
    wanted = {name: READERS[name](written(job, name)) for name in READERS}

    def fetch(name: str) -> bool:
        status, _, body = get(f"{site}/downloads/{job.job_id}/forecasts.{name}")
        return status == 200 and READERS[name](io.BytesIO(body)).equals(wanted[name])

    with ThreadPoolExecutor(12) as threads:
        assert all(threads.map(fetch, [*READERS] * 8))
