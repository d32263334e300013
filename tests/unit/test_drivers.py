"""Drivers of an item: merged over loads, which may cover parts of weeks; what is said of weeks that none covers."""

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
    """The values of the first driver, where each load's begin with its own first week."""
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


def test_later_load_counts_more_and_reaches_into_the_future() -> None:
    own = load_of(1, weeks_before(3), SATURDAY, PROMO, is_own=True)
    plan = load_of(2, SUNDAY, SATURDAY + timedelta(weeks=2), PROMO)
    assert merged((own, [0.0, 1.0, 0.0, 1.0]), (plan, [0.5, 0.0, 1.0])) == [0, 1, 0, 0.5, 0, 1]


def test_item_that_a_plan_leaves_out_has_no_promotion_in_its_days() -> None:
    own = load_of(1, weeks_before(3), SATURDAY, PROMO, is_own=True)
    plan = load_of(2, SUNDAY, SATURDAY + timedelta(weeks=1), PROMO)
    assert merged((own, [0.0, 1.0, 0.0, 1.0]), (plan, None)) == [0, 1, 0, 0, 0]


def test_price_that_a_plan_leaves_out_stays_as_it_was() -> None:
    own = load_of(1, weeks_before(3), SATURDAY, PRICE, is_own=True)
    plan = load_of(2, SUNDAY, SATURDAY + timedelta(weeks=1), PRICE)
    found = merged((own, [2.0, 2.0, 3.0, 3.0]), (plan, None))
    assert found[:4] == [2, 2, 3, 3] and np.isnan(found[4])


def test_week_that_two_loads_share_counts_by_their_days() -> None:
    """The first ends on a Wednesday, where it has values for four days; the next begins on Thursday, with three."""
    wednesday = SUNDAY + timedelta(days=3)
    own = load_of(1, weeks_before(3), wednesday, PROMO, is_own=True)
    plan = load_of(2, wednesday + timedelta(days=1), SATURDAY + timedelta(weeks=1), PROMO)
    assert merged((own, [0.0, 0.0, 0.0, 1.0]), (plan, [0.0, 1.0])) == [0, 0, 0, round(4 / 7, 4), 1]


def test_weeks_that_no_load_tells_of_are_as_usual() -> None:
    late = load_of(1, weeks_before(1), SATURDAY, OPEN, is_own=True)
    assert merged((late, [0.5, 1.0])) == [1, 1, 0.5, 1]
    promo = load_of(1, weeks_before(1), SATURDAY, PROMO, is_own=True)
    assert merged((promo, [0.5, 1.0])) == [0, 0, 0.5, 1]


def test_values_before_and_after_what_counts_are_left_out() -> None:
    early = load_of(1, weeks_before(6), SATURDAY, PRICE, is_own=True)
    assert merged((early, [9.0, 9.0, 9.0, 1.0, 2.0, 3.0, 4.0])) == [1, 2, 3, 4]


def test_only_a_plan_makes_a_driver_known_ahead() -> None:
    partial = load_of(1, weeks_before(3), SATURDAY + timedelta(days=3), PROMO, is_own=True)
    (driver,) = assemble([partial], [], 4, SATURDAY)
    assert not driver.is_known_ahead and len(driver.values) == 4
    plan = load_of(2, SUNDAY, SATURDAY + timedelta(days=3), PROMO)
    (driver,) = assemble([partial, plan], [], 4, SATURDAY)
    assert driver.is_known_ahead and len(driver.values) == 5


def test_what_is_not_known_of_the_weeks_ahead_is_said_with_what_is_taken() -> None:
    own = load_of(1, weeks_before(3), SATURDAY, PROMO, PRICE, is_own=True)
    plan = load_of(2, SUNDAY, SATURDAY + timedelta(weeks=2), PROMO)
    assert describe_gaps([own, plan], SATURDAY, 2) == ("No price after 2024-06-29: it is not used.",)
    assert describe_gaps([own, plan], SATURDAY, 3) == (
        "No promo after 2024-07-13: the usual share of the last year is taken.",
        "No price after 2024-06-29: it is not used.",
    )
