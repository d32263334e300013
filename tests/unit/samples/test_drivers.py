"""Driver sample data: deterministic bytes, file contents, and recovery of the known effects and launches."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fcst.compute.history import SeriesHistories
from fcst.compute.learning import learn_effects
from fcst.compute.lifecycles import find_launch
from fcst.compute.series import Series
from fcst.drivers import Driver, DriverKind
from fcst.errors import InputError
from fcst.names import HOLDOUT_WEEKS
from fcst.samples.drivers import FILES, Effects, write_driver_sample

KINDS = {
    "promo": DriverKind.PROMOTION,
    "display": DriverKind.PROMOTION,
    "price": DriverKind.PRICE,
    "holiday": DriverKind.EVENT,
    "in_stock": DriverKind.STOCK,
}
EFFECTS = ("promo", "display", "price", "holiday")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Effects]]:
    folder = tmp_path_factory.mktemp("made")
    return folder, write_driver_sample(folder, n_items=60, n_weeks=156, seed=5)


def series_of(folder: Path) -> list[Series]:
    sales = pd.read_csv(folder / "sales.csv", parse_dates=["week_ending"])
    return [
        Series(
            str(key),
            rows["week_ending"].iloc[-1].date(),
            rows["units"].to_numpy(float),
            {"family": rows["family"].iloc[0]},
            tuple(Driver(name, kind, rows[name].to_numpy(float), True) for name, kind in KINDS.items()),
        )
        for key, rows in sales.groupby("item")
    ]


def test_same_arguments_give_the_same_bytes(made: tuple[Path, list[Effects]], tmp_path: Path) -> None:
    write_driver_sample(tmp_path, n_items=60, n_weeks=156, seed=5)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (made[0] / name).read_bytes()


def test_file_contents(made: tuple[Path, list[Effects]]) -> None:
    sales, plan, actual, truth = (pd.read_csv(made[0] / name) for name in FILES)
    assert len(sales) == 60 * 156 and len(plan) == len(actual) == 60 * HOLDOUT_WEEKS and len(truth) == 60
    assert (sales.loc[sales["in_stock"] == 0, "units"] == 0).all()
    assert truth["lost_units"].sum() > 0
    late = truth[truth["launch"] > sales["week_ending"].min()]
    assert len(late) == 7
    for row in late.itertuples():
        own = sales[sales["item"] == row.item]
        before = own[own["week_ending"] < row.launch]["units"].mean()
        assert before < 0.15 * own[own["week_ending"] >= row.launch]["units"].mean()


def test_true_effects_are_within_the_estimated_uncertainty(made: tuple[Path, list[Effects]]) -> None:
    """Per item and pooled, without items with a late launch, whose early weeks have another level."""
    folder, truth = made
    series = series_of(folder)
    effects = learn_effects(series, 0)
    z = {name: list[float]() for name in EFFECTS}
    means = {name: list[float]() for name in EFFECTS}
    for one, true in zip(series, truth, strict=True):
        if true.launch:
            continue
        histories = SeriesHistories(one, HOLDOUT_WEEKS, {0: effects})
        found = histories.effects_at(histories.end)
        assert found is not None
        for column, estimate, error in zip(found.columns, found.coefficients, found.errors, strict=True):
            if column.driver in EFFECTS and column.shift == 0:
                z[column.driver].append((estimate - getattr(true, column.driver)) / error)
                means[column.driver].append(estimate - getattr(true, column.driver))
    for name in EFFECTS:
        assert len(z[name]) == 53
        assert np.mean(np.abs(z[name]) < 1.96) > 0.8, name
        assert abs(np.mean(means[name])) < 0.12, name


def test_invalid_arguments_are_refused(made: tuple[Path, list[Effects]], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exists already"):
        write_driver_sample(made[0])
    with pytest.raises(InputError, match="The number of items is 0"):
        write_driver_sample(tmp_path, n_items=0)
    with pytest.raises(InputError, match="The number of weeks is 10"):
        write_driver_sample(tmp_path, n_weeks=10)
    assert list(tmp_path.iterdir()) == []


def test_true_launches_are_found(made: tuple[Path, list[Effects]]) -> None:
    """Up to a year after the launch, with promotions and stock-outs."""
    folder, truth = made
    series = {s.unique_id: s for s in series_of(folder)}
    found = {
        key: find_launch(s.y[: min(e.launch + 52, len(s.y))]) for (key, s), e in zip(series.items(), truth, strict=True)
    }
    late = [key for key, e in zip(series, truth, strict=True) if e.launch]
    near = [abs(found[key] - e.launch) <= 1 for key, e in zip(series, truth, strict=True) if e.launch]
    assert len(near) == 7 and sum(near) >= 5, found
    assert not any(launch for key, launch in found.items() if key not in late), "other items sell from the start"
