"""Stock-outs on the pages: checkbox on New run, totals on Accuracy, notes on Forecasts."""

from collections.abc import Callable

import pytest

from fcst.dataset_records import Dataset
from fcst.services import jobs
from fcst.specs import JobSpec
from tests.engine.tasks import run_all
from tests.pages.opening import open_page, page_text
from tests.shop_with_stockouts import dataset, run

__all__ = ["dataset"]  # fixtures


def tables_with(at, column: str) -> list:
    return [table.value for table in at.dataframe if column in table.value]


def test_new_run_skips_stock_outs_only_if_checked(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit.switch_page", lambda page, query_params: None)
    for ticked in (False, True):
        at = open_page("new_run", dataset=str(dataset.dataset_id))
        box = at.checkbox(key="skips_stockouts")
        assert not box.value and box.help
        if ticked:
            box.check().run()
        at.button(key="submit").click().run()
        assert not at.error
        assert jobs.list_jobs(limit=1)[0].spec.skips_stockouts == ticked


def test_new_run_from_a_run_keeps_the_stock_out_setting(dataset: Dataset) -> None:
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 2), JobSpec(skips_stockouts=True))
    at = open_page("new_run", **{"from": str(job_id)})
    assert at.checkbox(key=f"skips_stockouts_{job_id}").value
    assert "skips suspected stock-outs" in page_text(open_page("runs", job=str(job_id)))


def test_accuracy_shows_lost_sales_and_their_items(dataset: Dataset) -> None:
    job = run(dataset, skips=True)
    at = open_page("accuracy", job=str(job.job_id))
    assert not at.exception
    shown = {metric.label: metric for metric in at.metric}
    assert shown["Weeks out of stock"].value == "5" and shown["Weeks out of stock"].delta == "of 2 items"
    assert "% of units sold" in shown["Lost units"].delta and shown["Suspected weeks"].value == "5"
    assert "Suspected weeks count as out of stock." in page_text(at)
    (table,) = tables_with(at, "n_suspected")
    assert table["unique_id"].tolist() == ["item1", "item2"] and (table["share"] > 0).all()
    at = open_page("forecasts", job=str(job.job_id), item="item1")
    said = page_text(at).replace("\\", "")
    assert "count as missing; about" in said and "the forecast is of demand" in said
    assert "Lost sales: about " in said and " in 4 weeks" in said and "of the units sold in its history" in said


def test_accuracy_shows_how_suspected_weeks_count(dataset: Dataset) -> None:
    job = run(dataset, skips=False)
    at = open_page("accuracy", job=str(job.job_id))
    assert not at.exception
    labels = [metric.label for metric in at.metric]
    assert "Suspected weeks" in labels and "Lost units" not in labels
    assert "Suspected weeks count as zero demand. A new run can skip them." in page_text(at)
    said = page_text(open_page("forecasts", job=str(job.job_id), item="item1")).replace("\\", "")
    assert "and count as zero demand" in said and "Lost sales:" not in said


def test_lost_sales_are_shown_without_a_backtest_too(dataset: Dataset) -> None:
    spec = JobSpec(models=("WindowAverage",), h=4, n_windows=0, skips_stockouts=True)
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 4), spec)
    run_all(job_id)
    at = open_page("accuracy", job=str(job_id))
    assert not at.exception and "This run has no accuracy" in page_text(at) and "Lost sales" in page_text(at)


def test_items_with_lost_sales_are_paged(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    job = run(dataset, skips=True)
    monkeypatch.setattr("fcst.ui.lost_sales.PAGE_ITEMS", 1)
    for page, item in (("1", "item1"), ("2", "item2"), ("7", "item2")):
        (table,) = tables_with(open_page("accuracy", job=str(job.job_id), page=page), "n_suspected")
        assert table["unique_id"].tolist() == [item]


def test_lost_sales_are_hidden_without_stock_outs(load_dataset: Callable[..., Dataset]) -> None:
    found = load_dataset(n_items=4, n_weeks=60)
    job = run(found, skips=True)
    assert "Lost sales" not in page_text(open_page("accuracy", job=str(job.job_id)))
