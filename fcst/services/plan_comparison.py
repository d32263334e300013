"""Comparison of an edited plan file with the current plan: changed cells and refused cells."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from fcst.errors import InputError
from fcst.job_records import Job
from fcst.periods import Period, Split
from fcst.records import FloatArray
from fcst.services import adjustments
from fcst.services.adjustments import MAX_UNITS
from fcst.services.plan_cells import COMMA_NUMBER, MAX_SHOWN, MONTH, period_in, units_in
from fcst.services.plan_layout import DECIMALS, FIXED, KEY, by_span, split_of
from fcst.services.plan_sheets import Area, PlanTable, Row, unescaped
from fcst.store import datasets, plans
from fcst.store.plans import PlanNow

MAX_BAD = 1_000
"""Limit of listed refused cells; all are counted."""
TOLERANCE = 0.51 * 10**-DECIMALS


@dataclass(frozen=True)
class CellChange:
    """A cell that changes the plan.

    Parameters
    ----------
    period
        name of the period: `2026-11-28`, `2026-11` or `2026-Q4`.
    cell
        address in the file: `Plan!H17`.
    before, after
        units in the current plan, and in the file.
    has_conflict
        whether the plan has changed since the file was downloaded.
    """

    key: str
    name: str
    period: str
    cell: str
    before: float
    after: float
    has_conflict: bool = False


@dataclass(frozen=True)
class BadCell:
    """A refused cell, and why."""

    cell: str
    why: str


@dataclass(frozen=True)
class PlanUpload:
    """Changes in an uploaded plan file, before they are saved.

    Parameters
    ----------
    kind
        `workbook` or `CSV file`.
    n_rows, n_unchanged, n_empty
        number of item rows, and of period cells without an effect: unchanged or empty.
    bad, n_bad
        refused cells, up to `MAX_BAD`, and their number.
    remarks
        further remarks for the user.
    seen
        version of the plan when it was compared, see `adjustments.last_change`.
    final
        (W,) current units by week of the items that change, by key.
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
    def conflicts(self) -> list[CellChange]:
        """Changes of cells that others have changed since the download."""
        return [change for change in self.changes if change.has_conflict]


def compare(job: Job, model: str, table: PlanTable, name: str) -> PlanUpload:
    """Compares a table with the downloaded plan and with the current plan.

    Raises
    ------
    InputError
        if the table has several key columns, no period, or periods of several kinds.
    """
    return _Comparison(job, model, table, name).compare()


def count_cells(n: int) -> str:
    """`1 cell`, `2 cells`."""
    return "1 cell" if n == 1 else f"{n:,} cells"


def weeks_for(split: Split, final: FloatArray, wanted: Mapping[str, float]) -> dict[date, float] | None:
    """Finds weekly units that add up to the `wanted` units by period; None if there are none."""
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


def unsolvable_message(changes: Sequence[CellChange]) -> str:
    """Error message for cells of an item that contradict each other."""
    periods = " and ".join(change.period for change in changes)
    return f"The units of {periods} of item {changes[0].key} contradict each other, because these periods share weeks."


class _Comparison:
    """Comparison of one file with the plan."""

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
                    self._table.header_row, column, f"{text} is not in this run, which covers {self._covered()}"
                )
        seen = adjustments.last_change(self._job.job_id)  # read before the plan: a change in between counts as later
        rows = list(self._rows_of_items(key_column))
        now = self._find_items([key for _, key, _ in rows])
        self._has_commas = self._table.separator in (";", "\t") and any(
            isinstance(cell, str) and COMMA_NUMBER.fullmatch(cell.strip())
            for _, _, cells in rows
            for column, _ in known
            for cell in cells[column - 1 : column]
        )
        if self._table.copy is None:
            self._remarks.append(
                "The file does not contain the downloaded values: it is compared with the current plan."
            )
        final = self._compare_rows(rows, now, key_column, known)
        if self._n_empty:
            self._remarks.append(f"Empty cells do not change the plan: {count_cells(self._n_empty)}.")
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

    def _covered(self) -> str:
        spans = self._split.spans
        return f"{spans[0].name} to {spans[-1].name}" if len(spans) > 1 else spans[0].name

    def _read_header(self) -> tuple[int, list[tuple[int, Period, str]]]:
        """Finds the key column, and (column, kind, name) of the period columns; columns are numbered from 1.

        Raises
        ------
        InputError
            if there are several key columns, no period, or periods of several kinds.
        """
        keys, unknown, found = list[int](), list[str](), list[tuple[int, Period, str]]()
        copy, job = self._table.copy, self._job
        is_by_month = copy is not None and MONTH.fullmatch(copy.spans[0]) is not None
        week_ends = [job.last_wk_end_dt + timedelta(weeks=step) for step in range(1, job.spec.h + 1)]
        for column, cell in enumerate(self._table.header, 1):
            text = str(cell).strip() if cell is not None else ""
            if text.lower() == KEY.lower():
                keys.append(column)
            elif (period := period_in(cell, is_by_month, week_ends)) is not None:
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
                "Write headers as 2026-11-28, 2026-11 or 2026-Q4.",
            )
        if len(kinds) > 1:
            names = " and ".join(f"{kind}s" for kind in Period if kind in kinds)
            raise InputError(f"{self._name} has {names} as columns.", "Keep the columns of one kind.")
        if unknown:
            names = ", ".join(map(repr, unknown[:5])) + (" …" if len(unknown) > 5 else "")
            self._remarks.append(f"Ignored columns: {names}.")
        return keys[0], list(self._without_duplicates(found))

    def _without_duplicates(self, found: list[tuple[int, Period, str]]) -> Iterator[tuple[int, Period, str]]:
        """Yields the columns with a unique header outside merged cells; refuses the others."""
        names = Counter(text for _, _, text in found)
        row, merged = self._table.header_row, self._table.merged
        for column, kind, text in found:
            area = next((a for a in merged if _covers(a, row, column)), None)
            if area is not None:
                self._refuse(row, column, f"the header is in the merged cells {area.name}")
            elif names[text] > 1:
                self._refuse(row, column, f"{text} occurs in {names[text]} columns")
            else:
                yield column, kind, text
        if all(names[text] > 1 for _, _, text in found):
            raise InputError(
                f"Each period occurs in several columns of {self._name}.", "Keep one column for each period."
            )

    def _rows_of_items(self, key_column: int) -> Iterator[tuple[int, str, Row]]:
        """Yields (row number, key, cells) of the rows with a key; refuses the others."""
        for number, cells in self._table.rows:
            key = cells[key_column - 1] if len(cells) >= key_column else None
            if isinstance(key, float) and key.is_integer():
                key = int(key)
            if key is not None and str(key).strip():
                yield number, str(key), cells
            else:
                self._refuse(number, key_column, "there is no key")

    def _find_items(self, keys: list[str]) -> dict[str, tuple[str, PlanNow]]:
        """Key in the file -> item key and its current plan, for keys that the run has."""
        variants = {key: dict.fromkeys((key, key.strip(), unescaped(key))) for key in keys if "\0" not in key}
        found = plans.list_now(self._job, self._model, list({variant for own in variants.values() for variant in own}))
        shown = [key for key in variants if "'" in key and key not in found]
        harmless = datasets.find_shown_keys(self._job.dataset_id, shown) if shown else {}
        found |= plans.list_now(self._job, self._model, list(harmless.values())) if harmless else {}
        names = {
            key: next((variant for variant in own if variant in found), harmless.get(key, ""))
            for key, own in variants.items()
        }
        return {key: (name, found[name]) for key, name in names.items() if name in found}

    def _compare_rows(
        self,
        rows: list[tuple[int, str, Row]],
        now: dict[str, tuple[str, PlanNow]],
        key_column: int,
        columns: list[tuple[int, int]],
    ) -> dict[str, FloatArray]:
        """Compares all rows; returns the current plans of the items that change."""
        n_rows = Counter(now[key][0] if key in now else key for _, key, _ in rows)
        planned = {item: plan.final for item, plan in now.values() if plan.final is not None}
        by_item = dict(
            zip(planned, by_span(self._split, np.array(list(planned.values()))) if planned else [], strict=True)
        )
        merged = _MergedAreas(self._table.merged)
        final: dict[str, FloatArray] = {}
        for number, key, cells in rows:
            areas = merged.at(number)
            item, plan = now.get(key, (key, None))
            if (why := self._refusal(key, item, plan, n_rows[item])) or any(
                _covers(a, number, key_column) for a in areas
            ):
                self._refuse(number, key_column, why or "the key is in merged cells")
                continue
            assert plan is not None
            changes = list(self._compare_row(number, item, plan.name, cells, columns, areas, by_item[item].tolist()))
            if not changes:
                continue
            if weeks_for(self._split, planned[item], {change.period: change.after for change in changes}) is None:
                for change in changes:
                    self._add_bad(BadCell(change.cell, unsolvable_message(changes).rstrip(".")))
                continue
            final[item] = planned[item]
            self._changes += changes
        return final

    def _refusal(self, key: str, item: str, plan: PlanNow | None, n_rows: int) -> str:
        """Returns why a row is refused; empty if it is not."""
        if plan is None:
            return f"run {self._job.job_id} has no item {key[:MAX_SHOWN]!r}"
        if n_rows > 1:
            return f"item {item[:MAX_SHOWN]!r} occurs in {n_rows} rows"
        if plan.final is None:
            why = f": {plan.reason}" if plan.reason else ""
            return f"item {item[:MAX_SHOWN]!r} has no plan because it is {plan.outcome}{why}".rstrip(".")
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
        """Yields the cells of a row that change the plan of its item."""
        exported = self._exported(item)
        for column, place in columns:
            if areas and (area := next((a for a in areas if _covers(a, number, column)), None)) is not None:
                self._refuse(number, column, f"it is in the merged cells {area.name}: one value for several cells")
                continue
            if (number, column) in self._table.without_value:
                self._refuse(number, column, "its formula has no computed value: open and save the file in Excel")
                continue
            cell = cells[column - 1] if len(cells) >= column else None
            if cell is None or cell == "":
                self._n_empty += 1
                continue
            try:
                units = units_in(cell, self._table.is_text, self._has_commas)
            except ValueError as exc:
                self._refuse(number, column, str(exc))
                continue
            span = self._split.spans[place].name
            before = exported.get(span, current[place])
            if _is_same(units, before) or _is_same(units, current[place]):
                self._n_unchanged += 1
                continue
            has_conflict = not _is_same(before, current[place])
            cell_name = self._table.address(number, column)
            yield CellChange(item, name, span, cell_name, current[place], units, has_conflict)

    def _exported(self, item: str) -> dict[str, float]:
        """Downloaded units by period; without unknown ones."""
        copy = self._table.copy
        if copy is None:
            return {}
        return dict(zip(copy.spans, copy.cells.get(item, ()), strict=False))


def _is_same(units: float, other: float) -> bool:
    return math.isclose(units, other, rel_tol=1e-9, abs_tol=TOLERANCE)


def _covers(area: Area, row: int, column: int) -> bool:
    return area.first_row <= row <= area.last_row and area.first_column <= column <= area.last_column


class _MergedAreas:
    """Merged areas by row. Rows must be queried in ascending order."""

    def __init__(self, areas: list[Area]) -> None:
        self._waiting, self._open = list(reversed(areas)), list[Area]()

    def at(self, row: int) -> list[Area]:
        """Areas that include a row; the row must not be above the previously queried one."""
        while self._waiting and self._waiting[-1].first_row <= row:
            self._open.append(self._waiting.pop())
        if self._open:
            self._open = [area for area in self._open if area.last_row >= row]
        return self._open
