"""Attributes of a dataset's items: which there are, and files of them."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from psycopg2.extensions import cursor as Cursor

from fcst.attributes import Attribute
from fcst.names import KEY_JOINT
from fcst.store.database import fetch_all
from fcst.store.queries import query


def insert_own(cur: Cursor, dataset_id: int, attributes: Sequence[Attribute]) -> None:
    """Writes which attributes came with the sales, in the caller's transaction."""
    rows = json.dumps([asdict(attribute) for attribute in attributes])
    cur.execute(query("insert_attributes"), {"dataset_id": dataset_id, "rows": rows, "created_by": ""})


def describe_added(cur: Cursor, dataset_id: int) -> None:
    """Gives items without sales, which lifecycles have added, their attributes, in the caller's transaction."""
    cur.execute(query("describe_added_items"), {"dataset_id": dataset_id, "joint": KEY_JOINT})


def list_known(dataset_id: int) -> list[Attribute]:
    """The attributes of a dataset: its own first."""
    return [Attribute.from_row(row) for row in fetch_all("list_attributes", dataset_id=dataset_id)]
