"""Access control of Streamlit's websocket messages and routes, and limits of open sessions.

Streamlit accepts any message of its protocol from any session, and serves its routes to everyone. This middleware
checks the visitor's current role for each message and request. An ended sign-in has no access, also in an open session.
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

from fcst.api.authentication import Authentication
from fcst.api.problems import error_response
from fcst.api.request_checks import is_cross_site
from fcst.errors import FcstError
from fcst.roles import Actor, Scope, SignIn
from fcst.services import identity, sign_ins
from fcst.settings import load_settings
from fcst.ui import live
from fcst.ui.signin import actor_of, sign_in_of
from fcst.ui.streamlit_internals import (
    AGENT,
    LOGOUT,
    MEDIA,
    PAGE_REQUESTS,
    TOKEN_PATHS,
    UPLOADS,
    USER_COOKIE_NAME,
    BackMsg,
)

MAX_SESSIONS_PER_USER = 200
"""Open sessions (browser tabs) of one signed-in user."""
MAX_SESSIONS_PER_ADDRESS = 60
"""Open sessions of all users without sign-in at one address."""
MAX_SESSIONS_WITHOUT_SIGN_IN = 600
"""Open sessions of all users without sign-in: behind a proxy, addresses can be forged."""


@dataclass(frozen=True)
class Visitor:
    """The sender of a request or of the messages of a session; `sign_in` is None without sign-in."""

    sign_in: SignIn | None
    address: str

    async def actor(self) -> Actor | None:
        """The actor with their current role; None if sign-in is required and the visitor has not signed in."""
        if not load_settings().has_sign_in:
            return identity.operator()
        if self.sign_in is None:
            return None
        return await anyio.to_thread.run_sync(actor_of, self.sign_in)  # may read from the database


class AccessControl:
    """Middleware around Streamlit's websocket and routes.

    Parameters
    ----------
    limiter
        limits the requests of API clients.
    """

    def __init__(self, app: ASGIApp, limiter: RateLimiter) -> None:
        self.app = app
        self._authentication = Authentication(app, limiter)
        self._n_open: Counter[str] = Counter()

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        try:
            if scope["type"] == "websocket":
                await self._serve_session(scope, receive, send)
                return
            path = scope["path"]
            if path in TOKEN_PATHS:
                await self._authentication(scope, receive, send)
                return
            refusal = await self._refuse(path, scope)
        except FcstError as exc:
            refusal = error_response(exc)
        await (refusal or self.app)(scope, receive, send)

    async def _refuse(self, path: str, scope: Connection) -> Response | None:
        """The response that rejects a request; None if it is allowed."""
        if path.startswith(AGENT):
            return PlainTextResponse("This path does not exist.\n", 404)
        if path == LOGOUT:
            if is_cross_site(Headers(scope=scope)):
                return PlainTextResponse("Sign out on a page of this server.\n", 403)
            if (sign_in := visitor_of(scope).sign_in) is not None:
                await anyio.to_thread.run_sync(sign_ins.end, sign_in)
        needed = Scope.RUN if path.startswith(UPLOADS) else Scope.READ if path.startswith(MEDIA) else None
        if needed is not None and not _may(await visitor_of(scope).actor(), needed):
            return PlainTextResponse(f"Sign in with a role that has the scope {needed}.\n", 403)
        return None

    async def _serve_session(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Serves a session until it ends."""
        visitor = visitor_of(scope)
        actor = await visitor.actor()
        if actor is None:  # Streamlit must not see the cookie of an ended sign-in
            scope = {**scope, "headers": without_user_cookies(scope["headers"])}
        is_known = actor is not None and actor.is_known
        key = f"person {actor.name}" if actor is not None and is_known else f"address {visitor.address}"
        n_unsigned = sum(n for name, n in self._n_open.items() if name.startswith("address "))
        if self._n_open[key] >= (MAX_SESSIONS_PER_USER if is_known else MAX_SESSIONS_PER_ADDRESS) or (
            not is_known and n_unsigned >= MAX_SESSIONS_WITHOUT_SIGN_IN
        ):
            refusal = PlainTextResponse("Too many open pages. Close some tabs of fcst.\n", 429)
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
    """The messages of a session that are allowed."""

    def __init__(self, receive: Receive, visitor: Visitor) -> None:
        self._receive = receive
        self._visitor = visitor

    async def __call__(self) -> Message:
        while True:
            message = await self._receive()
            if message["type"] != "websocket.receive":
                return message
            if message.get("bytes") is None:  # the protocol has binary messages only
                return {"type": "websocket.disconnect", "code": 1003}
            try:
                sent = BackMsg.FromString(message["bytes"])
            except DecodeError:
                return {"type": "websocket.disconnect", "code": 1002}
            actor = await self._actor()
            if not is_allowed(sent, actor):
                continue
            if sent.rerun_script.fragment_id and not _may(actor, Scope.READ):
                # Run the whole page, which shows the sign-in, instead of a fragment.
                sent.rerun_script.fragment_id = ""
                return {**message, "bytes": sent.SerializeToString()}
            return message

    async def _actor(self) -> Actor | None:
        try:
            return await self._visitor.actor()
        except FcstError:  # no visitor has a role while settings cannot be read
            return None


def is_allowed(sent: BackMsg, actor: Actor | None) -> bool:
    """Whether a message of this visitor is allowed.

    Messages for developers (`clear_cache`, `stop_script`, …) need a signed-in administrator.
    """
    kind = sent.WhichOneof("type")
    if kind in ("rerun_script", "app_heartbeat"):
        return True
    if kind == "file_urls_request":
        return _may(actor, Scope.RUN)
    if kind == "backend_operation_request" and sent.backend_operation_request.WhichOneof("payload") in PAGE_REQUESTS:
        return _may(actor, Scope.READ)
    return actor is not None and actor.is_known and actor.may(Scope.ADMIN)


def visitor_of(scope: Connection) -> Visitor:
    """The visitor of a connection, from its cookies and address."""
    address = scope["client"][0] if scope.get("client") else "unknown"
    return Visitor(sign_in_of(HTTPConnection(scope).cookies), address)


def without_user_cookies(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers without the cookies of a sign-in."""

    def rest(value: bytes) -> bytes:
        parts = value.decode("latin-1").split(";")  # Streamlit strips the spaces around names
        return ";".join(part for part in parts if not part.strip().startswith(USER_COOKIE_NAME)).encode("latin-1")

    return [(name, rest(value) if name == b"cookie" else value) for name, value in headers]


def _may(actor: Actor | None, scope: Scope) -> bool:
    return actor is not None and actor.may(scope)
