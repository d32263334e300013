"""Forecasts and their measured accuracy: written by checkpoints, read by pages, streamed to files."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, BinaryIO

import pandas as pd
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from fcst.store.database import fetch_all, fetch_frame, transaction
from fcst.store.queries import query

if TYPE_CHECKING:
    from fcst.store.batches import ItemResult


def upsert(cur: Cursor, job_id: int, results: list[ItemResult]) -> None:
    """Writes the rows of finished items, in the caller's transaction; rows that are there are replaced.

    A forecast row is (model, wk_end_dt, forecast, lo, hi, is_fallback, made_by), a metric row (model, cutoff, n_weeks,
    wape, bias, abs_error, error, actual, is_fallback, made_by).
    """
    cur.execute(query("stage_forecasts"))
    rows = ((job_id, r.unique_id, *row) for r in results for row in r.forecast_rows)
    cur.copy_expert(query("copy_staged_forecasts"), _copy_text(rows))
    rows = ((job_id, r.unique_id, *row) for r in results for row in r.metric_rows)
    cur.copy_expert(query("copy_staged_metrics"), _copy_text(rows))
    cur.execute(query("upsert_forecasts"))


def list_job_items(job_id: int) -> pd.DataFrame:
    return fetch_frame("list_job_items", job_id=job_id)


def item_forecasts(job_id: int, unique_id: str, model: str) -> pd.DataFrame:
    return fetch_frame("item_forecasts", job_id=job_id, unique_id=unique_id, model=model)


def total_forecasts(job_id: int, model: str) -> pd.DataFrame:
    return fetch_frame("total_forecasts", job_id=job_id, model=model)


def item_metrics(job_id: int, unique_id: str) -> list[dict[str, Any]]:
    return fetch_all("item_metrics", job_id=job_id, unique_id=unique_id)


def total_metrics(job_id: int) -> list[dict[str, Any]]:
    return fetch_all("total_metrics", job_id=job_id)


def copy_export(job_id: int, level: tuple[int, ...], out: BinaryIO, unique_id: str | None = None) -> None:
    """Streams the export form as CSV: `unique_id, wk_end_dt, model, forecast, lo_80, …, is_fallback, made_by`.

    A key that a spreadsheet would take for a formula gets a quote in front. Units are rounded to 4 decimals.
    """
    with transaction() as cur:
        select = _export_select(level, is_for_spreadsheets=True).as_string(cur)
        statement = cur.mogrify(select, {"job_id": job_id, "unique_id": unique_id}).decode()
        cur.copy_expert(f"COPY ({statement}) TO STDOUT (FORMAT csv, HEADER)", out)


def read_export(job_id: int, level: tuple[int, ...]) -> pd.DataFrame:
    """The export form as a frame, for typed files."""
    with transaction() as cur:
        cur.execute(_export_select(level, is_for_spreadsheets=False), {"job_id": job_id, "unique_id": None})
        columns = [column.name for column in cur.description or ()]
        rows = cur.fetchall()
    frame = pd.DataFrame([row.values() for row in rows], columns=columns)
    return frame.assign(is_fallback=frame["is_fallback"] == "true")


_SAFE_KEY = r"CASE WHEN f.unique_id ~ '^[=+@\t\r-]' THEN '''' || f.unique_id ELSE f.unique_id END"


def _export_select(level: tuple[int, ...], is_for_spreadsheets: bool) -> sql.Composed:
    def rounded(value: sql.Composable, name: str) -> sql.Composed:
        return sql.SQL("round({}::numeric, 4)::float8 AS {}").format(value, sql.Identifier(name))

    bounds = [
        rounded(sql.SQL("f.{}[{}]").format(sql.Identifier(side), sql.Literal(i)), f"{side}_{percent}")
        for i, percent in enumerate(level, 1)
        for side in ("lo", "hi")
    ]
    columns = [rounded(sql.SQL("f.forecast"), "forecast"), *bounds]
    key = sql.SQL(_SAFE_KEY if is_for_spreadsheets else "f.unique_id")
    return sql.SQL(query("export_forecasts")).format(key=key, numbers=sql.SQL(", ").join(columns))


def _copy_text(rows: Iterable[tuple[Any, ...]]) -> io.StringIO:
    """Rows in COPY's text form: tabs between, backslashes for what would break a line."""
    return io.StringIO("".join("\t".join(map(_copy_value, row)) + "\n" for row in rows))


def _copy_value(value: Any) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, list):
        return "{" + ",".join(repr(float(v)) for v in value) + "}"
    if isinstance(value, str):
        for char, escape in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
            value = value.replace(char, escape)
        return str(value)
    return str(value)
