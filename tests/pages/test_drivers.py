"""Drivers on the pages: coverage, added holidays, learnt effects of a run."""

from collections.abc import Callable

import pytest

from fcst.dataset_records import Dataset
from fcst.roles import Scope
from fcst.services import drivers, jobs
from fcst.specs import JobSpec
from fcst.store.database import transaction
from tests.engine.learning_runs import promoted, run, submit
from tests.pages.opening import open_page, page_text

__all__ = ["promoted"]  # a fixture


@pytest.fixture
def dataset(load_dataset: Callable[..., Dataset]) -> Dataset:
    return load_dataset(n_items=3, n_weeks=60)


def test_page_without_drivers_shows_what_to_do(dataset: Dataset) -> None:
    at = open_page("dataset", dataset=str(dataset.dataset_id), view="drivers")
    assert not at.exception
    assert "No promotions, prices or events" in page_text(at) and not at.dataframe
    assert at.button(key="add_holidays").disabled


def test_holidays_of_a_country_are_added(dataset: Dataset) -> None:
    at = open_page("dataset", dataset=str(dataset.dataset_id), view="drivers")
    at.selectbox(key="holidays_of").set_value("EC").run()
    at.button(key="add_holidays").click().run()
    assert not at.exception
    shown = at.dataframe[0].value
    assert "Carnival" in shown["Driver"].tolist() and set(shown["Kind"]) == {"event"}
    assert set(shown["For"]) == {"all items"}
    (load,) = drivers.list_loads(dataset.dataset_id)
    assert load.source == "Holidays of EC"


def test_load_is_removed_after_confirmation(dataset: Dataset) -> None:
    load = drivers.add_holidays(dataset.dataset_id, "EC")
    at = open_page("dataset", dataset=str(dataset.dataset_id), view="drivers")
    assert "Holidays of EC" in page_text(at) and f"Loaded by {load.created_by}" in page_text(at)
    at.button(key=f"remove_{load.driver_load_id}").click().run()
    assert "New runs will not use them" in page_text(at)
    assert drivers.list_loads(dataset.dataset_id) == [load]
    at.button(key="remove_now").click().run()
    assert not at.exception
    assert drivers.list_loads(dataset.dataset_id) == []
    assert "No promotions, prices or events" in page_text(at)
    assert [toast.value for toast in at.toast] == ["Drivers of Holidays of EC removed."]


def test_load_used_by_a_run_is_kept_with_a_message(dataset: Dataset) -> None:
    load = drivers.add_holidays(dataset.dataset_id, "EC")
    jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 1), JobSpec(h=1))
    at = open_page("dataset", dataset=str(dataset.dataset_id), view="drivers")
    at.button(key=f"remove_{load.driver_load_id}").click().run()
    at.button(key="remove_now").click().run()
    assert not at.exception
    assert "1 run used these drivers" in page_text(at)
    assert drivers.list_loads(dataset.dataset_id) == [load]


def test_remove_button_needs_admin_scope(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    load = drivers.add_holidays(dataset.dataset_id, "EC")
    monkeypatch.setattr("fcst.ui.drivers.may", lambda scope: scope is not Scope.ADMIN)
    at = open_page("dataset", dataset=str(dataset.dataset_id), view="drivers")
    assert "Holidays of EC" in page_text(at)
    assert f"remove_{load.driver_load_id}" not in [button.key for button in at.button]


def test_missing_future_values_are_shown_before_a_run(promoted: Dataset) -> None:
    at = open_page("dataset", dataset=str(promoted.dataset_id), view="drivers")
    assert "No promo after" in page_text(at) and "the mean share of the last year is used" in page_text(at)
    at = open_page("new_run", dataset=str(promoted.dataset_id))
    assert not at.exception
    assert "1 driver, not known for all weeks" in [expander.label for expander in at.expander]


def test_learnt_effects_of_a_run_are_shown(promoted: Dataset) -> None:
    job_id = submit(promoted)
    run(job_id)
    at = open_page("runs", job=str(job_id))
    assert "Learning across items took" in page_text(at)
    for view in ("timeline", "history", "log"):
        assert not open_page("runs", job=str(job_id), view=view).exception, view
    at = open_page("accuracy", job=str(job_id))
    assert not at.exception
    effects = next(table.value for table in at.dataframe if "Where" in table.value)
    assert effects["Driver"].tolist() == ["promo"] and 80 < effects["Effect"].iloc[0] < 120
    at = open_page("forecasts", job=str(job_id), item="item3")
    assert not at.exception
    weeks = next(table.value for table in at.dataframe if "uplift" in table.value)
    assert weeks["baseline"].gt(0).all() and weeks["uplift"].max() > 0.7


def test_failed_learning_of_a_run_is_shown(promoted: Dataset) -> None:
    job_id = jobs.submit_job(promoted.dataset_id, jobs.choose_largest(promoted, 2), JobSpec(h=1))
    with transaction() as cur:
        cur.execute(
            "UPDATE fcst_app.batch_status SET stage = 'failed', error = 'gave up', finished_at = now()"
            " WHERE job_id = %(job_id)s AND is_learning",
            {"job_id": job_id},
        )
    assert "Learning across items failed. Items are forecast without it. gave up" in page_text(
        open_page("runs", job=str(job_id))
    )
