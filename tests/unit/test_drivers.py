"""Drivers of an item: merging of loads, partly covered weeks, descriptions of gaps."""

from datetime import date, datetime, timedelta

import numpy as np

from fcst.drivers import (
    DriverColumn,
    DriverKind,
    DriverLoad,
    DriverReport,
    DriverValues,
    assemble,
    describe_gaps,
)

SATURDAY = date(2024, 6, 29)  # the last week of the histories
SUNDAY = SATURDAY - timedelta(days=6)


def load_of(number: int, first: date, last: date, *columns: tuple[str, DriverKind], is_own: bool = False) -> DriverLoad:
    found = tuple(DriverColumn(name, kind, 1) for name, kind in columns)
    at = datetime(2024, 7, 1)
    return DriverLoad(number, 1, f"{number}.csv", is_own, "item", first, last, found, DriverReport(), at, "")


def merged(*given: tuple[DriverLoad, list[float] | None], n_weeks: int = 4) -> list[float]:
    """Merged values of the first driver; each load's values start with its first week."""
    loads = [load for load, _ in given]
    rows = [
        DriverValues(load.driver_load_id, load.columns[0].name, _wk_end(load.first_day), np.array(values))
        for load, values in given
        if values is not None
    ]
    driver, *_ = assemble(loads, rows, n_weeks, SATURDAY)
    return [round(value, 4) for value in driver.values.tolist()]


def _wk_end(day: date) -> date:
    return day + timedelta(days=(5 - day.weekday()) % 7)


def weeks_before(n: int) -> date:
    return SUNDAY - timedelta(weeks=n)


PROMO = ("promo", DriverKind.PROMOTION)
PRICE = ("price", DriverKind.PRICE)
OPEN = ("open", DriverKind.OPEN)


def test_later_load_overwrites_and_extends_an_earlier_one() -> None:
    own = load_of(1, weeks_before(3), SATURDAY, PROMO, is_own=True)
    plan = load_of(2, SUNDAY, SATURDAY + timedelta(weeks=2), PROMO)
    assert merged((own, [0.0, 1.0, 0.0, 1.0]), (plan, [0.5, 0.0, 1.0])) == [0, 1, 0, 0.5, 0, 1]


def test_item_missing_in_a_plan_has_no_promotion() -> None:
    own = load_of(1, weeks_before(3), SATURDAY, PROMO, is_own=True)
    plan = load_of(2, SUNDAY, SATURDAY + timedelta(weeks=1), PROMO)
    assert merged((own, [0.0, 1.0, 0.0, 1.0]), (plan, None)) == [0, 1, 0, 0, 0]


def test_price_missing_in_a_plan_is_unknown() -> None:
    own = load_of(1, weeks_before(3), SATURDAY, PRICE, is_own=True)
    plan = load_of(2, SUNDAY, SATURDAY + timedelta(weeks=1), PRICE)
    found = merged((own, [2.0, 2.0, 3.0, 3.0]), (plan, None))
    assert found[:4] == [2, 2, 3, 3] and np.isnan(found[4])


def test_week_shared_by_two_loads_is_weighted_by_days() -> None:
    """The first load ends on Wednesday (4 days of the week), the second starts on Thursday (3 days)."""
    wednesday = SUNDAY + timedelta(days=3)
    own = load_of(1, weeks_before(3), wednesday, PROMO, is_own=True)
    plan = load_of(2, wednesday + timedelta(days=1), SATURDAY + timedelta(weeks=1), PROMO)
    assert merged((own, [0.0, 0.0, 0.0, 1.0]), (plan, [0.0, 1.0])) == [0, 0, 0, round(4 / 7, 4), 1]


def test_weeks_without_any_load_have_default_values() -> None:
    late = load_of(1, weeks_before(1), SATURDAY, OPEN, is_own=True)
    assert merged((late, [0.5, 1.0])) == [1, 1, 0.5, 1]
    promo = load_of(1, weeks_before(1), SATURDAY, PROMO, is_own=True)
    assert merged((promo, [0.5, 1.0])) == [0, 0, 0.5, 1]


def test_values_outside_the_history_are_ignored() -> None:
    early = load_of(1, weeks_before(6), SATURDAY, PRICE, is_own=True)
    assert merged((early, [9.0, 9.0, 9.0, 1.0, 2.0, 3.0, 4.0])) == [1, 2, 3, 4]


def test_only_a_plan_makes_a_driver_known_ahead() -> None:
    partial = load_of(1, weeks_before(3), SATURDAY + timedelta(days=3), PROMO, is_own=True)
    (driver,) = assemble([partial], [], 4, SATURDAY)
    assert not driver.is_known_ahead and len(driver.values) == 4
    plan = load_of(2, SUNDAY, SATURDAY + timedelta(days=3), PROMO)
    (driver,) = assemble([partial, plan], [], 4, SATURDAY)
    assert driver.is_known_ahead and len(driver.values) == 5


def test_gaps_in_future_weeks_are_described() -> None:
    own = load_of(1, weeks_before(3), SATURDAY, PROMO, PRICE, is_own=True)
    plan = load_of(2, SUNDAY, SATURDAY + timedelta(weeks=2), PROMO)
    assert describe_gaps([own, plan], SATURDAY, 2) == ("No price after 2024-06-29: it is not used.",)
    assert describe_gaps([own, plan], SATURDAY, 3) == (
        "No promo after 2024-07-13: the mean share of the last year is used.",
        "No price after 2024-06-29: it is not used.",
    )
