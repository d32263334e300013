"""Load plans: the sales files of a load, the meaning of their columns, and the companion files next to them.

The steps:

    list_sources    paths -> files and archive members that may hold a table
    look_at         files -> sales tables, chosen by `finding`; reads the head of each file once
    propose         table -> meaning of its columns with the evidence, from the recognisers
    Look.plan       proposals -> load plan with consistent formats; `checks` refuses open decisions
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import date

from fcst.errors import Conflict
from fcst.ingest.archives import Kind
from fcst.ingest.checks import check_date_format, check_given, check_part
from fcst.ingest.finding import Finder, read_calendar, read_companion
from fcst.ingest.folders import Folders
from fcst.ingest.parts import Part, make_part, reconcile
from fcst.ingest.sources import Listing, Source, Workspace, fingerprint, list_sources, with_file_errors
from fcst.ingest.tables import Table
from fcst.quality_report import FileRead
from fcst.specs import IngestSpec


@dataclass(frozen=True)
class Plan:
    """The files of a load.

    Parameters
    ----------
    parts
        the sales files, at least one.
    items, stores
        companion files that describe items and stores.
    others
        names of files that were found and are not read.
    """

    parts: list[Part]
    items: Table | None
    stores: Table | None
    others: list[str]

    @property
    def fingerprint(self) -> str:
        """A hash of the files' paths, inodes, sizes and modification times."""
        return hashlib.sha256(repr(fingerprint(self.sources)).encode()).hexdigest()[:16]

    @property
    def sources(self) -> list[Source]:
        extra = [table.source for table in (self.items, self.stores) if table is not None]
        return [part.table.source for part in self.parts] + extra


@dataclass(frozen=True)
class Look:
    """The sales tables under the paths of a spec, read up to their samples, and their companion files."""

    tables: list[Table]
    items: Table | None
    stores: Table | None
    calendar: dict[str, date]
    listing: Listing

    @with_file_errors()
    def plan(self, spec: IngestSpec, is_draft: bool = False) -> Plan:
        """Makes the load plan: the meaning of the tables' columns.

        Parameters
        ----------
        is_draft
            allow missing columns and open decisions, which the user is about to answer.

        Raises
        ------
        InputError
            if a required column is missing, or the spec does not answer a decision that the data do not prove.
        Conflict
            if the files have changed since the spec was made.
        """
        parts = [make_part(table, spec, self.calendar) for table in self.tables]
        parts = reconcile(parts, spec, self.calendar)
        check_given(parts, spec)
        for part in [] if is_draft else parts:
            check_part(part)
        plan = Plan(parts, self.items, self.stores, [])
        if spec.fingerprint and spec.fingerprint != plan.fingerprint:
            name = parts[0].table.name
            raise Conflict(f"{name} has changed since it was checked.", "Check it again, then load it.")
        others = [source.name for source in self.listing.sources if not any(map(source.contains, plan.sources))]
        return replace(plan, others=others)


@with_file_errors()
def look_at(spec: IngestSpec, folders: Folders, workspace: Workspace) -> Look:
    """Finds the sales tables under the spec's paths.

    Raises
    ------
    InputError
        if no file has sales, or several files have sales with different columns.
    """
    check_date_format(spec.date_format)
    listing = list_sources(spec.paths, folders, workspace)
    calendar = read_calendar(listing, folders, workspace)
    tables = Finder(spec, calendar, workspace).choose(listing)
    first = tables[0].source
    return Look(
        tables=tables,
        items=read_companion(first, "items.csv", listing, folders, workspace),
        stores=read_companion(first, "stores.csv", listing, folders, workspace),
        calendar=calendar,
        listing=listing,
    )


def describe_file(part: Part) -> FileRead:
    """Describes how a sales file is read, for the report."""
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
