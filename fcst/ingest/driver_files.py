"""Driver files: aggregates drivers by item and week, and writes the file that the database loads.

    sum_weeks             rows -> table `driver_weeks`: one row per item and week, one column per driver
    write_values          table `driver_weeks` -> the file
    read_sales_drivers    both, for columns of sales files; `driver_plans` does it for a plan

A week has the mean of its rows. A plan may list only the days with promotions and events: there a week has the share
of its days that are listed. Sales files have no rows for days without a sale, so a share of days would reflect sales.
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
from fcst.ingest.driver_checks import ConstantDrivers, check_leaks
from fcst.ingest.driver_columns import CELL, ColumnRead, read_columns
from fcst.ingest.duck import Connection, fetch_arrow, fetch_row, literal
from fcst.ingest.parts import Part
from fcst.ingest.reading import FIRST_DATE, LAST_DATE, Rows, is_blank_sql, key_sql, report_progress
from fcst.ingest.sources import Workspace
from fcst.ingest.tables import Readable
from fcst.names import KEY_JOINT, WEEKDAYS
from fcst.records import FloatArray
from fcst.specs import IngestSpec, has_drivers

MAX_DAYS = 800  # maximum duration of a plan's row
MAX_CELLS = 20_000_000  # weeks in memory at once, over all drivers

VALUES = pa.schema(
    {
        "key": pa.string(),
        "name": pa.string(),
        "first_wk_end_dt": pa.date32(),
        "values": pa.list_(pa.float64()),
    }
)
"""Schema of the file of values; NaN is unknown."""


@dataclass(frozen=True)
class DatasetWeeks:
    """The weeks of a dataset: the last days of its first and last week, and the weekday on which weeks end."""

    first_wk_end_dt: date
    last_wk_end_dt: date
    week_end: str


@dataclass(frozen=True)
class DriverFiles:
    """Result of reading drivers: a file of `VALUES` in the caller's folder, and its description.

    The other fields are those of `DriverLoad`.
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
    """Description of table `driver_weeks`: its columns, the days covered, and the numbers of rows read, outside the
    dataset's weeks, and bad.
    """

    columns: tuple[ColumnRead, ...]
    first_day: date
    last_day: date
    n_rows: int
    n_outside: int
    n_bad: int
    bad: tuple[str, ...]


def read_sales_drivers(
    con: Connection, rows: Rows, spec: IngestSpec, weeks: DatasetWeeks, workspace: Workspace
) -> tuple[DriverFiles | None, tuple[str, ...]]:
    """Reads the drivers in the sales files; returns them (None if there are none) and notes for the user.

    Promotions are a driver only if promotional rows are included.

    Raises
    ------
    InputError
        if a driver is the units sold.
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
    """Creates table `driver_weeks` (key, wk, n: rows, u: units or NULL, v0, v1, …).

    Raises
    ------
    InputError
        if no row is in the dataset's weeks or the two years after them.
    """
    columns = list({column.name: column for found in of_files for column in found}.values())
    kinds = {(column.name, column.kind) for found in of_files for column in found}
    if len(kinds) > len(columns):
        raise InputError("A column is a driver of different kinds in several files.", "Load the files one by one.")
    size = sum(readable.path.stat().st_size for _, readable in files)
    rows = " UNION ALL BY NAME ".join(
        _rows_sql(part, readable, spec, weeks, condition, columns, found, grouped_by)
        for (part, readable), found, condition in zip(files, of_files, sift, strict=True)
    )
    # If all dates are on one weekday, a row is a week; otherwise days are counted.
    means = ", ".join(f"avg(v{i}) AS v{i}" for i in range(len(columns)))
    bad = "".join(f", count(*) FILTER (WHERE b{i} IS NOT NULL) AS n{i}, min(b{i}) AS b{i}" for i in range(len(columns)))
    with report_progress(con, "reading drivers", size, workspace.on_progress):
        con.execute(f"""
            CREATE OR REPLACE TABLE driver_sums AS
            SELECT key, d + x AS wk, count(*) AS n, bit_or(1 << x) AS days, min(d) AS first_day, max(d) AS last_day,
                   sum(u) AS u, {means}{bad}
            FROM ({rows}) GROUP BY key, d + x
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
            f"No row of {name} is between {first} and {last}.",
            "Give drivers for the dataset's weeks, or for the two years after them.",
        )
    if n_weekdays == 1:
        first_day, last_day = fetch_row(con, f"SELECT min(wk) - 6, max(wk) FROM driver_sums WHERE {is_within}")
    n_bad, reasons = _count_bad(con, columns, n_undated)
    covered = f"(least(wk, DATE '{last_day}') - greatest(wk - 6, DATE '{first_day}') + 1)"
    shares = f"bit_count(days) / {covered}" if spec.plan_of and n_weekdays > 1 else "1"
    _make_driver_weeks(con, columns, shares, is_within)
    return DriverWeeks(tuple(columns), first_day, last_day, n_rows, n_rows - n_within - n_undated, n_bad, reasons)


def _make_driver_weeks(con: Connection, columns: Sequence[ColumnRead], shares: str, is_within: str) -> None:
    values = ", ".join(
        f"least(v{i} * {shares}, 1) AS v{i}" if column.kind.is_listed else f"v{i}" for i, column in enumerate(columns)
    )
    con.execute(f"""
        CREATE OR REPLACE TABLE driver_weeks AS
        SELECT key, wk, n, u, {values} FROM driver_sums WHERE {is_within} AND key IS NOT NULL;
        DROP TABLE driver_sums
    """)


def _count_bad(con: Connection, columns: Sequence[ColumnRead], n_undated: int) -> tuple[int, tuple[str, ...]]:
    """The number of invalid values and dates, and a text about those of each column."""
    total, texts = n_undated, [f"{n_undated:,} without a valid date"] if n_undated else []
    for i, column in enumerate(columns):
        n, example = fetch_row(con, f"SELECT coalesce(sum(n{i}), 0)::BIGINT, min(b{i}) FROM driver_sums")
        if n:
            total += n
            texts.append(f"{n:,} with an invalid value in {column.name!r}, such as {str(example)[:60]!r}")
    return total, tuple(texts)


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
    """SQL for one row per item and day: key, d, x (days to the week's end), u, v0, v1, …, b0, b1, … (bad cells)."""
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
        also write items without any promotion or event, because a plan may remove those of an earlier plan.
    """
    con.execute("""
        CREATE OR REPLACE TABLE driver_keys AS
        SELECT (row_number() OVER (ORDER BY key) - 1)::INTEGER AS i, key FROM (SELECT DISTINCT key FROM driver_weeks)
    """)
    (n_keys,) = fetch_row(con, "SELECT count(*) FROM driver_keys")
    (first_wk, last_wk) = fetch_row(con, "SELECT min(wk), max(wk) FROM driver_weeks")
    if first_wk is None:
        raise InputError(f"{source} has no rows for the dataset's items and weeks.", "Check its keys and dates.")
    n_weeks = (last_wk - first_wk).days // 7 + 1
    step = max(MAX_CELLS // (n_weeks * len(read.columns)), 1)
    counts, constant = np.zeros(len(read.columns), int), ConstantDrivers(read.columns, is_plan)
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
                constant.add(number, keys, grid, is_known)
                out.write_batch(batch)
    none = [c.name for c, n in zip(read.columns, counts, strict=True) if not n]
    remarks = [*constant.remarks(), *(f"{name} has no values in the dataset's weeks." for name in none)]
    columns = tuple(DriverColumn(c.name, c.kind, int(n)) for c, n in zip(read.columns, counts, strict=True))
    report = replace(report, remarks=(*report.remarks, *remarks))
    return DriverFiles(target, source, grouped_by, read.first_day, read.last_day, columns, report)


def _batch(
    keys: pa.StringArray, name: str, grid: FloatArray, is_known: npt.NDArray[np.bool_], first_wk: date
) -> pa.RecordBatch:
    """The rows of one driver: values from the first to the last known week of each key; no row without values."""
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
