"""Files that a browser sends: only from visitors who may load sales. Streamlit takes them from any of its sessions."""

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.runtime import get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.web.server.starlette.starlette_routes import BASE_ROUTE_UPLOAD_FILE

from fcst.settings import load_settings

_allowed: set[str] = set()
"""The sessions that may send files."""


def allow() -> None:
    """The visitor of the page that runs now may send files, as long as the page is open."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is not None:
        _allowed.difference_update([known for known in _allowed if not get_instance().is_active_session(known)])
        _allowed.add(context.session_id)


class OnlyAllowed:
    """Middleware that refuses files of other sessions, where people sign in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "PUT" and load_settings().has_sign_in:
            _, is_upload, rest = scope["path"].partition(f"/{BASE_ROUTE_UPLOAD_FILE}/")
            if is_upload and rest.partition("/")[0] not in _allowed:
                refusal = PlainTextResponse("Files are taken from Load sales, once you have signed in.", 403)
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)
