"""Weekly sales: histories for the models, series for the charts, the weekly file."""

from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from psycopg2 import sql

from fcst.store.database import fetch_all, fetch_frame, transaction
from fcst.store.queries import for_spreadsheet, query


def batch_histories(dataset_id: int, batch_id: int) -> list[tuple[str, np.ndarray]]:
    """The items of a batch that are not final yet, each with its y (T,), NaN where a week is missing.

    The last value of every y is the dataset's last whole week.
    """
    rows = fetch_all("batch_histories", dataset_id=dataset_id, batch_id=batch_id)
    return [(row["unique_id"], np.array(row["y"] or [], dtype=float)) for row in rows]


def item_history(dataset_id: int, unique_id: str) -> list[dict[str, Any]]:
    return fetch_all("item_history", dataset_id=dataset_id, unique_id=unique_id)


def weekly_totals(dataset_id: int) -> pd.DataFrame:
    return fetch_frame("weekly_totals", dataset_id=dataset_id)


def job_weekly_totals(job_id: int, unique_ids: list[str] | None) -> pd.DataFrame:
    return fetch_frame("job_weekly_totals", job_id=job_id, unique_ids=unique_ids)


def copy_weekly_file(dataset_id: int, out: BinaryIO) -> None:
    """Streams the weekly file of a dataset: `item_nbr, wk_end_dt, unit_sales`; a missing week is empty.

    Keys are made harmless for spreadsheets.
    """
    with transaction() as cur:
        statement = sql.SQL(query("copy_weekly_file")).format(key=for_spreadsheet("unique_id")).as_string(cur)
        params: dict[str, Any] = {"dataset_id": dataset_id}
        cur.copy_expert(cur.mogrify(statement, params).decode(), out)
