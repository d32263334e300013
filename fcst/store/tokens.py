"""Tokens of programs, known by their hash alone."""

from typing import Any

from fcst.store import actions
from fcst.store.database import execute, fetch_all, fetch_one, transaction
from fcst.store.queries import query


def insert(name: str, scope: str, hashed: bytes, days: int | None, who: str) -> int:
    """Keeps the hash of a token; returns the token's id."""
    with transaction() as cur:
        cur.execute(query("insert_token"), {"name": name, "scope": scope, "hash": hashed, "days": days})
        token_id = int((cur.fetchone() or {})["token_id"])
        actions.record(cur, who, "create", "token", token_id, f"{name}, {scope}")
    return token_id


def list_all() -> list[dict[str, Any]]:
    return fetch_all("list_tokens")


def find(hashed: bytes) -> dict[str, Any] | None:
    """`token_id, name, scope, is_revoked, is_expired` of the token with this hash; its use is noted."""
    found = fetch_one("find_token", hash=hashed)
    if found and found.pop("is_use_to_be_noted"):
        execute("note_token_use", token_id=found["token_id"])
    return found


def revoke(token_id: int, who: str) -> bool:
    """Ends a token; False if there is none, or it was ended before."""
    with transaction() as cur:
        cur.execute(query("revoke_token"), {"token_id": token_id})
        row = cur.fetchone()
        if row is not None:
            actions.record(cur, who, "revoke", "token", token_id, row["name"])
    return row is not None
