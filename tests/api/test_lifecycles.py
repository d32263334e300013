"""Lifecycles over HTTP: save, list by page, remove; invalid requests."""

from typing import Any

from tests.api.conftest import ApiServer, is_problem
from tests.api.datasets import named_dataset


def test_lifecycles_are_saved_listed_and_removed(api: ApiServer) -> None:
    address = f"/api/datasets/{named_dataset(api)['dataset_id']}/lifecycles"
    body: list[dict[str, Any]] = [
        {"unique_id": "new", "origin": "like", "sources": [{"unique_id": "item1", "factor": 0.8}]},
        {"unique_id": "item2", "last_day": "2022-06-05"},
    ]
    n_items = named_dataset(api)["n_items"]
    assert api.put(address, json={"lifecycles": body}).status_code == 204
    assert named_dataset(api)["n_items"] == n_items + 1
    answer = api.get(address).json()
    assert answer["n_items"] == 2
    assert [(row["unique_id"], row["has_sales"]) for row in answer["lifecycles"]] == [("item2", True), ("new", False)]
    assert answer["lifecycles"][1] | body[0] == answer["lifecycles"][1]
    assert [row["unique_id"] for row in api.get(f"{address}?skip=1&limit=1").json()["lifecycles"]] == ["new"]
    for item in ("new", "item2"):
        assert api.delete(f"{address}?item={item}").status_code == 204
    assert api.get(address).json() == {"lifecycles": [], "n_items": 0}
    assert named_dataset(api)["n_items"] == n_items
    assert is_problem(api.delete(f"{address}?item=new"), 404)


def test_invalid_request_is_a_problem_with_a_hint(api: ApiServer) -> None:
    address = f"/api/datasets/{named_dataset(api)['dataset_id']}/lifecycles"
    for row, words in (
        ({"unique_id": "new", "origin": "like", "sources": [{"unique_id": "nothing"}]}, "has no item nothing"),
        ({"unique_id": "new", "origin": "like", "sources": [{"unique_id": "new"}]}, "cannot be its own source"),
        ({"unique_id": "new", "origin": "predecessor"}, "a relation without items"),
        ({"unique_id": "new"}, "is empty"),
    ):
        answer = api.put(address, json={"lifecycles": [row]})
        assert is_problem(answer, 422) and words in answer.json()["detail"], words
    for day in (0, "1722643200", "2021-13-01"):
        assert is_problem(api.put(address, json={"lifecycles": [{"unique_id": "item1", "last_day": day}]}), 422), day
    assert is_problem(api.delete(f"{address}?item=n%00"), 422)
    bad = {"unique_id": "new", "origin": "like", "sources": [{"unique_id": "item1", "factor": 0}]}
    assert is_problem(api.put(address, json={"lifecycles": [bad]}), 422)
    assert is_problem(api.get("/api/datasets/999999/lifecycles"), 404)
