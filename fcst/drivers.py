"""Drivers: known influences on weekly sales, such as promotions, prices, events and open days; past and future.

A dataset has loads of drivers: one from its own files, later ones from plans and calendars. If two loads have values
for the same driver and week, the later one is used.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, Self

import numpy as np

from fcst.names import KEY_JOINT
from fcst.records import FloatArray

MAX_FUTURE_WEEKS = 104
"""Maximum number of weeks after the end of a dataset that a load may have values for."""

MAX_DRIVERS = 40
"""Maximum number of drivers of a load; each is one more effect to estimate."""


class DriverKind(StrEnum):
    """The meaning of a driver, which determines its regressor."""

    PROMOTION = "promotion"
    """Share, 0 to 1, of a week's days and stores on promotion."""
    PRICE = "price"
    """Price per unit, above 0; used relative to the item's own usual price."""
    EVENT = "event"
    """Share, 0 to 1, of a week's days with the event."""
    OPEN = "open"
    """Share, 0 to 1, of a week's days and stores on which the item could be bought. At 0 nothing is sold."""
    STOCK = "stock"
    """Share, 0 to 1, of a week's days and stores with the item in stock. At 0 sales show no demand."""
    NUMBER = "number"
    """Any other number."""

    @property
    def is_listed(self) -> bool:
        """Whether files may list occurrences only: items that a load does not list have value 0 in its days."""
        return self in (DriverKind.PROMOTION, DriverKind.EVENT)


_USUAL = {DriverKind.PROMOTION: 0.0, DriverKind.EVENT: 0.0, DriverKind.OPEN: 1.0, DriverKind.STOCK: 1.0}
"""Default value of a driver in weeks without values in any load."""


class ShownAt(NamedTuple):
    """Value of a driver at which its effect is shown: the regressor, and a description."""

    regressor: float
    words: str


SHOWN_AT = {
    DriverKind.PROMOTION: ShownAt(1.0, "all week"),
    DriverKind.EVENT: ShownAt(1.0, "all week"),
    DriverKind.PRICE: ShownAt(math.log(0.9), "price 10 % lower"),
    DriverKind.OPEN: ShownAt(math.log(0.5), "open half the time"),
    DriverKind.STOCK: ShownAt(math.log(0.5), "in stock half the time"),
    DriverKind.NUMBER: ShownAt(1.0, "one standard deviation higher"),
}
"""Values at which effects in percent are shown, by kind of driver."""


@dataclass(frozen=True, eq=False)
class Driver:
    """One driver of one series.

    Parameters
    ----------
    values
        (T + F,) by week: the T weeks of the series, then F ≥ 0 future weeks; NaN is unknown.
    is_known_ahead
        whether future values are known when a forecast is made, as with a plan. If not, values after a cutoff must not
        be used.
    """

    name: str
    kind: DriverKind
    values: FloatArray
    is_known_ahead: bool


@dataclass(frozen=True)
class DriverColumn:
    """A driver in a load, and the number of items or groups with values."""

    name: str
    kind: DriverKind
    n_keys: int


@dataclass(frozen=True, kw_only=True)
class DriverReport:
    """Report of a loaded driver file.

    Parameters
    ----------
    n_rows
        number of rows read.
    n_unknown
        number of keys without an item or group in the dataset; `unknown` are the first of them.
    n_outside
        number of rows before the dataset's first week or too far in the future.
    n_bad
        number of rows with an invalid date or value; `bad` describes some of them.
    remarks
        notes for the user, a sentence each.
    """

    n_rows: int = 0
    n_unknown: int = 0
    unknown: tuple[str, ...] = ()
    n_outside: int = 0
    n_bad: int = 0
    bad: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        lists = {name: tuple(value[name]) for name in ("unknown", "bad", "remarks")}
        return cls(**{**value, **lists})


@dataclass(frozen=True)
class DriverLoad:
    """Drivers of a dataset from one file or calendar.

    Parameters
    ----------
    source
        name of the file or calendar.
    is_own
        whether it comes from the sales file.
    grouped_by
        kind of its keys: `item`, `part` of an item's key, `family`, `class`, or `all` with the single key ''.
    first_day, last_day
        first and last day with values.
    key_columns
        for `part`: the columns of the item key that it uses, in order; otherwise empty.
    item_columns
        columns that the dataset's item keys are joined from.
    """

    driver_load_id: int
    dataset_id: int
    source: str
    is_own: bool
    grouped_by: str
    first_day: date
    last_day: date
    columns: tuple[DriverColumn, ...]
    report: DriverReport
    created_at: datetime
    created_by: str
    key_columns: tuple[str, ...] = ()
    item_columns: tuple[str, ...] = ()

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        columns = tuple(DriverColumn(c["name"], DriverKind(c["kind"]), c["n_keys"]) for c in row["columns"])
        names = {name: tuple(row[name] or ()) for name in ("key_columns", "item_columns")}
        return cls(**{**row, **names, "columns": columns, "report": DriverReport.from_json(row["report"])})

    def key_of(self, unique_id: str, attributes: Mapping[str, str]) -> str | None:
        """Return the key of an item's values in this load; None if the item has no such key.

        Parameters
        ----------
        attributes
            family and class of the item, if known.
        """
        if self.grouped_by == "part":
            places = places_in_key(self.item_columns, self.key_columns)
            parts = unique_id.split(KEY_JOINT)
            if places is None or len(parts) != len(self.item_columns):
                return None
            return KEY_JOINT.join(parts[place] for place in places)
        return {"item": unique_id, "all": "", **attributes}.get(self.grouped_by)

    def keys_in_words(self, column: DriverColumn) -> str:
        """Describe the number of items or groups with values of a driver."""
        if self.grouped_by == "all":
            return "all items"
        return f"{column.n_keys:,} ({', '.join(self.key_columns) or self.grouped_by})"


def places_in_key(item_columns: Sequence[str], key_columns: Sequence[str]) -> tuple[int, ...] | None:
    """Return the indices of columns among those of item keys, from 0; None if one is missing."""
    if not set(key_columns) <= set(item_columns):
        return None
    return tuple(item_columns.index(name) for name in key_columns)


@dataclass(frozen=True, eq=False)
class DriverValues:
    """Values of one driver in one load, for an item or its group.

    Parameters
    ----------
    values
        (N,) by week from `first_wk_end_dt` on; NaN is unknown.
    """

    driver_load_id: int
    name: str
    first_wk_end_dt: date
    values: FloatArray


def assemble(
    loads: Sequence[DriverLoad], values: Sequence[DriverValues], n_weeks: int, last_wk_end_dt: date
) -> tuple[Driver, ...]:
    """Return the drivers of one item, merged over the loads; `loads` are ordered from the earliest.

    Parameters
    ----------
    n_weeks, last_wk_end_dt
        of the item's history.
    """
    found = {(v.driver_load_id, v.name): v for v in values}
    kinds = {column.name: column.kind for load in loads for column in load.columns}
    first_day = last_wk_end_dt - timedelta(weeks=n_weeks, days=-1)
    n_future = {name: 0 for name in kinds}
    for load in loads:
        days = (load.last_day - last_wk_end_dt).days
        ahead = min(max(days // 7 if load.is_own else -(-days // 7), 0), MAX_FUTURE_WEEKS)
        for column in load.columns:
            n_future[column.name] = max(n_future[column.name], ahead)
    drivers = []
    for name, kind in kinds.items():
        merged = np.full(n_weeks + n_future[name], np.nan)
        for load in loads:
            if any(column.name == name for column in load.columns):
                _merge(merged, load, kind, found.get((load.driver_load_id, name)), first_day)
        past = merged[:n_weeks]
        past[np.isnan(past)] = _USUAL.get(kind, np.nan)
        drivers.append(Driver(name, kind, merged, is_known_ahead=n_future[name] > 0))
    return tuple(drivers)


def _merge(merged: FloatArray, load: DriverLoad, kind: DriverKind, row: DriverValues | None, first_day: date) -> None:
    """Overwrite merged values with those of a load; in a partly covered week, weight them by the number of days."""
    own = np.full(len(merged), np.nan)
    begin, end = (load.first_day - first_day).days, (load.last_day - first_day).days + 1  # days from the first week's
    if kind.is_listed:
        own[max(begin // 7, 0) : max(-(-end // 7), 0)] = 0.0
    if row is not None:
        at = (row.first_wk_end_dt - first_day).days // 7
        into = slice(max(at, 0), max(min(at + len(row.values), len(own)), 0))
        part = row.values[into.start - at : into.stop - at]
        own[into] = np.where(np.isnan(part), own[into], part)
    weeks = 7 * np.arange(len(own))
    share = (np.minimum(end, weeks + 7) - np.maximum(begin, weeks)) / 7
    is_part = (share > 0) & (share < 1) & ~np.isnan(merged) & (kind in _USUAL)
    mixed = np.where(is_part, share * own + (1 - share) * merged, own)
    np.copyto(merged, mixed, where=~np.isnan(mixed))


_KEPT = {
    DriverKind.PROMOTION: "the mean share of the last year is used",
    DriverKind.PRICE: "the last value is used",
    DriverKind.EVENT: "no event is assumed",
    DriverKind.OPEN: "all days count as open",
    DriverKind.STOCK: "it counts as in stock",
    DriverKind.NUMBER: "the last value is used",
}


_WITHOUT_FUTURE = dict.fromkeys((DriverKind.PRICE, DriverKind.NUMBER), "it is not used")
"""Handling of drivers without any known future week, where it differs from _KEPT."""


@dataclass(frozen=True)
class KnownDriver:
    """One driver over all loads of a dataset.

    Parameters
    ----------
    first_day, last_day
        first and last day with values in any load.
    keys
        description of the items or groups with values, by load.
    sources
        of the loads.
    """

    name: str
    kind: DriverKind
    first_day: date
    last_day: date
    keys: tuple[str, ...]
    sources: tuple[str, ...]


def known_drivers(loads: Sequence[DriverLoad]) -> list[KnownDriver]:
    """Return the drivers of a dataset, in the order of its loads."""
    found: dict[str, list[tuple[DriverLoad, DriverColumn]]] = {}
    for load in loads:
        for column in load.columns:
            found.setdefault(column.name, []).append((load, column))
    return [
        KnownDriver(
            name=name,
            kind=own[-1][1].kind,
            first_day=min(load.first_day for load, _ in own),
            last_day=max(load.last_day for load, _ in own),
            keys=tuple(dict.fromkeys(load.keys_in_words(column) for load, column in own)),
            sources=tuple(dict.fromkeys(load.source for load, _ in own)),
        )
        for name, own in found.items()
    ]


def describe_gaps(loads: Sequence[DriverLoad], last_wk_end_dt: date, h: int) -> tuple[str, ...]:
    """Describe missing values of drivers in the weeks to forecast, and what is used instead; a sentence each."""
    end = last_wk_end_dt + timedelta(weeks=h)
    gaps = []
    for driver in known_drivers(loads):
        if driver.last_day < end and driver.kind is not DriverKind.STOCK:
            used = _KEPT[driver.kind]
            if driver.last_day <= last_wk_end_dt:
                used = _WITHOUT_FUTURE.get(driver.kind, used)
            gaps.append(f"No {driver.name} after {driver.last_day}: {used}.")
    return tuple(gaps)
