"""Records of a dataset's quality report: files and rows read, effects of the weekly rules, statistics of the weeks.

Reports are stored as JSON. Reports of older versions of fcst lack some keys; their fields have defaults.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import date
from functools import cache
from types import NoneType, UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

from fcst.version_changes import VersionChanges

VERSION = 2
"""Version of newly written reports."""


@dataclass(frozen=True, kw_only=True)
class FileRead:
    """A sales file, and how it was read.

    Parameters
    ----------
    encoding, delimiter
        of a text file, otherwise None.
    mapping
        role -> its columns; without roles that have none.
    is_day_first_assumed
        whether the sampled values are also valid dates with the month first.
    why
        role -> reason why its columns were chosen; also for 'dates' and 'numbers', the recognised formats.
    remarks
        notes for the user about the reading, a sentence each.
    periods
        (column, day) of the first and last column of a file with one column per day or week, otherwise empty.
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
    """A row that cannot be read, with the reason; `column` is empty if the whole line is invalid."""

    file: str
    line: int
    column: str
    value: str
    reason: str


@dataclass(frozen=True)
class BadRowKind:
    """Number of rows that cannot be read for the same reason, and the first of them."""

    n: int
    first: BadRow


@dataclass(frozen=True)
class BadRowCount:
    """Number of rows that cannot be read, and the first of them by file and line.

    Parameters
    ----------
    is_at_least
        whether `n` is a lower bound, because not all refused lines were kept.
    kinds
        counts by column and reason, most frequent first.
    """

    n: int = 0
    is_at_least: bool = False
    first: tuple[BadRow, ...] = ()
    kinds: tuple[BadRowKind, ...] = ()


@dataclass(frozen=True)
class Duplicates:
    """Duplicate rows.

    Parameters
    ----------
    key
        description of what makes a row a duplicate.
    n, n_dropped
        number of rows after the first of each key, and how many of them were dropped.
    n_differing
        dropped rows with other units than the kept row; None if not checked.
    n_repeated
        identical lines within one file, which are kept; None for daily sales.
    """

    key: str = ""
    n: int = 0
    n_dropped: int = 0
    n_differing: int | None = None
    n_repeated: int | None = None


@dataclass(frozen=True)
class CancelledOrders:
    """Rows of cancelled or refunded orders: the column and its values that mark them, number of rows, and units."""

    column: str = ""
    values: tuple[str, ...] = ()
    n_rows: int = 0
    units: float = 0.0
    is_dropped: bool = False


@dataclass(frozen=True)
class DroppedRows:
    """Numbers of dropped rows by reason; a row counts for the first reason that applies."""

    bad: int = 0
    filtered: int = 0
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
    """Units of all rows, of returns (negative), of promotions, and of the dropped partial weeks."""

    units_read: float = 0.0
    returned_units: float = 0.0
    promo_units: float = 0.0
    first_week_units: float = 0.0
    last_week_units: float = 0.0


@dataclass(frozen=True)
class PromoYear:
    """Promotional units of a year, and their share of all units; None in a year without sales."""

    share: float | None
    units: float


@dataclass(frozen=True)
class AffectedItem:
    """An item with promotional units left out: these units, their share, and the weeks that become missing."""

    unique_id: str
    units: float
    share: float
    n_emptied: int


@dataclass(frozen=True)
class WeekTotals:
    """Totals of a week with rows: units without promotions, promotional units, items with sales, rows.

    Parameters
    ----------
    is_dropped
        whether it is the first or last week and only partly covered by the data.
    """

    wk_end_dt: date
    units: float
    promo_units: float
    n_items: int
    n_rows: int
    is_dropped: bool


@dataclass(frozen=True)
class Gap:
    """Consecutive weeks without a sale of an item, between two weeks with sales."""

    unique_id: str
    n_weeks: int
    first_wk_end_dt: date
    last_wk_end_dt: date


@dataclass(frozen=True)
class Gaps:
    """Gaps: weeks without a sale between an item's first and last sale, and weeks without any sale.

    Parameters
    ----------
    n_item_weeks, n_items
        number of gap weeks over all items, and number of items with gaps.
    longest
        length of the longest gap in weeks.
    empty_weeks
        the first of the `n_empty_weeks` weeks without any sale.
    """

    n_item_weeks: int = 0
    n_items: int = 0
    longest: int = 0
    longest_runs: tuple[Gap, ...] = ()
    empty_weeks: tuple[date, ...] = ()
    n_empty_weeks: int = 0


@dataclass(frozen=True)
class ListedItem:
    """A new or ended item; without a sale in a complete week it has no last sale."""

    unique_id: str
    first_wk_end_dt: date
    last_sale_dt: date | None
    total_units: float


@dataclass(frozen=True)
class ItemList:
    """Number of items of a kind, and the first of them."""

    n: int = 0
    first: tuple[ListedItem, ...] = ()


@dataclass(frozen=True)
class OutlierWeek:
    """An outlier week: units beyond the item's fence (in units)."""

    unique_id: str
    wk_end_dt: date
    unit_sales: float
    fence: float


@dataclass(frozen=True)
class Outliers:
    """Numbers of outlier weeks and of items with them, and the largest outliers."""

    n: int = 0
    n_items: int = 0
    largest: tuple[OutlierWeek, ...] = ()


@dataclass(frozen=True)
class Coverage:
    """Share of weeks with a sale, by bands of items in order of sales and by periods of weeks.

    Parameters
    ----------
    first_ranks
        first sales rank of each band.
    shares
        (bands, periods) fractions.
    """

    first_ranks: tuple[int, ...]
    weeks_a_period: int
    first_wk_end_dt: date
    shares: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class ReadingReport:
    """Report of the files read and of rows that cannot be read; a refused ingest has only this report.

    Parameters
    ----------
    source
        names of the first files.
    n_filtered
        rows that do not match the row filter.
    totals, n_totals
        keys of rows that are totals, such as Total, and number of these rows; they are ignored.
    no_records, n_no_records
        the first lines of each kind that are not records, and their number: empty lines, repeated headers, headings,
        footers, lines of dashes, sums without a date.
    n_odd_dates
        rows left out because their dates are far from all others.
    """

    source: str
    files: tuple[FileRead, ...] = ()
    other_files: tuple[str, ...] = ()
    n_rows: int
    n_filtered: int = 0
    totals: tuple[str, ...] = ()
    n_totals: int = 0
    no_records: tuple[str, ...] = ()
    n_no_records: int = 0
    cancelled: CancelledOrders = CancelledOrders()
    n_odd_dates: int = 0
    bad_rows: BadRowCount = BadRowCount()

    def to_json(self) -> dict[str, Any]:
        """Return plain data for JSON, with dates as ISO text."""
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
        1 has few counts and no lists; 2 is complete.
    content
        hash of the weeks; equal for datasets with the same weeks.
    columns
        header of the first file.
    is_weekly, is_lines
        the data are already weekly; rows are lines of receipts.
    first_day, last_day
        of all rows; first_wk_end_dt and last_wk_end_dt are of the complete weeks.
    n_flag_missing, n_flag_unknown
        rows with a missing or unknown promotion flag; `unknown_flags` counts rows by unknown flag.
    n_items_read, n_items
        items in the files, and items with sales in a complete week.
    n_weeks_emptied, n_weeks_zero, n_item_weeks
        item-weeks that are missing, without a sale, and in total.
    promo_by_year, promo_share_by_year
        year -> promotional units, and their share of all units.
    history
        minimum weeks of history -> number of items.
    same_as_version
        the previous version, if both have the same weeks.
    changes
        since the previous version; None for a first version, and in reports of older programs.
    """

    version: int = VERSION
    content: str = ""
    duplicates: Duplicates = Duplicates()
    warnings: tuple[str, ...] = ()
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
    changes: VersionChanges | None = None

    def change_lines(self) -> list[str]:
        """Sentences of plain text on what changed since the previous version; none for a first version."""
        changes = self.changes
        if self.same_as_version is None:
            return changes.lines() if changes else []
        columns = changes.column_lines() if changes else []
        return [f"No change: same weekly sales as version {self.same_as_version}.", *columns]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Load a stored report. Without a version it is version 2 if it lists files, otherwise version 1."""
        return super().from_json({"version": 2 if "files" in value else 1, **value})


@dataclass(frozen=True, kw_only=True)
class QualityReport(ReportCounts):
    """The full quality report of a dataset.

    Parameters
    ----------
    weeks
        all weeks with rows, including dropped ones.
    flags_missing_by_month
        month, such as 2020-01 -> rows with a missing or unknown promotion flag.
    coverage
        None in reports of version 1.
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
    """Convert the fields of a record to JSON types."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value.isoformat() if isinstance(value, date) else value


def _record(kind: Any, value: Any) -> Any:
    """Convert a JSON value to the type of a field: a record, a tuple, a mapping, a date, or unchanged."""
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
