"""One file as a table: its columns, a sample of its rows as text, and the SQL with which DuckDB reads all of it.

In that SQL the columns are called c0, c1, …, because their own names may be empty or mean something in a statement;
all are text, whatever the file holds, so that one set of rules serves every format.
"""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path

import duckdb

from fcst.errors import InputError
from fcst.ingest import texts, workbooks
from fcst.ingest.archives import Kind
from fcst.ingest.column_roles import recognise_roles
from fcst.ingest.columns import made_up
from fcst.ingest.duck import Connection, first_line, literal, quoted
from fcst.ingest.periods import find_periods
from fcst.ingest.sources import HEAD_BYTES, Source, Workspace
from fcst.specs import REQUIRED_ROLES

SAMPLE_ROWS = 3_000  # of the head; further places of a large file come on top
HEADER_WITHIN = 30  # rows
LEAST_EVEN = 0.8  # of the rows of a table are as wide as its header
MAX_COLUMNS = 2_000
MAX_OBJECT = 200_000_000  # bytes of a file that may be one JSON value
LEAST_OBJECT = 1 << 24  # bytes of one JSON value that may be read in any case
MAX_HEADER = 100
MAX_REJECTS = 10_000  # lines that do not fit the header and are kept to be told of
REJECTED_TEXT = 300  # characters of each
_HTML = re.compile(rb"\s*(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body|table|meta)", re.IGNORECASE)
DELIMITERS = (",", ";", "\t", "|")
ROW_NAMES = "row"
ROW_NUMBER = "file_row_number"  # as DuckDB calls the column that it adds to those of a Parquet file


@dataclass(frozen=True)
class Table:
    """A file's columns and how to read them.

    Parameters
    ----------
    columns
        unique names in the file's order.
    types
        DuckDB's type of each: VARCHAR for all but Parquet.
    zones
        of Parquet, the time zone of each column that has one, else empty: such moments are read as local time there.
    sample
        rows as text, from the beginning and, of a large text, from further places; a missing cell is None.
    delimiter, quote, encoding
        of a text.
    header_line
        the line on which the header ends; 0 where there is none.
    n_above
        rows above the header of a text, which are skipped.
    is_uneven
        DuckDB would not follow the line ends of the text.
    is_table
        most rows have as many cells as the header. Only then may a message quote the header: a text that is no table
        may be a file of passwords.
    filled_down
        places of the columns of a sheet whose empty cells mean the one above.
    records
        of JSON, the field that holds the records, where they do not stand in the file by themselves.
    """

    source: Source
    kind: Kind
    columns: tuple[str, ...]
    types: tuple[str, ...]
    sample: tuple[tuple[str | None, ...], ...]
    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    header_line: int = 1
    n_above: int = 0
    is_uneven: bool = False
    is_table: bool = True
    zones: tuple[str, ...] = ()
    filled_down: tuple[int, ...] = ()
    records: str = ""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What people should know of how the table was made."""
        names = ", ".join(self.columns[place] for place in self.filled_down)
        return (f"Empty cells of {names} are read as the one above them.",) if names else ()

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def header(self) -> list[str]:
        """The names of the columns as a report keeps them, by which the mapping is found again: the first hundred."""
        return list(self.columns[:MAX_HEADER])

    @property
    def row_word(self) -> str:
        """What a row's number counts."""
        return "line" if self.kind == Kind.TEXT else "row"


@dataclass(frozen=True)
class Readable:
    """A table whose file DuckDB can read as it is."""

    table: Table
    path: Path

    def sql(self, keeps_rejects: bool = True) -> str:
        """A FROM clause with the columns c0, c1, … as text; `r` is the row's number where the file itself has it.

        Of Parquet the columns stand there a second time, as t0, t1, …, in the types that they have in the file.

        Parameters
        ----------
        keeps_rejects
            lines that do not fit the header are kept, to be told of; once for a pass over the file.
        """
        table = self.table
        if table.kind == Kind.PARQUET:
            # By place in `types`; the file's own names are quoted.
            values = [
                f"timezone({literal(zone)}, {quoted(name)})" if zone else quoted(name)
                for name, zone in zip(table.columns, table.zones, strict=True)
            ]
            columns = ", ".join(
                f"{_plain_text(value, kind)} AS c{i}, {value} AS t{i}"
                for i, (value, kind) in enumerate(zip(values, table.types, strict=True))
            )
            return (
                f"(SELECT {columns}, {ROW_NUMBER} + 1 AS r FROM read_parquet({literal(str(self.path))},"
                f" {ROW_NUMBER} = true, binary_as_string = true, hive_partitioning = false))"
            )
        if table.kind == Kind.JSON:
            path = literal(str(self.path))
            columns = ", ".join(f"{quoted(name)}::VARCHAR AS c{i}" for i, name in enumerate(table.columns))
            fields = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in table.columns)
            source = f"read_json({path}, columns = {{{fields}}})"
            if table.records:
                records = f"unnest({quoted(table.records)}, max_depth := 2)"
                source = f"(SELECT {records} FROM {_whole_json(path, self.path)})"
            return f"(SELECT {columns}, row_number() OVER () AS r FROM {source})"
        names = [f"c{i}" for i in range(len(table.columns))]
        is_sheet = table.kind == Kind.WORKBOOK
        rejects = "ignore_errors = true"
        if keeps_rejects:
            rejects = f"store_rejects = true, rejects_limit = {MAX_REJECTS}, rejects_line_size_limit = {REJECTED_TEXT}"
        struct = ", ".join(f"'{name}': 'VARCHAR'" for name in (["r"] if is_sheet else []) + names)
        return (
            f"read_csv({literal(str(self.path))}, columns = {{{struct}}}, auto_detect = false,"
            f" header = {'true' if table.header_line and not is_sheet else 'false'}, skip = {table.n_above},"
            f" delim = {literal(table.delimiter)}, quote = {literal(table.quote)}, escape = {literal(table.quote)},"
            f" strict_mode = true, max_line_size = {texts.MAX_LINE}, compression = 'none', {rejects})"
        )


def read_table(source: Source, workspace: Workspace, encoding: str = "") -> Table:
    """A file's columns and a sample of its rows.

    Raises
    ------
    InputError
        if it is no table: no header, binary, broken, empty.
    """
    kind = workspace.kind(source)
    if kind == Kind.PARQUET:
        return _read_parquet(source, workspace)
    if kind == Kind.WORKBOOK:
        return _read_sheet(source, workspace)
    if kind == Kind.JSON:
        return _read_json(source, workspace)
    return _read_text(source, workspace, encoding)


def spread_rows(readable: Readable) -> list[list[str]]:
    """Rows from places all over a text that is on disk, for what its beginning does not show; none of other files."""
    if readable.table.kind != Kind.TEXT:
        return []
    table = readable.table
    pieces = texts.spread_pieces(readable.path, b"")
    lines = [line for piece in pieces for line in piece.decode("utf-8", errors="replace").splitlines()]
    return [row for row in _parsed(lines, table.delimiter, table.quote) if len(row) == len(table.columns)]


def make_readable(table: Table, workspace: Workspace, again: bool = False) -> Readable:
    """The table with a file on disk that DuckDB reads; unpacked, converted or written again where it must be.

    Parameters
    ----------
    again
        DuckDB could not follow the line ends of the text: it is written again with plain ones.
    """
    path = workspace.file_of(table.source)
    if table.kind == Kind.WORKBOOK:
        target = workspace.new_file()
        workspace.on_progress(f"reading the sheet of {table.source.bare}", 0, 0)
        workbooks.write_csv(
            path, table.source.sheet, table.name, table.header_line, len(table.columns), target, table.filled_down
        )
        return Readable(table, target)
    if table.kind == Kind.TEXT and (again or table.is_uneven or not texts.is_plain(table.encoding)):
        target = workspace.new_file()
        workspace.on_progress(f"converting {table.source.bare} to UTF-8", 0, 0)
        texts.normalise(path, table.encoding, target, table.name)
        return Readable(table, target)
    return Readable(table, workspace.without_wildcards(path))


def with_encoding_found(readable: Readable) -> Readable | None:
    """The table in the encoding that the whole text shows, where it is another than its sample showed; else None."""
    if readable.table.kind != Kind.TEXT:
        return None
    found = texts.detect_encoding(texts.pieces_of(readable.path))
    return None if texts.is_plain(found) else replace(readable, table=replace(readable.table, encoding=found))


def _plain_text(column: str, kind: str) -> str:
    """Text of a typed column such that a key that was stored as a whole number is one: 17850, not 17850.0."""
    if kind in ("DOUBLE", "FLOAT"):
        is_whole = f"{column} = trunc({column}) AND abs({column}) < 1e15"
        return f"CASE WHEN {is_whole} THEN {column}::BIGINT::VARCHAR ELSE {column}::VARCHAR END"
    return f"{column}::VARCHAR"


def _read_parquet(source: Source, workspace: Workspace) -> Table:
    path = workspace.without_wildcards(workspace.file_of(source))
    try:
        with duckdb.connect() as con:
            described = con.execute(
                "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet($path,"
                " binary_as_string = true, hive_partitioning = false))",
                {"path": str(path)},
            ).fetchall()
            columns = tuple(row[0] for row in described)
            zones = _zones(path, columns)
            types = tuple("TIMESTAMP" if zone else str(row[1]) for row, zone in zip(described, zones, strict=True))
            if ROW_NUMBER in map(str.lower, columns):
                raise InputError(f"{source.name} has a column {ROW_NUMBER!r}, which is reserved.", "Rename it.")
            bare = Readable(Table(source, Kind.PARQUET, columns, types, (), zones=zones), path)
            return _with_sample(con, bare, "columns and no rows")
    except duckdb.Error as exc:
        raise InputError(
            f"{source.name} cannot be read as Parquet: {first_line(exc).replace(str(path), source.last)}.",
            "Check that the file is whole.",
        ) from exc


def _read_json(source: Source, workspace: Workspace) -> Table:
    """Records in lines, one after the other, or in a list; what is nested in one is a text."""
    path = workspace.without_wildcards(workspace.file_of(source))
    try:
        with duckdb.connect() as con:
            is_one = _is_one_record(path)
            read = _whole_json("$path", path) if is_one else "read_json($path)"
            described = con.execute(f"DESCRIBE SELECT * FROM {read}", {"path": str(path)}).fetchall()
            lists = [
                str(row[0]) for row in described if str(row[1]).startswith("STRUCT") and str(row[1]).endswith("[]")
            ]
            records = lists[0] if is_one and len(lists) == 1 else ""
            if records:  # of a file that is one record with the records in it
                inner = f"SELECT unnest({quoted(records)}, max_depth := 2) FROM {read}"
                described = con.execute(f"DESCRIBE {inner}", {"path": str(path)}).fetchall()
            columns = tuple(str(row[0]) for row in described)
            bare = Readable(Table(source, Kind.JSON, columns, ("VARCHAR",) * len(columns), (), records=records), path)
            return _with_sample(con, bare, "no records")
    except duckdb.Error as exc:
        raise InputError(
            f"{source.name} cannot be read as JSON: {first_line(exc).replace(str(path), source.last)}.",
            "Give records, one a line or in one list.",
        ) from exc


def _is_one_record(path: Path) -> bool:
    """Whether a JSON file begins with a record that goes on over lines, and is not too large to be one value."""
    if path.stat().st_size > MAX_OBJECT:
        return False
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head.startswith(b"{"):
        return False
    first, _, rest = head.partition(b"\n")
    try:
        json.loads(first)
    except ValueError:
        return True
    return not rest.strip()


def _whole_json(literal_path: str, path: Path) -> str:
    """A FROM clause of a JSON file that may be one value."""
    return f"read_json({literal_path}, maximum_object_size = {max(LEAST_OBJECT, path.stat().st_size + 1)})"


def _with_sample(con: Connection, bare: Readable, without_rows: str) -> Table:
    """The table with its first rows; `without_rows` is what it has where it has none."""
    texts_only = ", ".join(f"c{i}" for i in range(len(bare.table.columns)))
    rows = con.execute(f"SELECT {texts_only} FROM {bare.sql()} LIMIT {SAMPLE_ROWS}").fetchall()
    if not rows:
        raise InputError(f"{bare.table.name} has {without_rows}.", "Give a file with sales in it.")
    return replace(bare.table, sample=tuple(rows))


def _zones(path: Path, columns: tuple[str, ...]) -> tuple[str, ...]:
    """The time zone of each column that has one, else an empty text; DuckDB knows only that there is one."""
    from pyarrow import ArrowException, parquet  # here: few files are Parquet

    try:
        schema = parquet.read_schema(path)
    except (ArrowException, OSError):  # DuckDB reads it, or says what is wrong
        return ("",) * len(columns)
    kinds = {field.name: field.type for field in schema}
    return tuple(str(getattr(kinds.get(name), "tz", None) or "") for name in columns)


def _read_sheet(source: Source, workspace: Workspace) -> Table:
    path = workspace.file_of(source)
    rows = list(islice(workbooks.read_rows(path, source.sheet, source.name), SAMPLE_ROWS))
    if not any(any(row) for row in rows):
        names = workbooks.sheet_names(path, source.name)
        raise InputError(
            f"{source.name} is empty{'' if source.sheet or len(names) < 2 else ' on its first sheet'}.",
            f"Choose another of its sheets (--file SHEET): {', '.join(names[:20])}."
            if len(names) > 1
            else "Give a sheet with a header and rows.",
        )
    return _with_header(Table(source, Kind.WORKBOOK, (), (), (), header_line=0), rows)


def _read_text(source: Source, workspace: Workspace, encoding: str) -> Table:
    head = workspace.head_of(source)
    if not head.strip():
        raise InputError(f"{source.name} is empty.", "Give a file with a header and rows.")
    if _HTML.match(head):
        raise InputError(f"{source.name} is a web page (HTML), whatever its name says.", "Save it as .xlsx or CSV.")
    is_whole = len(head) < HEAD_BYTES
    pieces = [head if is_whole else head[: head.rfind(b"\n") + 1] or head]
    if not is_whole and not source.members:
        pieces += texts.spread_pieces(source.path, head)
    found = encoding or texts.detect_encoding(pieces)
    lines = [line for piece in pieces[:1] for line in _decoded(piece, found, source.name)]
    if _share_of_controls(lines) > 0.05:
        raise InputError(f"{source.name} is not text.", "Give CSV, Excel or Parquet files.")
    if not is_whole and len(lines) == 1:
        raise InputError(
            f"{source.name}, line 1: the line is longer than {texts.MAX_LINE // 1000:,} kB.",
            "Give CSV, Excel or Parquet files.",
        )
    quote = '"'
    delimiter = max(DELIMITERS, key=lambda sign: _fit(lines[:200], sign, quote))
    if _share_quoted_by(lines[:200], delimiter, "'") > 0.1:
        quote = "'"
    is_uneven = texts.begins_with_another_break(head, quote)
    table = Table(source, Kind.TEXT, (), (), (), delimiter, quote, found, 0, is_uneven=is_uneven)
    more = [line for piece in pieces[1:] for line in _decoded(piece, found, source.name)]
    rows = _parsed(lines[: SAMPLE_ROWS + HEADER_WITHIN], delimiter, quote)
    return _with_header(table, rows, _parsed(more, delimiter, quote))


def _decoded(piece: bytes, encoding: str, name: str) -> list[str]:
    try:
        text = piece.decode(encoding, errors="replace")
    except (LookupError, ValueError) as exc:  # the latter from codecs that are no encodings of text
        raise InputError(f"The encoding {encoding!r} cannot be used.", "Use a name such as utf-8 or cp1252.") from exc
    return io.StringIO(text.removeprefix("\ufeff"), newline=None).read().split("\n")


def _share_of_controls(lines: Sequence[str]) -> float:
    text = "".join(lines[:200])
    return sum(char < " " and char not in "\t\r\n" for char in text) / max(len(text), 1)


def _parsed(lines: Sequence[str], delimiter: str, quote: str) -> list[list[str]]:
    """The rows of some lines; a line that cannot be parsed is an empty row."""
    try:
        return list(csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, quotechar=quote, strict=False))
    except csv.Error:  # a cell beyond csv's limit
        kept = (f"{line if len(line) < csv.field_size_limit() else ''}\n" for line in lines)
        return list(csv.reader(kept, delimiter=delimiter, quotechar=quote))


def _fit(lines: Sequence[str], delimiter: str, quote: str) -> tuple[int, float, int]:
    """How well a delimiter explains the lines: roles it finds, share of rows of one width, that width."""
    rows = [row for row in _parsed(lines, delimiter, quote) if row]
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths:
        return 0, 0.0, 0
    width, n = widths.most_common(1)[0]
    n_roles = max(len(set(REQUIRED_ROLES) & set(recognise_roles(row))) for row in rows[:HEADER_WITHIN])
    return n_roles, n / len(rows), width


def _share_quoted_by(lines: Sequence[str], delimiter: str, quote: str) -> float:
    cells = [cell.strip() for line in lines for cell in line.split(delimiter)]
    return sum(len(cell) > 1 and cell[0] == cell[-1] == quote for cell in cells) / max(len(cells), 1)


def _with_header(table: Table, rows: list[list[str]], more: Sequence[list[str]] = ()) -> Table:
    """Finds the header among the first rows: the first that names the roles, else the first as wide as most rows."""
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
        is_open = all(not row[-1].strip() for row in filled if len(row) == width)  # a delimiter ends each line
        header = [*header, ""] if is_open else [ROW_NAMES, *header]  # as R writes row names, without a name for them
    if table.kind == Kind.WORKBOOK:
        n_columns = max(_last_filled(rows[place]), width)
        header = [*header, *[""] * (n_columns - len(header))][:n_columns]
    is_data = not named and not find_periods(header, {}) and any(_looks_like_data(cell) for cell in header)
    if is_data:
        header, place = [made_up(number) for number in range(1, len(header) + 1)], place - 1
    columns = tuple(name if name.strip() else made_up(number) for number, name in enumerate(header, 1))
    if any("\0" in name for name in columns):
        raise InputError(f"{table.name} is not text.", "Give CSV, Excel or Parquet files.")
    if len(columns) > MAX_COLUMNS:
        raise InputError(f"{table.name} has {len(columns):,} columns.", f"Give a file of at most {MAX_COLUMNS:,}.")
    is_table = table.kind != Kind.TEXT or _is_table(rows[max(place, 0) :], len(columns))
    twice = [name for name, n in Counter(columns).items() if n > 1]
    if twice:
        shown = f": {twice[0][:80]!r} stands there twice" if is_table else ""
        raise InputError(
            f"{table.name} has no header of unique column names{shown}.", "Its first line must name its columns."
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
    """The names of a header of two lines, of which the first or the second is at `place`, and where it ends.

    It is one where the names are periods only together, as a year above its weeks, or the periods stand below a title.
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
    """The places of an item or date that is empty in many rows: a merged cell, or one that means the one above.

    The first row has it, and no two rows in a row have the same.
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
    """Whether these rows, the header first, are those of a table: several columns, and most rows as wide as it."""
    widths = [len(row) for row in rows if row]
    return width > 1 and widths.count(width) >= LEAST_EVEN * len(widths)


def _line_of(rows: list[list[str]], place: int, table: Table) -> int:
    """The line on which a row ends: rows above it may hold line breaks."""
    return place + 1 + sum(cell.count("\n") for row in rows[: place + 1] for cell in row if table.kind == Kind.TEXT)


def _last_filled(row: list[str]) -> int:
    return max((number for number, cell in enumerate(row, 1) if cell.strip()), default=0)


def _looks_like_data(cell: str) -> bool:
    try:
        float(cell.strip())
    except ValueError:
        return False
    return True
