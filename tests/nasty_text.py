"""Keys and cells that attack terminals, pages and spreadsheets."""

import csv
import io
import itertools
import random
import re

SIGNS = "=+-@＝＋－＠"
STAY = ["A-5", "store|item", "a,b;c", "00042", "x = 1", "a@b", "1;2", '"dq"', "'q'", "a\tb", "", " ", "Käse", "-"[1:]]


def nasty_keys() -> list[str]:
    """All combinations of separators, invisible characters and signs, and some thousand random texts of them."""
    separators = ["", ",", ";", "\t", "|", "\n", "\r\n", "\r", '"', ";;", '";', "\x0b", "\u2028"]
    unseen = ["", " ", "   ", "\xa0", "\u3000", "\ufeff", "\x01", "\u200b", " \u202e "]
    found = [
        f"{start}{separator}{gap}{sign}{end}"
        for start, separator, gap, sign, end in itertools.product(
            ["", "a", "x'"], separators, unseen, SIGNS, ["1", "cmd|'/c calc'!A0", ""]
        )
    ]
    chance = random.Random(1)
    found += [
        "".join(chance.choices("=+-@＝－,;|\t\r\n\"' aA1\xa0\u200b", k=chance.randint(1, 12))) for _ in range(5_000)
    ]
    return found


def cells(document: str, separator: str) -> list[str]:
    """Cells as read by two readers: one with quotes, and one that splits at each separator and line end."""
    known = csv.reader(io.StringIO(document, newline=""), delimiter=separator)
    split = re.split(rf"[\r\n{separator}]", document)
    return [*itertools.chain.from_iterable(known), *split, *(cell.strip('"') for cell in split)]
