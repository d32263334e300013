"""The files that the database reads: items, sales and totals, as CSV with arrays as Postgres writes them."""

from pathlib import Path
from typing import BinaryIO

import duckdb

from fcst.ingest.duck import Connection, append, fetch_row

NULL = "\\N"


def write_items(con: Connection, dataset_id: int, path: Path) -> None:
    """The rows of `items`, the largest sellers first; last, what a search looks through."""
    _write(
        con.sql(f"""
            SELECT {int(dataset_id)}, *, lower(unique_id || chr(31) || coalesce(description, ''))
            FROM items_out ORDER BY sales_rank
        """),
        path,
    )


def make_series(con: Connection) -> None:
    """Table `series`, one row for each item in `weeks`, with arrays as text."""
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE series AS
        SELECT unique_id, min(wk_end_dt) AS first_wk_end_dt, {_array("unit_sales", "wk_end_dt")} AS unit_sales,
               CASE WHEN bool_or(promo_units <> 0) THEN {_array("promo_units", "wk_end_dt")} END AS promo_units
        FROM weeks GROUP BY unique_id
    """)


def write_sales(con: Connection, dataset_id: int, out: BinaryIO) -> None:
    """Adds the rows of `sales` of the items in `series`, in the order of their keys."""
    rows = con.sql(f"SELECT {int(dataset_id)}, * FROM series ORDER BY unique_id")
    path = Path(out.name).with_suffix(".part")
    _write(rows, path)
    with path.open("rb") as part:
        while block := part.read(1 << 20):
            out.write(block)
    path.unlink()


def add_totals(con: Connection) -> None:
    """Adds up the weeks of one part of the items: of all, and by family and class."""
    groups = ["('all', '')", *(f"('{name}', coalesce({name}, ''))" for name in _groupings(con))]
    append(
        con,
        "part_totals",
        f"""
        SELECT g.grouped_by, g.key, wk_end_dt, sum(unit_sales) AS unit_sales, sum(promo_units) AS promo_units,
               count(*) AS n_items
        FROM weeks LEFT JOIN (
            SELECT unique_id, arg_min(family, rank) AS family, arg_min(class, rank) AS class FROM attributes
            GROUP BY unique_id
        ) USING (unique_id), LATERAL (VALUES {", ".join(groups)}) g (grouped_by, key)
        GROUP BY ALL
        """,
    )


def _groupings(con: Connection) -> list[str]:
    """Those of family and class that any item has."""
    found = fetch_row(con, "SELECT count(family), count(class) FROM attributes")
    return [name for name, n in zip(("family", "class"), found, strict=True) if n]


def write_totals(con: Connection, dataset_id: int, path: Path) -> None:
    """The rows of `sales_totals`: arrays over all whole weeks."""
    _write(
        con.sql(f"""
            SELECT {int(dataset_id)}, grouped_by, key, min(wk), {_array("units", "wk")}, {_array("promo", "wk")},
                   {_array("n", "wk")}
            FROM (
                SELECT k.grouped_by, replace(k.key, chr(0), '') AS key, c.wk, coalesce(sum(t.unit_sales), 0) AS units,
                       coalesce(sum(t.promo_units), 0) AS promo, coalesce(sum(t.n_items), 0)::BIGINT AS n
                FROM (SELECT DISTINCT grouped_by, key FROM part_totals) k
                CROSS JOIN (
                    SELECT unnest(range((SELECT min(first_wk) FROM lives), last + 1, INTERVAL 7 DAY))::DATE AS wk
                    FROM span
                ) c
                LEFT JOIN part_totals t ON t.grouped_by = k.grouped_by AND t.key = k.key AND t.wk_end_dt = c.wk
                GROUP BY ALL
            ) GROUP BY grouped_by, key ORDER BY grouped_by, key
        """),
        path,
    )


def _array(column: str, order: str) -> str:
    """An array of numbers in the order of the weeks; whole numbers are written short."""
    short = f"CASE WHEN {column} = trunc({column}) AND abs({column}) < 1e15 THEN {column}::BIGINT::VARCHAR"
    text = f"coalesce({short} ELSE {column}::VARCHAR END, 'NULL')"
    return f"'{{' || string_agg({text}, ',' ORDER BY {order}) || '}}'"


def _write(rows: duckdb.DuckDBPyRelation, path: Path) -> None:
    rows.write_csv(str(path), header=False, na_rep=NULL)
