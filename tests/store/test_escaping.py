"""Escaping text for spreadsheets: SQL and Python agree."""

from psycopg2 import sql

from fcst.escaping import for_spreadsheet
from fcst.store import queries
from fcst.store.database import transaction
from tests.nasty_files import KEYS
from tests.nasty_text import STAY, nasty_keys


def test_sql_and_python_escape_all_texts_alike(database: str) -> None:
    keys = list(dict.fromkeys([*nasty_keys(), *KEYS, *STAY]))
    statement = sql.SQL("SELECT key, {safe} AS safe FROM unnest(%(keys)s::text[]) key").format(
        safe=queries.for_spreadsheet("key")
    )
    with transaction() as cur:
        cur.execute(statement, {"keys": [key.replace("\0", "") for key in keys]})
        found = {row["key"]: row["safe"] for row in cur.fetchall()}
    assert len(found) > 3_000
    assert {key: safe for key, safe in found.items() if safe != for_spreadsheet(key)} == {}
