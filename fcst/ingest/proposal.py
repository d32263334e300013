"""What a table's columns seem to mean: each decision with its evidence, made by the recognisers one after the other.

A proposal, which people may change. What the data do not prove stays open, and is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from fcst.ingest.columns import Columns
from fcst.ingest.date_texts import YEAR_WEEK_JOINT, are_months, parsed, weekday_of
from fcst.ingest.number_texts import NumberStyle
from fcst.specs import MADE_UP, REQUIRED_ROLES, ROLES, WIDE, Mapping


@dataclass(frozen=True)
class Only:
    """A filter that was recognised: rows whose `column` has one of `values` are meant, those with `others` are not.

    Files with further values are refused: the rows that were looked at do not tell what those are.
    """

    column: str
    values: tuple[str, ...]
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """What a table's columns seem to mean.

    Parameters
    ----------
    mapping
        every role, each with its columns; an empty list where none was found.
    why
        role -> the evidence, in words; also of 'dates' and 'numbers', how these are written.
    headings
        the column in which items stand as headings above their rows; empty where none does.
    by_values
        roles whose columns no name told: they do for a file that was given, not to choose it among others.
    guessed
        roles whose columns neither names nor values prove: people have to say that they are right.
    remarks
        what people should know of the reading before they use the numbers, a sentence each.
    only
        the rows that are sales, where a column tells.
    cancelled
        the rows of orders that were cancelled or refunded, where a column tells.
    date_format
        as of strptime; empty where no format fits.
    numbers
        how units are written.
    money
        how values and prices are written.
    is_negated
        most numbers are negative, as in a ledger of stock: what goes out is demand.
    has_times
        dates carry a time of day.
    week_end
        the weekday of all dates where they lie whole weeks apart, as for weekly data; else empty.
    empty_is_missing
        a row without units says that the sales of its week are not known, as in what fcst exports.
    begin_weeks
        dates are the first days of weeks, by the name of their column; the last ones are six days later.
    are_months
        dates seen are the first, or the last, days of months.
    is_day_first_assumed
        dates such as 05/01/2020 may as well have the month first: no value seen tells.
    periods
        columns that each hold the sales of a day or week -> that date, for a wide file.
    """

    mapping: Mapping
    why: dict[str, str]
    headings: str
    by_values: frozenset[str]
    guessed: frozenset[str]
    remarks: tuple[str, ...]
    only: Only | None
    cancelled: Only | None
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
        """The sign before the fractions of units: `.` or `,`."""
        return self.numbers.decimal

    @property
    def missing(self) -> list[str]:
        """The required roles that no column was found for."""
        return [role for role in REQUIRED_ROLES if not self.mapping[role]]

    @property
    def looks_like_sales(self) -> bool:
        """Whether the names of the columns tell all that is required."""
        return not self.missing and not self.by_values

    @property
    def is_decimal_open(self) -> bool:
        """No number seen tells the decimal sign, and some may have either."""
        return self.numbers.is_open and not self.is_decimal_given

    @property
    def is_decimal_doubtful(self) -> bool:
        """It is open, and numbers such as 1.250 stand beside such as 500, or in a file with semicolons."""
        return self.numbers.is_doubtful and not self.is_decimal_given


@dataclass
class Draft:
    """A proposal in the making. Recognisers read `columns` and what others have found, and add to it.

    Parameters
    ----------
    given
        roles with columns of this table that people named: they stand.
    asked_format, asked_decimal
        the date format and decimal sign that people named; empty: to be recognised.
    calendar
        names of periods -> their dates, from a file beside a wide one.
    is_comma_usual
        the file is written as where the decimal sign is a comma, as with semicolons between columns.
    file_name
        what the file is called, which may tell its month.
    """

    columns: Columns
    given: Mapping
    asked_format: str = ""
    asked_decimal: str = ""
    calendar: dict[str, date] = field(default_factory=dict)
    is_comma_usual: bool = False
    file_name: str = ""
    mapping: Mapping = field(default_factory=lambda: {role: [] for role in ROLES})
    why: dict[str, str] = field(default_factory=dict)
    headings: str = ""
    by_values: set[str] = field(default_factory=set)
    guessed: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)
    only: Only | None = None
    cancelled: Only | None = None
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
        """Gives a role to columns, with the reason; `by_values` where no name tells it."""
        self.mapping[role] = list(names)
        self.why[role] = why
        if by_values:
            self.by_values.add(role)

    @property
    def is_plan(self) -> bool:
        """Whether the file is one of drivers alone: it has no units, as was said."""
        return self.given.get("sales") == []

    def is_open(self, role: str) -> bool:
        """Whether nobody has said which columns have a role."""
        return role not in self.given

    def free(self) -> list[str]:
        """The columns with plain values that have no role."""
        taken = {name for names in self.mapping.values() for name in names} | self.columns.nested | set(self.periods)
        return [name for name in self.columns.names if name not in taken]

    def cells(self, role: str) -> list[str]:
        """The cells of a role in the sample, row by row; of dates in several columns joined."""
        names = self.mapping[role]
        if names == [WIDE]:
            return self.columns.cells(*self.periods)
        if role == "date" and len(names) > 1:
            return [YEAR_WEEK_JOINT.join(cells) for cells in self.columns.rows(names)]
        return self.columns.cells(*(name for name in names if name not in MADE_UP))

    def days(self) -> list[date]:
        """The different dates that were seen, in order."""
        dates = dict.fromkeys(self.cells("date")) if not self.periods else {}
        return sorted(set(self.periods.values()) or {moment.date() for moment in parsed(dates, self.date_format)})

    def finish(self) -> Proposal:
        """The proposal as it stands."""
        days = self.days()
        shift = timedelta(days=6 if self.begin_weeks else 0)
        return Proposal(
            mapping=self.mapping,
            why=self.why,
            headings=self.headings,
            by_values=frozenset(self.by_values),
            guessed=frozenset(self.guessed),
            remarks=tuple(self.remarks),
            only=self.only,
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
            is_decimal_given=bool(self.asked_decimal),
            periods=self.periods,
        )
