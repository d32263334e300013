"""Fixtures for all page tests."""

import pytest
import streamlit as st


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    """Clears Streamlit caches: each test has its own database, with the same ids."""
    st.cache_data.clear()
    st.cache_resource.clear()
