"""Measured accuracy: over all items of a job, by family, class, item, window or step; and of Auto's candidates."""

from typing import Any, LiteralString

import pandas as pd
from psycopg2 import sql

from fcst.store.database import fetch_all, fetch_frame, fetch_one
from fcst.store.queries import query

KEYS = {
    "model": sql.Identifier("m", "job_id"),  # one for all: totals by model
    "item": sql.Identifier("m", "unique_id"),
    "family": sql.Identifier("d", "family"),
    "demand_class": sql.Identifier("d", "demand_class"),
    "window": sql.Identifier("m", "cutoff"),
}
"""What accuracy may be told by -> the column it is."""


def by_key(job_id: int, by: str, level: tuple[int, ...], unique_ids: list[str] | None = None) -> pd.DataFrame:
    """Metrics by model and one of KEYS: `model, key, n_items, …`, by level `coverage_80, width_80, msis_80`.

    Parameters
    ----------
    unique_ids
        only these items.
    """
    parts = [
        {"i": sql.Literal(i)} | {name: sql.Identifier(f"{name}_{p}") for name in ("coverage", "width", "msis")}
        for i, p in enumerate(level, 1)
    ]
    levels = _each(
        ", sum(m.coverage[{i}] * m.n_weeks) / NULLIF(sum(m.n_weeks) FILTER (WHERE m.coverage[{i}] IS NOT NULL), 0)"
        " AS {coverage}, sum(m.mean_width[{i}] * m.n_weeks)"
        " / NULLIF(sum(m.n_weeks) FILTER (WHERE m.mean_width[{i}] IS NOT NULL), 0) AS {width},"
        " avg(m.msis[{i}]) AS {msis}",
        parts,
    )
    statement = sql.SQL(query("accuracy_by")).format(key=KEYS[by], levels=levels)
    return fetch_frame(statement, job_id=job_id, unique_ids=unique_ids)


def by_horizon(job_id: int, level: tuple[int, ...]) -> pd.DataFrame:
    """Metrics by model and step, weeks ahead: `model, step, n_weeks, wape, bias, coverage_80, …`."""
    parts = [
        {"i": sql.Literal(i), "lo": sql.Identifier(f"lo_{p}"), "hi": sql.Identifier(f"hi_{p}")}
        | {"name": sql.Identifier(f"coverage_{p}")}
        for i, p in enumerate(level, 1)
    ]
    statement = sql.SQL(query("accuracy_by_horizon")).format(
        levels=_each(", avg((w.y BETWEEN w.{lo} AND w.{hi})::integer)::float8 AS {name}", parts),
        bounds=_each(", b.lo[{i}:{i}], b.hi[{i}:{i}]", parts),
        names=_each(", {lo}, {hi}", parts),
    )
    return fetch_frame(statement, job_id=job_id)


def _each(text: LiteralString, parts: list[dict[str, sql.Composable]]) -> sql.Composed:
    """The text once for each level, filled in."""
    return sql.Composed([sql.SQL(text).format(**part) for part in parts])


def candidates_of_auto(job_id: int) -> pd.DataFrame:
    return fetch_frame("candidates_of_auto", job_id=job_id)


def list_backtests(job_id: int, model: str, unique_ids: list[str] | None) -> pd.DataFrame:
    return fetch_frame("list_backtests", job_id=job_id, model=model, unique_ids=unique_ids)


def error_correlation(job_id: int, model: str) -> tuple[int, float | None]:
    """The number of windows, and how much items erred together in them; None where that is not known."""
    (row,) = fetch_all("error_correlation", job_id=job_id, model=model)
    return row["n_windows"], row["correlation"]


def item_provenance(job_id: int, unique_id: str) -> dict[str, Any] | None:
    return fetch_one("item_provenance", job_id=job_id, unique_id=unique_id)
