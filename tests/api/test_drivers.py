"""Drivers over HTTP: load a plan from a path or an upload, add holidays, list, remove; invalid requests."""

from pathlib import Path
from typing import Any

from tests.api.conftest import ApiServer, is_problem
from tests.api.datasets import named_dataset
from tests.servers import read


def loads_of(api: ApiServer, dataset_id: int) -> list[dict[str, Any]]:
    answer = api.get(f"/api/datasets/{dataset_id}/drivers")
    assert answer.status_code == 200, answer.text
    return answer.json()["loads"]


def plan_text(dataset: dict[str, Any]) -> str:
    return f"date,item,on_deal\n{dataset['last_wk_end_dt']},item1,1\n"


def test_plan_is_loaded_from_a_path_and_from_an_upload(api: ApiServer, place: Path) -> None:
    dataset = named_dataset(api)
    address = f"/api/datasets/{dataset['dataset_id']}/drivers"
    path = place / "plan.csv"
    path.write_text(plan_text(dataset))
    before = len(loads_of(api, dataset["dataset_id"]))
    answer = api.post(address, json={"path": str(path), "map": {"promo": "on_deal"}})
    assert answer.status_code == 202, answer.text
    read()
    assert api.get(answer.headers["location"]).json()["status"] == "completed"
    files = [("file", ("other.csv", plan_text(dataset).encode()))]
    answer = api.post(address, files=files, data={"options": '{"map": {"promo": "on_deal"}}'})
    assert answer.status_code == 202, answer.text
    read()
    loads = loads_of(api, dataset["dataset_id"])[before:]
    assert [load["source"] for load in loads] == ["plan.csv", "other.csv"]
    assert loads[0]["columns"] == [{"name": "on_deal", "kind": "promotion", "n_keys": 1}]
    path.write_text(plan_text(dataset).replace("item,", "label,"))
    answer = api.post(address, json={"path": str(path), "map": {"promo": "on_deal", "item": []}})
    assert answer.status_code == 202, answer.text
    read()
    load = loads_of(api, dataset["dataset_id"])[-1]
    assert (load["grouped_by"], load["key_columns"]) == ("all", [])


def test_holidays_are_added_and_removed(api: ApiServer) -> None:
    dataset_id = named_dataset(api)["dataset_id"]
    answer = api.post(f"/api/datasets/{dataset_id}/holidays", json={"country": "DE", "region": "BY"})
    assert answer.status_code == 201, answer.text
    load = answer.json()
    assert load["source"] == "Holidays of DE, BY" and load["grouped_by"] == "all"
    assert api.delete(f"/api/datasets/{dataset_id}/drivers/{load['driver_load_id']}").status_code == 204
    assert load["driver_load_id"] not in [row["driver_load_id"] for row in loads_of(api, dataset_id)]


def test_invalid_request_is_a_problem_with_a_hint(api: ApiServer, place: Path) -> None:
    dataset_id = named_dataset(api)["dataset_id"]
    path = place / "colours.csv"
    path.write_text("date,item,colour\n2021-01-02,item1,red\n")
    answer = api.post(f"/api/datasets/{dataset_id}/drivers", json={"path": str(path)})
    assert is_problem(answer, 422) and "no driver column" in answer.json()["detail"]
    assert is_problem(api.post(f"/api/datasets/{dataset_id}/holidays", json={"country": "XX"}), 422)
    assert is_problem(api.get("/api/datasets/999999/drivers"), 404)
    assert is_problem(api.delete(f"/api/datasets/{dataset_id}/drivers/999999"), 404)
