"""Planner statistics (ANALYZE), updated in the transaction that writes many rows.

Otherwise Postgres plans for a small table until autovacuum runs, and reads all of a large table for each batch. The
statistics become visible with the rows. A role that does not own the tables cannot run ANALYZE; Postgres then logs a
warning, and autovacuum updates the statistics later.
"""

from psycopg2.extensions import cursor as Cursor

from fcst.store.database import transaction
from fcst.store.queries import query

MANY_ITEMS = 10_000
"""Minimum number of a run's items for ANALYZE; smaller runs do not mislead the planner."""


def analyze_dataset(cur: Cursor) -> None:
    """Updates the statistics after a load."""
    cur.execute(query("analyze_dataset"))


def analyze_job(cur: Cursor, n_items: int) -> None:
    """Updates the statistics after the submission of a run with `n_items` items."""
    if n_items >= MANY_ITEMS:
        cur.execute(query("analyze_job"))


def analyze_all(cur: Cursor) -> None:
    """Updates the statistics after a migration."""
    cur.execute(query("analyze_all"))


def analyze_now() -> None:
    """Updates the statistics after a restore, in a transaction of its own."""
    with transaction() as cur:
        analyze_all(cur)
