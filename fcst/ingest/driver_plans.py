"""Driver plans: files with drivers only, for past and future weeks, by item, family, class, or for all items.

find_plan_tables      finds the files
PlanTables.parts    files -> meaning of their columns
read_plan         files -> the file that the database loads
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import duckdb

from fcst.drivers import DriverReport
from fcst.errors import InputError
from fcst.ingest.checks import check_readings
from fcst.ingest.driver_checks import KeySales, check_leaks
from fcst.ingest.driver_columns import read_columns
from fcst.ingest.driver_files import DatasetWeeks, DriverFiles, DriverWeeks, sum_weeks, write_values
from fcst.ingest.driver_keys import Grouping, check_part_keys, grouping_of, make_plan_part
from fcst.ingest.duck import Connection, fetch_all, first_line, is_disk_full, literal
from fcst.ingest.folders import Folders
from fcst.ingest.parts import Part
from fcst.ingest.plan import look_at
from fcst.ingest.sources import Workspace, disk_full_while_reading, with_file_errors
from fcst.ingest.tables import Table, make_readable
from fcst.names import KEY_JOINT
from fcst.specs import DRIVER_ROLES, WIDE, IngestSpec, Mapping, has_drivers

MAX_NAMED = 20


@dataclass(frozen=True)
class PlanDataset:
    """The dataset of a plan.

    Parameters
    ----------
    item_columns
        the columns that form its item keys.
    driver_names
        names of its drivers.
    find_known
        (grouped_by, key_columns, keys) -> the keys that exist in the dataset; not called for `all`.
    find_sales
        (grouped_by, key_columns, keys) -> the sales of the keys, see `FindSales`.
    """

    weeks: DatasetWeeks
    item_columns: Sequence[str]
    driver_names: Collection[str]
    find_known: Callable[[str, Sequence[str], list[str]], set[str]]
    find_sales: Callable[[str, Sequence[str], list[str]], list[KeySales]]


@dataclass(frozen=True)
class PlanTables:
    """The tables under the paths of a plan, read up to their samples.

    Parameters
    ----------
    known
        role -> columns in the dataset's sales files; columns with these names have the same role here.
    """

    tables: list[Table]
    known: Mapping

    def parts(self, spec: IngestSpec, is_draft: bool = False) -> list[Part]:
        """Recognises the meaning of the tables' columns.

        Parameters
        ----------
        is_draft
            allow missing columns and open decisions, which the user is about to answer.

        Raises
        ------
        InputError
            if a table has no date or no driver, or the spec does not answer a decision that the data do not prove.
        """
        given, item_columns = _given(spec), self.known.get("item", [])
        parts = []
        for table in self.tables:
            known = {role: names for role, names in self.known.items() if names and set(names) <= set(table.columns)}
            own = replace(spec, mapping=known | given)
            part = make_plan_part(table, own, item_columns, is_draft)
            if not is_draft:
                _check(part)
            parts.append(part)
        if not is_draft:
            grouping_of(parts, item_columns)
        return parts


def _given(spec: IngestSpec) -> Mapping:
    return {"sales": []} | spec.mapping


def find_plan_tables(spec: IngestSpec, folders: Folders, workspace: Workspace, known: Mapping) -> PlanTables:
    """Finds the tables of drivers under the spec's paths.

    Parameters
    ----------
    known
        role -> columns in the dataset's sales files.

    Raises
    ------
    InputError
        if no file has a table, or several files have tables with different columns.
    """
    return PlanTables(look_at(replace(spec, mapping=_given(spec)), folders, workspace).tables, known)


def _check(part: Part) -> None:
    name, columns = part.table.name, ", ".join(part.table.columns[:MAX_NAMED])
    if not part.proposal.mapping["date"]:
        raise InputError(
            f"{name} has no column for the date.", f"Map it (--map date=COLUMN). Its columns are {columns}."
        )
    if not part.table.sample:
        raise InputError(f"{name} has a header but no rows.", "Give a file with drivers in it.")
    if part.proposal.periods and not has_drivers(part.proposal.mapping):
        raise InputError(
            f"{name} has one column per day or week, but it is unknown what its numbers are.",
            f"Map them (--map 'stock={WIDE}', or price, promo, open, driver).",
        )
    if not has_drivers(part.proposal.mapping):
        roles = ", ".join(DRIVER_ROLES)
        raise InputError(
            f"{name} has no driver column.",
            f"Map one (--map ROLE=COLUMN, with {roles}). Its columns are {columns}.",
        )
    if not part.proposal.date_format and not part.proposal.periods and part.kind("date") == "VARCHAR":
        shown = ", ".join(map(repr, part.values("date")[:3])) or "all are empty"
        raise InputError(f"The dates of {name} have no known format: {shown}.", "Set the format (--date-format).")
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
        the files with the meaning of their columns, from `PlanTables.parts`.

    Raises
    ------
    InputError
        if a file cannot be used, a driver is the units sold, or there are bad rows and the spec does not skip them.
    """
    with duckdb.connect() as con:
        try:
            files = [(part, make_readable(part.table, workspace)) for part in parts]
            grouping = grouping_of(parts, dataset.item_columns)
            kept = [_kept_sql(part, spec) for part, _ in files]
            if grouping.key_columns:
                for (part, readable), condition in zip(files, kept, strict=True):
                    check_part_keys(con, part, readable, condition)
            read = sum_weeks(
                con,
                files,
                read_columns(con, files, dataset.driver_names),
                spec,
                dataset.weeks,
                kept,
                workspace,
                grouping.grouped_by,
            )
            grouping, unknown = _leave_out_unknown(con, parts[0], dataset, grouping)
            sales = partial(dataset.find_sales, grouping.grouped_by, grouping.key_columns)
            check_leaks(con, read.columns, read.first_day, read.last_day, sales)
            if read.n_bad and not spec.skip_bad:
                raise InputError(
                    f"{read.n_bad:,} bad rows in {parts[0].table.name}: {'; '.join(read.bad)}.",
                    "Load the good rows (--skip-bad), or correct the file.",
                )
            report = _report(read, unknown, dataset)
            source = ", ".join(part.table.name for part in parts[:5])
            target = workspace.new_file()
            written = write_values(con, read, source, grouping.grouped_by, report, target, is_plan=True)
            return replace(written, key_columns=grouping.key_columns)
        except duckdb.Error as exc:
            if is_disk_full(exc):
                raise disk_full_while_reading() from exc
            raise InputError(
                f"{parts[0].table.name} cannot be read: {first_line(exc)}.", "Check that the file is complete."
            ) from exc


def _report(read: DriverWeeks, unknown: Sequence[str], dataset: PlanDataset) -> DriverReport:
    return DriverReport(
        n_rows=read.n_rows,
        n_unknown=len(unknown),
        unknown=tuple(unknown[:MAX_NAMED]),
        n_outside=read.n_outside,
        n_bad=read.n_bad,
        bad=read.bad,
        remarks=tuple(_unlearnable(read, dataset)),
    )


def _unlearnable(read: DriverWeeks, dataset: PlanDataset) -> Iterator[str]:
    """Yields a sentence for each new driver without values in weeks with sales: its effect cannot be estimated."""
    if read.first_day <= dataset.weeks.last_wk_end_dt:
        return
    known = ", ".join(sorted(dataset.driver_names)) or "none"
    for column in read.columns:
        if column.name not in dataset.driver_names:
            yield (
                f"{column.name} has no values in weeks with sales: its effect cannot be estimated. Rename the column to"
                f" a driver of the dataset ({known}), or load past weeks, too."
            )


def _leave_out_unknown(
    con: Connection, part: Part, dataset: PlanDataset, grouping: Grouping
) -> tuple[Grouping, list[str]]:
    """Deletes keys that the dataset does not have from table `driver_weeks`; returns the key type and these keys.

    A column with the name of a key part may contain whole keys, as in fcst exports.

    Raises
    ------
    InputError
        if the dataset has none of the keys.
    """
    if grouping.grouped_by == "all":
        return grouping, []
    keys = [key for (key,) in fetch_all(con, "SELECT DISTINCT key FROM driver_weeks ORDER BY key")]
    joined = [key for key in keys if KEY_JOINT in key]
    if len(grouping.key_columns) == 1 and joined and dataset.find_known("item", (), joined):
        grouping = Grouping("item")
    unknown = sorted(set(keys) - dataset.find_known(grouping.grouped_by, grouping.key_columns, keys))
    if keys and len(unknown) == len(keys):
        hint = "Map the item column (--map item=COLUMN). Keys must match exactly."
        if len(dataset.item_columns) > 1:
            hint = f"The dataset's key columns are {', '.join(dataset.item_columns)}. Map all or some of them."
        raise InputError(f"The dataset has none of the keys in {part.table.name}, such as {keys[0]!r}.", hint)
    con.execute("DELETE FROM driver_weeks WHERE key IN (SELECT unnest($unknown))", {"unknown": unknown})
    return grouping, unknown


def _kept_sql(part: Part, spec: IngestSpec) -> str:
    """SQL for the row filter of a plan; empty for all rows.

    Raises
    ------
    InputError
        if the file does not have a column of the filter.
    """
    wanted: dict[str, list[str]] = {}
    for column, value in spec.where:
        if column not in part.table.columns:
            names = ", ".join(part.table.columns[:MAX_NAMED])
            raise InputError(
                f"{part.table.name} has no column {column!r} to filter by.", f"Choose one of its columns: {names}."
            )
        wanted.setdefault(column, []).append(literal(value))
    found = (f"coalesce({part.place_of(name)} IN ({', '.join(values)}), false)" for name, values in wanted.items())
    return " AND ".join(found)
