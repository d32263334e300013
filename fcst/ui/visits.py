"""What visitors of the pages may ask of Streamlit itself: its websocket, with each message, and its own routes.

Streamlit takes any message of its protocol from any of its sessions, and serves its routes to all. Here a visitor's
role decides, looked up anew each time; a sign-in that is over counts for nothing, also in a session that began before.
"""

from collections import Counter
from dataclasses import dataclass

import anyio
import anyio.to_thread
from google.protobuf.message import DecodeError
from limits.strategies import RateLimiter
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection
from streamlit.proto.BackMsg_pb2 import BackMsg

from fcst.api.callers import Callers
from fcst.api.problems import of_error
from fcst.api.request_checks import is_from_elsewhere
from fcst.errors import FcstError
from fcst.roles import Actor, Scope, SignIn
from fcst.services import identity, sign_ins
from fcst.settings import load_settings
from fcst.ui import live
from fcst.ui.signin import actor_of, sign_in_of

MOST_OF_PERSON = 200
"""Sessions that one person who has signed in may have open: tabs of browsers."""
MOST_OF_ADDRESS = 60
"""Sessions that all others at one address may have open."""
MOST_UNSIGNED = 600
"""Sessions of all of these together: an address can be made up behind a proxy."""
UPLOADS, MEDIA, LOGOUT = "/_stcore/upload_file/", "/media/", "/auth/logout"
FOR_PROGRAMS = ("/_stcore/metrics", "/_stcore/script-health-check")
NEVER = "/_stcore/agent/"
"""Sessions that are no browser's: Streamlit can be told to make them, with another way to sign in."""
USER_COOKIES = "_streamlit_user"
ASKED_BY_PAGES = ("deferred_file", "dataframe_chunk")
"""What a page asks the server for by itself: files, and more rows of a table."""


@dataclass(frozen=True)
class Visitor:
    """Who sends the messages of a session, or a request: `sign_in` is None where they have not signed in."""

    sign_in: SignIn | None
    address: str

    async def actor(self) -> Actor | None:
        """Who it is, with the role that they have now; None where people have to sign in, and this one has not."""
        if not load_settings().has_sign_in:
            return identity.operator()
        if self.sign_in is None:
            return None
        return await anyio.to_thread.run_sync(actor_of, self.sign_in)  # it may ask the database


class Visits:
    """Middleware around Streamlit's websocket and routes.

    Parameters
    ----------
    limiter
        counts the requests of programs.
    """

    def __init__(self, app: ASGIApp, limiter: RateLimiter) -> None:
        self.app = app
        self._callers = Callers(app, limiter)
        self._n_open: Counter[str] = Counter()

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        try:
            if scope["type"] == "websocket":
                await self._visit(scope, receive, send)
                return
            path = scope["path"]
            if path in FOR_PROGRAMS:
                await self._callers(scope, receive, send)
                return
            refusal = await self._refuse(path, scope)
        except FcstError as exc:
            refusal = of_error(exc)
        await (refusal or self.app)(scope, receive, send)

    async def _refuse(self, path: str, scope: Connection) -> Response | None:
        """Why a request is not answered; None where it is."""
        if path.startswith(NEVER):
            return PlainTextResponse("There is nothing at this address.\n", 404)
        if path == LOGOUT:
            if is_from_elsewhere(Headers(scope=scope)):
                return PlainTextResponse("Sign out on a page of this server.\n", 403)
            if (sign_in := visitor_of(scope).sign_in) is not None:
                await anyio.to_thread.run_sync(sign_ins.end, sign_in)
        needed = Scope.RUN if path.startswith(UPLOADS) else Scope.READ if path.startswith(MEDIA) else None
        if needed is not None and not _may(await visitor_of(scope).actor(), needed):
            return PlainTextResponse(f"This needs a sign-in with a role that may {needed}.\n", 403)
        return None

    async def _visit(self, scope: Connection, receive: Receive, send: Send) -> None:
        """A session, from its first message to its last."""
        visitor = visitor_of(scope)
        actor = await visitor.actor()
        if actor is None:  # a cookie that counts for nothing is not shown to Streamlit
            scope = {**scope, "headers": without_user_cookies(scope["headers"])}
        is_known = actor is not None and actor.is_known
        key = f"person {actor.name}" if actor is not None and is_known else f"address {visitor.address}"
        n_unsigned = sum(n for name, n in self._n_open.items() if name.startswith("address "))
        if self._n_open[key] >= (MOST_OF_PERSON if is_known else MOST_OF_ADDRESS) or (
            not is_known and n_unsigned >= MOST_UNSIGNED
        ):
            refusal = PlainTextResponse("Too many pages are open from here. Close some.\n", 429)
            await refusal(scope, receive, send)
            return
        self._n_open[key] += 1
        try:
            with live.open_page():
                await self.app(scope, _Messages(receive, visitor), send)
        finally:
            self._n_open[key] -= 1
            if not self._n_open[key]:
                del self._n_open[key]


class _Messages:
    """The messages of a session that Streamlit gets to see."""

    def __init__(self, receive: Receive, visitor: Visitor) -> None:
        self._receive = receive
        self._visitor = visitor

    async def __call__(self) -> Message:
        while True:
            message = await self._receive()
            if message["type"] != "websocket.receive":
                return message
            if message.get("bytes") is None:  # text is no message of the protocol
                return {"type": "websocket.disconnect", "code": 1003}
            try:
                sent = BackMsg.FromString(message["bytes"])
            except DecodeError:
                return {"type": "websocket.disconnect", "code": 1002}
            actor = await self._actor()
            if not is_allowed(sent, actor):
                continue
            if sent.rerun_script.fragment_id and not _may(actor, Scope.READ):
                # No part of a page without the page, which asks to sign in.
                sent.rerun_script.fragment_id = ""
                return {**message, "bytes": sent.SerializeToString()}
            return message

    async def _actor(self) -> Actor | None:
        try:
            return await self._visitor.actor()
        except FcstError:  # while settings cannot be read, no visitor has a role
            return None


def is_allowed(sent: BackMsg, actor: Actor | None) -> bool:
    """Whether Streamlit may see a message of this visitor.

    What serves developers (`clear_cache`, `stop_script`, …) is for administrators who have signed in.
    """
    kind = sent.WhichOneof("type")
    if kind in ("rerun_script", "app_heartbeat"):
        return True
    if kind == "file_urls_request":
        return _may(actor, Scope.RUN)
    if kind == "backend_operation_request" and sent.backend_operation_request.WhichOneof("payload") in ASKED_BY_PAGES:
        return _may(actor, Scope.READ)
    return actor is not None and actor.is_known and actor.may(Scope.ADMIN)


def visitor_of(scope: Connection) -> Visitor:
    """Who opens this connection, by its cookies and its address."""
    address = scope["client"][0] if scope.get("client") else "unknown"
    return Visitor(sign_in_of(HTTPConnection(scope).cookies), address)


def without_user_cookies(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers without the cookies that say who a visitor is."""

    def rest(value: bytes) -> bytes:
        parts = value.decode("latin-1").split(";")  # with the spaces around names that Streamlit takes off
        return ";".join(part for part in parts if not part.strip().startswith(USER_COOKIES)).encode("latin-1")

    return [(name, rest(value) if name == b"cookie" else value) for name, value in headers]


def _may(actor: Actor | None, scope: Scope) -> bool:
    return actor is not None and actor.may(scope)
