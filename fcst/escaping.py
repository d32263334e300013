"""Escapes text from data in output: formulas in spreadsheets, control characters on terminals and in JSON.

A spreadsheet evaluates a cell that starts with = + - @ as a formula. The cells of a CSV depend on the separator used to
open it. So every position where a cell could start is checked: the start of the text, and after , ; tab | newline or a
quote, followed by any spaces and invisible characters.
"""

import re

SIGNS = "+-=@＋－＝＠"
"""First characters of formulas, as listed by OWASP; East Asian spreadsheets also accept the full-width characters."""
BREAKS = "\t\r\n"
"""Characters that are dangerous at the start of a text, with any text after them."""

# Code points, which Python and Postgres read in the same way.
_SIGNS = "".join(f"\\u{ord(sign):04x}" for sign in SIGNS)
_SEPARATORS = r',;|"\t\r\n\u000b\u000c\u0085\u2028\u2029'
_UNSEEN = (
    r"\u0000-\u0008\u000b\u000c\u000e-\u0020\u007f-\u00a0\u00ad\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"
)

FORMULA = rf"((?:^|[{_SEPARATORS}])[{_UNSEEN}]*)([{_SIGNS}])"
"""Regular expression, for Python and Postgres, of a possible formula: the text before its first sign, and the sign."""
FIRST = r"^[\t\r\n]"
SOME = rf"[{_SIGNS}\t\r\n]"
"""Fast test that matches every dangerous text, and some harmless ones."""

_FORMULA = re.compile(FORMULA)
_NUMBER = re.compile(r"[+-]\d[\d,.]*( ?%)?")

_MOVES = r"\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_FOR_TERMINAL = re.compile(f"[{_MOVES}]")
RAW_IN_JSON = r"\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""Control characters for terminals and line readers that `json.dumps` does not escape."""
_IN_JSON = re.compile(f"[{RAW_IN_JSON}]")


def for_spreadsheet(text: str, may_be_number: bool = False) -> str:
    """Insert a ' before each sign that could start a formula; most texts do not change.

    Parameters
    ----------
    may_be_number
        do not change a text that is a number, such as '-5' or '+1.2 %'.
    """
    if may_be_number and _NUMBER.fullmatch(text):
        return text
    safe = _FORMULA.sub(r"\1'\2", text)
    return f"'{safe}" if text.startswith(tuple(BREAKS)) else safe


def for_terminal(text: str) -> str:
    """Replace control characters by their escape sequences, such as the four characters \\x1b; newlines are kept."""
    return _FOR_TERMINAL.sub(_escape, text)


def in_json(document: str) -> str:
    """Escape control characters in a JSON document; its values do not change."""
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
