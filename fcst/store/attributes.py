"""Attributes of a dataset's items: definitions, and values from loaded files."""

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
"""Maximum number of keys listed in a report."""


def insert_own(cur: Cursor, dataset_id: int, attributes: Sequence[Attribute]) -> None:
    """Stores the attributes that came with the sales, in the caller's transaction."""
    rows = json.dumps([asdict(attribute) for attribute in attributes])
    cur.execute(query("insert_attributes"), {"dataset_id": dataset_id, "rows": rows, "created_by": ""})


def list_known(dataset_id: int) -> list[Attribute]:
    """The attributes of a dataset; those that came with the sales first."""
    return [Attribute.from_row(row) for row in fetch_all("list_attributes", dataset_id=dataset_id)]


def save(dataset_id: int, file: AttributeFile, who: str) -> Saved:
    """Stores attribute values, replacing those of the same keys, and applies them to the items, in one transaction.

    Raises
    ------
    NotFound
        if the dataset was deleted.
    InputError
        if no item has any of the keys. Nothing is saved then.
    """
    with transaction() as cur:
        _count_change(cur, dataset_id)
        unknown = _find_unknown(cur, dataset_id, file)
        if len(unknown) == len(file.rows):
            by = " and ".join(file.keyed_by) or "item"
            raise InputError(
                f"No item of the dataset matches a key in {file.source}, such as {unknown[0]!r} ({by}).",
                "Keys must match exactly.",
            )
        rows = (
            {"name": name, "key": key, "value": value or None}
            for key, values in file.rows
            for name, value in zip(file.names, values, strict=True)
        )
        while some := list(islice(rows, ROWS_AT_ONCE)):
            cur.execute(query("save_attribute_values"), {"dataset_id": dataset_id, "rows": json.dumps(some)})
        _apply(cur, dataset_id, file.names, file.keyed_by)
        _update_definitions(cur, dataset_id, file.names, file.keyed_by, file.source, who)
        cur.execute(query("count_items_with"), {"dataset_id": dataset_id, "names": list(file.names)})
        n_items = (cur.fetchone() or {})["n_items"]
        record(cur, who, "save", "attributes", dataset_id, f"{', '.join(file.names)}: {file.source}"[:200])
    return Saved(len(file.rows) - len(unknown), n_items, len(unknown), tuple(unknown[:MAX_NAMED]))


def remove(dataset_id: int, attribute: Attribute, who: str) -> None:
    """Removes a loaded attribute and its values from the items.

    Raises
    ------
    NotFound
        if the dataset was deleted.
    """
    with transaction() as cur:
        _count_change(cur, dataset_id)
        cur.execute(query("remove_attribute_values"), {"dataset_id": dataset_id, "name": attribute.name})
        _apply(cur, dataset_id, (attribute.name,), attribute.keyed_by)
        _update_definitions(cur, dataset_id, (attribute.name,), attribute.keyed_by, attribute.source, who)
        record(cur, who, "delete", "attributes", dataset_id, attribute.name)


def carry(cur: Cursor, name: str, dataset_id: int) -> None:
    """Copies loaded attributes from the previous version of a dataset to a new one.

    Attributes that came with the new sales, or whose key columns are missing, are not copied; the report lists them.
    """
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
    copied = [found for found in loaded if found.name not in own and set(found.keyed_by) <= own]
    cur.execute(query("carry_attributes"), {"dataset_id": dataset_id, "before": row["dataset_id"]})
    for found in copied:
        _apply(cur, dataset_id, (found.name,), found.keyed_by)
        _update_definitions(cur, dataset_id, (found.name,), found.keyed_by, found.source, "")
    if dropped := [found.name for found in loaded if found not in copied]:
        warning = f"Loaded attributes of the previous version were not copied: {', '.join(dropped)}."
        cur.execute(query("add_warning"), {"dataset_id": dataset_id, "warning": warning})


def describe_added(cur: Cursor, dataset_id: int) -> None:
    """Sets the attributes of items without sales, which lifecycles have added, in the caller's transaction."""
    cur.execute(query("describe_added_items"), {"dataset_id": dataset_id, "joint": KEY_JOINT})
    if not cur.rowcount:
        return
    cur.execute(query("list_attributes"), {"dataset_id": dataset_id})
    loaded = [found for found in map(Attribute.from_row, cur.fetchall()) if not found.is_own]
    for keyed_by, alike in groupby(sorted(loaded, key=lambda found: found.keyed_by), lambda found: found.keyed_by):
        _apply(cur, dataset_id, [found.name for found in alike], keyed_by)


def _count_change(cur: Cursor, dataset_id: int) -> None:
    """Increments the change number and locks the dataset's attributes."""
    cur.execute(query("next_attribute_change"), {"dataset_id": dataset_id})
    if cur.fetchone() is None:
        raise NotFound(f"Dataset {dataset_id} was deleted.", "Choose another.")


def _find_unknown(cur: Cursor, dataset_id: int, file: AttributeFile) -> list[str]:
    """The keys of a file that match no item."""
    params: dict[str, Any] = {}
    statement = sql.SQL(query("list_unknown_keys")).format(key=_key(file.keyed_by, params))
    keys = iter(file.rows)
    unknown: list[str] = []
    while some := [{"key": key} for key, _ in islice(keys, ROWS_AT_ONCE)]:
        cur.execute(statement, params | {"dataset_id": dataset_id, "rows": json.dumps(some)})
        unknown += [KEY_JOINT.join(row["key"]) for row in cur.fetchall()]
    return unknown


def _apply(cur: Cursor, dataset_id: int, names: Sequence[str], keyed_by: Sequence[str]) -> None:
    """Applies the stored values of attributes with the same key columns to the items."""
    params: dict[str, Any] = {"dataset_id": dataset_id, "names": list(names)}
    statement = sql.SQL(query("apply_attribute_values")).format(key=_key(keyed_by, params))
    cur.execute(statement, params)


def _update_definitions(
    cur: Cursor, dataset_id: int, names: Sequence[str], keyed_by: Sequence[str], source: str, who: str
) -> None:
    values = {"dataset_id": dataset_id, "names": list(names), "keyed_by": list(keyed_by)}
    cur.execute(
        query("update_attribute_definitions"), values | {"source": source, "created_by": who, "most": MAX_LISTED}
    )


def _key(keyed_by: Sequence[str], params: dict[str, Any]) -> sql.Composable:
    """SQL of the key of the item d, as in attribute files: an array of texts."""
    parts = [item_filters.attribute_value(name, f"key_{n}", params) for n, name in enumerate(keyed_by)]
    return sql.SQL("ARRAY[{}]").format(sql.SQL(", ").join(parts or [sql.SQL("d.unique_id")]))
