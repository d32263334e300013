"""The routes of API and monitoring that `app.py` mounts next to the pages."""

from functools import cache
from threading import Lock

import anyio
from limits.strategies import RateLimiter
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fcst.api import monitoring
from fcst.api.authentication import Authentication

_import_lock = Lock()


def prepare_api() -> None:
    """Imports the API, unless it is. A server does so after its start: it takes a third of the time of a first page."""
    _api()


def routes(limiter: RateLimiter) -> list[BaseRoute]:
    """The routes of the API and of monitoring.

    Parameters
    ----------
    limiter
        rate limiter, which counts the requests of each caller.
    """
    authentication = Middleware(Authentication, limiter=limiter)
    return [
        Mount("/api", app=_serve_api, middleware=[authentication]),
        Route("/healthz", monitoring.healthz),
        Route("/readyz", monitoring.readyz),
        Route("/metrics", monitoring.metrics, middleware=[authentication]),
    ]


async def _serve_api(scope: Scope, receive: Receive, send: Send) -> None:
    await (await anyio.to_thread.run_sync(_api))(scope, receive, send)


def _api() -> ASGIApp:
    with _import_lock:
        return _create_api()


@cache
def _create_api() -> ASGIApp:
    from fcst.api.app import create_api

    return create_api()
