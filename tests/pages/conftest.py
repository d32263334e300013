"""What holds for every test of pages."""

import pytest
import streamlit as st


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    """What a server keeps is of its one database; each test has another, with the same numbers in it."""
    st.cache_data.clear()
    st.cache_resource.clear()
