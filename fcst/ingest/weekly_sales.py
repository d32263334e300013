"""Weekly series from groups: the calendar of whole weeks, units by item and week, and series from the first sale on.

sum_by_week     view `groups` (see `ingest.groups` for its columns) -> table `by_week`: its sums by week and flag
make_calendar   `by_week` -> the weeks of the data
plan_fetch      `by_week` -> the columns of `groups` that are needed
read_cells      `groups` of a range of items -> cells: arrays of N items by T weeks, partial weeks included
make_series     cells -> series by whole weeks
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fcst.errors import InputError
from fcst.ingest.cells import FLAGS
from fcst.ingest.duck import Connection, fetch_arrow, fetch_row
from fcst.ingest.groups import IS_VALID, Groups
from fcst.ingest.plan import Plan
from fcst.ingest.reading import SIFTED, STORES_PER_MASK, report_progress
from fcst.ingest.sources import OnProgress
from fcst.names import WEEKDAYS
from fcst.specs import IngestSpec

MAX_YEARS = 100
MAX_CELLS = 3_000_000  # items times weeks in memory at once
MICRO = 1_000_000  # units are summed as integers in millionths
MAX_SAFE = 9_000_000_000_000  # units; up to this, sums in millionths fit into 64 bits

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Calendar:
    """The weeks of the data.

    Parameters
    ----------
    start
        week end of the first week with a row, as in `groups`, before `shift`.
    n_any
        number of weeks from there to the last with a row.
    first, last
        indexes of the first and last whole week, counted from `start`.
    shift
        days from the week end in `groups` to the weekday of weekly data; 0 or negative.
    first_day, last_day
        the first and last day with a row.
    is_weekly
        the data are weekly: all rows are on one weekday, in several weeks.
    one_day
        all rows are on one weekday.
    """

    start: date
    n_any: int
    first: int
    last: int
    shift: int
    first_day: date
    last_day: date
    is_weekly: bool
    one_day: bool

    @property
    def n_weeks(self) -> int:
        """Number of whole weeks."""
        return self.last - self.first + 1

    def day(self, week: int) -> date:
        """The last day of a week, counted from `start`."""
        return self.start + timedelta(days=7 * week + self.shift)

    def whole_day(self, week: int) -> date:
        """The last day of a whole week, counted from the first whole week."""
        return self.day(self.first + week)


@dataclass(frozen=True)
class Cells:
    """Sums of the groups of some items by item and week, partial weeks included.

    Parameters
    ----------
    keys
        the items' keys, ascending.
    n_rows
        (N, T) rows with valid units; 0 if the item has no row in the week.
    base
        (N, T) units sold without promotion, less returns unless they are dropped; NaN if all units were sold on
        promotion.
    promo
        (N, T) units sold on promotion, likewise; None if there are none.
    is_sold
        (N, T) whether there was a sale, regardless of returns.
    n_duplicates
        rows beyond the first of an item and day; None if they are counted elsewhere.
    """

    keys: pa.Array
    n_rows: Ints
    base: Floats
    promo: Floats | None
    is_sold: Bools
    n_duplicates: int | None


@dataclass(frozen=True)
class Series:
    """Series of some items by whole weeks, from their first sale on.

    Parameters
    ----------
    keys
        the items' keys, ascending.
    rows
        (N,) row index of each item in the cells.
    first
        (N,) index of the whole week in which the series begins.
    is_active
        (N, T) whether the week is in the series: from `first` to the end.
    units
        (N, T) zero without sales; NaN in a missing week, whose units were all sold on promotion, unless promotions
        are included.
    known
        (N, T) `units` with zero in missing weeks.
    promo
        (N, T) units sold on promotion; None if there are none.
    is_sold
        (N, T) whether there was a sale.
    """

    keys: pa.Array
    rows: Ints
    first: Ints
    is_active: Bools
    units: Floats
    known: Floats
    promo: Floats | None
    is_sold: Bools


def sum_by_week(con: Connection, groups: Groups, on_progress: OnProgress) -> None:
    """Creates table `by_week`: sums of all groups by week, flag and is_bad; `day_bits` only of valid groups."""
    rows = groups.rows
    # The days of a group: without stores `m0` has them in its bits 0 to 6; with stores each has seven bits.
    if len(rows.masks) == 1 and (not rows.has_store or rows.is_lines):
        bits = "m0"
    else:
        all_stores = sum(1 << 7 * store for store in range(STORES_PER_MASK))
        mask = " | ".join(f"coalesce({mask}::UHUGEINT, 0::UHUGEINT)" for mask in rows.masks)
        bits = " + ".join(
            f"((({mask}) & {all_stores << day}::UHUGEINT) <> 0)::INTEGER * {1 << day}" for day in range(7)
        )
    with report_progress(con, "counting rows", rows.size, on_progress):
        con.execute(f"""
            CREATE OR REPLACE TABLE by_week AS
            SELECT wk, pm, is_bad, sum(n)::BIGINT AS n, sum(ny)::BIGINT AS ny, sum(s) AS s, sum(nn)::BIGINT AS nn,
                   sum(sn) AS sn, sum(nf)::BIGINT AS nf,
                   coalesce(bit_or({bits}) FILTER (WHERE {IS_VALID}), 0)::INTEGER AS day_bits
            FROM groups GROUP BY ALL
        """)


def make_calendar(con: Connection, plan: Plan, spec: IngestSpec, name: str) -> tuple[IngestSpec, Calendar]:
    """Makes the calendar and completes the spec with recognised values. Shifts the weeks of `by_week` for weekly data.

    Raises
    ------
    InputError
        if the data have no whole week, or span more than a hundred years.
    """
    day_bits, n_weeks, start, end = fetch_row(
        con,
        f"""
        SELECT bit_or(day_bits), count(DISTINCT wk), min(wk), max(wk)
        FROM by_week WHERE NOT is_bad AND pm < {SIFTED} AND ny > 0
        """,
    )
    one_day = day_bits in {1 << day for day in range(7)}
    is_weekly = one_day and n_weeks > 1
    shift, week_end = 0, spec.week_end or "SAT"
    if is_weekly and not spec.week_end:
        day = day_bits.bit_length() - 1
        shift = day - 6
        # All rows are on the last day of their week now, bit 6.
        con.execute("UPDATE by_week SET wk = wk + ?::INTEGER, day_bits = 64", [shift])
        week_end = WEEKDAYS[(WEEKDAYS.index(week_end) - 6 + day) % 7]
    proposal = plan.parts[0].proposal
    found = replace(
        spec, mapping=proposal.mapping, date_format=proposal.date_format, decimal=proposal.decimal, week_end=week_end
    )
    lowest = "CASE " + " ".join(f"WHEN day_bits & {1 << day} <> 0 THEN {day}" for day in range(7)) + " END"
    highest = "CASE " + " ".join(f"WHEN day_bits & {1 << day} <> 0 THEN {day}" for day in reversed(range(7))) + " END"
    first_day, last_day = fetch_row(
        con,
        f"""
        SELECT min(wk - 6 + {lowest}), max(wk - 6 + {highest})
        FROM by_week WHERE NOT is_bad AND pm < {SIFTED} AND ny > 0
        """,
    )
    n_any = (end - start).days // 7 + 1
    first = 0 if is_weekly or first_day == start + timedelta(days=shift - 6) else 1
    last = n_any - 1 if is_weekly or last_day == end + timedelta(days=shift) else n_any - 2
    if first > last:
        raise InputError(
            f"{name} has no whole week: it covers {first_day} to {last_day}.",
            f"Weeks end on {found.week_end}. Give a longer file, or another week-ending day.",
        )
    if (last_day - first_day).days > MAX_YEARS * 366:
        raise InputError(
            f"{name} spans {first_day} to {last_day}, more than {MAX_YEARS} years.",
            "Check its dates for a mistyped year.",
        )
    return found, Calendar(start, n_any, first, last, shift, first_day, last_day, is_weekly, one_day)


@dataclass(frozen=True)
class FetchPlan:
    """Which columns of `groups` to fetch; columns that are constant in all groups are skipped.

    Parameters
    ----------
    has_counts
        a group may have several valid rows, or a negative number, as those that subtract duplicates.
    has_returns, has_promo
        there are negative units; there are promotional rows.
    is_large
        sums may exceed 64 bits.
    with_duplicates
        count duplicates while the weeks are made.
    """

    has_counts: bool
    has_returns: bool
    has_promo: bool
    is_large: bool
    with_duplicates: bool


def plan_fetch(con: Connection, groups: Groups, with_duplicates: bool) -> FetchPlan:
    """Decides which columns of `groups` to fetch for these data."""
    n_promo, n_negative, absolute = fetch_row(
        con,
        f"""
        SELECT coalesce(sum(ny) FILTER (WHERE pm = {FLAGS["yes"]}), 0)::BIGINT, coalesce(sum(abs(nn)), 0)::BIGINT,
               coalesce(sum(s - 2 * sn), 0)::DOUBLE -- the sum of absolute units
        FROM by_week WHERE NOT is_bad AND pm < {SIFTED}
        """,
    )
    (has_removed,) = fetch_row(con, "SELECT count(*) > 0 FROM removed")
    return FetchPlan(
        has_counts=groups.is_summed or has_removed,
        has_returns=bool(n_negative),
        has_promo=bool(n_promo) or has_removed,
        is_large=absolute > MAX_SAFE,
        with_duplicates=with_duplicates,
    )


@dataclass(frozen=True)
class _Grid:
    """Sums of values by item and week; `at` is the place of a value in the flat grid."""

    shape: tuple[int, int]
    is_large: bool

    def count(self, values: Ints | None, at: Ints) -> Ints:
        n = self.shape[0] * self.shape[1]
        if values is None:
            return np.bincount(at, minlength=n).reshape(self.shape)
        sums = np.zeros(n, np.int64)
        np.add.at(sums, at, values)
        return sums.reshape(self.shape)

    def units(self, values: "Micro", at: Ints) -> Floats:
        if not self.is_large:
            return _as_units(self.count(values.low, at))
        return np.asarray((self.count(values.high, at) * 4294967296.0 + self.count(values.low, at)) / MICRO)

    def count_days(self, bits: Ints, at: Ints) -> Ints:
        """The number of different days; bit n is day n of the week."""
        days = np.zeros(self.shape[0] * self.shape[1], np.uint8)
        for day in range(7):
            days[at[(bits & (1 << day)) != 0]] |= np.uint8(1 << day)
        return np.bitwise_count(days).reshape(self.shape).astype(np.int64)


def read_cells(con: Connection, groups: Groups, calendar: Calendar, fetch: FetchPlan, low: int, high: int) -> Cells:
    """Reads the cells of the items in `[low, high)`."""
    columns = [
        f"(i::BIGINT - {low}) * {calendar.n_any} + (wk - DATE '{calendar.start}') // 7 AS place",
        *(["ny::BIGINT AS ny"] if fetch.has_counts else []),
        "s",
        *(["nn::BIGINT AS nn", "sn"] if fetch.has_returns else []),
        *([f"pm = {FLAGS['yes']} AS is_promo"] if fetch.has_promo else []),
        *(["coalesce(m0, 0)::UTINYINT AS bits"] if fetch.with_duplicates and not calendar.one_day else []),
    ]
    among = f"i BETWEEN {low} AND {high - 1}"
    table = fetch_arrow(con, f"SELECT {', '.join(columns)} FROM groups WHERE {IS_VALID} AND {among}")
    place = table["place"].to_numpy()
    grid = _Grid((high - low, calendar.n_any), fetch.is_large)
    ny = table["ny"].to_numpy() if fetch.has_counts else None
    s = _micro(table["s"], fetch.is_large)
    n_rows = grid.count(ny, place)
    taken, n_taken = s, ny
    sold = None
    if fetch.has_returns:
        nn, sn = table["nn"].to_numpy(), _micro(table["sn"], fetch.is_large)
        sold = s.minus(sn)
        if groups.rows.spec.returns == "drop":
            taken, n_taken = sold, (1 if ny is None else ny) - nn
    base_at, base_units, base_n = place, taken, n_taken
    promo = None
    n_promo: Ints | None = None
    if fetch.has_promo:
        is_promo = table["is_promo"].to_numpy()
        promo_at, base_at = place[is_promo], place[~is_promo]
        promo = grid.units(taken.where(is_promo), promo_at)
        n_promo = grid.count(None if n_taken is None else n_taken[is_promo], promo_at)
        base_units, base_n = taken.where(~is_promo), None if n_taken is None else n_taken[~is_promo]
    base = grid.units(base_units, base_at)
    if n_promo is not None:
        n_base = grid.count(base_n, base_at)
        base[n_base <= 0] = 0
        base[(n_base <= 0) & (n_promo > 0)] = np.nan
    if sold is not None:
        is_sold = grid.units(sold, place) > 0
    else:
        is_sold = np.nan_to_num(base) + promo > 0 if promo is not None else base > 0
    exists = n_rows > 0
    if sold is not None or fetch.has_counts:
        is_sold &= exists
    n_duplicates = None
    if fetch.with_duplicates:
        n_days = exists.astype(np.int64) if calendar.one_day else grid.count_days(table["bits"].to_numpy(), place)
        n_duplicates = int((n_rows - n_days)[exists].sum())
    keys = fetch_arrow(con, f"SELECT unique_id FROM keys WHERE {among} ORDER BY i")
    return Cells(keys["unique_id"].combine_chunks(), n_rows, base, promo, is_sold, n_duplicates)


def make_series(cells: Cells, calendar: Calendar, include_promo: bool) -> Series:
    """Makes the series of the items with a row in a whole week.

    A series begins with the first sale up to the last whole week, the partial first week included; without such a sale
    with the first row.
    """
    exists, first, last = cells.n_rows > 0, calendar.first, calendar.last + 1
    rows = np.flatnonzero(exists[:, first:last].any(axis=1))
    if len(rows) < len(exists):
        exists = exists[rows]
    is_sold = cells.is_sold[rows] if len(rows) < len(cells.is_sold) else cells.is_sold
    in_time = is_sold[:, :last]  # a sale in the partial last week begins no series
    begins = np.where(in_time.any(axis=1), in_time.argmax(axis=1), exists.argmax(axis=1))
    begins = np.maximum(begins - first, 0)
    is_active = np.arange(calendar.n_weeks)[None, :] >= begins[:, None]
    base = cells.base[rows, first:last]
    promo = None if cells.promo is None else cells.promo[rows, first:last]
    units = base if promo is None or not include_promo else np.nan_to_num(base) + promo
    units = np.where(is_active, units, 0)
    known = units
    if promo is not None:
        promo = np.where(is_active, promo, 0)
        known = units if include_promo else np.nan_to_num(units)
    is_sold = is_sold[:, first:last] & is_active
    return Series(cells.keys.take(pa.array(rows)), rows, begins, is_active, units, known, promo, is_sold)


@dataclass(frozen=True)
class Micro:
    """Units in millionths as integers: high * 2^32 + low; if all fit into 64 bits, `low` only and `high` is empty."""

    low: Ints
    high: Ints

    def where(self, chosen: Bools) -> "Micro":
        return Micro(self.low[chosen], self.high[chosen] if len(self.high) else self.high)

    def minus(self, other: "Micro") -> "Micro":
        return Micro(self.low - other.low, self.high - other.high)


def _micro(column: pa.ChunkedArray, is_large: bool) -> Micro:
    """Converts a column of decimals; Arrow stores each as lower and upper 64 bits."""
    pairs = [
        np.frombuffer(chunk.buffers()[1], dtype=np.int64)[2 * chunk.offset : 2 * (chunk.offset + len(chunk))]
        for chunk in column.chunks
        if len(chunk)
    ]
    empty = np.zeros(0, np.int64)
    low = np.concatenate([pair[::2] for pair in pairs] or [empty])
    if not is_large:
        return Micro(low, empty)
    high = np.concatenate([pair[1::2] for pair in pairs] or [empty])
    # value = high * 2^64 + unsigned low = (high * 2^32 + low // 2^32) * 2^32 + low % 2^32
    unsigned = low.view(np.uint64)
    upper = (unsigned >> np.uint64(32)).astype(np.int64)
    return Micro((unsigned & np.uint64(0xFFFFFFFF)).astype(np.int64), (high << 32) + upper)


def _as_units(micro: Ints) -> Floats:
    """Converts millionths to units, rounded once."""
    found = micro / MICRO
    if micro.size and max(micro.max(), -micro.min()) > 1 << 53:
        is_large = np.abs(micro) > 1 << 53
        large = micro[is_large]
        found[is_large] = large // MICRO + (large % MICRO) / MICRO
    return np.asarray(found)
