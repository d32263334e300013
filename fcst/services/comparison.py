"""Runs beside each other, and a run beside what happened since."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from fcst.compute import metrics
from fcst.dataset_records import NewerDataset
from fcst.job_records import Job
from fcst.services.accuracy import with_ratios
from fcst.store import comparison


@dataclass(frozen=True)
class AskedFor:
    """One of the things that were asked of two runs, in words."""

    what: str
    run: str
    other: str

    @property
    def differs(self) -> bool:
        return self.run != self.other


def compare_specs(job: Job, other: Job) -> list[AskedFor]:
    """What was asked of two runs."""

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
    return [AskedFor(what, run, of_other[what]) for what, run in described(job).items()]


def compare_items(
    job: Job,
    model: str,
    other: Job,
    other_model: str,
    limit: int | None = None,
    skip: int = 0,
) -> pd.DataFrame:
    """What two runs forecast of each item in the weeks that both forecast, the largest difference first.

    Returns
    -------
    DataFrame
        `unique_id, description, forecast, other, difference, change, n_weeks, n_items`: units, units, units, a
        fraction, how many weeks both forecast, and how many items there are on all pages. NaN where one of them does
        not have the item.
    """
    frame = comparison.compare_items(job.job_id, model, other.job_id, other_model, limit, skip)
    numbers = ("forecast", "other", "difference", "change")
    return frame.assign(**{name: pd.to_numeric(frame[name]) for name in numbers})


def true_accuracy(job: Job) -> tuple[NewerDataset, pd.DataFrame] | None:
    """How a run's forecasts did in the weeks that have come since, and the dataset that has them; None without one.

    Returns
    -------
    tuple
        the newest dataset of the same name that reaches further, and by model `model, n_items, n_weeks, actual,
        forecast, wape, bias`, by level `coverage_80`; units, units, fractions.
    """
    dataset = comparison.newer_dataset(job.job_id)
    if dataset is None:
        return None
    sums = comparison.true_accuracy(job.job_id, dataset.dataset_id, tuple(job.spec.level))
    frame = with_ratios(sums).drop(columns="actual").rename(columns={"sold": "actual"})
    return dataset, frame.sort_values(["wape", "model"], na_position="last", ignore_index=True)


def newer_dataset(job: Job) -> NewerDataset | None:
    """The dataset of the same name that reaches furthest beyond a run's; None if none does."""
    return comparison.newer_dataset(job.job_id)


def compare_with_actuals(
    job: Job, model: str, other: Job, other_model: str, dataset: NewerDataset, keys: Sequence[str] | None = None
) -> pd.DataFrame:
    """What two runs forecast of the weeks that both forecast and a newer dataset holds, beside what was sold.

    Parameters
    ----------
    keys
        a row for each of these items; None: one row for all together, whose `unique_id` is None.

    Returns
    -------
    DataFrame
        `unique_id, n_items, n_weeks, sold, forecast, other, wape, bias, other_wape, other_bias`; units and fractions.
        No row where there is no such week.
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
"""How many weeks before a week its forecasts are looked at."""


def accuracy_by_lag(name: str, model: str) -> pd.DataFrame:
    """How good earlier forecasts were of the weeks that the newest version of a dataset holds, by how long before.

    Of each cutoff the newest run counts, with the items that it shares with that version; of its forecasts the model's.

    Returns
    -------
    DataFrame
        `lag` (weeks before), `n_runs, n_items, n_weeks` (item weeks), `sold, forecast` (units), `wape, bias`
        (fractions); no row of a lag without a known week.
    """
    return with_ratios(comparison.accuracy_by_lag(name, model, list(LAGS))).drop(columns="actual")


def value_added(job: Job, model: str, dataset: NewerDataset) -> pd.DataFrame:
    """What each step of a forecast did to its error, in the weeks that a newer dataset holds: naive, model, adjusted.

    Returns
    -------
    DataFrame
        `is_adjusted_only` (first the weeks that were adjusted, if any, then all), `step, n_weeks, n_items, wape, bias`,
        and `fva`, the share of the error of the step before that this one takes away: negative where it adds error,
        NaN where it is not defined.
    """
    sums = comparison.true_value_added(job.job_id, model, dataset.dataset_id)
    frame = with_ratios(sums).drop(columns="actual")
    before = frame.groupby("is_adjusted_only")["wape"].shift()
    return frame.assign(fva=metrics.value_added(frame["wape"].to_numpy(), before.to_numpy()))
