"""Regressors of drivers at a cutoff: known values, assumptions for future weeks, unused drivers."""

import math

import numpy as np
import pytest

from fcst.compute.regressors import (
    LEAST_SHARE,
    MOST_DEVIATIONS,
    USUAL_PRICE_WEEKS,
    Column,
    columns_of,
    is_without_demand,
    regressors_at,
)
from fcst.drivers import Driver, DriverKind

NAN = math.nan
T, H = 100, 13


def driver(kind: DriverKind, values: object, ahead: bool = True, name: str = "x") -> Driver:
    return Driver(name, kind, np.asarray(values, float), ahead)


def x_of(one: Driver, cutoff: int = T, h: int = H) -> np.ndarray:
    """The regressor of the driver in its own week."""
    return regressors_at([one], cutoff, h, [Column(one.name, one.kind)]).x[:, 0]


def wave(n: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, n).astype(float)


# Future weeks


def test_promotion_beyond_the_plan_has_the_mean_share_of_a_year() -> None:
    shares = wave(T + 5)
    x = x_of(driver(DriverKind.PROMOTION, shares))
    assert x[: T + 5].tolist() == shares.tolist()
    assert x[T + 5 :] == pytest.approx(shares[T - 52 : T].mean())


@pytest.mark.parametrize("kind", DriverKind)
def test_driver_not_known_ahead_ignores_weeks_after_the_cutoff(kind: DriverKind) -> None:
    values = 0.2 + 0.5 * wave(T + H)
    later = np.r_[values[:T], np.random.default_rng(9).uniform(0, 1, H)]
    at = [regressors_at([driver(kind, v, ahead=False)], T, H) for v in (values, later, values[:T])]
    for other in at[1:]:
        assert other.x.tobytes() == at[0].x.tobytes()
        assert not other.is_closed.any()


@pytest.mark.parametrize("kind", DriverKind)
def test_weeks_beyond_the_horizon_are_ignored(kind: DriverKind) -> None:
    values = 0.2 + 0.5 * wave(T + 60)
    whole, cut = (regressors_at([driver(kind, v)], T, H).x for v in (values, values[: T + H]))
    assert whole.tobytes() == cut.tobytes()


def test_unplanned_price_keeps_its_last_value() -> None:
    x = x_of(driver(DriverKind.PRICE, np.r_[np.full(T - 1, 2.0), 1.0]), h=60)
    assert x[: T - 1].tolist() == [0.0] * (T - 1)
    assert x[T - 1 : T + 20] == pytest.approx(math.log(0.5))
    assert x[-1] == 0


def test_without_a_plan_the_future_is_open_in_stock_and_without_event() -> None:
    for kind in (DriverKind.OPEN, DriverKind.STOCK, DriverKind.EVENT):
        values = np.full(T, 6 / 7) if kind is DriverKind.OPEN else wave(T)
        assert x_of(driver(kind, values))[T:].tolist() == [0.0] * H


# Kinds


def test_usual_price_is_the_median_of_previous_weeks() -> None:
    prices = np.r_[np.full(60, 2.0), np.full(60, 3.0)]
    x = x_of(driver(DriverKind.PRICE, prices), 120, 0)
    assert x[60] == pytest.approx(math.log(1.5)), "the usual price excludes the week itself"
    assert x[60 + USUAL_PRICE_WEEKS // 2 + 1 :] == pytest.approx(0.0)


def test_event_has_regressors_for_the_adjacent_weeks() -> None:
    shares = np.zeros(T + H)
    shares[[50, T + 3]] = 1.0
    found = regressors_at([driver(DriverKind.EVENT, shares)], T, H)
    weeks = {column.shift: np.flatnonzero(found.x[:, i]).tolist() for i, column in enumerate(found.columns)}
    assert weeks == {0: [50, T + 3], 1: [51, T + 4], -1: [49, T + 2]}


def test_open_days_are_relative_to_usual_and_closed_weeks_are_marked() -> None:
    shares = np.full(T + H, 6 / 7)
    shares[[20, T + 1]] = 3 / 7, 0.0
    found = regressors_at([driver(DriverKind.OPEN, shares)], T, H)
    assert found.x[20, 0] == pytest.approx(math.log(0.5))
    assert found.x[T + 1, 0] == pytest.approx(math.log(LEAST_SHARE * 7 / 6))
    assert np.flatnonzero(found.is_closed).tolist() == [T + 1]


def test_number_is_standardised_by_its_history_and_clipped() -> None:
    past = np.random.default_rng(1).normal(50, 4, T)
    x = x_of(driver(DriverKind.NUMBER, np.r_[past, past.mean() + past.std(), 1e300]))
    assert x[:T].mean() == pytest.approx(0, abs=1e-9) and x[:T].std() == pytest.approx(1)
    assert x[T] == pytest.approx(1)
    assert x[T + 1 :] == pytest.approx(MOST_DEVIATIONS), "the last known number is repeated"


def test_weeks_fully_closed_or_out_of_stock_are_without_demand() -> None:
    opened, stocked = np.ones(5), np.array([1, 0.2, 0, NAN, 1])
    opened[0] = 0
    drivers = [driver(DriverKind.OPEN, opened, name="a"), driver(DriverKind.STOCK, stocked, name="b")]
    assert is_without_demand(drivers, 5).tolist() == [True, False, True, False, False]


# Irregular values


@pytest.mark.parametrize("kind", DriverKind)
@pytest.mark.parametrize(
    "values",
    [
        np.full(T + H, NAN),
        np.full(T + H, 1.0),
        np.full(T + H, 0.0),
        np.full(T + H, -1.0),
        np.full(T + H, np.inf),
        np.r_[np.full(T, NAN), wave(H)],
        np.r_[np.resize([1e308, -1e308, 0.0, NAN, 1e-320], T), wave(H)],
        np.zeros(0),
        np.full(T, 1e-320),
    ],
    ids=["missing", "one", "zero", "negative", "infinite", "only ahead", "huge", "none", "tiny"],
)
@pytest.mark.parametrize("cutoff", [T, 1])
def test_odd_values_give_finite_regressors(kind: DriverKind, values: np.ndarray, cutoff: int) -> None:
    found = regressors_at([driver(kind, values)], cutoff, H)
    assert found.x.shape == (cutoff + H, len(columns_of([driver(kind, values)])))
    assert np.isfinite(found.x).all()
    assert np.abs(found.x).max() <= 5


@pytest.mark.parametrize("kind", [DriverKind.PRICE, DriverKind.EVENT, DriverKind.OPEN, DriverKind.NUMBER])
def test_constant_driver_has_zero_regressors(kind: DriverKind) -> None:
    assert not regressors_at([driver(kind, np.full(T, 0.7))], T, H).x.any()


@pytest.mark.parametrize("kind", [DriverKind.PRICE, DriverKind.NUMBER])
def test_price_or_number_without_any_future_is_not_used(kind: DriverKind) -> None:
    values = np.exp(np.random.default_rng(0).normal(size=60))
    assert columns_of([Driver("x", kind, values, is_known_ahead=False)]) == []
    assert len(columns_of([Driver("x", kind, values, is_known_ahead=True)])) == 1
