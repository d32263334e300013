"""How people and systems write dates: formats as of strptime, ISO weeks, serial numbers, epochs, names of months.

A format that fits here fits in DuckDB too, which reads what strptime reads. Beside the formats of strptime there are
SERIAL, EPOCH_S and EPOCH_MS. A format with `%b` also fits dates with the names of months in the languages of MONTHS.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from fcst.ingest.column_names import without_accents, words
from fcst.names import WEEKDAYS

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
_DAYS += ("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%b %d, %Y")
_DAYS += ("%d %B %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y", "%d. %m. %Y", "%Y. %m. %d", "%Y. %m. %d.", "%Y年%m月%d日")
_DAYS += ("%y-%m-%d", "%y/%m/%d", "%y.%m.%d")
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

WEEKS: tuple[str, ...] = ("%G-W%V", "%GW%V", "%G W%V", "%G/W%V", "W%V-%G", "W%V/%G", "W%V %G", "%G-KW%V", "%G KW%V")
WEEKS += ("KW%V/%G", "KW%V %G", "KW %V/%G", "KW %V %G", "KW%V-%G")
_BARE_WEEKS: tuple[str, ...] = ("%G-%V", "%G/%V", "%G %V", "%G.%V", "%G%V", "%V/%G", "%V-%G", "%V.%G", "%V %G")
"""ISO weeks without a letter that says so: only where the column is called a week."""
YEAR_WEEK_JOINT = "-"
"""Between a year and an ISO week, or a year, a month and a day, that stand in columns of their own."""
WEEK_DAY = "-7"
"""Stands behind an ISO week, as `-%u`, so that it is its last day, a Sunday."""

SERIAL = "serial"
"""Stands for a format where dates are numbers of days as Excel counts them, in cells that are not shown as dates."""
SERIAL_DAY_0 = date(1899, 12, 30)
_SERIAL = re.compile(r"\d{5}([.,]\d*)?")
_SERIALS = range(32_874, 73_051)  # from 1990 until 2099
EPOCH_S, EPOCH_MS = "epoch seconds", "epoch milliseconds"
"""Stand for formats where moments are counted from 1970 on, in UTC."""
_EPOCHS = range(631_152_000, 4_102_444_800)  # from 1990 until 2099
UNWRITTEN = (SERIAL, EPOCH_S, EPOCH_MS)
"""Formats that strptime does not know."""

TIME = (
    r"[Tt,\s]+[^\d\s]{0,4}\s*\d{1,2}:\d{2}(:\d{2}([.,]\d{1,9})?)?"
    r"(\s*[^\d\s+:-]{1,9}){0,3}\s*([+-]\d{2}:?(\d{2})?)?(\s*\([^()]*\))?\s*$"
)
"""A time of day behind a day, with what it may have of halves of a day and a zone: the day is that which is written."""
_TIME = re.compile(TIME)

_MONTHS = """
    january jan januar janner januari janvier janv enero ene gennaio gen janeiro stycznia styczeń sty ocak oca
    января январь янв ledna leden
    february feb februar februari février févr fév febrero febbraio febbr fevereiro fev lutego luty lut şubat şub
    февраля февраль фев února únor
    march mar märz maerz mrz mär mars marzo março maart mrt marca marzec marts mart марта март мар března březen
    april apr avril avr abril abr aprile kwietnia kwiecień kwi nisan nis апреля апрель апр dubna duben
    may mai mayo maggio mag maio mei maja maj mayıs мая май května květen
    june jun juni juin junio giugno giu junho czerwca czerwiec cze haziran haz июня июнь июн června červen
    july jul juli juillet juil julio luglio lug julho lipca lipiec lip temmuz tem июля июль июл července červenec
    august aug août aout agosto ago augustus augusti sierpnia sierpień sie ağustos ağu августа август авг srpna srpen
    september sep sept septembre septiembre setiembre set settembre sett setembro września wrzesień wrz eylül eyl
    сентября сентябрь сен сент září
    october oct oktober okt octobre octubre ottobre ott outubro out października październik paź ekim eki
    октября октябрь окт října říjen
    november nov novembre noviembre novembro listopada listopad lis kasım kas ноября ноябрь ноя
    december dec dezember dez décembre déc diciembre dic dicembre dezembro grudnia grudzień gru aralık ara desember des
    декабря декабрь дек prosince prosinec
"""
_FIRST_OF_MONTH = "january february march april may june july august september october november december".split()


def _read_months() -> dict[str, str]:
    found: dict[str, str] = {}
    month = ""
    for word in _MONTHS.split():
        month = word[:3].title() if word in _FIRST_OF_MONTH else month
        found[word] = found[without_accents(word).casefold()] = month
    return found


MONTHS = _read_months()
"""A month's name or abbreviation, in small letters, with its accents and without -> as `%b` knows it."""
_FILLERS = """
    st nd rd th de del di of the den der er le la a do
    mon monday tue tues tuesday wed wednesday thu thur thurs thursday fri friday sat saturday sun sunday
    mo montag di dienstag mi mittwoch do donnerstag fr freitag sa samstag sonnabend so sonntag
    lun lundi mardi mer mercredi jeu jeudi ven vendredi sam samedi dim dimanche
    lunes mié mie miércoles jue jueves vie viernes sáb sab sábado domingo martes
    lunedì martedì mercoledì giovedì venerdì sabato domenica gio
    segunda terça quarta quinta sexta feira seg ter qua qui sex dom
    maandag dinsdag woensdag donderdag vrijdag zaterdag zondag ma wo vr za zo
    poniedziałek wtorek środa czwartek piątek sobota niedziela pon wt śr czw pt sob niedz
    r pazartesi salı çarşamba perşembe cuma cumartesi pazar г
"""
MONTH_WORDS = {word: "" for word in _FILLERS.split()} | MONTHS
"""The words of dates, in small letters: a month's -> as `%b` knows it, others -> nothing."""
_NAMED = ("%d %b %Y", "%b %d %Y", "%Y %b %d", "%d %b %y")
_TOKEN = re.compile(r"\d+|[^\W\d_]+")

MAX_EXAMPLES = 3  # of dates that can be read in two ways
WEEK_STARTS = frozenset(
    "weekstart weekstarting weekstartdate weekstarts startofweek weekbegin weekbeginning weekbegins weekcommencing"
    " weekof wochenbeginn wochenstart debutsemaine iniciosemana".split()
)
"""Names of columns whose dates begin a week."""


def may_be_week(column: str) -> bool:
    """Whether a column is called a week."""
    return bool({"week", "weeks", "wk", "kw", "woche", "semaine", "semana", "settimana"} & set(words(column)))


def find_date_format(values: Sequence[str], is_week: bool = False) -> str:
    """The format that fits the most of some dates, the day before the month where both do; empty where none fits half.

    Parameters
    ----------
    is_week
        the dates may be ISO weeks without a letter that says so, such as 2024-05.
    """
    tried = list(dict.fromkeys(values))[:2_000]
    if unwritten := _unwritten_format(tried):
        return unwritten
    best, most, years = "", 0, 0
    signs = {_signs(value) for value in tried[:20]}
    for date_format in DATE_FORMATS:
        if _signs(date_format.replace("%", "")) not in signs:
            continue  # strptime makes a pattern of each format it meets, which takes longer than reading a sample
        n = len(parsed(tried[:20], date_format))
        if not n and len(tried) >= 20:
            continue
        found = parsed(tried, date_format)
        n = len(found)
        if 0 < n == most and date_format.startswith("%y") and 3 * _years(found) <= years:
            # 24/01/05, 24/01/06, 24/01/07 are days of one month rather than of three years; 01/05/22 may be either.
            best = date_format if _are_dense(found) else ""
        if n > most:
            best, most, years = date_format, n, _years(found)
    if most < len(tried):  # times of other forms, or in some rows only
        days = [_TIME.sub("", value) for value in tried]
        if days != tried and (day_format := find_date_format(days)) and len(parsed(tried, day_format)) > most:
            return day_format
        named = max(_NAMED, key=lambda form: len(parsed(tried, form)))
        if len(parsed(tried, named)) > most:
            best, most = named, len(parsed(tried, named))
    if most * 2 < len(tried):
        weeks = [*WEEKS, *(_BARE_WEEKS if is_week else ())]
        return next((week for week in weeks if len(parsed(tried, week)) * 2 >= len(tried)), "")
    return best if most * 2 >= len(tried) else ""


def _are_dense(days: Sequence[datetime]) -> bool:
    """Whether dates fill at least a third of the days that they span."""
    return 3 * len(set(days)) >= (max(days) - min(days)).days


def _years(days: Sequence[datetime]) -> int:
    """How many years dates span."""
    return max(days).year - min(days).year + 1 if days else 0


def _unwritten_format(values: Sequence[str]) -> str:
    if values and all(map(_SERIAL.fullmatch, values)) and all(int(value[:5]) in _SERIALS for value in values):
        return SERIAL
    if not values or not all(map(str.isdecimal, values)):
        return ""
    numbers = [int(value[:16]) for value in values]
    if all(number in _EPOCHS for number in numbers):
        return EPOCH_S
    if all(number // 1000 in _EPOCHS for number in numbers):
        return EPOCH_MS
    return ""


def parsed(values: Iterable[str], date_format: str) -> list[datetime]:
    """Those of some dates that a format fits."""
    return [moment for value in values if (moment := _moment(value, date_format)) is not None]


def _moment(value: str, date_format: str) -> datetime | None:
    if date_format in UNWRITTEN:
        if _unwritten_format([value]) != date_format:
            return None
        if date_format == SERIAL:
            days = float(value.replace(",", "."))
            return datetime.combine(SERIAL_DAY_0, datetime.min.time()) + timedelta(seconds=round(days * 86_400))
        number = int(value)
        return datetime.fromtimestamp(number / (1 if date_format == EPOCH_S else 1000), UTC).replace(tzinfo=None)
    if not date_format or (date_format.startswith("%Y%m%d") and not re.match(r"\d{8}", value)):
        return None  # strptime takes 202411 for the 1st of January
    behind, form = (WEEK_DAY, f"{date_format}-%u") if is_of_weeks(date_format) else ("", date_format)
    try:
        return datetime.strptime((value if has_time(date_format) else _TIME.sub("", value)) + behind, form)
    except ValueError:
        if not is_named(date_format):
            return None
    try:
        return datetime.strptime(with_english_month(value), without_signs(date_format))
    except ValueError:
        return None


def with_english_month(value: str) -> str:
    """A date with the name of a month as its numbers and that month, such as 15 Jan 2024; no date if other words are in
    it than weekdays and such as de and th.
    """
    tokens = _TOKEN.findall(_TIME.sub("", value))
    found = [token if token.isdecimal() else MONTH_WORDS.get(token.casefold(), "?") for token in tokens]
    return " ".join(token for token in found if token)


def _month(word: str) -> str:
    plain = word.casefold()
    return MONTHS.get(plain, "") or MONTHS.get(without_accents(plain), "")


def without_signs(date_format: str) -> str:
    """The same format for what `with_english_month` makes of a date."""
    return " ".join(re.findall("%[A-Za-z]", date_format.replace("%B", "%b")))


def is_named(date_format: str) -> bool:
    """Whether a format is of days with the name of a month."""
    return ("%b" in date_format or "%B" in date_format) and not has_time(date_format)


def is_of_weeks(date_format: str) -> bool:
    """Whether a format is of ISO weeks."""
    return "%V" in date_format


def has_time(date_format: str) -> bool:
    """Whether a format is of a day with a time."""
    return "%H" in date_format or "%I" in date_format


def has_clock(value: str) -> bool:
    """Whether a date has a time of day other than midnight behind it."""
    tail = _TIME.search(value)
    clock = re.search(r"\d{1,2}:[\d:.,]*", tail[0]) if tail else None
    return clock is not None and any(char in "123456789" for char in clock[0])


def month_first(date_format: str) -> str:
    """A format with the day first, with the month first."""
    return date_format.replace("%d", "%_").replace("%m", "%d").replace("%_", "%m")


def may_have_month_first(values: Sequence[str], date_format: str) -> bool:
    """Whether dates that were taken to have the day first could all be read with the month first."""
    day, month = date_format.find("%d"), date_format.find("%m")
    if not 0 <= day < month:
        return False
    return len(parsed(values, month_first(date_format))) >= len(parsed(values, date_format))


def order_of_rows(cells: Sequence[str], readings: Sequence[str]) -> str:
    """The one of two readings of dates by which the rows are in the order of their dates; empty where not one is."""
    found = [parsed(cells, reading) for reading in readings]
    if len(set(cells)) <= 2:
        return ""
    return _only(readings, [all(a <= b for a, b in pairwise(days)) for days in found])


def without_future(cells: Sequence[str], readings: Sequence[str]) -> str:
    """The one of two readings by which no date lies in the future; empty where not one is."""
    found = [parsed(cells, reading) for reading in readings]
    return _only(readings, [bool(days) and max(days) <= latest_day() for days in found])


def of_named_month(cells: Sequence[str], readings: Sequence[str], file_name: str) -> str:
    """The one of two readings by which all dates are of the month in the file's name; empty where not one is."""
    months = _months_in(file_name)
    if len(months) != 1:
        return ""
    found = [{(day.year, day.month) for day in parsed(cells, reading)} for reading in readings]
    return _only(readings, [days == months for days in found])


def _months_in(name: str) -> set[tuple[int, int]]:
    """The months that a file's name tells: sales_2024-03.csv, sales_march_2024.csv."""
    found = {(int(y), int(m)) for y, m in re.findall(r"(?<!\d)(20\d\d)[-_. ]?(0[1-9]|1[0-2])(?!\d)", name)}
    tokens = _TOKEN.findall(name)
    numbers = [datetime.strptime(month, "%b").month for token in tokens if (month := _month(token))]
    years = [int(token) for token in tokens if re.fullmatch(r"20\d\d", token)]
    if not found and len(numbers) == len(years) == 1:
        found = {(years[0], numbers[0])}
    return found


def _only(readings: Sequence[str], holds: Sequence[bool]) -> str:
    return readings[holds.index(True)] if sum(holds) == 1 else ""


def two_days(values: Sequence[str], date_format: str) -> list[tuple[str, str, str]]:
    """Some of the dates that have the day or the month first, each with the two days that it may be, in words."""
    found = []
    for value in dict.fromkeys(values):
        days = [parsed([value], reading) for reading in (date_format, month_first(date_format))]
        if all(days) and days[0] != days[1]:
            first, second = (f"{day.day} {day:%B %Y}" for (day,) in days)
            found.append((value, first, second))
    return found[:MAX_EXAMPLES] or [(values[0], "the day first", "the month first")]


def latest_day() -> datetime:
    """The end of what can have been sold, in whatever zone."""
    return datetime.now() + timedelta(days=1)


def weekday_of(days: Sequence[date]) -> str:
    """The one weekday of dates that lie whole weeks apart, such as SAT; empty for other dates."""
    if len(days) < 2 or len({day.weekday() for day in days}) > 1:
        return ""
    return WEEKDAYS[(days[0].weekday() + 1) % 7]


def are_months(days: Sequence[date]) -> bool:
    """Whether dates are the first days, or the last days, of months, three at least."""
    months = {(day.year, day.month) for day in days}
    if not len(months) == len(days) >= 3:
        return False
    return all(day.day == 1 for day in days) or all((day + timedelta(days=1)).day == 1 for day in days)


def span_of(text: str) -> str:
    """What a text stands for that is no day: 'month', 'quarter', 'year'; empty for another text."""
    return next((span for span, fits in _SPANS.items() if fits(text.strip())), "")


def span_of_values(values: Sequence[str]) -> str:
    """What all of some texts stand for that are no days; also 'index': numbers that follow each other, from 0 or 1."""
    tried = list(dict.fromkeys(value.strip() for value in values if value.strip()))[:2_000]
    if len(tried) < 2:
        return ""
    if len(spans := set(map(span_of, tried))) == 1 and (span := spans.pop()):
        return span
    if all(value.isdecimal() and len(value) < 7 for value in tried):
        numbers = sorted(map(int, tried))
        if numbers[0] in (0, 1) and len(numbers) >= 6 and numbers[-1] - numbers[0] < len(numbers) * 1.2:
            return "index"
    return ""


def _is_year(text: str) -> bool:
    return bool(re.fullmatch(r"(19|20)\d\d", text))


def _is_month(text: str) -> bool:
    if re.fullmatch(r"(19|20)\d\d[-/. ]?[Mm]?(0?[1-9]|1[0-2])|(0?[1-9]|1[0-2])[-/. ](19|20)\d\d", text):
        return True
    tokens = _TOKEN.findall(text)
    numbers = [token for token in tokens if token.isdecimal()]
    return len(numbers) == 1 and len(numbers[0]) in (2, 4) and any(_month(token) for token in tokens)


def _is_quarter(text: str) -> bool:
    return bool(
        re.fullmatch(
            r"(?i)(19|20)?\d\d[-/ .]?[QT][1-4]|[QT][1-4][-/ .]*(19|20)?\d\d|[1-4][QT][-/ .]?(19|20)?\d\d"
            r"|[1-4]\.? (quarter|quartal|trimestre) (19|20)\d\d",
            text,
        )
    )


_SPANS = {"year": _is_year, "month": _is_month, "quarter": _is_quarter}


def _signs(text: str) -> frozenset[str]:
    """The punctuation in a date or its format."""
    return frozenset(char for char in text if not char.isalnum())
