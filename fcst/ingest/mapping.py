"""What the columns of a file of sales mean: recognised by their names and their values.

A proposal, which people may change. Names are compared without case, spaces and punctuation.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from fcst.ingest.column_names import Meaning, meaning_of, without_accents, words
from fcst.ingest.number_texts import signed
from fcst.names import WEEKDAYS
from fcst.specs import REQUIRED_ROLES, ROLES, WIDE, Mapping

# role -> names, the likelier first
_NAMES: dict[str, str] = {
    "item": "uniqueid systemid itemnbr itemid itemno itemnumber itemcode item sku skuid skucode stockcode "
    "productid productcode productno productnumber articleid articleno articlenumber articlecode "
    "article materialnumber material product upc ean gtin barcode partnumber partno seriesid tsid "
    "lineitemsku artikelnummer artikelnr artikel codigo producto produto prodotto produit produkt "
    "articulo articolo artigo reference referencia tuote urun товар артикул 商品 品番 id itemname "
    "productname",
    "date": "ds date day invoicedate orderdate transactiondate transdate saledate salesdate solddate "
    "receiptdate dateofsale postingdate documentdate createdat paidat wkenddt weekending weekend "
    "weekenddate weekdate week timestamp datetime time period fecha datum belegdatum buchungsdatum "
    "rechnungsdatum verkaufsdatum data dato tarih дата 日期 日付 dt invoicedatetime",
    "sales": "unitsales unitssold soldunits qtysold quantitysold salesqty salesquantity salesunits quantity qty "
    "units itemcntday y demand sales sold weeklysales volume target",
    "promo": "onpromotion promotion promo ispromo onpromo promoflag promotionflag onpromotionflag ondeal isonpromotion",
    "store": "storenbr storeid storeno storenumber storecode store shopid shop locationid location branchid "
    "branch warehouse warehouseid outletid outlet site siteid dc tienda filiale magasin loja negozio "
    "winkel sklep locationcode",
    "receipt": "invoiceno invoice invoicenumber invoiceid receiptno receiptid receipt transactionid transactionno "
    "orderid orderno ordernumber basketid ticketid ticket billno billid",
    "family": "family itemfamily category categoryid productcategory deptid department dept productgroup group",
    "class": "class itemclass subcategory subcategoryid catid classid",
    "perishable": "perishable isperishable",
    "description": "description itemdescription productdescription itemname productname lineitemname productname name "
    "title desc",
}
_ROLE_OF = {name: role for role, names in reversed(_NAMES.items()) for name in names.split()}
_RANK = {(role, name): rank for role, names in _NAMES.items() for rank, name in enumerate(names.split())}

# What has no known name, but words that say units, comes before `y`; what may be money comes last.
_BY_WORDS = {Meaning.UNITS: _RANK["sales", "itemcntday"] + 0.5, Meaning.SALES: len(_NAMES["sales"])}

_DAYS: tuple[str, ...] = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y.%m.%d",
    "%Y%m%d",
)
_DAYS += ("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y")
_DAYS += ("%b %d %Y", "%B %d %Y")
_TIMES = (
    "",
    " %H:%M:%S",
    " %H:%M",
    "T%H:%M:%S",
    " %I:%M %p",
    " %I:%M:%S %p",
    "T%H:%M:%SZ",
    " %H:%M:%S.%f",
    "T%H:%M:%S.%f",
)
DATE_FORMATS = tuple(day + time for day in _DAYS for time in _TIMES)
WEEKS = ("%G-W%V", "%GW%V", "%G W%V", "%G-%V", "%G/%V", "%G %V", "%G%V")
"""Formats of ISO weeks; those without a W only where the column is called a week."""
SERIAL = "serial"
"""Stands for a format where dates are numbers of days as Excel counts them, in cells that are not shown as dates."""
SERIAL_DAY_0 = date(1899, 12, 30)
_SERIALS = range(32_874, 73_051)  # from 1990 until 2099
YEAR_WEEK_JOINT = "-"
"""Between a year and an ISO week that stand in columns of their own."""
WEEK_DAY = "-7"
"""Stands behind an ISO week, as `-%u`, so that it is its last day, a Sunday."""
TIME = (
    r"[Tt,\s]+\d{1,2}:\d{2}(:\d{2}([.,]\d{1,9})?)?"
    r"\s*([AaPp]\.?\s?[Mm]\.?)?\s*([A-Za-z]{1,5})?([+-]\d{2}:?(\d{2})?)?\s*$"
)
"""A time of day behind a day, with what it may have of a zone: the day is that which is written."""
_TIME = re.compile(TIME)
NATIVE = ("%Y-%m-%d", "%Y/%m/%d")  # DuckDB reads these, with or without a time, faster than by a pattern

_DAYS_WITH_COMMA = ("%d.%m.%Y", "%d.%m.%y")  # are written where the decimal sign is a comma
M5_FIRST_DAY = date(2011, 1, 29)  # d_1 of the M5 competition
_M5_DAY = re.compile(r"^d_(\d{1,5})$")
MIN_PERIODS = 6  # columns that are dates, before a file is taken for a wide one

_BESIDE_COMMA, _BESIDE_POINT = ". \u00a0\u202f\u2009'", ", \u00a0\u202f\u2009'"
_GROUPED_POINT = re.compile(r"^[+-]?[1-9]\d{0,2}([, \u00a0\u202f\u2009']\d{3})+(\.\d+)?$")
_GROUPED_BY_POINT = re.compile(r"^[+-]?[1-9]\d{0,2}(\.\d{3})+$")
_COMMA = re.compile(r"^[+-]?(\d{1,3}([. \u00a0\u202f\u2009']\d{3})+|\d+),\d+$")
_POINT = re.compile(r"^[+-]?(\d{1,3}([, \u00a0\u202f\u2009']\d{3})+|\d+)\.\d+$")


@dataclass(frozen=True)
class Proposal:
    """What a table's columns seem to mean.

    Parameters
    ----------
    mapping
        every role, each with its columns; an empty list where none was found.
    date_format
        as of strptime; empty where no format fits.
    decimal
        `.` or `,`.
    is_negated
        most numbers are negative, as in a ledger of stock: what goes out is demand.
    is_grouped
        thousands are set apart in numbers.
    is_decimal_open
        no number seen tells the decimal sign, and some may have either.
    is_decimal_proven
        some number seen tells it.
    is_decimal_doubtful
        it is open, and numbers such as 1.250 stand beside such as 500, or in a file with semicolons.
    has_times
        dates carry a time of day.
    week_end
        the weekday of all dates where they lie whole weeks apart, as for weekly data; else empty.
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
    date_format: str
    decimal: str
    is_negated: bool
    is_grouped: bool
    is_decimal_open: bool
    is_decimal_proven: bool
    is_decimal_doubtful: bool
    has_times: bool
    week_end: str
    begin_weeks: bool
    are_months: bool
    is_day_first_assumed: bool
    periods: dict[str, date]

    @property
    def missing(self) -> list[str]:
        """The required roles that no column was found for."""
        return [role for role in REQUIRED_ROLES if not self.mapping[role]]


def is_nested(kind: str) -> bool:
    """Whether a column of this type holds more than a value a row."""
    return kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION", "VARIANT"))


def normalised(name: str) -> str:
    """A column's name without what people vary: signs, capitals, accents."""
    return re.sub(r"[\W_]+", "", without_accents(name)).lower()


def recognise_roles(columns: Sequence[str]) -> Mapping:
    """role -> the column whose name says so; the likeliest where several do. Roles that none has are left out."""
    found: dict[str, tuple[float, str]] = {}
    for column in columns:
        name = normalised(column)
        role = _ROLE_OF.get(name)
        rank: float
        if role is not None:
            rank = _RANK[role, name]
        elif (meaning := meaning_of(column)) in _BY_WORDS:
            role, rank = "sales", _BY_WORDS[meaning]
        else:
            continue
        if role not in found or rank < found[role][0]:
            found[role] = (rank, column)
    mapping = {role: [column] for role, (_, column) in found.items()}
    # A product's name describes it where another column is the key.
    names = [c for c in columns if ("description", normalised(c)) in _RANK and [c] != mapping.get("item")]
    if names:
        mapping.setdefault("description", [names[0]])
    if "item" not in mapping and "description" in mapping:
        mapping["item"] = mapping.pop("description")
    return mapping


def propose(
    columns: Sequence[str],
    types: Sequence[str],
    sample: Sequence[Sequence[str | None]],
    given: Mapping,
    date_format: str = "",
    decimal: str = "",
    calendar: dict[str, date] | None = None,
    is_comma_usual: bool = False,
) -> Proposal:
    """What the columns of a table mean; what is `given` stands.

    Parameters
    ----------
    given
        roles with columns of this table.
    calendar
        names of periods -> their dates, from a file beside a wide one.
    is_comma_usual
        the file is written as where the decimal sign is a comma, as with semicolons between columns.
    """
    periods = find_periods(columns, calendar or {})
    mapping: Mapping = {role: [] for role in ROLES}
    taken = {column for names in given.values() for column in names}
    nested = {column for column, kind in zip(columns, types, strict=True) if is_nested(kind)}
    by_name = recognise_roles([column for column in columns if column not in taken | nested | periods.keys()])
    mapping |= by_name
    mapping |= {role: list(names) for role, names in given.items()}
    if len(mapping["item"]) > 1 and "store" not in given:  # a part of the key is still the store
        mapping["store"] = recognise_roles(mapping["item"]).get("store", mapping["store"])
    if periods and not (mapping["date"] and mapping["sales"]):
        mapping |= {"date": [WIDE], "sales": [WIDE]}
    else:
        periods = {}
    place = {column: number for number, column in enumerate(columns)}
    if "item" not in given:
        _find_key(mapping, place, sample)

    if "date" not in given:
        _find_year(mapping, place, sample)

    def values(role: str) -> list[str]:
        """The different values of a role in the sample."""
        if role == "date" and len(mapping[role]) > 1:
            pairs = ([row[place[name]] or "" for name in mapping[role]] for row in sample)
            return list(dict.fromkeys(YEAR_WEEK_JOINT.join(map(str.strip, pair)) for pair in pairs))
        if mapping[role] == [WIDE]:
            cells = (cell for row in sample[:200] for column in periods for cell in [row[place[column]]])
        else:
            cells = (row[place[name]] for row in sample for name in mapping[role] if name in place)
        return list(dict.fromkeys(cell.strip() for cell in cells if cell is not None and cell.strip()))

    def cells_of(role: str) -> list[str]:
        """The values of a role in the sample, row by row."""
        places = [place[name] for name in mapping[role] if name in place]
        return [cell.strip() for row in sample for number in places if (cell := row[number]) and cell.strip()]

    if not mapping["date"] and "date" not in given:
        mapping["date"] = _find_dates(columns, sample, nested.union(*map(set, mapping.values())))
    dates = values("date") if not periods else []
    is_given = bool(date_format)
    date_format = date_format or find_date_format(dates, any(map(_may_be_week, mapping["date"])))
    found = find_decimal(values("sales"), date_format.startswith(_DAYS_WITH_COMMA), is_comma_usual)
    # Where the comma is the decimal sign, the day comes first.
    is_open = not is_given and found.decimal != "," and _may_have_month_first(dates, date_format)
    if is_open:
        in_rows = cells_of("date") if len(mapping["date"]) == 1 else []
        date_format, is_open = _in_order(in_rows, date_format)
    days = sorted(set(periods.values()) or {d.date() for d in _parsed(dates, date_format)})
    begin_weeks = [normalised(name) in _WEEK_STARTS for name in mapping["date"]] == [True]
    shift = timedelta(days=6 if begin_weeks else 0)
    is_time = any(d.time() != datetime.min.time() for d in _parsed(dates[:500], date_format))
    is_time |= bool(date_format) and any(map(_is_of_a_moment, dates[:500]))
    return Proposal(
        mapping=mapping,
        date_format=date_format,
        decimal=decimal or found.decimal,
        is_negated=_are_negative(cells_of("sales")),
        is_grouped=found.is_grouped,
        is_decimal_open=found.is_open and not decimal,
        is_decimal_proven=found.is_proven,
        is_decimal_doubtful=found.is_doubtful and not decimal,
        has_times=is_time,
        week_end=_weekday_of([day + shift for day in days]),
        begin_weeks=begin_weeks,
        are_months=_are_months(days),
        is_day_first_assumed=is_open,
        periods=periods,
    )


def _find_key(mapping: Mapping, place: dict[str, int], sample: Sequence[Sequence[str | None]]) -> None:
    """Gives the role of item to what tells series apart where no column of items does: store and class or family.

    A running number is no item: it is another one in each row, and the rows are of several dates.
    """

    def different(columns: Sequence[str]) -> set[tuple[str | None, ...]]:
        return {tuple(row[place[name]] for name in columns) for row in sample if len(row)}

    item = mapping["item"]
    if len(item) == 1 and normalised(item[0]) in _RUNNING_NUMBERS and mapping["date"] not in ([], [WIDE]):
        is_running = len(different(item)) == len(sample) > len(different(mapping["date"])) > 1
        item = [] if is_running else item
    if item or not (mapping["date"] and mapping["sales"]):
        return
    group = "class" if mapping["class"] else "family"
    key = [*mapping["store"], *mapping[group]]
    varying = [name for name in key if len(different([name])) > 1]
    if not key:
        return
    mapping["item"] = varying or key[-1:]
    for role in ("store", group):
        if set(mapping[role]) & set(mapping["item"]) and (role == group or len(mapping["item"]) == 1):
            mapping[role] = []


def _find_year(mapping: Mapping, place: dict[str, int], sample: Sequence[Sequence[str | None]]) -> None:
    """Puts a column of years before one of the numbers of weeks, where these have the role of date."""
    years = [column for column in place if normalised(column) in _YEARS]
    if len(mapping["date"]) != 1 or not years or not _may_be_week(mapping["date"][0]):
        return
    cells = [cell.strip() for row in sample if (cell := row[place[mapping["date"][0]]])]
    if cells and all(cell.isdecimal() and 1 <= int(cell[:3]) <= 53 for cell in cells):
        mapping["date"] = [years[0], *mapping["date"]]


_YEARS = frozenset("year yr isoyear jahr annee ano anno anio rok jaar ar 年".split())


def _are_negative(numbers: Sequence[str]) -> bool:
    """Whether nine in ten of the numbers other than zero are negative, of ten at least."""
    found = [signed(number) for number in numbers]
    n_negative = sum(number.startswith("-") for number in found)
    n_positive = sum(not number.startswith("-") and any(char in "123456789" for char in number) for number in found)
    return n_negative >= max(10, 9 * n_positive)


def _may_be_week(column: str) -> bool:
    return bool({"week", "weeks", "wk", "kw", "woche", "semaine", "semana", "settimana"} & set(words(column)))


_WEEK_STARTS = frozenset(
    "weekstart weekstarting weekstartdate weekstarts startofweek weekbegin weekbeginning weekbegins weekcommencing"
    " weekof wochenbeginn wochenstart debutsemaine iniciosemana".split()
)
"""Names of columns whose dates begin a week."""


def _are_months(days: Sequence[date]) -> bool:
    """Whether dates are the first days, or the last days, of months, three at least."""
    months = {(day.year, day.month) for day in days}
    if not len(months) == len(days) >= 3:
        return False
    return all(day.day == 1 for day in days) or all((day + timedelta(days=1)).day == 1 for day in days)


_RUNNING_NUMBERS = ("id", "index", "row", "rowid", "rownumber", "uniqueid", "no", "nr", "unnamed0")


def find_periods(columns: Sequence[str], calendar: dict[str, date]) -> dict[str, date]:
    """The columns that are dates or periods with a known date; none unless there are several."""
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
        parsed = {column: _parsed([column.strip()], date_format) for column in columns} if date_format else {}
        found = {column: dates[0].date() for column, dates in parsed.items() if dates}
        if date_format == SERIAL and not _are_regular(list(found.values())):
            found = {}  # numbers of something else
    return found if len(found) >= MIN_PERIODS else {}


def _are_regular(days: Sequence[date]) -> bool:
    """Whether dates follow each other by a day, or by a week."""
    return {b - a for a, b in pairwise(days)} in ({timedelta(days=1)}, {timedelta(weeks=1)})


def find_date_format(values: Sequence[str], may_be_week: bool = False) -> str:
    """The format that fits the most of some dates, the day before the month where both do; empty where none fits half.

    DuckDB reads what strptime reads, so what fits here fits there.

    Parameters
    ----------
    may_be_week
        the dates may be ISO weeks without a letter that says so, such as 2024-05.
    """
    tried = list(dict.fromkeys(values))[:2_000]
    if tried and all(value.isdecimal() and int(value[:6]) in _SERIALS for value in tried):
        return SERIAL
    best, most = "", 0
    signs = {_signs(value) for value in tried[:20]}
    for date_format in DATE_FORMATS:
        if _signs(date_format.replace("%", "")) not in signs:
            continue  # strptime makes a pattern of each format it meets, which takes longer than reading a sample
        n = len(_parsed(tried[:20], date_format))
        if not n and len(tried) >= 20:
            continue
        n = len(_parsed(tried, date_format))
        if n > most:
            best, most = date_format, n
    if most < len(tried):  # times of other forms, or in some rows only
        days = [_TIME.sub("", value) for value in tried]
        if days != tried and (day_format := find_date_format(days)) and len(_parsed(tried, day_format)) > most:
            return day_format
    if not most and tried:
        weeks = [week for week in WEEKS if may_be_week or "W" in week]
        return next((week for week in weeks if len(_parsed(tried, week)) * 2 >= len(tried)), "")
    return best if most * 2 >= len(tried) else ""


def _may_have_month_first(values: Sequence[str], date_format: str) -> bool:
    """Whether dates that were taken to have the day first could all be read with the month first."""
    day, month = date_format.find("%d"), date_format.find("%m")
    if not 0 <= day < month:
        return False
    return len(_parsed(values, month_first(date_format))) >= len(_parsed(values, date_format))


def _in_order(cells: Sequence[str], date_format: str) -> tuple[str, bool]:
    """Which of day and month comes first, as the format that says so, and whether that is open.

    The rows are in the order of their dates, or none lies in the future, by one of the two alone.
    """
    readings = [date_format, month_first(date_format)]
    parsed = [_parsed(cells, reading) for reading in readings]
    if len(set(cells)) > 2:
        is_sorted = [all(a <= b for a, b in pairwise(days)) for days in parsed]
        if sum(is_sorted) == 1:
            return readings[is_sorted.index(True)], False
    end = latest_day()
    is_past = [bool(days) and max(days) <= end for days in parsed]
    if sum(is_past) == 1:
        return readings[is_past.index(True)], False
    return date_format, True


def two_days(values: Sequence[str], date_format: str) -> tuple[str, str, str]:
    """One of some dates that have the day or the month first, and the two days that it may be, in words."""
    for value in values:
        days = [_parsed([value], reading) for reading in (date_format, month_first(date_format))]
        if all(days) and days[0] != days[1]:
            first, second = (f"{day.day} {day:%B %Y}" for (day,) in days)
            return value, first, second
    return values[0], "the day first", "the month first"


def latest_day() -> datetime:
    """The end of what can have been sold, in whatever zone."""
    return datetime.now() + timedelta(days=1)


def month_first(date_format: str) -> str:
    """A format with the day first, with the month first."""
    return date_format.replace("%d", "%_").replace("%m", "%d").replace("%_", "%m")


def _signs(text: str) -> frozenset[str]:
    """The punctuation in a date or its format."""
    return frozenset(char for char in text if not char.isalnum())


@dataclass(frozen=True)
class NumberStyle:
    """How some numbers are written.

    Parameters
    ----------
    is_grouped
        thousands are set apart.
    is_open
        no number proves the decimal sign, and some could be read with either: 1.250 or 1,250.
    is_proven
        some number proves it.
    is_doubtful
        it is open, and numbers such as 1.250 stand beside such as 500, or in a file with semicolons.
    """

    decimal: str
    is_grouped: bool
    is_open: bool = False
    is_proven: bool = False
    is_doubtful: bool = False


def find_decimal(values: Iterable[str], is_comma_sure: bool = False, is_comma_usual: bool = False) -> NumberStyle:
    """The decimal sign of some numbers, and whether their thousands are set apart.

    1,234 alone may be either: thousands, unless another number has a decimal comma. So may 1.234: a fraction, unless
    another number has a decimal comma.

    Parameters
    ----------
    is_comma_sure
        the dates are written as where the decimal sign is a comma: that decides what no number proves.
    is_comma_usual
        something else is: that makes it doubtful.
    """
    comma = point = grouped = either = n_pointed = n_plain = 0
    for value in map(signed, values):
        if _GROUPED_POINT.match(value):
            grouped += 1
            either += value.count(",") == 1 and "." not in value
        elif _GROUPED_BY_POINT.match(value):
            comma += value.count(".") > 1
            either += value.count(".") == 1
            n_pointed += value.count(".") == 1
        elif _COMMA.match(value):
            comma += 1
            grouped += any(sign in value for sign in _BESIDE_COMMA)
        elif _POINT.match(value):
            point += 1
            grouped += any(sign in value for sign in _BESIDE_POINT)
        else:
            n_plain += value.isdecimal() and value != "0"
    is_open = bool(either) and not comma and not point
    if is_open and is_comma_sure:
        return NumberStyle(",", is_grouped=False)
    is_doubtful = is_open and (is_comma_usual or bool(n_pointed and n_plain))
    return NumberStyle("," if comma > point else ".", grouped > 0, is_open, comma + point > 0, is_doubtful)


def _find_dates(columns: Sequence[str], sample: Sequence[Sequence[str | None]], taken: set[str]) -> list[str]:
    """The first column whose values are dates, for a file that calls it by an unknown name."""
    for number, column in enumerate(columns):
        cells = [cell for row in sample[:200] if (cell := row[number])]
        is_full = len(cells) > len(sample[:200]) / 2
        is_number = all(cell.isdigit() and len(cell) < 8 for cell in cells)
        if column not in taken and is_full and not is_number and find_date_format([cell.strip() for cell in cells]):
            return [column]
    return []


def _parsed(values: Iterable[str], date_format: str) -> list[datetime]:
    if date_format == SERIAL:
        days = [int(value) for value in values if value.isdecimal() and int(value[:6]) in _SERIALS]
        return [datetime.combine(SERIAL_DAY_0 + timedelta(days=day), datetime.min.time()) for day in days]
    found = []
    is_of_days = not has_time(date_format)
    behind, form = (WEEK_DAY, f"{date_format}-%u") if is_of_weeks(date_format) else ("", date_format)
    for value in values if date_format else ():
        try:
            found.append(datetime.strptime((_TIME.sub("", value) if is_of_days else value) + behind, form))
        except ValueError:
            continue
    return found


def _is_of_a_moment(value: str) -> bool:
    """Whether a date has a time of day other than midnight."""
    tail = _TIME.search(value)
    clock = re.search(r"\d{1,2}:[\d:.,]*", tail[0]) if tail else None
    return clock is not None and any(char in "123456789" for char in clock[0])


def is_of_weeks(date_format: str) -> bool:
    """Whether a format is of ISO weeks."""
    return "%V" in date_format


def has_time(date_format: str) -> bool:
    """Whether a format is of a day with a time."""
    return "%H" in date_format or "%I" in date_format


def _weekday_of(days: Sequence[date]) -> str:
    """The one weekday of dates that lie whole weeks apart, such as SAT; empty for other dates."""
    if len(days) < 2 or len({day.weekday() for day in days}) > 1:
        return ""
    return WEEKDAYS[(days[0].weekday() + 1) % 7]
