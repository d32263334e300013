"""Text from data that is made harmless where it leaves: in the cells of a spreadsheet, on a terminal, in JSON.

A spreadsheet takes a cell that begins with = + - @ for a formula. Which cells a CSV has depends on the separator that
it is opened with, so each place counts where a cell could begin: the text's start, and behind , ; tab | newline or a
quote. Spaces and signs that are not seen may stand between.
"""

import re

SIGNS = "+-=@＋－＝＠"
"""What a formula can begin with, as OWASP lists it; East Asian spreadsheets know the full-width signs too."""
BREAKS = "\t\r\n"
"""What is dangerous at the start of a text, whatever comes behind it."""

# By numbers, which Python and Postgres read alike.
_SIGNS = "".join(f"\\u{ord(sign):04x}" for sign in SIGNS)
_SEPARATORS = r',;|"\t\r\n\u000b\u000c\u0085\u2028\u2029'
_UNSEEN = (
    r"\u0000-\u0008\u000b\u000c\u000e-\u0020\u007f-\u00a0\u00ad\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"
)

FORMULA = rf"((?:^|[{_SEPARATORS}])[{_UNSEEN}]*)([{_SIGNS}])"
"""Where a spreadsheet could see a formula: what goes before its sign, and the sign. Postgres takes it too."""
FIRST = r"^[\t\r\n]"
SOME = rf"[{_SIGNS}\t\r\n]"
"""What each dangerous text has, and some others."""

_FORMULA = re.compile(FORMULA)
_NUMBER = re.compile(r"[+-]\d[\d,.]*( ?%)?")

_MOVES = r"\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_FOR_TERMINAL = re.compile(f"[{_MOVES}]")
RAW_IN_JSON = r"\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""Of the signs that a terminal or a reader of lines obeys, those that `json.dumps` leaves as they are."""
_IN_JSON = re.compile(f"[{RAW_IN_JSON}]")


def for_spreadsheet(text: str, may_be_number: bool = False) -> str:
    """The text with a ' before each sign that could begin a formula; most texts stay as they are.

    Parameters
    ----------
    may_be_number
        whether a text that is a number as a whole stays as it is, such as '-5' or '+1.2 %'.
    """
    if may_be_number and _NUMBER.fullmatch(text):
        return text
    safe = _FORMULA.sub(r"\1'\2", text)
    return f"'{safe}" if text.startswith(tuple(BREAKS)) else safe


def for_terminal(text: str) -> str:
    """The text with signs that a terminal would obey as they are written: the escape as the four characters \\x1b.

    Newlines stay.
    """
    return _FOR_TERMINAL.sub(_written, text)


def in_json(document: str) -> str:
    """A JSON document of the same values in which no sign is left that a terminal would obey."""
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def _written(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
