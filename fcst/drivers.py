"""Drivers: what is known of weeks besides sales, such as promotions, prices, events, open days; past and future."""

from dataclasses import dataclass
from enum import StrEnum

from fcst.records import FloatArray


class DriverKind(StrEnum):
    """What a driver means, and so how it may move sales."""

    PROMOTION = "promotion"
    """The share, 0 to 1, of a week's days and stores that are on promotion."""
    PRICE = "price"
    """The price of a unit, above 0; what counts is how it stands to the item's own usual price."""
    EVENT = "event"
    """The share, 0 to 1, of a week's days on which the event is."""
    OPEN = "open"
    """The share, 0 to 1, of a week's days and stores on which the item could be bought. Nothing is sold at 0."""
    STOCK = "stock"
    """The share, 0 to 1, of a week's days and stores that had the item in stock. What is sold at 0 is not demand."""
    NUMBER = "number"
    """A number of one's own."""


@dataclass(frozen=True, eq=False)
class Driver:
    """One driver of one series.

    Parameters
    ----------
    values
        (T + F,) by week, in step with the T weeks of the series and then F weeks of the future, F ≥ 0; NaN is unknown.
    is_known_ahead
        whether the future is known when a forecast is made, as of a plan. If not, nothing after a cutoff may be used.
    """

    name: str
    kind: DriverKind
    values: FloatArray
    is_known_ahead: bool
