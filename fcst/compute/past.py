"""One item's past as it was known at each cutoff: the weeks up to it, and the models fitted to them, each once.

A cutoff is a number of weeks from the start of the history: what models see is `y[:cutoff]`. Windows of the past are
HOLDOUT_WEEKS long and follow each other, so all who look back share their cutoffs, and with them the fits.
"""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fcst.compute.fits import Fits
from fcst.compute.models import AUTO_MIN_TRAINING, MAX_WEEKS
from fcst.errors import ComputeError
from fcst.names import HOLDOUT_WEEKS, SEASON_LENGTH

Array = np.ndarray

MIN_TRAINING_WEEKS = 13
"""Known weeks before a window; with fewer nothing is measured on it."""


MIN_KNOWN = 4
"""Known weeks of a window; with fewer it is not looked at."""


class Past:
    """The history of one item, to be looked at from several cutoffs.

    Parameters
    ----------
    y
        (T,) weekly units up to the last cutoff; NaN where a week is missing.
    h
        weeks ahead that are forecast from the last cutoff; from the others HOLDOUT_WEEKS are.
    tell
        is called with the name of each model before it is fitted.

    Raises
    ------
    ComputeError
        if no week is known.
    """

    def __init__(self, y: Array, h: int, tell: Callable[[str], None] = lambda name: None) -> None:
        known = np.flatnonzero(~np.isnan(y[-MAX_WEEKS:]))
        if not len(known):
            raise ComputeError(
                "No week of its history is known: all its sales were promotional and left out.",
                "Load the dataset with promotions included to forecast it.",
            )
        self.y = y[-MAX_WEEKS:][known[0] :]
        self.end = len(self.y)
        self._h, self._tell = h, tell
        self._fits: dict[tuple[int, bool], Fits] = {}

    def known(self, cutoff: int) -> Array:
        """(cutoff,) the weeks up to the cutoff, missing ones interpolated from these alone."""
        return fill_missing(self.y[:cutoff])

    def fits(self, cutoff: int, is_capped: bool = False) -> Fits:
        """The models fitted at a cutoff, to the weeks as they were or with isolated huge ones capped."""
        key = (cutoff, is_capped)
        if key not in self._fits:
            y = self.known(cutoff)
            capped = cap_spikes(y) if is_capped else y
            if is_capped and capped is y:
                self._fits[key] = self.fits(cutoff)
            else:
                self._fits[key] = Fits(capped, self._h if cutoff == self.end else HOLDOUT_WEEKS, self._tell)
        return self._fits[key]

    def windows_before(self, cutoff: int, n: int, min_training: int) -> list[int]:
        """Up to `n` cutoffs, the latest first, whose windows lie before `cutoff`, with so many weeks before them.

        A window of which hardly a week is known tells nothing, and is passed over.
        """
        cutoffs = [cutoff - HOLDOUT_WEEKS * j for j in range(1, n + 1)]
        return [c for c in cutoffs if c >= min_training and np.count_nonzero(~np.isnan(self.window(c))) >= MIN_KNOWN]

    def measured_windows(self, n: int) -> list[int]:
        """Those of the last `n` cutoffs that something can be measured after, the latest first."""
        return [
            c
            for c in self.windows_before(self.end, n, MIN_TRAINING_WEEKS)
            if np.count_nonzero(~np.isnan(self.y[:c])) >= MIN_TRAINING_WEEKS
        ]

    def window(self, cutoff: int) -> Array:
        """(HOLDOUT_WEEKS,) what came after a cutoff; NaN where a week is missing."""
        return self.y[cutoff : cutoff + HOLDOUT_WEEKS]


def fill_missing(y: Array) -> Array:
    """(T,) `y` with missing weeks interpolated; after the last known one its value. The first must be known."""
    weeks = np.flatnonzero(~np.isnan(y))
    return np.interp(np.arange(len(y)), weeks, y[weeks])


def cap_spikes(y: Array) -> Array:
    """Peaks beyond exp(3 robust deviations) times the median of the 17 weeks around are cut down to it.

    Only isolated ones: of a week or two, at the very end of one week, as two may be a new level. And only those that
    most other years do not have in the same weeks, give or take one: a season's peak is kept. `y` itself where there
    are none.
    """
    n = len(y)
    if n < AUTO_MIN_TRAINING or y.min() < 0:
        return y
    level = np.nanmedian(sliding_window_view(np.pad(y, 8, constant_values=np.nan), 17), axis=1)
    sold = (y > 0) & (level > 0)
    if sold.sum() < 12:
        return y
    above = np.zeros(n)
    above[sold] = np.log(y[sold] / level[sold])
    limit = 3 * max(1.4826 * np.median(np.abs(above[sold][-104:])), 0.2)
    out = y
    edges = np.flatnonzero(np.diff(np.r_[0, (above > limit / 2).astype(int), 0]))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        peak = above[start:end].max()
        if peak <= limit or end - start > (1 if end == n else 2):
            continue
        years = [j * SEASON_LENGTH for j in range(-(n // SEASON_LENGTH), n // SEASON_LENGTH + 1) if j]
        others = [above[max(start + j - 1, 0) : end + j + 1].max() for j in years if end + j > 0 and start + j < n]
        if not others or np.mean(np.array(others) > peak / 2) <= 0.6:
            out = out.copy() if out is y else out
            out[start:end] = np.minimum(y[start:end], level[start:end] * np.exp(limit))
    return out
