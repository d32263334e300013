"""Runs over HTTP: submit, list, cancel, retry; forecasts and accuracy compared with the services; idempotency."""

import io
import json
import math
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from fcst.export_formats import FILE_FORMATS
from fcst.filters import ALL_RUN_ITEMS, RunFilter, by_keys
from fcst.services import accuracy, datasets, exports, jobs
from fcst.store import attempts, workers
from fcst.store import jobs as store
from tests.api.conftest import ApiServer, ask_database, is_problem
from tests.conftest import fail_batch, wait_until
from tests.servers import WORKER, supervisor, work
from tests.workbooks import cells


@pytest.fixture(scope="module")
def ended(api: ApiServer) -> int:
    """A completed run of all items with two models."""
    api.clear()
    job_id = api.submit(items=6, models=["SeasonalNaive", "Naive"], batch_size=6, n_windows=1, level=[80, 95])
    work(1)
    return job_id


def test_spec_of_a_run_can_be_submitted_again(api: ApiServer) -> None:
    first = api.submit(
        models=["SeasonalNaive", "Naive"], h=7, level=[70, 99], n_windows=2, batch_size=3, skips_stockouts=True
    )
    spec = api.get(f"/api/jobs/{first}").json()["spec"]
    expected = {"models": ["SeasonalNaive", "Naive"], "h": 7, "level": [70, 99], "n_windows": 2, "batch_size": 3}
    assert spec == expected | {"skips_stockouts": True}
    answer = api.post("/api/jobs", json={"dataset": "s", "items": 4, **spec})
    assert answer.status_code == 201 and api.get(answer.headers["location"]).json()["spec"] == spec
    api.clear()


def test_run_is_submitted_computed_and_reported(api: ApiServer) -> None:
    body = {"dataset": "s", "items": 4, "models": ["SeasonalNaive"], "h": 4, "batch_size": 2, "n_windows": 0}
    answer = api.post("/api/jobs", json=body | {"name": "autumn", "note": "a first try", "level": [90]})
    job_id = answer.json()["job_id"]
    assert (answer.status_code, answer.headers["location"]) == (201, f"/api/jobs/{job_id}")
    job = api.get(answer.headers["location"]).json()
    expected = {"models": ["SeasonalNaive"], "h": 4, "level": [90], "batch_size": 2, "n_windows": 0}
    assert job["spec"] == expected | {"skips_stockouts": False}
    fields = (
        "status",
        "dataset",
        "dataset_version",
        "name",
        "note",
        "n_items",
        "n_batches",
        "started_at",
        "items_per_s",
    )
    assert [job[name] for name in fields] == ["submitted", "s", 1, "autumn", "a first try", 4, 2, None, None]
    assert job["batches"] == {"submitted": 2}
    assert datetime.fromisoformat(job["submitted_at"]).tzinfo is not None
    work(1)
    job = api.get(f"/api/jobs/{job_id}").json()
    assert (job["status"], job["n_completed"], job["batches"]) == ("running", 2, {"completed": 1, "submitted": 1})
    assert job["time_left_s"] is None and job["stalled"]["why"] == "No supervisor is running, and work is waiting."
    worker_id = str(uuid.uuid4())
    workers.register(worker_id, "elsewhere", 1, "0", 2, 60)
    job = api.get(f"/api/jobs/{job_id}").json()
    assert job["stalled"] is None and math.isclose(job["time_left_s"], 2 / job["items_per_s"])
    workers.stop(worker_id)
    first, second = api.get(f"/api/jobs/{job_id}/batches").json()["batches"]
    assert (first["stage"], first["attempt"], first["n_completed"], first["seconds"] > 0) == ("completed", 1, 2, True)
    assert (second["stage"], second["attempt"], second["worker"], second["seconds"]) == ("submitted", 0, None, None)
    work(1)
    job = api.get(f"/api/jobs/{job_id}").json()
    assert (job["status"], job["n_completed"], job["n_failed"], job["time_left_s"]) == ("completed", 4, 0, None)
    assert job["items_per_s"] > 0 and job["finished_at"] > job["started_at"]
    metrics = api.get(f"/api/jobs/{job_id}/metrics").json()
    assert metrics == {"by": "model", "metrics": []}  # no backtest windows


@pytest.mark.parametrize(
    ("items", "keys"),
    [
        (2, ["item6", "item5"]),
        (["item3", "item5", "item3"], ["item5", "item3"]),
        (None, [f"item{n}" for n in range(6, 0, -1)]),
    ],
    ids=["number", "keys", "all"],
)
def test_items_are_selected(api: ApiServer, items: Any, keys: list[str]) -> None:
    job_id = api.submit(items=items)
    assert jobs.list_keys(job_id) == keys and api.get(f"/api/jobs/{job_id}").json()["n_items"] == len(keys)


def test_newest_dataset_is_the_default(api: ApiServer) -> None:
    job_id = api.submit(dataset=None, items=None)
    assert api.get(f"/api/jobs/{job_id}").json()["dataset"] == datasets.find_dataset(None).name


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"dataset": "of nobody"}, "There is no dataset 'of nobody'."),
        ({"items": 7}, "7 items were requested."),
        ({"items": ["item1", "nobody"]}, "Dataset 's' has no item nobody."),
        ({"items": []}, "items"),
        ({"items": True}, "items"),
        ({"items": "4"}, "items"),
        ({"models": ["Prophet"]}, "Prophet"),
        ({"models": []}, "models"),
        ({"h": 0}, "h"),
        ({"horizon": 2.5}, "horizon"),
        ({"h": 2, "horizon": 2}, "horizon"),
        ({"level": [100]}, "level"),
        ({"batch_size": 10**9}, "batch_size"),
        ({"skips_stockouts": "yes"}, "skips_stockouts"),
        ({"horizont": 4}, "horizont"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"note": "a\0b"}, "note"),
        ({"items": ["a\0b"]}, "items"),
        ({"dataset": "a\0b"}, "dataset"),
    ],
    ids=str,
)  # fmt: skip
def test_invalid_request_submits_nothing(api: ApiServer, change: dict, text: str) -> None:
    before = api.get("/api/jobs").json()["n_found"]
    assert is_problem(api.post("/api/jobs", json={"dataset": "s", "items": 2, **change}), 422, text)
    assert api.get("/api/jobs").json()["n_found"] == before


def test_runs_are_listed_by_status_words_and_page(api: ApiServer, ended: int) -> None:
    mine = [api.submit(name=f"list {n}", note="100 % of_it") for n in range(3)]
    found = api.get("/api/jobs", params={"q": "LIST", "limit": 2}).json()
    assert (found["n_found"], [job["job_id"] for job in found["jobs"]]) == (3, mine[:0:-1])
    rest = api.get("/api/jobs", params={"q": "list", "limit": 2, "offset": 2}).json()
    assert (rest["n_found"], [job["job_id"] for job in rest["jobs"]]) == (3, mine[:1])
    beyond = api.get("/api/jobs", params={"q": "list", "offset": 10}).json()
    assert beyond == {"jobs": [], "n_found": 3}
    assert api.get("/api/jobs", params={"q": "% of_"}).json()["n_found"] == 3
    for status in ("completed", "submitted"):
        found = api.get("/api/jobs", params={"status": status, "limit": 1000}).json()["jobs"]
        assert {job["status"] for job in found} == {status}
        assert (ended in [job["job_id"] for job in found]) == (status == "completed")
    both = api.get("/api/jobs", params={"status": ["completed", "submitted"], "limit": 1000}).json()["jobs"]
    assert {job["status"] for job in both} == {"completed", "submitted"}


def test_run_is_cancelled_and_retried(api: ApiServer) -> None:
    api.clear()
    job_id = api.submit()
    work(1)
    answers = [api.post(f"/api/jobs/{job_id}/cancel") for _ in range(2)]
    assert [answer.json() for answer in answers] == [{"job_id": job_id, "is_new": is_new} for is_new in (True, False)]
    job = api.get(f"/api/jobs/{job_id}").json()
    assert (job["status"], job["n_completed"], job["n_cancelled"]) == ("cancelled", 2, 2)
    cancelled = api.get(f"/api/jobs/{job_id}/batches", params={"stage": "cancelled"}).json()["batches"]
    assert [batch["batch_no"] for batch in cancelled] == [2]
    assert api.post(f"/api/jobs/{job_id}/retry").json() == {"job_id": job_id, "n_items": 2}
    assert is_problem(api.post(f"/api/jobs/{job_id}/retry"), 409, f"Run {job_id} is still running.")
    work(1)
    job = api.get(f"/api/jobs/{job_id}").json()
    assert (job["status"], job["n_completed"]) == ("completed", 4)
    assert api.post(f"/api/jobs/{job_id}/retry").json() == {"job_id": job_id, "n_items": 0}
    assert api.post(f"/api/jobs/{job_id}/cancel").json() == {"job_id": job_id, "is_new": False}


def retry_batch(api: ApiServer, job_id: int, batch_id: int) -> Any:
    return api.post("/api/jobs/batch", json={"job_id": job_id, "batch_id": batch_id})


def test_failed_batch_is_retried_in_open_and_ended_runs(api: ApiServer) -> None:
    api.clear()
    job_id = api.submit(items=6)
    one, two, three = (batch["batch_id"] for batch in api.get(f"/api/jobs/{job_id}/batches").json()["batches"])
    work(1)
    fail_batch(attempts.claim(WORKER, 1)[0], "its process died")
    (held,) = attempts.claim(WORKER, 1)
    assert [is_problem(retry_batch(api, job_id, batch), 409, "stage") for batch in (one, three)]
    batch = api.get(f"/api/jobs/{job_id}/batches", params={"stage": "failed"}).json()["batches"][0]
    assert (batch["batch_id"], batch["n_failed"]) == (two, 2) and batch["error"].endswith("its process died")
    answer = retry_batch(api, job_id, two)
    assert (answer.status_code, answer.json()) == (200, {"job_id": job_id, "n_items": 2})
    assert is_problem(retry_batch(api, job_id, two), 409, "is in the stage submitted")
    fail_batch(held, "its process died")
    fail_batch(attempts.claim(WORKER, 1)[0], "its process died again")
    store.freeze_ended()
    job = api.get(f"/api/jobs/{job_id}").json()
    assert (job["status"], job["n_completed"], job["n_failed"]) == ("completed", 2, 4)
    assert retry_batch(api, job_id, two).json()["n_items"] == 2
    job = api.get(f"/api/jobs/{job_id}").json()
    assert (job["status"], job["n_failed"], job["finished_at"]) == ("running", 2, None)
    work(1)
    job = api.get(f"/api/jobs/{job_id}").json()
    assert (job["status"], job["n_completed"], job["n_failed"]) == ("completed", 4, 2)


@pytest.mark.full
def test_engine_completes_a_retried_batch(api: ApiServer) -> None:
    api.clear()
    job_id = api.submit()
    for batch in attempts.claim(WORKER, 2):
        fail_batch(batch, "its process died")
    store.freeze_ended()
    assert api.get(f"/api/jobs/{job_id}").json()["status"] == "failed"
    with supervisor():
        for batch in api.get(f"/api/jobs/{job_id}/batches").json()["batches"]:
            assert retry_batch(api, job_id, batch["batch_id"]).json()["n_items"] == 2
        wait_until(lambda: api.get(f"/api/jobs/{job_id}").json()["status"] == "completed")
        assert [batch["worker"] for batch in api.get(f"/api/jobs/{job_id}/batches").json()["batches"]] != [None, None]
        content = {"file": ("x.csv", exported(job_id, "csv"))}
        options = json.dumps({"map": {"item": "unique_id", "date": "wk_end_dt", "sales": "forecast"}, "name": "loaded"})
        address = api.post("/api/datasets", files=content, data={"options": options}).headers["location"]
        wait_until(lambda: api.get(address).json()["status"] == "completed")
    assert api.get(f"/api/jobs/{job_id}/forecasts").json()["forecasts"]
    assert api.get(f"/api/datasets/{api.get(address).json()['dataset_id']}").json()["name"] == "loaded"


def test_batch_of_a_run_that_is_being_cancelled_is_not_retried(api: ApiServer) -> None:
    api.clear()
    job_id = api.submit()
    one, two = attempts.claim(WORKER, 2)
    fail_batch(one, "its process died")
    api.post(f"/api/jobs/{job_id}/cancel")
    assert is_problem(retry_batch(api, job_id, one.batch_id), 409, "is being cancelled")
    fail_batch(two, "cancelled")


def test_unknown_ids_are_not_found(api: ApiServer, ended: int) -> None:
    other = api.get(f"/api/jobs/{api.submit()}/batches").json()["batches"][0]["batch_id"]
    for job_id in (0, 2**31 - 1, 2**31, 2**63, 10**39):
        for path in ("", "/batches", "/forecasts", "/forecasts?format=csv", "/metrics"):
            assert is_problem(api.get(f"/api/jobs/{job_id}{path}"), 404, f"Run {job_id} does not exist.")
        for path in ("/cancel", "/retry"):
            assert is_problem(api.post(f"/api/jobs/{job_id}{path}"), 404, f"Run {job_id} does not exist.")
        assert is_problem(retry_batch(api, job_id, other), 404, f"Run {job_id} does not exist.")
        assert is_problem(retry_batch(api, ended, job_id), 404, f"Run {ended} has no batch {job_id}.")
    assert is_problem(retry_batch(api, -1, other), 404, "Run -1 does not exist.")
    assert is_problem(retry_batch(api, ended, -1), 404)
    assert is_problem(retry_batch(api, ended, other), 404)
    for job_id in ("-1", "1.0", "+1", "%D9%A1", "one", "1%2F2", "9" * 5_000):
        assert is_problem(api.get(f"/api/jobs/{job_id}"), 404, "This path does not exist.")
    assert is_problem(api.get(f"/api/jobs/{ended}/forecasts", params={"item": "nobody"}), 404, "no item nobody")


# Forecasts and accuracy


def pages(api: ApiServer, address: str | None) -> list[dict]:
    rows: list[dict] = []
    n_pages = 0
    while address:
        answer = api.get(address)
        assert answer.status_code == 200 and urlsplit(address).netloc == ""
        rows += answer.json()["forecasts"]
        address, n_pages = answer.json()["next"], n_pages + 1
    assert n_pages > 1
    return rows


def exported(job_id: int, file_format: str, keys: list[str] | None = None) -> bytes:
    out = io.BytesIO()
    exports.write_export(jobs.get_job(job_id), out, file_format, ALL_RUN_ITEMS if keys is None else by_keys(*keys))
    return out.getvalue()


@pytest.mark.parametrize("keys", [None, ["item2", "item5", "item6"]])
def test_pages_of_forecasts_match_the_export(api: ApiServer, ended: int, keys: list[str] | None) -> None:
    query = "".join(f"&item={key}" for key in keys or ())
    rows = pages(api, f"/api/jobs/{ended}/forecasts?limit=2{query}")
    head, *lines = exported(ended, "csv", keys).decode().splitlines()
    names = head.split(",")
    assert len(rows) == len(lines) == (3 if keys else 6) * 2 * 4
    for row, line in zip(rows, lines, strict=True):
        wanted = dict(zip(names, line.split(","), strict=True))
        flat = {f"{side}_{level}": value for side in ("lo", "hi") for level, value in row[side].items()} | row
        for name, value in wanted.items():
            if isinstance(flat[name], float):
                assert math.isclose(flat[name], float(value), abs_tol=5.1e-5)
            else:
                assert str(flat[name]).lower()[: len(value)] == value.lower() or value == str(flat[name])[0].lower()


@pytest.mark.parametrize("file_format", ["csv", "parquet", "xlsx"])
@pytest.mark.parametrize("keys", [None, ["item2", "item5"]])
def test_files_match_the_pages(api: ApiServer, ended: int, file_format: str, keys: list[str] | None) -> None:
    params = {"format": file_format, "item": keys or []}
    answer = api.get(f"/api/jobs/{ended}/forecasts", params=params, headers={"Accept-Encoding": "identity"})
    assert answer.status_code == 200 and answer.headers["content-type"] == FILE_FORMATS[file_format].media_type
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "attachment" in answer.headers["content-disposition"] and "no-store" in answer.headers["cache-control"]
    wanted = exported(ended, file_format, keys)
    if file_format == "xlsx":  # it contains the time of export
        assert cells(answer.content) == cells(wanted)
    else:
        assert answer.content == wanted


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_forecasts_are_filtered_as_the_worklist(api: ApiServer, ended: int, file_format: str) -> None:
    address, job = f"/api/jobs/{ended}/forecasts", jobs.get_job(ended)
    done = {"review": "done", "model": "Naive", "attr.city": ""}
    api.post(f"/api/jobs/{ended}/review", json={"items": ["item2", "item5"], "model": "Naive"})
    rows = pages(api, f"{address}?limit=1&{urlencode(done)}")
    assert [row["unique_id"] for row in rows] == ["item5"] * 8 + ["item2"] * 8
    out = io.BytesIO()
    exports.write_export(job, out, file_format, RunFilter(review="done"), "Naive")
    answer = api.get(address, params={"format": file_format, **done})
    assert answer.content == out.getvalue()
    assert answer.headers["content-disposition"].count("_2-items_") == 1
    assert api.get(address, params=done | {"model": "SeasonalNaive"}).json()["forecasts"] == []
    assert api.get(address, params={"q": "none"}).json() == {"forecasts": [], "next": None}
    assert is_problem(api.get(address, params={"model": "Auto"}), 422, "has no model Auto")


@pytest.mark.parametrize("by", accuracy.BY)
def test_accuracy_matches_the_services(api: ApiServer, ended: int, by: str) -> None:
    answer = api.get(f"/api/jobs/{ended}/metrics", params={"by": by}).json()
    frame = accuracy.list_accuracy(jobs.get_job(ended), by)
    assert answer["by"] == by and len(answer["metrics"]) == len(frame) > 0
    for row, wanted in zip(answer["metrics"], frame.to_dict("records"), strict=True):
        assert list(row) == list(wanted)
        for name, value in wanted.items():
            if value is None or value != value:
                assert row[name] is None
            else:
                assert row[name] == (value if isinstance(value, (int, float, str)) else str(value))


def test_run_without_levels_has_forecasts_without_bounds(api: ApiServer) -> None:
    api.clear()
    job_id = api.submit(level=[], n_windows=1, batch_size=4)
    work(1)
    rows = api.get(f"/api/jobs/{job_id}/forecasts").json()["forecasts"]
    assert len(rows) == 16 and all(row["lo"] == row["hi"] == {} for row in rows)
    assert api.get(f"/api/jobs/{job_id}/metrics").json()["metrics"]
    assert api.get(f"/api/jobs/{job_id}/forecasts?format=csv").content == exported(job_id, "csv")


def test_run_that_has_not_started_has_no_forecasts(api: ApiServer) -> None:
    job_id = api.submit()
    assert api.get(f"/api/jobs/{job_id}/forecasts").json() == {"forecasts": [], "next": None}
    assert api.get(f"/api/jobs/{job_id}/forecasts?format=csv").text.count("\n") == 1
    assert api.get(f"/api/jobs/{job_id}/metrics?by=item").json()["metrics"] == []


# Lost sales


def test_lost_sales_are_summed_and_listed(api: ApiServer, ended: int) -> None:
    nothing = api.get(f"/api/jobs/{ended}/lost-sales").json()
    assert (nothing["n_found"], nothing["units"], nothing["share"], nothing["items"]) == (0, 0, None, [])
    for item, weeks, units, suspected in (("item5", 2, 30.0, 2), ("item6", 1, 70.5, 0), ("item1", 0, 0.0, 3)):
        ask_database(
            "UPDATE fcst_app.job_items SET out_of_stock_weeks = %(weeks)s, lost_units = %(units)s,"
            " suspected_weeks = %(suspected)s WHERE job_id = %(job_id)s AND unique_id = %(item)s",
            job_id=ended,
            item=item,
            weeks=weeks,
            units=units,
            suspected=suspected,
        )
    found = api.get(f"/api/jobs/{ended}/lost-sales").json()
    totals = {name: found[name] for name in ("n_items", "n_weeks", "units", "n_items_suspected", "n_weeks_suspected")}
    assert list(totals.values()) == [2, 3, 100.5, 2, 5] and found["n_found"] == 3
    dataset = api.get(f"/api/datasets/{api.get(f'/api/jobs/{ended}').json()['dataset_id']}").json()
    assert math.isclose(found["share"], 100.5 / dataset["total_units"])
    assert [item["unique_id"] for item in found["items"]] == ["item6", "item5", "item1"]
    page = api.get(f"/api/jobs/{ended}/lost-sales", params={"limit": 1, "offset": 1}).json()
    assert page == found | {"items": found["items"][1:2]}
    assert is_problem(api.get("/api/jobs/999/lost-sales"), 404, "Run 999 does not exist.")
    assert is_problem(api.get(f"/api/jobs/{ended}/lost-sales", params={"limit": 0}), 422, "limit")


# Idempotency


def submit_keyed(api: ApiServer, key: str, **more: Any) -> Any:
    body = {"dataset": "s", "items": 2, "models": ["Naive"], "h": 2, **more}
    return api.post("/api/jobs", json=body, headers={"Idempotency-Key": key.encode()})


def test_concurrent_requests_with_one_key_submit_one_run(api: ApiServer) -> None:
    n = 8
    before = api.get("/api/jobs").json()["n_found"]
    start = Barrier(n)

    def submit(_: int) -> Any:
        start.wait()
        return submit_keyed(api, "at once")

    with ThreadPoolExecutor(n) as pool:
        answers = list(pool.map(submit, range(n)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == n - 1
    assert api.get("/api/jobs").json()["n_found"] == before + 1


def test_key_cannot_be_reused_for_another_request(api: ApiServer) -> None:
    first = submit_keyed(api, 'ä key\'s "name" -- ;')
    again = submit_keyed(api, 'ä key\'s "name" -- ;')
    assert first.json() == again.json() and again.headers["location"] == first.headers["location"]
    assert is_problem(submit_keyed(api, 'ä key\'s "name" -- ;', note="another"), 409, "was used for another request")
    other = submit_keyed(api, "another key")
    assert other.json() != first.json() and "idempotency-replayed" not in other.headers
    for key in ("", "x" * 201):
        assert is_problem(submit_keyed(api, key), 422)


def test_key_of_a_deleted_run_or_after_a_day_submits_a_new_run(api: ApiServer) -> None:
    first = submit_keyed(api, "for a day").json()["job_id"]
    for _ in range(2):
        again = submit_keyed(api, "for a day").json()["job_id"]
        assert again == first, "a clock that is a day ahead does not expire the key"
        ask_database(
            "UPDATE fcst_app.idempotency_keys SET created_at = created_at - interval '25 hours' WHERE job_id = %(job)s",
            job=first,
        )
    second = submit_keyed(api, "for a day").json()["job_id"]
    for table in ("forecasts", "metrics", "backtests", "job_items", "batch_status", "jobs"):
        ask_database(f"DELETE FROM fcst_app.{table} WHERE job_id = %(job)s", job=second)
    third = submit_keyed(api, "for a day").json()["job_id"]
    assert len({first, second, third}) == 3


def test_key_is_valid_after_its_dataset_is_renamed(api: ApiServer) -> None:
    first = submit_keyed(api, "gone", dataset="small")
    ask_database("UPDATE fcst_app.datasets SET name = 'of yore' WHERE name = 'small'")
    try:
        again = submit_keyed(api, "gone", dataset="small")
        assert is_problem(submit_keyed(api, "not yet there", dataset="small"), 422)
        assert is_problem(submit_keyed(api, "gone", dataset="small", note="another"), 409)
    finally:
        ask_database("UPDATE fcst_app.datasets SET name = 'small' WHERE name = 'of yore'")
    assert (again.status_code, again.json()) == (201, first.json()) and again.headers["idempotency-replayed"] == "true"


def test_key_of_a_refused_request_can_be_reused(api: ApiServer) -> None:
    assert is_problem(submit_keyed(api, "refused", items=1000), 422)
    assert submit_keyed(api, "refused").status_code == 201
