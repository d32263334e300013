"""Effects of drivers: recovery of simulated effects, shrinkage towards pooled effects, irregular drivers."""

import json
import math
import time

import numpy as np
import pytest

from fcst.compute.effects import (
    BASELINE_WEEKS,
    LONG_PAUSE,
    MAX_COLUMNS,
    MAX_MULTIPLIER,
    Effects,
    EffectsSample,
    ItemEffects,
    fit_effects,
    item_effects,
)
from fcst.compute.regressors import Column, Regressors, regressors_at
from fcst.drivers import Driver, DriverKind

T, H = 120, 13
TRUE_EFFECT = 0.7
PROMO = Column("promo", DriverKind.PROMOTION)


def promotion(seed: int, n: int = T + H, share: float = 0.2) -> Driver:
    values = (np.random.default_rng(seed).uniform(size=n) < share).astype(float)
    return Driver("promo", DriverKind.PROMOTION, values, True)


def sold(drivers: list[Driver], effects: list[float], seed: int, level: float = 40.0) -> np.ndarray:
    """(T,) Poisson demand around a slow wave, times the simulated effects."""
    weeks = np.arange(T)
    log_effect = sum(e * d.values[:T] for d, e in zip(drivers, effects, strict=True))
    expected = level * (1 + 0.2 * np.sin(2 * np.pi * weeks / 52)) * np.exp(log_effect)
    return np.random.default_rng(1000 + seed).poisson(expected).astype(float)


def sample(y: np.ndarray, drivers: list[Driver]) -> EffectsSample:
    return EffectsSample(y, regressors_at(drivers, len(y), 0))


def pooled_of(n_items: int = 40, effect: float = TRUE_EFFECT) -> Effects:
    drivers = [promotion(seed) for seed in range(n_items)]
    return fit_effects([sample(sold([d], [effect], seed), [d]) for seed, d in enumerate(drivers)])


def effects_of(pooled: Effects, y: np.ndarray, drivers: list[Driver]) -> ItemEffects:
    return item_effects(pooled, y, regressors_at(drivers, len(y), H))


@pytest.fixture(scope="module")
def pooled() -> Effects:
    return pooled_of()


# Simulated effects


def test_simulated_uplift_is_estimated_within_its_standard_error(pooled: Effects) -> None:
    assert pooled.columns == (PROMO,)
    assert 0 < pooled.errors[0] < 0.02
    assert abs(pooled.coefficients[0] - TRUE_EFFECT) < 3 * pooled.errors[0] + 0.01


def test_simulated_effects_of_several_kinds_are_separated() -> None:
    items = []
    for seed in range(40):
        rng = np.random.default_rng(500 + seed)
        price = np.where(rng.uniform(size=T) < 0.2, 0.8, 1.0)
        event = (np.arange(T) % 26 == seed % 26).astype(float)
        drivers = [
            promotion(seed),
            Driver("price", DriverKind.PRICE, price, True),
            Driver("event", DriverKind.EVENT, event, True),
        ]
        y = rng.poisson(60 * np.exp(0.5 * drivers[0].values[:T] + 0.4 * event) * price**-2.0).astype(float)
        items.append(sample(y, drivers))
    found = fit_effects(items)
    coefficients = {(c.driver, c.shift): b for c, b in zip(found.columns, found.coefficients, strict=True)}
    assert coefficients["promo", 0] == pytest.approx(0.5, abs=0.04)
    assert coefficients["price", 0] == pytest.approx(-2.0, abs=0.15)
    assert coefficients["event", 0] == pytest.approx(0.4, abs=0.06)
    assert coefficients["event", 1] == pytest.approx(0.0, abs=0.06)


def test_individual_effects_are_estimated_within_their_standard_errors(pooled: Effects) -> None:
    away = []
    for seed in range(100, 160):
        driver, own = promotion(seed), TRUE_EFFECT + np.random.default_rng(seed).normal(0, 0.1)
        found = effects_of(pooled, sold([driver], [own], seed), [driver])
        away.append((found.coefficients[0] - own) / found.errors[0])
    assert np.mean(np.abs(away) < 1) > 0.45
    assert np.mean(np.abs(away) < 2.5) > 0.9


def test_item_effect_is_between_the_pooled_and_its_own_effect(pooled: Effects) -> None:
    driver = promotion(7)
    found = effects_of(pooled, sold([driver], [1.5], 7), [driver]).coefficients[0]
    assert TRUE_EFFECT + 0.2 < found < 1.5


def test_an_item_of_few_weeks_has_the_pooled_effect(pooled: Effects) -> None:
    driver = promotion(8)
    found = effects_of(pooled, np.array([3.0, 4, 5, 3]), [driver])
    assert found.coefficients.tolist() == pooled.coefficients.tolist()
    assert found.multipliers == pytest.approx(np.exp(pooled.coefficients[0] * driver.values[: 4 + H]))
    assert found.errors[0] > pooled.errors[0], "its own effect is less certain than the mean of all"


def test_no_effect_is_found_where_there_is_none() -> None:
    found = pooled_of(effect=0.0)
    assert abs(found.coefficients[0]) < 3 * found.errors[0] + 0.005


def test_log_errors_grow_with_the_difference_from_recent_drivers(pooled: Effects) -> None:
    driver = promotion(9)
    found = effects_of(pooled, sold([driver], [TRUE_EFFECT], 9), [driver])
    recent = driver.values[T - BASELINE_WEEKS : T].mean()
    assert found.log_errors == pytest.approx(found.errors[0] * np.abs(driver.values - recent))


# Irregular drivers and items


def test_an_item_always_on_promotion_has_the_pooled_uplift_when_it_ends(pooled: Effects) -> None:
    values = np.r_[np.ones(T), np.zeros(H)]
    driver = Driver("promo", DriverKind.PROMOTION, values, True)
    found = effects_of(pooled, np.random.default_rng(2).poisson(50, T).astype(float), [driver])
    assert found.coefficients == pytest.approx(pooled.coefficients, abs=0.1)
    assert found.multipliers[T:].tolist() == [1.0] * H


def test_an_event_in_every_week_has_no_effect() -> None:
    drivers = [Driver("event", DriverKind.EVENT, np.ones(T), True), promotion(1)]
    found = fit_effects([sample(sold(drivers, [0.0, TRUE_EFFECT], s), drivers) for s in range(10)])
    assert found.columns == (PROMO,)


def test_duplicate_driver_shares_the_effect() -> None:
    twice = [
        [promotion(seed), Driver("again", DriverKind.PROMOTION, promotion(seed).values, True)] for seed in range(40)
    ]
    items = [sold(drivers, [TRUE_EFFECT, 0.0], seed) for seed, drivers in enumerate(twice)]
    both = fit_effects([sample(y, drivers) for y, drivers in zip(items, twice, strict=True)])
    assert both.coefficients.sum() == pytest.approx(TRUE_EFFECT, abs=0.03)
    found = effects_of(both, items[0], twice[0])
    alone = effects_of(pooled_of(), items[0], twice[0][:1])
    assert found.multipliers == pytest.approx(alone.multipliers, rel=0.1)


@pytest.mark.parametrize("values", [np.full(T, math.nan), np.full(T, np.inf), np.full(T, 3.0), np.zeros(0)])
@pytest.mark.parametrize("kind", DriverKind)
def test_uninformative_driver_does_not_change_effects(values: np.ndarray, kind: DriverKind, pooled: Effects) -> None:
    more = [[promotion(seed), Driver("odd", kind, values, True)] for seed in range(40)]
    found = fit_effects([sample(sold(d[:1], [TRUE_EFFECT], s), d) for s, d in enumerate(more)])
    assert found.columns == pooled.columns
    assert found.coefficients == pytest.approx(pooled.coefficients)


@pytest.mark.parametrize(
    "y",
    [
        np.zeros(T),
        np.full(T, math.nan),
        np.full(T, 7.0),
        -np.ones(T),
        np.r_[np.zeros(T - 1), 1e12],
        np.resize([0.0, 0.0, 0.0, 1e-300], T),
        np.resize([1e300, 0.0, math.nan], T),
        np.zeros(9),
        np.array([]),
    ],
    ids=["zero", "missing", "constant", "returns", "one sale", "tiny", "huge", "few zeros", "none"],
)
def test_irregular_histories_have_finite_effects(y: np.ndarray, pooled: Effects) -> None:
    driver = promotion(3)
    for fitted in (pooled, fit_effects([sample(y, [driver])])):
        found = effects_of(fitted, y, [driver])
        for part in (found.coefficients, found.errors, found.multipliers, found.log_errors):
            assert np.isfinite(part).all()
        assert (found.multipliers >= 1 / MAX_MULTIPLIER - 1e-9).all()
        assert (found.multipliers <= MAX_MULTIPLIER + 1e-9).all()


def test_effect_does_not_grow_beyond_the_fitted_range() -> None:
    half = [Driver("promo", DriverKind.PROMOTION, promotion(seed).values / 2, True) for seed in range(20)]
    fitted = fit_effects([sample(sold([d], [1.0], seed), [d]) for seed, d in enumerate(half)])
    whole = promotion(1)
    found = effects_of(fitted, sold([half[1]], [1.0], 1), [whole])
    assert found.multipliers.max() == pytest.approx(math.exp(found.coefficients[0] / 2))


def test_long_pauses_are_left_out_of_the_fit(pooled: Effects) -> None:
    driver = promotion(4)
    y = sold([driver], [TRUE_EFFECT], 4)
    paused = np.r_[y, np.zeros(LONG_PAUSE + BASELINE_WEEKS)]
    values = np.r_[driver.values[:T], np.ones(len(paused) - T)]
    longer = Driver("promo", DriverKind.PROMOTION, values, True)
    assert effects_of(pooled, paused, [longer]).coefficients == effects_of(pooled, y, [driver]).coefficients


def test_closed_week_has_multiplier_zero(pooled: Effects) -> None:
    opened = np.ones(T + H)
    opened[T + 2] = 0
    drivers = [promotion(5), Driver("open", DriverKind.OPEN, opened, True)]
    found = effects_of(pooled, sold(drivers[:1], [TRUE_EFFECT], 5), drivers)
    assert np.flatnonzero(found.multipliers == 0).tolist() == [T + 2]


# Cost and serialization


def test_relevant_driver_is_found_among_400_in_limited_time() -> None:
    items = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        noise = [Driver(f"n{i:03}", DriverKind.EVENT, (rng.uniform(size=T + H) < 0.1) * 1.0, True) for i in range(399)]
        drivers = [*noise, promotion(seed)]
        items.append((sold(drivers[-1:], [TRUE_EFFECT], seed), drivers))
    begin = time.process_time()
    found = fit_effects([sample(y, drivers) for y, drivers in items])
    own = item_effects(found, items[0][0], regressors_at(items[0][1], T, H, found.columns))
    assert time.process_time() - begin < 20
    assert len(found.columns) == MAX_COLUMNS and PROMO in found.columns
    assert own.coefficients[own.columns.index(PROMO)] == pytest.approx(TRUE_EFFECT, abs=0.2)


def test_effects_survive_a_json_round_trip(pooled: Effects) -> None:
    again = Effects.from_plain(json.loads(json.dumps(pooled.to_plain())))
    assert again.to_plain() == pooled.to_plain()
    assert again.columns == pooled.columns and again.coefficients.tobytes() == pooled.coefficients.tobytes()


def test_effects_are_bitwise_reproducible() -> None:
    assert pooled_of().to_plain() == pooled_of().to_plain()


def test_no_items_or_drivers_give_no_effects() -> None:
    none = Regressors((), np.zeros((T, 0)), np.zeros(T, bool))
    for items in ([], [EffectsSample(np.ones(T), none)]):
        found = fit_effects(items)
        assert found.columns == () and found.n_items == 0
        assert effects_of(found, np.ones(T), [promotion(1)]).multipliers.tolist() == [1.0] * (T + H)
