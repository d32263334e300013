"""Attributes on the pages: items and a run's items are filtered by them, and the URL has what was chosen."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fcst.dataset_records import Dataset
from tests.pages.test_pages import open_page, words
from tests.services.test_attributes import JOINED, write_shop


@pytest.fixture
def shop(load_dataset: Callable[..., Dataset], tmp_path: Path) -> Dataset:
    return load_dataset(write_shop(tmp_path / "shop"), **JOINED)


def test_items_are_filtered_by_what_the_url_wants(shop: Dataset) -> None:
    asked = {"dataset": str(shop.dataset_id), "view": "items"}
    at = open_page("dataset", **asked, **{"attr.city": ["Quito"], "attr.family": ["BREAD"], "attr.no": ["such"]})
    assert not at.exception and "2 of 9 items" in words(at)
    assert sorted(at.dataframe[0].value["unique_id"]) == ["7|3|4", "9|3|4"]
    assert at.multiselect(key="choice_attr.city").value == ["Quito"]
    at.multiselect(key="choice_attr.city").set_value(["Cuenca", "Quito"]).run()
    assert "3 of 9 items" in words(at)
    assert at.query_params["attr.city"] == ["Cuenca", "Quito"]
    at = open_page("dataset", **asked, **{"attr.type": [""]})
    assert "3 of 9 items" in words(at) and at.multiselect(key="choice_attr.type").options == ["A", "B", "(none)"]


def test_new_run_takes_the_items_that_match(shop: Dataset) -> None:
    at = open_page(
        "new_run", dataset=str(shop.dataset_id), take="all", **{"attr.store_nbr": ["8"], "family": ["DAIRY"]}
    )
    assert not at.exception and "2 of 9" in [metric.value for metric in at.metric]
    at.multiselect(key="choice_attr.store_nbr").set_value(["7", "8"]).run()
    assert "4 of 9" in [metric.value for metric in at.metric]
