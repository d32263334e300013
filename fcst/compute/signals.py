"""What in a history needs a planner's attention: a shift of the level, capped weeks.

Letters: T weeks of history.
"""

import numpy as np

from fcst.names import SEASON_LENGTH
from fcst.records import FloatArray

RECENT, BEFORE = 8, 26
"""Weeks whose level is looked at, and weeks before them that it is compared with."""

LEAST_KNOWN = 0.75
"""Share of weeks of each that must be known."""

DEVIATIONS = 5.0
"""A shift is one from so many standard errors of the recent level on."""


def level_shift(y: FloatArray) -> float | None:
    """By how many units a week the level of the last weeks differs from the one expected; None where it does not.

    Expected is the level of the weeks before, times what followed in the same weeks a year before, where that is known
    and was sold. The standard error is that of the weeks before around their own median, robust to single peaks.

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
    """What the level of the same weeks a year before was, by that of the weeks before them; 1 where not known."""
    end = len(y) - SEASON_LENGTH
    if end < RECENT + BEFORE:
        return 1.0
    recent, before = y[end - RECENT : end], y[end - RECENT - BEFORE : end - RECENT]
    if _share_known(recent) < LEAST_KNOWN or _share_known(before) < LEAST_KNOWN or np.nanmean(before) <= 0:
        return 1.0
    return max(float(np.nanmean(recent) / np.nanmean(before)), 0.0)


def _share_known(y: FloatArray) -> float:
    return float(np.mean(~np.isnan(y)))
