"""Published plans: what was planned for a dataset, kept as it was."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class PublishedPlan:
    """A published plan of a dataset name.

    Parameters
    ----------
    job_id
        its run; None after the run was deleted. `run_no` is its number in any case.
    first_wk_end_dt, h
        last day of its first week, and its number of weeks.
    n_items
        items with a forecast.
    forecast, final
        sums over items and weeks, in units: of the model, and of the final plan.
    is_current
        it is the newest one of its dataset name: the published plan.
    n_changes_since
        adjustments of its run, made or undone after it was published.
    """

    plan_id: int
    dataset: str
    job_id: int | None
    run_no: int
    model: str
    first_wk_end_dt: date
    h: int
    n_items: int
    forecast: float
    final: float
    published_by: str
    published_at: datetime
    is_current: bool
    n_changes_since: int
