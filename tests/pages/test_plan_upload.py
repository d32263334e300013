"""Upload of an edited plan on the page Forecasts: preview, refusal, saving."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import openpyxl
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from fcst.dataset_records import Dataset
from fcst.filters import by_keys
from fcst.job_records import Job
from fcst.periods import Period
from fcst.services import adjustments, forecasts, plan_workbook
from fcst.services.adjustments import Change
from tests.computed_runs import run
from tests.pages.opening import open_page, page_text

MODEL = "WindowAverage"


@pytest.fixture(autouse=True)
def caches() -> Iterator[None]:
    st.cache_data.clear()
    st.cache_resource.clear()
    yield


@pytest.fixture
def job(load_dataset: Callable[..., Dataset], once: Callable) -> Job:
    def make() -> Job:
        return run(load_dataset(n_items=3, n_weeks=60, name="s"), 3, models=(MODEL,), h=4, n_windows=0)

    return once("to_upload", make)


def edited(job: Job, period: Period = Period.WEEK, **cells: Any) -> bytes:
    out = io.BytesIO()
    plan_workbook.write_plan(job, MODEL, out, "xlsx", period)
    book = openpyxl.load_workbook(out)
    for name, value in cells.items():
        book["Plan"][name].value = value
    book.save(out := io.BytesIO())
    return out.getvalue()


def dialog(job: Job, data: bytes) -> AppTest:
    """Opens only the dialog, with an uploaded file."""

    def page(job: "Job", model: str) -> None:
        from fcst.ui.plan_upload import ask_for_plan_file

        ask_for_plan_file(job, model)

    at = AppTest.from_function(page, args=(job, MODEL), default_timeout=30).run()
    at.file_uploader(key="plan_file").upload("plan.xlsx", data).run()
    assert not at.exception
    return at


def save(at: AppTest, reason: str = "sales team", who: str = "Ann") -> AppTest:
    at.text_input(key="plan_reason").set_value(reason)
    at.text_input(key="plan_who").set_value(who)
    return at.button(key="plan_save").click().run()


def test_changes_are_shown_and_saved_as_one_adjustment(job: Job) -> None:
    at = dialog(job, edited(job, G2=100, H3=50))
    assert "**2 cells of 2 items change**" in page_text(at) and "**150 units**" in page_text(at)
    table = at.dataframe[0].value
    assert table["Item"].tolist() == ["item3", "item2"] and table["After"].tolist() == [100, 50]
    assert table["Cell"].tolist() == ["Plan!G2", "Plan!H3"] and "Conflict" not in table
    assert at.button(key="plan_save").label == "Save 2 changes"
    assert not save(at).error
    (made,) = adjustments.list_adjustments(job)
    assert (made.scope, made.reason, made.made_by) == ("workbook, 2 items", "sales team", "Ann")
    assert forecasts.view(job, MODEL, by_keys("item3")).forecast["final"].iloc[0] == 100


def test_invalid_cells_are_listed_and_skipped_if_checked(job: Job) -> None:
    at = dialog(job, edited(job, G2=100, H3="many"))
    assert at.dataframe[1].value.to_numpy().tolist() == [["Plan!H3", "it has the text 'many', not a number"]]
    assert "Refused 1 cell" in save(at).error[0].value and adjustments.list_adjustments(job) == []
    at.checkbox(key="plan_skip").check().run()
    assert not save(at).error and len(adjustments.list_adjustments(job)) == 1


def test_cells_changed_by_others_are_marked_and_resolved(job: Job) -> None:
    data = edited(job, G2=100, H3=50)
    week = forecasts.view(job, MODEL).forecast["wk_end_dt"].iloc[0].date()
    adjustments.adjust(job, MODEL, by_keys("item3"), Change(week, week, units=7), "fair", "Bob")
    at = dialog(job, data)
    assert at.dataframe[0].value["Conflict"].tolist() == ["changed by others", ""]
    assert "Others have changed 1 cell" in save(at).error[0].value
    at.radio(key="plan_on_conflict").set_value("keep").run()
    assert at.button(key="plan_save").label == "Save 1 change"
    assert not save(at).error
    assert forecasts.view(job, MODEL, by_keys("item3")).forecast["final"].iloc[0] == 7
    assert forecasts.view(job, MODEL, by_keys("item2")).forecast["final"].iloc[1] == 50


def test_unedited_and_invalid_files_show_a_message(job: Job) -> None:
    at = dialog(job, edited(job))
    assert "The file has no changes." in page_text(at) and not at.button
    assert "cannot be read as a workbook" in dialog(job, b"PK\x03\x04").error[0].value


def test_page_has_plan_links_in_its_period_and_the_upload(job: Job) -> None:
    at = open_page("forecasts", job=str(job.job_id), item="item2", period="month")
    assert not at.exception and not at.error
    urls = [element.proto.url for element in at.get("link_button")]
    start = f"/downloads/{job.job_id}/plan"
    assert f"{start}.xlsx?item=item2&model={MODEL}&by=month" in urls
    assert f"{start}.csv?model={MODEL}&by=month" in urls
    at.button(key="upload_plan").click().run()
    assert "Upload an edited plan of run" in page_text(at)
