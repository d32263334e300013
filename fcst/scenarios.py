"""Scenarios of a run: what its forecasts would be if drivers were otherwise in some of the weeks ahead."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from fcst.drivers import DriverKind
from fcst.records import FloatArray


class ChangeHow(StrEnum):
    """How a driver is changed."""

    TO = "to"
    """To a value: a share from 0 to 1, a price, or a number."""
    PERCENT = "percent"
    """By a percentage of what is planned or, where nothing is, of the last known value."""


CHANGED_BY: dict[DriverKind, tuple[ChangeHow, ...]] = {
    DriverKind.PROMOTION: (ChangeHow.TO,),
    DriverKind.PRICE: (ChangeHow.PERCENT, ChangeHow.TO),
    DriverKind.EVENT: (ChangeHow.TO,),
    DriverKind.OPEN: (ChangeHow.TO,),
    DriverKind.NUMBER: (ChangeHow.PERCENT, ChangeHow.TO),
}
"""How drivers can be changed, by kind. Items are always expected to be in stock ahead."""


@dataclass(frozen=True)
class DriverChange:
    """What a driver is to be in some weeks ahead.

    Parameters
    ----------
    first, last
        the last days of the first and the last of these weeks.
    value
        as `how` says.
    """

    driver: str
    first: date
    last: date
    how: ChangeHow
    value: float


@dataclass(frozen=True)
class ChangeableDriver:
    """A driver with an effect in a run.

    Parameters
    ----------
    percent
        by how many percent it changes sales, at `drivers.SHOWN_AT`; None of one that was never otherwise in the past,
        as open days that always were the same.
    lowest, highest
        the range of its regressor in the past; beyond it the effect does not grow.
    """

    name: str
    kind: DriverKind
    percent: float | None
    lowest: float
    highest: float


@dataclass(frozen=True)
class ScenarioChange:
    """A change of a scenario, as it was made.

    Parameters
    ----------
    scope, n_items
        the items that it is for: in words, and how many.
    """

    change_id: int
    change: DriverChange
    scope: str
    n_items: int
    made_by: str
    made_at: datetime


@dataclass(frozen=True)
class Scenario:
    """A scenario of a run.

    Parameters
    ----------
    version
        counts its changes, also those that were removed.
    """

    scenario_id: int
    job_id: int
    name: str
    made_by: str
    made_at: datetime
    version: int
    changes: tuple[ScenarioChange, ...] = ()


@dataclass(frozen=True, eq=False)
class ScenarioItem:
    """What a scenario does to one item.

    Parameters
    ----------
    uplift
        (H,) by what the baseline of each week is multiplied.
    factors
        (H,) by what the plan of each week is multiplied, that is uplift ÷ that of the run; NaN where the run's is 0 and
        this one is not.
    """

    unique_id: str
    uplift: FloatArray
    factors: FloatArray


@dataclass(frozen=True)
class ScenarioUnits:
    """The units of an item, or of a sum of items, in all weeks ahead.

    Parameters
    ----------
    plan
        the final plan.
    units
        the same by scenario, in the order asked.
    """

    unique_id: str
    name: str
    plan: float
    units: tuple[float, ...]
