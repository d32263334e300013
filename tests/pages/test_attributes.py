"""Attributes on the pages: filters of items and run items, URL parameters, files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fcst.dataset_records import Dataset
from tests.pages.opening import open_page, page_text
from tests.shop_with_attributes import JOINED, write_shop


@pytest.fixture
def shop(load_dataset: Callable[..., Dataset], tmp_path: Path) -> Dataset:
    return load_dataset(write_shop(tmp_path / "shop"), **JOINED)


def test_items_are_filtered_by_url_parameters(shop: Dataset) -> None:
    query = {"dataset": str(shop.dataset_id), "view": "items"}
    at = open_page("dataset", **query, **{"attr.city": ["Quito"], "attr.family": ["BREAD"], "attr.no": ["such"]})
    assert not at.exception and "2 of 9 items" in page_text(at)
    assert sorted(at.dataframe[0].value["unique_id"]) == ["7|3|4", "9|3|4"]
    assert at.multiselect(key="choice_attr.city").value == ["Quito"]
    at.multiselect(key="choice_attr.city").set_value(["Cuenca", "Quito"]).run()
    assert "3 of 9 items" in page_text(at)
    assert at.query_params["attr.city"] == ["Cuenca", "Quito"]
    at = open_page("dataset", **query, **{"attr.type": [""]})
    assert "3 of 9 items" in page_text(at) and at.multiselect(key="choice_attr.type").options == ["A", "B", "(none)"]


def test_new_run_selects_the_matching_items(shop: Dataset) -> None:
    at = open_page(
        "new_run", dataset=str(shop.dataset_id), take="all", **{"attr.store_nbr": ["8"], "family": ["DAIRY"]}
    )
    assert not at.exception and "2 of 9" in [metric.value for metric in at.metric]
    at.multiselect(key="choice_attr.store_nbr").set_value(["7", "8"]).run()
    assert "4 of 9" in [metric.value for metric in at.metric]


def test_attributes_are_listed_with_a_loaded_one(shop: Dataset, tmp_path: Path) -> None:
    query = {"dataset": str(shop.dataset_id), "view": "attributes"}
    at = open_page("dataset", **query)
    assert not at.exception
    rows = at.dataframe[0].value.set_index("Attribute")
    assert rows.loc["city", ["Values", "Examples", "Items", "Key", "Source"]].tolist() == [
        *(2, "Cuenca, Quito", 9, "store_nbr", "stores.csv")
    ]
    at.file_uploader(key="attribute_file_0").upload(
        "regions.csv", b"store_nbr,region\n7,North\n9,*South*\n", "text/csv"
    )
    at.run()
    assert not at.exception and at.dataframe[1].value["region"].tolist() == ["North", "*South*"]
    at.button(key="save_attributes").click().run()
    assert not at.exception and "saved for 2 of 2 keys; set for 6 items" in page_text(at)
    assert "region" in at.dataframe[0].value["Attribute"].tolist()
    at = open_page("dataset", dataset=query["dataset"], view="items", **{"attr.region": ["*South*"]})
    assert "3 of 9 items" in page_text(at)


def test_invalid_file_shows_a_message(shop: Dataset) -> None:
    at = open_page("dataset", dataset=str(shop.dataset_id), view="attributes")
    at.file_uploader(key="attribute_file_0").upload("r.csv", b"store_nbr,region\n7,North\n7,South\n", "text/csv").run()
    assert not at.exception and "is in several rows with different values" in page_text(at)
    assert not [button for button in at.button if button.key == "save_attributes"]
