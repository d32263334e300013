"""The one gate before every request and every websocket of the server, whichever route they ask for.

It answers under the server's own names only, refuses what pages of other sites send, limits the size of a body and the
time it may take, and says in each answer that no other site may frame it. Who asks, and what they may do, is decided
behind it: for programs by `callers`, for people by `fcst/ui/visits.py`.
"""

import asyncio
import re
from collections.abc import Collection
from fnmatch import fnmatchcase

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fcst.api.problems import of_error, problem
from fcst.errors import FcstError
from fcst.settings import load_settings

MAX_BODY = 5_000_000
"""Bytes of a request that is no upload."""
WAIT_S = 20.0
UPLOAD_PATHS = re.compile(r"/api/(datasets|jobs/[0-9]{1,40}/plan)")
THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
FRAMES = ("frame", "iframe", "embed", "object", "fencedframe")
SAFE_HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # the addresses of files hold signatures
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?)(?::\d{1,5})?", re.IGNORECASE)


class Gate:
    """Middleware around everything that the server answers.

    Parameters
    ----------
    max_upload
        bytes of an upload through the API.
    names
        of this server besides those of this machine and of the settings; `*.shop.example` stands for all below it.
    large_paths
        beginnings of paths whose own code limits the size of what is put there.
    wait_s
        seconds that may pass before the next piece of a body comes.
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
        answer = _Answer(send)
        try:
            refusal = self._refuse(scope, headers)
        except FcstError as exc:
            refusal = of_error(exc)
        if refusal is not None:
            await refusal(scope, receive, answer)
        elif scope["type"] == "websocket":
            await self.app(scope, receive, answer)
        else:
            try:
                await self.app(scope, _Body(receive, self._limit(scope, headers), self.wait_s), answer)
            except Exception:  # noqa: BLE001  raised again though it was answered, it would end the connection
                if not answer.is_whole:
                    raise

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        """Why this is not answered; None where it is."""
        if not scope["path"].isprintable():  # routes end at a line break, paths that are compared with do not
            return _refusal(scope, 400, "The address has a control character.", "Remove it.")
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        host = hosts[0] if len(hosts) == 1 else ""
        if any(not host or origin.partition("://")[2] != host for origin in origins):
            return _refusal(scope, 403, f"Pages of {origins[0][:200]} may not use this server.", "Open its own pages.")
        is_foreign = is_from_elsewhere(headers)
        is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") not in FRAMES
        if is_foreign and not is_link:
            return _refusal(scope, 403, "Pages of other sites may not use this server.", "Open its own pages.")
        if not self._is_known(host, scope):
            return _refusal(
                scope,
                421,
                "This server is not known by this name.",
                "Use a name of its own, such as localhost, or have this one added to FCST_HOSTS.",
            )
        if scope["type"] == "http" and _length(headers) > (limit := self._limit(scope, headers)):
            return _refusal(scope, 413, f"The request is larger than {limit:,} bytes.", "Send less at once.")
        return None

    def _is_known(self, host: str, scope: Scope) -> bool:
        """Whether this is a name of the server. The address at which the request arrived is one: a name can be made to
        lead here, an address cannot.
        """
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = (found[1] or found[2]).lower()
        if name in THIS_MACHINE or name == (scope.get("server") or ("", 0))[0]:
            return True
        return any(fnmatchcase(name, known) for known in (*self.names, *load_settings().hosts))

    def _limit(self, scope: Scope, headers: Headers) -> float:
        """Bytes that the body may have. What does not go to the disk as it comes is held in memory."""
        if scope["path"].startswith(self.large_paths) and self.large_paths:
            return float("inf")
        is_upload = headers.get("content-type", "").startswith("multipart/form-data")
        is_there = scope["method"] == "POST" and UPLOAD_PATHS.fullmatch(scope["path"])
        return self.max_upload if is_there and is_upload else MAX_BODY


def is_from_elsewhere(headers: Headers) -> bool:
    """Whether a browser says that a page of another site had this sent."""
    return not set(headers.getlist("sec-fetch-site")) <= {"same-origin", "none"}


def _refusal(scope: Scope, status: int, detail: str, hint: str) -> Response:
    """The answer to a program as it reads all others, and to a browser in words."""
    if scope["path"].startswith("/api") or scope["path"] == "/metrics":
        return problem(status, detail, hint)
    return PlainTextResponse(f"{detail} {hint}\n", status)


class _Answer:
    """Sends an answer with the headers that all answers have, and records when it is whole."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_whole = False

    async def __call__(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            for name in [name for name in headers if name.startswith("access-control-")]:
                del headers[name]  # Streamlit gives them to its development server
            for name, value in SAFE_HEADERS.items():
                headers.setdefault(name, value)
            message = {**message, "headers": headers.raw}
        await self._send(message)
        self.is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)


class _Body:
    """The request's body, which may neither be larger than allowed nor keep us waiting."""

    def __init__(self, receive: Receive, limit: float, wait_s: float) -> None:
        self._receive = receive
        self._limit = limit
        self._wait_s = wait_s
        self._n = 0
        self._is_whole = False

    async def __call__(self) -> Message:
        if self._is_whole:  # what comes after the body is the end of the connection, whenever that is
            return await self._receive()
        try:
            async with asyncio.timeout(self._wait_s):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, f"Nothing came for {self._wait_s:g} s.") from None
        self._n += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._n > self._limit:
            raise HTTPException(413, f"The request is larger than {self._limit:,} bytes.")
        return message


def _length(headers: Headers) -> int:
    value = headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else 0
