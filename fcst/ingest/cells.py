"""SQL expressions that parse cells: dates, units and promotion flags from text.

A cell that cannot be parsed becomes NULL (a flag: `unknown`); no expression raises.
"""

import re
from collections import Counter
from collections.abc import Sequence

from fcst.ingest.date_texts import (
    EPOCH_MS,
    EPOCH_S,
    MONTH_WORDS,
    NATIVE,
    SERIAL,
    SERIAL_DAY_0,
    TIME,
    WEEK_DAY,
    has_time,
    is_named,
    is_of_weeks,
    without_signs,
)
from fcst.ingest.duck import literal
from fcst.ingest.number_texts import CURRENCIES, MINUS, NEGATIVE, POSITIVE, SPACES, ZERO, NumberStyle
from fcst.ingest.parts import Part

TRUE_FLAGS = ("true", "t", "yes", "y", "1", "1.0")
FALSE_FLAGS = ("false", "f", "no", "n", "0", "0.0")
FLAGS = {"no": 0, "yes": 1, "missing": 2, "unknown": 3}
MAX_USUAL_FLAGS = 6

OFFSET = r"(\d{1,2}:\d{2}(?::\d{2})?)(?:[.,]\d{1,9})?\s*(?:[Zz]|UTC|GMT|([+-])(\d{2}):?(\d{2})?)$"
"""A time of day with its offset from UTC."""
NUMBER = "DECIMAL(18, 6)"  # decimal, because sums of floats depend on the order of threads
MAX_EXACT = 1e9
_DATES = ("DATE", "TIMESTAMP")
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_SPACES = "\u00a0\u202f\u2009'\u2019 "


def most_common(part: Part, name: str) -> list[str]:
    """The most frequent values of a column in the sample, at most MAX_USUAL_FLAGS."""
    place = part.table.columns.index(name)
    counts = Counter(cell for row in part.table.sample if (cell := row[place]) is not None)
    return [text for text, _ in counts.most_common(MAX_USUAL_FLAGS)]


def date_sql(column: str, date_format: str, kind: str = "VARCHAR", zone: str = "") -> str:
    """SQL for the date as written; with `zone`, a timestamp with a UTC offset gives the date in that time zone."""
    if zone and kind not in _DATES:
        return _local_date_sql(column, date_format, zone)
    if kind in _DATES and (not date_format or date_format.startswith(NATIVE)):
        return f"try_cast({_typed(column)} AS DATE)"
    if not date_format or date_format.startswith(NATIVE):
        return f"try_cast({column} AS DATE)"
    return f"{_parsed_sql(column, date_format)}::DATE"


def _local_date_sql(column: str, date_format: str, zone: str) -> str:
    """SQL for the date in a time zone of a timestamp with a UTC offset; other values give the date as written."""

    def local_date(moment: str) -> str:
        return f"timezone({literal(zone)}, timezone('UTC', {moment}))::DATE"

    if date_format in (EPOCH_S, EPOCH_MS):
        return local_date(_parsed_sql(column, date_format))

    def part(number: int) -> str:
        return f"regexp_extract({column}, {literal(OFFSET)}, {number})"

    written = date_sql(column, date_format)
    minutes = f"60 * try_cast({part(3)} AS INTEGER) + coalesce(try_cast({part(4)} AS INTEGER), 0)"
    ahead = f"CASE {part(2)} WHEN '-' THEN -({minutes}) WHEN '+' THEN {minutes} ELSE 0 END"
    moment = f"({written} + try_cast({part(1)} AS TIME) - to_minutes({ahead}))"
    return f"CASE WHEN regexp_matches({column}, {literal(OFFSET)}) THEN {local_date(moment)} ELSE {written} END"


def moment_sql(column: str, date_format: str) -> str:
    """SQL for the timestamp of a cell, midnight if it has no time."""
    if not date_format or date_format.startswith(NATIVE):
        return f"try_cast({column} AS TIMESTAMP)"
    moment = _parsed_sql(column, date_format)
    if has_time(date_format):
        return moment
    time = f"try_cast(nullif(regexp_extract({column}, '\\d{{1,2}}:\\d{{2}}(:\\d{{2}})?'), '') AS TIME)"
    return f"({moment}::DATE + coalesce({time}, TIME '00:00:00'))"


def _parsed_sql(column: str, date_format: str) -> str:
    if date_format == SERIAL:
        days = f"try_cast(replace({column}, ',', '.') AS DOUBLE)"
        return f"(TIMESTAMP '{SERIAL_DAY_0}' + to_seconds(round({days} * 86400)))"
    if date_format in (EPOCH_S, EPOCH_MS):
        return f"make_timestamp(try_cast({column} AS BIGINT) * {1_000_000 if date_format == EPOCH_S else 1_000})"
    if is_named(date_format):
        named = f"try_strptime({_with_english_month_sql(column)}, {literal(without_signs(date_format))})"
        return f"coalesce(try_strptime({_day_sql(column, date_format)}, {literal(date_format)}), {named})"
    if not is_of_weeks(date_format):
        return f"try_strptime({_day_sql(column, date_format)}, {literal(date_format)})"
    text = f"trim({column})"
    parsed = f"try_strptime({text} || '{WEEK_DAY}', {literal(f'{date_format}-%u')})"
    digits = r"\d{1,2}$" if date_format.endswith("%V") else r"\d{1,2}"
    week = f"lpad(regexp_extract({text}, '{digits}'), 2, '0')"
    return f"CASE WHEN strftime({parsed}, '%V') = {week} THEN {parsed} END"  # refuse week 53 of a year with 52 weeks


def _day_sql(column: str, date_format: str) -> str:
    """SQL for the text to parse; drops the time of day if the format has none."""
    if has_time(date_format):
        return f"trim({column})"
    return f"trim(CASE WHEN contains({column}, ':') THEN {_without_time_sql(column)} ELSE {column} END)"


def _without_time_sql(column: str) -> str:
    return f"regexp_replace({column}, {literal(TIME)}, '')"


def _with_english_month_sql(column: str) -> str:
    """SQL version of `with_english_month`."""
    tokens = f"regexp_extract_all(lower({_without_time_sql(column)}), '[0-9]+|[\\pL]+')"
    words = f"MAP {{{', '.join(f'{literal(word)}: {literal(month)}' for word, month in MONTH_WORDS.items())}}}"
    known = f"list_transform({tokens}, lambda t: CASE WHEN t ~ '[0-9]+' THEN t ELSE coalesce({words}[t], '?') END)"
    return f"array_to_string(list_filter({known}, lambda t: t <> ''), ' ')"


def number_sql(column: str, style: NumberStyle, kind: str = "VARCHAR") -> str:
    """SQL for a number. Text may use ledger notation: (3), 3-, - for zero, minus characters, spaces, currency signs."""
    if style.decimal != "," and not style.is_grouped:
        if kind in _WHOLE:
            return f"try_cast({_typed(column)} AS {NUMBER})"
        if kind == "DOUBLE":  # beyond the limit a double times 10^6 is not an exact integer
            typed, plain = _typed(column), f"try_cast({column} AS {NUMBER})"
            return f"CASE WHEN abs({typed}) < {MAX_EXACT:.0f} THEN try_cast({typed} AS {NUMBER}) ELSE {plain} END"
    usual = _number_of_text_sql(column, style)
    # coalesce evaluates the slower expression only for rows that the first one cannot parse.
    return f"coalesce({usual}, {_number_of_text_sql(_signed_sql(column), style)})"


def _number_of_text_sql(text: str, style: NumberStyle) -> str:
    plain = f"try_cast({text} AS {NUMBER})"

    def grouped(pattern: str, digits: str) -> str:
        return f"WHEN regexp_full_match({text}, {literal(pattern)}) THEN try_cast({digits} AS {NUMBER})"

    if style.decimal == ",":
        pattern = rf"\s*[+-]?(\d{{1,3}}([.{_SPACES}]\d{{3}})+|\d*)(,\d+)?\s*"
        digits = f"replace(regexp_replace({text}, '[^0-9,+-]', '', 'g'), ',', '.')"
        return f"CASE {grouped(pattern, digits)} END"
    if style.is_grouped:
        pattern = rf"\s*[+-]?(\d{{1,3}}([,{_SPACES}]\d{{3}})+|\d{{1,2}}(,\d{{2}})+,\d{{3}})(\.\d+)?\s*"
        digits = f"regexp_replace({text}, '[^0-9.+-]', '', 'g')"
        return f"CASE {grouped(pattern, digits)} ELSE {plain} END"
    return plain


def _signed_sql(column: str) -> str:
    """SQL for a number in text with a leading minus, without outer spaces and currency signs; NULL if not a number."""
    text = f"translate({column}, {literal(MINUS)}, {literal('-' * len(MINUS))})"
    digits = f"trim(regexp_replace({text}, {literal(f'[-(){CURRENCIES}]')}, '', 'g'), {literal(SPACES)})"
    return (
        f"CASE WHEN regexp_full_match({text}, {literal(ZERO)}) THEN '0'"
        f" WHEN regexp_full_match({text}, {literal(NEGATIVE)}) THEN '-' || {digits}"
        f" WHEN regexp_full_match({text}, {literal(POSITIVE)}) THEN {digits} END"
    )


def _typed(column: str) -> str:
    """The column with its type in the file: t3 for c3."""
    return f"t{column.removeprefix('c')}"


def flag_sql(column: str | None, seen: Sequence[str]) -> str:
    """SQL for a flag as one of FLAGS. Values `seen` in the sample are compared directly: faster than regexes."""
    if column is None:
        return f"{FLAGS['missing']}::UTINYINT"
    usual = " ".join(f"WHEN {column} = {literal(text)} THEN {_flag_of(text)}" for text in seen)

    def is_one_of(words: Sequence[str]) -> str:
        # A regex, because DuckDB moves IN and common subexpressions out of a CASE and evaluates them for every row.
        pattern = rf"(?i)\s*({'|'.join(map(re.escape, words))})\s*"
        return f"regexp_full_match({column}, {literal(pattern)})"

    return f"""CASE {usual} WHEN {column} IS NULL THEN {FLAGS["missing"]}
        ELSE CASE WHEN {is_one_of([""])} THEN {FLAGS["missing"]} WHEN {is_one_of(TRUE_FLAGS)} THEN {FLAGS["yes"]}
                  WHEN {is_one_of(FALSE_FLAGS)} THEN {FLAGS["no"]} ELSE {FLAGS["unknown"]} END END::UTINYINT"""


def _flag_of(text: str) -> int:
    word = text.strip().lower()
    if not word:
        return FLAGS["missing"]
    return FLAGS["yes"] if word in TRUE_FLAGS else FLAGS["no"] if word in FALSE_FLAGS else FLAGS["unknown"]
