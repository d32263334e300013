"""The demand class of an item: smooth, erratic, intermittent, lumpy or none."""

import numpy as np

from fcst.names import ADI_CUTOFF, CV2_CUTOFF
from fcst.records import FloatArray

SPARSE_CLASSES = ("intermittent", "lumpy", "none")
"""The classes of items without a sale in many weeks."""


def demand_class(y: FloatArray) -> str:
    """The class of the known weeks of a series.

    ADI, the average demand interval, is the number of known weeks divided by the number of weeks with units above 0.
    CV², the squared coefficient of variation, is that of the units of the weeks with units above 0: the square of their
    population standard deviation divided by their mean. Neither is rounded.

    Parameters
    ----------
    y
        (T,) units by week; NaN is a missing week, which does not count.

    Returns
    -------
    str
        `smooth` (ADI < 1.32, CV² < 0.49), `erratic` (ADI < 1.32), `intermittent` (CV² < 0.49), `lumpy` otherwise;
        `none` where no week has units above 0.

    Source: Syntetos, Boylan & Croston 2005, doi:10.1057/palgrave.jors.2601841.
    """
    sold = y[y > 0]
    if not len(sold):
        return "none"
    n_known = len(y) - np.count_nonzero(np.isnan(y))
    is_calm, is_dense = (sold.std() / sold.mean()) ** 2 < CV2_CUTOFF, n_known / len(sold) < ADI_CUTOFF
    if is_dense:
        return "smooth" if is_calm else "erratic"
    return "intermittent" if is_calm else "lumpy"
