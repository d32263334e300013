"""Scenarios over HTTP: create, change, compare, apply to the plan; invalid requests."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from fcst.job_records import Job
from fcst.services import forecasts
from tests.api.conftest import ApiServer, is_problem
from tests.servers import load_here
from tests.shop_with_drivers import MODEL, forecast, load_shop


@pytest.fixture(scope="module")
def job(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Job:
    return forecast(load_shop(partial(load_here, name="with drivers"), tmp_path_factory.mktemp("shop")))


@pytest.fixture
def ask(api: ApiServer, job: Job) -> Callable[..., Any]:
    """Sends a request about the scenarios of the run."""

    def send(method: str, path: str = "", **more: Any) -> Any:
        return api.request(method, f"/api/jobs/{job.job_id}/scenarios{path}", **more)

    for one in send("GET").json()["scenarios"]:
        assert send("DELETE", f"/{one['scenario_id']}").status_code == 204
    return send


def change(job: Job, **more: Any) -> dict[str, Any]:
    week = str(job.last_wk_end_dt + timedelta(weeks=1))
    body = {"items": ["item0", "item1"], "driver": "promo", "how": "to", "value": 1.0, "who": "Ann"}
    return body | {"first_wk_end_dt": week, "last_wk_end_dt": week} | more


def made(ask: Callable[..., Any], job: Job, name: str = "Fair", **more: Any) -> dict[str, Any]:
    number = ask("POST", json={"name": name, "who": "Ann"}).json()["scenario_id"]
    answer = ask("POST", f"/{number}/changes", json=change(job, **more))
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_scenario_is_created_changed_and_emptied(ask: Callable[..., Any], job: Job) -> None:
    drivers = {driver["name"]: driver for driver in ask("GET").json()["drivers"]}
    assert list(drivers) == ["promo", "price", "open"] and drivers["promo"]["percent"] > 70
    found = made(ask, job)
    (one,) = found["changes"]
    assert (found["name"], one["n_items"], one["made_by"], one["scope"]) == ("Fair", 2, "Ann", "2 items")
    assert one["change"] | {"value": 1} == {
        name: value for name, value in change(job, value=1).items() if name not in ("items", "who")
    }
    answer = ask("DELETE", f"/{found['scenario_id']}/changes/{one['change_id']}")
    assert answer.json()["changes"] == []
    assert is_problem(ask("DELETE", f"/{found['scenario_id']}/changes/{one['change_id']}"), 404)


def test_two_scenarios_are_compared(ask: Callable[..., Any], job: Job) -> None:
    first, second = made(ask, job), made(ask, job, "Cheap", driver="price", how="percent", value=-10.0)
    params = {"other": second["scenario_id"], "item": ["item0"]}
    found = ask("GET", f"/{first['scenario_id']}/sums", params=params).json()
    assert found["scenarios"] == [first["scenario_id"], second["scenario_id"]]
    (item,) = found["items"]
    by_week = [sum(week["changes"][n] for week in found["weeks"]) for n in (0, 1)]
    assert [units - item["plan"] for units in item["units"]] == pytest.approx(by_week)
    nothing = ask("GET", f"/{first['scenario_id']}/sums", params={"item": ["item5"]}).json()
    assert (nothing["weeks"], nothing["items"]) == ([], [])


def test_scenario_is_applied_to_the_plan(api: ApiServer, ask: Callable[..., Any], job: Job) -> None:
    found = made(ask, job, items={})
    before = forecasts.view(job, MODEL).forecast["final"].sum()
    more = sum(week["changes"][0] for week in ask("GET", f"/{found['scenario_id']}/sums").json()["weeks"])
    answer = ask("POST", f"/{found['scenario_id']}/apply", json={"reason": "agreed", "who": "Bea", "last_change": None})
    assert answer.status_code == 201, answer.text
    assert forecasts.view(job, MODEL).forecast["final"].sum() == pytest.approx(before + more)
    number = answer.json()["adjustment_id"]
    late = ask("POST", f"/{found['scenario_id']}/apply", json={"reason": "again", "who": "Bea", "last_change": 0})
    assert is_problem(late, 409, "agreed")
    assert api.post(f"/api/adjustments/{number}/undo", json={"who": "Bea"}).status_code == 200


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"value": 2.0}, 422),
        ({"value": "1"}, 422),
        ({"value": None}, 422),
        ({"how": "by"}, 422),
        ({"driver": "weather"}, 422),
        ({"first_wk_end_dt": "2000-01-01"}, 422),
        ({"items": ["nothing"]}, 404),
        ({"items": []}, 422),
    ],
)
def test_invalid_change_is_refused(ask: Callable[..., Any], job: Job, more: dict[str, Any], status: int) -> None:
    number = ask("POST", json={"name": "Fair"}).json()["scenario_id"]
    assert is_problem(ask("POST", f"/{number}/changes", json=change(job, **more)), status)
    assert ask("GET").json()["scenarios"][0]["changes"] == []


def test_scenario_name_is_unique(ask: Callable[..., Any], job: Job) -> None:
    first = made(ask, job)
    assert is_problem(ask("POST", json={"name": "Fair"}), 422, "has a scenario 'Fair'")
    copy = ask("POST", json={"name": "More", "copy_of": first["scenario_id"]}).json()
    assert [one["change"] for one in copy["changes"]] == [one["change"] for one in first["changes"]]
