"""Plans: files of drivers alone, of weeks past and to come, by item, family, class, or for all items.

look_at_plan    the files, with what their columns mean
read_plan       those -> the file that the database loads
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

import duckdb

from fcst.drivers import DriverReport
from fcst.errors import InputError
from fcst.ingest.checks import check_readings
from fcst.ingest.driver_checks import KeySales, check_leaks
from fcst.ingest.driver_columns import has_drivers, read_columns
from fcst.ingest.driver_files import DatasetWeeks, DriverFiles, sum_weeks, write_values
from fcst.ingest.duck import fetch_all, first_line, literal
from fcst.ingest.folders import Folders
from fcst.ingest.parts import Part, make_part
from fcst.ingest.plan import look_at
from fcst.ingest.sources import Workspace, with_file_errors
from fcst.ingest.tables import make_readable
from fcst.specs import DRIVER_ROLES, WIDE, IngestSpec, Mapping

MAX_TOLD = 20
GROUPS = ("family", "class")


@dataclass(frozen=True)
class PlanDataset:
    """What the reading of a plan asks of its dataset.

    Parameters
    ----------
    driver_names
        of the drivers that it has.
    find_known
        (item, family or class; keys) -> those of the keys that it has.
    find_sales
        (item, family, class or all; keys) -> their sales, as `FindSales`.
    """

    weeks: DatasetWeeks
    driver_names: Collection[str]
    find_known: Callable[[str, list[str]], set[str]]
    find_sales: Callable[[str, list[str]], list[KeySales]]


def look_at_plan(
    spec: IngestSpec, folders: Folders, workspace: Workspace, known: Mapping, is_draft: bool = False
) -> list[Part]:
    """The spec's files of drivers, and what their columns mean.

    Parameters
    ----------
    known
        role -> columns of the dataset's own files: those mean the same here.
    is_draft
        columns may still be missing and questions open: people are about to answer them.

    Raises
    ------
    InputError
        if a file has no date or no driver, or something that the data do not prove is not said.
    """
    given: Mapping = {"sales": []} | spec.mapping
    parts = []
    for table in look_at(replace(spec, mapping=given), folders, workspace).tables:
        mapping = {r: c for r, c in known.items() if r != "sales" and c and set(c) <= set(table.columns)} | given
        part = make_part(table, replace(spec, mapping=mapping), {})
        if not is_draft:
            _check(part)
        parts.append(part)
    if len({len(part.keys) for part in parts}) > 1:
        raise InputError("The files' items are joined of different numbers of columns.", "Load them one by one.")
    return parts


def _check(part: Part) -> None:
    name, columns = part.table.name, ", ".join(part.table.columns[:MAX_TOLD])
    if not part.proposal.mapping["date"]:
        raise InputError(f"{name} has no column for the date.", f"Name it (--map date=COLUMN). It has {columns}.")
    if not part.table.sample:
        raise InputError(f"{name} has a header and no rows.", "Give a file with drivers in it.")
    if part.proposal.periods and not has_drivers(part):
        raise InputError(
            f"{name} has a column for each day or week, and nothing says what its numbers are.",
            f"Say so (--map 'stock={WIDE}', or price, promo, open, driver).",
        )
    if not has_drivers(part):
        roles = ", ".join(DRIVER_ROLES)
        raise InputError(
            f"{name} has no column that is known to be a driver.",
            f"Name one (--map ROLE=COLUMN, with {roles}). It has {columns}.",
        )
    if not part.proposal.date_format and not part.proposal.periods and part.kind("date") == "VARCHAR":
        shown = ", ".join(map(repr, part.values("date")[:3])) or "all are empty"
        raise InputError(f"The dates of {name} have no format that is known: {shown}.", "Name it (--date-format).")
    check_readings(part)


@with_file_errors()
def read_plan(
    spec: IngestSpec,
    parts: Sequence[Part],
    dataset: PlanDataset,
    workspace: Workspace,
) -> DriverFiles:
    """Reads files of drivers.

    Parameters
    ----------
    parts
        the files with what their columns mean, as `look_at_plan` finds them.

    Raises
    ------
    InputError
        if the file cannot be used, one of its drivers is the units sold, or, unless the spec says to skip them, some of
        its rows cannot be read.
    """
    with duckdb.connect() as con:
        try:
            files = [(part, make_readable(part.table, workspace)) for part in parts]
            grouped_by = _grouped_by(parts)
            told = sum_weeks(
                con,
                files,
                read_columns(con, files, dataset.driver_names),
                spec,
                dataset.weeks,
                [_kept_sql(part, spec) for part, _ in files],
                workspace,
                grouped_by,
            )
            unknown: list[str] = []
            if grouped_by != "all":
                keys = [key for (key,) in fetch_all(con, "SELECT DISTINCT key FROM driver_weeks ORDER BY key")]
                unknown = sorted(set(keys) - dataset.find_known(grouped_by, keys))
                if keys and len(unknown) == len(keys):
                    raise InputError(
                        f"The dataset has none of the keys in {parts[0].table.name}, such as {keys[0]!r}.",
                        "Map the column of items (--map item=COLUMN); keys must match to the letter.",
                    )
                con.execute("DELETE FROM driver_weeks WHERE key IN (SELECT unnest($unknown))", {"unknown": unknown})
            sales = partial(dataset.find_sales, grouped_by)
            check_leaks(con, told.columns, told.first_day, told.last_day, sales)
            if told.n_bad and not spec.skip_bad:
                raise InputError(
                    f"{told.n_bad:,} rows of {parts[0].table.name} cannot be read: {'; '.join(told.bad)}.",
                    "Correct the file, or load its good rows (--skip-bad).",
                )
            report = DriverReport(
                n_rows=told.n_rows,
                n_unknown=len(unknown),
                unknown=tuple(unknown[:MAX_TOLD]),
                n_outside=told.n_outside,
                n_bad=told.n_bad,
                bad=told.bad,
            )
            source = ", ".join(part.table.name for part in parts[:5])
            return write_values(con, told, source, grouped_by, report, workspace.new_file(), is_plan=True)
        except duckdb.Error as exc:
            raise InputError(
                f"{parts[0].table.name} cannot be read: {first_line(exc)}.", "Check that the file is whole."
            ) from exc


def _grouped_by(parts: Sequence[Part]) -> str:
    """What the keys of a plan are."""
    mapping = parts[0].proposal.mapping
    return next((role for role in ("item", *GROUPS) if mapping[role]), "all")


def _kept_sql(part: Part, spec: IngestSpec) -> str:
    """Which rows of a plan count: all, or those with the values that were asked for.

    Raises
    ------
    InputError
        if the file has no such column.
    """
    wanted: dict[str, list[str]] = {}
    for column, value in spec.where:
        if column not in part.table.columns:
            names = ", ".join(part.table.columns[:MAX_TOLD])
            raise InputError(f"{part.table.name} has no column {column!r} to filter by.", f"Its columns are {names}.")
        wanted.setdefault(column, []).append(literal(value))
    found = (f"coalesce({part.place_of(name)} IN ({', '.join(values)}), false)" for name, values in wanted.items())
    return " AND ".join(found)
