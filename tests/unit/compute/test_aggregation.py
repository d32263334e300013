"""Intervals of sums of items, and error correlation: compared with naive loops, by hand, and in blocks."""

import math

import numpy as np
import pytest

from fcst.compute.aggregation import USUAL_CORRELATION, ErrorCorrelation, ForecastSum, Total, shrink_correlation

NAN = math.nan
N, L, H, W = 23, 2, 5, 3


def items(seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mean = rng.gamma(2.0, 10.0, (N, H))
    down = np.minimum(np.cumsum(rng.gamma(1.0, 5.0, (N, L, H)), axis=1), mean[:, None])
    return mean, mean[:, None] - down, mean[:, None] + np.cumsum(rng.gamma(1.0, 8.0, (N, L, H)), axis=1)


def total_of(blocks: list[slice], correlation: float, seed: int = 1) -> Total:
    mean, lo, hi = items(seed)
    found = ForecastSum(H, L)
    for block in blocks:
        found.add(mean[block], lo[block], hi[block])
    return found.total(correlation)


@pytest.mark.parametrize("correlation", [0.0, 0.3, 1.0])
def test_interval_of_a_sum_equals_a_naive_loop(correlation: float) -> None:
    mean, lo, hi = items()
    found = total_of([slice(None)], correlation)
    for h in range(H):
        total = sum(mean[:, h])
        assert found.mean[h] == pytest.approx(total)
        for i in range(L):
            reach = []
            for distances in (mean[:, h] - lo[:, i, h], hi[:, i, h] - mean[:, h]):
                squares, alike = sum(d**2 for d in distances), sum(distances) ** 2
                reach.append(math.sqrt((1 - correlation) * squares + correlation * alike))
            assert found.lo[i, h] == pytest.approx(max(total - reach[0], 0.0))
            assert found.hi[i, h] == pytest.approx(total + reach[1])
    assert found.n_items == N


def test_full_correlation_adds_up_bounds() -> None:
    _, lo, hi = items()
    found = total_of([slice(None)], 1.0)
    np.testing.assert_allclose(found.lo, lo.sum(0), atol=1e-9)
    np.testing.assert_allclose(found.hi, hi.sum(0))


def test_interval_of_one_item_does_not_depend_on_the_correlation() -> None:
    mean, lo, hi = items()
    for correlation in (0.0, 0.5, 1.0):
        found = total_of([slice(0, 1)], correlation)
        np.testing.assert_allclose(found.lo, lo[0], atol=1e-9)
        np.testing.assert_allclose(found.hi, hi[0])


def test_blocks_give_the_same_total_as_all_items_at_once() -> None:
    blocks = total_of([slice(0, 1), slice(1, 9), slice(9, 9), slice(9, None)], 0.4)
    whole = total_of([slice(None)], 0.4)
    for part in ("mean", "lo", "hi"):
        np.testing.assert_allclose(getattr(blocks, part), getattr(whole, part))
    assert blocks.n_items == whole.n_items


def test_lower_bound_of_a_sum_is_not_negative() -> None:
    found = ForecastSum(1, 1)
    found.add(np.array([[1.0]]), np.array([[[-5.0]]]), np.array([[[2.0]]]))
    assert found.total(0.0).lo.tolist() == [[0.0]]


def test_sum_of_no_items_is_zero() -> None:
    found = ForecastSum(2, 1).total(0.3)
    assert found.n_items == 0 and not found.mean.any() and not found.lo.any() and not found.hi.any()


def test_no_levels_give_no_bounds() -> None:
    found = ForecastSum(2, 0)
    found.add(np.ones((3, 2)), np.empty((3, 0, 2)), np.empty((3, 0, 2)))
    assert found.total(0.3).mean.tolist() == [3.0, 3.0] and found.total(0.3).lo.shape == (0, 2)


# Correlation


def errors_of(seed: int, alike: float, n: int = 400) -> np.ndarray:
    """Errors of items of different size with a common share of variance; some weeks are missing."""
    rng = np.random.default_rng(seed)
    common, own = rng.normal(0, 1, (1, W, H)), rng.normal(0, 1, (n, W, H))
    errors = rng.gamma(1.0, 10.0, (n, 1, 1)) * (np.sqrt(alike) * common + np.sqrt(1 - alike) * own)
    errors[rng.random((n, W, H)) < 0.1] = NAN
    errors[: n // 4, 0] = NAN  # short histories do not have the first window
    return errors


def measure(errors: np.ndarray, *ends: int) -> ErrorCorrelation:
    found = ErrorCorrelation(W, H)
    for block in np.split(errors, ends):
        found.add(block)
    return found


def loop_correlation(errors: np.ndarray) -> float:
    sizes = [np.mean([e**2 for e in item.ravel() if not math.isnan(e)]) for item in errors]
    excess, most = [], []
    for w in range(W):
        for h in range(H):
            known = [(e, s2) for e, s2 in zip(errors[:, w, h], sizes, strict=True) if not math.isnan(e)]
            apart = sum(s2 for _, s2 in known)
            excess.append(sum(e for e, _ in known) ** 2 - apart)
            most.append(sum(math.sqrt(s2) for _, s2 in known) ** 2 - apart)
    return np.mean(excess) / np.mean(most)


@pytest.mark.parametrize("alike", [0.0, 0.4, 1.0])
def test_correlation_equals_a_naive_loop_also_in_blocks(alike: float) -> None:
    errors = errors_of(3, alike)
    expected = loop_correlation(errors)
    assert measure(errors).correlation == pytest.approx(expected)
    assert measure(errors, 1, 50, 50, 399).correlation == pytest.approx(expected)


@pytest.mark.parametrize("alike", [0.0, 0.4, 0.9])
def test_correlation_estimates_the_common_share_of_variance(alike: float) -> None:
    found = [measure(errors_of(seed, alike)).correlation for seed in range(60)]
    assert np.mean(found) == pytest.approx(alike, abs=0.1)


def test_windows_without_known_weeks_do_not_count() -> None:
    errors = errors_of(3, 0.4)
    assert measure(errors).n_windows == W
    errors[:, 1] = NAN
    assert measure(errors).n_windows == W - 1


@pytest.mark.parametrize(
    "errors",
    [np.full((4, W, H), NAN), np.zeros((0, W, H)), np.zeros((4, W, H)), errors_of(3, 0.4)[-1:]],
    ids=["nothing known", "no item", "no error", "one item"],
)
def test_correlation_is_undefined(errors: np.ndarray) -> None:
    assert math.isnan(measure(errors).correlation)


def test_measured_correlation_is_shrunk_to_the_usual_one() -> None:
    assert shrink_correlation(0.6, 2) == pytest.approx((2 * 0.6 + USUAL_CORRELATION) / 3)
    assert shrink_correlation(-0.2, 1) == pytest.approx(USUAL_CORRELATION / 2)
    assert shrink_correlation(1.4, 1) == pytest.approx((1 + USUAL_CORRELATION) / 2)
    assert shrink_correlation(NAN, 0) == USUAL_CORRELATION
