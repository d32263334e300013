"""Accuracy, coverage and cost of Auto on real series.

    python tests/benchmarks/accuracy.py [SET …] [--back N] [--limit N] [--no-learning] [--drivers]

The sets are `m4` (the competition's weekly series and its test weeks), `online` (Online Retail II, items of 73 weeks or
more), `stores` (Store Item Demand), `rossmann` and `juice` (600 series each of Rossmann Store Sales and of Dominick's
orange juice, of 113 weeks or more) and `sample` (the bundled one). All but the last are read from `../shared/data`.
The last 13 weeks are scored. With `--back N` the data end 13 · N weeks earlier: rules are chosen there, never on the
last weeks. Before forecasting, parts are learned across all series of the set at the cutoff, unless `--no-learning`.
Auto is compared with the best in hindsight of all single models of the catalogue, their equal-weight mean and their
median: by WAPE and MASE for smooth and erratic items, by RMSSE for the others.

With `--drivers` Auto is scored with and without effects of drivers, on the sets that have drivers (`rossmann`, `juice`,
`sample`, and `favorita`, whose 17 weeks are scored on the last 4, and compared with a forecast from history without
promotional rows). Drivers are known in the scored weeks; effects are learned from the weeks before.
"""

import argparse
import os
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from fcst.compute import metrics  # noqa: E402
from fcst.compute.auto import auto_forecast  # noqa: E402
from fcst.compute.demand import SPARSE_CLASSES, demand_class  # noqa: E402
from fcst.compute.fits import Fits, NoFit  # noqa: E402
from fcst.compute.forecasting import forecast_item  # noqa: E402
from fcst.compute.history import History, SeriesHistories  # noqa: E402
from fcst.compute.learning import Learned, learn, parts_of  # noqa: E402
from fcst.compute.models import CATALOGUE, chain  # noqa: E402
from fcst.compute.series import Series  # noqa: E402
from fcst.names import HOLDOUT_WEEKS as H  # noqa: E402
from fcst.settings import PROJECT  # noqa: E402
from fcst.specs import JobSpec  # noqa: E402
from tests.benchmarks.driver_sets import DRIVER_SETS, favorita, promoted  # noqa: E402

SHARED = PROJECT.parent / "shared" / "data"
LEVELS = (80, 95)
FEW_WEEKS = 4
"""Scored weeks of a set with few weeks."""

LAST_WK_END_DT = date(2024, 6, 1)
Table = dict[str, np.ndarray]


def read_m4() -> Table:
    folder = SHARED / "m4_weekly"
    train = pd.read_csv(folder / "train.csv").sort_values("t").groupby("unique_id")["y"]
    test = pd.read_csv(folder / "test.csv").sort_values("h").groupby("unique_id")["y"]
    return {key: np.r_[part.to_numpy(float), test.get_group(key).to_numpy(float)] for key, part in train}


def read_online() -> Table:
    first, second = (pd.read_parquet(path) for path in sorted((SHARED / "online_retail_ii").glob("*.parquet")))
    parts = [
        frame.set_axis(["receipt", "item", "text", "units", "date", *frame.columns[5:]], axis=1)[
            ["item", "units", "date"]
        ]
        for frame in (first, second)
    ]
    parts = [part.assign(date=pd.to_datetime(part["date"]), item=part["item"].astype(str)) for part in parts]
    parts[1] = parts[1][parts[1]["date"] > parts[0]["date"].max()]  # the files overlap
    rows = pd.concat(parts)
    series = weekly(rows[rows["item"].str.match(r"\d{5}")])  # others are postage, fees, and so on
    return {key: y for key, y in series.items() if len(y) >= 73}


def read_stores() -> Table:
    with zipfile.ZipFile(SHARED / "store_item_demand" / "demand-forecasting.zip") as archive:
        rows = pd.read_csv(archive.open("train.csv"), parse_dates=["date"])
    return weekly(rows.assign(item=rows["store"].astype(str) + "_" + rows["item"].astype(str), units=rows["sales"]))


def read_rossmann() -> Table:
    rows = pd.read_parquet(SHARED / "promotions" / "rossmann_daily.parquet", columns=["Store", "Date", "Sales"])
    return chosen(
        weekly(
            pd.DataFrame(
                {
                    "item": "S" + rows["Store"].astype(str),
                    "date": pd.to_datetime(rows["Date"]),
                    "units": rows["Sales"].astype(float),
                }
            )
        )
    )


def read_juice() -> Table:
    rows = pd.read_parquet(
        SHARED / "promotions" / "orange_juice.parquet", columns=["store", "brand", "week", "logmove"]
    )
    keys = "s" + rows["store"].astype(str) + "_b" + rows["brand"].astype(str)
    table = rows.assign(key=keys, units=np.exp(rows["logmove"]).round()).pivot(
        index="week", columns="key", values="units"
    )
    table = table.reindex(range(table.index.min(), table.index.max() + 1))
    columns = ((str(key), table[key]) for key in table)
    return chosen({key: y.loc[y.first_valid_index() :].fillna(0.0).to_numpy(float) for key, y in columns})


def chosen(series: Table) -> Table:
    """600 random series with 113 weeks or more, with a fixed seed."""
    keys = sorted(key for key, y in series.items() if len(y) >= 100 + H)
    return {keys[i]: series[keys[i]] for i in np.random.default_rng(7).permutation(len(keys))[:600]}


def read_sample() -> Table:
    (path,) = (PROJECT / "data" / "sample").glob("train.csv*")
    return weekly(
        pd.read_csv(path, parse_dates=["date"], usecols=["date", "item_nbr", "unit_sales"]).rename(
            columns={"item_nbr": "item", "unit_sales": "units"}
        )
    )


SETS = {
    "m4": read_m4,
    "online": read_online,
    "stores": read_stores,
    "rossmann": read_rossmann,
    "juice": read_juice,
    "sample": read_sample,
}


def weekly(rows: pd.DataFrame) -> Table:
    """Units by item and complete week ending on Saturday, from the first sale on; returns are netted, clipped at 0."""
    days = rows["date"].dt.normalize()
    ends = days + pd.to_timedelta((5 - days.dt.dayofweek) % 7, unit="D")
    is_whole = (ends - pd.Timedelta(days=6) >= days.min()) & (ends <= days.max())
    table = rows[is_whole].pivot_table(index=ends[is_whole], columns="item", values="units", aggfunc="sum")
    table = table.reindex(pd.date_range(table.index.min(), table.index.max(), freq="7D")).fillna(0).clip(lower=0)
    columns = ((str(key), table[key].to_numpy(float)) for key in table)
    return {key: y[np.flatnonzero(y)[0] :] for key, y in columns if y.any()}


def attributes(name: str, key: str) -> dict[str, str]:
    """Attributes of an item: for `stores` and `juice` the parts of its key."""
    if name in ("stores", "juice"):
        store, _, item = key.partition("_")
        return {"store": store, "item": item}
    return families().get(key, {}) if name == "sample" else {}


@cache
def families() -> dict[str, dict[str, str]]:
    rows = pd.read_csv(PROJECT / "data" / "sample" / "items.csv", dtype=str).set_index("item_nbr")
    return {str(key): {"family": row["family"], "class": row["class"]} for key, row in rows.iterrows()}


def score(item: Series, actual: np.ndarray, models: list[str], learned: Mapping[int, Learned]) -> dict[str, float]:
    y, histories, fits = item.y, SeriesHistories(item, H), Fits()
    begin = time.process_time()
    found = auto_forecast(histories, fits, histories.end, LEVELS, parts_of(learned, histories))
    seconds = time.process_time() - begin
    mae, mse = metrics.naive_mae(y), metrics.naive_mse(y)
    singles = {name: single(fits, histories.at(histories.end), name) for name in models}
    all_singles = np.array(list(singles.values()))
    row = {
        "is_dense": demand_class(y) not in SPARSE_CLASSES,
        "sells_always": (y == 0).mean() < 0.1,
        "error": (found.mean - actual).sum(),
        "actual": actual.sum(),
        "smape": metrics.smape(actual, found.mean),
        "naive_mase": metrics.mase(actual, np.full(H, y[-1]), mae),
        "naive_smape": metrics.smape(actual, np.full(H, y[-1])),
        "seconds": seconds,
    }
    others = {**singles, "mean": all_singles.mean(0), "median": np.median(all_singles, axis=0)} if models else {}
    for name, mean in {"Auto": found.mean, **others}.items():
        row[f"abs_error {name}"] = np.abs(mean - actual).sum()
        row[f"mase {name}"] = metrics.mase(actual, mean, mae)
        row[f"rmsse {name}"] = metrics.rmsse(actual, mean, mse)
    for level, lo, hi in zip(LEVELS, found.lo, found.hi, strict=True):
        row[f"coverage_{level}"] = metrics.coverage(actual, lo, hi)
        row[f"msis_{level}"] = metrics.msis(actual, lo, hi, level, mae)
    return row


def single(fits: Fits, history: History, name: str) -> np.ndarray:
    """The forecast of a single model, or of its fallback."""
    forecasts = (fits.forecast(made_by, history) for made_by in chain(name))
    return next(forecast for forecast in forecasts if not isinstance(forecast, NoFit))


def compare_with_best(rows: pd.DataFrame, metric: str) -> str:
    """Auto's metric, and its ratio to the best model in hindsight."""
    if metric == "WAPE":
        columns = [name for name in rows if name.startswith("abs_error ")]
        found = rows[columns].sum() / rows["actual"].sum()
    else:
        found = rows[[name for name in rows if name.startswith(f"{metric.lower()} ")]].mean()
    found.index = [name.partition(" ")[2] for name in found.index]
    own, others = found["Auto"], found.drop("Auto")
    if others.empty:
        return f"{metric} {own:.4f}"
    return f"{metric} {own:.4f} = {own / others.min():.3f} × {others.idxmin()}"


def report(name: str, rows: pd.DataFrame) -> Iterator[str]:
    yield f"{name}: {len(rows):,} series, {1e3 * rows['seconds'].mean():.0f} ms of CPU time each"
    if name == "m4":
        owa = (
            rows["mase Auto"].mean() / rows["naive_mase"].mean() + rows["smape"].mean() / rows["naive_smape"].mean()
        ) / 2
        yield (
            f"    sMAPE {100 * rows['smape'].mean():.3f}, MASE {rows['mase Auto'].mean():.3f}, OWA {owa:.4f}; "
            f"Naive {100 * rows['naive_smape'].mean():.3f}, {rows['naive_mase'].mean():.3f} (published: 9.161, 2.777)"
        )
    yield (
        f"    all: {compare_with_best(rows, 'WAPE')}, bias {rows['error'].sum() / rows['actual'].sum():+.1%}, "
        + ", ".join(f"{level} % covers {rows[f'coverage_{level}'].mean():.1%}" for level in LEVELS)
    )
    for what, part in (
        ("smooth, erratic", rows[rows["is_dense"]]),
        ("intermittent, lumpy", rows[~rows["is_dense"]]),
    ):
        if len(part):
            metrics_of_part = "  ".join(compare_with_best(part, metric) for metric in ("WAPE", "MASE", "RMSSE"))
            yield f"    {what:<20} n {len(part):>5,}  {metrics_of_part}"
    for what, part in (
        ("under 10 % zeros", rows[rows["sells_always"]]),
        ("more zeros", rows[~rows["sells_always"]]),
    ):
        if len(part):
            held = [
                f"{level} %: {part[f'coverage_{level}'].mean():.1%}, MSIS {part[f'msis_{level}'].mean():.2f}"
                for level in LEVELS
            ]
            yield f"    {what:<20} n {len(part):>5,}  " + "  ".join(held)


def report_drivers(name: str, back: int, limit: int | None) -> Iterator[str]:
    """WAPE, bias and coverage of the 80 % interval, for all weeks, promotion weeks and others."""
    h = FEW_WEEKS if name == "favorita" else H
    whole = [s for s in DRIVER_SETS[name]() if len(s.y) > h * (1 + back)]
    cut = {s.unique_id: replace(s, y=s.y[: len(s.y) - h * (1 + back)]) for s in whole}
    begin = time.process_time()
    learned = learn(list(cut.values()), 0, h)
    effects = {0: Learned(0, learned[0].effects)}
    seconds = time.process_time() - begin
    if limit and limit < len(whole):
        whole = [whole[i] for i in np.random.default_rng(0).choice(len(whole), limit, replace=False)]
    ends = {s.unique_id: len(cut[s.unique_id].y) for s in whole}
    actual = np.array([s.y[ends[s.unique_id] :][:h] for s in whole])
    is_promoted = np.array([promoted(s, ends[s.unique_id], ends[s.unique_id] + h) for s in whole])
    yield f"{name}: {len(whole):,} series; learned in {seconds:.1f} s of CPU time"
    known_series = [cut[s.unique_id] for s in whole]
    methods = [("without drivers", known_series, {}), ("with drivers", known_series, effects)]
    methods.append(("with all learned parts", known_series, learned))
    if name == "favorita":
        filtered = {s.unique_id: s.y for s in favorita(is_filtered=True)}
        plain = [replace(s, y=filtered[s.unique_id][: len(s.y)], drivers=()) for s in known_series]
        methods.append(("without promotional rows", plain, {}))
    for what, series, known in methods:
        begin = time.process_time()
        mean, lo, hi = forecast_all(series, known, h)
        yield f"    {what}: {1e3 * (time.process_time() - begin) / len(whole):.0f} ms of CPU time each"
        for part, is_in in (("all", is_promoted | True), ("promotion", is_promoted), ("other", ~is_promoted)):
            error, sold = (mean - actual)[is_in], actual[is_in].sum()
            held = ((lo <= actual) & (actual <= hi))[is_in].mean()
            yield (
                f"        {part:<10} {is_in.sum():>6,} weeks  WAPE {np.abs(error).sum() / sold:.4f}, "
                f"bias {error.sum() / sold:+.1%}, 80 % covers {held:.1%}"
            )


def forecast_all(
    series: list[Series], learned: Mapping[int, Learned], h: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, h) forecasts of Auto, and the bounds of the 80 % interval."""
    spec = JobSpec(h=h, level=(80,), n_windows=0)
    found = [forecast_item(s, spec, learned).forecasts["Auto"] for s in series]
    return np.array([f.mean for f in found]), np.array([f.lo[0] for f in found]), np.array([f.hi[0] for f in found])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=list(SETS), metavar="SET")
    parser.add_argument("--back", type=int, default=0, help="end the data this many quarters earlier")
    parser.add_argument("--limit", type=int, help="use this many random series of a set, with a fixed seed")
    parser.add_argument("--alone", action="store_true", help="without the other models")
    parser.add_argument("--no-learning", action="store_true", help="without parts learned across series")
    parser.add_argument("--arima", action="store_true", help="compare with AutoARIMA too, which is slow")
    parser.add_argument("--drivers", action="store_true", help="with and without effects of drivers")
    args = parser.parse_args()
    models = [] if args.alone else [name for name in CATALOGUE if args.arima or "ARIMA" not in name]
    if args.drivers:
        for name in filter(DRIVER_SETS.__contains__, args.sets):
            print(*report_drivers(name, args.back, args.limit), sep="\n", flush=True)
        return
    for name in args.sets:
        series, begin = SETS[name](), time.process_time()
        ends = {key: len(y) - H * (1 + args.back) for key, y in series.items()}
        items = {
            key: Series(key, LAST_WK_END_DT, y[: ends[key]], attributes(name, key))
            for key, y in series.items()
            if ends[key] > 0
        }
        learned = {} if args.no_learning else learn(list(items.values()), 0, H)
        if learned:
            seconds = (time.process_time() - begin) / len(learned)
            print(f"{name}: learned at {len(learned)} cutoffs, {seconds:.1f} s each: {learned[0].summary()['parts']}")
        keys = sorted(series)
        if args.limit and args.limit < len(keys):
            keys = np.random.default_rng(0).choice(keys, args.limit, replace=False).tolist()
        scored = [key for key in keys if key in items]
        actual = {key: series[key][ends[key] : ends[key] + H] for key in scored}
        rows = pd.DataFrame([score(items[key], actual[key], models, learned) for key in scored])
        print(*report(name, rows), sep="\n", flush=True)


if __name__ == "__main__":
    main()
