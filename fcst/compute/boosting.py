"""Gradient boosting over all items of a run: one model by cutoff, that forecasts any item from its last two years.

Units are divided by the item's own level, so that items of any size teach the same trees. The model is direct: the
step is a feature, up to HOLDOUT_WEEKS. What lies beyond is forecast from the forecast, a quarter at a time. The loss is
the absolute error, so a forecast is a median: of sparse items it is too low.

Rows are drawn by the keys of items, and trees are grown in one thread: the same items give the same bits in any order.
Source: Friedman 2001, 'Greedy function approximation: a gradient boosting machine', Annals of Statistics 29(5),
doi:10.1214/aos/1013203451; one model for many series: Montero-Manso & Hyndman 2021,
doi:10.1016/j.ijforecast.2021.03.004.

Letters: N items, T weeks of history, R rows, F features, H steps, K trees, D nodes of all trees.
"""

import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from fcst.compute.series import Series
from fcst.names import HOLDOUT_WEEKS, SEASON_LENGTH
from fcst.records import FloatArray

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

MAX_ROWS = 60_000
"""Rows that are learned from, however many items there are."""

MIN_ROWS = 2_000
"""Rows without which nothing is learned."""

MIN_ITEMS = 10
"""Items without which nothing is learned."""

MIN_ORIGIN = 8
"""Weeks of an item before the first that is learned from."""

MAX_ORIGINS = 3 * SEASON_LENGTH
"""The last so many weeks of an item are learned from."""

MAX_CATEGORIES = 200
"""An attribute with more values is no feature."""

_SPAN = 2 * SEASON_LENGTH  # weeks that features look back
_CALENDAR = slice(0, 5)  # the features that are the time of the year
_LAGS = (1, 2, 3, 4, 5, 6, 7, 8, 13, 26)
_MEANS = (4, 8, 13, 52)
_SETTINGS: dict[str, Any] = {
    "loss": "absolute_error",
    "learning_rate": 0.08,
    "max_iter": 150,
    "max_leaf_nodes": 31,
    "min_samples_leaf": 40,
    "max_features": 0.5,
    "early_stopping": False,
    "random_state": 0,
}


@dataclass(frozen=True, eq=False)
class Trees:
    """Fitted trees, node by node. A row goes left where its feature is at most the threshold.

    Parameters
    ----------
    roots
        (K,) the first node of each tree.
    feature, left, right
        (D,) the feature that a node asks for, and the nodes that follow it; a leaf is followed by itself.
    threshold
        (D,) in the feature's unit.
    is_missing_left
        (D,) whether a row without the feature goes left.
    value
        (D,) what a leaf adds.
    baseline
        (1,) what is forecast without a tree.
    """

    roots: IntArray
    feature: IntArray
    left: IntArray
    right: IntArray
    threshold: FloatArray
    is_missing_left: BoolArray
    value: FloatArray
    baseline: FloatArray

    def predict(self, x: FloatArray) -> FloatArray:
        """(R,) from features (R, F); the trees are added one after the other, as scikit-learn does it."""
        rows, node = np.arange(len(x)), np.repeat(self.roots[:, None], len(x), axis=1)
        while True:
            asked = x[rows, self.feature[node]]
            goes_left = (asked <= self.threshold[node]) | (np.isnan(asked) & self.is_missing_left[node])
            following = np.where(goes_left, self.left[node], self.right[node])
            if np.array_equal(following, node):
                break
            node = following
        parts = np.vstack([np.full(len(x), self.baseline[0]), self.value[node]])
        summed: FloatArray = np.cumsum(parts, axis=0)[-1]
        return summed


@dataclass(frozen=True, eq=False)
class Boosting:
    """What was learned from all items up to a cutoff.

    Parameters
    ----------
    categories
        of each attribute that is a feature its values, in order.
    """

    trees: Trees
    categories: Mapping[str, Sequence[str]]

    def forecast(self, units: FloatArray, wk_end_dt: date, attributes: Mapping[str, str], h: int) -> FloatArray:
        """(H,) units of the weeks after a history; beyond HOLDOUT_WEEKS from the forecast, a quarter at a time.

        Parameters
        ----------
        units
            (T,) by week; NaN is a missing week.
        wk_end_dt
            the last day of the last week.
        attributes
            of the item; a value that was not learned from counts as missing.
        """
        codes, path, least = _codes(attributes, self.categories), units, float(np.nanmin(units))
        steps = np.arange(1, HOLDOUT_WEEKS + 1)
        while len(path) < len(units) + h:
            window = np.broadcast_to(_windows(path, np.array([len(path)])), (HOLDOUT_WEEKS, _SPAN))
            level = _level(window)
            if level[0] <= 0:
                path = np.r_[path, np.zeros(HOLDOUT_WEEKS)]
                continue
            ends = np.datetime64(wk_end_dt, "D") + 7 * (len(path) - len(units) + steps)
            x = _features(window, level, steps, ends, np.full(HOLDOUT_WEEKS, len(path)), codes)
            ahead = self.trees.predict(x) * level
            path = np.r_[path, np.maximum(ahead, 0.0) if least >= 0 else ahead]
        return path[len(units) : len(units) + h]

    def to_bytes(self) -> bytes:
        """The model as compressed arrays."""
        out, categories = io.BytesIO(), json.dumps({name: list(values) for name, values in self.categories.items()})
        arrays = {field.name: _narrow(getattr(self.trees, field.name)) for field in fields(Trees)}
        np.savez_compressed(out, allow_pickle=False, categories=np.array(categories), **arrays)
        return out.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Boosting":
        """The model that `to_bytes` made."""
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {field.name: stored[field.name] for field in fields(Trees)}
            categories = json.loads(str(stored["categories"]))
        return cls(Trees(**{name: _widened(array) for name, array in arrays.items()}), categories)


def fit_boosting(items: Sequence[Series]) -> Boosting | None:
    """The model of some items, or None where there is too little to learn from.

    Parameters
    ----------
    items
        their histories up to the cutoff; NaN is a missing week.
    """
    items = sorted(items, key=lambda item: item.unique_id)
    items = sorted(items, key=lambda item: zlib.crc32(item.unique_id.encode()))[:MAX_ROWS]
    if len(items) < MIN_ITEMS:
        return None
    categories = _categories(items)
    parts = [_rows(item, MAX_ROWS // len(items), categories) for item in items]
    x, ratio = (np.concatenate(column) for column in zip(*parts, strict=True))
    if np.median([len(item.y) for item in items]) < 2 * SEASON_LENGTH:
        x[:, _CALENDAR] = 0.0  # a week of the year that was seen once may have been any week
    return Boosting(_grow(x, ratio), categories) if len(x) >= MIN_ROWS else None


def _grow(x: FloatArray, target: FloatArray) -> Trees:
    """Trees fitted in one thread. Rows have no weights: with weights, medians take four times as long."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    x = np.where(np.isnan(x).all(0), 0.0, x)  # a feature that no row has cannot be binned
    with threadpool_limits(1):
        model = HistGradientBoostingRegressor(**_SETTINGS).fit(x, target)
    return _exported(model)


def _exported(model: Any) -> Trees:
    """The trees of a fitted HistGradientBoostingRegressor without categorical features."""
    trees = [tree.nodes for (tree,) in model._predictors]
    roots = np.cumsum([0, *(len(tree) for tree in trees[:-1])])
    nodes, root = np.concatenate(trees), np.repeat(roots, [len(tree) for tree in trees])
    is_leaf, own = nodes["is_leaf"].astype(bool), np.arange(len(nodes))
    return Trees(
        roots=roots,
        feature=np.where(is_leaf, 0, nodes["feature_idx"]),
        left=np.where(is_leaf, own, root + nodes["left"]),
        right=np.where(is_leaf, own, root + nodes["right"]),
        threshold=np.where(is_leaf, 0.0, nodes["num_threshold"]),
        is_missing_left=nodes["missing_go_to_left"].astype(bool),
        value=np.where(is_leaf, nodes["value"], 0.0),
        baseline=np.array(model._baseline_prediction, np.float64).reshape(1),
    )


def _rows(item: Series, n_rows: int, categories: Mapping[str, Sequence[str]]) -> tuple[FloatArray, FloatArray]:
    """(R, F) features and (R,) units divided by the level: up to `n_rows` rows of an item, drawn by its key."""
    n, steps = len(item.y), np.arange(1, HOLDOUT_WEEKS + 1)
    origins = np.arange(max(MIN_ORIGIN, n - MAX_ORIGINS), n)
    origin, step = (grid.ravel() for grid in np.meshgrid(origins, steps, indexing="ij"))
    is_known = origin + step <= n
    is_known[is_known] = ~np.isnan(item.y[origin[is_known] + step[is_known] - 1])
    origin, step = origin[is_known], step[is_known]
    if len(origin) > n_rows:
        random = np.random.default_rng(zlib.crc32(item.unique_id.encode()))
        drawn = np.sort(random.choice(len(origin), n_rows, replace=False))
        origin, step = origin[drawn], step[drawn]
    windows = _windows(item.y, origin)
    level = _level(windows)
    is_used = level > 0
    origin, step, windows, level = origin[is_used], step[is_used], windows[is_used], level[is_used]
    ends = np.datetime64(item.last_wk_end_dt, "D") + 7 * (origin + step - n)
    x = _features(windows, level, step, ends, origin, _codes(item.attributes, categories))
    return x, item.y[origin + step - 1] / level


def _windows(y: FloatArray, origin: IntArray) -> FloatArray:
    """(R, 104) the weeks before each origin; NaN before the first."""
    padded: FloatArray = np.r_[np.full(_SPAN, np.nan), y]
    windows: FloatArray = padded[origin[:, None] + np.arange(_SPAN)]
    return windows


def _level(windows: FloatArray) -> FloatArray:
    """(R,) the mean of half a year, but at least a tenth of that of two years; 0 where no week is known."""
    size = np.abs(windows)
    return np.maximum(_mean(size[:, -26:], 0.0), _mean(size, 0.0) / 10)


def _features(
    windows: FloatArray, level: FloatArray, step: IntArray, ends: npt.NDArray[Any], age: IntArray, codes: FloatArray
) -> FloatArray:
    """(R, F) from the weeks before (R, 104), their level, the steps, the last days of the weeks that are forecast, the
    weeks of history, and the codes of the item's categories (·,)."""
    z = windows / level[:, None]
    rows, year_ago = np.arange(len(z)), SEASON_LENGTH + step - 1
    recent = z[:, -13:]
    means = [_mean(z[:, -span:]) for span in _MEANS]
    last_year = [z[rows, year_ago + shift] for shift in (-1, 0, 1)]
    last_level = _mean(z[:, 26:52])
    around = np.mean([z[rows, year_ago + shift] for shift in (-2, -1, 0, 1, 2)], axis=0)
    week = (ends - ends.astype("datetime64[Y]")).astype(np.float64) / 7
    wave = 2 * np.pi * week / 52.18
    columns = [
        week,
        *(f(i * wave) for i in (1, 2) for f in (np.sin, np.cos)),
        *(z[:, -lag] for lag in _LAGS),
        *means,
        np.sqrt(_mean((recent - means[2][:, None]) ** 2)),
        _mean(np.where(np.isnan(z[:, -26:]), np.nan, z[:, -26:] == 0)),
        np.where(np.isnan(recent), -np.inf, recent).max(1),
        np.minimum(age, 5 * SEASON_LENGTH),
        np.log(level),
        *last_year,
        z[rows, step - 1],
        around,
        _ratio(around, last_level),
        _ratio(means[2], _mean(z[:, 39:52])),
        _ratio(around, _mean(z[:, 44:52])) * means[1],
        step,
        *(np.full(len(z), code) for code in codes),
    ]
    return np.column_stack(columns).astype(np.float64)


def _mean(values: FloatArray, otherwise: float = np.nan) -> FloatArray:
    """(R,) means of the known values of each row."""
    is_known = ~np.isnan(values)
    n = is_known.sum(1)
    total = np.where(is_known, values, 0.0).sum(1)
    means: FloatArray = np.divide(total, n, out=np.full(len(values), otherwise), where=n > 0)
    return means


def _ratio(a: FloatArray, b: FloatArray) -> FloatArray:
    """(R,) a ÷ b, at most 10; NaN where b is almost nothing."""
    ratio: FloatArray = np.divide(a, b, out=np.full(len(a), np.nan), where=b > 0.02)
    return np.minimum(ratio, 10.0)


def _categories(items: Sequence[Series]) -> dict[str, list[str]]:
    """The attributes that are features, with their values in order."""
    names = sorted({name for item in items for name in item.attributes})
    found = {name: sorted({item.attributes[name] for item in items if name in item.attributes}) for name in names}
    return {name: values for name, values in found.items() if 1 < len(values) <= MAX_CATEGORIES}


def _codes(attributes: Mapping[str, str], categories: Mapping[str, Sequence[str]]) -> FloatArray:
    """(·,) the place of an item's value among those of each category; NaN where it is not there."""
    places = ({value: i for i, value in enumerate(values)} for values in categories.values())
    found = [place.get(attributes.get(name, "")) for name, place in zip(categories, places, strict=True)]
    return np.array([np.nan if code is None else code for code in found], np.float64)


def _narrow(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Integers in 32 bits."""
    return array.astype(np.uint32) if array.dtype.kind in "iu" else array


def _widened(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array.astype(np.int64) if array.dtype.kind in "iu" else array
