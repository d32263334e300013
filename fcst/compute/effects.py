"""Effects of drivers: multipliers of a week's baseline, pooled over many items and fitted to one item.

Units are modelled as baseline × exp(regressors × coefficients). The baseline is a centred moving mean of the units
without the effects, so baseline and coefficients are estimated alternately. Coefficients are the mean of two fits, so
multipliers are their geometric mean. A quasi-Poisson fit with log link is unbiased in the mean, but too high for skewed
promotions; a fit of logarithms is robust, but too low for them. A ridge penalty shrinks the coefficients of an item
towards the pooled ones.

Letters: T weeks of history, H steps, C regressors, N items, R = weeks of all items.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fcst.compute.regressors import Column, Regressors
from fcst.drivers import SHOWN_AT, DriverKind
from fcst.records import FloatArray

BASELINE_WEEKS = 17
"""Length of the centred moving mean used as baseline, in weeks."""

ROUNDS = 3
"""Number of alternating estimates of baseline and coefficients."""

NEWTON_STEPS = 2
"""Newton steps of the quasi-Poisson fit in each round."""

PENALTY, EVENT_PENALTY = 5.0, 10.0
"""Weight of the pooled coefficient in the fit of an item, in weeks with the driver at its usual size."""

POOLED_PENALTY = 5.0
"""Weight of a zero effect in the pooled fit, in the same unit; needed for collinear regressors."""

LOG_OFFSET = 0.5
"""Share of the expected units added before taking logarithms, because weeks may have no sales."""

LONG_PAUSE = 13
"""Runs of at least this many weeks without a sale are left out of the fits; drivers do not explain them."""

MAX_MULTIPLIER = 20.0
"""Multipliers are clipped to this value and its inverse."""

NEARLY_ZERO = 0.02
"""Regressors with a smaller absolute value count as 0."""

MAX_COLUMNS = 60
"""Maximum number of regressors in a fit; those most correlated with the units are kept."""

MIN_WEEKS = 8
"""Known weeks an item needs for its own effects, and to be included in the pooled fit."""

IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Effects:
    """Pooled effects.

    Parameters
    ----------
    coefficients, errors
        (C,) coefficients of the logarithm of units, and their standard errors.
    sizes
        (C,) root mean square of the regressors where they are not nearly 0.
    lowest, highest
        (C,) range of the regressors in the fit; effects do not grow beyond it.
    dispersion
        variance of an item's week ÷ its expected units, in units of the item's mean week.
    n_items
        number of items in the fit.
    """

    columns: tuple[Column, ...]
    coefficients: FloatArray
    errors: FloatArray
    sizes: FloatArray
    lowest: FloatArray
    highest: FloatArray
    dispersion: float
    n_items: int

    def to_plain(self) -> dict[str, Any]:
        """Return data for JSON; `from_plain` restores the same effects bit by bit."""
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        columns = [asdict(column) for column in self.columns]
        return {"columns": columns, **arrays, "dispersion": self.dispersion, "n_items": self.n_items}

    @classmethod
    def from_plain(cls, value: Mapping[str, Any]) -> Self:
        columns = tuple(Column(c["driver"], DriverKind(c["kind"]), c["shift"]) for c in value["columns"])
        arrays = {name: np.array(value[name], np.float64) for name in _ARRAYS}
        return cls(columns, **arrays, dispersion=value["dispersion"], n_items=value["n_items"])


_ARRAYS = ("coefficients", "errors", "sizes", "lowest", "highest")


@dataclass(frozen=True, eq=False)
class ItemEffects:
    """The effects of one item at a cutoff.

    Parameters
    ----------
    columns
        of the item's drivers.
    coefficients, errors
        (C,) coefficients and their standard errors.
    multipliers
        (T + H,) multipliers of the baseline; 0 in weeks in which the item cannot be bought.
    log_errors
        (T + H,) standard errors of the log multipliers relative to the last BASELINE_WEEKS of the history, which give
        the baseline. An unchanged driver adds no error.
    """

    columns: tuple[Column, ...]
    coefficients: FloatArray
    errors: FloatArray
    multipliers: FloatArray
    log_errors: FloatArray


@dataclass(frozen=True, eq=False)
class EffectsSample:
    """Data of one item for the pooled fit: units (T,), NaN where missing, and regressors at T."""

    y: FloatArray
    regressors: Regressors


def fit_effects(items: Sequence[EffectsSample]) -> Effects:
    """Fit the pooled effects of some items; without columns if there is too little data.

    The result is bitwise reproducible for the same items in the same order.
    """
    rows = _stacked(items)
    rows = _select_columns(rows) if len(rows.y) else rows
    if not len(rows.y) or not rows.columns:
        none = np.zeros(0)
        return Effects((), none, none, none, none, none, 1.0, 0)
    is_moved = np.abs(rows.x) > NEARLY_ZERO
    sizes = np.sqrt((rows.x**2 * is_moved).sum(axis=0) / is_moved.sum(axis=0))
    fit = _fit(rows, np.zeros(len(sizes)), POOLED_PENALTY * sizes**2)
    errors = np.sqrt(np.diag(fit.covariance))
    lowest, highest = rows.x.min(axis=0), rows.x.max(axis=0)
    n_items = len(rows.starts)
    return Effects(rows.columns, fit.coefficients, errors, sizes, lowest, highest, fit.dispersion, n_items)


def item_effects(effects: Effects, y: FloatArray, regressors: Regressors) -> ItemEffects:
    """Fit the effects of one item.

    Parameters
    ----------
    y
        (T,) units by week; NaN is a missing week.
    regressors
        of the item at T; columns without a pooled effect are ignored.
    """
    pooled, x = _known_regressors(effects, regressors)
    columns, prior = tuple(effects.columns[i] for i in pooled), effects.coefficients[pooled]
    weeks = np.array([EVENT_PENALTY if column.kind is DriverKind.EVENT else PENALTY for column in columns])
    penalty = weeks * effects.sizes[pooled] ** 2
    known = _usable_weeks(y)
    if len(known) >= MIN_WEEKS and columns:
        rows = _Rows(columns, x[known], np.maximum(y[known], 0.0), known, np.zeros(1, np.intp))
        fit = _fit(rows, prior, penalty)
    else:
        fit = _Fit(prior, np.diag(effects.dispersion / penalty), effects.dispersion)
    multiplied = np.where(regressors.is_closed, 0.0, _exp(x @ fit.coefficients))
    away = x - x[max(len(y) - BASELINE_WEEKS, 0) : max(len(y), 1)].mean(axis=0)
    log_errors = np.sqrt(np.einsum("tc,cd,td->t", away, fit.covariance, away))
    return ItemEffects(columns, fit.coefficients, np.sqrt(np.diag(fit.covariance)), multiplied, log_errors)


def multipliers(effects: Effects, item: ItemEffects, regressors: Regressors) -> FloatArray:
    """(T + H,) multipliers of an item for changed regressors with the same columns."""
    _, x = _known_regressors(effects, regressors)
    return np.where(regressors.is_closed, 0.0, _exp(x @ item.coefficients))


def _known_regressors(effects: Effects, regressors: Regressors) -> tuple[list[int], FloatArray]:
    """Return the indices of the item's columns in the pooled effects, and (T + H, C) its regressors, clipped to the
    range of the pooled fit."""
    place = {column: i for i, column in enumerate(effects.columns)}
    own = [j for j, column in enumerate(regressors.columns) if column in place]
    pooled = [place[regressors.columns[j]] for j in own]
    return pooled, np.clip(regressors.x[:, own], effects.lowest[pooled], effects.highest[pooled])


def describe(effects: Effects | ItemEffects) -> list[dict[str, Any]]:
    """Return effects as plain data, one entry per column.

    Each has `driver`, `kind`, `shift`; the effect in `percent` of the baseline at `SHOWN_AT`, with its 95 % interval
    `low` to `high`; the `coefficient` and its standard `error`.
    """
    found = []
    for column, coefficient, error in zip(
        effects.columns, effects.coefficients.tolist(), effects.errors.tolist(), strict=True
    ):
        at, reach = SHOWN_AT[column.kind].regressor, 1.96 * error
        low, high = sorted(at * (coefficient + side * reach) for side in (-1, 1))
        percents = {"percent": at * coefficient, "low": low, "high": high}
        found.append(
            {
                "driver": column.driver,
                "kind": column.kind.value,
                "shift": column.shift,
                **{name: round(100 * float(np.expm1(value)), 1) for name, value in percents.items()},
                "coefficient": float(f"{coefficient:.5g}"),
                "error": float(f"{error:.5g}"),
            }
        )
    return found


# The fit


@dataclass(frozen=True, eq=False)
class _Rows:
    """Known weeks of some items, stacked item by item.

    `x` (R, C) regressors, `y` (R,) units clipped at 0, `week` (R,) index of the week in its item, `starts` (N,) first
    row of each item.
    """

    columns: tuple[Column, ...]
    x: FloatArray
    y: FloatArray
    week: IntArray
    starts: IntArray

    @property
    def bounds(self) -> list[tuple[int, int]]:
        return list(zip(self.starts.tolist(), [*self.starts[1:].tolist(), len(self.y)], strict=True))


@dataclass(frozen=True, eq=False)
class _Fit:
    coefficients: FloatArray
    covariance: FloatArray
    dispersion: float


def _fit(rows: _Rows, prior: FloatArray, penalty: FloatArray) -> _Fit:
    """Fit coefficients, shrunk towards the prior and starting at it."""
    lengths = np.diff(np.r_[rows.starts, len(rows.y)])
    y = rows.y / np.repeat(np.maximum(np.add.reduceat(rows.y, rows.starts) / lengths, 1e-12), lengths)
    x = np.column_stack([np.ones(len(y)), rows.x])  # column 0 is the intercept
    prior, penalty = np.r_[0.0, prior], np.r_[1e-6, penalty]
    coefficients = prior
    for _ in range(ROUNDS):
        base = _baseline(rows, y / _exp(rows.x @ coefficients[1:]))
        used = base > 1e-9
        problem = _Problem(x[used], y[used], base[used], prior, penalty)
        poisson = coefficients
        for _ in range(NEWTON_STEPS):
            poisson = problem.poisson_step(poisson)
        coefficients = (poisson + problem.log_step(coefficients)) / 2
    covariance, dispersion = problem.covariance(coefficients)
    return _Fit(coefficients[1:], covariance[1:, 1:], dispersion)


@dataclass(frozen=True, eq=False)
class _Problem:
    """Penalized regression around a baseline: `x` (R, 1 + C), `y` and `base` (R,), `prior` and `penalty` (1 + C,)."""

    x: FloatArray
    y: FloatArray
    base: FloatArray
    prior: FloatArray
    penalty: FloatArray

    def expected(self, coefficients: FloatArray) -> FloatArray:
        return self.base * _exp(self.x @ coefficients)

    def gram(self, weight: FloatArray) -> FloatArray:
        return np.asarray((self.x.T * weight) @ self.x + np.diag(self.penalty))

    def poisson_step(self, coefficients: FloatArray) -> FloatArray:
        """Take one Newton step of the quasi-Poisson fit."""
        expected = self.expected(coefficients)
        slope = self.x.T @ (self.y - expected) - self.penalty * (coefficients - self.prior)
        return np.asarray(coefficients + np.linalg.solve(self.gram(expected), slope))

    def log_step(self, coefficients: FloatArray) -> FloatArray:
        """Take one least-squares step on the logarithms of y ÷ expected units."""
        ratio = (self.y / self.expected(coefficients) + LOG_OFFSET) / (1 + LOG_OFFSET)
        slope = self.x.T @ ((1 + LOG_OFFSET) * np.log(ratio)) - self.penalty * (coefficients - self.prior)
        return np.asarray(coefficients + np.linalg.solve(self.gram(np.ones(len(self.y))), slope))

    def covariance(self, coefficients: FloatArray) -> tuple[FloatArray, float]:
        """Return the covariance of quasi-Poisson coefficients, and the dispersion."""
        expected = self.expected(coefficients)
        dispersion = float(((self.y - expected) ** 2 / expected).sum()) / max(len(self.y) - len(self.prior), 1)
        return np.asarray(np.linalg.inv(self.gram(expected)) * dispersion), dispersion


def _exp(log_multiplier: FloatArray) -> FloatArray:
    """Exponentiate, clipped to MAX_MULTIPLIER and its inverse."""
    limit = np.log(MAX_MULTIPLIER)
    return np.exp(np.clip(log_multiplier, -limit, limit))


def _baseline(rows: _Rows, y: FloatArray) -> FloatArray:
    """(R,) centred moving mean of the known weeks of the row's item."""
    base = np.empty_like(y)
    half = BASELINE_WEEKS // 2
    for start, end in rows.bounds:
        week = rows.week[start:end]
        total = np.r_[0.0, np.cumsum(y[start:end])]
        first, last = np.searchsorted(week, week - half), np.searchsorted(week, week + half, "right")
        base[start:end] = (total[last] - total[first]) / (last - first)
    return base


def _stacked(items: Sequence[EffectsSample]) -> _Rows:
    """Stack the usable weeks of items with at least MIN_WEEKS of them; absent regressors are 0."""
    columns = tuple(
        sorted({c for item in items for c in item.regressors.columns}, key=lambda c: (c.driver, c.kind, c.shift))
    )
    place = {column: i for i, column in enumerate(columns)}
    xs, ys, weeks = [np.zeros((0, len(columns)))], [np.zeros(0)], [np.zeros(0, np.intp)]
    for item in items:
        known = _usable_weeks(item.y)
        if len(known) >= MIN_WEEKS:
            x = np.zeros((len(known), len(columns)))
            x[:, [place[c] for c in item.regressors.columns]] = item.regressors.x[known]
            xs.append(x)
            ys.append(np.maximum(item.y[known], 0.0))
            weeks.append(known)
    starts = np.cumsum([len(y) for y in ys[:-1]], dtype=np.intp)
    return _Rows(columns, np.concatenate(xs), np.concatenate(ys), np.concatenate(weeks), starts)


def _usable_weeks(y: FloatArray) -> IntArray:
    """Return the known weeks outside long pauses."""
    known = np.flatnonzero(~np.isnan(y))
    edges = np.flatnonzero(np.diff(np.r_[0, y[known] <= 0, 0]))
    is_paused = np.zeros(len(known), bool)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        is_paused[start:end] = end - start >= LONG_PAUSE
    return known[~is_paused]


def _select_columns(rows: _Rows) -> _Rows:
    """Drop regressors that hardly vary, and keep the MAX_COLUMNS most correlated with y ÷ baseline."""
    varies = (np.ptp(rows.x, axis=0) > NEARLY_ZERO) & (np.abs(rows.x) > NEARLY_ZERO).any(axis=0)
    base = _baseline(rows, rows.y)
    ratio = np.divide(rows.y, base, out=np.ones_like(base), where=base > 0)
    x = rows.x - rows.x.mean(axis=0)
    correlation = np.abs((ratio - ratio.mean()) @ x) / np.maximum(np.sqrt((x**2).sum(axis=0)), 1e-12)
    order = np.argsort(-np.where(varies, correlation, -1.0), kind="stable")[:MAX_COLUMNS]
    kept = np.sort(order[varies[order]])
    return _Rows(tuple(rows.columns[j] for j in kept), rows.x[:, kept], rows.y, rows.week, rows.starts)
