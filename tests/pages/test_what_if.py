"""The view What if on the page Forecasts: change a driver, compare, apply to the plan, refusals."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fcst.dataset_records import Dataset
from fcst.filters import ALL_RUN_ITEMS
from fcst.job_records import Job
from fcst.scenarios import ChangeHow, DriverChange, Scenario
from fcst.services import adjustments, forecasts, scenarios
from fcst.ui.text import plain
from tests.computed_runs import run
from tests.pages.opening import components, open_page, page_text
from tests.shop_with_drivers import MODEL, forecast, load_shop


@pytest.fixture
def job(load_dataset: Callable[..., Dataset], tmp_path: Path, once: Callable) -> Job:
    return once("forecast_with_drivers", lambda: forecast(load_shop(load_dataset, tmp_path)))


def what_if(job: Job, **query: str | list[str]) -> AppTest:
    at = open_page("forecasts", job=str(job.job_id), below="what-if", **query)
    assert not at.exception
    return at


def promotion(job: Job, name: str = "Fair") -> Scenario:
    made = scenarios.create_scenario(job, name, "Ana")
    week = job.last_wk_end_dt + timedelta(weeks=1)
    change = DriverChange("promo", week, week, ChangeHow.TO, 1.0)
    return scenarios.add_change(job, made.scenario_id, change, ALL_RUN_ITEMS, "Ana", "all items")


def chart(at: AppTest) -> str:
    return at.get("plotly_chart")[0].proto.spec


def test_first_change_creates_a_scenario_shown_in_chart_and_table(job: Job) -> None:
    at = what_if(job, item="item5")
    assert plain("Effect over all items, promo: +") in page_text(at)
    at.text_input(key="scenario_name").set_value("Fair")
    at.text_input(key="scenario_who").set_value("Ana")
    at.button(key="change_driver").click().run()
    assert not at.exception and not at.error
    (made,) = scenarios.list_scenarios(job)
    assert (made.name, made.made_by, at.query_params["scenario"]) == ("Fair", "Ana", str(made.scenario_id))
    (change,) = made.changes
    first = job.last_wk_end_dt + timedelta(weeks=1)
    assert change.change == DriverChange("promo", first, first + timedelta(weeks=1), ChangeHow.TO, 1.0)
    assert (change.scope, change.n_items) == ("item item5", 1)
    assert "scenario Fair" in chart(at)
    assert "**promo** on 100% of the week" in page_text(at)
    numbers = at.dataframe[0].value
    assert list(numbers["Items"]) == ["Item item5", "All items"]
    assert (numbers["units1"] > numbers["plan"]).all()
    assert numbers["units1"][0] - numbers["plan"][0] == pytest.approx(numbers["units1"][1] - numbers["plan"][1])


def test_price_is_changed_by_percent(job: Job) -> None:
    at = what_if(job)
    at.selectbox(key="changed_driver").select("price").run()
    assert plain("Past prices: -20 % to") in page_text(at)
    at.number_input(key="changed_to_price_by").set_value(-15.0)
    at.text_input(key="scenario_who").set_value("Ana")
    at.button(key="change_driver").click().run()
    (made,) = scenarios.list_scenarios(job)
    assert (made.changes[0].change.how, made.changes[0].change.value) == (ChangeHow.PERCENT, -15.0)
    assert made.changes[0].n_items == 6
    assert components(at)["scenario_items"]["rows"][0]["key"].startswith("item")


def test_two_scenarios_are_compared_and_a_change_is_removed(job: Job) -> None:
    first, second = promotion(job), promotion(job, "Fair *2*")
    at = what_if(job, **{"scenario": str(first.scenario_id), "with": str(second.scenario_id)})
    numbers = at.dataframe[0].value
    assert numbers["units1"][0] == pytest.approx(numbers["units2"][0])
    at.button(key=f"remove_{first.changes[0].change_id}").click().run()
    assert not at.exception
    numbers = at.dataframe[0].value
    assert numbers["units1"][0] == pytest.approx(numbers["plan"][0])
    assert numbers["units2"][0] > numbers["plan"][0]


def test_scenario_is_applied_to_the_plan(job: Job) -> None:
    made = promotion(job)

    def page(job: "Job", scenario: "Scenario") -> None:
        from fcst.filters import ALL_RUN_ITEMS
        from fcst.ui.what_if import WhatIfContext, ask_to_apply

        ask_to_apply(WhatIfContext(job, "SeasonalNaive", ALL_RUN_ITEMS, "all items", (), (), (scenario,), lambda: 0.0))

    at = AppTest.from_function(page, args=(job, made), default_timeout=30).run()
    at.text_input(key="apply_to_plan_who").set_value("Bea")
    before = forecasts.view(job, MODEL).forecast["final"].sum()
    at.button(key="apply_to_plan_now").click().run()
    assert not at.exception and not at.error
    (change,) = adjustments.list_adjustments(job)
    assert (change.made_by, change.reason, change.n_items) == ("Bea", "Scenario Fair", 5)
    # one item was already on promotion
    assert forecasts.view(job, MODEL).forecast["final"].sum() > before


def test_run_without_effects_shows_what_to_do(load_dataset: Callable[..., Dataset]) -> None:
    plain = run(load_dataset(n_items=2, n_weeks=60), 2, models=("Naive",), n_windows=0)
    at = what_if(plain)
    assert "Load drivers on the page Dataset" in page_text(at)
    assert not [button for button in at.button if button.key == "change_driver"]


def test_missing_scenario_shows_a_message(job: Job) -> None:
    assert "This run has no scenario 99" in page_text(what_if(job, scenario="99"))


def test_refused_name_shows_a_message_and_creates_nothing(job: Job) -> None:
    promotion(job)
    at = what_if(job)
    at.text_input(key="scenario_name").set_value("Fair")
    at.text_input(key="scenario_who").set_value("Ana")
    at.button(key="change_driver").click().run()
    assert "Choose another name" in page_text(at)
    assert len(scenarios.list_scenarios(job)) == 1
