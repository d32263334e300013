"""Suspected stock-outs: found in steady items, not in launches, seasons, declines or intermittent demand."""

import csv
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from fcst.compute.forecasting import forecast_item
from fcst.compute.history import SeriesHistories
from fcst.compute.learning import learn_effects
from fcst.compute.series import Series
from fcst.compute.stockouts import LEAST_WEEKS_BEFORE, MOST_WEEKS, demand_of, suspected_weeks
from fcst.drivers import Driver, DriverKind
from fcst.names import HOLDOUT_WEEKS
from fcst.samples.drivers import write_driver_sample
from fcst.specs import JobSpec

NAN = np.nan


def steady(n: int = 120, level: float = 40, seed: int = 0) -> np.ndarray:
    """Units of an item that sells every week at a constant level."""
    return np.random.default_rng(seed).poisson(level, n).clip(1).astype(float)


def out(y: np.ndarray, *weeks: range) -> np.ndarray:
    """A copy with zero sales in some weeks."""
    y = y.copy()
    for part in weeks:
        y[part.start : part.stop] = 0
    return y


def suspected(y: np.ndarray) -> list[int]:
    return np.flatnonzero(suspected_weeks(y)).tolist()


# The rule


@pytest.mark.parametrize("weeks", [range(60, 61), range(60, 67), range(60, 60 + MOST_WEEKS)], ids=len)
def test_runs_of_zeros_of_a_steady_item_are_suspected(weeks: range) -> None:
    assert suspected(out(steady(), weeks)) == list(weeks)


def test_only_suspected_weeks_become_missing() -> None:
    y = out(steady(), range(60, 63))
    demand = demand_of(y)
    assert np.flatnonzero(np.isnan(demand)).tolist() == [60, 61, 62]
    assert (demand[:60] == y[:60]).all() and (demand[63:] == y[63:]).all()
    always = steady()
    assert demand_of(always) is always


def test_slow_items_need_longer_zero_runs() -> None:
    least = []
    for level in (2.0, 5.0, 40.0):
        y = steady(level=level, seed=2)
        least.append(
            next(n for n in range(1, 30) if set(range(60, 60 + n)) <= set(suspected(out(y, range(60, 60 + n)))))
        )
    assert least[0] > least[1] > least[2] == 1


def test_pause_of_half_a_year_is_not_suspected() -> None:
    assert suspected(out(steady(), range(60, 60 + MOST_WEEKS + 1))) == []


@pytest.mark.parametrize("n", [1, 5, 30, 60])
def test_an_item_that_has_not_sold_again_is_not_suspected(n: int) -> None:
    y = out(steady(), range(120 - n, 120))
    assert suspected(y) == []
    y[-1] = NAN
    assert suspected(y) == []


def test_end_of_a_decline_is_not_suspected() -> None:
    decline = np.round(40 * np.exp(-np.arange(60) / 8))
    assert suspected(np.r_[steady(60), decline]) == []
    assert suspected(np.r_[steady(60), decline, np.zeros(5)]) == []


def test_few_sales_before_a_launch_are_not_suspected() -> None:
    trickle = np.random.default_rng(3).poisson(1.0, 60).astype(float)
    trickle[0] = 1
    assert (trickle == 0).any()
    assert suspected(np.r_[trickle, steady(60)]) == []


def test_season_is_not_suspected_after_its_first_year() -> None:
    on, off = steady(39), np.zeros(13)
    assert suspected(np.r_[on, off, on, off, on, off, on]) == []
    assert suspected(np.r_[on, off, on]) == list(range(39, 52)), "one year does not show a season"


def test_a_closed_week_at_the_turn_of_each_year_is_a_season() -> None:
    assert suspected(out(steady(150), range(50, 51), range(102, 103))) == []
    assert suspected(out(steady(150), range(50, 51), range(104, 105))) == [50, 104]


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_intermittent_items_are_never_suspected(share: float) -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        y = rng.poisson(20, 200) * (rng.random(200) < share).astype(float)
        y[:2] = 20
        assert suspected(y) == []


def test_item_with_frequent_pauses_is_not_suspected() -> None:
    rare, often = (range(start, 118, step) for start, step in ((20, 40), (6, 7)))
    assert suspected(out(steady(), *(range(week, week + 1) for week in rare))) == list(rare)
    assert suspected(out(steady(), *(range(week, week + 1) for week in often))) == []


def test_steady_demand_without_stock_outs_is_hardly_ever_suspected() -> None:
    rng, n_items = np.random.default_rng(5), 0
    for level in (1, 3, 10, 30, 100):
        for cv2 in (0.05, 0.2, 0.5):
            for _ in range(40):
                y = rng.poisson(level * rng.gamma(1 / cv2, cv2, 240)).astype(float)
                n_items += suspected_weeks(y).any()
    assert n_items <= 9, "of 600 items, 1.5 %"


def test_missing_weeks_are_neither_zeros_nor_the_end_of_a_run() -> None:
    y = out(steady(), range(60, 64))
    y[[20, 61, 62]] = NAN
    assert suspected(y) == [60, 63]
    y[60:64] = NAN
    assert suspected(y) == []


@pytest.mark.parametrize(
    "y",
    [
        np.zeros(60),
        np.full(60, NAN),
        np.empty(0),
        np.r_[np.full(59, NAN), 0.0],
        -steady(60),
        np.r_[steady(LEAST_WEEKS_BEFORE - 1), 0.0, steady(3)],
    ],
    ids=["all zeros", "all missing", "empty", "one week", "returns", "short"],
)
def test_histories_without_enough_information_have_none(y: np.ndarray) -> None:
    assert suspected(y) == []


def test_minimum_number_of_weeks_before_a_run() -> None:
    y = np.r_[steady(LEAST_WEEKS_BEFORE), 0.0, steady(3)]
    assert suspected(y) == [LEAST_WEEKS_BEFORE]


def test_scale_and_single_high_weeks_do_not_matter() -> None:
    y = out(steady(), range(60, 63))
    assert suspected(y * 1e300) == [60, 61, 62]
    assert suspected(y * 1e-3) == [], "less than one unit per week"
    y[[30, 80]] = 1e9
    assert suspected(y) == [60, 61, 62]


def test_weeks_of_net_returns_are_weeks_without_a_sale() -> None:
    y = out(steady(), range(60, 63))
    y[61] = -2
    assert suspected(y) == [60, 61, 62]


def test_a_run_is_suspected_once_the_item_has_sold_again() -> None:
    y = out(steady(), range(60, 70))
    assert suspected(y) == suspected(y[:71]) == list(range(60, 70))
    assert suspected(y[:65]) == suspected(y[:70]) == [], "not known yet whether the item sells again"


# In histories and forecasts


def series_of(y: np.ndarray, skips: bool = True) -> Series:
    return Series("item", date(2016, 6, 4), y, skips_stockouts=skips)


def test_history_at_a_cutoff_ignores_later_weeks() -> None:
    y = out(steady(), range(60, 70), range(100, 103))
    for cutoff in (64, 69, 75, 101, 107):
        later = y.copy()
        later[cutoff:] = steady(120 - cutoff, 3, seed=9)
        units = [SeriesHistories(series_of(part), 4).at(cutoff).units for part in (y, later, y[:cutoff])]
        assert np.array_equal(units[0], units[1], equal_nan=True), cutoff
        assert np.array_equal(units[0], units[2], equal_nan=True), cutoff


def test_suspected_weeks_are_missing_only_if_skipped() -> None:
    y = out(steady(), range(60, 70))
    assert np.isnan(SeriesHistories(series_of(y), 4).at(120).units).sum() == 10
    assert not np.isnan(SeriesHistories(series_of(y, skips=False), 4).at(120).units).any()


def test_suspected_weeks_are_scored_but_not_used_for_fits() -> None:
    y = out(steady(), range(110, 113))
    skipping, counting = (SeriesHistories(series_of(y, skips), 4) for skips in (True, False))
    window = 120 - HOLDOUT_WEEKS
    assert skipping.measured_windows(3) == counting.measured_windows(3)
    assert skipping.sold(window).tolist() == counting.sold(window).tolist()
    assert (skipping.sold(window) == 0).sum() == 3
    assert np.isnan(skipping.actual(window)).sum() == 3


def test_windows_of_suspected_weeks_are_measured_but_not_used_for_weights() -> None:
    y = out(steady(), range(94, 106))
    skipping = SeriesHistories(series_of(y), 4)
    assert skipping.measured_windows(2) == [107, 94]
    assert skipping.windows_before(120, 2, 13) == [107]


def test_effects_are_fitted_without_suspected_weeks() -> None:
    rng = np.random.default_rng(6)
    promo = (rng.random(120) < 0.25).astype(float)
    lost = np.flatnonzero(promo)[[3, 8]]
    y = rng.poisson(40 * np.exp(0.7 * promo)).astype(float)
    y[lost] = 0
    driver = Driver("promo", DriverKind.PROMOTION, np.r_[promo, np.zeros(4)], is_known_ahead=True)
    found = {}
    for skips in (True, False):
        item = replace(series_of(y, skips), drivers=(driver,))
        items = [replace(item, unique_id=str(n)) for n in range(8)]
        found[skips] = SeriesHistories(item, 4, {0: learn_effects(items, 0)}).effects_at(120)
    assert found[True] is not None and found[False] is not None
    week = int(np.flatnonzero(promo)[0])
    assert found[True].multipliers[week] == pytest.approx(np.exp(0.7), rel=0.1)
    assert found[False].multipliers[week] < found[True].multipliers[week] - 0.05


def test_skipping_stockouts_forecasts_demand_with_a_note() -> None:
    y = out(steady(), range(110, 117))
    spec = JobSpec(models=("WindowAverage",), h=4, n_windows=1)
    counting = forecast_item(series_of(y, skips=False), spec)
    skipping = forecast_item(series_of(y), replace(spec, skips_stockouts=True))
    assert counting.note == (
        "7 weeks without a sale look like stock-outs (2016-04-02 to 2016-05-14) and count as zero demand"
    )
    assert skipping.note.startswith(
        "7 weeks without a sale look like stock-outs (2016-04-02 to 2016-05-14) and count as missing; about 2"
    )
    assert skipping.note.endswith("more units would have sold; the forecast is of demand")
    assert (counting.lost.n_weeks, counting.lost.units, counting.lost.n_suspected) == (0, 0, 7)
    assert (skipping.lost.n_weeks, skipping.lost.n_suspected) == (7, 7)
    assert skipping.lost.units == pytest.approx(7 * 40, rel=0.25)
    assert skipping.forecasts["WindowAverage"].mean[0] > 30 > 20 > counting.forecasts["WindowAverage"].mean[0]


def test_note_names_the_last_of_several_zero_runs() -> None:
    spec = JobSpec(models=("Naive",), h=4, n_windows=0)
    runs = forecast_item(series_of(out(steady(), range(60, 62), range(110, 111)), skips=False), spec)
    assert "3 weeks without a sale look like stock-outs (in 2 runs, the last 2016-04-02) and count as" in runs.note
    one = forecast_item(series_of(out(steady(), range(110, 111)), skips=False), spec)
    assert one.note == "1 week without a sale looks like a stock-out (2016-04-02) and counts as zero demand"
    assert forecast_item(series_of(steady()), spec).note == ""


# Generated data with known stock-outs


def test_most_generated_stock_outs_are_found_with_few_false_ones(tmp_path: Path) -> None:
    """Without the stock flag. Measured on seeds 1 to 5: finds 75 to 81 % of the weeks of items with at least 20 units
    per week, and one false week in 1,700. If all weeks of an item were found, lost units are within 15 % of the truth.
    """
    write_driver_sample(tmp_path, n_items=80, n_weeks=156, seed=1)
    weeks: dict[str, list[tuple[float, bool]]] = {}
    with (tmp_path / "sales.csv").open() as file:
        for row in csv.DictReader(file):
            weeks.setdefault(row["item"], []).append((float(row["units"]), row["in_stock"] == "0"))
    with (tmp_path / "truth.csv").open() as file:
        truth = {row["item"]: float(row["lost_units"]) for row in csv.DictReader(file)}
    n_found = n_false = n_true = 0
    units, true_units = 0.0, 0.0
    for key, rows in weeks.items():
        y, is_out = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
        found = suspected_weeks(y)
        n_false += (found & ~is_out).sum()
        if np.median(y) < 20:
            continue
        n_found, n_true = n_found + (found & is_out).sum(), n_true + is_out.sum()
        if (found == is_out).all():
            units += SeriesHistories(series_of(y), 4).lost_units(found)
            true_units += truth[key]
    assert n_found / n_true >= 0.7
    assert n_false / n_found <= 0.02
    assert units == pytest.approx(true_units, rel=0.15)
