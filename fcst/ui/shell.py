"""Common parts of all pages: database preparation, error messages, and widgets whose values are in the URL.

Widget values are written to the URL here, not with Streamlit's `bind="query-params"`. A page cannot set a bound value:
a choice could not reset a table to its first page, and a button such as *Next* could not change the page.
"""

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import streamlit as st

from fcst.errors import DatabaseUnreachable, FcstError
from fcst.roles import Scope
from fcst.services import identity
from fcst.services.backups import last_restore
from fcst.services.supervision import current_upgrade, is_database_reachable, prepare_database
from fcst.ui.text import plain

RETRY_S = 1.0
UPGRADE_POLL_S = 0.3
PAGE = "page"

T = TypeVar("T")

log = logging.getLogger(__name__)


def prepare() -> None:
    """Starts the database and updates its schema; shows the progress of an upgrade."""
    if current_upgrade() is not None:
        place = st.empty()
        while (upgrade := current_upgrade()) is not None:
            place.progress(upgrade.done / upgrade.total, text=f"{upgrade} …")
            time.sleep(UPGRADE_POLL_S)
        place.empty()
    _prepare_once()
    _clear_caches_after_restore()


def _clear_caches_after_restore() -> None:
    """Clears all caches after a restore: the same ids may then mean other rows."""
    restored_at, known = last_restore(), _seen_restore()
    if known and known[0] == restored_at:
        return
    if known:
        st.cache_data.clear()
        st.cache_resource.clear()
    _seen_restore()[:] = [restored_at]


@st.cache_resource
def _seen_restore() -> list[datetime | None]:
    """Time of the last restore that pages have seen; empty before the first check."""
    return []


@st.cache_resource(show_spinner="Starting the database …")
def _prepare_once() -> bool:
    prepare_database()
    return True


def show_page(main: Callable[[], None], scope: Scope = Scope.READ) -> None:
    """Runs a page: checks the visitor's role, prepares the database, and shows errors as messages."""
    with page_errors():
        identity.require(scope)
        prepare()
        main()


@contextmanager
def page_errors(is_part: bool = False) -> Iterator[None]:
    """Shows an `FcstError` as a message, and any other error as a reference into the log; never a traceback.

    While the database is unreachable, the page shows a warning and reloads automatically when the database answers.
    With `is_part`, no warning is shown: the head of the page already has it.
    """
    try:
        yield
    except DatabaseUnreachable as exc:
        _wait_for_database(exc, is_part)
    except FcstError as exc:
        show_error(exc)
    except Exception:  # noqa: BLE001  logged with the reference
        reference = uuid.uuid4().hex[:8]
        log.exception("page error %s", reference)
        st.error(
            f"This page could not be shown. See the server log, reference {reference}. Reload the page to try again.",
            icon=":material/error:",
        )


@contextmanager
def action_errors() -> Iterator[None]:
    """As `page_errors`, for the action of a click: it is not repeated automatically, so its error stays visible."""
    with page_errors():
        try:
            yield
        except DatabaseUnreachable as exc:
            show_error(exc)
            st.toast(
                "Not done: the database is unreachable. Try again later.", icon=":material/error:", duration="infinite"
            )


def _wait_for_database(error: DatabaseUnreachable, is_part: bool) -> None:
    """Shows that the database is unreachable, and reruns the whole page when it answers.

    A live fragment around this one recovers at its own next refresh, which also removes this fragment. The page itself
    and fragments without refresh recover through this one.
    """
    is_first = True  # drawn with the page that has just failed: an immediate rerun could loop forever

    @st.fragment(run_every=RETRY_S)
    def wait() -> None:
        nonlocal is_first
        if not is_first and is_database_reachable():
            st.rerun()
        is_first = False
        if not is_part:
            st.warning("The database is unreachable, trying again …", icon=":material/database_off:")
            st.caption(plain(f"{error.message} {error.hint}"))

    wait()


def show_error(error: FcstError) -> None:
    """Shows an error box with message and hint."""
    st.error(f"{plain(error.message)}  \n{plain(error.hint)}", icon=":material/error:")


def set_state(key: str, value: object) -> None:
    """Sets the state of a widget only if it differs: setting it again would interrupt typing."""
    if st.session_state.get(key) != value:
        st.session_state[key] = value


def choose(label: str, options: Sequence[T], name: str, format_func: Callable[[T], str], **options_of_box: Any) -> T:
    """A select box whose choice is in the URL under `name`; without one the first option is chosen.

    The URL decides: a link, or Back in the browser, changes the box. The value in the URL is also the default of the
    box, because a browser that lost the state of the box sends the default as if it had been chosen.
    """
    key = f"choice_{name}"
    by_text = {str(option): option for option in options}
    in_url = by_text.get(st.query_params.get(name, ""), options[0])
    set_state(key, in_url)

    def write() -> None:
        if st.session_state[key] != in_url:  # not changed where the box is restored, such as after an outage
            write_to_url(name, str(st.session_state[key]))

    index = options.index(in_url)
    chosen: T = st.selectbox(label, options, index, key=key, on_change=write, format_func=format_func, **options_of_box)
    return chosen


def choose_some(
    label: str,
    options: Sequence[str],
    name: str,
    are_pills: bool = False,
    help: str | None = None,
    format_func: Callable[[str], str] = str,
    placeholder: str = "any",
) -> list[str]:
    """A multiple choice, as a box or as pills; the chosen options are in the URL under `name`."""
    key = f"choice_{name}"
    wanted = set(st.query_params.get_all(name))
    in_url = [option for option in options if option in wanted]
    if sorted(st.session_state.get(key, [])) != sorted(in_url):  # in any order
        st.session_state[key] = in_url

    def write() -> None:
        write_to_url(name, st.session_state[key])

    if are_pills:
        return st.pills(
            label,
            options,
            selection_mode="multi",
            default=in_url,
            key=key,
            on_change=write,
            label_visibility="collapsed",
            wrap=True,
        )
    return st.multiselect(
        label,
        options,
        in_url,
        key=key,
        on_change=write,
        placeholder=placeholder,
        help=help,
        format_func=format_func,
        label_visibility="visible" if placeholder == "any" else "collapsed",
    )


def search(label: str, name: str, **options_of_box: Any) -> str:
    """A search box whose text is in the URL under `name` while it is typed; returns it without surrounding spaces."""
    key = f"choice_{name}"
    in_url = st.query_params.get(name, "").replace("\0", "")  # Postgres texts have no zero bytes
    set_state(key, in_url)

    def write() -> None:
        write_to_url(name, st.session_state[key])

    typed = st.text_input(label, in_url, key=key, type="search", live="300ms", on_change=write, **options_of_box)
    return (typed or "").strip()


def choose_one(label: str, options: Mapping[str, str], name: str, **options_of_control: Any) -> str:
    """A segmented control whose choice is in the URL under `name`; without one the first option is chosen.

    Parameters
    ----------
    options
        value in the URL -> label.
    """
    key = f"choice_{name}"
    in_url = st.query_params.get(name, "")
    current = in_url if in_url in options else next(iter(options))
    set_state(key, current)

    def write() -> None:
        if st.session_state[key] != current:
            write_to_url(name, st.session_state[key])

    chosen = st.segmented_control(
        label,
        list(options),
        default=current,
        key=key,
        required=True,
        format_func=options.__getitem__,
        on_change=write,
        **options_of_control,
    )
    return str(chosen)


def choose_view(views: Mapping[str, str]) -> str:
    """The view of a page, as `choose_one`; returns its name."""
    return choose_one("View", views, "view", label_visibility="collapsed")


def page_in_url(n_rows: int, size: int) -> int:
    """The table page from the URL parameter `page`, from 1, limited to the existing pages."""
    return min(max(number_in_url(PAGE) or 1, 1), max(-(-n_rows // size), 1))


def choose_page(n_rows: int, size: int, shown: int | None = None) -> None:
    """Page numbers below a table; nothing where one page has all rows.

    Parameters
    ----------
    shown
        the current page, if it is not the one in the URL.
    """
    if n_rows <= size:
        return
    key = f"choice_{PAGE}"
    in_url = page_in_url(n_rows, size) if shown is None else shown
    set_state(key, in_url)

    def write() -> None:
        write_to_url(PAGE, str(st.session_state[key]))

    st.pagination(-(-n_rows // size), default=in_url, key=key, on_change=write)


def write_to_url(name: str, value: str | list[str]) -> None:
    """Writes a choice as one entry of the browser's history, and resets the table page to 1."""
    params = {key: st.query_params.get_all(key) for key in st.query_params if key not in (name, PAGE)}
    st.query_params.from_dict(params | ({name: value} if value else {}))


def warn_of_unknown(name: str, known: Iterable[str], message: str) -> None:
    """Shows a warning if the value of `name` in the URL is not one of `known`; `{}` in `message` is the value."""
    wanted = st.query_params.get(name)
    if wanted is not None and wanted not in set(known):
        st.warning(message.format(plain(wanted)))


def number_in_url(name: str) -> int | None:
    """The whole number of `name` in the URL; None if there is none or it is not a number."""
    value = st.query_params.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None
