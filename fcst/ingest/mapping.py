"""What the columns of a file of sales mean: recognised by their names and their values.

A proposal, which people may change. Names are compared without case, spaces and punctuation.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from fcst.names import WEEKDAYS
from fcst.specs import REQUIRED_ROLES, ROLES, WIDE, Mapping

# role -> names, the likelier first
_NAMES: dict[str, str] = {
    "item": "uniqueid itemnbr itemid itemno itemnumber itemcode item sku skuid skucode stockcode productid productcode "
    "productno productnumber articleid articleno articlenumber articlecode article materialnumber material product "
    "upc ean gtin barcode partnumber partno seriesid tsid artikelnummer artikel codigo producto id itemname "
    "productname",
    "date": "ds date day invoicedate orderdate transactiondate transdate saledate salesdate solddate receiptdate "
    "wkenddt weekending weekend weekenddate weekdate week timestamp datetime time period fecha datum dt "
    "invoicedatetime",
    "sales": "unitsales y unitssold soldunits qtysold quantitysold salesqty salesquantity salesunits quantity qty "
    "units itemcntday demand sales sold volume amount value target cantidad menge ventas weeklysales",
    "promo": "onpromotion promotion promo ispromo onpromo promoflag promotionflag onpromotionflag ondeal isonpromotion",
    "store": "storenbr storeid storeno storenumber storecode store shopid shop locationid location branchid branch "
    "warehouse warehouseid outletid outlet site siteid dc tienda filiale",
    "receipt": "invoiceno invoice invoicenumber invoiceid receiptno receiptid receipt transactionid transactionno "
    "orderid orderno ordernumber basketid ticketid ticket billno billid",
    "family": "family itemfamily category categoryid productcategory deptid department dept productgroup group",
    "class": "class itemclass subcategory subcategoryid catid classid",
    "perishable": "perishable isperishable",
    "description": "description itemdescription productdescription itemname productname productname name title desc",
}
_ROLE_OF = {name: role for role, names in reversed(_NAMES.items()) for name in names.split()}
_RANK = {(role, name): rank for role, names in _NAMES.items() for rank, name in enumerate(names.split())}

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
NATIVE = ("%Y-%m-%d", "%Y/%m/%d")  # DuckDB reads these, with or without a time, faster than by a pattern

M5_FIRST_DAY = date(2011, 1, 29)  # d_1 of the M5 competition
_M5_DAY = re.compile(r"^d_(\d{1,5})$")
MIN_PERIODS = 6  # columns that are dates, before a file is taken for a wide one

_GROUPED_POINT = re.compile(r"^[+-]?[1-9]\d{0,2}([, \u00a0\u202f']\d{3})+(\.\d+)?$")
_GROUPED_BY_POINT = re.compile(r"^[+-]?[1-9]\d{0,2}(\.\d{3})+$")
_COMMA = re.compile(r"^[+-]?(\d{1,3}([. \u00a0\u202f']\d{3})+|\d+),\d+$")
_POINT = re.compile(r"^[+-]?(\d{1,3}([, \u00a0\u202f']\d{3})+|\d+)\.\d+$")


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
    is_grouped
        thousands are set apart in numbers.
    has_times
        dates carry a time of day.
    week_end
        the weekday of all dates where they lie whole weeks apart, as for weekly data; else empty.
    is_day_first_assumed
        dates such as 05/01/2020 may as well have the month first: no value seen tells.
    periods
        columns that each hold the sales of a day or week -> that date, for a wide file.
    """

    mapping: Mapping
    date_format: str
    decimal: str
    is_grouped: bool
    has_times: bool
    week_end: str
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
    """A column's name without what people vary."""
    return re.sub(r"[\W_]+", "", name).lower()


def recognise_roles(columns: Sequence[str]) -> Mapping:
    """role -> the column whose name says so; the likeliest where several do. Roles that none has are left out."""
    found: dict[str, tuple[int, str]] = {}
    for column in columns:
        name = normalised(column)
        role = _ROLE_OF.get(name)
        if role is not None:
            rank = _RANK[role, name]
            if role not in found or rank < found[role][0]:
                found[role] = (rank, column)
    mapping = {role: [column] for role, (_, column) in found.items()}
    # A product's name describes it where another column is the key.
    names = [c for c in columns if ("description", normalised(c)) in _RANK and [c] != mapping.get("item")]
    if names:
        mapping.setdefault("description", [names[0]])
    if "item" not in mapping and "description" in mapping:
        mapping["item"] = mapping.pop("description")
    if _is_alone(mapping, columns):
        mapping["item"] = mapping.pop("store")
    return mapping


def _is_alone(mapping: Mapping, columns: Sequence[str]) -> bool:
    """Whether the file has stores and no items, as sales by shop do: then the shop is the series."""
    return "item" not in mapping and "store" in mapping and {"date", "sales"} <= set(mapping)


def propose(
    columns: Sequence[str],
    types: Sequence[str],
    sample: Sequence[Sequence[str | None]],
    given: Mapping,
    date_format: str = "",
    decimal: str = "",
    calendar: dict[str, date] | None = None,
) -> Proposal:
    """What the columns of a table mean; what is `given` stands.

    Parameters
    ----------
    given
        roles with columns of this table.
    calendar
        names of periods -> their dates, from a file beside a wide one.
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

    def values(role: str) -> list[str]:
        """The different values of a role in the sample."""
        if mapping[role] == [WIDE]:
            cells = (cell for row in sample[:200] for column in periods for cell in [row[place[column]]])
        else:
            cells = (row[place[name]] for row in sample for name in mapping[role] if name in place)
        return list(dict.fromkeys(cell.strip() for cell in cells if cell is not None and cell.strip()))

    if not mapping["date"] and "date" not in given:
        mapping["date"] = _find_dates(columns, sample, nested.union(*map(set, mapping.values())))
    dates = values("date") if not periods else []
    is_given = bool(date_format)
    date_format = date_format or find_date_format(dates)
    is_assumed = not is_given and _may_have_month_first(dates, date_format)
    numbers = values("sales")
    found_decimal, is_grouped = find_decimal(numbers)
    days = sorted(set(periods.values()) or {d.date() for d in _parsed(dates, date_format)})
    is_time = any(d.time() != datetime.min.time() for d in _parsed(dates[:500], date_format))
    return Proposal(
        mapping=mapping,
        date_format=date_format,
        decimal=decimal or found_decimal,
        is_grouped=is_grouped,
        has_times=is_time,
        week_end=_weekday_of(days),
        is_day_first_assumed=is_assumed,
        periods=periods,
    )


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
    return found if len(found) >= MIN_PERIODS else {}


def find_date_format(values: Sequence[str]) -> str:
    """The format that fits the most of some dates, the day before the month where both do; empty where none fits half.

    DuckDB reads what strptime reads, so what fits here fits there.
    """
    tried = list(dict.fromkeys(values))[:2_000]
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
    return best if most * 2 >= len(tried) else ""


def _may_have_month_first(values: Sequence[str], date_format: str) -> bool:
    """Whether dates that were taken to have the day first could all be read with the month first."""
    day, month = date_format.find("%d"), date_format.find("%m")
    if not 0 <= day < month:
        return False
    other = date_format.replace("%d", "%_").replace("%m", "%d").replace("%_", "%m")
    return len(_parsed(values, other)) >= len(_parsed(values, date_format))


def _signs(text: str) -> frozenset[str]:
    """The punctuation in a date or its format."""
    return frozenset(char for char in text if not char.isalnum())


def find_decimal(values: Iterable[str]) -> tuple[str, bool]:
    """The decimal sign of some numbers, and whether their thousands are set apart."""
    comma = point = grouped = 0
    for value in values:
        if _GROUPED_POINT.match(value):
            grouped += 1
        elif _GROUPED_BY_POINT.match(value):
            comma += value.count(".") > 1  # 1.234 alone may be either, as below; 1.234.567 may not
        elif _COMMA.match(value):
            comma += 1
            grouped += any(sign in value for sign in ". \u00a0\u202f'")
        elif _POINT.match(value):
            point += 1
            grouped += any(sign in value for sign in ", \u00a0\u202f'")
    # 1,234 alone may be either: thousands, unless other numbers have a decimal comma. So may 1.234: a fraction,
    # unless other numbers have one.
    return ("," if comma > point else "."), grouped > 0


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
    found = []
    for value in values if date_format else ():
        try:
            found.append(datetime.strptime(value, date_format))
        except ValueError:
            continue
    return found


def _weekday_of(days: Sequence[date]) -> str:
    """The one weekday of dates that lie whole weeks apart, such as SAT; empty for other dates."""
    if len(days) < 2 or len({day.weekday() for day in days}) > 1:
        return ""
    return WEEKDAYS[(days[0].weekday() + 1) % 7]
