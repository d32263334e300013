"""Item statistics of an ingest: the demand class equals that of `compute.demand`."""

import numpy as np
import pyarrow as pa
import pytest

from fcst.compute.demand import demand_class
from fcst.ingest.item_statistics import describe_series
from fcst.ingest.weekly_sales import Series

NAN = np.nan


def series_of(histories: list[np.ndarray]) -> Series:
    """Series of items that end in the same week."""
    n_weeks = max(map(len, histories))
    units = np.array([np.r_[np.zeros(n_weeks - len(y)), y] for y in histories], dtype=float)
    first = np.array([n_weeks - len(y) for y in histories])
    return Series(
        keys=pa.array([str(n) for n in range(len(histories))]),
        rows=np.arange(len(histories)),
        first=first,
        is_active=np.arange(n_weeks) >= first[:, None],
        units=units,
        known=np.nan_to_num(units),
        promo=None,
        is_sold=units > 0,
    )


def random_histories(n: int) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    histories = []
    for _ in range(n):
        n_weeks, spread = rng.integers(1, 120), rng.choice([0, 1.2])
        y = rng.poisson(rng.choice([0.3, 1, 5]), n_weeks) * np.exp(rng.normal(0, spread, n_weeks))
        y = np.where(rng.random(len(y)) < rng.choice([0, 0.3]), NAN, y - (rng.random(len(y)) < 0.05))
        histories.append(y)
    return histories


@pytest.mark.parametrize(
    "histories",
    [
        [np.array([5, NAN, NAN, NAN, 0.0] * 40)],
        [np.zeros(30)],
        [np.array([0.0, 0.0, 7.0, 0.0])],
        [np.array([3.0, 17.0] * 20)],
        [np.full(9, NAN), np.array([4.0]), np.zeros(2)],
        random_histories(500),
    ],
    ids=["missing", "none", "one sale", "at the cutoff", "short", "random"],
)
def test_demand_class_equals_that_of_each_series(histories: list[np.ndarray]) -> None:
    found = describe_series(series_of(histories))
    assert found.demand_class.tolist() == [demand_class(y) for y in histories]
    for n, y in enumerate(histories):
        sold = y[y > 0]
        adi = np.count_nonzero(~np.isnan(y)) / len(sold) if len(sold) else NAN
        cv2 = sold.var() / sold.mean() ** 2 if len(sold) else NAN
        assert (found.adi[n], found.cv2[n]) == pytest.approx((adi, cv2), abs=5.1e-5, nan_ok=True)


def test_random_series_have_all_classes() -> None:
    assert len(set(describe_series(series_of(random_histories(500))).demand_class)) == 5
