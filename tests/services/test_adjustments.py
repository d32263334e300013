"""Plan adjustments on a real database: results, refusals, undo, conflicts, carry-over to later runs."""

import io
import threading
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest

from fcst.dataset_records import Dataset
from fcst.errors import Conflict, InputError
from fcst.filters import ALL_RUN_ITEMS, RunFilter, by_keys
from fcst.job_records import Job
from fcst.services import adjustments, comparison, datasets, exports, forecasts
from fcst.services.adjustments import Change
from fcst.store.database import transaction
from tests.computed_runs import run
from tests.conftest import write_sales

MODEL = "WindowAverage"


@pytest.fixture
def job(load_dataset: Callable[..., Dataset], once: Callable) -> Job:
    def make() -> Job:
        return run(load_dataset(n_items=3, n_weeks=60), 3, models=(MODEL, "Naive"), h=4, n_windows=0)

    return once("short", make)


def week(job: Job, step: int) -> date:
    return job.last_wk_end_dt + timedelta(weeks=step)


def change(job: Job, first: int, last: int, **how: Any) -> Change:
    return Change(week(job, first), week(job, last), **how)


def adjust(job: Job, item: str, wanted: Change, model: str = MODEL) -> int:
    return adjustments.adjust(job, model, by_keys(item), wanted, " campaign ", "Ann")


def adjusted(job: Job, *items: str, model: str = MODEL) -> list[float]:
    return forecasts.view(job, model, by_keys(*items) if items else ALL_RUN_ITEMS).forecast["final"].tolist()


def forecast(job: Job, *items: str) -> np.ndarray:
    return forecasts.list_forecasts(job, MODEL, by_keys(*items) if items else ALL_RUN_ITEMS)["forecast"].to_numpy()


def exported(job: Job) -> pd.DataFrame:
    out = io.BytesIO()
    exports.write_export(job, out, "csv")
    return pd.read_csv(io.BytesIO(out.getvalue()))


def test_changes_apply_in_order_and_are_undone_in_any_order(job: Job) -> None:
    base = forecast(job, "item2")
    first = adjust(job, "item2", change(job, 1, 3, percent=50))
    second = adjust(job, "item2", change(job, 2, 2, units=7))
    third = adjust(job, "item2", change(job, 2, 4, percent=-100 / 7))
    factor = 1 - 1 / 7
    assert adjusted(job, "item2") == pytest.approx([1.5 * base[0], 6, 1.5 * factor * base[2], factor * base[3]])
    assert adjustments.undo(second, "Bob")
    assert adjusted(job, "item2")[1] == pytest.approx(1.5 * factor * base[1])
    assert adjustments.undo(first, "Bob") and not adjustments.undo(first, "Cid")
    assert adjusted(job, "item2") == pytest.approx([base[0], *factor * base[1:]])
    assert adjustments.undo(third, "Bob")
    assert not forecasts.view(job, MODEL, by_keys("item2")).is_adjusted
    assert forecast(job, "item2") == pytest.approx(base)


def test_author_time_and_reason_are_kept_after_undo(job: Job) -> None:
    assert adjustments.last_change(job.job_id) == 0
    first = adjust(job, "item1", change(job, 1, 1, units=3))
    adjust(job, "item3", change(job, 1, 4, percent=-10))
    adjustments.undo(first, " Bob ")
    rows = adjustments.list_adjustments(job)
    assert [(row.unique_id, row.units, row.percent) for row in rows] == [
        ("item3", None, -10),
        ("item1", 3, None),
    ]
    assert rows[1] == adjustments.list_adjustments(job, by_keys("item1"))[0]
    assert (rows[1].reason, rows[1].made_by, rows[1].undone_by) == ("campaign", "Ann", "Bob")
    assert rows[1].made_at < rows[1].undone_at and rows[0].undone_at is None
    assert adjustments.last_change(job.job_id) > 0


def test_totals_and_item_list_have_forecast_and_final_plan(job: Job) -> None:
    adjust(job, "item1", change(job, 1, 2, units=100))
    base, own = forecast(job), forecast(job, "item1")
    assert adjusted(job) == pytest.approx([*(base - own + 100)[:2], *base[2:]])
    assert not forecasts.view(job, MODEL, by_keys("item2", "item3")).is_adjusted
    assert not forecasts.view(job, "Naive").is_adjusted, "the plan of another model does not change"
    items = {item.unique_id: item for item in forecasts.list_items(job, MODEL)}
    assert items["item1"].final == pytest.approx(200 + own[2:].sum())
    assert items["item1"].forecast == pytest.approx(own.sum())
    assert [key for key, item in items.items() if item.final != item.forecast] == ["item1"]
    assert "adjusted" in items["item1"].reasons
    flagged = forecasts.list_items(job, MODEL, RunFilter(reasons=("adjusted",)))
    assert [item.unique_id for item in flagged] == ["item1"]


def test_exports_have_forecast_and_final_plan(job: Job) -> None:
    adjust(job, "item1", change(job, 2, 2, units=5))
    undone = adjust(job, "item3", change(job, 1, 1, units=5))
    adjustments.undo(undone, "Bob")
    rows = exported(job)
    assert list(rows)[-2:] == ["made_by", "adjusted"] and len(rows) == 3 * 2 * 4
    changed = rows[(rows["adjusted"] - rows["forecast"]).abs() > 1e-9]
    assert changed[["unique_id", "model", "wk_end_dt", "adjusted"]].to_numpy().tolist() == [
        ["item1", MODEL, str(week(job, 2)), 5.0]
    ]
    book = io.BytesIO()
    exports.write_export(job, book, "xlsx")
    head, *found = openpyxl.load_workbook(book)["Adjustments"].iter_rows(values_only=True)
    records = [dict(zip(head, row, strict=True)) for row in found]
    assert [(row["unique_id"], row["units"], row["reason"], row["undone_by"]) for row in records] == [
        ("item3", 5, "campaign", "Bob"),
        ("item1", 5, "campaign", None),
    ]
    assert records[1]["first_wk_end_dt"].date() == week(job, 2) and records[1]["made_at"].endswith(" UTC")
    out = io.BytesIO()
    exports.write_export(job, out, "parquet", by_keys("item1"))
    assert pd.read_parquet(out)["adjusted"].eq(5).sum() == 1


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({}, "The adjustment is empty"),
        ({"units": 1, "percent": 1}, "The adjustment is empty"),
        ({"units": -1}, "-1 units"),
        ({"units": 1e300}, "units per week is out of range"),
        ({"total": -1}, "-1 units"),
        ({"targets": (None,)}, "The adjustment is empty"),
        ({"targets": (1.0, 2.0)}, "2 values were given for 1 weeks"),
        ({"units": float("nan")}, "nan units"),
        ({"units": float("inf")}, "inf units"),
        ({"percent": -101}, "-101 %"),
        ({"percent": float("nan")}, "nan %"),
        ({"percent": 1e9}, "out of range"),
    ],
)
def test_number_out_of_range_is_refused(job: Job, how: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        adjust(job, "item1", change(job, 1, 1, **how))
    assert adjustments.list_adjustments(job) == []


@pytest.mark.parametrize(("first", "last"), [(0, 1), (1, 5), (2, 1), (9, 9)])
def test_weeks_beyond_the_forecast_are_refused(job: Job, first: int, last: int) -> None:
    with pytest.raises(InputError, match="not within the forecast"):
        adjust(job, "item1", change(job, first, last, units=1))


def test_items_and_models_without_forecast_are_refused(job: Job) -> None:
    for item, model in (("item9", MODEL), ("item1", "Auto")):
        with pytest.raises(InputError, match="has no forecast of"):
            adjust(job, item, change(job, 1, 1, units=1), model)
    with pytest.raises(InputError, match="no adjustment 12345"):
        adjustments.undo(12345, "Bob")


def test_reason_and_name_are_required_and_any_text_is_kept_unchanged(job: Job) -> None:
    wanted = change(job, 1, 1, units=1)
    for reason, who in ((" ", "Ann"), ("\0", "Ann"), ("why", "  ")):
        with pytest.raises(InputError):
            adjustments.adjust(job, MODEL, by_keys("item1"), wanted, reason, who)
    unsafe = "=1+1 <b>x</b> '; DROP TABLE fcst_app.jobs; -- \0é" + "x" * 600
    adjustments.adjust(job, MODEL, by_keys("item1"), wanted, unsafe, unsafe)
    (row,) = adjustments.list_adjustments(job)
    assert row.reason == unsafe.replace("\0", "")[:500] and row.made_by == unsafe.replace("\0", "")[:100]


def test_concurrent_changes_are_all_applied(job: Job) -> None:
    base = forecast(job, "item1")
    threads = [threading.Thread(target=adjust, args=(job, "item1", change(job, 1, 4, percent=100))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert adjusted(job, "item1") == pytest.approx(list(32 * base))


def test_adjustments_are_deleted_with_their_dataset(job: Job) -> None:
    adjust(job, "item1", change(job, 1, 1, units=1))
    datasets.delete_dataset(job.dataset_id)
    with transaction() as cur:
        for table in ("adjustments", "adjustment_items", "adjusted_forecasts", "forecast_sums", "reviews"):
            cur.execute(f"SELECT count(*) AS n FROM fcst_app.{table}")
            assert cur.fetchone()["n"] == 0


def test_value_added_by_step_is_measured_on_later_actuals(
    job: Job, load_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    adjust(job, "item2", change(job, 1, 3, percent=40))
    write_sales(tmp_path / "later.csv", 3, 62)  # two of the four weeks
    newer = load_dataset(tmp_path / "later.csv")
    found = comparison.accuracy_on_actuals(job)
    assert found is not None and found[0].dataset_id == newer.dataset_id
    frame = comparison.value_added(job, MODEL, found[0])
    later = run(newer, 3, models=("Naive",), n_windows=0)
    errors: dict[tuple[bool, str], float] = {}
    sold: dict[bool, float] = {}
    for item in ("item1", "item2", "item3"):
        y = forecasts.view(later, "Naive", by_keys(item)).history["unit_sales"].to_numpy()
        steps = {
            "naive": y[[60 - 52, 61 - 52]],
            "model": forecast(job, item)[:2],
            "adjusted": forecast(job, item)[:2] * (1.4 if item == "item2" else 1),
        }
        for is_adjusted_only in (True, False):
            if item == "item2" or not is_adjusted_only:
                sold[is_adjusted_only] = sold.get(is_adjusted_only, 0) + y[60:].sum()
                for step, units in steps.items():
                    key = (is_adjusted_only, step)
                    errors[key] = errors.get(key, 0) + np.abs(units - y[60:]).sum()
    wapes = {key: error / sold[key[0]] for key, error in errors.items()}
    keys = list(zip(frame["is_adjusted_only"], frame["step"], strict=True))
    assert keys == sorted(wapes, key=lambda key: not key[0])
    assert frame["wape"].tolist() == pytest.approx([wapes[key] for key in keys])
    assert frame["n_weeks"].tolist() == [2] * 3 + [6] * 3 and frame["n_items"].tolist() == [1] * 3 + [3] * 3
    expected = 1 - wapes[True, "adjusted"] / wapes[True, "model"]
    assert frame["fva"].iloc[2] == pytest.approx(expected) and np.isnan(frame["fva"].iloc[0])


def plan(job: Job, *items: str) -> np.ndarray:
    return forecasts.view(job, MODEL, by_keys(*items) if items else ALL_RUN_ITEMS).forecast["final"].to_numpy()


def test_change_of_a_total_is_distributed_over_items_in_proportion(job: Job) -> None:
    before = {item: plan(job, item) for item in ("item1", "item2", "item3")}
    wanted = change(job, 2, 3, percent=8)
    adjustments.adjust(job, MODEL, by_keys("item1", "item2"), wanted, "fair", "Ann", "two items")
    for item, base in before.items():
        factor = np.array([1, 1.08, 1.08, 1]) if item != "item3" else 1
        assert plan(job, item) == pytest.approx(base * factor)
    adjustments.adjust(job, MODEL, ALL_RUN_ITEMS, change(job, 1, 1, units=600), "fair", "Ann")
    shares = np.array([base[0] for base in before.values()]) / sum(base[0] for base in before.values())
    assert [plan(job, item)[0] for item in before] == pytest.approx(list(600 * shares))
    newest = adjustments.list_adjustments(job)
    assert [(row.scope, row.n_items, row.unique_id) for row in newest] == [
        ("all items", 3, None),
        ("two items", 2, None),
    ]
    assert adjustments.undo(newest[0].adjustment_id, "Bob")
    assert plan(job)[0] == pytest.approx(sum(base[0] for base in before.values()))


def test_total_keeps_week_shares_or_is_even(job: Job) -> None:
    base = plan(job)
    adjustments.adjust(job, MODEL, ALL_RUN_ITEMS, change(job, 1, 4, total=1000), "fair", "Ann")
    assert plan(job) == pytest.approx(base / base.sum() * 1000)
    adjustments.adjust(job, MODEL, ALL_RUN_ITEMS, change(job, 1, 4, total=400, is_even=True), "fair", "Ann")
    assert plan(job) == pytest.approx([100] * 4)


def test_targets_set_single_weeks(job: Job) -> None:
    base = plan(job)
    adjustments.adjust(job, MODEL, ALL_RUN_ITEMS, change(job, 1, 3, targets=(10.0, None, 30.0)), "fair", "Ann")
    assert plan(job) == pytest.approx([10, base[1], 30, base[3]])


def test_weeks_with_zero_plan_are_distributed_by_recent_sales(job: Job) -> None:
    adjustments.adjust(job, MODEL, ALL_RUN_ITEMS, change(job, 2, 2, percent=-100), "closed", "Ann")
    assert plan(job)[1] == 0
    adjustments.adjust(job, MODEL, ALL_RUN_ITEMS, change(job, 2, 2, units=90), "open again", "Ann")
    sold = {item.unique_id: item.recent or 0 for item in forecasts.list_items(job, MODEL)}
    for item, units in sold.items():
        assert plan(job, item)[1] == pytest.approx(90 * units / sum(sold.values()))


def test_adjustments_of_all_models_are_filtered_by_items(job: Job) -> None:
    adjust(job, "item1", change(job, 1, 1, units=5))
    adjust(job, "item2", change(job, 1, 1, units=5))
    assert [found.unique_id for found in adjustments.list_adjustments(job, RunFilter(search="item1"))] == ["item1"]


def test_change_without_shares_to_distribute_by_is_refused(job: Job) -> None:
    adjustments.adjust(job, MODEL, ALL_RUN_ITEMS, change(job, 1, 4, percent=-100), "closed", "Ann")
    with transaction() as cur:
        cur.execute("UPDATE fcst_app.forecast_sums SET sold = 0")
    with pytest.raises(InputError, match="cannot be distributed"):
        adjustments.adjust(job, MODEL, ALL_RUN_ITEMS, change(job, 1, 1, units=5), "open", "Ann")
    assert plan(job).sum() == 0 and len(adjustments.list_adjustments(job)) == 1


def test_one_adjustment_sets_different_units_per_item(job: Job) -> None:
    base = plan(job, "item3")
    cells = {"item1": {week(job, 1): 3.0, week(job, 3): 0.0}, "item2": {week(job, 2): 5.0}}
    found = adjustments.set_units(job, MODEL, cells, "count", "Ann")
    assert plan(job, "item1")[[0, 2]].tolist() == [3, 0] and plan(job, "item2")[1] == 5
    assert plan(job, "item3") == pytest.approx(base)
    (row,) = adjustments.list_adjustments(job)
    assert (row.n_items, row.first_wk_end_dt, row.last_wk_end_dt) == (2, week(job, 1), week(job, 3))
    adjustments.undo(found, "Bob")
    assert not forecasts.view(job, MODEL).is_adjusted


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({}, "The adjustment is empty"),
        ({"item1": {1: -1.0}}, "-1.0 units per week"),
        ({"item1": {1: 1e300}}, "units per week is out of range"),
        ({"item1": {0: 1.0}}, "not within the forecast"),
        ({"item1": {1: 1.0}, "item9": {1: 1.0}}, "no forecast of item item9"),
    ],
)
def test_invalid_units_are_refused_and_nothing_is_saved(job: Job, cells: dict, message: str) -> None:
    by_week = {item: {week(job, step): units for step, units in weeks.items()} for item, weeks in cells.items()}
    with pytest.raises(InputError, match=message):
        adjustments.set_units(job, MODEL, by_week, "count", "Ann")
    assert adjustments.list_adjustments(job) == []


def test_units_above_the_maximum_are_refused(job: Job) -> None:
    adjustments.adjust(job, MODEL, by_keys("item1"), change(job, 1, 1, units=1e11), "much", "Ann")
    with pytest.raises(InputError, match="more than"):
        adjustments.adjust(job, MODEL, by_keys("item1"), change(job, 1, 1, percent=10_000), "more", "Ann")
    assert plan(job, "item1")[0] == 1e11


def test_change_of_weeks_changed_meanwhile_is_a_conflict(job: Job) -> None:
    seen = adjustments.last_change(job.job_id)
    wanted = change(job, 1, 2, units=5)
    adjustments.adjust(job, MODEL, by_keys("item1"), wanted, "a fair", "Ann", seen=seen)
    with pytest.raises(Conflict, match="item item1, to 5 units per week, by Ann: a fair"):
        adjustments.adjust(job, MODEL, by_keys("item1"), change(job, 2, 3, units=6), "mine", "Bob", seen=seen)
    with pytest.raises(Conflict, match="by Ann"):
        adjustments.adjust(job, MODEL, ALL_RUN_ITEMS, change(job, 1, 4, percent=5), "mine", "Bob", seen=seen)
    assert plan(job, "item1")[:2].tolist() == [5, 5]
    adjustments.adjust(job, MODEL, by_keys("item1"), change(job, 3, 4, units=6), "mine", "Bob", seen=seen)
    adjustments.adjust(job, MODEL, by_keys("item2"), wanted, "mine", "Bob", seen=seen)
    latest = adjustments.last_change(job.job_id)
    adjustments.adjust(job, MODEL, by_keys("item1"), change(job, 1, 1, percent=100), "mine", "Bob", seen=latest)
    assert plan(job, "item1").tolist() == [10, 5, 6, 6]


@pytest.fixture
def later(job: Job, load_dataset: Callable[..., Dataset], tmp_path: Path) -> Dataset:
    """A newer dataset version with two of the four forecast weeks."""
    write_sales(tmp_path / "later.csv", 3, 62)
    return load_dataset(tmp_path / "later.csv")


def test_next_run_carries_over_adjustments_of_future_weeks(job: Job, later: Dataset) -> None:
    adjust(job, "item1", change(job, 1, 4, units=7))
    undone = adjust(job, "item1", change(job, 3, 3, units=1))
    adjustments.undo(undone, "Ann")
    adjust(job, "item2", change(job, 1, 2, units=9))  # only past weeks
    adjustments.adjust(job, MODEL, ALL_RUN_ITEMS, change(job, 4, 4, percent=10), "fair", "Bob", "all items")
    newer = run(later, 3, models=(MODEL, "Naive"), h=4, n_windows=0)
    model = forecasts.list_forecasts(newer, MODEL, by_keys("item1"))["forecast"].to_numpy()
    assert plan(newer, "item1") == pytest.approx([7, 7.7, *model[2:]])
    other = forecasts.list_forecasts(newer, MODEL, by_keys("item2"))["forecast"].to_numpy()
    assert plan(newer, "item2") == pytest.approx(other * [1, 1.1, 1, 1])
    carried = adjustments.list_adjustments(newer)
    assert [(row.scope, row.made_by, row.carried_from, row.n_items) for row in carried] == [
        ("all items", "Bob", job.job_id, 3),
        ("item item1", "Ann", job.job_id, 1),
    ]
    assert (carried[1].first_wk_end_dt, carried[1].last_wk_end_dt) == (week(newer, 1), week(newer, 2))
    assert adjustments.undo_carried(newer, MODEL, "Cid") == 2
    assert not forecasts.view(newer, MODEL).is_adjusted and plan(job, "item1")[0] == 7


def test_items_missing_in_the_last_run_keep_their_adjustments(job: Job, later: Dataset) -> None:
    adjust(job, "item1", change(job, 4, 4, units=7))
    adjust(job, "item2", change(job, 4, 4, units=8))
    between = run(later, 1, models=(MODEL,), h=4, n_windows=0)  # only the largest seller
    (only_item,) = forecasts.list_items(between, MODEL)
    adjustments.undo_carried(between, MODEL, "Cid")
    newest = run(later, 3, models=(MODEL,), h=4, n_windows=0)
    kept = {row.unique_id for row in adjustments.list_adjustments(newest)}
    assert kept == {"item1", "item2"} - {only_item.unique_id}


def test_run_of_other_models_carries_over_adjustments_of_the_first_model(job: Job, later: Dataset) -> None:
    adjust(job, "item1", change(job, 4, 4, units=7))
    adjust(job, "item1", change(job, 4, 4, units=1), "Naive")
    newer = run(later, 3, models=("SES",), h=4, n_windows=0)
    assert [(row.model, row.units) for row in adjustments.list_adjustments(newer)] == [("SES", 7)]
    assert forecasts.view(newer, "SES", by_keys("item1")).forecast["final"].iloc[1] == 7


def test_later_actuals_and_earlier_plans_are_listed(job: Job, later: Dataset) -> None:
    adjust(job, "item1", change(job, 4, 4, units=7))
    dataset = comparison.newer_dataset(job)
    assert dataset is not None
    since = forecasts.later_actuals(job, MODEL, dataset, by_keys("item1"))
    newer = run(later, 3, models=(MODEL,), h=4, n_windows=0)
    history = forecasts.view(newer, MODEL, by_keys("item1")).history
    assert since["unit_sales"].tolist() == history["unit_sales"].tail(2).tolist()
    assert comparison.newer_dataset(newer) is None
    (earlier,) = forecasts.earlier_plans(newer, MODEL, by_keys("item1")).items()
    assert earlier[0] == job.job_id and earlier[1]["forecast"].tolist() == pytest.approx(plan(job, "item1"))
