"""Size of intervals: season of the forecast, and windows without a known season."""

import numpy as np
import pytest

from fcst.compute.history import History
from fcst.compute.intervals import interval
from fcst.compute.models import TWO_YEARS, season_from
from fcst.names import HOLDOUT_WEEKS
from fcst.records import FloatArray

T = 110
WINDOWS = [T - HOLDOUT_WEEKS * j for j in range(1, 5)]
WEEKS = np.arange(T)
YEAR = 20 * np.sin(2 * np.pi * WEEKS / 52)
NOISE = np.random.default_rng(1).normal(0, 4, T)


def width(y: FloatArray, season: int) -> float:
    """Mean width of the 80 % interval, from windows with errors of ± 10 units."""
    actual = np.array([y[c : c + HOLDOUT_WEEKS] for c in WINDOWS])
    fitted = actual + 10 * np.resize([1.0, -1.0], HOLDOUT_WEEKS)
    mean = np.full(HOLDOUT_WEEKS, y.mean())
    lo, hi = interval(History(y, HOLDOUT_WEEKS), mean, fitted, actual, WINDOWS, (80,), 0.3, season)
    return float((hi - lo).mean())


def test_season_unknown_in_the_windows_narrows_intervals() -> None:
    y = 200 + YEAR + NOISE
    assert width(y, TWO_YEARS) < 0.8 * width(y, 0)
    assert width(y, T + 1) == width(y, 0), "the forecast does not use the season either"
    assert width(y, min(WINDOWS)) == width(y, 0), "all windows used the season"


@pytest.mark.parametrize("slope", [1.0, -1.0])
def test_trend_does_not_count_as_season(slope: float) -> None:
    y = 200 + slope * WEEKS + NOISE
    assert width(y, TWO_YEARS) > 0.9 * width(y, 0)


def test_uncorrelated_years_do_not_narrow_intervals() -> None:
    y = 200 + np.where(WEEKS < T - 52, 1, -1) * YEAR
    assert width(y, TWO_YEARS) == pytest.approx(width(y, 0))


def test_volatile_season_a_year_ago_widens_intervals() -> None:
    swing = 60 * np.resize([1.0, 1.0, 1.0, -1.0, -1.0, -1.0], T)
    is_ahead = (WEEKS >= T - 52) & (WEEKS < T - 52 + HOLDOUT_WEEKS)
    is_other = (WEEKS >= T - 26) & (WEEKS < T - 26 + HOLDOUT_WEEKS)
    assert width(200 + NOISE + swing * is_ahead, 0) > 1.2 * width(200 + NOISE + swing * is_other, 0)


@pytest.mark.parametrize(
    ("name", "weeks"),
    [("Auto", 104), ("Median", 104), ("MSTL", 104), ("MFLES", 104), ("RidgeAR-FL", 134), ("Naive", 0), ("SES", 0)],
)
def test_season_from_by_model(name: str, weeks: int) -> None:
    assert season_from(name) == weeks
