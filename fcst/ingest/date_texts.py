"""Date formats: strptime formats, ISO weeks, Excel serial numbers, Unix epochs, month names in several languages.

Every strptime format here also works in DuckDB. Further formats are SERIAL, EPOCH_S and EPOCH_MS. A format with `%b`
also matches month names in the languages of MONTHS.
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
NATIVE = ("%Y-%m-%d", "%Y/%m/%d")  # DuckDB casts these, with or without a time, faster than it parses a format

WEEKS: tuple[str, ...] = ("%G-W%V", "%GW%V", "%G W%V", "%G/W%V", "W%V-%G", "W%V/%G", "W%V %G", "%G-KW%V", "%G KW%V")
WEEKS += ("KW%V/%G", "KW%V %G", "KW %V/%G", "KW %V %G", "KW%V-%G")
_BARE_WEEKS: tuple[str, ...] = ("%G-%V", "%G/%V", "%G %V", "%G.%V", "%G%V", "%V/%G", "%V-%G", "%V.%G", "%V %G")
"""ISO weeks without the letter W: used only if the column name means a week."""
YEAR_WEEK_JOINT = "-"
"""Joins a year and an ISO week, or a year, a month and a day, from separate columns."""
WEEK_DAY = "-7"
"""Appended to an ISO week, as `-%u`, to parse its last day, a Sunday."""

SERIAL = "serial"
"""Format of dates stored as Excel day numbers, in cells without a date format."""
SERIAL_DAY_0 = date(1899, 12, 30)
_SERIAL = re.compile(r"\d{5}([.,]\d*)?")
_SERIALS = range(32_874, 73_051)  # from 1990 until 2099
EPOCH_S, EPOCH_MS = "epoch seconds", "epoch milliseconds"
"""Formats of timestamps counted from 1970 in UTC."""
_EPOCHS = range(631_152_000, 4_102_444_800)  # from 1990 until 2099
UNWRITTEN = (SERIAL, EPOCH_S, EPOCH_MS)
"""Formats that strptime does not support."""

TIME = (
    r"[Tt,\s]+[^\d\s]{0,4}\s*\d{1,2}:\d{2}(:\d{2}([.,]\d{1,9})?)?"
    r"(\s*[^\d\s+:-]{1,9}){0,3}\s*([+-]\d{2}:?(\d{2})?)?(\s*\([^()]*\))?\s*$"
)
"""A time of day after a date, with an optional AM/PM and time zone; the date is taken as written."""
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
"""Month name or abbreviation in lower case, with and without accents -> its `%b` form."""
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
"""Words in dates, in lower case: a month -> its `%b` form, other words -> an empty text."""
_NAMED = ("%d %b %Y", "%b %d %Y", "%Y %b %d", "%d %b %y")
_TOKEN = re.compile(r"\d+|[^\W\d_]+")

_DISPLAY = {"%d": "DD", "%m": "MM", "%Y": "YYYY", "%y": "YY", "%b": "Mon", "%B": "Month", "%G": "YYYY", "%V": "WW"}
_DISPLAY |= {"%H": "hh", "%I": "hh", "%M": "mm", "%S": "ss", "%f": "ffffff", "%p": "AM/PM"}

MAX_EXAMPLES = 3  # of ambiguous dates
WEEK_STARTS = frozenset(
    "weekstart weekstarting weekstartdate weekstarts startofweek weekbegin weekbeginning weekbegins weekcommencing"
    " weekof wochenbeginn wochenstart debutsemaine iniciosemana".split()
)
"""Names of columns whose dates are the first day of a week."""


def may_be_week(column: str) -> bool:
    """Whether a column name means a week."""
    return bool({"week", "weeks", "wk", "kw", "woche", "semaine", "semana", "settimana"} & set(words(column)))


def find_date_format(values: Sequence[str], is_week: bool = False) -> str:
    """The format that matches the most dates; empty if none matches half. Day first wins a tie with month first.

    Parameters
    ----------
    is_week
        the dates may be ISO weeks without the letter W, such as 2024-05.
    """
    tried = list(dict.fromkeys(values))[:2_000]
    if unwritten := _unwritten_format(tried):
        return unwritten
    best, most, years = "", 0, 0
    signs = {_signs(value) for value in tried[:20]}
    for date_format in DATE_FORMATS:
        if _signs(date_format.replace("%", "")) not in signs:
            continue  # skip: strptime compiles a regex per format, which takes longer than parsing a sample
        n = len(parsed(tried[:20], date_format))
        if not n and len(tried) >= 20:
            continue
        found = parsed(tried, date_format)
        n = len(found)
        if 0 < n == most and date_format.startswith("%y") and 3 * _years(found) <= years:
            # 24/01/05, 24/01/06, 24/01/07 are days of one month, not of three years; 01/05/22 is ambiguous.
            best = date_format if _are_dense(found) else ""
        if n > most:
            best, most, years = date_format, n, _years(found)
    if most < len(tried):  # times in other formats, or only in some rows
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
    """Whether the dates cover at least a third of the days in their range."""
    return 3 * len(set(days)) >= (max(days) - min(days)).days


def _years(days: Sequence[datetime]) -> int:
    """Number of calendar years that the dates span."""
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
    """Parses the dates that match a format and skips the others."""
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
        return None  # strptime parses 202411 as 2024-01-01
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
    """Normalises a date with a month name to numbers and the English month, such as 15 Jan 2024.

    Drops weekdays and fillers such as 'de' and 'th'. Other words become '?', so that the text is not a date.
    """
    tokens = _TOKEN.findall(_TIME.sub("", value))
    found = [token if token.isdecimal() else MONTH_WORDS.get(token.casefold(), "?") for token in tokens]
    return " ".join(token for token in found if token)


def _month(word: str) -> str:
    plain = word.casefold()
    return MONTHS.get(plain, "") or MONTHS.get(without_accents(plain), "")


def without_signs(date_format: str) -> str:
    """The format for a date normalised by `with_english_month`."""
    return " ".join(re.findall("%[A-Za-z]", date_format.replace("%B", "%b")))


def is_named(date_format: str) -> bool:
    """Whether a format has a month name and no time."""
    return ("%b" in date_format or "%B" in date_format) and not has_time(date_format)


def is_of_weeks(date_format: str) -> bool:
    """Whether a format is an ISO week."""
    return "%V" in date_format


def has_time(date_format: str) -> bool:
    """Whether a format has a time of day."""
    return "%H" in date_format or "%I" in date_format


def has_clock(value: str) -> bool:
    """Whether a date has a time of day other than midnight."""
    tail = _TIME.search(value)
    clock = re.search(r"\d{1,2}:[\d:.,]*", tail[0]) if tail else None
    return clock is not None and any(char in "123456789" for char in clock[0])


def display_format(date_format: str) -> str:
    """A format for messages: DD.MM.YYYY for %d.%m.%Y."""
    return re.sub("%[A-Za-z]", lambda match: _DISPLAY.get(match[0], match[0]), date_format)


def month_first(date_format: str) -> str:
    """Converts a day-first format to month-first."""
    return date_format.replace("%d", "%_").replace("%m", "%d").replace("%_", "%m")


def may_have_month_first(values: Sequence[str], date_format: str) -> bool:
    """Whether dates in a day-first format also match the month-first format."""
    day, month = date_format.find("%d"), date_format.find("%m")
    if not 0 <= day < month:
        return False
    return len(parsed(values, month_first(date_format))) >= len(parsed(values, date_format))


def format_by_row_order(cells: Sequence[str], readings: Sequence[str]) -> str:
    """The format, of two, with which the rows are sorted by date; empty unless exactly one is."""
    found = [parsed(cells, reading) for reading in readings]
    if len(set(cells)) <= 2:
        return ""
    return _only(readings, [all(a <= b for a, b in pairwise(days)) for days in found])


def format_without_future(cells: Sequence[str], readings: Sequence[str]) -> str:
    """The format, of two, with which no date is in the future; empty unless exactly one is."""
    found = [parsed(cells, reading) for reading in readings]
    return _only(readings, [bool(days) and max(days) <= latest_day() for days in found])


def format_by_file_name(cells: Sequence[str], readings: Sequence[str], file_name: str) -> str:
    """The format, of two, with which all dates are in the month in the file name; empty unless exactly one is."""
    months = _months_in(file_name)
    if len(months) != 1:
        return ""
    found = [{(day.year, day.month) for day in parsed(cells, reading)} for reading in readings]
    return _only(readings, [days == months for days in found])


def _months_in(name: str) -> set[tuple[int, int]]:
    """The months in a file name: sales_2024-03.csv, sales_march_2024.csv."""
    found = {(int(y), int(m)) for y, m in re.findall(r"(?<!\d)(20\d\d)[-_. ]?(0[1-9]|1[0-2])(?!\d)", name)}
    tokens = _TOKEN.findall(name)
    numbers = [datetime.strptime(month, "%b").month for token in tokens if (month := _month(token))]
    years = [int(token) for token in tokens if re.fullmatch(r"20\d\d", token)]
    if not found and len(numbers) == len(years) == 1:
        found = {(years[0], numbers[0])}
    return found


def _only(readings: Sequence[str], holds: Sequence[bool]) -> str:
    return readings[holds.index(True)] if sum(holds) == 1 else ""


def ambiguous_dates(values: Sequence[str], date_format: str) -> list[tuple[str, str, str]]:
    """Examples of ambiguous dates: the text, its day-first date and its month-first date."""
    found = []
    for value in dict.fromkeys(values):
        days = [parsed([value], reading) for reading in (date_format, month_first(date_format))]
        if all(days) and days[0] != days[1]:
            first, second = (f"{day.day} {day:%B %Y}" for (day,) in days)
            found.append((value, first, second))
    return found[:MAX_EXAMPLES] or [(values[0], "the day first", "the month first")]


def latest_day() -> datetime:
    """The latest possible day of a sale, in any time zone."""
    return datetime.now() + timedelta(days=1)


def weekday_of(days: Sequence[date]) -> str:
    """The common weekday of two or more dates, such as SAT; empty if they differ."""
    if len(days) < 2 or len({day.weekday() for day in days}) > 1:
        return ""
    return WEEKDAYS[(days[0].weekday() + 1) % 7]


def are_months(days: Sequence[date]) -> bool:
    """Whether the dates, at least three, are all first days or all last days of months."""
    months = {(day.year, day.month) for day in days}
    if not len(months) == len(days) >= 3:
        return False
    return all(day.day == 1 for day in days) or all((day + timedelta(days=1)).day == 1 for day in days)


def span_of(text: str) -> str:
    """The period that a text names: 'month', 'quarter' or 'year'; empty for other texts."""
    return next((span for span, matches in _SPANS.items() if matches(text.strip())), "")


def span_of_values(values: Sequence[str]) -> str:
    """The period that all texts name, as in `span_of`; 'index' for consecutive numbers from 0 or 1."""
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
