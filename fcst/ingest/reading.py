"""SQL for the rows of all files in a common form: column roles, row filter, end of the week.

Units are DECIMAL(18, 6), so that sums do not depend on the order of threads, and inf, nan and 1e999 are refused.
"""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from fcst.errors import InputError
from fcst.ingest.cells import FLAGS, NUMBER, date_sql, flag_sql, moment_sql, most_common, number_sql
from fcst.ingest.column_roles import recognise_roles
from fcst.ingest.duck import Connection, literal
from fcst.ingest.parts import Part
from fcst.ingest.plan import Plan
from fcst.ingest.sources import OnProgress
from fcst.ingest.tables import Readable, spread_rows
from fcst.ingest.totals import TOTAL
from fcst.names import KEY_JOINT, WEEKDAYS
from fcst.specs import ATTRIBUTES, MONEY, WIDE, IngestSpec

PREVIOUS_MONTH = 4  # added to missing and unknown if the row is in the month before that of its week's last day
SIFTED = 9
UNKNOWN_KIND = 11
"""Rows whose value in the recognised row filter's column was not in the sample: it is unknown if they are sales."""
NO_RECORD = 10
"""Rows that are not records: empty rows, repeated headers, headings, lines of dashes, totals without a date."""
FIRST_DATE, LAST_DATE = "1900-01-01", "2099-12-31"  # years outside are mistyped
MAX_KEY_LENGTH = 500
STORES_PER_MASK = 18  # times 7 days: the bits of a UHUGEINT
MAX_MASKS = 4  # per group; more stores make more groups, which need more memory than masks
MAX_KNOWN_STORES = 20_000
BLANKS = " \t\u00a0\u2009\u202f\u3000\ufeff"
DASHES = r"\s*[-=_*+]{2,}[-=_*+\s]*"
POLL_S = 0.25


@dataclass(frozen=True)
class Rows:
    """SQL for the rows of all files in a common form.

    Parameters
    ----------
    parts
        the sales files.
    n_keys
        number of parts of the item key.
    attributes
        attributes in the sales files, the suffixes of the columns a_…: those of `ATTRIBUTES`, and x0, x1, … for
        columns mapped as attributes.
    named
        x0, x1, … -> column name.
    has_value
        at least one file has a value or price column.
    is_lines
        a row is a line of a receipt, not the daily total of an item and store.
    stores
        known stores, from the samples.
    sift
        file number -> SQL of its row filter.
    """

    parts: list[tuple[Part, Readable]]
    spec: IngestSpec
    n_keys: int
    attributes: tuple[str, ...]
    named: Mapping[str, str]
    has_store: bool
    has_value: bool
    is_lines: bool
    stores: tuple[str, ...]
    sift: dict[int, str]

    @property
    def keys(self) -> list[str]:
        return [f"k{i}" for i in range(self.n_keys)]

    @property
    def unique_id(self) -> str:
        """The item key, joined from its parts."""
        return f" || {literal(KEY_JOINT)} || ".join(self.keys)

    @property
    def size(self) -> int:
        """Total size of the files in bytes."""
        return sum(readable.path.stat().st_size for _, readable in self.parts)

    @property
    def masks(self) -> list[str]:
        """The mask columns of a group: enough for the known stores, at most MAX_MASKS."""
        n = -(-len(self.stores) // STORES_PER_MASK) if self.has_store and not self.is_lines else 1
        return [f"m{i}" for i in range(min(max(n, 1), MAX_MASKS))]

    def sql(self, is_raw: bool = False, is_numbered: bool = False) -> str:
        """Columns k0…, d, x (days to the end of its week), wk, y, v, pm, st, store, a_….

        Parameters
        ----------
        is_raw
            adds f (the file number) and the raw text: date_text, units_text, flag_text, receipt, moment.
        is_numbered
            adds r, the row number in the file; rows are then read in order.
        """
        return " UNION ALL ".join(
            f"SELECT * FROM ({self._part_sql(number, part, readable, is_raw, is_numbered)})"
            for number, (part, readable) in enumerate(self.parts)
        )

    def _place_of_attribute(self, part: Part, name: str) -> str | None:
        if name not in self.named:
            return part.place(name)
        column = self.named[name]
        return part.place_of(column) if column in part.table.columns else None

    def _part_sql(self, number: int, part: Part, readable: Readable, is_raw: bool, is_numbered: bool) -> str:
        sift = self.sift.get(number, "")

        def kept(expression: str) -> str:
            return f"CASE WHEN is_kept THEN {expression} END" if sift else expression

        source = _source_sql(part, readable, sift, is_numbered)
        date, units = part.place("date") or "", part.place("sales") or ""
        day = date_sql(date, part.proposal.date_format, part.kind("date"), self.spec.zone)
        if part.proposal.begin_weeks:
            day = f"({day} + 6)"
        is_wide = part.proposal.mapping["date"] == [WIDE]
        if is_wide:
            day, units, date = "period", "cell", "period::VARCHAR"
        store = part.place("store")
        flag = part.place("promo")
        columns = [f"{kept(key_sql(part, place))} AS k{i}" for i, place in enumerate(part.keys)]
        columns.append(f"{kept(day)} AS d0")
        sign = "-" if part.proposal.is_negated else ""
        sold = f"{sign}{number_sql(units, part.proposal.numbers, part.kind('sales'))}"
        is_promo = _promo_sql(part)
        if part.proposal.empty_is_missing:  # treat as a week with promotional sales only
            sold = f"coalesce({sold}, CASE WHEN {is_blank_sql(units)} THEN 0 END)"
            is_promo = f"CASE WHEN {is_blank_sql(units)} THEN {FLAGS['yes']}::UTINYINT ELSE {is_promo} END"
        columns += [f"{sold} AS y", f"{is_promo} AS p"]
        columns += [f"{_value_sql(part)} AS v"] if self.has_value else []
        columns += [f"{_written_sql(part, 'date')} AS first_date", f"{_written_sql(part, 'sales')} AS units"]
        columns.append(f"{'NOT is_kept' if sift else 'false'} AS is_sifted")
        columns.append(f"{_kind_sql(part, self.spec)} AS kind")
        columns.append(f"{store or 'NULL'} AS store")
        columns += [f"{self._place_of_attribute(part, name) or 'NULL'} AS a_{name}" for name in self.attributes]
        if is_numbered:
            columns.append("r")
        if is_raw:
            receipt = part.place("receipt")
            columns += [f"{number} AS f", f"{date} AS date_text", f"{units} AS units_text"]
            columns += [f"{flag or 'NULL'} AS flag_text", f"{receipt or 'NULL'} AS receipt"]
            columns.append(f"{moment_sql(date, part.proposal.date_format)} AS moment")
        back = (WEEKDAYS.index(self.spec.week_end or "SAT") + 1) % 7
        weekday = f"(dayofweek(d) - {back} + 7) % 7" if back else "dayofweek(d)"
        # In a nested CASE, because AND evaluates both sides for every row. Without flags the month is not needed.
        has_flags = any(part.column("promo") for part, _ in self.parts)
        split_from = FLAGS["missing"] if has_flags else SIFTED
        known = "LEFT JOIN known_stores USING (store)" if self.has_store and not self.is_lines else ""
        has_no_key = " AND ".join(is_blank_sql(key) for key in self.keys)
        without_key = f"CASE WHEN y IS NULL THEN {is_blank_sql('units')} AND {has_no_key} ELSE false END"
        without_date = (
            "p" if is_wide else f"CASE WHEN {_is_no_record_sql(part, self.n_keys)} THEN {NO_RECORD} ELSE p END"
        )
        return f"""
            SELECT * EXCLUDE (d0, p, is_sifted, kind, first_date, units), d + x AS wk,
                   CASE WHEN is_sifted THEN {SIFTED} WHEN kind > 0 THEN kind WHEN d0 IS NULL THEN {without_date}
                        WHEN {without_key} THEN {NO_RECORD} WHEN p < {split_from} THEN p
                        ELSE CASE WHEN day(d + x) <= x THEN p + {PREVIOUS_MONTH} ELSE p END END AS pm
            FROM (SELECT *, (6 - {weekday})::INTEGER AS x
                  FROM (SELECT *, CASE WHEN d0 BETWEEN DATE '{FIRST_DATE}' AND DATE '{LAST_DATE}' THEN d0 END AS d
                        FROM (SELECT {", ".join(columns)} FROM {source}))) {known}
        """


def _source_sql(part: Part, readable: Readable, sift: str, is_numbered: bool) -> str:
    """The rows of a file: numbered as `r`, with the condition `sift` as `is_kept`, and one row per cell if wide."""
    source = readable.sql()
    if is_numbered:
        has_numbers = readable.table.row_word == "row"
        rows = "* REPLACE (r::BIGINT AS r)" if has_numbers else "*, row_number() OVER () AS r"
        source = f"(SELECT {rows} FROM {source})"
    if sift:  # evaluated once per row: it may contain a subquery over the whole file
        source = f"(SELECT *, ({sift}) IS TRUE AS is_kept FROM {source})"
    if part.proposal.mapping["date"] == [WIDE]:
        places = ", ".join(part.place_of(name) for name in part.proposal.periods)
        days = ", ".join(f"DATE '{day}'" for day in part.proposal.periods.values())
        cells = f"SELECT *, unnest([{places}]) AS cell, unnest([{days}]) AS period FROM {source}"
        source = f"(SELECT * FROM ({cells}) WHERE nullif(cell, '') IS NOT NULL)"
    return source


def _promo_sql(part: Part) -> str:
    """SQL for the promotion flag of a row; set if any of several columns is set."""
    names = part.proposal.mapping["promo"]
    flags = [flag_sql(part.place_of(name), most_common(part, name)) for name in names]
    if len(flags) < 2:
        return flags[0] if flags else flag_sql(None, [])
    is_set = " OR ".join(f"{flag} = {FLAGS['yes']}" for flag in flags)
    return f"CASE WHEN {is_set} THEN {FLAGS['yes']}::UTINYINT ELSE least({', '.join(flags)}) END"


def _value_sql(part: Part) -> str:
    """SQL for the sales value of a row; NULL if there is no column or no number. Has the sign of units in a ledger."""
    for role in MONEY:
        if (place := part.place(role)) is None:
            continue
        amount = number_sql(place, part.proposal.money, part.kind(role))
        value = amount if role == "value" else f"try_cast({amount} * y AS {NUMBER})"
        return f"sign(y) * abs({value})" if part.proposal.is_negated else value
    return f"NULL::{NUMBER}"


def _written_sql(part: Part, role: str) -> str:
    """SQL for the text in the first column of a role; for a typed column only '1' if it is not NULL."""
    name = part.column(role)
    if name is None:
        return "'1'"
    place = part.place_of(name)
    return place if part.kind(role) == "VARCHAR" else f"CASE WHEN t{place[1:]} IS NOT NULL THEN '1' END"


def _kind_sql(part: Part, spec: IngestSpec) -> str:
    """SQL for the recognised row filter: 0 for rows to keep, SIFTED for rows to drop, else UNKNOWN_KIND."""
    row_filter = part.proposal.row_filter
    if row_filter is None or row_filter.column in dict(spec.where):
        return "0"
    kind = f"coalesce({part.place_of(row_filter.column)}, '')"
    kept, others = (", ".join(map(literal, values)) for values in (row_filter.values, row_filter.others))
    return f"CASE WHEN {kind} IN ({kept}) THEN 0 WHEN {kind} IN ({others}) THEN {SIFTED} ELSE {UNKNOWN_KIND} END"


def key_sql(part: Part, place: str) -> str:
    """SQL for a part of the item key. Strips blanks if most keys in the sample have them, as in fixed-width columns;
    removes .0 if all keys in the sample end in it. Other keys are not changed.
    """
    if part.kind("item") != "VARCHAR" or not place.startswith("c"):
        return place
    number = int(place[1:])
    cells = [cell for row in part.table.sample if (cell := row[number])]
    if 2 * sum(cell != cell.strip() for cell in cells) > len(cells):
        place = f"trim({place}, {literal(BLANKS)})"
    is_of_floats = bool(cells) and all(re.fullmatch(r"\d+\.0", cell.strip()) for cell in cells)
    return rf"regexp_replace({place}, '\.0$', '')" if is_of_floats else place


def _is_no_record_sql(part: Part, n_keys: int) -> str:
    """SQL: whether a row without a valid date is not a record."""
    keys = [f"k{i}" for i in range(n_keys)]
    is_sum = " OR ".join(f"regexp_full_match(trim({key}), {literal(TOTAL)})" for key in keys)
    has_no_key = " AND ".join(map(is_blank_sql, keys))
    is_called_sum = f"{has_no_key} AND regexp_full_match(trim(first_date), {literal(TOTAL)})"
    is_header = f"first_date = {literal(part.column('date') or '')} AND units = {literal(part.column('sales') or '')}"
    return (
        f"({is_blank_sql('first_date')} AND ({is_blank_sql('units')} OR {has_no_key} OR {is_sum}))"
        f" OR ({is_blank_sql('units')} AND {has_no_key})"
        f" OR (regexp_full_match(first_date, {literal(DASHES)}) AND NOT regexp_matches(units, '[0-9]'))"
        f" OR ({is_called_sum}) OR ({is_header})"
    )


def make_rows(plan: Plan, readables: Sequence[Readable], companions: Mapping[str, Readable], spec: IngestSpec) -> Rows:
    """Makes the rows of all files of a load plan.

    Parameters
    ----------
    companions
        role -> companion file that describes its values (stores or items); the row filter may use its columns.

    Raises
    ------
    InputError
        if the item keys of the files have different numbers of parts, or no file has a column of the row filter.
    """
    parts = list(zip(plan.parts, readables, strict=True))
    if len({len(part.keys) for part in plan.parts}) > 1:
        raise InputError("The item keys of the files have different numbers of columns.", "Load the files one by one.")
    columns = dict.fromkeys(name for part in plan.parts for name in part.proposal.mapping["attribute"])
    named = {f"x{number}": name for number, name in enumerate(columns)}
    found: set[str] = set()
    for part, readable in parts:
        if (name := part.column("store")) is not None:
            place = part.table.columns.index(name)
            found |= {cell for row in (*part.table.sample, *spread_rows(readable)) if (cell := row[place])}
    return Rows(
        parts=parts,
        spec=spec,
        n_keys=len(plan.parts[0].keys),
        attributes=(*(name for name in ATTRIBUTES if any(part.column(name) for part in plan.parts)), *named),
        named=named,
        has_store=any(part.column("store") for part in plan.parts),
        has_value=any(part.column(role) for part in plan.parts for role in MONEY),
        is_lines=any(part.is_lines for part in plan.parts),
        stores=tuple(sorted(found)[:MAX_KNOWN_STORES]),
        sift={
            number: _sift_sql(part, readable, companions, spec)
            for number, (part, readable) in enumerate(parts)
            if spec.where or (part.proposal.cancelled and spec.cancelled == "drop")
        },
    )


def is_blank_sql(column: str) -> str:
    """SQL: whether a text is missing or blank."""
    return f"coalesce(trim({column}), '') = ''"


def bad_key_sql(column: str) -> str:
    """SQL: whether a part of a key is invalid."""
    return f"({is_blank_sql(column)} OR length({column}) > {MAX_KEY_LENGTH} OR contains({column}, chr(0)))"


def bits_sql(mask: str) -> str:
    """SQL for the number of bits set in a mask; DuckDB's bit_count takes at most 64 bits."""
    low = f"({mask}::UHUGEINT & 18446744073709551615::UHUGEINT)::UBIGINT"
    return f"(bit_count({low})::INTEGER + bit_count(({mask}::UHUGEINT >> 64::UHUGEINT)::UBIGINT)::INTEGER)"


@contextmanager
def report_progress(
    con: Connection, what: str, size: int, on_progress: OnProgress, span: tuple[float, float] = (0, 1)
) -> Iterator[None]:
    """Calls the progress callback while a statement runs; progress never decreases.

    Parameters
    ----------
    span
        start and end of the statement as shares of the whole step.
    """
    is_over = threading.Event()

    begin, end = span

    def watch() -> None:
        most = 0.0
        while not is_over.wait(POLL_S):
            most = max(most, con.query_progress() / 100)
            on_progress(what, int((begin + most * (end - begin)) * size), size)

    thread = threading.Thread(target=watch, daemon=True)
    on_progress(what, int(begin * size), size)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def cancelled_sql(part: Part, readable: Readable) -> str:
    """SQL for the number of rows of cancelled orders in a file, and their units."""
    units = number_sql(part.place("sales") or "", part.proposal.numbers, part.kind("sales"))
    is_cancelled = _is_cancelled_sql(part, readable)
    units = f"-({units})" if part.proposal.is_negated else units
    return f"SELECT count(*), coalesce(sum({units}), 0)::DOUBLE FROM {readable.sql(False)} WHERE {is_cancelled}"


def _is_cancelled_sql(part: Part, readable: Readable) -> str:
    """SQL: whether a row, or another row of its order, has a cancelled status."""
    cancelled = part.proposal.cancelled
    if cancelled is None:
        return "false"
    listed = ", ".join(map(literal, cancelled.values))
    status = part.place_of(cancelled.column)
    has_status = f"coalesce({status} IN ({listed}), false)"
    order = part.place("receipt")
    if order is None or len(part.columns.cells(cancelled.column)) == len(part.table.sample):
        return has_status
    others = f"{order} IN (SELECT {order} FROM {readable.sql(False)} WHERE {has_status})"
    return f"(CASE WHEN {is_blank_sql(status)} THEN coalesce({others}, false) ELSE {has_status} END)"


def _sift_sql(part: Part, readable: Readable, companions: Mapping[str, Readable], spec: IngestSpec) -> str:
    """SQL for the row filter on columns of the sales file or of a companion file of stores or items."""
    wanted: dict[str, list[str]] = {}
    for column, value in spec.where:
        wanted.setdefault(column, []).append(value)
    conditions = []
    cancelled = part.proposal.cancelled
    if spec.cancelled == "drop" and cancelled is not None:
        conditions.append(f"NOT ({_is_cancelled_sql(part, readable)})")
    for column, values in wanted.items():
        listed = ", ".join(map(literal, values))
        if column in part.table.columns:
            conditions.append(f"coalesce({part.place_of(column)} IN ({listed}), false)")
            continue
        for role, described in companions.items():
            names, place = described.table.columns, part.place(role)
            key = recognise_roles(names).get(role)
            if place and key and column in names:
                keys = (
                    f"SELECT c{names.index(key[0])} FROM {described.sql()} WHERE c{names.index(column)} IN ({listed})"
                )
                conditions.append(f"coalesce({place} IN ({keys}), false)")
                break
        else:
            raise InputError(
                f"{part.table.name} has no column {column!r} to filter by.",
                f"Choose one of its columns: {', '.join(part.table.columns[:20])}.",
            )
    return " AND ".join(conditions)
