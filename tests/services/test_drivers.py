"""Driver plans and holidays of a dataset: add, list, carry over to the next version, remove if unused."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from fcst.dataset_records import Dataset
from fcst.drivers import DriverKind, assemble
from fcst.errors import Conflict, InputError, NotFound
from fcst.records import SalesRecord
from fcst.services import datasets, drivers, jobs
from fcst.specs import IngestSpec, JobSpec
from fcst.store import drivers as stored
from fcst.store import ingests
from tests.conftest import write_sales
from tests.engine.learning_runs import ingest_plan, load_plan


@pytest.fixture
def dataset(load_dataset: Callable[..., Dataset]) -> Dataset:
    return load_dataset(n_items=3, n_weeks=60)


def values_of(dataset: Dataset, item: str) -> dict[str, list[float]]:
    """Driver name -> values of the last week and of later weeks."""
    loads = drivers.list_loads(dataset.dataset_id)
    rows = stored.values_of([SalesRecord(item, np.zeros(0), {"family": "DAIRY"})], loads)[item]
    found = assemble(loads, rows, dataset.n_weeks, dataset.last_wk_end_dt)
    return {driver.name: [round(v, 3) for v in driver.values[dataset.n_weeks - 1 :].tolist()] for driver in found}


def plan_of(dataset: Dataset, path: Path, *units: tuple[int, str, int]) -> None:
    """Loads a plan of (weeks ahead, item, promotion)."""
    weeks = [f"{dataset.last_wk_end_dt + timedelta(weeks=n)},{item},{promo}" for n, item, promo in units]
    path.write_text("\n".join(["week ending,item,promo", *weeks]))
    load_plan(dataset, path)


def test_plan_applies_to_the_named_items_only(dataset: Dataset, tmp_path: Path) -> None:
    plan_of(dataset, tmp_path / "plan.csv", (1, "item1", 1), (2, "item2", 1))
    assert values_of(dataset, "item1") == {"promo": [0, 1, 0]}
    assert values_of(dataset, "item3") == {"promo": [0, 0, 0]}
    (load,) = drivers.list_loads(dataset.dataset_id)
    assert (load.source, load.is_own, load.created_by != "") == ("plan.csv", False, True)


def test_plan_of_a_family_applies_to_its_items(load_dataset: Callable[..., Dataset], tmp_path: Path) -> None:
    days = [date(2020, 1, 5) + timedelta(days=n) for n in range(70)]
    rows = [f"{day},{item},{family},5" for day in days for item, family in (("a", "DAIRY"), ("b", "DELI"))]
    (tmp_path / "sales.csv").write_text("\n".join(["date,item,family,qty", *rows]))
    dataset = load_dataset(tmp_path / "sales.csv")
    week = dataset.last_wk_end_dt + timedelta(weeks=1)
    (tmp_path / "plan.csv").write_text(f"week ending,family,promo\n{week},DAIRY,1\n{week},MEATS,1\n")
    load_plan(dataset, tmp_path / "plan.csv")
    loads = drivers.list_loads(dataset.dataset_id)
    assert [(load.grouped_by, load.report.unknown) for load in loads] == [("family", ("MEATS",))]
    items = [SalesRecord(key, np.zeros(10), {"family": family}) for key, family in (("a", "DAIRY"), ("b", "DELI"))]
    found = stored.values_of(items, loads)
    for key, ahead in (("a", 1.0), ("b", 0.0)):
        (driver,) = assemble(loads, found[key], 10, dataset.last_wk_end_dt)
        assert driver.values[-1] == ahead, key


@pytest.fixture
def joined(load_dataset: Callable[..., Dataset], tmp_path: Path) -> Dataset:
    """Items 7 and 8 in stores 1 and 2, and item 8 in store 7."""
    days = [date(2020, 1, 5) + timedelta(days=n) for n in range(210)]
    keys = ("1,7", "1,8", "2,7", "2,8", "7,8")
    rows = [f"{day},{key},{(n * n) % 17 + 1}" for n, day in enumerate(days) for key in keys]
    (tmp_path / "stores.csv").write_text("\n".join(["date,store_nbr,item_nbr,qty", *rows]))
    return load_dataset(tmp_path / "stores.csv", mapping={"item": ["store_nbr", "item_nbr"]})


def next_week_of(dataset: Dataset, name: str) -> dict[str, float | None]:
    """Item -> value of a driver in the week after the last."""
    loads = drivers.list_loads(dataset.dataset_id)
    keys = ("1|7", "1|8", "2|7", "2|8", "7|8")
    found = stored.values_of([SalesRecord(key, np.zeros(10)) for key in keys], loads)
    return {
        key: next(
            (d.values[10] for d in assemble(loads, found[key], 10, dataset.last_wk_end_dt) if d.name == name), None
        )
        for key in keys
    }


def test_plan_of_a_key_part_applies_to_all_items_with_it(
    joined: Dataset, load_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    week = joined.last_wk_end_dt + timedelta(weeks=1)
    (tmp_path / "promo.csv").write_text(f"week ending,item_nbr,promo\n{week},7,1\n{week},9,1\n")
    load_plan(joined, tmp_path / "promo.csv")
    (tmp_path / "open.csv").write_text(f"week ending,store_nbr,open\n{week},7,0\n{week},1,0.5\n{week},2,1\n")
    load_plan(joined, tmp_path / "open.csv")
    promo, opened = drivers.list_loads(joined.dataset_id)
    assert (promo.grouped_by, promo.key_columns, promo.report.unknown) == ("part", ("item_nbr",), ("9",))
    assert promo.keys_in_words(promo.columns[0]) == "1 (item_nbr)"
    assert (opened.key_columns, opened.report.n_unknown) == (("store_nbr",), 0)
    assert next_week_of(joined, "promo") == {"1|7": 1, "1|8": 0, "2|7": 1, "2|8": 0, "7|8": 0}
    assert next_week_of(joined, "open") == {"1|7": 0.5, "1|8": 0.5, "2|7": 1, "2|8": 1, "7|8": 0}
    later = load_dataset(tmp_path / "stores.csv", name=joined.name, mapping={"item": ["item_nbr", "store_nbr"]})
    assert [load.key_of("7|1", {}) for load in drivers.list_loads(later.dataset_id)] == ["7", "1"], (
        "key columns are matched by name"
    )
    other = load_dataset(tmp_path / "stores.csv", name=joined.name, mapping={"item": ["item_nbr"]})
    assert [load.key_of("7", {}) for load in drivers.list_loads(other.dataset_id)] == ["7", None]


def test_driver_equal_to_units_of_a_key_part_is_refused(joined: Dataset, tmp_path: Path) -> None:
    """The driver equals the sum over the items of the key part."""
    lines = [f"{week},7,{6 * units}" for week, units in read_weeks(joined, "1|7")]
    path = tmp_path / "traffic.csv"
    path.write_text("\n".join(["week ending,item_nbr,traffic", *lines]))
    assert "'traffic' is the units sold, or a multiple of them" in (error_of_plan(joined, path, "traffic") or "")


def test_driver_equal_to_units_sold_is_refused(load_dataset: Callable[..., Dataset], tmp_path: Path) -> None:
    """The driver equals the units of an item, or of a family."""
    days = [date(2020, 1, 5) + timedelta(days=n) for n in range(210)]
    rows = [f"{day},{item},DAIRY,{(n * n) % 17 + 1}" for n, day in enumerate(days) for item in "ab"]
    (tmp_path / "sales.csv").write_text("\n".join(["date,item,family,qty", *rows]))
    dataset = load_dataset(tmp_path / "sales.csv")
    weeks = read_weeks(dataset, "a")
    plans = {
        "item": [f"{week},a,{3 * units}" for week, units in weeks],
        "family": [f"{week},DAIRY,{2 * units}" for week, units in weeks],
    }
    for role, lines in plans.items():
        path = tmp_path / f"{role}.csv"
        path.write_text("\n".join([f"week ending,{role},traffic", *lines]))
        assert "'traffic' is the units sold, or a multiple of them" in (error_of_plan(dataset, path, "traffic") or "")
        halved = [line if n % 2 else f"{line}5" for n, line in enumerate(lines)]
        path.write_text("\n".join([f"week ending,{role},traffic", *halved]))
        assert error_of_plan(dataset, path, "traffic") is None
    assert len(drivers.list_loads(dataset.dataset_id)) == 2


def read_weeks(dataset: Dataset, item: str) -> list[tuple[date, int]]:
    """(week, units) rows of an item."""
    return [(row.wk_end_dt, round(row.unit_sales or 0)) for row in datasets.item_history(dataset.dataset_id, item)]


def error_of_plan(dataset: Dataset, path: Path, column: str) -> str | None:
    """Ingests a plan; returns its error, or None."""
    mapping = {"date": ["week ending"], "driver": [column]}
    ingest = ingest_plan(IngestSpec(paths=(str(path),), name="n", plan_of=dataset.dataset_id, mapping=mapping))
    return ingest.error


def test_next_version_inherits_plans(dataset: Dataset, load_dataset: Callable[..., Dataset], tmp_path: Path) -> None:
    plan_of(dataset, tmp_path / "plan.csv", (1, "item1", 1), (3, "item1", 1))
    write_sales(tmp_path / "more.csv", 3, 62)
    later = load_dataset(tmp_path / "more.csv", name=dataset.name)
    assert later.version == 2
    assert values_of(later, "item1") == {"promo": [0, 1]}
    assert values_of(dataset, "item1") == {"promo": [0, 1, 0, 1]}


def test_holidays_are_events_of_all_items_by_name(dataset: Dataset) -> None:
    load = drivers.add_holidays(dataset.dataset_id, "EC")
    assert (load.source, load.grouped_by) == ("Holidays of EC", "all")
    assert {column.kind for column in load.columns} == {DriverKind.EVENT}
    assert "Carnival" in {column.name for column in load.columns}
    loads = drivers.list_loads(dataset.dataset_id)
    rows = stored.values_of([SalesRecord("item2", np.zeros(0))], loads)["item2"]
    carnival = next(
        driver for driver in assemble(loads, rows, dataset.n_weeks, dataset.last_wk_end_dt) if driver.name == "Carnival"
    )
    first = dataset.last_wk_end_dt - timedelta(weeks=dataset.n_weeks - 1)
    weeks = {str(first + timedelta(weeks=n)): v for n, v in enumerate(carnival.values.tolist()) if v}
    assert carnival.is_known_ahead
    assert weeks["2020-02-29"] == pytest.approx(2 / 7), "Monday the 24th and Tuesday the 25th of February 2020"
    assert weeks["2021-02-20"] == pytest.approx(2 / 7) and weeks["2022-03-05"] == pytest.approx(2 / 7)


def test_unknown_country_and_region_are_refused(dataset: Dataset) -> None:
    with pytest.raises(InputError, match="'XX' are not available"):
        drivers.add_holidays(dataset.dataset_id, "XX")
    with pytest.raises(InputError, match="has no region 'nowhere'"):
        drivers.add_holidays(dataset.dataset_id, "DE", "nowhere")
    assert drivers.list_loads(dataset.dataset_id) == []


def test_load_is_removed_unless_a_run_uses_it(dataset: Dataset, tmp_path: Path) -> None:
    plan_of(dataset, tmp_path / "plan.csv", (1, "item1", 1))
    (load,) = drivers.list_loads(dataset.dataset_id)
    with pytest.raises(NotFound):
        drivers.remove_load(dataset.dataset_id, load.driver_load_id + 1)
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 1), JobSpec(h=1))
    assert jobs.get_job(job_id).spec.driver_load == load.driver_load_id
    with pytest.raises(Conflict, match="1 run used these drivers"):
        drivers.remove_load(dataset.dataset_id, load.driver_load_id)
    later = drivers.add_holidays(dataset.dataset_id, "FR")
    drivers.remove_load(dataset.dataset_id, later.driver_load_id)
    assert [row.driver_load_id for row in drivers.list_loads(dataset.dataset_id)] == [load.driver_load_id]


def test_plan_is_inspected_once(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plan.csv"
    path.write_text(f"week ending,item,promo\n{dataset.last_wk_end_dt},item1,1\n")
    spec = IngestSpec(paths=(str(path),), name="n", plan_of=dataset.dataset_id)
    look = drivers.inspect_plan(spec)
    (file,) = drivers.describe_plan(spec, look)
    assert (file.mapping["item"], file.mapping["promo"]) == (["item"], ["promo"])
    monkeypatch.delattr("fcst.services.drivers.find_plan_tables")
    ingest = ingests.get(drivers.request_plan(spec, look))
    assert ingest is not None and ingest.spec.plan_of == dataset.dataset_id
    with pytest.raises(InputError, match="no column for the date"):
        drivers.request_plan(replace(spec, mapping={"date": []}), look)


def test_file_without_drivers_is_refused_before_an_ingest_is_requested(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "colours.csv"
    path.write_text("date,item,colour\n2021-01-01,item1,red\n")
    spec = IngestSpec(paths=(str(path),), name="n", plan_of=dataset.dataset_id)
    with pytest.raises(InputError, match="no driver column"):
        drivers.request_plan(spec)
    assert ingests.list_open() == []


def test_plan_column_matches_a_known_driver_ignoring_case_and_separators(
    load_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    days = [date(2020, 1, 5) + timedelta(days=n) for n in range(140)]
    rows = [f"{day},a,{n % 7 + 5},{int(n % 21 < 7)},{'ab0'[n % 3]}" for n, day in enumerate(days)]
    (tmp_path / "sales.csv").write_text("\n".join(["date,item,qty,On Promo,StateHoliday", *rows]))
    mapping = {"promo": ["On Promo"], "event": ["StateHoliday"]}
    dataset = load_dataset(tmp_path / "sales.csv", include_promo=True, mapping=mapping)
    assert set(values_of(dataset, "a")) == {"On Promo", "StateHoliday a", "StateHoliday b"}
    week = dataset.last_wk_end_dt + timedelta(weeks=1)
    (tmp_path / "plan.csv").write_text(f"week ending,item,on_promo,state_holiday\n{week},a,1,b\n")
    load_plan(dataset, tmp_path / "plan.csv", promo=["on_promo"], event=["state_holiday"])
    own, plan = drivers.list_loads(dataset.dataset_id)
    assert {column.name for column in plan.columns} == {column.name for column in own.columns}
    assert not plan.report.remarks or "cannot be estimated" not in " ".join(plan.report.remarks)


def test_driver_without_values_in_sales_weeks_has_a_remark(dataset: Dataset, tmp_path: Path) -> None:
    plan_of(dataset, tmp_path / "past.csv", (0, "item1", 1), (-3, "item2", 1), (2, "item2", 1))
    plan_of(dataset, tmp_path / "future.csv", (1, "item1", 1), (2, "item2", 1))
    assert [len(load.report.remarks) for load in drivers.list_loads(dataset.dataset_id)] == [0, 0]
    path = tmp_path / "other.csv"
    path.write_text(f"week ending,item,tv\n{dataset.last_wk_end_dt + timedelta(weeks=1)},item1,1\n")
    load_plan(dataset, path, driver=["tv"])
    (remark,) = drivers.list_loads(dataset.dataset_id)[-1].report.remarks
    assert remark.startswith("tv has no values in weeks with sales") and "a driver of the dataset (promo)" in remark
