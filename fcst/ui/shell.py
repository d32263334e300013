"""What every page stands in: the database ready, errors told in words, ids read from the URL."""

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from fcst.errors import FcstError
from fcst.services.supervision import prepare_database
from fcst.ui.text import plain

log = logging.getLogger(__name__)


@st.cache_resource(show_spinner="Starting the database …")
def prepare() -> bool:
    """The database is up and its schema is current; once for a server."""
    prepare_database()
    return True


def show_page(main: Callable[[], None]) -> None:
    """Runs a page: the database is ready, and what goes wrong is told in words."""
    with page_errors():
        prepare()
        main()


@contextmanager
def page_errors() -> Iterator[None]:
    """Shows a known error in words, and any other as a reference into the log; never a traceback."""
    try:
        yield
    except FcstError as exc:
        show_error(exc)
    except Exception:  # noqa: BLE001  a page may fail in any way; the log has it under the reference
        reference = uuid.uuid4().hex[:8]
        log.exception("page error %s", reference)
        st.error(
            f"This page could not be shown. The server's log tells why, under reference {reference}. "
            "Reload the page to try again.",
            icon=":material/error:",
        )


def show_error(error: FcstError) -> None:
    """An error box: what happened, and what to do."""
    st.error(f"{plain(error.message)}  \n{plain(error.hint)}", icon=":material/error:")


def number_in_url(name: str) -> int | None:
    """The whole number that the URL has under `name`; None without one, or if it is no number."""
    value = st.query_params.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None
