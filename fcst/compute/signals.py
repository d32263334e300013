"""Level shifts in a history, a signal for planners. Letters: T weeks of history."""

import numpy as np

from fcst.names import SEASON_LENGTH
from fcst.records import FloatArray

RECENT, BEFORE = 8, 26
"""Number of recent weeks, and of weeks before them that they are compared with."""

LEAST_KNOWN = 0.75
"""Minimum share of known weeks in each of the two spans."""

DEVIATIONS = 5.0
"""Minimum size of a shift, in standard errors of the recent level."""


def level_shift(y: FloatArray) -> float | None:
    """Return the shift of the recent level from the expected one in units per week; None if it is not significant.

    The expected level is that of the weeks before, times the seasonal change a year ago, if known. The standard error
    comes from the weeks before, around their median, robust to single peaks.

    Parameters
    ----------
    y
        (T,) units by week; NaN is a missing week.
    """
    n = len(y)
    if n < RECENT + BEFORE:
        return None
    recent, before = y[n - RECENT :], y[n - RECENT - BEFORE : n - RECENT]
    if _share_known(recent) < LEAST_KNOWN or _share_known(before) < LEAST_KNOWN:
        return None
    expected = float(np.nanmean(before)) * _season(y)
    shift = float(np.nanmean(recent)) - expected
    around = np.abs(before - np.nanmedian(before))
    spread = max(1.4826 * float(np.nanmedian(around)), 0.5 * float(np.nanstd(before)))
    return shift if abs(shift) > DEVIATIONS * max(spread, np.sqrt(max(expected, 1.0))) / np.sqrt(RECENT) else None


def _season(y: FloatArray) -> float:
    """Return the level of the same weeks a year ago ÷ the level of the weeks before those; 1 if unknown."""
    end = len(y) - SEASON_LENGTH
    if end < RECENT + BEFORE:
        return 1.0
    recent, before = y[end - RECENT : end], y[end - RECENT - BEFORE : end - RECENT]
    if _share_known(recent) < LEAST_KNOWN or _share_known(before) < LEAST_KNOWN or np.nanmean(before) <= 0:
        return 1.0
    return max(float(np.nanmean(recent) / np.nanmean(before)), 0.0)


def _share_known(y: FloatArray) -> float:
    return float(np.mean(~np.isnan(y)))
