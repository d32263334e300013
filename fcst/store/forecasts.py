"""Forecasts and their measured accuracy: written by checkpoints, read by pages, streamed to files."""

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from fcst.records import BacktestRecord, ItemResult
from fcst.store import binary_copy
from fcst.store.database import fetch_all, fetch_frame, transaction
from fcst.store.queries import for_spreadsheet, query


def replace(cur: Cursor, job_id: int, results: Sequence[ItemResult]) -> None:
    """Writes the forecasts and backtests of finished items, in the caller's transaction.

    What is there of these items is replaced. An undefined number (NaN) is written as NULL.
    """
    cur.execute(query("delete_item_forecasts"), {"job_id": job_id, "unique_ids": [r.unique_id for r in results]})
    copied = {
        "copy_forecasts": _forecast_rows(job_id, results),
        "copy_metrics": _metric_rows(job_id, results),
        "copy_backtests": _backtest_rows(job_id, results),
    }
    for name, rows in copied.items():
        cur.copy_expert(query(name), binary_copy.encode(rows))


def _forecast_rows(job_id: int, results: Sequence[ItemResult]) -> Iterator[binary_copy.Row]:
    for result in results:
        for f in result.forecasts:
            yield (
                *(job_id, result.unique_id, f.model, f.first_wk_end_dt),
                *(f.forecast, f.lo, f.hi, f.is_fallback, f.made_by),
            )


def _metric_rows(job_id: int, results: Sequence[ItemResult]) -> Iterator[binary_copy.Row]:
    for unique_id, b in _backtests(results):
        yield (
            *(job_id, unique_id, b.model, b.cutoff, b.is_fallback, b.made_by, b.n_weeks, *b.sums, *b.scores),
            *(np.array(values, dtype=float) for values in (b.coverage, b.mean_width, b.msis)),
        )


def _backtest_rows(job_id: int, results: Sequence[ItemResult]) -> Iterator[binary_copy.Row]:
    for unique_id, b in _backtests(results):
        yield job_id, unique_id, b.model, b.cutoff, b.actual, b.forecast, b.lo, b.hi


def _backtests(results: Sequence[ItemResult]) -> Iterator[tuple[str, BacktestRecord]]:
    return ((result.unique_id, backtest) for result in results for backtest in result.backtests)


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
        rounded(sql.SQL("f.{}[{}][s.step]").format(sql.Identifier(side), sql.Literal(i)), f"{side}_{percent}")
        for i, percent in enumerate(level, 1)
        for side in ("lo", "hi")
    ]
    columns = [rounded(sql.SQL("f.forecast[s.step]"), "forecast"), *bounds]
    texts = {
        name: for_spreadsheet(f"f.{name}") if is_for_spreadsheets else sql.SQL(f"f.{name}")
        for name in ("unique_id", "model", "made_by")
    }
    adjusted = rounded(sql.SQL("COALESCE(a.adjusted, f.forecast[s.step])"), "adjusted")
    return sql.SQL(query("export_forecasts")).format(numbers=sql.SQL(", ").join(columns), adjusted=adjusted, **texts)
