"""Stock settings and figures on the pages: defaults, files, figures of an item with their assumptions."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from fcst.dataset_records import Dataset
from fcst.job_records import Job
from fcst.services import stock, stock_settings
from fcst.stock import GroupSettings, StockSettings
from tests.computed_runs import run
from tests.pages.opening import open_page, page_text


@pytest.fixture
def dataset(load_dataset: Callable[..., Dataset]) -> Dataset:
    return load_dataset(n_items=3, n_weeks=60)


def saved_settings(dataset: Dataset) -> list[GroupSettings]:
    return [row.group for row in stock_settings.find_settings(dataset.dataset_id)[0]]


def open_view(dataset: Dataset) -> AppTest:
    at = open_page("dataset", dataset=str(dataset.dataset_id), view="stock")
    assert not at.exception
    return at


def test_defaults_are_saved_and_shown(dataset: Dataset) -> None:
    at = open_view(dataset)
    assert "No lead times." in page_text(at) and not at.dataframe
    assert [box.value for box in at.number_input] == [None, 7, 95]
    at.number_input(key="stock_lead_time_0").set_value(14)
    at.number_input(key="stock_service_level_0").set_value(98)
    at.button(key="save_stock_defaults").click().run()
    assert not at.exception and saved_settings(dataset) == [GroupSettings("all", "", StockSettings(14, 7, 0.98))]
    row = at.dataframe[0].value.iloc[0]
    assert row[["Applies to", "Lead time, days", "Review period, days", "Service level"]].tolist() == [
        "all items",
        14,
        7,
        "98 %",
    ]
    assert [box.value for box in at.number_input] == [14, 7, 98]


def test_file_is_previewed_before_saving(dataset: Dataset) -> None:
    at = open_view(dataset)
    at.file_uploader[0].set_value([("lead.csv", b"item,lead_time_days\nitem1,14\nlater,7\n", "text/csv")]).run()
    assert (
        not at.exception
        and at.dataframe[0].value["Key"].tolist() == ["item1", "later"]
        and saved_settings(dataset) == []
    )
    at.button(key="save_stock_settings").click().run()
    assert not at.exception and len(saved_settings(dataset)) == 2
    assert "does not have later" in page_text(at)
    assert at.dataframe[0].value["Key"].tolist() == ["item1", "later"]


def test_invalid_file_is_refused(dataset: Dataset) -> None:
    at = open_view(dataset)
    at.file_uploader[0].set_value([("lead.csv", b"item,lead_time_days\nitem1,soon\n", "text/csv")]).run()
    assert not at.exception and "is not a valid lead time" in page_text(at)
    assert "save_stock_settings" not in {button.key for button in at.button} and saved_settings(dataset) == []


def item_page(job_id: int, unique_id: str) -> None:
    from fcst.services import jobs
    from fcst.ui.stock import show_item

    show_item(jobs.get_job(job_id), "WindowAverage", unique_id)


def shown(job: Job, unique_id: str) -> AppTest:
    at = AppTest.from_function(item_page, args=(job.job_id, unique_id)).run()
    assert not at.exception
    return at


def test_item_shows_three_figures_and_their_assumptions(dataset: Dataset) -> None:
    job = run(dataset, 3, models=("WindowAverage",), h=6, n_windows=2)
    assert "No lead time is set. Set one on the page Dataset" in shown(job, "item1").caption[0].value.replace("\\", "")
    stock_settings.save_defaults(dataset.dataset_id, StockSettings(14, 7, 0.8))
    at = shown(job, "item1")
    figures = stock.find_stock(job, "WindowAverage", "item1")
    assert figures is not None and len(at.metric) == 3
    assert at.metric[2].label == "Reorder point" and at.metric[2].value.endswith(" units")
    assert float(at.metric[2].value.split()[0]) == pytest.approx(figures.reorder_point, rel=0.01)
    (caption,) = at.caption
    assert "Lead time 14 days, review period 7 days, service level 80 %" in caption.value
    assert "errors are as in the backtests" in caption.value
    stock_settings.save_defaults(dataset.dataset_id, StockSettings(60))
    assert "longer than the horizon of 42 days" in shown(job, "item1").caption[0].value
    assert not shown(job, "missing").caption
