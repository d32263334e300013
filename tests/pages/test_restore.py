"""Pages after a restore do not show cached data."""

from datetime import UTC, datetime

from streamlit.testing.v1 import AppTest

from fcst.store import actions


def test_cached_values_are_read_again_after_a_restore(database: str) -> None:
    def page() -> None:
        import streamlit as st

        from fcst.ui.cache import read
        from fcst.ui.shell import show_page

        show_page(lambda: st.write(read(("the same key",), lambda: st.session_state["now"])))

    at = AppTest.from_function(page, default_timeout=30)
    for now, shown in (("first", "first"), ("second", "first")):
        at.session_state["now"] = now
        assert at.run().markdown[0].value == shown
    actions.note("Ann", "restore", "schema", 23, "fcst.backup")
    assert at.run().markdown[0].value == "second"
    at.session_state["now"] = "third"
    assert at.run().markdown[0].value == "second", "the value is cached again"
    found = actions.last_restore()
    assert found is not None and abs((datetime.now(UTC) - found).total_seconds()) < 60
