"""What a forecast of one item promises, whatever its history: shape, bounds, fallbacks told, the same every time."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fcst.compute.forecasting import (
    MIN_TRAINING_WEEKS,
    RECENT_WEEKS,
    Forecast,
    ItemForecast,
    Score,
    fill_missing,
    forecast_item,
)
from fcst.compute.models import CATALOGUE, MEDIAN, MODEL_NAMES, Fit
from fcst.errors import ComputeError
from fcst.names import HOLDOUT_WEEKS
from fcst.specs import JobSpec

NAN = math.nan


def seasonal(n_weeks: int, seed: int = 1) -> np.ndarray:
    weeks = np.arange(n_weeks)
    noise = np.random.default_rng(seed).normal(0, 6, n_weeks)
    return np.maximum(np.round(60 + 25 * np.sin(2 * np.pi * weeks / 52) + noise), 0)


def plain_spec(*models: str, **options: Any) -> JobSpec:
    """A spec without the held-out weeks."""
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
    return forecast_item(seasonal(156), plain_spec(level=(50, 80, 95)))


@pytest.fixture(scope="module")
def four_years() -> ItemForecast:
    return forecast_item(seasonal(208), plain_spec(h=52))


@pytest.fixture
def replace_fit(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[..., Any]], None]:
    """Puts a library model that answers as told in the place of a model's own fit."""

    def replace(name: str, answer: Callable[..., Any]) -> None:
        class Foreign:
            def forecast(self, **asked: Any) -> Any:
                return answer(**asked)

        model = CATALOGUE[name]
        fit = Fit(model.fits[0].made_by, model.fits[0].min_history, Foreign)
        monkeypatch.setitem(CATALOGUE, name, dataclasses.replace(model, fits=(fit, *model.fits[1:])))

    return replace


# Shape and bounds


@pytest.mark.parametrize("model", MODEL_NAMES)
def test_seasonal_series_gets_a_sound_forecast_by_the_model_itself(three_years: ItemForecast, model: str) -> None:
    forecast = three_years.forecasts[model]
    assert_sound(forecast, h=13, n_levels=3)
    assert not forecast.is_fallback
    assert three_years.note == ""


@pytest.mark.parametrize("model", [name for name in MODEL_NAMES if name != "AutoETS"])
def test_seasonal_model_follows_the_season(four_years: ItemForecast, model: str) -> None:
    assert np.corrcoef(four_years.forecasts[model].mean, seasonal(208)[-52:])[0, 1] > 0.8


def test_model_without_a_season_goes_one_way(four_years: ItemForecast) -> None:
    steps = np.diff(four_years.forecasts["AutoETS"].mean)
    assert (steps >= 0).all() or (steps <= 0).all()


def test_seasonal_naive_repeats_last_year() -> None:
    y = seasonal(120)
    forecast = forecast_item(y, plain_spec("SeasonalNaive", h=60)).forecasts["SeasonalNaive"]
    np.testing.assert_allclose(forecast.mean, np.concatenate([y[-52:], y[-52:-44]]))


@pytest.mark.parametrize("h", [1, 13, 104])
def test_horizon_is_as_asked(h: int) -> None:
    result = forecast_item(seasonal(110), plain_spec(h=h))
    for forecast in result.forecasts.values():
        assert_sound(forecast, h=h, n_levels=2)


@pytest.mark.parametrize("level", [(), (80,), (1, 50, 99)])
@pytest.mark.parametrize("n_weeks", [3, 40, 110])
def test_levels_are_as_asked(level: tuple[int, ...], n_weeks: int) -> None:
    result = forecast_item(seasonal(n_weeks), plain_spec(level=level, h=4))
    for forecast in result.forecasts.values():
        assert_sound(forecast, h=4, n_levels=len(level))


def test_levels_do_not_change_the_forecast() -> None:
    y = seasonal(110)
    without, with_levels = (forecast_item(y, plain_spec(level=level)) for level in ((), (80, 95)))
    for name in MODEL_NAMES:
        np.testing.assert_allclose(without.forecasts[name].mean, with_levels.forecasts[name].mean)


def test_bounds_hold_about_as_many_weeks_as_they_say() -> None:
    """On a series that is nothing but noise, of the last mean 100 and the deviation 10."""
    rng = np.random.default_rng(5)
    held = [
        (forecast.lo <= truth) & (truth <= forecast.hi)
        for _ in range(40)
        for truth in [rng.normal(100, 10, 13)]
        for forecast in [forecast_item(rng.normal(100, 10, 60), plain_spec("AutoETS")).forecasts["AutoETS"]]
    ]
    share = np.mean(held, axis=(0, 2))
    assert share == pytest.approx([0.80, 0.95], abs=0.06)


def test_only_the_models_asked_for_are_there_in_that_order() -> None:
    result = forecast_item(seasonal(60), plain_spec("MSTL", "Auto", "AutoETS"))
    assert list(result.forecasts) == ["MSTL", "Auto", "AutoETS"]


# Short histories


SHORT = {
    1: ("RecentMean", "RecentMean", "RecentMean", "RecentMean", "RecentMean"),
    5: ("Naive", "RecentMean", "RecentMean", "RecentMean", "RecentMean"),
    9: ("Naive", "RecentMean", "RecentMean", "RecentMean", "RecentMean"),
    10: ("Naive", "AutoETS", "DynamicOptimizedTheta(1)", "AutoETS", "AutoETS"),
    17: ("Naive", "AutoETS", "DynamicOptimizedTheta(1)", "AutoETS", "AutoETS"),
    30: ("Naive", "AutoETS", "DynamicOptimizedTheta(1)", "AutoCES(1)", "AutoETS"),
    60: ("SeasonalNaive", "AutoETS", "DynamicOptimizedTheta(1)", "AutoCES(1)", "AutoETS"),
    103: ("SeasonalNaive", "AutoETS", "DynamicOptimizedTheta(1)", "AutoCES(1)", "AutoETS"),
    104: ("SeasonalNaive", "AutoETS", "DynamicOptimizedTheta", "AutoCES", "MSTL"),
}
SHORT_HISTORY = pytest.mark.parametrize("n_weeks", SHORT)


@SHORT_HISTORY
def test_short_history_uses_the_stated_fallbacks_and_says_so(n_weeks: int) -> None:
    result = forecast_item(seasonal(n_weeks), plain_spec(*CATALOGUE))
    made_by = {name: forecast.made_by for name, forecast in result.forecasts.items()}
    assert made_by == dict(zip(CATALOGUE, SHORT[n_weeks], strict=True))
    for name, forecast in result.forecasts.items():
        assert forecast.is_fallback == (forecast.made_by != name)
        assert_sound(forecast, h=13, n_levels=2)


@SHORT_HISTORY
def test_note_names_what_the_history_is_too_short_for(n_weeks: int) -> None:
    note = forecast_item(seasonal(n_weeks), plain_spec(*CATALOGUE)).note
    if n_weeks >= 104:
        assert note == ""
    else:
        assert note.startswith(f"a history of {n_weeks} weeks is too short for ")
        assert all((name in note) for name, made_by in zip(CATALOGUE, SHORT[n_weeks], strict=True) if name != made_by)


@SHORT_HISTORY
def test_combination_counts_a_shared_fallback_once(n_weeks: int) -> None:
    combined = forecast_item(seasonal(n_weeks), plain_spec("Median")).forecasts["Median"]
    members = [name for name in dict.fromkeys(SHORT[n_weeks]) if name not in ("Naive", "RecentMean")] or ["RecentMean"]
    expected = f"Median of {', '.join(members)}" if len(members) > 1 else members[0]
    assert combined.made_by == expected
    assert combined.is_fallback == (n_weeks < 104)
    assert_sound(combined, h=13, n_levels=2)


def test_recent_mean_is_the_mean_of_the_last_weeks() -> None:
    forecast = forecast_item(np.array([1000.0, 4, 8]), plain_spec("AutoETS", h=2, level=(80,))).forecasts["AutoETS"]
    assert forecast.made_by == "RecentMean"
    assert forecast.mean.tolist() == [pytest.approx(1012 / 3)] * 2
    y = np.concatenate([[1000.0], np.arange(1.0, RECENT_WEEKS + 1)])
    assert forecast_item(y, plain_spec("AutoETS")).forecasts["AutoETS"].mean[0] == pytest.approx(4.5)


def test_recent_mean_is_as_uncertain_as_poisson_demand_at_least() -> None:
    forecast = forecast_item(np.full(5, 16.0), plain_spec("AutoETS", h=1, level=(95,))).forecasts["AutoETS"]
    assert forecast.lo[0, 0] == pytest.approx(16 - 1.959964 * 4)
    assert forecast.hi[0, 0] == pytest.approx(16 + 1.959964 * 4)


# Missing weeks


def test_missing_weeks_are_interpolated() -> None:
    assert fill_missing(np.array([1.0, NAN, NAN, 4.0])).tolist() == [1, 2, 3, 4]


def test_leading_missing_weeks_are_cut_off() -> None:
    assert fill_missing(np.array([NAN, NAN, 3.0, NAN, 5.0])).tolist() == [3, 4, 5]


def test_trailing_missing_weeks_keep_the_last_known_value() -> None:
    assert fill_missing(np.array([1.0, 2.0, NAN, NAN])).tolist() == [1, 2, 2, 2]


def test_history_of_the_caller_is_left_alone() -> None:
    y = seasonal(60)
    y[[3, 30]] = NAN
    before = y.tobytes()
    forecast_item(y, JobSpec())
    assert y.tobytes() == before


def test_forecast_with_missing_weeks_is_that_of_the_filled_history() -> None:
    y = seasonal(110)
    y[[0, 1, 40, 41, 70, 109]] = NAN
    spec = plain_spec()
    assert bytes_of(forecast_item(y, spec)) == bytes_of(forecast_item(fill_missing(y), spec))


@pytest.mark.parametrize("y", [[NAN, NAN, NAN], []], ids=["all missing", "empty"])
def test_history_without_a_known_week_is_an_error_that_says_what_to_do(y: list[float]) -> None:
    with pytest.raises(ComputeError, match="No week of its history is known") as caught:
        forecast_item(np.array(y, dtype=float), JobSpec())
    assert "promotions" in caught.value.hint


# Strange histories


STRANGE = {
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


@pytest.mark.parametrize("y", STRANGE.values(), ids=STRANGE)
def test_strange_history_gets_a_sound_forecast_by_every_model(y: np.ndarray) -> None:
    result = forecast_item(y, JobSpec(models=MODEL_NAMES))
    assert list(result.forecasts) == list(MODEL_NAMES)
    for forecast in result.forecasts.values():
        assert_sound(forecast, h=13, n_levels=2)


@pytest.mark.parametrize("n_weeks", [4, 30, 120])
def test_item_that_never_sells_is_forecast_to_sell_nothing(n_weeks: int) -> None:
    forecast = forecast_item(np.zeros(n_weeks), plain_spec("Auto")).forecasts["Auto"]
    assert not forecast.mean.any()


def test_constant_series_is_forecast_to_stay() -> None:
    for forecast in forecast_item(np.full(120, 7.0), plain_spec()).forecasts.values():
        np.testing.assert_allclose(forecast.mean, 7.0, rtol=0.02)


@pytest.mark.parametrize("n_weeks", [5, 30, 120])
def test_nothing_but_returns_is_forecast_as_nothing(n_weeks: int) -> None:
    for forecast in forecast_item(-seasonal(n_weeks) - 1, plain_spec()).forecasts.values():
        assert not forecast.mean.any()


# A foreign library that fails


def raise_boom(**asked: Any) -> Any:
    raise RuntimeError("boom")


def answer_with(mean: float, bound: float) -> Callable[..., Any]:
    def answer(h: int, level: list[int] | None, **asked: Any) -> dict[str, np.ndarray]:
        bounds = {f"{side}-{p}": np.full(h, bound) for p in level or [] for side in ("lo", "hi")}
        return {"mean": np.full(h, mean), **bounds}

    return answer


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (raise_boom, "RuntimeError: boom"),
        (answer_with(NAN, 5.0), "its forecast is not finite"),
        (answer_with(math.inf, 5.0), "its forecast is not finite"),
        (answer_with(5.0, NAN), "its forecast is not finite"),
    ],
    ids=["raises", "NaN", "infinite", "NaN bounds"],
)
def test_model_that_fails_is_replaced_and_the_note_says_why(replace_fit, answer, reason: str) -> None:
    replace_fit("MSTL", answer)
    result = forecast_item(seasonal(120), plain_spec("MSTL", "AutoETS"))
    assert result.note == f"MSTL gave no forecast ({reason})"
    assert (result.forecasts["MSTL"].made_by, result.forecasts["MSTL"].is_fallback) == ("AutoETS", True)
    assert_sound(result.forecasts["MSTL"], h=13, n_levels=2)
    assert not result.forecasts["AutoETS"].is_fallback


def test_failing_fallback_hands_on_to_the_next(replace_fit) -> None:
    replace_fit("AutoETS", raise_boom)
    result = forecast_item(seasonal(60), plain_spec("AutoETS"))
    assert result.forecasts["AutoETS"].made_by == "RecentMean"
    assert "AutoETS gave no forecast (RuntimeError: boom)" in result.note


def test_failing_member_leaves_the_median_of_the_others(replace_fit) -> None:
    y = seasonal(120)
    whole = forecast_item(y, plain_spec(*CATALOGUE))
    replace_fit("MSTL", raise_boom)
    median = forecast_item(y, plain_spec("Median")).forecasts["Median"]
    others = [whole.forecasts[name].mean for name in CATALOGUE if name != "MSTL"]
    np.testing.assert_array_equal(median.mean, np.median(others, axis=0))
    assert median.is_fallback
    assert "MSTL" not in median.made_by


def test_note_tells_of_short_history_and_of_failures(replace_fit) -> None:
    replace_fit("AutoETS", raise_boom)
    note = forecast_item(seasonal(30), plain_spec("AutoETS", "MSTL")).note
    assert note == "a history of 30 weeks is too short for MSTL; AutoETS gave no forecast (RuntimeError: boom)"


def test_bounds_that_do_not_hold_the_forecast_are_widened(replace_fit) -> None:
    replace_fit("MSTL", answer_with(mean=10.0, bound=25.0))
    forecast = forecast_item(seasonal(120), plain_spec("MSTL")).forecasts["MSTL"]
    assert (forecast.lo == 10).all()
    assert (forecast.hi == 25).all()


def test_negative_forecast_becomes_zero(replace_fit) -> None:
    replace_fit("MSTL", answer_with(mean=-10.0, bound=-5.0))
    forecast = forecast_item(seasonal(120), plain_spec("MSTL")).forecasts["MSTL"]
    assert not forecast.mean.any()
    assert not forecast.hi.any()
    assert not forecast.is_fallback


# The same every time


@pytest.mark.parametrize("n_weeks", [3, 40, 120])
def test_same_history_gives_the_same_bytes(n_weeks: int) -> None:
    spec = JobSpec(models=MODEL_NAMES)
    one, two = (forecast_item(seasonal(n_weeks), spec) for _ in range(2))
    assert bytes_of(one) == bytes_of(two)
    assert one.scores == two.scores
    assert one.note == two.note


def test_order_of_items_does_not_matter() -> None:
    items = [seasonal(120, seed) for seed in (1, 2, 3)]
    forward = [bytes_of(forecast_item(y, plain_spec("Auto"))) for y in items]
    backward = [bytes_of(forecast_item(y, plain_spec("Auto"))) for y in reversed(items)]
    assert forward == backward[::-1]
    assert len({found["Auto"] for found in forward}) == 3


def test_other_models_asked_for_do_not_matter(three_years: ItemForecast) -> None:
    together = bytes_of(three_years)
    for name in reversed(MODEL_NAMES):
        alone = forecast_item(seasonal(156), plain_spec(name, level=(50, 80, 95)))
        assert bytes_of(alone)[name] == together[name]


# The median


def test_median_is_the_median_of_all_models_week_by_week(three_years: ItemForecast) -> None:
    median = three_years.forecasts["Median"]
    members = [three_years.forecasts[member] for member in CATALOGUE]
    np.testing.assert_array_equal(median.mean, np.median([f.mean for f in members], axis=0))
    lo, hi = (np.median([getattr(f, side) for f in members], axis=0) for side in ("lo", "hi"))
    np.testing.assert_array_equal(median.lo, np.minimum(lo, median.mean))
    np.testing.assert_array_equal(median.hi, np.maximum(hi, median.mean))
    assert median.made_by == f"{MEDIAN} of {', '.join(CATALOGUE)}"


def test_median_of_a_short_history_is_that_of_its_different_members() -> None:
    result = forecast_item(seasonal(30), plain_spec("Median", "AutoETS", "DynamicOptimizedTheta", "AutoCES"))
    members = [result.forecasts[name].mean for name in ("AutoETS", "DynamicOptimizedTheta", "AutoCES")]
    np.testing.assert_array_equal(result.forecasts["Median"].mean, np.median(members, axis=0))


# Accuracy on held-out weeks


def scores_of(y: np.ndarray, *models: str, **options: Any) -> dict[str, Score]:
    return {score.model: score for score in forecast_item(y, JobSpec(models=models or ("Auto",), **options)).scores}


def test_held_out_weeks_are_not_seen() -> None:
    y = seasonal(156)
    jump = y.copy()
    jump[-HOLDOUT_WEEKS:] += 10_000
    calm, shaken = scores_of(y, *CATALOGUE), scores_of(jump, *CATALOGUE)
    assert list(calm) == list(CATALOGUE)
    for name, score in calm.items():
        forecast_sum = score.error + score.actual
        assert shaken[name].error + shaken[name].actual == pytest.approx(forecast_sum, rel=1e-9)
        assert shaken[name].made_by == score.made_by


def test_score_is_that_of_a_forecast_made_at_the_cutoff() -> None:
    y = seasonal(156)
    train, held_out = y[:-HOLDOUT_WEEKS], y[-HOLDOUT_WEEKS:]
    forecast = forecast_item(train, plain_spec("Auto", h=HOLDOUT_WEEKS, level=())).forecasts["Auto"].mean
    score = scores_of(y)["Auto"]
    error = forecast - held_out
    assert score.abs_error == pytest.approx(np.abs(error).sum())
    assert score.error == pytest.approx(error.sum())
    assert score.actual == pytest.approx(held_out.sum())
    assert score.wape == pytest.approx(score.abs_error / score.actual)
    assert score.bias == pytest.approx(score.error / score.actual)
    assert (score.h, score.n_weeks) == (HOLDOUT_WEEKS, HOLDOUT_WEEKS)


def test_missing_held_out_weeks_are_not_scored() -> None:
    y = seasonal(156)
    gaps = y.copy()
    gaps[[-1, -5]] = NAN
    whole, scored = scores_of(y)["Auto"], scores_of(gaps)["Auto"]
    assert scored.n_weeks == HOLDOUT_WEEKS - 2
    assert scored.actual == pytest.approx(whole.actual - y[-1] - y[-5])


def test_horizon_of_the_run_does_not_change_the_scores() -> None:
    y = seasonal(120)
    assert scores_of(y, h=4) == scores_of(y, h=52)


def test_yardstick_is_scored_even_if_not_asked_for() -> None:
    assert list(scores_of(seasonal(120), "AutoETS")) == ["AutoETS", "SeasonalNaive"]
    assert list(scores_of(seasonal(120), "SeasonalNaive", "AutoETS")) == ["SeasonalNaive", "AutoETS"]


def test_yardstick_without_a_year_of_history_is_marked_as_a_fallback() -> None:
    score = scores_of(seasonal(52 + HOLDOUT_WEEKS - 1), "AutoETS")["SeasonalNaive"]
    assert (score.made_by, score.is_fallback) == ("Naive", True)


def test_held_out_weeks_can_be_left_out() -> None:
    assert scores_of(seasonal(120), n_windows=0) == {}


@pytest.mark.parametrize(
    ("n_weeks", "is_scored"), [(1, False), (HOLDOUT_WEEKS, False), (25, False), (26, True), (40, True)]
)
def test_too_short_a_history_is_not_scored(n_weeks: int, is_scored: bool) -> None:
    assert MIN_TRAINING_WEEKS + HOLDOUT_WEEKS == 26
    assert bool(scores_of(seasonal(n_weeks))) is is_scored


def test_missing_weeks_do_not_count_as_history_for_the_scores() -> None:
    y = seasonal(40)
    y[5 : 40 - HOLDOUT_WEEKS] = NAN
    assert scores_of(y) == {}


def test_held_out_weeks_that_are_all_missing_are_not_scored() -> None:
    y = seasonal(60)
    y[-HOLDOUT_WEEKS:] = NAN
    assert scores_of(y) == {}


def test_accuracy_is_undefined_when_nothing_was_sold() -> None:
    y = seasonal(120)
    y[-HOLDOUT_WEEKS:] = 0
    score = scores_of(y, "SeasonalNaive")["SeasonalNaive"]
    assert math.isnan(score.wape)
    assert math.isnan(score.bias)
    assert score.actual == 0
    assert score.abs_error == pytest.approx(score.error) and score.error > 0


def test_perfect_forecast_scores_zero() -> None:
    y = np.tile(np.arange(52.0) + 1, 3)
    score = scores_of(y, "SeasonalNaive")["SeasonalNaive"]
    assert (score.wape, score.bias, score.abs_error) == (0, 0, 0)
