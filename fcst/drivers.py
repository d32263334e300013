"""Drivers: what is known of weeks besides sales, such as promotions, prices, events, open days; past and future.

A dataset has loads of drivers: one from its own files, later ones from plans and calendars. Where two loads have values
for the same driver and week the later one counts.
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
"""Weeks after the last one of a dataset that a load may have values for."""

MAX_DRIVERS = 40
"""Drivers that a load may have: each is one more effect to learn."""


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

    @property
    def is_listed(self) -> bool:
        """Whether files may list no more than where it is: an item that a load leaves out has none in its days."""
        return self in (DriverKind.PROMOTION, DriverKind.EVENT)


_USUAL = {DriverKind.PROMOTION: 0.0, DriverKind.EVENT: 0.0, DriverKind.OPEN: 1.0, DriverKind.STOCK: 1.0}
"""What a driver is in weeks for which no load has values."""


class ShownAt(NamedTuple):
    """Where the effect of a driver is shown: its regressor, and that in words."""

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
"""Where effects are shown in percent, by the kind of the driver."""


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


@dataclass(frozen=True)
class DriverColumn:
    """A driver in a load, and for how many items or groups its values are there."""

    name: str
    kind: DriverKind
    n_keys: int


@dataclass(frozen=True, kw_only=True)
class DriverReport:
    """What became of a file of drivers.

    Parameters
    ----------
    n_rows
        that were read.
    n_unknown
        keys that the dataset has no item or group for; `unknown` are the first of them.
    n_outside
        rows before the dataset's first week or too far in its future.
    n_bad
        rows with a date or value that cannot be read; `bad` are some of them, in words.
    remarks
        what people should know, a sentence each.
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
    """Drivers of a dataset that came with one file or calendar.

    Parameters
    ----------
    source
        the file's name, or the calendar's.
    is_own
        it came with the sales.
    grouped_by
        what its keys are: `item`, `part` of an item's key, `family`, `class`, or `all` with the one key ''.
    first_day, last_day
        between which it has values for every day.
    key_columns
        of a `part`: which of the columns that the keys of items are joined of, in their order; else none.
    item_columns
        the columns that the keys of the dataset's items are joined of.
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
        """The key under which it has values of an item; None where it has none of it.

        Parameters
        ----------
        attributes
            the item's family and class, where they are known.
        """
        if self.grouped_by == "part":
            places = places_in_key(self.item_columns, self.key_columns)
            parts = unique_id.split(KEY_JOINT)
            if places is None or len(parts) != len(self.item_columns):
                return None
            return KEY_JOINT.join(parts[place] for place in places)
        return {"item": unique_id, "all": "", **attributes}.get(self.grouped_by)

    def keys_in_words(self, column: DriverColumn) -> str:
        """For how many items or groups it has values of a driver."""
        if self.grouped_by == "all":
            return "all items"
        return f"{column.n_keys:,} ({', '.join(self.key_columns) or self.grouped_by})"


def places_in_key(item_columns: Sequence[str], key_columns: Sequence[str]) -> tuple[int, ...] | None:
    """Where columns stand among those that keys are joined of, from 0; None where one of them is not there."""
    if not set(key_columns) <= set(item_columns):
        return None
    return tuple(item_columns.index(name) for name in key_columns)


@dataclass(frozen=True, eq=False)
class DriverValues:
    """The weeks of one driver in one load, of an item or of a group that it is in.

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
    """The drivers of one item, each merged over the loads, the earliest of which comes first.

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
    """Lays a load over earlier ones; in a week that it covers in part, its values count by the number of its days."""
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
    DriverKind.PROMOTION: "the usual share of the last year is taken",
    DriverKind.PRICE: "the last one is kept",
    DriverKind.EVENT: "none is expected",
    DriverKind.OPEN: "all days are taken as open",
    DriverKind.STOCK: "it is taken as in stock",
    DriverKind.NUMBER: "the last one is kept",
}


_WITHOUT_FUTURE = dict.fromkeys((DriverKind.PRICE, DriverKind.NUMBER), "it is not used")
"""What is done where no week ahead is known at all, if that is another thing."""


@dataclass(frozen=True)
class KnownDriver:
    """What the loads of a dataset have of one driver.

    Parameters
    ----------
    first_day, last_day
        between which at least one load has values.
    keys
        for what each load has values, in words.
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
    """The drivers of a dataset, in the order of its loads."""
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
    """What of the weeks to forecast is not known of drivers, and what is taken instead; a sentence each."""
    end = last_wk_end_dt + timedelta(weeks=h)
    gaps = []
    for driver in known_drivers(loads):
        if driver.last_day < end and driver.kind is not DriverKind.STOCK:
            taken = _KEPT[driver.kind]
            if driver.last_day <= last_wk_end_dt:
                taken = _WITHOUT_FUTURE.get(driver.kind, taken)
            gaps.append(f"No {driver.name} after {driver.last_day}: {taken}.")
    return tuple(gaps)
