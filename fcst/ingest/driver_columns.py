"""Driver columns: a column of numbers or flags is one driver; a column of texts is one driver per text."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from fcst.drivers import MAX_DRIVERS, DriverKind
from fcst.errors import InputError
from fcst.ingest.cells import FALSE_FLAGS, TRUE_FLAGS, number_sql
from fcst.ingest.columns import normalised
from fcst.ingest.duck import Connection, fetch_all, literal
from fcst.ingest.number_texts import find_decimal
from fcst.ingest.parts import Part
from fcst.ingest.tables import Readable
from fcst.specs import DRIVER_ROLES, ROLES, WIDE

MAX_WORDS = 30  # distinct texts of a column
CELL = "cell"
"""SQL name of the cell of a period in a wide file."""
NONE_WORDS = ("", "none", "null", "nan", "na", "n/a", "-", *FALSE_FLAGS)


@dataclass(frozen=True)
class ColumnRead:
    """A driver in a file: its name, its kind, SQL for its value in a row, and SQL for the raw cell."""

    name: str
    kind: DriverKind
    sql: str
    place: str


def read_columns(
    con: Connection, files: Sequence[tuple[Part, Readable]], known: Collection[str], remarks: list[str] | None = None
) -> list[list[ColumnRead]]:
    """Finds the drivers of each file.

    Parameters
    ----------
    known
        names of the dataset's drivers.
    remarks
        list that receives a sentence for each unusable column; without it such a column is refused.

    Raises
    ------
    InputError
        if there are too many drivers, or a column is unusable.
    """
    found = [
        [
            column
            for role in DRIVER_ROLES
            for name in part.proposal.mapping[role]
            for column in _read_name(con, part, readable, role, name, known, remarks)
        ]
        for part, readable in files
    ]
    names = {column.name for columns in found for column in columns}
    if len(names) > MAX_DRIVERS:
        raise InputError(f"The files have {len(names):,} drivers.", f"Choose at most {MAX_DRIVERS} of them.")
    return found


def _read_name(
    con: Connection,
    part: Part,
    readable: Readable,
    role: str,
    name: str,
    known: Collection[str],
    remarks: list[str] | None,
) -> Iterator[ColumnRead]:
    """Yields one driver for a column of numbers or flags, one per text for a column of texts, and one for all period
    columns of a wide file, named by its role.
    """
    kind = DRIVER_ROLES[role]
    if name == WIDE:
        style = find_decimal(dict.fromkeys(part.columns.cells(*part.proposal.periods)))
        yield ColumnRead(ROLES[role].lower(), kind, _number_of(role, CELL, number_sql(CELL, style)), CELL)
        return
    place, cells = part.place_of(name), part.columns.cells(name)
    called = _known_name(name, known)
    words = _words(con, cells, place, readable) if role in ("promo", "event") else []
    if len(words) > MAX_WORDS:
        error = f"The column {name!r} of {part.table.name} has over {MAX_WORDS} different texts, such as {words[0]!r}"
        if remarks is None:
            raise InputError(f"{error}.", "Map a column with flags, numbers or few different texts.")
        remarks.append(f"{error}: it is not used as a driver.")
        return
    if words or called not in known:
        words += sorted({n.removeprefix(f"{called} ") for n in known if n.startswith(f"{called} ")} - set(words))
    for word in words:
        is_word = f"(coalesce(lower(trim({place})), '') = {literal(word)})::INTEGER"
        yield ColumnRead(f"{called} {word}"[:100], kind, is_word, place)
    if not words:
        style = part.proposal.money if role == "price" else find_decimal(dict.fromkeys(cells))
        number = number_sql(place, style, part.table.types[part.table.columns.index(name)])
        yield ColumnRead(called[:100], kind, _number_of(role, place, number), place)


def _known_name(name: str, known: Collection[str]) -> str:
    """The column name used by a known driver, if it differs only in case and punctuation; otherwise the name itself.

    A driver for one text of a column is named by the column and the text.
    """
    columns = {
        other[:place] for other in known for place in range(1, len(other) + 1) if other[place : place + 1] in " "
    }
    alike = [other for other in columns if normalised(other) == normalised(name)]
    return alike[0] if len(alike) == 1 and name not in alike else name


def _words(con: Connection, cells: list[str], place: str, readable: Readable) -> list[str]:
    """The distinct texts of a column of texts, each a driver; empty for a column of flags or numbers."""
    if all(cell.lower() in TRUE_FLAGS or cell.lower() in FALSE_FLAGS for cell in cells) and len(set(cells)) > 1:
        return []
    found = fetch_all(
        con, f"SELECT DISTINCT lower(trim({place})) FROM {readable.sql(False)} WHERE {place} IS NOT NULL LIMIT 1000"
    )
    words = sorted({word for (word,) in found} - set(NONE_WORDS))
    return [] if all(word in TRUE_FLAGS or _is_number(word) for word in words) else words


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _number_of(role: str, place: str, number: str) -> str:
    """SQL for the value of a driver in a row; NULL if it cannot be read or is out of range."""
    if role == "driver":
        return number
    if role == "price":
        return f"CASE WHEN {number} > 0 THEN {number} END"
    word = f"lower(trim({place}))"
    yes, no = (", ".join(map(literal, words)) for words in (TRUE_FLAGS, NONE_WORDS))
    flag = f"CASE WHEN {word} IN ({yes}) THEN 1 WHEN {word} IN ({no}) THEN 0 ELSE {{}} END"
    if role in ("stock", "stockout"):
        flag = flag.format(f"({number} > 0)::INTEGER")
        return f"1 - {flag}" if role == "stockout" else flag
    return flag.format(f"CASE WHEN {number} BETWEEN 0 AND 1 THEN {number} END")
