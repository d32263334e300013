"""Weekly sales: series of batches and items, totals, the weekly sales file."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
from psycopg2 import sql

from fcst.drivers import places_in_key
from fcst.filters import RunFilter
from fcst.job_records import Job
from fcst.names import KEY_JOINT
from fcst.records import FloatArray, SalesRecord, SalesWeek
from fcst.store import binary_copy, item_filters
from fcst.store.database import copy_out, copy_rows, fetch_all, fetch_frame, fetch_one
from fcst.store.queries import for_spreadsheet, query

ROWS_AT_ONCE = 1_000
"""Rows of series per block; small enough for the CPU cache."""

MAX_ADDED_UP = 20_000
"""Maximum number of items summed by a part of their key; takes a few seconds."""


def series_rows(dataset_id: int, file: BinaryIO) -> Iterator[list[binary_copy.Row]]:
    """Yields blocks of rows for the table sales from an Arrow stream without the dataset id."""
    for part in parts_of_stream(file):
        keys, weeks = (part[name].to_pylist() for name in ("unique_id", "first_wk_end_dt"))
        units, promo = (encode_lists(part[name]) for name in ("unit_sales", "promo_units"))
        yield [(dataset_id, *row) for row in zip(keys, weeks, units, promo, strict=True)]


def parts_of_stream(file: BinaryIO) -> Iterator[pa.RecordBatch]:
    """Yields the rows of an Arrow stream, at most `ROWS_AT_ONCE` at a time."""
    with pa.ipc.open_stream(file) as blocks:
        for block in blocks:
            for first in range(0, len(block), ROWS_AT_ONCE):
                yield block.slice(first, ROWS_AT_ONCE)


def encode_lists(lists: pa.ListArray) -> list[binary_copy.Field | None]:
    """Encodes each list as a COPY field; None for a missing list."""
    lengths = lists.value_lengths().to_pylist()
    fields = iter(binary_copy.encode_lists(lists.flatten().to_numpy(), [n for n in lengths if n is not None]))
    return [None if length is None else next(fields) for length in lengths]


def batch_series(dataset_id: int, batch_id: int) -> list[SalesRecord]:
    """The pending items of a batch, largest sellers first."""
    return list(map(_record, fetch_all("batch_series", dataset_id=dataset_id, batch_id=batch_id)))


def learning_series(dataset_id: int, job_id: int, limit: int) -> list[SalesRecord]:
    """A reproducible random sample of up to `limit` items of a job, sorted by key."""
    return list(map(_record, fetch_all("learning_series", dataset_id=dataset_id, job_id=job_id, limit=limit)))


def item_series(dataset_id: int, unique_ids: Sequence[str]) -> list[SalesRecord]:
    """The given items that a dataset has, sorted by key."""
    return list(map(_record, fetch_all("item_series", dataset_id=dataset_id, unique_ids=list(unique_ids))))


def find_sales(
    dataset_id: int, item_columns: list[str], grouped_by: str, key_columns: Sequence[str], keys: list[str]
) -> list[tuple[str, date, list[float | None]]]:
    """Units by week of items, families, classes, or groups of items that share a part of their key, or of all items.

    Parameters
    ----------
    item_columns, key_columns
        as in `drivers.find_known`. Key parts with the fewest items come first, up to a total of `MAX_ADDED_UP` items.

    Returns
    -------
    list
        of (key, last day of the first week, units per week; None: missing).
    """
    if grouped_by == "part":
        rows = fetch_all(
            "list_part_sales",
            dataset_id=dataset_id,
            places=[place + 1 for place in places_in_key(item_columns, key_columns) or ()],
            n_parts=len(item_columns),
            joint=KEY_JOINT,
            keys=keys,
            max_items=MAX_ADDED_UP,
        )
    elif grouped_by == "item":
        rows = fetch_all("list_item_sales", dataset_id=dataset_id, keys=keys)
    else:
        rows = fetch_all("list_sales_totals", dataset_id=dataset_id, grouped_by=grouped_by, keys=keys)
    return [(row["key"], row["first_wk_end_dt"], row["unit_sales"]) for row in rows]


def _record(row: Mapping[str, Any]) -> SalesRecord:
    attributes = {name: row[name] for name in ("family", "class") if row[name]}
    return SalesRecord(row["unique_id"], np.array(row["unit_sales"], dtype=float), attributes)


def item_history(dataset_id: int, unique_id: str) -> list[SalesWeek]:
    return [SalesWeek(**row) for row in fetch_all("item_history", dataset_id=dataset_id, unique_id=unique_id)]


def totals(dataset_id: int) -> pd.DataFrame:
    return fetch_frame("sales_totals", dataset_id=dataset_id)


FEW_ITEMS = 1_000
"""Up to this number of items, Postgres computes the totals; above it, Python does, which is faster then."""


def job_totals(job: Job, model: str, which: RunFilter, n_items: int) -> pd.DataFrame:
    """Totals `wk_end_dt, unit_sales, promo_units` of the `n_items` forecast items of a run that match.

    If these are most of the items of the dataset or of some families, subtracts the other items from stored totals.
    """
    items = item_filters.within("i.unique_id", job, model, which)
    if n_items <= FEW_ITEMS:
        statement = sql.SQL(query("job_sales_totals")).format(which=items.text)
        return fetch_frame(statement, **items.params)
    dataset_id, last = job.dataset_id, job.last_wk_end_dt
    groups = which.families if not which.is_empty else ()
    if which == RunFilter(families=groups):
        condition = item_filters.item_condition(dataset_id, RunFilter(families=groups))
        params = condition.params | {"job_id": job.job_id}
        counted = fetch_one(sql.SQL(query("count_to_add_up")).format(condition=condition.text), **params) or {}
        if 2 * counted["n_completed"] > counted["n_items"]:
            sums = _Sums(last)
            by, keys = ("family", list(groups)) if groups else ("all", [""])
            for row in fetch_all("list_sales_totals", dataset_id=dataset_id, grouped_by=by, keys=keys):
                known = np.array(row["n_items"], dtype=float)
                sums.add([np.array(row["unit_sales"]), np.array(row["promo_units"])], known)
            if counted["n_completed"] < counted["n_items"]:
                left_out = sql.SQL(query("copy_sales_left_out")).format(condition=condition.text)
                copy_rows(left_out, params, binary_copy.ArrayReader(sums.subtract))
            return sums.frame()
    sums = _Sums(last)
    params = items.params | {"dataset_id": dataset_id}
    statement = sql.SQL(query("copy_job_sales")).format(which=items.text)
    copy_rows(statement, params, binary_copy.ArrayReader(sums.add))
    return sums.frame()


class _Sums:
    """Sums of units by week over items; all arrays end with the same week."""

    def __init__(self, last_wk_end_dt: date) -> None:
        self._last = last_wk_end_dt
        self._rows = np.zeros((3, 0))  # units, promotional units, items with known units

    def add(self, arrays: list[FloatArray | None], known: FloatArray | None = None, sign: int = 1) -> None:
        units, promo = arrays
        if units is None or not len(units):
            return
        if len(units) > self._rows.shape[1]:
            self._rows = np.pad(self._rows, ((0, 0), (len(units) - self._rows.shape[1], 0)))
        part = self._rows[:, -len(units) :]
        is_known = ~np.isnan(units)
        part[0] += sign * np.where(is_known, units, 0)
        part[2] += sign * (is_known if known is None else known)
        if promo is not None:
            part[1] += sign * promo

    def subtract(self, arrays: list[FloatArray | None]) -> None:
        self.add(arrays, sign=-1)

    def frame(self) -> pd.DataFrame:
        units, promo, n_known = self._rows
        n_weeks = len(units)
        weeks = [self._last - timedelta(weeks=n_weeks - 1 - week) for week in range(n_weeks)]
        frame = pd.DataFrame({"wk_end_dt": weeks, "unit_sales": np.where(n_known > 0, units, np.nan)})
        frame["promo_units"] = promo
        is_before = np.cumsum((n_known > 0) | (promo != 0)) == 0
        return frame[~is_before].reset_index(drop=True)


def copy_weekly_file(dataset_id: int, out: BinaryIO) -> None:
    """Streams the weekly file of a dataset: `item_nbr, wk_end_dt, unit_sales`; missing weeks are empty.

    Keys are escaped for spreadsheets against formula injection.
    """
    statement = sql.SQL(query("copy_weekly_file")).format(key=for_spreadsheet("unique_id"))
    copy_out(statement, {"dataset_id": dataset_id}, out)
