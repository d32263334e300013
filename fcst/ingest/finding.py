"""Finds the sales tables among the files of a load; reads the head of each file once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from fcst.errors import InputError
from fcst.ingest import workbooks
from fcst.ingest.archives import Kind
from fcst.ingest.columns import normalised
from fcst.ingest.folders import Folders
from fcst.ingest.heads import read_table
from fcst.ingest.parts import Part, make_part
from fcst.ingest.sources import Listing, Source, Workspace, find_sibling, match_name
from fcst.ingest.tables import Table
from fcst.specs import IngestSpec

MAX_LISTED = 20  # files listed in a message


@dataclass(frozen=True)
class Finder:
    """Finds the sales tables among the files of a load."""

    spec: IngestSpec
    calendar: dict[str, date]
    workspace: Workspace

    def choose(self, listing: Listing) -> list[Table]:
        """Returns the tables chosen in the spec, else those given by path, else `train.csv`, else those that look like
        sales.
        """
        sources = listing.sources
        if self.spec.file:
            return self._read_all(self._select(sources))
        if listing.named == sources:
            return self._read_all(sources)
        train = [source for source in sources if source.bare.lower() == "train.csv"]
        if train:
            return self._read_all(list(dict.fromkeys([*train, *listing.named])))
        opened = [_open_nested(source, self.workspace) for source in sources]
        return self._read_all(opened) if len(opened) == 1 else self._read_sales_like(opened)

    def _select(self, sources: list[Source]) -> list[Source]:
        wanted = self.spec.file
        chosen = match_name(sources, wanted)
        sheets = _sheets(sources, self.workspace) if not chosen else []
        chosen = chosen or [sheet for sheet in sheets if sheet.sheet == wanted]
        if not chosen:
            available = ", ".join(sheet.sheet for sheet in sheets[:MAX_LISTED]) or _list_names(sources)
            raise InputError(f"The given files have no file or sheet {wanted!r}.", f"Choose one of {available}.")
        return chosen

    def _read_all(self, sources: list[Source]) -> list[Table]:
        return [table for source in sources for table in self._tables_of(_open_nested(source, self.workspace))]

    def _read_sales_like(self, sources: list[Source]) -> list[Table]:
        found: list[Part] = []
        problems: list[str] = []
        for source in sources:
            try:
                parts = [make_part(table, self.spec, self.calendar) for table in self._tables_of(source)]
            except InputError as exc:
                problems.append(exc.message)
                continue
            found += [part for part in parts if part.proposal.looks_like_sales]
        if not found:
            raise InputError(
                f"None of {_list_names(sources)} has a column for each of item, date and units sold."
                + "".join(f" {p}" for p in problems[:3]),
                "Give the sales file itself, or name it (--file) and its columns (--map item=SKU).",
            )
        kinds = {frozenset(role for role, names in part.proposal.mapping.items() if names) for part in found}
        if len(kinds) > 1:
            raise InputError(
                "Several files look like sales, but their columns differ in meaning:"
                f" {_list_names([part.table.source for part in found])}.",
                "Choose one (--file NAME), or give the files themselves.",
            )
        return [part.table for part in found]

    def _tables_of(self, source: Source) -> list[Table]:
        """Reads the table of a file; for a workbook, the sheets that look like sales, else the first sheet.

        Raises
        ------
        InputError
            if several sheets look like sales and have different columns.
        """
        is_book = not source.sheet and self.workspace.kind(source) == Kind.WORKBOOK
        names = workbooks.sheet_names(self.workspace.file_of(source), source.name) if is_book else []
        if len(names) < 2:
            return [self._read(source)]
        found: list[Part] = []
        for name in names:
            try:
                part = make_part(self._read(replace(source, sheet=name)), self.spec, self.calendar)
            except InputError:
                continue  # for example an empty sheet or a cover sheet
            if part.proposal.looks_like_sales:
                found.append(part)
        if len({tuple(map(normalised, part.table.columns)) for part in found}) > 1:
            shown = ", ".join(part.table.source.sheet for part in found[:MAX_LISTED])
            raise InputError(
                f"Several sheets of {source.name} look like sales, but their columns differ: {shown}.",
                "Choose one (--file SHEET).",
            )
        return [part.table for part in found] or [self._read(source)]

    def _read(self, source: Source) -> Table:
        table = read_table(source, self.workspace, self.spec.encoding)
        zone = self.spec.zone
        return replace(table, zones=tuple(zone if own else "" for own in table.zones)) if zone else table


def _open_nested(source: Source, workspace: Workspace) -> Source:
    """The file with the table that a source contains, through nested archives."""
    while (inner := workspace.open_archives(source)) != [source]:
        same = [other for other in inner if other.bare == source.bare]
        if len(inner) > 1 and len(same) != 1:
            raise InputError(
                f"{source.name} contains several files: {_list_names(inner)}.", "Unpack it and give one of them."
            )
        source = same[0] if len(inner) > 1 else inner[0]
    return source


def _sheets(sources: list[Source], workspace: Workspace) -> list[Source]:
    """The sheets of the workbook, if exactly one workbook was given."""
    books = [source for source in sources if workspace.kind(source) == Kind.WORKBOOK]
    if len(books) != 1:
        return []
    (book,) = books
    return [replace(book, sheet=name) for name in workbooks.sheet_names(workspace.file_of(book), book.name)]


def _list_names(sources: Sequence[Source]) -> str:
    names = [source.members[-1] if source.members else source.path.name for source in sources[:MAX_LISTED]]
    return ", ".join(names) + (f" and {len(sources) - MAX_LISTED:,} more" if len(sources) > MAX_LISTED else "")


def read_companion(source: Source, name: str, listing: Listing, folders: Folders, workspace: Workspace) -> Table | None:
    """Reads the head of the file `name` next to a sales file; None if there is none."""
    found = find_sibling(source, name, listing, folders)
    if found is None:
        return None
    try:
        return read_table(_open_nested(found, workspace), workspace)
    except InputError as exc:
        raise InputError(exc.message, "The file is next to the sales file. Correct it or move it away.") from exc


def read_calendar(listing: Listing, folders: Folders, workspace: Workspace) -> dict[str, date]:
    """The dates of a wide file's periods, from a `calendar.csv` next to it with the columns `d` and `date`."""
    table = read_companion(listing.sources[0], "calendar.csv", listing, folders, workspace)
    if table is None or not {"d", "date"} <= set(table.columns):
        return {}
    period, day = table.columns.index("d"), table.columns.index("date")
    try:
        return {str(row[period]): date.fromisoformat(str(row[day])) for row in table.sample if row[period] and row[day]}
    except ValueError:
        return {}
