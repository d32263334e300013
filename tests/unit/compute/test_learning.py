"""Effects learned across items: no leakage, independence of order, bounded cost."""

from datetime import date

import numpy as np
import pytest

from fcst.compute import learning
from fcst.compute.learning import Learned, learn_effects
from fcst.compute.series import Series
from fcst.drivers import Driver, DriverKind

T, H = 120, 13


def series_of(seed: int, n: int = T) -> Series:
    rng = np.random.default_rng(seed)
    promotion = (rng.uniform(size=n + H) < 0.2).astype(float)
    y = rng.poisson(40 * np.exp(0.7 * promotion[:n])).astype(float)
    return Series(f"item{seed}", date(2024, 6, 1), y, {}, (Driver("promo", DriverKind.PROMOTION, promotion, True),))


ITEMS = [series_of(seed) for seed in range(12)]


def plain(series: list[Series], weeks_ago: int) -> dict:
    """Pooled effects as plain data for comparison."""
    return learn_effects(series, weeks_ago).to_plain()


def test_the_order_of_series_does_not_matter() -> None:
    assert plain(ITEMS, 0) == plain(ITEMS[::-1], 0)


def test_learned_effects_survive_a_round_trip() -> None:
    learned = Learned(13, learn_effects(ITEMS, 13))
    again = Learned.from_bytes(learned.to_bytes())
    assert (again.weeks_ago, again.boosting, again.pooled) == (13, None, None)
    assert again.to_bytes() == learned.to_bytes()


def test_effects_ignore_weeks_after_the_cutoff() -> None:
    later = []
    for series in ITEMS:
        (driver,) = series.drivers
        y, values = series.y.copy(), driver.values.copy()
        y[-13:], values[T - 13 :] = 1e6, 1.0
        later.append(
            Series(series.unique_id, series.last_wk_end_dt, y, {}, (Driver("promo", driver.kind, values, True),))
        )
    assert plain(later, 13) == plain(ITEMS, 13)
    assert plain(later, 0) != plain(ITEMS, 0)


def test_many_items_are_sampled_by_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "MAX_ITEMS", 5)
    assert learn_effects(ITEMS, 0).n_items == 5
    assert plain(ITEMS, 0) == plain(ITEMS[::-1], 0)


def test_many_drivers_reduce_the_sample_of_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "MAX_CELLS", 3 * T)
    assert learn_effects(ITEMS, 0).n_items == 3
    monkeypatch.setattr(learning, "MAX_CELLS", 1)
    assert learn_effects(ITEMS, 0).n_items == 1


def test_items_without_drivers_or_history_are_skipped() -> None:
    without = Series("plain", date(2024, 6, 1), np.ones(T))
    assert plain([*ITEMS, without, series_of(99, 10)], 26) == plain(ITEMS, 26)
    assert learn_effects([without], 0).columns == ()
