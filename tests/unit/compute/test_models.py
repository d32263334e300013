"""Model catalogue: names, fallbacks, minimum histories, costs."""

import subprocess
import sys

import numpy as np
import pytest

from fcst.compute.fits import TOO_SHORT, Fits, NoFit
from fcst.compute.history import History
from fcst.compute.models import (
    AUTO,
    CATALOGUE,
    COMBINATIONS,
    LAST_RESORT,
    MEDIAN,
    MEDIAN_MODELS,
    MODEL_NAMES,
    Model,
    auto_pool,
    chain,
    expected_ms,
    fit_name,
    parse_models,
)
from fcst.compute.statsforecast_import import models
from fcst.errors import InputError
from fcst.names import BENCHMARKS, DEMAND_CLASSES, SEASON_LENGTH
from fcst.settings import PROJECT

MODELS = pytest.mark.parametrize("model", CATALOGUE.values(), ids=list(CATALOGUE))


# Names


@pytest.mark.parametrize("name", MODEL_NAMES)
@pytest.mark.parametrize("spelled", [str, str.lower, str.upper, lambda name: f" {name} "])
def test_model_is_found_in_any_case(name: str, spelled) -> None:
    assert parse_models([spelled(name)]) == (name,)


def test_models_keep_the_requested_order() -> None:
    assert parse_models(["mstl", "AUTO", "autoets"]) == ("MSTL", "Auto", "AutoETS")


def test_no_names_give_no_models() -> None:
    assert parse_models([]) == ()


@pytest.mark.parametrize("names", [["Prophet"], ["Auto", "Prophet"], ["Prophet", "ARIMA"]])
def test_unknown_model_is_refused_with_the_known_names(names: list[str]) -> None:
    with pytest.raises(InputError, match="no model 'Prophet'") as caught:
        parse_models(names)
    assert all(name in caught.value.hint for name in MODEL_NAMES)


def test_names_are_unique_in_any_case() -> None:
    assert len({name.lower() for name in MODEL_NAMES}) == len(MODEL_NAMES)
    assert set(MODEL_NAMES) == {*CATALOGUE, AUTO, MEDIAN}


def test_the_median_names_its_models() -> None:
    assert all(name in COMBINATIONS[MEDIAN] for name in MEDIAN_MODELS)


def test_pools_and_benchmarks_are_in_the_catalogue() -> None:
    pools = {name for demand in DEMAND_CLASSES for n in (20, 200) for name in auto_pool(demand, n)}
    assert pools | {*BENCHMARKS, *MEDIAN_MODELS, LAST_RESORT} <= set(CATALOGUE)


@MODELS
def test_model_has_a_purpose_a_source_and_a_cost(model: Model) -> None:
    assert model.purpose
    assert len(model.source) > 20
    assert model.cost_ms > 0


# Histories


@MODELS
def test_chain_ends_in_the_last_resort_with_decreasing_minimum_history(model: Model) -> None:
    names = chain(model.name)
    assert names[0] == model.name and names[-1] == LAST_RESORT
    needs = [CATALOGUE[name].min_history for name in names]
    assert needs == sorted(needs, reverse=True) and needs[-1] == 1


def history(n_weeks: int) -> np.ndarray:
    weeks = np.arange(n_weeks)
    return 60 + 25 * np.sin(2 * np.pi * weeks / 52) + np.random.default_rng(1).normal(0, 6, n_weeks)


@MODELS
def test_minimum_history_is_sufficient_and_necessary(model: Model) -> None:
    def forecast(n_weeks: int):
        return Fits().forecast(model.name, History(history(n_weeks), 5))

    assert np.isfinite(forecast(model.min_history)).all()
    if model.min_history > 1:
        assert forecast(model.min_history - 1) == TOO_SHORT


@MODELS
def test_seasonal_models_need_a_year_of_history(model: Model) -> None:
    assert not model.is_seasonal or model.min_history >= SEASON_LENGTH or model.name == "MFLES"


@pytest.mark.few(8)
@MODELS
def test_only_a_seasonal_model_follows_the_season(model: Model) -> None:
    y = history(240)
    forecast = Fits().forecast(model.name, History(y, SEASON_LENGTH))
    correlation = np.corrcoef(forecast + np.linspace(0, 1e-9, SEASON_LENGTH), y[-20 - SEASON_LENGTH : -20])[0, 1]
    truth = 25 * np.sin(2 * np.pi * np.arange(240, 292) / 52)
    follows = np.ptp(forecast) > 20 and np.corrcoef(forecast, truth)[0, 1] > 0.7
    assert follows == model.is_seasonal, correlation


# Cost


def test_expected_cost_counts_each_fit_once() -> None:
    ets, ces = CATALOGUE["AutoETS"].cost_ms, CATALOGUE["AutoCES"].cost_ms
    assert expected_ms(("AutoETS",), 0, 240, "smooth") == pytest.approx(3 * ets)
    assert expected_ms(("AutoETS",), 3, 240, "smooth") == pytest.approx(6 * ets)
    assert expected_ms(("AutoETS", "AutoCES"), 1, 240, "smooth") == pytest.approx(4 * (ets + ces))
    for name, n_weeks in (("AutoCES", 240), ("MSTL", 120)):
        alone = expected_ms((AUTO,), 3, n_weeks, "smooth")
        assert expected_ms((AUTO, name), 3, n_weeks, "smooth") == pytest.approx(alone)


def test_expected_cost_is_that_of_the_fallback() -> None:
    assert fit_name("AutoCES", 60) == "AutoCES(1)"
    assert fit_name("MSTL", 9) == LAST_RESORT
    assert expected_ms(("MSTL",), 0, 60, "smooth") == pytest.approx(3 * CATALOGUE["AutoETS"].cost_ms / 4)


def test_expected_cost_of_auto_depends_on_history_and_demand() -> None:
    costs = [expected_ms((AUTO,), 3, n, d) for n, d in ((240, "smooth"), (240, "lumpy"), (60, "smooth"), (1, "none"))]
    assert costs == sorted(costs, reverse=True)
    assert expected_ms((AUTO,), 3, 2000, "smooth") == expected_ms((AUTO,), 3, 520, "smooth")


def test_statsforecast_is_imported_on_the_first_fit() -> None:
    program = """
import sys
from fcst.compute.models import CATALOGUE
print("statsforecast" in sys.modules)
import numpy as np
from fcst.compute.fits import Fits
from fcst.compute.history import History
print("statsforecast" in sys.modules)
Fits().forecast("SES", History(np.arange(60.0), 4))
print("statsforecast" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "True"]


@pytest.mark.parametrize(
    ("y", "least", "most"),
    [
        ([900, *[0] * 20], 20, 60),
        ([900, *[0] * 20, 1], 30, 90),
        ([900, *[0, 0, 0, 1] * 5], 15, 60),
        ([*([0] * 9 + [10]) * 6], 0.9, 1.1),
        ([5.0] * 60, 4.7, 4.8),
        ([0.0] * 30, 0, 0),
    ],
    ids=["one old sale", "old and recent sale", "small sales since", "every tenth week", "every week", "none"],
)
def test_croston_is_near_the_mean_weekly_sales(y: list[float], least: float, most: float) -> None:
    found = Fits().forecast("CrostonSBA", History(np.array(y, float), 13))
    assert not isinstance(found, NoFit)
    assert least <= found[0] <= most and np.ptp(found) == 0


@pytest.mark.parametrize("name", ["CrostonSBA", "TSB", "ADIDA", "IMAPA"])
@pytest.mark.parametrize(
    "y",
    [
        [900, *[0] * 19],
        [*[0] * 15, 900, *[0] * 19],
        [*[0] * 100, 900, *[0] * 19],
        [*[0, 0, 0, 1] * 25, 900, *[0, 0, 0, 1] * 5],
        [*[1] * 30, *[0] * 30, 900, *[0] * 19],
    ],
    ids=["only sale", "after weeks of zeros", "after years of zeros", "among small sales", "after small sales"],
)
def test_old_huge_sale_does_not_raise_the_forecast_of_every_week(name: str, y: list[float]) -> None:
    found = Fits().forecast(name, History(np.array(y, float), 13))
    assert not isinstance(found, NoFit)
    assert found.max() < 60


def test_croston_equals_statsforecast_for_long_histories() -> None:
    rng = np.random.default_rng(3)
    y = np.where(rng.random(400) < 0.3, rng.integers(1, 9, 400), 0).astype(float)
    y[0] = 2
    theirs = models.CrostonSBA().forecast(y=y, h=1)["mean"][0]
    ours = Fits().forecast("CrostonSBA", History(y, 1))
    assert not isinstance(ours, NoFit) and ours[0] == pytest.approx(theirs, rel=1e-3)
