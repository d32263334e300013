"""Checks of every HTTP request and websocket: origin, host name, body size and body timeout; security headers.

Rejects cross-site requests and foreign Host headers, limits the size and duration of a body, and adds headers against
framing to each response. Authentication comes later, in `authentication.py` for the API and in
`fcst/ui/access_control.py` for the pages.
"""

import asyncio
import re
from collections.abc import Collection
from fnmatch import fnmatchcase

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fcst.api.problems import error_response, problem
from fcst.errors import FcstError
from fcst.settings import load_settings

MAX_BODY = 5_000_000
"""Maximum bytes of a request that is not an upload."""
WAIT_S = 20.0
UPLOAD_PATHS = re.compile(r"/api/(datasets|jobs/[0-9]{1,40}/plan)")
THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
FRAMES = ("frame", "iframe", "embed", "object", "fencedframe")
SAFE_HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # URLs of files contain signatures
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?)(?::\d{1,5})?", re.IGNORECASE)


class Gate:
    """Middleware around all routes of the server.

    Parameters
    ----------
    max_upload
        maximum bytes of an upload through the API.
    names
        further host names of this server, besides local names and FCST_HOSTS; `*.shop.example` matches all subdomains.
    large_paths
        path prefixes without a size limit here, because their routes limit the size.
    wait_s
        timeout in seconds for the next part of a body.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_upload: int,
        names: Collection[str] = (),
        large_paths: tuple[str, ...] = (),
        wait_s: float = WAIT_S,
    ) -> None:
        self.app = app
        self.max_upload = max_upload
        self.names = names
        self.large_paths = large_paths
        self.wait_s = wait_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        response = _Response(send)
        try:
            refusal = self._refuse(scope, headers)
        except FcstError as exc:
            refusal = error_response(exc)
        if refusal is not None:
            await refusal(scope, receive, response)
        elif scope["type"] == "websocket":
            await self.app(scope, receive, response)
        else:
            try:
                await self.app(scope, _Body(receive, self._limit(scope, headers), self.wait_s), response)
            except Exception:  # noqa: BLE001  once the response is complete, raising would only close the connection
                if not response.is_complete:
                    raise

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        """The response if the request is rejected; None if it passes."""
        if not scope["path"].isprintable():  # a route regex stops at a line break, a string comparison does not
            return _refusal(scope, 400, "The path contains a control character.", "Remove it.")
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        host = hosts[0] if len(hosts) == 1 else ""
        if any(not host or origin.partition("://")[2] != host for origin in origins):
            detail = f"Requests from pages of {origins[0][:200]} are not allowed."
            return _refusal(scope, 403, detail, "Use the pages of this server.")
        is_foreign = is_cross_site(headers)
        is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") not in FRAMES
        if is_foreign and not is_link:
            return _refusal(scope, 403, "Cross-site requests are not allowed.", "Use the pages of this server.")
        if not self._is_known(host, scope):
            return _refusal(
                scope,
                421,
                "Unknown host name.",
                "Use a host name of this server, such as localhost, or add this name to FCST_HOSTS.",
            )
        if scope["type"] == "http" and _length(headers) > (limit := self._limit(scope, headers)):
            return _refusal(scope, 413, f"The request is larger than {limit:,} bytes.", "Send a smaller request.")
        return None

    def _is_known(self, host: str, scope: Scope) -> bool:
        """Whether a host name belongs to the server. The IP address of the connection is accepted: DNS rebinding can
        point a foreign name here, but not change the address.
        """
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = (found[1] or found[2]).lower()
        if name in THIS_MACHINE or name == (scope.get("server") or ("", 0))[0]:
            return True
        return any(fnmatchcase(name, known) for known in (*self.names, *load_settings().hosts))

    def _limit(self, scope: Scope, headers: Headers) -> float:
        """Maximum bytes of the body. A body that is not streamed to disk is held in memory."""
        if scope["path"].startswith(self.large_paths) and self.large_paths:
            return float("inf")
        is_upload = headers.get("content-type", "").startswith("multipart/form-data")
        is_there = scope["method"] == "POST" and UPLOAD_PATHS.fullmatch(scope["path"])
        return self.max_upload if is_there and is_upload else MAX_BODY


def is_cross_site(headers: Headers) -> bool:
    """Whether the browser's Sec-Fetch-Site header marks a request as cross-site."""
    return not set(headers.getlist("sec-fetch-site")) <= {"same-origin", "none"}


def _refusal(scope: Scope, status: int, detail: str, hint: str) -> Response:
    """The response of a rejected request: problem+json for the API, plain text for a browser."""
    if scope["path"].startswith("/api") or scope["path"] == "/metrics":
        return problem(status, detail, hint)
    return PlainTextResponse(f"{detail} {hint}\n", status)


class _Response:
    """Sends a response with the security headers, and records when it is complete."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_complete = False

    async def __call__(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            for name in [name for name in headers if name.startswith("access-control-")]:
                del headers[name]  # Streamlit sets them for its development server
            for name, value in SAFE_HEADERS.items():
                headers.setdefault(name, value)
            message = {**message, "headers": headers.raw}
        await self._send(message)
        self.is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)


class _Body:
    """Receives the request's body; enforces the size limit and the timeout."""

    def __init__(self, receive: Receive, limit: float, wait_s: float) -> None:
        self._receive = receive
        self._limit = limit
        self._wait_s = wait_s
        self._n = 0
        self._is_complete = False

    async def __call__(self) -> Message:
        if self._is_complete:  # after the body only the disconnect follows, without a timeout
            return await self._receive()
        try:
            async with asyncio.timeout(self._wait_s):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, f"No data received for {self._wait_s:g} s.") from None
        self._n += len(message.get("body", b""))
        self._is_complete = not message.get("more_body", False)
        if self._n > self._limit:
            raise HTTPException(413, f"The request is larger than {self._limit:,} bytes.")
        return message


def _length(headers: Headers) -> int:
    value = headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else 0
