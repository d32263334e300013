"""The page Load: questions about ambiguous formats, requests, refusals."""

import uuid
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fcst.engine.task import run_ingest
from fcst.services import loading
from fcst.store import ingests
from tests.conftest import write_sales
from tests.pages.opening import open_app, open_page, page_text, run_waiting

DAYS = [(day, month) for day in (9, 3, 12, 5) for month in (2, 1, 3)]


def loading_page(path: Path) -> AppTest:
    at = open_page("load", path=str(path))
    assert not at.exception
    return at


def plain_words(at: AppTest) -> str:
    """Page text without Markdown escapes."""
    return page_text(at).replace("\\", "")


@pytest.fixture
def ambiguous(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FCST_INGEST_ROOTS", str(tmp_path))
    path = tmp_path / "ambiguous.csv"
    path.write_text("\n".join(["date,item,qty", *(f"{month:02}/{day:02}/2024,a,1" for day, month in DAYS)]))
    return path


def test_ambiguous_dates_need_a_choice(ambiguous: Path) -> None:
    at = loading_page(ambiguous)
    reading = at.radio[0]
    assert reading.label == "Format of dates" and reading.value is None
    assert reading.options == ["Day first", "Month first"]
    assert at.dataframe[0].value.iloc[0].tolist() == ["02/09/2024", "2 September 2024", "9 February 2024"]
    assert len(at.dataframe[0].value) == 3
    at.button(key="load").click().run()
    assert "are ambiguous: '02/09/2024'" in plain_words(at)
    assert loading.list_open_ingests() == []
    at.radio[0].set_value("%m/%d/%Y").run()
    at.button(key="load").click().run()
    assert [ingest.spec.date_format for ingest in loading.list_open_ingests()] == ["%m/%d/%Y"]


def test_typed_date_format_replaces_the_choice(ambiguous: Path) -> None:
    at = loading_page(ambiguous)
    next(box for box in at.text_input if box.label == "Date format").set_value("%d/%m/%Y").run()
    at.button(key="load").click().run()
    assert [ingest.spec.date_format for ingest in loading.list_open_ingests()] == ["%d/%m/%Y"]


def test_ambiguous_decimal_sign_needs_a_choice(ambiguous: Path) -> None:
    rows = (f"2024-01-{day:02},a,{'1.250' if day % 2 else 500}" for day in range(1, 29))
    ambiguous.write_text("\n".join(["date,item,qty", *rows]))
    at = loading_page(ambiguous)
    sign = next(box for box in at.selectbox if box.label == "Decimal sign")
    assert sign.value is None
    at.button(key="load").click().run()
    assert "'1.250' is 1,250 or 1.25" in plain_words(at)
    reading = at.radio[0]
    assert reading.options == ["Thousands", "A fraction"]
    assert at.dataframe[0].value.iloc[0].tolist() == ["1.250", "1,250", "1.25"]
    reading.set_value(",").run()
    at.button(key="load").click().run()
    assert [ingest.spec.decimal for ingest in loading.list_open_ingests()] == [","]
    sign.set_value(",").run()
    at.button(key="load").click().run()
    assert [ingest.spec.decimal for ingest in loading.list_open_ingests()] == [","]


def test_year_and_week_are_shown_as_the_date(ambiguous: Path) -> None:
    rows = (f"2024,{week},a,{week}" for week in range(1, 12))
    ambiguous.write_text("\n".join(["year,week,item,qty", *rows]))
    at = loading_page(ambiguous)
    assert next(box for box in at.multiselect if box.label == "Date").value == ["year", "week"]
    at.button(key="load").click().run()
    assert [ingest.spec.mapping["date"] for ingest in loading.list_open_ingests()] == [["year", "week"]]


@pytest.mark.parametrize(
    ("header", "row", "role", "name"),
    [
        ("day,passengers", "{day},{n}", "item", "(one item)"),
        ("at,sku,price", "{day} 09:15,a,2.5", "sales", "(each row)"),
    ],
)
def test_role_without_a_column_is_shown_and_loads(ambiguous: Path, header: str, row: str, role: str, name: str) -> None:
    ambiguous.write_text("\n".join([header, *(row.format(day=f"2024-01-{day:02}", n=day) for day in range(1, 29))]))
    at = loading_page(ambiguous)
    assert f" = {name}" in plain_words(at)
    at.button(key="load").click().run()
    assert [ingest.spec.mapping[role] for ingest in loading.list_open_ingests()] == [[name]]


def test_files_changed_since_inspection_are_not_loaded(ambiguous: Path) -> None:
    rows = [f"2024-01-{day:02},a,{day}" for day in range(1, 29)]
    ambiguous.write_text("\n".join(["date,item,qty", *rows]))
    at = loading_page(ambiguous)
    ambiguous.write_text("\n".join(["date,item,qty", *rows, *rows]))
    at.button(key="load").click().run()
    assert "has changed since it was checked" in plain_words(at)
    assert loading.list_open_ingests() == []
    at.run()
    at.button(key="load").click().run()
    assert len(loading.list_open_ingests()) == 1


def test_load_and_forecast_all_requests_both_and_opens_the_forecasts(database: str, tmp_path: Path) -> None:
    write_sales(tmp_path / "s.csv", 2, 60)
    at = open_page("load", path=str(tmp_path / "s.csv"))
    at.button(key="load_and_run").click().run()
    (ingest,) = loading.list_open_ingests()
    assert ingest.spec.then_run
    claimed = ingests.claim(str(uuid.uuid4()))
    assert claimed is not None
    run_ingest(ingest.ingest_id, claimed.attempt)
    at = open_app().switch_page("pages/data.py")
    at.query_params["ingest"] = str(ingest.ingest_id)
    at.run()
    assert at.title[0].value == "Run 1" and at.query_params["then"] == "forecasts"
    run_waiting()
    at = open_app()
    for title in ("Forecasts", "Run 1"):  # once
        at.switch_page("pages/runs.py")
        at.query_params["job"], at.query_params["then"] = "1", "forecasts"
        assert at.run().title[0].value == title


def test_refused_load_can_be_requested_again(database: str, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("what;when;how many\n" + "a;05.01.2020;1,5\n" * 3)
    at = open_page("load", path=str(tmp_path / "odd.csv"))
    at.button(key="load").click().run()
    assert "No column was chosen" in at.error[0].value and not at.button(key="load").disabled
