"""Accuracy metrics, compared with naive loops, with utilsforecast and by hand; undefined cases."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fcst.compute import metrics

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from utilsforecast import losses

NAN = math.nan
QS = np.array([0.1, 0.5, 0.9])


def loop_mean(terms: list[float]) -> float:
    return sum(terms) / len(terms) if terms else NAN


def pairs(*columns: list[float]) -> list[tuple[float, ...]]:
    """Rows by week, without unknown weeks."""
    return [row for row in zip(*columns, strict=True) if not math.isnan(row[0])]


def loop_wape(y: list[float], y_hat: list[float]) -> float:
    sold = sum(abs(a) for a, _ in pairs(y, y_hat))
    return sum(abs(f - a) for a, f in pairs(y, y_hat)) / sold if sold else NAN


def loop_bias(y: list[float], y_hat: list[float]) -> float:
    sold = sum(abs(a) for a, _ in pairs(y, y_hat))
    return sum(f - a for a, f in pairs(y, y_hat)) / sold if sold else NAN


def loop_smape(y: list[float], y_hat: list[float]) -> float:
    return loop_mean([2 * abs(f - a) / (abs(a) + abs(f)) if a or f else 0.0 for a, f in pairs(y, y_hat)])


def loop_pinball(y: list[float], y_hat: list[float], q: float) -> float:
    return loop_mean([q * (a - f) if a >= f else (1 - q) * (f - a) for a, f in pairs(y, y_hat)])


def loop_scale(y: list[float], power: int) -> float:
    changes = [abs(b - a) ** power for a, b in zip(y, y[1:], strict=False) if not math.isnan(a + b)]
    return loop_mean(changes) or NAN


def loop_msis(y: list[float], lo: list[float], hi: list[float], level: float, scale: float) -> float:
    alpha, terms = 1 - level / 100, []
    for a, low, high in pairs(y, lo, hi):
        term = high - low
        if a < low:
            term += 2 / alpha * (low - a)
        if a > high:
            term += 2 / alpha * (a - high)
        terms.append(term)
    return loop_mean(terms) / scale


class Case:
    """Random weeks, some unknown, zero or negative; with history, forecast and interval."""

    def __init__(self, seed: int, is_whole: bool = False) -> None:
        rng = np.random.default_rng(seed)
        self.y = np.round(rng.gamma(1.0, 20.0, 13), 2) * rng.choice([1, 1, 1, 0, -1], 13)
        self.train = np.round(rng.gamma(1.0, 20.0, 60), 2)
        if not is_whole:
            self.y[rng.random(13) < 0.2] = NAN
            self.train[rng.random(60) < 0.2] = NAN
        self.y_hat = rng.gamma(1.0, 20.0, 13)
        self.lo, self.hi = self.y_hat * rng.uniform(0, 1, 13), self.y_hat * rng.uniform(1, 3, 13)
        self.quantiles = np.array([self.lo, self.y_hat, self.hi])


def same(found: float, expected: float) -> bool:
    return found == pytest.approx(expected, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("seed", range(20))
def test_metric_equals_a_naive_loop_on_random_data(seed: int) -> None:
    c = Case(seed)
    y, y_hat, lo, hi, train = (part.tolist() for part in (c.y, c.y_hat, c.lo, c.hi, c.train))
    mae, mse = loop_scale(train, 1), loop_scale(train, 2)
    assert same(metrics.wape(c.y, c.y_hat), loop_wape(y, y_hat))
    assert same(metrics.bias(c.y, c.y_hat), loop_bias(y, y_hat))
    assert same(metrics.smape(c.y, c.y_hat), loop_smape(y, y_hat))
    assert same(metrics.naive_mae(c.train), mae)
    assert same(metrics.naive_mse(c.train), mse)
    assert same(metrics.mase(c.y, c.y_hat, mae), loop_mean([abs(f - a) for a, f in pairs(y, y_hat)]) / mae)
    squares = loop_mean([(f - a) ** 2 for a, f in pairs(y, y_hat)])
    assert same(metrics.rmsse(c.y, c.y_hat, mse), math.sqrt(squares / mse))
    assert same(
        metrics.coverage(c.y, c.lo, c.hi), loop_mean([float(a <= u and a >= d) for a, d, u in pairs(y, lo, hi)])
    )
    assert same(metrics.mean_width(c.y, c.lo, c.hi), loop_mean([u - d for _, d, u in pairs(y, lo, hi)]))
    assert same(metrics.msis(c.y, c.lo, c.hi, 80, mae), loop_msis(y, lo, hi, 80, mae))
    losses_by_q = [loop_pinball(y, row.tolist(), q) for row, q in zip(c.quantiles, QS.tolist(), strict=True)]
    for row, q, loss in zip(c.quantiles, QS.tolist(), losses_by_q, strict=True):
        assert same(metrics.pinball(c.y, row, q), loss)
    sold = loop_mean([abs(a) for (a,) in pairs(y)])
    assert same(metrics.scaled_crps(c.y, c.quantiles, QS), 2 * loop_mean(losses_by_q) / sold)


@pytest.mark.parametrize("seed", range(5))
def test_metric_equals_that_of_another_library_where_all_weeks_are_known(seed: int) -> None:
    c = Case(seed, is_whole=True)
    frame = pd.DataFrame({"unique_id": "a", "y": c.y, "m": c.y_hat, "m-lo-80": c.lo, "m-hi-80": c.hi})
    train = pd.DataFrame({"unique_id": "a", "y": c.train})
    mae, mse = metrics.naive_mae(c.train), metrics.naive_mse(c.train)

    def theirs(loss: Callable[..., pd.DataFrame], models: object = None, **more: object) -> float:
        return float(loss(frame, models=models or ["m"], **more)["m"].iloc[0])

    assert same(metrics.mase(c.y, c.y_hat, mae), theirs(losses.mase, seasonality=1, train_df=train))
    assert same(metrics.rmsse(c.y, c.y_hat, mse), theirs(losses.rmsse, seasonality=1, train_df=train))
    assert same(metrics.smape(c.y, c.y_hat), 2 * theirs(losses.smape))
    assert same(metrics.coverage(c.y, c.lo, c.hi), theirs(losses.coverage, level=80))
    assert same(metrics.pinball(c.y, c.lo, 0.1), theirs(losses.quantile_loss, {"m": "m-lo-80"}, q=0.1))
    many = {"m": ["m-lo-80", "m", "m-hi-80"]}
    assert metrics.scaled_crps(c.y, c.quantiles, QS) == pytest.approx(
        theirs(losses.scaled_crps, many, quantiles=QS), rel=1e-9
    )


@pytest.mark.parametrize(
    ("y", "y_hat", "wape", "bias", "smape"),
    [
        ([10, 20, 30], [12, 18, 33], 7 / 60, 3 / 60, (4 / 22 + 4 / 38 + 6 / 63) / 3),
        ([10, 10], [15, 5], 0.5, 0.0, (10 / 25 + 10 / 15) / 2),
        ([8, 8, 8], [8, 8, 8], 0.0, 0.0, 0.0),
        ([5, 5], [0, 0], 1.0, -1.0, 2.0),
        ([0, 10], [3, 10], 0.3, 0.3, 1.0),
        ([0, 10], [0, 10], 0.0, 0.0, 0.0),
        ([-4, 6], [1, 6], 0.5, 0.5, 1.0),
        ([10, NAN, 20], [11, 500, 18], 3 / 30, -1 / 30, (2 / 21 + 4 / 38) / 2),
    ],
    ids=[
        "mixed",
        "errors cancel",
        "perfect",
        "nothing forecast",
        "a zero week",
        "a zero week foreseen",
        "a week of returns",
        "a missing week",
    ],
)
def test_metric_by_hand(y: list[float], y_hat: list[float], wape: float, bias: float, smape: float) -> None:
    actual, forecast = np.array(y, dtype=float), np.array(y_hat, dtype=float)
    assert metrics.wape(actual, forecast) == pytest.approx(wape)
    assert metrics.bias(actual, forecast) == pytest.approx(bias)
    assert metrics.smape(actual, forecast) == pytest.approx(smape)


@pytest.mark.parametrize("seed", range(5))
def test_metric_of_sums_equals_that_of_the_weeks(seed: int) -> None:
    c = Case(seed)
    y, y_hat, quantiles = c.y[~np.isnan(c.y)], c.y_hat[~np.isnan(c.y)], c.quantiles[:, ~np.isnan(c.y)]
    actual = float(np.abs(y).sum())
    assert metrics.wape_of(float(np.abs(y_hat - y).sum()), actual) == pytest.approx(metrics.wape(c.y, c.y_hat))
    assert metrics.bias_of(float((y_hat - y).sum()), actual) == pytest.approx(metrics.bias(c.y, c.y_hat))
    loss = float(np.mean([metrics.pinball(y, row, q) for row, q in zip(quantiles, QS, strict=True)])) * len(y)
    assert metrics.scaled_crps_of(loss, actual) == pytest.approx(metrics.scaled_crps(c.y, c.quantiles, QS))


@pytest.mark.parametrize("metric", [metrics.wape_of, metrics.bias_of, metrics.scaled_crps_of])
def test_metric_of_arrays_of_sums_is_elementwise(metric: Callable[..., Any]) -> None:
    errors, actual = np.array([3.0, 3.0, 0.0, NAN]), np.array([12.0, 0.0, 0.0, 5.0])
    expected = [metric(error, sold) for error, sold in zip(errors.tolist(), actual.tolist(), strict=True)]
    np.testing.assert_array_equal(metric(errors, actual), expected)
    assert math.isfinite(expected[0]) and all(map(math.isnan, expected[1:]))


def test_scaled_metrics_by_hand() -> None:
    train = np.array([1.0, 3.0, NAN, 10.0, 6.0])  # changes of 2 and 4; those to and from the unknown week are ignored
    assert (metrics.naive_mae(train), metrics.naive_mse(train)) == (3.0, 10.0)
    y, y_hat = np.array([5.0, 8.0]), np.array([6.0, 11.0])
    assert metrics.mase(y, y_hat, 3.0) == pytest.approx(2 / 3)
    assert metrics.rmsse(y, y_hat, 10.0) == pytest.approx(math.sqrt(0.5))


def test_interval_metrics_by_hand() -> None:
    y, lo, hi = np.array([5.0, 1.0, 9.0, NAN]), np.array([4.0, 2.0, 5.0, 0.0]), np.array([5.0, 4.0, 8.0, 100.0])
    assert metrics.coverage(y, lo, hi) == pytest.approx(1 / 3), "a bound belongs to the interval"
    assert metrics.mean_width(y, lo, hi) == pytest.approx(2.0)
    assert metrics.msis(y, lo, hi, 80, 4.0) == pytest.approx((1 + 2 + 10 + 3 + 10) / 3 / 4)
    assert metrics.pinball(y, hi, 0.9) == pytest.approx((0 + 0.1 * 3 + 0.9 * 1) / 3)


def test_value_added_by_hand() -> None:
    assert metrics.value_added(0.3, 0.4) == pytest.approx(0.25)
    assert metrics.value_added(0.6, 0.4) == pytest.approx(-0.5)
    for error, benchmark_error in ((0.3, 0.0), (0.0, 0.0), (NAN, 0.4), (0.3, NAN)):
        assert math.isnan(metrics.value_added(error, benchmark_error))


# name -> metric of known weeks and a forecast; those of the first group also need sales
NEED_SALES: dict[str, Callable[..., float]] = {
    "wape": metrics.wape,
    "bias": metrics.bias,
    "scaled_crps": lambda y, y_hat: metrics.scaled_crps(y, np.array([y_hat]), np.array([0.3])),
}
NEED_WEEKS: dict[str, Callable[..., float]] = {
    "smape": metrics.smape,
    "mase": lambda y, y_hat: metrics.mase(y, y_hat, 2.0),
    "rmsse": lambda y, y_hat: metrics.rmsse(y, y_hat, 2.0),
    "pinball": lambda y, y_hat: metrics.pinball(y, y_hat, 0.3),
    "coverage": lambda y, y_hat: metrics.coverage(y, y_hat - 1, y_hat + 1),
    "mean_width": lambda y, y_hat: metrics.mean_width(y, y_hat - 1, y_hat + 1),
    "msis": lambda y, y_hat: metrics.msis(y, y_hat - 1, y_hat + 1, 80, 2.0),
}
ALL = NEED_SALES | NEED_WEEKS


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("y", [[NAN, NAN], []], ids=["nothing known", "no week"])
def test_metric_is_undefined_when_nothing_is_known(name: str, y: list[float]) -> None:
    assert math.isnan(ALL[name](np.array(y, dtype=float), np.full(len(y), 5.0)))


@pytest.mark.parametrize("name", NEED_SALES)
@pytest.mark.parametrize("y", [[0, 0, 0], [0, NAN]], ids=["nothing sold", "and nothing known"])
def test_metric_is_undefined_when_nothing_was_sold(name: str, y: list[float]) -> None:
    assert math.isnan(ALL[name](np.array(y, dtype=float), np.full(len(y), 5.0)))


@pytest.mark.parametrize("train", [[], [5.0], [5.0, 5.0, 5.0], [5.0, NAN, 7.0], [NAN, NAN]])
def test_scale_of_a_history_without_changes_is_undefined(train: list[float]) -> None:
    y = np.array([1.0])
    for scale, metric in ((metrics.naive_mae, metrics.mase), (metrics.naive_mse, metrics.rmsse)):
        found = scale(np.array(train, dtype=float))
        assert math.isnan(found)
        assert math.isnan(metric(y, y + 1, found))
    assert math.isnan(metrics.msis(y, y - 1, y + 1, 80, NAN))


@pytest.mark.parametrize("name", ALL)
def test_metric_of_a_missing_forecast_is_undefined(name: str) -> None:
    assert math.isnan(ALL[name](np.array([5.0, 5.0]), np.array([5.0, NAN])))


def test_without_quantiles_there_is_no_score() -> None:
    assert math.isnan(metrics.scaled_crps(np.array([5.0]), np.empty((0, 1)), np.array([])))


def test_bias_is_positive_when_the_forecast_is_too_high() -> None:
    y = np.array([10.0, 10.0])
    assert metrics.bias(y, y + 1) == pytest.approx(0.1)
    assert metrics.bias(y, y - 1) == pytest.approx(-0.1)


@pytest.mark.parametrize("name", ALL)
def test_metric_returns_a_float_and_does_not_modify_arguments(name: str) -> None:
    y, y_hat = np.array([1.0, NAN]), np.array([2.0, 3.0])
    assert type(ALL[name](y, y_hat)) is float
    assert y.tobytes() == np.array([1.0, NAN]).tobytes()
    assert y_hat.tolist() == [2.0, 3.0]
