"""Costs of the models in the catalogue, and of Auto compared with the same fits by statsforecast.

    python tests/benchmarks/costs.py models [--series N]      ms per fit to 240 weeks, compared with the catalogue
    python tests/benchmarks/costs.py auto [--series N]        Auto with 3 windows and levels 80 and 95, compared with
                                                              StatsForecast.cross_validation + forecast with the same
                                                              candidates, windows and levels

Series have a season, noise that grows with their level, and a few promotions. fcst's own regressions are wrapped as
statsforecast models, with intervals at no cost. One process, one thread.
"""

import argparse
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from statsforecast import StatsForecast, models  # noqa: E402

from fcst.compute.auto import auto_forecast  # noqa: E402
from fcst.compute.fits import Fits, NoFit  # noqa: E402
from fcst.compute.history import History, SeriesHistories  # noqa: E402
from fcst.compute.models import AUTO_WINDOWS, CATALOGUE, auto_pool  # noqa: E402
from fcst.compute.series import Series  # noqa: E402
from fcst.names import HOLDOUT_WEEKS as H  # noqa: E402
from fcst.names import SEASON_LENGTH  # noqa: E402

WEEKS = 240
LEVELS = (80, 95)

LIBRARY: dict[str, Callable[[], Any]] = {
    "Naive": lambda: models.Naive(),
    "SeasonalNaive": lambda: models.SeasonalNaive(SEASON_LENGTH),
    "WindowAverage": lambda: models.WindowAverage(8, prediction_intervals=_conformal()),
    "SES": lambda: models.SimpleExponentialSmoothingOptimized(prediction_intervals=_conformal()),
    "TSB": lambda: models.TSB(0.2, 0.2, prediction_intervals=_conformal()),
    "IMAPA": lambda: models.IMAPA(prediction_intervals=_conformal()),
    "AutoETS": lambda: models.AutoETS(season_length=1),
    "AutoCES(1)": lambda: models.AutoCES(season_length=1, model="N", alias="AutoCES(1)"),
    "AutoCES": lambda: models.AutoCES(season_length=SEASON_LENGTH),
    "MFLES": lambda: models.MFLES(season_length=SEASON_LENGTH, prediction_intervals=_conformal()),
}


def _conformal() -> Any:
    from statsforecast.utils import ConformalIntervals

    return ConformalIntervals(n_windows=2, h=H)


def fitted(y: np.ndarray, h: int, name: str) -> np.ndarray:
    mean = Fits().forecast(name, History(y, h))
    assert not isinstance(mean, NoFit), mean.reason
    return mean


class Ours:
    """Adapter of a catalogue model to the model interface of statsforecast."""

    uses_exog = False

    def __init__(self, name: str) -> None:
        self.alias = name

    def __repr__(self) -> str:
        return self.alias

    def forecast(self, y: np.ndarray, h: int, level: list[int] | None = None, **others: Any) -> dict[str, Any]:
        mean = fitted(np.asarray(y, float), h, self.alias)
        bounds = {f"{side}-{percent}": mean for percent in level or [] for side in ("lo", "hi")}
        return {"mean": mean, **bounds}


def make_series(n: int) -> list[np.ndarray]:
    rng, t = np.random.default_rng(1), np.arange(WEEKS)
    made = []
    for _ in range(n):
        year = 1 + 0.3 * np.sin(2 * np.pi * (t + rng.integers(SEASON_LENGTH)) / 52.18)
        promo = np.where(rng.random(WEEKS) < 0.04, rng.uniform(1.5, 3), 1)
        made.append(np.round(rng.uniform(10, 500) * year * promo * rng.lognormal(0, 0.2, WEEKS)) + 1)
    return made


def ms(function: Callable[[], object]) -> float:
    begin = time.process_time()
    function()
    return 1e3 * (time.process_time() - begin)


def measure_models(series: list[np.ndarray]) -> None:
    print(f"{'model':<28}{'ms':>9}{'catalogue':>11}")
    for name, model in CATALOGUE.items():
        fitted(series[0], H, name)  # warm
        spent = [ms(lambda y=y, name=name: fitted(y, H, name)) for y in series]
        print(f"{name:<28}{statistics.mean(spent):>9.2f}{model.cost_ms:>11.2f}")


def measure_auto(series: list[np.ndarray]) -> None:
    pool = auto_pool("smooth", WEEKS)
    made = [LIBRARY[name]() if name in LIBRARY else Ours(name) for name in pool]

    def ours(y: np.ndarray) -> None:
        auto_forecast(SeriesHistories(Series("item", date(2024, 6, 1), y), H), Fits(), WEEKS, LEVELS)

    def theirs(y: np.ndarray, level: list[int] | None) -> None:
        weeks = pd.date_range("2020-01-04", periods=WEEKS, freq="W-SAT")
        frame = pd.DataFrame({"unique_id": "a", "ds": weeks, "y": y})
        forecaster = StatsForecast(models=made, freq="W-SAT", n_jobs=1)
        forecaster.cross_validation(df=frame, h=H, n_windows=AUTO_WINDOWS, step_size=H, level=level)
        forecaster.forecast(df=frame, h=H, level=level)

    warnings.simplefilter("ignore")
    ours(series[0])
    theirs(series[0], list(LEVELS))
    rows = []
    for number, y in enumerate(series):
        turns: list[tuple[str, Callable[[], None]]] = [
            ("auto", lambda y=y: ours(y)),
            ("with levels", lambda y=y: theirs(y, list(LEVELS))),
            ("without", lambda y=y: theirs(y, None)),
        ]
        rows.append({name: ms(turn) for name, turn in (turns if number % 2 else turns[::-1])})
    frame = pd.DataFrame(rows)
    print(f"{len(series)} series of {WEEKS} weeks, {len(pool)} candidates, ms of a core per series:")
    print(frame.describe().loc[["mean", "min", "50%", "max"]].round(0).to_string())
    for name in ("with levels", "without"):
        ratio = frame["auto"] / frame[name]
        print(
            f"Auto ÷ (cross_validation + forecast, {name}): "
            f"median {ratio.median():.2f} ({ratio.min():.2f}–{ratio.max():.2f})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("models", "auto"))
    parser.add_argument("--series", type=int, default=20, metavar="N")
    args = parser.parse_args()
    (measure_models if args.what == "models" else measure_auto)(make_series(args.series))


if __name__ == "__main__":
    main()
