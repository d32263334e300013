"""Comparison of two runs, and of runs with later actuals."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fcst.dataset_records import Dataset
from fcst.filters import by_keys
from fcst.job_records import Job
from fcst.services import comparison, datasets, forecasts
from fcst.specs import JobSpec
from tests.computed_runs import run
from tests.conftest import write_sales


@pytest.fixture
def dataset(load_dataset: Callable[..., Dataset]) -> Dataset:
    return load_dataset(n_items=3, n_weeks=60)


def spec(**options: object) -> dict:
    return {"models": ("Naive", "WindowAverage"), "h": 4, "n_windows": 1, **options}


def test_compare_specs_marks_differences(dataset: Dataset) -> None:
    one, other = run(dataset, 3, **spec()), run(dataset, 2, **spec(h=6))
    rows = {row.what: row for row in comparison.compare_specs(one, other)}
    assert {what for what, row in rows.items() if row.differs} == {"Items", "Horizon, weeks"}
    assert rows["Models"].run == "Naive, WindowAverage"


def test_items_are_compared_over_common_weeks(dataset: Dataset) -> None:
    one, other = run(dataset, 3, **spec()), run(dataset, 2, **spec(h=6))
    frame = comparison.compare_items(one, "Naive", other, "WindowAverage").set_index("unique_id")
    assert set(frame.index) == {"item1", "item2", "item3"} and set(frame["n_weeks"]) == {4}
    for item in ("item2", "item3"):
        ours = forecasts.list_forecasts(one, "Naive", by_keys(item))["forecast"].sum()
        theirs = forecasts.list_forecasts(other, "WindowAverage", by_keys(item))["forecast"].head(4).sum()
        assert frame.loc[item, "forecast"] == pytest.approx(ours)
        assert frame.loc[item, "other"] == pytest.approx(theirs)
        assert frame.loc[item, "difference"] == pytest.approx(theirs - ours)
        assert frame.loc[item, "change"] == pytest.approx(theirs / ours - 1)
    assert np.isnan(frame.loc["item1", "other"]) and frame.index[-1] == "item1"


def test_weeks_with_different_week_ends_are_not_compared(
    dataset: Dataset, load_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    write_sales(tmp_path / "sunday.csv", 3, 60)
    other = run(load_dataset(tmp_path / "sunday.csv", name="o", week_end="SUN"), 3, **spec())
    assert set(comparison.compare_items(run(dataset, 3, **spec()), "Naive", other, "Naive")["n_weeks"]) <= {0}


def test_accuracy_on_actuals_needs_a_newer_dataset(dataset: Dataset) -> None:
    assert comparison.accuracy_on_actuals(run(dataset, 3, **spec())) is None


def test_run_is_measured_against_later_actuals(
    dataset: Dataset, load_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    job = run(dataset, 3, **spec())
    write_sales(tmp_path / "later.csv", 3, 63)
    newer = load_dataset(tmp_path / "later.csv")
    found = comparison.accuracy_on_actuals(job)
    assert found is not None and found[0].dataset_id == newer.dataset_id
    row = found[1].set_index("model").loc["Naive"]
    assert (row["n_items"], row["n_weeks"]) == (3, 3)
    later = run(newer, 3, **spec())
    y = np.array(
        [forecasts.view(later, "Naive", by_keys(f"item{i}")).history["unit_sales"].tail(3) for i in (1, 2, 3)], float
    )
    f = np.array([forecasts.view(job, "Naive", by_keys(f"item{i}")).forecast["forecast"].head(3) for i in (1, 2, 3)])
    assert row["wape"] == pytest.approx(np.abs(f - y).sum() / y.sum())
    assert row["bias"] == pytest.approx((f - y).sum() / y.sum())
    assert 0 <= row["coverage_80"] <= row["coverage_95"] <= 1


def test_compare_specs_without_levels(dataset: Dataset) -> None:
    one = run(dataset, 1, **spec(level=()))
    rows = {row.what: row for row in comparison.compare_specs(one, one)}
    assert rows["Interval levels, percent"].run == "none" and JobSpec().level == (80, 95)


def test_two_runs_are_measured_against_actuals_of_common_weeks(
    dataset: Dataset, load_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    one, other = run(dataset, 3, **spec()), run(dataset, 2, **spec(h=2))
    assert comparison.newer_dataset(one) is None
    write_sales(tmp_path / "later.csv", 3, 63)
    load_dataset(tmp_path / "later.csv")
    newer = comparison.newer_dataset(one)
    assert newer is not None
    (row,) = comparison.compare_with_actuals(one, "Naive", other, "WindowAverage", newer).to_dict("records")
    assert (row["n_items"], row["n_weeks"]) == (2, 2), "two items and two weeks are in both"
    later = run(datasets.get_dataset(newer.dataset_id), 3, **spec())
    keys = ("item2", "item3")
    y = np.array([forecasts.view(later, "Naive", by_keys(key)).history["unit_sales"].tail(3).head(2) for key in keys])
    ours, theirs = (
        np.array([forecasts.view(job, model, by_keys(key)).forecast["forecast"].head(2) for key in keys])
        for job, model in ((one, "Naive"), (other, "WindowAverage"))
    )
    assert row["sold"] == pytest.approx(y.sum())
    assert row["wape"] == pytest.approx(np.abs(ours - y).sum() / y.sum())
    assert row["other_bias"] == pytest.approx((theirs - y).sum() / y.sum())
    of_items = comparison.compare_with_actuals(one, "Naive", other, "WindowAverage", newer, ["item3", "item1"])
    assert of_items["unique_id"].tolist() == ["item3"] and of_items["sold"].tolist() == pytest.approx([y[1].sum()])


def test_earlier_forecasts_are_measured_by_lag(
    dataset: Dataset, load_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    first = run(dataset, 3, **spec(h=8))
    assert comparison.accuracy_by_lag(dataset.name, "Naive").empty, "no forecast week has actuals"
    write_sales(tmp_path / "later.csv", 3, 64)
    second = run(load_dataset(tmp_path / "later.csv"), 2, **spec(h=8))
    run(dataset, 1, **spec(models=("WindowAverage",), h=8))  # another model, not counted for Naive
    write_sales(tmp_path / "last.csv", 3, 66)
    newest = load_dataset(tmp_path / "last.csv")
    found = comparison.accuracy_by_lag(dataset.name, "Naive").set_index("lag")
    assert found.index.tolist() == [1, 4], "no cutoff is eight weeks back"
    assert found["n_runs"].tolist() == [2, 1] and found["n_weeks"].tolist() == [5, 3]
    last = run(newest, 3, **spec())

    def actuals(key: str) -> np.ndarray:
        return forecasts.view(last, "Naive", by_keys(key)).history["unit_sales"].to_numpy()

    def forecast(job: Job, key: str, lag: int) -> float:
        return forecasts.view(job, "Naive", by_keys(key)).forecast["forecast"].iloc[lag - 1]

    pairs = [(forecast(first, f"item{i}", 1), actuals(f"item{i}")[60]) for i in (1, 2, 3)]
    pairs += [(forecast(second, f"item{i}", 1), actuals(f"item{i}")[64]) for i in (2, 3)]
    f, y = np.array(pairs).T
    assert found.loc[1, "wape"] == pytest.approx(np.abs(f - y).sum() / y.sum())
    assert found.loc[1, "bias"] == pytest.approx((f - y).sum() / y.sum())
