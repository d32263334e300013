"""Each page, run by Streamlit's own tester on a real database: empty, full, and with a URL that leads nowhere."""

import io
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from fcst.engine.task import run_batch
from fcst.services import datasets, jobs
from fcst.settings import PROJECT, load_settings
from fcst.specs import JobSpec
from fcst.store import batches
from fcst.store import jobs as store
from tests.conftest import write_sales

PAGES = ("data", "new_run", "runs", "forecasts")


@pytest.fixture(autouse=True)
def fresh_server() -> None:
    """What a server keeps is of its one database; each test has another."""
    st.cache_data.clear()
    st.cache_resource.clear()


def open_page(name: str, **query: str) -> AppTest:
    at = AppTest.from_file(str(PROJECT / "pages" / f"{name}.py"), default_timeout=30)
    for key, value in query.items():
        at.query_params[key] = value
    return at.run()


def open_app() -> AppTest:
    return AppTest.from_file(str(PROJECT / "app.py"), default_timeout=30).run()


def words(at: AppTest) -> str:
    kinds = ("title", "header", "subheader", "markdown", "caption", "error", "warning", "info", "success", "metric")
    return "\n".join(f"{getattr(e, 'label', '')} {e.value}" for kind in kinds for e in at.get(kind))


def run_waiting() -> None:
    worker = str(uuid.uuid4())
    while claimed := batches.claim(worker, 1):
        run_batch(claimed[0]["batch_id"], claimed[0]["attempt"])
    store.freeze_ended()


@pytest.fixture
def dataset(load_dataset) -> dict:
    return load_dataset(name="weird *name* <b>_x_")


@pytest.fixture
def finished(dataset: dict) -> int:
    spec = JobSpec(models=("Auto", "SeasonalNaive"), h=4, batch_size=2)
    job_id = jobs.submit_job(dataset["dataset_id"], jobs.choose_largest(dataset, 6), spec, "first [run]", "why *not*")
    run_waiting()
    return job_id


@pytest.mark.parametrize("name", PAGES)
def test_page_says_what_to_do_next_when_there_is_nothing(database: str, name: str) -> None:
    at = open_page(name)
    assert not at.exception and not at.error
    assert any(button.proto.type == "primary" for button in at.button), "an empty page has one way on"


@pytest.mark.parametrize("name", PAGES)
def test_page_stands_when_there_is_data(finished: int, name: str) -> None:
    at = open_page(name)
    assert not at.exception and not at.error


@pytest.mark.parametrize("name", PAGES)
def test_page_alone_shows_an_error_box_when_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch, name: str, tmp_path
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/d")
    monkeypatch.setenv("FCST_HOME", str(tmp_path))
    at = open_page(name)
    assert not at.exception
    assert "cannot be reached" in at.error[0].value.replace("\\", "") and "secret" not in at.error[0].value


@pytest.mark.parametrize(
    ("name", "query", "said"),
    [
        ("data", {"dataset": "99"}, "There is no dataset 99"),
        ("data", {"ingest": "99"}, "There is no ingest 99"),
        ("new_run", {"dataset": "x"}, "There is no dataset x"),
        ("forecasts", {"job": "99"}, "Run 99 has no forecasts"),
        ("forecasts", {"item": "*nobody*"}, "no item *nobody*"),
        ("runs", {"job": "99"}, "There is no job 99"),
    ],
)
def test_page_names_what_its_url_asks_for_in_vain(finished: int, name: str, query: dict[str, str], said: str) -> None:
    at = open_page(name, **query)
    assert not at.exception
    boxes = [box.value.replace("\\", "") for box in (*at.error, *at.warning)]
    assert len(boxes) == 1 and said in boxes[0]


def test_page_shows_its_content_beside_what_it_did_not_find(finished: int) -> None:
    assert "Items 6" in words(open_page("data", dataset="99")) and "Items 6" in words(open_page("data", ingest="99"))
    assert "6 items in" in words(open_page("new_run", dataset="99"))
    assert "the sum of 6" in words(open_page("forecasts", item="nobody"))


def test_page_shows_a_reference_and_no_traceback_when_it_breaks(
    database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("fcst.services.jobs.list_jobs", lambda: 1 / 0)
    at = open_page("runs")
    assert not at.exception and "could not be shown" in at.error[0].value
    reference = at.error[0].value.split("reference ")[1].split(".")[0]
    assert reference in caplog.text and "ZeroDivisionError" in caplog.text


def test_app_leads_from_nothing_to_the_sample(database: str) -> None:
    at = open_app()
    assert [button.label for button in at.button][0] == "Load the sample"
    at.button[0].click().run()
    assert not at.exception and "Loading sample" in words(at)


def test_data_shows_what_was_loaded_and_how(dataset: dict) -> None:
    at = open_page("data")
    said = words(at)
    assert "Items 6" in said and "Whole weeks 120" in said
    assert "rows" in said and "no promotion flag" in said


def test_data_refuses_a_file_that_is_not_there(database: str) -> None:
    at = open_page("data")
    at.button(key="load").click().run()
    assert "No file was given" in at.error[0].value.replace("\\", "")
    at.text_input(key="path").set_value("/nowhere/train.csv")
    at.button(key="load").click().run()
    assert "There is no file /nowhere/train.csv" in at.error[0].value.replace("\\", "")


def test_data_asks_for_an_upload_to_be_read(database: str, tmp_path) -> None:
    write_sales(tmp_path / "s.csv", 2, 6)
    at = open_page("data")
    at.get("file_uploader")[0].upload("mine.csv", (tmp_path / "s.csv").read_bytes(), "text/csv")
    at.run()
    at.button(key="load").click().run()
    assert not at.exception and not at.error
    assert "Loading mine" in words(at)


@pytest.mark.parametrize("name", ["../../x.csv", "/etc/x.csv", "..", "a b'\u00e9\n.csv", ".csv", "x" * 300 + ".csv.gz"])
def test_an_upload_is_kept_in_its_own_folder_whatever_it_is_called(database: str, name: str) -> None:
    path = Path(datasets.save_upload(name, io.BytesIO(b"x")))
    assert path.read_bytes() == b"x" and path.parent.parent == load_settings().uploads
    assert path.name == Path(path.name).name and len(path.name) <= 100
    datasets.discard_upload(str(path))
    assert not path.parent.exists() and load_settings().uploads.exists()


def test_new_run_follows_the_slider_and_submits(dataset: dict) -> None:
    at = open_page("new_run")
    slider = at.slider[0]
    assert (slider.min, slider.max, slider.value) == (1, 6, 6)
    slider.set_value(3).run()
    at.number_input(key="batch_size").set_value(2).run()
    assert "3 items in 2 batches of up to 2, 13 weeks ahead" in words(at)
    assert "Chosen items 3 of 6" in words(at)
    at.button(key="submit").click().run()
    (job,) = jobs.list_jobs()
    assert (job["n_items"], job["n_batches"], job["spec"]["models"]) == (3, 2, ["Auto"])


def test_new_run_refuses_a_run_without_models(dataset: dict) -> None:
    at = open_page("new_run")
    at.multiselect(key="models").set_value([]).run()
    at.button(key="submit").click().run()
    assert "No model was chosen" in at.error[0].value.replace("\\", "")
    assert jobs.list_jobs() == []


def test_new_run_stands_with_a_single_item(load_dataset: Callable[..., dict]) -> None:
    load_dataset(n_items=1)
    at = open_page("new_run")
    assert not at.exception and "1 item in 1 batch, 13 weeks ahead" in words(at)


def test_run_is_cancelled_and_run_again_by_its_buttons(dataset: dict) -> None:
    job_id = jobs.submit_job(dataset["dataset_id"], jobs.choose_largest(dataset, 6), JobSpec(batch_size=2))
    at = open_page("runs", job=str(job_id))
    assert "3 submitted" in words(at)
    at.button(key="cancel").click().run()
    assert jobs.get_job(job_id)["status"] == "cancelled"
    assert at.button(key="retry").label == "Run 6 items again"
    at.button(key="retry").click().run()
    assert jobs.get_job(job_id)["status"] == "submitted"


def test_run_shows_names_to_the_letter(finished: int) -> None:
    at = open_page("runs", job=str(finished))
    assert r"first \[run\]" in at.title[0].value
    assert any(r"why \*not\*" in caption.value for caption in at.caption)
    assert "Items done 6 of 6" in words(at)


def test_run_tells_why_it_waits_when_nobody_works(dataset: dict) -> None:
    job_id = jobs.submit_job(dataset["dataset_id"], jobs.choose_largest(dataset, 6), JobSpec())
    assert "None alive, and work is waiting" in words(open_page("runs", job=str(job_id)))


def test_forecasts_begin_with_the_sum_and_go_on_to_an_item(finished: int) -> None:
    at = open_page("forecasts", job=str(finished))
    item = next(box for box in at.selectbox if box.label.startswith("Item"))
    assert item.options[0] == "All chosen items" and len(item.options) == 7
    assert "the sum of 6 forecasts" in words(at)
    item.set_value("item3").run()
    said = words(at)
    assert (
        "Item item3" in said and "WAPE, last 13 weeks held out" in said and "Made by Median" in said.replace("\\", "")
    )
    assert not at.exception and not at.error


def test_forecasts_of_a_part_of_a_run_say_that_it_is_a_part(dataset: dict) -> None:
    job_id = jobs.submit_job(dataset["dataset_id"], jobs.choose_largest(dataset, 6), JobSpec(batch_size=2))
    (first,) = batches.claim(str(uuid.uuid4()), 1)
    run_batch(first["batch_id"], first["attempt"])
    assert "The sum of 2 of 6 chosen items; the others have no forecast" in words(
        open_page("forecasts", job=str(job_id))
    )


def test_forecasts_say_why_an_item_has_none(dataset: dict) -> None:
    job_id = jobs.submit_job(dataset["dataset_id"], jobs.choose_largest(dataset, 6), JobSpec(batch_size=1))
    worker = str(uuid.uuid4())
    (first,) = batches.claim(worker, 1)
    run_batch(first["batch_id"], first["attempt"])
    (second,) = batches.claim(worker, 1)
    batches.end_attempt(second["batch_id"], second["attempt"], "failed", "its process died (signal 9)")
    failed = jobs.list_failures(job_id)[0]["unique_id"]
    at = open_page("forecasts", job=str(job_id), item=failed)
    assert "it is failed" in at.warning[0].value and "signal 9" in at.warning[0].value.replace("\\", "")
