"""Accuracy of one forecast over one window, compared with hand-computed numbers."""

import math

import numpy as np
import pytest

from fcst.compute.accuracy import measure

NAN = math.nan
Y = np.array([10.0, NAN, 0.0, 6.0])
MEAN = np.array([8.0, 5.0, 2.0, 6.0])
LO = np.array([[7.0, 4.0, 1.0, 5.0], [0.0, 0.0, 0.0, 0.0]])
HI = np.array([[9.0, 6.0, 3.0, 7.0], [10.0, 9.0, 8.0, 7.0]])
HISTORY = np.array([1.0, 3.0, 2.0, NAN, 7.0])  # changes 2 and -1; the third is unknown


def test_sums_cover_known_weeks_only() -> None:
    found = measure(Y, MEAN, LO, HI, (50, 80), HISTORY)
    assert (found.n_weeks, found.abs_error, found.error, found.sq_error, found.actual) == (3, 4, 0, 8, 16)


def test_metrics_by_hand() -> None:
    found = measure(Y, MEAN, LO, HI, (50, 80), HISTORY)
    assert (found.wape, found.bias) == (0.25, 0)
    assert found.smape == pytest.approx((4 / 18 + 2 + 0) / 3)
    assert found.mase == pytest.approx((4 / 3) / 1.5)
    assert found.rmsse == pytest.approx(math.sqrt((8 / 3) / 2.5))


def test_intervals_by_hand() -> None:
    found = measure(Y, MEAN, LO, HI, (50, 80), HISTORY)
    assert found.coverage == (pytest.approx(1 / 3), 1)
    assert found.mean_width == (2, pytest.approx(25 / 3))
    assert found.msis == (pytest.approx((2 + 2 / 0.5 * (1 + 1) / 3) / 1.5), pytest.approx(25 / 3 / 1.5))


def test_quantile_losses_by_hand() -> None:
    found = measure(Y, MEAN, LO[:1], HI[:1], (50,), HISTORY)
    lower = 0.25 * 3 + 0.75 * 1 + 0.25 * 1  # errors of 7, 1 and 5 at quantile 0.25
    upper = 0.75 * 1 + 0.25 * 3 + 0.25 * 1  # errors of 9, 3 and 7 at quantile 0.75
    assert found.pinball == pytest.approx((lower + upper) / 2)
    assert found.scaled_crps == pytest.approx(2 * found.pinball / found.actual)


def test_no_levels_give_no_interval_metrics() -> None:
    none = np.zeros((0, 4))
    found = measure(Y, MEAN, none, none, (), HISTORY)
    assert found.coverage == found.mean_width == found.msis == ()
    assert math.isnan(found.pinball) and math.isnan(found.scaled_crps)
    assert found.wape == 0.25


def test_constant_history_has_undefined_scaled_metrics() -> None:
    found = measure(Y, MEAN, LO, HI, (50, 80), np.full(20, 3.0))
    assert math.isnan(found.mase) and math.isnan(found.rmsse) and all(map(math.isnan, found.msis))
    assert found.coverage[1] == 1
