"""What the weeks of an item look like: its units, its last sale, its demand class.

Demand classes are those of Syntetos, Boylan and Croston (2005), 'On the categorization of demand patterns', Journal of
the Operational Research Society 56, 495-503, doi:10.1057/palgrave.jors.2601841. Over the item's known weeks, those that
are not missing, ADI is their number divided by the number of weeks with units above zero; CV² is the variance of the
units of the weeks with units above zero, of the population, divided by the square of their mean. Both are compared as
they are, not rounded.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fcst.ingest.weekly_sales import Bools, Floats, Ints, Series
from fcst.names import ADI_CUTOFF, CV2_CUTOFF


@dataclass(frozen=True)
class Statistics:
    """Of N items; NaN where it is not defined.

    Parameters
    ----------
    last_sale
        the whole week of the last sale; -1 where there is none.
    is_positive
        (N, T) weeks with units above zero.
    """

    total_units: Floats
    last_sale: Ints
    n_weeks: Ints
    n_missing: Ints
    n_positive: Ints
    is_positive: Bools
    adi: Floats
    cv2: Floats
    demand_class: npt.NDArray[np.str_]


def describe_series(series: Series) -> Statistics:
    """The statistics of each item."""
    known = series.known
    n_items, n_all = known.shape
    n_missing = np.zeros(n_items, np.int64) if known is series.units else np.isnan(series.units).sum(axis=1)
    is_positive = known > 0
    n_positive = is_positive.sum(axis=1)
    n_weeks = n_all - series.first
    positive = known * is_positive
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = positive.sum(axis=1) / n_positive
        deviation = positive - mean[:, None]
        deviation *= is_positive
        variance = np.einsum("nt,nt->n", deviation, deviation) / n_positive
        adi, cv2 = (n_weeks - n_missing) / n_positive, variance / mean**2
    adi[n_positive == 0] = cv2[n_positive == 0] = np.nan
    last_sale = np.where(series.is_sold.any(axis=1), n_all - 1 - series.is_sold[:, ::-1].argmax(axis=1), -1)
    return Statistics(
        total_units=rounded(known.sum(axis=1), 3),
        last_sale=last_sale,
        n_weeks=n_weeks,
        n_missing=n_missing,
        n_positive=n_positive,
        is_positive=is_positive,
        adi=rounded(adi, 4),
        cv2=rounded(cv2, 4),
        demand_class=classify(adi, cv2),
    )


def classify(adi: Floats, cv2: Floats) -> npt.NDArray[np.str_]:
    """The demand classes of items; `none` where ADI is not defined."""
    is_frequent, is_steady = adi < ADI_CUTOFF, cv2 < CV2_CUTOFF
    return np.select(
        [np.isnan(adi), is_frequent & is_steady, is_frequent, is_steady],
        ["none", "smooth", "erratic", "intermittent"],
        "lumpy",
    )


def rounded(values: Floats, n_digits: int) -> Floats:
    """Half away from zero, as SQL does."""
    scale = 10.0**n_digits
    return np.asarray(np.copysign(np.floor(np.abs(values) * scale + 0.5) / scale, values) + 0.0)
