"""What is going to be read, and how: which files hold the sales, what their columns mean, what lies beside them.

One way, with no step back:

    list_sources    paths -> the files and members of archives that may hold a table
    look_at         those -> the tables of sales, each file's head read once, as `finding` chooses them
    propose         a table -> what its columns mean, with the evidence, by the recognisers
    Look.plan       proposals -> the plan, in which the files of one load agree; `checks` refuses what stays open
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import date

from fcst.errors import Conflict
from fcst.ingest.archives import Kind
from fcst.ingest.checks import check_date_format, check_given, check_part
from fcst.ingest.finding import Finder, read_beside, read_calendar
from fcst.ingest.folders import Folders
from fcst.ingest.parts import Part, agreed, make_part
from fcst.ingest.sources import Listing, Source, Workspace, fingerprint, list_sources, with_file_errors
from fcst.ingest.tables import Table
from fcst.quality_report import FileRead
from fcst.specs import IngestSpec


@dataclass(frozen=True)
class Plan:
    """What is read.

    Parameters
    ----------
    parts
        the files of sales, at least one.
    items, stores
        files beside them that describe items and stores.
    others
        files that were found and are not read.
    """

    parts: list[Part]
    items: Table | None
    stores: Table | None
    others: list[str]

    @property
    def seen(self) -> str:
        """A text that changes with the files: their places, sizes and times."""
        return hashlib.sha256(repr(fingerprint(self.sources)).encode()).hexdigest()[:16]

    @property
    def sources(self) -> list[Source]:
        extra = [table.source for table in (self.items, self.stores) if table is not None]
        return [part.table.source for part in self.parts] + extra


@dataclass(frozen=True)
class Look:
    """The tables of sales under the paths of a spec, each read as far as its sample, and what lies beside them."""

    tables: list[Table]
    items: Table | None
    stores: Table | None
    calendar: dict[str, date]
    listing: Listing

    @with_file_errors()
    def plan(self, spec: IngestSpec, is_draft: bool = False) -> Plan:
        """What the tables' columns mean.

        Parameters
        ----------
        is_draft
            columns may still be missing and questions open: people are about to answer them.

        Raises
        ------
        InputError
            if a table lacks a column, or something that the data do not prove is not said.
        Conflict
            if the files are not those that were seen.
        """
        parts = [make_part(table, spec, self.calendar) for table in self.tables]
        parts = agreed(parts, spec, self.calendar)
        check_given(parts, spec)
        for part in [] if is_draft else parts:
            check_part(part)
        plan = Plan(parts, self.items, self.stores, [])
        if spec.seen and spec.seen != plan.seen:
            name = parts[0].table.name
            raise Conflict(f"{name} has changed since it was looked at.", "Look at it again, then load it.")
        others = [source.name for source in self.listing.sources if not any(map(source.leads_to, plan.sources))]
        return replace(plan, others=others)


@with_file_errors()
def look_at(spec: IngestSpec, folders: Folders, workspace: Workspace) -> Look:
    """Finds the tables of sales under the spec's paths.

    Raises
    ------
    InputError
        if there is no such file, or it is not clear which of several is meant.
    """
    check_date_format(spec.date_format)
    listing = list_sources(spec.paths, folders, workspace)
    calendar = read_calendar(listing, folders, workspace)
    tables = Finder(spec, calendar, workspace).choose(listing)
    first = tables[0].source
    return Look(
        tables=tables,
        items=read_beside(first, "items.csv", listing, folders, workspace),
        stores=read_beside(first, "stores.csv", listing, folders, workspace),
        calendar=calendar,
        listing=listing,
    )


def describe_file(part: Part) -> FileRead:
    """How a file of sales is taken, as the report keeps it."""
    table, is_text = part.table, part.table.kind == Kind.TEXT
    periods = tuple(part.proposal.periods.items())
    return FileRead(
        name=table.name,
        kind=table.kind.value,
        n_bytes=table.source.path.stat().st_size,
        columns=tuple(table.header),
        encoding=table.encoding if is_text else None,
        delimiter=table.delimiter if is_text else None,
        mapping={role: names for role, names in part.proposal.mapping.items() if names},
        date_format=part.proposal.date_format,
        is_day_first_assumed=part.proposal.is_day_first_assumed,
        why=part.proposal.why,
        remarks=(*part.proposal.remarks, *table.remarks),
        decimal=part.proposal.decimal,
        periods=periods[:: max(len(periods) - 1, 1)],
    )
