"""Pooled seasons: top-down forecasts of items as shares of the forecasts of group sums.

A sum is smoother than its items and can show season and trend that single items do not. Groups are all items, and the
items with the same value of an attribute, such as a family. A sum includes only items with history over its whole span,
so that new items do not look like growth. Any item can take a share.

Source: top-down forecasts by historical proportions, Hyndman & Athanasopoulos 2021, Forecasting: Principles and
Practice, 11.2; Gross & Sohl 1990, doi:10.1002/for.3980090304.

Letters: T weeks of history, H steps, S weeks of a sum.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fcst.compute.fits import Fits, NoFit
from fcst.compute.history import History
from fcst.compute.regressions import smooth_seasonal_naive
from fcst.compute.series import Series
from fcst.names import SEASON_LENGTH
from fcst.records import FloatArray

MIN_MEMBERS = 5
"""Minimum number of items in a group."""

MIN_SPAN = SEASON_LENGTH + 8
"""Minimum length of a sum for a season, in weeks."""

MAX_SPAN = 5 * SEASON_LENGTH
"""Maximum length of a sum, in weeks."""

MAX_GROUPS = 40
"""Maximum number of forecast groups, largest first."""

SUM_MODELS = ("RidgeAR-FK", "RidgeAR-FLong", "Harmonic6-AR")
"""A sum is forecast by the median of these models, where long enough; otherwise by smoothed last year."""

SHARE_OVER = (13, 52, 104)
"""Spans over which an item's share of a sum is computed, in weeks; the mean is used."""

_ALL = ""  # the key of the group of all items


@dataclass(frozen=True, eq=False)
class PooledSeasons:
    """The sums of groups of items up to a cutoff, and their forecasts.

    Parameters
    ----------
    recent
        group -> (S,) sum of the last weeks, up to two years.
    ahead
        group -> (H,) forecast of the sum.
    """

    recent: Mapping[str, FloatArray]
    ahead: Mapping[str, FloatArray]

    def forecast(self, units: FloatArray, attributes: Mapping[str, str], h: int) -> FloatArray | None:
        """(H,) mean over the item's groups of its share of the group's forecast; None if no group reaches `h`.

        Parameters
        ----------
        units
            (T,) by week, up to the same cutoff; NaN is a missing week.
        """
        keys = [key for key in _keys(attributes) if key in self.ahead]
        made = [_share(units, self.recent[key]) * self.ahead[key][:h] for key in keys if len(self.ahead[key]) >= h]
        return np.mean(made, axis=0) if made else None

    def to_bytes(self) -> bytes:
        """Serialize the sums and their forecasts as compressed arrays."""
        out, keys = io.BytesIO(), list(self.ahead)
        recent, ahead = (np.array([arrays[key] for key in keys]) for arrays in (self.recent, self.ahead))
        np.savez_compressed(out, allow_pickle=False, keys=np.array(json.dumps(keys)), recent=recent, ahead=ahead)
        return out.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "PooledSeasons":
        """Load what `to_bytes` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            keys = json.loads(str(stored["keys"]))
            recent, ahead = (dict(zip(keys, stored[name], strict=True)) for name in ("recent", "ahead"))
        return cls(recent, ahead)


def fit_pooled_seasons(items: Sequence[Series], h: int) -> PooledSeasons | None:
    """Sum groups of items and forecast the sums; None with too few items or weeks.

    Parameters
    ----------
    items
        histories up to the cutoff; a missing week (NaN) counts as 0.
    h
        H, the number of weeks to forecast.
    """
    sums = sum_groups(items)
    if not sums:
        return None
    ahead = {}
    for key, y in sums.items():
        ahead[key] = _forecast_sum(History(y, h))
    return PooledSeasons({key: y[-2 * SEASON_LENGTH :] for key, y in sums.items()}, ahead)


def _forecast_sum(history: History) -> FloatArray:
    """(H,) forecast of a sum."""
    fits = Fits()
    made = [found for name in SUM_MODELS if not isinstance(found := fits.forecast(name, history), NoFit)]
    made = made or [smooth_seasonal_naive(history.y, history.h, SEASON_LENGTH)]
    median: FloatArray = np.median(made, axis=0)
    return median


def sum_groups(items: Sequence[Series]) -> dict[str, FloatArray]:
    """Return the sum (S,) of each group with enough items, over a span that half of the items cover."""
    if len(items) < MIN_MEMBERS:
        return {}
    last = max(item.last_wk_end_dt for item in items)
    late = {item.unique_id: (last - item.last_wk_end_dt).days // 7 for item in items}
    span = min(int(np.median([len(item.y) + late[item.unique_id] for item in items])), MAX_SPAN)
    if span < MIN_SPAN:
        return {}
    members: dict[str, list[FloatArray]] = {}
    for item in sorted(items, key=lambda item: item.unique_id):
        y = np.r_[item.y, np.zeros(late[item.unique_id])]
        if len(y) >= span:
            for key in _keys(item.attributes):
                members.setdefault(key, []).append(np.nan_to_num(y[-span:]))
    n_all = len(members[_ALL])
    large = [key for key, part in members.items() if len(part) >= MIN_MEMBERS and (key == _ALL or len(part) < n_all)]
    kept = sorted(large, key=lambda key: (-len(members[key]), key))[:MAX_GROUPS]
    return {key: np.sum(members[key], axis=0) for key in kept}


def _share(units: FloatArray, total: FloatArray) -> float:
    """Return the item's share of a sum, the mean over several spans."""
    n = min(len(units), len(total))
    y, total = units[len(units) - n :], total[len(total) - n :]
    total, y = np.where(np.isnan(y), 0.0, total), np.nan_to_num(y)
    shares = [y[-span:].sum() / total[-span:].sum() for span in SHARE_OVER if total[-span:].sum() > 0]
    return float(np.mean(shares)) if shares else 0.0


def _keys(attributes: Mapping[str, str]) -> list[str]:
    """Return the keys of the item's groups."""
    return [_ALL, *(json.dumps(attribute) for attribute in sorted(attributes.items()))]
