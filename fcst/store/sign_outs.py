"""Sign-ins that were ended on the server."""

from collections.abc import Sequence
from datetime import datetime

from fcst.store import actions
from fcst.store.database import fetch_one, transaction
from fcst.store.queries import query


def insert(sign_in: bytes, at: datetime, days: int) -> None:
    """Ends one sign-in, identified by its hash; deletes entries older than `days`."""
    with transaction() as cur:
        cur.execute(query("delete_old_sign_outs"), {"days": days})
        cur.execute(query("insert_sign_out"), {"sign_in": sign_in, "person": None, "at": at})


def insert_person(person: str, at: datetime, days: int, who: str) -> None:
    """Ends all sign-ins of a person; deletes entries older than `days`.

    Parameters
    ----------
    at
        the current time by the app's clock, which also set the sign-in times; the database's clock may differ.
    """
    with transaction() as cur:
        cur.execute(query("delete_old_sign_outs"), {"days": days})
        cur.execute(query("insert_sign_out"), {"sign_in": None, "person": person, "at": at})
        actions.record(cur, who, "sign out", "person", 0, person)


def exists(sign_in: bytes, names: Sequence[str], since: datetime) -> bool:
    """Whether a sign-in made at `since` was ended, alone or with all sign-ins of a person with one of these names."""
    row = fetch_one("find_sign_out", sign_in=sign_in, names=list(names), since=since)
    return bool(row and row["found"])
