"""The page that loads sales, by Streamlit's own tester: what it asks where the values leave two readings."""

import uuid
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fcst.engine.task import run_ingest
from fcst.services import loading
from fcst.store import ingests
from tests.conftest import write_sales
from tests.pages.test_pages import open_app, open_page, run_waiting, words

DAYS = [(day, month) for day in (9, 3, 12, 5) for month in (2, 1, 3)]


def loading_page(path: Path) -> AppTest:
    at = open_page("load", path=str(path))
    assert not at.exception
    return at


def plain_words(at: AppTest) -> str:
    """Without what keeps a text from being Markdown."""
    return words(at).replace("\\", "")


@pytest.fixture
def undecided(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FCST_INGEST_ROOTS", str(tmp_path))
    path = tmp_path / "undecided.csv"
    path.write_text("\n".join(["date,item,qty", *(f"{month:02}/{day:02}/2024,a,1" for day, month in DAYS)]))
    return path


def test_day_or_month_first_is_asked_with_a_value(undecided: Path) -> None:
    at = loading_page(undecided)
    reading = at.radio[0]
    assert reading.label == "How dates are read" and reading.value is None
    assert reading.options == ["Day first", "Month first"]
    assert at.dataframe[0].value.iloc[0].tolist() == ["02/09/2024", "2 September 2024", "9 February 2024"]
    assert len(at.dataframe[0].value) == 3
    at.button(key="load").click().run()
    assert "are ambiguous: '02/09/2024'" in plain_words(at)
    assert loading.list_open_ingests() == []
    at.radio[0].set_value("%m/%d/%Y").run()
    at.button(key="load").click().run()
    assert [ingest.spec.date_format for ingest in loading.list_open_ingests()] == ["%m/%d/%Y"]


def test_format_that_is_typed_answers_the_question(undecided: Path) -> None:
    at = loading_page(undecided)
    next(box for box in at.text_input if box.label == "Date format").set_value("%d/%m/%Y").run()
    at.button(key="load").click().run()
    assert [ingest.spec.date_format for ingest in loading.list_open_ingests()] == ["%d/%m/%Y"]


def test_decimal_sign_is_asked_where_nothing_proves_it(undecided: Path) -> None:
    rows = (f"2024-01-{day:02},a,{'1.250' if day % 2 else 500}" for day in range(1, 29))
    undecided.write_text("\n".join(["date,item,qty", *rows]))
    at = loading_page(undecided)
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


def test_year_and_week_are_shown_as_the_date(undecided: Path) -> None:
    rows = (f"2024,{week},a,{week}" for week in range(1, 12))
    undecided.write_text("\n".join(["year,week,item,qty", *rows]))
    at = loading_page(undecided)
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
def test_role_without_a_column_is_shown_and_loads(undecided: Path, header: str, row: str, role: str, name: str) -> None:
    undecided.write_text("\n".join([header, *(row.format(day=f"2024-01-{day:02}", n=day) for day in range(1, 29))]))
    at = loading_page(undecided)
    assert f" = {name}" in plain_words(at)
    at.button(key="load").click().run()
    assert [ingest.spec.mapping[role] for ingest in loading.list_open_ingests()] == [[name]]


def test_files_that_changed_since_they_were_looked_at_are_not_loaded(undecided: Path) -> None:
    rows = [f"2024-01-{day:02},a,{day}" for day in range(1, 29)]
    undecided.write_text("\n".join(["date,item,qty", *rows]))
    at = loading_page(undecided)
    undecided.write_text("\n".join(["date,item,qty", *rows, *rows]))
    at.button(key="load").click().run()
    assert "has changed since it was checked" in plain_words(at)
    assert loading.list_open_ingests() == []
    at.run()
    at.button(key="load").click().run()
    assert len(loading.list_open_ingests()) == 1


def test_load_and_forecast_all_asks_for_both_and_leads_on_to_the_forecasts(database: str, tmp_path: Path) -> None:
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


def test_load_that_is_refused_can_be_asked_for_again(database: str, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("what;when;how many\n" + "a;05.01.2020;1,5\n" * 3)
    at = open_page("load", path=str(tmp_path / "odd.csv"))
    at.button(key="load").click().run()
    assert "No column was chosen" in at.error[0].value and not at.button(key="load").disabled
