"""The planner's statistics, made in the transaction that writes many rows.

Without them Postgres plans for a small table until autovacuum comes, and reads all of a large one for each batch. They
become visible with the rows. A role that does not own the tables cannot make them; then Postgres warns, and autovacuum
makes them later.
"""

from psycopg2.extensions import cursor as Cursor

from fcst.store.database import transaction
from fcst.store.queries import query

MANY_ITEMS = 10_000
"""Items of a run, below which its rows are too few to mislead the planner."""


def analyze_dataset(cur: Cursor) -> None:
    """After a load."""
    cur.execute(query("analyze_dataset"))


def analyze_job(cur: Cursor, n_items: int) -> None:
    """After a submit of so many items."""
    if n_items >= MANY_ITEMS:
        cur.execute(query("analyze_job"))


def analyze_all(cur: Cursor) -> None:
    """After a migration."""
    cur.execute(query("analyze_all"))


def analyze_now() -> None:
    """After a restore: in a transaction of its own."""
    with transaction() as cur:
        analyze_all(cur)
