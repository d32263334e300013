"""Groups: aggregates the rows of all files by item and week in one pass, and counts bad rows, returns and flags.

Table `keys`: the items, numbered `i` in the order of their keys `unique_id`, with key parts k0, k1, …

View `groups`, one or more rows per item, week, flag and block of stores; consumers sum them:

    i           item number; NULL if its key is invalid
    wk          last day of the week; NULL if the date is invalid
    pm          promotion flag, see FLAGS; SIFTED for rows dropped by the row filter, NO_RECORD for rows that are not
                records
    blk, so     a block of known stores, or a store that was not in the sample
    n, ny       rows; rows with valid units
    s, nn, sn   sum of units; rows with negative units, and their sum
    nf          rows with fractional units
    v, vs       sum of sales values, and of the units with a known value; only if a file has a value or price column
    m0, m1, …   masks: one bit per store of the block and day of the week, set if there is a row
    a_…         item attributes that are not in `keys`
    is_bad      the item or the date is invalid

Daily sales of stores have many rows per group: they are summed in memory while they are read. In weekly sales nearly
every row is a group, and the sums would not fit into memory. Then each row is stored as a group, a few bytes per row,
in a database file and read back by ranges of items.

The masks detect duplicates exactly: a group with more rows than bits has two rows of the same item, store and day.
This does not need a set of all items, stores and days in memory.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import duckdb

from fcst.errors import InputError
from fcst.ingest import bad_rows
from fcst.ingest.archives import Kind
from fcst.ingest.duck import Connection, fetch_all, fetch_row, literal
from fcst.ingest.reading import SIFTED, STORES_PER_MASK, Rows, bad_key_sql, report_progress
from fcst.ingest.sources import OnProgress
from fcst.ingest.totals import TOTAL_NAMES
from fcst.names import KEY_JOINT
from fcst.specs import WIDE

BYTES_PER_GROUP = 150  # memory for summing
PROBED_ROWS = 500_000
LEAST_ROWS_PER_GROUP = 4  # minimum at which rows are summed in memory
MAX_GROUPS = 4_000_000  # read back at once

MAX_NAMED_TOTALS = 20
MAX_ADDED_UP = 20_000_000  # groups; above this, totals are not searched by their sums
LEAST_ITEMS, LEAST_WEEKS, LEAST_UNITS = 3, 8, 100  # needed to conclude that an item is the total of the others
IS_VALID = f"NOT is_bad AND pm < {SIFTED} AND ny <> 0"
"""Condition for groups that count in weekly sales."""

_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


@dataclass(frozen=True)
class Groups:
    """Definition of the view `groups`.

    Parameters
    ----------
    is_summed
        the rows of each group are summed; otherwise each row is a group in the database file.
    n
        number of rows of the view.
    n_items
        number of rows of `keys`.
    attributes
        attributes in the view; the other attributes of the sales are in `keys`.
    totals
        items that are totals of others, by name or by their sales; their rows are dropped like filtered rows.
    has_sums
        rows without an item are weekly totals; they are dropped, too.
    odd_weeks
        weeks far from all others; their rows are dropped.
    """

    rows: Rows
    is_summed: bool
    n: int
    n_items: int
    attributes: tuple[str, ...]
    totals: tuple[int, ...] = ()
    has_sums: bool = False
    odd_weeks: tuple[date, ...] = ()

    def ranges(self, most_items: int) -> Iterator[tuple[int, int]]:
        """Yields ranges of items `[low, high)` whose groups fit into memory."""
        step = max(min(most_items, MAX_GROUPS * self.n_items // max(self.n, 1)), 1)
        for low in range(0, self.n_items, step):
            yield low, min(low + step, self.n_items)

    def make_view(self, con: Connection, with_removed: bool = False) -> None:
        """Creates the view.

        Parameters
        ----------
        with_removed
            include table `removed`, which subtracts removed duplicates.
        """
        first = "SELECT * FROM numbered" if self.is_summed else self._each_row_sql()
        more = " UNION ALL BY NAME (SELECT * FROM removed)" if with_removed else ""
        if self.left_out_sql():
            left_out = f"CASE WHEN {self.left_out_sql()} THEN {SIFTED} ELSE pm END AS pm"
            first = f"SELECT * REPLACE ({left_out}) FROM ({first})"
        con.execute(f"CREATE OR REPLACE VIEW groups AS ({first}){more}")

    def left_out_sql(self) -> str:
        """SQL: whether the rows of a group are dropped, as totals or for odd dates."""
        conditions = [f"i IN ({', '.join(map(str, self.totals))})"] if self.totals else []
        conditions += [f"(i IS NULL AND wk IS NOT NULL AND pm < {SIFTED} AND is_bad)"] if self.has_sums else []
        weeks = ", ".join(f"DATE '{week}'" for week in self.odd_weeks)
        conditions += [f"wk IN ({weeks})"] if weeks else []
        return " OR ".join(conditions)

    def _each_row_sql(self) -> str:
        rows = self.rows
        if has_blocks(rows):
            n = len(rows.masks)
            bit = f"1::UHUGEINT << (coalesce(st, 0) % {STORES_PER_MASK} * 7 + 6 - x)::UHUGEINT"
            columns = [f"st // {STORES_PER_MASK * n} AS blk", "so"]
            columns += [
                f"CASE WHEN y IS NOT NULL AND coalesce(st, 0) // {STORES_PER_MASK} % {n} = {i} THEN {bit} END AS {mask}"
                for i, mask in enumerate(rows.masks)
            ]
        else:
            columns = ["0 AS blk", "NULL::VARCHAR AS so"]
            columns.append("CASE WHEN y IS NOT NULL THEN 1::UTINYINT << (6 - x)::UTINYINT END AS m0")
        if rows.has_value:
            columns += ["CASE WHEN y IS NOT NULL THEN v END AS v", "CASE WHEN v IS NOT NULL THEN y END AS vs"]
        columns += [f"a_{name}" for name in self.attributes]
        return f"""
            SELECT i, wk, pm, {", ".join(columns)}, 1 AS n, (y IS NOT NULL)::INTEGER AS ny, coalesce(y, 0) AS s,
                   coalesce(y < 0, false)::INTEGER AS nn, CASE WHEN y < 0 THEN y ELSE 0 END AS sn,
                   coalesce(y <> trunc(y), false)::INTEGER AS nf,
                   pm < {SIFTED} AND (i IS NULL OR wk IS NULL) AS is_bad
            FROM in_file.numbered
        """


def read_groups(con: Connection, rows: Rows, folder: Path, on_progress: OnProgress) -> Groups:
    """Creates the table `keys` and the view `groups` in one pass over the files.

    Parameters
    ----------
    folder
        folder for the database file of rows that are not summed.
    """
    con.execute("CREATE OR REPLACE TABLE known_stores (store VARCHAR, st INTEGER)")
    if rows.stores:
        con.execute("INSERT INTO known_stores SELECT unnest($s), unnest(range(len($s)))", {"s": list(rows.stores)})
    con.execute("DROP VIEW IF EXISTS groups; DROP TABLE IF EXISTS summed; DROP TABLE IF EXISTS numbered")
    con.execute("DROP TABLE IF EXISTS keys; DROP TABLE IF EXISTS removed")
    if count_rows(rows) * BYTES_PER_GROUP <= memory_limit(con) or _has_many_rows_per_group(con, rows):
        groups = _sum_rows(con, rows, on_progress)
    else:
        groups = _number_rows(con, rows, folder, on_progress)
    groups = replace(groups, totals=_find_totals(con, groups))
    groups.make_view(con)
    if (sums := _find_sums(con, groups)) != groups:
        groups = sums
        groups.make_view(con)
    con.execute("""
        CREATE TABLE removed AS
        SELECT * REPLACE (s::DECIMAL(38, 6) AS s, sn::DECIMAL(38, 6) AS sn) FROM groups LIMIT 0
    """)
    return groups


def memory_limit(con: Connection) -> int:
    """DuckDB's memory limit in bytes."""
    (text,) = fetch_row(con, "SELECT current_setting('memory_limit')")
    found = re.fullmatch(r"([\d.]+) ?(\w+)", text)
    assert found and (found[2] in _UNITS or found[2] == "bytes"), text
    return int(float(found[1]) * _UNITS.get(found[2], 1))


def _find_totals(con: Connection, groups: Groups) -> tuple[int, ...]:
    """Finds items with the name of a total in any part of their key; none if all items have one."""
    words = ", ".join(map(literal, TOTAL_NAMES))
    is_total = " OR ".join(f"lower(trim({key}, ' :*')) IN ({words})" for key in groups.rows.keys)
    found = tuple(row[0] for row in fetch_all(con, f"SELECT i FROM keys WHERE {is_total} ORDER BY i LIMIT 1000"))
    return found if len(found) < groups.n_items else ()


def _find_sums(con: Connection, groups: Groups) -> Groups:
    """Drops the totals of all items in each week: rows without an item, or an item with any name.

    Two items may have equal sales by chance. A total is recognised only among at least three items and several weeks.
    """
    if groups.n > MAX_ADDED_UP or groups.n_items < LEAST_ITEMS:
        return groups
    by_week, n_alike, n_weeks = fetch_row(
        con,
        f"""
        SELECT count(s_none), count(*) FILTER (WHERE s_none = s_items), count(*) FROM (
            SELECT wk, sum(s) FILTER (WHERE i IS NULL AND ny > 0) AS s_none,
                   sum(s) FILTER (WHERE i IS NOT NULL) AS s_items
            FROM groups WHERE wk IS NOT NULL AND pm < {SIFTED} GROUP BY wk
        )
        """,
    )
    if by_week and by_week == n_alike >= min(LEAST_WEEKS, n_weeks):
        return replace(groups, has_sums=True)
    is_counted = f"NOT is_bad AND pm < {SIFTED}"
    half = fetch_all(
        con,
        f"""
        SELECT i FROM groups WHERE {is_counted} GROUP BY i
        HAVING sum(s) >= {LEAST_UNITS} AND 2 * sum(s) = (SELECT sum(s) FROM groups WHERE {is_counted})
        """,
    )
    if len(half) != 1:
        return groups
    ((item,),) = half
    n_weeks, n_alike = fetch_row(
        con,
        f"""
        SELECT count(*), count(*) FILTER (WHERE s_item = s_others) FROM (
            SELECT wk, sum(s) FILTER (WHERE i = {item}) AS s_item, sum(s) FILTER (WHERE i <> {item}) AS s_others
            FROM groups WHERE {is_counted} GROUP BY wk
        )
        """,
    )
    if n_alike == n_weeks >= LEAST_WEEKS:
        return replace(groups, totals=(*groups.totals, item))
    return groups


def count_totals(con: Connection, groups: Groups) -> tuple[tuple[str, ...], int]:
    """The keys of the dropped totals, and their number of rows."""
    if not groups.totals and not groups.has_sums:
        return (), 0
    listed = ", ".join(map(str, groups.totals)) or "NULL"
    keys = fetch_all(con, f"SELECT unique_id FROM keys WHERE i IN ({listed}) ORDER BY i LIMIT {MAX_NAMED_TOTALS}")
    is_sum = f"i IN ({listed}) OR ({groups.has_sums} AND i IS NULL AND pm = {SIFTED})"
    (n,) = fetch_row(con, f"SELECT sum(n)::BIGINT FROM groups WHERE {is_sum}")
    return (*(key for (key,) in keys), *(["rows without an item"] if groups.has_sums else [])), n


def count_rows(rows: Rows) -> int:
    """Number of rows in the files: exact for Parquet, otherwise estimated from the row length in the sample."""
    n = 0
    for part, readable in rows.parts:
        size = readable.path.stat().st_size
        if readable.table.kind == Kind.PARQUET:
            with duckdb.connect() as con:
                path = literal(str(readable.path))
                (n_here,) = fetch_row(con, f"SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata({path})")
        else:
            sample = part.table.sample
            n_bytes = sum(len(cell or "") + 1 for row in sample for cell in row)
            n_here = size * len(sample) // max(n_bytes, 1)
        is_wide = part.proposal.mapping["date"] == [WIDE]
        n += n_here * (len(part.proposal.periods) if is_wide else 1)
    return n


def _has_many_rows_per_group(con: Connection, rows: Rows) -> bool:
    """Whether the first rows have at least LEAST_ROWS_PER_GROUP rows per group."""
    by = ", ".join([*rows.keys, "wk", "pm"])
    try:
        n, n_groups = fetch_row(
            con,
            f"""
            SELECT coalesce(sum(n), 0), count(*)
            FROM (SELECT count(*) AS n FROM (SELECT * FROM ({rows.sql()}) LIMIT {PROBED_ROWS}) GROUP BY {by})
            """,
        )
    except duckdb.InvalidInputException:  # the pass over all rows hits the same error and reports it
        return True
    finally:
        bad_rows.clear_rejected(con)
    return bool(n >= LEAST_ROWS_PER_GROUP * n_groups)


def has_blocks(rows: Rows) -> bool:
    """Whether groups have masks by blocks of known stores."""
    return rows.has_store and not rows.is_lines


def _sum_rows(con: Connection, rows: Rows, on_progress: OnProgress) -> Groups:
    by, n = [*rows.keys, "wk", "pm"], len(rows.masks)
    if has_blocks(rows):
        by += [f"st // {STORES_PER_MASK * n} AS blk", "CASE WHEN st IS NULL THEN store END AS so"]
        bit = f"bit_or(1::UHUGEINT << (coalesce(st, 0) % {STORES_PER_MASK} * 7 + 6 - x)::UHUGEINT)"
        of_mask = [f" AND coalesce(st, 0) // {STORES_PER_MASK} % {n} = {i}" if n > 1 else "" for i in range(n)]
    else:
        by += ["0 AS blk", "NULL::VARCHAR AS so"]
        bit, of_mask = "bit_or(1::UTINYINT << (6 - x)::UTINYINT)", [""]
    masks = ", ".join(
        f"{bit} FILTER (WHERE y IS NOT NULL{condition}) AS {mask}"
        for mask, condition in zip(rows.masks, of_mask, strict=True)
    )
    attributes = "".join(f", max(a_{name}) AS a_{name}" for name in rows.attributes)
    value = ", sum(v) FILTER (WHERE y IS NOT NULL) AS v, sum(y) FILTER (WHERE v IS NOT NULL) AS vs"
    value = value if rows.has_value else ""
    with report_progress(con, "reading", rows.size, on_progress):
        con.execute(f"""
            CREATE TABLE summed AS
            SELECT {", ".join(by)}, count(*) AS n, count(y) AS ny, coalesce(sum(y), 0) AS s,
                   count(*) FILTER (WHERE y < 0) AS nn, coalesce(sum(y) FILTER (WHERE y < 0), 0) AS sn,
                   count(*) FILTER (WHERE y <> trunc(y)) AS nf,
                   {masks}{value}{attributes}
            FROM ({rows.sql()}) GROUP BY ALL
        """)
    keys = ", ".join(rows.keys)
    is_bad = f"pm < {SIFTED} AND (wk IS NULL OR {_is_bad_key_sql(rows)})"
    _make_keys(con, rows, f"SELECT DISTINCT {keys} FROM summed WHERE NOT ({is_bad}) AND pm < {SIFTED} AND ny > 0")
    con.execute(f"""
        CREATE TABLE numbered AS
        SELECT i, s.* EXCLUDE ({keys}), {is_bad} AS is_bad FROM summed AS s LEFT JOIN keys USING ({keys})
    """)
    con.execute("DROP TABLE summed")
    return _counted(con, rows, "numbered", True, rows.attributes)


def _number_rows(con: Connection, rows: Rows, folder: Path, on_progress: OnProgress) -> Groups:
    """Writes the rows to a database file. Text files are first copied to Parquet, so that they are parsed only once."""
    columns = [*rows.keys, "wk", "pm::UTINYINT AS pm", "x::UTINYINT AS x", "y"]
    if has_blocks(rows):
        columns += ["st", "CASE WHEN st IS NULL THEN store END AS so"]
    columns += ["v"] if rows.has_value else []
    columns += [f"a_{name}" for name in rows.attributes]
    source = f"SELECT {', '.join(columns)} FROM ({rows.sql()})"
    begin = 0.0
    if any(readable.table.kind != Kind.PARQUET for _, readable in rows.parts):
        parsed, begin = folder / "parsed.parquet", 0.4
        with report_progress(con, "reading", rows.size, on_progress, (0, begin)):
            con.execute(f"COPY ({source}) TO {literal(str(parsed))} (FORMAT parquet, COMPRESSION lz4_raw)")
        source = f"FROM read_parquet({literal(str(parsed))})"
    keys, usable = ", ".join(rows.keys), f"y IS NOT NULL AND wk IS NOT NULL AND pm < {SIFTED}"
    ends = ", ".join(
        f"{end}(a_{name}) FILTER (WHERE {usable}) AS {end}_{name}" for name in rows.attributes for end in ("min", "max")
    )
    with report_progress(con, "reading", rows.size, on_progress, (begin, begin + 0.3 * (1 - begin))):
        more = f", {ends}" if ends else ""
        by_key = f"SELECT {keys}{more} FROM ({source}) GROUP BY {keys}"
        _make_keys(con, rows, f"FROM ({by_key}) WHERE NOT ({_is_bad_key_sql(rows)})")
    differing = [
        name
        for name in rows.attributes
        if fetch_row(con, f"SELECT coalesce(bool_or(min_{name} <> max_{name}), false) FROM keys")[0]
    ]
    for name in rows.attributes:
        con.execute(f"ALTER TABLE keys DROP COLUMN max_{name}; ALTER TABLE keys RENAME COLUMN min_{name} TO a_{name}")
        if name in differing:
            con.execute(f"ALTER TABLE keys DROP COLUMN a_{name}")
    kept = [column.rsplit(" AS ", 1)[-1] for column in columns if column not in rows.keys]
    kept = [column for column in kept if not column.startswith("a_") or column.removeprefix("a_") in differing]
    con.execute("DETACH DATABASE IF EXISTS in_file")
    (folder / "rows.duckdb").unlink(missing_ok=True)
    con.execute(f"ATTACH {literal(str(folder / 'rows.duckdb'))} AS in_file")
    with report_progress(con, "reading", rows.size, on_progress, (begin + 0.3 * (1 - begin), 1)):
        con.execute(f"""
            CREATE TABLE in_file.numbered AS
            SELECT i, {", ".join(f"r.{name}" for name in kept)}
            FROM ({source}) AS r LEFT JOIN keys ON {" AND ".join(f"r.{key} = keys.{key}" for key in rows.keys)}
        """)
    (folder / "parsed.parquet").unlink(missing_ok=True)
    return _counted(con, rows, "in_file.numbered", False, tuple(differing))


def _counted(con: Connection, rows: Rows, table: str, is_summed: bool, attributes: tuple[str, ...]) -> Groups:
    n, n_items = fetch_row(con, f"SELECT (SELECT count(*) FROM {table}), (SELECT count(*) FROM keys)")
    return Groups(rows, is_summed, n, n_items, attributes)


def _make_keys(con: Connection, rows: Rows, distinct: str) -> None:
    con.execute(f"""
        CREATE TABLE keys AS
        SELECT (row_number() OVER (ORDER BY unique_id) - 1)::UINTEGER AS i, *
        FROM (SELECT {rows.unique_id} AS unique_id, * FROM ({distinct})) ORDER BY unique_id
    """)
    if len(rows.keys) > 1:
        n, n_unique = fetch_row(con, "SELECT count(*), count(DISTINCT unique_id) FROM keys")
        if n > n_unique:
            raise InputError(
                f"Different items have the same key when their columns are joined with {KEY_JOINT!r}.",
                "Map the item to a single column.",
            )


def _is_bad_key_sql(rows: Rows) -> str:
    return f"({' OR '.join(map(bad_key_sql, rows.keys))})"
