"""The task functions, called inline: batches from id to forecasts."""

import numpy as np
import pandas as pd
import pytest

from fcst.compute.series import Series
from fcst.engine import retry_policy, task
from fcst.errors import StaleState
from fcst.filters import by_keys
from fcst.services import forecasts, jobs
from fcst.specs import JobSpec
from fcst.store import attempts
from tests.engine.tasks import WORKER, exported, run_all


def test_every_item_has_forecasts_of_all_weeks_and_models(load_dataset) -> None:
    dataset = load_dataset()
    spec = JobSpec(models=("Auto", "SeasonalNaive"), h=5, level=(95, 80), batch_size=4)
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), spec)
    run_all(job_id)
    rows = exported(job_id)
    bounds = ["lo_80", "hi_80", "lo_95", "hi_95"]
    head = ["unique_id", "wk_end_dt", "model", "forecast", *bounds, "is_fallback", "made_by", "adjusted"]
    assert list(rows) == head
    assert len(rows) == 6 * 5 * 2 and not rows.isna().any().any()
    assert (rows[["forecast", "lo_80", "lo_95"]] >= 0).all().all()
    assert (rows["lo_95"] <= rows["lo_80"]).all() and (rows["lo_80"] <= rows["forecast"]).all()
    assert (rows["forecast"] <= rows["hi_80"]).all() and (rows["hi_80"] <= rows["hi_95"]).all()
    weeks = pd.date_range(dataset.last_wk_end_dt, periods=6, freq="W-SAT")[1:]
    assert sorted(rows["wk_end_dt"].unique()) == [f"{week:%Y-%m-%d}" for week in weeks]
    job = jobs.get_job(job_id)
    assert job.n_completed == 6 and job.batches == {"completed": 2}


def test_forecasts_do_not_depend_on_batches(load_dataset) -> None:
    dataset = load_dataset()
    found = []
    for size in (1, 6):
        job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(batch_size=size, h=3))
        run_all(job_id)
        found.append(exported(job_id))
    pd.testing.assert_frame_equal(*found)


def test_item_that_cannot_be_forecast_fails_alone(load_dataset, tmp_path) -> None:
    path = tmp_path / "promo.csv"
    lines = ["date,item_nbr,unit_sales,onpromotion"]
    for week in range(30):
        day = np.datetime64("2020-01-05") + 7 * week
        for d in (day, day + 6):
            lines += [f"{d},good,5,False", f"{d},only_promoted,5,True"]
    path.write_text("\n".join(lines))
    dataset = load_dataset(path)
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 2), JobSpec(h=2))
    run_all(job_id)
    job = jobs.get_job(job_id)
    assert (job.n_completed, job.n_failed) == (1, 1)
    (failure,) = jobs.list_failures(job_id)
    assert failure.unique_id == "only_promoted" and "promotional" in failure.reason
    assert set(exported(job_id)["unique_id"]) == {"good"}


@pytest.mark.full
def test_finished_items_are_not_computed_again(load_dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "CHECKPOINT_S", 0.0)
    dataset = load_dataset()
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(batch_size=6, h=2))
    real, seen = task.forecast_item, []

    def dying(series: Series, *more: object) -> object:
        seen.append(len(seen))
        if len(seen) == 4:
            raise SystemExit  # simulates a crash of the task
        return real(series, *more)

    monkeypatch.setattr(task, "forecast_item", dying)
    (first,) = attempts.claim(WORKER, 1)
    with pytest.raises(SystemExit):
        task.run_batch(first.batch_id, first.attempt)
    assert jobs.get_job(job_id).n_completed == 3
    retry_policy.end_attempt(first.batch_id, first.attempt, retry_policy.Cause.DIED, "its process died")
    seen[:] = [0] * 10
    run_all(job_id)
    assert len(seen) == 10 + 3 and jobs.get_job(job_id).n_completed == 6


def test_task_stops_after_losing_its_batch(load_dataset) -> None:
    dataset = load_dataset()
    jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 2), JobSpec())
    (claimed,) = attempts.claim(WORKER, 1)
    retry_policy.end_attempt(claimed.batch_id, claimed.attempt, retry_policy.Cause.LOST, "its supervisor was lost")
    with pytest.raises(StaleState):
        task.run_batch(claimed.batch_id, claimed.attempt)


def test_accuracy_is_stored_by_item_and_model(load_dataset) -> None:
    dataset = load_dataset()
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 2), JobSpec(models=("AutoETS",)))
    run_all(job_id)
    view = forecasts.view(jobs.get_job(job_id), "AutoETS", by_keys("item6"))
    assert set(view.metrics) == {"AutoETS", "SeasonalNaive", "Naive"}
    assert all(0 <= row["wape"] < 1 for row in view.metrics.values())
    total = forecasts.view(jobs.get_job(job_id), "AutoETS")
    items = [forecasts.view(jobs.get_job(job_id), "AutoETS", by_keys(key)) for key in ("item5", "item6")]
    assert total.n_items == 2
    c, (one, other) = total.correlation, [item.forecast["hi_80"] - item.forecast["forecast"] for item in items]
    up = np.sqrt((1 - c) * (one**2 + other**2) + c * (one + other) ** 2)
    np.testing.assert_allclose(total.forecast["hi_80"], total.forecast["forecast"] + up)
    assert (total.forecast["lo_80"] <= total.forecast["forecast"]).all() and (total.forecast["lo_95"] >= 0).all()
    np.testing.assert_allclose(total.forecast["forecast"], sum(item.forecast["forecast"] for item in items))


def test_formula_keys_are_escaped_in_files(load_dataset, tmp_path) -> None:
    path = tmp_path / "keys.csv"
    keys = ["=cmd()", "+1", "-1", "@x", "00042", 'a"b,c', "<script>"]
    lines = ["date,item_nbr,unit_sales"]
    for day in ("2020-01-05", "2020-01-11"):
        lines += ['{},"{}",3'.format(day, key.replace('"', '""')) for key in keys]
    path.write_text("\n".join(lines))
    dataset = load_dataset(path)
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 7), JobSpec(h=1))
    run_all(job_id)
    assert set(exported(job_id)["unique_id"]) == {"'=cmd()", "'+1", "'-1", "'@x", "00042", 'a"b,c', "<script>"}
