"""Data sources: where the sales of each dataset name come from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from psycopg2.extensions import cursor as Cursor

from fcst.data_sources import DataSource
from fcst.errors import Conflict, NotFound
from fcst.specs import IngestSpec
from fcst.store import ingests
from fcst.store.actions import record
from fcst.store.database import fetch_all, transaction
from fcst.store.queries import query


@dataclass(frozen=True)
class StoredSource:
    """The source of a dataset name.

    Parameters
    ----------
    spec
        how its files are read; without paths.
    dataset_id
        the newest version; None if none was loaded yet.
    open_ingest_id
        a refresh that has not ended; None without one.
    """

    dataset: str
    source: DataSource
    spec: IngestSpec
    set_by: str
    set_at: datetime
    dataset_id: int | None
    open_ingest_id: int | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        parts = {"source": DataSource.from_json(row["source"]), "spec": IngestSpec.from_json(row["spec"])}
        return cls(**{**row, **parts})


def list_all() -> list[StoredSource]:
    """The sources of all dataset names, by name."""
    return [StoredSource.from_row(row) for row in fetch_all("list_data_sources", dataset=None)]


def find(dataset: str) -> StoredSource | None:
    """The source of a dataset name; None if it has none."""
    rows = fetch_all("list_data_sources", dataset=dataset)
    return StoredSource.from_row(rows[0]) if rows else None


def save_and_load(source: DataSource, spec: IngestSpec, who: str) -> int:
    """Saves the source of a dataset name, replacing an earlier one, and requests an ingest from it; returns its id.

    Raises
    ------
    Conflict
        if a refresh of the dataset has not ended; nothing is saved then.
    """
    with transaction() as cur:
        later = replace(spec, then_run=False, requested_by="")
        values = {"dataset": spec.name, "source": json.dumps(source.to_json()), "spec": later.to_json(), "set_by": who}
        cur.execute(query("set_data_source"), values)  # also locks the row
        ingest_id = _insert_ingest(cur, spec, who)
        record(cur, who, "set", "source", ingest_id, f"{spec.name}: {source.label}"[:200])
    return ingest_id


def refresh(dataset: str, who: str) -> int:
    """Requests an ingest from the source of a dataset name, read as the last time; returns its id.

    Raises
    ------
    Conflict
        if a refresh of the dataset has not ended.
    NotFound
        if it has no source.
    """
    with transaction() as cur:
        cur.execute(query("lock_data_source"), {"dataset": dataset})
        cur.execute(query("list_data_sources"), {"dataset": dataset})
        row = cur.fetchone()
        if row is None:
            raise NotFound(f"The dataset {dataset!r} has no source.", "Load it from a source first.")
        return _insert_ingest(cur, IngestSpec.from_json(row["spec"]), who)


def _insert_ingest(cur: Cursor, spec: IngestSpec, who: str) -> int:
    """Inserts an ingest in the transaction of `cur`, which has locked the source."""
    cur.execute(query("list_data_sources"), {"dataset": spec.name})
    open_ingest_id = (cur.fetchone() or {})["open_ingest_id"]
    if open_ingest_id is not None:
        raise Conflict(
            f"A refresh of {spec.name!r} has not ended: ingest {open_ingest_id}.", "Wait until it ends, or cancel it."
        )
    return ingests.insert_with(cur, spec, who)


def delete(dataset: str, who: str) -> bool:
    """Deletes the source of a dataset name; False if it had none. Its versions stay."""
    with transaction() as cur:
        cur.execute(query("delete_data_source"), {"dataset": dataset})
        found: bool = cur.rowcount > 0
        if found:
            record(cur, who, "delete", "source", 0, dataset)
    return found
