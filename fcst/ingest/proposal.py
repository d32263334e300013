"""Proposals: the recognised meaning of a table's columns, each decision with its evidence.

The recognisers build a proposal one after the other. The user can change it; decisions that the data do not prove are
left to the user.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from fcst.ingest.columns import Columns
from fcst.ingest.date_texts import YEAR_WEEK_JOINT, are_months, parsed, weekday_of
from fcst.ingest.number_texts import NumberStyle
from fcst.specs import PLACEHOLDERS, REQUIRED_ROLES, ROLES, WIDE, Mapping


@dataclass(frozen=True)
class RowFilter:
    """A recognised row filter: rows whose `column` has one of `values` are kept, rows with one of `others` dropped.

    Files with further values are refused, because the sample does not show what these mean.
    """

    column: str
    values: tuple[str, ...]
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """The recognised meaning of a table's columns.

    Parameters
    ----------
    mapping
        every role -> its columns; an empty list if none was found.
    why
        role -> the evidence as text; also 'dates' and 'numbers' -> evidence for their format.
    headings
        the column in which items appear as headings above their rows; empty if there is none.
    by_values
        roles recognised by values only, not by names. They are accepted for a file that was given by path, but do not
        select a file among others.
    guessed
        roles that neither names nor values prove: the user must confirm them.
    remarks
        notes for the user on how the file is read, a sentence each.
    row_filter
        the rows that are sales, if a column says so.
    cancelled
        the rows of cancelled or refunded orders, if a column says so.
    date_format
        a strptime format; empty if no format matches.
    numbers
        number format of units.
    money
        number format of values and prices.
    is_negated
        most numbers are negative, as in a stock ledger where issues are demand; all signs are reversed.
    has_times
        dates have a time of day.
    week_end
        the common weekday of all dates, as in weekly data; else empty.
    empty_is_missing
        a row without units means that the sales of its week are unknown, as in fcst exports.
    begin_weeks
        dates are the first days of weeks, by the name of their column; the weeks end six days later.
    are_months
        all dates in the sample are first days, or all are last days, of months.
    is_day_first_assumed
        dates such as 05/01/2020 are ambiguous: no value in the sample proves day first or month first.
    periods
        wide files: column -> date of the day or week whose sales it contains.
    """

    mapping: Mapping
    why: dict[str, str]
    headings: str
    by_values: frozenset[str]
    guessed: frozenset[str]
    remarks: tuple[str, ...]
    row_filter: RowFilter | None
    cancelled: RowFilter | None
    date_format: str
    numbers: NumberStyle
    money: NumberStyle
    is_negated: bool
    has_times: bool
    week_end: str
    empty_is_missing: bool
    begin_weeks: bool
    are_months: bool
    is_day_first_assumed: bool
    is_decimal_given: bool
    periods: dict[str, date]

    @property
    def decimal(self) -> str:
        """The decimal sign of units: `.` or `,`."""
        return self.numbers.decimal

    @property
    def missing(self) -> list[str]:
        """The required roles without a column."""
        return [role for role in REQUIRED_ROLES if not self.mapping[role]]

    @property
    def looks_like_sales(self) -> bool:
        """Whether all required roles were recognised by column names."""
        return not self.missing and not self.by_values

    @property
    def is_decimal_open(self) -> bool:
        """Whether no number in the sample proves the decimal sign, and some are ambiguous."""
        return self.numbers.is_open and not self.is_decimal_given

    @property
    def is_decimal_doubtful(self) -> bool:
        """Whether the decimal sign is open and must be confirmed by the user; see `NumberStyle.is_doubtful`."""
        return self.numbers.is_doubtful and not self.is_decimal_given


@dataclass
class Draft:
    """An unfinished proposal. Recognisers read `columns` and earlier results, and add to it.

    Parameters
    ----------
    given
        roles with columns of this table that the user chose; recognisers do not change them.
    given_format, given_decimal
        the date format and decimal sign that the user chose; empty: to be recognised.
    calendar
        period name -> date, from the companion file of a wide file.
    is_comma_usual
        the file suggests a decimal comma, for example with semicolons as delimiter.
    file_name
        name of the file, which may contain its month.
    """

    columns: Columns
    given: Mapping
    given_format: str = ""
    given_decimal: str = ""
    calendar: dict[str, date] = field(default_factory=dict)
    is_comma_usual: bool = False
    file_name: str = ""
    mapping: Mapping = field(default_factory=lambda: {role: [] for role in ROLES})
    why: dict[str, str] = field(default_factory=dict)
    headings: str = ""
    by_values: set[str] = field(default_factory=set)
    guessed: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)
    row_filter: RowFilter | None = None
    cancelled: RowFilter | None = None
    periods: dict[str, date] = field(default_factory=dict)
    date_format: str = ""
    numbers: NumberStyle = NumberStyle(".", is_grouped=False)
    money: NumberStyle = NumberStyle(".", is_grouped=False)
    is_negated: bool = False
    has_times: bool = False
    empty_is_missing: bool = False
    begin_weeks: bool = False
    is_day_first_assumed: bool = False

    def decide(self, role: str, names: Sequence[str], why: str, by_values: bool = False) -> None:
        """Assigns columns to a role, with the evidence; `by_values` if names do not prove it."""
        self.mapping[role] = list(names)
        self.why[role] = why
        if by_values:
            self.by_values.add(role)

    @property
    def is_plan(self) -> bool:
        """Whether the file has drivers only: the user said that it has no units."""
        return self.given.get("sales") == []

    def is_open(self, role: str) -> bool:
        """Whether the user has not chosen the columns of a role."""
        return role not in self.given

    def free(self) -> list[str]:
        """The columns without a role that have scalar values."""
        taken = {name for names in self.mapping.values() for name in names} | self.columns.nested | set(self.periods)
        return [name for name in self.columns.names if name not in taken]

    def cells(self, role: str) -> list[str]:
        """The cells of a role in the sample, row by row; the parts of a date are joined."""
        names = self.mapping[role]
        if names == [WIDE]:
            return self.columns.cells(*self.periods)
        if role == "date" and len(names) > 1:
            return [YEAR_WEEK_JOINT.join(cells) for cells in self.columns.rows(names)]
        return self.columns.cells(*(name for name in names if name not in PLACEHOLDERS))

    def days(self) -> list[date]:
        """The distinct dates in the sample, sorted."""
        dates = dict.fromkeys(self.cells("date")) if not self.periods else {}
        return sorted(set(self.periods.values()) or {moment.date() for moment in parsed(dates, self.date_format)})

    def finish(self) -> Proposal:
        """Returns the proposal."""
        days = self.days()
        shift = timedelta(days=6 if self.begin_weeks else 0)
        return Proposal(
            mapping=self.mapping,
            why=self.why,
            headings=self.headings,
            by_values=frozenset(self.by_values),
            guessed=frozenset(self.guessed),
            remarks=tuple(self.remarks),
            row_filter=self.row_filter,
            cancelled=self.cancelled,
            date_format=self.date_format,
            numbers=self.numbers,
            money=self.money,
            is_negated=self.is_negated,
            has_times=self.has_times,
            week_end=weekday_of([day + shift for day in days]),
            empty_is_missing=self.empty_is_missing,
            begin_weeks=self.begin_weeks,
            are_months=are_months(days),
            is_day_first_assumed=self.is_day_first_assumed,
            is_decimal_given=bool(self.given_decimal),
            periods=self.periods,
        )
