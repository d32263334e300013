"""All pages with AppTest on a real database: empty, with data, and with invalid URLs."""

import io
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from fcst.dataset_records import Dataset
from fcst.engine import retry_policy
from fcst.engine.task import run_batch
from fcst.errors import BadRows, InputError
from fcst.filters import by_keys
from fcst.services import datasets, forecasts, jobs, loading, supervision
from fcst.settings import SAMPLE, load_settings
from fcst.specs import IngestSpec, JobSpec
from fcst.store import attempts, workers
from fcst.store import jobs as store
from fcst.store.database import transaction
from fcst.ui import buttons
from fcst.ui.page_table import PAGES
from tests.computed_runs import make_earlier_version, write_rows
from tests.conftest import fail_batch, write_sales
from tests.pages.opening import components, open_app, open_page, page_text, run_waiting

NAMES = [page.name for page in PAGES if page.name != "glossary"]  # which reads no data
STARTS = ("home", "data", "new_run", "runs", "forecasts", "accuracy", "compare")


def errors(at: AppTest) -> list[str]:
    """Errors of a page, except that of a stalled run: in these tests no supervisor runs."""
    return [error.value for error in at.error if "Stalled since" not in error.value]


@pytest.mark.few(3)
@pytest.mark.parametrize("name", STARTS)
def test_empty_page_shows_the_next_step(database: str, name: str) -> None:
    at = open_page(name)
    assert not at.exception and not at.error
    assert any(button.proto.type == "primary" for button in at.button), "an empty page has one primary action"


@pytest.mark.few(5)
@pytest.mark.parametrize("name", NAMES)
def test_page_with_data_has_no_errors(finished: int, dataset: Dataset, name: str) -> None:
    at = open_page(name, **({"dataset": str(dataset.dataset_id)} if name == "dataset" else {}))
    assert not at.exception and not at.error


@pytest.mark.few(2)
@pytest.mark.parametrize("name", NAMES)
def test_page_reports_an_unreachable_database_and_retries(monkeypatch: pytest.MonkeyPatch, name: str, tmp_path) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/d")
    monkeypatch.setenv("FCST_HOME", str(tmp_path))
    at = open_page(name)
    assert not at.exception and not at.error
    assert at.warning[0].value == "The database is unreachable, trying again …"
    assert "cannot be reached" in page_text(at).replace("\\", "") and "secret" not in page_text(at)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("name", "query", "said"),
    [
        ("dataset", {"dataset": "99"}, "There is no dataset 99"),
        ("dataset", {"dataset": "x"}, "There is no dataset x"),
        ("load", {"path": "/nowhere/train.csv"}, "There is no file /nowhere/train.csv"),
        ("data", {"ingest": "99"}, "There is no ingest 99"),
        ("new_run", {"dataset": "x"}, "There is no dataset x"),
        ("new_run", {"from": "99"}, "Run 99 does not exist"),
        ("new_run", {"from": "*x*"}, "Run *x* does not exist"),
        ("home", {"ingest": "99"}, "There is no ingest 99"),
        ("forecasts", {"job": "99"}, "Run 99 has no forecasts"),
        ("forecasts", {"item": "*nobody*"}, "no item *nobody*"),
        ("runs", {"job": "99"}, "Run 99 does not exist"),
    ],
)
def test_page_names_missing_objects_of_its_url(finished: int, name: str, query: dict[str, str], said: str) -> None:
    at = open_page(name, **query)
    assert not at.exception
    boxes = [box.value.replace("\\", "") for box in (*at.error, *at.warning)]
    assert len(boxes) == 1 and said in boxes[0]


@pytest.mark.full
def test_page_shows_content_with_a_missing_object_in_its_url(finished: int) -> None:
    assert "Click a dataset" in page_text(open_page("data", ingest="99"))
    assert "6 items in" in page_text(open_page("new_run", dataset="99"))
    assert "total of 6" in page_text(open_page("forecasts", item="nobody"))


def test_failed_page_shows_a_reference_and_no_traceback(
    database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("fcst.services.jobs.has_any", lambda *args, **options: 1 / 0)
    at = open_page("runs")
    assert not at.exception and "could not be shown" in at.error[0].value
    reference = at.error[0].value.split("reference ")[1].split(".")[0]
    assert reference in caplog.text and "ZeroDivisionError" in caplog.text


def test_empty_app_loads_the_sample(database: str) -> None:
    at = open_app()
    assert [button.label for button in at.button][0] == "Load sample"
    at.button[0].click().run()
    assert not at.exception and "Loading sample" in page_text(at)


def test_home_shows_next_steps_from_sales_to_forecasts(dataset: Dataset) -> None:
    at = open_page("home")
    assert [button.label for button in at.button] == ["Forecast weird \\*name\\* \\<b\\>\\_x\\_"]
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(models=("Naive",)))
    at = open_page("home")
    assert [button.label for button in at.button] == ["Watch run 1"]
    assert [bar.proto.text for bar in at.get("progress")] == ["Run 1\\: 0 of 6 items"]
    assert "No supervisor is running, and work is waiting" in page_text(at).replace("\\", "")
    run_waiting()
    at = open_page("home")
    assert [button.label for button in at.button] == ["View forecasts of run 1", "New run", "Load sales"]
    assert [button.proto.type for button in at.button] == ["primary", "secondary", "secondary"]
    assert at.get("progress") == [] and at.dataframe[0].value["Run"].tolist() == [job_id]


def test_home_suggests_a_run_on_new_sales_with_earlier_settings(
    finished: int, load_dataset: Callable[..., Dataset]
) -> None:
    load_dataset(name="weird *name* <b>_x_")
    at = open_app().switch_page("pages/home.py").run()
    assert at.button[0].label.replace("\\", "") == "Forecast weird *name* <b>_x_ (version 2)"
    at.button[0].click().run()
    assert not at.exception and "Settings of Run 1" in page_text(at)


@pytest.mark.full
def test_home_shows_the_last_five_runs_and_counts_the_others(dataset: Dataset) -> None:
    for _ in range(6):
        jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 1), JobSpec())
    at = open_app()
    assert at.dataframe[0].value["Run"].tolist() == [6, 5, 4, 3, 2] and "See all 6" in page_text(at)
    assert len(at.get("progress")) == 5 and "1 more open run" in page_text(at)


def test_home_shows_database_and_supervisor(dataset: Dataset) -> None:
    said = page_text(open_page("home")).replace("\\", "")
    assert "PostgreSQL" in said and "none running, no work waiting" in said
    workers.register(str(uuid.uuid4()), "vm", 1, "0", 2, 60)
    (worker,) = workers.list_live()
    workers.set_problem(worker.worker_id, "The disk is *full*.")
    said = page_text(open_page("home")).replace("\\", "")
    assert ":orange" in said and "The disk is *full*" in said


def test_glossary_search_matches_substrings() -> None:
    at = open_page("glossary", word="pinball")
    assert not at.exception
    assert "Scaled CRPS" in page_text(at) and "Lumpy" not in page_text(at)
    at.text_input(key="word").set_value("*nothing*").run()
    assert "No terms match" in at.info[0].value and not at.header


def test_data_lists_each_dataset_once_by_its_newest_version(
    dataset: Dataset, load_dataset: Callable[..., Dataset]
) -> None:
    load_dataset(name=dataset.name)
    (table,) = open_page("data").dataframe
    assert table.value[["Dataset", "Versions", "Items", "Weeks"]].to_dict("records") == [
        {"Dataset": dataset.name, "Versions": 2, "Items": 6, "Weeks": 120}
    ]


def test_dataset_shows_what_was_loaded_and_how(dataset: Dataset) -> None:
    said = page_text(open_page("dataset", dataset=str(dataset.dataset_id)))
    assert "Items 6" in said and "Whole weeks 120" in said
    assert "rows" in said and "no promotion flag" in said


def test_dataset_page_without_an_id_opens_the_list(dataset: Dataset) -> None:
    at = open_app().switch_page("pages/dataset.py").run()
    assert not at.exception and at.title[0].value == "Data"


def click(at: AppTest, key: str, row: int) -> AppTest:
    """Clicks a row of a table."""
    at.session_state[key] = {"selection": {"rows": [], "columns": [], "cells": [(row, "x")]}}
    return at.run()


def test_click_on_an_item_of_a_dataset_opens_its_newest_forecast(
    finished: int, dataset: Dataset, load_dataset: Callable[..., Dataset]
) -> None:
    newer = load_dataset(name=dataset.name)
    assert [jobs.newest_of_item(one.dataset_id, "item5") for one in (dataset, newer)] == [finished, finished]
    assert jobs.newest_of_item(dataset.dataset_id, "nobody") is None
    at = open_app().switch_page("pages/dataset.py")
    at.query_params["dataset"], at.query_params["view"] = str(newer.dataset_id), "items"
    at.run()
    click(at, f"dataset_items_{newer.dataset_id}_1", 1)
    assert at.title[0].value == "Forecasts" and at.query_params["item"] == "item5"


@pytest.mark.few(2)
@pytest.mark.parametrize("view", ["weeks", "quality", "items", "reading", "versions", "nonsense"])
def test_dataset_has_a_url_for_each_view(dataset: Dataset, view: str) -> None:
    at = open_page("dataset", dataset=str(dataset.dataset_id), view=view)
    assert not at.exception and not at.error
    assert at.get("button_group")[0].value == ("weeks" if view == "nonsense" else view)


def test_dataset_accounts_for_every_row(dataset: Dataset) -> None:
    at = open_page("dataset", dataset=str(dataset.dataset_id), view="quality")
    rows = at.dataframe[0].value
    assert rows["Rows"].iloc[0] == dataset.report.n_rows == rows["Rows"].iloc[1:].sum()


def test_dataset_search_matches_substrings_of_keys(dataset: Dataset) -> None:
    at = open_page("dataset", dataset=str(dataset.dataset_id), view="items", q="EM3")
    assert at.dataframe[0].value["unique_id"].tolist() == ["item3"]
    at.text_input(key="choice_q").set_value("(").run()
    assert not at.exception and len(at.dataframe) == 0


def test_unchanged_new_version_is_marked(dataset: Dataset, load_dataset: Callable[..., Dataset]) -> None:
    again = load_dataset(name=dataset.name)
    assert r"same weekly sales as version 1\." in page_text(open_page("dataset", dataset=str(again.dataset_id)))
    versions = open_page("dataset", dataset=str(again.dataset_id), view="versions").dataframe[0].value
    assert versions["Version"].tolist() == [2, 1] and versions["Changed"].tolist() == ["no, same as version 1", ""]


def test_dataset_is_deleted_with_its_runs(finished: int, dataset: Dataset) -> None:
    at = open_app().switch_page("pages/dataset.py")
    at.query_params["dataset"] = str(dataset.dataset_id)
    at.run()
    at.button(key="delete").click().run()
    assert "This also deletes 1 run and the forecasts of 6 items" in page_text(at)
    at.button(key="delete_now").click().run()
    assert not at.exception and not at.error
    assert datasets.list_datasets() == [] and jobs.list_jobs() == []


@pytest.mark.full
def test_load_page_without_a_file_has_no_form(database: str) -> None:
    at = open_page("load")
    assert not at.error and [button.key for button in at.button] == ["back"]


def test_load_proposes_a_mapping_and_loads(database: str, tmp_path: Path) -> None:
    write_sales(tmp_path / "s.csv", 2, 6)
    at = open_app().switch_page("pages/load.py")
    at.run()
    at.get("file_uploader")[0].upload("mine.csv", (tmp_path / "s.csv").read_bytes(), "text/csv")
    at.run()
    boxes = {box.label: box.value for box in (*at.multiselect, *at.selectbox)}
    assert boxes["Item"] == ["item_nbr"]
    assert (boxes["Date"], boxes["Units sold"], boxes["Store (optional)"]) == ("date", "unit_sales", "(none)")
    at.button(key="load").click().run()
    assert not at.exception and not at.error
    assert "Loading mine" in page_text(at)
    (ingest,) = loading.list_open_ingests()
    assert Path(ingest.spec.paths[0]).name == "mine.csv" and ingest.spec.is_upload


@pytest.mark.full
def test_load_accepts_other_columns_and_rules(database: str, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("what;when;how many;shop\n" + "a;05.01.2020;1,5;7\n" * 3)
    at = open_page("load", path=str(tmp_path / "odd.csv"))
    at.button(key="load").click().run()
    assert "No column was chosen for item" in at.error[0].value.replace("\\", "")
    write_sales(tmp_path / "s.csv", 2, 6)
    at = open_page("load", path=str(tmp_path / "s.csv"))
    number = at.session_state["n_inspections"]
    at.selectbox(key="returns").set_value("drop")
    at.selectbox(key=f"duplicates_{number}").set_value("drop")
    at.selectbox(key="skip_bad").set_value(True)
    at.selectbox(key=f"week_end_{number}").set_value("SUN")
    at.text_input(key=f"where_{number}").set_value("item_nbr=item1")
    at.text_input(key="dataset_name").set_value("other").run()
    at.button(key="load").click().run()
    (ingest,) = loading.list_open_ingests()
    spec = ingest.spec
    assert (spec.name, spec.returns, spec.duplicates, spec.skip_bad, spec.week_end) == (
        *("other", "drop", "drop", True, "SUN"),
    )
    assert spec.where == (("item_nbr", "item1"),)


def test_mapping_is_reused_for_the_same_header(load_dataset: Callable[..., Dataset], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "sku,alt,date,sales\n" + "".join(f"a,b,2020-01-{day:02},1\n" for day in range(1, 29))
    )
    load_dataset(tmp_path / "a.csv", name="first", mapping={"item": ["alt"]})
    at = open_page("load", path=str(tmp_path / "a.csv"))
    assert {box.label: box.value for box in at.multiselect}["Item"] == ["alt"]
    assert "first version 1" in page_text(at)


def test_refused_file_shows_its_invalid_rows_and_can_be_loaded_without(
    load_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    rows = [f"2020-01-{day:02},a,1" for day in range(1, 29)]
    (tmp_path / "bad.csv").write_text(
        "\n".join(["date,item,sales", *rows, "2020-13-01,a,1", "2020-01-05,<b>x</b>,many"])
    )
    with pytest.raises(BadRows):
        load_dataset(tmp_path / "bad.csv", name="bad")
    at = open_page("data", ingest="1")
    assert "line 30: date is not a valid date" in at.error[0].value.replace("\\", "")
    kinds, table = at.dataframe[0].value, at.dataframe[1].value
    assert kinds[["Rows", "Column", "Example"]].values.tolist() == [[1, "date", "2020-13-01"], [1, "sales", "many"]]
    assert table[["Line", "Column", "Value"]].values.tolist() == [[30, "date", "2020-13-01"], [31, "sales", "many"]]
    at.button(key="good_rows").click().run()
    assert loading.list_open_ingests()[0].spec.skip_bad is True


def test_waiting_ingest_is_cancelled_by_its_button(database: str, tmp_path: Path) -> None:
    write_sales(tmp_path / "s.csv", 2, 6)
    ingest_id = loading.request_ingest(IngestSpec(paths=(str(tmp_path / "s.csv"),), name="s"))
    at = open_page("data", ingest=str(ingest_id))
    at.button(key=f"cancel_{ingest_id}").click().run()
    assert loading.get_ingest(ingest_id).status == "cancelled"
    assert "was cancelled" in page_text(open_page("data", ingest=str(ingest_id)))


@pytest.mark.few(2)
@pytest.mark.parametrize("name", ["../../x.csv", "/etc/x.csv", "..", "a b'\u00e9\n.csv", ".csv", "x" * 300 + ".csv.gz"])
def test_upload_is_saved_in_its_own_folder_for_any_name(database: str, name: str) -> None:
    path = Path(loading.save_upload(name, io.BytesIO(b"x")))
    assert path.read_bytes() == b"x" and path.parent.parent == load_settings().uploads
    assert path.name == Path(path.name).name and len(path.name) <= 100
    loading.discard_upload(str(path))
    assert not path.parent.exists() and load_settings().uploads.exists()


def test_new_run_follows_the_slider_and_submits(dataset: Dataset) -> None:
    at = open_page("new_run")
    slider = at.slider[0]
    assert (slider.min, slider.max, slider.value) == (1, 6, 6)
    slider.set_value(3).run()
    at.number_input(key="batch_size").set_value(2).run()
    assert "3 items in 2 batches of up to 2, 13 weeks ahead" in page_text(at)
    assert "Chosen items 3 of 6" in page_text(at)
    at.button(key="submit").click().run()
    (job,) = jobs.list_jobs()
    assert (job.n_items, job.n_batches, job.spec.models) == (3, 2, ("Auto",))


@pytest.mark.full
def test_new_run_synchronises_slider_and_field(dataset: Dataset) -> None:
    at = open_page("new_run", n="2")
    assert at.slider[0].value == at.number_input(key="n_field").value == 2
    at.number_input(key="n_field").set_value(4).run()
    assert at.slider[0].value == 4 and at.query_params["n"] == "4"
    at.slider[0].set_value(3).run()
    assert at.number_input(key="n_field").value == 3 and "Chosen items 3 of 6" in page_text(at)


def test_new_run_selects_among_filtered_items(dataset: Dataset) -> None:
    at = open_page("new_run", q="item")
    assert "match" not in page_text(at)
    at.text_input(key="choice_q").set_value("EM2 ").run()
    assert "1 of 6 items match" in page_text(at) and at.query_params["q"] == "EM2 "
    assert at.dataframe[0].value["unique_id"].tolist() == ["item2"]
    at.text_input(key="choice_q").set_value("nobody").run()
    assert "No items match" in page_text(at) and at.button(key="submit").disabled
    (known,) = {item.demand_class for item in datasets.list_items(dataset.dataset_id)}
    assert "6 items in" in page_text(open_page("new_run", demand_class=known))


def test_new_run_uses_the_random_sample_of_its_url(dataset: Dataset) -> None:
    at = open_page("new_run", take="random", n="3", seed="5")
    taken = at.dataframe[0].value["unique_id"].tolist()
    assert len(taken) == 3
    assert open_page("new_run", take="random", n="3", seed="5").dataframe[0].value["unique_id"].tolist() == taken
    at.button(key="submit").click().run()
    (job,) = jobs.list_jobs()
    assert jobs.list_keys(job.job_id) == taken


def test_new_run_uses_a_pasted_list_and_names_unknown_keys(dataset: Dataset) -> None:
    at = open_page("new_run", take="list")
    assert "No items chosen" in page_text(at) and at.button(key="submit").disabled
    unknown = [f"*x{n}*" for n in range(12)]
    at.text_area(key="listed").set_value("\n".join(["item2, item5", *unknown])).run()
    assert "12 keys are not in this dataset" in at.warning[0].value
    assert "*x9* and 2 more" in at.warning[0].value.replace("\\", "")
    at.button(key="submit").click().run()
    (job,) = jobs.list_jobs()
    assert jobs.list_keys(job.job_id) == ["item5", "item2"]


def test_new_run_is_filled_in_from_an_earlier_one(dataset: Dataset, load_dataset: Callable[..., Dataset]) -> None:
    spec = JobSpec(models=("Naive", "SES"), h=5, level=(77,), batch_size=2, n_windows=1)
    items = jobs.choose_named(dataset, ["item1", "item4", "item6"])
    job_id = jobs.submit_job(dataset.dataset_id, items, spec, "weekly *plan*", "the note")
    newest = load_dataset(name=dataset.name, n_items=5)
    at = open_page("new_run", **{"from": str(job_id)})
    said = page_text(at).replace("\\", "")
    assert "Settings of Run 1 · weekly *plan*. It used version 1 of the data; this run uses version 2." in said
    assert at.warning[0].value == "1 key is not in this dataset and is left out: item6."
    at.button(key="submit").click().run()
    again = jobs.list_jobs()[0]
    assert (again.dataset_id, again.name, again.note) == (newest.dataset_id, "weekly *plan*", "the note")
    assert again.spec == jobs.get_job(job_id).spec
    assert jobs.list_keys(again.job_id) == ["item4", "item1"]


@pytest.mark.full
def test_new_run_from_an_earlier_one_can_use_other_items(finished: int) -> None:
    at = open_page("new_run", take="largest", n="2", **{"from": str(finished)})
    assert "2 items in 1 batch, 4 weeks ahead" in page_text(at)


@pytest.mark.full
def test_new_run_refuses_a_run_without_models(dataset: Dataset) -> None:
    at = open_page("new_run")
    at.multiselect(key="models").set_value([]).run()
    at.button(key="submit").click().run()
    assert "No model was selected" in at.error[0].value.replace("\\", "")
    assert jobs.list_jobs() == []


@pytest.mark.full
def test_new_run_with_a_single_item(load_dataset: Callable[..., Dataset]) -> None:
    load_dataset(n_items=1)
    at = open_page("new_run")
    assert not at.exception and "1 item in 1 batch, 13 weeks ahead" in page_text(at)


def test_run_is_cancelled_and_retried_by_buttons(dataset: Dataset) -> None:
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(batch_size=2))
    at = open_page("runs", job=str(job_id))
    assert "3 submitted" in page_text(at)
    at.button(key="cancel").click().run()
    assert "**6 items** will not be forecast" in page_text(at) and jobs.get_job(job_id).status == "submitted"
    at.button(key="cancel_now").click().run()
    assert jobs.get_job(job_id).status == "cancelled"
    assert at.button(key="retry").label == "Finish 6 items"
    at.button(key="retry").click().run()
    assert jobs.get_job(job_id).status == "submitted"


def test_slow_action_shows_a_message_before_it_starts(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buttons, "MANY_ITEMS", 6)
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(batch_size=2))
    at = open_page("runs", job=str(job_id))
    at.button(key="cancel").click().run()
    at.button(key="cancel_now").click().run()
    assert at.toast[0].value == "Cancelling 6 items …"


def test_run_escapes_names(finished: int) -> None:
    at = open_page("runs", job=str(finished))
    assert r"first \[run\]" in at.title[0].value
    assert any(r"why \*not\*" in caption.value for caption in at.caption)
    assert "Items done 6 of 6" in page_text(at)


@pytest.mark.full
def test_run_shows_why_it_is_stalled(dataset: Dataset) -> None:
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec())
    assert "No supervisor is running, and work is waiting" in page_text(open_page("runs", job=str(job_id)))


def test_stalled_run_escapes_the_problem_of_its_supervisor(dataset: Dataset) -> None:
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec())
    workers.register(str(uuid.UUID(int=1)), "elsewhere", 1, "0", 2, 60)
    workers.set_problem(str(uuid.UUID(int=1)), "no *worker*")
    assert r"No \*worker\*" in page_text(open_page("runs", job=str(job_id)))


@pytest.mark.full
def test_run_shows_limits_per_item(dataset: Dataset) -> None:
    spec = JobSpec(item_limit_s=300.0, process_memory=4_000_000_000)
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), spec)
    assert "limits per item: 5 min, 4 GB" in page_text(open_page("runs", job=str(job_id)))
    with transaction() as cur:  # like runs of earlier versions
        cur.execute("UPDATE fcst_app.jobs SET spec = spec - 'item_limit_s' - 'process_memory'")
    at = open_page("runs", job=str(job_id))
    assert not at.exception and not errors(at) and "limits per item" not in page_text(at)


def open_run(job_id: int, view: str = "batches", **query: str) -> AppTest:
    return open_page("runs", job=str(job_id), view=view, **query)


def table_with(at: AppTest, column: str) -> pd.DataFrame:
    (found,) = (table.value for table in at.dataframe if column in table.value)
    return found


@pytest.mark.full
def test_run_history_shows_failures_first(dataset: Dataset) -> None:
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(batch_size=3))
    (first,) = attempts.claim(str(uuid.uuid4()), 1)
    retry_policy.end_attempt(first.batch_id, first.attempt, retry_policy.Cause.LOST, "its pool <b>broke</b>")
    run_waiting()
    assert all("Reason" not in table.value for table in open_run(job_id).dataframe), "a closed view is not read"
    at = open_run(job_id, "history")
    table = table_with(at, "Reason")
    assert table[["Batch", "From", "To", "Reason"]].values.tolist() == [
        ["1", "obtaining sales", "submitted", "its pool <b>broke</b>"]
    ]
    at.toggle(key="only_wrong").set_value(False).run()
    table = table_with(at, "Reason")
    assert len(table) == len(jobs.list_events(job_id)) > 8 and table["To"].iloc[-1] == "submitted"
    assert table["Time"].tolist() == sorted(table["Time"], reverse=True)


@pytest.mark.full
def test_history_of_a_run_without_failures_shows_all_events(finished: int) -> None:
    at = open_run(finished, "history")
    assert not at.toggle and len(table_with(at, "Reason")) == len(jobs.list_events(finished))


def test_run_shows_the_log_of_the_failed_batch(dataset: Dataset) -> None:
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(batch_size=2))
    worker = str(uuid.uuid4())
    workers.register(worker, "elsewhere", 77, "0", 2, 60)
    first, second, _ = attempts.claim(worker, 3)
    with transaction() as cur:
        cur.execute(
            "UPDATE fcst_app.batch_status SET stage = 'failed', finished_at = now(), n_failed = n_items, error = 'why'"
            " WHERE batch_id = %(batch_id)s",
            vars(second),
        )
    at = open_run(job_id, "log")
    assert at.number_input(key="log_batch").value == second.batch_no, "the failed batch first"
    assert "has no lines of batch 2" in page_text(at) and "elsewhere:77" in page_text(at).replace("\\", "")
    log = supervision.log_path()
    log.parent.mkdir(parents=True)
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000Z"
    log.write_text(
        f"time={now} level=info event=batch_started batch={first.batch_id} message=other\n"
        f"time={now} level=error event=attempt_ended batch={second.batch_id} attempt=1"
        ' message="**died** <b>x</b>" traceback="Traceback\\nKeyError: 1"\n'
    )
    at = open_run(job_id, "log")
    (code,) = at.code
    assert "error attempt ended, attempt 1: **died** <b>x</b>\nTraceback\nKeyError: 1" in code.value
    assert "other" not in code.value and code.language in ("", "plaintext", None)
    at.number_input(key="log_batch").set_value(first.batch_no).run()
    assert "other" in at.code[0].value


@pytest.mark.full
def test_log_of_a_run_that_has_not_begun_is_empty(dataset: Dataset) -> None:
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec())
    assert "No batch has started." in page_text(open_run(job_id, "log"))


def test_runs_are_filtered_by_url_parameters(finished: int, dataset: Dataset) -> None:
    waiting = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 1), JobSpec(), "other")
    numbers = lambda **query: open_page("runs", **query).dataframe[0].value["Run"].tolist()  # noqa: E731
    assert numbers() == [waiting, finished]
    assert numbers(status=["completed", "failed"]) == numbers(q="first [") == numbers(q=str(finished)) == [finished]
    assert numbers(dataset=str(dataset.dataset_id), status="submitted", page="7") == [waiting]
    assert "No runs match" in page_text(open_page("runs", q="nothing"))
    assert numbers(q="first\0 [", page="99") == [finished]


def test_filtered_runs_are_cancelled_and_retried_after_confirmation(finished: int, dataset: Dataset) -> None:
    ids = [jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 3), JobSpec(), "x") for _ in range(2)]
    other = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 1), JobSpec(), "y")
    at = open_page("runs", q="x")
    at.button(key="retry_all").click().run()
    assert "None of these runs has ended" in page_text(at)
    at.button(key="cancel_all").click().run()
    assert "**2 runs** with **6 items** still open will be cancelled" in page_text(at)
    at.button(key="cancel_all_now").click().run()
    assert at.toast[0].value == "2 runs cancelled."
    assert [jobs.get_job(job_id).status for job_id in (*ids, other)] == ["cancelled", "cancelled", "submitted"]
    at.button(key="retry_all").click().run()
    assert "**6 items** of **2 runs**" in page_text(at)
    at.button(key="retry_all_now").click().run()
    assert [jobs.get_job(job_id).status for job_id in ids] == ["submitted", "submitted"]


@pytest.mark.full
def test_batches_of_a_stage_are_paged(load_dataset: Callable[..., Dataset]) -> None:
    dataset = load_dataset(n_items=60)
    spec = JobSpec(models=("SeasonalNaive",), batch_size=1)
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 60), spec)
    attempts.claim(str(uuid.uuid4()), 2)
    numbers = lambda **query: open_run(job_id, **query).dataframe[0].value["Batch"].tolist()  # noqa: E731
    assert numbers(sort="number", page="2") == numbers(sort="number", page="99") == list(range(51, 61))
    assert numbers(stage="in_work") == [1, 2] and numbers(stage="submitted", page="2") == list(range(53, 61))
    at = open_run(job_id, stage="failed")
    assert "No batches are in this stage" in page_text(at) and not at.dataframe


@pytest.mark.full
def test_widgets_default_to_url_parameters(dataset: Dataset) -> None:
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(batch_size=2))
    at = open_run(job_id, stage="submitted", sort="longest")
    for key, value in (("choice_stage", "submitted"), ("choice_sort", "longest first")):
        box = at.selectbox(key=key).proto
        assert box.options[box.default] == value
    views = at.button_group(key="choice_view").proto
    assert [views.options[i].content for i in views.default] == ["Batches"]
    at = open_page("new_run", q="item")
    assert at.text_input(key="choice_q").proto.default == "item"


def test_failures_are_grouped_by_reason_and_retried_by_group(dataset: Dataset) -> None:
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(batch_size=2))
    worker = str(uuid.uuid4())
    for row, reason in zip(attempts.claim(worker, 3), ("<b>boom</b>", "<b>boom</b>", "*bang*"), strict=True):
        fail_batch(row, reason)
    store.freeze_ended()
    at = open_run(job_id, "failures")
    said = page_text(at)
    assert r"**4 items failed**: gave up after 5 tries\: \<b\>boom" in said and r"**2 items failed**" in said
    at.button(key="again_1").click().run()
    assert not at.exception and not errors(at)
    found = jobs.get_job(job_id)
    assert (found.n_failed, found.batches) == (4, {"submitted": 1, "failed": 2})
    assert "can be retried after the run has ended" in page_text(at)


@pytest.mark.few(2)
@pytest.mark.parametrize("view", ["batches", "timeline", "failures", "history", "log", "nonsense"])
def test_run_has_a_url_for_each_view(finished: int, view: str) -> None:
    at = open_run(finished, view)
    assert not at.exception and not at.error and not at.warning
    assert at.get("button_group")[0].value == ("batches" if view == "nonsense" else view)
    assert len(at.get("plotly_chart")) == (view == "timeline")


@pytest.mark.full
def test_end_of_a_run_shows_one_toast(dataset: Dataset) -> None:
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(batch_size=2), "*n*")
    at = open_run(job_id)
    assert not at.toast
    run_waiting()
    at.run()
    assert [toast.value for toast in at.toast] == [rf"**Run {job_id} · \*n\*** is completed: 6 of 6 items done."]
    assert not at.run().toast


@pytest.mark.full
def test_new_run_button_opens_a_form_with_its_settings(finished: int) -> None:
    at = open_app().switch_page("pages/runs.py")
    at.query_params["job"] = str(finished)
    at.run()
    at.button(key="to_new_run").click().run()
    assert not at.exception and at.title[0].value == "New run" and at.query_params["from"] == str(finished)


def test_click_without_a_database_shows_a_message(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec())
    at = open_page("runs", job=str(job_id))
    at.button(key="cancel").click().run()
    with monkeypatch.context() as patch:
        patch.setenv("DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/d")
        at.button(key="cancel_now").click().run()
    assert not at.exception
    assert "Not done" in at.toast[0].value
    at.run()
    assert not at.warning and not errors(at) and at.button(key="cancel").label == "Cancel run …"


def items_of(at: AppTest) -> list[str]:
    """Item keys in the filtered worklist."""
    return [row["key"] for row in components(at)["items"]["rows"]]


def test_forecasts_open_with_the_total_and_step_to_items(finished: int) -> None:
    at = open_page("forecasts", job=str(finished))
    order = items_of(at)
    assert sorted(order) == [f"item{i}" for i in range(1, 7)]
    items = forecasts.list_items(jobs.get_job(finished), "Auto")
    assert order == [item.unique_id for item in sorted(items, key=lambda item: (-item.at_stake, item.sales_rank))]
    made_by = {item.unique_id: item.made_by or "" for item in items}
    heaviest = made_by["item3"].split(" ")[0]
    alike = open_page("forecasts", job=str(finished), heaviest=heaviest, sort="sales")
    assert items_of(alike) == [key for key, name in made_by.items() if name.startswith(f"{heaviest} ")] != []
    assert "total of 6 plans" in page_text(at) and "correlation of their errors" in page_text(at)
    at.button(key="step_Next").click().run()
    assert at.query_params["item"] == order[0]
    at.button(key="step_Next").click().run()
    said = page_text(at)
    assert order[1] in said and "2 of 6" in said and "WAPE" in said and "Made by" in said and "more." in said
    assert "correlation of their errors" not in said
    at.button(key="step_all").click().run()
    assert "item" not in at.query_params and "total of 6 plans" in page_text(at)
    assert not at.exception and not at.error


def test_forecasts_are_searched_filtered_and_summed(load_dataset: Callable[..., Dataset], tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text('item_nbr,family\nitem1,A\nitem2,A\nitem3,"B, C"\n')
    write_sales(tmp_path / "train.csv", 3, 60)
    dataset = load_dataset(tmp_path)
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 3), JobSpec(models=("Naive",), h=4))
    run_waiting()
    whole = forecasts.view(jobs.get_job(job_id), "Naive")
    at = open_page("forecasts", job=str(job_id), family="A", sort="sales")
    assert items_of(at) == ["item2", "item1"] and "2 items shown: total of 2 plans" in page_text(at)
    part = forecasts.view(jobs.get_job(job_id), "Naive", by_keys("item1", "item2"))
    assert part.forecast["forecast"].sum() < whole.forecast["forecast"].sum() and part.n_items == 2
    assert items_of(open_page("forecasts", job=str(job_id), family="B, C")) == ["item3"]
    assert items_of(open_page("forecasts", job=str(job_id), q="em2")) == ["item2"]
    at = open_page("forecasts", job=str(job_id), q="nothing like it")
    assert "items" not in components(at) and "No items shown have a forecast" in page_text(at)
    at = open_page("forecasts", job=str(job_id), q="em2", item="item3")
    assert "item3" in page_text(at), "a link to an item ignores the filter"


def test_items_have_attention_reasons(load_dataset: Callable[..., Dataset], tmp_path: Path) -> None:
    units = {"good": [20 + i % 7 for i in range(80)], "new": [30 + i % 5 for i in range(20)]}
    dataset = load_dataset(write_rows(tmp_path / "odd.csv", {**units, "ended": [9] * 40 + [0] * 40}))
    spec = JobSpec(models=("SeasonalNaive",), h=4)
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 3), spec)
    run_waiting()
    found = {item.unique_id: item.reasons for item in forecasts.list_items(jobs.get_job(job_id), "SeasonalNaive")}
    assert "ended" in found["ended"] and {"new", "fallback"} <= set(found["new"])
    assert not {"new", "ended", "fallback", "no forecast"} & set(found["good"])
    at = open_page("forecasts", job=str(job_id), reason="new")
    assert items_of(at) == ["new"]


@pytest.mark.full
def test_forecasts_show_backtests_and_other_models_by_url(finished: int) -> None:
    at = open_page("forecasts", job=str(finished), item="item3", show=["Backtest", "Other models"])
    (chart,) = at.get("plotly_chart")
    assert '"name":"backtest"' in chart.proto.spec and '"name":"same weeks last year"' in chart.proto.spec
    assert re.search(r'"name":"\w[^"]* \(\d+%\)"', chart.proto.spec), "the candidates of Auto with their weights"
    at = open_page("forecasts", job=str(finished), item="item3")
    assert '"name":"backtest"' not in at.get("plotly_chart")[0].proto.spec


@pytest.mark.full
def test_forecasts_show_their_provenance(finished: int) -> None:
    said = page_text(open_page("forecasts", job=str(finished), item="item3"))
    assert "Models were fitted to the weeks up to" in said and "statsforecast 2" in said
    said = page_text(open_page("forecasts", job=str(finished), item="item3", model="SeasonalNaive"))
    assert "Intervals are from backtest errors" in said


def test_accuracy_shows_each_model_with_the_benchmark(finished: int) -> None:
    at = open_page("accuracy", job=str(finished))
    assert not at.exception and not at.error
    said = page_text(at)
    assert "6 items, 18 windows" in said and "WAPE" in said and "Error vs. same weeks last year" in said
    assert re.search(r"Average error [\d.]+ %; [\d.]+ % for the same weeks last year", said)
    assert at.selectbox[1].options == ["Auto", "same weeks last year", "last week"]
    (metrics,) = [frame.value for frame in at.dataframe if "Metric" in frame.value]
    assert {"WAPE", "sMAPE", "Scaled CRPS", "MSIS, 95 %"} <= set(metrics["Metric"])
    assert (metrics["Auto"] != "not defined").all()
    added = next(metric for metric in at.metric if metric.label == "Error vs. same weeks last year")
    assert added.value != "0.0 % less"
    at = open_page("accuracy", job=str(finished), model="SeasonalNaive")
    added = next(metric for metric in at.metric if metric.label == "Error vs. same weeks last year")
    assert added.value == "0.0 % less"


@pytest.mark.full
def test_accuracy_shows_why_it_is_empty(dataset: Dataset) -> None:
    for n_windows, said in ((0, "This run has no accuracy. It has no backtests"), (12, "8 windows")):
        spec = JobSpec(models=("Naive",), n_windows=n_windows, level=())
        job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 1), spec)
        run_waiting()
        assert said in page_text(open_page("accuracy", job=str(job_id)))


@pytest.mark.full
def test_pages_show_a_run_of_an_earlier_version(finished: int) -> None:
    make_earlier_version(jobs.get_job(finished), [f"item{i}" for i in range(1, 7)])
    at = open_page("accuracy", job=str(finished))
    assert (
        not at.exception and not at.error and "Not available: the version of fcst that made this run" in page_text(at)
    )
    for query in ({}, {"item": "item3"}, {"show": ["Backtest", "Other models"]}):
        at = open_page("forecasts", job=str(finished), **query)
        assert not at.exception and not at.error
    assert "the default, not measured" in page_text(open_page("forecasts", job=str(finished)))


def test_new_run_shows_an_estimated_duration(dataset: Dataset) -> None:
    at = open_page("new_run")
    assert re.search(r"About \d+ s, estimated from model costs", page_text(at))
    at.multiselect(key="models").set_value([]).run()
    assert "About" not in page_text(at)


def test_new_run_from_a_dataset_has_its_filtered_items(dataset: Dataset) -> None:
    at = open_app().switch_page("pages/dataset.py")
    for name, value in {"dataset": str(dataset.dataset_id), "view": "items", "q": "item2"}.items():
        at.query_params[name] = value
    at.run()
    next(button for button in at.button if button.label == "Forecast these items").click().run()
    assert at.title[0].value == "New run" and "1 item in 1 batch" in page_text(at)
    assert (at.query_params["take"], at.query_params["q"]) == ("all", "item2")


@pytest.mark.full
def test_cancelled_run_shows_its_progress(dataset: Dataset) -> None:
    spec = JobSpec(("Naive",), batch_size=2)
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), spec)
    (first,) = attempts.claim(str(uuid.uuid4()), 1)
    run_batch(first.batch_id, first.attempt)
    jobs.cancel_job(job_id)
    attempts.cancel_waiting()
    store.freeze_ended()
    assert jobs.get_job(job_id).status == "cancelled"
    assert [bar.proto.value for bar in open_page("runs", job=str(job_id)).get("progress")] == [33]


def test_forecasts_of_an_incomplete_run_are_marked(dataset: Dataset) -> None:
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(batch_size=2))
    (first,) = attempts.claim(str(uuid.uuid4()), 1)
    run_batch(first.batch_id, first.attempt)
    assert "All items: total of 2 plans, 4 without forecast" in page_text(open_page("forecasts", job=str(job_id)))


def test_forecasts_show_why_an_item_has_none(dataset: Dataset) -> None:
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(batch_size=1))
    worker = str(uuid.uuid4())
    (first,) = attempts.claim(worker, 1)
    run_batch(first.batch_id, first.attempt)
    (second,) = attempts.claim(worker, 1)
    fail_batch(second, "its process died (signal 9)")
    failed = jobs.list_failures(job_id)[0].unique_id
    at = open_page("forecasts", job=str(job_id), item=failed)
    assert "This item has no forecast: failed" in at.warning[0].value and "signal 9" in at.warning[0].value.replace(
        "\\", ""
    )
    while claimed := attempts.claim(worker, 1):
        run_batch(claimed[0].batch_id, claimed[0].attempt)
    store.freeze_ended()
    assert items_of(open_page("forecasts", job=str(job_id), reason="no forecast")) == [failed]
    jobs.retry_job(job_id)
    while claimed := attempts.claim(worker, 1):
        run_batch(claimed[0].batch_id, claimed[0].attempt)
    store.freeze_ended()
    at = open_page("forecasts", job=str(job_id), item=failed)
    assert not at.warning and "plan_grid" in components(at)


def test_sample_and_uploads_are_read_outside_ingest_roots(
    load_dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "allowed").mkdir()
    monkeypatch.setenv("FCST_INGEST_ROOTS", str(tmp_path / "allowed"))
    assert load_dataset(SAMPLE, name="sample").n_items == 200
    write_sales(tmp_path / "s.csv", 2, 6)
    with pytest.raises(InputError, match="not in an allowed folder"):
        load_dataset(tmp_path / "s.csv")
    upload = loading.save_upload("s.csv", io.BytesIO((tmp_path / "s.csv").read_bytes()))
    assert load_dataset(Path(upload), name="mine", is_upload=True).n_items == 2
