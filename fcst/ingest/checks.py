"""What keeps a file of sales from being read: columns that are missing, dates and numbers with two readings, sales by
month. Each error says what is wrong, with an example, and what to do.
"""

import re
from datetime import datetime

from fcst.errors import InputError
from fcst.ingest import workbooks
from fcst.ingest.archives import Kind
from fcst.ingest.column_names import Meaning, meaning_of
from fcst.ingest.columns import is_nested, normalised
from fcst.ingest.date_texts import UNWRITTEN, month_first, span_of_values, two_days
from fcst.ingest.duck import is_date_format
from fcst.ingest.number_texts import two_numbers
from fcst.ingest.parts import Part
from fcst.ingest.periods import span_of_columns
from fcst.ingest.tables import Table
from fcst.specs import ATTRIBUTES, MADE_UP, REQUIRED_ROLES, ROLES, WIDE, IngestSpec

MAX_TOLD = 20  # columns that a message lists
_INDEX_NAMES = frozenset("t time index period step n timestep tick zeit periode week day month".split())
_COARSE = {
    "month": ("by month", "months cannot be divided into weeks"),
    "quarter": ("by quarter", "quarters cannot be divided into weeks"),
    "year": ("by year", "years cannot be divided into weeks"),
    "index": ("by a running index", "an index does not say which day or week it means"),
}
"""What dates stand for that cannot be read -> how the sales are then, and why that does not do."""


def check_date_format(date_format: str) -> None:
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


def check_given(parts: list[Part], spec: IngestSpec) -> None:
    """A column that the user named must be in one of the files."""
    for role, names in spec.mapping.items():
        if all(set(names) - set(MADE_UP) - set(part.table.columns) for part in parts):
            table = parts[0].table
            missing = next(name for name in names if name not in (*MADE_UP, *table.columns))
            raise InputError(f"{table.name} has no column {missing!r} ({ROLES[role].lower()}).", _columns_hint(table))


def check_part(part: Part) -> None:
    missing = [ROLES[role].lower() for role in part.proposal.missing]
    is_asked_for = part.proposal.mapping["sales"] == ["forecast"]
    if {"wk_end_dt", "model", "forecast"} <= set(part.table.columns) and not is_asked_for:
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
    check_readings(part)
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


def check_readings(part: Part) -> None:
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
