"""Escaping of text for spreadsheets, terminals and JSON."""

import csv
import io
import json
import re

import pytest

from fcst import escaping
from fcst.escaping import for_spreadsheet, for_terminal, in_json
from tests.nasty_text import SIGNS, STAY, cells, nasty_keys


def written(rows: list[str]) -> str:
    """CSV as written by COPY: key and number, quoted where needed."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([key, "1.5"] for key in rows)
    return out.getvalue()


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_no_cell_starts_a_formula_for_any_separator(separator: str) -> None:
    keys = nasty_keys()
    dangerous = re.compile(rf"[\s\x00-\x20\u200b\u202e\ufeff]*[{re.escape(SIGNS)}]")
    raw = [cell for cell in cells(written(keys), separator) if dangerous.match(cell)]
    assert len(raw) > 1_000, "the unescaped keys are dangerous"
    assert [cell for cell in cells(written(list(map(for_spreadsheet, keys))), separator) if dangerous.match(cell)] == []
    first = [cell for cell in map(for_spreadsheet, keys) if cell[:1] in ("\t", "\r", "\n")]
    assert first == []


@pytest.mark.parametrize("key", STAY)
def test_harmless_text_is_not_changed(key: str) -> None:
    assert for_spreadsheet(key) == key


@pytest.mark.parametrize(
    ("key", "safe"),
    [
        ("=1", "'=1"),
        (";=cmd|'/c calc'!A0", ";'=cmd|'/c calc'!A0"),
        ("a;=1", "a;'=1"),
        ("a\t=1", "a\t'=1"),
        ('x";=1', "x\";'=1"),
        ("12|-3", "12|'-3"),
        ("a, ＝1|  @b", "a, '＝1|  '@b"),
        ("\tx", "'\tx"),
        ("\t=1", "'\t'=1"),
        ("=-+1", "'=-+1"),
    ],
)
def test_quote_goes_before_the_sign(key: str, safe: str) -> None:
    assert for_spreadsheet(key) == safe


def test_escaping_is_idempotent() -> None:
    for key in map(for_spreadsheet, nasty_keys()):
        assert for_spreadsheet(key) == key


@pytest.mark.parametrize("number", ["-5", "+1.2 %", "-1,234.5", "-3%"])
def test_number_is_kept_only_if_numbers_are_allowed(number: str) -> None:
    assert for_spreadsheet(number, may_be_number=True) == number
    assert for_spreadsheet(number) == f"'{number}"


@pytest.mark.parametrize("text", ["-5+1", "-5;=1", "=5", "-cmd", "+", "-5\n", "--5"])
def test_text_that_only_starts_like_a_number_is_escaped(text: str) -> None:
    assert for_spreadsheet(text, may_be_number=True).startswith("'")


MOVES = [
    "\x1b[2J",
    "\x9b2J",
    "\x07",
    "\r",
    "\b",
    "\x7f",
    "\u200e",
    "\u200f",
    "\u061c",
    "\u2028",
    "\udc9b",
    "\x00",
    "\t",
]
MOVES += [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]


@pytest.mark.parametrize("text", MOVES)
def test_terminal_text_is_printable(text: str) -> None:
    shown = for_terminal(f"a{text}b\nÄ–")
    assert shown.isprintable() == ("\n" not in shown) and shown.replace("\n", "").isprintable()
    assert shown.startswith("a\\") and shown.endswith("b\nÄ–")


def test_escape_is_replaced_by_four_characters() -> None:
    assert for_terminal("\x1b[2J\u202e") == "\\x1b[2J\\u202e"


@pytest.mark.parametrize("text", MOVES)
def test_json_is_printable_with_the_same_values(text: str) -> None:
    document = in_json(json.dumps({text: [text, "Ä"]}, ensure_ascii=False))
    assert json.loads(document) == {text: [text, "Ä"]} and document.isprintable() and "Ä" in document


def test_json_escapes_control_characters_that_json_dumps_keeps() -> None:
    left = {chr(code) for code in range(0x10000) if json.dumps(chr(code), ensure_ascii=False) == f'"{chr(code)}"'}
    obeyed = {sign for sign in left if for_terminal(sign) != sign}
    assert {sign for sign in left if re.match(f"[{escaping.RAW_IN_JSON}]", sign)} == obeyed
