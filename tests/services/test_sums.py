"""Sums in SQL compared with `compute` on the same random numbers, including missing weeks, weeks and items without
sales, and items without backtest windows."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pytest

from fcst.compute import metrics
from fcst.compute.accuracy import measure
from fcst.compute.aggregation import ErrorCorrelation, ForecastSum, shrink_correlation
from fcst.filters import ALL_RUN_ITEMS, RunFilter, RunOrder, RunSort, Selection, by_keys
from fcst.job_records import Job
from fcst.names import BENCHMARKS, HOLDOUT_WEEKS
from fcst.records import BacktestRecord, ForecastRecord, ItemResult
from fcst.services import accuracy, comparison, forecasts, jobs
from fcst.specs import JobSpec
from fcst.states import Outcome
from fcst.store import accuracy as kept
from fcst.store import forecasts as stored
from fcst.store.attention import refresh_run
from fcst.store.database import transaction
from tests.random_items import LAST, insert_dataset

H, W, LEVEL = 4, 3, (80, 95)
QUANTILES = np.array([0.1, 0.025, 0.9, 0.975])  # of lo and hi, by level
MODEL = "Auto"
N = 40
NAN = np.nan


@dataclass
class Window:
    """A generated backtest."""

    item: str
    family: str
    model: str
    number: int
    y: np.ndarray
    f: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    record: BacktestRecord


@dataclass
class RandomRun:
    job: Job
    items: dict[str, ItemResult]
    windows: list[Window]

    def forecast(self, key: str) -> ForecastRecord:
        return next(f for f in self.items[key].forecasts if f.model == MODEL)


def bounds(rng: np.random.Generator, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    reach = np.cumsum(rng.gamma(1.0, 4.0, (2, len(LEVEL), len(mean))), axis=1)
    return np.maximum(mean - reach[0], 0), mean + reach[1]


def make_actual(rng: np.random.Generator, level: float) -> np.ndarray:
    y = rng.poisson(level, HOLDOUT_WEEKS) * rng.integers(0, 2, HOLDOUT_WEEKS).astype(float)
    y[rng.random(HOLDOUT_WEEKS) < 0.2] = NAN
    return y


def make_window(
    rng: np.random.Generator, item: str, family: str, model: str, number: int, level: float, y: np.ndarray
) -> Window:
    f = np.abs(level + rng.normal(0, 3, HOLDOUT_WEEKS))
    lo, hi = bounds(rng, f)
    a = measure(y, f, lo, hi, LEVEL, rng.poisson(level, 30) if number else np.full(30, 5.0))
    record = BacktestRecord(
        *(model, LAST - timedelta(weeks=HOLDOUT_WEEKS * (number + 1)), y, f, lo, hi, number == 1, model, a.n_weeks),
        sums=(a.abs_error, a.error, a.sq_error, a.actual, a.pinball),
        scores=(a.wape, a.bias, a.smape, a.mase, a.rmsse, a.scaled_crps),
        coverage=a.coverage,
        mean_width=a.mean_width,
        msis=a.msis,
    )
    return Window(item, family, model, number, y, f, lo, hi, record)


def make(n_kept: int) -> RandomRun:
    """Creates a run of two batches, with stored accuracy sums for `n_kept` of them."""
    rng = np.random.default_rng(8)
    rows = [(f"i{n:02}", f"family {n % 3}", None, "smooth", None, LAST - timedelta(weeks=99), LAST) for n in range(N)]
    dataset_id = insert_dataset(rows)
    spec = JobSpec(models=(MODEL, "Naive"), h=H, level=LEVEL, n_windows=W)
    job_id = jobs.submit_job(dataset_id, Selection(), spec)
    items, sold, windows = {}, {}, []
    for n, (key, family, *_) in enumerate(rows):
        level = 0.0 if n == 5 else float(n)  # items 0 and 5 never sell
        numbers = range(1, W) if n % 7 == 3 else range(0) if n == 11 else range(W)
        actual = [make_actual(rng, level) for _ in range(W)]
        own = [
            make_window(rng, key, family, model, number, level, actual[number])
            for model in dict.fromkeys((*spec.models, *BENCHMARKS))
            for number in reversed(numbers)
        ]
        made = []
        for model in spec.models:
            mean = rng.gamma(2.0, level + 1, H)
            made.append(
                ForecastRecord(model, LAST + timedelta(weeks=1), mean, *bounds(rng, mean), n % 4 == 0, model, model)
            )
        recent = rng.poisson(level, H).astype(float)
        recent[rng.random(H) < 0.1] = NAN
        items[key] = ItemResult(key, Outcome.COMPLETED, None, made, [w.record for w in own])
        sold[key] = [1.0] * 96 + [None if np.isnan(units) else float(units) for units in recent]
        windows += own
    with transaction() as cur:
        stored.replace(cur, job_id, list(items.values()))
        for key, units in sold.items():
            cur.execute(
                "INSERT INTO fcst_app.sales VALUES (%(id)s, %(key)s, %(first)s, %(units)s::float8[])",
                {"id": dataset_id, "key": key, "first": LAST - timedelta(weeks=99), "units": units},
            )
        values = {"job_id": job_id}
        cur.execute(
            "UPDATE fcst_app.job_items SET outcome = 'completed', finished_at = now() WHERE job_id = %(job_id)s", values
        )
        cur.execute(
            "UPDATE fcst_app.batch_status SET stage = 'completed', started_at = now(), finished_at = now(),"
            " n_completed = n_items WHERE job_id = %(job_id)s",
            values,
        )
        cur.execute(
            "SELECT batch_id FROM fcst_app.batch_status WHERE job_id = %(job_id)s AND NOT is_learning"
            " ORDER BY batch_no",
            values,
        )
        batches = [row["batch_id"] for row in cur.fetchall()]
        assert len(batches) == 2
        for batch_id in batches[:n_kept]:
            kept.store_sums(cur, dataset_id, job_id, batch_id, LEVEL)
    job = jobs.get_job(job_id)
    refresh_run(job_id)
    return RandomRun(job, items, windows)


@pytest.fixture(params=[0, 1, 2])
def made(once: Callable, request: pytest.FixtureRequest) -> RandomRun:
    return once(f"sums_{request.param}", lambda: make(request.param))


def expected_of(windows: list[Window]) -> dict[str, float]:
    """Metrics of some windows of one model, over their concatenated weeks."""
    y, f = (np.concatenate([getattr(w, name) for w in windows]) for name in ("y", "f"))
    lo, hi = (np.concatenate([getattr(w, name) for w in windows], axis=1) for name in ("lo", "hi"))
    found = {
        "wape": metrics.wape(y, f),
        "bias": metrics.bias(y, f),
        "scaled_crps": metrics.scaled_crps(y, np.concatenate([lo, hi]), QUANTILES),
        "actual": np.nansum(np.abs(y)),
        "n_weeks": np.count_nonzero(~np.isnan(y)),
        "n_windows": len(windows),
        "n_items": len({w.item for w in windows}),
        "n_fallback": len({w.item for w in windows if w.record.is_fallback}),
        "n_unsold": sum(not np.nansum(np.abs(w.y)) for w in windows),
    }
    for i, percent in enumerate(LEVEL):
        found[f"coverage_{percent}"] = metrics.coverage(y, lo[i], hi[i])
        found[f"width_{percent}"] = metrics.mean_width(y, lo[i], hi[i])
        found[f"msis_{percent}"] = mean_of([w.record.msis[i] for w in windows])
    for place, name in ((2, "smape"), (3, "mase"), (4, "rmsse")):
        found[name] = mean_of([w.record.scores[place] for w in windows])
    return found


def abs_error(windows: list[Window]) -> float:
    return float(np.nansum([np.abs(w.f - w.y) for w in windows]))


def mean_of(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else NAN


KEYS: dict[str, Callable[[Window], object]] = {
    "model": lambda w: None,
    "item": lambda w: w.item,
    "family": lambda w: w.family,
    "window": lambda w: w.record.cutoff,
}


@pytest.mark.few(3)
@pytest.mark.parametrize("by", KEYS)
def test_accuracy_equals_metrics_over_concatenated_weeks(made: RandomRun, by: str) -> None:
    frame = accuracy.list_accuracy(made.job, by)
    groups: dict[tuple, list[Window]] = {}
    for window in made.windows:
        groups.setdefault((window.model, KEYS[by](window)), []).append(window)
    rows = {(row["model"], row.get(by if by != "model" else "")): row for row in frame.to_dict("records")}
    assert rows.keys() == groups.keys()
    for key, windows in groups.items():
        expected = expected_of(windows)
        found = {name: number(rows[key][name]) for name in expected}
        assert found == pytest.approx(expected, nan_ok=True), key
        for name, benchmark in (("fva_seasonal_naive", "SeasonalNaive"), ("fva_naive", "Naive")):
            added = metrics.value_added(abs_error(windows), abs_error(groups[benchmark, key[1]]))
            assert number(rows[key][name]) == pytest.approx(added, nan_ok=True)
    for _, part in frame.groupby(by if by != "model" else lambda row: 0):
        assert part["wape"].dropna().is_monotonic_increasing


def test_accuracy_by_horizon_equals_metrics_by_step(made: RandomRun) -> None:
    frame = accuracy.list_accuracy(made.job, "horizon")
    assert len(frame) == HOLDOUT_WEEKS * 3
    for row in frame.to_dict("records"):
        own = [w for w in made.windows if w.model == row["model"]]
        step = row["step"] - 1
        y, f, lo, hi = (
            np.array([v[..., step] for v in values])
            for values in zip(*[(w.y, w.f, w.lo, w.hi) for w in own], strict=True)
        )
        expected = (metrics.wape(y, f), metrics.bias(y, f), metrics.coverage(y, lo[:, 1], hi[:, 1]))
        assert (row["wape"], row["bias"], row["coverage_95"]) == pytest.approx(expected)
        assert row["n_weeks"] == np.count_nonzero(~np.isnan(y))


def test_items_have_metrics_of_their_windows_and_are_sorted_by_them(made: RandomRun) -> None:
    wapes = {}
    for item in forecasts.list_items(made.job, MODEL, ALL_RUN_ITEMS, RunOrder(RunSort.WAPE)):
        own = [w for w in made.windows if (w.item, w.model) == (item.unique_id, MODEL)]
        expected = expected_of(own) if own else {"wape": NAN, "bias": NAN}
        wapes[item.unique_id] = expected["wape"]
        assert number(item.wape) == pytest.approx(expected["wape"], nan_ok=True)
        assert number(item.bias) == pytest.approx(expected["bias"], nan_ok=True)
        assert item.forecast == item.final == pytest.approx(made.forecast(item.unique_id).forecast.sum())
    known = [wape for wape in wapes.values() if not np.isnan(wape)]
    assert known == sorted(known, reverse=True) and list(wapes.values())[: len(known)] == known
    worst = accuracy.list_extreme_items(made.job, MODEL, is_worst=True, n_items=9)
    assert worst["abs_error"].is_monotonic_decreasing and len(worst) == min(9, len(known))
    assert [number(wapes[key]) for key in worst["unique_id"]] == pytest.approx(worst["wape"].tolist(), nan_ok=True)
    assert accuracy.count_items_by_error(made.job.job_id, MODEL).n_items == len(known)
    best = accuracy.list_extreme_items(made.job, MODEL, is_worst=False, n_items=9)
    assert len(best) and best["gained"].is_monotonic_decreasing and best["gained"].min() > 0
    for key, gained in zip(best["unique_id"], best["gained"], strict=True):
        own, benchmark = (
            {w.number: abs_error([w]) for w in made.windows if (w.item, w.model) == (key, model)}
            for model in (MODEL, "SeasonalNaive")
        )
        assert gained == pytest.approx(sum(benchmark[n] - own[n] for n in own if n in benchmark))


def number(value: float | None) -> float:
    return NAN if value is None else value


def errors_of(made: RandomRun) -> np.ndarray:
    errors = np.full((N, W, HOLDOUT_WEEKS), NAN)
    for window in made.windows:
        if window.model == MODEL:
            errors[int(window.item[1:]), window.number] = window.f - window.y
    return errors


@pytest.mark.few(3)
@pytest.mark.parametrize("block_bytes", [1, 5_000, 1 << 20])
def test_error_correlation_uses_all_windows(made: RandomRun, block_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcst.store.binary_copy.RowReader.BLOCK_BYTES", block_bytes)
    measured = ErrorCorrelation(W, HOLDOUT_WEEKS)
    measured.add(errors_of(made))
    expected = shrink_correlation(measured.correlation, W)
    assert accuracy.error_correlation(made.job, MODEL) == (pytest.approx(expected), True)


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "which",
    [ALL_RUN_ITEMS, RunFilter(families=("family 1",)), by_keys("i03", "i08", "i20"), RunFilter(reasons=("fallback",))],
)
def test_interval_of_a_total_follows_from_its_items(made: RandomRun, which: RunFilter) -> None:
    keys = [item.unique_id for item in forecasts.list_items(made.job, MODEL, which)]
    records = [made.forecast(key) for key in keys]
    total = ForecastSum(H, len(LEVEL))
    total.add(*(np.array([getattr(record, name) for record in records]) for name in ("forecast", "lo", "hi")))
    view = forecasts.view(made.job, MODEL, which)
    expected = total.total(view.correlation)
    np.testing.assert_allclose(view.forecast["forecast"], expected.mean)
    for i, percent in enumerate(LEVEL):
        np.testing.assert_allclose(view.forecast[f"lo_{percent}"], expected.lo[i], atol=1e-9)
        np.testing.assert_allclose(view.forecast[f"hi_{percent}"], expected.hi[i])
    assert (view.n_items, view.n_fallback) == (len(keys), sum(record.is_fallback for record in records))
    assert 0 < view.correlation < 1 and view.is_correlation_measured
    weeks = [record.first_wk_end_dt + timedelta(weeks=step) for record in records[:1] for step in range(H)]
    assert view.forecast["wk_end_dt"].dt.date.tolist() == weeks
    own = [w for w in made.windows if w.model == MODEL and w.item in keys]
    assert view.metrics[MODEL]["wape"] == pytest.approx(expected_of(own)["wape"])


@pytest.mark.few(1)
def test_total_of_one_item_has_its_interval(made: RandomRun) -> None:
    view, record = forecasts.view(made.job, MODEL, by_keys("i08")), made.forecast("i08")
    np.testing.assert_allclose(view.forecast["lo_95"], record.lo[1], atol=1e-9)
    np.testing.assert_allclose(view.forecast["hi_80"], record.hi[0])


@pytest.mark.few(1)
def test_accuracy_on_later_actuals_equals_metrics_of_these_weeks(made: RandomRun) -> None:
    rng = np.random.default_rng(2)
    later = {}
    last = {"last": LAST + timedelta(weeks=H), "id": made.job.dataset_id}
    with transaction() as cur:
        cur.execute(
            "INSERT INTO fcst_app.datasets (name, version, spec, report, week_end, include_promo, n_items, n_weeks,"
            " first_wk_end_dt, last_wk_end_dt, total_units) SELECT name, version + 1, spec, report, week_end,"
            " include_promo, n_items, n_weeks, first_wk_end_dt, %(last)s, 1 FROM fcst_app.datasets"
            " WHERE dataset_id = %(id)s RETURNING dataset_id",
            last,
        )
        dataset_id = cur.fetchone()["dataset_id"]
        for key in made.items:
            y = rng.poisson(int(key[1:]), H).astype(float)
            y[rng.random(H) < 0.2] = NAN
            later[key] = y
            row = {"id": dataset_id, "key": key, "first": LAST + timedelta(weeks=1)}
            row["units"] = [None if np.isnan(u) else u for u in y.tolist()]
            cur.execute("INSERT INTO fcst_app.sales VALUES (%(id)s, %(key)s, %(first)s, %(units)s::float8[])", row)
    found = comparison.accuracy_on_actuals(made.job)
    assert found is not None
    row = found[1].set_index("model").loc[MODEL]
    y = np.concatenate(list(later.values()))
    f, lo, hi = (
        np.concatenate([values(made.forecast(key)) for key in later])
        for values in (lambda r: r.forecast, lambda r: r.lo[0], lambda r: r.hi[0])
    )
    assert row["wape"] == pytest.approx(metrics.wape(y, f))
    assert row["bias"] == pytest.approx(metrics.bias(y, f))
    assert row["coverage_80"] == pytest.approx(metrics.coverage(y, lo, hi))
    assert (row["actual"], row["forecast"]) == pytest.approx((np.nansum(y), f[~np.isnan(y)].sum()))
