"""Accuracy: as a loop would compute it, by hand, and undefined where it is."""

import math

import numpy as np
import pytest

from fcst.compute.metrics import bias, wape

NAN = math.nan


def loop_wape(y: list[float], y_hat: list[float]) -> float:
    error = sold = 0.0
    for actual, forecast in zip(y, y_hat, strict=True):
        if not math.isnan(actual):
            error += abs(forecast - actual)
            sold += abs(actual)
    return error / sold if sold else NAN


def loop_bias(y: list[float], y_hat: list[float]) -> float:
    error = sold = 0.0
    for actual, forecast in zip(y, y_hat, strict=True):
        if not math.isnan(actual):
            error += forecast - actual
            sold += abs(actual)
    return error / sold if sold else NAN


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("metric", "loop"), [(wape, loop_wape), (bias, loop_bias)])
def test_metric_equals_a_naive_loop_on_random_data(metric, loop, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.round(rng.gamma(1.0, 20.0, 13), 2) * rng.choice([1, 1, 1, 0, -1], 13)
    y[rng.random(13) < 0.2] = NAN
    y_hat = rng.gamma(1.0, 20.0, 13)
    assert metric(y, y_hat) == pytest.approx(loop(y.tolist(), y_hat.tolist()), rel=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    ("y", "y_hat", "expected_wape", "expected_bias"),
    [
        ([10, 20, 30], [12, 18, 33], 7 / 60, 3 / 60),
        ([10, 10], [15, 5], 0.5, 0.0),
        ([8, 8, 8], [8, 8, 8], 0.0, 0.0),
        ([5, 5], [0, 0], 1.0, -1.0),
        ([0, 10], [3, 10], 0.3, 0.3),
        ([-4, 6], [1, 6], 0.5, 0.5),
        ([10, NAN, 20], [11, 500, 18], 3 / 30, -1 / 30),
    ],
    ids=["mixed", "errors cancel", "perfect", "nothing forecast", "a zero week", "a week of returns", "a missing week"],
)
def test_metric_by_hand(y: list[float], y_hat: list[float], expected_wape: float, expected_bias: float) -> None:
    actual, forecast = np.array(y, dtype=float), np.array(y_hat, dtype=float)
    assert wape(actual, forecast) == pytest.approx(expected_wape)
    assert bias(actual, forecast) == pytest.approx(expected_bias)


@pytest.mark.parametrize("metric", [wape, bias])
@pytest.mark.parametrize(
    "y", [[0, 0, 0], [NAN, NAN], [0, NAN], []], ids=["nothing sold", "nothing known", "neither", "no week"]
)
def test_metric_is_undefined_when_nothing_was_sold_or_is_known(metric, y: list[float]) -> None:
    assert math.isnan(metric(np.array(y, dtype=float), np.full(len(y), 5.0)))


@pytest.mark.parametrize("metric", [wape, bias])
def test_metric_of_a_missing_forecast_is_undefined_and_not_good(metric) -> None:
    assert math.isnan(metric(np.array([5.0, 5.0]), np.array([5.0, NAN])))


def test_bias_is_positive_when_the_forecast_is_too_high() -> None:
    y = np.array([10.0, 10.0])
    assert bias(y, y + 1) == pytest.approx(0.1)
    assert bias(y, y - 1) == pytest.approx(-0.1)


@pytest.mark.parametrize("metric", [wape, bias])
def test_metric_is_a_plain_number(metric) -> None:
    assert type(metric(np.array([1.0]), np.array([2.0]))) is float


@pytest.mark.parametrize("metric", [wape, bias])
def test_metric_leaves_its_arguments_alone(metric) -> None:
    y, y_hat = np.array([1.0, NAN]), np.array([2.0, 3.0])
    metric(y, y_hat)
    assert y.tobytes() == np.array([1.0, NAN]).tobytes()
    assert y_hat.tolist() == [2.0, 3.0]
