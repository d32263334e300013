"""Lifecycles of a dataset's items: what counts now, and what counted when a run was submitted."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from psycopg2.extensions import cursor as Cursor

from fcst.errors import NotFound
from fcst.lifecycles import Lifecycle, StoredLifecycle, lifecycle_of
from fcst.store.actions import record
from fcst.store.database import fetch_all, transaction
from fcst.store.queries import query


@dataclass(frozen=True)
class KnownLifecycle:
    """A lifecycle as a run knows it; `first_wk_end_dt` is the week of the item's first sale, None without one."""

    lifecycle: Lifecycle
    first_wk_end_dt: date | None


def find(dataset_id: int, limit: int | None, skip: int = 0) -> tuple[list[StoredLifecycle], int]:
    """A page of the lifecycles that count now, by item, and how many there are."""
    rows = fetch_all("list_lifecycles", dataset_id=dataset_id, limit=limit, skip=skip)
    n_found = rows[0]["n_found"] if rows else 0
    return [StoredLifecycle.from_row(row) for row in rows], n_found


def known_at(dataset_id: int, change: int, unique_ids: Sequence[str]) -> list[KnownLifecycle]:
    """The lifecycles, as of a change, of some items, and those that have one of them as a source."""
    rows = fetch_all("lifecycles_at", dataset_id=dataset_id, change=change, unique_ids=list(unique_ids))
    return [KnownLifecycle(lifecycle_of(row), row["first_wk_end_dt"]) for row in rows]


def save(dataset_id: int, lifecycles: Sequence[Lifecycle], who: str) -> None:
    """Writes lifecycles in place of those that their items have, in one transaction; items that the dataset lacks are
    added to it.

    Raises
    ------
    NotFound
        if the dataset was deleted.
    """
    rows = [
        {
            "unique_id": found.unique_id,
            "origin": found.origin,
            "sources": [source.unique_id for source in found.sources],
            "factors": [source.factor for source in found.sources],
            "launch": found.launch and found.launch.isoformat(),
            "last_day": found.last_day and found.last_day.isoformat(),
        }
        for found in lifecycles
    ]
    with transaction() as cur:
        change = _next_change(cur, dataset_id)
        ended = {"dataset_id": dataset_id, "change": change, "unique_ids": [row["unique_id"] for row in rows]}
        cur.execute(query("end_lifecycles"), ended)
        added = {"dataset_id": dataset_id, "change": change, "rows": json.dumps(rows), "created_by": who}
        cur.execute(query("insert_lifecycles"), added)
        cur.execute(query("add_items_of_lifecycles"), {"dataset_id": dataset_id})
        record(cur, who, "save", "lifecycles", dataset_id, f"{len(rows):,} items")


def remove(dataset_id: int, unique_ids: Sequence[str], who: str) -> int:
    """The lifecycles of some items count no longer, for runs to come; returns how many there were. Items that were
    added for them go, unless a run has them.

    Raises
    ------
    NotFound
        if the dataset was deleted.
    """
    with transaction() as cur:
        which = {"dataset_id": dataset_id, "unique_ids": list(unique_ids)}
        cur.execute(query("end_lifecycles"), which | {"change": _next_change(cur, dataset_id)})
        n_removed = int(cur.rowcount)
        cur.execute(query("remove_added_items"), which)
        if n_removed:
            record(cur, who, "delete", "lifecycles", dataset_id, f"{n_removed:,} items")
    return n_removed


def _next_change(cur: Cursor, dataset_id: int) -> int:
    """A number for a change, while no other one changes the dataset."""
    cur.execute(query("next_lifecycle_change"), {"dataset_id": dataset_id})
    if (row := cur.fetchone()) is None:
        raise NotFound(f"Dataset {dataset_id} was deleted.", "Choose another.")
    return int(row["lifecycle"])


def carry(cur: Cursor, name: str, dataset_id: int) -> None:
    """Gives a new version of a dataset the lifecycles of the version before, and the items that they add."""
    cur.execute(query("has_lifecycles_before"), {"dataset_id": dataset_id, "name": name})
    if (cur.fetchone() or {})["found"]:
        change = _next_change(cur, dataset_id)
        cur.execute(query("carry_lifecycles"), {"dataset_id": dataset_id, "name": name, "change": change})
        cur.execute(query("add_items_of_lifecycles"), {"dataset_id": dataset_id})


def find_items(dataset_id: int, unique_ids: Sequence[str]) -> dict[str, bool]:
    """Those of some keys that are items of a dataset -> whether they have sales of their own."""
    rows = fetch_all("known_sources", dataset_id=dataset_id, unique_ids=list(unique_ids))
    return {row["unique_id"]: not row["is_added"] for row in rows}


def sources(dataset_id: int) -> dict[str, list[str]]:
    """Items whose history begins with that of others -> those, as it counts now."""
    rows = fetch_all("current_sources", dataset_id=dataset_id)
    return {row["unique_id"]: row["sources"] for row in rows}
