"""Who calls the API: programs with a token; where people do not sign in, the user of this machine.

Cookies are never looked at: a browser sends them along whoever wrote the page.
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

from fcst.api.problems import of_error, problem
from fcst.errors import FcstError, NotAllowed
from fcst.roles import Actor
from fcst.services import identity
from fcst.services.supervision import prepare_database
from fcst.services.tokens import check_token
from fcst.settings import load_settings

OPEN_PATHS = ("/api/docs", "/api/openapi.json", "/api/static-offline-docs/")
"""What tells of the API and nothing of the data."""


class RequestCounts(MemoryStorage):
    """The requests of callers, in memory; forgotten where the wall clock, by which they are kept, is set back.

    They would lie in the future, and refuse their callers until the clock is there again.
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


class Callers:
    """Middleware around everything that programs may ask.

    Parameters
    ----------
    limiter
        counts the requests of each caller.
    """

    def __init__(self, app: ASGIApp, limiter: RateLimiter) -> None:
        self.app = app
        self._limiter = limiter
        self._held: set[int] = set()
        self._is_prepared = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            actor, refusal = await self._check(scope, Headers(scope=scope))
        except FcstError as exc:
            actor, refusal = None, of_error(exc)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        with contextlib.nullcontext() if actor is None else identity.acting_as(actor):
            await self.app(scope, receive, send)

    async def _check(self, scope: Scope, headers: Headers) -> tuple[Actor | None, Response | None]:
        """Who calls, and why they are refused; neither, where nothing but the documentation is asked for."""
        actor: Actor | None = None
        refusal: Response | None = None
        place = f"at {scope['client'][0] if scope.get('client') else 'unknown'}"
        n, span = load_settings().api_rate
        rate = parse(f"{n}/{span}")
        credentials = hash(headers.get("authorization", ""))
        # Guessing has a limit as well; a token that held the last time is not to suffer from who else is there.
        if credentials not in self._held and not self._limiter.test(rate, place):
            return None, self._too_many(rate, place)
        try:
            actor = await self._caller(scope, headers)
            if actor is not None and actor.is_known:
                self._held.add(credentials)
        except NotAllowed as exc:
            self._held.discard(credentials)
            refusal = problem(401, exc.message, exc.hint, {"WWW-Authenticate": "Bearer"})
        caller = actor.own_key if actor is not None and actor.is_known else place
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
