"""What every page stands in: the database ready, errors told in words, choices and ids in the URL.

Choices are written here, not by Streamlit's own binding (`bind="query-params"`): a page cannot set a bound value, so a
choice could not go back to a table's first page, and a button such as *Next* could not move it.
"""

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import streamlit as st

from fcst.errors import DatabaseAway, FcstError
from fcst.roles import Scope
from fcst.services import identity
from fcst.services.backups import last_restore
from fcst.services.supervision import current_upgrade, has_database, prepare_database
from fcst.ui.text import plain

RETRY_S = 1.0
UPGRADE_POLL_S = 0.3
PAGE = "page"

T = TypeVar("T")

log = logging.getLogger(__name__)


def prepare() -> None:
    """The database is up and its schema is current; an upgrade shows how far it is."""
    if current_upgrade() is not None:
        place = st.empty()
        while (upgrade := current_upgrade()) is not None:
            place.progress(upgrade.done / upgrade.total, text=f"{upgrade} …")
            time.sleep(UPGRADE_POLL_S)
        place.empty()
    _prepare_once()
    _forget_what_was_replaced()


def _forget_what_was_replaced() -> None:
    """After a restore nothing holds that was read before: its numbers come again, and mean something else."""
    restored_at, known = last_restore(), _known_restore()
    if known and known[0] == restored_at:
        return
    if known:
        st.cache_data.clear()
        st.cache_resource.clear()
    _known_restore()[:] = [restored_at]


@st.cache_resource
def _known_restore() -> list[datetime | None]:
    """The last restore that pages know of; empty before the first look."""
    return []


@st.cache_resource(show_spinner="Starting the database …")
def _prepare_once() -> bool:
    prepare_database()
    return True


def show_page(main: Callable[[], None], scope: Scope = Scope.READ) -> None:
    """Runs a page for who may do what it is for: the database is ready, and what goes wrong is told in words."""
    with page_errors():
        identity.require(scope)
        prepare()
        main()


@contextmanager
def page_errors(is_part: bool = False) -> Iterator[None]:
    """Shows a known error in words, and any other as a reference into the log; never a traceback.

    Where the database is away, the page tells so, and comes back by itself when the database does. A part of a page
    whose head tells it comes back without words of its own.
    """
    try:
        yield
    except DatabaseAway as exc:
        _wait_for_database(exc, is_part)
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


def _wait_for_database(error: DatabaseAway, is_part: bool) -> None:
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
        if not is_part:
            st.warning("The database is unreachable, trying again …", icon=":material/database_off:")
            st.caption(plain(f"{error.message} {error.hint}"))

    wait()


def show_error(error: FcstError) -> None:
    """An error box: what happened, and what to do."""
    st.error(f"{plain(error.message)}  \n{plain(error.hint)}", icon=":material/error:")


def set_state(key: str, value: object) -> None:
    """Moves a widget to a value, unless it is there: to set what is set would disturb who is typing."""
    if st.session_state.get(key) != value:
        st.session_state[key] = value


def choose(label: str, options: Sequence[T], name: str, format_func: Callable[[T], str], **options_of_box: Any) -> T:
    """A select box whose choice stands in the URL under `name`; the first option is chosen where the URL has none.

    The box keeps its identity, and the URL decides: a link, or the browser's way back, moves the box. The value in the
    URL is the box's default as well: a browser that lost the box's state sends the default as if it had been chosen.
    """
    key = f"choice_{name}"
    by_text = {str(option): option for option in options}
    in_url = by_text.get(st.query_params.get(name, ""), options[0])
    set_state(key, in_url)

    def write() -> None:
        if st.session_state[key] != in_url:  # a box that comes back, as after an outage, was not changed
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
    """Options of which any number may be chosen, as a box or as pills; the URL has those that are under `name`."""
    key = f"choice_{name}"
    wanted = set(st.query_params.get_all(name))
    in_url = [option for option in options if option in wanted]
    if sorted(st.session_state.get(key, [])) != sorted(in_url):  # in whichever order they were chosen
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
    """A box whose words stand in the URL under `name` as they are typed; returned without spaces around them."""
    key = f"choice_{name}"
    in_url = st.query_params.get(name, "").replace("\0", "")  # which no text in Postgres has
    set_state(key, in_url)

    def write() -> None:
        write_to_url(name, st.session_state[key])

    typed = st.text_input(label, in_url, key=key, type="search", live="300ms", on_change=write, **options_of_box)
    return (typed or "").strip()


def choose_one(label: str, options: Mapping[str, str], name: str, **options_of_control: Any) -> str:
    """A row of a few options of which one is chosen; the URL has it under `name`, the first where it has none.

    Parameters
    ----------
    options
        value in the URL -> what people read.
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
    """Which part of a page is shown, by its name; as `choose_one`."""
    return choose_one("View", views, "view", label_visibility="collapsed")


def page_in_url(n_rows: int, size: int) -> int:
    """The page of a table that the URL has under `page`, from 1; the nearest there is."""
    return min(max(number_in_url(PAGE) or 1, 1), max(-(-n_rows // size), 1))


def choose_page(n_rows: int, size: int, shown: int | None = None) -> None:
    """The numbers of a table's pages, to go to another; nothing where one page holds all rows.

    Parameters
    ----------
    shown
        the page that is shown, where that is not what the URL has.
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
    """Writes a choice, in one step of the browser's history; a table that depends on it begins at its first page."""
    params = {key: st.query_params.get_all(key) for key in st.query_params if key not in (name, PAGE)}
    st.query_params.from_dict(params | ({name: value} if value else {}))


def warn_of_unknown(name: str, known: Iterable[str], words: str) -> None:
    """A warning, where the URL has a value under `name` that is none of those known; `{}` in `words` is that value."""
    wanted = st.query_params.get(name)
    if wanted is not None and wanted not in set(known):
        st.warning(words.format(plain(wanted)))


def number_in_url(name: str) -> int | None:
    """The whole number that the URL has under `name`; None without one, or if it is no number."""
    value = st.query_params.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None
