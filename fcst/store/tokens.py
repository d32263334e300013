"""API tokens; only their hashes are stored."""

from dataclasses import dataclass
from datetime import datetime

from fcst.store import actions
from fcst.store.database import execute, fetch_all, fetch_one, transaction
from fcst.store.queries import query


@dataclass(frozen=True)
class Token:
    """An API token without its secret; `state` is valid, expired or revoked."""

    token_id: int
    name: str
    scope: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    state: str


def insert(name: str, scope: str, hashed: bytes, days: int | None, who: str) -> int:
    """Stores a token by its hash; returns the token's id."""
    with transaction() as cur:
        cur.execute(query("insert_token"), {"name": name, "scope": scope, "hash": hashed, "days": days})
        token_id = int((cur.fetchone() or {})["token_id"])
        actions.record(cur, who, "create", "token", token_id, f"{name}, {scope}")
    return token_id


def list_all() -> list[Token]:
    """All tokens, newest first."""
    return [Token(**row) for row in fetch_all("list_tokens")]


def find(hashed: bytes) -> Token | None:
    """Finds a token by its hash and records its use."""
    row = fetch_one("find_token", hash=hashed)
    if row is None:
        return None
    if row.pop("is_use_to_be_noted"):
        execute("note_token_use", token_id=row["token_id"])
    return Token(**row)


def revoke(token_id: int, who: str) -> bool:
    """Revokes a token; False if it does not exist or was revoked before."""
    with transaction() as cur:
        cur.execute(query("revoke_token"), {"token_id": token_id})
        row = cur.fetchone()
        if row is not None:
            actions.record(cur, who, "revoke", "token", token_id, row["name"])
    return row is not None
