"""Aggregation of weeks to months and quarters, splitting weeks by days; and the same weeks of last year."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import numpy as np

from fcst.names import SEASON_LENGTH
from fcst.records import FloatArray


class Period(StrEnum):
    """Period that weeks are aggregated to."""

    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"


@dataclass(frozen=True)
class Span:
    """A week, month or quarter.

    Parameters
    ----------
    name
        name in URLs and files: `2026-11-28` (last day of the week), `2026-11`, `2026-Q4`.
    first, last
        its first and last day.
    n_days
        number of its days that the weeks cover.
    """

    name: str
    first: date
    last: date
    n_days: int

    @property
    def is_whole(self) -> bool:
        """Whether the weeks cover all its days."""
        return self.n_days == (self.last - self.first).days + 1


@dataclass(frozen=True)
class Split:
    """Division of weeks into spans.

    Parameters
    ----------
    week_ends
        last days of the W weeks.
    shares
        (S, W) fraction of each week in each span; fractions of a week sum to 1.
    """

    week_ends: tuple[date, ...]
    spans: tuple[Span, ...]
    shares: FloatArray

    @property
    def is_weekly(self) -> bool:
        """Whether each span is one week."""
        return tuple(span.last for span in self.spans) == self.week_ends

    def add_up(self, weekly: FloatArray) -> FloatArray:
        """(S,) units by span from (W,) units by week; NaN if a week of the span is unknown."""
        return np.array([float(np.sum(weekly[part > 0] * part[part > 0])) for part in self.shares])

    def weeks_for(self, weekly: FloatArray, wanted: Sequence[float | None]) -> list[float | None]:
        """(W,) units by week so that spans sum to the wanted units; None for weeks outside the wanted spans.

        Each week changes in proportion to its units and to its fraction in the span. The weeks of a span without units
        change equally. A span without a wanted value changes only through weeks shared with one that has a value.
        Units do not become negative. If spans that share weeks cannot reach their values, the nearest solution is used.

        Parameters
        ----------
        weekly
            (W,) current units by week.
        wanted
            (S,) units by span; None does not change a span.
        """
        now = self.add_up(weekly)
        places = [place for place, target in enumerate(wanted) if target is not None]
        parts = self.shares[places]
        is_touched = np.any(parts > 0, axis=0).tolist()
        is_empty = np.any(parts[now[places] <= 0] > 0, axis=0)
        weights = np.where(is_empty, 1.0, weekly)
        targets, found = np.array([target for target in wanted if target is not None]), weekly
        for _ in weekly:
            factors, *_ = np.linalg.lstsq((parts * weights) @ parts.T, targets - parts @ found)
            found = found + weights * (factors @ parts)
            if np.all(found >= 0):
                break
            weights = np.where(found > 0, weights, 0.0)
            found = np.maximum(found, 0.0)
        return [float(units) if touched else None for units, touched in zip(found, is_touched, strict=True)]


def split_weeks(week_ends: Sequence[date], period: Period) -> Split:
    """Divide weeks, given by their last days, into spans of a period, in order."""
    days: dict[str, tuple[date, date]] = {}
    counts: dict[tuple[str, int], int] = {}
    for number, end in enumerate(week_ends):
        for ago in range(6, -1, -1):
            name, first, last = _span(end - timedelta(days=ago), end, period)
            days[name] = first, last
            counts[name, number] = counts.get((name, number), 0) + 1
    shares = np.zeros((len(days), len(week_ends)))
    for place, name in enumerate(days):
        for number in range(len(week_ends)):
            shares[place, number] = counts.get((name, number), 0) / 7
    spans = tuple(
        Span(name, first, last, round(7 * float(part.sum())))
        for (name, (first, last)), part in zip(days.items(), shares, strict=True)
    )
    return Split(tuple(week_ends), spans, shares)


def _span(day: date, week_end: date, period: Period) -> tuple[str, date, date]:
    if period == Period.WEEK:
        return week_end.isoformat(), week_end - timedelta(days=6), week_end
    if period == Period.MONTH:
        first = day.replace(day=1)
        return f"{day:%Y-%m}", first, _next_month(first) - timedelta(days=1)
    first = date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)
    last = _next_month(first.replace(month=first.month + 2)) - timedelta(days=1)
    return f"{day.year}-Q{(day.month - 1) // 3 + 1}", first, last


def _next_month(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)


def same_weeks_last_year(units: FloatArray, h: int) -> FloatArray:
    """(h,) units 52 weeks before each of the next h weeks; NaN where unknown.

    Parameters
    ----------
    units
        (T,) by week, up to the last known week.
    """
    last_year = np.concatenate([np.full(SEASON_LENGTH, np.nan), units])[-SEASON_LENGTH:]
    return np.resize(last_year, h)  # repeats the year if h is longer
