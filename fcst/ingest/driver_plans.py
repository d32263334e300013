"""Plans: files of drivers alone, of weeks past and to come, by item, family, class, or for all items.

look_at_plan      finds the files
PlanLook.parts    those -> what their columns mean
read_plan         those -> the file that the database loads
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
from fcst.ingest.duck import Connection, fetch_all, first_line, is_out_of_room, literal
from fcst.ingest.folders import Folders
from fcst.ingest.parts import Part
from fcst.ingest.plan import look_at
from fcst.ingest.sources import Workspace, no_room_to_read, with_file_errors
from fcst.ingest.tables import Table, make_readable
from fcst.names import KEY_JOINT
from fcst.specs import DRIVER_ROLES, WIDE, IngestSpec, Mapping, has_drivers

MAX_NAMED = 20


@dataclass(frozen=True)
class PlanDataset:
    """What the reading of a plan asks of its dataset.

    Parameters
    ----------
    item_columns
        that the keys of its items are joined of.
    driver_names
        of the drivers that it has.
    find_known
        (grouped_by, key_columns, keys) -> those of the keys that it has; never asked of all items.
    find_sales
        (grouped_by, key_columns, keys) -> their sales, as `FindSales`.
    """

    weeks: DatasetWeeks
    item_columns: Sequence[str]
    driver_names: Collection[str]
    find_known: Callable[[str, Sequence[str], list[str]], set[str]]
    find_sales: Callable[[str, Sequence[str], list[str]], list[KeySales]]


@dataclass(frozen=True)
class PlanLook:
    """The tables under the paths of a plan, each read as far as its sample.

    Parameters
    ----------
    known
        role -> columns of the dataset's own files: those mean the same here.
    """

    tables: list[Table]
    known: Mapping

    def parts(self, spec: IngestSpec, is_draft: bool = False) -> list[Part]:
        """What the tables' columns mean.

        Parameters
        ----------
        is_draft
            columns may still be missing and questions open: people are about to answer them.

        Raises
        ------
        InputError
            if a table has no date or no driver, or something that the data do not prove is not said.
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


def look_at_plan(spec: IngestSpec, folders: Folders, workspace: Workspace, known: Mapping) -> PlanLook:
    """Finds the tables of drivers under the spec's paths.

    Parameters
    ----------
    known
        role -> columns of the dataset's own files.

    Raises
    ------
    InputError
        if there is no such file, or it is not clear which of several is meant.
    """
    return PlanLook(look_at(replace(spec, mapping=_given(spec)), folders, workspace).tables, known)


def _check(part: Part) -> None:
    name, columns = part.table.name, ", ".join(part.table.columns[:MAX_NAMED])
    if not part.proposal.mapping["date"]:
        raise InputError(f"{name} has no column for the date.", f"Name it (--map date=COLUMN). It has {columns}.")
    if not part.table.sample:
        raise InputError(f"{name} has a header and no rows.", "Give a file with drivers in it.")
    if part.proposal.periods and not has_drivers(part.proposal.mapping):
        raise InputError(
            f"{name} has a column for each day or week, and nothing says what its numbers are.",
            f"Say so (--map 'stock={WIDE}', or price, promo, open, driver).",
        )
    if not has_drivers(part.proposal.mapping):
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
        the files with what their columns mean, as `PlanLook.parts` finds them.

    Raises
    ------
    InputError
        if the file cannot be used, one of its drivers is the units sold, or, unless the spec says to skip them, some of
        its rows cannot be read.
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
                    f"{read.n_bad:,} rows of {parts[0].table.name} cannot be read: {'; '.join(read.bad)}.",
                    "Correct the file, or load its good rows (--skip-bad).",
                )
            report = DriverReport(
                n_rows=read.n_rows,
                n_unknown=len(unknown),
                unknown=tuple(unknown[:MAX_NAMED]),
                n_outside=read.n_outside,
                n_bad=read.n_bad,
                bad=read.bad,
                remarks=tuple(_unlearnable(read, dataset)),
            )
            source = ", ".join(part.table.name for part in parts[:5])
            target = workspace.new_file()
            written = write_values(con, read, source, grouping.grouped_by, report, target, is_plan=True)
            return replace(written, key_columns=grouping.key_columns)
        except duckdb.Error as exc:
            if is_out_of_room(exc):
                raise no_room_to_read() from exc
            raise InputError(
                f"{parts[0].table.name} cannot be read: {first_line(exc)}.", "Check that the file is whole."
            ) from exc


def _unlearnable(read: DriverWeeks, dataset: PlanDataset) -> Iterator[str]:
    """A sentence for each driver whose effect no run can learn, for it has no values in weeks with sales."""
    if read.first_day <= dataset.weeks.last_wk_end_dt:
        return
    known = ", ".join(sorted(dataset.driver_names)) or "none"
    for column in read.columns:
        if column.name not in dataset.driver_names:
            yield (
                f"{column.name} has no values in weeks with sales, so its effect cannot be learnt. Drivers of the "
                f"dataset are {known}: name the column as one of them, or load past weeks too."
            )


def _leave_out_unknown(
    con: Connection, part: Part, dataset: PlanDataset, grouping: Grouping
) -> tuple[Grouping, list[str]]:
    """Takes keys that the dataset does not have out of table `driver_weeks`; returns them, and what the keys are.

    A column with the name of a part may hold whole keys, as in files that were exported.

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
        hint = "Map the column of items (--map item=COLUMN); keys must match to the letter."
        if len(dataset.item_columns) > 1:
            hint = f"Its keys are joined of {', '.join(dataset.item_columns)}: map these columns, or some of them."
        raise InputError(f"The dataset has none of the keys in {part.table.name}, such as {keys[0]!r}.", hint)
    con.execute("DELETE FROM driver_weeks WHERE key IN (SELECT unnest($unknown))", {"unknown": unknown})
    return grouping, unknown


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
            names = ", ".join(part.table.columns[:MAX_NAMED])
            raise InputError(f"{part.table.name} has no column {column!r} to filter by.", f"Its columns are {names}.")
        wanted.setdefault(column, []).append(literal(value))
    found = (f"coalesce({part.place_of(name)} IN ({', '.join(values)}), false)" for name, values in wanted.items())
    return " AND ".join(found)
