"""The private parts of Streamlit behave as fcst expects: a failure here says what a new version has changed."""

import json
import secrets
from pathlib import Path

import pytest
import streamlit as st
from streamlit.auth_util import set_cookie_with_chunks
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime import memory_session_storage, websocket_session_manager
from streamlit.runtime.pages_manager import PagesManager
from streamlit.web.server.starlette.starlette_app_utils import generate_xsrf_token_string

from fcst.settings import PROJECT
from fcst.ui import streamlit_internals as internals

KINDS = {
    *("clear_cache", "rerun_script", "stop_script", "load_git_info", "app_heartbeat", "file_urls_request"),
    *("backend_operation_request", "set_run_on_save", "debug_disconnect_websocket", "debug_shutdown_runtime"),
}


def test_long_sign_in_cookie_is_joined() -> None:
    written: dict[str, bytes] = {}
    claims = {"is_logged_in": True, "name": "x" * 9_000}
    set_cookie_with_chunks(
        lambda name, value: written.update({name: value.encode()}),
        lambda _, value: value.encode(),
        internals.USER_COOKIE_NAME,
        claims,
        cookie_attr_size=100,
    )
    assert len(written) > 2 and all(name.startswith(internals.USER_COOKIE_NAME) for name in written)
    assert json.loads(internals.join_user_cookie(written.get) or b"") == claims


def test_browser_is_identified_by_its_token_in_any_mask() -> None:
    token = secrets.token_bytes(16)
    cookies = [{"_streamlit_xsrf": generate_xsrf_token_string(token, 1_700_000_000)} for _ in range(2)]
    assert cookies[0] != cookies[1]
    assert [internals.browser_id(found) for found in cookies] == [token, token]
    assert internals.browser_id({}) == internals.browser_id({"_streamlit_xsrf": "2|x"}) == b""


def test_messages_have_the_known_kinds() -> None:
    """A new kind needs a decision in `access_control.is_allowed`; until then only administrators may send it."""
    assert {field.name for field in BackMsg.DESCRIPTOR.oneofs_by_name["type"].fields} == KINDS
    operations = BackMsg().backend_operation_request.DESCRIPTOR.oneofs_by_name["payload"].fields
    assert {field.name for field in operations} >= set(internals.PAGE_REQUESTS)
    sent = BackMsg()
    sent.rerun_script.fragment_id = "x"
    assert BackMsg.FromString(sent.SerializeToString()).rerun_script.fragment_id == "x"


def test_routes_are_those_of_streamlit() -> None:
    """`/_stcore/script-health-check` exists only with an option of Streamlit."""
    app = st.App(PROJECT / "app.py")
    paths = {getattr(route, "path", "") for route in app._build_starlette_app().routes}
    for prefix in (internals.UPLOADS, internals.MEDIA, internals.LOGOUT, internals.AGENT, internals.TOKEN_PATHS[0]):
        assert [path for path in paths if path.startswith(prefix)], (prefix, sorted(paths))


def test_pages_folder_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PagesManager, "uses_pages_directory", None)
    PagesManager(str(PROJECT / "app.py"))
    assert PagesManager.uses_pages_directory is True
    internals.use_navigation()
    PagesManager(str(PROJECT / "app.py"))
    assert PagesManager.uses_pages_directory is False


def test_listing_sessions_drops_expired_ones() -> None:
    storage = memory_session_storage.MemorySessionStorage(ttl_seconds=0)
    assert "self._session_storage = session_storage" in Path(websocket_session_manager.__file__).read_text()
    assert storage.list() == []
    assert not internals.is_in_page()
