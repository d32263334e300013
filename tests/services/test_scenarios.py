"""Scenarios of a run on a real database: changes, equality with a new run, application to the plan, files."""

import io
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from fcst.dataset_records import Dataset
from fcst.drivers import DriverKind
from fcst.errors import Conflict, InputError, NotAllowed, NotFound
from fcst.filters import ALL_RUN_ITEMS, RunFilter, by_keys
from fcst.job_records import Job
from fcst.roles import Actor, Scope
from fcst.scenarios import ChangeHow, DriverChange, Scenario
from fcst.services import adjustments, datasets, forecasts, identity, scenarios
from fcst.services.adjustments import Change
from fcst.services.scenario_files import open_scenarios, scenario_file_name
from fcst.store import scenarios as stored
from fcst.store.database import transaction
from fcst.store.jobs import freeze_ended
from tests.engine.learning_runs import load_plan
from tests.shop_with_drivers import MODEL, H, forecast, load_shop


@pytest.fixture
def dataset(load_dataset: Callable[..., Dataset], tmp_path: Path, once: Callable) -> Dataset:
    return once("shop_with_drivers", lambda: load_shop(load_dataset, tmp_path))


@pytest.fixture
def job(dataset: Dataset, once: Callable) -> Job:
    return once("forecast_with_drivers", lambda: forecast(dataset))


def week(job: Job, step: int) -> date:
    return job.last_wk_end_dt + timedelta(weeks=step)


def change(job: Job, driver: str, first: int, last: int, value: float, how: ChangeHow = ChangeHow.TO) -> DriverChange:
    return DriverChange(driver, week(job, first), week(job, last), how, value)


def scenario(job: Job, *changes: DriverChange, name: str = "Carnival", which: RunFilter = ALL_RUN_ITEMS) -> Scenario:
    made = scenarios.create_scenario(job, name, "Ana")
    for one in changes:
        made = scenarios.add_change(job, made.scenario_id, one, which, "Ana")
    return made


def units(job: Job, found: Scenario, which: RunFilter = ALL_RUN_ITEMS, model: str = MODEL) -> np.ndarray:
    """(H,) plan in a scenario."""
    plan = forecasts.view(job, model, which).forecast.set_index("wk_end_dt")["final"]
    changed = scenarios.sums(job, model, which, [found]).set_index("wk_end_dt")["change1"]
    return (plan + changed.reindex(plan.index).fillna(0.0)).to_numpy()


def final(job: Job, which: RunFilter = ALL_RUN_ITEMS, model: str = MODEL) -> np.ndarray:
    return forecasts.view(job, model, which).forecast["final"].to_numpy()


def test_drivers_with_an_effect_can_be_changed(job: Job) -> None:
    found = {driver.name: driver for driver in scenarios.changeable_drivers(job)}
    assert list(found) == ["promo", "price", "open"]
    assert found["promo"].kind == DriverKind.PROMOTION and 70 < (found["promo"].percent or 0) < 130
    assert found["price"].lowest == pytest.approx(np.log(0.8), abs=0.01)


def test_run_without_drivers_has_no_changeable_drivers(load_dataset: Callable[..., Dataset]) -> None:
    plain = forecast(load_dataset(n_items=2, n_weeks=60))
    assert scenarios.changeable_drivers(plain) == []
    made = scenarios.create_scenario(plain, "Carnival", "Ana")
    with pytest.raises(InputError, match="learnt no effect of 'promo'"):
        scenarios.add_change(plain, made.scenario_id, change(plain, "promo", 1, 1, 1.0), ALL_RUN_ITEMS, "Ana")


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("driver", "first", "last", "value"),
    [("promo", 1, 2, 1.0), ("promo", 3, 3, 0.5), ("price", 1, 3, 8.5), ("open", 4, 4, 1.0), ("open", 1, 1, 0.0)],
)
def test_scenario_equals_a_new_run_with_the_changed_plan(
    job: Job, dataset: Dataset, tmp_path: Path, driver: str, first: int, last: int, value: float
) -> None:
    found = scenario(job, change(job, driver, first, last, value))
    lines = [f"{week(job, step)},item{item},{value}" for item in range(6) for step in range(first, last + 1)]
    (tmp_path / "changed.csv").write_text("\n".join([f"week ending,item,{driver}", *lines]))
    load_plan(dataset, tmp_path / "changed.csv")
    later = forecast(dataset)
    for model in (MODEL, "Naive"):
        np.testing.assert_allclose(units(job, found, model=model), final(later, model=model), rtol=1e-9)
    assert not np.allclose(final(job), final(later))


def test_change_of_a_family_changes_the_total_by_the_same_units(job: Job) -> None:
    dairy = RunFilter(families=("DAIRY",))
    found = scenario(job, change(job, "promo", 1, 4, 1.0), which=dairy)
    (made,) = found.changes
    assert (made.n_items, made.scope, made.made_by) == (3, "the items that match a filter", "Ana")
    more = units(job, found, dairy) - final(job, dairy)
    assert more.sum() > 0
    np.testing.assert_allclose(units(job, found) - final(job), more)
    np.testing.assert_allclose(
        units(job, found, RunFilter(families=("DELI",))), final(job, RunFilter(families=("DELI",)))
    )


def test_changes_apply_in_order_and_are_removed_one_by_one(job: Job) -> None:
    up = change(job, "price", 1, 4, 25.0, ChangeHow.PERCENT)
    down = change(job, "price", 1, 4, -20.0, ChangeHow.PERCENT)
    promo = change(job, "promo", 2, 2, 1.0)
    both = scenario(job, up, down, name="both")
    np.testing.assert_allclose(units(job, both), final(job), rtol=1e-9)
    found = scenario(job, up, promo, name="up")
    alone = scenario(job, promo, name="alone")
    remaining = scenarios.remove_change(job, found.scenario_id, found.changes[0].change_id)
    assert [one.change for one in remaining.changes] == [promo]
    np.testing.assert_allclose(units(job, remaining), units(job, alone))
    empty = scenarios.remove_change(job, remaining.scenario_id, remaining.changes[0].change_id)
    np.testing.assert_allclose(units(job, empty), final(job))
    assert scenarios.list_items(job, MODEL, ALL_RUN_ITEMS, [empty]) == []


def test_copy_is_independent(job: Job) -> None:
    first = scenario(job, change(job, "promo", 1, 1, 1.0), which=by_keys("item1"))
    copy = scenarios.create_scenario(job, "More", "Bea", copy_of=first.scenario_id)
    assert [one.change for one in copy.changes] == [one.change for one in first.changes]
    copy = scenarios.add_change(job, copy.scenario_id, change(job, "promo", 1, 1, 1.0), by_keys("item2"), "Bea")
    rows = scenarios.list_items(job, MODEL, ALL_RUN_ITEMS, [first, copy])
    changed = {row.unique_id: tuple(round(each / row.plan, 3) > 1 for each in row.units) for row in rows}
    one_more = {key: value for key, value in changed.items() if value != (False, False)}
    assert set(one_more) <= {"item1", "item2"} and all(is_changed for _, is_changed in one_more.values())
    scenarios.delete_scenario(job, first.scenario_id)
    assert [each.name for each in scenarios.list_scenarios(job)] == ["More"]
    with pytest.raises(NotFound):
        scenarios.get_scenario(job, first.scenario_id)


def test_scenario_is_applied_to_the_plan_and_undone(job: Job) -> None:
    raised = Change(week(job, 1), week(job, 1), percent=50.0)
    adjustments.adjust(job, MODEL, ALL_RUN_ITEMS, raised, "a fair", "Ana")
    before = final(job)
    found = scenario(job, change(job, "promo", 1, 2, 1.0), change(job, "open", 4, 4, 1.0))
    wanted = units(job, found)
    assert wanted[3] > 100 > before[3] == 0, "a closed week opens"
    number = scenarios.apply_to_plan(job, MODEL, found.scenario_id, "the fair has a promotion", "Bea")
    np.testing.assert_allclose(final(job), wanted)
    (made, _) = adjustments.list_adjustments(job, ALL_RUN_ITEMS, MODEL)
    assert (made.scope, made.reason, made.made_by) == ("scenario Carnival", "the fair has a promotion", "Bea")
    adjustments.undo(number, "Bea")
    np.testing.assert_allclose(final(job), before)


def test_plan_changed_meanwhile_is_a_conflict(job: Job) -> None:
    found = scenario(job, change(job, "promo", 1, 1, 1.0))
    seen = adjustments.last_change(job.job_id)
    adjustments.adjust(job, MODEL, ALL_RUN_ITEMS, Change(week(job, 1), week(job, 1), percent=5.0), "a fair", "Ana")
    with pytest.raises(Conflict, match="a fair"):
        scenarios.apply_to_plan(job, MODEL, found.scenario_id, "promotion", "Bea", seen)


def test_scenario_changed_meanwhile_is_a_conflict(job: Job) -> None:
    found = scenario(job, change(job, "promo", 1, 1, 1.0))
    scenarios.add_change(job, found.scenario_id, change(job, "promo", 2, 2, 1.0), ALL_RUN_ITEMS, "Bea")
    with pytest.raises(Conflict, match="Carnival"):
        stored.add_change(found, change(job, "promo", 3, 3, 1.0), ["item1"], "item 1", "Ana", [])
    assert len(scenarios.get_scenario(job, found.scenario_id).changes) == 2


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (("promo", 1, 1, 1.2, ChangeHow.TO), "from 0 to 1"),
        (("promo", 1, 1, float("nan"), ChangeHow.TO), "from 0 to 1"),
        (("promo", 1, 1, 10.0, ChangeHow.PERCENT), "is a share of the week"),
        (("price", 1, 1, 0.0, ChangeHow.TO), "above 0"),
        (("price", 1, 1, -100.0, ChangeHow.PERCENT), "above -100"),
        (("price", 1, 1, 1e300, ChangeHow.TO), "above 0 to"),
        (("price", 0, 1, 5.0, ChangeHow.TO), "not within the forecast"),
        (("price", 1, 5, 5.0, ChangeHow.TO), "not within the forecast"),
        (("weather", 1, 1, 5.0, ChangeHow.TO), "no effect of 'weather'"),
    ],
)
def test_invalid_change_is_refused(job: Job, wanted: tuple, message: str) -> None:
    found = scenario(job)
    with pytest.raises(InputError, match=message):
        scenarios.add_change(job, found.scenario_id, change(job, *wanted), ALL_RUN_ITEMS, "Ana")
    assert scenarios.get_scenario(job, found.scenario_id).changes == ()


def test_scenario_needs_a_unique_name_and_a_change(job: Job) -> None:
    found = scenario(job)
    with pytest.raises(InputError, match="has a scenario 'Carnival'"):
        scenarios.create_scenario(job, " Carnival ", "Ana")
    with pytest.raises(InputError, match="no name"):
        scenarios.create_scenario(job, " ", "Ana")
    with pytest.raises(InputError, match="does not change any week"):
        scenarios.apply_to_plan(job, MODEL, found.scenario_id, "why", "Ana")
    with pytest.raises(InputError, match="None of these items"):
        scenarios.add_change(job, found.scenario_id, change(job, "promo", 1, 1, 1.0), by_keys("none"), "Ana")


def test_read_scope_cannot_change_scenarios(job: Job) -> None:
    found = scenario(job, change(job, "promo", 1, 1, 1.0))
    with identity.acting_as(Actor("eve", Scope.READ)):
        assert len(scenarios.list_scenarios(job)) == 1
        for call in (
            lambda: scenarios.create_scenario(job, "mine", "Eve"),
            lambda: scenarios.add_change(job, found.scenario_id, change(job, "promo", 1, 1, 1.0)),
            lambda: scenarios.remove_change(job, found.scenario_id, found.changes[0].change_id),
            lambda: scenarios.delete_scenario(job, found.scenario_id),
            lambda: scenarios.apply_to_plan(job, MODEL, found.scenario_id, "why"),
        ):
            with pytest.raises(NotAllowed):
                call()


def content(job: Job, file_format: str, which: RunFilter, chosen: list[Scenario]) -> bytes:
    file, n_bytes = open_scenarios(job, MODEL, file_format, which, chosen)
    with file:
        found = file.read()
    assert len(found) == n_bytes
    return found


def test_files_have_the_plan_and_two_scenarios(job: Job) -> None:
    first = scenario(job, change(job, "promo", 1, 1, 1.0))
    second = scenario(job, change(job, "price", 2, 3, -10.0, ChangeHow.PERCENT), name="=HYPERLINK(1)")
    chosen = [first, second]
    text = content(job, "csv", ALL_RUN_ITEMS, chosen).decode()
    assert text.startswith("unique_id,name,wk_end_dt,plan,Carnival,'=HYPERLINK(1)\n")
    rows = pd.read_csv(io.StringIO(text))
    assert len(rows) == 6 * H
    by_week = rows.groupby("wk_end_dt").sum(numeric_only=True)
    np.testing.assert_allclose(by_week["plan"], final(job), atol=0.01)
    for column, one in (("Carnival", first), ("'=HYPERLINK(1)", second)):
        np.testing.assert_allclose(by_week[column], units(job, one), atol=0.01)
    book = openpyxl.load_workbook(io.BytesIO(content(job, "xlsx", by_keys("item2"), chosen)))
    assert book.sheetnames == ["Scenarios", "Changes"]
    header, *cells = book["Scenarios"].iter_rows(values_only=True)
    assert header == ("unique_id", "name", "wk_end_dt", "plan", "Carnival", "=HYPERLINK(1)")
    assert all(cell.data_type != "f" for row in book["Scenarios"] for cell in row)
    np.testing.assert_allclose([row[4] for row in cells], units(job, first, by_keys("item2")), atol=0.01)
    assert [row[:2] for row in book["Changes"].iter_rows(min_row=2, values_only=True)] == [
        ("Carnival", "promo"),
        ("=HYPERLINK(1)", "price"),
    ]
    assert scenario_file_name(job, MODEL, "csv", ALL_RUN_ITEMS, [first]).endswith("_scenarios_Carnival_all-items.csv")
    with pytest.raises(InputError, match="no format 'pdf'"):
        open_scenarios(job, MODEL, "pdf", ALL_RUN_ITEMS, chosen)


def test_scenarios_are_deleted_with_their_run(job: Job) -> None:
    scenario(job, change(job, "promo", 1, 1, 1.0))
    freeze_ended()
    datasets.delete_dataset(job.dataset_id)
    with transaction() as cur:
        for table in ("scenarios", "scenario_changes", "scenario_items"):
            cur.execute(f"SELECT count(*) AS n FROM fcst_app.{table}")
            assert cur.fetchone() == {"n": 0}, table
