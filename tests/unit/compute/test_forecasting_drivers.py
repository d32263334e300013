"""Forecasts with drivers: baseline times uplift, without leakage after the cutoff."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from fcst.compute.forecasting import Forecast, ItemForecast, forecast_item
from fcst.compute.history import SeriesHistories
from fcst.compute.learning import Learned, learn
from fcst.compute.series import Series
from fcst.drivers import Driver, DriverKind
from fcst.names import HOLDOUT_WEEKS
from fcst.specs import JobSpec

T, H = 104, 13
UPLIFT = 2.0
SPEC = JobSpec(models=("SES", "WindowAverage(26)"), h=H, n_windows=2)


def promoted_item(seed: int, ahead: bool = True, n_ahead: int = H) -> Series:
    """Poisson demand of 40, doubled in promotion weeks; the first future week is on promotion, the second is not."""
    rng = np.random.default_rng(seed)
    promotion = (rng.uniform(size=T + H) < 0.25).astype(float)
    promotion[T : T + 2] = 1.0, 0.0
    y = rng.poisson(40 * UPLIFT ** promotion[:T]).astype(float)
    driver = Driver("promo", DriverKind.PROMOTION, promotion[: T + n_ahead], ahead)
    return Series(f"item{seed}", date(2024, 6, 1), y, {}, (driver,))


ITEMS = [promoted_item(seed) for seed in range(20)]


def learned_of(series: list[Series]) -> Mapping[int, Learned]:
    return learn(series, 2, 13, has_auto=False)


@pytest.fixture(scope="module")
def learned() -> Mapping[int, Learned]:
    return learned_of(ITEMS)


def bytes_of(forecast: Forecast) -> bytes:
    return b"".join(part.tobytes() for part in (forecast.mean, forecast.lo, forecast.hi))


def all_bytes(found: ItemForecast) -> list[bytes]:
    return [bytes_of(f) for f in (*found.forecasts.values(), *(b.forecast for b in found.backtests))]


def with_driver(series: Series, values: np.ndarray, kind: DriverKind, ahead: bool = True, name: str = "odd") -> Series:
    return replace(series, drivers=(*series.drivers, Driver(name, kind, values, ahead)))


# Baseline and uplift


def test_forecast_is_baseline_times_uplift(learned: Mapping[int, Learned]) -> None:
    for forecast in forecast_item(ITEMS[0], SPEC, learned).forecasts.values():
        np.testing.assert_allclose(forecast.mean, forecast.baseline * forecast.uplift)
        assert forecast.uplift[0] == pytest.approx(UPLIFT, rel=0.1) and forecast.uplift[1] == 1.0
        assert forecast.baseline == pytest.approx(40, rel=0.15)
        assert (
            (forecast.lo >= 0).all() and (forecast.lo <= forecast.mean).all() and (forecast.mean <= forecast.hi).all()
        )


def test_promotion_weeks_have_wider_intervals(learned: Mapping[int, Learned]) -> None:
    (driver,) = ITEMS[0].drivers
    without = replace(driver, values=np.r_[driver.values[:T], np.zeros(H)])
    relative = []
    for planned in (driver, without):
        forecast = forecast_item(replace(ITEMS[0], drivers=(planned,)), SPEC, learned).forecasts["SES"]
        relative.append((forecast.hi - forecast.lo) / forecast.mean)
    is_promoted = driver.values[T:] == 1
    assert (relative[0][:, is_promoted] > relative[1][:, is_promoted]).all()
    assert relative[0][:, ~is_promoted] == pytest.approx(relative[1][:, ~is_promoted])


def test_drivers_reduce_backtest_errors(learned: Mapping[int, Learned]) -> None:
    for series in ITEMS[:5]:
        without, with_them = (forecast_item(series, SPEC, known).backtests for known in ({}, learned))
        errors = [sum(b.accuracy.abs_error for b in backtests) for backtests in (without, with_them)]
        assert errors[1] < 0.8 * errors[0]
        for before, after in zip(without, with_them, strict=True):
            assert after.y.tolist() == before.y.tolist(), "accuracy is measured on units sold"
            assert after.accuracy.actual == before.accuracy.actual


def test_auto_forecasts_the_baseline_and_its_candidates_are_in_units(learned: Mapping[int, Learned]) -> None:
    spec = JobSpec(h=H, n_windows=1)
    found = forecast_item(ITEMS[1], spec, learned)
    forecast, auto = found.forecasts["Auto"], found.provenance["models"]["Auto"]
    assert forecast.mean[0] / forecast.mean[1] == pytest.approx(UPLIFT, rel=0.2)
    for candidate in auto["candidates"]:
        assert candidate["forecast"][0] > 1.3 * candidate["forecast"][1]


def test_provenance_has_the_effects_as_plain_data(learned: Mapping[int, Learned]) -> None:
    (effect,) = json.loads(json.dumps(forecast_item(ITEMS[0], SPEC, learned).provenance))["effects"]
    assert (effect["driver"], effect["kind"], effect["shift"]) == ("promo", "promotion", 0)
    assert effect["percent"] == pytest.approx(100 * math.expm1(effect["coefficient"]), abs=0.1)
    assert abs(effect["coefficient"] - math.log(UPLIFT)) < 3 * effect["error"]


# Without effects


def test_drivers_without_learned_effects_change_nothing() -> None:
    plain = forecast_item(replace(ITEMS[0], drivers=()), SPEC)
    for found in (forecast_item(ITEMS[0], SPEC), forecast_item(ITEMS[0], SPEC, {})):
        assert all_bytes(found) == all_bytes(plain)
        assert found.provenance == plain.provenance


def test_learned_effects_without_drivers_change_nothing(learned: Mapping[int, Learned]) -> None:
    series = replace(ITEMS[0], drivers=())
    found, plain = forecast_item(series, SPEC, learned), forecast_item(series, SPEC)
    assert all_bytes(found) == all_bytes(plain)
    assert found.provenance == plain.provenance
    assert found.forecasts["SES"].uplift.tolist() == [1.0] * H


# Leakage


@pytest.mark.parametrize("ahead", [True, False])
def test_jump_after_a_cutoff_does_not_change_the_backtest(ahead: bool) -> None:
    items = [promoted_item(seed, ahead) for seed in range(8)]
    jumped = []
    for series in items:
        (driver,) = series.drivers
        y, values = series.y.copy(), driver.values.copy()
        y[-13:] *= 50
        values[T if ahead else T - 13 :] = 1.0  # planned weeks of the window are known ahead
        jumped.append(replace(series, y=y, drivers=(replace(driver, values=values),)))
    for before, after in zip(items, jumped, strict=True):
        found = [forecast_item(s, SPEC, learned_of(of)) for s, of in ((before, items), (after, jumped))]
        cutoffs = [{b.cutoff: bytes_of(b.forecast) for b in f.backtests if b.model == "SES"} for f in found]
        assert cutoffs[0] == cutoffs[1] and len(cutoffs[0]) == 2
        assert bytes_of(found[0].forecasts["SES"]) != bytes_of(found[1].forecasts["SES"])


def test_driver_not_known_ahead_has_its_mean_share_in_windows_and_future() -> None:
    items = [promoted_item(seed, ahead=False, n_ahead=0) for seed in range(8)]
    found = forecast_item(items[0], SPEC, learned_of(items))
    for forecast in (found.forecasts["SES"], *(b.forecast for b in found.backtests)):
        assert np.ptp(forecast.uplift) == 0
        assert 1.05 < forecast.uplift[0] < UPLIFT


def test_window_uses_the_latest_earlier_effects_or_the_oldest(learned: Mapping[int, Learned]) -> None:
    series = ITEMS[0]
    pooled = {weeks_ago: known.effects for weeks_ago, known in learned.items()}
    histories = SeriesHistories(series, H, pooled)
    for weeks_ago, used in ((0, 0), (13, 13), (20, 26), (26, 26), (39, 26), (65, 26)):
        alone = SeriesHistories(series, H, {used: pooled[used]}).effects_at(T - weeks_ago)
        found = histories.effects_at(T - weeks_ago)
        assert found is not None and alone is not None
        assert found.multipliers.tobytes() == alone.multipliers.tobytes()


def test_actuals_and_history_are_on_the_scale_of_the_same_fit(learned: Mapping[int, Learned]) -> None:
    histories = SeriesHistories(ITEMS[0], H, {13: learned[13].effects})
    cutoff = T - 13
    fitted = histories.effects_at(cutoff)
    assert fitted is not None
    np.testing.assert_allclose(histories.at(cutoff).units * fitted.multipliers[:cutoff], ITEMS[0].y[:cutoff])
    np.testing.assert_allclose(histories.actual(cutoff) * fitted.multipliers[cutoff:], histories.sold(cutoff))


# Closed and out of stock


def test_closed_week_is_missing_in_the_history_and_zero_in_the_forecast(learned: Mapping[int, Learned]) -> None:
    opened, y = np.ones(T + H), ITEMS[0].y.copy()
    opened[[50, T - 3, T + 4]] = 0
    y[[50, T - 3]] = 0
    series = with_driver(replace(ITEMS[0], y=y), opened, DriverKind.OPEN)
    found = forecast_item(series, SPEC, learned)
    for forecast in found.forecasts.values():
        assert np.flatnonzero(forecast.mean == 0).tolist() == [4]
        assert not forecast.lo[:, 4].any() and not forecast.hi[:, 4].any()
    assert np.flatnonzero(found.backtests[0].forecast.mean == 0).tolist() == [HOLDOUT_WEEKS - 3]
    histories = SeriesHistories(series, H, {0: learned[0].effects})
    assert np.flatnonzero(np.isnan(histories.at(T).units)).tolist() == [50, T - 3]


def test_a_week_out_of_stock_is_missing_and_not_scored(learned: Mapping[int, Learned]) -> None:
    stock, y = np.ones(T), ITEMS[0].y.copy()
    stock[[50, T - 3]] = y[[50, T - 3]] = 0
    found = forecast_item(with_driver(replace(ITEMS[0], y=y), stock, DriverKind.STOCK, False), SPEC, learned)
    assert found.backtests[0].accuracy.n_weeks == HOLDOUT_WEEKS - 1
    assert found.forecasts["WindowAverage(26)"].baseline == pytest.approx(40, rel=0.15)


@pytest.mark.parametrize("kind", [DriverKind.OPEN, DriverKind.STOCK])
def test_item_always_closed_or_out_of_stock_is_forecast_from_its_sales(
    kind: DriverKind, learned: Mapping[int, Learned]
) -> None:
    series = with_driver(replace(ITEMS[0], y=np.zeros(T)), np.zeros(T + H), kind)
    assert not forecast_item(series, SPEC, learned).forecasts["SES"].mean.any()


# Irregular drivers


@pytest.mark.parametrize("kind", DriverKind)
@pytest.mark.parametrize(
    "values",
    [np.full(T, math.nan), np.full(T + H, 0.7), np.full(T, np.inf), np.full(T, 1e-300), np.zeros(0)],
    ids=["missing", "constant", "infinite", "tiny", "none"],
)
def test_uninformative_driver_hardly_changes_the_forecast(kind: DriverKind, values: np.ndarray) -> None:
    odd = [with_driver(series, values, kind) for series in ITEMS[:8]]
    found = forecast_item(odd[0], SPEC, learned_of(odd))
    expected = forecast_item(ITEMS[0], SPEC, learned_of(ITEMS[:8]))
    for name in SPEC.models:
        assert found.forecasts[name].mean == pytest.approx(expected.forecasts[name].mean, rel=0.01)


def test_duplicate_driver_hardly_changes_the_forecast() -> None:
    twice = [with_driver(s, s.drivers[0].values, DriverKind.PROMOTION, name="again") for s in ITEMS]
    found = forecast_item(twice[0], SPEC, learned_of(twice)).forecasts["SES"]
    assert found.uplift[0] == pytest.approx(UPLIFT, rel=0.12) and found.uplift[1] == 1.0


def test_the_same_input_gives_the_same_bytes(learned: Mapping[int, Learned]) -> None:
    one, two = (forecast_item(ITEMS[3], SPEC, learned_of(of)) for of in (ITEMS, ITEMS[::-1]))
    assert all_bytes(one) == all_bytes(two)
    assert one.provenance == two.provenance


@pytest.mark.parametrize("n_weeks", [1, 5, 9, 20])
def test_a_short_history_has_the_pooled_uplift(n_weeks: int, learned: Mapping[int, Learned]) -> None:
    series = ITEMS[2]
    (driver,) = series.drivers
    young = replace(series, y=series.y[-n_weeks:], drivers=(replace(driver, values=driver.values[T - n_weeks :]),))
    forecast = forecast_item(young, JobSpec(h=H), learned).forecasts["Auto"]
    assert forecast.uplift[0] == pytest.approx(UPLIFT, rel=0.25)


def test_a_horizon_beyond_the_plan_is_forecast_to_its_end(learned: Mapping[int, Learned]) -> None:
    forecast = forecast_item(ITEMS[0], replace(SPEC, h=60), learned).forecasts["SES"]
    assert forecast.mean.shape == (60,) and np.ptp(forecast.uplift[H:]) == 0


def test_lost_sales_are_noted_and_the_forecast_is_of_demand() -> None:
    rng = np.random.default_rng(3)
    items = []
    for seed in range(6):
        stock = np.ones(T)
        stock[[40, 41, 90]] = 0.0
        y = np.where(stock > 0, rng.poisson(50, T), 0.0)
        driver = Driver("in stock", DriverKind.STOCK, stock, False)
        items.append(Series(f"item{seed}", date(2024, 6, 1), y, {}, (driver,)))
    found = forecast_item(items[0], SPEC, learned_of(items))
    assert "out of stock in 3 weeks: about 1" in found.note
    assert found.forecasts["SES"].mean.mean() == pytest.approx(50, rel=0.1)
    assert "out of stock" not in forecast_item(replace(items[0], drivers=()), SPEC, learned_of(items)).note
