"""Weeks of a history that look like stock-outs: runs of weeks without a sale in an item that otherwise sells steadily.

A run of zeros is suspected where its probability under the item's own demand around it is below MOST_PROBABLE, and
nothing else explains it. Demand of a week is taken as negative binomial. Its level is the lowest of the medians just
before and just after the run, so a decline, a launch or the end of a season explains zeros. Its variation is that of
the weeks below the median, drawn to what is usual: promotions vary demand upwards only. Runs are not suspected

- before LEAST_WEEKS_BEFORE known weeks, or longer than MOST_WEEKS;
- as long as the item has not sold again: whether it will is not known;
- where the item has more than a few other runs of zeros within the year around;
- where the same weeks a year before or after had next to no sale;
- where the item, without the suspected weeks, is intermittent or lumpy.

Partial stock-outs are out of scope: a week with a tenth of the usual units is a bad week as often as a stock-out.
The rule knows one item: a week in which the whole shop was closed looks the same to it.

A history is looked at as it is at its end: a backtest that asks at its cutoff uses nothing that came later, and a run
may be suspected at one cutoff and not at another.

To skip a run at the end as well made forecasts of the next quarter worse, whatever its length: in a gift shop the mean
absolute error by 13 % after a week without a sale, by 24 % after two, by half and more from three on, with forecasts
that were too high. Of orange juice, which always sold again, by 8 to 23 %, though they were no longer too low.

Measured: of items without a stock-out, with negative binomial demand, one in 200 has a suspected week in 240 weeks.
Related: Svetunkov & Sroginis 2025, 'Why do zeroes happen? A model-based approach for demand classification',
arXiv:2504.05894, which goes by the lengths of runs alone.

Letters: T weeks of history, K known weeks.
"""

from math import log

import numpy as np
import numpy.typing as npt

from fcst.compute.demand import SPARSE_CLASSES, demand_class
from fcst.names import ENDED_AFTER_WEEKS, SEASON_LENGTH
from fcst.records import FloatArray

BoolArray = npt.NDArray[np.bool_]

MOST_PROBABLE = 1e-4
"""A run of zeros is suspected below this probability."""

LOG_MOST_PROBABLE = log(MOST_PROBABLE)

LEAST_WEEKS_BEFORE = 13
"""Known weeks that a run needs before it."""

MOST_WEEKS = ENDED_AFTER_WEEKS - 1
"""Weeks of a run. In a longer one the item had ended, or paused, by the rule that flags items as ended."""

MOST_RUNS = 0.1
"""Other runs of zeros in the year around a run, by known week: with more the item does not sell steadily."""

AROUND = 26
"""Known weeks before and after a run that show its demand: a year together."""

SPANS = (2, 8, AROUND)
"""Known weeks before and after a run over which medians are taken."""

USUAL_CV2, USUAL_WEEKS = 0.5, 4
"""The usual squared coefficient of variation of weekly demand, and as how many weeks it counts beside the item's."""

LEAST_OF_SEASON = 0.1
"""Of the median around a run: where the same weeks of another year sold less, the run is a season's."""


def suspected_weeks(y: FloatArray) -> BoolArray:
    """(T,) weeks that look like stock-outs, from what is known at the end of the history.

    Parameters
    ----------
    y
        (T,) units by week; NaN is a missing week. Missing weeks within a run of zeros neither end nor lengthen it.
    """
    suspected = np.zeros(len(y), bool)
    known = np.flatnonzero(~np.isnan(y))
    if len(known) <= LEAST_WEEKS_BEFORE or y[known].min() > 0 or y[known].max() <= 0:
        return suspected
    size = float(y[known].max())
    scaled = y / size
    for start, end in _candidates(scaled[known] <= 0):
        before, after = scaled[known[max(start - AROUND, 0) : start]], scaled[known[end : end + AROUND]]
        if (end - start) * _log_probability(before, after, size) < LOG_MOST_PROBABLE:
            first, last = int(known[start]), int(known[end - 1]) + 1
            if not _is_season(scaled, first, last, float(np.median(np.concatenate([before, after])))):
                suspected[known[start:end]] = True
    if suspected.any() and demand_class(np.where(suspected, np.nan, scaled)) in SPARSE_CLASSES:
        suspected[:] = False
    return suspected


def demand_of(y: FloatArray) -> FloatArray:
    """(T,) the units of a history; weeks that look like stock-outs are missing. `y` itself where there are none."""
    suspected = suspected_weeks(y)
    return np.where(suspected, np.nan, y) if suspected.any() else y


def _candidates(is_zero: BoolArray) -> list[tuple[int, int]]:
    """(first, end) of the runs of zeros among K known weeks that may be stock-outs by their place and length."""
    n = len(is_zero)
    edges = np.diff(np.concatenate([[0], is_zero.astype(np.intp), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    lengths = ends - starts
    year = 2 * AROUND + lengths  # at the end of the history more of it lies before a run
    first, last = np.maximum(np.minimum(starts - AROUND, n - year), 0), np.minimum(np.maximum(ends + AROUND, year), n)
    n_begun = np.concatenate([[0], np.cumsum(edges == 1)])
    n_others = n_begun[last] - n_begun[first] - 1
    is_steady = n_others <= MOST_RUNS * (last - first - lengths)
    chosen = is_steady & (starts >= LEAST_WEEKS_BEFORE) & (lengths <= MOST_WEEKS) & (ends < n)
    return list(zip(starts[chosen].tolist(), ends[chosen].tolist(), strict=True))


def _log_probability(before: FloatArray, after: FloatArray, size: float) -> float:
    """The logarithm of the probability of a week without a sale, from the known weeks before and after a run.

    Of a gamma distribution whose squared coefficient of variation is from 0.02 to 1, the mean square of what values
    below the median lack of it is v medians², where v (1 + 4 v) is that coefficient within 8 %.

    Parameters
    ----------
    before, after
        up to AROUND weeks each, in units ÷ `size`.
    """
    around = np.concatenate([before, after])
    sold = around[around > 0]
    if not len(sold):
        return 0.0
    medians = [np.median(part) for n in SPANS for part in (before[-n:], after[:n]) if part.size]
    level, middle = max(float(min(medians)), 0.0), float(np.median(sold))
    v = float(np.mean((1 - sold[sold <= middle] / middle) ** 2))
    cv2 = (len(sold) * v * (1 + 4 * v) + USUAL_WEEKS * USUAL_CV2) / (len(sold) + USUAL_WEEKS)
    over = cv2 - 1 / max(size * middle, 1e-9)  # beyond that of a Poisson distribution, which every demand has
    return -level * size if over <= 0 else -float(np.log1p(level * size * over)) / over


def _is_season(scaled: FloatArray, start: int, end: int, level: float) -> bool:
    """Whether the middle one of the same weeks a year before or after had next to no sale."""
    for first, last in ((start - SEASON_LENGTH, end - SEASON_LENGTH), (start + SEASON_LENGTH, end + SEASON_LENGTH)):
        same = scaled[max(first, 0) : max(last, 0)]
        same = same[~np.isnan(same)]
        if len(same) and np.median(same) < LEAST_OF_SEASON * level:
            return True
    return False
