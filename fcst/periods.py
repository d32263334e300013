"""Weeks as months and quarters: a week that reaches into two of them is split by days. The same weeks of last year."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import numpy as np

from fcst.names import SEASON_LENGTH
from fcst.records import FloatArray


class Period(StrEnum):
    """What weeks are added up to."""

    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"


@dataclass(frozen=True)
class Span:
    """A week, month or quarter, with the weeks that reach into it.

    Parameters
    ----------
    name
        as addresses and files have it: `2026-11-28` (the week's last day), `2026-11`, `2026-Q4`.
    first, last
        its first and last day.
    n_days
        of its days, how many the weeks cover.
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
    """Weeks by spans.

    Parameters
    ----------
    week_ends
        the last day of each of the W weeks.
    shares
        (S, W) which part of each week lies in which span; each week's parts add up to 1.
    """

    week_ends: tuple[date, ...]
    spans: tuple[Span, ...]
    shares: FloatArray

    @property
    def is_weekly(self) -> bool:
        """Whether each span is one week."""
        return tuple(span.last for span in self.spans) == self.week_ends

    def add_up(self, weekly: FloatArray) -> FloatArray:
        """(S,) units by span of (W,) units by week; NaN where a week that reaches into the span is not known."""
        return np.array([float(np.sum(weekly[part > 0] * part[part > 0])) for part in self.shares])

    def weeks_for(self, weekly: FloatArray, wanted: Sequence[float | None]) -> list[float | None]:
        """(W,) units by week with which the spans add up to the units wanted; None where no wanted span reaches.

        Each week changes in proportion to its units and to its part in the span; the weeks of a span without units
        change evenly. So a span that is not wanted changes only by the weeks that it shares with one that is. Where
        weeks without units are not enough, those that are shared have less too. Spans that share a week may not have
        such weeks: then they add up to what is nearest.

        Parameters
        ----------
        weekly
            (W,) units by week now.
        wanted
            (S,) units by span; None leaves a span as it is.
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
    """The spans that some weeks, each by its last day, reach into, in order."""
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
    """(h,) units of the weeks 52 weeks before the next h, of the last known year; NaN where they are not known.

    Parameters
    ----------
    units
        (T,) by week, until the last known week.
    """
    last_year = np.concatenate([np.full(SEASON_LENGTH, np.nan), units])[-SEASON_LENGTH:]
    return np.resize(last_year, h)  # repeats it where h is more than a year
