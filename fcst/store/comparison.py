"""Comparisons of runs with each other and with later actuals."""

import pandas as pd
from psycopg2 import sql

from fcst.dataset_records import NewerDataset
from fcst.store.database import fetch_frame, fetch_one
from fcst.store.queries import query


def compare_items(
    job_id: int, model: str, other_id: int, other_model: str, limit: int | None, skip: int
) -> pd.DataFrame:
    return fetch_frame(
        "compare_items",
        job_id=job_id,
        model=model,
        other_id=other_id,
        other_model=other_model,
        limit=limit,
        skip=skip,
    )


def compared_with_actuals(
    job_id: int, model: str, other_id: int, other_model: str, dataset_id: int, keys: list[str] | None
) -> pd.DataFrame:
    """`unique_id` (None for the total), `n_items, n_weeks, sold, forecast, other, actual, abs_error, error,
    other_abs_error, other_error`."""
    params = {"job_id": job_id, "model": model, "other_id": other_id, "other_model": other_model, "keys": keys}
    return fetch_frame("compared_with_actuals", **params, dataset_id=dataset_id)


def accuracy_by_lag(name: str, model: str, lags: list[int]) -> pd.DataFrame:
    """`lag, n_runs, n_items, n_weeks, sold, forecast, abs_error, error, actual`, without lags that have no weeks."""
    return fetch_frame("accuracy_by_lag", name=name, model=model, lags=lags)


def newer_dataset(job_id: int) -> NewerDataset | None:
    """The dataset of the same name with the most weeks after the end of the run's dataset; None without one."""
    row = fetch_one("newer_dataset", job_id=job_id)
    return None if row is None else NewerDataset(**row)


def accuracy_on_actuals(job_id: int, dataset_id: int, level: tuple[int, ...]) -> pd.DataFrame:
    """`model, n_items, n_weeks, sold, forecast, abs_error, error, actual`, by level `coverage_80`."""
    coverages = [
        sql.SQL(", avg((w.y BETWEEN f.lo[{i}][w.step] AND f.hi[{i}][w.step])::integer)::float8 AS {name}").format(
            i=sql.Literal(i), name=sql.Identifier(f"coverage_{p}")
        )
        for i, p in enumerate(level, 1)
    ]
    statement = sql.SQL(query("accuracy_on_actuals")).format(levels=sql.Composed(coverages))
    return fetch_frame(statement, job_id=job_id, dataset_id=dataset_id)


def true_value_added(job_id: int, model: str, dataset_id: int) -> pd.DataFrame:
    """`is_adjusted_only, step, n_weeks, n_items, abs_error, error, actual`."""
    return fetch_frame("true_value_added", job_id=job_id, model=model, dataset_id=dataset_id)
