"""Reorder points on backtests: share of windows in which demand over the lead time was at most the reorder point.

    python tests/benchmarks/stock.py [SET …] [--limit N] [--windows N] [--model NAME]

The sets are those of `accuracy.py`; `sample` is the output of `python -m fcst sample`. Each series is forecast before
`--windows` windows of 13 weeks at its end, as in a run. Quantiles are estimated from all windows but one and tested on
that one, in turn; then from each half of the items, and tested on the other half. For each demand class, three methods
are compared by this share in percent, which should equal the service level:

    pooled   the method of `compute.stock`
    normal   its method with too few backtests: normal errors, with the usual correlation between weeks
    naive    normal errors, independent between weeks

`cost` is the pinball loss of the reorder point at the service level, summed over all items, in percent of that of the
naive method: it weights excess and missing stock by the service level. `safety` is the safety stock of all items in
percent of the units sold.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np  # noqa: E402
from scipy.special import ndtri  # noqa: E402

from fcst.compute.demand import demand_class, describe_demand  # noqa: E402
from fcst.compute.forecasting import forecast_item  # noqa: E402
from fcst.compute.learning import learn  # noqa: E402
from fcst.compute.series import Series  # noqa: E402
from fcst.compute.stock import SumErrors, lumps, scaled_errors, stock_of, variances  # noqa: E402
from fcst.names import HOLDOUT_WEEKS  # noqa: E402
from fcst.specs import JobSpec  # noqa: E402
from tests.benchmarks.accuracy import LAST_WK_END_DT, LEVELS, SETS, attributes  # noqa: E402

SERVICE_LEVELS = (0.8, 0.9, 0.95, 0.98)
LEAD_TIMES = (1, 2, 4, 8)
FEW = 30
"""Minimum number of backtests of a class to show it separately."""


class Backtests:
    """R backtests of a set: item, window, demand class, actual units, forecast, variance and lump of each.

    Attributes
    ----------
    lump, known_lump
        (R,) lump of the whole series, as a run uses it for quantiles; and of the weeks before the window.
    """

    def __init__(self, name: str, limit: int, n_windows: int, model: str) -> None:
        series = SETS[name]()
        keys = sorted(series)
        if limit < len(keys):
            keys = sorted(np.random.default_rng(0).choice(keys, limit, replace=False).tolist())
        items = [Series(key, LAST_WK_END_DT, series[key], attributes(name, key)) for key in keys]
        spec = JobSpec(models=(model,), level=LEVELS, n_windows=n_windows)
        learned = learn(items, n_windows, spec.h, model == "Auto")
        rows = [
            (
                *(i, b.cutoff.toordinal(), demand_class(s.y), lump(s.y), lump(s.y[: weeks_before(s, b.cutoff)])),
                *(b.y, b.forecast.mean, b.forecast.lo[0], b.forecast.hi[0]),
            )
            for i, s in enumerate(items)
            for b in forecast_item(s, spec, learned).backtests
            if b.model == model
        ]
        item, window, classes, self.lump, self.known_lump, *weeks = map(np.array, zip(*rows, strict=True))
        self.item, self.window, self.classes = item, window, classes
        self.actual, self.forecast, lo, hi = weeks
        self.variance = variances(lo, hi, LEVELS[0])

    def groups(self, by_items: bool) -> np.ndarray:
        """(R,) groups for cross-validation: each is tested with quantiles of the others."""
        if not by_items:
            return self.window
        return np.random.default_rng(1).integers(0, 2, self.item.max() + 1)[self.item]


def weeks_before(series: Series, cutoff: date) -> int:
    return len(series.y) - (series.last_wk_end_dt - cutoff).days // 7


def lump(y: np.ndarray) -> float:
    demand = describe_demand(y[None], np.count_nonzero(~np.isnan(y), keepdims=True))
    units_per_sale = np.nansum(y) / np.maximum(demand.n_sold, 1)
    return float(lumps(units_per_sale, demand.cv2, demand.adi)[0])


def safety_stocks(found: Backtests, groups: np.ndarray, method: str, q: float) -> np.ndarray:
    """(R, W) safety stock over 1, 2, … W weeks."""
    n_rows, n_weeks = found.forecast.shape
    if method == "naive":
        return ndtri(q) * np.sqrt(np.cumsum(found.variance, axis=1))
    factors, is_enough = np.full((n_rows, n_weeks), np.nan), np.zeros((n_rows, n_weeks), bool)
    if method == "pooled":
        scaled = scaled_errors(found.actual, found.forecast, found.variance, found.lump)
        for group in np.unique(groups):
            others = groups != group
            errors = SumErrors(scaled[others], found.classes[others].tolist())
            for name in np.unique(found.classes):
                rows = (groups == group) & (found.classes == name)
                factors[rows], is_enough[rows] = errors.factors(name, q)
    plan, levels = found.forecast, np.full(n_rows, q)

    def over(weeks: int) -> np.ndarray:
        interval = np.full(n_rows, float(weeks))
        known = (plan, plan, found.variance, found.known_lump, interval, levels, factors, is_enough)
        return stock_of(*known).safety_stock

    return np.stack([over(weeks) for weeks in range(1, n_weeks + 1)], axis=1)


def report(found: Backtests, by_items: bool) -> Iterator[str]:
    groups = found.groups(by_items)
    errors = np.cumsum(found.actual - found.forecast, axis=1)
    head = " | ".join("".join(f"{100 * q:7.0f}" for q in SERVICE_LEVELS) for _ in LEAD_TIMES)
    yield f"    {'':<22}" + " | ".join(f"{f'{weeks} weeks':>28}" for weeks in LEAD_TIMES)
    yield f"    {'':<22}{head}"
    safety = {
        method: [safety_stocks(found, groups, method, q) for q in SERVICE_LEVELS]
        for method in ("pooled", "normal", "naive")
    }
    names, counts = np.unique(found.classes, return_counts=True)
    for name in ("all", *names[counts >= FEW]):
        rows = np.flatnonzero((found.classes == name) | (name == "all"))
        for method, stocks in safety.items():
            shares = [
                "".join(f"{100 * held(errors[rows, weeks - 1], stock[rows, weeks - 1]):7.1f}" for stock in stocks)
                for weeks in LEAD_TIMES
            ]
            yield f"    {name if method == 'pooled' else '':<15}{method:<7}" + " | ".join(shares)
    for what, measure in (("cost", cost), ("safety", stocked)):
        for method, stocks in safety.items():
            cells = [
                "".join(
                    f"{100 * measure(found, errors, stocks[i], safety['naive'][i], weeks - 1, q):7.1f}"
                    for i, q in enumerate(SERVICE_LEVELS)
                )
                for weeks in LEAD_TIMES
            ]
            yield f"    {what if method == 'pooled' else '':<15}{method:<7}" + " | ".join(cells)


def held(errors: np.ndarray, safety: np.ndarray) -> float:
    """Share of known sums that are at most the reorder point."""
    known = ~np.isnan(errors)
    return float((errors <= safety + 1e-9)[known].mean())


def cost(found: Backtests, errors: np.ndarray, stock: np.ndarray, naive: np.ndarray, at: int, q: float) -> float:
    own, other = (np.nansum(np.maximum(q * x, (q - 1) * x)) for x in (errors[:, at] - s[:, at] for s in (stock, naive)))
    return float(own / other)


def stocked(found: Backtests, errors: np.ndarray, stock: np.ndarray, naive: np.ndarray, at: int, q: float) -> float:
    known = ~np.isnan(errors[:, at])
    return float(stock[known, at].sum() / found.actual[known, : at + 1].sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=["sample", "online", "stores"], metavar="SET")
    parser.add_argument(
        "--limit", type=int, default=200, help="use this many random series of a set, with a fixed seed"
    )
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--model", default="Auto")
    args = parser.parse_args()
    for name in args.sets:
        begin = time.process_time()
        found = Backtests(name, args.limit, args.windows, args.model)
        seconds = time.process_time() - begin
        n_items, n_windows = len(np.unique(found.item)), len(np.unique(found.window))
        print(
            f"{name}: {len(found.item):,} backtests of {HOLDOUT_WEEKS} weeks, of {n_items:,} items in {n_windows} "
            f"windows; {seconds:.0f} s of CPU time"
        )
        for by_items, what in ((False, "of other windows"), (True, "of other items")):
            print(f"  quantiles from backtests {what}:", *report(found, by_items), sep="\n", flush=True)


if __name__ == "__main__":
    main()
