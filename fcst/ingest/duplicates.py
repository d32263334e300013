"""Rows that say the same thing twice: counted always, taken out when the user says so.

Of daily sales an item, store and day is a key: a second row with it is a duplicate; where it is taken out, the last
one stays, for a later row corrects an earlier one. Of receipts a line may well stand there twice, when a customer
bought the same thing twice; so only what several files have in common is a duplicate: of each line as many stay
as the file with the most of them has.

What is taken out is added to `groups` with its sign turned, so that every sum over them is right afterwards.
"""

from collections.abc import Sequence
from typing import Any

from fcst.ingest.duck import Connection, fetch_row
from fcst.ingest.parts import part_sql
from fcst.ingest.reading import SIFTED, Rows, bad_key_sql, bits_sql, watched
from fcst.ingest.sources import Tell


def find_duplicates(con: Connection, rows: Rows, parts: Sequence[str], tell: Tell) -> dict[str, Any]:
    """Counts duplicates, and takes them out of `groups` where the spec says so.

    Returns
    -------
    dict
        `key` (what makes a row a duplicate, in words), `n` (rows beyond the first of each), `n_dropped`,
        `n_differing` (of those dropped, rows with other units than the one kept; None where none was looked at),
        `n_repeated` (identical lines within one file, which stay; None for daily sales).
    """
    if rows.is_lines:
        return _find_common_lines(con, rows, tell)
    words = "item, store and day" if rows.has_store else "item and day"
    by = ", ".join(rows.keys)
    bits = " + ".join(f"coalesce({bits_sql(f'bit_or({mask}::UHUGEINT)')}, 0)" for mask in rows.masks)
    statement = f"""
        SELECT {by}, wk, sum(rows) - sum(bits) AS n FROM (
            SELECT {by}, wk, sum(ny) AS rows, {bits} AS bits
            FROM groups WHERE NOT is_bad AND pm <> {SIFTED} AND ny > 0 AND {{part}} GROUP BY {by}, wk, blk, so
        ) GROUP BY ALL HAVING sum(rows) > sum(bits)
    """
    con.execute(f"CREATE OR REPLACE TEMP TABLE suspects AS {statement.format(part='false')}")
    for number, part in enumerate(parts):
        tell("looking for duplicates", number, len(parts))
        con.execute(f"INSERT INTO suspects {statement.format(part=part)}")
    (n,) = fetch_row(con, "SELECT coalesce(sum(n), 0)::BIGINT FROM suspects")
    found = {"key": words, "n": n, "n_dropped": 0, "n_differing": None, "n_repeated": None}
    if n and rows.spec.duplicates == "drop":
        found["n_dropped"], found["n_differing"] = _drop_all_but_last(con, rows, tell)
    return found


def _drop_all_but_last(con: Connection, rows: Rows, tell: Tell) -> tuple[int, int]:
    by = ", ".join(rows.keys)
    con.execute("SET preserve_insertion_order = true")
    with watched(con, "looking at duplicates", _size(rows), tell):
        con.execute(f"""
            CREATE TEMP TABLE surplus AS
            SELECT * FROM (
                SELECT *, row_number() OVER last_first AS i, first_value(y) OVER last_first AS y_kept
                FROM ({rows.sql(is_raw=True, is_numbered=True)}) t
                SEMI JOIN suspects s ON {" AND ".join(f"t.{key} = s.{key}" for key in rows.keys)} AND t.wk = s.wk
                WHERE y IS NOT NULL AND pm <> {SIFTED}
                WINDOW last_first AS (PARTITION BY {by}, store, d ORDER BY f DESC, r DESC)
            ) WHERE i > 1
        """)
    con.execute("SET preserve_insertion_order = false")
    _take_out(con, rows, "surplus", "1")
    n, n_differing = fetch_row(con, "SELECT count(*), count(*) FILTER (WHERE y <> y_kept) FROM surplus")
    return n, n_differing


def _find_common_lines(con: Connection, rows: Rows, tell: Tell) -> dict[str, Any]:
    by = f"{', '.join(rows.keys)}, wk, pm, store, receipt, moment, y"
    is_good = " AND ".join(f"NOT {bad_key_sql(key)}" for key in rows.keys)
    with watched(con, "looking for duplicates", _size(rows), tell):
        con.execute(f"""
            CREATE TEMP TABLE lines AS
            SELECT {by}, sum(n)::BIGINT AS n_all, max(n)::BIGINT AS n_most FROM (
                SELECT {by}, f, count(*) AS n FROM ({rows.sql(is_raw=True)})
                WHERE y IS NOT NULL AND d IS NOT NULL AND pm <> {SIFTED} AND {is_good} GROUP BY {by}, f
            ) GROUP BY {by} HAVING sum(n) > 1
        """)
    n, n_repeated = fetch_row(
        con, "SELECT coalesce(sum(n_all - n_most), 0)::BIGINT, coalesce(sum(n_most - 1), 0)::BIGINT FROM lines"
    )
    is_dropped = rows.spec.duplicates == "drop"
    if n and is_dropped:
        con.execute("DELETE FROM lines WHERE n_all = n_most")
        _take_out(con, rows, "lines", "(n_all - n_most)")
    return {
        "key": "receipt, item, time and units, in several files",
        "n": n,
        "n_dropped": n if is_dropped else 0,
        "n_differing": None,
        "n_repeated": n_repeated,
    }


def _take_out(con: Connection, rows: Rows, table: str, times: str) -> None:
    by = f"{', '.join(rows.keys)}, wk, pm"
    con.execute(f"""
        INSERT INTO groups BY NAME
        SELECT {by}, {part_sql(rows.keys)} AS part, 0 AS blk, -sum({times}) AS n, -sum({times}) AS ny,
               -sum(y * {times}) AS s,
               -coalesce(sum({times}) FILTER (WHERE y < 0), 0) AS nn,
               -coalesce(sum(y * {times}) FILTER (WHERE y < 0), 0) AS sn,
               -coalesce(sum({times}) FILTER (WHERE y <> trunc(y)), 0) AS nf, false AS is_bad
        FROM {table} GROUP BY ALL
    """)


def _size(rows: Rows) -> int:
    return sum(readable.path.stat().st_size for _, readable in rows.parts)
