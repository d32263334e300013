"""Forecast totals by attribute: SQL compared with a loop over items; bounds, adjustments, items without forecast."""

import math
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from fcst.attributes import ALL
from fcst.dataset_records import Dataset
from fcst.errors import InputError
from fcst.filters import GroupSort, RunFilter, by_keys
from fcst.job_records import Job
from fcst.records import Group
from fcst.services import adjustments, datasets, forecasts, hierarchy, jobs
from fcst.services.adjustments import Change
from fcst.store.database import transaction
from tests.computed_runs import run
from tests.shop_with_attributes import JOINED, N_WEEKS, write_shop

MODEL, H, CORRELATION = "Naive", 8, 0.4


@pytest.fixture
def job(load_dataset: Callable[..., Dataset], once: Callable, tmp_path: Path) -> Job:
    return once("hierarchy", lambda: make_run(load_dataset, tmp_path))


def make_run(load_dataset: Callable[..., Dataset], folder: Path) -> Job:
    dataset = load_dataset(write_shop(folder / "shop"), **JOINED)
    return run(dataset, 9, models=(MODEL, "SeasonalNaive"), h=H, n_windows=1)


def groups(job: Job, by: str, **options: object) -> dict[str | None, Group]:
    found = hierarchy.list_groups(job, MODEL, by, correlation=CORRELATION, **options)
    assert hierarchy.count_groups(job, MODEL, by, options.get("which", RunFilter())) == len(found)
    return {group.value: group for group in found}


def expected_group(job: Job, keys: Iterable[str]) -> Group:
    """Expected group, computed item by item."""
    keys = list(keys)
    items = forecasts.list_items(job, MODEL, by_keys(*keys))
    sold = last_year = forecast = final = abs_error = error = actual = 0.0
    down, up = ([0.0, 0.0], [0.0, 0.0]), ([0.0, 0.0], [0.0, 0.0])  # by level, Σd and Σd²
    for item in items:
        weeks = [week.unit_sales or 0.0 for week in datasets.item_history(job.dataset_id, item.unique_id)]
        sold += sum(weeks[-H:])
        last_year += sum(weeks[-52 : -52 + H])
        view = forecasts.view(job, MODEL, by_keys(item.unique_id))
        total = view.forecast["forecast"].sum()
        forecast += total
        final += view.forecast["final"].sum()
        own = view.metrics[MODEL]
        abs_error, error = abs_error + own["wape"] * own["actual"], error + own["bias"] * own["actual"]
        actual += own["actual"]
        for place, level in enumerate(job.spec.level):
            for sums, d in (
                (down, total - view.forecast[f"lo_{level}"].sum()),
                (up, view.forecast[f"hi_{level}"].sum() - total),
            ):
                sums[0][place] += d
                sums[1][place] += d * d
    reach = [
        [math.sqrt((1 - CORRELATION) * q + CORRELATION * d * d) for d, q in zip(*sums, strict=True)]
        for sums in (down, up)
    ]
    names = [str(level) for level in job.spec.level]
    return Group(
        None,
        len(keys),
        sold,
        last_year,
        forecast,
        final,
        {name: max(forecast - d, 0.0) for name, d in zip(names, reach[0], strict=True)},
        {name: forecast + d for name, d in zip(names, reach[1], strict=True)},
        abs_error / actual,
        error / actual,
    )


def check(found: Group, expected: Group) -> None:
    for name, value in vars(expected).items():
        if name != "value":
            assert getattr(found, name) == pytest.approx(value), name


QUITO = ("7|1", "7|2", "7|3|4", "9|1", "9|2", "9|3|4")


def test_groups_are_sums_of_their_items(job: Job) -> None:
    week = job.last_wk_end_dt + timedelta(weeks=2)
    adjustments.adjust(job, MODEL, by_keys("9|2"), Change(week, week, units=500.0), "a fair", "Ana")
    by_city = groups(job, "city")
    assert list(by_city) == ["Quito", "Cuenca"], "largest forecast first"
    check(by_city["Quito"], expected_group(job, QUITO))
    assert by_city["Quito"].final > by_city["Quito"].forecast + 400
    assert by_city["Cuenca"].final == by_city["Cuenca"].forecast
    (everything,) = groups(job, ALL).values()
    check(everything, expected_group(job, [item.unique_id for item in forecasts.list_items(job, MODEL)]))
    by_family = groups(job, "family")
    assert {name: group.n_items for name, group in by_family.items()} == {"DAIRY": 6, "BREAD": 3}
    by_type = groups(job, "type")
    assert by_type[None].n_items == 3 and set(by_type) == {"A", "B", None}


def test_drill_down_filters_by_parent_groups(job: Job) -> None:
    which = RunFilter(attributes=(("city", ("Quito",)),))
    by_store = groups(job, "store_nbr", which=which, sort=GroupSort.VALUE)
    assert list(by_store) == ["7", "9"]
    which = RunFilter(attributes=(("city", ("Quito",)), ("store_nbr", ("9",))))
    by_item = groups(job, "item_nbr", which=which, sort=GroupSort.VALUE)
    assert list(by_item) == ["1", "2", "3|4"]
    check(by_item["3|4"], expected_group(job, ["9|3|4"]))
    assert groups(job, "store_nbr", which=RunFilter(keys=("7|1", "8|2")))["8"].n_items == 1
    assert groups(job, "city", which=RunFilter(reasons=("ended",))) == {}
    assert set(groups(job, "city", which=RunFilter(heaviest=(MODEL,), search="9|"))) == {"Quito"}


def test_group_of_one_item_has_its_interval(job: Job) -> None:
    (group,) = hierarchy.list_groups(job, MODEL, ALL, by_keys("7|1"), correlation=0.1)
    view = forecasts.view(job, MODEL, by_keys("7|1"))
    assert group.hi["80"] == pytest.approx(view.forecast["hi_80"].sum())
    measured = hierarchy.list_groups(job, MODEL, ALL)[0]
    assert measured.lo["95"] <= measured.lo["80"] <= measured.forecast <= measured.hi["80"] <= measured.hi["95"]
    assert hierarchy.list_groups(job, MODEL, ALL, with_bounds=False)[0].lo == {}


def test_items_without_forecast_count_with_their_sales(job: Job) -> None:
    before = groups(job, "store_nbr")["7"]
    with transaction() as cur:
        cur.execute("UPDATE fcst_app.job_items SET outcome = 'failed', reason = 'x' WHERE unique_id = '7|1'")
        cur.execute("DELETE FROM fcst_app.forecast_sums WHERE unique_id = '7|1'")
        cur.execute("UPDATE fcst_app.batch_status SET n_completed = n_completed - 1, n_failed = 1 WHERE n_items = 9")
    found = groups(jobs.get_job(job.job_id), "store_nbr")["7"]
    assert (found.n_items, found.sold, found.last_year) == (before.n_items, before.sold, before.last_year)
    assert found.forecast < before.forecast


def test_pages_and_orders(job: Job) -> None:
    def values(sort: GroupSort, **page: int) -> list[str | None]:
        return [g.value for g in hierarchy.list_groups(job, MODEL, "store_nbr", sort=sort, with_bounds=False, **page)]

    found = hierarchy.list_groups(job, MODEL, "store_nbr", with_bounds=False)
    ratios = {g.value: (g.final or 0) / (g.sold or 1) for g in found}
    assert values(GroupSort.RISE) == sorted(ratios, key=lambda value: -ratios[value])
    assert values(GroupSort.VALUE, limit=1, skip=1) == ["8"]
    assert values(GroupSort.WAPE)[0] == max(found, key=lambda g: g.wape or 0).value


def test_last_year_is_unknown_for_a_short_history_or_long_horizon(load_dataset, tmp_path: Path) -> None:
    dataset = load_dataset(write_shop(tmp_path / "shop"), **JOINED)
    assert dataset.n_weeks == N_WEEKS
    assert hierarchy.list_groups(run(dataset, 9, models=(MODEL,), h=53, n_windows=0), MODEL)[0].last_year is None
    lines = (tmp_path / "shop" / "train.csv").read_text().splitlines(keepends=True)
    (tmp_path / "short.csv").write_text(lines[0] + "".join(lines[-40 * 9 :]))
    short = load_dataset(tmp_path / "short.csv", name="short", **JOINED)
    group = hierarchy.list_groups(run(short, 9, models=(MODEL,), h=4, n_windows=0), MODEL, with_bounds=False)[0]
    assert (group.last_year, group.wape) == (None, None)


def test_unknown_attribute_is_refused(job: Job) -> None:
    with pytest.raises(InputError, match="no attribute 'town'"):
        hierarchy.list_groups(job, MODEL, "town")
