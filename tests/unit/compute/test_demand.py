"""The demand class of the known weeks of a series."""

import numpy as np
import pytest

from fcst.compute.demand import demand_class
from fcst.names import DEMAND_CLASSES

NAN = np.nan


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ([5, 6, 5, 6], "smooth"),
        ([1, 30, 2, 1], "erratic"),
        ([0, 5, 0, 5], "intermittent"),
        ([0, 1, 0, 40], "lumpy"),
        ([0, 0, 0], "none"),
        ([0, -1, 0], "none"),
        ([NAN, NAN], "none"),
        ([], "none"),
        ([7], "smooth"),
    ],
)
def test_demand_class(y: list[float], expected: str) -> None:
    assert demand_class(np.array(y, dtype=float)) == expected
    assert expected in DEMAND_CLASSES


def test_missing_weeks_are_ignored() -> None:
    """Two of five weeks are known, one with sales: the demand interval is 2, not 5 or 1.25."""
    assert demand_class(np.array([5, NAN, NAN, NAN, 0.0] * 40)) == "intermittent"
    assert demand_class(np.array([5, NAN, NAN, NAN] * 40)) == "smooth"


def test_returns_count_as_weeks_without_sales() -> None:
    assert demand_class(np.array([5, -2.0] * 40)) == "intermittent"


def test_limits_belong_to_the_higher_class() -> None:
    sold = np.full(100, 5.0)
    assert demand_class(np.r_[sold, np.zeros(31)]) == "smooth"  # 1.31
    assert demand_class(np.r_[sold, np.zeros(32)]) == "intermittent"  # 1.32
    assert demand_class(np.array([10 - 6.999, 10 + 6.999])) == "smooth"
    assert demand_class(np.array([3.0, 17.0])) == "erratic"  # 49 / 10² is 0.49
    assert demand_class(np.array([10 - 7.001, 10 + 7.001])) == "erratic"
