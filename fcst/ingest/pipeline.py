"""Files of sales -> the series of their items, by DuckDB and numpy: within a memory limit, in one pass over the files.

    read_groups        rows -> groups by item and week
    find_duplicates    counts rows that say the same thing twice, takes them out on demand
    make_calendar      which weeks there are, which are whole
    read_cells         groups of a range of items -> what they sold in a week
    make_series        cells -> lives
    SeriesWriter       lives -> the files that the database loads
    read_own           drivers in the same files -> theirs
    quality.describe   what was added up on the way -> the report

The rules of a week stand in README.md, 'What a week is'. Nothing here knows the database that the rows go to.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from fcst.attributes import Attribute
from fcst.errors import BadRows, FcstError, InputError
from fcst.files import room_in
from fcst.ingest import bad_rows, doubts, quality
from fcst.ingest.attributes import describe_keys, read_beside, sum_up_attributes
from fcst.ingest.driver_files import DatasetWeeks, DriverFiles, read_own
from fcst.ingest.duck import Connection, fetch_row, first_line, is_out_of_room
from fcst.ingest.duplicates import counts_with_weeks, find_duplicates
from fcst.ingest.folders import Folders
from fcst.ingest.groups import Groups, count_totals, memory_limit, read_groups
from fcst.ingest.item_statistics import describe_series
from fcst.ingest.plan import Plan, describe_file, look_at
from fcst.ingest.reading import NO_RECORD, SIFTED, cancelled_sql, make_rows
from fcst.ingest.series_files import SeriesWriter
from fcst.ingest.sources import OnProgress, Workspace, fingerprint, no_progress, no_room_to_read, with_file_errors
from fcst.ingest.tables import make_readable, with_encoding_found
from fcst.ingest.tallies import Tallies
from fcst.ingest.weekly_sales import MAX_CELLS, Cells, make_calendar, make_reading, make_series, read_cells, sum_by_week
from fcst.quality_report import BadRowCount, CancelledOrders, QualityReport, ReadingReport
from fcst.specs import IngestSpec

LEAST_MEMORY = 200_000_000  # bytes that DuckDB keeps while weeks are made


@dataclass(frozen=True)
class Resources:
    """What a reading may take.

    Parameters
    ----------
    folder
        for everything that has to be written on the way; empty, and the caller's to remove.
    memory
        of DuckDB, such as '1GB'; beyond it goes to disk, in `folder`.
    unpack_limit
        bytes that the archives may unpack to.
    folders
        that files may be read from.
    """

    folder: Path
    memory: str
    threads: int
    unpack_limit: int
    folders: Folders


@dataclass(frozen=True)
class SeriesFiles:
    """What reading files has made: rows in the caller's folder, the spec with all it left open, the report.

    In CSV missing values are written as \\N, arrays as Postgres writes them: {1.5,NULL,0}.

    Parameters
    ----------
    items_csv
        dataset_id, unique_id, sales_rank, total_units, first_wk_end_dt, last_sale_dt, n_weeks, n_missing, family,
        class, is_perishable, description, demand_class, adi, cv2, price, attributes, search_text. What sold most comes
        first; attributes are a JSON object.
    sales
        an Arrow stream of `series_files.SALES`: a value a week, from the item's first week to the dataset's last.
        `promo_units` is missing where every week has none.
    totals_csv
        dataset_id, by, key, first_wk_end_dt, unit_sales, promo_units, n_items: a value a week, from the dataset's first
        to its last, of all items (`by` is 'all', key ''), each family and each class.
    drivers
        the drivers in the files; None where they have none.
    attributes
        that the items have.
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
    """Reads the files of `spec` and writes those that the database loads; rows of CSV begin with `dataset_id`.

    Raises
    ------
    BadRows
        if rows cannot be read and the spec does not say to load the good ones; it has the report.
    InputError
        if the files cannot be used at all.
    """
    folder = resources.folder
    workspace = Workspace(folder, resources.unpack_limit, on_progress)
    plan = look_at(spec, resources.folders, workspace).plan(spec)
    is_lines = any(part.is_lines for part in plan.parts)
    duplicates_of_kind = "drop" if is_lines and len(plan.parts) > 1 else "keep"
    spec = replace(spec, seen="", duplicates=spec.duplicates or duplicates_of_kind)
    before = fingerprint(plan.sources)
    config: dict[str, Any] = {
        "memory_limit": resources.memory,
        "threads": resources.threads,
        "temp_directory": str(folder / "spill"),
        "max_temp_directory_size": f"{max(room_in(folder), 0)} bytes",
    }
    con = duckdb.connect(config=config)
    name = plan.parts[0].table.name
    try:
        con.execute("SET preserve_insertion_order = false")
        con.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")  # for `watched`
        groups = _read(con, plan, spec, workspace, on_progress)
        sum_by_week(con, groups, on_progress)
        groups = _without_odd_dates(con, groups, on_progress)
        reading = _account_for_rows(con, groups, plan)
        duplicates = find_duplicates(con, groups, on_progress)
        if duplicates.n_dropped:
            sum_by_week(con, groups, on_progress)
        spec, calendar = make_calendar(con, plan, spec, name)
        described = describe_keys(con, groups, plan, read_beside(con, groups.rows, plan, workspace))
        tallies = Tallies(calendar, folder)
        writer = SeriesWriter(con, folder, dataset_id, calendar)
        _make_weeks(con, groups, spec, tallies, writer, on_progress)
        if counts_with_weeks(groups.rows):
            duplicates = replace(duplicates, n=tallies.n_duplicates)
        writer.make_items(described)
        report = quality.describe(
            con, groups.rows, plan, spec, tallies, reading=reading, duplicates=duplicates, content=str(writer.content)
        )
        report = replace(report, doubts=doubts.describe_doubts(con, groups, tallies))
        _check_unchanged(plan, before)
        weeks = DatasetWeeks(report.first_wk_end_dt, report.last_wk_end_dt, spec.week_end)
        drivers, remarks = read_own(con, groups.rows, spec, weeks, workspace)
        report = replace(report, doubts=(*report.doubts, *remarks))
        attributes = sum_up_attributes(con, described)
        files = SeriesFiles(*writer.finish(tallies), spec, report, drivers, attributes)
    except duckdb.Error as exc:
        _check_unchanged(plan, before)
        raise _worded(exc, name) from exc
    finally:
        con.close()
    return files


def _make_weeks(
    con: Connection, groups: Groups, spec: IngestSpec, tallies: Tallies, writer: SeriesWriter, on_progress: OnProgress
) -> None:
    """Reads the items range by range, adds up what the report says of them, and writes their rows.

    The next range is read while one is worked on.
    """
    calendar, size = tallies.calendar, groups.rows.size
    reading = make_reading(con, groups, counts_with_weeks(groups.rows))
    ranges = list(groups.ranges(max(MAX_CELLS // calendar.n_any, 1)))
    if len(ranges) > 1 and memory_limit(con) > 2 * LEAST_MEMORY:  # the arrays need memory too
        con.execute(f"SET memory_limit = '{memory_limit(con) // 2} bytes'")

    def read(low: int, high: int) -> Cells:
        with con.cursor() as own:
            return read_cells(own, groups, calendar, reading, low, high)

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(read, *ranges[0])
        for number, (low, _) in enumerate(ranges):
            on_progress("making weeks", size * low // groups.n_items, size)
            cells = coming.result()
            if number + 1 < len(ranges):
                coming = pool.submit(read, *ranges[number + 1])
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
        raise InputError(f"{name} changed while it was read.", "Load it again when nothing writes to it any more.")


def _read(con: Connection, plan: Plan, spec: IngestSpec, workspace: Workspace, on_progress: OnProgress) -> Groups:
    """View `groups`. A file that turns out to have other line ends or another encoding is written anew, read again."""
    readables = [make_readable(part.table, workspace) for part in plan.parts]
    beside = {
        role: make_readable(table, workspace)
        for role, table in (("store", plan.stores), ("item", plan.items))
        if table is not None
    }
    for is_last in (False, True):
        rows = make_rows(plan, readables, beside, spec)
        try:
            groups = read_groups(con, rows, workspace.folder, on_progress)
        except duckdb.InvalidInputException:
            if is_last:
                raise
            others = [None if spec.encoding else with_encoding_found(readable) for readable in readables]
            readables = [
                make_readable((other or readable).table, workspace, again=True)
                for other, readable in zip(others, readables, strict=True)
            ]
        else:
            for readable in beside.values():
                bad_rows.check_beside(con, readable)
            _, n_foreign = bad_rows.count_rejected(con)
            others = [with_encoding_found(readable) if n_foreign else None for readable in readables]
            if is_last or spec.encoding or not any(others):
                return groups
            readables = [
                make_readable(other.table, workspace) if other else readable
                for other, readable in zip(others, readables, strict=True)
            ]
        bad_rows.forget_rejected(con)
    raise AssertionError("the second reading returns or raises")


def _without_odd_dates(con: Connection, groups: Groups, on_progress: OnProgress) -> Groups:
    """The groups without rows whose dates lie far from all others, where the spec says so.

    Raises
    ------
    InputError
        if there are some, and it does not say what they are.
    """
    choice = groups.rows.spec.odd_dates
    odd = doubts.find_odd_weeks(con) if choice != "keep" else []
    if not odd:
        return groups
    if not choice:
        raise doubts.odd_dates_refusal(con, groups.rows, odd)
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
    """What the files say was cancelled or refunded, whether it counts or not."""
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
    """How many rows were read and cannot be used; refuses them, or leaves them out where the spec says so.

    Raises
    ------
    BadRows, InputError
    """
    rows = groups.rows
    name = plan.parts[0].table.name if len(plan.parts) == 1 else f"{len(plan.parts)} files"
    totals, n_totals = count_totals(con, groups)
    n_read, n_sifted, n_no_records, n_unusable = fetch_row(
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
        n_sifted=n_sifted - n_totals - (n_odd := _count_odd_dates(con, groups)),
        n_odd_dates=n_odd,
        cancelled=_count_cancelled(con, groups),
        totals=totals,
        n_totals=n_totals,
        no_records=tuple(no_records[: bad_rows.MAX_EXAMPLES]),
        n_no_records=n_no_records + len(rejected.no_records),
        bad_rows=bad_rows.describe(con, rows, rejected, n_unusable) if n_bad else BadRowCount(),
    )
    n_good = n_read - n_sifted - n_no_records - n_unusable
    is_open = bool(rejected.n_bad) and bad_rows.hides_rows(con)
    if n_bad and (not rows.spec.skip_bad or not n_good or is_open):
        raise BadRows(*bad_rows.refusal(rows, report, n_good, is_open), report)
    if not report.n_rows:
        raise InputError(f"{name} has a header and no rows.", "Give a file with sales in it.")
    if not n_good:
        raise InputError(f"No row of {name} passes the filter.", "Check the column and value to filter by.")
    return report


def _worded(exc: duckdb.Error, name: str) -> FcstError:
    if is_out_of_room(exc):
        return no_room_to_read()
    text = first_line(exc)
    if isinstance(exc, duckdb.OutOfMemoryException):
        return InputError(f"{name} needs more memory than is allowed: {text}.", "Raise FCST_INGEST_MEMORY.")
    return InputError(f"{name} cannot be read: {text}.", "Check that the file is whole, and what its columns mean.")
