"""What the cells of a row say, as SQL: dates, units and promotion flags from text.

Each is NULL, or `unknown`, where it cannot be read; nothing raises.
"""

import re
from collections import Counter
from collections.abc import Sequence

from fcst.ingest.duck import literal
from fcst.ingest.mapping import NATIVE
from fcst.ingest.plan import Part

TRUE_FLAGS = ("true", "t", "yes", "y", "1", "1.0")
FALSE_FLAGS = ("false", "f", "no", "n", "0", "0.0")
FLAGS = {"no": 0, "yes": 1, "missing": 2, "unknown": 3}
MAX_USUAL_FLAGS = 6

NUMBER = "DECIMAL(18, 6)"  # sums of floats would depend on the order of threads
MAX_EXACT = 1e9
_DATES = ("DATE", "TIMESTAMP")
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_SPACES = "\u00a0\u202f' "


def most_common(part: Part, role: str) -> list[str]:
    """The values of a role that the sample has most often, a handful of them."""
    name = part.column(role)
    if name is None:
        return []
    place = part.table.columns.index(name)
    counts = Counter(cell for row in part.table.sample if (cell := row[place]) is not None)
    return [text for text, _ in counts.most_common(MAX_USUAL_FLAGS)]


def date_sql(column: str, date_format: str, kind: str = "VARCHAR") -> str:
    if kind in _DATES and (not date_format or date_format.startswith(NATIVE)):
        return f"try_cast({_typed(column)} AS DATE)"
    if not date_format or date_format.startswith(NATIVE):
        return f"try_cast({column} AS DATE)"
    return f"try_strptime(trim({column}), {literal(date_format)})::DATE"


def moment_sql(column: str, date_format: str) -> str:
    if not date_format or date_format.startswith(NATIVE):
        return f"try_cast({column} AS TIMESTAMP)"
    return f"try_strptime(trim({column}), {literal(date_format)})"


def number_sql(column: str, part: Part, kind: str = "VARCHAR") -> str:
    plain = f"try_cast({column} AS {NUMBER})"
    if part.proposal.decimal != "," and not part.proposal.is_grouped:
        if kind in _WHOLE:
            return f"try_cast({_typed(column)} AS {NUMBER})"
        if kind == "DOUBLE":  # beyond the limit a double times 10^6 is no exact whole number
            typed = _typed(column)
            return f"CASE WHEN abs({typed}) < {MAX_EXACT:.0f} THEN try_cast({typed} AS {NUMBER}) ELSE {plain} END"

    def grouped(pattern: str, digits: str) -> str:
        return f"WHEN regexp_full_match({column}, {literal(pattern)}) THEN try_cast({digits} AS {NUMBER})"

    if part.proposal.decimal == ",":
        pattern = rf"\s*[+-]?(\d{{1,3}}([.{_SPACES}]\d{{3}})+|\d*)(,\d+)?\s*"
        digits = f"replace(regexp_replace({column}, '[^0-9,+-]', '', 'g'), ',', '.')"
        return f"CASE {grouped(pattern, digits)} END"
    if part.proposal.is_grouped:
        pattern = rf"\s*[+-]?\d{{1,3}}([,{_SPACES}]\d{{3}})+(\.\d+)?\s*"
        digits = f"regexp_replace({column}, '[^0-9.+-]', '', 'g')"
        return f"CASE {grouped(pattern, digits)} ELSE {plain} END"
    return plain


def _typed(column: str) -> str:
    """The column in the type of its file: t3 for c3."""
    return f"t{column.removeprefix('c')}"


def flag_sql(column: str | None, seen: Sequence[str]) -> str:
    """A flag as one of FLAGS. What the sample has `seen` is compared as it is: changing every text costs a scan."""
    if column is None:
        return f"{FLAGS['missing']}::UTINYINT"
    usual = " ".join(f"WHEN {column} = {literal(text)} THEN {_flag_of(text)}" for text in seen)

    def is_one_of(words: Sequence[str]) -> str:
        # By pattern: DuckDB takes IN, and what branches have in common, out of a CASE, and evaluates it for every row.
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
