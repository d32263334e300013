"""Datasets and their items."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from fcst.dataset_records import (
    Dataset,
    DatasetVersion,
    Dependents,
    EarlierReading,
    ListedDataset,
    RankedItem,
    UnusedDataset,
)
from fcst.errors import Conflict, NotFound, StaleState
from fcst.filters import ItemFilter, ItemSort, Selection
from fcst.records import Item, ItemCounts
from fcst.store import attributes, binary_copy, drivers, item_filters, lifecycles, sales, statistics, version_changes
from fcst.store.actions import record
from fcst.store.database import fetch_all, fetch_one, transaction
from fcst.store.queries import for_spreadsheet, query

if TYPE_CHECKING:
    from fcst.ingest.pipeline import SeriesFiles


def reserve_id() -> int:
    """Reserves a dataset id, so that rows can be prepared with it."""
    return int((fetch_one("reserve_dataset_id") or {})["dataset_id"])


def insert(
    dataset_id: int,
    files: SeriesFiles,
    ingest_id: int,
    run_token: str,
    on_progress: Callable[[str, int, int], None],
) -> None:
    """Writes a complete dataset in one transaction that also completes its ingest.

    Parameters
    ----------
    on_progress
        called with the current step, the bytes done, and the total bytes.

    Raises
    ------
    StaleState
        if this task has lost the ingest; nothing is written then.
    """
    spec, report = files.spec, files.report
    with transaction() as cur:
        cur.execute(query("lock_dataset_name"), {"name": spec.name})
        cur.execute(query("last_version"), {"name": spec.name})
        last = cur.fetchone()
        if last is not None and last["content"] == report.content:
            report = replace(report, same_as_version=last["version"])
        row = {
            "dataset_id": dataset_id,
            "name": spec.name,
            "version": 1 if last is None else last["version"] + 1,
            "spec": spec.to_json(),
            "report": json.dumps(report.to_json()),
            "week_end": spec.week_end,
            "include_promo": spec.include_promo,
            "n_items": report.n_items,
            "n_weeks": report.n_weeks,
            "first_wk_end_dt": report.first_wk_end_dt,
            "last_wk_end_dt": report.last_wk_end_dt,
            "total_units": report.total_units,
        }
        cur.execute(query("insert_dataset"), row)
        if spec.from_source:
            later = replace(spec, then_run=False, requested_by="")
            cur.execute(query("keep_source_spec"), {"dataset": spec.name, "spec": later.to_json()})
        _copy_files(cur, dataset_id, files, on_progress)
        attributes.insert_own(cur, dataset_id, files.attributes)
        if files.drivers is not None:
            drivers.insert_with(cur, dataset_id, files.drivers, is_own=True, who="")
        drivers.carry_plans(cur, spec.name, dataset_id)
        lifecycles.carry(cur, spec.name, dataset_id)
        attributes.carry(cur, spec.name, dataset_id)
        statistics.analyze_dataset(cur)
        if last is not None:
            on_progress("comparing with the version before", 0, 0)
            version_changes.save(cur, dataset_id, last)
        done = {"ingest_id": ingest_id, "run_token": run_token, "dataset_id": dataset_id}
        cur.execute(query("complete_ingest"), done)
        if cur.fetchone() is None:
            raise StaleState(f"Ingest {ingest_id} was taken over or cancelled while its rows were being written.")


def _copy_files(cur: Cursor, dataset_id: int, files: SeriesFiles, on_progress: Callable[[str, int, int], None]) -> None:
    """Copies items, sales and totals into the database."""
    paths = (files.items_csv, files.sales, files.totals_csv)
    progress = _Progress(sum(path.stat().st_size for path in paths), on_progress)
    with ExitStack() as stack:
        items, series, totals = (stack.enter_context(path.open("rb")) for path in paths)
        rows = stack.enter_context(binary_copy.RowWriter(sales.series_rows(dataset_id, series)))
        for name, stream, file in (
            ("copy_items", items, items),
            ("copy_sales", rows, series),
            ("copy_sales_totals", totals, totals),
        ):
            cur.copy_expert(query(name), _CountedStream(stream, file, progress))


class Readable(Protocol):
    """The source of a COPY."""

    def read(self, size: int = -1) -> bytes: ...


class _Progress:
    """Progress of reading several files."""

    def __init__(self, size: int, on_progress: Callable[[str, int, int], None]) -> None:
        self._size, self._on_progress, self._done = size, on_progress, 0

    def add(self, n_bytes: int) -> None:
        self._done += n_bytes
        self._on_progress("saving the sales", self._done, self._size)


class _CountedStream:
    """A stream derived from a file; reports how far the file has been read."""

    def __init__(self, stream: Readable, file: BinaryIO, progress: _Progress) -> None:
        self._stream, self._file, self._progress, self._place = stream, file, progress, 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(max(size, 1 << 20))
        before, self._place = self._place, self._file.tell()
        self._progress.add(self._place - before)
        return data


def count_dependents(dataset_id: int) -> Dependents:
    """Counts of the rows that are deleted with a dataset."""
    return Dependents(**(fetch_one("count_dependents", dataset_id=dataset_id) or {}))


def delete(dataset_id: int, who: str) -> None:
    """Deletes a dataset, its items and weeks, its jobs and their forecasts, in one transaction.

    Raises
    ------
    InputError
        if it does not exist.
    Conflict
        if a run of it has not ended. Nothing is deleted then.
    """
    with transaction() as cur:
        cur.execute(query("lock_dataset"), {"dataset_id": dataset_id})
        found = cur.fetchone()
        if found is None:
            raise NotFound(f"There is no dataset {dataset_id}.", "It may have been deleted.")
        cur.execute(query("count_dependents"), {"dataset_id": dataset_id})
        n_open = (cur.fetchone() or {})["n_open_jobs"]
        if n_open:
            raise Conflict(
                f"{n_open} run{'s' if n_open > 1 else ''} of this dataset {'have' if n_open > 1 else 'has'} not ended.",
                "Cancel them or wait until they end, then delete the dataset.",
            )
        cur.execute(query("list_dataset_jobs"), {"dataset_id": dataset_id})
        cur.execute(query("delete_jobs"), {"job_ids": [row["job_id"] for row in cur.fetchall()]})
        cur.execute(query("delete_dataset"), {"dataset_id": dataset_id})
        cur.execute(query("delete_orphaned_stock_settings"), {"name": found["name"]})
        cur.execute(query("delete_orphaned_data_source"), {"name": found["name"]})
        record(cur, who, "delete", "dataset", dataset_id, _title(found))


def _title(row: dict[str, Any]) -> str:
    return f"{row['name']} version {row['version']}"


def list_unused(job_ids: list[int]) -> list[UnusedDataset]:
    """Old versions that no job uses; jobs in `job_ids` do not count."""
    return [UnusedDataset(**row) for row in fetch_all("list_unused_datasets", job_ids=job_ids)]


def delete_unused(dataset_id: int, who: str) -> bool:
    """Deletes a dataset that no job uses; False if it no longer exists or a job uses it."""
    with transaction() as cur:
        cur.execute(query("lock_dataset"), {"dataset_id": dataset_id})
        found = cur.fetchone()
        cur.execute(query("list_dataset_jobs"), {"dataset_id": dataset_id})
        if found is None or cur.fetchall():
            return False
        cur.execute(query("delete_dataset"), {"dataset_id": dataset_id})
        cur.execute(query("delete_orphaned_stock_settings"), {"name": found["name"]})
        cur.execute(query("delete_orphaned_data_source"), {"name": found["name"]})
        record(cur, who, "delete", "dataset", dataset_id, _title(found))
    return True


def find_by_columns(columns: list[str]) -> EarlierReading | None:
    """The read settings of the newest dataset whose first file had these columns; None without one."""
    row = fetch_one("find_dataset_by_columns", columns=json.dumps(columns))
    return None if row is None else EarlierReading.from_row(row)


def list_versions(name: str) -> list[DatasetVersion]:
    """All versions of a dataset, newest first."""
    return [DatasetVersion(**row) for row in fetch_all("list_versions", name=name)]


def list_all() -> list[ListedDataset]:
    """All datasets, newest first."""
    return [ListedDataset.from_row(row) for row in fetch_all("list_datasets")]


def get(dataset_id: int) -> Dataset:
    """One dataset.

    Raises
    ------
    InputError
        if it does not exist.
    """
    row = fetch_one("get_dataset", dataset_id=dataset_id) if 0 < dataset_id < 2**31 else None
    if row is None:
        raise NotFound(f"There is no dataset {dataset_id}.", "Choose one from the list of datasets.")
    return Dataset.from_row(row)


def find(name: str | None) -> int | None:
    """The id of the newest dataset, or of the newest one called `name`; None without one."""
    row = fetch_one("find_dataset", name=name)
    return None if row is None else int(row["dataset_id"])


def list_items(dataset_id: int, selection: Selection, sort: ItemSort, limit: int | None, skip: int) -> list[Item]:
    """Selected items of a dataset, sorted."""
    chosen = item_filters.select(dataset_id, selection)
    statement = sql.SQL(query("list_items")).format(
        chosen=chosen.text, ended=item_filters.ENDED, new=item_filters.NEW, order=item_filters.ITEM_ORDERS[sort]
    )
    return [Item.from_row(row) for row in fetch_all(statement, **chosen.params, limit=limit, skip=skip)]


def count_items(dataset_id: int, selection: Selection) -> ItemCounts:
    """Number and total units of the selected items."""
    chosen = item_filters.select(dataset_id, selection)
    rows = fetch_all(sql.SQL(query("count_items")).format(chosen=chosen.text), **chosen.params)
    return ItemCounts(
        n_items=sum(row["n_items"] for row in rows),
        total_units=math.fsum(row["total_units"] for row in rows),
        alike=tuple((row["n_weeks"], row["demand_class"], row["n_items"]) for row in rows),
    )


def list_groups(dataset_id: int) -> dict[str, list[str]]:
    """The names of each `family` and `class`, sorted."""
    rows = fetch_all("list_groups", dataset_id=dataset_id)
    return {name: [row["key"] for row in rows if row["grouped_by"] == name] for name in ("family", "class")}


def list_demand_classes(dataset_id: int) -> set[str]:
    """The demand classes that occur in a dataset."""
    return {row["demand_class"] for row in fetch_all("list_demand_classes", dataset_id=dataset_id)}


def find_shown_keys(dataset_id: int, keys: list[str]) -> dict[str, str]:
    """The `keys` that match an item's key as tables display it -> the item's key."""
    statement = sql.SQL(query("find_shown_keys")).format(shown=for_spreadsheet("unique_id"))
    return {row["shown"]: row["unique_id"] for row in fetch_all(statement, dataset_id=dataset_id, keys=keys)}


def missing_job_items(dataset_id: int, job_id: int, limit: int) -> tuple[int, list[str]]:
    """The number of a run's items that a dataset lacks, and the first of their keys."""
    rows = fetch_all("missing_job_items", dataset_id=dataset_id, job_id=job_id, limit=limit)
    return (rows[0]["n_found"] if rows else 0), [row["unique_id"] for row in rows]


def page_of_items(dataset_id: int, after: int, limit: int, which: ItemFilter) -> list[RankedItem]:
    """Items that match with a rank above `after`, largest sellers first."""
    condition = item_filters.item_condition(dataset_id, which)
    statement = sql.SQL(query("page_of_items")).format(condition=condition.text)
    rows = fetch_all(statement, **condition.params, after=after, limit=limit)
    return [RankedItem(**row) for row in rows]


def find_items(dataset_id: int, unique_ids: list[str]) -> list[str]:
    """The `unique_ids` that exist in the dataset, largest sellers first."""
    rows = fetch_all("find_items", dataset_id=dataset_id, unique_ids=unique_ids)
    return [row["unique_id"] for row in rows]
