"""Demand classes of items (smooth, erratic, intermittent, lumpy, none), from ADI and CV².

Source: Syntetos, Boylan & Croston 2005, 'On the categorization of demand patterns', Journal of the Operational Research
Society 56, 495-503, doi:10.1057/palgrave.jors.2601841.

Letters: N items, T weeks.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fcst.names import ADI_CUTOFF, CV2_CUTOFF
from fcst.records import FloatArray

SPARSE_CLASSES = ("intermittent", "lumpy", "none")
"""Demand classes of items with many weeks without a sale."""


_CLASSES = np.array(["smooth", "erratic", "intermittent", "lumpy", "none"])


@dataclass(frozen=True)
class Demand:
    """Demand statistics of N items over their known weeks.

    Parameters
    ----------
    is_sold
        (N, T) weeks with units above 0.
    n_sold
        (N,) number of these weeks.
    adi
        (N,) average demand interval: known weeks ÷ weeks with units above 0; NaN without such a week.
    cv2
        (N,) squared coefficient of variation of units in the weeks with units above 0: population variance ÷ squared
        mean; NaN without such a week.
    """

    is_sold: npt.NDArray[np.bool_]
    n_sold: npt.NDArray[np.int64]
    adi: FloatArray
    cv2: FloatArray

    @property
    def classes(self) -> npt.NDArray[np.str_]:
        """(N,) `smooth` (ADI < 1.32, CV² < 0.49), `erratic` (ADI < 1.32), `intermittent` (CV² < 0.49), else `lumpy`;
        `none` without a week with units above 0. ADI and CV² are not rounded."""
        is_rare, is_erratic = ~(self.adi < ADI_CUTOFF), ~(self.cv2 < CV2_CUTOFF)
        return _CLASSES[np.where(self.n_sold == 0, 4, 2 * is_rare + is_erratic)]


def describe_demand(units: FloatArray, n_known: npt.NDArray[np.int64]) -> Demand:
    """Compute demand statistics of N items.

    Parameters
    ----------
    units
        (N, T) units by week; NaN or 0 for missing weeks and weeks outside an item's life.
    n_known
        (N,) weeks of each item's life that are not missing.
    """
    is_sold = units > 0
    n_sold = is_sold.sum(axis=1)
    sold = np.where(is_sold, units, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sold.sum(axis=1) / n_sold
        deviations = (sold - mean[:, None]) * is_sold
        variance = np.einsum("nt,nt->n", deviations, deviations) / n_sold
        adi, cv2 = n_known / n_sold, variance / mean**2
    adi[n_sold == 0] = cv2[n_sold == 0] = np.nan
    return Demand(is_sold, n_sold, adi, cv2)


def demand_class(y: FloatArray) -> str:
    """Return the demand class of one series, as `Demand.classes` defines it.

    Parameters
    ----------
    y
        (T,) units by week; missing weeks (NaN) are ignored.
    """
    n_known = np.count_nonzero(~np.isnan(y), keepdims=True)
    return str(describe_demand(y[None], n_known).classes[0])
