"""Stock over HTTP: settings said and listed, figures a page at a time; what is refused."""

import pytest

from fcst.names import HOLDOUT_WEEKS
from tests.api.conftest import Desk, is_problem
from tests.api.test_drivers import dataset_of
from tests.servers import work


@pytest.fixture(scope="module")
def settled(desk: Desk) -> Desk:
    """Whose first run has ended."""
    assert desk.submit() == 1
    work(1)
    return desk


def test_settings_are_said_and_figures_follow(settled: Desk) -> None:
    address = f"/api/datasets/{dataset_of(settled)['dataset_id']}/stock"
    asked = [
        {"grouped_by": "all", "key": "", "lead_time_days": 7, "review_period_days": 0, "service_level": 0.9},
        {"key": "item5", "lead_time_days": 14},
        {"key": "later", "service_level": 0.98},
    ]
    answer = settled.put(address, json={"settings": asked})
    assert answer.status_code == 200 and answer.json() == {"unknown": ["later"]}
    listed = settled.get(f"{address}?limit=2").json()
    assert listed["n_found"] == 3 and [row["key"] for row in listed["settings"]] == ["", "item5"]
    assert listed["settings"][0] | asked[0] == listed["settings"][0]
    first = settled.get("/api/jobs/1/stock?limit=2").json()
    rest = settled.get(first["next"]).json()
    every = settled.get("/api/jobs/1/stock").json()
    assert every["next"] is None and every["stock"][:4] == first["stock"] + rest["stock"]
    (two,) = settled.get("/api/jobs/1/stock?item=item5").json()["stock"]
    assert (two["lead_time_days"], two["review_period_days"], two["service_level"]) == (14, 0, 0.9)
    assert two["reorder_point"] == pytest.approx(two["demand"] + two["safety_stock"]) and two["reason"] is None
    (asked_for,) = settled.get("/api/jobs/1/stock?item=item5&service_level=0.98").json()["stock"]
    assert asked_for["safety_stock"] >= two["safety_stock"] and asked_for["lead_time_days"] == 14
    long = settled.get(f"/api/jobs/1/stock?item=item5&lead_time_days={7 * HOLDOUT_WEEKS * 5}").json()["stock"][0]
    assert long["reorder_point"] is None and "longer than" in long["reason"]
    page = settled.get("/api/jobs/1/stock?limit=1&service_level=0.98&model=SeasonalNaive").json()
    assert "service_level=0.98" in page["next"] and "model=SeasonalNaive" in page["next"]
    assert is_problem(settled.get("/api/jobs/1/stock?model=Naive"), 422)
    assert settled.put(address, json={"settings": [{"grouped_by": "all", "key": ""}]}).status_code == 200
    assert settled.get(address).json()["n_found"] == 2


def test_what_cannot_be_used_is_a_problem_with_a_hint(settled: Desk) -> None:
    address = f"/api/datasets/{dataset_of(settled)['dataset_id']}/stock"
    for row, words in (
        ({"key": "item1", "lead_time_days": -1}, "lead time of -1 days"),
        ({"key": "item1", "lead_time_days": 1e300}, "lead time of"),
        ({"key": "item1", "service_level": 1}, "service level of 100 %"),
        ({"key": "item1", "service_level": 0}, "service level of 0 %"),
        ({"key": "", "lead_time_days": 7}, "the key ''"),
        ({"key": "nothing", "lead_time_days": 7}, "has none of these"),
        ({"grouped_by": "part", "key": "a", "key_columns": ["no"], "lead_time_days": 7}, "have no columns no"),
    ):
        answer = settled.put(address, json={"settings": [row]})
        assert is_problem(answer, 422) and words in answer.json()["detail"], words
    for body in ({"settings": []}, {"settings": [{"key": "item1", "lead_time_days": "7"}]}, {"settings": [{"key": 1}]}):
        assert is_problem(settled.put(address, json=body), 422), body
    assert is_problem(settled.get("/api/jobs/1/stock?service_level=nan"), 422)
    assert is_problem(settled.get("/api/jobs/1/stock?item=nobody"), 404)
    assert is_problem(settled.get("/api/jobs/999/stock"), 404)
    assert is_problem(settled.get("/api/datasets/999999/stock"), 404)
