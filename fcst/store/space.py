"""Bytes of the tables, by dataset version, run and published plan."""

from typing import Any

from fcst.store.database import fetch_all


def list_tables() -> list[dict[str, Any]]:
    """Rows `kind, id, name, n_bytes`, the largest first; estimated shares whose sum is exact."""
    return fetch_all("list_space")
