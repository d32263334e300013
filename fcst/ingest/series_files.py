"""Result files that the database loads: one row per item, its weeks as arrays, and weekly totals."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fcst.ingest.attributes import AttributeColumn, attributes_json
from fcst.ingest.duck import Connection, fetch_arrow, literal
from fcst.ingest.item_statistics import Statistics
from fcst.ingest.tallies import MAX_CLASSES, Tallies
from fcst.ingest.weekly_sales import Bools, Calendar, Cells, Floats, Series

NULL = "\\N"
SALES = pa.schema(
    {
        "unique_id": pa.string(),
        "first_wk_end_dt": pa.date32(),
        "unit_sales": pa.list_(pa.float64()),
        "promo_units": pa.list_(pa.float64()),
    }
)
"""Schema of the file of sales; NaN is a missing week."""


class SeriesWriter:
    """Writes the files block by block; renames the file of sales to its final name at the end."""

    def __init__(self, con: Connection, folder: Path, dataset_id: int, calendar: Calendar) -> None:
        self.con, self.folder, self.dataset_id, self.calendar = con, folder, int(dataset_id), calendar
        self.content = Content()
        self.n_items = 0
        self.sales = pa.ipc.new_stream(
            folder / "sales.part", SALES, options=pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
        )
        con.execute("""
            CREATE OR REPLACE TABLE items_found (
                unique_id VARCHAR, place BIGINT, total_units DOUBLE, first_wk DATE, last_sale DATE, n_weeks INTEGER,
                n_missing INTEGER, demand_class VARCHAR, adi DOUBLE, cv2 DOUBLE, whole_promo DOUBLE, whole_all DOUBLE,
                n_emptied INTEGER)
        """)

    def write(self, cells: Cells, series: Series, found: Statistics) -> pa.Table:
        """Writes the rows of some items; returns their `family` and `class`, '' if missing."""
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
        self.con.execute("INSERT INTO items_found BY NAME SELECT * FROM block")
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
        units = _lists(series.units, series.is_active)
        promo = pa.nulls(len(units), units.type)
        if series.promo is not None:
            promo = _lists(series.promo, series.is_active, (series.promo != 0).any(axis=1))
        columns = [series.keys.cast(pa.string()), pa.array(weeks[series.first]), units, promo]
        batch = pa.record_batch(columns, schema=SALES)
        self.content.add(batch)
        self.sales.write_batch(batch)

    def make_items(self, attributes: Sequence[AttributeColumn]) -> None:
        """Creates table `items_out`: one row per item, with the columns in database order."""
        self.con.execute(f"""
            CREATE TABLE items_out AS
            SELECT f.unique_id, row_number() OVER (ORDER BY f.total_units DESC, f.unique_id) AS sales_rank,
                   f.total_units, f.first_wk, f.last_sale, f.n_weeks, f.n_missing, d.family, d.class, d.is_perishable,
                   d.description, f.demand_class, f.adi, f.cv2, d.price, {attributes_json(attributes)} AS attributes,
                   f.place
            FROM items_found f JOIN described d USING (unique_id)
        """)

    def finish(self, tallies: Tallies) -> tuple[Path, Path, Path]:
        """Writes the items and totals and closes the file of sales; returns the three paths."""
        items, sales, totals = (self.folder / name for name in ("items.csv", "sales.arrow", "totals.csv"))
        self.con.execute(f"""
            COPY (SELECT {self.dataset_id}, * EXCLUDE (place),
                         replace(lower(unique_id || chr(31) || coalesce(description, '')), chr(0), '')
                  FROM items_out ORDER BY sales_rank)
            TO {literal(str(items))} (FORMAT csv, HEADER false, NULLSTR '{NULL}')
        """)
        self._write_totals(tallies, totals)
        self.sales.close()
        (self.folder / "sales.part").rename(sales)
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


class Content:
    """Content hash of a dataset's weeks, to compare datasets; does not depend on the block size."""

    def __init__(self) -> None:
        self._hashes = {name: hashlib.blake2b(digest_size=16) for name in (*SALES.names, "lengths")}

    def add(self, sales: pa.RecordBatch) -> None:
        keys = [key.encode() for key in sales["unique_id"].to_pylist()]
        self._hashes["unique_id"].update(b"".join(keys))
        self._hashes["first_wk_end_dt"].update(sales["first_wk_end_dt"].cast(pa.int32()).to_numpy())
        lengths = [np.fromiter(map(len, keys), np.int64)]
        for name in ("unit_sales", "promo_units"):
            column = sales[name]
            values = column.flatten().to_numpy()
            self._hashes[name].update(np.where(np.isnan(values), np.inf, values).data)  # NaN has several bit patterns
            lengths.append(column.value_lengths().fill_null(-1).to_numpy())
        self._hashes["lengths"].update(np.stack(lengths, axis=1).data)

    def __str__(self) -> str:
        digests = b"".join([each.digest() for each in self._hashes.values()])
        return hashlib.blake2b(digests, digest_size=16).hexdigest()


def _lists(table: Floats, is_active: Bools, has_list: Bools | None = None) -> pa.ListArray:
    """The weeks of each series as a list; NaN is a missing week.

    Parameters
    ----------
    has_list
        (N,) whether a row has a list, otherwise NULL; None: all rows have one.
    """
    chosen = is_active if has_list is None else is_active & has_list[:, None]
    offsets = np.concatenate(([0], np.cumsum(chosen.sum(axis=1)))).astype(np.int32)
    mask = None if has_list is None else pa.array(~has_list)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(table[chosen] + 0.0), mask=mask)


def _short(values: Floats) -> list[str]:
    """Sums as text, rounded to a millionth, the precision of units."""
    return [str(int(value)) if value.is_integer() else repr(value) for value in (values.round(6) + 0.0).tolist()]


def _array_sql(column: str) -> str:
    """SQL for a list in Postgres array notation."""
    return f"replace(replace(replace({column}::VARCHAR, ' ', ''), '[', '{{'), ']', '}}')"
