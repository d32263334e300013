"""Lost sales from stock-outs on a real database: saved with the item outcome, fenced, summed and listed."""

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fcst.cli.main import main
from fcst.compute.series import Series
from fcst.dataset_records import Dataset
from fcst.engine import retry_policy, task
from fcst.errors import StaleState
from fcst.filters import by_keys
from fcst.records import ItemResult, LostSales
from fcst.services import forecasts, jobs, lost_sales
from fcst.specs import JobSpec
from fcst.states import Outcome, Stage
from fcst.store import attempts
from fcst.store.database import transaction
from fcst.store.jobs import freeze_ended
from tests.engine.learning_runs import run as run_with_learning
from tests.engine.tasks import run_all
from tests.shop_with_stockouts import dataset, run, write_stock_outs

__all__ = ["dataset"]  # fixtures

SPEC = JobSpec(models=("WindowAverage",), h=4, n_windows=1, batch_size=2)


def columns(job_id: int) -> dict[str, tuple]:
    with transaction() as cur:
        cur.execute(
            "SELECT unique_id, out_of_stock_weeks, lost_units, suspected_weeks FROM fcst_app.job_items"
            " WHERE job_id = %(job_id)s",
            {"job_id": job_id},
        )
        return {row["unique_id"]: tuple(row.values())[1:] for row in cur.fetchall()}


def test_suspected_weeks_count_as_zero_demand_by_default(dataset: Dataset) -> None:
    job = run(dataset, skips=False)
    assert columns(job.job_id) == {"item1": (0, 0, 4), "item2": (0, 0, 1), "item3": (0, 0, 0), "item4": (0, 0, 0)}
    totals = lost_sales.sum_lost_sales(job)
    assert (totals.n_items, totals.n_weeks, totals.units, totals.sold, totals.share) == (0, 0, 0, None, None)
    assert (totals.n_items_suspected, totals.n_weeks_suspected, totals.n_found) == (2, 5, 2)
    (item,) = forecasts.list_items(job, "WindowAverage", by_keys("item1"))
    assert (
        item.reason == "4 weeks without a sale look like stock-outs (2021-03-06 to 2021-03-27) and count as zero demand"
    )


def test_run_that_skips_stockouts_sums_lost_sales(dataset: Dataset) -> None:
    job = run(dataset, skips=True)
    found = columns(job.job_id)
    assert [found[key][0] for key in ("item1", "item2", "item3", "item4")] == [4, 1, 0, 0]
    assert found["item1"][1] == pytest.approx(4 * 50, rel=0.3) and found["item2"][1] == pytest.approx(100, rel=0.3)
    totals = lost_sales.sum_lost_sales(job)
    assert (totals.n_items, totals.n_weeks, totals.n_found) == (2, 5, 2)
    assert totals.units == pytest.approx(found["item1"][1] + found["item2"][1])
    assert totals.sold == dataset.total_units and totals.share == totals.units / dataset.total_units
    items = lost_sales.list_lost_sales(job)
    assert [(item.unique_id, item.n_weeks, item.n_suspected) for item in items] == [("item1", 4, 4), ("item2", 1, 1)]
    assert lost_sales.list_lost_sales(job, 1, 1) == items[1:] and lost_sales.list_lost_sales(job, 5, 2) == []
    assert lost_sales.find_lost_sales(job, "item1") == items[0]
    assert lost_sales.find_lost_sales(job, "item4") is lost_sales.find_lost_sales(job, "missing") is None
    assert items[0].share == items[0].units / items[0].sold


def test_flagged_stockout_weeks_are_always_summed(load_dataset: Callable[..., Dataset], tmp_path: Path) -> None:
    write_stock_outs(tmp_path / "stock.csv", has_flag=True)
    dataset = load_dataset(tmp_path / "stock.csv", name="stock", mapping={"stock": ["in_stock"]})
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 4), SPEC)
    run_with_learning(job_id)
    found = columns(job_id)
    assert [found[key][::2] for key in ("item1", "item2", "item4")] == [(4, 0), (1, 0), (0, 0)]
    assert lost_sales.sum_lost_sales(jobs.get_job(job_id)).n_weeks == 5


@pytest.mark.parametrize("skips", [True, False])
def test_learning_and_forecasting_treat_stockouts_alike(
    load_dataset: Callable[..., Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skips: bool
) -> None:
    write_stock_outs(tmp_path / "stock.csv", has_flag=True)
    dataset = load_dataset(tmp_path / "stock.csv", name="stock", mapping={"event": ["in_stock"], "stock": []})
    seen: dict[str, list[Series]] = {"learnt": [], "forecast": []}
    learn, forecast_item = task.learn, task.forecast_item

    def learning(series, *args, **options):
        seen["learnt"] += series
        return learn(series, *args, **options)

    def forecasting(series, *args, **options):
        seen["forecast"].append(series)
        return forecast_item(series, *args, **options)

    monkeypatch.setattr(task, "learn", learning)
    monkeypatch.setattr(task, "forecast_item", forecasting)
    spec = replace(SPEC, skips_stockouts=skips)
    run_with_learning(jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 4), spec))
    for series in seen.values():
        assert [s.skips_stockouts for s in series] == [skips] * 4


def test_failed_items_and_items_of_earlier_versions_have_no_lost_sales(dataset: Dataset) -> None:
    job = run(dataset, skips=True)
    with transaction() as cur:
        cur.execute(
            "UPDATE fcst_app.job_items SET out_of_stock_weeks = NULL, lost_units = NULL, suspected_weeks = NULL"
        )
    totals = lost_sales.sum_lost_sales(job)
    assert (totals.n_found, totals.n_weeks, totals.units, totals.sold) == (0, 0, 0, None)
    assert lost_sales.list_lost_sales(job) == []


# Saved with the outcome


def begin(dataset: Dataset) -> attempts.BatchAttempt:
    (claimed,) = attempts.claim(str(uuid.uuid4()), 1)
    held = attempts.begin(claimed.batch_id, claimed.attempt, str(uuid.uuid4()))
    attempts.move(held, Stage.OBTAINING_SALES, Stage.PROCESSING)
    return held


def completed(units: float) -> ItemResult:
    return ItemResult("item4", Outcome.COMPLETED, None, lost=LostSales(2, units, 3))


def test_lost_sales_are_fenced_like_the_outcome(dataset: Dataset) -> None:
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 4), SPEC)
    lost = begin(dataset)
    retry_policy.end_attempt(lost.batch_id, lost.attempt, retry_policy.Cause.LOST, "its supervisor has crashed")
    held = begin(dataset)
    assert held.batch_id == lost.batch_id
    with pytest.raises(StaleState):
        attempts.save(lost, [completed(1.0)], Stage.PROCESSING)
    assert columns(job_id)["item4"] == (None, None, None)
    attempts.save(held, [completed(7.5)], Stage.PROCESSING)
    assert columns(job_id)["item4"] == (2, 7.5, 3)
    attempts.save(held, [completed(9.0)], Stage.PROCESSING)
    assert columns(job_id)["item4"] == (2, 7.5, 3), "an outcome is saved once"


def test_failed_item_has_lost_sales_after_a_retry(dataset: Dataset) -> None:
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_named(dataset, ["item4"]), SPEC)
    held = begin(dataset)
    attempts.save(held, [ItemResult("item4", Outcome.FAILED, "no space")], Stage.PROCESSING)
    assert columns(job_id) == {"item4": (None, None, None)}
    attempts.move(held, Stage.PROCESSING, Stage.SAVING)
    attempts.save(held, [], Stage.SAVING)
    freeze_ended()
    assert jobs.retry_job(job_id) == 1
    run_all(job_id)
    assert columns(job_id) == {"item4": (0, 0, 0)}


# CLI


def test_cli_lists_lost_sales(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", "--dataset", "stock", "--models", "WindowAverage", "--skip-stockouts"]) == 0
    job_id = int(capsys.readouterr().out)
    assert jobs.get_job(job_id).spec.skips_stockouts
    run_all(job_id)
    assert main(["lost-sales", str(job_id), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n_weeks"], found["n_items"], [item["unique_id"] for item in found["items"]]) == (
        5,
        2,
        ["item1", "item2"],
    )
    assert found["share"] == pytest.approx(found["units"] / found["sold"])
    assert main(["lost-sales", str(job_id), "--limit", "1"]) == 0
    output = capsys.readouterr()
    assert output.out.split()[:3] == ["unique_id", "family", "n_weeks"]
    assert "item1" in output.out and "item2" not in output.out and "2 items were out of stock for 5 weeks" in output.err
    assert main(["lost-sales", str(job_id), "--limit", "0"]) == main(["lost-sales", "99"]) == 2
    assert main(["submit", "--dataset", "stock", "--models", "WindowAverage"]) == 0
    assert not jobs.get_job(int(capsys.readouterr().out)).spec.skips_stockouts
