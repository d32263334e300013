"""Safety stock: from known errors what theory has, and in order whatever the errors are."""

import numpy as np
import pytest
from scipy.special import ndtri

from fcst.compute.demand import describe_demand
from fcst.compute.stock import USUAL_CORRELATION, Stock, SumErrors, lumps, scaled_errors, stock_of, variances

H, W = 8, 13
QS = (0.8, 0.9, 0.95, 0.98)
RNG = np.random.default_rng(4)


def learnt(
    errors: np.ndarray, sigma: float, classes: str | list[str] = "smooth", level: float = 100.0, lump: float = 1.0
) -> SumErrors:
    """From backtests with these errors (R, W), whose forecasts are all alike."""
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
    """Of one item."""
    factors, is_enough = errors.factors(demand_class, q) if errors else (np.full(W, np.nan), np.zeros(W, bool))
    plan, forecast, variance = (np.broadcast_to(values, (1, h)) for values in (plan, forecast, np.square(sigma)))
    return stock_of(
        plan, forecast, variance, np.ones(1), np.array([weeks]), np.array([q]), factors[None], is_enough[None]
    )


INDEPENDENT = learnt(RNG.normal(0, 10, (40_000, W)), 10)
ALIKE = learnt(np.repeat(RNG.normal(0, 10, (40_000, 1)), W, axis=1), 10)


@pytest.mark.parametrize("q", QS)
@pytest.mark.parametrize("weeks", [1, 2, 4, 8])
def test_normal_errors_give_what_theory_has(q: float, weeks: int) -> None:
    apart, alike = stock(INDEPENDENT, 10, weeks, q), stock(ALIKE, 10, weeks, q)
    assert apart.safety_stock[0] == pytest.approx(ndtri(q) * 10 * np.sqrt(weeks), rel=0.05)
    assert alike.safety_stock[0] == pytest.approx(ndtri(q) * 10 * weeks, rel=0.05)
    assert apart.demand[0] == 100 * weeks and apart.is_measured.all()
    assert apart.reorder_point[0] == apart.demand[0] + apart.safety_stock[0]


def test_an_item_of_twice_the_errors_has_twice_the_stock() -> None:
    """As long as the chance of a count is small beside them."""
    one, two = (stock(INDEPENDENT, sigma, 4, 0.95, forecast=0.0).safety_stock[0] for sigma in (50.0, 100.0))
    assert two == pytest.approx(2 * one)


def test_the_interval_shows_the_standard_deviation() -> None:
    z = ndtri(0.9)
    found = variances(np.array([10.0]), np.array([10 - 3 * z]), np.array([10 + 3 * z]), 80)
    assert found == pytest.approx([9.0])


def errors_of_any_kind() -> dict[str, SumErrors | None]:
    skewed = RNG.exponential(30, (300, W)) * (RNG.random((300, W)) < 0.2)
    rare = RNG.poisson(0.1, (60, W)) - 0.1
    wild = RNG.standard_cauchy((500, W)) * 100
    falling = np.column_stack([RNG.normal(0, 200, 200), *RNG.normal(-40, 1, (12, 200))])
    made = {"skewed": skewed, "rare": rare, "wild": wild, "falling": falling, "few": wild[:3], "one": wild[:1]}
    return {name: learnt(errors, 5) for name, errors in made.items()} | {"none": None}


@pytest.mark.parametrize("kind", errors_of_any_kind())
def test_safety_stock_grows_with_service_level_and_interval(kind: str) -> None:
    errors = errors_of_any_kind()[kind]
    sigma = RNG.uniform(0, 20, 30)
    qs, weeks = np.linspace(0.3, 0.999, 60), np.arange(0, 30.01, 0.25)
    found = np.array([[stock(errors, sigma, w, q, h=30).safety_stock[0] for w in weeks] for q in qs])
    assert np.isfinite(found).all() and (found >= 0).all() and (found[:, 0] == 0).all()
    assert (np.diff(found, axis=0) >= -1e-9).all() and (np.diff(found, axis=1) >= -1e-9).all()
    assert found.max() > 0


def test_a_certain_item_needs_no_stock() -> None:
    found = stock(INDEPENDENT, 0.0, 4, 0.98, plan=0.0, forecast=0.0)
    assert (found.demand[0], found.safety_stock[0], found.reorder_point[0]) == (0, 0, 0)
    never_wrong = learnt(np.zeros((100, W)), 5)
    assert stock(never_wrong, 5, 4, 0.98).safety_stock[0] == 0


def test_sums_of_missing_weeks_are_left_out() -> None:
    errors = RNG.normal(0, 10, (400, W))
    holed = errors.copy()
    holed[200:, 2] = np.nan
    holed[0, 0] = np.nan
    whole, part = learnt(errors[1:], 10).factors("smooth", 0.9)[0], learnt(holed, 10).factors("smooth", 0.9)[0]
    first = learnt(errors[1:200], 10).factors("smooth", 0.9)[0]
    assert np.array_equal(part[:2], whole[:2]) and np.array_equal(part[2:], first[2:])
    none = learnt(np.full((50, W), np.nan), 10)
    assert np.isnan(none.factors("smooth", 0.9)[0]).all() and not none.factors("smooth", 0.9)[1].any()


def test_an_item_of_which_nothing_is_expected_says_nothing_of_others() -> None:
    actual, nothing = np.full((5, W), 7.0), np.zeros((5, W))
    assert np.isnan(scaled_errors(actual, nothing, nothing, np.zeros(5))).all()
    assert np.isfinite(scaled_errors(actual, nothing, np.ones((5, W)), np.zeros(5))).all()


def test_a_lump_is_what_comes_at_once_of_items_that_do_not_sell_each_week() -> None:
    found = lumps(
        np.array([10.0, 10.0, 10.0, np.nan]), np.array([0.0, 0.0, 0.5, np.nan]), np.array([1.0, 4, 4, np.nan])
    )
    assert found.tolist() == [1, 1 + 7.5, 1 + 11.25, 1]


def test_a_sale_that_was_not_expected_counts_no_more_than_one_of_a_hundred() -> None:
    actual, hardly = np.zeros((1, W)), np.full((1, W), 1e-12)
    actual[0, -1] = 8.0
    assert scaled_errors(actual, hardly, np.zeros((1, W)), np.array([8.0]))[0, -1] == pytest.approx(10)


def test_quantiles_hold_for_the_next_backtest() -> None:
    """Of n + 1 errors of one kind the last is at most the quantile of the others as often as the level says."""
    errors = np.arange(1.0, 20)[:, None] * np.ones(W)
    factors, is_enough = learnt(errors, 0, level=1.0).factors("smooth", 0.95)
    assert factors[0] == 19 and is_enough.all()
    assert learnt(errors, 0, level=1.0).factors("smooth", 0.9)[0][0] == 18
    factors, is_enough = learnt(errors[:18], 0, level=1.0).factors("smooth", 0.95)
    assert factors[0] == 18 and not is_enough.any()


def test_a_class_of_few_backtests_is_drawn_to_all() -> None:
    calm, wild = RNG.normal(0, 10, (1000, W)), RNG.normal(0, 40, (1000, W))
    names = ["smooth"] * 1000 + ["lumpy"]
    many = learnt(np.concatenate([calm, wild]), 10, ["smooth"] * 1000 + ["lumpy"] * 1000)
    few = learnt(np.concatenate([calm, wild[:10]]), 10, names[:1000] + ["lumpy"] * 10)
    every = learnt(np.concatenate([calm, wild[:10]]), 10)
    of_many, of_few, of_all = (
        errors.factors(name, 0.9)[0][3] for errors, name in ((many, "lumpy"), (few, "lumpy"), (every, "smooth"))
    )
    assert of_all < of_few < 1.1 * of_many
    assert few.factors("erratic", 0.9)[0][3] == of_all, "a class that no backtest has is as all are"


def test_where_nothing_was_measured_errors_are_normal_with_the_usual_correlation() -> None:
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


def test_a_part_of_a_week_counts_by_its_days() -> None:
    plan = np.arange(1.0, H + 1) * 70
    found = [stock(INDEPENDENT, 10, days / 7, 0.95, plan=plan) for days in (7, 10, 14)]
    assert [one.demand[0] for one in found] == pytest.approx([70, 70 + 60, 210])
    first, part, second = (one.safety_stock[0] for one in found)
    assert part == pytest.approx(np.sqrt((4 * first**2 + 3 * second**2) / 7))


def test_demand_is_of_the_plan_and_errors_are_of_the_forecast() -> None:
    plain, planned = stock(INDEPENDENT, 10, 2, 0.9), stock(INDEPENDENT, 10, 2, 0.9, plan=300.0)
    assert (planned.demand[0], planned.safety_stock[0]) == (600, plain.safety_stock[0])


def test_sparse_demand_holds_its_service_level() -> None:
    """Half of the items are tried with what the others have shown; counts hold more than asked, never less."""
    rng = np.random.default_rng(0)
    rates = rng.uniform(0.05, 0.6, 8_000)
    sold = rng.poisson(rates[:, None], (8_000, W)) * rng.integers(1, 6, (8_000, W)).astype(float)
    forecast = np.repeat(3 * rates[:, None], W, axis=1)
    demand = describe_demand(sold, np.full(8_000, W))
    lump = lumps(sold.sum(axis=1) / np.maximum(demand.n_sold, 1), demand.cv2, demand.adi)
    variance = np.zeros((8_000, W))  # as where more than nine weeks in ten are zero
    errors = SumErrors(scaled_errors(sold[:4_000], forecast[:4_000], variance[:4_000], lump[:4_000]), ["lumpy"] * 4_000)
    for q in QS:
        factors, is_enough = errors.factors("lumpy", q)
        for weeks in (1, 2, 4, 8):
            own = [values[4_000:] for values in (forecast, forecast, variance, lump)]
            asked = (np.full(4_000, float(weeks)), np.full(4_000, q))
            found = stock_of(*own, *asked, np.tile(factors, (4_000, 1)), np.tile(is_enough, (4_000, 1)))
            held = (sold[4_000:, :weeks].sum(axis=1) <= found.reorder_point).mean()
            assert held > q - 0.02, (q, weeks)
