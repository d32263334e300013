"""Measured accuracy: over all items of a job, by family, class, item, window or step; and of Auto's candidates."""

from collections.abc import Callable
from typing import Any, LiteralString

import numpy as np
import pandas as pd
from psycopg2 import sql

from fcst.filters import EVERY, RunFilter
from fcst.job_records import Job
from fcst.names import HOLDOUT_WEEKS
from fcst.records import BacktestBlock
from fcst.store import binary_copy, item_filters
from fcst.store.database import copy_rows, fetch_all, fetch_frame, fetch_one
from fcst.store.queries import query

KEYS = {
    "model": sql.Identifier("m", "job_id"),  # one for all: totals by model
    "item": sql.Identifier("m", "unique_id"),
    "family": sql.Identifier("d", "family"),
    "demand_class": sql.Identifier("d", "demand_class"),
    "window": sql.Identifier("m", "cutoff"),
}
"""What accuracy may be told by -> the column it is."""

_JOINED_ITEMS = sql.SQL("""
    JOIN fcst_app.jobs j ON j.job_id = m.job_id
    JOIN fcst_app.items d ON d.dataset_id = j.dataset_id AND d.unique_id = m.unique_id""")


def sums_by_key(job: Job, by: str, which: RunFilter = EVERY, model: str = "") -> pd.DataFrame:
    """What metrics are made of, by model and one of KEYS.

    Parameters
    ----------
    which
        only these items, by what `model` forecasts of them.

    Returns
    -------
    DataFrame
        `model, key, n_items, n_windows, n_weeks, n_fallback, n_unsold, n_unscaled`; Σ over the known weeks `actual,
        abs_error, error, pinball`, and `pinball_actual`, actual where the pinball loss is known; means over items and
        windows `smape, mase, rmsse`; by level `coverage_80, width_80`, means over weeks, and `msis_80`; Σ absolute
        errors of a yardstick, and of the model on the same items and windows, `seasonal_naive, beside_seasonal_naive,
        naive, beside_naive`.
    """
    parts = [
        {"i": sql.Literal(i)} | {name: sql.Identifier(f"{name}_{p}") for name in ("coverage", "width", "msis")}
        for i, p in enumerate(job.spec.level, 1)
    ]
    levels = _each(
        ", sum(m.coverage[{i}] * m.n_weeks) / NULLIF(sum(m.n_weeks) FILTER (WHERE m.coverage[{i}] IS NOT NULL), 0)"
        " AS {coverage}, sum(m.mean_width[{i}] * m.n_weeks)"
        " / NULLIF(sum(m.n_weeks) FILTER (WHERE m.mean_width[{i}] IS NOT NULL), 0) AS {width},"
        " avg(m.msis[{i}]) AS {msis}",
        parts,
    )
    items = item_filters.within("m.unique_id", job, model, which)
    places = {"key": KEYS[by], "which": items.text}
    places["joined"] = _JOINED_ITEMS if by in ("family", "demand_class") else sql.SQL("")
    sums = fetch_frame(sql.SQL(query("accuracy_sums")).format(levels=levels, **places), **items.params)
    counts = fetch_frame(sql.SQL(query("count_measured")).format(**places), **items.params)
    return sums.merge(counts, how="left", on=["model", "key"])


def rank_items(job_id: int, model: str, is_worst: bool, limit: int) -> list[str]:
    """Keys of the items with the least error of one model, or the largest."""
    rows = fetch_all("rank_items", job_id=job_id, model=model, sign=-1 if is_worst else 1, limit=limit)
    return [row["unique_id"] for row in rows]


def distribution(job_id: int, model: str) -> dict[int, int]:
    """tenth of WAPE, 19 for all beyond -> items."""
    return {row["tenth"]: row["n_items"] for row in fetch_all("distribution_of_errors", job_id=job_id, model=model)}


def sums_by_horizon(job_id: int, level: tuple[int, ...]) -> pd.DataFrame:
    """By model and step, weeks ahead: `model, step, n_weeks, abs_error, error, actual, coverage_80, …`; sums over the
    known weeks, coverage as a fraction."""
    parts = [
        {"i": sql.Literal(i), "lo": sql.Identifier(f"lo_{p}"), "hi": sql.Identifier(f"hi_{p}")}
        | {"name": sql.Identifier(f"coverage_{p}")}
        for i, p in enumerate(level, 1)
    ]
    statement = sql.SQL(query("sums_by_horizon")).format(
        levels=_each(", avg((w.y BETWEEN w.{lo} AND w.{hi})::integer)::float8 AS {name}", parts),
        bounds=_each(", b.lo[{i}:{i}], b.hi[{i}:{i}]", parts),
        names=_each(", {lo}, {hi}", parts),
    )
    return fetch_frame(statement, job_id=job_id)


def _each(text: LiteralString, parts: list[dict[str, sql.Composable]]) -> sql.Composed:
    """The text once for each level, filled in."""
    return sql.Composed([sql.SQL(text).format(**part) for part in parts])


def candidates_of_auto(job_id: int) -> pd.DataFrame:
    """`model, n_items, n_first, share, n_weeks, abs_error, error, actual`, the largest share first."""
    return fetch_frame("candidates_of_auto", job_id=job_id)


def read_backtests(job: Job, model: str, which: RunFilter, use: Callable[[BacktestBlock], None]) -> None:
    """Gives on the backtests of one model of the items that match, block by block, all windows of an item in one."""
    items = item_filters.within("b.unique_id", job, model, which)
    weeks = binary_copy.array_field(HOLDOUT_WEEKS)
    fields = {"item": binary_copy.INTEGER_FIELD, "cutoff": binary_copy.DATE_FIELD, "actual": weeks, "forecast": weeks}
    held: list[np.ndarray] = []  # rows of an item of which more may come

    def read(rows: np.ndarray) -> None:
        rows = np.concatenate([*held, rows])
        n_whole = np.searchsorted(rows["item"]["value"], rows["item"]["value"][-1])
        held[:] = [rows[n_whole:]]
        give(rows[:n_whole])

    def give(rows: np.ndarray) -> None:
        if len(rows):
            actual, forecast = (binary_copy.array_values(rows[name], HOLDOUT_WEEKS) for name in ("actual", "forecast"))
            days = rows["cutoff"]["value"].astype("timedelta64[D]")
            use(BacktestBlock(rows["item"]["value"], binary_copy.DAY_0 + days, actual, forecast))

    statement = sql.SQL(query("copy_backtests_to_add_up")).format(which=items.text)
    copy_rows(statement, items.params | {"added_model": model}, binary_copy.RowReader(fields, read))
    for rows in held:
        give(rows)


def item_provenance(job_id: int, unique_id: str) -> dict[str, Any] | None:
    return fetch_one("item_provenance", job_id=job_id, unique_id=unique_id)
