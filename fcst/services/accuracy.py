"""How good a run's forecasts are: measured on windows of the past that the models had not seen."""

from typing import Any

import pandas as pd

from fcst.errors import InputError
from fcst.store import accuracy

BY = (*accuracy.KEYS, "horizon")
"""What accuracy can be told by."""


def list_accuracy(job: dict[str, Any], by: str = "model") -> pd.DataFrame:
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
    level = tuple(job["spec"]["level"])
    if by == "horizon":
        return accuracy.by_horizon(job["job_id"], level)
    frame = accuracy.by_key(job["job_id"], by, level)
    return frame.drop(columns="key") if by == "model" else frame.rename(columns={"key": by})


def list_candidates(job_id: int) -> pd.DataFrame:
    """The models that Auto chose among: `model, n_items, n_first, share, n_weeks, wape, bias`, the heaviest first.

    `n_items` have it in their combination, `n_first` with the largest weight; `share` is its mean weight over all items
    of Auto. WAPE and bias are its own, over the windows in which it could be fitted.
    """
    return accuracy.candidates_of_auto(job_id)


def list_item_accuracy(job: dict[str, Any], model: str) -> pd.DataFrame:
    """One model's accuracy item by item, as `list_accuracy` tells it, under `unique_id`."""
    frame = list_accuracy(job, "item").rename(columns={"item": "unique_id"})
    return frame[frame["model"] == model].reset_index(drop=True)


def list_backtests(job_id: int, model: str, unique_ids: list[str] | None = None) -> pd.DataFrame:
    """What a model said after earlier cutoffs, of the sum of these items or of all: `cutoff, wk_end_dt, y, forecast`.

    The latest cutoff first. A sum is over the items that were measured at that cutoff and week.
    """
    frame = accuracy.list_backtests(job_id, model, unique_ids)
    return frame.assign(wk_end_dt=pd.to_datetime(frame["wk_end_dt"]))


def item_provenance(job_id: int, unique_id: str) -> dict[str, Any]:
    """Where an item's forecasts come from, as `compute.forecasting` tells it; empty where it is not known."""
    row = accuracy.item_provenance(job_id, unique_id)
    return (row or {}).get("provenance") or {}
