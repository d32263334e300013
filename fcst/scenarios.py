"""Scenarios of a run: its forecasts under changed drivers in future weeks."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from fcst.drivers import DriverKind
from fcst.records import FloatArray


class ChangeHow(StrEnum):
    """How a driver is changed."""

    TO = "to"
    """Set to a value: a share from 0 to 1, a price, or a number."""
    PERCENT = "percent"
    """Change by a percentage of the planned value, or of the last known value if none is planned."""


CHANGED_BY: dict[DriverKind, tuple[ChangeHow, ...]] = {
    DriverKind.PROMOTION: (ChangeHow.TO,),
    DriverKind.PRICE: (ChangeHow.PERCENT, ChangeHow.TO),
    DriverKind.EVENT: (ChangeHow.TO,),
    DriverKind.OPEN: (ChangeHow.TO,),
    DriverKind.NUMBER: (ChangeHow.PERCENT, ChangeHow.TO),
}
"""Allowed changes of drivers, by kind. Stock cannot be changed: items are assumed to be in stock."""


@dataclass(frozen=True)
class DriverChange:
    """A change of a driver in some future weeks.

    Parameters
    ----------
    first, last
        last days of the first and the last changed week.
    value
        meaning depends on `how`.
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
        effect on sales in percent, at `drivers.SHOWN_AT`; None for a driver that never varied in the history, such as
        constant open days.
    lowest, highest
        range of its regressor in the history; beyond it the effect does not grow.
    """

    name: str
    kind: DriverKind
    percent: float | None
    lowest: float
    highest: float


@dataclass(frozen=True)
class ScenarioChange:
    """A saved change of a scenario.

    Parameters
    ----------
    scope, n_items
        description of the items it applies to, and their number.
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
        number of changes so far, including removed ones.
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
    """Effect of a scenario on one item.

    Parameters
    ----------
    uplift
        (H,) multipliers of the baseline.
    factors
        (H,) multipliers of the plan: uplift ÷ uplift of the run; NaN where the run's is 0 and this one is not.
    """

    unique_id: str
    uplift: FloatArray
    factors: FloatArray


@dataclass(frozen=True)
class ScenarioUnits:
    """Units of an item, or of a sum of items, over all future weeks.

    Parameters
    ----------
    plan
        of the final plan.
    units
        by scenario, in the requested order.
    """

    unique_id: str
    name: str
    plan: float
    units: tuple[float, ...]
