"""Specs of runs and ingests: frozen settings, validated on creation."""

import json
from collections.abc import Mapping as AnyMapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self
from zoneinfo import available_timezones

from fcst.drivers import DriverKind
from fcst.errors import InputError
from fcst.names import WEEKDAYS

MAX_HORIZON = 104
MAX_BATCH_SIZE = 1_000
MAX_WINDOWS = 12


@dataclass(frozen=True)
class JobSpec:
    """Settings of a run. The items of the run are stored separately.

    Parameters
    ----------
    models
        names from the catalogue, at least one, in the requested order; `Auto` combines models.
    h
        weeks ahead, counted from the dataset's last complete week.
    level
        interval levels in percent, whole numbers from 1 to 99, ascending; may be empty.
    batch_size
        number of items in a batch, the unit that is claimed and retried.
    n_windows
        number of 13-week windows at the end of the history that measure accuracy; 0: accuracy is not measured.
    item_limit_s
        maximum seconds to compute one item; an item that takes longer fails.
    process_memory
        maximum memory of a worker process in bytes; an item that exceeds it fails.
    driver_load
        the last load of drivers that is used; 0: no drivers are used.
    lifecycle
        the last change of lifecycles that is used; 0: none is used.
    learns
        learn across the items before forecasting them.
    skips_stockouts
        treat weeks that look like stock-outs as missing, not as zero demand.
    """

    models: tuple[str, ...] = ("Auto",)
    h: int = 13
    level: tuple[int, ...] = (80, 95)
    batch_size: int = 25
    n_windows: int = 3
    item_limit_s: float = 300.0
    process_memory: int = 4_000_000_000
    driver_load: int = 0
    lifecycle: int = 0
    learns: bool = False
    skips_stockouts: bool = False

    def __post_init__(self) -> None:
        if not self.models:
            raise InputError("No model was selected.", "Select at least one.")
        if len(set(self.models)) < len(self.models):
            raise InputError(f"A model is named twice: {', '.join(self.models)}.", "Name each once.")
        _check_whole("The horizon", self.h, 1, MAX_HORIZON, "weeks")
        _check_whole("The batch size", self.batch_size, 1, MAX_BATCH_SIZE, "items")
        _check_whole("The number of backtest windows", self.n_windows, 0, MAX_WINDOWS, "windows")
        for level in self.level:
            _check_whole("An interval level", level, 1, 99, "percent")
        object.__setattr__(self, "level", tuple(sorted(set(self.level))))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, value: AnyMapping[str, Any]) -> Self:
        """Load a stored spec; fields that an older version did not write get their defaults."""
        return cls(**{**value, "models": tuple(value["models"]), "level": tuple(value["level"])})


ROLES: dict[str, str] = {
    "item": "Item",
    "date": "Date",
    "sales": "Units sold",
    "promo": "Promotion flag",
    "store": "Store",
    "receipt": "Receipt",
    "value": "Value sold",
    "price": "Price of a unit",
    "family": "Family",
    "class": "Class",
    "perishable": "Perishable",
    "description": "Description",
    "attribute": "Attribute",
    "open": "Open",
    "stock": "In stock",
    "stockout": "Out of stock",
    "event": "Event",
    "driver": "Other driver",
    "until": "Last day",
}
"""Role of a column in a sales or driver file -> its label. An item key can be joined from several columns. A date can
be a year and an ISO week, or a year, a month and a day. Several columns can be drivers of the same kind, or attributes.
Only driver files have a last day: their rows are valid from the date to the last day."""

REQUIRED_ROLES = ("item", "date", "sales")
MONEY = ("value", "price")
"""Roles of columns with amounts of money; the value is preferred, because it is what was paid."""
ATTRIBUTES = ("family", "class", "perishable", "description")
DRIVER_ROLES: dict[str, DriverKind] = {
    "promo": DriverKind.PROMOTION,
    "price": DriverKind.PRICE,
    "event": DriverKind.EVENT,
    "open": DriverKind.OPEN,
    "stock": DriverKind.STOCK,
    "stockout": DriverKind.STOCK,
    "driver": DriverKind.NUMBER,
}
"""Roles of driver columns. Each can be several columns, except the price."""
WIDE = "(columns)"
"""Placeholder for values spread over one column per period."""
EACH_ROW = "(each row)"
"""Placeholder for units if each row is one unit sold."""
ONE_ITEM = "(one item)"
"""Placeholder for items if all rows belong to one item."""
PLACEHOLDERS = (WIDE, EACH_ROW, ONE_ITEM)
"""Placeholders that a role can be mapped to instead of a column."""

_MADE_UP_OF = dict.fromkeys(DRIVER_ROLES, (WIDE,)) | {"item": (ONE_ITEM,), "date": (WIDE,), "sales": (WIDE, EACH_ROW)}
_MAY_BE_SEVERAL = {"item", "attribute", *DRIVER_ROLES} - {"price"}

Mapping = dict[str, list[str]]
"""Role -> names of its columns; an empty list means no column. Missing roles are recognised automatically."""


def has_drivers(mapping: Mapping) -> bool:
    """Whether any column has a driver role."""
    return any(mapping.get(role) for role in DRIVER_ROLES)


RETURNS = ("net", "drop")
DUPLICATES = ("keep", "drop")
CANCELLED = ("keep", "drop")
ODD_DATES = ("keep", "drop")
DECIMALS = (".", ",")


@dataclass(frozen=True)
class IngestSpec:
    """Settings of an ingest: how sales or driver files are read and aggregated to weeks.

    Empty settings are recognised from the files.

    Parameters
    ----------
    paths
        files, folders or archives on this machine, at least one; together they make one dataset. Empty for a load from
        the source of the dataset.
    name
        name of the dataset; an existing name creates its next version.
    mapping
        role -> columns; missing roles are recognised from the header.
    date_format
        strptime format, such as `%d/%m/%Y`; empty: recognised.
    decimal
        decimal separator of numbers in text, `.` or `,`; empty: recognised.
    zone
        time zone that defines days, such as `America/New_York`, for timestamps with an offset; empty: the day as
        written.
    encoding
        Python name of the text encoding; empty: recognised.
    file
        the file of a folder or archive, or the sheet of a workbook, with the sales; empty: recognised.
    where
        `(column, value)` pairs; only rows with one of the given values in each column are read.
    include_promo
        keep promotional rows in `unit_sales`; by default they are left out (baseline demand).
    returns
        `net`: subtract negative units from their week; `drop`: leave them out.
    duplicates
        `keep`: add up duplicate rows; `drop`: count each once. Empty: count receipt lines shared by several files once,
        and add up rows of the same item, store and day.
    cancelled
        `keep`: count orders marked as cancelled or refunded; `drop`: leave them out.
    odd_dates
        `keep`: count rows with dates far from all others; `drop`: leave them out; empty: refuse the files.
    week_end
        weekday on which weeks end; empty: Saturday, or the weekday of weekly data.
    skip_bad
        load the valid rows of a file that also has rows which cannot be read.
    fingerprint
        fingerprint of the inspected files of a plan; changed files are refused. Empty: not checked.
    is_upload
        the paths are fcst's own copies of an upload, deleted when the ingest has ended.
    is_from_shell
        requested on the command line, by a user who can read this machine's files.
    plan_of
        dataset to load drivers for, as from a promotion plan; 0: the files are sales.
    then_run
        submit a run of all items with the defaults after the load.
    requested_by
        user who requested the load; empty if not needed.
    from_source
        fetch the files from the source of the dataset, when they are read.
    """

    paths: tuple[str, ...]
    name: str
    mapping: Mapping = field(default_factory=dict)
    date_format: str = ""
    decimal: str = ""
    zone: str = ""
    encoding: str = ""
    file: str = ""
    where: tuple[tuple[str, str], ...] = ()
    include_promo: bool = False
    returns: str = "net"
    duplicates: str = ""
    cancelled: str = "keep"
    odd_dates: str = ""
    week_end: str = ""
    skip_bad: bool = False
    fingerprint: str = ""
    is_upload: bool = False
    is_from_shell: bool = False
    plan_of: int = 0
    then_run: bool = False
    requested_by: str = ""
    from_source: bool = False

    def __post_init__(self) -> None:
        if not self.paths and not self.from_source:
            raise InputError("No file was given.", "Name at least one.")
        if not self.name.strip():
            raise InputError("The dataset has no name.", "Enter a name.")
        if len(self.name) > 100 or not self.name.isprintable():
            raise InputError(f"The name {self.name[:100]!r} cannot be used.", "Use at most 100 printable characters.")
        _check_one_of("Weeks end on", self.week_end, ("", *WEEKDAYS))
        _check_one_of("Returns are treated as", self.returns, RETURNS)
        _check_one_of("Duplicates are treated as", self.duplicates, ("", *DUPLICATES))
        _check_one_of("Cancelled orders are treated as", self.cancelled, CANCELLED)
        _check_one_of("Odd dates are treated as", self.odd_dates, ("", *ODD_DATES))
        if self.zone and self.zone not in available_timezones():
            raise InputError(f"There is no time zone {self.zone!r}.", "Name one such as America/New_York.")
        _check_one_of("The decimal sign is", self.decimal, ("", *DECIMALS))
        if "\\u0000" in json.dumps([self.mapping, self.where, self.date_format, self.file]):
            raise InputError("A name or value contains a zero byte.", "Remove it.")
        for role, columns in self.mapping.items():
            _check_one_of("The meaning of a column is", role, tuple(ROLES))
            is_date = (role, len(columns)) in (("date", 2), ("date", 3))
            if len(columns) > 1 and role not in _MAY_BE_SEVERAL and not is_date:
                raise InputError(
                    f"{ROLES[role]} is mapped to several columns.",
                    "Only an item key can be joined from several columns, and a date from year and week, or year, month"
                    " and day.",
                )
        for role in () if self.plan_of else REQUIRED_ROLES:
            if self.mapping.get(role) == []:
                raise InputError(f"No column is mapped to {ROLES[role].lower()}.", "Choose one.")
        for role, columns in self.mapping.items():
            made_up = set(columns) & set(PLACEHOLDERS)
            if made_up and (len(columns) > 1 or not made_up <= set(_MADE_UP_OF.get(role, ()))):
                raise InputError(f"{ROLES[role]} cannot be mapped to {columns[0]!r}.", "Name a column of the file.")
        mapped = [column for columns in self.mapping.values() for column in columns if column not in PLACEHOLDERS]
        # A store is often part of the key too, so it may be mapped twice.
        twice = {column for column in mapped if mapped.count(column) > 1} - set(self.mapping.get("store", []))
        if twice:
            raise InputError(
                f"The column {sorted(twice)[0]!r} is mapped twice.",
                "Map each column once. Only a store column may also be part of the item key.",
            )

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, value: AnyMapping[str, Any]) -> Self:
        where = tuple((column, text) for column, text in value["where"])
        return cls(**{**value, "paths": tuple(value["paths"]), "where": where})


def parse_levels(names: list[str]) -> list[int]:
    """Parse interval levels, whole percents.

    Raises
    ------
    InputError
        if one is not a whole number.
    """
    try:
        return [int(name) for name in names]
    except ValueError:
        raise InputError(
            f"The levels {', '.join(names)!r} cannot be read.", "Use whole percents, such as 80,95."
        ) from None


def default_batch_size(n_items: int, processes: int) -> int:
    """Return a batch size from 5 to 50 items that gives each process about eight batches.

    Above half a million items, batches are larger and their number is limited to 10,000, because each needs a few disk
    writes.
    """
    most = max(50, -(-n_items // 10_000))
    return min(max(-(-n_items // (8 * processes)), 5), most, MAX_BATCH_SIZE)


def _check_whole(what: str, value: object, least: int, most: int, unit: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InputError(f"{what} is {value!r}.", f"Give a whole number from {least} to {most} ({unit}).")


def _check_one_of(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{what} {value!r}.", f"Use one of {', '.join(name for name in allowed if name)}.")
