"""Datasets over HTTP: load from paths and uploads, read, delete; special characters, malicious paths and files."""

import csv
import io
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from fcst.escaping import for_spreadsheet
from fcst.services import datasets
from fcst.store import ingests
from tests.api.conftest import ApiServer, ask_database, is_problem
from tests.api.datasets import dataset_of, finish, load
from tests.conftest import write_sales
from tests.nasty_files import ARCHIVES, KEYS, LOADED, ROWS, TEXTS, Nasty
from tests.servers import work
from tests.shop_with_attributes import write_shop

SECONDS = 20.0  # timeout of a response
NASTY = "'; DROP TABLE fcst_app.jobs; -- <script>alert(1)</script> **b** [x](javascript:1) =1+1 ../../x %s {0} \\ ü 😀"


@pytest.fixture(autouse=True)
def cancel_ingests(place: Path) -> Iterator[None]:
    yield
    for ingest in ingests.list_open():
        ingests.request_cancel(ingest.ingest_id, "test")
    ingests.cancel_waiting()
    shutil.rmtree(place / "home" / "uploads", ignore_errors=True)


def upload(api: ApiServer, *files: tuple[str, bytes], **options: Any) -> Any:
    return api.post(
        "/api/datasets",
        files=[("file", file) for file in files],
        data={"options": json.dumps(options)},
        timeout=SECONDS,
    )


def sales(n_items: int = 2, n_weeks: int = 20, folder: Path = Path("/tmp")) -> bytes:
    path = folder / f"sales-{os.getpid()}.csv"
    write_sales(path, n_items, n_weeks)
    try:
        return path.read_bytes()
    finally:
        path.unlink()


def test_datasets_match_the_services(api: ApiServer) -> None:
    listed = api.get("/api/datasets").json()["datasets"]
    assert [row["name"] for row in listed][-2:] == ["small", "s"]
    known = datasets.find_dataset("s")
    found = api.get(f"/api/datasets/{known.dataset_id}").json()
    assert found["report"] == known.report.to_json() and listed[-1] == {k: v for k, v in found.items() if k != "report"}
    assert (found["n_items"], found["n_weeks"], found["first_wk_end_dt"]) == (6, 120, "2020-01-11")


def test_pages_contain_all_items(api: ApiServer) -> None:
    number = datasets.find_dataset("s").dataset_id
    address, rows, n_pages = f"/api/datasets/{number}/items?limit=2", [], 0
    while address:
        page = api.get(address).json()
        rows, address, n_pages = rows + page["items"], page["next"], n_pages + 1
    items = datasets.list_items(number)
    assert [row["unique_id"] for row in rows] == [item.unique_id for item in items] and n_pages == 4
    assert [row["total_units"] for row in rows] == [item.total_units for item in items]


def test_items_are_filtered_by_attributes_page_by_page(api: ApiServer, tmp_path: Path) -> None:
    path = str(write_shop(tmp_path / "shop"))
    answer = load(api, path=path, name="stores", map={"item": ["store_nbr", "item_nbr"]})
    number = dataset_of(api, answer)["dataset_id"]
    address, rows = f"/api/datasets/{number}/items?limit=2&attr.city=Quito&attr.type=&attr.type=A&attr.family=DAIRY", []
    while address:
        page = api.get(address).json()
        rows, address = rows + page["items"], page["next"]
    assert sorted(row["unique_id"] for row in rows) == ["7|1", "7|2", "9|1", "9|2"]
    assert (rows[0]["class"], rows[0]["attributes"]["item_nbr"]) in (("10", "1"), ("20", "2"))


def test_history_matches_the_services(api: ApiServer) -> None:
    number = datasets.find_dataset("s").dataset_id
    found = api.get(f"/api/datasets/{number}/history", params={"item": "item3"}).json()
    weeks = datasets.item_history(number, "item3")
    assert found["unique_id"] == "item3" and len(found["weeks"]) == 120
    assert [(week["wk_end_dt"], week["unit_sales"]) for week in found["weeks"]] == [
        (str(week.wk_end_dt), week.unit_sales) for week in weeks
    ]
    for key in ("nobody", "item3 ", "%", "a\0b"):
        answer = api.get(f"/api/datasets/{number}/history", params={"item": key})
        assert is_problem(answer, 404, "has no item")


def test_unknown_ids_are_not_found(api: ApiServer) -> None:
    for number in (0, 2**31 - 1, 2**31, 2**63, 10**39):
        for path in ("", "/items", "/history?item=x"):
            assert is_problem(api.get(f"/api/datasets/{number}{path}"), 404, f"There is no dataset {number}.")
        assert is_problem(api.delete(f"/api/datasets/{number}"), 404)
        assert is_problem(api.get(f"/api/ingests/{number}"), 404, f"There is no ingest {number}.")
    for query in ("after=-1", "after=x", "limit=0", "limit=10001", f"after={2**31}", "limit=1e3", "after=NaN"):
        assert is_problem(api.get(f"/api/datasets/1/items?{query}"), 422)


# Loading


def test_file_on_the_server_is_loaded(api: ApiServer, tmp_path: Path) -> None:
    (tmp_path / "my shop.csv").write_bytes(sales(3))
    found = dataset_of(api, load(api, path=str(tmp_path / "my shop.csv")))
    assert (found["name"], found["version"], found["n_items"], found["week_end"]) == ("my shop", 1, 3, "SAT")
    again = dataset_of(api, load(api, path=[str(tmp_path / "my shop.csv")], week_end="SUN", include_promo=True))
    assert (again["name"], again["version"], again["week_end"], again["include_promo"]) == ("my shop", 2, "SUN", True)
    assert (tmp_path / "my shop.csv").exists()  # files on the server are not deleted


def test_price_is_the_mean_price_paid(api: ApiServer) -> None:
    rows = [f"2024-01-{day:02},{item},2,{amount}" for day in range(1, 29) for item, amount in (("a", 25), ("b", ""))]
    found = dataset_of(api, upload(api, ("paid.csv", "\n".join(["day,sku,qty,amount", *rows]).encode())))
    items = api.get(f"/api/datasets/{found['dataset_id']}/items").json()["items"]
    assert {row["unique_id"]: row["price"] for row in items} == {"a": 12.5, "b": None}


def test_uploads_are_loaded_together_and_deleted(api: ApiServer) -> None:
    head, *lines = sales(2, 20).splitlines(keepends=True)
    half = len(lines) // 2
    parts = [("2024.csv", head + b"".join(lines[:half])), ("2024.csv", head + b"".join(lines[half:]))]
    found = dataset_of(api, upload(api, *parts, name="in parts"))
    assert (found["name"], found["n_items"], found["n_weeks"]) == ("in parts", 2, 20)
    assert uploads(api) == []


def uploads(api: ApiServer) -> list[Path]:
    return list((api.place / "home" / "uploads").glob("*"))


def test_bad_rows_are_reported(api: ApiServer) -> None:
    bad = sales() + b"2020-13-77,item1,many\n"
    ingest = finish(api, upload(api, ("bad.csv", bad)))
    assert (ingest["status"], ingest["dataset_id"]) == ("failed", None)
    assert "bad.csv, line" in ingest["error"] and ingest["hint"]
    assert (
        ingest["report"]["bad_rows"]["n"] == 1 and len(uploads(api)) == 1
    )  # kept, so that its good rows can be loaded
    found = dataset_of(api, upload(api, ("bad.csv", bad), skip_bad=True))
    assert (found["name"], found["report"]["dropped"]["bad"]) == ("bad", 1)


@pytest.mark.parametrize(
    ("files", "options", "text"),
    [
        ([], {}, "No file was uploaded."),
        ([("x.csv", b"")], {}, "is empty"),
        ([("x.csv", ROWS.encode())], {"path": "/x"}, "Both a path and an upload were given."),
        ([("x.csv", ROWS.encode())], {"week_end": "DAY"}, "body.week_end"),
        ([("x.csv", ROWS.encode())], {"map": {"colour": "x"}}, "body.map"),
        ([("x.csv", ROWS.encode())], {"map": {"item": "colour"}}, "colour"),
        ([("x.csv", ROWS.encode())], {"name": "x" * 101}, "cannot be used"),
        ([("x.csv", ROWS.encode())], {"name": "a\nb"}, "cannot be used"),
        ([("x.csv", ROWS.encode())], {"encoding": "a\0b"}, "encoding"),
        ([("x.csv", ROWS.encode())], {"where": {"item_nbr": "a\0b"}}, "body.where"),
        ([(f"{n}.csv", b"x") for n in range(51)], {}, "The request body cannot be read."),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_invalid_upload_is_refused_and_deleted(api: ApiServer, files: Any, options: Any, text: str) -> None:
    no_file = [("other", ("x.csv", b"x"))]
    answer = upload(api, *files, **options) if files else api.post("/api/datasets", files=no_file)
    assert is_problem(answer, 400 if len(files) > 50 else 422, text)
    assert uploads(api) == [] and ingests.list_open() == []


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"path": "/x"}', "text/plain", 415),
        (b"path=/x", "application/x-www-form-urlencoded", 415),
        (b"x", "multipart/form-data", 400),
        (b"x", "multipart/form-data; boundary=b", 400),
        (b"x", "multipart/mixed; boundary=b", 415),
        (b"{", "application/json", 422),
        (b"", "application/json", 422),
        (b"{}", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"path": "/x", "path": "/y"}', "application/json; charset=utf-8", 422),
        ('{"path": "ä"}'.encode("latin-1"), "application/json", 422),
        (b'{"path": "\\ud800"}', "application/json", 422),
        (b'{"path": NaN}', "application/json", 422),
        (b'{"path": 1}', "application/json", 422),
        (b'{"path": []}', "application/json", 422),
        (b'{"path": [""]}', "application/json", 422),
        (b'{"path": "/x", "map": {"item": []}}', "application/json", 422),
    ],
    ids=str,
)  # fmt: skip
def test_invalid_request_is_rejected(api: ApiServer, content: bytes, kind: str, status: int) -> None:
    assert is_problem(api.post("/api/datasets", content=content, headers={"Content-Type": kind}), status)
    assert uploads(api) == []


# Deleting


def test_dataset_is_deleted_with_its_runs_unless_one_is_open(api: ApiServer) -> None:
    found = dataset_of(api, upload(api, ("x.csv", sales()), name="to go"))
    address = f"/api/datasets/{found['dataset_id']}"
    job_id = api.submit(dataset="to go", items=2)
    assert is_problem(api.delete(address), 409, "1 run of this dataset has not ended.")
    assert api.get(address).status_code == 200
    api.clear()
    answer = api.delete(address)
    assert (answer.status_code, answer.content) == (204, b"")
    assert is_problem(api.get(address), 404) and is_problem(api.get(f"/api/jobs/{job_id}"), 404)
    assert is_problem(api.delete(address), 404)
    assert found["dataset_id"] not in [row["dataset_id"] for row in api.get("/api/datasets").json()["datasets"]]


# Special characters


def test_special_characters_are_kept_and_escaped_in_files(api: ApiServer) -> None:
    names = {"item": 'it\'em "x"; --<b>', "date": "d=1+1", "sales": "{u}%s$1", "place": NASTY}
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(names.values())
    keys = [*KEYS, NASTY]
    for day in range(1, 29):
        for key in keys:
            writer.writerow([key, f"2020-03-{day:02}", 3, NASTY])
            writer.writerow([key, f"2020-03-{day:02}", 1_000, "elsewhere"])
    mapping = {role: names[role] for role in ("item", "date", "sales")}
    file = (f"../../{NASTY}.csv", out.getvalue().encode())
    found = dataset_of(api, upload(api, file, name=NASTY[:100], map=mapping, where={NASTY: NASTY}))
    assert found["name"] == NASTY[:100] and found["total_units"] == 3 * found["n_weeks"] * 7 * len(keys)
    items = api.get(f"/api/datasets/{found['dataset_id']}/items").json()["items"]
    assert {row["unique_id"] for row in items} == set(keys)
    for key in keys:
        history = api.get(f"/api/datasets/{found['dataset_id']}/history", params={"item": key}).json()
        assert history["unique_id"] == key and {week["unit_sales"] for week in history["weeks"]} == {21}
    api.clear()
    job_id = api.submit(
        dataset=NASTY[:100], items=keys, models=["Naive"], h=1, batch_size=50, name=NASTY[:100], note=NASTY
    )
    work(1)
    job = api.get(f"/api/jobs/{job_id}").json()
    assert (job["name"], job["note"], job["n_completed"]) == (NASTY[:100].strip(), NASTY, len(keys))
    assert api.get("/api/jobs", params={"q": NASTY}).json()["n_found"] == 1
    address = f"/api/jobs/{job_id}/forecasts"
    assert {row["unique_id"] for row in api.get(address).json()["forecasts"]} == set(keys)
    for key in keys:
        rows = api.get(address, params={"item": key}).json()["forecasts"]
        assert [row["unique_id"] for row in rows] == [key]
        assert api.get(address, params={"item": key, "format": "csv"}).headers["content-disposition"].isascii()
    page = api.get(address, params={"item": keys, "limit": 7}).json()
    assert len(page["forecasts"]) == 7 and len(api.get(page["next"]).json()["forecasts"]) == 7
    with io.StringIO(api.get(address, params={"format": "csv"}).text, newline="") as file:
        written = [row["unique_id"] for row in csv.DictReader(file)]
    assert set(written) == set(map(for_spreadsheet, keys))
    assert {"'=cmd()", "'@x", "'; DROP TABLE x; '--"} <= set(written)  # also after a separator
    book = openpyxl.load_workbook(io.BytesIO(api.get(address, params={"format": "xlsx"}).content))
    assert {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row} <= {"s", "n", "d", "b"}
    assert ask_database("SELECT count(*) AS n FROM fcst_app.jobs")[0]["n"] > 0


@pytest.mark.few(4)
@pytest.mark.parametrize(
    "name",
    ["../../../tmp/fcst-evil.csv", "/etc/passwd", "~", "~nobody-there", "~nobody-there/x.csv", "a\0b.csv", ".", "..",
     "", "\u202e.csv", "x" * 3_000 + ".csv", "con", "<img src=x onerror=alert(1)>.csv", "=cmd().csv",
     "a\r\nX-Evil: 1.csv"],
)  # fmt: skip
def test_upload_name_cannot_escape_its_folder(api: ApiServer, name: str) -> None:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\r\n", "%0D%0A").encode()
    content = b"\r\n".join(
        [
            b"--b",
            b'Content-Disposition: form-data; name="file"; filename="' + escaped + b'"',
            b"",
            ROWS.encode(),
            b"--b--",
            b"",
        ]
    )
    answer = api.post("/api/datasets", content=content, headers={"Content-Type": "multipart/form-data; boundary=b"})
    found = dataset_of(api, answer)
    assert found["name"].isprintable() and "/" not in found["name"] and len(found["name"]) <= 100
    assert not Path("/tmp/fcst-evil.csv").exists() and uploads(api) == []


# Malicious paths and files


@pytest.fixture
def tricks(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "folder"
    folder.mkdir()
    os.mkfifo(folder / "pipe.csv")
    (folder / "loop.csv").symlink_to(folder / "loop.csv")
    (folder / "zero.csv").symlink_to("/dev/zero")
    many = tmp_path / "many"
    many.mkdir()
    for n in range(2_001):
        (many / f"{n}.csv").write_bytes(b"x")
    return {
        "pipe": f"{folder}/pipe.csv",
        "loop": f"{folder}/loop.csv",
        "device by a link": f"{folder}/zero.csv",
        "folder of these": str(folder),
        "too many files": str(many),
        "device": "/dev/zero",
        "random": "/dev/urandom",
        "terminal": "/dev/stdin",
        "environment": "/proc/self/environ",
        "memory": "/proc/self/mem",
        "messages": "/proc/kmsg",
        "a process": "/proc/self",
        "descriptor": "/proc/self/fd/0",
        "users": "/etc/passwd",
        "nobody's home": "~nobody-there/x.csv",
        "long name": "x" * 900,
        "long path": "/x" * 499,
        "blank": " ",
        "not there": "/not/there.csv",
        "address": "http://169.254.169.254/latest/meta-data",
        "file address": "file:///etc/passwd",
        "bucket": "s3://bucket/x.csv",
        "pattern": f"{folder}/*.csv",
        "statement": "x'); COPY (SELECT 1) TO '/tmp/fcst-evil.csv'; --",
    }


def test_path_that_is_not_a_sales_file_is_refused(api: ApiServer, tricks: dict[str, str]) -> None:
    answers = {}
    for what, path in tricks.items():
        since = time.monotonic()
        answers[what] = load(api, path=path)
        assert time.monotonic() - since < SECONDS, what
    assert {what: answer.text for what, answer in answers.items() if answer.status_code != 422} == {}
    assert all(is_problem(answer, 422) for answer in answers.values())
    assert not Path("/tmp/fcst-evil.csv").exists() and ingests.list_open() == []


def test_path_outside_the_allowed_folders_reveals_nothing(secured_api: ApiServer, tmp_path: Path) -> None:
    """`place` is allowed, `tmp_path` is not."""
    (tmp_path / "secret.csv").write_text(ROWS)
    link, folder = secured_api.place / "link.csv", secured_api.place / "linked"
    link.symlink_to(tmp_path / "secret.csv")
    folder.symlink_to(tmp_path)
    inside = f"{secured_api.place}/../{tmp_path.name}/secret.csv"
    for path in (
        tmp_path / "secret.csv",
        tmp_path / "missing.csv",
        tmp_path,
        link,
        folder,
        folder / "secret.csv",
        inside,
    ):
        assert is_problem(load(secured_api, path=str(path)), 422, f"{path} is not in an allowed folder.")
    for path in ("/etc/passwd", "/etc/shadow", "/not/there", "/", "/proc/self/environ", "/dev/zero"):
        assert is_problem(load(secured_api, path=path), 422, f"{path} is not in an allowed folder.")
    assert load(secured_api, path=str(secured_api.place / "s.csv"), name="inside").status_code == 202


@pytest.mark.few(16)
@pytest.mark.parametrize("nasty", [*ARCHIVES.values(), *TEXTS.values()], ids=[*ARCHIVES, *TEXTS])
def test_malicious_file_is_refused(api: ApiServer, tmp_path: Path, nasty: Nasty) -> None:
    path = nasty.make(tmp_path)
    since = time.monotonic()
    options = {"encoding": "", **nasty.options}
    options = {name: dict(value) if name == "where" else value for name, value in options.items() if name != "mapping"}
    answer = (
        load(api, path=str(path), **options)
        if path.is_dir()
        else upload(api, (path.name, path.read_bytes()), **options)
    )
    assert time.monotonic() - since < SECONDS
    if answer.status_code != 202:
        assert is_problem(answer, 422)
    elif nasty.is_seen:  # otherwise it may succeed: the mapping for this header is remembered
        assert finish(api, answer)["status"] == "failed"


@pytest.mark.few(4)
@pytest.mark.parametrize("odd", LOADED.values(), ids=LOADED)
def test_odd_file_is_accepted(api: ApiServer, tmp_path: Path, odd: Nasty) -> None:
    assert load(api, path=str(odd.make(tmp_path)), **odd.options).status_code == 202
