"""An edited plan that comes back as a file: what of it changes the plan, what cannot be taken, and saving it."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, BinaryIO

import numpy as np

from fcst.errors import Conflict, InputError
from fcst.job_records import Job
from fcst.periods import Period, Split
from fcst.records import FloatArray
from fcst.services import adjustments, jobs
from fcst.services.adjustments import MAX_UNITS
from fcst.services.plan_layout import DECIMALS, FIXED, KEY, PlanCopy, by_span, split_of
from fcst.services.plan_sheets import Area, PlanTable, Row, open_table, unescaped
from fcst.store import datasets, plans
from fcst.store.plans import PlanNow

MAX_BAD = 1_000
"""Refused cells that are listed; all are counted."""
TOLERANCE = 0.51 * 10**-DECIMALS
MAX_SHOWN = 40  # characters of a cell in a message

_MONTH, _QUARTER = re.compile(r"\d{4}-\d{2}"), re.compile(r"\d{4}-Q[1-4]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+")
_DAY_FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%Y-%m-%d %H:%M:%S")
_MONTH_FORMATS = ("%b-%y", "%b-%Y", "%b %Y", "%m/%Y")


class Meanwhile(StrEnum):
    """What to do with cells that others have changed since the file was downloaded."""

    REFUSE = "refuse"
    KEEP = "keep"
    OVERWRITE = "overwrite"


@dataclass(frozen=True)
class CellChange:
    """A cell that changes the plan.

    Parameters
    ----------
    period
        of which it is: `2026-11-28`, `2026-11` or `2026-Q4`.
    cell
        where it stands in the file: `Plan!H17`.
    before, after
        units of the plan as it is now, and those of the file.
    changed_meanwhile
        whether the plan is not as it was when the file was downloaded.
    """

    key: str
    name: str
    period: str
    cell: str
    before: float
    after: float
    changed_meanwhile: bool = False


@dataclass(frozen=True)
class BadCell:
    """A cell that cannot be taken, and why."""

    cell: str
    why: str


@dataclass(frozen=True)
class PlanUpload:
    """What an edited file would change.

    Parameters
    ----------
    kind
        `workbook` or `CSV file`.
    n_rows, n_unchanged, n_empty
        rows of items, and cells of periods that change nothing: as they were, or empty.
    bad, n_bad
        cells that cannot be taken, up to `MAX_BAD` of them.
    remarks
        what else was noticed, in words.
    seen
        the number of the last change of the plan when it was compared.
    final
        by key of an item that changes, (W,) units by week now.
    """

    kind: str
    period: Period
    n_rows: int
    n_unchanged: int
    n_empty: int
    changes: tuple[CellChange, ...]
    bad: tuple[BadCell, ...]
    n_bad: int
    remarks: tuple[str, ...]
    seen: int
    final: Mapping[str, FloatArray]

    @property
    def n_items(self) -> int:
        return len({change.key for change in self.changes})

    @property
    def meanwhile(self) -> list[CellChange]:
        """The changes of cells that others have changed since the file was downloaded."""
        return [change for change in self.changes if change.changed_meanwhile]


def read_plan_file(job: Job, model: str, file: BinaryIO, name: str) -> PlanUpload:
    """Compares an edited plan with what was downloaded, and with the plan as it is now. Nothing is saved.

    Parameters
    ----------
    name
        what the file is called.

    Raises
    ------
    InputError
        if the file as a whole cannot be taken: it is no plan, of another run or model, or without periods.
    """
    jobs.choose_model(job, model)
    table = open_table(file, name)
    if table.copy is not None:
        _check_origin(job, model, table.copy, name)
    return _Reading(job, model, table, name).compare()


def save_plan_file(
    job: Job,
    model: str,
    upload: PlanUpload,
    reason: str,
    made_by: str = "",
    skip_bad: bool = False,
    meanwhile: Meanwhile = Meanwhile.REFUSE,
) -> int:
    """Keeps the changed cells of a file as one change of the plan; returns its id. All of them, or nothing.

    Parameters
    ----------
    skip_bad
        whether the other cells are saved where some cannot be taken.
    meanwhile
        whether cells that others have changed since the download are refused, left as they are, or overwritten.

    Raises
    ------
    InputError
        if cells cannot be taken, nothing is changed, or there is no reason or name.
    Conflict
        if others have changed the same cells since the download, or since the file was read.
    """
    if upload.n_bad and not skip_bad:
        raise InputError(
            f"{cells_in_words(upload.n_bad)} cannot be taken: {_some(upload.bad)}.", "Correct them, or leave them out."
        )
    changes = upload.changes
    if found := upload.meanwhile:
        if meanwhile == Meanwhile.REFUSE:
            cells = ", ".join(change.cell for change in found[:5]) + (" …" if len(found) > 5 else "")
            raise Conflict(
                f"Others have changed {cells_in_words(len(found))} of the file since the download: {cells}.",
                "Say whether theirs or yours count.",
            )
        if meanwhile == Meanwhile.KEEP:
            changes = tuple(change for change in changes if not change.changed_meanwhile)
    split = split_of(job, upload.period)
    units: dict[str, dict[date, float]] = {}
    for key, wanted in _by_item(changes).items():
        weeks = _weeks(split, upload.final[key], {change.period: change.after for change in wanted})
        if weeks is None:
            raise InputError(_cannot_be_met(wanted), "Correct these cells.")
        units[key] = weeks
    n_items = len(units)
    scope = f"{upload.kind}, {n_items:,} {'item' if n_items == 1 else 'items'}"
    return adjustments.set_units(job, model, units, reason, made_by, scope, upload.seen)


def cells_in_words(n: int) -> str:
    return "1 cell" if n == 1 else f"{n:,} cells"


def _some(bad: Sequence[BadCell]) -> str:
    return "; ".join(f"{one.cell}: {one.why}" for one in bad[:3]) + (" …" if len(bad) > 3 else "")


def _check_origin(job: Job, model: str, copy: PlanCopy, name: str) -> None:
    if copy.job_id != job.job_id:
        raise InputError(
            f"{name} is a plan of run {copy.job_id}, and this is run {job.job_id}.",
            f"Upload it to run {copy.job_id}, or download the plan of this run.",
        )
    if copy.model != model:
        raise InputError(
            f"{name} is a plan by {copy.model}, and this is the plan by {model}.",
            f"Choose the model {copy.model}, or download the plan by {model}.",
        )


def _by_item(changes: Sequence[CellChange]) -> dict[str, list[CellChange]]:
    found: dict[str, list[CellChange]] = {}
    for change in changes:
        found.setdefault(change.key, []).append(change)
    return found


def _weeks(split: Split, final: FloatArray, wanted: Mapping[str, float]) -> dict[date, float] | None:
    """Units by week with which the periods add up to what is wanted; None where no weeks do."""
    targets = [wanted.get(span.name) for span in split.spans]
    if split.is_weekly:
        return {week: units for week, units in zip(split.week_ends, targets, strict=True) if units is not None}
    weeks = split.weeks_for(final, targets)
    after = np.array([now if units is None else units for units, now in zip(weeks, final.tolist(), strict=True)])
    for units, target in zip(split.add_up(after).tolist(), targets, strict=True):
        if target is not None and abs(units - target) > max(TOLERANCE, 1e-9 * target):
            return None
    found = zip(split.week_ends, weeks, strict=True)
    return {week: min(units, MAX_UNITS) for week, units in found if units is not None}


def _cannot_be_met(changes: Sequence[CellChange]) -> str:
    periods = " and ".join(change.period for change in changes)
    return f"No weeks of item {changes[0].key} add up to what {periods} should have, for they share weeks."


class _Reading:
    """One file, while it is compared with the plan."""

    def __init__(self, job: Job, model: str, table: PlanTable, name: str) -> None:
        self._job, self._model, self._table, self._name = job, model, table, name
        self._bad: list[BadCell] = []
        self._n_bad = self._n_empty = self._n_unchanged = 0
        self._remarks: list[str] = []
        self._changes: list[CellChange] = []

    def compare(self) -> PlanUpload:
        key_column, columns = self._read_header()
        self._period = columns[0][1]
        self._split = split_of(self._job, self._period)
        places = {span.name: place for place, span in enumerate(self._split.spans)}
        known = [(column, places[text]) for column, _, text in columns if text in places]
        for column, _, text in columns:
            if text not in places:
                self._refuse(
                    self._table.header_row, column, f"{text} is not in this run, which is of {self._in_words()}"
                )
        seen = adjustments.last_change(self._job.job_id)  # before the plan: what changes meanwhile counts as later
        rows = list(self._rows_of_items(key_column))
        now = self._find_items([key for _, key, _ in rows])
        self._has_commas = self._table.separator in (";", "\t") and any(
            isinstance(cell, str) and _COMMA_NUMBER.fullmatch(cell.strip())
            for _, _, cells in rows
            for column, _ in known
            for cell in cells[column - 1 : column]
        )
        if self._table.copy is None:
            self._remarks.append(
                "The file does not hold what was downloaded: it is compared with the plan as it is now."
            )
        final = self._compare_rows(rows, now, key_column, known)
        if self._n_empty:
            self._remarks.append(f"Empty, so left as in the plan: {cells_in_words(self._n_empty)}.")
        return PlanUpload(
            kind="CSV file" if self._table.is_text else "workbook",
            period=self._period,
            n_rows=len(rows),
            n_unchanged=self._n_unchanged,
            n_empty=self._n_empty,
            changes=tuple(self._changes),
            bad=tuple(self._bad),
            n_bad=self._n_bad,
            remarks=tuple(self._remarks),
            seen=seen,
            final=final,
        )

    def _refuse(self, row: int, column: int, why: str) -> None:
        self._add_bad(BadCell(self._table.address(row, column), why))

    def _add_bad(self, bad: BadCell) -> None:
        self._n_bad += 1
        if len(self._bad) < MAX_BAD:
            self._bad.append(bad)

    def _in_words(self) -> str:
        spans = self._split.spans
        return f"{spans[0].name} to {spans[-1].name}" if len(spans) > 1 else spans[0].name

    def _read_header(self) -> tuple[int, list[tuple[int, Period, str]]]:
        """The column of the keys, and (column, kind, name) of those of periods, by numbers from 1.

        Raises
        ------
        InputError
            if there are several columns of keys, no period, or periods of several kinds.
        """
        keys, unknown, found = list[int](), list[str](), list[tuple[int, Period, str]]()
        for column, cell in enumerate(self._table.header, 1):
            text = str(cell).strip() if cell is not None else ""
            if text.lower() == KEY.lower():
                keys.append(column)
            elif (period := self._as_period(cell)) is not None:
                found.append((column, *period))
            elif text and text.lower() not in {name.lower() for name in FIXED}:
                unknown.append(text[:MAX_SHOWN])
        row = self._table.header_row
        if len(keys) > 1:
            cells = " and ".join(self._table.address(row, column) for column in keys)
            raise InputError(f"{self._name} has several columns {KEY!r}: {cells}.", "Keep one of them.")
        kinds = {kind for _, kind, _ in found}
        if not kinds:
            raise InputError(
                f"{self._name} has no column of a week, month or quarter.",
                "Their headers are written as 2026-11-28, 2026-11 or 2026-Q4.",
            )
        if len(kinds) > 1:
            words = " and ".join(f"{kind}s" for kind in Period if kind in kinds)
            raise InputError(f"{self._name} has {words} as columns.", "Keep the columns of one kind.")
        if unknown:
            names = ", ".join(map(repr, unknown[:5])) + (" …" if len(unknown) > 5 else "")
            self._remarks.append(f"Columns that are not read: {names}.")
        return keys[0], list(self._without_doubles(found))

    def _without_doubles(self, found: list[tuple[int, Period, str]]) -> Iterator[tuple[int, Period, str]]:
        """The columns whose header stands there once, and not in a merged cell."""
        names = Counter(text for _, _, text in found)
        row, merged = self._table.header_row, self._table.merged
        for column, kind, text in found:
            area = next((a for a in merged if _covers(a, row, column)), None)
            if area is not None:
                self._refuse(row, column, f"the header is in the merged cells {area.name}")
            elif names[text] > 1:
                self._refuse(row, column, f"{text} stands in {names[text]} columns")
            else:
                yield column, kind, text
        if all(names[text] > 1 for _, _, text in found):
            raise InputError(f"Each period stands in several columns of {self._name}.", "Keep one column of each.")

    def _as_period(self, cell: Any) -> tuple[Period, str] | None:
        """What a header says: the kind of a period and its name; None where it is none."""
        if isinstance(cell, datetime):
            cell = cell.date()
        if isinstance(cell, date):
            is_month = self._table.copy is not None and bool(_MONTH.fullmatch(self._table.copy.spans[0]))
            return (Period.MONTH, f"{cell:%Y-%m}") if is_month else (Period.WEEK, cell.isoformat())
        text = str(cell).strip() if isinstance(cell, str) else ""
        if _MONTH.fullmatch(text):
            return Period.MONTH, text
        if _QUARTER.fullmatch(text.upper()):
            return Period.QUARTER, text.upper()
        days = {day for form in _DAY_FORMATS if (day := _parse(text, form)) is not None}
        if days:
            ends = {self._job.last_wk_end_dt + timedelta(weeks=n) for n in range(1, self._job.spec.h + 1)}
            return Period.WEEK, min(days & ends or days).isoformat()  # 03/04/2026 is the week that is in the run
        months = {month for form in _MONTH_FORMATS if (month := _parse(text, form)) is not None}
        return (Period.MONTH, f"{min(months):%Y-%m}") if months else None

    def _rows_of_items(self, key_column: int) -> Iterator[tuple[int, str, Row]]:
        """(number, key, cells) of the rows that have a key."""
        for number, cells in self._table.rows:
            key = cells[key_column - 1] if len(cells) >= key_column else None
            if isinstance(key, float) and key.is_integer():
                key = int(key)
            if key is not None and str(key).strip():
                yield number, str(key), cells
            else:
                self._refuse(number, key_column, "there is no key")

    def _find_items(self, keys: list[str]) -> dict[str, tuple[str, PlanNow]]:
        """Key as it stands in the file -> the item's key, and its plan now; of those that the run has."""
        forms = {key: dict.fromkeys((key, key.strip(), unescaped(key))) for key in keys if "\0" not in key}
        found = plans.list_now(self._job, self._model, list({form for some in forms.values() for form in some}))
        shown = [key for key in forms if "'" in key and key not in found]
        harmless = datasets.find_shown_keys(self._job.dataset_id, shown) if shown else {}
        found |= plans.list_now(self._job, self._model, list(harmless.values())) if harmless else {}
        names = {
            key: next((form for form in some if form in found), harmless.get(key, "")) for key, some in forms.items()
        }
        return {key: (name, found[name]) for key, name in names.items() if name in found}

    def _compare_rows(
        self,
        rows: list[tuple[int, str, Row]],
        now: dict[str, tuple[str, PlanNow]],
        key_column: int,
        columns: list[tuple[int, int]],
    ) -> dict[str, FloatArray]:
        """Compares all rows; returns the plans of the items that change."""
        n_rows = Counter(now[key][0] if key in now else key for _, key, _ in rows)
        planned = {item: plan.final for item, plan in now.values() if plan.final is not None}
        by_item = dict(
            zip(planned, by_span(self._split, np.array(list(planned.values()))) if planned else [], strict=True)
        )
        merged = _Merged(self._table.merged)
        final: dict[str, FloatArray] = {}
        for number, key, cells in rows:
            areas = merged.at(number)
            item, plan = now.get(key, (key, None))
            if (why := self._why_not(key, item, plan, n_rows[item])) or any(
                _covers(a, number, key_column) for a in areas
            ):
                self._refuse(number, key_column, why or "the key is in merged cells")
                continue
            assert plan is not None
            changes = list(self._compare_row(number, item, plan.name, cells, columns, areas, by_item[item].tolist()))
            if not changes:
                continue
            if _weeks(self._split, planned[item], {change.period: change.after for change in changes}) is None:
                for change in changes:
                    self._add_bad(BadCell(change.cell, _cannot_be_met(changes).rstrip(".")))
                continue
            final[item] = planned[item]
            self._changes += changes
        return final

    def _why_not(self, key: str, item: str, plan: PlanNow | None, n_rows: int) -> str:
        """Why a row cannot be taken; an empty text where it can."""
        if plan is None:
            return f"run {self._job.job_id} has no item {key[:MAX_SHOWN]!r}"
        if n_rows > 1:
            return f"item {item[:MAX_SHOWN]!r} stands in {n_rows} rows"
        if plan.final is None:
            why = f": {plan.reason}" if plan.reason else ""
            return f"item {item[:MAX_SHOWN]!r} has no plan, it is {plan.outcome}{why}".rstrip(".")
        return ""

    def _compare_row(
        self,
        number: int,
        item: str,
        name: str,
        cells: Row,
        columns: list[tuple[int, int]],
        areas: list[Area],
        current: list[float],
    ) -> Iterator[CellChange]:
        """The cells of a row that change the plan of its item."""
        exported = self._exported(item)
        for column, place in columns:
            if areas and (area := next((a for a in areas if _covers(a, number, column)), None)) is not None:
                self._refuse(number, column, f"it is in the merged cells {area.name}: one value for several cells")
                continue
            if (number, column) in self._table.without_value:
                self._refuse(number, column, "its formula has no value: save the file in Excel, which computes it")
                continue
            cell = cells[column - 1] if len(cells) >= column else None
            if cell is None or cell == "":
                self._n_empty += 1
                continue
            try:
                units = self._units(cell)
            except ValueError as exc:
                self._refuse(number, column, str(exc))
                continue
            span = self._split.spans[place].name
            before = exported.get(span, current[place])
            if _is_same(units, before) or _is_same(units, current[place]):
                self._n_unchanged += 1
                continue
            is_meanwhile = not _is_same(before, current[place])
            cell_name = self._table.address(number, column)
            yield CellChange(item, name, span, cell_name, current[place], units, is_meanwhile)

    def _exported(self, item: str) -> dict[str, float]:
        """Units by period as they were downloaded; without those that are not known."""
        copy = self._table.copy
        if copy is None:
            return {}
        return dict(zip(copy.spans, copy.cells.get(item, ()), strict=False))

    def _units(self, cell: Any) -> float:
        """
        Raises
        ------
        ValueError
            that says what is wrong with a cell.
        """
        if isinstance(cell, bool):
            raise ValueError(f"it has {str(cell).upper()}, not units")
        if isinstance(cell, (date, time, timedelta)):
            raise ValueError(f"it has a date or a time, {cell}: give it the format of a number")
        if isinstance(cell, str):
            cell = self._number(cell)
        units = float(cell)
        if not math.isfinite(units):
            raise ValueError(f"it has {units}, not units")
        if units < 0:
            raise ValueError(f"it has {units:,.6g}, and units are not less than 0")
        if units > MAX_UNITS:
            raise ValueError(f"it has {units:,.6g}, and the most is {MAX_UNITS:,.0f}")
        return units

    def _number(self, text: str) -> float:
        shown, text = repr(text[:MAX_SHOWN]), text.strip()
        if text.startswith("#") and text.rstrip("!?").isupper():
            raise ValueError(f"it has the error {text[:MAX_SHOWN]}")
        if not self._table.is_text:
            raise ValueError(f"it has the text {shown}, not a number")
        if self._has_commas:
            if "." in text:
                raise ValueError(f"it has {shown}, and other cells have decimal commas: write no other sign in numbers")
            text = text.replace(",", ".")
        if not _NUMBER.fullmatch(text):
            raise ValueError(f"it has the text {shown}, not a number")
        return float(text)


def _is_same(units: float, other: float) -> bool:
    return math.isclose(units, other, rel_tol=1e-9, abs_tol=TOLERANCE)


def _covers(area: Area, row: int, column: int) -> bool:
    return area.first_row <= row <= area.last_row and area.first_column <= column <= area.last_column


class _Merged:
    """Merged areas, asked for row by row from the top."""

    def __init__(self, areas: list[Area]) -> None:
        self._waiting, self._open = list(reversed(areas)), list[Area]()

    def at(self, row: int) -> list[Area]:
        """Those that reach into a row, which is not above the one asked for before."""
        while self._waiting and self._waiting[-1].first_row <= row:
            self._open.append(self._waiting.pop())
        if self._open:
            self._open = [area for area in self._open if area.last_row >= row]
        return self._open


def _parse(text: str, form: str) -> date | None:
    try:
        return datetime.strptime(text, form).date()
    except ValueError:
        return None
