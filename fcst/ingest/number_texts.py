"""How people and ledgers write numbers: minus signs before, behind and as brackets; currency signs; a dash for zero.

The patterns are read by Python and by DuckDB alike.
"""

import re

MINUS = "\u2212\u2013\u2010\u2011\ufe63\uff0d"
"""Other signs for a minus."""
CURRENCIES = "$€£¥₹₽₺₩"
SPACES = " \t\u00a0\u202f\u2009"
_DIGITS = rf"\d[\d.,'{SPACES}]*"
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


def signed(text: str) -> str:
    """A number with its minus in front, and without spaces at its ends and currency signs; other texts as they are."""
    plain = _OTHER_MINUS.sub("-", text)
    digits = _SIGNS.sub("", plain).strip(SPACES)
    if re.fullmatch(ZERO, plain):
        return "0"
    if re.fullmatch(NEGATIVE, plain):
        return f"-{digits}"
    return digits if re.fullmatch(POSITIVE, plain) else text
