"""What every page stands in: the database ready, errors told in words, ids read from the URL."""

import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import streamlit as st

from fcst.errors import DatabaseAway, FcstError
from fcst.services.supervision import has_database, prepare_database
from fcst.ui.text import plain

RETRY_S = 1.0

T = TypeVar("T")

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
    """Shows a known error in words, and any other as a reference into the log; never a traceback.

    Where the database is away, the page tells so, and comes back by itself when the database does.
    """
    try:
        yield
    except DatabaseAway as exc:
        _wait_for_database(exc)
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


@contextmanager
def action_errors() -> Iterator[None]:
    """As `page_errors`, for what a click does: it is not done again by itself, so its error stays to be read."""
    with page_errors():
        try:
            yield
        except DatabaseAway as exc:
            show_error(exc)
            st.toast("That was not done: the database is unreachable.", icon=":material/error:", duration="infinite")


def _wait_for_database(error: DatabaseAway) -> None:
    """Says that the database is away, and runs the whole page anew when it answers.

    A live fragment around this comes back by its own next run, and takes this one away; one that does not
    refresh, and the page itself, come back by this.
    """
    is_first = True  # drawn with the page, which has failed this instant: to try again at once could go on for ever

    @st.fragment(run_every=RETRY_S)
    def wait() -> None:
        nonlocal is_first
        if not is_first and has_database():
            st.rerun()
        is_first = False
        st.warning("The database is unreachable, trying again …", icon=":material/database_off:")
        st.caption(plain(f"{error.message} {error.hint}"))

    wait()


def show_error(error: FcstError) -> None:
    """An error box: what happened, and what to do."""
    st.error(f"{plain(error.message)}  \n{plain(error.hint)}", icon=":material/error:")


def choose(label: str, options: Sequence[T], name: str, format_func: Callable[[T], str], **options_of_box: Any) -> T:
    """A select box whose choice stands in the URL under `name`; the first option is chosen where the URL has none.

    The box keeps its identity, and the URL decides: a link, or the browser's way back, moves the box.
    """
    key = f"choice_{name}"
    by_text = {str(option): option for option in options}
    in_url = by_text.get(st.query_params.get(name, ""), options[0])
    if st.session_state.get(key) != in_url:
        st.session_state[key] = in_url

    def write() -> None:
        if value := str(st.session_state[key]):
            st.query_params[name] = value
        else:
            st.query_params.pop(name, None)

    return st.selectbox(label, options, key=key, on_change=write, format_func=format_func, **options_of_box)


def choose_some(label: str, options: Sequence[str], name: str, are_pills: bool = False) -> list[str]:
    """Options of which any number may be chosen, as a box or as pills; the URL has those that are under `name`."""
    key = f"choice_{name}"
    in_url = [option for option in options if option in st.query_params.get_all(name)]
    if st.session_state.get(key) != in_url:
        st.session_state[key] = in_url

    def write() -> None:
        st.query_params[name] = st.session_state[key]

    if are_pills:
        return st.pills(label, options, selection_mode="multi", key=key, on_change=write, label_visibility="collapsed")
    return st.multiselect(label, options, key=key, on_change=write, placeholder="any")


def warn_of_unknown(name: str, known: Iterable[str], words: str) -> None:
    """A warning, where the URL has a value under `name` that is none of those known; `{}` in `words` is that value."""
    wanted = st.query_params.get(name)
    if wanted is not None and wanted not in set(known):
        st.warning(words.format(plain(wanted)))


def number_in_url(name: str) -> int | None:
    """The whole number that the URL has under `name`; None without one, or if it is no number."""
    value = st.query_params.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None
