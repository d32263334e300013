"""What is going to be read, and how: which files hold the sales, what their columns mean, what lies beside them.

One way, with no step back:

    list_sources    paths -> the files and members of archives that may hold a table
    look_at         those -> the tables of sales, each file's head read once
    propose         a table -> what its columns mean, with the evidence, by the recognisers
    Look.plan       proposals -> the plan, in which the files of one load agree; refused where something stays open
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from fcst.errors import Conflict, InputError
from fcst.ingest import workbooks
from fcst.ingest.archives import Kind
from fcst.ingest.column_names import Meaning, meaning_of
from fcst.ingest.columns import Columns, is_nested, normalised
from fcst.ingest.date_texts import UNWRITTEN, YEAR_WEEK_JOINT, month_first, span_of_values, two_days
from fcst.ingest.duck import is_date_format, literal
from fcst.ingest.folders import Folders
from fcst.ingest.number_texts import are_negative, two_numbers
from fcst.ingest.periods import span_of_columns
from fcst.ingest.proposal import Only, Proposal
from fcst.ingest.recognisers import propose
from fcst.ingest.sources import (
    Listing,
    Source,
    Workspace,
    beside,
    fingerprint,
    list_sources,
    named_like,
    with_file_errors,
)
from fcst.ingest.tables import Table, read_table
from fcst.names import WEEKDAYS
from fcst.quality_report import FileRead
from fcst.specs import ATTRIBUTES, EACH_ROW, MADE_UP, ONE_ITEM, REQUIRED_ROLES, ROLES, WIDE, IngestSpec, Mapping

MAX_TOLD = 20  # columns or files that a message lists
ONE_KEY = "all"  # the key of the item of a file that is one series
_INDEX_NAMES = frozenset("t time index period step n timestep tick zeit periode week day month".split())
_COARSE = {
    "month": ("by month", "months cannot be divided into weeks"),
    "quarter": ("by quarter", "quarters cannot be divided into weeks"),
    "year": ("by year", "years cannot be divided into weeks"),
    "index": ("by a running index", "an index does not say which day or week it means"),
}
"""What dates stand for that cannot be read -> how the sales are then, and why that does not do."""


@dataclass(frozen=True)
class Part:
    """One file of sales, and what its columns mean."""

    table: Table
    proposal: Proposal

    def column(self, role: str) -> str | None:
        """The name of the column with a role; None where there is none."""
        names = self.proposal.mapping[role]
        return names[0] if names and names[0] not in MADE_UP else None

    def place(self, role: str) -> str | None:
        """The same as the SQL of the table calls it: c3; the parts of a date are joined."""
        names = self.proposal.mapping[role]
        if names == [EACH_ROW]:
            return "'1'"
        if self.column(role) is None:
            return None
        places = [self.place_of(name) for name in names]
        if role != "date" or len(places) == 1:
            return places[0]
        return "(" + f" || '{YEAR_WEEK_JOINT}' || ".join(places) + ")"

    def place_of(self, name: str) -> str:
        """What the SQL of the table calls a column: c3."""
        return f"c{self.table.columns.index(name)}"

    def values(self, role: str) -> list[str]:
        """The values of a role in the sample, row by row."""
        name = self.column(role)
        return self.columns.cells(name) if name is not None else []

    @property
    def columns(self) -> Columns:
        return Columns(self.table.columns, self.table.types, self.table.sample)

    def kind(self, role: str) -> str:
        """The type, in its file, of the column with a role."""
        name = self.column(role)
        return "VARCHAR" if name is None else self.table.types[self.table.columns.index(name)]

    @property
    def keys(self) -> list[str]:
        """The columns of the item's key, as the SQL of the table calls them."""
        names = self.proposal.mapping["item"]
        return [literal(ONE_KEY)] if names == [ONE_ITEM] else [self.place_of(name) for name in names]


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
        parts = [_make_part(table, spec, self.calendar) for table in self.tables]
        parts = _agreed(parts, spec, self.calendar)
        _check_given(parts, spec)
        for part in [] if is_draft else parts:
            _check_columns(part)
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
    _check_date_format(spec.date_format)
    listing = list_sources(spec.paths, folders, workspace)
    calendar = _read_calendar(listing, folders, workspace)
    tables = _Finder(spec, calendar, workspace).choose(listing)
    first = tables[0].source
    return Look(
        tables=tables,
        items=_read_beside(first, "items.csv", listing, folders, workspace),
        stores=_read_beside(first, "stores.csv", listing, folders, workspace),
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


def _check_date_format(date_format: str) -> None:
    if date_format in UNWRITTEN:
        return
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
    given: Mapping = {role: names for role, names in spec.mapping.items() if set(names) - set(MADE_UP) <= known}
    proposal = propose(
        table.columns,
        table.types,
        table.sample,
        given,
        spec.date_format,
        spec.decimal,
        calendar,
        is_comma_usual=table.delimiter == ";",
        file_name=table.source.bare,
    )
    return Part(table, proposal)


def _agreed(parts: list[Part], spec: IngestSpec, calendar: dict[str, date]) -> list[Part]:
    """The files of one load, each read as the others prove: which comes first, day or month, the decimal sign, the sign
    of a ledger, whether dates begin weeks, and which rows are no sales.
    """
    formats = {p.proposal.date_format for p in parts if not p.proposal.is_day_first_assumed} - {""}
    decimals = {p.proposal.decimal for p in parts if p.proposal.numbers.is_proven}
    parts = [_agreeing(part, spec, calendar, formats, decimals) for part in parts]
    has_ledgers = any(part.proposal.is_negated for part in parts)
    starts = {normalised(part.column("date") or "") for part in parts if part.proposal.begin_weeks}
    return [replace(part, proposal=_alike(part, parts, has_ledgers, starts)) for part in parts]


def _alike(part: Part, parts: list[Part], has_ledgers: bool, starts: set[str]) -> Proposal:
    """The proposal of a file, with what the other files of the load show of columns with the same names."""
    begins = part.proposal.begin_weeks or normalised(part.column("date") or "") in starts
    week_end = part.proposal.week_end
    if begins and not part.proposal.begin_weeks:
        week_end = WEEKDAYS[(WEEKDAYS.index(week_end) + 6) % 7] if week_end else ""
    merged: dict[str, Only | None] = {}
    for field in ("only", "cancelled"):
        own: Only | None = getattr(part.proposal, field)
        found = [f for other in parts if (f := getattr(other.proposal, field)) is not None]
        alike = [f for f in found if f.column in part.table.columns and f.column == (own or found[0]).column]
        merged[field] = _merged(alike) if alike else own
    return replace(
        part.proposal,
        is_negated=part.proposal.is_negated or (has_ledgers and are_negative(part.values("sales"), 1)),
        begin_weeks=begins,
        week_end=week_end,
        only=merged["only"],
        cancelled=merged["cancelled"],
    )


def _merged(filters: Sequence[Only]) -> Only:
    """One filter of the values of several on one column."""
    values = dict.fromkeys(value for found in filters for value in found.values)
    others = dict.fromkeys(value for found in filters for value in found.others if value not in values)
    return Only(filters[0].column, tuple(values), tuple(others))


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


@dataclass(frozen=True)
class _Finder:
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
                parts = [_make_part(table, self.spec, self.calendar) for table in self._tables_of(source)]
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
                part = _make_part(self._read(replace(source, sheet=name)), self.spec, self.calendar)
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


def _check_given(parts: list[Part], spec: IngestSpec) -> None:
    """A column that the user named must be in one of the files."""
    for role, names in spec.mapping.items():
        if all(set(names) - set(MADE_UP) - set(part.table.columns) for part in parts):
            table = parts[0].table
            missing = next(name for name in names if name not in (*MADE_UP, *table.columns))
            raise InputError(f"{table.name} has no column {missing!r} ({ROLES[role].lower()}).", _columns_hint(table))


def _check_columns(part: Part) -> None:
    missing = [ROLES[role].lower() for role in part.proposal.missing]
    if {"wk_end_dt", "model", "forecast"} <= set(part.table.columns):
        raise InputError(f"{part.table.name} holds forecasts that fcst has exported.", "Give a file of sales.")
    if part.proposal.headings:
        raise InputError(
            f"The items of {part.table.name} stand in rows of their own above their sales.",
            "Export it as a list, with the item in each row.",
        )
    if WIDE in (*part.proposal.mapping["date"], *part.proposal.mapping["sales"]) and not part.proposal.periods:
        raise InputError(f"{part.table.name} has no columns that are called by dates.", _columns_hint(part.table))
    if missing:
        _check_span(part)
        money = [name for name in part.table.columns if meaning_of(name) is Meaning.MONEY]
        hint = f" {money[0]!r} seems to be money." if money and not part.proposal.mapping["sales"] else ""
        raise InputError(
            f"{part.table.name} has no column for {' and none for '.join(missing)}.{hint}", _columns_hint(part.table)
        )
    if not part.table.sample:
        raise InputError(f"{part.table.name} has a header and no rows.", "Give a file with sales in it.")
    if part.proposal.mapping["date"] != [WIDE] and not part.proposal.date_format and not _is_typed(part, "date"):
        _check_span(part)
        column = part.column("date") or ""
        place = part.table.columns.index(column)
        values = [row[place] for row in part.table.sample if row[place]][:3]
        shown = ", ".join(map(repr, values)) or "all are empty"
        formulas = f" {workbooks.FORMULAS}" if part.table.kind == Kind.WORKBOOK and not values else ""
        raise InputError(
            f"The dates in {column!r} of {part.table.name} have no format that is known: {shown}.",
            f"Name the format (--date-format '%d/%m/%Y') or another column (--map date=COLUMN).{formulas}",
        )
    for role in sorted(part.proposal.guessed):
        names = part.proposal.mapping[role]
        raise InputError(
            f"Nothing in {part.table.name} tells that {names[0]!r} is {ROLES[role].lower()}.",
            f"Say so (--map {role}={names[0]}), or name another column.",
        )
    _check_readings(part)
    if part.proposal.are_months:
        raise _of_span(part, "month", "each of its dates begins or ends a month")
    for role in (*REQUIRED_ROLES, "promo", "store", "receipt", *ATTRIBUTES):
        for name in part.proposal.mapping[role]:
            if name not in MADE_UP and is_nested(part.table.types[part.table.columns.index(name)]):  # mapped by hand
                raise InputError(
                    f"The column {name!r} of {part.table.name} holds lists or records.", "Map one with plain values."
                )
    _check_keys(part)


def _check_span(part: Part) -> None:
    """Refuses sales by month, quarter, year or index with that word; asked where dates are missing or not read."""
    if span := span_of_columns(part.table.columns):
        raise _of_span(part, span, "a column each")
    asked = part.column("date")
    if asked is None and part.proposal.mapping["date"]:
        return
    for name in [asked] if asked else part.table.columns:
        if span := span_of_values(part.columns.cells(name)):
            examples = " or ".join(repr(cell) for cell in part.columns.cells(name)[:2])
            if asked or span != "index" or normalised(name) in _INDEX_NAMES:
                raise _of_span(part, span, f"in {name!r} it says {examples}")


def _of_span(part: Part, span: str, evidence: str) -> InputError:
    how, why = _COARSE[span]
    return InputError(
        f"{part.table.name} holds sales {how}: {evidence}.", f"Give daily or weekly sales with dates: {why}."
    )


_SCIENTIFIC = re.compile(r"\d([.,]\d+)?[eE]\+\d{1,2}")


def _check_keys(part: Part) -> None:
    """Refuses keys such as 8.71E+12: a spreadsheet has cut off digits, so that several items look like one."""
    name = part.column("item")
    for cell in part.columns.cells(name) if name is not None else ():
        if _SCIENTIFIC.fullmatch(cell):
            raise InputError(
                f"The items in {name!r} of {part.table.name} are in scientific notation, such as {cell!r}: digits are"
                " lost.",
                "Export them as text, so that each key is whole.",
            )


def _check_readings(part: Part) -> None:
    """What the values do not prove is asked: the error names the two readings."""
    name, proposal = part.table.name, part.proposal
    if proposal.is_day_first_assumed:
        (value, *days), *_ = two_days(part.values("date"), proposal.date_format)
        column, either = part.column("date"), " or ".join(days)
        raise InputError(
            f"The dates in {column!r} of {name} can be read in two ways: {value!r} is {either}.",
            f"Say which comes first (--date-format): the day, {proposal.date_format}, or the month,"
            f" {month_first(proposal.date_format)}.",
        )
    if proposal.is_decimal_doubtful:
        (value, whole, fraction), *_ = two_numbers(part.values("sales"))
        raise InputError(
            f"The numbers in {part.column('sales')!r} of {name} can be read in two ways: {value!r} is"
            f" {whole} or {fraction}.",
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
