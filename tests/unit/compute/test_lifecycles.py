"""Borrowed histories and launches: weeks used, levels, no leakage after a cutoff."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from fcst.compute.forecasting import forecast_item
from fcst.compute.history import SeriesHistories
from fcst.compute.lifecycles import LEVEL_ERROR, apply_lifecycle, at_level, find_launch, level_error
from fcst.compute.series import Series
from fcst.drivers import Driver, DriverKind
from fcst.lifecycles import Origin
from fcst.specs import JobSpec

LAST = date(2024, 6, 1)
NAN = float("nan")
NEW = Series("new", LAST, np.array([NAN]))
SPEC = JobSpec(h=13, level=(80,), n_windows=2)


def series(name: str, *units: float) -> Series:
    return Series(name, LAST, np.array(units, dtype=float))


def long_item(seed: int, level: float = 50.0, n: int = 120) -> Series:
    return Series(f"item{seed}", LAST, np.random.default_rng(seed).poisson(level, n).astype(float))


def test_predecessors_are_summed_and_overlap_includes_both() -> None:
    own, first, other = series("c", 5, 6), series("a", 10, 11, 2, 0), series("b", 1, NAN, 3)
    found = apply_lifecycle(own, Origin.PREDECESSOR, [(first, 1.0), (other, 2.0)], None, None)
    np.testing.assert_array_equal(found.y, [10, 13, 5 + 2, 6 + 6])
    assert found.life.n_borrowed == 2 and found.life.sources == ("a", "b")


def test_week_unknown_in_all_predecessors_is_missing() -> None:
    found = apply_lifecycle(NEW, Origin.PREDECESSOR, [(series("a", 4, NAN, 6), 1.0)], None, None)
    np.testing.assert_array_equal(found.y, [4, NAN, 6])
    assert found.life.n_borrowed == 3


def test_like_item_is_used_before_the_launch_only() -> None:
    found = apply_lifecycle(series("new", 8, 9), Origin.LIKE, [(series("a", 10, 20, 30, 40), 0.5)], None, None)
    np.testing.assert_array_equal(found.y, [5, 10, 8, 9])
    assert found.life.n_borrowed == 2


@pytest.mark.parametrize(
    "days_ago, n_borrowed", [(0, 3), (6, 3), (7, 2), (8, 2), (13, 2), (14, 1), (-1, 4), (-30, 4), (100, 0)]
)
def test_own_weeks_before_the_launch_are_left_out(days_ago: int, n_borrowed: int) -> None:
    own, like = series("new", 1, 2, 3, 4), series("a", 10, 20, 30, 40)
    found = apply_lifecycle(own, Origin.LIKE, [(like, 1.0)], LAST - timedelta(days=days_ago), None)
    assert found.life.n_borrowed == n_borrowed
    expected = np.r_[like.y[:n_borrowed], own.y[n_borrowed:]]
    if days_ago % 7 != 6 and 0 < n_borrowed < 4:
        expected[n_borrowed] = NAN  # on sale for a part of the week
    np.testing.assert_array_equal(found.y, expected)


def test_few_sales_before_a_known_launch_are_left_out() -> None:
    item = series("a", 1, 0, 2, 50, 60, 55)
    found = apply_lifecycle(item, None, (), LAST - timedelta(days=20), None)
    np.testing.assert_array_equal(found.y, [NAN, NAN, NAN, 50, 60, 55])
    histories = SeriesHistories(found, 4)
    np.testing.assert_array_equal(histories.y, [50, 60, 55])
    assert histories.life.n_borrowed == 0 and histories.level_error(histories.end) == 0


def test_ended_predecessor_has_no_zeros_after_its_last_sale() -> None:
    ended = Series("a", LAST, np.r_[np.random.default_rng(1).poisson(100, 90), np.zeros(30)].astype(float))
    found = apply_lifecycle(NEW, Origin.PREDECESSOR, [(ended, 1.0)], None, None)
    assert np.isnan(found.y[90:]).all()
    mean = forecast_item(found, SPEC).forecasts["Auto"].mean
    assert (abs(mean - 100) < 15).all(), "demand for the predecessor goes on"


def test_item_with_only_zeros_counts_as_not_launched() -> None:
    found = apply_lifecycle(series("new", 0, 0, 0), Origin.LIKE, [(series("a", 7, 8, 9), 1.0)], None, None)
    np.testing.assert_array_equal(found.y, [7, 8, 9])
    assert found.life.n_borrowed == 3


def test_borrowed_weeks_of_a_source_are_scaled_to_its_level() -> None:
    big = apply_lifecycle(long_item(1, 1000.0, 16), Origin.LIKE, [(long_item(2, 10.0), 1.0)], None, None)
    found = apply_lifecycle(NEW, Origin.PREDECESSOR, [(big, 1.0)], None, None)
    assert found.y[:100].mean() > 300


def test_history_is_borrowed_over_several_generations() -> None:
    middle = apply_lifecycle(series("b", 7, 8), Origin.PREDECESSOR, [(series("a", 5, 6, 0, 0), 1.0)], None, None)
    found = apply_lifecycle(NEW, Origin.PREDECESSOR, [(middle, 1.0)], LAST + timedelta(days=1), None)
    np.testing.assert_array_equal(found.y, [5, 6, 7, 8])


def test_drivers_before_the_launch_come_from_the_source() -> None:
    promo, price = DriverKind.PROMOTION, DriverKind.PRICE
    source = replace(
        series("a", 1, 2, 3, 4),
        drivers=(
            Driver("promo", promo, np.array([1.0, 0, 1, 0, 0]), True),
            Driver("price", price, np.array([2.0, 2, 4, 2, 2]), True),
        ),
    )
    own = replace(
        series("new", 5, 6),
        drivers=(
            Driver("promo", promo, np.array([0.0, 1, 1]), True),
            Driver("price", price, np.array([6.0, 6, 3]), True),
        ),
    )
    found = {d.name: d.values for d in apply_lifecycle(own, Origin.LIKE, [(source, 1.0)], None, None).drivers}
    np.testing.assert_array_equal(found["promo"], [1, 0, 0, 1, 1])
    np.testing.assert_array_equal(found["price"], [6, 6, 6, 6, 3])


def test_like_item_approaches_the_item_level_with_more_own_weeks() -> None:
    y = np.r_[np.full(100, 10.0), np.full(20, 40.0)]
    life = apply_lifecycle(
        Series("new", LAST, y[100:]), Origin.LIKE, [(Series("a", LAST, np.full(120, 10.0)), 1.0)], None, None
    ).life
    levels = [at_level(y, life, cutoff)[0] for cutoff in (100, 101, 104, 120)]
    assert levels[0] == 10 and levels == sorted(levels)
    assert levels[2] == pytest.approx(10 * 4**0.5), "four own weeks have the same weight as the expected level"
    errors = [level_error(y, life, cutoff) for cutoff in (50, 100, 104, 120)]
    assert errors[:3] == [LEVEL_ERROR, LEVEL_ERROR, LEVEL_ERROR / 2] and errors[3] < errors[2]


def test_borrowed_history_ignores_weeks_after_the_cutoff() -> None:
    own, like = long_item(1, 80.0, 50), long_item(2)
    changed = replace(own, y=np.r_[own.y[:-13], 1000 + own.y[-13:]])
    found = [
        forecast_item(apply_lifecycle(item, Origin.LIKE, [(like, 1.0)], None, None), SPEC).backtests
        for item in (own, changed)
    ]
    assert [b.cutoff for b in found[0]] == [b.cutoff for b in found[1]]
    for before, after in zip(*found, strict=True):
        np.testing.assert_array_equal(before.forecast.mean, after.forecast.mean)
        np.testing.assert_array_equal(before.forecast.hi, after.forecast.hi)


@pytest.mark.full
def test_accuracy_uses_own_weeks_only() -> None:
    like = long_item(2)
    for n_own, n_windows in ((3, 0), (4, 1), (13, 1), (20, 2), (50, 2)):
        item = apply_lifecycle(long_item(1, 80.0, n_own), Origin.LIKE, [(like, 1.0)], None, None)
        found = [b for b in forecast_item(item, SPEC).backtests if b.model == "Auto"]
        assert len(found) == n_windows, n_own
        assert sum(np.count_nonzero(~np.isnan(b.y)) for b in found) == min(n_own, 13 * n_windows)


def test_interval_of_a_new_item_includes_the_level_error() -> None:
    like = long_item(2)
    plain = forecast_item(like, SPEC).forecasts["Auto"]
    new = forecast_item(apply_lifecycle(NEW, Origin.LIKE, [(like, 1.0)], None, None), SPEC).forecasts["Auto"]
    np.testing.assert_allclose(new.mean, plain.mean)
    spread = np.exp(1.2816 * LEVEL_ERROR)
    assert (new.hi[0] > spread * new.mean).all() and (new.lo[0] < new.mean / spread).all()
    assert (new.hi[0] - new.mean > new.mean - new.lo[0]).all() and (new.lo[0] > 0).all()


def test_forecast_is_zero_before_the_launch_and_after_the_last_day() -> None:
    life = {"launch": LAST + timedelta(days=11), "last_day": LAST + timedelta(days=24)}
    found = forecast_item(apply_lifecycle(NEW, Origin.LIKE, [(long_item(2), 1.0)], **life), SPEC)
    forecast, whole = found.forecasts["Auto"], forecast_item(long_item(2), SPEC).forecasts["Auto"]
    share = np.r_[0, 4 / 7, 1, 3 / 7, np.zeros(9)]
    np.testing.assert_allclose(forecast.mean, share * whole.mean)
    np.testing.assert_allclose(forecast.baseline * forecast.uplift, forecast.mean)
    assert not forecast.hi[:, share == 0].any()
    assert found.note.endswith(
        f"its history up to {LAST} is that of the like item item2; sold from {life['launch']}; "
        f"sold until {life['last_day']}"
    )


# Launches found in the units


def launched(n_before: int, n_since: int, level: float = 80.0, seed: int = 1) -> Series:
    rng = np.random.default_rng(seed)
    return Series("late", LAST, np.r_[1, rng.integers(0, 4, n_before - 1), rng.poisson(level, n_since)].astype(float))


@pytest.mark.parametrize("n_before, n_since", [(70, 20), (70, 60), (20, 60), (8, 80), (150, 13)])
def test_launch_after_few_sales_is_found(n_before: int, n_since: int) -> None:
    assert find_launch(launched(n_before, n_since).y) == n_before


@pytest.mark.parametrize(
    "y, what",
    [
        (launched(30, 30).y, "it may be a season"),
        (launched(7, 80).y, "few weeks before"),
        (launched(70, 12).y, "few weeks since"),
        (launched(70, 110).y, "long ago"),
        (launched(70, 40, level=5.0).y, "not far above"),
        (long_item(3).y, "no change of level"),
        (np.tile(np.r_[np.full(40, 1.0), np.full(12, 90.0)], 3), "a season"),
        (np.r_[np.full(70, 2.0), np.tile([0.0, 160.0], 20)], "it sells in every other week since"),
        (np.arange(1.0, 101.0), "steady growth"),
        (np.exp(np.linspace(0, 5, 120)), "exponential growth"),
        (np.tile(np.r_[np.full(39, 1.0), np.full(13, 40.0)], 2), "a quarter of each year"),
        (np.zeros(100), "nothing sold"),
        (np.array([5.0]), "one week"),
        (np.r_[np.full(60, 80.0), np.full(60, 1.0)], "it ended"),
    ],
)
def test_find_launch_returns_zero_without_launch(y: np.ndarray, what: str) -> None:
    assert find_launch(y) == 0, what


def test_missing_weeks_do_not_count() -> None:
    y = launched(70, 40).y
    y[[3, 30, 69, 70, 71, 90]] = NAN
    assert find_launch(y) == 72


def test_item_is_forecast_from_its_launch_with_a_note() -> None:
    item = launched(70, 40)
    found, whole = forecast_item(item, SPEC), forecast_item(replace(item, y=item.y[70:]), SPEC)
    np.testing.assert_array_equal(found.forecasts["Auto"].mean, whole.forecasts["Auto"].mean)
    assert abs(found.forecasts["Auto"].mean.mean() - 80) < 8
    assert found.note.endswith("launched in the week to 2023-09-02: the few sales in the 70 weeks before are left out")
    assert [b.cutoff for b in found.backtests] == [b.cutoff for b in forecast_item(long_item(1), SPEC).backtests]


def test_launch_is_found_from_weeks_before_the_cutoff() -> None:
    item = launched(70, 20)
    histories = SeriesHistories(item, 13)
    assert [histories.launch(cutoff) for cutoff in (60, 70, 82, 83, 90)] == [0, 0, 0, 70, 70]
    changed = SeriesHistories(replace(item, y=np.r_[item.y[:83], 500 + item.y[83:]]), 13)
    np.testing.assert_array_equal(changed.at(83).units, histories.at(83).units)


def test_launch_is_not_searched_in_borrowed_history() -> None:
    like = launched(70, 40)
    histories = SeriesHistories(apply_lifecycle(NEW, Origin.LIKE, [(like, 1.0)], None, None), 13)
    assert histories.launch(histories.end) == 0
