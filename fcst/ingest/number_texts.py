"""Number formats: leading and trailing minus signs, parentheses for negatives, currency signs, a dash for zero.

The patterns work in both Python and DuckDB.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_EXAMPLES = 3  # of ambiguous numbers
MINUS = "\u2212\u2013\u2010\u2011\ufe63\uff0d"
"""Other minus characters."""
CURRENCIES = "$€£¥₹₽₺₩"
SPACES = " \t\u00a0\u202f\u2009"
APOSTROPHES = "'\u2019"
_DIGITS = rf"\d[\d.,{APOSTROPHES}{SPACES}]*"
_CURRENCY = f"[{CURRENCIES}]?"
_GAP = f"[{SPACES}]*"

ZERO = f"{_GAP}-{_GAP}"
NEGATIVE = (
    rf"{_GAP}(\({_GAP}{_CURRENCY}{_GAP}{_DIGITS}{_CURRENCY}{_GAP}\)|-{_GAP}{_CURRENCY}{_GAP}{_DIGITS}{_CURRENCY}{_GAP}"
    rf"|{_CURRENCY}{_GAP}-{_GAP}{_DIGITS}|{_CURRENCY}{_GAP}{_DIGITS}-{_GAP}{_CURRENCY}){_GAP}"
)
POSITIVE = rf"{_GAP}\+?{_CURRENCY}{_GAP}{_DIGITS}{_CURRENCY}{_GAP}"

_OTHER_MINUS = re.compile(f"[{MINUS}]")
_SIGNS = re.compile(f"[-(){CURRENCIES}]")

_BESIDE_COMMA, _BESIDE_POINT = ". \u00a0\u202f\u2009'\u2019", ", \u00a0\u202f\u2009'\u2019"
_INDIAN = r"[1-9]\d?(,\d{2})+,\d{3}"
_GROUPED_POINT = re.compile(rf"^[+-]?([1-9]\d{{0,2}}([{_BESIDE_POINT}]\d{{3}})+|{_INDIAN})(\.\d+)?$")
_GROUPED_BY_POINT = re.compile(r"^[+-]?[1-9]\d{0,2}(\.\d{3})+$")
_COMMA = re.compile(rf"^[+-]?(\d{{1,3}}([{_BESIDE_COMMA}]\d{{3}})+|\d+),\d+$")
_POINT = re.compile(rf"^[+-]?(\d{{1,3}}([{_BESIDE_POINT}]\d{{3}})+|{_INDIAN}|\d+)\.\d+$")


def signed(text: str) -> str:
    """A number with a leading minus, without outer spaces and currency signs; other texts unchanged."""
    plain = _OTHER_MINUS.sub("-", text)
    digits = _SIGNS.sub("", plain).strip(SPACES)
    if re.fullmatch(ZERO, plain):
        return "0"
    if re.fullmatch(NEGATIVE, plain):
        return f"-{digits}"
    return digits if re.fullmatch(POSITIVE, plain) else text


@dataclass(frozen=True)
class NumberStyle:
    """Number format of a column.

    Parameters
    ----------
    is_grouped
        numbers have thousands separators.
    is_open
        no number proves the decimal sign, and some are ambiguous: 1.250 or 1,250.
    is_proven
        at least one number proves the decimal sign.
    is_doubtful
        `is_open`, and the column has numbers such as both 1.250 and 500, or the file is separated by semicolons.
    """

    decimal: str
    is_grouped: bool
    is_open: bool = False
    is_proven: bool = False
    is_doubtful: bool = False


def find_decimal(values: Iterable[str], is_comma_sure: bool = False, is_comma_usual: bool = False) -> NumberStyle:
    """The decimal sign of some numbers, and whether they have thousands separators.

    1,234 alone is ambiguous: thousands, unless another number has a decimal comma. 1.234 is ambiguous too: a fraction,
    unless another number has a decimal comma.

    Parameters
    ----------
    is_comma_sure
        the date format belongs to a locale with a decimal comma. This decides ambiguous numbers, unless the column has
        both numbers such as 1,250 and numbers such as 500 without a fraction.
    is_comma_usual
        other evidence suggests a decimal comma: ambiguous numbers are doubtful.
    """
    comma = point = grouped = n_pointed = n_with_comma = n_plain = 0
    for value in map(signed, values):
        if _GROUPED_POINT.match(value):
            grouped += 1
            n_with_comma += value.count(",") == 1 and "." not in value
        elif _GROUPED_BY_POINT.match(value):
            comma += value.count(".") > 1
            n_pointed += value.count(".") == 1
        elif _COMMA.match(value):
            comma += 1
            grouped += any(sign in value for sign in _BESIDE_COMMA)
        elif _POINT.match(value):
            point += 1
            grouped += any(sign in value for sign in _BESIDE_POINT)
        else:
            n_plain += value.isdecimal() and value != "0"
    is_open = bool(n_with_comma or n_pointed) and not comma and not point
    has_both = bool(n_with_comma and n_plain)  # both 1,250 and 500: a decimal comma is less likely
    if is_open and is_comma_sure and not has_both:
        return NumberStyle(",", is_grouped=False)
    is_doubtful = is_open and (is_comma_sure or is_comma_usual or bool(n_pointed and n_plain))
    return NumberStyle("," if comma > point else ".", grouped > 0, is_open, comma + point > 0, is_doubtful)


def as_number(text: str, decimal: str) -> float | None:
    """Parses a number with this decimal sign; None if it is not a number."""
    digits = re.sub(f"[^0-9{decimal}+-]", "", signed(text)).replace(decimal, ".")
    try:
        return float(digits)
    except ValueError:
        return None


def ambiguous_numbers(values: Iterable[str]) -> list[tuple[str, str, str]]:
    """Examples of ambiguous numbers (one separator before three digits): the text, as an integer, as a fraction."""
    found = []
    for value in map(signed, dict.fromkeys(values)):
        if re.fullmatch(r"[+-]?\d{1,3}[.,]\d{3}", value):
            whole, fraction = int(re.sub("[.,]", "", value)), float(value.replace(",", "."))
            found.append((value, f"{whole:,}", f"{fraction:g}"))
    return found[:MAX_EXAMPLES] or [("1.250", "1,250", "1.25")]


def are_negative(numbers: Sequence[str], least: int = 10) -> bool:
    """Whether at least nine in ten non-zero numbers are negative, and at least `least` of them."""
    n_negative = n_positive = 0
    for number, n in Counter(numbers).items():
        found = signed(number)
        n_negative += n * found.startswith("-")
        n_positive += n * (not found.startswith("-") and any(char in "123456789" for char in found))
    return n_negative >= max(least, 9 * n_positive)
