"""Which of the files under some paths hold the sales; each head is read once."""

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
from fcst.ingest.sources import Listing, Source, Workspace, beside, named_like
from fcst.ingest.tables import Table
from fcst.specs import IngestSpec

MAX_TOLD = 20  # files that a message lists


@dataclass(frozen=True)
class Finder:
    """Finds the tables of sales among the files of a load; what is read of a file is read once."""

    spec: IngestSpec
    calendar: dict[str, date]
    workspace: Workspace

    def choose(self, listing: Listing) -> list[Table]:
        """Those asked for, else those named one by one, else `train.csv`, else those that look like sales."""
        sources = listing.sources
        if self.spec.file:
            return self._read_all(self._asked_for(sources))
        if listing.named == sources:
            return self._read_all(sources)
        train = [source for source in sources if source.bare.lower() == "train.csv"]
        if train:
            return self._read_all(list(dict.fromkeys([*train, *listing.named])))
        opened = [_data(source, self.workspace) for source in sources]
        return self._read_all(opened) if len(opened) == 1 else self._that_look_so(opened)

    def _asked_for(self, sources: list[Source]) -> list[Source]:
        wanted = self.spec.file
        chosen = named_like(sources, wanted)
        sheets = _sheets(sources, self.workspace) if not chosen else []
        chosen = chosen or [sheet for sheet in sheets if sheet.sheet == wanted]
        if not chosen:
            there = ", ".join(sheet.sheet for sheet in sheets[:MAX_TOLD]) or _told(sources)
            raise InputError(f"There is no {wanted!r} in what was given.", f"Choose one of {there}.")
        return chosen

    def _read_all(self, sources: list[Source]) -> list[Table]:
        return [table for source in sources for table in self._tables_of(_data(source, self.workspace))]

    def _that_look_so(self, sources: list[Source]) -> list[Table]:
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
                f"None of {_told(sources)} has a column for each of item, date and units sold."
                + "".join(f" {p}" for p in problems[:3]),
                "Give the file of sales itself, or name it (--file) and its columns (--map item=SKU).",
            )
        kinds = {frozenset(role for role, names in part.proposal.mapping.items() if names) for part in found}
        if len(kinds) > 1:
            raise InputError(
                "Several files may be the sales, and they differ in what their columns mean:"
                f" {_told([part.table.source for part in found])}.",
                "Choose one (--file NAME), or give the files themselves.",
            )
        return [part.table for part in found]

    def _tables_of(self, source: Source) -> list[Table]:
        """The table of a file; of a workbook those of its sheets that hold sales, else that of its first sheet.

        Raises
        ------
        InputError
            if several sheets hold sales in different columns.
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
                continue  # such as an empty sheet, or a cover
            if part.proposal.looks_like_sales:
                found.append(part)
        if len({tuple(map(normalised, part.table.columns)) for part in found}) > 1:
            shown = ", ".join(part.table.source.sheet for part in found[:MAX_TOLD])
            raise InputError(
                f"Several sheets of {source.name} may be the sales, and they differ in their columns: {shown}.",
                "Choose one (--file SHEET).",
            )
        return [part.table for part in found] or [self._read(source)]

    def _read(self, source: Source) -> Table:
        table = read_table(source, self.workspace, self.spec.encoding)
        zone = self.spec.zone
        return replace(table, zones=tuple(zone if own else "" for own in table.zones)) if zone else table


def _data(source: Source, workspace: Workspace) -> Source:
    """The file with the table that a source leads to, through archives in archives."""
    while (inner := workspace.open_archives(source)) != [source]:
        same = [other for other in inner if other.bare == source.bare]
        if len(inner) > 1 and len(same) != 1:
            raise InputError(f"{source.name} holds several files: {_told(inner)}.", "Unpack it and give one of them.")
        source = same[0] if len(inner) > 1 else inner[0]
    return source


def _sheets(sources: list[Source], workspace: Workspace) -> list[Source]:
    """The sheets of the workbook, where one was given and no more."""
    books = [source for source in sources if workspace.kind(source) == Kind.WORKBOOK]
    if len(books) != 1:
        return []
    (book,) = books
    return [replace(book, sheet=name) for name in workbooks.sheet_names(workspace.file_of(book), book.name)]


def _told(sources: Sequence[Source]) -> str:
    names = [source.members[-1] if source.members else source.path.name for source in sources[:MAX_TOLD]]
    return ", ".join(names) + (f" and {len(sources) - MAX_TOLD:,} more" if len(sources) > MAX_TOLD else "")


def read_beside(source: Source, name: str, listing: Listing, folders: Folders, workspace: Workspace) -> Table | None:
    found = beside(source, name, listing, folders)
    if found is None:
        return None
    try:
        return read_table(_data(found, workspace), workspace)
    except InputError as exc:
        raise InputError(exc.message, "It lies beside the sales; correct it or move it away.") from exc


def read_calendar(listing: Listing, folders: Folders, workspace: Workspace) -> dict[str, date]:
    """The dates of a wide file's periods, from a `calendar.csv` with the columns `d` and `date` beside it."""
    table = read_beside(listing.sources[0], "calendar.csv", listing, folders, workspace)
    if table is None or not {"d", "date"} <= set(table.columns):
        return {}
    period, day = table.columns.index("d"), table.columns.index("date")
    try:
        return {str(row[period]): date.fromisoformat(str(row[day])) for row in table.sample if row[period] and row[day]}
    except ValueError:
        return {}
