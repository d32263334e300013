"""Download links on the pages: formats, labels, disabled links."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import streamlit as st
from starlette.datastructures import QueryParams
from streamlit.testing.v1 import AppTest

from fcst.dataset_records import Dataset
from fcst.errors import InputError
from fcst.filters import RunFilter
from fcst.job_records import Job
from fcst.services import jobs
from fcst.settings import PROJECT
from fcst.ui import downloads
from tests.computed_runs import run


@pytest.fixture
def job(load_dataset: Callable[..., Dataset]) -> Job:
    return run(load_dataset(name="s"), 4, models=("SeasonalNaive", "Naive"), n_windows=0)


def shown(job: Job, what: str, n_items: int, query: downloads.Query = ()) -> AppTest:
    def page(job: "Job", what: str, n_items: int, query: tuple) -> None:
        from fcst.ui.downloads import show_downloads

        show_downloads(job, what, n_items, query)

    at = AppTest.from_function(page, args=(job, what, n_items, query)).run()
    assert not at.exception
    return at


def test_whole_run_has_links_in_each_format_with_the_number_of_rows(job: Job) -> None:
    at = shown(job, "all *items*", 4)
    assert [element.value for element in at.markdown] == [
        r"**All \*items\***",
        "Final plan, one column per week:",
        "All models by week, 32 rows:",
    ]
    links = [element.proto for element in at.get("link_button")]
    assert [(link.label, link.url, link.disabled) for link in links] == [
        ("Plan as Excel", f"/downloads/{job.job_id}/plan.xlsx?model=SeasonalNaive&by=week", False),
        ("Plan as CSV", f"/downloads/{job.job_id}/plan.csv?model=SeasonalNaive&by=week", False),
        ("Excel", f"/downloads/{job.job_id}/forecasts.xlsx", False),
        ("CSV", f"/downloads/{job.job_id}/forecasts.csv", False),
        ("Parquet", f"/downloads/{job.job_id}/forecasts.parquet", False),
    ]


def test_link_of_an_item_has_its_key(job: Job) -> None:
    at = shown(job, "this", 1, downloads.one_item('a/b "c"&d'))
    assert at.markdown[2].value == "All models by week, 8 rows:"
    assert at.get("link_button")[0].proto.url.endswith("?item=a%2Fb+%22c%22%26d&model=SeasonalNaive&by=week")
    assert at.get("link_button")[3].proto.url.endswith("/forecasts.csv?item=a%2Fb+%22c%22%26d")


def test_attribute_filters_are_written_to_and_read_from_the_link(job: Job) -> None:
    which = RunFilter(attributes=(("city", ("Quito", "")), ("a&b", ("=1",))))
    query = downloads.filter_query(which, "Naive")
    at = shown(job, "these", 1, query)
    address = at.get("link_button")[3].proto.url
    assert "attr.city=Quito&attr.city=&attr.a%26b=%3D1" in address
    assert downloads._chosen(job, QueryParams(address.partition("?")[2])) == (which, "Naive")
    with pytest.raises(InputError, match="no parameter attribute"):
        downloads._chosen(job, QueryParams("attribute.city=Quito"))


def test_links_are_disabled_for_too_many_and_for_no_rows(job: Job) -> None:
    many = [element.proto for element in shown(replace(job, n_completed=10**6), "all", 10**6).get("link_button")]
    assert [link.disabled for link in many] == [False, False, True, False, False]
    assert "limit is 300,000 rows" in many[2].help
    none = [element.proto for element in shown(replace(job, n_completed=0), "all", 4).get("link_button")]
    assert all(link.disabled for link in none)


def test_forecasts_page_links_to_the_item_and_the_run(job: Job) -> None:
    st.cache_data.clear()
    st.cache_resource.clear()
    at = AppTest.from_file(str(PROJECT / "pages" / "forecasts.py"), default_timeout=30)
    at.query_params["item"] = "item3"
    urls = [element.proto.url for element in at.run().get("link_button")]
    assert f"/downloads/{job.job_id}/forecasts.csv" in urls
    assert f"/downloads/{job.job_id}/forecasts.csv?item=item3" in urls
    at.query_params["q"] = "item"
    at.query_params["reason"] = "new"
    urls = [element.proto.url for element in at.run().get("link_button")]
    assert f"/downloads/{job.job_id}/forecasts.csv?model=SeasonalNaive&q=item&reason=new" in urls


def test_picture_name_has_only_valid_file_name_characters(job: Job) -> None:
    options = downloads.image_config(jobs.get_job(job.job_id), "forecast Auto", "a/b:c")["toImageButtonOptions"]
    assert options["filename"] == f"run{job.job_id}_s_item-a-b-c_forecast-Auto" and options["format"] == "png"
