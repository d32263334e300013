"""Compares rules for Auto's combination on forecasts that are fitted once and stored.

    python tests/benchmarks/combining.py fit FOLDER SET [--back 1] [--weeks 0] [--limit 0]
    python tests/benchmarks/combining.py score FOLDER

`fit` takes a set of `accuracy.py`, ends it `--back` quarters before its last 13 weeks, cuts histories to their last
`--weeks` (0: not cut), and stores in FOLDER the forecasts of all candidates from there and in Auto's windows. It takes
minutes. `score` combines the stored forecasts by each rule of RULES, in seconds, and prints WAPE, MASE, RMSSE and bias,
and their ratio to the current rule. Edit RULES to try others. Rules are chosen with `--back 1` or more, never on the
last 13 weeks.
"""

import argparse
import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np  # noqa: E402

from fcst.compute import metrics  # noqa: E402
from fcst.compute.auto import Rule, backtest_weights, combined, forecast_windows, rule_of, tilt_of  # noqa: E402
from fcst.compute.demand import SPARSE_CLASSES  # noqa: E402
from fcst.compute.fits import Fits, NoFit  # noqa: E402
from fcst.compute.history import SeriesHistories  # noqa: E402
from fcst.compute.models import AUTO_MIN_TRAINING, AUTO_WINDOWS, CATALOGUE  # noqa: E402
from fcst.compute.series import Series  # noqa: E402
from fcst.names import HOLDOUT_WEEKS as H  # noqa: E402
from fcst.records import FloatArray  # noqa: E402
from tests.benchmarks.accuracy import SETS  # noqa: E402

SLOW = ("AutoARIMA", "AutoARIMA-Fourier")  # a third of a second per fit
DENSE_ONLY = ("AutoCES", "MSTL", "STL-ETS")  # slow, and in no pool of sparse items


@dataclass(frozen=True)
class Fitted:
    """Forecasts of one series by all candidates: C candidates, W windows.

    Parameters
    ----------
    y
        (T,) history, with missing weeks filled in.
    actual
        (H,) units sold after it.
    final
        candidate -> (H,) forecast of these weeks.
    windows
        (W, C, H) forecasts of `names` in Auto's windows, latest first; NaN where one could not be fitted.
    sold
        (W, H) units sold in the windows.
    """

    y: FloatArray
    actual: FloatArray
    demand: str
    names: tuple[str, ...]
    final: dict[str, FloatArray]
    windows: FloatArray
    sold: FloatArray


Forecaster = Callable[[Fitted], FloatArray]


def fit(y: FloatArray, actual: FloatArray) -> Fitted:
    histories, fits = SeriesHistories(Series("item", date(2024, 6, 1), y), H), Fits()
    history = histories.at(histories.end)
    left_out = (*SLOW, *DENSE_ONLY) if history.demand in SPARSE_CLASSES else SLOW
    names = tuple(name for name in CATALOGUE if name not in left_out)
    cutoffs = histories.windows_before(histories.end, AUTO_WINDOWS, AUTO_MIN_TRAINING)
    final = {n: f for n in names if not isinstance(f := fits.forecast(n, history.capped), NoFit)}
    windows = forecast_windows(histories, fits, names, cutoffs)
    return Fitted(history.y, actual, history.demand, names, final, windows, histories.actuals(cutoffs))


def fit_set(args: argparse.Namespace) -> None:
    series = SETS[args.set]()
    keys = sorted(series)
    if args.limit and args.limit < len(keys):
        keys = np.random.default_rng(0).choice(keys, args.limit, replace=False).tolist()
    found = []
    for key in keys:
        end = len(series[key]) - H * (1 + args.back)
        history = series[key][max(end - args.weeks, 0) if args.weeks else 0 : max(end, 0)]
        sold = np.flatnonzero(history)
        if len(sold) and len(history) - sold[0] > AUTO_MIN_TRAINING:
            found.append(fit(history[sold[0] :], series[key][end : end + H]))
    path = args.folder / f"{args.set} back {args.back} weeks {args.weeks or 'all'}.pickle"
    path.write_bytes(pickle.dumps(found))
    print(f"{len(found):,} series in {path.name}")


def auto(fitted: Fitted, rule: Rule, n_windows: int) -> FloatArray:
    """(H,) forecast of Auto by a rule."""
    if np.ptp(fitted.y) == 0:
        return np.full(H, fitted.y[0])
    names = [name for name in dict.fromkeys((*rule.pool, *rule.median)) if name in fitted.final]
    made = fitted.windows[:n_windows, [fitted.names.index(name) for name in names]]
    weights = backtest_weights(made, fitted.sold[:n_windows], rule, tilt_of(fitted.y, names, rule))
    forecasts = np.array([fitted.final[name] for name in names])
    return np.maximum(combined(forecasts, weights, np.isin(names, rule.median)), 0.0)


def ruled(n_windows: int = AUTO_WINDOWS, without: tuple[str, ...] = (), **fields: Any) -> Forecaster:
    """Auto with another number of windows, a smaller pool, or other fields of its rule."""

    def forecast(fitted: Fitted) -> FloatArray:
        rule = rule_of(fitted.demand, len(fitted.y))
        pool = tuple(name for name in rule.pool if name not in without)
        return auto(fitted, replace(rule, **{"pool": pool, **fields}), n_windows)

    return forecast


RULES: dict[str, Forecaster] = {
    "today": ruled(),
    "without a median": ruled(median=()),
    "three windows": ruled(3),
    "two windows": ruled(2),
    "without the slow four": ruled(without=("AutoETS(A)", "STL-ETS", "AutoCES", "MFLES")),
}


def score(fitted: list[Fitted], rule: Forecaster) -> dict[str, float]:
    made = [rule(one) for one in fitted]
    actual, forecast = (np.array(rows) for rows in ([one.actual for one in fitted], made))
    mase = [metrics.mase(one.actual, f, metrics.naive_mae(one.y)) for one, f in zip(fitted, made, strict=True)]
    rmsse = [metrics.rmsse(one.actual, f, metrics.naive_mse(one.y)) for one, f in zip(fitted, made, strict=True)]
    return {
        "WAPE": np.abs(forecast - actual).sum() / actual.sum(),
        "MASE": float(np.nanmean(mase)),
        "RMSSE": float(np.nanmean(rmsse)),
        "bias": (forecast - actual).sum() / actual.sum(),
    }


def score_all(folder: Path) -> None:
    for path in sorted(folder.glob("*.pickle")):
        fitted: list[Fitted] = pickle.loads(path.read_bytes())
        print(f"{path.stem}: {len(fitted):,} series of {np.median([len(one.y) for one in fitted]):.0f} weeks")
        today = score(fitted, RULES["today"])
        for name, rule in RULES.items():
            found = score(fitted, rule)
            ratios = "  ".join(f"{m} {found[m]:.4f} ({found[m] / today[m]:.3f})" for m in ("WAPE", "MASE", "RMSSE"))
            print(f"    {name:<24} {ratios}  bias {found['bias']:+.1%}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    fitting, scoring = commands.add_parser("fit"), commands.add_parser("score")
    for command in (fitting, scoring):
        command.add_argument("folder", type=Path)
    fitting.add_argument("set", choices=SETS)
    fitting.add_argument("--back", type=int, default=1, help="end the data this many quarters earlier")
    fitting.add_argument("--weeks", type=int, default=0, help="cut histories to this many weeks")
    fitting.add_argument("--limit", type=int, default=0, help="use this many random series, with a fixed seed")
    args = parser.parse_args()
    args.folder.mkdir(exist_ok=True)
    if args.command == "fit":
        fit_set(args)
    else:
        score_all(args.folder)


if __name__ == "__main__":
    main()
