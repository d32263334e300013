"""The weekly series of one item, as forecasts are computed from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from fcst.drivers import Driver
from fcst.records import FloatArray


@dataclass(frozen=True, eq=False)
class Series:
    """The weekly units of one item.

    Parameters
    ----------
    last_wk_end_dt
        the last day of the last week.
    y
        (T,) units by week, of type float64; NaN is a missing week.
    attributes
        of the item, such as its family: name -> value.
    drivers
        what is known besides units, by names that differ, each with the T weeks of `y` and those known after them.
    """

    unique_id: str
    last_wk_end_dt: date
    y: FloatArray
    attributes: Mapping[str, str] = field(default_factory=dict)
    drivers: tuple[Driver, ...] = ()

    def wk_end_dt(self, weeks_ago: int) -> date:
        """The last day of the week that is `weeks_ago` before the last one; a negative number is in the future."""
        return self.last_wk_end_dt - timedelta(weeks=weeks_ago)
