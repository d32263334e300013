"""What a user asks for: the frozen description of a run and of an ingest, checked when it is made."""

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
    """How the items of a run are forecast. Which items they are stands in the job's own rows.

    Parameters
    ----------
    models
        names of the catalogue, at least one, as asked and in that order; `Auto` leaves the choice to the product.
    h
        weeks ahead, counted from the dataset's last whole week.
    level
        interval levels in percent, whole numbers from 1 to 99, ascending; may be empty.
    batch_size
        items of one batch, the unit that is run and retried.
    n_windows
        windows of 13 weeks at the end of the history on which accuracy is measured; 0: it is not.
    item_limit_s
        seconds that computing one item may take; an item that takes longer fails alone.
    process_memory
        bytes beyond which a worker process may not grow; the item that makes it do so fails alone.
    driver_load
        the last load of drivers that counts; 0: the run knows no drivers.
    lifecycle
        the last change of lifecycles that counts; 0: the run knows none.
    learns
        it learns across its items before it forecasts them.
    skips_stockouts
        weeks that look like stock-outs are taken as missing, not as zero demand.
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
            raise InputError("No model was chosen.", "Choose at least one.")
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
        """From what the database has of `to_json`; what an older version did not write has its default."""
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
"""What a column of a file of sales or drivers may mean -> the words for it. An item's key may be joined of several
columns; a date may be a year and an ISO week, or a year, a month and a day; several columns may be drivers of a kind,
or attributes of items under their names. Only files of drivers have a last day: their rows hold from the date on until
then."""

REQUIRED_ROLES = ("item", "date", "sales")
MONEY = ("value", "price")
"""Roles of columns that hold money; of the two a value says more, for it is what was paid."""
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
"""Roles of columns that are drivers. Each but the price may be several columns."""
WIDE = "(columns)"
"""Stands for the column of a role whose values are spread over columns, one for each period."""
EACH_ROW = "(each row)"
"""Stands for the column of units where each row is one sold."""
ONE_ITEM = "(one item)"
"""Stands for the column of items where all rows are of one series."""
MADE_UP = (WIDE, EACH_ROW, ONE_ITEM)
"""What a role may be mapped to that is no column."""

_MADE_UP_OF = dict.fromkeys(DRIVER_ROLES, (WIDE,)) | {"item": (ONE_ITEM,), "date": (WIDE,), "sales": (WIDE, EACH_ROW)}
_MAY_BE_SEVERAL = {"item", "attribute", *DRIVER_ROLES} - {"price"}

Mapping = dict[str, list[str]]
"""role -> the columns that have it, by name; an empty list says that none has. A missing role is recognised."""


def has_drivers(mapping: Mapping) -> bool:
    """Whether a column has a role of drivers."""
    return any(mapping.get(role) for role in DRIVER_ROLES)


RETURNS = ("net", "drop")
DUPLICATES = ("keep", "drop")
CANCELLED = ("keep", "drop")
ODD_DATES = ("keep", "drop")
DECIMALS = (".", ",")


@dataclass(frozen=True)
class IngestSpec:
    """How files of sales or drivers are read, and by which rules they become weeks. What is left out is recognised.

    Parameters
    ----------
    paths
        files, folders or archives on this machine, at least one; they make one dataset together.
    name
        the dataset's name; the same name again makes the next version.
    mapping
        which columns have which role; roles that are missing here are recognised from the header.
    date_format
        as of strptime, such as `%d/%m/%Y`; empty: recognised.
    decimal
        the decimal sign of numbers in text, `.` or `,`; empty: recognised.
    zone
        the time zone whose days count, such as `America/New_York`, for moments that say their own; empty: the day that
        is written.
    encoding
        of text, as Python calls it; empty: recognised.
    file
        which file of a folder or archive, or sheet of a workbook, holds the sales; empty: recognised.
    where
        `(column, value)` pairs; only rows that have one of the values given for each column are read.
    include_promo
        keep promotional rows in `unit_sales`; by default they are left out (baseline demand).
    returns
        `net`: negative units lower their week; `drop`: they are left out.
    duplicates
        `keep`: rows that stand there twice are added up; `drop`: each is counted once. Empty: lines of receipts that
        several files share are counted once, rows of the same item, store and day are added up.
    cancelled
        `keep`: orders that a column says were cancelled or refunded count; `drop`: they are left out.
    odd_dates
        `keep`: rows whose dates lie far from all others count; `drop`: they are left out; empty: the files are refused.
    week_end
        the day on which weeks end; empty: Saturday, or the day of the data where they are weekly already.
    skip_bad
        load the good rows of a file that also has rows which cannot be read.
    seen
        what the files were when people looked at them, of a plan; other files are refused then. Empty: any.
    is_upload
        the paths are our own copies of an upload, removed when the ingest has ended.
    is_from_shell
        asked for on the command line, whose user can read this machine's files anyway.
    plan_of
        the dataset whose drivers the files hold, as a promotion plan does; 0: they are sales.
    then_run
        a run of all items follows once they are loaded, with the defaults.
    asked_by
        who asked for them; empty where nothing needs it.
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
    seen: str = ""
    is_upload: bool = False
    is_from_shell: bool = False
    plan_of: int = 0
    then_run: bool = False
    asked_by: str = ""

    def __post_init__(self) -> None:
        if not self.paths:
            raise InputError("No file was given.", "Name at least one.")
        if not self.name.strip():
            raise InputError("The dataset has no name.", "Give it one.")
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
            raise InputError("A name or value holds a zero byte.", "Remove it.")
        for role, columns in self.mapping.items():
            _check_one_of("The meaning of a column is", role, tuple(ROLES))
            is_date = (role, len(columns)) in (("date", 2), ("date", 3))
            if len(columns) > 1 and role not in _MAY_BE_SEVERAL and not is_date:
                raise InputError(
                    f"{ROLES[role]} is mapped to several columns.",
                    "Only an item may be joined of several, and a date of year and week, or year, month and day.",
                )
        for role in () if self.plan_of else REQUIRED_ROLES:
            if self.mapping.get(role) == []:
                raise InputError(f"No column is mapped to {ROLES[role].lower()}.", "Choose one.")
        for role, columns in self.mapping.items():
            made_up = set(columns) & set(MADE_UP)
            if made_up and (len(columns) > 1 or not made_up <= set(_MADE_UP_OF.get(role, ()))):
                raise InputError(f"{ROLES[role]} cannot be mapped to {columns[0]!r}.", "Name a column of the file.")
        mapped = [column for columns in self.mapping.values() for column in columns if column not in MADE_UP]
        # A store is often part of the key too, so it may stand twice.
        twice = {column for column in mapped if mapped.count(column) > 1} - set(self.mapping.get("store", []))
        if twice:
            raise InputError(
                f"The column {sorted(twice)[0]!r} is mapped twice.",
                "Map each to a column of its own; only a store may be part of the item.",
            )

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, value: AnyMapping[str, Any]) -> Self:
        where = tuple((column, text) for column, text in value["where"])
        return cls(**{**value, "paths": tuple(value["paths"]), "where": where})


def parse_levels(names: list[str]) -> list[int]:
    """Interval levels as people write them: whole percents.

    Raises
    ------
    InputError
        if one is no whole number.
    """
    try:
        return [int(name) for name in names]
    except ValueError:
        raise InputError(
            f"The levels {', '.join(names)!r} cannot be read.", "Write whole percents, as in 80,95."
        ) from None


def default_batch_size(n_items: int, processes: int) -> int:
    """Items of a batch such that each process gets about eight batches, within 5 to 50.

    Beyond half a million items there are 10,000 batches: each costs a few waits for the disk.
    """
    most = max(50, -(-n_items // 10_000))
    return min(max(-(-n_items // (8 * processes)), 5), most, MAX_BATCH_SIZE)


def _check_whole(what: str, value: object, least: int, most: int, unit: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InputError(f"{what} is {value!r}.", f"Give a whole number from {least} to {most} ({unit}).")


def _check_one_of(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{what} {value!r}.", f"Use one of {', '.join(name for name in allowed if name)}.")
