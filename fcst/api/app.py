"""The API put together: what `app.py` mounts beside the pages."""

from fastapi import FastAPI, Security
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from limits.strategies import RateLimiter
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route

from fcst import __version__
from fcst.api import (
    adjustments,
    attributes,
    datasets,
    drivers,
    jobs,
    lifecycles,
    monitoring,
    plans,
    scenarios,
    stock,
    worklist,
)
from fcst.api.callers import Callers
from fcst.api.problems import documented, handle_problems

ABOUT = (
    "Weekly demand forecasts. Where people sign in, each request needs a token: `python -m fcst token create NAME`. "
    "Errors are problem+json, with what happened (`detail`) and what to do (`hint`)."
)
_PROBLEMS = documented(
    {
        400: "The body cannot be read",
        401: "No token, or one that does not hold",
        403: "This caller may not do it",
        404: "There is nothing of that name or number",
        408: "The body did not come",
        413: "The body is too large",
        421: "The server is not known by this name",
        422: "The request cannot be used",
        429: "Too many requests",
        500: "It failed; the server's log tells why",
        503: "The database is unreachable",
        507: "A disk of the server is full",
    }
)


def create_api() -> FastAPI:
    api = FastAPIOffline(
        title="fcst",
        version=__version__,
        description=ABOUT,
        root_path_in_servers=False,
        servers=[{"url": "/api"}],
        dependencies=[Security(HTTPBearer(auto_error=False, description="Made by `python -m fcst token create`."))],
        responses=_PROBLEMS,
        redirect_slashes=False,
        redoc_url=None,  # it asks another server for its picture
    )
    for part in (jobs, datasets, drivers, lifecycles, attributes, stock, worklist, adjustments, plans, scenarios):
        api.include_router(part.router)
    handle_problems(api)
    return api


def routes(limiter: RateLimiter) -> list[BaseRoute]:
    """What programs may ask of the server.

    Parameters
    ----------
    limiter
        counts the requests of each caller.
    """
    callers = Middleware(Callers, limiter=limiter)
    api = Mount("/api", app=create_api(), middleware=[callers])
    return [
        api,
        Route("/healthz", monitoring.healthz),
        Route("/readyz", monitoring.readyz),
        Route("/metrics", monitoring.metrics, middleware=[callers]),
    ]
