"""Splitting weeks into months and quarters by days, and distributing units of months to weeks."""

from datetime import date, timedelta

import numpy as np
import pytest

from fcst.periods import Period, same_weeks_last_year, split_weeks

WEEKS = [date(2017, 8, 19) + timedelta(weeks=n) for n in range(13)]


def applied(weekly: np.ndarray, changed: list[float | None]) -> np.ndarray:
    return np.array([now if new is None else new for now, new in zip(weekly, changed, strict=True)])


@pytest.mark.parametrize(
    ("period", "names", "n_days"),
    [
        (Period.MONTH, ["2017-08", "2017-09", "2017-10", "2017-11"], [19, 30, 31, 11]),
        (Period.QUARTER, ["2017-Q3", "2017-Q4"], [49, 42]),
        (Period.WEEK, [day.isoformat() for day in WEEKS], [7] * 13),
    ],
)
def test_weeks_are_split_by_days(period: Period, names: list[str], n_days: list[int]) -> None:
    split = split_weeks(WEEKS, period)
    assert [span.name for span in split.spans] == names
    assert [span.n_days for span in split.spans] == n_days
    np.testing.assert_allclose(split.shares.sum(axis=0), 1)


def test_span_is_complete_if_all_its_days_are_covered() -> None:
    split = split_weeks(WEEKS, Period.MONTH)
    assert [span.is_whole for span in split.spans] == [False, True, True, False]
    assert (split.spans[1].first, split.spans[1].last) == (date(2017, 9, 1), date(2017, 9, 30))


def test_months_sum_to_the_weeks_and_are_unknown_with_an_unknown_week() -> None:
    split, weekly = split_weeks(WEEKS, Period.MONTH), np.arange(1.0, 14.0)
    sums = split.add_up(weekly)
    assert sums.sum() == pytest.approx(weekly.sum())
    assert sums[0] == pytest.approx(1 + 2 + 3 * 5 / 7)  # five days of the week ending 2 September are in August
    weekly[2] = np.nan
    assert np.isnan(split.add_up(weekly)[:2]).all() and np.isfinite(split.add_up(weekly)[2:]).all()


@pytest.mark.parametrize("weekly", [np.arange(1.0, 14.0), np.zeros(13)])
@pytest.mark.parametrize(
    "wanted",
    [[None, 50, None, None], [5, 50, None, None], [None, 40, 60, None], [None, 0, None, None], [1, None, 0, None]],
)
def test_weeks_sum_to_the_wanted_months(weekly: np.ndarray, wanted: list[float | None]) -> None:
    split = split_weeks(WEEKS, Period.MONTH)
    changed = split.weeks_for(weekly, wanted)
    sums = split.add_up(applied(weekly, changed))
    for target, units in zip(wanted, sums, strict=True):
        assert target is None or units == pytest.approx(target)
    assert [units is None for units in changed] == [
        not any(part[n] > 0 for part, target in zip(split.shares, wanted, strict=True) if target is not None)
        for n in range(13)
    ]


def test_weeks_of_a_month_keep_their_shares_and_are_not_negative() -> None:
    split, weekly = split_weeks(WEEKS, Period.MONTH), np.arange(1.0, 14.0)
    changed = split.weeks_for(weekly, [None, 2 * split.add_up(weekly)[1], None, None])
    whole = [changed[n] for n in (3, 4, 5)]  # completely in September
    np.testing.assert_allclose(np.divide(whole, weekly[3:6]), whole[0] / weekly[3])  # type: ignore[operator,arg-type]
    assert min(units for units in split.weeks_for(weekly, [1, 2, 3, 0]) if units is not None) >= 0


def test_single_weeks_are_set_to_the_wanted_values() -> None:
    split = split_weeks(WEEKS, Period.WEEK)
    wanted = [None, 7.0, *[None] * 11]
    assert split.weeks_for(np.ones(13), wanted) == pytest.approx(wanted)


def test_same_weeks_of_last_year_repeat_after_a_year() -> None:
    units = np.arange(60.0)
    assert same_weeks_last_year(units, 3).tolist() == [8, 9, 10]
    assert same_weeks_last_year(units, 54)[51:].tolist() == [59, 8, 9]
    assert np.isnan(same_weeks_last_year(units[:51], 2)).tolist() == [True, False]
    assert np.isnan(same_weeks_last_year(units[:0], 4)).all()
