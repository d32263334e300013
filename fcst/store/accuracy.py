"""Backtest accuracy of a job: sums by model, family, demand class, item, window or step; Auto's candidates."""

from collections.abc import Callable
from functools import cache
from typing import Any, LiteralString

import numpy as np
import pandas as pd
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from fcst.filters import ALL_RUN_ITEMS, RunFilter, by_keys
from fcst.job_records import Job
from fcst.names import BENCHMARK, HOLDOUT_WEEKS
from fcst.records import BacktestBlock
from fcst.store import binary_copy, item_filters
from fcst.store.database import copy_rows, fetch_all, fetch_frame, fetch_one
from fcst.store.queries import query

KEYS = {
    "model": sql.Identifier("m", "job_id"),  # the same for all rows: totals by model
    "item": sql.Identifier("m", "unique_id"),
    "family": sql.Identifier("d", "family"),
    "demand_class": sql.Identifier("d", "demand_class"),
    "window": sql.Identifier("m", "cutoff"),
}
"""Grouping -> its column."""

HORIZON = "horizon"
"""Another grouping: by step, in weeks ahead."""

_STORED = ("model", "family", "demand_class", "window")
"""The KEYS by which sums are stored for each batch. Sums by HORIZON are stored too."""

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
_STEP_COLUMNS = ("n_weeks", "abs_error", "error", "actual", "level_weeks", "covered")
_BY_LEVEL_AND_STEP: dict[str, LiteralString] = {
    "level_weeks": "count(w.{lo} + w.{hi})",
    "covered": "count(*) FILTER (WHERE w.y BETWEEN w.{lo} AND w.{hi})",
}


def sums_by_key(job: Job, by: str, which: RunFilter = ALL_RUN_ITEMS, model: str = "") -> pd.DataFrame:
    """Sums behind the metrics, by model and one of KEYS or HORIZON. Rows can be added up.

    Parameters
    ----------
    which
        only the items that match, filtered by the forecasts of `model`.

    Returns
    -------
    DataFrame
        `model, key` (text); `n_items, n_fallback, n_windows, n_weeks, n_unsold, n_unscaled`. Σ over the known weeks:
        `actual, abs_error, error, pinball`, and `pinball_actual`, the actuals where the pinball loss is defined. Σ over
        items and windows: `smape, mase, rmsse`, and the counts of defined values, `n_smape, n_mase, n_rmsse`. By level:
        `covered_80`, the weeks inside the interval; `width_80`, Σ of its width; `level_weeks_80`, the weeks that have
        an interval; `msis_80` and `n_msis_80`. Σ of absolute errors of a benchmark, and of the model on the same items
        and windows: `seasonal_naive, beside_seasonal_naive, naive, beside_naive`. NaN: undefined, or, by HORIZON, not
        measured by week.
    """
    if (
        not which.is_empty
        or by not in (*_STORED, HORIZON)
        or not (fetch_one("has_stored_sums", job_id=job.job_id) or {})["found"]
    ):
        return _read(by, job, item_filters.within("m.unique_id", job, model, which))
    # Read before the stored sums: a batch that completes in between is in at least one of them.
    rest = fetch_all("list_items_not_summed", job_id=job.job_id)
    stored = _read_stored(by, job, {row["batch_id"] for row in rest})
    if not rest:
        return stored
    keys = by_keys(*[row["unique_id"] for row in rest])
    both = pd.concat([stored, _read(by, job, item_filters.within("m.unique_id", job, model, keys))])
    return both.groupby(["model", "key"], dropna=False, as_index=False).sum(min_count=1)


def store_sums(cur: Cursor, dataset_id: int, job_id: int, batch_id: int, level: tuple[int, ...]) -> None:
    """Stores the accuracy sums of a completing batch, in the caller's transaction."""
    cur.execute(query("begin_sums_of_batch"), {"batch_id": batch_id})
    keys = [row["unique_id"] for row in cur.fetchall()]
    params = {"dataset_id": dataset_id, "job_id": job_id, "batch_id": batch_id, "keys": keys}
    # The planner underestimates the rows of a batch and would use nested loops: 9 s for 1,000 items.
    cur.execute(query("without_nested_loops"))
    for statement in _store_statements(level):
        cur.execute(statement, params)
    cur.execute(query("with_nested_loops"))


@cache
def _store_statements(level: tuple[int, ...]) -> tuple[sql.Composed, sql.Composed]:
    """The statements that store the sums of a batch: by _STORED, and by step."""
    every, columns = sql.SQL("").format(), _columns("key", "model", *_NUMBERS, *_BY_LEVEL)
    each = [
        sql.SQL(query("store_sums_by_key")).format(
            by=sql.Literal(by), columns=columns, sums=_sums(by, level, every, _OWN_METRICS, _OWN_ITEMS)
        )
        for by in _STORED
    ]
    step_columns, sums = (
        _columns("key", "model", *_STEP_COLUMNS),
        _horizon_sums(level, item_filters.among("m.unique_id")),
    )
    return (
        sql.SQL(query("store_sums")).format(columns=columns, sums=sql.SQL(" UNION ALL ").join(each)),
        sql.SQL(query("store_horizon_sums")).format(columns=step_columns, sums=sums),
    )


def _columns(*names: str) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _read_stored(by: str, job: Job, not_summed: set[int]) -> pd.DataFrame:
    """The stored sums of a run's batches, without the batches in `not_summed`."""
    numbers = [sql.SQL("sum({0})::float8 AS {0}").format(sql.Identifier(name)) for name in _NUMBERS]
    levels = {name: _each("sum({name}[{i}])", job.spec.level, name=sql.Identifier(name)) for name in _BY_LEVEL}
    statement = sql.SQL(query("stored_sums")).format(numbers=sql.SQL(", ").join(numbers), **levels)
    frame = fetch_frame(statement, job_id=job.job_id, by=by, not_summed=list(not_summed))
    return _with_levels(frame, job.spec.level)


def _read(by: str, job: Job, items: item_filters.Part) -> pd.DataFrame:
    """Computes the sums from the metrics of the items."""
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
    """The text once for each level, formatted."""
    parts = [
        sql.SQL(text).format(i=sql.Literal(i), lo=sql.Identifier(f"lo_{p}"), hi=sql.Identifier(f"hi_{p}"), **places)
        for i, p in enumerate(level, 1)
    ]
    return sql.SQL(separator).join(parts)


def _with_levels(frame: pd.DataFrame, level: tuple[int, ...]) -> pd.DataFrame:
    """Replaces arrays over levels with a column for each level; all numbers are float64."""
    numbers = [name for name in _NUMBERS if name in frame]
    frame = frame.astype(dict.fromkeys(numbers, float))
    arrays = [name for name in _BY_LEVEL if name in frame]
    for name in arrays:
        for i, percent in enumerate(level):
            values = [array[i] if array else None for array in frame[name]]
            frame[f"{name}_{percent}"] = np.array(values, dtype=float)
    return frame.drop(columns=arrays)


def rank_items(job: Job, model: str, is_worst: bool, limit: int) -> pd.DataFrame:
    """`unique_id, description, abs_error, gained`: the items with the largest error of one model, in units, or with the
    largest gain: the benchmark's error minus the model's. NaN is undefined."""
    params = {"job_id": job.job_id, "dataset_id": job.dataset_id, "model": model, "yardstick": BENCHMARK}
    frame = fetch_frame("rank_items", **params, is_worst=is_worst, limit=limit)
    return frame.astype({"abs_error": float, "gained": float})


def range_of_errors(job_id: int, model: str, share: float) -> tuple[int, float, float]:
    """The number of items with a WAPE of one model, the lowest WAPE and the quantile `share`; NaN without items."""
    row = fetch_one("range_of_errors", job_id=job_id, model=model, share=share) or {}
    return row["n_items"], *(np.nan if row[name] is None else row[name] for name in ("least", "most"))


def distribution(job_id: int, model: str, width: float, first_bin: int, n_bins: int) -> dict[int, int]:
    """WAPE bin -> number of items. Bin 0 begins at `first_bin` times the width; bin `n_bins` takes all values above."""
    bins = {"width": width, "first_bin": first_bin, "n_bins": n_bins}
    return {
        row["bin"]: row["n_items"] for row in fetch_all("distribution_of_errors", job_id=job_id, model=model, **bins)
    }


def candidates_of_auto(job_id: int) -> pd.DataFrame:
    """`model, n_items, n_first, share, n_weeks, abs_error, error, actual`, the largest share first."""
    return fetch_frame("candidates_of_auto", job_id=job_id)


def read_backtests(job: Job, model: str, which: RunFilter, use: Callable[[BacktestBlock], None]) -> None:
    """Passes the backtests of one model to `use` in blocks, for the items that match. A block has whole items."""
    items = item_filters.within("b.unique_id", job, model, which)
    weeks = binary_copy.array_field(HOLDOUT_WEEKS)
    fields = {"item": binary_copy.INTEGER_FIELD, "cutoff": binary_copy.DATE_FIELD, "actual": weeks, "forecast": weeks}
    pending: list[np.ndarray] = []  # rows of an item that may have more rows

    def read(rows: np.ndarray) -> None:
        rows = np.concatenate([*pending, rows])
        n_whole = np.searchsorted(rows["item"]["value"], rows["item"]["value"][-1])
        pending[:] = [rows[n_whole:]]
        pass_on(rows[:n_whole])

    def pass_on(rows: np.ndarray) -> None:
        if len(rows):
            actual, forecast = (binary_copy.array_values(rows[name], HOLDOUT_WEEKS) for name in ("actual", "forecast"))
            days = rows["cutoff"]["value"].astype("timedelta64[D]")
            use(BacktestBlock(rows["item"]["value"], binary_copy.DAY_0 + days, actual, forecast))

    statement = sql.SQL(query("copy_backtests_to_add_up")).format(which=items.text)
    copy_rows(statement, items.params | {"added_model": model}, binary_copy.RowReader(fields, read))
    for rows in pending:
        pass_on(rows)


def item_provenance(job_id: int, unique_id: str) -> dict[str, Any] | None:
    return fetch_one("item_provenance", job_id=job_id, unique_id=unique_id)
