"""The files that the database loads: one row an item, its weeks as arrays, and the totals by week."""

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fcst.ingest.duck import Connection, fetch_arrow, fetch_row, literal
from fcst.ingest.item_statistics import Statistics
from fcst.ingest.tallies import MAX_CLASSES, Tallies
from fcst.ingest.weekly_sales import Bools, Calendar, Cells, Floats, Series

NULL = "\\N"
MAX_WHOLE = 1e15  # doubles below it that are whole numbers are written as such


class SeriesWriter:
    """Writes the files block by block, under other names until all is written."""

    def __init__(self, con: Connection, folder: Path, dataset_id: int, calendar: Calendar) -> None:
        self.con, self.folder, self.dataset_id, self.calendar = con, folder, int(dataset_id), calendar
        self.content = 0
        self.n_items = 0
        self.sales = folder / "sales.whole"
        self.sales.touch()
        con.execute("""
            CREATE OR REPLACE TABLE items_found (
                unique_id VARCHAR, place BIGINT, total_units DOUBLE, first_wk DATE, last_sale DATE, n_weeks INTEGER,
                n_missing INTEGER, demand_class VARCHAR, adi DOUBLE, cv2 DOUBLE, whole_promo DOUBLE, whole_all DOUBLE,
                n_emptied INTEGER, family VARCHAR, class VARCHAR, is_perishable BOOLEAN, description VARCHAR)
        """)

    def write(self, cells: Cells, series: Series, found: Statistics) -> pa.Table:
        """Writes the rows of some items; returns their `family` and `class`, '' where they have none."""
        n = len(series.keys)
        weeks = np.datetime64(self.calendar.whole_day(0), "D") + 7 * np.arange(self.calendar.n_weeks)
        last_sale = pa.array(weeks[found.last_sale], mask=found.last_sale < 0)
        base = cells.base[series.rows, self.calendar.first : self.calendar.last + 1]
        if cells.promo is None:
            whole_base = base.sum(axis=1)
            whole_promo, n_emptied = np.zeros(n), np.zeros(n, np.int64)
        else:
            promo = cells.promo[series.rows, self.calendar.first : self.calendar.last + 1]
            whole_base = np.nansum(base, axis=1)
            whole_promo, n_emptied = promo.sum(axis=1), (np.isnan(base) & (promo != 0)).sum(axis=1)
        rows = pa.table(
            {
                "unique_id": series.keys,
                "place": np.arange(self.n_items, self.n_items + n),
                "total_units": found.total_units,
                "first_wk": pa.array(weeks[series.first]),
                "last_sale": last_sale,
                "n_weeks": found.n_weeks,
                "n_missing": found.n_missing,
                "demand_class": pa.array(found.demand_class.tolist(), pa.string()),
                "adi": pa.array(found.adi, from_pandas=True),
                "cv2": pa.array(found.cv2, from_pandas=True),
                "whole_promo": whole_promo,
                "whole_all": whole_base + whole_promo,
                "n_emptied": n_emptied,
            }
        )
        self.n_items += n
        self.con.register("block", rows)
        self.con.execute("""
            INSERT INTO items_found BY NAME
            SELECT block.*, d.family, d.class, d.is_perishable, d.description
            FROM block JOIN described d USING (unique_id)
        """)
        attributes = fetch_arrow(
            self.con,
            """
            SELECT coalesce(d.family, '') AS family, coalesce(d.class, '') AS class
            FROM block JOIN described d USING (unique_id) ORDER BY block.place
            """,
        )
        self.con.unregister("block")
        if n:
            self._write_sales(series, weeks)
        return attributes.combine_chunks()

    def _write_sales(self, series: Series, weeks: npt.NDArray[np.datetime64]) -> None:
        known = series.known
        is_whole = ((known == np.trunc(known)) & (np.abs(known) < MAX_WHOLE)).all(axis=1)
        has_promo = np.zeros(len(known), bool)
        if series.promo is not None:
            is_whole &= ((series.promo == np.trunc(series.promo)) & (np.abs(series.promo) < MAX_WHOLE)).all(axis=1)
            has_promo = (series.promo != 0).any(axis=1)
        selects = []
        for name, chosen, kind in (("whole", is_whole, np.int64), ("broken", ~is_whole, np.float64)):
            if not chosen.any():
                continue
            rows = np.flatnonzero(chosen)
            columns = {
                "unique_id": series.keys.take(pa.array(rows)),
                "first_wk": pa.array(weeks[series.first[rows]]),
                "units": _lists(series.units, series.is_alive, rows, kind, None),
            }
            if has_promo[rows].any():
                assert series.promo is not None
                columns["promo"] = _lists(series.promo, series.is_alive, rows, kind, has_promo[rows])
            self.con.register(f"series_{name}", pa.table(columns))
            promo = _array_sql("promo") if "promo" in columns else "NULL::VARCHAR"
            columns_sql = f"unique_id, first_wk, {_array_sql('units')} AS units, {promo} AS promo"
            selects.append(f"SELECT {columns_sql} FROM series_{name}")
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE written AS {' UNION ALL '.join(selects)}")
        for name in ("whole", "broken"):
            self.con.unregister(f"series_{name}")
        (content,) = fetch_row(
            self.con,
            "SELECT bit_xor(md5_number(concat_ws('|', unique_id, first_wk, units, coalesce(promo, '-')))) FROM written",
        )
        self.content ^= int(content)
        target = self.folder / "sales.block"
        self.con.execute(f"""
            COPY (SELECT {self.dataset_id}, unique_id, first_wk, units, promo FROM written ORDER BY unique_id)
            TO {literal(str(target))} (FORMAT csv, HEADER false, NULLSTR '{NULL}')
        """)
        with self.sales.open("ab") as out, target.open("rb") as block:
            shutil.copyfileobj(block, out, 1 << 20)
        target.unlink()

    def make_items(self) -> None:
        """Table `items_out`, one row an item, in the order of the database's columns."""
        self.con.execute("""
            CREATE TABLE items_out AS
            SELECT unique_id, row_number() OVER (ORDER BY total_units DESC, unique_id) AS sales_rank, total_units,
                   first_wk, last_sale, n_weeks, n_missing, family, class, is_perishable, description, demand_class,
                   adi, cv2, place
            FROM items_found
        """)

    def finish(self, tallies: Tallies) -> tuple[Path, Path, Path]:
        """Writes what is left and gives the files their names."""
        items, sales, totals = (self.folder / f"{name}.csv" for name in ("items", "sales", "totals"))
        self.con.execute(f"""
            COPY (SELECT {self.dataset_id}, * EXCLUDE (place),
                         replace(lower(unique_id || chr(31) || coalesce(description, '')), chr(0), '')
                  FROM items_out ORDER BY sales_rank)
            TO {literal(str(items))} (FORMAT csv, HEADER false, NULLSTR '{NULL}')
        """)
        self._write_totals(tallies, totals)
        self.sales.rename(sales)
        return items, sales, totals

    def _write_totals(self, tallies: Tallies, target: Path) -> None:
        first = self.calendar.whole_day(0)
        kinds = {"all"}
        for kind in ("family", "class"):
            names = [name for by, name in tallies.totals if by == kind]
            if any(names) and len(names) <= MAX_CLASSES:
                kinds.add(kind)
        rows = [(by, name, totals) for (by, name), totals in tallies.totals.items() if by in kinds]
        table = pa.table(
            {
                "by": [by for by, _, _ in rows],
                "key": [name for _, name, _ in rows],
                "units": pa.array([_short(totals.units) for _, _, totals in rows], pa.list_(pa.string())),
                "promo": pa.array([_short(totals.promo) for _, _, totals in rows], pa.list_(pa.string())),
                "n_items": pa.array([totals.n_items for _, _, totals in rows], pa.list_(pa.int64())),
            }
        )
        self.con.register("totals", table)
        self.con.execute(f"""
            COPY (SELECT {self.dataset_id}, "by", key, DATE '{first}', {_array_sql("units")}, {_array_sql("promo")},
                         {_array_sql("n_items")}
                  FROM totals ORDER BY "by", key)
            TO {literal(str(target))} (FORMAT csv, HEADER false, NULLSTR '{NULL}')
        """)
        self.con.unregister("totals")


def _lists(
    table: Floats, is_alive: Bools, rows: npt.NDArray[np.int64], kind: type, has_list: Bools | None
) -> pa.ListArray:
    """The living weeks of some rows as lists; NaN is a missing value.

    Parameters
    ----------
    has_list
        (N,) rows that have a list at all; None: all.
    """
    chosen = is_alive[rows]
    values = table[rows][chosen]
    is_missing = np.isnan(values)
    has_missing = bool(is_missing.any())
    if has_missing and kind is np.int64:
        values[is_missing] = 0
    offsets = np.concatenate(([0], np.cumsum(chosen.sum(axis=1)))).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets),
        pa.array(values.astype(kind), mask=is_missing if has_missing else None),
        mask=None if has_list is None else pa.array(~has_list),
    )


def _short(values: Floats) -> list[str]:
    """Sums as text: to a millionth, as units are read."""
    return [str(int(value)) if value.is_integer() else repr(value) for value in (values.round(6) + 0.0).tolist()]


def _array_sql(column: str) -> str:
    """A list as Postgres writes an array."""
    return f"replace(replace(replace({column}::VARCHAR, ' ', ''), '[', '{{'), ']', '}}')"
