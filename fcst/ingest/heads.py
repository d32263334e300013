"""Reads the head of a file as a table (columns and sample rows): text, workbook sheets, Parquet and JSON."""

import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import duckdb

from fcst.errors import InputError
from fcst.ingest import texts, workbooks
from fcst.ingest.archives import Kind
from fcst.ingest.column_roles import recognise_roles
from fcst.ingest.duck import Connection, first_line, quoted
from fcst.ingest.headers import HEADER_WITHIN, with_header
from fcst.ingest.sources import HEAD_BYTES, Source, Workspace
from fcst.ingest.tables import ROW_NUMBER, Readable, Table, whole_json
from fcst.specs import REQUIRED_ROLES

SAMPLE_ROWS = 3_000  # from the head; rows from later positions of a large file are added
MAX_OBJECT = 200_000_000  # bytes; largest file that is read as a single JSON value
DELIMITERS = (",", ";", "\t", "|")
_HTML = re.compile(rb"\s*(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body|table|meta)", re.IGNORECASE)


def read_table(source: Source, workspace: Workspace, encoding: str = "") -> Table:
    """Reads a file's columns and a sample of its rows.

    Raises
    ------
    InputError
        if it is not a table: without a header, binary, broken or empty.
    """
    kind = workspace.kind(source)
    if kind == Kind.PARQUET:
        return _read_parquet(source, workspace)
    if kind == Kind.WORKBOOK:
        return _read_sheet(source, workspace)
    if kind == Kind.JSON:
        return _read_json(source, workspace)
    return _read_text(source, workspace, encoding)


def _read_parquet(source: Source, workspace: Workspace) -> Table:
    path = workspace.without_wildcards(workspace.file_of(source))
    with _read_as("Parquet", source, path, "Check that the file is complete.") as con:
        described = con.execute(
            "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet($path,"
            " binary_as_string = true, hive_partitioning = false))",
            {"path": str(path)},
        ).fetchall()
        columns = tuple(row[0] for row in described)
        zones = _zones(path, columns)
        types = tuple("TIMESTAMP" if zone else str(row[1]) for row, zone in zip(described, zones, strict=True))
        if ROW_NUMBER in map(str.lower, columns):
            raise InputError(f"{source.name} has a column {ROW_NUMBER!r}, which is reserved.", "Rename the column.")
        bare = Readable(Table(source, Kind.PARQUET, columns, types, (), zones=zones), path)
        return _with_sample(con, bare, "columns but no rows")


def _read_json(source: Source, workspace: Workspace) -> Table:
    """Reads JSON records, one per line or in a list; nested values become text."""
    path = workspace.without_wildcards(workspace.file_of(source))
    with _read_as("JSON", source, path, "Give records, one per line or in one list.") as con:
        is_one = _is_one_record(path)
        read = whole_json("$path", path) if is_one else "read_json($path)"
        described = con.execute(f"DESCRIBE SELECT * FROM {read}", {"path": str(path)}).fetchall()
        lists = [str(row[0]) for row in described if str(row[1]).startswith("STRUCT") and str(row[1]).endswith("[]")]
        records = lists[0] if is_one and len(lists) == 1 else ""
        if records:  # the file is one object that contains the list of records
            inner = f"SELECT unnest({quoted(records)}, max_depth := 2) FROM {read}"
            described = con.execute(f"DESCRIBE {inner}", {"path": str(path)}).fetchall()
        columns = tuple(str(row[0]) for row in described)
        bare = Readable(Table(source, Kind.JSON, columns, ("VARCHAR",) * len(columns), (), records=records), path)
        return _with_sample(con, bare, "no records")


@contextmanager
def _read_as(what: str, source: Source, path: Path, hint: str) -> Iterator[Connection]:
    """A DuckDB connection for one file. Its errors become InputError with the file's display name."""
    try:
        with duckdb.connect() as con:
            yield con
    except duckdb.Error as exc:
        reason = first_line(exc).replace(str(path), source.last)
        raise InputError(f"{source.name} cannot be read as {what}: {reason}.", hint) from exc


def _is_one_record(path: Path) -> bool:
    """Whether a JSON file starts with a record that spans several lines and is small enough to be a single value."""
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


def _with_sample(con: Connection, bare: Readable, without_rows: str) -> Table:
    """The table with its first rows; `without_rows` completes the error message for a table without rows."""
    texts_only = ", ".join(f"c{i}" for i in range(len(bare.table.columns)))
    rows = con.execute(f"SELECT {texts_only} FROM {bare.sql()} LIMIT {SAMPLE_ROWS}").fetchall()
    if not rows:
        raise InputError(f"{bare.table.name} has {without_rows}.", "Give a file with sales in it.")
    return replace(bare.table, sample=tuple(rows))


def _zones(path: Path, columns: tuple[str, ...]) -> tuple[str, ...]:
    """The time zone of each column, or an empty text. Read with pyarrow: DuckDB does not report which zone it is."""
    from pyarrow import ArrowException, parquet  # imported here: few files are Parquet

    try:
        schema = parquet.read_schema(path)
    except (ArrowException, OSError):  # DuckDB reads the file or reports the error
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
            f"Choose another sheet (--file SHEET): {', '.join(names[:20])}."
            if len(names) > 1
            else "Give a sheet with a header and rows.",
        )
    return with_header(Table(source, Kind.WORKBOOK, (), (), (), header_line=0), rows)


def _read_text(source: Source, workspace: Workspace, encoding: str) -> Table:
    head = workspace.head_of(source)
    if not head.strip():
        raise InputError(f"{source.name} is empty.", "Give a file with a header and rows.")
    if _HTML.match(head):
        raise InputError(f"{source.name} is a web page (HTML).", "Save it as .xlsx or CSV.")
    is_whole = len(head) < HEAD_BYTES
    pieces = [head if is_whole else head[: head.rfind(b"\n") + 1] or head]
    if not is_whole and not source.members:
        pieces += texts.spread_pieces(source.path, head)
    found = encoding or texts.detect_encoding(pieces)
    lines = [line for piece in pieces[:1] for line in _decoded(piece, found)]
    if _share_of_controls(lines) > 0.05:
        raise InputError(f"{source.name} is a binary file.", "Give CSV, Excel or Parquet files.")
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
    more = [line for piece in pieces[1:] for line in _decoded(piece, found)]
    rows = texts.parse_rows(lines[: SAMPLE_ROWS + HEADER_WITHIN], delimiter, quote)
    return with_header(table, rows, texts.parse_rows(more, delimiter, quote))


def _decoded(piece: bytes, encoding: str) -> list[str]:
    try:
        text = piece.decode(encoding, errors="replace")
    except (LookupError, ValueError) as exc:  # ValueError: a codec that is not a text encoding
        raise InputError(f"Unknown encoding {encoding!r}.", "Use a name such as utf-8 or cp1252.") from exc
    return io.StringIO(text.removeprefix("\ufeff"), newline=None).read().split("\n")


def _share_of_controls(lines: Sequence[str]) -> float:
    text = "".join(lines[:200])
    return sum(char < " " and char not in "\t\r\n" for char in text) / max(len(text), 1)


def _fit(lines: Sequence[str], delimiter: str, quote: str) -> tuple[int, float, int]:
    """Score of a delimiter: number of roles recognised, share of rows with the commonest width, that width."""
    rows = [row for row in texts.parse_rows(lines, delimiter, quote) if row]
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths:
        return 0, 0.0, 0
    width, n = widths.most_common(1)[0]
    n_roles = max(len(set(REQUIRED_ROLES) & set(recognise_roles(row))) for row in rows[:HEADER_WITHIN])
    return n_roles, n / len(rows), width


def _share_quoted_by(lines: Sequence[str], delimiter: str, quote: str) -> float:
    cells = [cell.strip() for line in lines for cell in line.split(delimiter)]
    return sum(len(cell) > 1 and cell[0] == cell[-1] == quote for cell in cells) / max(len(cells), 1)
