"""What plans look like in files: one row an item, one column a week, month or quarter. Written and read back by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from fcst.job_records import Job
from fcst.periods import Period, Split, split_weeks
from fcst.records import FloatArray

PLAN_SHEET = "Plan"
COPY_SHEET = "fcst"
"""It is hidden, and holds what was downloaded, so that what was edited can be told from what others have changed."""

KEY, NAME, FAMILY, LAST_YEAR, FORECAST, FINAL = FIXED = "Key", "Name", "Family", "Last year", "Forecast", "Final plan"
"""The columns before those of the periods; only the key is read back."""

DECIMALS = 4
PLAN_FORMATS = ("xlsx", "csv")
"""What plans are given away as, and read back from."""


@dataclass(frozen=True)
class PlanCopy:
    """What a workbook was downloaded with.

    Parameters
    ----------
    spans
        the periods of its cells by their names: `2026-11-28`, `2026-11`, `2026-Q4`.
    cells
        by key, the units of each period.
    """

    job_id: int
    model: str
    spans: tuple[str, ...]
    cells: Mapping[str, Sequence[float]]


def split_of(job: Job, period: Period) -> Split:
    """The weeks that a run forecasts, by week, month or quarter."""
    return split_weeks([job.last_wk_end_dt + timedelta(weeks=n) for n in range(1, job.spec.h + 1)], period)


def by_span(split: Split, weekly: FloatArray) -> FloatArray:
    """(N, S) units by span of (N, W) units by week, rounded; NaN where a week that reaches into it is not known."""
    if split.is_weekly:
        sums = weekly
    else:
        is_unknown = np.isnan(weekly).astype(float) @ split.shares.T > 0
        sums = np.where(is_unknown, np.nan, np.nan_to_num(weekly) @ split.shares.T)
    rounded: FloatArray = np.round(sums, DECIMALS)
    return rounded
