"""Worklist over HTTP: items compared with the services, reviews, reopening, thresholds."""

from typing import Any

import pytest

from fcst.filters import RunOrder, RunSort
from fcst.services import attention, forecasts, jobs
from tests.api.conftest import ApiServer, is_problem
from tests.servers import work


@pytest.fixture
def ended(api: ApiServer) -> int:
    """A completed run of all items with two models."""
    api.clear()
    job_id = api.submit(items=6, models=["Naive", "SeasonalNaive"], batch_size=6, n_windows=1, level=[80, 95])
    work(1)
    return job_id


def listed(api: ApiServer, job_id: int, **params: Any) -> list[str]:
    answer = api.get(f"/api/jobs/{job_id}/items", params=params)
    assert answer.status_code == 200, answer.text
    assert answer.json()["n_found"] == len(answer.json()["items"])
    return [item["unique_id"] for item in answer.json()["items"]]


def test_items_match_the_services(api: ApiServer, ended: int) -> None:
    job = jobs.get_job(ended)
    answer = api.get(f"/api/jobs/{ended}/items", params={"model": "Naive"}).json()
    wanted = forecasts.list_items(job, "Naive", order=RunOrder(RunSort.STAKE))
    assert (answer["n_found"], answer["last_change"]) == (6, 0) and len(wanted) == 6
    for item, of_run in zip(answer["items"], wanted, strict=True):
        assert (item["class"], item["sold"], item["error"]) == (of_run.item_class, of_run.recent, None)
        assert item["reasons"] == list(of_run.reasons)
        for name in ("unique_id", "outcome", "at_stake", "final", "forecast", "last_year", "change", "wape", "bias"):
            assert item[name] == getattr(of_run, name), name
        for name in ("abc", "xyz", "made_by", "is_fallback", "reviewed_by", "reviewed_at"):
            assert item[name] == getattr(of_run, name), name
    stakes = [item["at_stake"] for item in answer["items"]]
    assert stakes == sorted(stakes, reverse=True) and stakes[0] > 0
    page = api.get(f"/api/jobs/{ended}/items", params={"model": "Naive", "limit": 2, "offset": 3}).json()
    assert page == answer | {"items": answer["items"][3:5]}
    by_plan = [f"item{n}" for n in range(1, 7)]
    assert listed(api, ended, sort="final", reversed=True) == by_plan
    assert listed(api, ended, sort="final") == by_plan[::-1]


def test_items_are_filtered(api: ApiServer, ended: int) -> None:
    job = jobs.get_job(ended)
    every = {item.unique_id: item for item in forecasts.list_items(job, "Naive")}
    assert set(listed(api, ended, item=["item2", "item5"])) == {"item2", "item5"}
    assert listed(api, ended, q="ITEM3") == ["item3"]
    for name in ("abc", "xyz", "demand_class"):
        values = {getattr(item, name) for item in every.values()}
        for value in values:
            found = {key for key, item in every.items() if getattr(item, name) == value}
            assert set(listed(api, ended, **{name: value})) == found, (name, value)
    reason = next(reason for item in every.values() for reason in item.reasons)
    found = {key for key, item in every.items() if reason in item.reasons}
    assert set(listed(api, ended, reason=reason)) == found
    assert listed(api, ended, family="none") == listed(api, ended, heaviest="none") == []
    assert listed(api, ended, **{"class": "none"}) == listed(api, ended, **{"attr.city": "Quito"}) == []
    assert len(listed(api, ended, **{"attr.city": ""})) == 6


def test_items_are_reviewed_and_reopened(api: ApiServer, ended: int) -> None:
    address = f"/api/jobs/{ended}"
    with_reason = {item["unique_id"] for item in api.get(f"{address}/items").json()["items"] if item["reasons"]}
    assert with_reason and set(listed(api, ended, review="open")) == with_reason
    named = api.post(f"{address}/review", json={"items": ["item1", "item2", "item1"], "who": " Ann "})
    assert (named.status_code, named.json()) == (200, {"n_items": 2})
    assert set(listed(api, ended, review="done")) == {"item1", "item2"}
    row = api.get(f"{address}/items", params={"item": "item1"}).json()["items"][0]
    assert row["reviewed_by"] == "Ann" and row["reviewed_at"]
    assert listed(api, ended, review="done", model="SeasonalNaive") == []
    rest = api.post(f"{address}/review", json={"items": {"q": "item", "attributes": {"city": [""]}}})
    assert rest.json() == {"n_items": 4}  # items not reviewed before
    assert api.get(f"{address}/items", params={"item": "item1"}).json()["items"][0]["reviewed_by"] == "Ann"
    assert listed(api, ended, review="open") == []
    assert api.post(f"{address}/reopen", json={"items": {"review": "done", "q": "item3"}}).json() == {"n_items": 1}
    assert api.post(f"{address}/reopen", json={"items": {}}).json() == {"n_items": 5}
    assert set(listed(api, ended, review="open")) == with_reason


def test_thresholds_are_set_per_dataset_name(api: ApiServer, ended: int) -> None:
    address = f"/api/jobs/{ended}/thresholds"
    usual = api.get(address).json()
    assert usual == attention.Thresholds().to_json()
    far = set(listed(api, ended, reason="far from last year", model="Naive"))
    answer = api.put(address, json={"plan_change": 0.0, "x_below": 0.5, "who": "Ann"})
    try:
        assert answer.json() == api.get(address).json() == usual | {"plan_change": 0.0, "x_below": 0.5}
        assert set(listed(api, ended, reason="far from last year", model="Naive")) > far
    finally:
        assert api.put(address, json=usual).json() == usual
    assert set(listed(api, ended, reason="far from last year", model="Naive")) == far


def test_run_that_has_not_started_has_items_without_a_plan(api: ApiServer) -> None:
    api.clear()
    job_id = api.submit()
    items = api.get(f"/api/jobs/{job_id}/items").json()["items"]
    assert len(items) == 4 and {(item["outcome"], item["final"], item["at_stake"]) for item in items} == {
        ("pending", None, 0)
    }
    assert api.post(f"/api/jobs/{job_id}/review", json={"items": {}}).json() == {"n_items": 0}
    api.post(f"/api/jobs/{job_id}/cancel")
    items = api.get(f"/api/jobs/{job_id}/items").json()["items"]
    assert {(item["outcome"], tuple(item["reasons"])) for item in items} == {("cancelled", ("no forecast",))}


def test_invalid_request_is_a_problem_with_a_hint(api: ApiServer, ended: int) -> None:
    address = f"/api/jobs/{ended}"
    for query, status, words in (
        ("model=Auto", 422, f"Run {ended} has no model Auto."),
        ("item=nobody", 404, f"Run {ended} has no item nobody."),
        ("item=%00", 404, "no item"),
        ("q=%00", 422, "q"),
        ("sort=size", 422, "sort"),
        ("reason=odd", 422, "reason"),
        ("abc=D", 422, "abc"),
        ("review=later", 422, "review"),
        ("limit=0", 422, "limit"),
        ("offset=-1", 422, "offset"),
        ("reversed=perhaps", 422, "reversed"),
    ):
        assert is_problem(api.get(f"{address}/items?{query}"), status, words), query
    for body in (
        {},
        {"items": None},
        {"items": []},
        {"items": [1]},
        {"items": ["a\0"]},
        {"items": 3},
        {"items": {"reason": []}},
        {"items": {"reasons": ["biased"]}},
        {"items": {"item": ["item1"]}},
        {"items": {"attributes": {"city": []}}},
        {"items": {"attributes": {"city": ["a\0"]}}},
        {"items": {"attributes": {"city": "Quito"}}},
        {"items": {}, "model": "Auto"},
        {"items": {}, "models": "Naive"},
    ):
        for route in ("review", "reopen"):
            assert is_problem(api.post(f"{address}/{route}", json=body), 422), (route, body)
    assert is_problem(api.post(f"{address}/review", json={"items": {}, "who": "x" * 101}), 422)
    assert is_problem(api.post(f"{address}/review", json={"items": ["item1", "nobody"]}), 404, "no item nobody")
    assert listed(api, ended, review="done") == []
    for number in ("NaN", "Infinity", "-0.1", "1e300", '"0.5"', "null", "true", "9" * 400):
        body = f'{{"plan_change": {number}}}'
        answer = api.put(f"{address}/thresholds", content=body, headers={"Content-Type": "application/json"})
        assert is_problem(answer, 422, "plan_change"), number
    assert is_problem(api.put(f"{address}/thresholds", json={"farther": 1}), 422, "farther")
    for job_id in (0, 2**31, 10**39):
        for path in ("items", "thresholds"):
            assert is_problem(api.get(f"/api/jobs/{job_id}/{path}"), 404, f"Run {job_id} does not exist.")
        for path in ("review", "reopen"):
            assert is_problem(api.post(f"/api/jobs/{job_id}/{path}", json={"items": {}}), 404)
