"""Authentication and rate limits of the API: bearer tokens; without sign-in, the local operator.

Cookies are ignored, because a browser also sends them with requests from other sites' pages (CSRF).
"""

import contextlib
import math
import time

import anyio
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import RateLimiter
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from fcst.api.problems import error_response, problem
from fcst.errors import FcstError, NotAllowed
from fcst.roles import Actor
from fcst.services import identity
from fcst.services.supervision import prepare_database
from fcst.services.tokens import check_token
from fcst.settings import load_settings

OPEN_PATHS = ("/api/docs", "/api/openapi.json", "/api/static-offline-docs/")
"""Paths of the API documentation, which need no token."""


class RequestCounts(MemoryStorage):
    """In-memory request counts for the rate limiter; reset when the wall clock is set back.

    Otherwise their timestamps would be in the future and block callers until the clock passes them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._read_at = time.time()

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        self._read_clock()
        return super().acquire_entry(key, limit, expiry, amount)

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        self._read_clock()
        return super().get_moving_window(key, limit, expiry)

    def _read_clock(self) -> None:
        before, self._read_at = self._read_at, time.time()
        if self._read_at < before:
            self.reset()


class Authentication:
    """Middleware that authenticates API requests and limits their rate.

    Parameters
    ----------
    limiter
        rate limiter, which counts the requests of each caller.
    """

    def __init__(self, app: ASGIApp, limiter: RateLimiter) -> None:
        self.app = app
        self._limiter = limiter
        self._valid: set[int] = set()
        self._is_prepared = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            actor, refusal = await self._check(scope, Headers(scope=scope))
        except FcstError as exc:
            actor, refusal = None, error_response(exc)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        with contextlib.nullcontext() if actor is None else identity.acting_as(actor):
            await self.app(scope, receive, send)

    async def _check(self, scope: Scope, headers: Headers) -> tuple[Actor | None, Response | None]:
        """Returns the caller, and a response if the request is rejected. For the documentation both are None."""
        actor: Actor | None = None
        refusal: Response | None = None
        address = f"at {scope['client'][0] if scope.get('client') else 'unknown'}"
        n, span = load_settings().api_rate
        rate = parse(f"{n}/{span}")
        credentials = hash(headers.get("authorization", ""))
        # Limit token guessing by address. Known valid tokens are not affected by other callers at the same address.
        if credentials not in self._valid and not self._limiter.test(rate, address):
            return None, self._too_many(rate, address)
        try:
            actor = await self._caller(scope, headers)
            if actor is not None and actor.is_known:
                self._valid.add(credentials)
        except NotAllowed as exc:
            self._valid.discard(credentials)
            refusal = problem(401, exc.message, exc.hint, {"WWW-Authenticate": "Bearer"})
        caller = actor.own_key if actor is not None and actor.is_known else address
        return actor, refusal if self._limiter.hit(rate, caller) else self._too_many(rate, caller)

    async def _caller(self, scope: Scope, headers: Headers) -> Actor | None:
        """Returns the caller; None for the documentation."""
        if any(scope["path"].startswith(path) for path in OPEN_PATHS):
            return None
        if not self._is_prepared:  # the server starts before its database
            await anyio.to_thread.run_sync(prepare_database)
            self._is_prepared = True
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and token:
            return await anyio.to_thread.run_sync(check_token, token.strip())
        if kind:
            raise NotAllowed("The request has no bearer token.", "Send the header `Authorization: Bearer TOKEN`.")
        if load_settings().has_sign_in:
            raise NotAllowed("A token is required.", "Send the header `Authorization: Bearer TOKEN`.")
        return identity.operator()

    def _too_many(self, rate: RateLimitItem, caller: str) -> Response:
        wait_s = max(1, math.ceil(self._limiter.get_window_stats(rate, caller).reset_time - time.time()))
        detail = f"More than {rate.amount:,} requests per {rate.GRANULARITY.name}."
        return problem(429, detail, f"Try again in {wait_s} s.", {"Retry-After": str(wait_s)})
