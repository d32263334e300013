"""The demand class of items: smooth, erratic, intermittent, lumpy or none; and the two numbers that decide it.

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
"""The classes of items without a sale in many weeks."""


_CLASSES = np.array(["smooth", "erratic", "intermittent", "lumpy", "none"])


@dataclass(frozen=True)
class Demand:
    """What the known weeks of N items say of their demand.

    Parameters
    ----------
    is_sold
        (N, T) weeks with units above 0.
    n_sold
        (N,) how many there are.
    adi
        (N,) the average demand interval: known weeks ÷ weeks with units above 0; NaN where there is none of these.
    cv2
        (N,) the squared coefficient of variation of the units of the weeks with units above 0: their population
        variance ÷ the square of their mean; NaN where there is none of these.
    """

    is_sold: npt.NDArray[np.bool_]
    n_sold: npt.NDArray[np.int64]
    adi: FloatArray
    cv2: FloatArray

    @property
    def classes(self) -> npt.NDArray[np.str_]:
        """(N,) `smooth` (ADI < 1.32, CV² < 0.49), `erratic` (ADI < 1.32), `intermittent` (CV² < 0.49), else `lumpy`;
        `none` without a week with units above 0. Neither number is rounded."""
        is_rare, is_erratic = ~(self.adi < ADI_CUTOFF), ~(self.cv2 < CV2_CUTOFF)
        return _CLASSES[np.where(self.n_sold == 0, 4, 2 * is_rare + is_erratic)]


def describe_demand(units: FloatArray, n_known: npt.NDArray[np.int64]) -> Demand:
    """The demand of N items.

    Parameters
    ----------
    units
        (N, T) units by week; a week that is missing, or is not in an item's life, is NaN or 0.
    n_known
        (N,) the weeks of each item's life that are not missing.
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
    """The class of one series, as `Demand.classes` defines it.

    Parameters
    ----------
    y
        (T,) units by week; NaN is a missing week, which does not count.
    """
    n_known = np.count_nonzero(~np.isnan(y), keepdims=True)
    return str(describe_demand(y[None], n_known).classes[0])
