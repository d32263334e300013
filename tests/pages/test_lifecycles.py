"""Lifecycles on the pages: set, show, remove; a new item is listed and selectable immediately."""

from collections.abc import Callable

import pytest

from fcst.dataset_records import Dataset
from fcst.lifecycles import Lifecycle, Origin, Source
from fcst.services import lifecycles
from tests.pages.opening import open_page, page_text


@pytest.fixture
def dataset(load_dataset: Callable[..., Dataset]) -> Dataset:
    return load_dataset(n_items=3, n_weeks=60)


def saved(dataset: Dataset) -> list[Lifecycle]:
    return [row.lifecycle for row in lifecycles.find_lifecycles(dataset.dataset_id)[0]]


def test_lifecycle_is_set_shown_and_removed(dataset: Dataset) -> None:
    at = open_page("dataset", dataset=str(dataset.dataset_id), view="lifecycles")
    assert not at.exception and not at.dataframe
    assert "No lifecycles." in page_text(at) and at.button(key="save_lifecycle").disabled
    at.text_input(key="lifecycle_item_0").set_value("new").run()
    at.selectbox(key="lifecycle_origin_0").set_value(Origin.LIKE).run()
    at.text_input(key="lifecycle_sources_like_0").set_value("item1")
    at.number_input(key="lifecycle_factor_0").set_value(0.5)
    at.button(key="save_lifecycle").click().run()
    assert not at.exception
    assert saved(dataset) == [Lifecycle("new", Origin.LIKE, (Source("item1", 0.5),))]
    row = at.dataframe[0].value.iloc[0]
    assert row[["Item", "Relation", "Other items", "Factor", "Own sales"]].tolist() == [
        *("new", "is like", "item1", "0.5", "no")
    ]
    assert at.text_input(key="lifecycle_item_1").value == "", "the form is reset"
    lifecycles.remove_lifecycle(dataset.dataset_id, "new")
    assert not open_page("dataset", dataset=str(dataset.dataset_id), view="lifecycles").dataframe


def test_invalid_lifecycle_shows_a_message_and_is_not_saved(dataset: Dataset) -> None:
    at = open_page("dataset", dataset=str(dataset.dataset_id), view="lifecycles")
    at.text_input(key="lifecycle_item_0").set_value("new").run()
    at.text_area(key="lifecycle_sources_predecessor_0").set_value("item1\nnothing")
    at.button(key="save_lifecycle").click().run()
    assert not at.exception and "has no item nothing" in page_text(at)
    assert at.text_input(key="lifecycle_item_0").value == "new", "the input is kept"
    assert saved(dataset) == []


def test_new_item_is_listed_immediately(dataset: Dataset) -> None:
    query = {"dataset": str(dataset.dataset_id), "view": "items"}
    assert "3 of 3 items" in page_text(open_page("dataset", **query))
    lifecycles.save_lifecycles(dataset.dataset_id, [Lifecycle("new", Origin.LIKE, (Source("item1"),))])
    at = open_page("dataset", **query)
    assert "4 of 4 items" in page_text(at)
    assert at.dataframe[0].value.set_index("unique_id")["life"]["new"] == "new"
    at = open_page("new_run", dataset=str(dataset.dataset_id), take="all")
    assert not at.exception and "4 of 4" in [metric.value for metric in at.metric]
