"""Rows -> drivers by item and week, and the file of them that the database loads.

    sum_weeks       rows -> table `driver_weeks`: a row an item and week, a column a driver
    write_values    those -> the file
    read_own        both, of the columns of the sales' own files; `driver_plans` has that of a plan

Of the rows of a week the mean is taken. A plan may list no more than where promotions and events are: there they count
by the days that have one. Sales have no rows where nothing was sold, so that days would say how much was sold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fcst.drivers import MAX_FUTURE_WEEKS, DriverColumn, DriverReport
from fcst.errors import InputError
from fcst.ingest.cells import date_sql, number_sql
from fcst.ingest.driver_checks import Changes, check_leaks
from fcst.ingest.driver_columns import CELL, ColumnRead, read_columns
from fcst.ingest.duck import Connection, fetch_arrow, fetch_row, literal
from fcst.ingest.parts import Part
from fcst.ingest.reading import FIRST_DATE, LAST_DATE, Rows, is_blank_sql, key_sql, watched
from fcst.ingest.sources import Workspace
from fcst.ingest.tables import Readable
from fcst.names import KEY_JOINT, WEEKDAYS
from fcst.records import FloatArray
from fcst.specs import IngestSpec, has_drivers

MAX_DAYS = 800  # that a row of a plan may hold for
MAX_CELLS = 20_000_000  # weeks that are in memory at once, over all drivers

VALUES = pa.schema(
    {
        "key": pa.string(),
        "name": pa.string(),
        "first_wk_end_dt": pa.date32(),
        "values": pa.list_(pa.float64()),
    }
)
"""The file of values; NaN is unknown."""


@dataclass(frozen=True)
class DatasetWeeks:
    """The weeks of a dataset: the last days of its first and last, and on which day they end."""

    first_wk_end_dt: date
    last_wk_end_dt: date
    week_end: str


@dataclass(frozen=True)
class DriverFiles:
    """What reading drivers has made: a file of `VALUES` in the caller's folder, and what is known of it.

    The other parameters are those of `DriverLoad`.
    """

    values: Path
    source: str
    grouped_by: str
    first_day: date
    last_day: date
    columns: tuple[DriverColumn, ...]
    report: DriverReport
    key_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class DriverWeeks:
    """What `driver_weeks` holds: its columns, days covered, and how many rows were good, outside, and bad."""

    columns: tuple[ColumnRead, ...]
    first_day: date
    last_day: date
    n_rows: int
    n_outside: int
    n_bad: int
    bad: tuple[str, ...]


def read_own(
    con: Connection, rows: Rows, spec: IngestSpec, weeks: DatasetWeeks, workspace: Workspace
) -> tuple[DriverFiles | None, tuple[str, ...]]:
    """The drivers in the files of sales, and what people should know of them, a sentence each.

    None where they have none. Promotions are one only where their rows count.

    Raises
    ------
    InputError
        if a driver is the units themselves.
    """
    parts = [(part if spec.include_promo else _without_promo(part), readable) for part, readable in rows.parts]
    numbers = [
        n for n, (part, _) in enumerate(parts) if has_drivers(part.proposal.mapping) and not part.proposal.periods
    ]
    files = [parts[n] for n in numbers]
    remarks: list[str] = []
    of_files = read_columns(con, files, (), remarks)
    if not any(of_files):
        return None, tuple(remarks)
    sift = [rows.sift.get(n, "") for n in numbers]
    read = sum_weeks(con, files, of_files, spec, weeks, sift, workspace, "item")
    check_leaks(con, read.columns, read.first_day, read.last_day)
    con.execute("DELETE FROM driver_weeks WHERE key NOT IN (SELECT unique_id FROM keys)")
    report = DriverReport(n_rows=read.n_rows, n_bad=read.n_bad, bad=read.bad)
    source = ", ".join(part.table.name for part, _ in files[:5])
    return write_values(con, read, source, "item", report, workspace.new_file(), is_plan=False), tuple(remarks)


def _without_promo(part: Part) -> Part:
    return replace(part, proposal=replace(part.proposal, mapping=part.proposal.mapping | {"promo": []}))


def sum_weeks(
    con: Connection,
    files: Sequence[tuple[Part, Readable]],
    of_files: Sequence[Sequence[ColumnRead]],
    spec: IngestSpec,
    weeks: DatasetWeeks,
    sift: Sequence[str],
    workspace: Workspace,
    grouped_by: str,
) -> DriverWeeks:
    """Makes table `driver_weeks` (key, wk, n: rows, u: their units where they have some, v0, v1, …).

    Raises
    ------
    InputError
        if no row is of a week that counts.
    """
    columns = list({column.name: column for found in of_files for column in found}.values())
    kinds = {(column.name, column.kind) for found in of_files for column in found}
    if len(kinds) > len(columns):
        raise InputError("A column is a driver of two kinds in several files.", "Load them one by one.")
    size = sum(readable.path.stat().st_size for _, readable in files)
    selects = []
    for (part, readable), found, condition in zip(files, of_files, sift, strict=True):
        selects.append(_rows_sql(part, readable, spec, weeks, condition, columns, found, grouped_by))
    # Where each date is of the same weekday a row is a week; else its days are counted.
    means = ", ".join(f"avg(v{i}) AS v{i}" for i in range(len(columns)))
    bad = "".join(f", count(*) FILTER (WHERE b{i} IS NOT NULL) AS n{i}, min(b{i}) AS b{i}" for i in range(len(columns)))
    with watched(con, "reading drivers", size, workspace.on_progress):
        con.execute(f"""
            CREATE OR REPLACE TABLE driver_sums AS
            SELECT key, d + x AS wk, count(*) AS n, bit_or(1 << x) AS days, min(d) AS first_day, max(d) AS last_day,
                   sum(u) AS u, {means}{bad}
            FROM ({" UNION ALL BY NAME ".join(selects)}) GROUP BY key, d + x
        """)
    first, last = weeks.first_wk_end_dt - timedelta(days=6), weeks.last_wk_end_dt + timedelta(weeks=MAX_FUTURE_WEEKS)
    is_within = f"wk BETWEEN DATE '{weeks.first_wk_end_dt}' AND DATE '{last}'"
    n_rows, n_within, n_undated, n_weekdays, first_day, last_day = fetch_row(
        con,
        f"""
        SELECT coalesce(sum(n), 0)::BIGINT, coalesce(sum(n) FILTER (WHERE {is_within}), 0)::BIGINT,
               coalesce(sum(n) FILTER (WHERE wk IS NULL), 0)::BIGINT, bit_count(bit_or(days)),
               min(first_day) FILTER (WHERE {is_within}), max(last_day) FILTER (WHERE {is_within})
        FROM driver_sums
        """,
    )
    name = files[0][0].table.name
    if not n_within:
        raise InputError(
            f"No row of {name} is of a week from {first} to {last}.",
            "Give drivers of the dataset's weeks, or of the two years after them.",
        )
    if n_weekdays == 1:
        first_day, last_day = fetch_row(con, f"SELECT min(wk) - 6, max(wk) FROM driver_sums WHERE {is_within}")
    n_bad, bad_words = n_undated, [f"{n_undated:,} without a date that can be read"] if n_undated else []
    for i, column in enumerate(columns):
        (n, example) = fetch_row(con, f"SELECT coalesce(sum(n{i}), 0)::BIGINT, min(b{i}) FROM driver_sums")
        if n:
            n_bad += n
            bad_words.append(
                f"{n:,} with a value in {column.name!r} that cannot be used, such as {str(example)[:60]!r}"
            )
    covered = f"(least(wk, DATE '{last_day}') - greatest(wk - 6, DATE '{first_day}') + 1)"
    shares = f"bit_count(days) / {covered}" if spec.plan_of and n_weekdays > 1 else "1"
    values = ", ".join(
        f"least(v{i} * {shares}, 1) AS v{i}" if column.kind.is_listed else f"v{i}" for i, column in enumerate(columns)
    )
    con.execute(f"""
        CREATE OR REPLACE TABLE driver_weeks AS
        SELECT key, wk, n, u, {values} FROM driver_sums WHERE {is_within} AND key IS NOT NULL;
        DROP TABLE driver_sums
    """)
    return DriverWeeks(
        tuple(columns), first_day, last_day, n_rows, n_rows - n_within - n_undated, n_bad, tuple(bad_words)
    )


def _rows_sql(
    part: Part,
    readable: Readable,
    spec: IngestSpec,
    weeks: DatasetWeeks,
    sift: str,
    columns: Sequence[ColumnRead],
    own: Sequence[ColumnRead],
    grouped_by: str,
) -> str:
    """A row an item and day: key, d, x (days to the end of its week), u, v0, v1, …, b0, b1, … (what cannot be used)."""
    source = readable.sql(False)
    if sift:
        source = f"(SELECT * FROM {source} WHERE {sift})"
    if part.proposal.periods:
        places = ", ".join(part.place_of(name) for name in part.proposal.periods)
        days = ", ".join(f"DATE '{day}'" for day in part.proposal.periods.values())
        source = f"(SELECT *, unnest([{places}]) AS {CELL}, unnest([{days}]) AS period FROM {source})"
        day = "period"
    else:
        day = date_sql(part.place("date") or "", part.proposal.date_format, part.kind("date"), spec.zone)
    if part.proposal.begin_weeks:
        day = f"({day} + 6)"
    if grouped_by in ("item", "part"):
        key = f" || {literal(KEY_JOINT)} || ".join(key_sql(part, place) for place in part.keys)
    else:
        key = part.place(grouped_by) or "" if grouped_by != "all" else "''"
    until = "d0"
    if (place := part.place("until")) is not None:
        until = f"least({date_sql(place, part.proposal.date_format, part.kind('until'))}, d0 + {MAX_DAYS})"
        source = f"(SELECT *, {day} AS d0 FROM {source})"
        source = (
            f"(SELECT *, unnest(generate_series(d0, greatest({until}, d0), INTERVAL 1 DAY))::DATE AS day FROM {source})"
        )
        day = "day"
    units = number_sql(part.place("sales") or "NULL", part.proposal.numbers) if part.column("sales") else "NULL"
    by_name = {column.name: column for column in own}
    values = []
    for i, column in enumerate(columns):
        found = by_name.get(column.name)
        values.append(f"{found.sql if found else 'NULL'}::DOUBLE AS v{i}")
        is_bad = f"NOT {is_blank_sql(found.place)} AND ({found.sql}) IS NULL" if found else "false"
        values.append(f"CASE WHEN {is_bad} THEN {found.place if found else 'NULL'} END AS b{i}")
    back = (WEEKDAYS.index(weeks.week_end) + 1) % 7
    weekday = f"(dayofweek(d) - {back} + 7) % 7" if back else "dayofweek(d)"
    return f"""
        SELECT *, (6 - {weekday})::INTEGER AS x FROM (
            SELECT * REPLACE (CASE WHEN d BETWEEN DATE '{FIRST_DATE}' AND DATE '{LAST_DATE}' THEN d END AS d) FROM (
                SELECT {key} AS key, {day} AS d, {units}::DOUBLE AS u, {", ".join(values)} FROM {source}))
    """


def write_values(
    con: Connection,
    read: DriverWeeks,
    source: str,
    grouped_by: str,
    report: DriverReport,
    target: Path,
    is_plan: bool,
) -> DriverFiles:
    """Writes the file of values, by ranges of keys.

    Parameters
    ----------
    is_plan
        items without any promotion or event are written too: a plan may take back what an earlier one has.
    """
    con.execute("""
        CREATE OR REPLACE TABLE driver_keys AS
        SELECT (row_number() OVER (ORDER BY key) - 1)::INTEGER AS i, key FROM (SELECT DISTINCT key FROM driver_weeks)
    """)
    (n_keys,) = fetch_row(con, "SELECT count(*) FROM driver_keys")
    (first_wk, last_wk) = fetch_row(con, "SELECT min(wk), max(wk) FROM driver_weeks")
    if first_wk is None:
        raise InputError(f"{source} has nothing for the dataset's items and weeks.", "Check its keys and dates.")
    n_weeks = (last_wk - first_wk).days // 7 + 1
    step = max(MAX_CELLS // (n_weeks * len(read.columns)), 1)
    counts, changes = np.zeros(len(read.columns), int), Changes(read.columns, is_plan)
    with pa.ipc.new_stream(target, VALUES, options=pa.ipc.IpcWriteOptions(compression="lz4")) as out:
        for low in range(0, n_keys, step):
            among = f"i BETWEEN {low} AND {low + step - 1}"
            keys = fetch_arrow(con, f"SELECT key FROM driver_keys WHERE {among} ORDER BY i")["key"].combine_chunks()
            cells = fetch_arrow(
                con,
                f"""
                SELECT k.i, (w.wk - DATE '{first_wk}') // 7 AS w, w.* EXCLUDE (key, wk, n, u)
                FROM driver_weeks w JOIN driver_keys k USING (key) WHERE {among}
                """,
            )
            place = (cells["i"].to_numpy() - low, cells["w"].to_numpy())
            for number, column in enumerate(read.columns):
                grid = np.full((len(keys), n_weeks), np.nan)
                grid[place] = cells[f"v{number}"].to_numpy()
                is_known = ~np.isnan(grid)
                if column.kind.is_listed and not is_plan:
                    is_known &= (np.nan_to_num(grid) != 0).any(axis=1, keepdims=True)
                batch = _batch(keys, column.name, grid, is_known, first_wk)
                counts[number] += len(batch)
                changes.add(number, keys, grid, is_known)
                out.write_batch(batch)
    none = [c.name for c, n in zip(read.columns, counts, strict=True) if not n]
    remarks = [*changes.remarks(), *(f"{name} is nowhere in the dataset's weeks." for name in none)]
    columns = tuple(DriverColumn(c.name, c.kind, int(n)) for c, n in zip(read.columns, counts, strict=True))
    report = replace(report, remarks=(*report.remarks, *remarks))
    return DriverFiles(target, source, grouped_by, read.first_day, read.last_day, columns, report)


def _batch(
    keys: pa.StringArray, name: str, grid: FloatArray, is_known: npt.NDArray[np.bool_], first_wk: date
) -> pa.RecordBatch:
    """The rows of one driver: from the first to the last week that is known, none where nothing is."""
    rows = np.flatnonzero(is_known.any(axis=1))
    begin = is_known[rows].argmax(axis=1)
    end = grid.shape[1] - is_known[rows][:, ::-1].argmax(axis=1)
    weeks = np.arange(grid.shape[1])
    within = (weeks >= begin[:, None]) & (weeks < end[:, None])
    offsets = np.concatenate(([0], np.cumsum(end - begin))).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(grid[rows][within]))
    firsts = np.datetime64(first_wk, "D") + 7 * begin
    columns = [keys.take(pa.array(rows)), pa.array([name] * len(rows), pa.string()), pa.array(firsts), lists]
    return pa.record_batch(columns, schema=VALUES)
