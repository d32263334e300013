"""The quality report of a reading: what was read, what the rules of a week did to it, and what the weeks look like.

Works on the tables that fcst/ingest/pipeline.py makes: `add_part` on the weeks of one part of the items, `describe` at
the end on what that left. Everything in the report is a number, a date, a text or a list of these, for it is kept as
JSON.
"""

from typing import Any

from fcst.ingest.cells import FLAGS
from fcst.ingest.duck import Connection, append, fetch_all, fetch_dicts, fetch_row
from fcst.ingest.plan import Plan
from fcst.ingest.reading import PREVIOUS_MONTH, SIFTED, Rows
from fcst.names import ENDED_AFTER_WEEKS, HISTORY_BOUNDS, NEW_WITHIN_WEEKS
from fcst.specs import IngestSpec

MAX_LISTED = 20  # items or weeks of a kind
MAX_BANDS = 60  # rows of the heatmap
MAX_PERIODS = 120  # its columns
OUTLIER_LEAST_WEEKS = 13
_WEEKS_A_PERIOD = f"((last - first) // 7 + {MAX_PERIODS}) // {MAX_PERIODS}"

_IS_SEEN = f"NOT is_bad AND pm <> {SIFTED}"
_MISSING = f"({FLAGS['missing']}, {FLAGS['missing'] + PREVIOUS_MONTH})"
_UNKNOWN = f"({FLAGS['unknown']}, {FLAGS['unknown'] + PREVIOUS_MONTH})"


def add_part(con: Connection, spec: IngestSpec) -> None:
    """Counts `weeks`, `whole` and `series`, those of one part of the items, into tables called `part_…`."""
    append(
        con,
        "part_counts",
        """
        SELECT count(DISTINCT unique_id) AS n_items, sum(unit_sales) AS total_units,
               count(*) FILTER (WHERE unit_sales IS NULL) AS n_weeks_emptied,
               count(*) FILTER (WHERE unit_sales = 0) AS n_weeks_zero, count(*) AS n_item_weeks FROM weeks
        """,
    )
    append(
        con,
        "part_contents",
        """
        SELECT bit_xor(md5_number(concat_ws('|', unique_id, first_wk_end_dt, unit_sales, promo_units))) AS content
        FROM series
        """,
    )
    if not spec.include_promo:
        _add_most_affected(con)
    _add_gaps(con)
    _add_outliers(con)
    (width,) = fetch_row(con, f"SELECT {_WEEKS_A_PERIOD} FROM span")
    append(
        con,
        "part_sold",
        f"""
        SELECT unique_id, list(n_sold ORDER BY period) AS n_sold, min(period) AS first_period FROM (
            SELECT unique_id, (wk_end_dt - span.first) // {7 * width} AS period,
                   (count(*) FILTER (WHERE is_sold))::UTINYINT AS n_sold
            FROM weeks, span GROUP BY ALL
        ) GROUP BY unique_id
        """,
    )


def describe(con: Connection, rows: Rows, plan: Plan, spec: IngestSpec, is_weekly: bool) -> dict[str, Any]:
    """The report, beyond what was counted while the rows were read."""
    has_promo = any(part.column("promo") for part in plan.parts)
    promo_by_year = _promo_by_year(con)
    span = _row(con, "SELECT first_day, last_day, first, last FROM span")
    return {
        "columns": plan.parts[0].table.header,
        "has_promo_column": has_promo,
        "is_weekly": is_weekly,
        "is_lines": rows.is_lines,
        "first_day": str(span["first_day"]),
        "last_day": str(span["last_day"]),
        "first_wk_end_dt": str(span["first"]),
        "last_wk_end_dt": str(span["last"]),
        **_count_rows(con, spec),
        **_count_flags(con, rows, has_promo),
        **_count_weeks(con),
        "promo_by_year": promo_by_year,
        "promo_share_by_year": {year: row["share"] for year, row in promo_by_year.items()},
        "most_affected": [] if spec.include_promo else _most_affected(con),
        "weeks": _weeks(con),
        "gaps": _gaps(con, is_weekly),
        "history": _history(con),
        "demand_classes": dict(
            fetch_all(con, "SELECT demand_class, count(*) FROM items_out GROUP BY 1 ORDER BY 2 DESC, 1")
        ),
        "new_items": _listed(
            con,
            # One that sells from the first week on may be older than the data.
            f"first_wk > (SELECT greatest(first, last - {7 * NEW_WITHIN_WEEKS}) FROM span)",
            "first_wk DESC",
        ),
        "ended_items": _listed(
            con,
            f"coalesce(last_sale, DATE '0001-01-01') <= (SELECT last - {7 * ENDED_AFTER_WEEKS} FROM span)",
            "last_sale DESC NULLS LAST",
        ),
        "outliers": _outliers(con),
        "coverage": _coverage(con),
        "content": _content(con),
    }


def _count_rows(con: Connection, spec: IngestSpec) -> dict[str, Any]:
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
        FROM groups, span WHERE {_IS_SEEN}
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
        FROM groups WHERE {_IS_SEEN}
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
            FROM groups WHERE {_IS_SEEN} GROUP BY 1 HAVING n > 0 ORDER BY 1
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


def _count_weeks(con: Connection) -> dict[str, Any]:
    return _row(
        con,
        """
        SELECT (SELECT count(DISTINCT unique_id) FROM sums) AS n_items_read, sum(n_items)::BIGINT AS n_items,
               (SELECT (last - min(first_wk)) // 7 + 1 FROM lives, span GROUP BY last) AS n_weeks,
               coalesce(round(sum(total_units), 3), 0) AS total_units, sum(n_weeks_emptied)::BIGINT AS n_weeks_emptied,
               sum(n_weeks_zero)::BIGINT AS n_weeks_zero, sum(n_item_weeks)::BIGINT AS n_item_weeks FROM part_counts
        """,
    )


def _promo_by_year(con: Connection) -> dict[str, Any]:
    found = fetch_all(
        con,
        """
        SELECT year(wk_end_dt)::VARCHAR, sum(promo_units) / nullif(sum(coalesce(base_units, 0) + promo_units), 0),
               round(sum(promo_units), 3) FROM sums GROUP BY 1 ORDER BY 1
        """,
    )
    return {year: {"share": share, "units": units} for year, share, units in found}


def _add_most_affected(con: Connection) -> None:
    append(
        con,
        "part_affected",
        f"""
        SELECT unique_id, round(sum(promo_units), 3) AS units,
               round(sum(promo_units) / sum(coalesce(base_units, 0) + promo_units), 4) AS share,
               count(*) FILTER (WHERE base_units IS NULL AND promo_units <> 0) AS n_emptied
        FROM whole GROUP BY 1 HAVING sum(promo_units) > 0 AND sum(coalesce(base_units, 0) + promo_units) > 0
        ORDER BY {_AFFECTED_FIRST} LIMIT {MAX_LISTED}
        """,
    )


_AFFECTED_FIRST = "share DESC, units DESC, unique_id"


def _most_affected(con: Connection) -> list[dict[str, Any]]:
    """The items that lose the largest share of their units with the promotions."""
    return fetch_dicts(con, f"FROM part_affected ORDER BY {_AFFECTED_FIRST} LIMIT {MAX_LISTED}")


def _weeks(con: Connection) -> list[dict[str, Any]]:
    """Every week that has rows, those that were dropped too."""
    return fetch_dicts(
        con,
        """
        SELECT wk_end_dt, round(sum(coalesce(base_units, 0)), 3) AS units, round(sum(promo_units), 3) AS promo_units,
               count(*) AS n_items, sum(n_rows)::BIGINT AS n_rows,
               wk_end_dt < any_value(span.first) OR wk_end_dt > any_value(span.last) AS is_dropped
        FROM sums, span GROUP BY 1 ORDER BY 1
        """,
    )


_LONGEST_FIRST = "n_weeks DESC, unique_id, first_wk_end_dt"


def _add_gaps(con: Connection) -> None:
    con.execute("""
        CREATE OR REPLACE TEMP TABLE runs AS
        SELECT unique_id, count(*) AS n_weeks, min(wk_end_dt) AS first_wk_end_dt, max(wk_end_dt) AS last_wk_end_dt
        FROM (SELECT unique_id, wk_end_dt,
                     wk_end_dt - 7 * row_number() OVER (PARTITION BY unique_id ORDER BY wk_end_dt)::INTEGER AS run
              FROM weeks JOIN (
                  SELECT unique_id, max(wk_end_dt) FILTER (WHERE is_sold) AS last_sale FROM weeks GROUP BY unique_id
              ) USING (unique_id) WHERE unit_sales = 0 AND wk_end_dt < last_sale)
        GROUP BY unique_id, run
    """)
    append(
        con,
        "part_gaps",
        """
        SELECT coalesce(sum(n_weeks), 0)::BIGINT AS n_item_weeks, count(DISTINCT unique_id) AS n_items,
               coalesce(max(n_weeks), 0) AS longest FROM runs
        """,
    )
    append(con, "part_runs", f"SELECT * FROM runs ORDER BY {_LONGEST_FIRST} LIMIT {MAX_LISTED}")


def _gaps(con: Connection, is_weekly: bool) -> dict[str, Any]:
    """Runs of weeks without a sale inside an item's life, and weeks in which nothing was sold at all."""
    row = _row(
        con,
        """
        SELECT sum(n_item_weeks)::BIGINT AS n_item_weeks, sum(n_items)::BIGINT AS n_items, max(longest) AS longest
        FROM part_gaps
        """,
    )
    longest = fetch_dicts(con, f"FROM part_runs ORDER BY {_LONGEST_FIRST} LIMIT {MAX_LISTED}")
    empty = fetch_all(
        con,
        """
        SELECT wk::VARCHAR FROM (SELECT unnest(range(first, last + 1, INTERVAL 7 DAY))::DATE AS wk FROM span)
        WHERE wk NOT IN (SELECT wk_end_dt FROM sums) ORDER BY 1
        """,
    )
    return row | {
        "longest_runs": longest,
        "empty_weeks": [wk for (wk,) in empty][:MAX_LISTED],
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


_LARGEST_FIRST = "unit_sales / fence DESC, unique_id, wk_end_dt"


def _add_outliers(con: Connection) -> None:
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE outliers AS
        SELECT unique_id, wk_end_dt, unit_sales, fence FROM weeks JOIN (
            SELECT unique_id, q[2] + 3 * (q[2] - q[1]) AS fence FROM (
                SELECT unique_id, quantile_cont(unit_sales, [0.25, 0.75]) AS q FROM weeks WHERE unit_sales > 0
                GROUP BY 1 HAVING count(*) >= {OUTLIER_LEAST_WEEKS})
        ) USING (unique_id) WHERE unit_sales > fence
    """)
    append(con, "part_outliers", "SELECT count(*) AS n, count(DISTINCT unique_id) AS n_items FROM outliers")
    append(con, "part_largest", f"SELECT * FROM outliers ORDER BY {_LARGEST_FIRST} LIMIT {MAX_LISTED}")


def _outliers(con: Connection) -> dict[str, Any]:
    """Weeks beyond Tukey's outer fence (the upper quartile and three times the interquartile range) of their item.

    J. W. Tukey, Exploratory Data Analysis, 1977. Weeks with a sale only, of items with at least 13 of them.
    """
    row = _row(con, "SELECT sum(n)::BIGINT AS n, sum(n_items)::BIGINT AS n_items FROM part_outliers")
    largest = fetch_dicts(
        con,
        f"""SELECT unique_id, wk_end_dt, unit_sales, round(fence, 3) AS fence FROM part_largest
            ORDER BY {_LARGEST_FIRST} LIMIT {MAX_LISTED}""",
    )
    return row | {"largest": largest}


def _coverage(con: Connection) -> dict[str, Any]:
    """How many of the weeks have a sale: bands of items in the order of sales by periods of weeks, as shares."""
    n_items, n_weeks, first, width = fetch_row(
        con, f"SELECT (SELECT count(*) FROM items_out), (last - first) // 7 + 1, first, {_WEEKS_A_PERIOD} FROM span"
    )
    n_bands = min(MAX_BANDS, n_items)
    n_periods = -(-n_weeks // width)
    shares = [[0.0] * n_periods for _ in range(n_bands)]
    for band, period, n_sold in fetch_all(
        con,
        f"""
        SELECT ((sales_rank - 1) * {n_bands} // {n_items})::INTEGER, (first_period + place)::INTEGER,
               sum(n)::BIGINT
        FROM (SELECT unique_id, first_period, unnest(n_sold) AS n, unnest(range(len(n_sold))) AS place FROM part_sold)
        JOIN items_out USING (unique_id) GROUP BY 1, 2
        """,
    ):
        shares[band][period] = n_sold
    sizes = [-(-(band + 1) * n_items // n_bands) - -(-band * n_items // n_bands) for band in range(n_bands)]
    for size, row in zip(sizes, shares, strict=True):
        for period in range(n_periods):
            row[period] = round(row[period] / (size * min(width, n_weeks - period * width)), 3)
    ranks = [-(-band * n_items // n_bands) + 1 for band in range(n_bands)]
    return {"first_ranks": ranks, "weeks_a_period": width, "first_wk_end_dt": str(first), "shares": shares}


def _content(con: Connection) -> str:
    """The same for the same weeks of the same items, and only then."""
    return str(fetch_row(con, "SELECT bit_xor(content) FROM part_contents")[0])


def _row(con: Connection, sql: str) -> dict[str, Any]:
    (row,) = fetch_dicts(con, sql)
    return row
