"""Forecasts of one item: shape and bounds, fallbacks, irregular histories, backtests, provenance."""

import dataclasses
import json
import math
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from fcst.compute import accuracy
from fcst.compute.forecasting import Backtest, Forecast, ItemForecast, forecast_item
from fcst.compute.history import History, SeriesHistories
from fcst.compute.models import (
    AUTO_WINDOWS,
    CATALOGUE,
    INTERVAL_WINDOWS,
    LAST_RESORT,
    MEDIAN,
    MEDIAN_MODELS,
    MODEL_NAMES,
)
from fcst.compute.recipes import CannotFit, Fit
from fcst.compute.series import Series
from fcst.names import HOLDOUT_WEEKS
from fcst.specs import JobSpec

NAN = math.nan
LAST_WEEK = date(2024, 6, 1)


def forecast_of(y: np.ndarray, spec: JobSpec, on_progress: Callable[[str], None] = lambda model: None) -> ItemForecast:
    return forecast_item(Series("item", LAST_WEEK, y), spec, on_progress=on_progress)


def seasonal(n_weeks: int, seed: int = 1) -> np.ndarray:
    weeks = np.arange(n_weeks)
    noise = np.random.default_rng(seed).normal(0, 6, n_weeks)
    return np.maximum(np.round(60 + 25 * np.sin(2 * np.pi * weeks / 52) + noise), 0)


QUICK = tuple(name for name in MODEL_NAMES if "ARIMA" not in name)
"""Fast models, for tests that fit all of them repeatedly."""


def histories_of(y: np.ndarray) -> SeriesHistories:
    return SeriesHistories(Series("item", LAST_WEEK, y), 1)


def plain_spec(*models: str, **options: Any) -> JobSpec:
    """A spec without backtests."""
    return JobSpec(models=models or MODEL_NAMES, **{"n_windows": 0, **options})


def assert_sound(forecast: Forecast, h: int, n_levels: int) -> None:
    assert forecast.mean.shape == (h,)
    assert forecast.lo.shape == forecast.hi.shape == (n_levels, h)
    assert all(np.isfinite(part).all() for part in (forecast.mean, forecast.lo, forecast.hi))
    assert (forecast.lo >= 0).all()
    assert (forecast.lo <= forecast.mean).all()
    assert (forecast.mean <= forecast.hi).all()
    assert (np.diff(forecast.lo, axis=0) <= 0).all()
    assert (np.diff(forecast.hi, axis=0) >= 0).all()


def bytes_of(result: ItemForecast) -> dict[str, bytes]:
    return {name: f.mean.tobytes() + f.lo.tobytes() + f.hi.tobytes() for name, f in result.forecasts.items()}


@pytest.fixture(scope="module")
def three_years() -> ItemForecast:
    return forecast_of(seasonal(156), plain_spec(level=(50, 80, 95)))


@pytest.fixture(scope="module")
def four_years() -> ItemForecast:
    return forecast_of(seasonal(208), plain_spec(h=52))


@pytest.fixture
def replace_fit(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Fit], None]:
    """Returns a function that replaces the fit function of a model in the catalogue."""
    return lambda name, fit: monkeypatch.setitem(CATALOGUE, name, dataclasses.replace(CATALOGUE[name], fit=fit))


# Shape and bounds


@pytest.mark.few(4)
@pytest.mark.parametrize("model", MODEL_NAMES)
def test_seasonal_series_gets_a_sound_forecast_by_the_model_itself(three_years: ItemForecast, model: str) -> None:
    forecast = three_years.forecasts[model]
    assert_sound(forecast, h=13, n_levels=3)
    assert not forecast.is_fallback
    assert three_years.note == ""


@pytest.mark.few(1)
@pytest.mark.parametrize("model", ["Auto", "Median", *(m.name for m in CATALOGUE.values() if m.is_seasonal)])
def test_seasonal_model_follows_the_season(four_years: ItemForecast, model: str) -> None:
    assert np.corrcoef(four_years.forecasts[model].mean, seasonal(208)[-52:])[0, 1] > 0.8


def test_model_without_a_season_goes_one_way(four_years: ItemForecast) -> None:
    steps = np.diff(four_years.forecasts["AutoETS"].mean)
    assert (steps >= 0).all() or (steps <= 0).all()


def test_seasonal_naive_repeats_last_year() -> None:
    y = seasonal(120)
    forecast = forecast_of(y, plain_spec("SeasonalNaive", h=60)).forecasts["SeasonalNaive"]
    np.testing.assert_allclose(forecast.mean, np.concatenate([y[-52:], y[-52:-44]]))


@pytest.mark.few(1)
@pytest.mark.parametrize("h", [1, 13, 104])
def test_forecast_has_the_requested_horizon(h: int) -> None:
    result = forecast_of(seasonal(110), plain_spec(h=h))
    for forecast in result.forecasts.values():
        assert_sound(forecast, h=h, n_levels=2)


@pytest.mark.few(1)
@pytest.mark.parametrize("level", [(), (80,), (1, 50, 99)])
@pytest.mark.parametrize("n_weeks", [3, 40, 110])
def test_forecast_has_the_requested_levels(level: tuple[int, ...], n_weeks: int) -> None:
    result = forecast_of(seasonal(n_weeks), plain_spec(level=level, h=4))
    for forecast in result.forecasts.values():
        assert_sound(forecast, h=4, n_levels=len(level))


@pytest.mark.full
def test_levels_do_not_change_the_forecast() -> None:
    y = seasonal(110)
    without, with_levels = (forecast_of(y, plain_spec(level=level)) for level in ((), (80, 95)))
    for name in MODEL_NAMES:
        np.testing.assert_allclose(without.forecasts[name].mean, with_levels.forecasts[name].mean)


@pytest.mark.full
def test_coverage_of_intervals_is_near_their_level() -> None:
    """On normal noise with mean 100 and standard deviation 10."""
    rng = np.random.default_rng(5)
    held = [
        (forecast.lo <= truth) & (truth <= forecast.hi)
        for _ in range(40)
        for truth in [rng.normal(100, 10, 13)]
        for forecast in [forecast_of(rng.normal(100, 10, 60), plain_spec("AutoETS")).forecasts["AutoETS"]]
    ]
    share = np.mean(held, axis=(0, 2))
    assert share == pytest.approx([0.80, 0.95], abs=0.06)


def test_forecasts_are_of_the_requested_models_in_order() -> None:
    result = forecast_of(seasonal(60), plain_spec("MSTL", "Auto", "AutoETS"))
    assert list(result.forecasts) == ["MSTL", "Auto", "AutoETS"]


def test_dates_of_forecast_and_cutoffs() -> None:
    result = forecast_of(seasonal(120), JobSpec(models=("Naive",), n_windows=2))
    assert result.first_wk_end_dt == LAST_WEEK + timedelta(weeks=1)
    cutoffs = [LAST_WEEK - timedelta(weeks=13), LAST_WEEK - timedelta(weeks=26)]
    assert [b.cutoff for b in result.backtests if b.model == "Naive"] == cutoffs


# Short histories


SHORT = {
    1: ("Naive", "WindowAverage", "WindowAverage", "WindowAverage", "WindowAverage"),
    5: ("Naive", "WindowAverage", "WindowAverage", "WindowAverage", "WindowAverage"),
    9: ("Naive", "WindowAverage", "WindowAverage", "WindowAverage", "WindowAverage"),
    10: ("Naive", "AutoETS", "DynamicOptimizedTheta(1)", "AutoETS", "AutoETS"),
    17: ("Naive", "AutoETS", "DynamicOptimizedTheta(1)", "AutoETS", "AutoETS"),
    30: ("Naive", "AutoETS", "DynamicOptimizedTheta(1)", "AutoCES(1)", "AutoETS"),
    60: ("SeasonalNaive", "AutoETS", "DynamicOptimizedTheta(1)", "AutoCES(1)", "AutoETS"),
    103: ("SeasonalNaive", "AutoETS", "DynamicOptimizedTheta(1)", "AutoCES(1)", "AutoETS"),
    104: ("SeasonalNaive", "AutoETS", "DynamicOptimizedTheta", "AutoCES", "MSTL"),
}
SHORT_HISTORY = pytest.mark.parametrize("n_weeks", SHORT)


@SHORT_HISTORY
def test_short_history_uses_the_documented_fallbacks(n_weeks: int) -> None:
    result = forecast_of(seasonal(n_weeks), plain_spec(*MEDIAN_MODELS))
    made_by = {name: forecast.made_by for name, forecast in result.forecasts.items()}
    assert made_by == dict(zip(MEDIAN_MODELS, SHORT[n_weeks], strict=True))
    for name, forecast in result.forecasts.items():
        assert forecast.is_fallback == (forecast.made_by != name)
        assert_sound(forecast, h=13, n_levels=2)


@SHORT_HISTORY
def test_note_names_models_that_need_a_longer_history(n_weeks: int) -> None:
    note = forecast_of(seasonal(n_weeks), plain_spec(*MEDIAN_MODELS)).note
    if n_weeks >= 104:
        assert note == ""
    else:
        assert note.startswith(f"a history of {n_weeks} weeks is too short for ")
        assert all(
            (name in note) for name, made_by in zip(MEDIAN_MODELS, SHORT[n_weeks], strict=True) if name != made_by
        )


@SHORT_HISTORY
def test_median_counts_a_shared_fallback_once(n_weeks: int) -> None:
    combined = forecast_of(seasonal(n_weeks), plain_spec("Median")).forecasts["Median"]
    models = [name for name in dict.fromkeys(SHORT[n_weeks]) if name not in ("Naive", LAST_RESORT)] or [LAST_RESORT]
    expected = f"Median of {', '.join(models)}" if len(models) > 1 else models[0]
    assert combined.made_by == expected
    assert combined.is_fallback == (n_weeks < 104)
    assert_sound(combined, h=13, n_levels=2)


def test_last_resort_is_the_mean_of_the_last_weeks() -> None:
    forecast = forecast_of(np.array([1000.0, 4, 8]), plain_spec("AutoETS", h=2, level=(80,))).forecasts["AutoETS"]
    assert forecast.made_by == "WindowAverage"
    assert forecast.mean.tolist() == [pytest.approx(1012 / 3)] * 2
    y = np.concatenate([[1000.0], np.arange(1.0, 9.0)])
    assert forecast_of(y, plain_spec("AutoETS")).forecasts["AutoETS"].mean[0] == pytest.approx(4.5)


def test_very_short_history_is_at_least_as_uncertain_as_poisson_demand() -> None:
    forecast = forecast_of(np.full(5, 16.0), plain_spec("AutoETS", h=1, level=(95,))).forecasts["AutoETS"]
    assert forecast.hi[0, 0] > 16 + 1.9 * 4
    assert forecast.lo[0, 0] < 16 - 1.9 * 4


# Missing weeks


def test_input_array_is_not_modified() -> None:
    y = seasonal(60)
    y[[3, 30]] = NAN
    before = y.tobytes()
    forecast_of(y, JobSpec())
    assert y.tobytes() == before


def test_models_are_fitted_to_filled_missing_weeks() -> None:
    y = seasonal(110)
    y[[0, 1, 40, 41, 70, 109]] = NAN
    models = [name for name in QUICK if name != "Auto"]  # Auto also backtests, and must not score filled weeks
    found, filled = (forecast_of(seen, plain_spec(*models)).forecasts for seen in (y, histories_of(y).at(108).y))
    for name in models:
        np.testing.assert_array_equal(found[name].mean, filled[name].mean)


@pytest.mark.few(1)
@pytest.mark.parametrize("n_missing", [13, 26, 39])
def test_missing_weeks_at_the_end_do_not_narrow_intervals(n_missing: int) -> None:
    """They are filled with the last week, so Naive would forecast them without error."""
    y = np.random.default_rng(3).normal(100, 20, 160)
    until = forecast_of(y[: 160 - n_missing], plain_spec("Auto", "Naive"))
    y[-n_missing:] = NAN
    found = forecast_of(y, plain_spec("Auto", "Naive"))
    weights = {c["model"]: c["weight"] for c in found.provenance["models"]["Auto"]["candidates"]}
    assert weights["Naive"] < 0.1
    for name in ("Auto", "Naive"):
        width, before = (np.mean(r.forecasts[name].hi - r.forecasts[name].lo) for r in (found, until))
        assert width == pytest.approx(before, rel=0.4)


def test_filled_weeks_are_not_scored() -> None:
    y = seasonal(156)
    y[118:140] = NAN
    found = forecast_of(y, plain_spec("Auto", "Naive")).provenance["models"]
    assert found["Auto"]["weeks_ago"] == [13, 52] and found["Naive"]["weeks_ago"] == [13]


# Irregular histories


IRREGULAR = {
    "constant": np.full(120, 7.0),
    "all zero": np.zeros(120),
    "zeros, then one sale": np.append(np.zeros(119), 40.0),
    "one sale, then zeros": np.append(40.0, np.zeros(119)),
    "intermittent": (np.arange(120) % 9 == 0) * 3.0,
    "negative": -seasonal(120),
    "falling below zero": np.linspace(100, -80, 120),
    "fractions": seasonal(120) / 1_000,
    "millions": seasonal(120) * 1e6,
    "one huge week": np.append(seasonal(119), 1e9),
    "a step": np.repeat([5.0, 500.0], 60),
    "two weeks": np.array([0.0, 0.0]),
}


FEW = ("zeros, then one sale", "intermittent", "falling below zero", "one huge week", "two weeks")


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "y", [pytest.param(y, id=name, marks=() if name in FEW else pytest.mark.full) for name, y in IRREGULAR.items()]
)
def test_every_model_forecasts_irregular_histories(y: np.ndarray) -> None:
    result = forecast_of(y, JobSpec(models=MODEL_NAMES, n_windows=1))
    assert list(result.forecasts) == list(MODEL_NAMES)
    for forecast in result.forecasts.values():
        assert_sound(forecast, h=13, n_levels=2)


@pytest.mark.parametrize("n_weeks", [4, 30, 120])
def test_item_without_sales_is_forecast_as_zero(n_weeks: int) -> None:
    forecast = forecast_of(np.zeros(n_weeks), plain_spec("Auto")).forecasts["Auto"]
    assert not forecast.mean.any()


def test_constant_series_is_forecast_as_constant() -> None:
    models = [name for name in MODEL_NAMES if name != "CrostonSBA"]  # its bias correction lowers the forecast by 5 %
    for forecast in forecast_of(np.full(120, 7.0), plain_spec(*models)).forecasts.values():
        np.testing.assert_allclose(forecast.mean, 7.0, rtol=0.02)


@pytest.mark.few(1)
@pytest.mark.parametrize("n_weeks", [5, 30, 120])
def test_returns_only_are_forecast_as_zero(n_weeks: int) -> None:
    for forecast in forecast_of(-seasonal(n_weeks) - 1, plain_spec()).forecasts.values():
        assert not forecast.mean.any()


# Failing models


def raise_boom(history: History) -> Any:
    raise RuntimeError("boom")


def refuse(history: History) -> Any:
    raise CannotFit("it is Monday")


def answer_with(mean: float) -> Fit:
    return lambda history: np.full(history.h, mean)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (raise_boom, "RuntimeError: boom"),
        (refuse, "it is Monday"),
        (answer_with(NAN), "its forecast is not finite"),
        (answer_with(math.inf), "its forecast is not finite"),
        (answer_with(1e6), "its forecast is over 100 times the largest week"),
    ],
    ids=["raises", "refuses", "NaN", "infinite", "huge"],
)
def test_failing_model_uses_its_fallback_with_a_note(replace_fit, answer, reason: str) -> None:
    replace_fit("MSTL", answer)
    result = forecast_of(seasonal(120), plain_spec("MSTL", "AutoETS"))
    assert result.note == f"MSTL gave no forecast ({reason})"
    assert (result.forecasts["MSTL"].made_by, result.forecasts["MSTL"].is_fallback) == ("AutoETS", True)
    assert_sound(result.forecasts["MSTL"], h=13, n_levels=2)
    assert not result.forecasts["AutoETS"].is_fallback


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["AutoCES", "RidgeAR-FL", "IMAPA"])
def test_auto_leaves_out_a_failing_candidate(replace_fit, name: str) -> None:
    replace_fit(name, raise_boom)
    result = forecast_of(seasonal(160), plain_spec("Auto"))
    assert name not in {c["model"] for c in result.provenance["models"]["Auto"]["candidates"]}
    assert_sound(result.forecasts["Auto"], h=13, n_levels=2)


def test_failing_fallback_uses_its_own_fallback(replace_fit) -> None:
    replace_fit("AutoETS", raise_boom)
    result = forecast_of(seasonal(60), plain_spec("AutoETS"))
    assert result.forecasts["AutoETS"].made_by == "WindowAverage"
    assert "AutoETS gave no forecast (RuntimeError: boom)" in result.note


def test_median_leaves_out_a_failing_model(replace_fit) -> None:
    y = seasonal(120)
    whole = forecast_of(y, plain_spec(*MEDIAN_MODELS))
    replace_fit("MSTL", raise_boom)
    median = forecast_of(y, plain_spec("Median")).forecasts["Median"]
    others = [whole.forecasts[name].mean for name in MEDIAN_MODELS if name != "MSTL"]
    np.testing.assert_array_equal(median.mean, np.median(others, axis=0))
    assert median.is_fallback
    assert "MSTL" not in median.made_by


def test_note_names_short_history_and_failures(replace_fit) -> None:
    replace_fit("AutoETS", raise_boom)
    note = forecast_of(seasonal(30), plain_spec("AutoETS", "MSTL")).note
    assert note == "a history of 30 weeks is too short for MSTL; AutoETS gave no forecast (RuntimeError: boom)"


def test_negative_forecast_becomes_zero(replace_fit) -> None:
    replace_fit("MSTL", answer_with(mean=-10.0))
    forecast = forecast_of(seasonal(120), plain_spec("MSTL")).forecasts["MSTL"]
    assert not forecast.mean.any()
    assert not forecast.lo.any()
    assert not forecast.is_fallback


# Reproducibility


@pytest.mark.few(1)
@pytest.mark.parametrize("n_weeks", [3, 40, 120])
def test_same_history_gives_the_same_bytes(n_weeks: int) -> None:
    spec = JobSpec(models=QUICK)
    one, two = (forecast_of(seasonal(n_weeks), spec) for _ in range(2))
    assert bytes_of(one) == bytes_of(two)
    assert comparable(one) == comparable(two)
    assert one.provenance == two.provenance
    assert one.note == two.note


def test_order_of_items_does_not_matter() -> None:
    items = [seasonal(120, seed) for seed in (1, 2, 3)]
    forward = [bytes_of(forecast_of(y, plain_spec("Auto"))) for y in items]
    backward = [bytes_of(forecast_of(y, plain_spec("Auto"))) for y in reversed(items)]
    assert forward == backward[::-1]
    assert len({found["Auto"] for found in forward}) == 3


def test_forecast_does_not_depend_on_the_other_models(three_years: ItemForecast) -> None:
    together = bytes_of(three_years)
    for name in reversed(QUICK):
        alone = forecast_of(seasonal(156), plain_spec(name, level=(50, 80, 95)))
        assert bytes_of(alone)[name] == together[name]


# The median


def test_median_is_the_median_of_all_models_week_by_week(three_years: ItemForecast) -> None:
    median = three_years.forecasts["Median"]
    singles = [three_years.forecasts[name] for name in MEDIAN_MODELS]
    np.testing.assert_array_equal(median.mean, np.median([f.mean for f in singles], axis=0))
    assert median.made_by == f"{MEDIAN} of {', '.join(MEDIAN_MODELS)}"


def test_median_of_a_short_history_uses_distinct_models() -> None:
    result = forecast_of(seasonal(30), plain_spec("Median", "AutoETS", "DynamicOptimizedTheta", "AutoCES"))
    singles = [result.forecasts[name].mean for name in ("AutoETS", "DynamicOptimizedTheta", "AutoCES")]
    np.testing.assert_array_equal(result.forecasts["Median"].mean, np.median(singles, axis=0))


# Backtests


def comparable(result: ItemForecast) -> list[Any]:
    """The backtests as bytes and text that can be compared, including NaN."""
    return [(b.model, b.cutoff, b.forecast.mean.tobytes(), repr(b.accuracy)) for b in result.backtests]


def backtests_of(y: np.ndarray, *models: str, **options: Any) -> dict[tuple[str, int], Backtest]:
    result = forecast_of(y, JobSpec(models=models or ("Auto",), **options))
    return {(b.model, (LAST_WEEK - b.cutoff).days // 7): b for b in result.backtests}


def test_models_and_benchmarks_are_measured_on_adjacent_windows() -> None:
    found = backtests_of(seasonal(120), "AutoETS", n_windows=2)
    assert list(found) == [(name, weeks) for name in ("AutoETS", "SeasonalNaive", "Naive") for weeks in (13, 26)]
    found = backtests_of(seasonal(120), "Naive", "AutoETS", n_windows=1)
    assert list(found) == [(name, 13) for name in ("Naive", "AutoETS", "SeasonalNaive")]


def test_windows_before_the_history_are_left_out() -> None:
    assert {weeks for _, weeks in backtests_of(seasonal(60), "AutoETS", n_windows=12)} == {13, 26, 39}
    assert backtests_of(seasonal(25), "AutoETS", n_windows=12) == {}


def test_backtest_has_the_units_sold() -> None:
    y = seasonal(120)
    found = backtests_of(y, "AutoETS", n_windows=2)
    np.testing.assert_array_equal(found["AutoETS", 13].y, y[-13:])
    np.testing.assert_array_equal(found["AutoETS", 26].y, y[-26:-13])


@pytest.mark.full
@pytest.mark.parametrize("weeks_ago", [13, 26])
def test_backtest_ignores_weeks_after_the_cutoff(weeks_ago: int) -> None:
    """A jump after a cutoff does not change forecasts and bounds at that cutoff or before."""
    y = seasonal(200)
    jumped = y.copy()
    jumped[-weeks_ago:] = 30 * jumped[-weeks_ago:] + 10_000
    models = (*QUICK, "AutoARIMA")
    calm, shaken = (backtests_of(seen, *models, n_windows=3) for seen in (y, jumped))
    assert list(calm) == list(shaken) == [(name, weeks) for name in models for weeks in (13, 26, 39)]
    for name in models:
        for weeks in (26, 39) if weeks_ago == 26 else (13, 26, 39):
            one, other = calm[name, weeks].forecast, shaken[name, weeks].forecast
            assert one.made_by == other.made_by
            assert all(getattr(one, part).tobytes() == getattr(other, part).tobytes() for part in ("mean", "lo", "hi"))


@pytest.mark.few(1)
@pytest.mark.parametrize("n_weeks", [110, 200])
def test_backtest_of_auto_equals_its_forecast_at_the_cutoff(n_weeks: int) -> None:
    y = seasonal(n_weeks)
    for (_, weeks), backtest in backtests_of(y, n_windows=3).items():
        if backtest.model == "Auto":
            then = forecast_of(y[:-weeks], plain_spec("Auto", h=HOLDOUT_WEEKS)).forecasts["Auto"]
            assert bytes_of_forecast(backtest.forecast) == bytes_of_forecast(then)
            assert backtest.forecast.made_by == then.made_by


def test_gap_across_a_cutoff_is_not_filled_from_later_weeks() -> None:
    y = seasonal(120)
    y[105:110] = NAN
    other = y.copy()
    other[110:] *= 10
    one, two = (backtests_of(seen, "AutoETS", n_windows=1)["AutoETS", 13].forecast for seen in (y, other))
    assert bytes_of_forecast(one) == bytes_of_forecast(two)


def bytes_of_forecast(forecast: Forecast) -> bytes:
    return forecast.mean.tobytes() + forecast.lo.tobytes() + forecast.hi.tobytes()


def test_accuracy_is_measured_on_the_window_and_scaled_by_the_weeks_before() -> None:
    y = seasonal(120)
    backtest = backtests_of(y, "AutoETS", level=(80, 95))["AutoETS", 26]
    f = backtest.forecast
    assert backtest.accuracy == accuracy.measure(y[-26:-13], f.mean, f.lo, f.hi, (80, 95), y[:-26])
    assert backtest.accuracy.abs_error == pytest.approx(np.abs(f.mean - y[-26:-13]).sum())


def test_missing_weeks_are_not_scored() -> None:
    y = seasonal(156)
    y[[-1, -5]] = NAN
    backtest = backtests_of(y)["Auto", 13]
    assert backtest.accuracy.n_weeks == HOLDOUT_WEEKS - 2
    assert np.isnan(backtest.y[[-1, -5]]).all() and backtest.accuracy.actual == np.nansum(backtest.y)


def test_horizon_of_the_run_does_not_change_the_backtests() -> None:
    y = seasonal(120)
    one, two = (forecast_of(y, JobSpec(h=h)) for h in (4, 52))
    assert comparable(one) == comparable(two)


def test_benchmark_without_a_year_of_history_is_marked_as_fallback() -> None:
    forecast = backtests_of(seasonal(52 + HOLDOUT_WEEKS - 1), "AutoETS")["SeasonalNaive", 13].forecast
    assert (forecast.made_by, forecast.is_fallback) == ("Naive", True)


def test_accuracy_is_undefined_when_nothing_was_sold() -> None:
    y = seasonal(120)
    y[-HOLDOUT_WEEKS:] = 0
    found = backtests_of(y, "SeasonalNaive")["SeasonalNaive", 13].accuracy
    assert math.isnan(found.wape) and math.isnan(found.bias) and math.isnan(found.scaled_crps)
    assert found.actual == 0
    assert found.abs_error == pytest.approx(found.error) and found.error > 0
    assert found.mase > 0


def test_perfect_forecast_scores_zero() -> None:
    y = np.tile(np.arange(52.0) + 1, 3)
    found = backtests_of(y, "SeasonalNaive")["SeasonalNaive", 13].accuracy
    assert (found.wape, found.bias, found.abs_error, found.mase, found.rmsse) == (0, 0, 0, 0, 0)


# Windows of intervals


@pytest.mark.few(1)
@pytest.mark.parametrize("n_windows", [0, 1, 5])
def test_intervals_come_from_windows_before(n_windows: int) -> None:
    spec = JobSpec(models=("AutoETS", "Auto"), n_windows=n_windows)
    models = forecast_of(seasonal(156), spec).provenance["models"]
    assert models["AutoETS"]["weeks_ago"] == [13, 26] and models["Auto"]["weeks_ago"] == [13, 26, 39, 52]
    assert (INTERVAL_WINDOWS, AUTO_WINDOWS) == (2, 4)


@pytest.mark.few(1)
@pytest.mark.parametrize("model", ["AutoETS", "SeasonalNaive", "Median"])
def test_backtest_equals_the_forecast_at_the_cutoff(model: str) -> None:
    y = seasonal(130)
    for n_windows in (1, 3):
        for (name, weeks), backtest in backtests_of(y, model, n_windows=n_windows).items():
            if name == model:
                then = forecast_of(y[:-weeks], plain_spec(model, h=HOLDOUT_WEEKS)).forecasts[model]
                assert bytes_of_forecast(backtest.forecast) == bytes_of_forecast(then)


@pytest.mark.parametrize(("n_windows", "n_fits"), [(0, 3), (1, 4), (3, 6)])
def test_model_is_fitted_for_each_window_and_two_earlier_ones(n_windows: int, n_fits: int) -> None:
    fitted: list[str] = []
    forecast_of(seasonal(156), JobSpec(models=("AutoETS",), n_windows=n_windows), fitted.append)
    assert fitted.count("AutoETS") == n_fits


def test_without_levels_no_earlier_windows_are_fitted() -> None:
    fitted: list[str] = []
    forecast_of(seasonal(156), JobSpec(models=("AutoETS",), n_windows=1, level=()), fitted.append)
    assert fitted.count("AutoETS") == 2
    fitted.clear()
    forecast_of(seasonal(156), JobSpec(models=("AutoETS",), n_windows=0, level=()), fitted.append)
    assert fitted == ["AutoETS"]


# Provenance


def test_provenance_has_models_windows_and_candidates() -> None:
    result = forecast_of(seasonal(156), JobSpec(models=("Auto", "MSTL"), n_windows=2))
    found = json.loads(json.dumps(result.provenance))
    assert set(found) == {"catalogue", "statsforecast", "models"} and found["statsforecast"][0].isdigit()
    auto, mstl = found["models"]["Auto"], found["models"]["MSTL"]
    assert (mstl["made_by"], mstl["fallback"], mstl["weeks_ago"]) == ("MSTL", None, [13, 26])
    assert auto["made_by"] == result.forecasts["Auto"].made_by and auto["fallback"] is None
    assert (auto["demand_class"], auto["loss"], auto["weeks_ago"]) == ("smooth", "absolute", [13, 26, 39, 52])
    assert sum(c["weight"] for c in auto["candidates"]) == pytest.approx(1, abs=1e-3)
    assert all(len(c["forecast"]) == 13 and c["score"] > 0 for c in auto["candidates"])


def test_candidates_are_measured_on_the_same_windows() -> None:
    y = seasonal(156)
    result = forecast_of(y, JobSpec(models=("Auto",), n_windows=2))
    naive = next(c for c in result.provenance["models"]["Auto"]["candidates"] if c["model"] == "Naive")
    sums = [b.accuracy for b in result.backtests if b.model == "Naive"]
    assert naive["n_weeks"] == 26
    for key in ("abs_error", "error", "actual"):
        assert naive[key] == pytest.approx(sum(getattr(a, key) for a in sums), rel=1e-4)
    assert naive["forecast"] == [pytest.approx(y[-1], rel=1e-4)] * 13


@pytest.mark.parametrize("n_weeks", [40, 60, 120])
def test_note_names_requested_models_only(n_weeks: int) -> None:
    assert "is too short for" not in forecast_of(seasonal(n_weeks), plain_spec("Auto")).note
    found = forecast_of(seasonal(n_weeks), plain_spec("Auto", "MSTL"))
    assert ("a history of 40 weeks is too short for MSTL" in found.note) == (n_weeks == 40)
    if n_weeks == 60:
        assert found.provenance["models"]["MSTL"]["fallback"] == "a history of 60 weeks is too short for MSTL"


def test_provenance_of_a_fallback_has_the_reason() -> None:
    models = forecast_of(seasonal(30), JobSpec(models=("MSTL",))).provenance["models"]
    assert models["MSTL"]["made_by"] == "AutoETS"
    assert models["MSTL"]["fallback"] == "a history of 30 weeks is too short for MSTL"
    models = forecast_of(seasonal(5), JobSpec()).provenance["models"]
    assert models["Auto"]["made_by"] == "Mean"
    assert models["Auto"]["fallback"] == "Auto: history of only 5 weeks; their mean is used"
    assert models["Auto"]["candidates"] == []
