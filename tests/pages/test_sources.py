"""Sources on pages: load from one, see what changed, refresh, remove."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fcst.data_sources import DataSource
from fcst.services import data_sources, datasets, loading
from fcst.specs import IngestSpec
from fcst.store import ingests
from tests.conftest import write_sales
from tests.pages.opening import load_waiting, open_page, page_text


def chosen_source(pattern: str) -> AppTest:
    """The page Load after a click on *Read source* with this pattern."""
    at = open_page("load")
    at.segmented_control(key="way").set_value("Source").run()
    at.text_input(key="source_files").set_value(pattern).run()
    at.button(key="read_source").click().run()
    assert not at.exception
    return at


@pytest.fixture
def sales(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FCST_INGEST_ROOTS", str(tmp_path))
    write_sales(tmp_path / "sales-1.csv", 3, 60)
    return tmp_path


def test_a_source_is_read_mapped_and_loaded(sales: Path) -> None:
    at = chosen_source(str(sales / "sales-*.csv"))
    assert "sales\\-1\\.csv" in page_text(at)
    at.button(key="load").click().run()
    (ingest,) = loading.list_open_ingests()
    assert ingest.spec.from_source and ingest.spec.mapping["sales"] == ["unit_sales"]
    stored = data_sources.find_source("sales-")
    assert stored is not None and stored.source.location.endswith("sales-*.csv")


def test_a_source_that_cannot_be_read_says_why_and_can_be_corrected(sales: Path) -> None:
    at = chosen_source(str(sales / "none-*.csv"))
    assert "No file matches" in page_text(at)
    assert "load" not in {button.key for button in at.button}
    at.text_input(key="source_files").set_value(str(sales / "*.csv")).run()
    at.button(key="read_source").click().run()
    assert at.button(key="load")
    at.text_input(key="source_files").set_value(str(sales / "other.csv")).run()
    assert "load" not in {button.key for button in at.button}, "another source was not read yet"


def test_dataset_is_refreshed_says_what_changed_and_its_source_is_removed(sales: Path) -> None:
    source = DataSource("files", str(sales / "sales-*.csv"))
    data_sources.load(source, IngestSpec((), "shop", from_source=True))
    load_waiting()
    first = datasets.list_versions("shop")[0]
    write_sales(sales / "sales-1.csv", 4, 62)
    at = open_page("dataset", dataset=str(first.dataset_id), view="reading")
    assert "Set by" in at.dataframe[-1].value["Source"].tolist()
    at.button(key="refresh").click().run()
    assert [ingest.spec.name for ingest in ingests.list_open()] == ["shop"]
    load_waiting()
    second = datasets.list_versions("shop")[0]
    at = open_page("dataset", dataset=str(second.dataset_id), view="versions")
    assert "2 new weeks since version 1" in page_text(at).replace("\\", "")
    assert "1 new item (item4)" in page_text(at).replace("\\", "")
    at = open_page("dataset", dataset=str(second.dataset_id), view="reading")
    at.button(key="remove_source").click().run()
    at.button(key="remove_source_now").click().run()
    assert data_sources.list_sources() == []
    assert "refresh" not in {button.key for button in at.button}
