"""Adjustments over HTTP: create, list, undo, drop carried ones; concurrent changes; invalid requests."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from threading import Barrier

import pytest

from tests.api.conftest import ApiServer, ask_database, is_problem
from tests.api.plans import MODEL, H, adjust, change_body, listed, plan, run, week
from tests.servers import work


@pytest.fixture
def job_id(api: ApiServer) -> int:
    """A run without adjustments."""
    ask_database("DELETE FROM fcst_app.adjustments")
    return run(api)


def test_item_is_changed_in_each_way(api: ApiServer, job_id: int) -> None:
    before = plan(api, job_id, "item3")
    adjust(api, job_id, percent=10)
    assert plan(api, job_id, "item3") == pytest.approx([before[0] * 1.1, before[1] * 1.1, *before[2:]])
    adjust(api, job_id, first=2, last=3, units=7)
    assert plan(api, job_id, "item3") == pytest.approx([before[0] * 1.1, 7, 7, before[3]])
    adjust(api, job_id, last=4, total=100, is_even=True)
    assert plan(api, job_id, "item3") == pytest.approx([25] * 4)
    adjust(api, job_id, last=4, targets=[1, None, 2.5, 0])
    assert plan(api, job_id, "item3") == pytest.approx([1, 25, 2.5, 0])
    adjust(api, job_id, last=4, total=57)
    assert plan(api, job_id, "item3") == pytest.approx([2, 50, 5, 0])
    assert plan(api, job_id, "item3", name="forecast") == before
    assert plan(api, job_id, "item3", model="Naive") == plan(api, job_id, "item3", name="forecast", model="Naive")
    row = api.get(f"/api/jobs/{job_id}/items?item=item3").json()["items"][0]
    assert row["final"] == pytest.approx(57) and "adjusted" in row["reasons"]


def test_items_are_changed_together(api: ApiServer, job_id: int) -> None:
    before = {key: plan(api, job_id, key) for key in ("item1", "item2", "item3")}
    adjust(api, job_id, items=["item1", "item2", "item1"], first=1, last=1, units=10)
    whole = before["item1"][0] + before["item2"][0]
    for key in ("item1", "item2"):
        assert plan(api, job_id, key)[0] == pytest.approx(before[key][0] / whole * 10)
    adjust(api, job_id, items={"q": "item", "attributes": {"city": [""]}}, percent=-100)
    assert plan(api, job_id)[:2] == [0, 0] and plan(api, job_id)[2] > 0
    adjust(api, job_id, items={}, last=1, units=60, model="Naive")
    assert plan(api, job_id, model="Naive")[0] == pytest.approx(60)
    assert [(row["n_items"], row["model"], row["scope"]) for row in listed(api, job_id)] == [
        (6, "Naive", "all items"),
        (6, MODEL, "the items that match a filter"),
        (2, MODEL, "2 items"),
    ]


def test_changes_are_listed_and_undone(api: ApiServer, job_id: int) -> None:
    before = plan(api, job_id)
    first = adjust(api, job_id, percent=10)
    second = adjust(api, job_id, items=["item1"], units=5, who="", model="Naive", reason=" contract ")
    newest, oldest = listed(api, job_id)
    names = ("adjustment_id", "unique_id", "units", "percent", "reason", "undone_by", "carried_from")
    assert [newest[name] for name in names] == [second, "item1", 5, None, "contract", None, None]
    assert newest["made_by"] and newest["made_by"] != "Ann"  # the server's user
    assert (oldest["adjustment_id"], oldest["made_by"], oldest["percent"]) == (first, "Ann", 10)
    assert (oldest["first_wk_end_dt"], oldest["last_wk_end_dt"]) == (week(job_id, 1), week(job_id, 2))
    assert listed(api, job_id, model=MODEL) == listed(api, job_id, item="item3") == [oldest]
    assert listed(api, job_id, limit=1, offset=1) == [oldest] and listed(api, job_id, limit=1) == [newest]
    answers = [api.post(f"/api/adjustments/{first}/undo", json={"who": "Bob"}) for _ in range(2)]
    assert [answer.json() for answer in answers] == [{"adjustment_id": first, "is_new": new} for new in (True, False)]
    assert plan(api, job_id) == before
    assert listed(api, job_id)[1]["undone_by"] == "Bob"
    assert api.post(f"/api/adjustments/{second}/undo").json()["is_new"]
    for number in (0, 2**31, 2**63, 10**39):
        assert is_problem(api.post(f"/api/adjustments/{number}/undo"), 404, f"There is no adjustment {number}.")


def test_stale_change_does_not_overwrite_a_newer_one(api: ApiServer, job_id: int) -> None:
    seen = api.get(f"/api/jobs/{job_id}/items").json()["last_change"]
    first = adjust(api, job_id, percent=10, last_change=seen)
    now = plan(api, job_id)
    answer = api.post(f"/api/jobs/{job_id}/adjustments", json=change_body(job_id, items={}, units=1, last_change=seen))
    assert is_problem(answer, 409, "These weeks were changed meanwhile. item item3, +10.0 %, by Ann: campaign.")
    assert plan(api, job_id) == now and len(listed(api, job_id)) == 1
    adjust(api, job_id, first=3, last=3, units=1, last_change=seen)  # another week
    adjust(api, job_id, items=["item1"], units=1, last_change=seen)  # another item
    seen = api.get(f"/api/jobs/{job_id}/adjustments").json()["last_change"]
    api.post(f"/api/adjustments/{first}/undo", json={"who": "Bob"})
    answer = api.post(f"/api/jobs/{job_id}/adjustments", json=change_body(job_id, units=1, last_change=seen))
    assert is_problem(answer, 409, "undone by Bob")
    seen = api.get(f"/api/jobs/{job_id}/adjustments").json()["last_change"]
    adjust(api, job_id, units=1, last_change=seen)


def test_only_one_of_several_concurrent_changes_is_saved(api: ApiServer, job_id: int) -> None:
    n = 6
    start = Barrier(n)

    def change(number: int) -> int:
        body = change_body(job_id, units=number, last_change=0)
        start.wait()
        return api.post(f"/api/jobs/{job_id}/adjustments", json=body).status_code

    with ThreadPoolExecutor(n) as pool:
        assert sorted(pool.map(change, range(n))) == [201] + [409] * (n - 1)
    (saved,) = listed(api, job_id)
    assert plan(api, job_id, "item3")[0] == saved["units"]


def test_carried_over_changes_are_dropped(api: ApiServer, job_id: int) -> None:
    adjust(api, job_id, units=1)
    adjust(api, job_id, items={}, percent=5)
    newer = run(api)
    own = adjust(api, newer, items=["item1"], units=3)
    assert [row["carried_from"] for row in listed(api, newer)] == [None, job_id, job_id]
    address = f"/api/jobs/{newer}/adjustments/undo-carried"
    assert api.post(address, json={"model": "Naive"}).json() == {"n_adjustments": 0}
    assert api.post(address, json={"who": "Bob"}).json() == {"n_adjustments": 2}
    assert api.post(address).json() == {"n_adjustments": 0}
    assert [row["undone_by"] for row in listed(api, newer)] == [None, "Bob", "Bob"]
    assert [row["adjustment_id"] for row in listed(api, newer) if row["undone_by"] is None] == [own]
    assert plan(api, newer, "item3") == plan(api, newer, "item3", name="forecast")
    assert is_problem(api.post(address, json={"model": "Auto"}), 422, "has no model Auto")


def test_invalid_request_is_a_problem_with_a_hint(api: ApiServer, job_id: int) -> None:
    address = f"/api/jobs/{job_id}/adjustments"
    day = date.fromisoformat(week(job_id, 1))
    for wrong, words in (
        ({"model": "Auto"}, "has no model Auto"),
        ({}, "The adjustment is empty."),
        ({"percent": 1, "units": 1}, "The adjustment is empty."),
        ({"percent": -101}, "-101"),
        ({"percent": 1e300}, "1e+300"),
        ({"percent": "5"}, "percent"),
        ({"percent": True}, "percent"),
        ({"units": -1}, "-1"),
        ({"units": 1e13}, "units per week is out of range"),
        ({"total": -0.5}, "-0.5"),
        ({"targets": []}, "The adjustment is empty."),
        ({"targets": [None, None]}, "The adjustment is empty."),
        ({"targets": [1, 2, 3]}, "3 values were given for 2 weeks"),
        ({"targets": [1] * 1_000}, "targets"),
        ({"targets": ["1", 2]}, "targets"),
        ({"percent": 1, "reason": ""}, "reason"),
        ({"percent": 1, "reason": "  "}, "A change needs a reason."),
        ({"percent": 1, "reason": "x" * 501}, "reason"),
        ({"percent": 1, "reason": "a\0b"}, "reason"),
        ({"percent": 1, "who": "x" * 101}, "who"),
        ({"percent": 1, "items": []}, "items"),
        ({"percent": 1, "items": None}, "items"),
        ({"percent": 1, "items": {"family": ["none"]}}, "no forecast of the chosen items"),
        ({"percent": 1, "items": {"familiy": ["none"]}}, "body.items.filter.familiy"),
        ({"percent": 1, "last_change": "0"}, "last_change"),
        ({"percent": 1, "first_wk_end_dt": week(job_id, 0)}, "not within the forecast"),
        ({"percent": 1, "last_wk_end_dt": week(job_id, H + 1)}, "not within the forecast"),
        ({"percent": 1, "first_wk_end_dt": week(job_id, 3)}, "not within the forecast"),
        ({"percent": 1, "first_wk_end_dt": str(day - timedelta(days=1))}, "not within the forecast"),
        ({"percent": 1, "first_wk_end_dt": "0001-01-01"}, "not within the forecast"),
        ({"percent": 1, "last_wk_end_dt": "9999-12-31"}, "not within the forecast"),
        ({"percent": 1, "first_wk_end_dt": 1}, "first_wk_end_dt"),
        ({"percent": 1, "first_wk_end_dt": "soon"}, "first_wk_end_dt"),
        ({"percent": 1, "weeks": 2}, "weeks"),
    ):
        assert is_problem(api.post(address, json=change_body(job_id, **wrong)), 422, words), wrong
    body = change_body(job_id, percent=1)
    del body["last_change"]
    assert is_problem(api.post(address, json=body), 422, "last_change")
    for number in ("NaN", "Infinity", "-Infinity", "1e400", "9" * 400):
        text = str(change_body(job_id, percent="?")).replace("'?'", number).replace("'", '"').replace("None", "null")
        answer = api.post(address, content=text, headers={"Content-Type": "application/json"})
        assert is_problem(answer, 422), number
    keys = {"items": ["item1", "nobody"], "percent": 1}
    assert is_problem(api.post(address, json=change_body(job_id, **keys)), 404, "has no item nobody")
    assert listed(api, job_id) == []
    for number in (0, 2**31, 10**39):
        assert is_problem(api.get(f"/api/jobs/{number}/adjustments"), 404, f"Run {number} does not exist.")
        answer = api.post(f"/api/jobs/{number}/adjustments", json=change_body(job_id, percent=1))
        assert is_problem(answer, 404, f"Run {number} does not exist.")
    assert is_problem(api.get(address, params={"item": "nobody"}), 404, "has no item nobody")
    assert is_problem(api.get(address, params={"model": "Auto"}), 422, "has no model Auto")


def test_plan_has_a_maximum(api: ApiServer, job_id: int) -> None:
    address = f"/api/jobs/{job_id}/adjustments"
    adjust(api, job_id, units=1e12)
    answer = api.post(address, json=change_body(job_id, percent=10))
    assert is_problem(answer, 422, "more than 1,000,000,000,000 units") and len(listed(api, job_id)) == 1


def test_named_item_without_a_forecast_is_refused(api: ApiServer, job_id: int) -> None:
    waits = api.submit(items=2, batch_size=1)
    work(1)
    address = f"/api/jobs/{waits}/adjustments"
    both = change_body(waits, items=["item6", "item5"], percent=1)
    assert is_problem(api.post(address, json=both), 422, f"Run {waits} has no forecast of item item5 by {MODEL}.")
    api.post(f"/api/jobs/{waits}/cancel")
    assert is_problem(api.post(address, json=both), 422, "no forecast of item item5")
    adjust(api, waits, items=["item6"], percent=1)
