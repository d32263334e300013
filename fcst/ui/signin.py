"""Who looks at the pages: signed in with the identity provider and with a role; or the user of this machine."""

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
from streamlit.auth_util import get_cookie_with_chunks
from streamlit.navigation.page import StreamlitPage
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.web.server.starlette.starlette_app_utils import decode_xsrf_token_string
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from fcst.roles import Actor, Scope, SignIn, name_of
from fcst.services import identity, sign_ins
from fcst.services.adjustments import MAX_NAME
from fcst.services.signing import signing_secret
from fcst.settings import load_settings
from fcst.ui import start, text

BROWSER_COOKIE = "_streamlit_xsrf"  # holds what a browser is known by, masked anew each time
REMEMBERED_S = 600.0
MOST_REMEMBERED = 1_000
LONGEST_QUERY = 2_000
AT_ONCE = timedelta(seconds=1)
_MAY = {
    None: "nothing here: ask who runs this server for a role",
    Scope.READ: "look at everything",
    Scope.RUN: "look at everything, load sales, run forecasts, stop and adjust them",
    Scope.ADMIN: "do everything, also delete",
}


def visitor() -> Actor | None:
    """Who looks at the page that runs now; None where nobody signs in, or this visitor has not."""
    if get_script_run_ctx(suppress_warning=True) is None or not st.user.get("is_logged_in"):
        return None
    return actor_of(sign_in_of(st.context.cookies))


def sign_in_of(cookies: Mapping[str, str]) -> SignIn | None:
    """The sign-in that these cookies are evidence of, whether it holds still or not; None where there is none.

    Streamlit's own reading of its cookies tells neither their age nor one sign-in from another.
    """
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
        payload = get_cookie_with_chunks(opened, USER_COOKIE_NAME)
        claims = json.loads(payload or b"null")
    except ValueError:
        return None
    if payload is None or not isinstance(claims, dict) or claims.get("is_logged_in") is not True:
        return None
    if max(times) - min(times) > AT_ONCE:  # parts of one sign-in's cookie are signed together
        return None
    at = min(times)
    return SignIn(hashlib.sha256(payload + at.isoformat().encode()).digest(), at, claims)


def actor_of(sign_in: SignIn | None) -> Actor | None:
    """Who signed in, with the role that they have now; None where the sign-in is over."""
    rules = load_settings().role_rules
    if rules is None or sign_in is None or sign_ins.is_over(sign_in):
        return None
    return Actor(name_of(sign_in.claims), rules.scope_of(sign_in.claims))


identity.ask_who(visitor)


def may(scope: Scope) -> bool:
    """Whether who looks may do that: what they may not is not offered."""
    return identity.current().may(scope)


def name_to_give() -> str:
    """The name under which who looks acts: as signed in, as last given in this session, or of this machine's user."""
    actor = identity.current()
    return actor.name if actor.is_known else str(st.session_state.get("who") or actor.name)


def ask_for_name(key: str) -> str:
    """The name of the user; asked once in a session, and not of those who have signed in.

    Parameters
    ----------
    key
        of the box in which it is asked.
    """
    if (actor := identity.current()).is_known:
        return actor.name
    who: str = st.text_input("Your name", st.session_state.get("who", ""), max_chars=MAX_NAME, key=key)
    st.session_state["who"] = who
    return who


def visibility(scope: Scope) -> Literal["visible", "hidden"]:
    """Whether a page that is for those who may do that stands in the navigation; its address tells others why not."""
    return "visible" if not is_outside() and may(scope) else "hidden"


def is_outside() -> bool:
    """Whether this visitor has to sign in before anything is shown, or has no role here."""
    if not load_settings().has_sign_in:
        return False
    actor = visitor()
    return actor is None or not actor.may(Scope.READ)


def run(page: StreamlitPage, pages: list[StreamlitPage]) -> None:
    """Runs the page, or asks its visitor to sign in, who is then led to the page that they came for."""
    wanted, browser = _wanted(), decode_xsrf_token_string(st.context.cookies.get(BROWSER_COOKIE, ""))[0] or b""
    if is_outside():
        if visitor() is not None:
            show_account()
            return
        query = st.query_params.to_dict()
        is_link = len(urlencode(query)) <= LONGEST_QUERY
        wanted[browser] = (time.monotonic(), page.url_path, query if is_link else {})
        while len(wanted) > MOST_REMEMBERED:
            wanted.popitem(last=False)
        _ask()
        return
    since, path, query = wanted.pop(browser, (0.0, "", {}))
    is_first = page.url_path in ("", start.HOME, start.FORECASTS) and not st.query_params
    if (path or query) and is_first and time.monotonic() - since < REMEMBERED_S:
        st.switch_page(next(other for other in pages if other.url_path == path), query_params=query)
    page.run()


@st.cache_resource
def _wanted() -> OrderedDict[bytes, tuple[float, str, dict[str, str]]]:
    """browser -> when it came, and for which page: the way by the provider ends at the first page."""
    return OrderedDict()


def _ask() -> None:
    st.title("fcst", anchor=False)
    st.write("Weekly forecasts of every item. Sign in to see them.")
    if sign_ins.is_database_away():
        st.caption("The database is unreachable. Sign-ins work again when it answers.")
    elif st.user.get("is_logged_in"):
        st.caption("Your last sign-in has ended.")
    if st.button("Sign in", type="primary", icon=":material/login:", key="sign_in"):
        st.login()


def account_page() -> list[StreamlitPage]:
    """The page that tells a visitor who they are, where people sign in."""
    actor = visitor()
    if actor is None:
        return []
    return [st.Page(show_account, title=text.plain(actor.name), icon=":material/account_circle:", url_path="account")]


def show_account() -> None:
    actor = visitor()
    assert actor is not None
    st.title("Account", anchor=False)
    st.markdown(f"**{text.plain(actor.name)}**, {actor.role}, may {_MAY[actor.scope]}.")
    if st.button("Sign out", icon=":material/logout:", key="sign_out"):
        st.logout()
