"""Measured accuracy: over all items of a job, by family, class, item, window or step; and of Auto's candidates."""

from collections.abc import Callable
from functools import cache
from typing import Any, LiteralString

import numpy as np
import pandas as pd
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from fcst.filters import EVERY, RunFilter, only
from fcst.job_records import Job
from fcst.names import BENCHMARK, HOLDOUT_WEEKS
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

HORIZON = "horizon"
"""What it may be told by as well: weeks ahead."""

_KEPT = ("model", "family", "demand_class", "window")
"""By which of KEYS the sums of a batch are kept; they are by HORIZON as well."""

_METRICS, _OWN_METRICS = sql.Identifier("fcst_app", "metrics"), sql.Identifier("own_metrics")
_JOIN = sql.SQL("JOIN {} d ON d.dataset_id = %(dataset_id)s AND d.unique_id = m.unique_id")
_ITEMS, _OWN_ITEMS = (_JOIN.format(name) for name in (sql.Identifier("fcst_app", "items"), sql.Identifier("own_items")))

_NUMBERS = (
    "n_items n_fallback n_windows n_weeks n_unsold n_unscaled actual abs_error error pinball pinball_actual"
    " smape n_smape mase n_mase rmsse n_rmsse seasonal_naive beside_seasonal_naive naive beside_naive"
).split()
_BY_LEVEL: dict[str, LiteralString] = {
    "level_weeks": "sum(m.n_weeks) FILTER (WHERE m.coverage[{i}] IS NOT NULL)",
    "covered": "sum(m.coverage[{i}] * m.n_weeks)",
    "width": "sum(m.mean_width[{i}] * m.n_weeks)",
    "msis": "sum(m.msis[{i}])",
    "n_msis": "count(m.msis[{i}])",
}
_OF_STEPS = ("n_weeks", "abs_error", "error", "actual", "level_weeks", "covered")
_BY_LEVEL_AND_STEP: dict[str, LiteralString] = {
    "level_weeks": "count(w.{lo} + w.{hi})",
    "covered": "count(*) FILTER (WHERE w.y BETWEEN w.{lo} AND w.{hi})",
}


def sums_by_key(job: Job, by: str, which: RunFilter = EVERY, model: str = "") -> pd.DataFrame:
    """What metrics are made of, by model and one of KEYS, or by HORIZON; sums only, so that rows can be added up.

    Parameters
    ----------
    which
        only these items, by what `model` forecasts of them.

    Returns
    -------
    DataFrame
        `model, key`, a text; `n_items, n_fallback, n_windows, n_weeks, n_unsold, n_unscaled`; Σ over the known weeks
        `actual, abs_error, error, pinball`, and `pinball_actual`, actual where the pinball loss is known; Σ over items
        and windows `smape, mase, rmsse`, and how many have one, `n_smape, n_mase, n_rmsse`; by level `covered_80`, the
        weeks within the interval, and `width_80`, Σ of its width, over the weeks that have one, `level_weeks_80`;
        `msis_80` and `n_msis_80`; Σ absolute errors of a yardstick, and of the model on the same items and windows,
        `seasonal_naive, beside_seasonal_naive, naive, beside_naive`. NaN is undefined; by HORIZON, what is not by week.
    """
    if (
        not which.is_empty
        or by not in (*_KEPT, HORIZON)
        or not (fetch_one("has_kept_sums", job_id=job.job_id) or {})["found"]
    ):
        return _read(by, job, item_filters.within("m.unique_id", job, model, which))
    rest = fetch_all("list_items_not_summed", job_id=job.job_id)  # first: a batch that completes now is in one of both
    kept = _read_kept(by, job, {row["batch_id"] for row in rest})
    if not rest:
        return kept
    keys = only(*[row["unique_id"] for row in rest])
    both = pd.concat([kept, _read(by, job, item_filters.within("m.unique_id", job, model, keys))])
    return both.groupby(["model", "key"], dropna=False, as_index=False).sum(min_count=1)


def keep_sums(cur: Cursor, dataset_id: int, job_id: int, batch_id: int, level: tuple[int, ...]) -> None:
    """Adds up the accuracy of the items of a batch that completes, in the caller's transaction."""
    cur.execute(query("begin_sums_of_batch"), {"batch_id": batch_id})
    keys = [row["unique_id"] for row in cur.fetchall()]
    params = {"dataset_id": dataset_id, "job_id": job_id, "batch_id": batch_id, "keys": keys}
    # The planner takes the rows of a batch for a few, and would compare each with each: 9 s for a batch of 1,000 items.
    cur.execute(query("without_nested_loops"))
    for statement in _keeping(level):
        cur.execute(statement, params)
    cur.execute(query("with_nested_loops"))


@cache
def _keeping(level: tuple[int, ...]) -> tuple[sql.Composed, sql.Composed]:
    """The statements that add up the rows of a batch: by item, and by step."""
    every, of_item = sql.SQL("").format(), _columns("key", "model", *_NUMBERS, *_BY_LEVEL)
    each = [
        sql.SQL(query("sums_to_keep")).format(
            by=sql.Literal(by), columns=of_item, sums=_sums(by, level, every, _OWN_METRICS, _OWN_ITEMS)
        )
        for by in _KEPT
    ]
    of_step, sums = _columns("key", "model", *_OF_STEPS), _horizon_sums(level, item_filters.among("m.unique_id"))
    return (
        sql.SQL(query("keep_sums")).format(columns=of_item, sums=sql.SQL(" UNION ALL ").join(each)),
        sql.SQL(query("keep_horizon_sums")).format(columns=of_step, sums=sums),
    )


def _columns(*names: str) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _read_kept(by: str, job: Job, not_summed: set[int]) -> pd.DataFrame:
    """The sums that are kept of a run's batches, without some of these."""
    numbers = [sql.SQL("sum({0})::float8 AS {0}").format(sql.Identifier(name)) for name in _NUMBERS]
    levels = {name: _each("sum({name}[{i}])", job.spec.level, name=sql.Identifier(name)) for name in _BY_LEVEL}
    statement = sql.SQL(query("kept_sums")).format(numbers=sql.SQL(", ").join(numbers), **levels)
    frame = fetch_frame(statement, job_id=job.job_id, by=by, not_summed=list(not_summed))
    return _with_levels(frame, job.spec.level)


def _read(by: str, job: Job, items: item_filters.Part) -> pd.DataFrame:
    """The sums, made anew."""
    level = job.spec.level
    sums = _horizon_sums(level, items.text) if by == HORIZON else _sums(by, level, items.text, _METRICS, _ITEMS)
    return _with_levels(fetch_frame(sums, **items.params | {"dataset_id": job.dataset_id}), level)


def _sums(
    by: str, level: tuple[int, ...], which: sql.Composed, rows: sql.Identifier, items: sql.Composed
) -> sql.Composed:
    places = {name: _each(text, level) for name, text in _BY_LEVEL.items()}
    joined = items if by in ("family", "demand_class") else sql.SQL("").format()
    return sql.SQL(query("accuracy_sums")).format(key=KEYS[by], which=which, rows=rows, joined=joined, **places)


def _horizon_sums(level: tuple[int, ...], which: sql.Composed) -> sql.Composed:
    return sql.SQL(query("horizon_sums")).format(
        which=which,
        bounds=_each(", m.lo[{i}:{i}], m.hi[{i}:{i}]", level, ""),
        names=_each(", {lo}, {hi}", level, ""),
        **{name: _each(text, level) for name, text in _BY_LEVEL_AND_STEP.items()},
    )


def _each(
    text: LiteralString, level: tuple[int, ...], separator: LiteralString = ", ", **places: sql.Composable
) -> sql.Composed:
    """The text once for each level, filled in."""
    parts = [
        sql.SQL(text).format(i=sql.Literal(i), lo=sql.Identifier(f"lo_{p}"), hi=sql.Identifier(f"hi_{p}"), **places)
        for i, p in enumerate(level, 1)
    ]
    return sql.SQL(separator).join(parts)


def _with_levels(frame: pd.DataFrame, level: tuple[int, ...]) -> pd.DataFrame:
    """Sums with a column for each level in place of arrays, all numbers float64."""
    numbers = [name for name in _NUMBERS if name in frame]
    frame = frame.astype(dict.fromkeys(numbers, float))
    arrays = [name for name in _BY_LEVEL if name in frame]
    for name in arrays:
        for i, percent in enumerate(level):
            values = [array[i] if array else None for array in frame[name]]
            frame[f"{name}_{percent}"] = np.array(values, dtype=float)
    return frame.drop(columns=arrays)


def rank_items(job: Job, model: str, is_worst: bool, limit: int) -> pd.DataFrame:
    """`unique_id, description, abs_error, gained`: those with the largest error of one model, in units; or those that
    gained most, which is the error of the yardstick less that of the model. NaN is undefined."""
    asked = {"job_id": job.job_id, "dataset_id": job.dataset_id, "model": model, "yardstick": BENCHMARK}
    frame = fetch_frame("rank_items", **asked, is_worst=is_worst, limit=limit)
    return frame.astype({"abs_error": float, "gained": float})


def range_of_errors(job_id: int, model: str, share: float) -> tuple[int, float, float]:
    """How many items have a WAPE of one model, the least, and the one below which a share of them lies; of no item
    NaN."""
    row = fetch_one("range_of_errors", job_id=job_id, model=model, share=share) or {}
    return row["n_items"], *(np.nan if row[name] is None else row[name] for name in ("least", "most"))


def distribution(job_id: int, model: str, width: float, first_bin: int, n_bins: int) -> dict[int, int]:
    """bin of WAPE -> items; from 0 for `first_bin` times the width, `n_bins` for all beyond."""
    bins = {"width": width, "first_bin": first_bin, "n_bins": n_bins}
    return {
        row["bin"]: row["n_items"] for row in fetch_all("distribution_of_errors", job_id=job_id, model=model, **bins)
    }


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
