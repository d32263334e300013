"""Bad rows: counts them and describes the first hundred by file, line, column, value and reason."""

import re
from dataclasses import dataclass, replace

from fcst.errors import InputError
from fcst.ingest import texts, workbooks
from fcst.ingest.archives import Kind
from fcst.ingest.date_texts import NATIVE, display_format, parsed
from fcst.ingest.duck import Connection, fetch_all, fetch_row, literal
from fcst.ingest.parts import Part
from fcst.ingest.reading import (
    DASHES,
    FIRST_DATE,
    LAST_DATE,
    MAX_KEY_LENGTH,
    NO_RECORD,
    SIFTED,
    UNKNOWN_KIND,
    Rows,
)
from fcst.ingest.tables import MAX_REJECTS, Readable
from fcst.quality_report import BadRow, BadRowCount, BadRowKind, ReadingReport

MAX_SHOWN = 100
MAX_KINDS = 20
MAX_VALUE = 120  # characters of a value that are shown
EMPTY = "is empty"
MAX_EXAMPLES = 5  # of rows that are not records
MAX_LOOKED_THROUGH = 200_000_000  # bytes of files; above this no examples are read

_REJECTED = {
    "MISSING COLUMNS": "the line has fewer cells than the header",
    "TOO MANY COLUMNS": "the line has more cells than the header",
    "UNQUOTED VALUE": "a quote is not closed, or text follows the closing quote",
    "LINE SIZE OVER MAXIMUM": f"the line is longer than {texts.MAX_LINE // 1000:,} kB",
    "INVALID ENCODING": "the line is not valid UTF-8",
}


def count_rejected(con: Connection) -> tuple[int, int]:
    """Number of lines that do not match their file's header, and of those that are not valid UTF-8."""
    if not fetch_all(con, "SELECT 1 FROM duckdb_tables() WHERE table_name = 'reject_errors'"):
        return 0, 0  # there is no text file
    n, n_foreign = fetch_row(
        con,
        """
        SELECT count(*), count(*) FILTER (WHERE is_encoding) FROM (
            SELECT scan_id, file_id, line, bool_or(error_type::VARCHAR = 'INVALID ENCODING') AS is_encoding
            FROM reject_errors GROUP BY ALL)
        """,
    )
    return n, n_foreign


def check_kinds(con: Connection, rows: Rows) -> None:
    """Refuses files with values in the row filter's column that were not in the sample.

    Raises
    ------
    InputError
    """
    (n,) = fetch_row(con, f"SELECT coalesce(sum(n), 0)::BIGINT FROM by_week WHERE pm = {UNKNOWN_KIND}")
    if not n:
        return
    for part, readable in rows.parts:
        row_filter = part.proposal.row_filter
        if row_filter is None:
            continue
        known = ", ".join(map(literal, (*row_filter.values, *row_filter.others)))
        kind = f"coalesce({part.place_of(row_filter.column)}, '')"
        found = fetch_all(
            con, f"SELECT DISTINCT {kind} FROM {readable.sql(False)} WHERE {kind} NOT IN ({known}) LIMIT 3"
        )
        if found:
            kinds = " and ".join(repr(_cut(value)) for (value,) in found)
            raise InputError(
                f"The column {row_filter.column!r} of {readable.table.name} also has {kinds}, which the sample did not"
                f" have. It is unclear whether these {n:,} rows are sales.",
                f"Choose the rows that are sales (--where {row_filter.column!r}={row_filter.values[0]!r}; repeatable).",
            )


def check_companion(con: Connection, readable: Readable) -> None:
    """Refuses a companion file with lines that do not match its header. Call it after the file was read.

    Raises
    ------
    InputError
    """
    if not fetch_all(con, "SELECT 1 FROM duckdb_tables() WHERE table_name = 'reject_errors'"):
        return
    found = fetch_all(
        con,
        """
        SELECT e.line, e.error_type::VARCHAR FROM reject_errors e JOIN reject_scans s USING (scan_id, file_id)
        WHERE s.file_path = ? ORDER BY e.line LIMIT 1
        """,
        [str(readable.path)],
    )
    for line, kind in found:
        name = readable.table.name
        raise InputError(
            f"{name} next to the sales file, line {line}: {_REJECTED.get(kind, kind.lower())}.",
            "Correct it or move it away.",
        )


def clear_rejected(con: Connection) -> None:
    """Drops DuckDB's reject tables, before files are read again."""
    con.execute("DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans")


@dataclass(frozen=True)
class Rejected:
    """Lines that do not match their file's header.

    Parameters
    ----------
    n
        number of lines; at most MAX_REJECTS are kept.
    bad
        file number -> line number -> description.
    lines
        file number -> all its rejected lines.
    no_records
        texts of the lines that are not records: a title, a footer, a line of dashes.
    """

    n: int
    bad: dict[int, dict[int, BadRow]]
    lines: dict[int, set[int]]
    no_records: list[str]

    @property
    def n_bad(self) -> int:
        return self.n - len(self.no_records)


def describe(con: Connection, rows: Rows, rejected: Rejected, n_unusable: int) -> BadRowCount:
    """Counts the bad rows of a load and describes at most a hundred.

    Parameters
    ----------
    n_unusable
        number of rows that match their header but have no valid item, date or units.
    """
    shown: list[BadRow] = []
    kinds: dict[tuple[str, str], BadRowKind] = {}
    for number, (part, readable) in enumerate(rows.parts):
        found = [(1, [row]) for row in rejected.bad.get(number, {}).values()]
        if n_unusable:
            found += _unusable(con, rows, number, part, readable, rejected.lines.get(number, set()))
        shown += sorted((row for _, first in found for row in first), key=lambda row: row.line)[:MAX_SHOWN]
        for n, first in found:
            key = (first[0].column, first[0].reason)
            known = kinds.get(key, BadRowKind(0, first[0]))
            kinds[key] = replace(known, n=known.n + n)
    return BadRowCount(
        n=rejected.n_bad + n_unusable,
        is_at_least=rejected.n >= MAX_REJECTS,
        first=tuple(shown[:MAX_SHOWN]),
        kinds=tuple(sorted(kinds.values(), key=lambda kind: (-kind.n, kind.first.line))[:MAX_KINDS]),
    )


def hides_rows(con: Connection) -> bool:
    """Whether a rejected line contains other lines, because a quote is not closed; those lines may be good."""
    (n,) = fetch_row(
        con,
        """
        SELECT count(*) FROM reject_errors
        WHERE error_type::VARCHAR = 'UNQUOTED VALUE' AND contains(rtrim(csv_line, chr(13) || chr(10)), chr(10))
        """,
    )
    return bool(n)


def error_text(rows: Rows, report: ReadingReport, n_good: int, is_open: bool) -> tuple[str, str]:
    """The error message and hint for the bad rows of a report.

    Parameters
    ----------
    n_good
        number of rows that can be loaded.
    is_open
        a rejected line hides others, see `hides_rows`.
    """
    bad = report.bad_rows
    first = bad.first[0]
    table = next(readable.table for _, readable in rows.parts if readable.table.name == first.file)
    is_line = not first.column or first.reason in _REJECTED.values()
    what = first.reason if is_line else f"{first.column} {first.reason}"
    shown = f": {first.value!r}" if first.value else ""
    n = f"{'at least ' if bad.is_at_least else ''}{bad.n:,} of {report.n_rows:,}"
    hint = "Correct the file or its mapping."
    if is_open:
        hint = "Close the quote in this line: the lines after it were read as its continuation."
    elif n_good:
        hint = (
            f"Load the {n_good:,} good row{'s' if n_good > 1 else ''} (command line: --skip-bad), or correct the file."
        )
    elif table.kind == Kind.WORKBOOK and first.reason == EMPTY:
        hint += f" {workbooks.FORMULAS}"
    return f"{first.file}, {table.row_word} {first.line}: {what}{shown}. Bad rows: {n}.", hint


def rejected_lines(con: Connection, rows: Rows) -> Rejected:
    """The rejected lines, each once."""
    number_of = {str(readable.path): number for number, (_, readable) in enumerate(rows.parts)}
    n, _ = count_rejected(con)
    rejected = Rejected(n, {}, {}, [])
    records = (
        fetch_all(
            con,
            """
            SELECT DISTINCT ON (s.file_path, e.line)
                   s.file_path, e.line, e.column_idx, e.error_type::VARCHAR, e.csv_line
            FROM reject_errors e JOIN reject_scans s USING (scan_id, file_id)
            ORDER BY s.file_path, e.line, e.column_idx
            """,
        )
        if n
        else []
    )
    first_cells = [set(part.columns.cells(*part.table.columns[:1])) if n else set() for part, _ in rows.parts]
    for path, line, place, kind, text in records:
        number = number_of.get(path)
        if number is None:
            continue
        part, readable = rows.parts[number]
        rejected.lines.setdefault(number, set()).add(line)
        if kind == "MISSING COLUMNS" and _is_no_record(text, part, first_cells[number]):
            rejected.no_records.append(_cut(text.strip()))
            continue
        names = readable.table.columns
        is_cell = kind in ("UNQUOTED VALUE", "INVALID ENCODING") and place is not None and 0 < place <= len(names)
        rejected.bad.setdefault(number, {})[line] = BadRow(
            file=readable.table.name,
            line=line,
            column=names[place - 1] if is_cell else "",
            value=_cut(text.strip("\r\n")),
            reason=_REJECTED.get(kind, kind.lower()),
        )
    return rejected


def _is_no_record(line: str, part: Part, first_cells: set[str]) -> bool:
    """Whether a line with too few cells is a title, a footer or a line of dashes, not a truncated record.

    Such a line has one cell, which is not a date, not a number, and not the start of a value of the first column
    (`first_cells`).
    """
    cells = [cell.strip(f" {part.table.quote}") for cell in line.strip().split(part.table.delimiter)]
    filled = [cell for cell in cells if cell and not re.fullmatch(DASHES, cell)]
    if len(filled) != 1:
        return not filled
    (cell,) = filled
    if not re.search(r"\s|^\(", cell):  # a single word may be a truncated key
        return False
    if re.search(r"^[\W\d]*$", cell) or part.proposal.date_format and parsed([cell], part.proposal.date_format):
        return False
    return not any(known.startswith(cell) for known in first_cells)


def read_no_records(con: Connection, rows: Rows) -> list[str]:
    """Examples of rows that match their header but are not records: their non-empty cells."""
    if rows.size > MAX_LOOKED_THROUGH:  # avoid another pass over large files
        return []
    cells = ", ".join([*rows.keys, "date_text", "units_text"])
    found = fetch_all(con, f"SELECT {cells} FROM ({rows.sql(is_raw=True)}) WHERE pm = {NO_RECORD} LIMIT {MAX_EXAMPLES}")
    return [_cut(" | ".join(cell for cell in row if cell)) or "(empty)" for row in found]


def _unusable(
    con: Connection, rows: Rows, number: int, part: Part, readable: Readable, rejected: set[int]
) -> list[tuple[int, list[BadRow]]]:
    """The rows of a file without a valid item, date or units: the number by column and reason, and the first ones."""
    alone = replace(
        rows,
        parts=[rows.parts[number]],
        attributes=(),
        has_store=False,
        stores=(),
        sift={0: rows.sift[number]} if number in rows.sift else {},
    )
    date_format = part.proposal.date_format
    expected = "" if not date_format or date_format.startswith(NATIVE) else f" (expected {display_format(date_format)})"
    cases = []
    for i, name in enumerate(part.proposal.mapping["item"]):
        key, column = f"k{i}", literal(name)
        cases += [
            f"WHEN {key} IS NULL OR trim({key}) = '' THEN [{column}, '', '{EMPTY}']",
            f"WHEN length({key}) > {MAX_KEY_LENGTH}"
            f" THEN [{column}, {key}, 'is longer than {MAX_KEY_LENGTH} characters']",
            f"WHEN contains({key}, chr(0)) THEN [{column}, {key}, 'contains a zero byte']",
        ]
    column = literal(part.column("date") or "date")
    cases += [
        f"WHEN date_text IS NULL OR date_text = '' THEN [{column}, '', '{EMPTY}']",
        "WHEN d IS NULL AND moment IS NOT NULL"
        f" THEN [{column}, date_text, 'is not between {FIRST_DATE} and {LAST_DATE}']",
        f"WHEN d IS NULL THEN [{column}, date_text, {literal(f'is not a valid date{expected}')}]",
    ]
    column = literal(part.column("sales") or "units")
    sign = "" if part.proposal.decimal == "." else " with a decimal comma"
    cases += [
        f"WHEN y IS NULL AND nullif(units_text, '') IS NULL THEN [{column}, '', '{EMPTY}']",
        f"WHEN y IS NULL THEN [{column}, units_text, 'is not a number{sign}']",
    ]
    con.execute("SET preserve_insertion_order = true")
    found = fetch_all(
        con,
        f"""
        SELECT what[1], what[3], count(*), arg_min({{'r': r, 'value': what[2]}}, r, {MAX_SHOWN}) FROM (
            SELECT r, CASE {" ".join(cases)} END AS what FROM ({alone.sql(is_raw=True, is_numbered=True)})
            WHERE pm < {SIFTED}
        ) WHERE what IS NOT NULL GROUP BY 1, 2
        """,
    )
    con.execute("SET preserve_insertion_order = false")
    wanted = {record["r"] for *_, first in found for record in first}
    line_of = {record: record for record in wanted}
    if readable.table.kind == Kind.TEXT:
        line_of |= texts.line_numbers(readable.path, wanted, rejected, readable.table.header_line, readable.table.quote)
    name_of_file = readable.table.name
    return [
        (n, [BadRow(name_of_file, line_of[row["r"]], column, _cut(row["value"]), reason) for row in first])
        for column, reason, n, first in found
    ]


def _cut(text: str) -> str:
    shown = text.replace("\0", "\\0")
    return shown if len(shown) <= MAX_VALUE else f"{shown[:MAX_VALUE]} …"
