"""How good a run's forecasts are: measured on windows of the past that the models had not seen."""

from typing import Any

import pandas as pd

from fcst.errors import InputError
from fcst.filters import EVERY, RunFilter, only
from fcst.job_records import Job
from fcst.store import accuracy

BY = (*accuracy.KEYS, "horizon")
"""What accuracy can be told by."""


def list_accuracy(job: Job, by: str = "model") -> pd.DataFrame:
    """The accuracy of a run's models and of the yardsticks; undefined is NaN or None.

    Parameters
    ----------
    by
        `model`: one row a model, over all items. `item`, `family`, `demand_class`, `window` (its cutoff): one a model
        and key. `horizon`: one a model and step, weeks ahead, with fewer columns.

    Returns
    -------
    DataFrame
        `model, key, n_items, n_windows, n_weeks, n_fallback, n_unsold, n_unscaled, actual, wape, bias, smape, mase,
        rmsse, scaled_crps`, by level `coverage_80, width_80, msis_80`, then `fva_seasonal_naive, fva_naive`; fractions,
        but `actual` and widths, which are units. `n_unsold` windows have no WAPE and `n_unscaled` no scaled error.
        By horizon `model, step, n_weeks, wape, bias, coverage_80, …`.

    Raises
    ------
    InputError
        if it cannot be told by that.
    """
    if by not in BY:
        raise InputError(f"Accuracy is not told by {by!r}.", f"Choose among {', '.join(BY)}.")
    level = tuple(job.spec.level)
    if by == "horizon":
        return accuracy.by_horizon(job.job_id, level)
    frame = accuracy.by_key(job, by)
    return frame.drop(columns="key") if by == "model" else frame.rename(columns={"key": by})


def list_candidates(job_id: int) -> pd.DataFrame:
    """The models that Auto chose among: `model, n_items, n_first, share, n_weeks, wape, bias`, the heaviest first.

    `n_items` have it in their combination, `n_first` with the largest weight; `share` is its mean weight over all items
    of Auto. WAPE and bias are its own, over the windows in which it could be fitted.
    """
    return accuracy.candidates_of_auto(job_id)


def list_extreme_items(job: Job, model: str, is_worst: bool, n_items: int) -> pd.DataFrame:
    """The items whose forecast by one model was nearest, or farthest, by WAPE; as `list_accuracy` tells of them, under
    `unique_id`."""
    keys = accuracy.rank_items(job.job_id, model, is_worst, n_items)
    frame = accuracy.by_key(job, "item", only(*keys)).rename(columns={"key": "unique_id"})
    return frame[frame["model"] == model].set_index("unique_id").reindex(keys).reset_index()


def count_items_by_error(job_id: int, model: str) -> list[int]:
    """How many items have a WAPE of one model below 10 percent, below 20, and so on; the last of 190 and more."""
    counts = accuracy.distribution(job_id, model)
    return [counts.get(tenth, 0) for tenth in range(20)]


def list_backtests(job: Job, model: str, which: RunFilter = EVERY) -> pd.DataFrame:
    """What a model said after earlier cutoffs, of the sum of the items that match: `cutoff, wk_end_dt, y, forecast`.

    The latest cutoff first. A sum is over the items that were measured at that cutoff and week.
    """
    frame = accuracy.list_backtests(job, model, which)
    return frame.assign(wk_end_dt=pd.to_datetime(frame["wk_end_dt"]))


def item_provenance(job_id: int, unique_id: str) -> dict[str, Any]:
    """Where an item's forecasts come from, as `compute.forecasting` tells it; empty where it is not known."""
    row = accuracy.item_provenance(job_id, unique_id)
    return (row or {}).get("provenance") or {}
