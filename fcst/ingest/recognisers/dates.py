"""Recognisers of dates: the column, the format, day or month first, times of day, and dates that begin weeks."""

from datetime import datetime

from fcst.ingest.column_names import is_of_other_date, words
from fcst.ingest.columns import normalised
from fcst.ingest.date_texts import (
    WEEK_STARTS as STARTS,
)
from fcst.ingest.date_texts import (
    find_date_format,
    format_by_file_name,
    format_by_row_order,
    format_without_future,
    has_clock,
    is_of_weeks,
    may_be_week,
    may_have_month_first,
    month_first,
    parsed,
    weekday_of,
)
from fcst.ingest.proposal import Draft
from fcst.ingest.recognisers.recogniser import Recogniser, Sample

_YEARS = frozenset("year yr isoyear jahr annee ano anno anio rok jaar ar yil год 年".split())
_MONTHS = frozenset("month mo monat mois mes mese maand miesiac manad maned ay месяц 月".split())
_DAYS = frozenset("day dayofmonth tag jour dia giorno dag dzien gun день 日".split())
_DAY_FIRST_WORDS = frozenset(
    "datum artikel menge anzahl stuck stueck verkauf verkaufe filiale umsatz date_de quantite produit ventes vente"
    " magasin cantidad fecha producto ventas venta tienda unidades quantita prodotto vendite venduto negozio quantidade"
    " produto vendas loja aantal winkel verkoop ilosc produkt sprzedaz sklep tarih urun adet miktar satis antal maara"
    " дата товар количество продажи bezeichnung articolo articulo artigo".split()
)
"""Header words in languages with day-first dates."""


def _of_parts(draft: Draft) -> None:
    """A year and a week number, or a year, a month and a day, in separate columns."""
    if not draft.is_open("date") or len(draft.mapping["date"]) > 1 or draft.periods:
        return
    columns = draft.columns
    by_part = {
        part: [name for name in columns.names if normalised(name) in names]
        for part, names in (("year", _YEARS), ("month", _MONTHS), ("day", _DAYS))
    }
    date = draft.mapping["date"]
    if not by_part["year"]:
        return
    if date and may_be_week(date[0]):
        cells = columns.cells(date[0])
        if cells and all(cell.isdecimal() and 1 <= int(cell[:3]) <= 53 for cell in cells):
            draft.decide("date", [by_part["year"][0], date[0]], "a year column and a week column")
        return
    if not (by_part["month"] and by_part["day"]) or (date and date[0] not in by_part["day"]):
        return
    cells = columns.cells(by_part["day"][0])
    if cells and all(cell.isdecimal() and 1 <= int(cell[:3]) <= 31 for cell in cells):
        draft.decide("date", [by_part[part][0] for part in ("year", "month", "day")], "year, month and day columns")


def _by_values(draft: Draft) -> None:
    """The first column whose values are dates, if no column has a known name."""
    if draft.mapping["date"] or not draft.is_open("date"):
        return
    for name in sorted(draft.free(), key=is_of_other_date):
        place = draft.columns.place[name]
        rows = draft.columns.sample[:200]
        cells = [cell.strip() for row in rows if (cell := row[place])]
        is_number = all(cell.isdigit() and len(cell) != 8 for cell in cells)
        if len(cells) > len(rows) / 2 and not is_number and find_date_format(cells):
            draft.decide("date", [name], "column values are dates")
            if is_of_other_date(name):
                draft.remarks.append(f"{name} is taken as the date of sale because it is the only column with dates.")
            return


def _format(draft: Draft) -> None:
    dates = list(dict.fromkeys(draft.cells("date"))) if not draft.periods else []
    if draft.given_format:
        draft.date_format, draft.why["dates"] = draft.given_format, "set by you"
        return
    draft.date_format = find_date_format(dates, any(map(may_be_week, draft.mapping["date"])))
    draft.why["dates"] = f"{len(parsed(dates, draft.date_format)):,} of {len(dates):,} dates in the sample match"


def _day_order(draft: Draft) -> None:
    """Day or month first, for ambiguous dates: decided by other evidence, unless it is contradictory."""
    if draft.given_format or draft.periods or not may_have_month_first(draft.cells("date"), draft.date_format):
        return
    readings = (draft.date_format, month_first(draft.date_format))
    single = draft.cells("date") if len(draft.mapping["date"]) == 1 else []
    is_european = any(set(words(name)) & _DAY_FIRST_WORDS for name in draft.columns.names)
    evidence = (
        (readings[0] if "," in (draft.numbers.decimal, draft.money.decimal) else "", "the decimal sign is a comma"),
        (format_by_row_order(single, readings), "the rows are sorted by date"),
        (_format_of_other_column(draft, readings), "another date column has days after the 12th"),
        (format_by_file_name(single, readings, draft.file_name), "the file name contains the month"),
        (readings[0] if is_european else "", "the column names are in a language with day-first dates"),
        (readings[0] if draft.is_comma_usual else "", "files with semicolons usually have day-first dates"),
        (format_without_future(single, readings), "no date is in the future"),
    )
    found = [(reading, why) for reading, why in evidence if reading]
    if len({reading for reading, _ in found}) == 1:
        draft.date_format, draft.why["dates"] = found[0]
        return
    draft.is_day_first_assumed = True
    first = {readings[0]: "day first", readings[1]: "month first"}
    contradictory = "; ".join(f"{first[reading]}: {why}" for reading, why in found)
    draft.why["dates"] = contradictory or "the file does not prove whether day or month comes first"


def _format_of_other_column(draft: Draft, readings: tuple[str, str]) -> str:
    """The format, of two, of another column whose dates are unambiguous; empty if there is none."""
    for name in draft.free():
        cells = list(dict.fromkeys(draft.columns.cells(name)))
        found = find_date_format(cells) if cells and not draft.columns.is_numeric(name) else ""
        if found in readings and (found == readings[1] or not may_have_month_first(cells, found)):
            return found
    return ""


def _times(draft: Draft) -> None:
    dates = list(dict.fromkeys(draft.cells("date")))[:500] if not draft.periods else []
    moments = parsed(dates, draft.date_format)
    draft.has_times = any(moment.time() != datetime.min.time() for moment in moments)
    draft.has_times |= bool(draft.date_format) and any(map(has_clock, dates))


def _week_starts(draft: Draft) -> None:
    """Dates that begin weeks: by the column name, or Mondays in a column named as a week."""
    if len(draft.mapping["date"]) != 1 or draft.periods or is_of_weeks(draft.date_format):
        return
    (name,) = draft.mapping["date"]
    is_monday = may_be_week(name) and not {"end", "ending", "ended"} & set(words(name)) and len(draft.days()) > 2
    if normalised(name) in STARTS:
        draft.begin_weeks, why = True, "the column name means the first day of a week"
    elif is_monday and weekday_of(draft.days()) == "MON":
        draft.begin_weeks, why = True, "the dates are Mondays, which begin weeks"
        draft.remarks.append(f"The dates in {name} are Mondays: each is read as the first day of its week.")
    else:
        return
    draft.why["date"] = why


_MONDAYS = "\n".join(f"2024-01-{day:02},a,1" for day in (1, 8, 15, 22, 29))

PARTS = Recogniser(
    "a date in several columns",
    _of_parts,
    (
        Sample("year,week,item,qty\n2024,5,a,1\n2024,6,a,2", {"date": ["year", "week"], "date_format": "%G-%V"}),
        Sample("Year,Month,Day,item,qty\n2024,1,31,a,1\n2024,2,1,a,2", {"date": ["Year", "Month", "Day"]}),
        Sample("year,day,item,qty\n2024,2024-01-31,a,1\n2024,2024-02-01,a,2", {"date": ["day"]}),
    ),
)
BY_VALUES = Recogniser(
    "a column of dates by its values",
    _by_values,
    (
        Sample("bought,item,qty\n2024-01-31,a,1\n2024-02-01,a,2", {"date": ["bought"]}),
        Sample("batch,item,qty\n20,a,1\n21,a,2", {"date": []}),
    ),
)
FORMAT = Recogniser(
    "the date format",
    _format,
    (
        Sample("date,item,qty\n31/01/2024,a,1", {"date_format": "%d/%m/%Y"}),
        Sample("date,item,qty\n15. Januar 2024,a,1\n3. Mai 2024,a,1", {"date_format": "%d %b %Y"}),
        Sample("date,item,qty\n24/01/05,a,1\n24/01/06,a,1\n24/01/07,a,1", {"date_format": "%y/%m/%d"}),
        Sample("date,item,qty\n1704067200,a,1\n1704153600,a,1", {"date_format": "epoch seconds"}),
    ),
)
DAY_ORDER = Recogniser(
    "day first or month first",
    _day_order,
    (
        Sample("date,item,qty\n03/04/2024,a,1\n01/05/2024,a,1\n02/03/2024,a,1", {"is_day_first_assumed": True}),
        Sample(
            "date,item,qty\n01/05/2024,a,1\n02/03/2024,a,1\n03/01/2024,a,1",
            {"is_day_first_assumed": False, "date_format": "%m/%d/%Y"},
        ),
        Sample(
            "date,shipped,item,qty\n03/04/2024,03/14/2024,a,1\n01/05/2024,01/15/2024,a,1\n02/03/2024,02/28/2024,a,1",
            {"is_day_first_assumed": False, "date_format": "%m/%d/%Y"},
        ),
        Sample("Datum,Artikel,Menge\n01/05/2024,a,1\n02/03/2024,a,1\n03/01/2024,a,1", {"is_day_first_assumed": True}),
        Sample(
            "Datum,Artikel,Menge\n03/04/2024,a,1\n01/05/2024,a,1\n02/03/2024,a,1",
            {"is_day_first_assumed": False, "date_format": "%d/%m/%Y"},
        ),
    ),
)
TIMES = Recogniser(
    "times of day",
    _times,
    (
        Sample("date,item,qty\n2024-01-31 10:15,a,1", {"has_times": True}),
        Sample("date,item,qty\n2024-01-31 00:00,a,1", {"has_times": False}),
    ),
)
WEEK_STARTS = Recogniser(
    "dates that begin weeks",
    _week_starts,
    (
        Sample("week_start,item,qty\n2024-01-03,a,1\n2024-01-10,a,1", {"begin_weeks": True, "week_end": "TUE"}),
        Sample(f"week,item,qty\n{_MONDAYS}", {"begin_weeks": True, "week_end": "SUN"}),
        Sample(f"date,item,qty\n{_MONDAYS}", {"begin_weeks": False, "week_end": "MON"}),
        Sample(f"week_ending,item,qty\n{_MONDAYS}", {"begin_weeks": False, "week_end": "MON"}),
    ),
)
