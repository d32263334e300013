"""Attributes of a dataset's items: which there are, and what files that were loaded say of them."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby, islice
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from fcst.attributes import MAX_LISTED, Attribute, AttributeFile, Saved
from fcst.errors import InputError, NotFound
from fcst.names import KEY_JOINT
from fcst.store import item_filters
from fcst.store.actions import record
from fcst.store.database import fetch_all, transaction
from fcst.store.queries import query

ROWS_AT_ONCE = 20_000
MAX_NAMED = 10
"""Keys that a report names."""


def insert_own(cur: Cursor, dataset_id: int, attributes: Sequence[Attribute]) -> None:
    """Writes which attributes came with the sales, in the caller's transaction."""
    rows = json.dumps([asdict(attribute) for attribute in attributes])
    cur.execute(query("insert_attributes"), {"dataset_id": dataset_id, "rows": rows, "created_by": ""})


def list_known(dataset_id: int) -> list[Attribute]:
    """The attributes of a dataset: its own first."""
    return [Attribute.from_row(row) for row in fetch_all("list_attributes", dataset_id=dataset_id)]


def save(dataset_id: int, file: AttributeFile, who: str) -> Saved:
    """Writes values of attributes in place of those that their keys have, and gives them to the items, in one
    transaction.

    Raises
    ------
    NotFound
        if the dataset was deleted; InputError, if no item has any of the keys. Nothing is saved then.
    """
    with transaction() as cur:
        _count_change(cur, dataset_id)
        unknown = _find_unknown(cur, dataset_id, file)
        if len(unknown) == len(file.rows):
            by = " and ".join(file.keyed_by) or "item"
            raise InputError(
                f"No item of the dataset has a key of {file.source}, such as {unknown[0]!r} ({by}).",
                "Keys must match to the letter.",
            )
        rows = (
            {"name": name, "key": key, "value": value or None}
            for key, values in file.rows
            for name, value in zip(file.names, values, strict=True)
        )
        while some := list(islice(rows, ROWS_AT_ONCE)):
            cur.execute(query("save_attribute_values"), {"dataset_id": dataset_id, "rows": json.dumps(some)})
        _apply(cur, dataset_id, file.names, file.keyed_by)
        _know(cur, dataset_id, file.names, file.keyed_by, file.source, who)
        cur.execute(query("count_items_with"), {"dataset_id": dataset_id, "names": list(file.names)})
        n_items = (cur.fetchone() or {})["n_items"]
        record(cur, who, "save", "attributes", dataset_id, f"{', '.join(file.names)}: {file.source}"[:200])
    return Saved(len(file.rows) - len(unknown), n_items, len(unknown), tuple(unknown[:MAX_NAMED]))


def remove(dataset_id: int, attribute: Attribute, who: str) -> None:
    """Removes an attribute that was loaded, and its values from the items.

    Raises
    ------
    NotFound
        if the dataset was deleted.
    """
    with transaction() as cur:
        _count_change(cur, dataset_id)
        cur.execute(query("remove_attribute_values"), {"dataset_id": dataset_id, "name": attribute.name})
        _apply(cur, dataset_id, (attribute.name,), attribute.keyed_by)
        _know(cur, dataset_id, (attribute.name,), attribute.keyed_by, attribute.source, who)
        record(cur, who, "delete", "attributes", dataset_id, attribute.name)


def carry(cur: Cursor, name: str, dataset_id: int) -> None:
    """Gives a new version of a dataset the attributes that were loaded for the version before. Its report names those
    that it does not take over: it has them itself, or has not their keys."""
    cur.execute(query("find_version_before"), {"dataset_id": dataset_id, "name": name})
    row = cur.fetchone()
    if row is None:
        return
    cur.execute(query("list_attributes"), {"dataset_id": row["dataset_id"]})
    loaded = [found for found in map(Attribute.from_row, cur.fetchall()) if not found.is_own]
    if not loaded:
        return
    cur.execute(query("list_attributes"), {"dataset_id": dataset_id})
    own = {found["name"] for found in cur.fetchall()}
    taken = [found for found in loaded if found.name not in own and set(found.keyed_by) <= own]
    cur.execute(query("carry_attributes"), {"dataset_id": dataset_id, "before": row["dataset_id"]})
    for found in taken:
        _apply(cur, dataset_id, (found.name,), found.keyed_by)
        _know(cur, dataset_id, (found.name,), found.keyed_by, found.source, "")
    if dropped := [found.name for found in loaded if found not in taken]:
        doubt = f"Attributes that were loaded before are not taken over: {', '.join(dropped)}."
        cur.execute(query("add_doubt"), {"dataset_id": dataset_id, "doubt": doubt})


def describe_added(cur: Cursor, dataset_id: int) -> None:
    """Gives items without sales, which lifecycles have added, their attributes, in the caller's transaction."""
    cur.execute(query("describe_added_items"), {"dataset_id": dataset_id, "joint": KEY_JOINT})
    if not cur.rowcount:
        return
    cur.execute(query("list_attributes"), {"dataset_id": dataset_id})
    loaded = [found for found in map(Attribute.from_row, cur.fetchall()) if not found.is_own]
    for keyed_by, alike in groupby(sorted(loaded, key=lambda found: found.keyed_by), lambda found: found.keyed_by):
        _apply(cur, dataset_id, [found.name for found in alike], keyed_by)


def _count_change(cur: Cursor, dataset_id: int) -> None:
    """Counts a change, while no other one changes the dataset's attributes."""
    cur.execute(query("next_attribute_change"), {"dataset_id": dataset_id})
    if cur.fetchone() is None:
        raise NotFound(f"Dataset {dataset_id} was deleted.", "Choose another.")


def _find_unknown(cur: Cursor, dataset_id: int, file: AttributeFile) -> list[str]:
    """The keys of a file that no item has."""
    params: dict[str, Any] = {}
    statement = sql.SQL(query("list_unknown_keys")).format(key=_key(file.keyed_by, params))
    keys = iter(file.rows)
    unknown: list[str] = []
    while some := [{"key": key} for key, _ in islice(keys, ROWS_AT_ONCE)]:
        cur.execute(statement, params | {"dataset_id": dataset_id, "rows": json.dumps(some)})
        unknown += [KEY_JOINT.join(row["key"]) for row in cur.fetchall()]
    return unknown


def _apply(cur: Cursor, dataset_id: int, names: Sequence[str], keyed_by: Sequence[str]) -> None:
    """Gives the items of a dataset the values of attributes that are by the same key."""
    params: dict[str, Any] = {"dataset_id": dataset_id, "names": list(names)}
    statement = sql.SQL(query("apply_attribute_values")).format(key=_key(keyed_by, params))
    cur.execute(statement, params)


def _know(cur: Cursor, dataset_id: int, names: Sequence[str], keyed_by: Sequence[str], source: str, who: str) -> None:
    values = {"dataset_id": dataset_id, "names": list(names), "keyed_by": list(keyed_by)}
    cur.execute(query("know_attributes"), values | {"source": source, "created_by": who, "most": MAX_LISTED})


def _key(keyed_by: Sequence[str], params: dict[str, Any]) -> sql.Composable:
    """The key of the item d, as files of attributes have it: an array of texts."""
    parts = [item_filters.attribute_value(name, f"key_{n}", params) for n, name in enumerate(keyed_by)]
    return sql.SQL("ARRAY[{}]").format(sql.SQL(", ").join(parts or [sql.SQL("d.unique_id")]))
