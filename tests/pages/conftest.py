"""Fixtures for all page tests."""

from collections.abc import Callable

import pytest
import streamlit as st

from fcst.dataset_records import Dataset
from fcst.services import jobs
from fcst.specs import JobSpec
from tests.pages.opening import run_waiting


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
