"""Layout of plan files, for writing and reading: one row per item, one column per week, month or quarter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from fcst.job_records import Job
from fcst.periods import Period, Split, split_weeks
from fcst.records import FloatArray

PLAN_SHEET = "Plan"
COPY_SHEET = "fcst"
"""Hidden sheet with the downloaded values, to distinguish edits in the file from later changes by others."""

KEY, NAME, FAMILY, LAST_YEAR, FORECAST, FINAL = FIXED = "Key", "Name", "Family", "Last year", "Forecast", "Final plan"
"""Columns before the period columns; only the key is read back."""

DECIMALS = 4
"""File formats of plans, for download and upload."""


@dataclass(frozen=True)
class PlanCopy:
    """The values of a plan at its download.

    Parameters
    ----------
    spans
        names of the periods: `2026-11-28`, `2026-11`, `2026-Q4`.
    cells
        units of each period, by item key.
    """

    job_id: int
    model: str
    spans: tuple[str, ...]
    cells: Mapping[str, Sequence[float]]


def split_of(job: Job, period: Period) -> Split:
    """Splits the forecast weeks of a run by week, month or quarter."""
    return split_weeks([job.last_wk_end_dt + timedelta(weeks=n) for n in range(1, job.spec.h + 1)], period)


def by_span(split: Split, weekly: FloatArray) -> FloatArray:
    """Converts (N, W) units by week to (N, S) rounded units by span; NaN if any week of the span is unknown."""
    if split.is_weekly:
        sums = weekly
    else:
        is_unknown = np.isnan(weekly).astype(float) @ split.shares.T > 0
        sums = np.where(is_unknown, np.nan, np.nan_to_num(weekly) @ split.shares.T)
    rounded: FloatArray = np.round(sums, DECIMALS)
    return rounded
