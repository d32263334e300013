"""Tables: a file's columns, a sample of its rows as text, and the SQL with which DuckDB reads the whole file.

The SQL names the columns c0, c1, …, because the names in the file may be empty or clash with SQL. All columns are
text in every format, so that one set of rules covers all formats.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from fcst.ingest import texts, workbooks
from fcst.ingest.archives import Kind
from fcst.ingest.duck import literal, quoted
from fcst.ingest.sources import Source, Workspace

LEAST_OBJECT = 1 << 24  # bytes; lower bound of the size limit for one JSON value
MAX_HEADER = 100
MAX_REJECTS = 10_000  # lines that do not match the header and are kept for the report
REJECTED_TEXT = 300  # characters kept of each
ROW_NUMBER = "file_row_number"  # the column that DuckDB adds to a Parquet file


@dataclass(frozen=True)
class Table:
    """A file's columns and how to read them.

    Parameters
    ----------
    columns
        unique names in the file's order.
    types
        DuckDB's type of each column: VARCHAR for all formats except Parquet.
    zones
        Parquet only: the time zone of each column that has one, else empty. Timestamps are read as local time in it.
    sample
        rows as text, from the start and, for a large text file, also from later positions; a missing cell is None.
    delimiter, quote, encoding
        text files only.
    header_line
        the line on which the header ends; 0 if there is no header.
    n_above
        rows above the header of a text file, which are skipped.
    is_uneven
        the text file has mixed line ends that DuckDB would misread.
    is_table
        most rows have as many cells as the header. Messages quote the header only then: a text file that is not a
        table may contain secrets.
    filled_down
        indexes of the columns of a sheet whose empty cells repeat the value above.
    records
        JSON only: the field with the list of records, if they are not at the top level.
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
        """Notes for the user on how the file was read."""
        names = ", ".join(self.columns[place] for place in self.filled_down)
        return (f"Empty cells in {names} repeat the value above.",) if names else ()

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def header(self) -> list[str]:
        """The first hundred column names, stored in the report to find the mapping again."""
        return list(self.columns[:MAX_HEADER])

    @property
    def row_word(self) -> str:
        """What row numbers count: lines of a text file, otherwise rows."""
        return "line" if self.kind == Kind.TEXT else "row"


@dataclass(frozen=True)
class Readable:
    """A table with a file that DuckDB can read directly."""

    table: Table
    path: Path

    def sql(self, keeps_rejects: bool = True) -> str:
        """A FROM clause with the columns c0, c1, … as text; `r` is the row number if the file has one.

        For Parquet the columns appear a second time, as t0, t1, …, with their types in the file.

        Parameters
        ----------
        keeps_rejects
            store lines that do not match the header in DuckDB's reject tables; at most once per pass over the file.
        """
        table = self.table
        if table.kind == Kind.PARQUET:
            # Columns are found by position in `types`; the names in the file are quoted.
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
                source = f"(SELECT {records} FROM {whole_json(path, self.path)})"
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


def spread_rows(readable: Readable) -> list[list[str]]:
    """Rows sampled across a whole text file, for values that its start does not contain; empty for other formats."""
    if readable.table.kind != Kind.TEXT:
        return []
    table = readable.table
    pieces = texts.spread_pieces(readable.path, b"")
    lines = [line for piece in pieces for line in piece.decode("utf-8", errors="replace").splitlines()]
    return [row for row in texts.parse_rows(lines, table.delimiter, table.quote) if len(row) == len(table.columns)]


def make_readable(table: Table, workspace: Workspace, again: bool = False) -> Readable:
    """The table with a file on disk that DuckDB can read. Unpacks, converts or rewrites the file if needed.

    Parameters
    ----------
    again
        DuckDB failed on the line ends of the text file: rewrite it with uniform ones.
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


def redetect_encoding(readable: Readable) -> Readable | None:
    """The table with the encoding detected from the whole file; None if the file is UTF-8."""
    if readable.table.kind != Kind.TEXT:
        return None
    found = texts.detect_encoding(texts.pieces_of(readable.path))
    return None if texts.is_plain(found) else replace(readable, table=replace(readable.table, encoding=found))


def _plain_text(column: str, kind: str) -> str:
    """SQL for a typed column as text; whole numbers have no decimals, so that a key is 17850, not 17850.0."""
    if kind in ("DOUBLE", "FLOAT"):
        is_whole = f"{column} = trunc({column}) AND abs({column}) < 1e15"
        return f"CASE WHEN {is_whole} THEN {column}::BIGINT::VARCHAR ELSE {column}::VARCHAR END"
    return f"{column}::VARCHAR"


def whole_json(literal_path: str, path: Path) -> str:
    """A FROM clause for a JSON file that may be a single value."""
    return f"read_json({literal_path}, maximum_object_size = {max(LEAST_OBJECT, path.stat().st_size + 1)})"
