"""Attention reasons on a real database: units at stake of each reason, thresholds, classes, reviews."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from fcst.attention import Thresholds
from fcst.dataset_records import Dataset
from fcst.errors import InputError
from fcst.filters import ALL_RUN_ITEMS, RunFilter, RunOrder, RunSort, by_keys
from fcst.job_records import Job
from fcst.records import RunItem
from fcst.services import adjustments, attention, forecasts, jobs
from fcst.services.adjustments import Change
from fcst.store.attention import refresh_run
from fcst.store.database import transaction
from tests.computed_runs import run
from tests.conftest import write_sales

MODEL = "WindowAverage"
WITHOUT_REASONS = """
UPDATE fcst_app.forecasts SET forecast = '{10,10,10,10}', lo = '{{8,8,8,8}}', hi = '{{14,14,14,14}}',
    is_fallback = false;
UPDATE fcst_app.metrics SET n_weeks = 13, abs_error = 26, error = 0, actual = 260, is_fallback = false;
UPDATE fcst_app.sales s SET unit_sales = array_fill(10.0, ARRAY[cardinality(unit_sales)]);
UPDATE fcst_app.job_items SET level_shift = NULL, recent_stockouts = 0, capped_units = 0;
"""
"""No item has a reason: each sells 10 units a week, with a forecast of 10 and an interval of 8 to 14."""
OWN = f"(model = '{MODEL}')::integer"


@pytest.fixture
def job(load_dataset: Callable[..., Dataset], once: Callable) -> Job:
    def make() -> Job:
        job = run(load_dataset(n_items=3, n_weeks=80), 3, models=(MODEL,), h=4, level=(80,), n_windows=1)
        change(job, WITHOUT_REASONS)
        return job

    return once("calm", make)


def change(job: Job, statements: str) -> None:
    with transaction() as cur:
        cur.execute(statements)
    refresh_run(job.job_id)


def item1(job: Job) -> RunItem:
    (item,) = forecasts.list_items(job, MODEL, by_keys("item1"))
    return item


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("statement", "reason", "at_stake"),
    [
        (f"UPDATE fcst_app.metrics SET abs_error = abs_error + {OWN} * 13", "worse than last year", 4),  # in 13 weeks
        (f"UPDATE fcst_app.metrics SET error = {OWN} * -26", "biased", 8),
        ("UPDATE fcst_app.forecasts SET forecast = '{10,10,10,31}'", "far from last year", 21),
        ("UPDATE fcst_app.job_items SET level_shift = -5", "level shift", 20),
        ("UPDATE fcst_app.job_items SET recent_stockouts = 2", "stock-out", 20),
        ("UPDATE fcst_app.job_items SET capped_units = 300", "outlier", 300),
        ("UPDATE fcst_app.items SET n_weeks = 26", "new", 12),  # half of 14 - 8, in 4 weeks
        ("UPDATE fcst_app.items SET last_sale_dt = last_sale_dt - 7 * 30", "ended", 40),
        ("UPDATE fcst_app.forecasts SET is_fallback = true", "fallback", 12),
    ],
)
def test_each_reason_has_its_units_at_stake(job: Job, statement: str, reason: str, at_stake: float) -> None:
    assert (item1(job).reasons, item1(job).at_stake) == ((), 0)
    change(job, f"{statement} WHERE unique_id = 'item1'")
    assert (item1(job).reasons, item1(job).at_stake) == ((reason,), pytest.approx(at_stake))
    assert all(not item.reasons for item in forecasts.list_items(job, MODEL) if item.unique_id != "item1")


def test_item_without_a_forecast_has_its_recent_sales_at_stake(job: Job) -> None:
    attention.review(job, MODEL, by_keys("item2"), "Ann")
    change(
        job,
        """UPDATE fcst_app.job_items SET outcome = 'failed', reason = 'why' WHERE unique_id = 'item1';
           UPDATE fcst_app.batch_status SET n_completed = 2, n_failed = 1""",
    )
    job = jobs.get_job(job.job_id)
    item = item1(job)
    assert (item.reasons, item.at_stake, item.recent, item.last_year, item.final) == (
        ("no forecast",),
        40,
        40,
        40,
        None,
    )
    assert [(found.reason, found.n_items, found.n_open) for found in attention.count(job, MODEL, by_keys("item1"))] == [
        ("", 1, 1),
        ("no forecast", 1, 1),
    ]
    assert [i.unique_id for i in forecasts.list_items(job, MODEL, order=RunOrder(RunSort.STAKE))][0] == "item1"
    assert attention.review(job, MODEL, RunFilter(reasons=("no forecast",)), "Ann") == 1
    assert item1(job).reviewed_by == "Ann"


def test_adjustment_is_a_reason_immediately(job: Job) -> None:
    week = job.last_wk_end_dt + timedelta(weeks=1)
    made = adjustments.adjust(job, MODEL, by_keys("item1"), Change(week, week, units=15), "fair", "Ann")
    assert (item1(job).reasons, item1(job).at_stake, item1(job).final) == (("adjusted",), 5, 45)
    assert item1(job).change == pytest.approx(45 / 40 - 1)
    adjustments.undo(made, "Ann")
    assert (item1(job).reasons, item1(job).final) == ((), 40)


def test_items_rank_by_units_at_stake_not_by_ratio(job: Job) -> None:
    change(
        job,
        """UPDATE fcst_app.metrics SET abs_error = 30, error = 30, actual = 0.01 WHERE unique_id = 'item1';
           UPDATE fcst_app.metrics SET abs_error = 260, error = 260, actual = 9000 WHERE unique_id = 'item2'""",
    )
    first, second, *_ = forecasts.list_items(job, MODEL, ALL_RUN_ITEMS, RunOrder(RunSort.STAKE))
    assert (first.unique_id, second.unique_id) == ("item2", "item1") and (second.wape or 0) > 1000 * (first.wape or 0)


def test_reasons_are_counted_and_filtered(job: Job) -> None:
    change(
        job,
        """UPDATE fcst_app.metrics SET error = 26 WHERE unique_id <> 'item3';
           UPDATE fcst_app.forecasts SET is_fallback = true WHERE unique_id = 'item2'""",
    )
    attention.review(job, MODEL, by_keys("item1"), "Ann")
    counted = {found.reason: (found.n_items, found.n_open) for found in attention.count(job, MODEL)}
    assert counted == {"biased": (2, 1), "fallback": (1, 1), "": (2, 1)}
    for which, keys in (
        (RunFilter(reasons=("fallback",)), {"item2"}),
        (RunFilter(reasons=("fallback", "biased")), {"item1", "item2"}),
        (RunFilter(review="open"), {"item2"}),
        (RunFilter(review="done"), {"item1"}),
    ):
        assert {item.unique_id for item in forecasts.list_items(job, MODEL, which)} == keys
        assert forecasts.count_items(job, MODEL, which) == len(keys)


def test_thresholds_apply_to_the_run_and_to_later_runs(job: Job, load_dataset: Callable) -> None:
    change(job, "UPDATE fcst_app.forecasts SET forecast = '{10,10,10,31}' WHERE unique_id = 'item1'")
    assert item1(job).reasons == ("far from last year",)
    attention.set_thresholds(job, Thresholds(plan_change=0.6), "Ann")
    assert item1(job).reasons == () and attention.thresholds(job.dataset).plan_change == 0.6
    attention.set_thresholds(job, Thresholds(plan_change=0.1, x_below=0.01), "Ann")
    assert item1(job).reasons == ("far from last year",) and item1(job).xyz == "Y"


@pytest.mark.parametrize("wrong", [-0.1, float("nan"), float("inf"), 1e9])
def test_threshold_out_of_range_is_refused(job: Job, wrong: float) -> None:
    with pytest.raises(InputError, match="threshold plan_change"):
        attention.set_thresholds(job, Thresholds(plan_change=wrong), "Ann")


def test_abc_and_xyz_classes_by_units_and_errors(job: Job) -> None:
    change(
        job,
        """UPDATE fcst_app.datasets SET abc_a = NULL;
           UPDATE fcst_app.items SET total_units = 800 WHERE unique_id = 'item1';
           UPDATE fcst_app.items SET total_units = 190 WHERE unique_id = 'item2';
           UPDATE fcst_app.items SET total_units = 10 WHERE unique_id = 'item3';
           UPDATE fcst_app.metrics SET abs_error = 100, actual = 260 WHERE unique_id = 'item2';
           UPDATE fcst_app.metrics SET actual = 0 WHERE unique_id = 'item3'""",
    )
    attention.prepare(job)
    classes = {item.unique_id: item.abc + item.xyz for item in forecasts.list_items(job, MODEL)}
    assert classes == {"item1": "AX", "item2": "BY", "item3": "CZ"}
    found = forecasts.list_items(job, MODEL, RunFilter(abc=("B", "C"), xyz=("Z",)))
    assert [item.unique_id for item in found] == ["item3"]


def test_abc_classes_use_value_if_prices_are_known(job: Job) -> None:
    change(
        job,
        """UPDATE fcst_app.datasets SET abc_a = NULL;
           UPDATE fcst_app.items SET total_units = 100, price = 1;
           UPDATE fcst_app.items SET price = 50 WHERE unique_id = 'item3'""",
    )
    attention.prepare(job)
    assert {item.unique_id: item.abc for item in forecasts.list_items(job, MODEL)}["item3"] == "A"


def test_reviews_have_a_name_and_can_be_removed(job: Job) -> None:
    assert (
        attention.review(job, MODEL, ALL_RUN_ITEMS, "Ann") == 3
        and attention.review(job, MODEL, ALL_RUN_ITEMS, "Bob") == 0
    )
    assert (item1(job).reviewed_by, item1(job).reviewed_at is None) == ("Ann", False)
    before = attention.last_review(job.job_id)
    assert attention.reopen(job, MODEL, by_keys("item1")) == 1 and item1(job).reviewed_by is None
    assert attention.last_review(job.job_id) != before
    with pytest.raises(InputError):
        attention.review(job, MODEL, by_keys("item1"), " ")


def test_new_run_reopens_changed_items_and_compares_with_the_last_run(
    job: Job, load_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    attention.review(job, MODEL, ALL_RUN_ITEMS, "Ann")
    write_sales(tmp_path / "later.csv", 3, 82)
    newer = run(load_dataset(tmp_path / "later.csv"), 3, models=(MODEL,), h=4, level=(80,), n_windows=1)
    sold = {item.unique_id: item for item in forecasts.list_items(newer, MODEL)}
    for item in sold.values():  # the last run has an interval of 8 to 14 units a week
        weeks = forecasts.view(newer, MODEL, by_keys(item.unique_id)).history["unit_sales"].tail(2)
        is_out = bool(((weeks < 8) | (weeks > 14)).any())
        assert ("outside interval" in item.reasons) == is_out
        assert item.reviewed_by is None or (not item.reasons and abs((item.final or 0) - 40) <= 4)
    assert any("outside interval" in item.reasons for item in sold.values())


def test_runs_of_earlier_versions_are_prepared_when_opened(job: Job) -> None:
    with transaction() as cur:
        cur.execute("UPDATE fcst_app.forecast_sums SET reasons = NULL, at_stake = NULL, final = 0")
    attention.prepare(job)
    assert [item.final for item in forecasts.list_items(job, MODEL)] == [40, 40, 40]
