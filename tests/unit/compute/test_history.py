"""Histories at cutoffs: no later weeks, interpolation, capping of extreme weeks, cached fits."""

import math
from datetime import date

import numpy as np
import pytest

from fcst.compute.fits import Fits
from fcst.compute.history import MAX_WEEKS, MIN_TRAINING_WEEKS, SeriesHistories, cap_spikes, fill_missing
from fcst.compute.series import Series
from fcst.errors import ComputeError
from fcst.names import HOLDOUT_WEEKS

NAN = math.nan


def histories_of(y: np.ndarray, h: int = 4) -> SeriesHistories:
    return SeriesHistories(Series("item", date(2024, 6, 1), y), h)


def weeks(n: int) -> np.ndarray:
    return np.arange(1.0, n + 1)


# Missing weeks


def test_missing_weeks_are_interpolated() -> None:
    assert fill_missing(np.array([1.0, NAN, NAN, 4.0])).tolist() == [1, 2, 3, 4]


def test_trailing_missing_weeks_keep_the_last_known_value() -> None:
    assert fill_missing(np.array([1.0, 2.0, NAN, NAN])).tolist() == [1, 2, 2, 2]


def test_leading_missing_weeks_are_cut_off() -> None:
    histories = histories_of(np.array([NAN, NAN, 3.0, NAN, 5.0]), 1)
    assert histories.end == 3
    assert histories.at(histories.end).y.tolist() == [3, 4, 5]


def test_a_missing_week_at_the_cutoff_is_not_filled_from_what_comes_after() -> None:
    histories = histories_of(np.array([1.0, 2.0, NAN, NAN, 100.0]), 1)
    assert histories.at(4).y.tolist() == [1, 2, 2, 2]
    assert histories.at(3).y.tolist() == [1, 2, 2]


def test_history_is_limited_to_ten_years() -> None:
    histories = histories_of(weeks(MAX_WEEKS + 7), 1)
    assert histories.end == MAX_WEEKS and histories.y[0] == 8


def test_missing_weeks_at_the_start_of_the_ten_years_are_dropped() -> None:
    y = weeks(MAX_WEEKS + 7)
    y[7:9] = NAN
    assert histories_of(y, 1).y[0] == 10


@pytest.mark.parametrize("y", [[NAN, NAN, NAN], []], ids=["all missing", "empty"])
def test_history_without_a_known_week_is_refused(y: list[float]) -> None:
    with pytest.raises(ComputeError, match="The item has no known week") as caught:
        histories_of(np.array(y, dtype=float), 1)
    assert "promotions" in caught.value.hint


# Windows


def test_windows_are_adjacent_and_latest_first() -> None:
    histories = histories_of(weeks(100), 4)
    assert histories.windows_before(100, 3, 0) == [87, 74, 61]
    assert histories.windows_before(87, 2, 70) == [74]
    assert histories.actual(87).tolist() == weeks(100)[87:].tolist()
    assert histories.actual(74).tolist() == weeks(100)[74:87].tolist()


@pytest.mark.parametrize(("n_weeks", "n_windows"), [(1, 0), (25, 0), (26, 1), (38, 1), (39, 2), (300, 3)])
def test_windows_need_enough_training_weeks(n_weeks: int, n_windows: int) -> None:
    assert MIN_TRAINING_WEEKS + HOLDOUT_WEEKS == 26
    assert len(histories_of(weeks(n_weeks), 4).measured_windows(3)) == n_windows


def test_missing_weeks_do_not_count_as_training_weeks() -> None:
    y = weeks(40)
    y[5:27] = NAN
    assert histories_of(y, 4).measured_windows(2) == []


def test_window_of_missing_weeks_is_skipped() -> None:
    y = weeks(80)
    y[-HOLDOUT_WEEKS:] = NAN
    assert histories_of(y, 4).measured_windows(2) == [54]


# Fits


def test_a_model_is_fitted_once_for_a_cutoff() -> None:
    fitted: list[str] = []
    histories, fits = histories_of(weeks(60)), Fits(fitted.append)
    for cutoff in (60, 47, 60):
        for history in (histories.at(cutoff), histories.at(cutoff).capped):
            fits.forecast("Naive", history)
    assert fitted == ["Naive", "Naive"]


def test_horizon_is_h_at_the_end_and_one_window_at_earlier_cutoffs() -> None:
    histories = histories_of(weeks(60), h=4)
    assert histories.at(60).h == 4
    assert histories.at(47).h == HOLDOUT_WEEKS


def test_capping_does_not_change_the_original_history() -> None:
    y = np.resize([9.0, 10.0, 11.0], 60)
    y[-1] = 500.0
    history = histories_of(y).at(60)
    assert history.y[-1] == 500.0
    assert history.capped.y[-1] < 40.0
    assert history.capped.units[-1] == 500.0


def test_capped_history_without_extreme_weeks_is_the_same_object() -> None:
    history = histories_of(weeks(60)).at(60)
    assert history.capped is history


def test_a_cutoff_is_the_end_of_its_last_week() -> None:
    histories = histories_of(np.r_[NAN, weeks(60)])
    assert histories.wk_end_dt(60) == date(2024, 6, 1)
    assert histories.wk_end_dt(47) == date(2024, 3, 2)


def test_only_short_runs_of_extreme_weeks_are_capped() -> None:
    y = np.resize([9.0, 10.0, 11.0], 60)
    y[20], y[30:32], y[40:43] = 500.0, 500.0, 500.0
    capped = cap_spikes(y)
    assert (capped[[20, 30, 31]] < 40).all()
    assert (capped[40:43] == 500).all(), "three weeks in a row are a new level"
    assert np.count_nonzero(capped != y) == 3 and (y[20:21] == 500).all(), "the input is not modified"


def test_at_the_end_one_extreme_week_is_capped_but_two_are_not() -> None:
    y = np.resize([9.0, 10.0, 11.0], 60)
    y[-1] = 500.0
    assert cap_spikes(y)[-1] < 40
    y[-2] = 500.0
    assert cap_spikes(y) is y


def test_seasonal_peak_is_not_capped() -> None:
    y = np.resize([9.0, 10.0, 11.0], 200)
    y[[40, 93, 144, 196]] = 60.0  # a year apart, ± 1 week
    assert cap_spikes(y) is y
    y[70] = 60.0
    assert np.flatnonzero(cap_spikes(y) != y).tolist() == [70]


@pytest.mark.parametrize(
    "y", [np.full(20, 5.0), np.r_[np.full(30, 5.0), -1.0], np.zeros(40)], ids=["short", "returns", "none"]
)
def test_histories_that_are_not_capped(y: np.ndarray) -> None:
    assert cap_spikes(y) is y
