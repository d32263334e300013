"""Files that a browser sends: only from visitors who may load sales. Streamlit takes them from any of its sessions."""

from collections import OrderedDict

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.web.server.starlette.starlette_routes import BASE_ROUTE_UPLOAD_FILE

from fcst.settings import load_settings

MOST_ALLOWED = 10_000

_allowed: OrderedDict[str, None] = OrderedDict()
"""The sessions that may send files, the last to have asked at the end."""


def allow() -> None:
    """The visitor of the page that runs now may send files, also when the connection was lost for a while."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is not None:
        _allowed[context.session_id] = None
        _allowed.move_to_end(context.session_id)
        if len(_allowed) > MOST_ALLOWED:
            _allowed.popitem(last=False)


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
