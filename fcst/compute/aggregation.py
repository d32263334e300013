"""The forecast of a sum of items, with its interval, and the correlation of errors that the interval depends on.

Both are accumulators: blocks of items are added one after the other, in memory that does not grow with the items.
Letters: N items of a block, H steps, L interval levels, W backtest windows.
"""

from dataclasses import dataclass

import numpy as np

from fcst.records import FloatArray

USUAL_CORRELATION = 0.3
"""Of items' errors; chosen by backtest on several sets, where it covered sums of 20 and of all items best."""


@dataclass(frozen=True)
class Total:
    """The forecast of a sum of items.

    Parameters
    ----------
    mean
        (H,) expected units.
    lo, hi
        (L, H) bounds; the lower ones are not negative.
    n_items
        items in the sum.
    """

    mean: FloatArray
    lo: FloatArray
    hi: FloatArray
    n_items: int


def combined(distances: FloatArray, squares: FloatArray, correlation: float) -> FloatArray:
    """The distance of a bound of a sum from its forecast, by those d of its items: √((1 − c) Σd² + c (Σd)²).

    Parameters
    ----------
    distances, squares
        Σd and Σd², of the same shape.
    correlation
        c, of the items' errors, from 0 (each errs by itself) to 1 (all err alike).
    """
    reach: FloatArray = np.sqrt((1 - correlation) * squares + correlation * distances**2)
    return reach


class ForecastSum:
    """Adds up forecasts of items.

    By step and level, the distances d of the items' bounds from their forecasts add up to √((1 − c) Σd² + c (Σd)²),
    where c, the correlation of their errors, is from 0 (each item errs by itself) to 1 (all err alike).

    Parameters
    ----------
    h, n_levels
        H and L.

    Attributes
    ----------
    n_items
        items added so far.
    """

    def __init__(self, h: int, n_levels: int) -> None:
        self.n_items = 0
        self._mean = np.zeros(h)
        self._distances = np.zeros((2, n_levels, h))  # Σd downwards and upwards
        self._squares = np.zeros((2, n_levels, h))  # Σd²

    def add(self, mean: FloatArray, lo: FloatArray, hi: FloatArray) -> None:
        """Adds a block of items.

        Parameters
        ----------
        mean
            (N, H) forecasts, all known.
        lo, hi
            (N, L, H) bounds, in the same order of levels in each block.
        """
        for side, distances in enumerate((mean[:, None] - lo, hi - mean[:, None])):
            self._distances[side] += distances.sum(axis=0)
            self._squares[side] += np.square(distances, out=distances).sum(axis=0)
        self._mean += mean.sum(axis=0)
        self.n_items += len(mean)

    def total(self, correlation: float) -> Total:
        """The forecast of the sum of all items added so far, by the correlation of their errors, from 0 to 1."""
        down, up = combined(self._distances, self._squares, correlation)
        lo, hi = np.maximum(self._mean - down, 0.0), self._mean + up
        return Total(self._mean.copy(), lo, hi, self.n_items)


class ErrorCorrelation:
    """Measures how much items err together, from their errors in backtests.

    An item's expected squared error s² is the mean of its squared errors. The squared error of the sum is about Σs²
    where items err by themselves, and (Σs)² where all err alike. The correlation is the excess of the squared error
    over Σs², as a share of (Σs)² − Σs², both averaged over the weeks of all windows.

    Parameters
    ----------
    n_windows, h
        W and H.
    """

    def __init__(self, n_windows: int, h: int) -> None:
        self._errors = np.zeros((n_windows, h))  # Σ error
        self._apart = np.zeros((n_windows, h))  # Σ s²
        self._sizes = np.zeros((n_windows, h))  # Σ s
        self._is_known = np.zeros((n_windows, h), bool)

    def add(self, errors: FloatArray) -> None:
        """Adds a block of items.

        Parameters
        ----------
        errors
            (N, W, H) forecast − actual, the same window at the same place for all items; NaN where a week is missing or
            an item has no such window.
        """
        is_known = ~np.isnan(errors)
        known = np.where(is_known, errors, 0.0)
        n_known = is_known.sum(axis=(1, 2))
        squares = np.square(known).sum(axis=(1, 2)) / np.maximum(n_known, 1)
        self._errors += known.sum(axis=0)
        self._apart += np.tensordot(squares, is_known, axes=1)
        self._sizes += np.tensordot(np.sqrt(squares), is_known, axes=1)
        self._is_known |= is_known.any(axis=0)

    @property
    def n_windows(self) -> int:
        """Windows in which a week of an item is known."""
        return int(self._is_known.any(axis=1).sum())

    @property
    def correlation(self) -> float:
        """The correlation: about 0 to 1, beyond which chance may take it; NaN for one item, or where none errs."""
        alike, apart = self._sizes[self._is_known] ** 2, self._apart[self._is_known]
        if not alike.size or (alike - apart).mean() <= 1e-12 * alike.mean():
            return float("nan")
        return float((self._errors[self._is_known] ** 2 - apart).mean() / (alike - apart).mean())


def shrunk_correlation(measured: float, n_windows: int) -> float:
    """A measured correlation, drawn to the usual one, which counts like one window.

    Parameters
    ----------
    measured
        `ErrorCorrelation.correlation`; where it is NaN, the usual one is returned.
    n_windows
        backtest windows in which it was measured.
    """
    if np.isnan(measured):
        return USUAL_CORRELATION
    return (n_windows * min(max(measured, 0.0), 1.0) + USUAL_CORRELATION) / (n_windows + 1)
