"""Files of sales -> weekly series, one row an item, by DuckDB: in one pass over the files, within a memory limit.

What does not fit into the memory goes through a database file in the working folder; weeks are made part by part.
The rules of a week stand in README.md, 'What a week is'. Nothing here knows the database that the rows go to.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from fcst.errors import BadRows, InputError
from fcst.ingest import bad_rows, quality
from fcst.ingest.duck import Connection, fetch_row, first_line, memory_limit
from fcst.ingest.duplicates import find_duplicates
from fcst.ingest.folders import Folders
from fcst.ingest.mapping import recognise_roles
from fcst.ingest.parts import split_parts
from fcst.ingest.plan import Plan, describe_file, make_plan
from fcst.ingest.reading import SIFTED, Rows, make_rows, read_groups
from fcst.ingest.sources import Tell, Workspace, fingerprint, no_room, silent, telling_of_files
from fcst.ingest.tables import Readable, make_readable, with_encoding_found
from fcst.ingest.weekly_sales import add_lives, fill_weeks, make_items, make_span, make_sums
from fcst.ingest.writing import add_totals, make_series, write_items, write_sales, write_totals
from fcst.specs import ATTRIBUTES, IngestSpec

BYTES_A_THREAD = 40_000_000
"""Of memory; with less, there are fewer threads."""


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
    """What reading files has made: rows as CSV in the caller's folder, the spec with all it left open, the report."""

    items_csv: Path
    sales_csv: Path
    totals_csv: Path
    spec: IngestSpec
    report: dict[str, Any]


@telling_of_files()
def read_series(spec: IngestSpec, dataset_id: int, resources: Resources, tell: Tell = silent) -> SeriesFiles:
    """Reads the files of `spec` and writes `items.csv` and `weekly.csv`, each row led by `dataset_id`.

    Raises
    ------
    BadRows
        if rows cannot be read and the spec does not say to load the good ones; it has the report.
    InputError
        if the files cannot be used at all.
    """
    folder = resources.folder
    workspace = Workspace(folder, resources.unpack_limit, tell)
    plan = make_plan(spec, resources.folders, workspace)
    before = fingerprint(plan.sources)
    config: dict[str, Any] = {
        "memory_limit": resources.memory,
        "threads": resources.threads,
        "temp_directory": str(folder / "spill"),
    }
    con = duckdb.connect(str(folder / "work.duckdb"), config=config)
    name = plan.parts[0].table.name
    try:
        con.execute("SET preserve_insertion_order = false")
        con.execute(f"SET threads = {max(1, min(resources.threads, memory_limit(con) // BYTES_A_THREAD))}")
        con.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")  # for `watched`
        rows = _read(con, plan, spec, workspace, tell)
        report = _account_for_rows(con, rows, plan)
        parts = split_parts(con)
        report["duplicates"] = find_duplicates(con, rows, parts, tell)
        tell("adding up weeks", 0, 0)
        spec, is_weekly = make_sums(con, rows, plan, spec, parts)
        make_span(con, spec, is_weekly, name)
        files = SeriesFiles(folder / "items.csv", folder / "sales.csv", folder / "totals.csv", spec, report)
        _read_attributes(con, rows, plan, workspace)
        size = sum(readable.path.stat().st_size for _, readable in rows.parts)
        unfinished = folder / "sales.unfinished"
        with unfinished.open("wb") as sales:
            for number, part in enumerate(parts):
                tell("making weeks", size * number // len(parts), size)
                fill_weeks(con, spec, part)
                add_lives(con)
                make_series(con)
                quality.add_part(con, spec)
                add_totals(con)
                write_sales(con, dataset_id, sales)
        tell("writing the report", 0, 0)
        make_items(con)
        report |= quality.describe(con, rows, plan, spec, is_weekly)
        report["dropped"] |= {
            "bad": report["bad_rows"]["n"],
            "sifted": report["n_sifted"],
            "duplicates": report["duplicates"]["n_dropped"],
        }
        _check_unchanged(plan, before)
        unfinished.rename(files.sales_csv)
        write_items(con, dataset_id, files.items_csv)
        write_totals(con, dataset_id, files.totals_csv)
    except duckdb.Error as exc:
        _check_unchanged(plan, before)
        raise _told(exc, name) from exc
    finally:
        con.close()
    return files


def _check_unchanged(plan: Plan, before: list[tuple[str, int, int, int]]) -> None:
    if fingerprint(plan.sources) != before:
        name = plan.parts[0].table.name
        raise InputError(f"{name} changed while it was read.", "Load it again when nothing writes to it any more.")


def _read(con: Connection, plan: Plan, spec: IngestSpec, workspace: Workspace, tell: Tell) -> Rows:
    """Table `groups`. A file that turns out to have other line ends or another encoding is written anew, read again."""
    readables = [make_readable(part.table, workspace) for part in plan.parts]
    beside = {
        role: make_readable(table, workspace)
        for role, table in (("store", plan.stores), ("item", plan.items))
        if table is not None
    }
    for is_last in (False, True):
        rows = make_rows(plan, readables, beside, spec)
        try:
            read_groups(con, rows, tell)
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
                return rows
            readables = [
                make_readable(other.table, workspace) if other else readable
                for other, readable in zip(others, readables, strict=True)
            ]
        bad_rows.forget_rejected(con)
    raise AssertionError("the second reading returns or raises")


def _account_for_rows(con: Connection, rows: Rows, plan: Plan) -> dict[str, Any]:
    """How many rows were read and cannot be used; refuses them, or leaves them out where the spec says so.

    Raises
    ------
    BadRows, InputError
    """
    name = plan.parts[0].table.name if len(plan.parts) == 1 else f"{len(plan.parts)} files"
    n_read, n_sifted, n_unusable = fetch_row(
        con,
        f"""
        SELECT coalesce(sum(n), 0)::BIGINT, coalesce(sum(n) FILTER (WHERE pm = {SIFTED}), 0)::BIGINT,
               coalesce(sum(CASE WHEN is_bad THEN n ELSE n - ny END) FILTER (WHERE pm <> {SIFTED}), 0)::BIGINT
        FROM groups
        """,
    )
    n_rejected, _ = bad_rows.count_rejected(con)
    report: dict[str, Any] = {
        "source": ", ".join(part.table.name for part in plan.parts[:5]) + (", …" if len(plan.parts) > 5 else ""),
        "files": [describe_file(replace(part, table=readable.table)) for part, readable in rows.parts],
        "other_files": plan.others[:50],
        "n_rows": n_read + n_rejected,
        "n_sifted": n_sifted,
        "bad_rows": {"n": 0, "is_at_least": False, "first": []},
    }
    n_bad = n_unusable + n_rejected
    if n_bad:
        report["bad_rows"] = bad_rows.describe(con, rows, n_unusable)
    n_good = n_read - n_sifted - n_unusable
    is_open = bool(n_rejected) and bad_rows.hides_rows(con)
    if n_bad and (not rows.spec.skip_bad or not n_good or is_open):
        raise BadRows(*bad_rows.refusal(rows, report, n_good, is_open), report)
    if not report["n_rows"]:
        raise InputError(f"{name} has a header and no rows.", "Give a file with sales in it.")
    if not n_good:
        raise InputError(f"No row of {name} passes the filter.", "Check the column and value to filter by.")
    return report


def _read_attributes(con: Connection, rows: Rows, plan: Plan, workspace: Workspace) -> None:
    """Table `attributes`: what describes the items, from the file beside the sales, else from the sales themselves.

    Of several values in the sales the one that most weeks have.
    """
    columns = ", ".join(f"{name} VARCHAR" for name in ATTRIBUTES)
    con.execute(f"CREATE TABLE attributes (unique_id VARCHAR, rank INTEGER, {columns})")
    for name in rows.attributes:
        con.execute(f"""
            INSERT INTO attributes BY NAME
            SELECT unique_id, 2 AS rank, a_{name} AS {name} FROM (
                SELECT unique_id, a_{name}, count(*) AS n FROM sums WHERE a_{name} IS NOT NULL GROUP BY ALL
            ) QUALIFY row_number() OVER (PARTITION BY unique_id ORDER BY n DESC, a_{name}) = 1
        """)
    roles = recognise_roles(plan.items.columns) if plan.items is not None else {}
    places = {
        name: f"c{plan.items.columns.index(roles[name][0])}" for name in ATTRIBUTES if plan.items and name in roles
    }
    if plan.items is not None and places and "item" in roles and rows.n_keys == 1:
        table: Readable = make_readable(plan.items, workspace)
        key = f"c{plan.items.columns.index(roles['item'][0])}"
        values = ", ".join(f"min({place}) AS {name}" for name, place in places.items())
        try:
            con.execute(
                f"INSERT INTO attributes BY NAME SELECT {key} AS unique_id, 1 AS rank, {values}"
                f" FROM {table.sql()} GROUP BY {key}"
            )
        except duckdb.Error as exc:
            raise InputError(
                f"{plan.items.name} beside the sales cannot be read: {first_line(exc)}.", "Mend it or move it away."
            ) from exc
        bad_rows.check_beside(con, table)


def _told(exc: duckdb.Error, name: str) -> InputError:
    text = first_line(exc)
    if (
        "No space left" in text
        or "failed to offload" in text
        or "could not write" in text.lower()
        or "max_temp_directory_size" in text
    ):
        return no_room()
    if isinstance(exc, duckdb.OutOfMemoryException):
        return InputError(f"{name} needs more memory than is allowed: {text}.", "Raise FCST_INGEST_MEMORY.")
    return InputError(f"{name} cannot be read: {text}.", "Check that the file is whole, and what its columns mean.")
