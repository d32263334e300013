"""Changes of drivers in future weeks."""

from datetime import date, timedelta

import numpy as np
import pytest

from fcst.compute.scenarios import changed_drivers
from fcst.drivers import Driver, DriverKind
from fcst.scenarios import ChangeHow, DriverChange

LAST = date(2020, 1, 4)
T, H = 3, 4


def after(values: list[float], first: int, last: int, how: ChangeHow, value: float, is_ahead: bool = True) -> Driver:
    price = Driver("price", DriverKind.PRICE, np.array(values), is_ahead)
    weeks = [LAST + timedelta(weeks=step) for step in (first, last)]
    (found,) = changed_drivers([price], [DriverChange("price", weeks[0], weeks[1], how, value)], LAST, T, H)
    return found


def test_change_sets_the_value_of_selected_weeks() -> None:
    found = after([9, 9, 10, 11, 12, 13, 14], 2, 3, ChangeHow.TO, 5.0)
    np.testing.assert_array_equal(found.values, [9, 9, 10, 11, 5, 5, 14])
    assert found.is_known_ahead


def test_percentage_applies_to_the_planned_or_last_known_value() -> None:
    found = after([9, 9, 10, 20], 1, 3, ChangeHow.PERCENT, -10.0)
    np.testing.assert_allclose(found.values, [9, 9, 10, 18, 18, 18, np.nan])


def test_unchanged_weeks_of_an_unknown_future_stay_unknown() -> None:
    found = after([9, 9, 10, 99], 2, 2, ChangeHow.TO, 5.0, is_ahead=False)
    np.testing.assert_allclose(found.values, [9, 9, 10, np.nan, 5, np.nan, np.nan])


@pytest.mark.parametrize("how", ChangeHow)
def test_other_drivers_are_not_changed(how: ChangeHow) -> None:
    promo = Driver("promo", DriverKind.PROMOTION, np.zeros(T), False)
    change = DriverChange("price", LAST + timedelta(weeks=1), LAST + timedelta(weeks=1), how, 1.0)
    assert changed_drivers([promo], [change], LAST, T, H) == (promo,)
