"""Parsing of cells of an edited plan: units, and periods in the header."""

import math
import re
from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from typing import Any

from fcst.periods import Period
from fcst.services.adjustments import MAX_UNITS

MAX_SHOWN = 40  # characters of a cell in a message

MONTH = re.compile(r"\d{4}-\d{2}")
COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+")
_QUARTER = re.compile(r"\d{4}-Q[1-4]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DAY_FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%Y-%m-%d %H:%M:%S")
_MONTH_FORMATS = ("%b-%y", "%b-%Y", "%b %Y", "%m/%Y")


def period_in(cell: Any, is_by_month: bool, week_ends: Collection[date]) -> tuple[Period, str] | None:
    """Parses a header cell into the kind and name of a period; None if it is not a period.

    Parameters
    ----------
    is_by_month
        read a date as a month, because Excel converts `2026-11` to a date; otherwise as the end of a week.
    week_ends
        forecast weeks of the run, which resolve ambiguous dates such as `03/04/2026`.
    """
    if isinstance(cell, datetime):
        cell = cell.date()
    if isinstance(cell, date):
        return (Period.MONTH, f"{cell:%Y-%m}") if is_by_month else (Period.WEEK, cell.isoformat())
    text = str(cell).strip() if isinstance(cell, str) else ""
    if MONTH.fullmatch(text):
        return Period.MONTH, text
    if _QUARTER.fullmatch(text.upper()):
        return Period.QUARTER, text.upper()
    days = {day for form in _DAY_FORMATS if (day := _parse(text, form)) is not None}
    if days:
        return Period.WEEK, min(days & set(week_ends) or days).isoformat()
    months = {month for form in _MONTH_FORMATS if (month := _parse(text, form)) is not None}
    return (Period.MONTH, f"{min(months):%Y-%m}") if months else None


def units_in(cell: Any, is_text: bool, has_commas: bool) -> float:
    """Parses the units in a non-empty cell.

    Parameters
    ----------
    is_text
        all cells of the file are text, as in CSV; otherwise text is refused.
    has_commas
        numbers have decimal commas.

    Raises
    ------
    ValueError
        if the cell is invalid; the message says why.
    """
    if isinstance(cell, bool):
        raise ValueError(f"it has {str(cell).upper()}, not units")
    if isinstance(cell, (date, time, timedelta)):
        raise ValueError(f"it has a date or time, {cell}: format the cell as a number")
    if isinstance(cell, str):
        cell = _number(cell, is_text, has_commas)
    units = float(cell)
    if not math.isfinite(units):
        raise ValueError(f"it has {units}, not units")
    if units < 0:
        raise ValueError(f"it has {units:,.6g}, but units must not be negative")
    if units > MAX_UNITS:
        raise ValueError(f"it has {units:,.6g}, but the maximum is {MAX_UNITS:,.0f}")
    return units


def _number(text: str, is_text: bool, has_commas: bool) -> float:
    shown, text = repr(text[:MAX_SHOWN]), text.strip()
    if text.startswith("#") and text.rstrip("!?").isupper():
        raise ValueError(f"it has the error {text[:MAX_SHOWN]}")
    if not is_text:
        raise ValueError(f"it has the text {shown}, not a number")
    if has_commas:
        if "." in text:
            raise ValueError(f"it has {shown}, but other cells have decimal commas: do not use points in numbers")
        text = text.replace(",", ".")
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"it has the text {shown}, not a number")
    return float(text)


def _parse(text: str, form: str) -> date | None:
    try:
        return datetime.strptime(text, form).date()
    except ValueError:
        return None
