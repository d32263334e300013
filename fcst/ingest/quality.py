"""The quality report of a reading: what was read, what the rules of a week did to it, and what the weeks look like.

Works on the tables `by_week` and `items_out` and on the tallies of the weeks. Everything in the report is a number, a
date, a text or a list of these, for it is kept as JSON.
"""

from collections import defaultdict
from typing import Any

import numpy as np

from fcst.ingest.cells import FLAGS
from fcst.ingest.duck import Connection, fetch_all, fetch_arrow, fetch_dicts, fetch_row
from fcst.ingest.plan import Plan
from fcst.ingest.reading import PREVIOUS_MONTH, SIFTED, Rows
from fcst.ingest.tallies import MAX_LISTED, Tallies
from fcst.ingest.weekly_sales import Calendar
from fcst.names import ENDED_AFTER_WEEKS, HISTORY_BOUNDS, NEW_WITHIN_WEEKS
from fcst.specs import IngestSpec

MAX_BANDS = 60  # rows of the heatmap
SOLD_ITEMS = 50_000  # whose weeks with a sale are in memory at once

_IS_SEEN = f"NOT is_bad AND pm <> {SIFTED}"
_MISSING = f"({FLAGS['missing']}, {FLAGS['missing'] + PREVIOUS_MONTH})"
_UNKNOWN = f"({FLAGS['unknown']}, {FLAGS['unknown'] + PREVIOUS_MONTH})"


def describe(con: Connection, rows: Rows, plan: Plan, spec: IngestSpec, tallies: Tallies) -> dict[str, Any]:
    """The report, beyond what was counted while the rows were read."""
    calendar = tallies.calendar
    has_promo = any(part.column("promo") for part in plan.parts)
    promo_by_year = _promo_by_year(tallies)
    last = f"DATE '{calendar.whole_day(calendar.n_weeks - 1)}'"
    return {
        "columns": plan.parts[0].table.header,
        "has_promo_column": has_promo,
        "is_weekly": calendar.is_weekly,
        "is_lines": rows.is_lines,
        "first_day": str(calendar.first_day),
        "last_day": str(calendar.last_day),
        "first_wk_end_dt": str(calendar.whole_day(0)),
        "last_wk_end_dt": str(calendar.whole_day(calendar.n_weeks - 1)),
        **_count_rows(con, spec, calendar),
        **_count_flags(con, rows, has_promo),
        **_count_weeks(tallies),
        "promo_by_year": promo_by_year,
        "promo_share_by_year": {year: row["share"] for year, row in promo_by_year.items()},
        "most_affected": _most_affected(con, spec),
        "weeks": _weeks(tallies),
        "gaps": _gaps(tallies),
        "history": _history(con),
        "demand_classes": dict(
            fetch_all(con, "SELECT demand_class, count(*) FROM items_out GROUP BY 1 ORDER BY 2 DESC, 1")
        ),
        "new_items": _listed(
            con,
            # One that sells from the first week on may be older than the data.
            f"first_wk > greatest(DATE '{calendar.whole_day(0)}', {last} - {7 * NEW_WITHIN_WEEKS})",
            "first_wk DESC",
        ),
        "ended_items": _listed(
            con,
            f"coalesce(last_sale, DATE '0001-01-01') <= {last} - {7 * ENDED_AFTER_WEEKS}",
            "last_sale DESC NULLS LAST",
        ),
        "outliers": _outliers(tallies),
        "coverage": _coverage(con, tallies),
    }


def _count_rows(con: Connection, spec: IngestSpec, calendar: Calendar) -> dict[str, Any]:
    """Every row is counted once: kept, or dropped for the first reason that applies."""
    returns = "nn" if spec.returns == "drop" else "0"
    promo = "false" if spec.include_promo else f"pm = {FLAGS['yes']}"
    row = _row(
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
    names = ("returns", "promotions", "first_week", "last_week")
    return {
        "n_kept": row["kept"],
        "dropped": {name: row[name] for name in names},
        "units": {name: round(row[name], 3) for name in row if name.endswith(("units", "units_read"))},
        "n_returns": row["n_returns"],
        "n_fractional": row["n_fractional"],
    }


def _count_flags(con: Connection, rows: Rows, has_promo: bool) -> dict[str, Any]:
    row = _row(
        con,
        f"""
        SELECT coalesce(sum(ny) FILTER (WHERE pm = {FLAGS["yes"]}), 0)::BIGINT AS n_promo,
               coalesce(sum(ny) FILTER (WHERE pm IN {_MISSING}), 0)::BIGINT AS n_flag_missing,
               coalesce(sum(ny) FILTER (WHERE pm IN {_UNKNOWN}), 0)::BIGINT AS n_flag_unknown
        FROM by_week WHERE {_IS_SEEN}
        """,
    )
    by_month: list[Any] = []
    unknown: list[Any] = []
    if not has_promo:
        row["n_flag_missing"] = 0
    else:
        by_month = fetch_all(
            con,
            f"""
            SELECT strftime(CASE WHEN pm >= {PREVIOUS_MONTH} THEN wk - 7 ELSE wk END, '%Y-%m') AS month,
                   sum(ny) FILTER (WHERE pm NOT IN ({FLAGS["no"]}, {FLAGS["yes"]}))::BIGINT AS n
            FROM by_week WHERE {_IS_SEEN} GROUP BY 1 HAVING n > 0 ORDER BY 1
            """,
        )
    if row["n_flag_unknown"]:
        yes_no_missing = f"({FLAGS['no']}, {FLAGS['yes']}, {SIFTED})"
        unknown = fetch_all(
            con,
            f"""
            SELECT flag_text, count(*) AS n FROM ({rows.sql(is_raw=True)})
            WHERE pm NOT IN {yes_no_missing} AND trim(flag_text) <> '' GROUP BY 1 ORDER BY n DESC, 1 LIMIT {MAX_LISTED}
            """,
        )
    return row | {
        "flags_missing_by_month": dict(by_month),
        "unknown_flags": {text[:60].replace("\0", "\\0"): n for text, n in unknown},
    }


def _count_weeks(tallies: Tallies) -> dict[str, Any]:
    return {
        "n_items_read": tallies.n_items_read,
        "n_items": tallies.n_items,
        "n_weeks": tallies.calendar.n_weeks - tallies.first_week,
        "total_units": round(tallies.total_units, 3),
        "n_weeks_emptied": tallies.n_missing,
        "n_weeks_zero": tallies.n_zero,
        "n_item_weeks": tallies.n_item_weeks,
    }


def _promo_by_year(tallies: Tallies) -> dict[str, Any]:
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for week in np.flatnonzero(tallies.n_existing):
        found = sums[str(tallies.calendar.day(int(week)).year)]
        found[0] += float(tallies.promo[week])
        found[1] += float(tallies.base[week])
    return {
        year: {"share": promo / (promo + base) if promo + base else None, "units": round(promo, 3)}
        for year, (promo, base) in sorted(sums.items())
    }


def _most_affected(con: Connection, spec: IngestSpec) -> list[dict[str, Any]]:
    """The items that lose the largest share of their units with the promotions."""
    if spec.include_promo:
        return []
    return fetch_dicts(
        con,
        f"""
        SELECT unique_id, round(whole_promo, 3) AS units, round(whole_promo / whole_all, 4) AS share, n_emptied
        FROM items_found WHERE whole_promo > 0 AND whole_all > 0
        ORDER BY share DESC, units DESC, unique_id LIMIT {MAX_LISTED}
        """,
    )


def _weeks(tallies: Tallies) -> list[dict[str, Any]]:
    """Every week that has rows, those that were dropped too."""
    calendar = tallies.calendar
    return [
        {
            "wk_end_dt": str(calendar.day(week)),
            "units": round(float(tallies.base[week]), 3),
            "promo_units": round(float(tallies.promo[week]), 3),
            "n_items": int(tallies.n_existing[week]),
            "n_rows": int(tallies.n_rows[week]),
            "is_dropped": not calendar.first <= week <= calendar.last,
        }
        for week in map(int, np.flatnonzero(tallies.n_existing))
    ]


def _gaps(tallies: Tallies) -> dict[str, Any]:
    """Runs of weeks without a sale inside an item's life, and weeks in which nothing was sold at all."""
    calendar = tallies.calendar
    is_empty = tallies.n_existing[calendar.first : calendar.last + 1] == 0
    empty = [str(calendar.whole_day(int(week))) for week in np.flatnonzero(is_empty)]
    return {
        "n_item_weeks": tallies.n_gap_weeks,
        "n_items": tallies.n_gap_items,
        "longest": tallies.longest_gap,
        "longest_runs": [
            {
                "unique_id": key,
                "n_weeks": n,
                "first_wk_end_dt": str(calendar.whole_day(first)),
                "last_wk_end_dt": str(calendar.whole_day(first + n - 1)),
            }
            for n, key, first in tallies.gaps
        ],
        "empty_weeks": empty[:MAX_LISTED],
        "n_empty_weeks": len(empty),
    }


def _history(con: Connection) -> dict[str, int]:
    """Items by weeks of history: 'at least so many' -> number of items."""
    cases = " ".join(f"WHEN n_weeks >= {bound} THEN {bound}" for bound in sorted(HISTORY_BOUNDS, reverse=True))
    found = dict(fetch_all(con, f"SELECT CASE {cases} END AS least, count(*) FROM items_out GROUP BY 1"))
    return {str(bound): found.get(bound, 0) for bound in HISTORY_BOUNDS}


def _listed(con: Connection, condition: str, order: str) -> dict[str, Any]:
    (n,) = fetch_row(con, f"SELECT count(*) FROM items_out WHERE {condition}")
    first = fetch_dicts(
        con,
        f"""SELECT unique_id, first_wk AS first_wk_end_dt, last_sale AS last_sale_dt, total_units FROM items_out
            WHERE {condition} ORDER BY {order}, unique_id LIMIT {MAX_LISTED}""",
    )
    return {"n": n, "first": first}


def _outliers(tallies: Tallies) -> dict[str, Any]:
    return {
        "n": tallies.n_outliers,
        "n_items": tallies.n_outlier_items,
        "largest": [
            {
                "unique_id": key,
                "wk_end_dt": str(tallies.calendar.whole_day(week)),
                "unit_sales": units,
                "fence": round(fence, 3),
            }
            for _, key, week, units, fence in tallies.outliers
        ],
    }


def _coverage(con: Connection, tallies: Tallies) -> dict[str, Any]:
    """How many of the weeks have a sale: bands of items in the order of sales by periods of weeks, as shares."""
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
    shares = [
        [
            round(int(n_sold[number, period]) / ((end - start) * min(width, n_weeks - period * width)), 3)
            for period in range(n_periods)
        ]
        for number, (start, end) in enumerate(zip(starts, starts[1:], strict=False))
    ]
    return {
        "first_ranks": [start + 1 for start in starts[:-1]],
        "weeks_a_period": width,
        "first_wk_end_dt": str(tallies.calendar.whole_day(0)),
        "shares": shares,
    }


def _row(con: Connection, sql: str) -> dict[str, Any]:
    (row,) = fetch_dicts(con, sql)
    return row
