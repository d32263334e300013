"""Period columns of wide files: one column per day or week."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

from fcst.ingest.date_texts import SERIAL, UNWRITTEN, find_date_format, parsed, span_of

MIN_PERIODS = 6  # columns with dates as names that make a file wide
M5_FIRST_DAY = date(2011, 1, 29)  # d_1 of the M5 competition
_M5_DAY = re.compile(r"^d_(\d{1,5})$")


def find_periods(columns: Sequence[str], calendar: dict[str, date]) -> dict[str, date]:
    """Column -> date, of columns whose names are dates or known periods; empty below MIN_PERIODS columns."""
    found: dict[str, date] = {}
    for column in columns:
        name = column.strip()
        if name in calendar:
            found[column] = calendar[name]
        elif match := _M5_DAY.match(name):
            found[column] = M5_FIRST_DAY + timedelta(days=int(match[1]) - 1)
    if len(found) < MIN_PERIODS:
        names = [column.strip() for column in columns if re.search(r"\d{2}", column)]
        date_format = find_date_format(names) if len(names) >= MIN_PERIODS else ""
        days = {column: parsed([column.strip()], date_format) for column in columns} if date_format else {}
        found = {column: dates[0].date() for column, dates in days.items() if dates}
        if date_format in UNWRITTEN and not (date_format == SERIAL and _are_regular(list(found.values()))):
            found = {}  # numbers that are not dates
    return found if len(found) >= MIN_PERIODS else {}


def span_of_columns(columns: Sequence[str]) -> str:
    """The period of the columns of a wide file if it is 'month', 'quarter' or 'year'; otherwise empty."""
    spans = Counter(map(span_of, columns))
    return next((span for span in ("month", "quarter", "year") if spans[span] >= MIN_PERIODS), "")


def _are_regular(days: Sequence[date]) -> bool:
    """Whether successive dates are all one day apart, or all one week apart."""
    return {b - a for a, b in pairwise(days)} in ({timedelta(days=1)}, {timedelta(weeks=1)})
