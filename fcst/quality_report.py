"""The quality report of a dataset as records: what was read, what the rules of a week did, what the weeks look like.

It is stored as JSON. A report that an older version of fcst stored lacks some keys: their fields have defaults.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import date
from functools import cache
from types import NoneType, UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

VERSION = 2
"""Of the reports that are written now."""


@dataclass(frozen=True, kw_only=True)
class FileRead:
    """A file of sales, and how it was taken.

    Parameters
    ----------
    encoding, delimiter
        of a text file, else None.
    mapping
        role -> its columns; only roles that have some.
    is_day_first_assumed
        the values that were looked at would also be dates with the month first.
    why
        role -> why its columns were taken for it; also of 'dates' and 'numbers', how these are written.
    remarks
        what people should know of the reading before they use the numbers, a sentence each.
    periods
        (column, day) of the first and the last column of a file with a column for each day or week, else empty.
    """

    name: str
    kind: str
    n_bytes: int
    columns: tuple[str, ...]
    encoding: str | None
    delimiter: str | None
    mapping: dict[str, list[str]]
    date_format: str
    is_day_first_assumed: bool = False
    why: dict[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    decimal: str
    periods: tuple[tuple[str, date], ...]


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read, and why; `column` is empty where the line as a whole is meant."""

    file: str
    line: int
    column: str
    value: str
    reason: str


@dataclass(frozen=True)
class BadRowKind:
    """Rows that cannot be read for one reason: how many, and the first of them."""

    n: int
    first: BadRow


@dataclass(frozen=True)
class BadRowCount:
    """How many rows cannot be read, and the first of them in the order of files and lines.

    Parameters
    ----------
    is_at_least
        more lines were refused than are kept, so there may be more than `n`.
    kinds
        the same by column and reason, the most frequent first.
    """

    n: int = 0
    is_at_least: bool = False
    first: tuple[BadRow, ...] = ()
    kinds: tuple[BadRowKind, ...] = ()


@dataclass(frozen=True)
class Duplicates:
    """Rows that say the same thing twice.

    Parameters
    ----------
    key
        what makes a row a duplicate, in words.
    n, n_dropped
        rows beyond the first of each, and how many of them do not count.
    n_differing
        of those dropped, rows with other units than the one kept; None where none was looked at.
    n_repeated
        identical lines within one file, which stay; None for daily sales.
    """

    key: str = ""
    n: int = 0
    n_dropped: int = 0
    n_differing: int | None = None
    n_repeated: int | None = None


@dataclass(frozen=True)
class CancelledOrders:
    """Rows of orders that were cancelled or refunded: which values of which column say so, how many, their units."""

    column: str = ""
    values: tuple[str, ...] = ()
    n_rows: int = 0
    units: float = 0.0
    is_dropped: bool = False


@dataclass(frozen=True)
class DroppedRows:
    """Rows that were not kept, each counted for the first reason that applies."""

    bad: int = 0
    sifted: int = 0
    totals: int = 0
    no_records: int = 0
    odd_dates: int = 0
    duplicates: int = 0
    returns: int = 0
    promotions: int = 0
    first_week: int = 0
    last_week: int = 0


@dataclass(frozen=True)
class UnitSums:
    """Units of all rows, of returns (negative), of promotions, and of the partial weeks that were dropped."""

    units_read: float = 0.0
    returned_units: float = 0.0
    promo_units: float = 0.0
    first_week_units: float = 0.0
    last_week_units: float = 0.0


@dataclass(frozen=True)
class PromoYear:
    """Units sold on promotion in a year, and their share of all units; None in a year without sales."""

    share: float | None
    units: float


@dataclass(frozen=True)
class AffectedItem:
    """An item that loses units with the promotions: units, share of its units, weeks that become missing."""

    unique_id: str
    units: float
    share: float
    n_emptied: int


@dataclass(frozen=True)
class WeekTotals:
    """A week that has rows: units without promotions, promotional units, items that sold, rows.

    Parameters
    ----------
    is_dropped
        it is the first or last week, and the data do not cover it.
    """

    wk_end_dt: date
    units: float
    promo_units: float
    n_items: int
    n_rows: int
    is_dropped: bool


@dataclass(frozen=True)
class Gap:
    """Weeks on end without a sale of an item, between two with one."""

    unique_id: str
    n_weeks: int
    first_wk_end_dt: date
    last_wk_end_dt: date


@dataclass(frozen=True)
class Gaps:
    """Weeks without a sale inside an item's life, and weeks in which nothing was sold at all.

    Parameters
    ----------
    n_item_weeks, n_items
        how many such weeks there are, and of how many items.
    longest
        weeks of the longest gap.
    empty_weeks
        the first of `n_empty_weeks`.
    """

    n_item_weeks: int = 0
    n_items: int = 0
    longest: int = 0
    longest_runs: tuple[Gap, ...] = ()
    empty_weeks: tuple[date, ...] = ()
    n_empty_weeks: int = 0


@dataclass(frozen=True)
class ListedItem:
    """An item in a list of new or ended ones; without a sale in a whole week it has no last sale."""

    unique_id: str
    first_wk_end_dt: date
    last_sale_dt: date | None
    total_units: float


@dataclass(frozen=True)
class ItemList:
    """How many items there are of a kind, and the first of them."""

    n: int = 0
    first: tuple[ListedItem, ...] = ()


@dataclass(frozen=True)
class OutlierWeek:
    """A week of an item whose units lie beyond the item's fence, in units."""

    unique_id: str
    wk_end_dt: date
    unit_sales: float
    fence: float


@dataclass(frozen=True)
class Outliers:
    """How many weeks of how many items are outliers, and the largest of them."""

    n: int = 0
    n_items: int = 0
    largest: tuple[OutlierWeek, ...] = ()


@dataclass(frozen=True)
class Coverage:
    """In how many of the weeks items have a sale: bands of items in the order of sales, by periods of weeks.

    Parameters
    ----------
    first_ranks
        the sales rank at which each band begins.
    shares
        (bands, periods) fractions.
    """

    first_ranks: tuple[int, ...]
    weeks_a_period: int
    first_wk_end_dt: date
    shares: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class ReadingReport:
    """Which files were read, and which rows cannot be: all there is to report of an ingest that is refused.

    Parameters
    ----------
    source
        the names of the first files.
    n_sifted
        rows that do not pass the row filter.
    totals, n_totals
        keys that say that they are sums of others, such as Total, and how many rows they have; none of them counts.
    no_records, n_no_records
        lines that are no records, the first of each kind, and how many: empty ones, repeated headers, headings and
        footers, lines of dashes, sums without a date.
    n_odd_dates
        rows that were left out, for their dates lie far from all others.
    """

    source: str
    files: tuple[FileRead, ...] = ()
    other_files: tuple[str, ...] = ()
    n_rows: int
    n_sifted: int = 0
    totals: tuple[str, ...] = ()
    n_totals: int = 0
    no_records: tuple[str, ...] = ()
    n_no_records: int = 0
    cancelled: CancelledOrders = CancelledOrders()
    n_odd_dates: int = 0
    bad_rows: BadRowCount = BadRowCount()

    def to_json(self) -> dict[str, Any]:
        """Plain data, dates as ISO text."""
        value: dict[str, Any] = _plain(asdict(self))
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        report: Self = _record(cls, value)
        return report


@dataclass(frozen=True, kw_only=True)
class ReportCounts(ReadingReport):
    """A quality report without its long lists.

    Parameters
    ----------
    version
        1 has few counts and no lists, 2 all of them.
    content
        equal where two datasets hold the same weeks.
    columns
        the header of the first file.
    is_weekly, is_lines
        the data are weekly already; rows are lines of receipts.
    first_day, last_day
        of all rows; first_wk_end_dt and last_wk_end_dt, of the whole weeks.
    n_flag_missing, n_flag_unknown
        rows whose promotion flag is missing, or of unknown meaning; `unknown_flags` counts rows by such a flag.
    n_items_read, n_items
        items in the files, and those that sold in a whole week.
    n_weeks_emptied, n_weeks_zero, n_item_weeks
        weeks of items: missing, without a sale, all.
    promo_by_year, promo_share_by_year
        year -> what was sold on promotion, and its share of the units.
    history
        'at least so many weeks' -> items.
    same_as_version
        the version before, where this one holds the same weeks.
    """

    version: int = VERSION
    content: str = ""
    duplicates: Duplicates = Duplicates()
    doubts: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    has_promo_column: bool
    is_weekly: bool = False
    is_lines: bool = False
    first_day: date
    last_day: date
    first_wk_end_dt: date
    last_wk_end_dt: date
    n_kept: int = 0
    dropped: DroppedRows = DroppedRows()
    units: UnitSums = UnitSums()
    n_returns: int
    n_fractional: int
    n_promo: int
    n_flag_missing: int
    n_flag_unknown: int
    unknown_flags: dict[str, int] = field(default_factory=dict)
    n_items_read: int
    n_items: int
    n_weeks: int
    total_units: float
    n_weeks_emptied: int
    n_weeks_zero: int
    n_item_weeks: int = 0
    promo_by_year: dict[str, PromoYear] = field(default_factory=dict)
    promo_share_by_year: dict[str, float | None]
    history: dict[str, int] = field(default_factory=dict)
    demand_classes: dict[str, int] = field(default_factory=dict)
    same_as_version: int | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """A stored report; one without a version is of version 1 if it does not list its files."""
        return super().from_json({"version": 2 if "files" in value else 1, **value})


@dataclass(frozen=True, kw_only=True)
class QualityReport(ReportCounts):
    """The whole quality report of a dataset.

    Parameters
    ----------
    weeks
        every week that has rows, those that were dropped too.
    flags_missing_by_month
        month, as in 2020-01 -> rows whose promotion flag is missing or unknown.
    coverage
        None in a report of version 1.
    """

    weeks: tuple[WeekTotals, ...] = ()
    gaps: Gaps = Gaps()
    most_affected: tuple[AffectedItem, ...] = ()
    flags_missing_by_month: dict[str, int] = field(default_factory=dict)
    new_items: ItemList = ItemList()
    ended_items: ItemList = ItemList()
    outliers: Outliers = Outliers()
    coverage: Coverage | None = None


def _plain(value: Any) -> Any:
    """What JSON can hold of the fields of a record."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value.isoformat() if isinstance(value, date) else value


def _record(kind: Any, value: Any) -> Any:
    """What JSON holds, as the type of a field says: a record, a tuple, a mapping, a date, or as it is."""
    if isinstance(kind, type) and is_dataclass(kind):
        types = {name: part for name, part in _types(kind).items() if name in value}
        return kind(**{name: _record(part, value[name]) for name, part in types.items()})
    origin, parts = get_origin(kind), get_args(kind)
    if origin is UnionType:
        (part,) = (part for part in parts if part is not NoneType)
        return None if value is None else _record(part, value)
    if origin is dict:
        return {key: _record(parts[1], part) for key, part in value.items()}
    if origin is tuple:
        kinds = parts[:1] * len(value) if parts[1] is ... else parts
        return tuple(_record(part, item) for part, item in zip(kinds, value, strict=True))
    return date.fromisoformat(value) if kind is date else value


_types = cache(get_type_hints)
