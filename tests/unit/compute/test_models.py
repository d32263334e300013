"""The catalogue: what can be asked for, in which spelling, and what stands in for what."""

import subprocess
import sys

import pytest

from fcst.compute.models import AUTO, CATALOGUE, COMBINATIONS, MEDIAN, MODEL_NAMES, RECENT_MEAN, Model, parse_models
from fcst.errors import InputError
from fcst.names import SEASON_LENGTH
from fcst.settings import PROJECT

MODELS = pytest.mark.parametrize("model", CATALOGUE.values(), ids=list(CATALOGUE))


# Names


@pytest.mark.parametrize("name", MODEL_NAMES)
@pytest.mark.parametrize("spelled", [str, str.lower, str.upper, lambda name: f" {name} "])
def test_model_is_found_in_any_case(name: str, spelled) -> None:
    assert parse_models([spelled(name)]) == (name,)


def test_models_keep_the_order_asked() -> None:
    assert parse_models(["mstl", "AUTO", "autoets"]) == ("MSTL", "Auto", "AutoETS")


def test_no_names_are_no_models() -> None:
    assert parse_models([]) == ()


@pytest.mark.parametrize("names", [["Prophet"], ["Auto", "Prophet"], ["Prophet", "ARIMA"]])
def test_unknown_model_is_refused_and_the_known_are_listed(names: list[str]) -> None:
    with pytest.raises(InputError, match="no model 'Prophet'") as caught:
        parse_models(names)
    assert all(name in caught.value.hint for name in MODEL_NAMES)


def test_names_are_unique_in_any_case() -> None:
    assert len({name.lower() for name in MODEL_NAMES}) == len(MODEL_NAMES)
    assert set(MODEL_NAMES) == {*CATALOGUE, AUTO, MEDIAN}


def test_the_median_names_its_members() -> None:
    assert all(name in COMBINATIONS[MEDIAN] for name in CATALOGUE)


# Fallbacks


@MODELS
def test_chain_begins_with_the_model_itself(model: Model) -> None:
    assert model.fits[0].made_by == model.name


@MODELS
def test_chain_ends_in_the_recent_mean_that_always_works(model: Model) -> None:
    assert model.fits[-1] is RECENT_MEAN
    assert RECENT_MEAN.min_history == 1
    assert RECENT_MEAN.build is None


@MODELS
def test_each_fallback_needs_less_history(model: Model) -> None:
    needs = [fit.min_history for fit in model.fits]
    assert needs == sorted(set(needs), reverse=True)


@MODELS
def test_only_the_recent_mean_has_nothing_to_build(model: Model) -> None:
    assert all(fit.build is not None for fit in model.fits[:-1])


@MODELS
def test_seasonal_model_waits_for_its_season(model: Model) -> None:
    assert model.fits[0].min_history >= (10 if model.name == "AutoETS" else SEASON_LENGTH)


def test_fits_of_one_name_are_one_fit() -> None:
    fits = {fit.made_by: fit for model in CATALOGUE.values() for fit in model.fits}
    assert all(fits[fit.made_by] == fit for model in CATALOGUE.values() for fit in model.fits)


@MODELS
def test_model_says_what_it_is_for_and_where_it_comes_from(model: Model) -> None:
    assert model.purpose
    assert len(model.source) > 20


# Cost


def test_reading_the_catalogue_does_not_load_statsforecast_and_building_does() -> None:
    program = """
import sys
from fcst.compute.models import CATALOGUE
print("statsforecast" in sys.modules)
CATALOGUE["SeasonalNaive"].fits[0].build()
print("statsforecast" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
