"""Parts learned across items: weights in the forecast of dense items, no leakage after a cutoff."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from fcst.compute import boosting, learning
from fcst.compute.auto import auto_forecast, blend_shares
from fcst.compute.fits import Fits
from fcst.compute.forecasting import forecast_item
from fcst.compute.history import SeriesHistories
from fcst.compute.learning import BOOSTING, POOLED, Learned, learn, parts_of
from fcst.compute.series import Series
from fcst.specs import JobSpec

LAST = date(2024, 6, 1)


def items_of(n: int, n_weeks: int) -> list[Series]:
    random, season = np.random.default_rng(0), 1 + 0.5 * np.sin(2 * np.pi * np.arange(n_weeks) / 52.18)
    return [Series(f"item {i}", LAST, random.poisson((20 + 5 * i) * season).astype(float)) for i in range(n)]


ITEMS = items_of(24, 240)


@pytest.fixture(autouse=True)
def small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reduce rows and trees to save time, and use pooled seasons even without improvement."""
    monkeypatch.setattr(boosting, "MAX_ROWS", 4000)
    monkeypatch.setitem(boosting._SETTINGS, "max_iter", 30)
    monkeypatch.setattr(learning, "MAX_TRIED", 3)
    monkeypatch.setattr(learning, "MAX_ERROR_RATIO", 2.0)


@pytest.fixture
def learned() -> dict[int, Learned]:
    return learn(ITEMS, 1, 13)


def test_parts_are_learned_at_the_end_and_at_each_window(learned: dict[int, Learned]) -> None:
    assert sorted(learned) == [0, 13, 26, 39, 52]
    assert all(found.boosting and found.pooled for found in learned.values())


@pytest.mark.full
def test_forecast_of_a_dense_item_includes_learned_parts(learned: dict[int, Learned]) -> None:
    histories = SeriesHistories(ITEMS[10], 13)
    found = auto_forecast(histories, Fits(), histories.end, (80,), parts_of(learned, histories))
    share = {c.model: c.weight for c in found.candidates}
    assert sum(share.values()) == pytest.approx(1) and len(found.cutoffs) == 3
    assert 0.1 < share[BOOSTING] < 0.6 and 0.1 < share[POOLED] < 0.6
    assert (found.lo[0] <= found.mean).all() and (found.mean <= found.hi[0]).all()


@pytest.mark.full
def test_without_learning_and_for_sparse_items_nothing_changes(learned: dict[int, Learned]) -> None:
    sparse = Series("sparse", LAST, np.random.default_rng(1).poisson(0.3, 240).astype(float))
    histories = SeriesHistories(sparse, 13)
    parts_of_sparse = parts_of(learned, histories)
    without, with_parts = (auto_forecast(histories, Fits(), 240, (80,), parts) for parts in (None, parts_of_sparse))
    assert without.mean.tobytes() == with_parts.mean.tobytes() and without.candidates == with_parts.candidates
    histories = SeriesHistories(ITEMS[0], 13)
    none = parts_of({}, histories)
    without, with_parts = (auto_forecast(histories, Fits(), 240, (80,), parts) for parts in (None, none))
    assert without.mean.tobytes() == with_parts.mean.tobytes() and without.candidates == with_parts.candidates


@pytest.mark.full
def test_a_jump_after_a_cutoff_changes_nothing_before_it(learned: dict[int, Learned]) -> None:
    jumped = [Series(i.unique_id, LAST, np.r_[i.y[:-13], i.y[-13:] * 50]) for i in ITEMS]
    again = learn(jumped, 1, 13)
    for before, after in zip(ITEMS[::5], jumped[::5], strict=True):
        own, other = (SeriesHistories(item, 13) for item in (before, after))
        one, two = parts_of(learned, own)(227), parts_of(again, other)(227)
        assert one[BOOSTING].tobytes() == two[BOOSTING].tobytes()
        assert one[POOLED].tobytes() == two[POOLED].tobytes()


@pytest.mark.full
def test_learned_parts_survive_a_round_trip_through_bytes(learned: dict[int, Learned]) -> None:
    again = {weeks_ago: Learned.from_bytes(found.to_bytes()) for weeks_ago, found in learned.items()}
    histories = SeriesHistories(ITEMS[7], 13)
    one, two = (parts_of(known, histories)(histories.end) for known in (learned, again))
    assert {name: made.tobytes() for name, made in one.items()} == {name: made.tobytes() for name, made in two.items()}


def test_learning_needs_more_than_one_item() -> None:
    for items in ([], ITEMS[:1]):
        assert not any(found.boosting or found.pooled for found in learn(items, 1, 13).values())


def test_pooled_seasons_without_improvement_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "MAX_ERROR_RATIO", 0.95)
    random = np.random.default_rng(0)
    walks = [Series(f"w{i}", LAST, np.exp(5 + np.cumsum(random.normal(0, 0.15, 190)))) for i in range(12)]
    assert not any(found.pooled for found in learn(walks, 0, 13).values())


@pytest.mark.full
def test_provenance_includes_learned_parts(learned: dict[int, Learned]) -> None:
    spec = JobSpec(models=("Auto",), h=13, level=(80,), n_windows=1)
    found = forecast_item(ITEMS[10], spec, learned=learned)
    candidates = {c["model"]: c for c in found.provenance["models"]["Auto"]["candidates"]}
    assert len(candidates[BOOSTING]["forecast"]) == 13 and candidates[BOOSTING]["n_weeks"] == 13
    assert candidates[POOLED]["score"] > 0


def test_shares_are_equal_without_a_window_and_fall_with_the_error() -> None:
    none, equal = (np.zeros((0, 2, 13)), np.zeros((0, 13))), np.ones(3)
    assert blend_shares(*none, np.ones(2)).tolist() == [0.5, 0.5]
    assert blend_shares(*none, np.array([1.0, 0.25])) == pytest.approx([0.8, 0.2]), "the prior"
    actual = np.full((3, 13), 10.0)
    tried = np.stack([actual + 1, actual + 2, np.full((3, 13), np.nan)], axis=1)
    shares = blend_shares(tried, actual, equal)
    assert shares.sum() == pytest.approx(1)
    assert shares[1] < shares[0] == pytest.approx(shares[2]), "an unmeasured part counts like the combination"


def test_short_histories_use_learned_parts_only_with_attributes() -> None:
    short = items_of(24, 90)
    for attributes in ({}, {"family": "DAIRY"}):
        own = [replace(item, attributes=attributes) for item in short]
        histories = SeriesHistories(own[3], 13)
        found = parts_of(learn(own, 0, 13), histories)(histories.end)
        assert (BOOSTING in found) == bool(attributes)
