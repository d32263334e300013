"""Items in parts, by a hash of their key: what is done part by part needs memory for one of them only."""

from collections.abc import Sequence

from fcst.ingest.duck import Connection, fetch_row, memory_limit

N_BUCKETS = 256
BASE_BYTES = 64_000_000
BYTES_A_GROUP = 600  # that a row of `groups` needs where its part is made into weeks; measured


def part_sql(keys: Sequence[str]) -> str:
    """The bucket of an item, 0 to 255, from the parts of its key."""
    return f"(hash({', '.join(keys)}) % {N_BUCKETS})::UTINYINT"


def split_parts(con: Connection) -> list[str]:
    """Conditions on `part`, one for each part of the items; together they hold for all.

    As many parts as `groups` needs for each to fit into the memory, beside what DuckDB needs anyway.
    """
    (n_groups,) = fetch_row(con, "SELECT count(*) FROM groups")
    memory = max(memory_limit(con) - BASE_BYTES, BASE_BYTES // 8)
    n_parts = 1
    while n_parts < N_BUCKETS and n_groups * BYTES_A_GROUP > n_parts * memory:
        n_parts *= 2
    size = N_BUCKETS // n_parts
    return [f"part BETWEEN {first} AND {first + size - 1}" for first in range(0, N_BUCKETS, size)]
