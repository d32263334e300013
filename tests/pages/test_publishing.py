"""The published plan on the page Forecasts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fcst.dataset_records import Dataset
from fcst.job_records import Job
from fcst.services import publishing
from tests.computed_runs import run
from tests.conftest import write_sales
from tests.pages.opening import open_page, page_text


@pytest.fixture
def job(load_dataset: Callable[..., Dataset]) -> Job:
    return run(load_dataset(n_items=4), 3, models=("Naive", "WindowAverage"), n_windows=0)


def test_plan_is_published_from_the_workbench_and_says_so(job: Job) -> None:
    at = open_page("forecasts", job=str(job.job_id))
    assert at.button(key="publish").label == "Publish …"
    at.button(key="publish").click().run()
    assert "No plan of **s** is published yet" in page_text(at)
    at.button(key="publish_now").click().run()
    assert not at.exception and not at.error
    (plan,) = publishing.list_plans("s")
    assert (plan.run_no, plan.model, plan.n_items) == (job.job_id, "Naive", 3)
    assert at.button(key="publish").label == "Published"
    at.button(key="publish").click().run()
    assert "No adjustments since then" in page_text(at)
    other = open_page("forecasts", job=str(job.job_id), model="WindowAverage")
    assert other.button(key="publish").label == "Publish …"


def test_page_of_a_deleted_run_does_not_break_with_its_published_plan(job: Job) -> None:
    publishing.publish(job.job_id)
    newer = run_again(job)
    at = open_page("forecasts", job=str(newer.job_id))
    at.button(key="publish").click().run()
    assert f"is that of run {job.job_id}" in page_text(at)


def test_accuracy_of_published_plans_is_shown_by_lag_and_week(
    load_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    path = tmp_path / "s.csv"
    for n_weeks in (60, 62):
        write_sales(path, 3, n_weeks)
        job = run(load_dataset(path), 3, models=("Naive",), n_windows=0)
        publishing.publish(job.job_id)
    at = open_page("accuracy", job=str(job.job_id), view="lags")
    assert not at.exception
    assert "Published plans of s vs. actual sales" in page_text(at).replace("\\", "")
    by_lag, by_week = at.dataframe[-2].value, at.dataframe[-1].value
    assert by_lag["lag"].tolist() == [1] and by_lag["n_items"].tolist() == [3]
    assert list(by_week) == ["wk_end_dt", "1 week before"] and len(by_week) == 1


def run_again(job: Job) -> Job:
    from fcst.services import datasets

    return run(datasets.get_dataset(job.dataset_id), 2, models=("Naive",), n_windows=0)
