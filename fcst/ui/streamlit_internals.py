"""Everything of Streamlit that fcst uses although it is not public, with the reason.

No other module imports from `streamlit.*`. tests/unit/ui/test_streamlit_internals.py fails when Streamlit changes it.
"""

from collections.abc import Callable, Mapping

from streamlit.auth_util import get_cookie_with_chunks
from streamlit.delta_generator import DeltaGenerator
from streamlit.navigation.page import StreamlitPage
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime import get_instance
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.web.server.starlette.starlette_app_utils import decode_xsrf_token_string
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

__all__ = [
    "BackMsg",  # the messages of a page's websocket; Streamlit accepts them from visitors without a role too
    "DeltaGenerator",  # the type of a container, for annotations
    "StreamlitPage",  # the type of a page, for annotations
    "USER_COOKIE_NAME",
]

UPLOADS, MEDIA, LOGOUT = "/_stcore/upload_file/", "/media/", "/auth/logout"
"""Routes that need a role, which Streamlit does not ask for."""
TOKEN_PATHS = ("/_stcore/metrics", "/_stcore/script-health-check")
AGENT = "/_stcore/agent/"
"""Streamlit's sessions without a browser, which have another authentication."""
PAGE_REQUESTS = ("deferred_file", "dataframe_chunk")
"""Requests that pages send automatically: files, and more rows of a table."""
_BROWSER_COOKIE = "_streamlit_xsrf"


def is_in_page() -> bool:
    """Whether this code runs for a page: `st.user` and `st.context` raise elsewhere."""
    return get_script_run_ctx(suppress_warning=True) is not None


def join_user_cookie(read: Callable[[str], bytes | None]) -> bytes | None:
    """The value of the sign-in cookie, which Streamlit splits when it is long; `read` gives one part by its name.

    `st.user` has neither the time nor an identifier of the sign-in.
    """
    return get_cookie_with_chunks(read, USER_COOKIE_NAME)


def browser_id(cookies: Mapping[str, str]) -> bytes:
    """Identifies a browser before it signs in. The cookie has the same token, masked differently each time."""
    return decode_xsrf_token_string(cookies.get(_BROWSER_COOKIE, ""))[0] or b""


def use_navigation() -> None:
    """Runs app.py for each page: else a deep link as the first request of a server runs pages/*.py alone."""
    PagesManager.uses_pages_directory = False


def drop_expired_sessions() -> None:
    """Drops expired sessions of disconnected browsers; Streamlit does so only when it stores another one."""
    get_instance()._session_mgr._session_storage.list()  # type: ignore[attr-defined]
