"""Fixtures for all page tests."""

from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner

from fcst.dataset_records import Dataset
from fcst.services import jobs
from fcst.specs import JobSpec
from tests.pages.opening import run_waiting


@pytest.fixture(scope="session", autouse=True)
def scan_for_components_once() -> Iterator[None]:
    """Streamlit reads the metadata of all installed packages at each `AppTest.run`: half of a page test's time."""
    found = manifest_scanner.scan_component_manifests()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", lambda: found)
        yield


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    """Clears Streamlit caches: each test has its own database, with the same ids."""
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def dataset(load_dataset) -> Dataset:
    return load_dataset(name="weird *name* <b>_x_")


@pytest.fixture
def finished(dataset: Dataset, once: Callable) -> int:
    def run() -> int:
        spec = JobSpec(models=("Auto", "SeasonalNaive"), h=4, batch_size=2)
        items = jobs.choose_largest(dataset, 6)
        job_id = jobs.submit_job(dataset.dataset_id, items, spec, "first [run]", "why *not*")
        run_waiting()
        return job_id

    return once("finished", run)
