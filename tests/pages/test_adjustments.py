"""Adjustments on the page Forecasts: create, show, undo, refuse."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fcst.dataset_records import Dataset
from fcst.filters import by_keys
from fcst.job_records import Job
from fcst.services import adjustments, forecasts
from fcst.services.adjustments import Change
from tests.computed_runs import run
from tests.conftest import write_sales
from tests.pages.opening import components, open_page, page_text


@pytest.fixture
def job(load_dataset: Callable[..., Dataset], once: Callable) -> Job:
    def make() -> Job:
        return run(load_dataset(n_items=3, n_weeks=60, name="s"), 3, models=("WindowAverage", "Naive"), n_windows=1)

    return once("to_adjust", make)


def open_item(job: Job, **query: str) -> AppTest:
    at = open_page("forecasts", job=str(job.job_id), item="item2", **query)
    assert not at.exception and not at.error
    return at


def dialog(job: Job) -> AppTest:
    """Opens only the dialog."""

    def page(job: "Job") -> None:
        from fcst.filters import by_keys
        from fcst.services import forecasts
        from fcst.ui.plan import EditTarget, ask_for_change

        edited = EditTarget(job, "WindowAverage", by_keys("item2"), "item item2", 0)
        ask_for_change(edited, forecasts.view(job, "WindowAverage", by_keys("item2")))

    return AppTest.from_function(page, args=(job,), default_timeout=30).run()


def save(at: AppTest, reason: str, who: str) -> AppTest:
    at.text_input(key="adjust_reason").set_value(reason)
    at.text_input(key="adjust_who").set_value(who)
    return at.button(key="adjust_save").click().run()


def chart(at: AppTest) -> str:
    return at.get("plotly_chart")[0].proto.spec


def test_change_is_saved_in_the_dialog_and_shown_with_the_forecast(job: Job) -> None:
    at = open_item(job)
    assert '"name":"final plan"' not in chart(at) and "Adjustments" not in page_text(at)
    at.button(key="adjust").click().run()
    assert "Save adjustment" in [button.label for button in at.button]
    at = save(dialog(job), "a *campaign*", "Ann")
    assert not at.exception and not at.error
    (made,) = adjustments.list_adjustments(job)
    assert (made.percent, made.reason, made.made_by) == (10, "a *campaign*", "Ann")
    assert made.model == "WindowAverage"
    at = open_item(job)
    said = page_text(at)
    assert "**+10.0 %**, weeks ending" in said and r"a \*campaign\*" in said and "Ann," in said
    assert '"name":"final plan"' in chart(at)
    view = forecasts.view(job, "WindowAverage", by_keys("item2"))
    assert view.forecast["final"].sum() == pytest.approx(1.1 * view.forecast["forecast"].sum())
    at.button(key=f"undo_{made.adjustment_id}").click().run()
    assert "It stays in the list as undone" in page_text(at)
    adjustments.undo(made.adjustment_id, "Bob")
    at = open_item(job)
    assert "Undone: " in page_text(at) and "Undone by Bob," in page_text(at) and '"name":"final plan"' not in chart(at)


def test_weeks_are_set_to_units(job: Job) -> None:
    at = dialog(job)
    at.segmented_control(key="adjust_how").set_value("Set units per week").run()
    at.number_input(key="adjust_units").set_value(77.0).run()
    assert "**308 units**" in page_text(at)
    assert not save(at, "contract", "Ann").error
    (made,) = adjustments.list_adjustments(job)
    assert made.units == 77 and set(forecasts.view(job, "WindowAverage", by_keys("item2")).forecast["final"]) == {77}


@pytest.mark.parametrize(("reason", "who", "said"), [("", "Ann", "needs a reason"), ("why", " ", "name is missing")])
def test_change_without_reason_or_name_is_refused(job: Job, reason: str, who: str, said: str) -> None:
    at = save(dialog(job), reason, who)
    assert said in at.error[0].value
    assert adjustments.list_adjustments(job) == []


def test_grid_has_last_year_model_and_final_plan(job: Job) -> None:
    week = forecasts.list_forecasts(job, "Naive", by_keys("item1"))["wk_end_dt"].iloc[0].date()
    adjustments.adjust(job, "Naive", by_keys("item1"), Change(week, week, units=0), "why", "Ann")
    at = open_page("forecasts", job=str(job.job_id), model="Naive", item="item1")
    grid, items = components(at)["plan_grid"], components(at)["items"]
    assert [row["label"] for row in grid["rows"]] == ["Last year", "Model", "Adjusted", "Final plan"]
    assert grid["rows"][3]["is_editable"] and grid["rows"][3]["cells"][0] == "0.0"
    (row,) = [row for row in items["rows"] if row["key"] == "item1"]
    assert "adjusted" in row["cells"][6]


def test_months_and_quarters_of_the_grid_add_up_to_the_weeks(job: Job) -> None:
    sums = {
        period: components(open_item(job, period=period))["plan_grid"]["rows"][1]["cells"][-1]
        for period in ("", "month", "quarter")
    }
    assert len(set(sums.values())) == 1


def test_compare_shows_value_added_by_step(job: Job, load_dataset: Callable[..., Dataset], tmp_path: Path) -> None:
    week = forecasts.list_forecasts(job, "Naive", by_keys("item1"))["wk_end_dt"].iloc[0].date()
    adjustments.adjust(job, "WindowAverage", by_keys("item1"), Change(week, week, percent=5), "why", "Ann")
    write_sales(tmp_path / "later.csv", 3, 62)
    load_dataset(tmp_path / "later.csv", name="s")
    at = open_page("compare", job=str(job.job_id), model="WindowAverage")
    assert not at.exception and not at.error, at.error[0].value
    (table,) = [frame.value for frame in at.dataframe if "weeks" in frame.value]
    assert table["model"].tolist() == ["same weeks last year", "WindowAverage", "WindowAverage, adjusted"] * 2
    assert table["weeks"].tolist() == ["adjusted"] * 3 + ["all"] * 3 and table["n_weeks"].tolist() == [1] * 3 + [6] * 3


def test_dialog_has_no_week_slider_for_a_single_week(load_dataset: Callable[..., Dataset]) -> None:
    job = run(load_dataset(n_items=3, n_weeks=60, name="s"), 3, models=("WindowAverage",), n_windows=0, h=1)
    at = dialog(job)
    assert not at.exception and not at.select_slider and "Week ending" in page_text(at)
    assert not save(at, "a campaign", "Ann").error
    (made,) = adjustments.list_adjustments(job, by_keys("item2"))
    assert made.first_wk_end_dt == made.last_wk_end_dt == job.last_wk_end_dt + timedelta(weeks=1)
