"""Attributes over HTTP: forecasts summed by attribute, filters, and saving, listing and removing attributes."""

from pathlib import Path

import pytest

from fcst.services import jobs
from tests.api.conftest import ApiServer, is_problem
from tests.api.datasets import dataset_of, load
from tests.servers import work
from tests.shop_with_attributes import write_shop


@pytest.fixture
def job_id(api: ApiServer, tmp_path: Path) -> int:
    path = str(write_shop(tmp_path / "shop"))
    found = dataset_of(api, load(api, path=path, name="stores", map={"item": ["store_nbr", "item_nbr"]}))
    assert found["n_items"] == 9
    body = {"dataset": "stores", "models": ["Naive", "SeasonalNaive"], "h": 4, "n_windows": 1, "batch_size": 50}
    number = int(api.post("/api/jobs", json=body).json()["job_id"])
    work(1)
    return number


def test_groups_of_a_run(api: ApiServer, job_id: int) -> None:
    address = f"/api/jobs/{job_id}/groups"
    (everything,) = api.get(address).json()["groups"]
    assert (everything["value"], everything["n_items"], everything["lo"]) == (None, 9, {})
    cities = api.get(f"{address}?by=city&limit=1").json()
    assert (cities["n_found"], cities["groups"][0]["value"], cities["groups"][0]["n_items"]) == (2, "Quito", 6)
    stores = api.get(f"{address}?by=store_nbr&attr.city=Quito&sort=value&bounds=true").json()["groups"]
    assert [group["value"] for group in stores] == ["7", "9"]
    assert sum(group["forecast"] for group in stores) == pytest.approx(cities["groups"][0]["forecast"])
    for group in stores:
        assert 0 <= group["lo"]["95"] <= group["forecast"] <= group["hi"]["95"]
        assert group["final"] == group["forecast"] and group["last_year"] > 0 and group["wape"] >= 0
    other = api.get(f"{address}?by=city&model=SeasonalNaive").json()["groups"]
    assert other[0]["forecast"] != cities["groups"][0]["forecast"]


def test_invalid_grouping_is_a_problem_with_a_hint(api: ApiServer, job_id: int) -> None:
    address = f"/api/jobs/{job_id}/groups"
    for query, words in (("by=town", "no attribute 'town'"), ("model=Auto", "no model Auto")):
        answer = api.get(f"{address}?{query}")
        assert is_problem(answer, 422) and words in answer.json()["detail"]
    for query in ("sort=size", "limit=0", "by=%00"):
        assert is_problem(api.get(f"{address}?{query}"), 422), query
    assert is_problem(api.get("/api/jobs/999999/groups"), 404)


def test_run_selects_items_by_attributes(api: ApiServer, job_id: int) -> None:
    def keys(**more: object) -> set[str]:
        answer = api.post("/api/jobs", json={"dataset": "stores", "models": ["Naive"], "h": 2, **more})
        assert answer.status_code == 201, answer.text
        return set(jobs.list_keys(answer.json()["job_id"]))

    every = jobs.list_keys(job_id)
    of_seven = {key for key in every if key.startswith("7|")}
    assert keys(attributes={"store_nbr": ["7"]}) == of_seven and len(of_seven) == 3
    assert keys(attributes={"store_nbr": ["7", "9"], "city": ["Quito"]}) == keys(attributes={"city": ["Quito"]})
    (largest,) = keys(attributes={"store_nbr": ["7"]}, items=1)
    assert largest == next(key for key in every if key in of_seven)
    body = {"dataset": "stores", "models": ["Naive"], "h": 2}
    for wrong, words in (
        ({"attributes": {"store_nbr": ["none"]}}, "No items of dataset 'stores' match."),
        ({"attributes": {"town": ["Quito"]}}, "No items of dataset 'stores' match."),
        ({"attributes": {"store_nbr": ["7"]}, "items": [every[0]]}, "Both item keys and attributes were given."),
        ({"attributes": {"store_nbr": []}}, "attributes.store_nbr"),
        ({"attributes": {"store_nbr": "7"}}, "attributes.store_nbr"),
        ({"attributes": {"store_nbr": [7]}}, "attributes.store_nbr"),
        ({"attributes": {"store_nbr": ["a\0"]}}, "attributes.store_nbr"),
        ({"attributes": {"": ["7"]}}, "attributes"),
        ({"attributes": ["city"]}, "attributes"),
    ):
        assert is_problem(api.post("/api/jobs", json=body | wrong), 422, words), wrong


def test_attributes_are_saved_listed_and_removed(api: ApiServer, tmp_path: Path) -> None:
    path = str(write_shop(tmp_path / "shop"))
    found = dataset_of(api, load(api, path=path, name="listed", map={"item": ["store_nbr", "item_nbr"]}))
    address = f"/api/datasets/{found['dataset_id']}/attributes"
    rows = [{"key": ["7"], "values": ["North"]}, {"key": ["99"], "values": ["West"]}, {"key": ["8"], "values": [None]}]
    body = {"names": ["region"], "keyed_by": ["store_nbr"], "source": "erp", "rows": rows}
    answer = api.put(address, json=body)
    assert (answer.status_code, answer.json()) == (200, {"n_keys": 2, "n_items": 3, "n_unknown": 1, "unknown": ["99"]})
    known = {row["name"]: row for row in api.get(address).json()["attributes"]}
    assert (known["region"]["source"], known["region"]["is_own"], known["region"]["values"]) == (
        "erp",
        False,
        ["North"],
    )
    assert known["city"]["keyed_by"] == ["store_nbr"]
    assert len(api.get(f"/api/datasets/{found['dataset_id']}/items?attr.region=North").json()["items"]) == 3
    for wrong, words in (
        ({"names": ["city"]}, "is from the sales file"),
        ({"keyed_by": []}, "is keyed by store_nbr"),
        ({"keyed_by": ["town"], "names": ["x"]}, "no column 'town'"),
        ({"rows": [{"key": ["7", "1"], "values": ["x"]}]}, "must have 1 non-empty parts"),
        ({"rows": [{"key": ["77"], "values": ["x"]}]}, "No item of the dataset"),
        ({"rows": [rows[0], rows[0]]}, "occurs twice"),
    ):
        answer = api.put(address, json=body | wrong)
        assert is_problem(answer, 422) and words in answer.json()["detail"], words
    assert api.delete(f"{address}?name=region").status_code == 204
    assert is_problem(api.delete(f"{address}?name=region"), 404) and is_problem(api.delete(f"{address}?name=city"), 422)
