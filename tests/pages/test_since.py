"""Accuracy and Compare with later actuals: item names, units sold, accuracy by lag."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from fcst.dataset_records import Dataset
from fcst.services import jobs
from fcst.specs import JobSpec
from tests.conftest import write_sales
from tests.pages.opening import open_app, open_page, page_text, run_waiting

SPEC = JobSpec(models=("WindowAverage", "Naive"), h=4, n_windows=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "items.csv").write_text("item_nbr,description\nitem1,Red soap\nitem2,Blue soap\nitem3,\n")
    return tmp_path


def load(load_dataset: Callable[..., Dataset], folder: Path, n_weeks: int) -> Dataset:
    write_sales(folder / "train.csv", 3, n_weeks)
    return load_dataset(folder, name="shop")


def run(dataset: Dataset, n_items: int) -> int:
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, n_items), SPEC)
    run_waiting()
    return job_id


def table_with(at: AppTest, column: str) -> pd.DataFrame:
    (found,) = (table.value for table in at.dataframe if column in table.value)
    return found


def test_compared_items_have_descriptions_and_actuals(load_dataset: Callable[..., Dataset], folder: Path) -> None:
    first = load(load_dataset, folder, 60)
    one, other = run(first, 3), run(first, 2)
    at = open_page("compare", job=str(one), other=str(other))
    assert not at.exception and not at.error
    table = table_with(at, "difference")
    assert dict(zip(table["unique_id"], table["description"], strict=True))["item2"] == "Blue soap"
    assert "sold" not in table and f"**Run {one}:**" in page_text(at)
    load(load_dataset, folder, 62)
    at = open_page("compare", job=str(one), other=str(other))
    table = table_with(at, "difference").set_index("unique_id")
    assert table["sold"].notna().tolist() == table["other"].notna().tolist()
    assert "In 2 weeks with actual sales that both runs forecast, 2 items" in page_text(at)
    at = open_page("accuracy", job=str(one))
    worst = table_with(at, "abs_error")
    assert worst["abs_error"].is_monotonic_decreasing and "Blue soap" in worst["description"].tolist()


def test_runs_of_the_same_dataset_are_offered_first(load_dataset: Callable[..., Dataset], folder: Path) -> None:
    first = load(load_dataset, folder, 60)
    one, same = run(first, 3), run(first, 2)
    run(load_dataset(folder, name="other"), 1)
    at = open_page("compare", job=str(one))
    offered = at.selectbox(key="choice_other").options
    assert offered[0].startswith(f"Run {same}, shop") and len(offered) == 2 and "other" in offered[1]


def test_accuracy_by_lag_is_shown(load_dataset: Callable[..., Dataset], folder: Path) -> None:
    job_id = run(load(load_dataset, folder, 60), 3)
    at = open_page("accuracy", job=str(job_id), view="lags")
    assert "No earlier run of WindowAverage has forecast a week" in at.info[0].value
    load(load_dataset, folder, 62)
    at = open_page("accuracy", job=str(job_id), view="lags")
    table = table_with(at, "lag")
    assert table[["lag", "n_runs", "n_items", "n_weeks"]].values.tolist() == [[1, 1, 3, 3]]
    assert "No data yet for 4, 8, 13 weeks before" in page_text(at) and "too few runs" in page_text(at)


def test_click_on_an_item_of_accuracy_opens_its_forecast(load_dataset: Callable[..., Dataset], folder: Path) -> None:
    run(load(load_dataset, folder, 120), 3)
    at = open_app().switch_page("pages/accuracy.py").run()
    item = table_with(at, "abs_error")["unique_id"].iloc[0]
    at.session_state["worst"] = {"selection": {"rows": [], "columns": [], "cells": [(0, "wape")]}}
    at.run()
    assert at.title[0].value == "Forecasts" and at.query_params["item"] == item
