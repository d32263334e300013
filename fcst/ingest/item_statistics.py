"""Item statistics: total units, last sale, length of history, and demand class from `compute.demand`."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fcst.compute.demand import describe_demand
from fcst.ingest.weekly_sales import Bools, Floats, Ints, Series


@dataclass(frozen=True)
class Statistics:
    """Statistics of N items; NaN if undefined.

    Parameters
    ----------
    last_sale
        index of the whole week of the last sale; -1 if there is none.
    is_positive
        (N, T) whether a week has units above zero.
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
    """Computes the statistics of each item."""
    known = series.known
    n_items, n_all = known.shape
    n_missing = np.zeros(n_items, np.int64) if known is series.units else np.isnan(series.units).sum(axis=1)
    n_weeks = n_all - series.first
    demand = describe_demand(known, n_weeks - n_missing)
    last_sale = np.where(series.is_sold.any(axis=1), n_all - 1 - series.is_sold[:, ::-1].argmax(axis=1), -1)
    return Statistics(
        total_units=rounded(known.sum(axis=1), 3),
        last_sale=last_sale,
        n_weeks=n_weeks,
        n_missing=n_missing,
        n_positive=demand.n_sold,
        is_positive=demand.is_sold,
        adi=rounded(demand.adi, 4),
        cv2=rounded(demand.cv2, 4),
        demand_class=demand.classes,
    )


def rounded(values: Floats, n_digits: int) -> Floats:
    """Rounds half away from zero, as SQL does."""
    scale = 10.0**n_digits
    return np.asarray(np.copysign(np.floor(np.abs(values) * scale + 0.5) / scale, values) + 0.0)
