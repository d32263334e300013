"""Stock over HTTP: save and list settings, figures by page; invalid requests."""

import pytest

from fcst.names import HOLDOUT_WEEKS
from tests.api.conftest import ApiServer, is_problem
from tests.api.datasets import named_dataset
from tests.servers import work


@pytest.fixture(scope="module")
def with_run(api: ApiServer) -> ApiServer:
    """A server with an ended run."""
    assert api.submit() == 1
    work(1)
    return api


def test_figures_follow_saved_settings(with_run: ApiServer) -> None:
    address = f"/api/datasets/{named_dataset(with_run)['dataset_id']}/stock"
    settings = [
        {"grouped_by": "all", "key": "", "lead_time_days": 7, "review_period_days": 0, "service_level": 0.9},
        {"key": "item5", "lead_time_days": 14},
        {"key": "later", "service_level": 0.98},
    ]
    answer = with_run.put(address, json={"settings": settings})
    assert answer.status_code == 200 and answer.json() == {"unknown": ["later"]}
    listed = with_run.get(f"{address}?limit=2").json()
    assert listed["n_found"] == 3 and [row["key"] for row in listed["settings"]] == ["", "item5"]
    assert listed["settings"][0] | settings[0] == listed["settings"][0]
    first = with_run.get("/api/jobs/1/stock?limit=2").json()
    rest = with_run.get(first["next"]).json()
    every = with_run.get("/api/jobs/1/stock").json()
    assert every["next"] is None and every["stock"][:4] == first["stock"] + rest["stock"]
    (two,) = with_run.get("/api/jobs/1/stock?item=item5").json()["stock"]
    assert (two["lead_time_days"], two["review_period_days"], two["service_level"]) == (14, 0, 0.9)
    assert two["reorder_point"] == pytest.approx(two["demand"] + two["safety_stock"]) and two["reason"] is None
    (overridden,) = with_run.get("/api/jobs/1/stock?item=item5&service_level=0.98").json()["stock"]
    assert overridden["safety_stock"] >= two["safety_stock"] and overridden["lead_time_days"] == 14
    long = with_run.get(f"/api/jobs/1/stock?item=item5&lead_time_days={7 * HOLDOUT_WEEKS * 5}").json()["stock"][0]
    assert long["reorder_point"] is None and "longer than" in long["reason"]
    page = with_run.get("/api/jobs/1/stock?limit=1&service_level=0.98&model=SeasonalNaive").json()
    assert "service_level=0.98" in page["next"] and "model=SeasonalNaive" in page["next"]
    assert is_problem(with_run.get("/api/jobs/1/stock?model=Naive"), 422)
    assert with_run.put(address, json={"settings": [{"grouped_by": "all", "key": ""}]}).status_code == 200
    assert with_run.get(address).json()["n_found"] == 2


def test_invalid_request_is_a_problem_with_a_hint(with_run: ApiServer) -> None:
    address = f"/api/datasets/{named_dataset(with_run)['dataset_id']}/stock"
    for row, words in (
        ({"key": "item1", "lead_time_days": -1}, "lead time of -1 days"),
        ({"key": "item1", "lead_time_days": 1e300}, "lead time of"),
        ({"key": "item1", "service_level": 1}, "service level of 100 %"),
        ({"key": "item1", "service_level": 0}, "service level of 0 %"),
        ({"key": "", "lead_time_days": 7}, "the key ''"),
        ({"key": "nothing", "lead_time_days": 7}, "has none of these"),
        ({"grouped_by": "part", "key": "a", "key_columns": ["no"], "lead_time_days": 7}, "have no columns no"),
    ):
        answer = with_run.put(address, json={"settings": [row]})
        assert is_problem(answer, 422) and words in answer.json()["detail"], words
    for body in ({"settings": []}, {"settings": [{"key": "item1", "lead_time_days": "7"}]}, {"settings": [{"key": 1}]}):
        assert is_problem(with_run.put(address, json=body), 422), body
    assert is_problem(with_run.get("/api/jobs/1/stock?service_level=nan"), 422)
    assert is_problem(with_run.get("/api/jobs/1/stock?item=nobody"), 404)
    assert is_problem(with_run.get("/api/jobs/999/stock"), 404)
    assert is_problem(with_run.get("/api/datasets/999999/stock"), 404)
