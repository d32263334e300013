"""Lifecycles of a dataset's items: what counts now, and what counted when a run was submitted."""

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
"""Items that a sentence names."""

Check = Callable[[Mapping[str, bool], Mapping[str, Sequence[str]]], None]
"""Raises InputError where lifecycles cannot be saved. It gets items of the dataset -> whether they have own sales, and
items whose history begins with that of others -> those."""


def find(dataset_id: int, limit: int | None, skip: int = 0) -> list[StoredLifecycle]:
    """A page of the lifecycles that count now, by item."""
    return [
        StoredLifecycle.from_row(row)
        for row in fetch_all("list_lifecycles", dataset_id=dataset_id, limit=limit, skip=skip)
    ]


def count(dataset_id: int) -> int:
    """How many lifecycles count now."""
    return int((fetch_one("count_lifecycles", dataset_id=dataset_id) or {})["n_found"])


def last_change(dataset_id: int) -> int:
    """The number of the last change of a dataset's lifecycles; 0 where there was none."""
    return int((fetch_one("last_lifecycle_change", dataset_id=dataset_id) or {"lifecycle": 0})["lifecycle"])


def known_at(dataset_id: int, change: int, unique_ids: Sequence[str]) -> list[Lifecycle]:
    """The lifecycles of some items as of a change."""
    rows = fetch_all("lifecycles_at", dataset_id=dataset_id, change=change, unique_ids=list(unique_ids))
    return [lifecycle_of(row) for row in rows]


def replaced_at(dataset_id: int, change: int, unique_ids: Sequence[str]) -> list[tuple[str, date | None]]:
    """Those of some items that others replace, as of a change, each with the day on which one of these is launched;
    None: it has not sold yet, and no day is known."""
    rows = fetch_all("replaced_at", dataset_id=dataset_id, change=change, unique_ids=list(unique_ids))
    return [(row["unique_id"], row["launch"]) for row in rows]


def save(dataset_id: int, lifecycles: Sequence[Lifecycle], who: str, check: Check) -> None:
    """Writes lifecycles in place of those that their items have, in one transaction; items that the dataset lacks are
    added to it.

    Parameters
    ----------
    check
        is called while no other change of the dataset's lifecycles can come between.

    Raises
    ------
    NotFound
        if the dataset was deleted; InputError, as `check` says. Nothing is saved then.
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
    """An item's lifecycle counts no longer, for runs to come; False if it has none. An item that was added for it goes,
    unless a run has it.

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
    """Adds the items that lifecycles name and the dataset does not have."""
    cur.execute(query("add_items_of_lifecycles"), {"dataset_id": dataset_id})
    attributes.describe_added(cur, dataset_id)
    cur.execute(query("count_items_again"), {"dataset_id": dataset_id})


def _next_change(cur: Cursor, dataset_id: int) -> int:
    """A number for a change, while no other one changes the dataset."""
    cur.execute(query("next_lifecycle_change"), {"dataset_id": dataset_id})
    if (row := cur.fetchone()) is None:
        raise NotFound(f"Dataset {dataset_id} was deleted.", "Choose another.")
    return int(row["lifecycle"])


def carry(cur: Cursor, name: str, dataset_id: int) -> None:
    """Gives a new version of a dataset the lifecycles of the version before, and the items that they add. Its report
    names the items whose lifecycle it does not take over, for it has neither them nor what comes before them."""
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
        doubt = (
            f"The lifecycles of {', '.join(dropped[:MAX_NAMED])}{more} were dropped: their items are not in the files."
        )
        cur.execute(query("add_doubt"), {"dataset_id": dataset_id, "doubt": doubt})
