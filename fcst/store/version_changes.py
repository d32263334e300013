"""Compares a new version of a dataset with the version before, in the transaction that writes it."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from psycopg2.extensions import cursor as Cursor

from fcst.names import ENDED_AFTER_WEEKS
from fcst.quality_report import QualityReport
from fcst.store.queries import query
from fcst.version_changes import RevisedItem, VersionChanges

MAX_LISTED = 20


def save(cur: Cursor, dataset_id: int, before: Mapping[str, Any]) -> None:
    """Compares a dataset with the version before, a row of `last_version`, and adds the changes to its report."""
    cur.execute(query("get_dataset"), {"dataset_id": dataset_id})
    after = cur.fetchone() or {}
    report = QualityReport.from_json(after["report"])
    changes = {
        "since_version": before["version"],
        "is_comparable": all(after[rule] == before[rule] for rule in ("week_end", "include_promo")),
        "new_columns": tuple(name for name in report.columns if name not in before["columns"]),
        "gone_columns": tuple(name for name in before["columns"] if name not in report.columns),
    }
    if changes["is_comparable"] and not report.same_as_version:
        n_days = (after["last_wk_end_dt"] - before["last_wk_end_dt"]).days
        changes |= {"n_new_weeks": max(n_days // 7, 0), **_compare(cur, dataset_id, before["dataset_id"])}
    found = json.dumps(asdict(VersionChanges(**changes)))
    cur.execute(query("set_version_changes"), {"dataset_id": dataset_id, "changes": found})


def _compare(cur: Cursor, dataset_id: int, before_id: int) -> dict[str, Any]:
    """Fields of `VersionChanges` on items and sales."""
    fields: dict[str, Any] = {}
    ids = {"dataset_id": dataset_id, "before_id": before_id}
    for kind, name, params in (
        ("new", "list_items_without", {"dataset_id": dataset_id, "other_id": before_id}),
        ("gone", "list_items_without", {"dataset_id": before_id, "other_id": dataset_id}),
        ("ended", "list_newly_ended", ids | {"ended_days": 7 * ENDED_AFTER_WEEKS}),
    ):
        cur.execute(query(name), params | {"limit": MAX_LISTED})
        rows = cur.fetchall()
        fields[f"n_{kind}_items"] = rows[0]["n_found"] if rows else 0
        fields[f"{kind}_items"] = tuple(row["unique_id"] for row in rows)
    cur.execute(query("compare_sales"), ids | {"limit": MAX_LISTED})
    revised = cur.fetchone() or {}
    return fields | {
        "n_revised_items": revised["n_items"],
        "n_revised_weeks": revised["n_weeks"],
        "revised_units": revised["units"],
        "revised_items": tuple(RevisedItem(**item) for item in revised["largest"]),
    }
