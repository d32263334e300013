"""One file as a table: its columns, a sample of its rows as text, and the SQL with which DuckDB reads all of it.

In that SQL the columns are called c0, c1, …, because their own names may be empty or mean something in a statement;
all are text, whatever the file holds, so that one set of rules serves every format.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from fcst.ingest import texts, workbooks
from fcst.ingest.archives import Kind
from fcst.ingest.duck import literal, quoted
from fcst.ingest.sources import Source, Workspace

LEAST_OBJECT = 1 << 24  # bytes of one JSON value that may be read in any case
MAX_HEADER = 100
MAX_REJECTS = 10_000  # lines that do not fit the header and are kept to be told of
REJECTED_TEXT = 300  # characters of each
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
    """Rows from places all over a text that is on disk, for what its beginning does not show; none of other files."""
    if readable.table.kind != Kind.TEXT:
        return []
    table = readable.table
    pieces = texts.spread_pieces(readable.path, b"")
    lines = [line for piece in pieces for line in piece.decode("utf-8", errors="replace").splitlines()]
    return [row for row in texts.parse_rows(lines, table.delimiter, table.quote) if len(row) == len(table.columns)]


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


def whole_json(literal_path: str, path: Path) -> str:
    """A FROM clause of a JSON file that may be one value."""
    return f"read_json({literal_path}, maximum_object_size = {max(LEAST_OBJECT, path.stat().st_size + 1)})"
