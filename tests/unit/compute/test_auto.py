"""Auto: weights from backtests, reproducibility, irregular histories, no leakage after a cutoff."""

from datetime import date

import numpy as np
import pytest

from fcst.compute import auto
from fcst.compute.auto import AutoForecast, backtest_weights, rule_of, trimmed_mean
from fcst.compute.fits import Fits, NoFit
from fcst.compute.history import MAX_WEEKS, SeriesHistories
from fcst.compute.models import AUTO_MIN_TRAINING, AUTO_WINDOWS, auto_median, auto_pool
from fcst.compute.series import Series
from fcst.names import HOLDOUT_WEEKS

RNG = np.random.default_rng(7)
WEEKS = np.arange(240)
SEASONAL = np.maximum(60 + 25 * np.sin(2 * np.pi * WEEKS / 52.18) + RNG.normal(0, 4, 240), 0)
NOISE = RNG.gamma(4.0, 10.0, 240)
SPARSE = RNG.poisson(0.3, 240).astype(float)
PROMOTED = NOISE * np.where(RNG.random(240) < 0.08, 6.0, 1.0)


def histories_of(y: np.ndarray, h: int = 13) -> SeriesHistories:
    return SeriesHistories(Series("item", date(2024, 6, 1), y), h)


def auto_forecast(y: np.ndarray, h: int, level: tuple[int, ...]) -> AutoForecast:
    histories = histories_of(y, h)
    return auto.auto_forecast(histories, Fits(), histories.end, level)


def bytes_of(found: AutoForecast) -> bytes:
    return found.mean.tobytes() + found.lo.tobytes() + found.hi.tobytes()


# Forecasts and weights


def test_auto_follows_a_season_only_if_there_is_one() -> None:
    truth = 60 + 25 * np.sin(2 * np.pi * np.arange(240, 253) / 52.18)
    assert np.abs(auto_forecast(SEASONAL, 13, ()).mean - truth).mean() < 4
    steady = auto_forecast(NOISE, 13, ()).mean
    assert steady.mean() == pytest.approx(NOISE.mean(), rel=0.15) and np.ptp(steady) < 0.5 * NOISE.mean()


def test_weights_of_candidates_sum_to_one_and_are_sorted() -> None:
    found = auto_forecast(SEASONAL, 13, ())
    weights = {c.model: c.weight for c in found.candidates}
    assert sum(weights.values()) == pytest.approx(1)
    assert list(weights.values()) == sorted(weights.values(), reverse=True)
    assert set(weights) == set(rule_of("smooth", 240).pool), "every candidate could be fitted"
    assert weights["Naive"] < 1 / len(weights) / 2
    assert found.demand == "smooth" and found.loss == "absolute"


def test_scores_are_mean_errors_over_the_windows() -> None:
    found = auto_forecast(SEASONAL, 13, ())
    assert found.cutoffs == (227, 214, 201, 188)
    score = {c.model: c.score for c in found.candidates}
    naive = [np.abs(SEASONAL[c : c + 13] - SEASONAL[c - 1]).mean() for c in found.cutoffs]
    assert score["Naive"] == pytest.approx(np.mean(naive))


def test_scores_of_a_sparse_item_are_root_mean_squared() -> None:
    found = auto_forecast(SPARSE, 13, ())
    score = {c.model: c.score for c in found.candidates}
    naive = [((SPARSE[c : c + 13] - SPARSE[c - 1]) ** 2).mean() for c in found.cutoffs]
    assert found.loss == "squared" and score["Naive"] == pytest.approx(np.mean(naive) ** 0.5)


def test_forecast_of_a_sparse_item_is_near_its_mean() -> None:
    assert auto_forecast(SPARSE, 13, ()).mean.mean() == pytest.approx(SPARSE[-104:].mean(), rel=0.35)


def test_single_extreme_week_hardly_changes_the_forecast() -> None:
    spiked = SEASONAL.copy()
    spiked[150] = 1e6
    np.testing.assert_allclose(auto_forecast(spiked, 13, ()).mean, auto_forecast(SEASONAL, 13, ()).mean, rtol=0.25)


@pytest.mark.full
def test_only_the_last_ten_years_are_used() -> None:
    y = np.resize(SEASONAL, MAX_WEEKS + 40)
    assert bytes_of(auto_forecast(y, 4, (80,))) == bytes_of(auto_forecast(y[-MAX_WEEKS:], 4, (80,)))


def test_short_seasonal_history_is_forecast_with_its_season() -> None:
    y = 100 * np.exp(0.6 * np.sin(2 * np.pi * np.arange(91) / 52)) * RNG.lognormal(0, 0.05, 91)
    truth = 100 * np.exp(0.6 * np.sin(2 * np.pi * np.arange(91, 104) / 52))
    assert np.abs(auto_forecast(y, 13, ()).mean / truth - 1).mean() < 0.12


def test_a_spike_in_the_last_week_does_not_double_the_forecast() -> None:
    calm = auto_forecast(NOISE, 13, ()).mean
    spiked = NOISE.copy()
    spiked[-1] = 5 * NOISE.mean()
    assert np.abs(auto_forecast(spiked, 13, ()).mean / calm - 1).max() < 0.4


def test_forecast_follows_a_new_level() -> None:
    y = RNG.normal(100, 5, 200)
    y[-6:] *= 2
    assert auto_forecast(y, 13, ()).mean.mean() > 140


# Irregular histories


ODD = {
    "one week": np.array([5.0]),
    "seven weeks": np.array([3.0, 0, 4, 8, 1, 2, 6]),
    "eight weeks": np.array([3.0, 0, 4, 8, 1, 2, 6, 5]),
    "under a year": SEASONAL[:40],
    "over a year": SEASONAL[:70],
    "two years": SEASONAL[:104],
    "all zero": np.zeros(120),
    "constant": np.full(120, 7.0),
    "ended long ago": np.r_[NOISE[:150], np.zeros(60)],
    "one sale": np.r_[np.zeros(119), 40.0],
    "one huge week": np.r_[SEASONAL[:119], 1e9],
    "one huge week in the middle": np.r_[SEASONAL[:60], 1e6, SEASONAL[61:120]],
    "long zero runs": NOISE * (WEEKS // 26 % 2),
    "sparse": SPARSE,
    "promoted": PROMOTED,
    "returns": SPARSE - 0.2,
    "only returns": -NOISE,
    "fractions": SEASONAL / 1e4,
    "millions": SEASONAL * 1e7,
}


@pytest.mark.few(5)
@pytest.mark.parametrize("h", [1, 13, 60])
@pytest.mark.parametrize("name", ODD)
def test_bounds_enclose_the_forecast_and_narrower_levels(name: str, h: int) -> None:
    found = auto_forecast(ODD[name], h, (1, 50, 80, 95, 99))
    assert found.mean.shape == (h,) and found.lo.shape == found.hi.shape == (5, h)
    assert all(np.isfinite(part).all() for part in (found.mean, found.lo, found.hi))
    assert (found.lo <= found.mean).all() and (found.mean <= found.hi).all()
    assert (np.diff(found.lo, axis=0) <= 0).all() and (np.diff(found.hi, axis=0) >= 0).all()
    if ODD[name].min() >= 0 and len(ODD[name]) >= 8:
        assert (found.lo >= 0).all()


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("one week", "history of only 1 week; their mean is used"),
        ("all zero", "all 120 weeks have the same units"),
        ("constant", "all 120 weeks have the same units"),
        ("eight weeks", "less than a year of history, so no seasonality; too short a history for a backtest"),
        ("under a year", "less than a year of history"),
        ("ended long ago", "no sale in the last 60 weeks"),
        ("over a year", ""),
        ("long zero runs", "up to 26 weeks in a row without a sale, counted as zero demand"),
        ("one huge week in the middle", "1 unusually high week was capped before fitting"),
        ("sparse", ""),
    ],
)
def test_note_describes_irregular_histories(name: str, note: str) -> None:
    found = auto_forecast(ODD[name], 4, (80,)).note
    assert found.startswith(note) and bool(found) == bool(note)


def test_constant_series_has_zero_width_intervals() -> None:
    found = auto_forecast(ODD["constant"], 3, (80, 95))
    assert found.mean.tolist() == [7.0] * 3 and (found.lo == 7).all() and (found.hi == 7).all()


# Reproducibility and leakage


def test_forecast_does_not_depend_on_earlier_forecasts() -> None:
    first = [bytes_of(auto_forecast(y, 6, (80,))) for y in (SEASONAL, SPARSE, PROMOTED)]
    again = [bytes_of(auto_forecast(y.copy(), 6, (80,))) for y in (PROMOTED, SPARSE, SEASONAL)]
    assert first == again[::-1]


@pytest.mark.few(1)
@pytest.mark.parametrize("y", [SEASONAL, SPARSE, PROMOTED], ids=["seasonal", "sparse", "promoted"])
def test_forecast_after_a_cutoff_ignores_later_weeks(y: np.ndarray) -> None:
    """A jump after the cutoff does not change the forecast, bounds or weights."""
    jumped = y.copy()
    cutoff = len(y) - HOLDOUT_WEEKS
    jumped[cutoff:] = 50 * jumped[cutoff:] + 1000
    calm, shaken = (auto.auto_forecast(histories_of(seen), Fits(), cutoff, (80,)) for seen in (y, jumped))
    assert bytes_of(calm) == bytes_of(shaken)
    assert calm.candidates == shaken.candidates


@pytest.mark.full
def test_forecast_after_a_cutoff_equals_one_from_the_shorter_series() -> None:
    histories, fits = histories_of(SEASONAL), Fits()
    auto.auto_forecast(histories, fits, histories.end, (80,))
    for cutoff in (227, 214):
        then = auto_forecast(SEASONAL[:cutoff], 13, (80,))
        assert bytes_of(auto.auto_forecast(histories, fits, cutoff, (80,))) == bytes_of(then)


def test_fits_are_shared_between_cutoffs() -> None:
    fitted: list[str] = []
    histories, fits = histories_of(SEASONAL), Fits(fitted.append)
    for cutoff in (240, 227, 214):
        auto.auto_forecast(histories, fits, cutoff, ())
    assert fitted.count("AutoCES") == fitted.count("Naive") == 3 + AUTO_WINDOWS
    assert 240 - 6 * HOLDOUT_WEEKS >= AUTO_MIN_TRAINING


# Components


def test_missing_weeks_do_not_change_the_demand_class() -> None:
    """If missing weeks were interpolated, they would count as weeks with sales and the series as erratic."""
    y = np.array([5, np.nan, np.nan, np.nan, 0.0] * 40)
    assert auto_forecast(y, 13, ()).demand == "intermittent"
    assert auto_forecast(np.zeros(120), 13, ()).demand == "none"


def test_items_that_never_sell_are_sparse() -> None:
    for n_weeks in (20, 240):
        assert rule_of("none", n_weeks).loss == "squared"
        assert auto_pool("none", n_weeks) == auto_pool("lumpy", n_weeks)


@pytest.mark.parametrize("n_weeks", [103, 104, 129, 130])
def test_half_of_the_forecast_is_a_median_from_two_to_two_and_a_half_years(n_weeks: int) -> None:
    y, fits = SEASONAL[:n_weeks], Fits()
    histories = histories_of(y)
    found = auto.auto_forecast(histories, fits, n_weeks, ())
    median = auto_median("smooth", n_weeks)
    assert bool(median) == (n_weeks in (104, 129)) and auto_median("lumpy", n_weeks) == ()
    only = {c.model: c.weight for c in found.candidates if c.model not in auto_pool("smooth", n_weeks)}
    assert set(only) == set(median) - set(auto_pool("smooth", n_weeks))
    assert list(only.values()) == pytest.approx([1 / 12] * len(only)), "half of it has six parts"
    assert sum(c.weight for c in found.candidates) == pytest.approx(1)
    if median:
        forecasts = [fits.forecast(name, histories.at(n_weeks).capped) for name in median]
        rule = rule_of("smooth", n_weeks)
        weighed = auto.auto_forecast(histories, fits, n_weeks, ()).mean * 2 - np.median(forecasts, axis=0)
        tried = [fits.forecast(name, histories.at(n_weeks).capped) for name in rule.pool]
        in_pool = [forecast for forecast in tried if not isinstance(forecast, NoFit)]
        assert (weighed >= np.min(in_pool, axis=0)).all() and (weighed <= np.max(in_pool, axis=0)).all()


def test_weights_fall_with_the_error_and_are_shrunk_towards_equality() -> None:
    rule = rule_of("smooth", 240)
    actual = np.full((2, 13), 10.0)
    made = np.stack([actual + error for error in (1.0, 2.0, 4.0)], axis=1)
    weights = backtest_weights(made, actual, rule, np.ones(3))
    relative = (np.array([0.5, 1.0, 2.0]) * 2 + 1) / 3 + 0.02
    np.testing.assert_allclose(weights, relative**-4 / (relative**-4).sum(), rtol=1e-6)
    np.testing.assert_allclose(backtest_weights(made[:0], actual[:0], rule, np.ones(3)), 1 / 3)


def test_trimmed_mean_uses_the_middle_of_the_weight() -> None:
    forecasts = np.array([[100.0], [1.0], [2.0], [3.0]])
    even = np.full(4, 0.25)
    assert trimmed_mean(forecasts, even, 1.0) == pytest.approx(106 / 4)
    assert trimmed_mean(forecasts, even, 0.5) == pytest.approx(2.5), "half of the weight is on the two in the middle"
    assert trimmed_mean(forecasts, np.array([0.01, 0.97, 0.01, 0.01]), 0.5) == pytest.approx(1.0)
