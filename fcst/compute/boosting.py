"""Gradient boosting over all items of a run: one global model per cutoff, which uses an item's last two years.

Units are divided by the item's own level, so items of any size train the same trees. The strategy is direct: the step
is a feature, up to HOLDOUT_WEEKS. Later steps are forecast recursively, a quarter at a time. The loss is the absolute
error, so forecasts are medians, which are too low for sparse items.

Rows are sampled by item key and trees are grown in one thread, so results are bitwise the same in any order of items.
Sources: Friedman 2001, 'Greedy function approximation: a gradient boosting machine', Annals of Statistics 29(5),
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
"""Maximum number of training rows, for any number of items."""

MIN_ROWS = 2_000
"""Minimum number of training rows; with fewer there is no model."""

MIN_ITEMS = 10
"""Minimum number of items; with fewer there is no model."""

MIN_ORIGIN = 8
"""Weeks of history before the first forecast origin used for training."""

MAX_ORIGINS = 3 * SEASON_LENGTH
"""Number of latest forecast origins of an item used for training."""

MAX_CATEGORIES = 200
"""Attributes with more values are not used as features."""

_SPAN = 2 * SEASON_LENGTH  # lookback of the features, in weeks
_CALENDAR = slice(0, 5)  # columns of the features for the time of the year
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
    """Fitted trees as arrays of nodes. A row goes left if its feature is at most the threshold.

    Parameters
    ----------
    roots
        (K,) root node of each tree.
    feature, left, right
        (D,) split feature and child nodes; the children of a leaf are the leaf itself.
    threshold
        (D,) in the feature's unit.
    is_missing_left
        (D,) whether rows with a missing feature go left.
    value
        (D,) value of a leaf, added to the prediction.
    baseline
        (1,) prediction without trees.
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
        """(R,) predictions from features (R, F). Trees are summed in order, as scikit-learn does."""
        rows, node = np.arange(len(x)), np.repeat(self.roots[:, None], len(x), axis=1)
        while True:
            values = x[rows, self.feature[node]]
            goes_left = (values <= self.threshold[node]) | (np.isnan(values) & self.is_missing_left[node])
            child = np.where(goes_left, self.left[node], self.right[node])
            if np.array_equal(child, node):
                break
            node = child
        parts = np.vstack([np.full(len(x), self.baseline[0]), self.value[node]])
        summed: FloatArray = np.cumsum(parts, axis=0)[-1]
        return summed


@dataclass(frozen=True, eq=False)
class Boosting:
    """Boosting model of all items at a cutoff.

    Parameters
    ----------
    categories
        attribute used as a feature -> its values, in order.
    """

    trees: Trees
    categories: Mapping[str, Sequence[str]]

    def forecast(self, units: FloatArray, wk_end_dt: date, attributes: Mapping[str, str], h: int) -> FloatArray:
        """(H,) forecast units after a history; beyond HOLDOUT_WEEKS recursive, a quarter at a time.

        Parameters
        ----------
        units
            (T,) by week; NaN is a missing week.
        wk_end_dt
            last day of the last week.
        attributes
            of the item; values not seen in training count as missing.
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
        """Serialize the model as compressed arrays."""
        out, categories = io.BytesIO(), json.dumps({name: list(values) for name, values in self.categories.items()})
        arrays = {field.name: _narrow(getattr(self.trees, field.name)) for field in fields(Trees)}
        np.savez_compressed(out, allow_pickle=False, categories=np.array(categories), **arrays)
        return out.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Boosting":
        """Load a model that `to_bytes` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {field.name: stored[field.name] for field in fields(Trees)}
            categories = json.loads(str(stored["categories"]))
        return cls(Trees(**{name: _widened(array) for name, array in arrays.items()}), categories)


def fit_boosting(items: Sequence[Series]) -> Boosting | None:
    """Fit a model to some items; None if there is too little data.

    Parameters
    ----------
    items
        histories up to the cutoff; NaN is a missing week.
    """
    items = sorted(items, key=lambda item: item.unique_id)
    items = sorted(items, key=lambda item: zlib.crc32(item.unique_id.encode()))[:MAX_ROWS]
    if len(items) < MIN_ITEMS:
        return None
    categories = _categories(items)
    parts = [_rows(item, MAX_ROWS // len(items), categories) for item in items]
    x, ratio = (np.concatenate(column) for column in zip(*parts, strict=True))
    if np.median([len(item.y) for item in items]) < 2 * SEASON_LENGTH:
        x[:, _CALENDAR] = 0.0  # a season seen only once may be chance
    return Boosting(_grow(x, ratio), categories) if len(x) >= MIN_ROWS else None


def _grow(x: FloatArray, target: FloatArray) -> Trees:
    """Fit trees in one thread. Rows are unweighted, because with weights the medians take four times as long."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    x = np.where(np.isnan(x).all(0), 0.0, x)  # an all-missing feature cannot be binned
    with threadpool_limits(1):
        model = HistGradientBoostingRegressor(**_SETTINGS).fit(x, target)
    return _exported(model)


def _exported(model: Any) -> Trees:
    """Extract the trees of a fitted HistGradientBoostingRegressor without categorical features."""
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
    """(R, F) features and (R,) units ÷ level: up to `n_rows` rows of an item, sampled with a seed from its key."""
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
    """(R, 104) weeks before each origin; NaN before the start of the series."""
    padded: FloatArray = np.r_[np.full(_SPAN, np.nan), y]
    windows: FloatArray = padded[origin[:, None] + np.arange(_SPAN)]
    return windows


def _level(windows: FloatArray) -> FloatArray:
    """(R,) mean of half a year, at least a tenth of the mean of two years; 0 if no week is known."""
    size = np.abs(windows)
    return np.maximum(_mean(size[:, -26:], 0.0), _mean(size, 0.0) / 10)


def _features(
    windows: FloatArray, level: FloatArray, step: IntArray, ends: npt.NDArray[Any], age: IntArray, codes: FloatArray
) -> FloatArray:
    """(R, F) features from the weeks before (R, 104), their level, the steps, the last days of the target weeks, the
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
    """(R,) mean of the known values of each row; `otherwise` for rows without any."""
    is_known = ~np.isnan(values)
    n = is_known.sum(1)
    total = np.where(is_known, values, 0.0).sum(1)
    means: FloatArray = np.divide(total, n, out=np.full(len(values), otherwise), where=n > 0)
    return means


def _ratio(a: FloatArray, b: FloatArray) -> FloatArray:
    """(R,) a ÷ b, at most 10; NaN where b is almost 0."""
    ratio: FloatArray = np.divide(a, b, out=np.full(len(a), np.nan), where=b > 0.02)
    return np.minimum(ratio, 10.0)


def _categories(items: Sequence[Series]) -> dict[str, list[str]]:
    """Return the attributes used as features, with their values in order."""
    names = sorted({name for item in items for name in item.attributes})
    found = {name: sorted({item.attributes[name] for item in items if name in item.attributes}) for name in names}
    return {name: values for name, values in found.items() if 1 < len(values) <= MAX_CATEGORIES}


def _codes(attributes: Mapping[str, str], categories: Mapping[str, Sequence[str]]) -> FloatArray:
    """(·,) index of the item's value in each category; NaN for unknown values."""
    places = ({value: i for i, value in enumerate(values)} for values in categories.values())
    found = [place.get(attributes.get(name, "")) for name, place in zip(categories, places, strict=True)]
    return np.array([np.nan if code is None else code for code in found], np.float64)


def _narrow(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Convert integers to 32 bits."""
    return array.astype(np.uint32) if array.dtype.kind in "iu" else array


def _widened(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array.astype(np.int64) if array.dtype.kind in "iu" else array
