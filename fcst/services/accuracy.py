"""Accuracy of a run's forecasts, measured in backtests."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fcst.compute.aggregation import ErrorCorrelation, shrink_correlation
from fcst.compute.metrics import bias_of, mean_of, scaled_crps_of, value_added, wape_of
from fcst.errors import InputError
from fcst.filters import ALL_RUN_ITEMS, RunFilter, by_keys
from fcst.job_records import Job
from fcst.names import HOLDOUT_WEEKS
from fcst.records import BacktestBlock, FloatArray, Histogram
from fcst.store import accuracy

BY = (*accuracy.KEYS, "horizon")
"""Groupings of `list_accuracy`."""


def list_accuracy(job: Job, by: str = "model") -> pd.DataFrame:
    """Accuracy of a run's models and of the benchmark models; undefined values are NaN or None.

    Parameters
    ----------
    by
        `model`: one row per model, over all items. `item`, `family`, `demand_class`, `window` (by cutoff): one per
        model and key. `horizon`: one per model and step (weeks ahead), with fewer columns.

    Returns
    -------
    DataFrame
        `model, key, n_items, n_windows, n_weeks, n_fallback, n_unsold, n_unscaled, actual, wape, bias, smape, mase,
        rmsse, scaled_crps`, by level `coverage_80, width_80, msis_80`, then `fva_seasonal_naive, fva_naive`; fractions,
        except `actual` and widths, which are units. `n_unsold` windows have no WAPE and `n_unscaled` no scaled error.
        By horizon `model, step, n_weeks, wape, bias, coverage_80, …`.

    Raises
    ------
    InputError
        if the grouping is unknown.
    """
    if by not in BY:
        raise InputError(f"Unknown grouping {by!r}.", f"Choose one of {', '.join(BY)}.")
    if by == accuracy.HORIZON:
        return _by_horizon(job)
    frame = measure(job, by)
    return frame.drop(columns="key") if by == "model" else frame.rename(columns={"key": by})


def measure(job: Job, by: str, which: RunFilter = ALL_RUN_ITEMS, model: str = "") -> pd.DataFrame:
    """Accuracy of a run's models over the items that match, with the columns of `list_accuracy` and the group in `key`.

    Sorted by key, then WAPE. All groupings except `horizon`.

    Parameters
    ----------
    model
        items are filtered by the forecasts of this model.
    """
    sums = accuracy.sums_by_key(job, by, which, model).sort_values(["key", "model"], ignore_index=True)
    of = {name: _floats(sums, name) for name in sums if name not in ("model", "key")}
    means = {name: mean_of(of[name], of[f"n_{name}"]) for name in ("smape", "mase", "rmsse")}
    by_level = {}
    for p in job.spec.level:
        by_level[f"coverage_{p}"] = mean_of(of[f"covered_{p}"], of[f"level_weeks_{p}"])
        by_level[f"width_{p}"] = mean_of(of[f"width_{p}"], of[f"level_weeks_{p}"])
        by_level[f"msis_{p}"] = mean_of(of[f"msis_{p}"], of[f"n_msis_{p}"])
    crps = scaled_crps_of(of["pinball"], of["pinball_actual"])
    added = {f"fva_{name}": value_added(of[f"beside_{name}"], of[name]) for name in ("seasonal_naive", "naive")}
    place = pd.factorize(sums["key"], use_na_sentinel=False)[0]
    frame = with_ratios(sums).assign(**means, scaled_crps=crps, **by_level, **added, place=place)
    frame = frame.sort_values(["place", "wape", "model"], na_position="last", ignore_index=True)
    if by == "model":
        frame["key"] = None
    elif by == "window":
        frame["key"] = pd.to_datetime(frame["key"]).dt.date
    return frame[[*_COLUMNS, *by_level, *added]].astype(dict.fromkeys(_COUNTS, int))


def _by_horizon(job: Job) -> pd.DataFrame:
    sums = accuracy.sums_by_key(job, accuracy.HORIZON)
    coverage = {
        f"coverage_{p}": mean_of(_floats(sums, f"covered_{p}"), _floats(sums, f"level_weeks_{p}"))
        for p in job.spec.level
    }
    frame = with_ratios(sums).assign(step=sums["key"].astype(int), **coverage).astype({"n_weeks": int})
    frame = frame.sort_values(["model", "step"], ignore_index=True)
    return frame[["model", "step", "n_weeks", "wape", "bias", *coverage]]


_COUNTS = "n_items n_windows n_weeks n_fallback n_unsold n_unscaled".split()
_COLUMNS = ("model", "key", *_COUNTS, *"actual wape bias smape mase rmsse scaled_crps".split())


def with_ratios(sums: pd.DataFrame) -> pd.DataFrame:
    """Replaces the sums `abs_error, error` with `wape, bias`, placed after `actual`, the denominator.

    Sums are Σ|ŷ − y|, Σ(ŷ − y) and Σ|y| over known weeks, in units.
    """
    actual = _floats(sums, "actual")
    ratios = {"wape": wape_of(_floats(sums, "abs_error"), actual), "bias": bias_of(_floats(sums, "error"), actual)}
    names = [name for name in sums if name not in ("abs_error", "error")]
    place = names.index("actual") + 1
    return sums.assign(**ratios)[[*names[:place], *ratios, *names[place:]]]


def _floats(frame: pd.DataFrame, column: str) -> FloatArray:
    values: FloatArray = frame[column].to_numpy(dtype=float)
    return values


def list_candidates(job_id: int) -> pd.DataFrame:
    """Candidates of Auto: `model, n_items, n_first, share, n_weeks, wape, bias`, largest share first.

    `n_items`: items whose combination has the candidate; `n_first`: those where it has the largest weight. `share`: its
    mean weight over all items of Auto. WAPE and bias of the candidate are over the windows where it could be fitted.
    """
    return with_ratios(accuracy.candidates_of_auto(job_id)).drop(columns="actual")


def list_extreme_items(job: Job, model: str, is_worst: bool, n_items: int) -> pd.DataFrame:
    """Items with the largest error of one model, or, if not `is_worst`, with its largest error reduction against the
    benchmark model; both in units.

    Returns
    -------
    DataFrame
        columns of `list_accuracy`, with `unique_id`, and `description, abs_error, gained` in units.
    """
    ranked = accuracy.rank_items(job, model, is_worst, n_items).set_index("unique_id")
    frame = measure(job, "item", by_keys(*ranked.index)).rename(columns={"key": "unique_id"})
    own = frame[frame["model"] == model].set_index("unique_id").reindex(ranked.index)
    return own.join(ranked).reset_index()


SHARE_IN_BINS = 0.95
MOST_BINS = 20
_WIDTHS = tuple(step * 10.0**power for power in range(-4, 7) for step in (1, 2, 2.5, 5))
"""Round bin widths, as fractions: 0.01 %, 0.02 %, …"""


def count_items_by_error(job_id: int, model: str) -> Histogram:
    """Histogram of item WAPEs of one model: up to 20 bins that hold 95 % of the items."""
    n_items, least, most = accuracy.range_of_errors(job_id, model, SHARE_IN_BINS)
    if not n_items:
        return Histogram(0.0, _WIDTHS[0], (), 0)
    for width in _WIDTHS:
        first_bin, last_bin = (int(np.floor(bound / width + 1e-9)) for bound in (least, most))
        if last_bin - first_bin < MOST_BINS:
            break
    n_bins = last_bin - first_bin + 1
    counts = accuracy.distribution(job_id, model, width, first_bin, n_bins)
    return Histogram(
        first_bin * width, width, tuple(counts.get(place, 0) for place in range(n_bins)), counts.get(n_bins, 0)
    )


def list_backtests(job: Job, model: str, which: RunFilter = ALL_RUN_ITEMS) -> pd.DataFrame:
    """Backtest forecasts of a model, summed over the items that match.

    Returns
    -------
    DataFrame
        `cutoff, wk_end_dt, n_items, y, forecast`, latest cutoff first; sums over the `n_items` with a known actual in
        that week.
    """
    n_windows = job.spec.n_windows
    sums = np.zeros((3, n_windows, HOLDOUT_WEEKS))  # items, actual units, forecast

    def add(block: BacktestBlock) -> None:
        windows, is_known = _windows(job, block), ~np.isnan(block.actual)
        for window in range(n_windows):
            of_rows = is_known & (windows == window)[:, None]
            sums[0, window] += of_rows.sum(axis=0)
            for place, units in enumerate((block.actual, block.forecast), 1):
                sums[place, window] += units.sum(axis=0, where=of_rows)

    accuracy.read_backtests(job, model, which, add)
    window, step = np.nonzero(sums[0])
    n_items, y, forecast = sums[:, window, step]
    last = pd.Timestamp(job.last_wk_end_dt)
    cutoff = last - pd.to_timedelta(7 * HOLDOUT_WEEKS * (window + 1), "D")
    return pd.DataFrame(
        {
            "cutoff": cutoff.date,
            "wk_end_dt": cutoff + pd.to_timedelta(7 * (step + 1), "D"),
            "n_items": n_items.astype(int),
            "y": y,
            "forecast": forecast,
        }
    )


def error_correlation(job: Job, model: str) -> tuple[float, bool]:
    """Correlation of the item errors of a run, from 0 (independent) to 1 (identical), and whether it was measured.

    Measured in the backtest windows of all items, and shrunk towards a prior because there are few windows.
    """
    n_windows = job.spec.n_windows
    measured = ErrorCorrelation(n_windows, HOLDOUT_WEEKS)

    def add(block: BacktestBlock) -> None:
        is_first = np.diff(block.item, prepend=block.item[0] - 1) != 0
        errors = np.full((np.count_nonzero(is_first), n_windows, HOLDOUT_WEEKS), np.nan)
        errors[np.cumsum(is_first) - 1, _windows(job, block)] = block.forecast - block.actual
        measured.add(errors)

    accuracy.read_backtests(job, model, ALL_RUN_ITEMS, add)
    correlation = measured.correlation
    return shrink_correlation(correlation, measured.n_windows), not np.isnan(correlation)


def _windows(job: Job, block: BacktestBlock) -> npt.NDArray[np.int64]:
    """(R,) window of each row: 0 is the latest."""
    last = np.array(job.last_wk_end_dt, "datetime64[D]")
    return (last - block.cutoff).astype(np.int64) // (7 * HOLDOUT_WEEKS) - 1


def item_provenance(job_id: int, unique_id: str) -> dict[str, Any]:
    """Provenance of an item's forecasts, as stored by `compute.forecasting`; empty if unknown."""
    row = accuracy.item_provenance(job_id, unique_id)
    return (row or {}).get("provenance") or {}
