"""Drivers of datasets: driver loads, and their weekly values for items."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from psycopg2.extensions import cursor as Cursor

from fcst.drivers import DriverLoad, DriverValues, places_in_key
from fcst.errors import Conflict, NotFound, StaleState
from fcst.names import KEY_JOINT
from fcst.records import SalesRecord
from fcst.store import binary_copy
from fcst.store.actions import record
from fcst.store.database import fetch_all, fetch_one, transaction
from fcst.store.queries import query
from fcst.store.sales import encode_lists, parts_of_stream

if TYPE_CHECKING:
    from fcst.ingest.driver_files import DriverFiles


def insert_with(cur: Cursor, dataset_id: int, files: DriverFiles, is_own: bool, who: str) -> int:
    """Writes a driver load in the caller's transaction; returns its id."""
    cur.execute(
        query("insert_driver_load"),
        {
            "dataset_id": dataset_id,
            "source": files.source,
            "is_own": is_own,
            "grouped_by": files.grouped_by,
            "key_columns": list(files.key_columns),
            "first_day": files.first_day,
            "last_day": files.last_day,
            "columns": json.dumps([asdict(column) for column in files.columns]),
            "report": json.dumps(files.report.to_json()),
            "created_by": who,
        },
    )
    driver_load_id = int((cur.fetchone() or {})["driver_load_id"])
    with files.values.open("rb") as file, binary_copy.RowWriter(_value_rows(driver_load_id, file)) as rows:
        cur.copy_expert(query("copy_driver_values"), rows)
    return driver_load_id


def _value_rows(driver_load_id: int, file: BinaryIO) -> Iterator[list[binary_copy.Row]]:
    for part in parts_of_stream(file):
        columns = (part[name].to_pylist() for name in ("key", "name", "first_wk_end_dt"))
        yield [(driver_load_id, *row) for row in zip(*columns, encode_lists(part["values"]), strict=True)]


def insert(dataset_id: int, files: DriverFiles, who: str) -> int:
    """Adds a driver load to a dataset in one transaction; returns the load's id.

    Raises
    ------
    NotFound
        if the dataset was deleted.
    """
    with transaction() as cur:
        return _insert_held(cur, dataset_id, files, who)


def insert_of_ingest(dataset_id: int, files: DriverFiles, who: str, ingest_id: int, run_token: str) -> None:
    """Adds a driver load to a dataset in one transaction that also completes its ingest.

    Raises
    ------
    StaleState
        if this task has lost the ingest; nothing is written then.
    """
    with transaction() as cur:
        _insert_held(cur, dataset_id, files, who)
        cur.execute(
            query("complete_ingest"), {"ingest_id": ingest_id, "run_token": run_token, "dataset_id": dataset_id}
        )
        if cur.fetchone() is None:
            raise StaleState(f"Ingest {ingest_id} was taken over or cancelled while its drivers were being written.")


def _insert_held(cur: Cursor, dataset_id: int, files: DriverFiles, who: str) -> int:
    cur.execute(query("hold_dataset"), {"dataset_id": dataset_id})
    if cur.fetchone() is None:
        raise NotFound(f"Dataset {dataset_id} was deleted.", "Choose another.")
    driver_load_id = insert_with(cur, dataset_id, files, is_own=False, who=who)
    record(cur, who, "load", "drivers", driver_load_id, files.source)
    return driver_load_id


def carry_plans(cur: Cursor, name: str, dataset_id: int) -> None:
    """Copies plans and calendars from the previous version of a dataset to a new one."""
    cur.execute(query("list_plans_before"), {"name": name, "dataset_id": dataset_id})
    for row in cur.fetchall():
        cur.execute(query("carry_driver_load"), {**row, "dataset_id": dataset_id})
        to = {"to_load_id": (cur.fetchone() or {})["driver_load_id"]}
        cur.execute(query("carry_driver_values"), {**row, **to})


def delete_load(dataset_id: int, driver_load_id: int, who: str) -> None:
    """Deletes a driver load that no run has used.

    Raises
    ------
    NotFound
        if the dataset has no such load.
    Conflict
        if a run has used it.
    """
    if not 0 < driver_load_id < 2**31:
        raise _no_load(dataset_id, driver_load_id)
    with transaction() as cur:
        cur.execute(query("list_driver_loads"), {"dataset_id": dataset_id, "upto": None, "only": driver_load_id})
        load = cur.fetchone()
        if load is None:
            raise _no_load(dataset_id, driver_load_id)
        cur.execute(query("count_runs_with_drivers"), {"dataset_id": dataset_id, "driver_load_id": driver_load_id})
        n_jobs = (cur.fetchone() or {})["n_jobs"]
        if n_jobs:
            raise Conflict(
                f"{n_jobs} run{'s' if n_jobs > 1 else ''} used these drivers.",
                "Load a corrected file instead: later loads override earlier ones.",
            )
        cur.execute(query("delete_driver_load"), {"driver_load_id": driver_load_id})
        record(cur, who, "delete", "drivers", driver_load_id, load["source"])


def list_loads(dataset_id: int, upto: int | None = None) -> list[DriverLoad]:
    """The driver loads of a dataset, oldest first; optionally only up to the load with the id `upto`."""
    rows = fetch_all("list_driver_loads", dataset_id=dataset_id, upto=upto, only=None)
    return [DriverLoad.from_row(row) for row in rows]


def get_load(dataset_id: int, driver_load_id: int) -> DriverLoad:
    """One driver load of a dataset.

    Raises
    ------
    NotFound
        if the dataset has no such load.
    """
    is_number = 0 < driver_load_id < 2**31
    row = fetch_one("list_driver_loads", dataset_id=dataset_id, upto=None, only=driver_load_id) if is_number else None
    if row is None:
        raise _no_load(dataset_id, driver_load_id)
    return DriverLoad.from_row(row)


def _no_load(dataset_id: int, driver_load_id: int) -> NotFound:
    return NotFound(
        f"Dataset {dataset_id} has no driver load {driver_load_id}.", "See the driver loads of the dataset."
    )


def values_of(items: Sequence[SalesRecord], loads: Sequence[DriverLoad]) -> dict[str, list[DriverValues]]:
    """Driver values by item key, from values of the items and of their groups; oldest load first."""
    wanted = {load.key_of(item.unique_id, item.attributes) for load in loads for item in items} - {None}
    known: dict[tuple[int, str | None], list[DriverValues]] = {}
    for row in fetch_all("list_driver_values", load_ids=[load.driver_load_id for load in loads], keys=list(wanted)):
        values = np.array(row["values"], dtype=float)
        value = DriverValues(row["driver_load_id"], row["name"], row["first_wk_end_dt"], values)
        known.setdefault((row["driver_load_id"], row["key"]), []).append(value)
    return {
        item.unique_id: [
            value
            for load in loads
            for value in known.get((load.driver_load_id, load.key_of(item.unique_id, item.attributes)), ())
        ]
        for item in items
    }


def find_known(
    dataset_id: int, item_columns: list[str], grouped_by: str, key_columns: Sequence[str], keys: list[str]
) -> set[str]:
    """The `keys` that match an item, a part of an item's key, a family or a class of a dataset.

    Parameters
    ----------
    item_columns
        columns that form the item keys of the dataset.
    key_columns
        for parts: the columns that form the keys.
    """
    if grouped_by == "part":
        places = places_in_key(item_columns, key_columns) or ()
        rows = fetch_all(
            "list_known_parts",
            dataset_id=dataset_id,
            places=[place + 1 for place in places],
            n_parts=len(item_columns),
            joint=KEY_JOINT,
            keys=keys,
        )
    else:
        rows = fetch_all("list_known_keys", dataset_id=dataset_id, grouped_by=grouped_by, keys=keys)
    return {row["key"] for row in rows}
