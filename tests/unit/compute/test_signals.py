"""Level shifts at the end of a history."""

import numpy as np
import pytest

from fcst.compute.signals import level_shift


def history(n: int = 104, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).poisson(50, n).astype(float)


def test_a_shift_is_found_with_its_size() -> None:
    y = history()
    y[-8:] += 40
    assert level_shift(y) == pytest.approx(40, abs=8)
    y[-8:] -= 75
    assert level_shift(y) == pytest.approx(-35, abs=8)


def test_random_variation_is_rarely_a_shift() -> None:
    assert sum(level_shift(history(seed=seed)) is not None for seed in range(200)) <= 4


def test_repeated_season_is_not_a_shift() -> None:
    y = history()
    y[-8:] += 40
    y[-60:-52] += 40
    assert level_shift(y) is None


@pytest.mark.parametrize("n", [1, 8, 33])
def test_short_history_has_no_shift(n: int) -> None:
    assert level_shift(np.r_[history(n)[: n - 1], 1e6]) is None


def test_missing_weeks_do_not_count() -> None:
    y = history()
    y[-8:] += 40
    y[[-1, -20]] = np.nan
    assert level_shift(y) is not None
    y[-8:-4] = np.nan
    assert level_shift(y) is None


def test_item_without_sales_has_no_shift() -> None:
    assert level_shift(np.zeros(104)) is None and level_shift(np.full(104, np.nan)) is None
