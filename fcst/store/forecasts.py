"""Forecasts and backtests of runs: written at checkpoints, queried, and streamed to files."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import BinaryIO

import numpy as np
import pandas as pd
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from fcst.export_formats import export_columns
from fcst.filters import RunFilter, RunOrder
from fcst.job_records import Job
from fcst.records import BacktestRecord, ForecastBlock, ForecastWeek, ItemResult, RunItem
from fcst.specs import JobSpec
from fcst.store import binary_copy, item_filters
from fcst.store.database import copy_out, copy_rows, fetch_all, fetch_frame, fetch_one
from fcst.store.queries import for_spreadsheet, query


def replace(cur: Cursor, job_id: int, results: Sequence[ItemResult]) -> None:
    """Writes the forecasts and backtests of finished items, in the caller's transaction.

    Replaces earlier rows of these items. Undefined numbers (NaN) are written as NULL.
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
                *(f.forecast, f.lo, f.hi, f.is_fallback, f.made_by, f.heaviest, f.baseline, f.uplift),
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


def list_job_items(
    job: Job, model: str, which: RunFilter, order: RunOrder, limit: int | None, skip: int
) -> list[RunItem]:
    """Items of a run that match, sorted."""
    chosen = item_filters.select_job_items(job, model, which, order)
    statement = sql.SQL(query("list_job_items")).format(
        chosen=chosen.text,
        rows=item_filters.run_rows(job, model),
        joined=item_filters.JOINED,
        abc=item_filters.ABC,
        xyz=item_filters.XYZ,
    )
    rows = fetch_all(statement, **chosen.params, limit=limit, skip=skip)
    return [RunItem.from_row(row) for row in rows]


def count_job_items(job: Job, model: str, which: RunFilter) -> tuple[int, str | None]:
    """The number of items of a run that match, and the key of one of them."""
    chosen = item_filters.select_job_items(job, model, which)
    row = fetch_one(sql.SQL(query("count_job_items")).format(chosen=chosen.text), **chosen.params) or {}
    return row["n_items"], row["unique_id"]


def place_of(job: Job, model: str, which: RunFilter, order: RunOrder, unique_id: str) -> int | None:
    """The position of an item among the items that match, from 0; None if it does not match."""
    chosen = item_filters.select_job_items(job, model, which, order)
    statement = sql.SQL(query("place_of_job_item")).format(chosen=chosen.text)
    row = fetch_one(statement, **chosen.params, unique_id=unique_id)
    return None if row is None else int(row["place"])


def list_heaviest(job_id: int, model: str) -> list[str]:
    return [row["heaviest"] for row in fetch_all("list_heaviest", job_id=job_id, model=model)]


def read_blocks(
    job: Job,
    model: str,
    which: RunFilter,
    n_levels: int,
    use: Callable[[ForecastBlock], None],
    filtered_by: str | None = None,
) -> None:
    """Passes the forecasts of one model to `use` in blocks, for the items that match.

    Parameters
    ----------
    n_levels
        number of interval levels to read.
    filtered_by
        model for filtering the items, if different from `model`.
    """
    h = job.spec.h
    items = item_filters.within("f.unique_id", job, filtered_by or model, which)
    fields = {"is_fallback": binary_copy.BOOL_FIELD, "forecast": binary_copy.array_field(h)}
    fields |= dict.fromkeys(("lo", "hi"), binary_copy.array_field(n_levels, h)) if n_levels else {}

    def read(rows: np.ndarray) -> None:
        forecast = binary_copy.array_values(rows["forecast"], h)
        none = np.empty((len(rows), 0, h))
        lo, hi = (binary_copy.array_values(rows[side], n_levels, h) if n_levels else none for side in ("lo", "hi"))
        use(ForecastBlock(forecast, lo, hi, rows["is_fallback"]["value"]))

    columns = sql.SQL(", ").join(sql.Identifier("f", name) for name in fields)
    statement = sql.SQL(query("copy_forecasts_to_add_up")).format(columns=columns, which=items.text)
    copy_rows(statement, items.params | {"added_model": model}, binary_copy.RowReader(fields, read))


def sum_baselines(job: Job, model: str, which: RunFilter) -> pd.DataFrame:
    """`wk_end_dt, baseline` of the items that match, by one model: totals without driver effects."""
    items = item_filters.within("f.unique_id", job, model, which)
    statement = sql.SQL(query("sum_baselines")).format(which=items.text)
    return fetch_frame(statement, **items.params | {"added_model": model})


def sum_later_actuals(job: Job, model: str, which: RunFilter, newer_id: int) -> pd.DataFrame:
    """`wk_end_dt, unit_sales`: actuals of the items that match, in forecast weeks, from a newer dataset."""
    items = item_filters.within("i.unique_id", job, model, which)
    statement = sql.SQL(query("sum_later_actuals")).format(which=items.text)
    weeks = {"first": job.last_wk_end_dt + timedelta(weeks=1), "h": job.spec.h, "newer_id": newer_id}
    return fetch_frame(statement, **items.params | weeks)


def sum_earlier_plans(job: Job, model: str, which: RunFilter, n_runs: int) -> pd.DataFrame:
    """`job_id, wk_end_dt, forecast`: the final plans of the last earlier runs, for the items that match."""
    items = item_filters.within("f.unique_id", job, model, which)
    statement = sql.SQL(query("sum_earlier_plans")).format(which=items.text)
    return fetch_frame(statement, **items.params | {"earlier_model": model, "n_runs": n_runs})


def page(job: Job, model: str, which: RunFilter, after: int, limit: int) -> list[ForecastWeek]:
    """Forecasts of completed items that match, filtered by the forecasts of `model`, with a rank above `after`."""
    items = item_filters.within("i.unique_id", job, model, which)
    statement = sql.SQL(query("page_of_forecasts")).format(which=items.text)
    rows = fetch_all(statement, **items.params | {"after": after, "limit": limit})
    return [ForecastWeek.from_row(row, job.spec.level) for row in rows]


def unknown_items(job_id: int, unique_ids: list[str]) -> list[str]:
    return [row["unique_id"] for row in fetch_all("unknown_job_items", job_id=job_id, unique_ids=unique_ids)]


def copy_export(
    job: Job,
    out: BinaryIO,
    which: RunFilter,
    model: str,
    is_for_spreadsheets: bool = True,
) -> None:
    """Streams the columns of `export_columns` as CSV.

    Exports the items that match, filtered by the forecasts of `model`. Units are rounded to 4 decimals. For
    spreadsheets, text is escaped against formula injection.
    """
    items = item_filters.within("i.unique_id", job, model, which)
    select = _export_select(job.spec, is_for_spreadsheets, items.text)
    copy_out(sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER)").format(select), items.params, out)


def _export_select(spec: JobSpec, is_for_spreadsheets: bool, which: sql.Composed) -> sql.Composed:
    def rounded(value: str) -> sql.Composable:
        # rounding as numeric would take twice as long as the rest of the query
        return sql.SQL(f"round({value} * 10000) / 10000")

    values: dict[str, sql.Composable] = {
        name: for_spreadsheet(f"f.{name}") if is_for_spreadsheets else sql.SQL(f"f.{name}")
        for name in ("unique_id", "model", "made_by")
    }
    values |= {
        "wk_end_dt": sql.SQL("f.first_wk_end_dt + 7 * (s.step - 1)"),
        "is_fallback": sql.SQL("f.is_fallback::text"),
        "forecast": rounded("f.forecast[s.step]"),
        "adjusted": rounded("COALESCE(a.adjusted[s.step], f.forecast[s.step])"),
        "baseline": rounded("COALESCE(f.baseline[s.step], f.forecast[s.step])"),
        "uplift": rounded("COALESCE(f.uplift[s.step], 1)"),
    }
    for place, level in enumerate(spec.level, 1):
        values |= {f"{side}_{level}": rounded(f"f.{side}[{place}][s.step]") for side in ("lo", "hi")}
    columns = [
        sql.SQL("{} AS {}").format(values[column.name], sql.Identifier(column.name)) for column in export_columns(spec)
    ]
    return sql.SQL(query("export_forecasts")).format(columns=sql.SQL(", ").join(columns), which=which)
