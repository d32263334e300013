"""Pooled seasons: shares of items in the forecasts of their groups."""

from datetime import date, timedelta

import numpy as np
import pytest

from fcst.compute.pooled_seasons import MAX_GROUPS, MIN_SPAN, PooledSeasons, fit_pooled_seasons, sum_groups
from fcst.compute.series import Series

LAST = date(2024, 6, 1)
SEASON = 1 + 0.5 * np.sin(2 * np.pi * np.arange(221) / 52.18)


def items_of(n: int, n_weeks: int = 208) -> list[Series]:
    random = np.random.default_rng(0)
    return [
        Series(f"item {i}", LAST, random.poisson((5 + i) * SEASON[:n_weeks]).astype(float), {"family": f"{i % 2}"})
        for i in range(n)
    ]


def test_item_gets_its_share_of_the_season() -> None:
    items = items_of(20)
    found = fit_pooled_seasons(items, 13)
    assert found and len(found.ahead) == 3
    made = found.forecast(items[4].y, items[4].attributes, 13)
    assert made is not None and made == pytest.approx(9 * SEASON[208:], rel=0.15)


def test_new_item_gets_a_share_and_does_not_change_the_sums() -> None:
    items = items_of(20)
    new = Series("new", LAST, np.full(6, 50.0), {"family": "unknown"})
    found, without = fit_pooled_seasons([*items, new], 13), fit_pooled_seasons(items, 13)
    assert found and without and found.to_bytes() == without.to_bytes()
    made = found.forecast(new.y, new.attributes, 13)
    assert made is not None and 25 < made.mean() < 100


def test_few_items_or_weeks_give_no_sums() -> None:
    assert fit_pooled_seasons([], 13) is None
    assert fit_pooled_seasons(items_of(4), 13) is None
    assert fit_pooled_seasons(items_of(20, MIN_SPAN - 1), 13) is None
    assert fit_pooled_seasons(items_of(20, MIN_SPAN), 13) is not None


def test_order_of_items_does_not_matter_and_groups_are_limited() -> None:
    items = [Series(i.unique_id, LAST, i.y, {"pair": str(k // 5)}) for k, i in enumerate(items_of(5 * MAX_GROUPS))]
    found, shuffled = fit_pooled_seasons(items, 13), fit_pooled_seasons(items[::-1], 13)
    assert found and shuffled and found.to_bytes() == shuffled.to_bytes() and len(found.ahead) == MAX_GROUPS


def test_ended_item_counts_as_zero_afterwards() -> None:
    items = items_of(10)
    ended = Series("ended", LAST - timedelta(weeks=8), np.full(200, 10.0))
    assert sum_groups([*items, ended])[""] == pytest.approx(
        sum_groups(items)[""] + np.r_[np.full(200, 10.0), np.zeros(8)]
    )


def test_missing_weeks_do_not_lower_the_share() -> None:
    items = items_of(20)
    found = fit_pooled_seasons(items, 13)
    assert found
    y = np.where(np.arange(208) % 4 == 0, np.nan, items[3].y)
    whole, part = (found.forecast(units, {}, 13) for units in (items[3].y, y))
    assert whole is not None and part is not None and part == pytest.approx(whole, rel=0.1)


def test_stored_and_loaded_it_forecasts_the_same_bits() -> None:
    items = items_of(20)
    found = fit_pooled_seasons(items, 20)
    assert found
    loaded = PooledSeasons.from_bytes(found.to_bytes())
    made, again = (one.forecast(items[0].y, items[0].attributes, 20) for one in (found, loaded))
    assert made is not None and again is not None and np.array_equal(made, again)
    assert loaded.forecast(items[0].y, {}, 21) is None, "a longer horizon was not forecast"
