"""Who comes in: programs with a token; without a sign-in, whoever is on this machine, but no other site's script.

Cookies are never looked at: a browser sends them along whoever wrote the page.
"""

import asyncio
import contextlib
import math
import time
from urllib.parse import urlsplit

import anyio
from limits import RateLimitItem, parse
from limits.strategies import RateLimiter
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fcst.api.problems import of_error, problem
from fcst.errors import FcstError, NotAllowed
from fcst.roles import Actor
from fcst.services import identity
from fcst.services.supervision import prepare_database
from fcst.services.tokens import check_token
from fcst.settings import load_settings

MAX_BODY = 5_000_000
"""Bytes of a request that is no upload."""
WAIT_S = 20.0
OPEN_PATHS = ("/api/docs", "/api/openapi.json", "/api/static-offline-docs/")
"""What tells of the API and nothing of the data."""
UPLOAD_PATH = "/api/datasets"
THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


class Gate:
    """Middleware around everything that programs may ask.

    Parameters
    ----------
    limiter
        counts the requests of each caller.
    max_upload
        bytes of an upload.
    wait_s
        that may pass before the next piece of a body comes.
    """

    def __init__(self, app: ASGIApp, limiter: RateLimiter, max_upload: int, wait_s: float = WAIT_S) -> None:
        self.app = app
        self.max_upload = max_upload
        self.wait_s = wait_s
        self._limiter = limiter
        self._held: set[int] = set()
        self._is_prepared = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            actor, refusal = await self._judge(scope, headers)
        except FcstError as exc:
            actor, refusal = None, of_error(exc)
        limit = self.max_upload if _is_upload(scope, headers) else MAX_BODY
        if refusal is None and _length(headers) > limit:
            refusal = problem(413, f"The request is larger than {limit:,} bytes.", "Send less at once.")
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            with contextlib.nullcontext() if actor is None else identity.acting_as(actor):
                await self.app(scope, _Body(receive, limit, self.wait_s), answer)
        except Exception:  # noqa: BLE001  raised again though it was answered, it would end the connection
            if not answer.is_whole:
                raise

    async def _judge(self, scope: Scope, headers: Headers) -> tuple[Actor | None, Response | None]:
        """Who calls, and why they are refused; neither, where nothing but the documentation is asked for."""
        actor, refusal = None, refuse_place(headers)
        place = f"at {scope['client'][0] if scope.get('client') else 'unknown'}"
        n, span = load_settings().api_rate
        rate = parse(f"{n}/{span}")
        credentials = hash(headers.get("authorization", ""))
        # Guessing has a limit as well; a token that held the last time is not to suffer from who else is there.
        if credentials not in self._held and not self._limiter.test(rate, place):
            return None, self._too_many(rate, place)
        if refusal is None:
            try:
                actor = await self._caller(scope, headers)
                if actor is not None and actor.is_known:
                    self._held.add(credentials)
            except NotAllowed as exc:
                self._held.discard(credentials)
                refusal = problem(401, exc.message, exc.hint, {"WWW-Authenticate": "Bearer"})
        caller = actor.name if actor is not None and actor.is_known else place
        return actor, refusal if self._limiter.hit(rate, caller) else self._too_many(rate, caller)

    async def _caller(self, scope: Scope, headers: Headers) -> Actor | None:
        """Who calls; None where nothing but the documentation is asked for."""
        if any(scope["path"].startswith(path) for path in OPEN_PATHS):
            return None
        if not self._is_prepared:  # a server answers before its database is up
            await anyio.to_thread.run_sync(prepare_database)
            self._is_prepared = True
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and token:
            return await anyio.to_thread.run_sync(check_token, token.strip())
        if kind:
            raise NotAllowed("This is no bearer token.", "Send the header `Authorization: Bearer TOKEN`.")
        if load_settings().has_sign_in:
            raise NotAllowed("A token is needed.", "Send the header `Authorization: Bearer TOKEN`.")
        return identity.operator()

    def _too_many(self, rate: RateLimitItem, caller: str) -> Response:
        wait_s = max(1, math.ceil(self._limiter.get_window_stats(rate, caller).reset_time - time.time()))
        told = f"More than {rate.amount:,} requests in a {rate.GRANULARITY.name}."
        return problem(429, told, f"Try again in {wait_s} s.", {"Retry-After": str(wait_s)})


def refuse_place(headers: Headers) -> Response | None:
    """A script of another site is let in by no browser's user; nor is a name that was made to lead here."""
    settings = load_settings()
    host = headers.get("host", "")
    origin = headers.get("origin")
    if origin is not None and (not host or origin.partition("://")[2] != host):
        return problem(403, f"Pages of {origin[:200]} may not use this API.", "Call it from a program.")
    is_foreign = headers.get("sec-fetch-site", "none") not in ("same-origin", "none")
    if is_foreign and headers.get("sec-fetch-mode") != "navigate":
        return problem(403, "Pages of other sites may not use this API.", "Call it from a program.")
    is_open = settings.has_sign_in or settings.open_address is not None
    if not is_open and _hostname(host) not in THIS_MACHINE:
        return problem(421, "This server is known by another name.", "Call it as localhost, or set up a sign-in.")
    return None


class _Answer:
    """The way of the answer, which tells whether it is whole."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_whole = False

    async def __call__(self, message: Message) -> None:
        await self._send(message)
        self.is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)


class _Body:
    """The request's body, which may neither be larger than allowed nor keep us waiting."""

    def __init__(self, receive: Receive, limit: int, wait_s: float) -> None:
        self._receive = receive
        self._limit = limit
        self._wait_s = wait_s
        self._n = 0
        self._is_whole = False

    async def __call__(self) -> Message:
        if self._is_whole:  # what comes after the body is the end of the connection, whenever that is
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._wait_s)
        except TimeoutError:
            raise HTTPException(408, f"Nothing came for {self._wait_s:g} s.") from None
        self._n += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._n > self._limit:
            raise HTTPException(413, f"The request is larger than {self._limit:,} bytes.")
        return message


def _is_upload(scope: Scope, headers: Headers) -> bool:
    """Whether the body goes to the disk as it comes; any other is held in memory."""
    is_there = scope["method"] == "POST" and scope["path"] == UPLOAD_PATH
    return is_there and headers.get("content-type", "").startswith("multipart/form-data")


def _length(headers: Headers) -> int:
    value = headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() else 0


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
