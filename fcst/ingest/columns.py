"""Columns of a table as input of the recognisers: names, types, and the cells of the sample rows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from fcst.ingest.column_names import without_accents
from fcst.ingest.number_texts import signed

_NUMBER = re.compile(r"[+-]?[\d.,'\u2019\u00a0\u202f\u2009 ]*\d[\d.,]*")


def normalised(name: str) -> str:
    """A column name for comparison: lower case, without punctuation, spaces and accents."""
    return re.sub(r"[\W_]+", "", without_accents(name)).lower()


def placeholder_name(number: int) -> str:
    """The name given to a column without one; `number` counts from 1."""
    return f"column {number}"


def is_placeholder_name(name: str) -> bool:
    """Whether a column has no name in the file."""
    return re.fullmatch(r"column \d+", name) is not None


def is_nested(kind: str) -> bool:
    """Whether a column of this type has more than one value per row."""
    return kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION", "VARIANT"))


@dataclass(frozen=True)
class Columns:
    """A table's columns.

    Parameters
    ----------
    types
        DuckDB's type of each column.
    sample
        rows as text; a missing cell is None.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    sample: Sequence[Sequence[str | None]]

    @cached_property
    def place(self) -> dict[str, int]:
        """Column name -> index in a row."""
        return {name: number for number, name in enumerate(self.names)}

    @property
    def nested(self) -> set[str]:
        """Columns with lists or records."""
        return {name for name, kind in zip(self.names, self.types, strict=True) if is_nested(kind)}

    def cells(self, *names: str) -> list[str]:
        """The non-empty cells of some columns, row by row, stripped."""
        places = [self.place[name] for name in names if name in self.place]
        return [cell.strip() for row in self.sample for number in places if (cell := row[number]) and cell.strip()]

    def rows(self, names: Sequence[str]) -> list[tuple[str, ...]]:
        """The cells of some columns as one tuple per row, stripped."""
        places = [self.place[name] for name in names]
        return [tuple((row[number] or "").strip() for number in places) for row in self.sample]

    def different(self, names: Sequence[str]) -> set[tuple[str, ...]]:
        """The distinct rows of some columns."""
        return set(self.rows(names))

    def is_numeric(self, name: str) -> bool:
        """Whether at least 95 % of a column's first 500 non-empty cells are numbers."""
        cells = self.cells(name)[:500]
        return bool(cells) and sum(bool(_NUMBER.fullmatch(signed(cell))) for cell in cells) >= 0.95 * len(cells)
