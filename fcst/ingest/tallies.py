"""Tallies for the report, added up block by block of items: totals, gaps, outliers, weeks with a sale."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fcst.ingest.item_statistics import Statistics
from fcst.ingest.weekly_sales import Bools, Calendar, Cells, Floats, Ints, Series

MAX_LISTED = 20  # items or weeks per list
MAX_PERIODS = 120  # columns of the heatmap
MAX_CLASSES = 20_000  # families or classes that get totals
OUTLIER_LEAST_WEEKS = 13


@dataclass
class Totals:
    """(T,) sums by whole week: units, promotional units, number of active items."""

    units: Floats
    promo: Floats
    n_items: Ints


@dataclass
class Tallies:
    """Running sums over the blocks of items.

    Parameters
    ----------
    base, promo, n_existing, n_rows
        (T,) by week, partial weeks included: units without and with promotion, items with rows, rows.
    totals
        (kind, value) -> totals: `all`, each family, each class.
    gaps, outliers
        the longest gaps and largest outliers so far.
    """

    calendar: Calendar
    folder: Path
    base: Floats = field(init=False)
    promo: Floats = field(init=False)
    n_existing: Ints = field(init=False)
    n_rows: Ints = field(init=False)
    n_items_read: int = 0
    n_duplicates: int = 0
    n_items: int = 0
    first_week: int = 0
    total_units: float = 0.0
    n_missing: int = 0
    n_zero: int = 0
    n_item_weeks: int = 0
    n_gap_weeks: int = 0
    n_gap_items: int = 0
    longest_gap: int = 0
    gaps: list[tuple[int, str, int]] = field(default_factory=list)
    n_outliers: int = 0
    n_outlier_items: int = 0
    outliers: list[tuple[float, str, int, float, float]] = field(default_factory=list)
    totals: dict[tuple[str, str], Totals] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = self.calendar.n_any
        self.base, self.promo = np.zeros(n), np.zeros(n)
        self.n_existing, self.n_rows = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.first_week = self.calendar.n_weeks

    @property
    def weeks_a_period(self) -> int:
        """Whole weeks per column of the heatmap."""
        return -(-self.calendar.n_weeks // MAX_PERIODS)

    @property
    def sold_file(self) -> Path:
        """File with one byte per item and period: the number of weeks with a sale; items in processing order."""
        return self.folder / "sold"

    def add_cells(self, cells: Cells) -> None:
        """Adds the cells of some items."""
        exists = cells.n_rows > 0
        self.base += (cells.base if cells.promo is None else np.nan_to_num(cells.base)).sum(axis=0)
        if cells.promo is not None:
            self.promo += cells.promo.sum(axis=0)
        self.n_existing += exists.sum(axis=0)
        self.n_rows += cells.n_rows.sum(axis=0)
        self.n_items_read += int(exists.any(axis=1).sum())
        self.n_duplicates += cells.n_duplicates or 0

    def add_series(self, series: Series, found: Statistics) -> None:
        """Adds the series of some items."""
        if not len(series.keys):
            return
        self.n_items += len(series.keys)
        self.first_week = min(self.first_week, int(series.first.min()))
        self.n_missing += int(found.n_missing.sum())
        self.n_item_weeks += int(found.n_weeks.sum())
        self.total_units += float(series.known.sum())
        is_zero = (series.units == 0) & series.is_active
        self.n_zero += int(is_zero.sum())
        self._add_gaps(series, found, is_zero)
        self._add_outliers(series, found)
        starts = np.arange(0, self.calendar.n_weeks, self.weeks_a_period)
        sold = np.add.reduceat(series.is_sold.view(np.uint8), starts, axis=1, dtype=np.uint8)
        with self.sold_file.open("ab") as file:
            file.write(sold.tobytes())

    def _add_gaps(self, series: Series, found: Statistics, is_zero: Bools) -> None:
        """Adds the gaps: consecutive weeks with zero units before the last sale."""
        is_gap = is_zero & (np.arange(is_zero.shape[1])[None, :] < found.last_sale[:, None])
        edges = np.zeros((is_gap.shape[0], is_gap.shape[1] + 1), bool)
        edges[:, 1:] = is_gap
        is_start, is_end = is_gap & ~edges[:, :-1], is_gap.copy()
        is_end[:, :-1] &= ~is_gap[:, 1:]
        item, start = np.nonzero(is_start)
        if not len(item):
            return
        length = np.nonzero(is_end)[1] - start + 1
        self.n_gap_weeks += int(length.sum())
        self.n_gap_items += int(is_gap.any(axis=1).sum())
        self.longest_gap = max(self.longest_gap, int(length.max()))
        least = np.sort(length)[-MAX_LISTED] if len(length) > MAX_LISTED else 0
        chosen = np.flatnonzero(length >= least)
        chosen = chosen[np.argsort(-length[chosen], kind="stable")][:MAX_LISTED]
        self.gaps += [(int(length[n]), series.keys[int(item[n])].as_py(), int(start[n])) for n in chosen]
        self.gaps = sorted(self.gaps, key=lambda gap: (-gap[0], *gap[1:]))[:MAX_LISTED]

    def _add_outliers(self, series: Series, found: Statistics) -> None:
        """Adds the outliers: weeks above Tukey's outer fence, the upper quartile plus three interquartile ranges.

        Uses only weeks with a sale, of items with at least 13 such weeks. J. W. Tukey, Exploratory Data Analysis, 1977.
        """
        rows = np.flatnonzero(found.n_positive >= OUTLIER_LEAST_WEEKS)
        if not len(rows):
            return
        positive = np.where(found.is_positive[rows], series.units[rows], np.inf)
        ordered, n = np.sort(positive, axis=1), found.n_positive[rows]
        low, high = _quantile(ordered, n, 0.25), _quantile(ordered, n, 0.75)
        fence = high + 3 * (high - low)
        item, week = np.nonzero((positive > fence[:, None]) & np.isfinite(positive))
        if not len(item):
            return
        units, beyond = positive[item, week], fence[item]
        self.n_outliers += len(item)
        self.n_outlier_items += len(np.unique(item))
        ratio = units / beyond
        least = np.sort(ratio)[-MAX_LISTED] if len(ratio) > MAX_LISTED else 0
        chosen = np.flatnonzero(ratio >= least)
        chosen = chosen[np.argsort(-ratio[chosen], kind="stable")][:MAX_LISTED]
        self.outliers += [
            (float(ratio[n]), series.keys[int(rows[item[n]])].as_py(), int(week[n]), float(units[n]), float(beyond[n]))
            for n in chosen
        ]
        self.outliers = sorted(self.outliers, key=lambda found: (-found[0], *found[1:]))[:MAX_LISTED]

    def add_totals(self, series: Series, kind: str, values: pa.Array) -> None:
        """Adds the series of some items to the totals of each value of a kind, such as each family."""
        names = values.unique().to_pylist() if len(values) else []
        codes = values.dictionary_encode().indices.to_numpy(zero_copy_only=False)
        order = np.argsort(codes, kind="stable")
        starts = np.searchsorted(codes[order], np.arange(len(names)))
        is_one = len(names) == 1

        def sums(table: Any, dtype: Any) -> Any:
            if is_one:
                return table.sum(axis=0, dtype=dtype)[None, :]
            return np.add.reduceat(table[order], starts, axis=0, dtype=dtype)

        units, n_items = sums(series.known, np.float64), sums(series.is_active, np.int64)
        promo = sums(series.promo, np.float64) if series.promo is not None else np.zeros_like(units)
        for number, name in enumerate(names):
            found = self.totals.get((kind, name))
            if found is None:
                n = self.calendar.n_weeks
                found = self.totals[kind, name] = Totals(np.zeros(n), np.zeros(n), np.zeros(n, np.int64))
            found.units += units[number]
            found.promo += promo[number]
            found.n_items += n_items[number]


def _quantile(ordered: Floats, n: Ints, share: float) -> Floats:
    """(N,) the quantile of the first n values of each row, with linear interpolation."""
    place = (n - 1) * share
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, n - 1)
    row, weight = np.arange(len(n)), place - below
    return np.asarray(ordered[row, below] * (1 - weight) + ordered[row, above] * weight)
