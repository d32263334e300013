"""Checks of sales files before they are read: missing columns, ambiguous dates and numbers, monthly sales, bad keys."""

import re
from datetime import datetime

from fcst.errors import InputError
from fcst.ingest import workbooks
from fcst.ingest.archives import Kind
from fcst.ingest.column_names import Meaning, meaning_of
from fcst.ingest.columns import is_nested, normalised
from fcst.ingest.date_texts import UNWRITTEN, ambiguous_dates, month_first, span_of_values
from fcst.ingest.duck import is_date_format
from fcst.ingest.number_texts import ambiguous_numbers
from fcst.ingest.parts import Part
from fcst.ingest.periods import span_of_columns
from fcst.ingest.tables import Table
from fcst.specs import ATTRIBUTES, PLACEHOLDERS, REQUIRED_ROLES, ROLES, WIDE, IngestSpec

MAX_LISTED = 20  # columns listed in a message
_INDEX_NAMES = frozenset("t time index period step n timestep tick zeit periode week day month".split())
_COARSE = {
    "month": ("by month", "months cannot be divided into weeks"),
    "quarter": ("by quarter", "quarters cannot be divided into weeks"),
    "year": ("by year", "years cannot be divided into weeks"),
    "index": ("by a running index", "an index has no dates"),
}
"""Unsupported period of dates -> the period in a message, and why it is not supported."""


def check_date_format(date_format: str) -> None:
    """Refuses a date format that neither Python nor DuckDB accepts."""
    if date_format in UNWRITTEN:
        return
    try:
        datetime.strptime("", date_format)
    except ValueError:
        is_known = is_date_format(date_format)  # DuckDB accepts more formats than Python
    except re.error:  # a directive appears twice
        is_known = False
    else:
        is_known = True
    if not is_known:
        raise InputError(f"The date format {date_format!r} is not valid.", "Use one such as %d/%m/%Y.")


def check_given(parts: list[Part], spec: IngestSpec) -> None:
    """Refuses a mapping with a column that no file has."""
    for role, names in spec.mapping.items():
        if all(set(names) - set(PLACEHOLDERS) - set(part.table.columns) for part in parts):
            table = parts[0].table
            missing = next(name for name in names if name not in (*PLACEHOLDERS, *table.columns))
            raise InputError(f"{table.name} has no column {missing!r} ({ROLES[role].lower()}).", _columns_hint(table))


def check_part(part: Part) -> None:
    """Refuses a sales file that cannot be read with its proposal.

    Raises
    ------
    InputError
        with the problem, an example from the file, and what to do.
    """
    missing = [ROLES[role].lower() for role in part.proposal.missing]
    is_chosen = part.proposal.mapping["sales"] == ["forecast"]
    if {"wk_end_dt", "model", "forecast"} <= set(part.table.columns) and not is_chosen:
        raise InputError(f"{part.table.name} contains forecasts exported by fcst.", "Give a file with sales.")
    if part.proposal.headings:
        raise InputError(
            f"{part.table.name} has the items as headings above their sales.",
            "Export it as a list with the item in each row.",
        )
    if WIDE in (*part.proposal.mapping["date"], *part.proposal.mapping["sales"]) and not part.proposal.periods:
        raise InputError(f"{part.table.name} has no columns with dates as names.", _columns_hint(part.table))
    if missing:
        _check_span(part)
        money = [name for name in part.table.columns if meaning_of(name) is Meaning.MONEY]
        hint = f" {money[0]!r} looks like money." if money and not part.proposal.mapping["sales"] else ""
        raise InputError(
            f"{part.table.name} has no column for {' and none for '.join(missing)}.{hint}", _columns_hint(part.table)
        )
    if not part.table.sample:
        raise InputError(f"{part.table.name} has a header but no rows.", "Give a file with sales in it.")
    if part.proposal.mapping["date"] != [WIDE] and not part.proposal.date_format and not _is_typed(part, "date"):
        _check_span(part)
        column = part.column("date") or ""
        place = part.table.columns.index(column)
        values = [row[place] for row in part.table.sample if row[place]][:3]
        shown = ", ".join(map(repr, values)) or "all are empty"
        formulas = f" {workbooks.FORMULAS}" if part.table.kind == Kind.WORKBOOK and not values else ""
        raise InputError(
            f"The dates in {column!r} of {part.table.name} have no known format: {shown}.",
            f"Set the format (--date-format '%d/%m/%Y') or another column (--map date=COLUMN).{formulas}",
        )
    for role in sorted(part.proposal.guessed):
        names = part.proposal.mapping[role]
        raise InputError(
            f"Nothing in {part.table.name} proves that {names[0]!r} is {ROLES[role].lower()}.",
            f"Confirm it (--map {role}={names[0]}), or choose another column.",
        )
    check_readings(part)
    if part.proposal.are_months:
        raise _span_error(part, "month", "each date is the first or last day of a month")
    for role in (*REQUIRED_ROLES, "promo", "store", "receipt", *ATTRIBUTES):
        for name in part.proposal.mapping[role]:
            if name not in PLACEHOLDERS and is_nested(
                part.table.types[part.table.columns.index(name)]
            ):  # mapped by hand
                raise InputError(
                    f"The column {name!r} of {part.table.name} contains lists or records.",
                    "Map a column with single values.",
                )
    _check_keys(part)


def _check_span(part: Part) -> None:
    """Refuses sales by month, quarter, year or index. Called if dates are missing or have no known format."""
    if span := span_of_columns(part.table.columns):
        raise _span_error(part, span, f"one column per {span}")
    date_column = part.column("date")
    if date_column is None and part.proposal.mapping["date"]:
        return
    for name in [date_column] if date_column else part.table.columns:
        if span := span_of_values(part.columns.cells(name)):
            examples = " or ".join(repr(cell) for cell in part.columns.cells(name)[:2])
            if date_column or span != "index" or normalised(name) in _INDEX_NAMES:
                raise _span_error(part, span, f"{name!r} has values such as {examples}")


def _span_error(part: Part, span: str, evidence: str) -> InputError:
    how, why = _COARSE[span]
    return InputError(
        f"{part.table.name} has sales {how}: {evidence}.", f"Give daily or weekly sales with dates: {why}."
    )


_SCIENTIFIC = re.compile(r"\d([.,]\d+)?[eE]\+\d{1,2}")


def _check_keys(part: Part) -> None:
    """Refuses keys such as 8.71E+12: a spreadsheet has dropped digits, so that several items have the same key."""
    name = part.column("item")
    for cell in part.columns.cells(name) if name is not None else ():
        if _SCIENTIFIC.fullmatch(cell):
            raise InputError(
                f"The items in {name!r} of {part.table.name} are in scientific notation, such as {cell!r}: digits are"
                " lost.",
                "Export the keys as text, with all digits.",
            )


def check_readings(part: Part) -> None:
    """Refuses ambiguous dates and numbers; the error shows an example with both interpretations."""
    name, proposal = part.table.name, part.proposal
    if proposal.is_day_first_assumed:
        (value, *days), *_ = ambiguous_dates(part.values("date"), proposal.date_format)
        column, either = part.column("date"), " or ".join(days)
        raise InputError(
            f"The dates in {column!r} of {name} are ambiguous: {value!r} is {either}.",
            f"Choose day first or month first (--date-format): {proposal.date_format} or"
            f" {month_first(proposal.date_format)}.",
        )
    if proposal.is_decimal_doubtful:
        (value, whole, fraction), *_ = ambiguous_numbers(part.values("sales"))
        raise InputError(
            f"The numbers in {part.column('sales')!r} of {name} are ambiguous: {value!r} is {whole} or {fraction}.",
            "Choose the decimal sign (--decimal): a point or a comma.",
        )


def _is_typed(part: Part, role: str) -> bool:
    column = part.column(role)
    return column is not None and part.table.types[part.table.columns.index(column)].startswith(("DATE", "TIMESTAMP"))


def _columns_hint(table: Table) -> str:
    if not table.is_table:
        return "Give a file with columns separated by commas, semicolons, tabs or bars, or an Excel or Parquet file."
    names = ", ".join(" ".join(name.split())[:60] for name in table.columns[:MAX_LISTED])
    more = f" and {len(table.columns) - MAX_LISTED:,} more" if len(table.columns) > MAX_LISTED else ""
    return f"Its columns are {names}{more}. Map the right ones with --map, as in --map item=SKU."
