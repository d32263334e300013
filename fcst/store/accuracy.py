"""Measured accuracy: over all items of a job, by family, class, item, window or step; and of Auto's candidates."""

from typing import Any, LiteralString

import pandas as pd
from psycopg2 import sql

from fcst.filters import EVERY, RunFilter
from fcst.job_records import Job
from fcst.store import item_filters
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


def by_key(job: Job, by: str, which: RunFilter = EVERY, model: str = "") -> pd.DataFrame:
    """Metrics by model and one of KEYS: `model, key, n_items, …`, by level `coverage_80, width_80, msis_80`.

    Parameters
    ----------
    which
        only these items, by what `model` forecasts of them.
    """
    level = job.spec.level
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
    items = item_filters.within("m.unique_id", job, model, which)
    statement = sql.SQL(query("accuracy_by")).format(key=KEYS[by], levels=levels, which=items.text)
    return fetch_frame(statement, **items.params)


def rank_items(job_id: int, model: str, is_worst: bool, limit: int) -> list[str]:
    """Keys of the items with the least error of one model, or the largest."""
    rows = fetch_all("rank_items", job_id=job_id, model=model, sign=-1 if is_worst else 1, limit=limit)
    return [row["unique_id"] for row in rows]


def distribution(job_id: int, model: str) -> dict[int, int]:
    """tenth of WAPE, 19 for all beyond -> items."""
    return {row["tenth"]: row["n_items"] for row in fetch_all("distribution_of_errors", job_id=job_id, model=model)}


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


def list_backtests(job: Job, model: str, which: RunFilter) -> pd.DataFrame:
    items = item_filters.within("b.unique_id", job, model, which)
    statement = sql.SQL(query("list_backtests")).format(which=items.text)
    return fetch_frame(statement, **(items.params | {"model": model}))


def error_correlation(job_id: int, model: str) -> tuple[int, float | None]:
    """The number of windows, and how much items erred together in them; None where that is not known."""
    (row,) = fetch_all("error_correlation", job_id=job_id, model=model)
    return row["n_windows"], row["correlation"]


def item_provenance(job_id: int, unique_id: str) -> dict[str, Any] | None:
    return fetch_one("item_provenance", job_id=job_id, unique_id=unique_id)
