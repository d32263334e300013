"""The one pass over the files: rows become `groups`, and everything odd is counted on the way.

View `groups`, one row for each item, week, flag and block of stores, or several whose sums are meant:

    unique_id   the item's key
    k0, k1, …   its parts
    wk          last day of the week; NULL where the date cannot be used
    pm          what the promotion flag says, see FLAGS; SIFTED for rows that the row filter leaves out
    blk, so     a block of known stores, or a store that the sample of the file did not show
    n, ny       rows; rows with usable units
    s, nn, sn   sum of units; rows with negative units, and their sum
    nf          rows with fractional units
    m0, m1, …   masks: a bit for each store of the block and day of the week that has a row
    a_…         attributes of the item, where the files have them
    is_bad      the item or the date cannot be used
    part        the partition, by a hash of the item

Daily sales of stores have many rows a group: they are summed while they are read, in memory (table `summed`). Where
nearly every row is a group of its own, as in weekly sales, a table of all of them would not fit into memory: the rows
are written to Parquet files, by partition, and each partition is summed when it is its turn.

The bits tell duplicates exactly: a group with more rows than bits has two rows of one item, store and day. Nothing has
to hold every item, store and day to find that out.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb

from fcst.ingest import bad_rows
from fcst.ingest.archives import Kind
from fcst.ingest.duck import Connection, fetch_row, literal
from fcst.ingest.reading import SIFTED, STORES_PER_MASK, Rows, bad_key_sql, watched
from fcst.ingest.sources import Tell
from fcst.specs import WIDE

ROWS_PER_PART = 3_000_000
MAX_PARTS = 96  # DuckDB keeps this many files open while it writes
BYTES_PER_GROUP = 150  # that summing takes
PROBED_ROWS = 500_000
LEAST_ROWS_PER_GROUP = 4  # for summing to be worth the memory
ROW_GROUP = 30_000  # rows that are held for each partition and thread until they are written

IS_VALID = f"NOT is_bad AND pm <> {SIFTED} AND ny <> 0"
"""Groups that make weeks."""

_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


@dataclass(frozen=True)
class Groups:
    """How the view `groups` is made.

    Parameters
    ----------
    is_summed
        the rows of each group are summed; else they are in the files of `folder`.
    """

    rows: Rows
    folder: Path
    is_summed: bool
    n_parts: int

    def make_view(self, con: Connection, with_taken_out: bool = False) -> None:
        """Makes the view.

        Parameters
        ----------
        with_taken_out
            the rows of table `taken_out` belong to it.
        """
        more = f" UNION ALL BY NAME (SELECT *, {self._made_sql()} FROM taken_out)" if with_taken_out else ""
        first = f"SELECT *, {self._made_sql()} FROM summed" if self.is_summed else self._rows_sql()
        con.execute(f"CREATE OR REPLACE VIEW groups AS ({first}){more}")

    def _made_sql(self) -> str:
        rows = self.rows
        return f"{rows.unique_id} AS unique_id, {_is_bad_sql(rows)} AS is_bad, {_part_sql(rows, self.n_parts)} AS part"

    def _rows_sql(self) -> str:
        rows = self.rows
        columns = [*([f"{rows.unique_id} AS unique_id"] if rows.n_keys > 1 else ["unique_id", "unique_id AS k0"])]
        columns += rows.keys if rows.n_keys > 1 else []
        if _has_blocks(rows):
            n = len(rows.masks)
            bit = f"1::UHUGEINT << (coalesce(st, 0) % {STORES_PER_MASK} * 7 + 6 - x)::UHUGEINT"
            columns += [f"st // {STORES_PER_MASK * n} AS blk", "so"]
            columns += [
                f"CASE WHEN y IS NOT NULL AND coalesce(st, 0) // {STORES_PER_MASK} % {n} = {i} THEN {bit} END AS {mask}"
                for i, mask in enumerate(rows.masks)
            ]
        else:
            columns += ["0 AS blk", "NULL::VARCHAR AS so"]
            columns.append("CASE WHEN y IS NOT NULL THEN 1::UTINYINT << (6 - x)::UTINYINT END AS m0")
        columns += [f"a_{name}" for name in rows.attributes]
        return f"""
            SELECT {", ".join(columns)}, wk, pm, 1 AS n, (y IS NOT NULL)::INTEGER AS ny, coalesce(y, 0) AS s,
                   coalesce(y < 0, false)::INTEGER AS nn, CASE WHEN y < 0 THEN y ELSE 0 END AS sn,
                   coalesce(y <> trunc(y), false)::INTEGER AS nf, is_bad, part
            FROM read_parquet({literal(f"{self.folder}/*/*.parquet")}, hive_partitioning = true,
                              hive_types = {{'part': INTEGER}})
        """


def read_groups(con: Connection, rows: Rows, folder: Path, on_progress: Tell) -> Groups:
    """Makes the view `groups` in one pass over the files.

    Parameters
    ----------
    folder
        for the files of rows that are not summed.
    """
    con.execute("CREATE OR REPLACE TABLE known_stores (store VARCHAR, st INTEGER)")
    if rows.stores:
        con.execute("INSERT INTO known_stores SELECT unnest($s), unnest(range(len($s)))", {"s": list(rows.stores)})
    con.execute("DROP VIEW IF EXISTS groups; DROP TABLE IF EXISTS summed; DROP TABLE IF EXISTS taken_out")
    shutil.rmtree(folder / "rows", ignore_errors=True)
    n_rows = count_rows(rows)
    if n_rows * BYTES_PER_GROUP <= memory_limit(con) or _has_many_rows_per_group(con, rows):
        _sum_rows(con, rows, on_progress)
        (n,) = fetch_row(con, "SELECT count(*) FROM summed")
        groups = Groups(rows, folder / "rows", True, n_parts_of(n))
        source = "summed"
    else:
        groups = Groups(rows, folder / "rows", False, n_parts_of(n_rows))
        _spread_rows(con, rows, groups, on_progress)
        source = f"({groups._rows_sql()})"
    groups.make_view(con)
    left_out = "" if groups.is_summed else " EXCLUDE (unique_id, is_bad, part)"
    con.execute(f"""
        CREATE TABLE taken_out AS SELECT *{left_out} REPLACE (s::DECIMAL(38, 6) AS s, sn::DECIMAL(38, 6) AS sn)
        FROM {source} LIMIT 0
    """)
    return groups


def n_parts_of(n_rows: int) -> int:
    """How many partitions so many rows are read in."""
    return min(max(-(-n_rows // ROWS_PER_PART), 1), MAX_PARTS)


def memory_limit(con: Connection) -> int:
    """Bytes that DuckDB may take."""
    (text,) = fetch_row(con, "SELECT current_setting('memory_limit')")
    found = re.fullmatch(r"([\d.]+) ?(\w+)", text)
    assert found and (found[2] in _UNITS or found[2] == "bytes"), text
    return int(float(found[1]) * _UNITS.get(found[2], 1))


def count_rows(rows: Rows) -> int:
    """How many rows the files have: exactly of Parquet, by the length of the sample's lines of text."""
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
    """Whether the first rows are summed to few groups."""
    by = ", ".join([*rows.keys, "wk", "pm"])
    try:
        n, n_groups = fetch_row(
            con,
            f"""
            SELECT coalesce(sum(n), 0), count(*)
            FROM (SELECT count(*) AS n FROM (SELECT * FROM ({rows.sql()}) LIMIT {PROBED_ROWS}) GROUP BY {by})
            """,
        )
    except duckdb.InvalidInputException:  # the pass over the files finds the same, and says which
        return True
    finally:
        bad_rows.forget_rejected(con)
    return bool(n >= LEAST_ROWS_PER_GROUP * n_groups)


def _has_blocks(rows: Rows) -> bool:
    return rows.has_store and not rows.is_lines


def _is_bad_sql(rows: Rows) -> str:
    return f"(pm <> {SIFTED} AND (wk IS NULL OR {' OR '.join(map(bad_key_sql, rows.keys))}))"


def _part_sql(rows: Rows, n_parts: int) -> str:
    return f"(hash({rows.unique_id}) % {n_parts})::INTEGER" if n_parts > 1 else "0"


def _sum_rows(con: Connection, rows: Rows, on_progress: Tell) -> None:
    """Table `summed`."""
    by, n = [*rows.keys, "wk", "pm"], len(rows.masks)
    if _has_blocks(rows):
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
    with watched(con, "reading", rows.size, on_progress):
        con.execute(f"""
            CREATE TABLE summed AS
            SELECT {", ".join(by)}, count(*) AS n, count(y) AS ny, coalesce(sum(y), 0) AS s,
                   count(*) FILTER (WHERE y < 0) AS nn, coalesce(sum(y) FILTER (WHERE y < 0), 0) AS sn,
                   count(*) FILTER (WHERE y <> trunc(y)) AS nf,
                   {masks}{attributes}
            FROM ({rows.sql()}) GROUP BY ALL
        """)


def _spread_rows(con: Connection, rows: Rows, groups: Groups, on_progress: Tell) -> None:
    """The files of rows, in a folder for each partition."""
    columns = [f"{rows.unique_id} AS unique_id", *(rows.keys if rows.n_keys > 1 else [])]
    columns += ["wk", "pm::UTINYINT AS pm", "x", "y"]
    if _has_blocks(rows):
        columns += ["st", "CASE WHEN st IS NULL THEN store END AS so"]
    columns += [f"a_{name}" for name in rows.attributes]
    with watched(con, "reading", rows.size, on_progress):
        con.execute(f"""
            COPY (SELECT {", ".join(columns)}, {_is_bad_sql(rows)} AS is_bad, {_part_sql(rows, groups.n_parts)} AS part
                  FROM ({rows.sql()}))
            TO {literal(str(groups.folder))}
            (FORMAT parquet, PARTITION_BY (part), ROW_GROUP_SIZE {ROW_GROUP}, COMPRESSION lz4_raw)
        """)
