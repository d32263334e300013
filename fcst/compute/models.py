"""The catalogue of models: what can be asked for, what each needs and costs, and what stands in for it.

Auto chooses among the same models that can be picked by hand. The catalogue can be read without importing
statsforecast, which takes seconds; how each model is computed stands in `fits.py`.
"""

from dataclasses import dataclass

from fcst.errors import InputError
from fcst.names import SEASON_LENGTH

CATALOGUE_VERSION = 2
"""Raised whenever a model, or how models are combined, changes a forecast."""

AUTO = "Auto"
MEDIAN = "Median"
LAST_RESORT = "WindowAverage"
"""Works for any history."""

YEAR, TWO_YEARS = SEASON_LENGTH, 2 * SEASON_LENGTH

MAX_WEEKS = 520
"""Of a history no more than its last ten years is looked at."""

AUTO_WINDOWS = 4
"""Windows of the past by whose errors Auto weights its candidates and makes its intervals."""

INTERVAL_WINDOWS = 2
"""Windows by whose errors the intervals of a model picked by hand are made; each takes a fit more."""

AUTO_MIN_TRAINING = 26
"""Weeks before a window of Auto."""

_FPP = "Hyndman & Athanasopoulos 2021, Forecasting: Principles and Practice"


@dataclass(frozen=True)
class Model:
    """One way to forecast a series.

    Parameters
    ----------
    min_history
        weeks without which it cannot be fitted, or its season cannot be known.
    is_seasonal
        whether its forecast knows the time of the year.
    cost_ms
        milliseconds of one core that a fit to 240 weeks took (`tests/benchmarks/costs.py`).
    fallback
        the model that stands in where it cannot be fitted.
    """

    name: str
    purpose: str
    min_history: int
    is_seasonal: bool
    cost_ms: float
    source: str
    fallback: str = LAST_RESORT


_RIDGE = "fcst/compute/regressions.py; Hoerl & Kennard 1970, doi:10.1080/00401706.1970.10488634"
_WAVES = "fcst/compute/regressions.py; dynamic harmonic regression, " + _FPP + ", 10.5"

CATALOGUE: dict[str, Model] = {
    model.name: model
    for model in (
        Model("Naive", "repeats the last week", 1, False, 0.03, _FPP + ", 5.2"),
        Model("SeasonalNaive", "repeats last year; the yardstick", YEAR, True, 0.03, _FPP + ", 5.2", "Naive"),
        Model("RandomWalkWithDrift", "goes on as from the first week to the last", 4, False, 0.03, _FPP + ", 5.2"),
        Model("WindowAverage", "the mean of the last 8 weeks", 1, False, 0.03, _FPP + ", 5.2"),
        Model("WindowAverage(26)", "the mean of the last half year", 1, False, 0.03, _FPP + ", 5.2"),
        Model(
            "SmoothSeasonalNaive", "last year, smoothed, with its growth since", YEAR, True, 0.07, _FPP + ", 5.2",
            "SeasonalNaive",
        ),
        Model(
            "LogSeasonalMove", "recent level and the mean move of the last three years from here", YEAR + 4, True, 0.04,
            _FPP + ", 5.2", "SmoothSeasonalNaive",
        ),
        Model(
            "SES", "a level by simple exponential smoothing", 5, False, 0.06,
            "Brown 1959, Statistical Forecasting for Inventory Control; " + _FPP + ", 8.1",
        ),
        Model(
            "AutoETS", "level and trend by exponential smoothing, no season", 10, False, 9.6,
            "Hyndman et al. 2002, doi:10.1016/S0169-2070(01)00110-8",
        ),
        Model(
            "AutoETS(A)", "AutoETS of additive errors only, in half the time", 10, False, 6.0,
            "Hyndman et al. 2002, doi:10.1016/S0169-2070(01)00110-8",
        ),
        Model(
            "DynamicOptimizedTheta(1)", "trend without a season", 10, False, 9.5,
            "Fiorucci et al. 2016, doi:10.1016/j.ijforecast.2016.02.005",
        ),
        Model(
            "DynamicOptimizedTheta", "trend and season; strong on short and long histories", TWO_YEARS, True, 9.1,
            "Fiorucci et al. 2016, doi:10.1016/j.ijforecast.2016.02.005", "DynamicOptimizedTheta(1)",
        ),
        Model(
            "AutoCES(1)", "level without fixed components, no season", 20, False, 0.5,
            "Svetunkov et al. 2022, doi:10.1002/nav.22074", "AutoETS",
        ),
        Model(
            "AutoCES", "level and season without fixed components", TWO_YEARS, True, 32.0,
            "Svetunkov et al. 2022, doi:10.1002/nav.22074", "AutoCES(1)",
        ),
        Model(
            "AutoARIMA", "autocorrelation and trend, no season", 20, False, 206.0,
            "Hyndman & Khandakar 2008, doi:10.18637/jss.v027.i03", "AutoETS",
        ),
        Model(
            "AutoARIMA-Fourier", "autocorrelation, and the year by three pairs of waves", TWO_YEARS, True, 330.0,
            "Hyndman & Khandakar 2008, doi:10.18637/jss.v027.i03; " + _FPP + ", 10.5", "AutoARIMA",
        ),
        Model(
            "MSTL", "season by decomposition, the rest by exponential smoothing", TWO_YEARS, True, 21.5,
            "Bandara et al. 2021, arXiv:2107.13462", "AutoETS",
        ),
        Model(
            "MFLES", "trend and season by boosting; the season from two years on", 20, True, 2.6,
            "Blume 2024, statsforecast's MFLES", "AutoETS",
        ),
        Model(
            "STL-ETS", "season that changes slowly, the rest by exponential smoothing", TWO_YEARS, True, 8.0,
            "Cleveland et al. 1990, STL, Journal of Official Statistics 6(1)", "AutoETS",
        ),
        Model(
            "STL-AR", "season that changes slowly, the rest by ridge regression", TWO_YEARS, True, 2.0,
            "Cleveland et al. 1990, STL, Journal of Official Statistics 6(1)", "AutoETS",
        ),
        Model(
            "Harmonic6-SES", "season by six pairs of waves, the rest by SES", TWO_YEARS, True, 0.6, _WAVES, "AutoETS"
        ),
        Model(
            "Harmonic6-AR", "season by six pairs of waves, the rest by ridge regression", TWO_YEARS, True, 1.1, _WAVES,
            "AutoETS",
        ),
        Model("RidgeAR", "regression on the last 8 weeks", 33, False, 0.5, _RIDGE, "AutoETS"),
        Model("RidgeAR-F1", "RidgeAR with one pair of waves", 60, True, 0.5, _RIDGE, "RidgeAR"),
        Model("RidgeAR-F3", "RidgeAR with three pairs of waves", 80, True, 0.6, _RIDGE, "RidgeAR"),
        Model("RidgeAR-FL", "RidgeAR with waves and last year", 134, True, 0.6, _RIDGE, "RidgeAR"),
        Model("RidgeAR-FK", "RidgeAR with more and smoother waves and last year", 134, True, 0.6, _RIDGE, "RidgeAR"),
        Model("RidgeAR-FH", "RidgeAR with waves and last year, that forgets in two", 134, True, 0.6, _RIDGE, "RidgeAR"),
        Model("RidgeAR-FLong", "RidgeAR with waves and the last two years", 134, True, 0.8, _RIDGE, "RidgeAR"),
        Model("RidgeAR-Raw", "RidgeAR of units where the others take logs", 134, True, 0.4, _RIDGE, "RidgeAR"),
        Model(
            "CrostonSBA", "sparse demand: its size and its interval, without their bias", 1, False, 0.03,
            "Syntetos & Boylan 2005, doi:10.1016/j.ijforecast.2004.10.001",
        ),
        Model(
            "TSB", "sparse demand that may end", 1, False, 0.04,
            "Teunter, Syntetos & Babai 2011, doi:10.1016/j.ejor.2011.05.018",
        ),
        Model(
            "ADIDA", "sparse demand, smoothed over longer periods", 1, False, 0.06,
            "Nikolopoulos et al. 2011, doi:10.1057/jors.2010.32",
        ),
        Model(
            "IMAPA", "sparse demand, smoothed over several periods at once", 1, False, 0.09,
            "Petropoulos & Kourentzes 2015, doi:10.1057/jors.2014.62",
        ),
    )
}  # fmt: skip

MEDIAN_MEMBERS = ("SeasonalNaive", "AutoETS", "DynamicOptimizedTheta", "AutoCES", "MSTL")

_SHORT_POOL = (
    "Naive", "SeasonalNaive", "SmoothSeasonalNaive", "TSB", "IMAPA", "WindowAverage", "WindowAverage(26)", "SES",
    "AutoCES(1)", "RidgeAR", "MFLES",
)  # fmt: skip
_CALM_SHORT_POOL = (
    "Naive", "RandomWalkWithDrift", "SeasonalNaive", "SmoothSeasonalNaive", "LogSeasonalMove", "SES", "AutoETS(A)",
    "AutoCES(1)", "RidgeAR", "RidgeAR-F1", "MFLES", "IMAPA",
)  # fmt: skip
_SPARSE_POOL = (*_SHORT_POOL, "RidgeAR-F1", "RidgeAR-FL", "Harmonic6-SES", "Harmonic6-AR")
_FULL_POOL = (
    "Naive", "SeasonalNaive", "SmoothSeasonalNaive", "LogSeasonalMove", "TSB", "IMAPA", "WindowAverage", "SES",
    "RidgeAR", "RidgeAR-F1", "RidgeAR-F3", "RidgeAR-FL", "RidgeAR-FLong", "RidgeAR-FK", "RidgeAR-FH", "RidgeAR-Raw",
    "Harmonic6-SES", "Harmonic6-AR", "STL-AR", "AutoCES(1)", "MFLES", "AutoCES", "AutoETS(A)", "STL-ETS",
)  # fmt: skip


def auto_pool(demand: str, n_weeks: int) -> tuple[str, ...]:
    """The candidates of Auto for a demand class and a length of history."""
    is_sparse = demand in ("intermittent", "lumpy", "none")
    if n_weeks >= TWO_YEARS:
        return _SPARSE_POOL if is_sparse else _FULL_POOL
    if is_sparse:
        return _SHORT_POOL
    return _CALM_SHORT_POOL if demand == "smooth" else (*_SHORT_POOL, "RidgeAR-F1")


COMBINATIONS = {
    AUTO: f"for each item a weighted mean of up to {len(_FULL_POOL)} models, weighted by how well they did on its past",
    MEDIAN: f"the median, week by week, of {', '.join(MEDIAN_MEMBERS)}",
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


def chain(name: str) -> tuple[str, ...]:
    """A model and what stands in for it, in turn; the last one works for any history."""
    names = [name]
    while names[-1] != LAST_RESORT:
        names.append(CATALOGUE[names[-1]].fallback)
    return tuple(names)


def fit_name(name: str, n_weeks: int) -> str:
    """The model of `name`'s chain that a history of `n_weeks` is long enough for."""
    return next(model for model in chain(name) if n_weeks >= CATALOGUE[model].min_history)


def expected_ms(models: tuple[str, ...], n_windows: int, n_weeks: int, demand: str) -> float:
    """About how many milliseconds of one core an item takes, from the measured costs of its fits.

    Parameters
    ----------
    n_windows
        on which accuracy is measured.
    n_weeks, demand
        the item's history and demand class.
    """
    n_weeks = min(n_weeks, MAX_WEEKS)
    cutoffs: dict[str, int] = {}  # model -> how often it is fitted; a fit that several share is made once
    for name in models:
        is_auto = name == AUTO
        members = auto_pool(demand, n_weeks) if is_auto else MEDIAN_MEMBERS if name == MEDIAN else (name,)
        for member in members:
            if not is_auto or n_weeks >= CATALOGUE[member].min_history:
                made = fit_name(member, n_weeks)
                n_fits = 1 + n_windows + (AUTO_WINDOWS if is_auto else INTERVAL_WINDOWS)
                cutoffs[made] = max(cutoffs.get(made, 0), n_fits)
    return sum(CATALOGUE[name].cost_ms * n * n_weeks / 240 for name, n in cutoffs.items())
