"""Comparison of two runs, and of runs with later actual sales."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from fcst.compute import metrics
from fcst.dataset_records import NewerDataset
from fcst.job_records import Job
from fcst.services.accuracy import with_ratios
from fcst.store import comparison


@dataclass(frozen=True)
class SettingPair:
    """One setting of two runs, as text."""

    what: str
    run: str
    other: str

    @property
    def differs(self) -> bool:
        return self.run != self.other


def compare_specs(job: Job, other: Job) -> list[SettingPair]:
    """Compares dataset, items and spec of two runs."""

    def described(one: Job) -> dict[str, str]:
        spec = one.spec
        return {
            "Dataset": f"{one.dataset}, version {one.dataset_version}",
            "Last week": f"{one.last_wk_end_dt}",
            "Items": f"{one.n_items:,}",
            "Models": ", ".join(spec.models),
            "Horizon, weeks": str(spec.h),
            "Interval levels, percent": ", ".join(map(str, spec.level)) or "none",
            "Backtests": str(spec.n_windows),
        }

    of_other = described(other)
    return [SettingPair(what, run, of_other[what]) for what, run in described(job).items()]


def compare_items(
    job: Job,
    model: str,
    other: Job,
    other_model: str,
    limit: int | None = None,
    skip: int = 0,
) -> pd.DataFrame:
    """Compares the forecasts of two runs by item, in the weeks that both forecast; largest difference first.

    Returns
    -------
    DataFrame
        `unique_id, description, forecast, other, difference, change, n_weeks, n_items`: units, units, units, a
        fraction, number of common weeks, and total number of items on all pages. NaN if a run lacks the item.
    """
    frame = comparison.compare_items(job.job_id, model, other.job_id, other_model, limit, skip)
    numbers = ("forecast", "other", "difference", "change")
    return frame.assign(**{name: pd.to_numeric(frame[name]) for name in numbers})


def accuracy_on_actuals(job: Job) -> tuple[NewerDataset, pd.DataFrame] | None:
    """Accuracy of a run's forecasts against later actuals, and the dataset with these; None if there is none.

    Returns
    -------
    tuple
        the newest dataset version with later weeks, and by model `model, n_items, n_weeks, actual, forecast, wape,
        bias`, by level `coverage_80`; units and fractions.
    """
    dataset = comparison.newer_dataset(job.job_id)
    if dataset is None:
        return None
    sums = comparison.accuracy_on_actuals(job.job_id, dataset.dataset_id, tuple(job.spec.level))
    frame = with_ratios(sums).drop(columns="actual").rename(columns={"sold": "actual"})
    return dataset, frame.sort_values(["wape", "model"], na_position="last", ignore_index=True)


def newer_dataset(job: Job) -> NewerDataset | None:
    """Returns the dataset version with the latest weeks after a run's history; None if there is none."""
    return comparison.newer_dataset(job.job_id)


def compare_with_actuals(
    job: Job, model: str, other: Job, other_model: str, dataset: NewerDataset, keys: Sequence[str] | None = None
) -> pd.DataFrame:
    """Compares two runs with actuals, in the weeks that both forecast and a newer dataset version has.

    Parameters
    ----------
    keys
        one row for each of these items; None: one row for their total, with `unique_id` None.

    Returns
    -------
    DataFrame
        `unique_id, n_items, n_weeks, sold, forecast, other, wape, bias, other_wape, other_bias`; units and fractions.
        No row if there is no such week.
    """
    of_items = None if keys is None else list(keys)
    sums = comparison.compared_with_actuals(job.job_id, model, other.job_id, other_model, dataset.dataset_id, of_items)
    actual = sums["actual"].to_numpy(dtype=float)
    ratios = {
        f"{whose}{name}": ratio(sums[f"{whose}{of}"].to_numpy(dtype=float), actual)
        for whose in ("", "other_")
        for name, of, ratio in (("wape", "abs_error", metrics.wape_of), ("bias", "error", metrics.bias_of))
    }
    known = sums.astype(dict.fromkeys(("sold", "forecast", "other"), float))
    return known[["unique_id", "n_items", "n_weeks", "sold", "forecast", "other"]].assign(**ratios)


LAGS = (1, 4, 8, 13)
"""Lags in weeks: how long before a week its forecast was made."""


def accuracy_by_lag(name: str, model: str) -> pd.DataFrame:
    """Accuracy of earlier forecasts of one model by lag, against the newest version of a dataset.

    Uses the newest run of each cutoff, with the items that it shares with that version.

    Returns
    -------
    DataFrame
        `lag` (weeks), `n_runs, n_items, n_weeks` (item weeks), `sold, forecast` (units), `wape, bias` (fractions); no
        row for a lag without actuals.
    """
    return with_ratios(comparison.accuracy_by_lag(name, model, list(LAGS))).drop(columns="actual")


def value_added(job: Job, model: str, dataset: NewerDataset) -> pd.DataFrame:
    """Forecast value added by step (naive, model, adjusted), in the weeks that a newer dataset version has.

    Returns
    -------
    DataFrame
        `is_adjusted_only` (first the adjusted weeks, if any, then all), `step, n_weeks, n_items, wape, bias, fva`.
        `fva` is the reduction of the previous step's error, as a fraction of it; negative if the step adds error, NaN
        if undefined.
    """
    sums = comparison.true_value_added(job.job_id, model, dataset.dataset_id)
    frame = with_ratios(sums).drop(columns="actual")
    before = frame.groupby("is_adjusted_only")["wape"].shift()
    return frame.assign(fva=metrics.value_added(frame["wape"].to_numpy(), before.to_numpy()))
