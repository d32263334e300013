"""Duplicates: always counted, removed if the spec says so.

In daily sales the key is item, store and day. A second row with the same key is a duplicate; the last row is kept,
because a later row corrects an earlier one. A receipt may have the same line twice, when a customer bought the same
item twice. So only lines that appear in several files are duplicates: of each line as many are kept as the file with
the most of them has.

Removed rows are added to `groups` with reversed signs, so that all later sums are right.
"""

from fcst.ingest.duck import Connection, fetch_row
from fcst.ingest.groups import Groups
from fcst.ingest.reading import SIFTED, Rows, bad_key_sql, bits_sql, report_progress
from fcst.ingest.sources import OnProgress
from fcst.quality_report import Duplicates


def find_duplicates(con: Connection, groups: Groups, on_progress: OnProgress) -> Duplicates:
    """Counts duplicates, and removes them from `groups` if the spec says so.

    Does not count them if `counts_with_weeks`.
    """
    rows = groups.rows
    if rows.is_lines:
        return _find_common_lines(con, groups, on_progress)
    words = "item, store and day" if rows.has_store else "item and day"
    if counts_with_weeks(rows):
        return Duplicates(words)
    bits = " + ".join(f"coalesce({bits_sql(f'bit_or({mask}::UHUGEINT)')}, 0)" for mask in rows.masks)
    con.execute("CREATE OR REPLACE TEMP TABLE suspects (i UINTEGER, wk DATE, n BIGINT)")
    for low, high in groups.ranges(groups.n_items):
        share = (low / groups.n_items, high / groups.n_items)
        with report_progress(con, "finding duplicates", rows.size, on_progress, share):
            con.execute(f"""
                INSERT INTO suspects
                SELECT i, wk, sum(rows) - sum(bits) AS n FROM (
                    SELECT i, wk, sum(ny) AS rows, {bits} AS bits
                    FROM groups WHERE NOT is_bad AND pm < {SIFTED} AND ny > 0 AND i BETWEEN {low} AND {high - 1}
                    GROUP BY i, wk, blk, so
                ) GROUP BY ALL HAVING sum(rows) > sum(bits)
            """)
    (n,) = fetch_row(con, "SELECT coalesce(sum(n), 0)::BIGINT FROM suspects")
    if not n or rows.spec.duplicates != "drop":
        return Duplicates(words, n)
    n_dropped, n_differing = _drop_all_but_last(con, groups, on_progress)
    return Duplicates(words, n, n_dropped, n_differing)


def counts_with_weeks(rows: Rows) -> bool:
    """Whether duplicates are counted while the weeks are made: if they are kept and the key is item and day."""
    return not (rows.is_lines or rows.has_store or rows.spec.duplicates == "drop")


def _drop_all_but_last(con: Connection, groups: Groups, on_progress: OnProgress) -> tuple[int, int]:
    rows = groups.rows
    by = ", ".join(rows.keys)
    is_same = " AND ".join(f"t.{key} = s.{key}" for key in rows.keys)
    con.execute("SET preserve_insertion_order = true")
    with report_progress(con, "removing duplicates", rows.size, on_progress):
        con.execute(f"""
            CREATE TEMP TABLE surplus AS
            SELECT * FROM (
                SELECT *, row_number() OVER last_first AS place, first_value(y) OVER last_first AS y_kept
                FROM ({rows.sql(is_raw=True, is_numbered=True)}) t
                SEMI JOIN (FROM suspects JOIN keys USING (i)) s ON {is_same} AND t.wk = s.wk
                WHERE y IS NOT NULL AND pm < {SIFTED}
                WINDOW last_first AS (PARTITION BY {by}, store, d ORDER BY f DESC, r DESC)
            ) WHERE place > 1
        """)
    con.execute("SET preserve_insertion_order = false")
    _remove(con, groups, "surplus", "1")
    n, n_differing = fetch_row(con, "SELECT count(*), count(*) FILTER (WHERE y <> y_kept) FROM surplus")
    return n, n_differing


def _find_common_lines(con: Connection, groups: Groups, on_progress: OnProgress) -> Duplicates:
    rows = groups.rows
    by = f"{', '.join(rows.keys)}, wk, pm, store, receipt, moment, y"
    is_good = " AND ".join(f"NOT {bad_key_sql(key)}" for key in rows.keys)
    with report_progress(con, "finding duplicates", rows.size, on_progress):
        con.execute(f"""
            CREATE TEMP TABLE lines AS
            SELECT {by}, sum(n)::BIGINT AS n_all, max(n)::BIGINT AS n_most FROM (
                SELECT {by}, f, count(*) AS n FROM ({rows.sql(is_raw=True)})
                WHERE y IS NOT NULL AND d IS NOT NULL AND pm < {SIFTED} AND {is_good} GROUP BY {by}, f
            ) GROUP BY {by} HAVING sum(n) > 1
        """)
    n, n_repeated = fetch_row(
        con, "SELECT coalesce(sum(n_all - n_most), 0)::BIGINT, coalesce(sum(n_most - 1), 0)::BIGINT FROM lines"
    )
    is_dropped = rows.spec.duplicates == "drop"
    if n and is_dropped:
        con.execute("DELETE FROM lines WHERE n_all = n_most")
        _remove(con, groups, "lines", "(n_all - n_most)")
    return Duplicates(
        key="receipt, item, time and units, in several files",
        n=n,
        n_dropped=n if is_dropped else 0,
        n_repeated=n_repeated,
    )


def _remove(con: Connection, groups: Groups, table: str, times: str) -> None:
    con.execute(f"""
        INSERT INTO removed BY NAME
        SELECT i, wk, pm, 0 AS blk, -sum({times}) AS n, -sum({times}) AS ny, -sum(y * {times}) AS s,
               -coalesce(sum({times}) FILTER (WHERE y < 0), 0) AS nn,
               -coalesce(sum(y * {times}) FILTER (WHERE y < 0), 0) AS sn,
               -coalesce(sum({times}) FILTER (WHERE y <> trunc(y)), 0) AS nf, false AS is_bad
        FROM {table} JOIN keys USING ({", ".join(groups.rows.keys)}) GROUP BY ALL
    """)
    groups.make_view(con, with_removed=True)
