"""Lifecycles of a dataset's items: the current ones, and those at the time of a run's submission."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date

from psycopg2.extensions import cursor as Cursor

from fcst.errors import NotFound
from fcst.lifecycles import Lifecycle, StoredLifecycle, lifecycle_of
from fcst.store import attributes
from fcst.store.actions import record
from fcst.store.database import fetch_all, fetch_one, transaction
from fcst.store.queries import query

MAX_NAMED = 10
"""Maximum number of items listed in a message."""

Check = Callable[[Mapping[str, bool], Mapping[str, Sequence[str]]], None]
"""Raises InputError if lifecycles cannot be saved. Arguments: item of the dataset -> whether it has sales of its own;
item -> the items whose history precedes its own."""


def find(dataset_id: int, limit: int | None, skip: int = 0) -> list[StoredLifecycle]:
    """A page of the current lifecycles, by item."""
    return [
        StoredLifecycle.from_row(row)
        for row in fetch_all("list_lifecycles", dataset_id=dataset_id, limit=limit, skip=skip)
    ]


def count(dataset_id: int) -> int:
    """The number of current lifecycles."""
    return int((fetch_one("count_lifecycles", dataset_id=dataset_id) or {})["n_found"])


def last_change(dataset_id: int) -> int:
    """The number of the last change of a dataset's lifecycles; 0 without changes."""
    return int((fetch_one("last_lifecycle_change", dataset_id=dataset_id) or {"lifecycle": 0})["lifecycle"])


def known_at(dataset_id: int, change: int, unique_ids: Sequence[str]) -> list[Lifecycle]:
    """The lifecycles of some items as of a change number."""
    rows = fetch_all("lifecycles_at", dataset_id=dataset_id, change=change, unique_ids=list(unique_ids))
    return [lifecycle_of(row) for row in rows]


def replaced_at(dataset_id: int, change: int, unique_ids: Sequence[str]) -> list[tuple[str, date | None]]:
    """The given items that others replace, as of a change number, each with the launch day of a replacement.

    The day is None if the replacement has no sales and no known launch day.
    """
    rows = fetch_all("replaced_at", dataset_id=dataset_id, change=change, unique_ids=list(unique_ids))
    return [(row["unique_id"], row["launch"]) for row in rows]


def save(dataset_id: int, lifecycles: Sequence[Lifecycle], who: str, check: Check) -> None:
    """Saves lifecycles, replacing those of the same items, in one transaction; adds missing items to the dataset.

    Parameters
    ----------
    check
        called while the dataset's lifecycles are locked.

    Raises
    ------
    NotFound
        if the dataset was deleted.
    InputError
        raised by `check`. Nothing is saved then.
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
        keys = {key for each in lifecycles for key in (each.unique_id, *(s.unique_id for s in each.sources))}
        cur.execute(query("known_sources"), {"dataset_id": dataset_id, "unique_ids": sorted(keys)})
        has_sales = {row["unique_id"]: not row["is_added"] for row in cur.fetchall()}
        cur.execute(query("current_sources"), {"dataset_id": dataset_id})
        check(has_sales, {row["unique_id"]: row["sources"] for row in cur.fetchall()})
        ended = {"dataset_id": dataset_id, "change": change, "unique_ids": [row["unique_id"] for row in rows]}
        cur.execute(query("end_lifecycles"), ended)
        added = {"dataset_id": dataset_id, "change": change, "rows": json.dumps(rows), "created_by": who}
        cur.execute(query("insert_lifecycles"), added)
        _add_items(cur, dataset_id)
        record(cur, who, "save", "lifecycles", dataset_id, f"{len(rows):,} items")


def remove(dataset_id: int, unique_id: str, who: str) -> bool:
    """Removes an item's lifecycle for future runs; False if it has none.

    Also deletes an item that was added for the lifecycle, unless a run has it.

    Raises
    ------
    NotFound
        if the dataset was deleted.
    """
    with transaction() as cur:
        change = _next_change(cur, dataset_id)
        cur.execute(query("end_lifecycles"), {"dataset_id": dataset_id, "change": change, "unique_ids": [unique_id]})
        is_removed = bool(cur.rowcount)
        cur.execute(query("remove_added_item"), {"dataset_id": dataset_id, "unique_id": unique_id})
        cur.execute(query("count_items_again"), {"dataset_id": dataset_id})
        if is_removed:
            record(cur, who, "delete", "lifecycles", dataset_id, unique_id)
    return is_removed


def _add_items(cur: Cursor, dataset_id: int) -> None:
    """Adds items that have lifecycles but are missing in the dataset."""
    cur.execute(query("add_items_of_lifecycles"), {"dataset_id": dataset_id})
    attributes.describe_added(cur, dataset_id)
    cur.execute(query("count_items_again"), {"dataset_id": dataset_id})


def _next_change(cur: Cursor, dataset_id: int) -> int:
    """Locks the dataset's lifecycles and returns a new change number."""
    cur.execute(query("next_lifecycle_change"), {"dataset_id": dataset_id})
    if (row := cur.fetchone()) is None:
        raise NotFound(f"Dataset {dataset_id} was deleted.", "Choose another.")
    return int(row["lifecycle"])


def carry(cur: Cursor, name: str, dataset_id: int) -> None:
    """Copies lifecycles from the previous version of a dataset to a new one, and adds their items.

    Lifecycles of items that the new version lacks, with their predecessors, are dropped; the report lists them.
    """
    cur.execute(query("find_version_before"), {"dataset_id": dataset_id, "name": name})
    row = cur.fetchone()
    if row is None or not row["has_lifecycles"]:
        return
    versions = {"dataset_id": dataset_id, "before": row["dataset_id"]}
    cur.execute(query("carry_lifecycles"), versions | {"change": _next_change(cur, dataset_id)})
    _add_items(cur, dataset_id)
    cur.execute(query("dropped_lifecycles"), versions)
    if dropped := [row["unique_id"] for row in cur.fetchall()]:
        more = f" and {len(dropped) - MAX_NAMED:,} more" if len(dropped) > MAX_NAMED else ""
        warning = (
            f"The lifecycles of {', '.join(dropped[:MAX_NAMED])}{more} were dropped: the files do not have these items."
        )
        cur.execute(query("add_warning"), {"dataset_id": dataset_id, "warning": warning})
