"""The columns of a table as recognisers look at them: names, types, and the cells of the rows that were looked at."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from fcst.ingest.column_names import without_accents
from fcst.ingest.number_texts import signed

_NUMBER = re.compile(r"[+-]?[\d.,'\u2019\u00a0\u202f\u2009 ]*\d[\d.,]*")


def normalised(name: str) -> str:
    """A column's name without what people vary: signs, capitals, accents."""
    return re.sub(r"[\W_]+", "", without_accents(name)).lower()


def made_up(number: int) -> str:
    """What a column without a name is called; `number` counts from 1."""
    return f"column {number}"


def is_made_up(name: str) -> bool:
    """Whether a column has no name in its file."""
    return re.fullmatch(r"column \d+", name) is not None


def is_nested(kind: str) -> bool:
    """Whether a column of this type holds more than a value a row."""
    return kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION", "VARIANT"))


@dataclass(frozen=True)
class Columns:
    """A table's columns.

    Parameters
    ----------
    types
        DuckDB's type of each.
    sample
        rows as text; a missing cell is None.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    sample: Sequence[Sequence[str | None]]

    @cached_property
    def place(self) -> dict[str, int]:
        """A column's name -> its place in a row."""
        return {name: number for number, name in enumerate(self.names)}

    @property
    def nested(self) -> set[str]:
        """The columns that hold lists or records."""
        return {name for name, kind in zip(self.names, self.types, strict=True) if is_nested(kind)}

    def cells(self, *names: str) -> list[str]:
        """The cells of some columns that are not empty, row by row, without spaces at their ends."""
        places = [self.place[name] for name in names if name in self.place]
        return [cell.strip() for row in self.sample for number in places if (cell := row[number]) and cell.strip()]

    def rows(self, names: Sequence[str]) -> list[tuple[str, ...]]:
        """The cells of some columns side by side."""
        places = [self.place[name] for name in names]
        return [tuple((row[number] or "").strip() for number in places) for row in self.sample]

    def different(self, names: Sequence[str]) -> set[tuple[str, ...]]:
        """The different rows of some columns."""
        return set(self.rows(names))

    def is_numeric(self, name: str) -> bool:
        """Whether a column has cells, and nearly all are numbers."""
        cells = self.cells(name)[:500]
        return bool(cells) and sum(bool(_NUMBER.fullmatch(signed(cell))) for cell in cells) >= 0.95 * len(cells)
