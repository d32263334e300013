"""Forecasts and their measured accuracy: written by checkpoints, read by pages, streamed to files."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO

import pandas as pd
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from fcst.store.database import fetch_all, fetch_frame, transaction
from fcst.store.queries import for_spreadsheet, query

if TYPE_CHECKING:
    from fcst.store.batches import ItemResult


def replace(cur: Cursor, job_id: int, results: list[ItemResult]) -> None:
    """Writes the rows of finished items, in the caller's transaction, in place of any that are there.

    A forecast row is (model, wk_end_dt, forecast, lo, hi, is_fallback, made_by); a metric row (model, cutoff,
    is_fallback, made_by, n_weeks, abs_error, error, sq_error, actual, pinball, wape, bias, smape, mase, rmsse,
    scaled_crps, coverage, mean_width, msis), None where undefined; a backtest row (model, cutoff, y, forecast, lo, hi),
    with bounds by level.
    """
    items = {"job_id": job_id, "unique_ids": [result.unique_id for result in results]}
    cur.execute(query("delete_item_forecasts"), items)
    for name, rows in (
        ("copy_forecasts", [(result.unique_id, result.forecast_rows) for result in results]),
        ("copy_metrics", [(result.unique_id, result.metric_rows) for result in results]),
        ("copy_backtests", [(result.unique_id, result.backtest_rows) for result in results]),
    ):
        cur.copy_expert(query(name), _copy_binary(job_id, rows))


def list_job_items(job_id: int, model: str) -> pd.DataFrame:
    return fetch_frame("list_job_items", job_id=job_id, model=model)


def list_forecasts(job_id: int, model: str, unique_ids: list[str] | None) -> pd.DataFrame:
    return fetch_frame("list_forecasts", job_id=job_id, model=model, unique_ids=unique_ids)


def page(job_id: int, unique_ids: list[str] | None, after: int, limit: int) -> list[dict[str, Any]]:
    """The forecasts of some completed items whose rank is above `after`."""
    return fetch_all("page_of_forecasts", job_id=job_id, unique_ids=unique_ids, after=after, limit=limit)


def total_forecasts(job_id: int, model: str, unique_ids: list[str] | None, correlation: float) -> pd.DataFrame:
    return fetch_frame("total_forecasts", job_id=job_id, model=model, unique_ids=unique_ids, correlation=correlation)


def unknown_items(job_id: int, unique_ids: list[str]) -> list[str]:
    return [row["unique_id"] for row in fetch_all("unknown_job_items", job_id=job_id, unique_ids=unique_ids)]


def copy_export(
    job_id: int,
    level: tuple[int, ...],
    out: BinaryIO,
    unique_ids: list[str] | None = None,
    is_for_spreadsheets: bool = True,
) -> None:
    """Streams the export form as CSV, `unique_id, wk_end_dt, model, forecast, lo_80, …, is_fallback, made_by,
    adjusted`.

    Of all items, or of those named. `adjusted` is the forecast where nobody changed it. Units are rounded to 4
    decimals. For spreadsheets, text is made harmless.
    """
    with transaction() as cur:
        select = _export_select(level, is_for_spreadsheets).as_string(cur)
        statement = cur.mogrify(select, {"job_id": job_id, "unique_ids": unique_ids}).decode()
        cur.copy_expert(f"COPY ({statement}) TO STDOUT (FORMAT csv, HEADER)", out)


def _export_select(level: tuple[int, ...], is_for_spreadsheets: bool) -> sql.Composed:
    def rounded(value: sql.Composable, name: str) -> sql.Composed:
        # numeric, which rounds too, would take twice as long as all the rest
        return sql.SQL("round({} * 10000) / 10000 AS {}").format(value, sql.Identifier(name))

    bounds = [
        rounded(sql.SQL("f.{}[{}]").format(sql.Identifier(side), sql.Literal(i)), f"{side}_{percent}")
        for i, percent in enumerate(level, 1)
        for side in ("lo", "hi")
    ]
    columns = [rounded(sql.SQL("f.forecast"), "forecast"), *bounds]
    texts = {
        name: for_spreadsheet(f"f.{name}") if is_for_spreadsheets else sql.SQL(f"f.{name}")
        for name in ("unique_id", "model", "made_by")
    }
    adjusted = rounded(sql.SQL("COALESCE(a.adjusted, f.forecast)"), "adjusted")
    return sql.SQL(query("export_forecasts")).format(numbers=sql.SQL(", ").join(columns), adjusted=adjusted, **texts)


def _copy_binary(job_id: int, items: list[tuple[str, list[tuple[Any, ...]]]]) -> io.BytesIO:
    """Rows in COPY's binary form: each begins with the job and the item; the rest is encoded by its Python type.

    To write numbers as text would take longer than all the rest of a checkpoint.
    """
    parts = [b"PGCOPY\n\xff\r\n\x00" + bytes(8)]
    for unique_id, rows in items:
        key = _INTEGER.pack(4, job_id) + _encode_text(unique_id)
        for row in rows:
            parts += (_N_FIELDS.pack(2 + len(row)), key)
            for value in row:
                parts.append(_ENCODERS[type(value)](value))
    parts.append(_N_FIELDS.pack(-1))
    return io.BytesIO(b"".join(parts))


_N_FIELDS, _LENGTH, _INTEGER, _FLOAT, _BOOL = (struct.Struct(f">{form}") for form in ("h", "i", "ii", "id", "i?"))
_FLOAT8 = 701  # what Postgres calls its type
_NULL = _LENGTH.pack(-1)
_DAY_0 = date(2000, 1, 1).toordinal()


@lru_cache(maxsize=100)
def _encode_text(value: str) -> bytes:
    data = value.encode()
    return _LENGTH.pack(len(data)) + data


@lru_cache(maxsize=500)
def _encode_date(value: date) -> bytes:
    return _INTEGER.pack(4, value.toordinal() - _DAY_0)


@lru_cache(maxsize=100)
def _array_head(sizes: tuple[int, ...], has_null: bool) -> bytes:
    """Number of dimensions, whether there are NULLs, type; of each dimension its size and first index."""
    head = struct.pack(">iii", len(sizes), has_null, _FLOAT8)
    return head + b"".join([struct.pack(">ii", size, 1) for size in sizes])


def _encode_array(values: list[Any]) -> bytes:
    """Numbers or None, or lists of these of one length."""
    is_table = bool(values) and isinstance(values[0], list)
    numbers = [value for row in values for value in row] if is_table else values
    sizes = (len(values), len(values[0])) if is_table else (len(values),) if values else ()
    head = _array_head(sizes, None in numbers)
    data = b"".join([_NULL if value is None else _FLOAT.pack(8, value) for value in numbers])
    return _LENGTH.pack(len(head) + len(data)) + head + data


# Python type -> a value's length in bytes, and these. A type that is not here raises; a wrong one the server refuses.
_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: _NULL,
    bool: lambda value: _BOOL.pack(1, value),
    int: lambda value: _INTEGER.pack(4, value),
    float: lambda value: _FLOAT.pack(8, value),
    date: _encode_date,
    str: _encode_text,
    list: _encode_array,
}
