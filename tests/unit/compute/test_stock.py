"""Safety stock: theoretical values for normal errors, monotonicity, partial weeks, sparse demand."""

import numpy as np
import pytest
from scipy.special import ndtri

from fcst.compute.demand import describe_demand
from fcst.compute.stock import USUAL_CORRELATION, Stock, SumErrors, lumps, scaled_errors, stock_of, variances

H, W = 8, 13
QS = (0.8, 0.9, 0.95, 0.98)
RNG = np.random.default_rng(4)


def sum_errors(
    errors: np.ndarray, sigma: float, classes: str | list[str] = "smooth", level: float = 100.0, lump: float = 1.0
) -> SumErrors:
    """Errors of backtests (R, W) with constant forecasts."""
    forecast = np.full(errors.shape, level)
    names = [classes] * len(errors) if isinstance(classes, str) else classes
    return SumErrors(
        scaled_errors(forecast + errors, forecast, np.full(errors.shape, sigma**2), np.full(len(errors), lump)), names
    )


def stock(
    errors: SumErrors | None,
    sigma: float | np.ndarray,
    weeks: float,
    q: float,
    plan: float | np.ndarray = 100.0,
    forecast: float | np.ndarray = 100.0,
    demand_class: str = "smooth",
    h: int = H,
) -> Stock:
    """Stock of one item."""
    factors, is_enough = errors.factors(demand_class, q) if errors else (np.full(W, np.nan), np.zeros(W, bool))
    plan, forecast, variance = (np.broadcast_to(values, (1, h)) for values in (plan, forecast, np.square(sigma)))
    return stock_of(
        plan, forecast, variance, np.ones(1), np.array([weeks]), np.array([q]), factors[None], is_enough[None]
    )


INDEPENDENT = sum_errors(RNG.normal(0, 10, (40_000, W)), 10)
ALIKE = sum_errors(np.repeat(RNG.normal(0, 10, (40_000, 1)), W, axis=1), 10)


@pytest.mark.parametrize("q", QS)
@pytest.mark.parametrize("weeks", [1, 2, 4, 8])
def test_normal_errors_give_the_theoretical_safety_stock(q: float, weeks: int) -> None:
    apart, alike = stock(INDEPENDENT, 10, weeks, q), stock(ALIKE, 10, weeks, q)
    assert apart.safety_stock[0] == pytest.approx(ndtri(q) * 10 * np.sqrt(weeks), rel=0.05)
    assert alike.safety_stock[0] == pytest.approx(ndtri(q) * 10 * weeks, rel=0.05)
    assert apart.demand[0] == 100 * weeks and apart.is_measured.all()
    assert apart.reorder_point[0] == apart.demand[0] + apart.safety_stock[0]


def test_double_errors_give_double_safety_stock() -> None:
    """Holds if the errors are large compared with count noise."""
    one, two = (stock(INDEPENDENT, sigma, 4, 0.95, forecast=0.0).safety_stock[0] for sigma in (50.0, 100.0))
    assert two == pytest.approx(2 * one)


def test_variance_is_derived_from_the_interval() -> None:
    z = ndtri(0.9)
    found = variances(np.array([10 - 3 * z]), np.array([10 + 3 * z]), 80)
    assert found == pytest.approx([9.0])


def errors_of_any_kind() -> dict[str, SumErrors | None]:
    skewed = RNG.exponential(30, (300, W)) * (RNG.random((300, W)) < 0.2)
    rare = RNG.poisson(0.1, (60, W)) - 0.1
    wild = RNG.standard_cauchy((500, W)) * 100
    falling = np.column_stack([RNG.normal(0, 200, 200), *RNG.normal(-40, 1, (12, 200))])
    made = {"skewed": skewed, "rare": rare, "wild": wild, "falling": falling, "few": wild[:3], "one": wild[:1]}
    return {name: sum_errors(errors, 5) for name, errors in made.items()} | {"none": None}


@pytest.mark.full
@pytest.mark.parametrize("kind", errors_of_any_kind())
def test_safety_stock_grows_with_service_level_and_interval(kind: str) -> None:
    errors = errors_of_any_kind()[kind]
    sigma = RNG.uniform(0, 20, 30)
    qs, weeks = np.linspace(0.3, 0.999, 60), np.arange(0, 30.01, 0.25)
    found = np.array([[stock(errors, sigma, w, q, h=30).safety_stock[0] for w in weeks] for q in qs])
    assert np.isfinite(found).all() and (found >= 0).all() and (found[:, 0] == 0).all()
    assert (np.diff(found, axis=0) >= -1e-9).all() and (np.diff(found, axis=1) >= -1e-9).all()
    assert found.max() > 0


def test_item_without_errors_has_no_safety_stock() -> None:
    found = stock(INDEPENDENT, 0.0, 4, 0.98, plan=0.0, forecast=0.0)
    assert (found.demand[0], found.safety_stock[0], found.reorder_point[0]) == (0, 0, 0)
    never_wrong = sum_errors(np.zeros((100, W)), 5)
    assert stock(never_wrong, 5, 4, 0.98).safety_stock[0] == 0


def test_sums_of_missing_weeks_are_left_out() -> None:
    errors = RNG.normal(0, 10, (400, W))
    holed = errors.copy()
    holed[200:, 2] = np.nan
    holed[0, 0] = np.nan
    whole, part = sum_errors(errors[1:], 10).factors("smooth", 0.9)[0], sum_errors(holed, 10).factors("smooth", 0.9)[0]
    first = sum_errors(errors[1:200], 10).factors("smooth", 0.9)[0]
    assert np.array_equal(part[:2], whole[:2]) and np.array_equal(part[2:], first[2:])
    none = sum_errors(np.full((50, W), np.nan), 10)
    assert np.isnan(none.factors("smooth", 0.9)[0]).all() and not none.factors("smooth", 0.9)[1].any()


def test_errors_of_size_zero_are_undefined() -> None:
    actual, nothing = np.full((5, W), 7.0), np.zeros((5, W))
    assert np.isnan(scaled_errors(actual, nothing, nothing, np.zeros(5))).all()
    assert np.isfinite(scaled_errors(actual, nothing, np.ones((5, W)), np.zeros(5))).all()


def test_lumps_by_hand() -> None:
    found = lumps(
        np.array([10.0, 10.0, 10.0, np.nan]), np.array([0.0, 0.0, 0.5, np.nan]), np.array([1.0, 4, 4, np.nan])
    )
    assert found.tolist() == [1, 1 + 7.5, 1 + 11.25, 1]


def test_scaled_error_of_an_unexpected_sale_is_limited() -> None:
    actual, hardly = np.zeros((1, W)), np.full((1, W), 1e-12)
    actual[0, -1] = 8.0
    assert scaled_errors(actual, hardly, np.zeros((1, W)), np.array([8.0]))[0, -1] == pytest.approx(10)


def test_quantiles_are_valid_for_the_next_backtest() -> None:
    """The quantile of n errors covers error n + 1 with the probability of the service level."""
    errors = np.arange(1.0, 20)[:, None] * np.ones(W)
    factors, is_enough = sum_errors(errors, 0, level=1.0).factors("smooth", 0.95)
    assert factors[0] == 19 and is_enough.all()
    assert sum_errors(errors, 0, level=1.0).factors("smooth", 0.9)[0][0] == 18
    factors, is_enough = sum_errors(errors[:18], 0, level=1.0).factors("smooth", 0.95)
    assert factors[0] == 18 and not is_enough.any()


def test_class_with_few_backtests_is_shrunk_towards_all() -> None:
    calm, wild = RNG.normal(0, 10, (1000, W)), RNG.normal(0, 40, (1000, W))
    names = ["smooth"] * 1000 + ["lumpy"]
    many = sum_errors(np.concatenate([calm, wild]), 10, ["smooth"] * 1000 + ["lumpy"] * 1000)
    few = sum_errors(np.concatenate([calm, wild[:10]]), 10, names[:1000] + ["lumpy"] * 10)
    every = sum_errors(np.concatenate([calm, wild[:10]]), 10)
    of_many, of_few, of_all = (
        errors.factors(name, 0.9)[0][3] for errors, name in ((many, "lumpy"), (few, "lumpy"), (every, "smooth"))
    )
    assert of_all < of_few < 1.1 * of_many
    assert few.factors("erratic", 0.9)[0][3] == of_all, "a class without backtests uses all items"


def test_without_backtests_errors_are_normal_with_the_usual_correlation() -> None:
    found = stock(None, 10, 4, 0.95)
    assert found.safety_stock[0] == pytest.approx(ndtri(0.95) * 10 * np.sqrt(4 + USUAL_CORRELATION * (4**2 - 4)))
    assert not found.is_measured[0]


def test_weeks_beyond_the_backtests_are_not_measured() -> None:
    within, beyond = stock(INDEPENDENT, 10, 13, 0.95, h=20), stock(INDEPENDENT, 10, 14, 0.95, h=20)
    assert (within.is_measured[0], beyond.is_measured[0]) == (True, False)
    assert within.safety_stock[0] < beyond.safety_stock[0] < 1.3 * within.safety_stock[0]


def test_an_interval_longer_than_the_forecast_is_undefined() -> None:
    for weeks in (H + 0.01, 1e300, np.nan):
        found = stock(INDEPENDENT, 10, weeks, 0.95)
        assert np.isnan([found.demand[0], found.safety_stock[0], found.reorder_point[0]]).all()
        assert not found.is_measured[0]
    assert stock(INDEPENDENT, 10, H, 0.95).demand[0] == 100 * H


def test_partial_week_is_interpolated() -> None:
    plan = np.arange(1.0, H + 1) * 70
    found = [stock(INDEPENDENT, 10, days / 7, 0.95, plan=plan) for days in (7, 10, 14)]
    assert [one.demand[0] for one in found] == pytest.approx([70, 70 + 60, 210])
    first, part, second = (one.safety_stock[0] for one in found)
    assert part == pytest.approx(np.sqrt((4 * first**2 + 3 * second**2) / 7))


def test_demand_uses_the_plan_and_errors_use_the_forecast() -> None:
    plain, planned = stock(INDEPENDENT, 10, 2, 0.9), stock(INDEPENDENT, 10, 2, 0.9, plan=300.0)
    assert (planned.demand[0], planned.safety_stock[0]) == (600, plain.safety_stock[0])


def test_sparse_demand_reaches_its_service_level() -> None:
    """Tests half of the items with the errors of the others; counts may exceed the level, but not fall below it."""
    rng = np.random.default_rng(0)
    rates = rng.uniform(0.05, 0.6, 8_000)
    sold = rng.poisson(rates[:, None], (8_000, W)) * rng.integers(1, 6, (8_000, W)).astype(float)
    forecast = np.repeat(3 * rates[:, None], W, axis=1)
    demand = describe_demand(sold, np.full(8_000, W))
    lump = lumps(sold.sum(axis=1) / np.maximum(demand.n_sold, 1), demand.cv2, demand.adi)
    variance = np.zeros((8_000, W))  # as for more than 90 % zero weeks
    errors = SumErrors(scaled_errors(sold[:4_000], forecast[:4_000], variance[:4_000], lump[:4_000]), ["lumpy"] * 4_000)
    for q in QS:
        factors, is_enough = errors.factors("lumpy", q)
        for weeks in (1, 2, 4, 8):
            own = [values[4_000:] for values in (forecast, forecast, variance, lump)]
            settings = (np.full(4_000, float(weeks)), np.full(4_000, q))
            found = stock_of(*own, *settings, np.tile(factors, (4_000, 1)), np.tile(is_enough, (4_000, 1)))
            held = (sold[4_000:, :weeks].sum(axis=1) <= found.reorder_point).mean()
            assert held > q - 0.02, (q, weeks)
