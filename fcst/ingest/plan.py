"""What is going to be read, and how: which files hold the sales, what their columns mean, what lies beside them.

Made twice from the same spec: for the preview that people confirm, and by the ingest itself.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from fcst.errors import InputError
from fcst.ingest import workbooks
from fcst.ingest.archives import Kind
from fcst.ingest.duck import is_date_format
from fcst.ingest.folders import Folders
from fcst.ingest.mapping import YEAR_WEEK_JOINT, Proposal, is_nested, month_first, normalised, propose, two_days
from fcst.ingest.number_texts import signed
from fcst.ingest.sources import Listing, Source, Workspace, beside, list_sources, named_like, with_file_errors
from fcst.ingest.tables import Table, read_table
from fcst.quality_report import FileRead
from fcst.specs import ATTRIBUTES, REQUIRED_ROLES, ROLES, WIDE, IngestSpec, Mapping

MAX_TOLD = 20  # columns or files that a message lists


@dataclass(frozen=True)
class Part:
    """One file of sales, and what its columns mean."""

    table: Table
    proposal: Proposal

    def column(self, role: str) -> str | None:
        """The name of the column with a role; None where there is none."""
        names = self.proposal.mapping[role]
        return names[0] if names and names != [WIDE] else None

    def place(self, role: str) -> str | None:
        """The same as the SQL of the table calls it: c3; a year and a week are joined."""
        if self.column(role) is None:
            return None
        places = [f"c{self.table.columns.index(name)}" for name in self.proposal.mapping[role]]
        if role != "date" or len(places) == 1:
            return places[0]
        return "(" + f" || '{YEAR_WEEK_JOINT}' || ".join(places) + ")"

    def values(self, role: str) -> list[str]:
        """The values of a role in the sample, row by row."""
        name = self.column(role)
        place = self.table.columns.index(name) if name is not None else 0
        return [cell.strip() for row in self.table.sample if name is not None and (cell := row[place])]

    def kind(self, role: str) -> str:
        """The type, in its file, of the column with a role."""
        name = self.column(role)
        return "VARCHAR" if name is None else self.table.types[self.table.columns.index(name)]

    @property
    def keys(self) -> list[str]:
        """The columns of the item's key, as the SQL of the table calls them."""
        return [f"c{self.table.columns.index(name)}" for name in self.proposal.mapping["item"]]


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
    def sources(self) -> list[Source]:
        extra = [table.source for table in (self.items, self.stores) if table is not None]
        return [part.table.source for part in self.parts] + extra


@with_file_errors()
def make_plan(spec: IngestSpec, folders: Folders, workspace: Workspace, is_draft: bool = False) -> Plan:
    """Finds the files of sales under the spec's paths, and what their columns mean.

    Parameters
    ----------
    is_draft
        columns may still be missing: people are about to say what they mean.

    Raises
    ------
    InputError
        if there is no such file, or it lacks a column, or it is not clear which of several is meant.
    """
    _check_date_format(spec.date_format)
    listing = list_sources(spec.paths, folders, workspace)
    calendar = _read_calendar(listing, folders, workspace)
    chosen = [
        sheet
        for source in _choose(listing, spec, calendar, workspace)
        for sheet in _with_sheets(source, spec, calendar, workspace)
    ]
    parts = [_make_part(read_table(source, workspace, spec.encoding), spec, calendar) for source in chosen]
    parts = _agreed(parts, spec, calendar)
    _check_given(parts, spec)
    for part in [] if is_draft else parts:
        _check_columns(part)
    first = parts[0].table.source
    plan = Plan(
        parts=parts,
        items=_read_beside(first, "items.csv", listing, folders, workspace),
        stores=_read_beside(first, "stores.csv", listing, folders, workspace),
        others=[],
    )
    others = [source.name for source in listing.sources if not any(map(source.leads_to, plan.sources))]
    return replace(plan, others=others)


@with_file_errors()
def find_tables(spec: IngestSpec, folders: Folders, workspace: Workspace) -> list[Table]:
    """The files of sales under the spec's paths, whatever their columns.

    Raises
    ------
    InputError
        as `make_plan`, but for columns.
    """
    listing = list_sources(spec.paths, folders, workspace)
    chosen = _choose(listing, spec, _read_calendar(listing, folders, workspace), workspace)
    return [read_table(source, workspace, spec.encoding) for source in chosen]


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
        is_negated=part.proposal.is_negated,
        decimal=part.proposal.decimal,
        periods=periods[:: max(len(periods) - 1, 1)],
    )


def _check_date_format(date_format: str) -> None:
    try:
        datetime.strptime("", date_format)
    except ValueError:
        is_known = is_date_format(date_format)  # DuckDB knows more than Python
    except re.error:  # a part is named twice
        is_known = False
    else:
        is_known = True
    if not is_known:
        raise InputError(f"The date format {date_format!r} cannot be used.", "Name one such as %d/%m/%Y.")


def _make_part(table: Table, spec: IngestSpec, calendar: dict[str, date]) -> Part:
    """Roles that the spec names and the table has stand; where files differ in names, the others are recognised."""
    known = set(table.columns)
    given: Mapping = {role: names for role, names in spec.mapping.items() if set(names) - {WIDE} <= known}
    proposal = propose(
        table.columns,
        table.types,
        table.sample,
        given,
        spec.date_format,
        spec.decimal,
        calendar,
        is_comma_usual=table.delimiter == ";",
    )
    return Part(table, proposal)


def _agreed(parts: list[Part], spec: IngestSpec, calendar: dict[str, date]) -> list[Part]:
    """The files of one load, each read as the others prove: which comes first, day or month, and the decimal sign."""
    formats = {p.proposal.date_format for p in parts if not p.proposal.is_day_first_assumed} - {""}
    decimals = {p.proposal.decimal for p in parts if p.proposal.is_decimal_proven}
    return [_agreeing(part, spec, calendar, formats, decimals) for part in parts]


def _agreeing(part: Part, spec: IngestSpec, calendar: dict[str, date], formats: set[str], decimals: set[str]) -> Part:
    proposal, asked = part.proposal, spec
    if proposal.is_day_first_assumed:
        other = month_first(proposal.date_format)
        known = formats & {proposal.date_format, other}
        if len(known) == 1:
            spec = replace(spec, date_format=known.pop())
    if proposal.is_decimal_open and len(decimals) == 1:
        spec = replace(spec, decimal=next(iter(decimals)))
    return part if spec is asked else _make_part(part.table, spec, calendar)


def _choose(listing: Listing, spec: IngestSpec, calendar: dict[str, date], workspace: Workspace) -> list[Source]:
    """The files of sales: those asked for, else those named one by one, else `train.csv`, else those that look so."""
    sources = listing.sources
    if spec.file:
        chosen = named_like(sources, spec.file)
        sheets = _sheets(sources, workspace) if not chosen else []
        chosen = chosen or [sheet for sheet in sheets if sheet.sheet == spec.file]
        if not chosen:
            there = ", ".join(sheet.sheet for sheet in sheets[:MAX_TOLD]) or _told(sources)
            raise InputError(f"There is no {spec.file!r} in what was given.", f"Choose one of {there}.")
        return [_data(source, workspace) for source in chosen]
    if listing.named == sources:
        return [_data(source, workspace) for source in sources]
    train = [source for source in sources if source.bare.lower() == "train.csv"]
    if train:
        return [_data(source, workspace) for source in dict.fromkeys([*train, *listing.named])]
    opened = [_data(source, workspace) for source in sources]
    if len(opened) == 1:
        return opened
    found: list[tuple[Source, Part]] = []
    problems: list[str] = []
    for source in opened:
        try:
            part = _make_part(read_table(source, workspace, spec.encoding), spec, calendar)
        except InputError as exc:
            problems.append(exc.message)
            continue
        if not part.proposal.missing:
            found.append((source, part))
    if not found:
        raise InputError(
            f"None of {_told(opened)} has a column for each of item, date and units sold."
            + "".join(f" {p}" for p in problems[:3]),
            "Give the file of sales itself, or name it (--file) and its columns (--map item=SKU).",
        )
    kinds = {frozenset(role for role, names in part.proposal.mapping.items() if names) for _, part in found}
    if len(kinds) > 1:
        raise InputError(
            "Several files may be the sales, and they differ in what their columns mean:"
            f" {_told([source for source, _ in found])}.",
            "Choose one (--file NAME), or give the files themselves.",
        )
    return [source for source, _ in found]


def _with_sheets(source: Source, spec: IngestSpec, calendar: dict[str, date], workspace: Workspace) -> list[Source]:
    """A workbook's sheets that hold sales; the source itself where none does, or where it is another file.

    Raises
    ------
    InputError
        if several sheets hold sales in different columns.
    """
    if source.sheet or workspace.kind(source) != Kind.WORKBOOK:
        return [source]
    names = workbooks.sheet_names(workspace.file_of(source), source.name)
    if len(names) < 2:
        return [source]
    found: list[Part] = []
    for name in names:
        try:
            part = _make_part(read_table(replace(source, sheet=name), workspace), spec, calendar)
        except InputError:
            continue  # such as an empty sheet, or a cover
        if not part.proposal.missing:
            found.append(part)
    if len({tuple(map(normalised, part.table.columns)) for part in found}) > 1:
        shown = ", ".join(part.table.source.sheet for part in found[:MAX_TOLD])
        raise InputError(
            f"Several sheets of {source.name} may be the sales, and they differ in their columns: {shown}.",
            "Choose one (--file SHEET).",
        )
    return [part.table.source for part in found] or [source]


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


def _check_given(parts: list[Part], spec: IngestSpec) -> None:
    """A column that the user named must be in one of the files."""
    for role, names in spec.mapping.items():
        if all(set(names) - {WIDE} - set(part.table.columns) for part in parts):
            table = parts[0].table
            missing = next(name for name in names if name not in table.columns)
            raise InputError(f"{table.name} has no column {missing!r} ({ROLES[role].lower()}).", _columns_hint(table))


def _check_columns(part: Part) -> None:
    missing = [ROLES[role].lower() for role in part.proposal.missing]
    if missing:
        raise InputError(
            f"{part.table.name} has no column for {' and none for '.join(missing)}.", _columns_hint(part.table)
        )
    if not part.table.sample:
        raise InputError(f"{part.table.name} has a header and no rows.", "Give a file with sales in it.")
    if part.proposal.mapping["date"] != [WIDE] and not part.proposal.date_format and not _is_typed(part, "date"):
        column = part.column("date") or ""
        place = part.table.columns.index(column)
        values = [row[place] for row in part.table.sample if row[place]][:3]
        shown = ", ".join(map(repr, values)) or "all are empty"
        formulas = f" {workbooks.FORMULAS}" if part.table.kind == Kind.WORKBOOK and not values else ""
        raise InputError(
            f"The dates in {column!r} of {part.table.name} have no format that is known: {shown}.",
            f"Name the format (--date-format '%d/%m/%Y') or another column (--map date=COLUMN).{formulas}",
        )
    _check_readings(part)
    if part.proposal.are_months:
        raise InputError(
            f"{part.table.name} holds sales by month: each of its dates begins or ends a month.",
            "Give daily or weekly sales: months cannot be divided into weeks.",
        )
    for role in (*REQUIRED_ROLES, "promo", "store", "receipt", *ATTRIBUTES):
        for name in part.proposal.mapping[role]:
            if name != WIDE and is_nested(part.table.types[part.table.columns.index(name)]):  # it was mapped by hand
                raise InputError(
                    f"The column {name!r} of {part.table.name} holds lists or records.", "Map one with plain values."
                )


def _check_readings(part: Part) -> None:
    """What the values do not prove is asked: the error names the two readings."""
    name, proposal = part.table.name, part.proposal
    if proposal.is_day_first_assumed:
        value, *days = two_days(part.values("date"), proposal.date_format)
        column, either = part.column("date"), " or ".join(days)
        raise InputError(
            f"The dates in {column!r} of {name} can be read in two ways: {value!r} is {either}.",
            f"Say which comes first (--date-format): the day, {proposal.date_format}, or the month,"
            f" {month_first(proposal.date_format)}.",
        )
    if proposal.is_decimal_doubtful:
        value = next(v for v in map(signed, part.values("sales")) if re.fullmatch(r"[+-]?\d{1,3}[.,]\d{3}", v))
        thousands, fraction = re.sub("[.,]", "", value), value.replace(",", ".")
        raise InputError(
            f"The numbers in {part.column('sales')!r} of {name} can be read in two ways: {value!r} is"
            f" {int(thousands):,} or {float(fraction):g}.",
            "Say which sign begins the fraction (--decimal): a point or a comma.",
        )


def _is_typed(part: Part, role: str) -> bool:
    column = part.column(role)
    return column is not None and part.table.types[part.table.columns.index(column)].startswith(("DATE", "TIMESTAMP"))


def _columns_hint(table: Table) -> str:
    if not table.is_table:
        return "Give a file with columns separated by commas, semicolons, tabs or bars, or an Excel or Parquet file."
    names = ", ".join(" ".join(name.split())[:60] for name in table.columns[:MAX_TOLD])
    more = f" and {len(table.columns) - MAX_TOLD:,} more" if len(table.columns) > MAX_TOLD else ""
    return f"Its columns are {names}{more}; name the right ones with --map, as in --map item=SKU."


def _read_beside(source: Source, name: str, listing: Listing, folders: Folders, workspace: Workspace) -> Table | None:
    found = beside(source, name, listing, folders)
    if found is None:
        return None
    try:
        return read_table(_data(found, workspace), workspace)
    except InputError as exc:
        raise InputError(exc.message, "It lies beside the sales; mend it or move it away.") from exc


def _read_calendar(listing: Listing, folders: Folders, workspace: Workspace) -> dict[str, date]:
    """The dates of a wide file's periods, from a `calendar.csv` with the columns `d` and `date` beside it."""
    table = _read_beside(listing.sources[0], "calendar.csv", listing, folders, workspace)
    if table is None or not {"d", "date"} <= set(table.columns):
        return {}
    period, day = table.columns.index("d"), table.columns.index("date")
    try:
        return {str(row[period]): date.fromisoformat(str(row[day])) for row in table.sample if row[period] and row[day]}
    except ValueError:
        return {}
