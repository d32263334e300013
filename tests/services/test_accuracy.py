"""Accuracy of runs on a real database, compared with loops over the same backtests."""

import math
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fcst.compute import metrics
from fcst.compute.aggregation import USUAL_CORRELATION
from fcst.dataset_records import Dataset
from fcst.engine.task import run_batch
from fcst.errors import InputError
from fcst.filters import by_keys
from fcst.job_records import Job
from fcst.names import HOLDOUT_WEEKS
from fcst.services import accuracy, datasets, jobs
from fcst.store import attempts
from fcst.store.database import transaction
from fcst.store.sales import job_totals
from tests.computed_runs import make_earlier_version, run, statement, write_correlated, write_rows

MODELS = ("Auto", "AutoETS", "SeasonalNaive", "Naive")


@pytest.fixture
def job(load_dataset: Callable[..., Dataset], tmp_path: Path, once: Callable) -> Job:
    return once("shaken", lambda: run(load_dataset(write_correlated(tmp_path / "shaken.csv")), 4, n_windows=2))


def item_history(job: Job, unique_id: str) -> pd.DataFrame:
    return job_totals(job, "", by_keys(unique_id), 1).astype({"unit_sales": float})


def weeks_of(job: Job) -> pd.DataFrame:
    """All backtest weeks, from the view `backtest_weeks`."""
    with transaction() as cur:
        cur.execute(
            "SELECT unique_id, model, cutoff, step, wk_end_dt, y, forecast, bounds, error FROM fcst_app.backtest_weeks"
            " WHERE job_id = %(job_id)s ORDER BY unique_id, model, cutoff, step",
            {"job_id": job.job_id},
        )
        names = [column.name for column in cur.description]
        frame = pd.DataFrame(cur.fetchall(), columns=names).astype({"y": float, "forecast": float, "error": float})
    levels = (80, 95)
    return frame.assign(
        **{
            side: [[bounds.get(f"{side}_{level}") for level in levels] for bounds in frame["bounds"]]
            for side in ("lo", "hi")
        }
    )


def test_all_windows_of_all_models_are_stored_by_week(job: Job) -> None:
    weeks = weeks_of(job)
    assert len(weeks) == 4 * len(MODELS) * 2 * HOLDOUT_WEEKS
    assert set(weeks["model"]) == set(MODELS) and set(weeks["step"]) == set(range(1, HOLDOUT_WEEKS + 1))
    last = pd.Timestamp(job.last_wk_end_dt)
    assert sorted(set(weeks["cutoff"])) == [(last - pd.Timedelta(weeks=n)).date() for n in (26, 13)]
    sold = item_history(job, "item2").set_index("wk_end_dt")["unit_sales"]
    one = weeks[(weeks["unique_id"] == "item2") & (weeks["model"] == "Naive")]
    np.testing.assert_array_equal([sold[week] for week in one["wk_end_dt"]], one["y"])
    np.testing.assert_array_equal(one["error"], one["forecast"] - one["y"])
    assert one["y"].isna().sum() == 2
    bounds = zip(one["lo"], one["forecast"], one["hi"], strict=True)
    assert all(lo[1] <= lo[0] <= forecast <= hi[0] <= hi[1] for lo, forecast, hi in bounds)


def test_totals_match_a_loop(job: Job) -> None:
    weeks, found = weeks_of(job), accuracy.list_accuracy(job).set_index("model")
    assert set(found.index) == set(MODELS)
    for model, rows in weeks.dropna(subset="y").groupby("model"):
        row, y, f = found.loc[model], rows["y"].to_numpy(float), rows["forecast"].to_numpy(float)
        assert (row["n_items"], row["n_windows"], row["n_weeks"]) == (4, 8, 8 * HOLDOUT_WEEKS - 4)
        assert row["wape"] == pytest.approx(np.abs(f - y).sum() / np.abs(y).sum())
        assert row["bias"] == pytest.approx((f - y).sum() / np.abs(y).sum())
        lo, hi = (np.array(rows[side].tolist()) for side in ("lo", "hi"))
        for i, level in enumerate((80, 95)):
            assert row[f"coverage_{level}"] == pytest.approx(((lo[:, i] <= y) & (y <= hi[:, i])).mean())
            assert row[f"width_{level}"] == pytest.approx((hi[:, i] - lo[:, i]).mean())
        quantiles = [(lo[:, 0], 0.1), (lo[:, 1], 0.025), (hi[:, 0], 0.9), (hi[:, 1], 0.975)]
        losses = [metrics.pinball(y, q_hat, q) for q_hat, q in quantiles]
        assert row["scaled_crps"] == pytest.approx(2 * np.mean(losses) / np.abs(y).mean())


def test_scaled_errors_are_means_over_items_and_windows(job: Job) -> None:
    weeks, found = weeks_of(job), accuracy.list_accuracy(job).set_index("model")
    scaled: dict[str, list[tuple[float, float, float]]] = {}
    for (item, model, cutoff), rows in weeks.groupby(["unique_id", "model", "cutoff"]):
        frame = item_history(job, item)
        history = frame[frame["wk_end_dt"] <= cutoff]["unit_sales"].to_numpy(float)
        y, f = rows["y"].to_numpy(float), rows["forecast"].to_numpy(float)
        lo, hi = (np.array(rows[side].tolist())[:, 1] for side in ("lo", "hi"))
        scale = metrics.naive_mae(history)
        one = (
            metrics.mase(y, f, scale),
            metrics.rmsse(y, f, metrics.naive_mse(history)),
            metrics.msis(y, lo, hi, 95, scale),
        )
        scaled.setdefault(model, []).append(one)
    for model, rows in scaled.items():
        row = found.loc[model, ["mase", "rmsse", "msis_95"]].astype(float)
        np.testing.assert_allclose(row, np.mean(rows, axis=0))


def test_value_added_is_the_reduction_of_the_benchmark_error(job: Job) -> None:
    for by in ("model", "item", "window", "demand_class"):
        frame = accuracy.list_accuracy(job, by)
        for _, rows in frame.groupby(by if by != "model" else lambda i: 0):
            wape = rows.set_index("model")["wape"]
            for column, benchmark in (("fva_seasonal_naive", "SeasonalNaive"), ("fva_naive", "Naive")):
                added = rows.set_index("model")[column]
                np.testing.assert_allclose(added, 1 - wape / wape[benchmark], atol=1e-12)


@pytest.mark.parametrize("by", ["item", "window"])
def test_parts_add_up_to_the_whole(job: Job, by: str) -> None:
    whole = accuracy.list_accuracy(job).set_index("model")
    parts = accuracy.list_accuracy(job, by)
    assert parts[by].nunique() == (4 if by == "item" else 2)
    errors = (parts["wape"] * parts["actual"]).groupby(parts["model"]).sum()
    np.testing.assert_allclose(errors / parts.groupby("model")["actual"].sum(), whole["wape"][errors.index])


def test_horizon_matches_a_loop(job: Job) -> None:
    weeks, found = weeks_of(job), accuracy.list_accuracy(job, "horizon")
    assert len(found) == len(MODELS) * HOLDOUT_WEEKS
    for row in found.to_dict("records"):
        rows = weeks[(weeks["model"] == row["model"]) & (weeks["step"] == row["step"])].dropna(subset="y")
        assert row["n_weeks"] == len(rows) == (8 if row["step"] not in (7, 10) else 6)
        assert row["wape"] == pytest.approx(rows["error"].abs().sum() / rows["y"].sum())
        assert row["bias"] == pytest.approx(rows["error"].sum() / rows["y"].sum())
        held = [lo[0] <= y <= hi[0] for lo, y, hi in zip(rows["lo"], rows["y"], rows["hi"], strict=True)]
        assert row["coverage_80"] == pytest.approx(np.mean(held))


def test_candidates_of_auto_have_shares_that_add_up(job: Job) -> None:
    found = accuracy.list_candidates(job.job_id)
    assert found["share"].sum() == pytest.approx(1, abs=1e-3)
    assert found["n_first"].sum() == found["n_items"].max() == 4
    by_model = accuracy.list_accuracy(job).set_index("model")
    candidates = found.set_index("model")
    assert candidates.loc["Naive", "wape"] == pytest.approx(by_model.loc["Naive", "wape"], rel=0.02), (
        "equal except for capped weeks"
    )
    assert candidates.loc["SeasonalNaive", "bias"] == pytest.approx(by_model.loc["SeasonalNaive", "bias"], abs=0.02)


def test_provenance_of_an_item(job: Job) -> None:
    found = accuracy.item_provenance(job.job_id, "item3")
    assert found["models"]["AutoETS"]["made_by"] == "AutoETS"
    assert found["models"]["Auto"]["weeks_ago"] == [13, 26, 39, 52]
    assert accuracy.item_provenance(job.job_id, "no such item") == {}


def test_backtests_of_items_add_up_to_the_total(job: Job) -> None:
    items = [accuracy.list_backtests(job, "Auto", by_keys(f"item{i}")) for i in range(1, 5)]
    total = accuracy.list_backtests(job, "Auto")
    assert len(total) == len(items[0]) == 2 * HOLDOUT_WEEKS and len(items[1]) == 2 * HOLDOUT_WEEKS - 2
    weeks = pd.concat(items).groupby(["cutoff", "wk_end_dt"])
    found = total.set_index(["cutoff", "wk_end_dt"]).sort_index()
    np.testing.assert_array_equal(found["n_items"], weeks.size())
    for column in ("y", "forecast"):
        np.testing.assert_allclose(found[column], weeks[column].sum())
    assert total["cutoff"].is_monotonic_decreasing and set(total["n_items"]) == {2, 4}


def test_error_correlation_matches_a_loop(job: Job) -> None:
    weeks = weeks_of(job).dropna(subset="y")
    for model in MODELS:
        rows = weeks[weeks["model"] == model]
        sizes = (rows["error"] ** 2).groupby(rows["unique_id"]).mean()
        excess, most = [], []
        for _, week in rows.groupby(["cutoff", "step"]):
            s2 = sizes[week["unique_id"]]
            excess.append(week["error"].sum() ** 2 - s2.sum())
            most.append(np.sqrt(s2).sum() ** 2 - s2.sum())
        measured = np.mean(excess) / np.mean(most)
        assert 0.6 < measured < 1, "the items have a common shock"
        expected = (2 * measured + USUAL_CORRELATION) / 3
        assert accuracy.error_correlation(job, model) == (pytest.approx(expected), True)


def test_error_correlation_without_backtest_is_the_prior(load_dataset: Callable[..., Dataset]) -> None:
    found = run(load_dataset(), 2, n_windows=0)
    assert accuracy.error_correlation(found, "Auto") == (USUAL_CORRELATION, False)


# Runs made or begun by an earlier version


def test_items_of_an_earlier_version_do_not_distort_accuracy_of_others(job: Job) -> None:
    before = accuracy.list_accuracy(job, "item").set_index(["model", "item"])
    make_earlier_version(job, ["item1", "item2", "item3"])
    found = accuracy.list_accuracy(job).set_index("model")
    for model in ("Auto", "AutoETS"):
        own = before.loc[(model, "item4")]
        for column in ("scaled_crps", "mase", "coverage_80", "fva_naive"):
            assert found.loc[model, column] == pytest.approx(own[column]), column
        assert found.loc[model, "n_items"] == 4 and found.loc[model, "n_unscaled"] == 0


def test_run_of_an_earlier_version_keeps_its_measures(job: Job) -> None:
    wape = accuracy.list_accuracy(job).set_index("model")["wape"]
    make_earlier_version(job, ["item1", "item2", "item3", "item4"])
    found = accuracy.list_accuracy(job).set_index("model")
    np.testing.assert_allclose(found.loc["Auto", "wape"], wape["Auto"])
    assert pd.isna(found.loc["Auto", "fva_naive"]) and pd.notna(found.loc["Auto", "fva_seasonal_naive"])
    assert pd.isna(found.loc["Auto", "mase"]) and found.loc["Auto", "n_unscaled"] == 0
    assert accuracy.list_accuracy(job, "horizon").empty and accuracy.list_candidates(job.job_id).empty
    assert accuracy.error_correlation(job, "Auto") == (USUAL_CORRELATION, False)


# Sums stored by batch


def test_sums_are_stored_when_a_batch_completes_and_renewed_after_a_retry(
    load_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    job = run(load_dataset(write_correlated(tmp_path / "shaken.csv")), 4, n_windows=2, batch_size=2)
    assert [row["is_summed"] for row in statement("SELECT is_summed FROM fcst_app.batch_status", job)] == [True, True]
    n_rows = "SELECT count(*) AS n FROM fcst_app.accuracy_sums WHERE job_id = %(job_id)s AND grouped_by = 'model'"
    assert statement(n_rows, job)[0]["n"] == 2 * len(MODELS)
    before = {by: accuracy.list_accuracy(job, by) for by in accuracy.BY}

    for text in (  # as if one of them had failed
        "UPDATE fcst_app.job_items SET outcome = 'failed' WHERE unique_id = 'item2'",
        "UPDATE fcst_app.batch_status SET n_completed = 1, n_failed = 1"
        " WHERE batch_id = (SELECT batch_id FROM fcst_app.job_items WHERE unique_id = 'item2')",
        "DELETE FROM fcst_app.metrics WHERE unique_id = 'item2'",
        "DELETE FROM fcst_app.backtests WHERE unique_id = 'item2'",
    ):
        statement(text, job)
    assert jobs.retry_job(job.job_id) == 1
    assert statement(n_rows, job)[0]["n"] == len(MODELS), "sums of its batch are invalid"
    assert set(accuracy.list_accuracy(job)["n_items"]) == {3}

    while claimed := attempts.claim(str(uuid.uuid4()), 1):
        run_batch(claimed[0].batch_id, claimed[0].attempt)
    assert statement(n_rows, job)[0]["n"] == 2 * len(MODELS)
    for by, frame in before.items():
        pd.testing.assert_frame_equal(accuracy.list_accuracy(job, by), frame, obj=by)


def test_run_without_a_backtest_stores_no_sums(load_dataset: Callable[..., Dataset]) -> None:
    job = run(load_dataset(), 2, n_windows=0)
    assert statement("SELECT FROM fcst_app.accuracy_sums", job) == []


# Undefined values are NULL and counted


@pytest.fixture
def odd(load_dataset: Callable[..., Dataset], tmp_path: Path, once: Callable) -> Job:
    return once("odd", lambda: make_odd(load_dataset, tmp_path))


def make_odd(load_dataset: Callable[..., Dataset], tmp_path: Path) -> Job:
    rng = np.random.default_rng(1)
    units = {
        "good": rng.integers(20, 40, 80).tolist(),
        "short": rng.integers(20, 40, 20).tolist(),
        "constant": [6.0] * 80,
        "ended": [*rng.integers(20, 40, 50).tolist(), *[0.0] * 30],
    }
    return run(load_dataset(write_rows(tmp_path / "odd.csv", units)), 4, n_windows=2)


def test_undefined_values_are_null_and_counted(odd: Job) -> None:
    items = accuracy.list_accuracy(odd, "item").set_index(["model", "item"]).loc["Auto"]
    assert set(items.index) == {"good", "constant", "ended"}, "twenty weeks are too few for a backtest"
    assert pd.isna(items.loc["ended", "wape"]) and items.loc["ended", "n_unsold"] == 2
    assert pd.isna(items.loc["constant", "mase"]) and items.loc["constant", "n_unscaled"] == 2
    assert items.loc["constant", "wape"] == 0
    assert items.loc["good", ["n_unsold", "n_unscaled"]].tolist() == [0, 0]
    total = accuracy.list_accuracy(odd).set_index("model").loc["Auto"]
    assert (total["n_items"], total["n_unsold"], total["n_unscaled"]) == (3, 2, 2)
    assert not math.isnan(total["wape"])


def test_value_added_to_a_benchmark_without_error_is_undefined(odd: Job) -> None:
    items = accuracy.list_accuracy(odd, "item").set_index(["model", "item"]).loc["Auto"]
    assert pd.isna(items.loc["constant", "fva_naive"])


def test_run_without_backtest_has_no_accuracy(load_dataset: Callable[..., Dataset]) -> None:
    found = run(load_dataset(), 2, n_windows=0)
    for by in accuracy.BY:
        assert accuracy.list_accuracy(found, by).empty
    assert accuracy.list_candidates(found.job_id)["wape"].isna().all()


def test_run_without_levels_has_accuracy_without_intervals(load_dataset: Callable[..., Dataset]) -> None:
    found = accuracy.list_accuracy(run(load_dataset(), 2, level=()))
    assert not [name for name in found if name.startswith(("coverage", "width", "msis"))]
    assert found["wape"].notna().all() and found["scaled_crps"].isna().all()


def test_unknown_grouping_is_refused(load_dataset: Callable[..., Dataset]) -> None:
    with pytest.raises(InputError, match="'colour'") as caught:
        accuracy.list_accuracy(run(load_dataset(), 1, n_windows=0), "colour")
    assert "demand_class" in caught.value.hint


def test_deleting_a_dataset_deletes_its_backtests(job: Job) -> None:
    assert len(weeks_of(job))
    datasets.delete_dataset(job.dataset_id)
    assert len(weeks_of(job)) == 0
