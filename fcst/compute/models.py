"""Catalogue of models: purpose, minimum history, cost, fit function and fallback of each.

Auto combines models of this catalogue; each can also be requested by name. Importing the catalogue does not import
statsforecast, which takes seconds.
"""

from dataclasses import dataclass
from functools import lru_cache

from fcst.compute import recipes
from fcst.compute.demand import SPARSE_CLASSES
from fcst.compute.history import MAX_WEEKS
from fcst.errors import InputError
from fcst.names import HOLDOUT_WEEKS, SEASON_LENGTH

CATALOGUE_VERSION = 6
"""Incremented whenever a change of a model or of the combination changes forecasts."""

AUTO = "Auto"
MEDIAN = "Median"
LAST_RESORT = "WindowAverage"
"""The last fallback; needs one week of history."""

YEAR, TWO_YEARS = SEASON_LENGTH, 2 * SEASON_LENGTH

AUTO_WINDOWS = 4
"""Number of backtest windows for the weights and intervals of Auto."""

INTERVAL_WINDOWS = 2
"""Number of backtest windows for the intervals of a single model; each costs one more fit."""

LEARNED_WINDOWS = 3
"""Number of backtest windows of Auto with parts learned across items; these make up for the fourth window."""

AUTO_MIN_TRAINING = 26
"""Minimum number of weeks before a backtest window of Auto."""


@dataclass(frozen=True)
class Model:
    """A forecasting model.

    Parameters
    ----------
    min_history
        minimum number of weeks for a fit, or for the season.
    is_seasonal
        whether the forecast depends on the time of the year.
    cost_ms
        milliseconds of one core for a fit to 240 weeks, measured by `tests/benchmarks/costs.py`.
    source
        reference of the method.
    fit
        returns a forecast from a history; raises CannotFit, or any other exception, on failure.
    fallback
        model used if this one cannot be fitted.
    """

    name: str
    purpose: str
    min_history: int
    is_seasonal: bool
    cost_ms: float
    source: str
    fit: recipes.Fit
    fallback: str = LAST_RESORT


_FPP = "Hyndman & Athanasopoulos 2021, Forecasting: Principles and Practice"
_ETS = "Hyndman et al. 2002, doi:10.1016/S0169-2070(01)00110-8"
_THETA = "Fiorucci et al. 2016, doi:10.1016/j.ijforecast.2016.02.005"
_CES = "Svetunkov et al. 2022, doi:10.1002/nav.22074"
_STL = "Cleveland et al. 1990, STL, Journal of Official Statistics 6(1)"
_RIDGE = "fcst/compute/regressions.py; Hoerl & Kennard 1970, doi:10.1080/00401706.1970.10488634"
_WAVES = "fcst/compute/regressions.py; dynamic harmonic regression, " + _FPP + ", 10.5"
_ses = recipes.by_statsforecast("SimpleExponentialSmoothingOptimized")
_ets_additive = recipes.by_statsforecast("AutoETS", season_length=1, model="AZN")

CATALOGUE: dict[str, Model] = {
    model.name: model
    for model in (
        Model("Naive", "repeats the last week", 1, False, 0.03, _FPP + ", 5.2", fit=recipes.naive),
        Model(
            "SeasonalNaive", "repeats last year; the benchmark", YEAR, True, 0.03, _FPP + ", 5.2",
            fit=recipes.seasonal_naive, fallback="Naive",
        ),
        Model(
            "RandomWalkWithDrift", "extends the line from the first to the last week", 4, False, 0.03, _FPP + ", 5.2",
            fit=recipes.drift,
        ),
        Model(
            "WindowAverage", "mean of the last 8 weeks", 1, False, 0.03, _FPP + ", 5.2",
            fit=recipes.window_average(8),
        ),
        Model(
            "WindowAverage(26)", "mean of the last half year", 1, False, 0.03, _FPP + ", 5.2",
            fit=recipes.window_average(26),
        ),
        Model(
            "SmoothSeasonalNaive", "last year smoothed, times the growth since", YEAR, True, 0.07, _FPP + ", 5.2",
            fit=recipes.smoothed_last_year, fallback="SeasonalNaive",
        ),
        Model(
            "LogSeasonalMove", "recent level plus the mean seasonal move of the last three years", YEAR + 4, True, 0.04,
            _FPP + ", 5.2", fit=recipes.log_seasonal_move, fallback="SmoothSeasonalNaive",
        ),
        Model(
            "SES", "level by simple exponential smoothing", 5, False, 0.06,
            "Brown 1959, Statistical Forecasting for Inventory Control; " + _FPP + ", 8.1", fit=_ses,
        ),
        Model(
            "AutoETS", "level and trend by exponential smoothing, no season", 10, False, 9.6, _ETS,
            fit=recipes.by_statsforecast("AutoETS", season_length=1),
        ),
        Model(
            "AutoETS(A)", "AutoETS with additive errors only, in half the time", 10, False, 6.0, _ETS,
            fit=_ets_additive,
        ),
        Model(
            "DynamicOptimizedTheta(1)", "trend, no season", 10, False, 9.5, _THETA,
            fit=recipes.by_statsforecast("DynamicOptimizedTheta", season_length=1),
        ),
        Model(
            "DynamicOptimizedTheta", "trend and season; strong on short and long histories", TWO_YEARS, True, 9.1,
            _THETA, fit=recipes.by_statsforecast("DynamicOptimizedTheta", season_length=YEAR),
            fallback="DynamicOptimizedTheta(1)",
        ),
        Model(
            "AutoCES(1)", "level by complex exponential smoothing, no season", 20, False, 0.5, _CES,
            fit=recipes.by_statsforecast("AutoCES", season_length=1, model="N"), fallback="AutoETS",
        ),
        Model(
            "AutoCES", "level and season by complex exponential smoothing", TWO_YEARS, True, 32.0, _CES,
            fit=recipes.by_statsforecast("AutoCES", season_length=YEAR), fallback="AutoCES(1)",
        ),
        Model(
            "AutoARIMA", "autocorrelation and trend, no season", 20, False, 206.0,
            "Hyndman & Khandakar 2008, doi:10.18637/jss.v027.i03",
            fit=recipes.by_statsforecast("AutoARIMA", season_length=1), fallback="AutoETS",
        ),
        Model(
            "AutoARIMA-Fourier", "AutoARIMA with three pairs of Fourier terms for the season", TWO_YEARS, True, 330.0,
            "Hyndman & Khandakar 2008, doi:10.18637/jss.v027.i03; " + _FPP + ", 10.5",
            fit=recipes.arima_with_waves(3), fallback="AutoARIMA",
        ),
        Model(
            "MSTL", "season by decomposition, the rest by exponential smoothing", TWO_YEARS, True, 21.5,
            "Bandara et al. 2021, arXiv:2107.13462",
            fit=recipes.by_statsforecast("MSTL", season_length=YEAR), fallback="AutoETS",
        ),
        Model(
            "MFLES", "trend and season by boosting; no season below two years of history", 20, True, 2.6,
            "Blume 2024, statsforecast's MFLES", fit=recipes.mfles, fallback="AutoETS",
        ),
        Model(
            "STL-ETS", "slowly changing season, the rest by exponential smoothing", TWO_YEARS, True, 8.0, _STL,
            fit=recipes.without_season(recipes.stl, _ets_additive), fallback="AutoETS",
        ),
        Model(
            "STL-AR", "slowly changing season, the rest by ridge regression", TWO_YEARS, True, 2.0, _STL,
            fit=recipes.without_season(recipes.stl, recipes.ridge(8, 0)), fallback="AutoETS",
        ),
        Model(
            "Harmonic6-SES", "season by six pairs of Fourier terms, the rest by SES", TWO_YEARS, True, 0.6, _WAVES,
            fit=recipes.without_season(recipes.waves, _ses), fallback="AutoETS",
        ),
        Model(
            "Harmonic6-AR", "season by six pairs of Fourier terms, the rest by ridge regression", TWO_YEARS, True, 1.1,
            _WAVES, fit=recipes.without_season(recipes.waves, recipes.ridge(8, 0)), fallback="AutoETS",
        ),
        Model(
            "RidgeAR", "ridge regression on the last 8 weeks", 33, False, 0.5, _RIDGE,
            fit=recipes.ridge(8, 0), fallback="AutoETS",
        ),
        Model(
            "RidgeAR-F1", "RidgeAR with one pair of Fourier terms", 60, True, 0.5, _RIDGE,
            fit=recipes.ridge(8, 1), fallback="RidgeAR",
        ),
        Model(
            "RidgeAR-F3", "RidgeAR with three pairs of Fourier terms", 80, True, 0.6, _RIDGE,
            fit=recipes.ridge(8, 3), fallback="RidgeAR",
        ),
        Model(
            "RidgeAR-FL", "RidgeAR with Fourier terms and last year", 134, True, 0.6, _RIDGE,
            fit=recipes.ridge(4, 4, lags=recipes.LAST_YEAR), fallback="RidgeAR",
        ),
        Model(
            "RidgeAR-FK", "RidgeAR with more, smoother Fourier terms and last year", 134, True, 0.6, _RIDGE,
            fit=recipes.ridge(4, 6, lags=recipes.LAST_YEAR, rising=True), fallback="RidgeAR",
        ),
        Model(
            "RidgeAR-FH", "RidgeAR-FL with weights that halve every two years", 134, True, 0.6, _RIDGE,
            fit=recipes.ridge(4, 4, lags=recipes.LAST_YEAR, **recipes.FAST), fallback="RidgeAR",
        ),
        Model(
            "RidgeAR-FLong", "RidgeAR with Fourier terms and the last two years", 134, True, 0.8, _RIDGE,
            fit=recipes.ridge(8, 6, lags=recipes.LAST_YEARS, **recipes.SLOW), fallback="RidgeAR",
        ),
        Model(
            "RidgeAR-Raw", "RidgeAR-FL on units instead of logs", 134, True, 0.4, _RIDGE,
            fit=recipes.ridge_raw, fallback="RidgeAR",
        ),
        Model(
            "CrostonSBA", "sparse demand: size ÷ interval of sales, bias-corrected", 1, False, 0.03,
            "Syntetos & Boylan 2005, doi:10.1016/j.ijforecast.2004.10.001", fit=recipes.croston_sba,
        ),
        Model(
            "TSB", "sparse demand that may end", 1, False, 0.04,
            "Teunter, Syntetos & Babai 2011, doi:10.1016/j.ejor.2011.05.018",
            fit=recipes.by_statsforecast("TSB", alpha_d=0.2, alpha_p=0.2),
        ),
        Model(
            "ADIDA", "sparse demand, smoothed over longer periods", 1, False, 0.06,
            "Nikolopoulos et al. 2011, doi:10.1057/jors.2010.32", fit=recipes.by_statsforecast("ADIDA"),
        ),
        Model(
            "IMAPA", "sparse demand, mean of forecasts over several period lengths", 1, False, 0.09,
            "Petropoulos & Kourentzes 2015, doi:10.1057/jors.2014.62", fit=recipes.by_statsforecast("IMAPA"),
        ),
    )
}  # fmt: skip

MEDIAN_MODELS = ("SeasonalNaive", "AutoETS", "DynamicOptimizedTheta", "AutoCES", "MSTL")

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

_LEFT_OUT = ("AutoCES", "AutoETS(A)", "STL-ETS")


def auto_pool(demand: str, n_weeks: int, is_learned: bool = False) -> tuple[str, ...]:
    """Return Auto's candidates for a demand class and a length of history.

    If parts learned across items are in the forecast (`is_learned`), the most expensive candidates are left out.
    """
    if is_learned:
        return tuple(name for name in auto_pool(demand, n_weeks) if name not in _LEFT_OUT)
    is_sparse = demand in SPARSE_CLASSES
    if n_weeks >= TWO_YEARS:
        return _SPARSE_POOL if is_sparse else _FULL_POOL
    if is_sparse:
        return _SHORT_POOL
    return _CALM_SHORT_POOL if demand == "smooth" else (*_SHORT_POOL, "RidgeAR-F1")


def auto_median(demand: str, n_weeks: int) -> tuple[str, ...]:
    """Return the models whose median is half of Auto's forecast, for histories of two to two and a half years.

    Longer histories have two windows in which these models can be backtested.
    """
    is_untried = TWO_YEARS <= n_weeks < TWO_YEARS + 2 * HOLDOUT_WEEKS
    return (*MEDIAN_MODELS, "MFLES") if is_untried and demand not in SPARSE_CLASSES else ()


COMBINATIONS = {
    AUTO: f"weighted mean of up to {len(_FULL_POOL)} models per item, with weights from its backtest errors; for"
    f" histories of 2 to 2.5 years, half of it is the median of six models",
    MEDIAN: f"weekly median of {', '.join(MEDIAN_MODELS)}",
}

MODEL_NAMES = (*COMBINATIONS, *CATALOGUE)


def parse_models(names: list[str]) -> tuple[str, ...]:
    """Return model names in the catalogue's spelling; case does not matter.

    Raises
    ------
    InputError
        if a name is unknown; the message lists the known names.
    """
    known = {name.lower(): name for name in MODEL_NAMES}
    unknown = [name for name in names if name.strip().lower() not in known]
    if unknown:
        raise InputError(f"There is no model {unknown[0]!r}.", f"Choose from {', '.join(MODEL_NAMES)}.")
    return tuple(known[name.strip().lower()] for name in names)


def chain(name: str) -> tuple[str, ...]:
    """Return a model and its fallback chain; the last one works for any history."""
    names = [name]
    while names[-1] != LAST_RESORT:
        names.append(CATALOGUE[names[-1]].fallback)
    return tuple(names)


def season_from(name: str) -> int:
    """Return the weeks of history from which a model or combination uses a season of two years; 0 if it never does."""
    if name in COMBINATIONS or name == "MFLES":
        return TWO_YEARS
    model = CATALOGUE[name]
    return model.min_history if model.is_seasonal and model.min_history >= TWO_YEARS else 0


def fit_name(name: str, n_weeks: int) -> str:
    """Return the first model of `name`'s fallback chain that can be fitted to `n_weeks` of history."""
    return next(model for model in chain(name) if n_weeks >= CATALOGUE[model].min_history)


@lru_cache(maxsize=10_000)
def expected_ms(models: tuple[str, ...], n_windows: int, n_weeks: int, demand: str, is_learned: bool = False) -> float:
    """Estimate the milliseconds of one core for an item, from the measured costs of its fits.

    Parameters
    ----------
    n_windows
        number of windows that measure accuracy.
    n_weeks, demand
        length of the item's history, and its demand class.
    is_learned
        parts learned across items are in Auto's forecast, so fewer models are fitted.
    """
    is_learned = is_learned and demand not in SPARSE_CLASSES
    n_weeks = min(n_weeks, MAX_WEEKS)
    cutoffs: dict[str, int] = {}  # model -> number of fits; shared fits count once
    for name in models:
        is_auto = name == AUTO
        parts: tuple[str, ...] = MEDIAN_MODELS if name == MEDIAN else (name,)
        if is_auto:
            parts = tuple(dict.fromkeys((*auto_pool(demand, n_weeks, is_learned), *auto_median(demand, n_weeks))))
        for part in parts:
            if not is_auto or n_weeks >= CATALOGUE[part].min_history:
                made = fit_name(part, n_weeks)
                own_windows = (LEARNED_WINDOWS if is_learned else AUTO_WINDOWS) if is_auto else INTERVAL_WINDOWS
                n_fits = 1 + n_windows + own_windows
                cutoffs[made] = max(cutoffs.get(made, 0), n_fits)
    return sum(CATALOGUE[name].cost_ms * n * n_weeks / 240 for name, n in cutoffs.items())
