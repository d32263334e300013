"""Authentication of page visitors: sign-in with an identity provider, and roles; without sign-in the local operator."""

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlencode

import streamlit as st
from itsdangerous import BadData, URLSafeTimedSerializer

from fcst.roles import Actor, Scope, SignIn, name_of
from fcst.services import identity, sign_ins
from fcst.services.adjustments import MAX_NAME
from fcst.services.signing import signing_secret
from fcst.settings import load_settings
from fcst.ui import start, text
from fcst.ui.streamlit_internals import USER_COOKIE_NAME, StreamlitPage, browser_id, is_in_page, join_user_cookie

REMEMBERED_S = 600.0
MOST_REMEMBERED = 1_000
LONGEST_QUERY = 2_000
AT_ONCE = timedelta(seconds=1)
_PERMISSIONS = {
    None: "You have no access. Ask the administrator of this server for a role.",
    Scope.READ: "You can view everything.",
    Scope.RUN: "You can view everything, load sales, start and cancel runs, and adjust forecasts.",
    Scope.ADMIN: "You can do everything, including delete.",
}


def visitor() -> Actor | None:
    """The signed-in visitor of the current page; None without sign-in or if the visitor has not signed in."""
    if not is_in_page() or not st.user.get("is_logged_in"):
        return None
    return actor_of(sign_in_of(st.context.cookies))


def sign_in_of(cookies: Mapping[str, str]) -> SignIn | None:
    """The sign-in of these cookies, even if it has ended since; None without one."""
    if not load_settings().has_sign_in or USER_COOKIE_NAME not in cookies:
        return None
    times: list[datetime] = []

    def opened(name: str) -> bytes | None:
        try:
            value, at = URLSafeTimedSerializer(signing_secret(), salt=name).loads(
                cookies.get(name, ""), return_timestamp=True
            )
        except BadData:
            return None
        times.append(at)
        return str(value).encode()

    try:
        payload = join_user_cookie(opened)
        claims = json.loads(payload or b"null")
    except ValueError:
        return None
    if payload is None or not isinstance(claims, dict) or claims.get("is_logged_in") is not True:
        return None
    if max(times) - min(times) > AT_ONCE:  # all parts of a sign-in's cookie are signed at once
        return None
    at = min(times)
    return SignIn(hashlib.sha256(payload + at.isoformat().encode()).digest(), at, claims)


def actor_of(sign_in: SignIn | None) -> Actor | None:
    """The actor of a sign-in with their current role; None if the sign-in has ended."""
    rules = load_settings().role_rules
    if rules is None or sign_in is None or sign_ins.is_over(sign_in):
        return None
    return Actor(name_of(sign_in.claims), rules.scope_of(sign_in.claims))


identity.set_actor_source(visitor)


def may(scope: Scope) -> bool:
    """Whether the visitor may do this; pages hide other actions."""
    return identity.current().may(scope)


def actor_name() -> str:
    """The visitor's name: as signed in, as last entered in this session, or the operating system user."""
    actor = identity.current()
    return actor.name if actor.is_known else str(st.session_state.get("who") or actor.name)


def ask_for_name(key: str) -> str:
    """Returns the visitor's name; shows a box for it, filled with the last entry, if they have not signed in.

    Parameters
    ----------
    key
        of the box.
    """
    if (actor := identity.current()).is_known:
        return actor.name
    who: str = st.text_input("Your name", st.session_state.get("who", ""), max_chars=MAX_NAME, key=key)
    st.session_state["who"] = who
    return who


def visibility(scope: Scope) -> Literal["visible", "hidden"]:
    """Whether the navigation lists a page that needs this scope; at its address other visitors see the reason."""
    return "visible" if not has_no_access() and may(scope) else "hidden"


def has_no_access() -> bool:
    """Whether the visitor must sign in first, or has no role."""
    if not load_settings().has_sign_in:
        return False
    actor = visitor()
    return actor is None or not actor.may(Scope.READ)


def run_page(page: StreamlitPage, pages: list[StreamlitPage]) -> None:
    """Runs the page, or shows the sign-in page; after sign-in it opens the page that was requested first."""
    requested, browser = _requested_pages(), browser_id(st.context.cookies)
    if has_no_access():
        if visitor() is not None:
            show_account()
            return
        query = st.query_params.to_dict()
        is_link = len(urlencode(query)) <= LONGEST_QUERY
        requested[browser] = (time.monotonic(), page.url_path, query if is_link else {})
        while len(requested) > MOST_REMEMBERED:
            requested.popitem(last=False)
        _show_sign_in()
        return
    since, path, query = requested.pop(browser, (0.0, "", {}))
    is_first = page.url_path in ("", start.HOME, start.FORECASTS) and not st.query_params
    if (path or query) and is_first and time.monotonic() - since < REMEMBERED_S:
        st.switch_page(next(other for other in pages if other.url_path == path), query_params=query)
    page.run()


@st.cache_resource
def _requested_pages() -> OrderedDict[bytes, tuple[float, str, dict[str, str]]]:
    """browser -> time, path and parameters of its first request. The sign-in always returns to the first page."""
    return OrderedDict()


def _show_sign_in() -> None:
    st.title("fcst", anchor=False)
    st.write("Weekly forecasts of every item. Sign in to view them.")
    if sign_ins.is_database_away():
        st.caption("The database is unreachable. Sign in again when it is back.")
    elif st.user.get("is_logged_in"):
        st.caption("Your last sign-in has ended.")
    if st.button("Sign in", type="primary", icon=":material/login:", key="sign_in"):
        st.login()


def account_page() -> list[StreamlitPage]:
    """The account page of a signed-in visitor; no page without sign-in."""
    actor = visitor()
    if actor is None:
        return []
    return [st.Page(show_account, title=text.plain(actor.name), icon=":material/account_circle:", url_path="account")]


def show_account() -> None:
    actor = visitor()
    assert actor is not None
    st.title("Account", anchor=False)
    st.markdown(f"**{text.plain(actor.name)}** ({actor.role}). {_PERMISSIONS[actor.scope]}")
    if st.button("Sign out", icon=":material/logout:", key="sign_out"):
        st.logout()
