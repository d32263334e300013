"""Header detection in text files and sheets: finds the header below a title, on two lines, or that there is none."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from fcst.errors import InputError
from fcst.ingest import workbooks
from fcst.ingest.archives import Kind
from fcst.ingest.column_roles import recognise_roles
from fcst.ingest.columns import placeholder_name
from fcst.ingest.periods import find_periods
from fcst.ingest.tables import Table
from fcst.specs import REQUIRED_ROLES

HEADER_WITHIN = 30  # first rows that are searched for the header
LEAST_EVEN = 0.8  # share of the rows of a table that are as wide as its header
ROW_NAMES = "row"


def with_header(table: Table, rows: list[list[str]], more: Sequence[list[str]] = ()) -> Table:
    """Finds the header among the first rows: the first row that names roles, else the first as wide as most rows."""
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    if not filled:
        raise InputError(f"{table.name} is empty.", "Give a file with a header and rows.")
    width = Counter(len(row) if table.kind == Kind.TEXT else _last_filled(row) for row in filled).most_common(1)[0][0]
    candidates = [i for i, row in enumerate(rows[:HEADER_WITHIN]) if any(cell.strip() for cell in row)]
    named = [i for i in candidates if len(set(REQUIRED_ROLES) & set(recognise_roles(rows[i]))) >= 2]
    wide = [i for i in candidates if (len(rows[i]) if table.kind == Kind.TEXT else _last_filled(rows[i])) >= width]
    place = (named or wide or candidates)[0]
    header = [cell.strip() if table.kind == Kind.WORKBOOK else cell for cell in rows[place]]
    if joined := _two_lines(rows, place):
        header, place = joined
    if table.kind == Kind.TEXT and named and len(header) == width - 1:
        is_trailing = all(not row[-1].strip() for row in filled if len(row) == width)  # each line ends in a delimiter
        header = [*header, ""] if is_trailing else [ROW_NAMES, *header]  # R writes row names without a header for them
    if table.kind == Kind.WORKBOOK:
        n_columns = max(_last_filled(rows[place]), width)
        header = [*header, *[""] * (n_columns - len(header))][:n_columns]
    is_data = not named and not find_periods(header, {}) and any(_looks_like_data(cell) for cell in header)
    if is_data:
        header, place = [placeholder_name(number) for number in range(1, len(header) + 1)], place - 1
    columns = tuple(name if name.strip() else placeholder_name(number) for number, name in enumerate(header, 1))
    if any("\0" in name for name in columns):
        raise InputError(f"{table.name} is a binary file.", "Give CSV, Excel or Parquet files.")
    if len(columns) > workbooks.MAX_COLUMNS:
        raise InputError(
            f"{table.name} has {len(columns):,} columns.", f"Give a file with at most {workbooks.MAX_COLUMNS:,}."
        )
    is_table = table.kind != Kind.TEXT or _is_table(rows[max(place, 0) :], len(columns))
    twice = [name for name, n in Counter(columns).items() if n > 1]
    if twice:
        shown = f": {twice[0][:80]!r} appears twice" if is_table else ""
        raise InputError(
            f"{table.name} has no header with unique column names{shown}.",
            "Give a file whose first line names its columns.",
        )
    n = len(columns)
    sample = [row for row in [*rows[place + 1 :], *more] if any(row) and (len(row) > 1 or n == 1)]
    filled_down = _find_filled_down(columns, sample) if table.kind == Kind.WORKBOOK else ()
    sample = [row for _, row in workbooks.fill_down(enumerate(sample), filled_down)]
    cells = tuple(tuple(cell or None for cell in [*row, *[""] * (n - len(row))][:n]) for row in sample)
    header_line = 0 if is_data and place < 0 else _line_of(rows, place, table)
    n_above = max(place, 0) if table.kind == Kind.TEXT else 0
    types = ("VARCHAR",) * n
    return replace(
        table,
        columns=columns,
        types=types,
        sample=cells,
        header_line=header_line,
        n_above=n_above,
        is_table=is_table,
        filled_down=filled_down,
    )


def _two_lines(rows: list[list[str]], place: int) -> tuple[list[str], int] | None:
    """The names of a two-line header and the row on which it ends; `place` is its first or second row.

    Two rows are a header if their names are periods only when joined (a year above its weeks), or if the periods are
    below a title.
    """
    for above in (place - 1, place):
        if above < 0 or above + 1 >= len(rows):
            continue
        width = max(map(len, rows[above : above + 2]))
        upper, lower = ([cell.strip() for cell in [*row, *[""] * width][:width]] for row in rows[above : above + 2])
        spread = upper[:]
        for number in range(1, width):
            spread[number] = upper[number] or (spread[number - 1] if lower[number] else "")
        below = [low or high for low, high in zip(lower, upper, strict=True)]
        both = [f"{high} {low}".strip() for low, high in zip(lower, spread, strict=True)]
        n_labels = len({label for label, low in zip(upper, lower, strict=True) if label and low})
        if above == place and n_labels < 2 and find_periods(lower, {}) and not find_periods(upper, {}):
            return below, above + 1
        if find_periods(both, {}) and not find_periods(upper, {}) and not find_periods(lower, {}):
            return both, above + 1
    return None


def _find_filled_down(columns: Sequence[str], rows: Sequence[list[str]]) -> tuple[int, ...]:
    """Indexes of the item or date columns that are empty in many rows: merged cells, or cells that repeat the one
    above.

    The first row must have a value, and no two successive values may be equal.
    """
    roles = recognise_roles(columns)
    found = []
    for role in ("item", "date"):
        for name in roles.get(role, []):
            place = columns.index(name)
            cells = [row[place].strip() if place < len(row) else "" for row in rows]
            n_empty = cells.count("")
            values = [cell for cell in cells if cell]
            if values and cells[0] and n_empty >= len(cells) / 3 and all(a != b for a, b in pairwise(values)):
                found.append(place)
    return tuple(found)


def _is_table(rows: Sequence[list[str]], width: int) -> bool:
    """Whether these rows, header first, form a table: several columns, and most rows as wide as the header."""
    widths = [len(row) for row in rows if row]
    return width > 1 and widths.count(width) >= LEAST_EVEN * len(widths)


def _line_of(rows: list[list[str]], place: int, table: Table) -> int:
    """The line on which a row ends; cells above it may contain line breaks."""
    return place + 1 + sum(cell.count("\n") for row in rows[: place + 1] for cell in row if table.kind == Kind.TEXT)


def _last_filled(row: list[str]) -> int:
    return max((number for number, cell in enumerate(row, 1) if cell.strip()), default=0)


def _looks_like_data(cell: str) -> bool:
    try:
        float(cell.strip())
    except ValueError:
        return False
    return True
