"""Datasets and their items."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd

from fcst.errors import InputError, StaleState
from fcst.specs import IngestSpec
from fcst.store.database import fetch_all, fetch_frame, fetch_one, transaction
from fcst.store.queries import query

if TYPE_CHECKING:
    from fcst.ingest.weekly import WeeklyFiles


def reserve_id() -> int:
    """An id for a dataset to come, so that its rows can be written with it."""
    return int((fetch_one("reserve_dataset_id") or {})["dataset_id"])


def insert(dataset_id: int, spec: IngestSpec, weekly: WeeklyFiles, ingest_id: int, run_token: str) -> None:
    """Writes a dataset whole, in one transaction that also completes its ingest.

    Raises
    ------
    StaleState
        if the ingest is not this task's any more; nothing is written then.
    """
    report = weekly.report
    facts = ("n_items", "n_weeks", "first_wk_end_dt", "last_wk_end_dt", "total_units")
    with transaction() as cur:
        cur.execute(query("lock_dataset_name"), {"name": spec.name})
        cur.execute(query("next_version"), {"name": spec.name})
        row = {
            "dataset_id": dataset_id,
            "name": spec.name,
            "version": (cur.fetchone() or {})["version"],
            "spec": spec.to_json(),
            "report": json.dumps(report),
            "week_end": spec.week_end,
            "include_promo": spec.include_promo,
            **{name: report[name] for name in facts},
        }
        cur.execute(query("insert_dataset"), row)
        for name, path in (("copy_items", weekly.items_csv), ("copy_weekly_sales", weekly.weekly_csv)):
            with path.open("rb") as rows:
                cur.copy_expert(query(name), rows)
        done = {"ingest_id": ingest_id, "run_token": run_token, "dataset_id": dataset_id}
        cur.execute(query("complete_ingest"), done)
        if cur.fetchone() is None:
            raise StaleState(f"Ingest {ingest_id} was taken over while its rows were written.")


def list_all() -> list[dict[str, Any]]:
    return fetch_all("list_datasets")


def get(dataset_id: int) -> dict[str, Any]:
    """One dataset.

    Raises
    ------
    InputError
        if there is none with this id.
    """
    row = fetch_one("get_dataset", dataset_id=dataset_id)
    if row is None:
        raise InputError(f"There is no dataset {dataset_id}.", "Choose one from the list of datasets.")
    return row


def find(name: str | None) -> int | None:
    """The id of the newest dataset called `name`, or of the newest of all; None if there is none."""
    row = fetch_one("find_dataset", name=name)
    return None if row is None else int(row["dataset_id"])


def items(dataset_id: int, n_items: int) -> pd.DataFrame:
    """The `n_items` largest sellers, one row an item."""
    return fetch_frame("list_items", dataset_id=dataset_id, n_items=n_items)


def find_items(dataset_id: int, unique_ids: list[str]) -> list[dict[str, Any]]:
    """`unique_id, sales_rank` of those of `unique_ids` that the dataset has, largest sellers first."""
    return fetch_all("find_items", dataset_id=dataset_id, unique_ids=unique_ids)
