"""Published plans: copies of the final plans of runs, kept after their runs."""

from typing import BinaryIO

import pandas as pd
from psycopg2 import sql

from fcst.errors import NotFound
from fcst.job_records import Job
from fcst.published_plans import PublishedPlan
from fcst.store.actions import record
from fcst.store.database import copy_out, fetch_all, fetch_frame, transaction
from fcst.store.queries import for_spreadsheet, query

MAX_LISTED = 1_000


def publish(job: Job, model: str, who: str) -> int | None:
    """Publishes the final plan of an ended run by one model; returns its id, or None if no item has a forecast."""
    with transaction() as cur:
        cur.execute(query("lock_published_dataset"), {"dataset": job.dataset})
        values = {"job_id": job.job_id, "dataset": job.dataset, "model": model, "published_by": who}
        cur.execute(query("publish_plan"), values)
        row = cur.fetchone()
        if row is None:
            return None
        record(cur, who, "publish", "job", job.job_id, f"{job.dataset}, {model}")
        return int(row["plan_id"])


def list_plans(
    dataset: str | None = None, job_id: int | None = None, plan_id: int | None = None, limit: int = MAX_LISTED
) -> list[PublishedPlan]:
    """Published plans, newest first: all, or those of a dataset name, or of a run, or one."""
    rows = fetch_all("list_published_plans", dataset=dataset, job_id=job_id, plan_id=plan_id, limit=limit)
    return [PublishedPlan(**row) for row in rows]


def delete(plan_id: int, who: str) -> None:
    """Deletes a published plan; the one before it becomes current.

    Raises
    ------
    NotFound
        if it does not exist.
    """
    with transaction() as cur:
        cur.execute(query("get_published_plan"), {"plan_id": plan_id})
        row = cur.fetchone()
        if row is None:
            raise NotFound(f"There is no published plan {plan_id}.", "It may have been withdrawn already.")
        cur.execute(query("delete_published_plan"), {"plan_id": plan_id})
        record(cur, who, "withdraw", "job", row["run_no"], f"{row['dataset']}, published plan {plan_id}")


def accuracy(dataset: str, lags: list[int]) -> pd.DataFrame:
    """`lag, wk_end_dt` (None: all weeks), `n_plans, n_items, n_weeks, sold, planned, abs_error, error, actual,
    model_abs_error`."""
    return fetch_frame("published_accuracy", dataset=dataset, lags=lags)


def copy_plan(plan_id: int, out: BinaryIO) -> None:
    """Writes a published plan as CSV: `unique_id, wk_end_dt, forecast, final`, a row for each item and week."""
    statement = sql.SQL(query("copy_published_plan")).format(key=for_spreadsheet("w.unique_id"))
    copy_out(statement, {"plan_id": plan_id}, out)
