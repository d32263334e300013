"""The catalogue of models: what can be asked for, and what stands in where an item's history is too short.

It can be read without importing statsforecast, which takes seconds: only `build` imports it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fcst.errors import InputError
from fcst.names import SEASON_LENGTH

AUTO = "Auto"
MEDIAN = "Median"

TWO_YEARS = 2 * SEASON_LENGTH


@dataclass(frozen=True)
class Fit:
    """One way to compute a forecast.

    Parameters
    ----------
    made_by
        its name, as forecasts tell who made them.
    min_history
        weeks without which it cannot be fitted, or its season cannot be known.
    build
        makes the statsforecast model; None for the recent mean, which needs none.
    """

    made_by: str
    min_history: int
    build: Callable[[], Any] | None


@dataclass(frozen=True)
class Model:
    """What a user can ask for: `fits` in order of preference: the model itself, then its fallbacks."""

    name: str
    purpose: str
    source: str
    fits: tuple[Fit, ...]


def _model(name: str, **kwargs: Any) -> Callable[[], Any]:
    def build() -> Any:
        from statsforecast import models

        return getattr(models, name)(**kwargs)

    return build


RECENT_MEAN = Fit("RecentMean", 1, None)
_NAIVE = Fit("Naive", 2, _model("Naive"))
_ETS = Fit("AutoETS", 10, _model("AutoETS", season_length=1))

CATALOGUE: dict[str, Model] = {
    model.name: model
    for model in (
        Model(
            "SeasonalNaive",
            "repeats last year; the yardstick",
            "Hyndman & Athanasopoulos, Forecasting: Principles and Practice, 5.2",
            (
                Fit("SeasonalNaive", SEASON_LENGTH, _model("SeasonalNaive", season_length=SEASON_LENGTH)),
                _NAIVE,
                RECENT_MEAN,
            ),
        ),
        Model(
            "AutoETS",
            "level and trend by exponential smoothing, no season",
            "Hyndman et al. 2002, doi:10.1016/S0169-2070(01)00110-8",
            (_ETS, RECENT_MEAN),
        ),
        Model(
            "DynamicOptimizedTheta",
            "trend and season; strong on short and long histories",
            "Fiorucci et al. 2016, doi:10.1016/j.ijforecast.2016.02.005",
            (
                Fit(
                    "DynamicOptimizedTheta",
                    TWO_YEARS,
                    _model("DynamicOptimizedTheta", season_length=SEASON_LENGTH),
                ),
                Fit("DynamicOptimizedTheta(1)", 10, _model("DynamicOptimizedTheta", season_length=1)),
                RECENT_MEAN,
            ),
        ),
        Model(
            "AutoCES",
            "level and season without fixed components",
            "Svetunkov et al. 2022, doi:10.1002/nav.22074",
            (
                Fit("AutoCES", TWO_YEARS, _model("AutoCES", season_length=SEASON_LENGTH)),
                Fit("AutoCES(1)", 20, _model("AutoCES", season_length=1, model="N")),
                _ETS,
                RECENT_MEAN,
            ),
        ),
        Model(
            "MSTL",
            "season by decomposition, the rest by exponential smoothing",
            "Bandara et al. 2021, arXiv:2107.13462",
            (Fit("MSTL", TWO_YEARS, _model("MSTL", season_length=SEASON_LENGTH)), _ETS, RECENT_MEAN),
        ),
    )
}

_ALL = ", ".join(CATALOGUE)
COMBINATIONS = {
    AUTO: "for each item a weighted mean of up to 24 models, those most that its own past says are best",
    MEDIAN: f"the median, week by week, of {_ALL}",
}

MODEL_NAMES = (*COMBINATIONS, *CATALOGUE)


def parse_models(names: list[str]) -> tuple[str, ...]:
    """The catalogue's spelling of `names`, in any case.

    Raises
    ------
    InputError
        if one is unknown; the text lists those that are known.
    """
    known = {name.lower(): name for name in MODEL_NAMES}
    unknown = [name for name in names if name.strip().lower() not in known]
    if unknown:
        raise InputError(f"There is no model {unknown[0]!r}.", f"Choose among {', '.join(MODEL_NAMES)}.")
    return tuple(known[name.strip().lower()] for name in names)
