"""Boosting: no leakage after the cutoff, independence of the order of items, exact export of trees."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor

from fcst.compute import boosting
from fcst.compute.boosting import MAX_ROWS, Boosting, Trees, fit_boosting
from fcst.compute.series import Series

LAST = date(2024, 6, 1)
STEPS = np.arange(1, 14)


def items_of(n: int, n_weeks: int, seed: int = 0) -> list[Series]:
    random, weeks = np.random.default_rng(seed), np.arange(n_weeks)
    season = 1 + 0.5 * np.sin(2 * np.pi * weeks / 52.18)
    sizes = random.lognormal(3, 1, n)
    return [
        Series(f"item {i}", LAST, random.poisson(size * season).astype(float), {"family": f"family {i % 3}"})
        for i, size in enumerate(sizes)
    ]


@pytest.fixture(scope="module")
def learned() -> Boosting:
    found = fit_boosting(items_of(30, 150))
    assert found
    return found


# Training


def test_boosting_learns_a_common_season(learned: Boosting) -> None:
    item = items_of(1, 150, seed=1)[0]
    truth = item.y.mean() * (1 + 0.5 * np.sin(2 * np.pi * (149 + STEPS) / 52.18))
    made = learned.forecast(item.y, LAST, item.attributes, 13)
    assert np.abs(made - truth).mean() < 0.6 * np.abs(item.y[-13:].mean() - truth).mean()


def test_few_items_or_weeks_give_no_model() -> None:
    assert fit_boosting([]) is None
    assert fit_boosting(items_of(9, 150)) is None
    assert fit_boosting(items_of(30, 9)) is None


@pytest.mark.full
def test_number_of_training_rows_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def grow(x: np.ndarray, target: np.ndarray) -> Trees:
        seen.append(len(x))
        return original(x[:3000], target[:3000])

    original = boosting._grow
    monkeypatch.setattr(boosting, "_grow", grow)
    assert fit_boosting(items_of(60, 200))
    assert MAX_ROWS * 0.9 < seen[0] <= MAX_ROWS
    monkeypatch.setattr(boosting, "MAX_ROWS", 5000)
    assert fit_boosting(items_of(60, 200)) and seen[1] <= 5000
    monkeypatch.setattr(boosting, "MAX_ROWS", 2500)
    assert fit_boosting(items_of(2600, 30)) and seen[2] <= 2500


# Reproducibility


@pytest.mark.full
def test_model_does_not_depend_on_the_order_of_items(learned: Boosting) -> None:
    shuffled = fit_boosting(items_of(30, 150)[::-1])
    assert shuffled and shuffled.to_bytes() == learned.to_bytes()


@pytest.mark.full
def test_model_ignores_weeks_after_the_cutoff(learned: Boosting) -> None:
    later = [np.r_[item.y, 1e6 * np.ones(13)] for item in items_of(30, 150)]
    cut = [
        Series(item.unique_id, LAST, y[:150], item.attributes) for item, y in zip(items_of(30, 150), later, strict=True)
    ]
    again = fit_boosting(cut)
    assert again and again.to_bytes() == learned.to_bytes()
    y = later[0]
    made = learned.forecast(y[:150], LAST, {}, 13)
    assert np.array_equal(made, learned.forecast(items_of(30, 150)[0].y, LAST, {}, 13))


def test_stored_and_loaded_it_forecasts_the_same_bits(learned: Boosting) -> None:
    data = learned.to_bytes()
    assert len(data) < 400_000
    loaded, item = Boosting.from_bytes(data), items_of(1, 150)[0]
    assert loaded.to_bytes() == data
    for attributes in ({"family": "family 1"}, {"family": "unknown"}, {}):
        made = loaded.forecast(item.y, LAST, attributes, 30)
        assert np.array_equal(made, learned.forecast(item.y, LAST, attributes, 30))


def test_exported_trees_predict_like_scikit_learn() -> None:
    random = np.random.default_rng(3)
    x = random.normal(size=(4000, 6))
    x[random.random(x.shape) < 0.2] = np.nan
    target = np.nan_to_num(x[:, 0]) * 2 + np.isnan(x[:, 1]) + random.normal(size=4000)
    model = HistGradientBoostingRegressor(loss="absolute_error", max_iter=40, random_state=0).fit(
        x[:3000], target[:3000]
    )
    assert np.array_equal(boosting._exported(model).predict(x), model.predict(x))


# Irregular histories


@pytest.mark.parametrize("n_weeks", [1, 2, 5, 8, 13, 30, 103, 104, 300])
@pytest.mark.parametrize("h", [1, 13, 14, 104])
def test_boosting_forecasts_any_length_and_horizon(learned: Boosting, n_weeks: int, h: int) -> None:
    y = np.random.default_rng(0).gamma(3, 10, n_weeks)
    made = learned.forecast(y, LAST, {}, h)
    assert made.shape == (h,) and (made >= 0).all() and made.max() < 10 * y.max()


@pytest.mark.parametrize(
    "y",
    [
        np.zeros(120),
        np.full(120, 7.0),
        np.r_[np.zeros(119), 1e9],
        np.r_[5.0, np.full(119, np.nan)],
        np.where(np.arange(120) % 3, np.nan, 4.0),
        np.where(np.arange(120) % 7, 20.0, -30.0),
        -np.ones(120),
    ],
    ids=["zeros", "constant", "a spike", "missing", "often missing", "returns", "negative"],
)
def test_boosting_forecasts_irregular_histories(learned: Boosting, y: np.ndarray) -> None:
    made = learned.forecast(y, LAST, {}, 26)
    assert np.isfinite(made).all() and np.abs(made).max() <= 3 * np.nanmax(np.abs(y)) + 1e-9
    assert np.nanmin(y) < 0 or made.min() >= 0


def test_the_first_steps_do_not_depend_on_the_horizon(learned: Boosting) -> None:
    y = items_of(1, 150)[0].y
    assert np.array_equal(learned.forecast(y, LAST, {}, 104)[:20], learned.forecast(y, LAST, {}, 20))


@pytest.mark.few(1)
@pytest.mark.parametrize("scale", [1e-3, 1e9])
def test_boosting_is_invariant_to_the_scale_of_units(scale: float) -> None:
    scaled = [Series(i.unique_id, LAST, i.y * scale, i.attributes) for i in items_of(30, 150)]
    found, y = fit_boosting(scaled), scaled[0].y
    assert found
    made = found.forecast(y, LAST, {}, 13)
    assert np.isfinite(made).all() and 0.2 * y.mean() < made.mean() < 3 * y.mean()


@pytest.mark.full
def test_boosting_fits_irregular_items() -> None:
    random = np.random.default_rng(0)
    odd: list[Any] = [
        np.zeros(80), np.full(80, 3.0), np.full(1, 2.0), np.full(20, 1e-3), np.full(100, 1e9), -np.ones(60),
        np.where(random.random(90) < 0.5, np.nan, 5.0), np.r_[4.0, np.full(40, np.nan)],
    ]  # fmt: skip
    items = [Series(f"odd {i}", LAST - timedelta(weeks=i), np.asarray(y)) for i, y in enumerate(odd)]
    found = fit_boosting([*items, *items_of(20, 120)])
    assert found and np.isfinite(found.forecast(items[3].y, LAST, {}, 13)).all()
