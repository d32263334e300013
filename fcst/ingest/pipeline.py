"""Ingest pipeline: reads sales files into weekly series with DuckDB and numpy, within a memory limit, in one pass.

    read_groups            rows -> groups by item and week
    find_duplicates        counts duplicate rows, removes them if the spec says so
    make_calendar          the weeks of the data and the whole weeks
    read_cells             groups of a range of items -> units by item and week
    make_series            cells -> series from the first sale on
    SeriesWriter           series -> the files that the database loads
    read_sales_drivers     drivers in the sales files -> the file of drivers
    quality.describe       tallies -> the report

README.md, 'What a week is', has the rules of a week. This module does not use the database.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from fcst.attributes import Attribute
from fcst.errors import BadRows, FcstError, InputError
from fcst.files import free_space
from fcst.ingest import anomalies, bad_rows, quality
from fcst.ingest.attributes import describe_keys, read_companions, summarise_attributes
from fcst.ingest.driver_files import DatasetWeeks, DriverFiles, read_sales_drivers
from fcst.ingest.duck import Connection, fetch_row, first_line, is_disk_full
from fcst.ingest.duplicates import counts_with_weeks, find_duplicates
from fcst.ingest.folders import Folders
from fcst.ingest.groups import Groups, count_totals, memory_limit, read_groups
from fcst.ingest.item_statistics import describe_series
from fcst.ingest.plan import Plan, describe_file, look_at
from fcst.ingest.reading import NO_RECORD, SIFTED, cancelled_sql, make_rows
from fcst.ingest.series_files import SeriesWriter
from fcst.ingest.sources import (
    OnProgress,
    Workspace,
    disk_full_while_reading,
    fingerprint,
    no_progress,
    with_file_errors,
)
from fcst.ingest.tables import make_readable, redetect_encoding
from fcst.ingest.tallies import Tallies
from fcst.ingest.weekly_sales import MAX_CELLS, Cells, make_calendar, make_series, plan_fetch, read_cells, sum_by_week
from fcst.quality_report import BadRowCount, CancelledOrders, QualityReport, ReadingReport
from fcst.specs import IngestSpec

LEAST_MEMORY = 200_000_000  # bytes; minimum memory limit of DuckDB while weeks are made


@dataclass(frozen=True)
class Resources:
    """Resource limits of a load.

    Parameters
    ----------
    folder
        empty folder for temporary and result files; the caller deletes it.
    memory
        DuckDB's memory limit, such as '1GB'; it spills to `folder` beyond that.
    threads
        DuckDB's number of threads.
    unpack_limit
        maximum unpacked size of an archive member in bytes.
    folders
        folders that files may be read from.
    """

    folder: Path
    memory: str
    threads: int
    unpack_limit: int
    folders: Folders


@dataclass(frozen=True)
class SeriesFiles:
    """Result of a load: files in the caller's folder, the completed spec, and the report.

    CSV files have missing values as \\N and arrays in Postgres notation: {1.5,NULL,0}.

    Parameters
    ----------
    items_csv
        dataset_id, unique_id, sales_rank, total_units, first_wk_end_dt, last_sale_dt, n_weeks, n_missing, family,
        class, is_perishable, description, demand_class, adi, cv2, price, attributes, search_text. Sorted by total
        units, largest first; attributes are a JSON object.
    sales
        an Arrow stream of `series_files.SALES`: one value per week, from the item's first week to the dataset's last.
        `promo_units` is NULL if no week has any.
    totals_csv
        dataset_id, by, key, first_wk_end_dt, unit_sales, promo_units, n_items: one value per week, from the dataset's
        first to its last, for all items (`by` is 'all', key ''), each family and each class.
    spec
        the spec, with the recognised values filled in.
    drivers
        the drivers in the files; None if there are none.
    attributes
        the attributes of the items.
    """

    items_csv: Path
    sales: Path
    totals_csv: Path
    spec: IngestSpec
    report: QualityReport
    drivers: DriverFiles | None
    attributes: list[Attribute]


@with_file_errors()
def read_series(
    spec: IngestSpec, dataset_id: int, resources: Resources, on_progress: OnProgress = no_progress
) -> SeriesFiles:
    """Reads the files of `spec` and writes the files that the database loads; CSV rows begin with `dataset_id`.

    Raises
    ------
    BadRows
        if there are bad rows and the spec does not skip them; it has the report.
    InputError
        if the files cannot be used.
    """
    folder = resources.folder
    workspace = Workspace(folder, resources.unpack_limit, on_progress)
    plan = look_at(spec, resources.folders, workspace).plan(spec)
    is_lines = any(part.is_lines for part in plan.parts)
    duplicates_of_kind = "drop" if is_lines and len(plan.parts) > 1 else "keep"
    spec = replace(spec, fingerprint="", duplicates=spec.duplicates or duplicates_of_kind)
    before = fingerprint(plan.sources)
    con = _connect(resources)
    name = plan.parts[0].table.name
    try:
        groups = _read(con, plan, spec, workspace, on_progress)
        sum_by_week(con, groups, on_progress)
        groups = _without_odd_dates(con, groups, on_progress)
        reading = _account_for_rows(con, groups, plan)
        duplicates = find_duplicates(con, groups, on_progress)
        if duplicates.n_dropped:
            sum_by_week(con, groups, on_progress)
        spec, calendar = make_calendar(con, plan, spec, name)
        described = describe_keys(con, groups, plan, read_companions(con, groups.rows, plan, workspace))
        tallies = Tallies(calendar, folder)
        writer = SeriesWriter(con, folder, dataset_id, calendar)
        _make_weeks(con, groups, spec, tallies, writer, on_progress)
        if counts_with_weeks(groups.rows):
            duplicates = replace(duplicates, n=tallies.n_duplicates)
        writer.make_items(described)
        report = quality.describe(
            con, groups.rows, plan, spec, tallies, reading=reading, duplicates=duplicates, content=str(writer.content)
        )
        report = replace(report, warnings=anomalies.describe_anomalies(con, groups, tallies))
        _check_unchanged(plan, before)
        weeks = DatasetWeeks(report.first_wk_end_dt, report.last_wk_end_dt, spec.week_end)
        drivers, remarks = read_sales_drivers(con, groups.rows, spec, weeks, workspace)
        report = replace(report, warnings=(*report.warnings, *remarks))
        attributes = summarise_attributes(con, described)
        files = SeriesFiles(*writer.finish(tallies), spec, report, drivers, attributes)
    except duckdb.Error as exc:
        _check_unchanged(plan, before)
        raise _convert_error(exc, name) from exc
    finally:
        con.close()
    return files


def _connect(resources: Resources) -> Connection:
    config: dict[str, Any] = {
        "memory_limit": resources.memory,
        "threads": resources.threads,
        "temp_directory": str(resources.folder / "spill"),
        "max_temp_directory_size": f"{max(free_space(resources.folder), 0)} bytes",
        "preserve_insertion_order": False,
    }
    con = duckdb.connect(config=config)
    con.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")  # for `report_progress`
    return con


def _make_weeks(
    con: Connection, groups: Groups, spec: IngestSpec, tallies: Tallies, writer: SeriesWriter, on_progress: OnProgress
) -> None:
    """Reads the items range by range, adds them to the tallies, and writes their rows.

    Reads the next range in a thread while one is processed.
    """
    calendar, size = tallies.calendar, groups.rows.size
    fetch = plan_fetch(con, groups, counts_with_weeks(groups.rows))
    ranges = list(groups.ranges(max(MAX_CELLS // calendar.n_any, 1)))
    if len(ranges) > 1 and memory_limit(con) > 2 * LEAST_MEMORY:  # the arrays need memory too
        con.execute(f"SET memory_limit = '{memory_limit(con) // 2} bytes'")

    def read(low: int, high: int) -> Cells:
        with con.cursor() as own:
            return read_cells(own, groups, calendar, fetch, low, high)

    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(read, *ranges[0])
        for number, (low, _) in enumerate(ranges):
            on_progress("making weeks", size * low // groups.n_items, size)
            cells = pending.result()
            if number + 1 < len(ranges):
                pending = pool.submit(read, *ranges[number + 1])
            tallies.add_cells(cells)
            series = make_series(cells, calendar, spec.include_promo)
            if not len(series.keys):
                continue
            found = describe_series(series)
            tallies.add_series(series, found)
            attributes = writer.write(cells, series, found)
            tallies.add_totals(series, "all", pa.array([""] * len(series.keys)))
            for kind in ("family", "class"):
                tallies.add_totals(series, kind, attributes[kind].combine_chunks())
    on_progress("making weeks", size, size)


def _check_unchanged(plan: Plan, before: list[tuple[str, int, int, int]]) -> None:
    if fingerprint(plan.sources) != before:
        name = plan.parts[0].table.name
        raise InputError(f"{name} changed while it was read.", "Load it again when no program is writing to it.")


def _read(con: Connection, plan: Plan, spec: IngestSpec, workspace: Workspace, on_progress: OnProgress) -> Groups:
    """Creates the view `groups`. Rewrites and rereads a file whose line ends or encoding turn out different."""
    readables = [make_readable(part.table, workspace) for part in plan.parts]
    companions = {
        role: make_readable(table, workspace)
        for role, table in (("store", plan.stores), ("item", plan.items))
        if table is not None
    }
    for is_last in (False, True):
        rows = make_rows(plan, readables, companions, spec)
        try:
            groups = read_groups(con, rows, workspace.folder, on_progress)
        except duckdb.InvalidInputException:
            if is_last:
                raise
            others = [None if spec.encoding else redetect_encoding(readable) for readable in readables]
            readables = [
                make_readable((other or readable).table, workspace, again=True)
                for other, readable in zip(others, readables, strict=True)
            ]
        else:
            for readable in companions.values():
                bad_rows.check_companion(con, readable)
            _, n_foreign = bad_rows.count_rejected(con)
            others = [redetect_encoding(readable) if n_foreign else None for readable in readables]
            if is_last or spec.encoding or not any(others):
                return groups
            readables = [
                make_readable(other.table, workspace) if other else readable
                for other, readable in zip(others, readables, strict=True)
            ]
        bad_rows.clear_rejected(con)
    raise AssertionError("the second reading returns or raises")


def _without_odd_dates(con: Connection, groups: Groups, on_progress: OnProgress) -> Groups:
    """Drops rows with dates far from all others, if the spec says so.

    Raises
    ------
    InputError
        if there are such rows and the spec does not say whether to keep or drop them.
    """
    choice = groups.rows.spec.odd_dates
    odd = anomalies.find_odd_weeks(con) if choice != "keep" else []
    if not odd:
        return groups
    if not choice:
        raise anomalies.odd_dates_error(con, groups.rows, odd)
    groups = replace(groups, odd_weeks=tuple(odd))
    groups.make_view(con)
    sum_by_week(con, groups, on_progress)
    return groups


def _count_odd_dates(con: Connection, groups: Groups) -> int:
    if not groups.odd_weeks:
        return 0
    weeks = ", ".join(f"DATE '{week}'" for week in groups.odd_weeks)
    (n,) = fetch_row(con, f"SELECT coalesce(sum(n), 0)::BIGINT FROM by_week WHERE wk IN ({weeks}) AND pm = {SIFTED}")
    return int(n)


def _count_cancelled(con: Connection, groups: Groups) -> CancelledOrders:
    """Counts the rows and units of cancelled or refunded orders, kept or dropped."""
    rows = groups.rows
    found = [(part, readable) for part, readable in rows.parts if part.proposal.cancelled is not None]
    sums = [fetch_row(con, cancelled_sql(part, readable)) for part, readable in found]
    if not any(n for n, _ in sums):
        return CancelledOrders()
    cancelled = found[0][0].proposal.cancelled
    assert cancelled is not None
    return CancelledOrders(
        column=cancelled.column,
        values=cancelled.values,
        n_rows=sum(n for n, _ in sums),
        units=sum(units for _, units in sums),
        is_dropped=rows.spec.cancelled == "drop",
    )


def _account_for_rows(con: Connection, groups: Groups, plan: Plan) -> ReadingReport:
    """Counts the rows read, dropped and bad. Refuses bad rows unless the spec skips them.

    Raises
    ------
    BadRows, InputError
    """
    rows = groups.rows
    name = plan.parts[0].table.name if len(plan.parts) == 1 else f"{len(plan.parts)} files"
    totals, n_totals = count_totals(con, groups)
    n_read, n_filtered, n_no_records, n_unusable = fetch_row(
        con,
        f"""
        SELECT coalesce(sum(n), 0)::BIGINT, coalesce(sum(n) FILTER (WHERE pm = {SIFTED}), 0)::BIGINT,
               coalesce(sum(n) FILTER (WHERE pm = {NO_RECORD}), 0)::BIGINT,
               coalesce(sum(CASE WHEN is_bad THEN n ELSE n - ny END) FILTER (WHERE pm < {SIFTED}), 0)::BIGINT
        FROM by_week
        """,
    )
    bad_rows.check_kinds(con, rows)
    rejected = bad_rows.rejected_lines(con, rows)
    n_bad = n_unusable + rejected.n_bad
    no_records = [*rejected.no_records, *(bad_rows.read_no_records(con, rows) if n_no_records else [])]
    report = ReadingReport(
        source=", ".join(part.table.name for part in plan.parts[:5]) + (", …" if len(plan.parts) > 5 else ""),
        files=tuple(describe_file(replace(part, table=readable.table)) for part, readable in rows.parts),
        other_files=tuple(plan.others[:50]),
        n_rows=n_read + rejected.n,
        n_filtered=n_filtered - n_totals - (n_odd := _count_odd_dates(con, groups)),
        n_odd_dates=n_odd,
        cancelled=_count_cancelled(con, groups),
        totals=totals,
        n_totals=n_totals,
        no_records=tuple(no_records[: bad_rows.MAX_EXAMPLES]),
        n_no_records=n_no_records + len(rejected.no_records),
        bad_rows=bad_rows.describe(con, rows, rejected, n_unusable) if n_bad else BadRowCount(),
    )
    n_good = n_read - n_filtered - n_no_records - n_unusable
    is_open = bool(rejected.n_bad) and bad_rows.hides_rows(con)
    if n_bad and (not rows.spec.skip_bad or not n_good or is_open):
        raise BadRows(*bad_rows.error_text(rows, report, n_good, is_open), report)
    if not report.n_rows:
        raise InputError(f"{name} has a header but no rows.", "Give a file with sales in it.")
    if not n_good:
        raise InputError(f"No row of {name} passes the filter.", "Check the column and value of the filter.")
    return report


def _convert_error(exc: duckdb.Error, name: str) -> FcstError:
    if is_disk_full(exc):
        return disk_full_while_reading()
    text = first_line(exc)
    if isinstance(exc, duckdb.OutOfMemoryException):
        return InputError(f"{name} needs more memory than allowed: {text}.", "Increase FCST_INGEST_MEMORY.")
    return InputError(f"{name} cannot be read: {text}.", "Check that the file is complete and its columns are right.")
