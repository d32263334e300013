"""Sales files with the meaning of their columns; reconciles the formats of the files of one load."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

from fcst.ingest.columns import Columns, normalised
from fcst.ingest.date_texts import YEAR_WEEK_JOINT, month_first
from fcst.ingest.duck import literal
from fcst.ingest.number_texts import are_negative
from fcst.ingest.proposal import Proposal, RowFilter
from fcst.ingest.recognisers import propose
from fcst.ingest.tables import Table
from fcst.names import WEEKDAYS
from fcst.specs import EACH_ROW, ONE_ITEM, PLACEHOLDERS, IngestSpec, Mapping

ONE_KEY = "all"  # the item key of a file with a single series


@dataclass(frozen=True)
class Part:
    """One sales file with the meaning of its columns."""

    table: Table
    proposal: Proposal

    def column(self, role: str) -> str | None:
        """The name of the column with a role; None if there is none."""
        names = self.proposal.mapping[role]
        return names[0] if names and names[0] not in PLACEHOLDERS else None

    def place(self, role: str) -> str | None:
        """The column with a role as SQL: c3; the parts of a date are joined."""
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
        """The name of a column in the table's SQL: c3."""
        return f"c{self.table.columns.index(name)}"

    def values(self, role: str) -> list[str]:
        """The values of a role in the sample, row by row."""
        name = self.column(role)
        return self.columns.cells(name) if name is not None else []

    @property
    def is_lines(self) -> bool:
        """Whether a row is a line of a receipt, not the daily total of an item and store."""
        return self.column("receipt") is not None or self.proposal.has_times

    @cached_property
    def columns(self) -> Columns:
        return Columns(self.table.columns, self.table.types, self.table.sample)

    def kind(self, role: str) -> str:
        """The type in the file of the column with a role."""
        name = self.column(role)
        return "VARCHAR" if name is None else self.table.types[self.table.columns.index(name)]

    @property
    def keys(self) -> list[str]:
        """The columns of the item key, as SQL."""
        names = self.proposal.mapping["item"]
        return [literal(ONE_KEY)] if names == [ONE_ITEM] else [self.place_of(name) for name in names]


def make_part(table: Table, spec: IngestSpec, calendar: dict[str, date]) -> Part:
    """Recognises the columns of a table. Uses the spec's roles whose columns the table has; recognises the others."""
    known = set(table.columns)
    given: Mapping = {role: names for role, names in spec.mapping.items() if set(names) - set(PLACEHOLDERS) <= known}
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


def reconcile(parts: list[Part], spec: IngestSpec, calendar: dict[str, date]) -> list[Part]:
    """Applies what some files of a load prove to the others: day or month first, the decimal sign, the sign of a
    ledger, whether dates begin weeks, and which rows are not sales.
    """
    formats = {p.proposal.date_format for p in parts if not p.proposal.is_day_first_assumed} - {""}
    decimals = {p.proposal.decimal for p in parts if p.proposal.numbers.is_proven}
    parts = [_reconcile_formats(part, spec, calendar, formats, decimals) for part in parts]
    has_ledgers = any(part.proposal.is_negated for part in parts)
    starts = {normalised(part.column("date") or "") for part in parts if part.proposal.begin_weeks}
    return [replace(part, proposal=_reconcile_proposal(part, parts, has_ledgers, starts)) for part in parts]


def _reconcile_proposal(part: Part, parts: list[Part], has_ledgers: bool, starts: set[str]) -> Proposal:
    """The proposal of a file, completed from other files of the load that have columns with the same names."""
    begins = part.proposal.begin_weeks or normalised(part.column("date") or "") in starts
    week_end = part.proposal.week_end
    if begins and not part.proposal.begin_weeks:
        week_end = WEEKDAYS[(WEEKDAYS.index(week_end) + 6) % 7] if week_end else ""
    merged: dict[str, RowFilter | None] = {}
    for field in ("row_filter", "cancelled"):
        own: RowFilter | None = getattr(part.proposal, field)
        found = [f for other in parts if (f := getattr(other.proposal, field)) is not None]
        alike = [f for f in found if f.column in part.table.columns and f.column == (own or found[0]).column]
        merged[field] = _merged(alike) if alike else own
    return replace(
        part.proposal,
        is_negated=part.proposal.is_negated or (has_ledgers and are_negative(part.values("sales"), 1)),
        begin_weeks=begins,
        week_end=week_end,
        row_filter=merged["row_filter"],
        cancelled=merged["cancelled"],
    )


def _merged(filters: Sequence[RowFilter]) -> RowFilter:
    """Merges filters on the same column."""
    values = dict.fromkeys(value for found in filters for value in found.values)
    others = dict.fromkeys(value for found in filters for value in found.others if value not in values)
    return RowFilter(filters[0].column, tuple(values), tuple(others))


def _reconcile_formats(
    part: Part, spec: IngestSpec, calendar: dict[str, date], formats: set[str], decimals: set[str]
) -> Part:
    proposal, original = part.proposal, spec
    if proposal.is_day_first_assumed:
        other = month_first(proposal.date_format)
        known = formats & {proposal.date_format, other}
        if len(known) == 1:
            spec = replace(spec, date_format=known.pop())
    if proposal.is_decimal_open and len(decimals) == 1:
        spec = replace(spec, decimal=next(iter(decimals)))
    return part if spec is original else make_part(part.table, spec, calendar)
