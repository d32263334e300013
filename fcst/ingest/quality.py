"""Quality report of a load: rows read and dropped, weekly totals, gaps, outliers, promotions, coverage.

Uses the tables `by_week`, `items_found` and `items_out` and the tallies.
"""

from collections import defaultdict
from dataclasses import fields
from typing import Any

import numpy as np

from fcst.ingest.cells import FLAGS
from fcst.ingest.duck import Connection, fetch_all, fetch_arrow, fetch_dicts, fetch_row
from fcst.ingest.plan import Plan
from fcst.ingest.reading import NO_RECORD, PREVIOUS_MONTH, SIFTED, Rows
from fcst.ingest.tallies import MAX_LISTED, Tallies
from fcst.ingest.weekly_sales import Calendar
from fcst.names import ENDED_AFTER_WEEKS, HISTORY_BOUNDS, NEW_WITHIN_WEEKS
from fcst.quality_report import (
    AffectedItem,
    Coverage,
    DroppedRows,
    Duplicates,
    Gap,
    Gaps,
    ItemList,
    ListedItem,
    Outliers,
    OutlierWeek,
    PromoYear,
    QualityReport,
    ReadingReport,
    UnitSums,
    WeekTotals,
)
from fcst.specs import IngestSpec

MAX_BANDS = 60  # rows of the heatmap
SOLD_ITEMS = 50_000  # items of the heatmap in memory at once

_IS_SEEN = f"NOT is_bad AND pm < {SIFTED}"
_MISSING = f"({FLAGS['missing']}, {FLAGS['missing'] + PREVIOUS_MONTH})"
_UNKNOWN = f"({FLAGS['unknown']}, {FLAGS['unknown'] + PREVIOUS_MONTH})"


def describe(
    con: Connection,
    rows: Rows,
    plan: Plan,
    spec: IngestSpec,
    tallies: Tallies,
    *,
    reading: ReadingReport,
    duplicates: Duplicates,
    content: str,
) -> QualityReport:
    """Makes the report; `reading` and `duplicates` were counted while the rows were read."""
    calendar = tallies.calendar
    has_promo = any(part.column("promo") for part in plan.parts)
    promo_by_year = _promo_by_year(tallies)
    counts = _count_rows(con, spec, calendar)
    n_promo, n_flag_missing, n_flag_unknown = _count_flags(con)
    return QualityReport(
        **vars(reading),
        content=content,
        duplicates=duplicates,
        columns=tuple(plan.parts[0].table.header),
        has_promo_column=has_promo,
        is_weekly=calendar.is_weekly,
        is_lines=rows.is_lines,
        first_day=calendar.first_day,
        last_day=calendar.last_day,
        first_wk_end_dt=calendar.whole_day(0),
        last_wk_end_dt=calendar.whole_day(calendar.n_weeks - 1),
        n_kept=counts["kept"],
        dropped=_dropped_rows(reading, duplicates, counts),
        units=UnitSums(**{part.name: round(counts[part.name], 3) for part in fields(UnitSums)}),
        n_returns=counts["n_returns"],
        n_fractional=counts["n_fractional"],
        n_promo=n_promo,
        n_flag_missing=n_flag_missing if has_promo else 0,
        n_flag_unknown=n_flag_unknown,
        unknown_flags=_unknown_flags(con, rows) if n_flag_unknown else {},
        n_items_read=tallies.n_items_read,
        n_items=tallies.n_items,
        n_weeks=calendar.n_weeks - tallies.first_week,
        total_units=round(tallies.total_units, 3),
        n_weeks_emptied=tallies.n_missing,
        n_weeks_zero=tallies.n_zero,
        n_item_weeks=tallies.n_item_weeks,
        promo_by_year=promo_by_year,
        promo_share_by_year={year: sums.share for year, sums in promo_by_year.items()},
        history=_history(con),
        demand_classes=dict(
            fetch_all(con, "SELECT demand_class, count(*) FROM items_out GROUP BY 1 ORDER BY 2 DESC, 1")
        ),
        weeks=_weeks(tallies),
        gaps=_gaps(tallies),
        most_affected=() if spec.include_promo else _most_affected(con),
        flags_missing_by_month=_flags_missing_by_month(con) if has_promo else {},
        new_items=_new_items(con, calendar),
        ended_items=_ended_items(con, calendar),
        outliers=_outliers(tallies),
        coverage=_coverage(con, tallies),
    )


def _count_rows(con: Connection, spec: IngestSpec, calendar: Calendar) -> dict[str, Any]:
    """Counts rows and units. Every row is counted once: kept, or dropped for the first reason that applies."""
    returns = "nn" if spec.returns == "drop" else "0"
    promo = "false" if spec.include_promo else f"pm = {FLAGS['yes']}"
    (row,) = fetch_dicts(
        con,
        f"""
        SELECT coalesce(sum({returns}), 0)::BIGINT AS returns,
               coalesce(sum(ny - {returns}) FILTER (WHERE {promo}), 0)::BIGINT AS promotions,
               coalesce(sum(ny - {returns}) FILTER (WHERE NOT {promo} AND wk < span.first), 0)::BIGINT AS first_week,
               coalesce(sum(ny - {returns}) FILTER (WHERE NOT {promo} AND wk > span.last), 0)::BIGINT AS last_week,
               coalesce(sum(ny - {returns})
                        FILTER (WHERE NOT {promo} AND wk BETWEEN span.first AND span.last), 0)::BIGINT AS kept,
               coalesce(sum(s), 0)::DOUBLE AS units_read,
               coalesce(sum(sn), 0)::DOUBLE AS returned_units,
               coalesce(sum(s - sn) FILTER (WHERE pm = {FLAGS["yes"]}), 0)::DOUBLE AS promo_units,
               coalesce(sum(s) FILTER (WHERE wk < span.first), 0)::DOUBLE AS first_week_units,
               coalesce(sum(s) FILTER (WHERE wk > span.last), 0)::DOUBLE AS last_week_units,
               coalesce(sum(nn), 0)::BIGINT AS n_returns, coalesce(sum(nf), 0)::BIGINT AS n_fractional
        FROM by_week, (SELECT DATE '{calendar.whole_day(0)}' AS first,
                              DATE '{calendar.whole_day(calendar.n_weeks - 1)}' AS last) AS span
        WHERE {_IS_SEEN}
        """,
    )
    return row


def _count_flags(con: Connection) -> tuple[int, int, int]:
    """Number of rows on promotion, without a flag, and with an unknown flag."""
    n_promo, n_missing, n_unknown = fetch_row(
        con,
        f"""
        SELECT coalesce(sum(ny) FILTER (WHERE pm = {FLAGS["yes"]}), 0)::BIGINT,
               coalesce(sum(ny) FILTER (WHERE pm IN {_MISSING}), 0)::BIGINT,
               coalesce(sum(ny) FILTER (WHERE pm IN {_UNKNOWN}), 0)::BIGINT
        FROM by_week WHERE {_IS_SEEN}
        """,
    )
    return n_promo, n_missing, n_unknown


def _flags_missing_by_month(con: Connection) -> dict[str, int]:
    return dict(
        fetch_all(
            con,
            f"""
            SELECT strftime(CASE WHEN pm >= {PREVIOUS_MONTH} THEN wk - 7 ELSE wk END, '%Y-%m') AS month,
                   sum(ny) FILTER (WHERE pm NOT IN ({FLAGS["no"]}, {FLAGS["yes"]}))::BIGINT AS n
            FROM by_week WHERE {_IS_SEEN} GROUP BY 1 HAVING n > 0 ORDER BY 1
            """,
        )
    )


def _unknown_flags(con: Connection, rows: Rows) -> dict[str, int]:
    """The most frequent unknown flags -> number of rows."""
    yes_no_missing = f"({FLAGS['no']}, {FLAGS['yes']}, {SIFTED}, {NO_RECORD})"
    found = fetch_all(
        con,
        f"""
        SELECT flag_text, count(*) AS n FROM ({rows.sql(is_raw=True)})
        WHERE pm NOT IN {yes_no_missing} AND trim(flag_text) <> '' GROUP BY 1 ORDER BY n DESC, 1 LIMIT {MAX_LISTED}
        """,
    )
    return {text[:60].replace("\0", "\\0"): n for text, n in found}


def _promo_by_year(tallies: Tallies) -> dict[str, PromoYear]:
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for week in np.flatnonzero(tallies.n_existing):
        found = sums[str(tallies.calendar.day(int(week)).year)]
        found[0] += float(tallies.promo[week])
        found[1] += float(tallies.base[week])
    return {
        year: PromoYear(share=promo / (promo + base) if promo + base else None, units=round(promo, 3))
        for year, (promo, base) in sorted(sums.items())
    }


def _most_affected(con: Connection) -> tuple[AffectedItem, ...]:
    """The items with the largest share of promotional units, which are dropped."""
    found = fetch_dicts(
        con,
        f"""
        SELECT unique_id, round(whole_promo, 3) AS units, round(whole_promo / whole_all, 4) AS share, n_emptied
        FROM items_found WHERE whole_promo > 0 AND whole_all > 0
        ORDER BY share DESC, units DESC, unique_id LIMIT {MAX_LISTED}
        """,
    )
    return tuple(AffectedItem(**row) for row in found)


def _weeks(tallies: Tallies) -> tuple[WeekTotals, ...]:
    """Every week with rows, dropped partial weeks included."""
    calendar = tallies.calendar
    return tuple(
        WeekTotals(
            wk_end_dt=calendar.day(week),
            units=round(float(tallies.base[week]), 3),
            promo_units=round(float(tallies.promo[week]), 3),
            n_items=int(tallies.n_existing[week]),
            n_rows=int(tallies.n_rows[week]),
            is_dropped=not calendar.first <= week <= calendar.last,
        )
        for week in map(int, np.flatnonzero(tallies.n_existing))
    )


def _gaps(tallies: Tallies) -> Gaps:
    """Gaps of items before their last sale, and weeks without any rows."""
    calendar = tallies.calendar
    is_empty = tallies.n_existing[calendar.first : calendar.last + 1] == 0
    empty = tuple(calendar.whole_day(int(week)) for week in np.flatnonzero(is_empty))
    return Gaps(
        n_item_weeks=tallies.n_gap_weeks,
        n_items=tallies.n_gap_items,
        longest=tallies.longest_gap,
        longest_runs=tuple(
            Gap(key, n, calendar.whole_day(first), calendar.whole_day(first + n - 1)) for n, key, first in tallies.gaps
        ),
        empty_weeks=empty[:MAX_LISTED],
        n_empty_weeks=len(empty),
    )


def _history(con: Connection) -> dict[str, int]:
    """Items by length of history: minimum number of weeks -> number of items."""
    cases = " ".join(f"WHEN n_weeks >= {bound} THEN {bound}" for bound in sorted(HISTORY_BOUNDS, reverse=True))
    found = dict(fetch_all(con, f"SELECT CASE {cases} END AS least, count(*) FROM items_out GROUP BY 1"))
    return {str(bound): found.get(bound, 0) for bound in HISTORY_BOUNDS}


def _dropped_rows(reading: ReadingReport, duplicates: Duplicates, counts: dict[str, Any]) -> DroppedRows:
    return DroppedRows(
        bad=reading.bad_rows.n,
        filtered=reading.n_filtered,
        totals=reading.n_totals,
        no_records=reading.n_no_records,
        odd_dates=reading.n_odd_dates,
        duplicates=duplicates.n_dropped,
        **{name: counts[name] for name in ("returns", "promotions", "first_week", "last_week")},
    )


def _new_items(con: Connection, calendar: Calendar) -> ItemList:
    # An item that sells in the first week may be older than the data.
    last = f"DATE '{calendar.whole_day(calendar.n_weeks - 1)}' - {7 * NEW_WITHIN_WEEKS}"
    return _listed(con, f"first_wk > greatest(DATE '{calendar.whole_day(0)}', {last})", "first_wk DESC")


def _ended_items(con: Connection, calendar: Calendar) -> ItemList:
    last = f"DATE '{calendar.whole_day(calendar.n_weeks - 1)}' - {7 * ENDED_AFTER_WEEKS}"
    return _listed(con, f"coalesce(last_sale, DATE '0001-01-01') <= {last}", "last_sale DESC NULLS LAST")


def _listed(con: Connection, condition: str, order: str) -> ItemList:
    (n,) = fetch_row(con, f"SELECT count(*) FROM items_out WHERE {condition}")
    first = fetch_dicts(
        con,
        f"""SELECT unique_id, first_wk AS first_wk_end_dt, last_sale AS last_sale_dt, total_units FROM items_out
            WHERE {condition} ORDER BY {order}, unique_id LIMIT {MAX_LISTED}""",
    )
    return ItemList(n, tuple(ListedItem(**row) for row in first))


def _outliers(tallies: Tallies) -> Outliers:
    return Outliers(
        n=tallies.n_outliers,
        n_items=tallies.n_outlier_items,
        largest=tuple(
            OutlierWeek(key, tallies.calendar.whole_day(week), units, round(fence, 3))
            for _, key, week, units, fence in tallies.outliers
        ),
    )


def _coverage(con: Connection, tallies: Tallies) -> Coverage:
    n_items, n_weeks, width = tallies.n_items, tallies.calendar.n_weeks, tallies.weeks_a_period
    n_bands, n_periods = min(MAX_BANDS, n_items), -(-n_weeks // width)
    ranks = fetch_arrow(con, "SELECT sales_rank FROM items_out ORDER BY place")["sales_rank"].to_numpy()
    band = (ranks - 1) * n_bands // n_items
    n_sold = np.zeros((n_bands, n_periods), np.int64)
    with tallies.sold_file.open("rb") as file:
        for low in range(0, n_items, SOLD_ITEMS):
            bands = band[low : low + SOLD_ITEMS]
            sold = np.frombuffer(file.read(len(bands) * n_periods), np.uint8).reshape(len(bands), n_periods)
            for number in np.unique(bands):
                n_sold[number] += sold[bands == number].sum(axis=0, dtype=np.int64)
    starts = [-(-number * n_items // n_bands) for number in range(n_bands + 1)]
    shares = tuple(
        tuple(
            round(int(n_sold[number, period]) / ((end - start) * min(width, n_weeks - period * width)), 3)
            for period in range(n_periods)
        )
        for number, (start, end) in enumerate(zip(starts, starts[1:], strict=False))
    )
    return Coverage(
        first_ranks=tuple(start + 1 for start in starts[:-1]),
        weeks_a_period=width,
        first_wk_end_dt=tallies.calendar.whole_day(0),
        shares=shares,
    )
