"""Assembly of the API from its parts. `fcst.api.routes` imports it with its first request."""

from fastapi import FastAPI, Security
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline

from fcst import __version__
from fcst.api import (
    adjustments,
    attributes,
    datasets,
    drivers,
    jobs,
    lifecycles,
    plans,
    publishing,
    scenarios,
    sources,
    stock,
    worklist,
)
from fcst.api.problem_handlers import handle_problems, problem_responses

ABOUT = (
    "Weekly demand forecasts. If sign-in is enabled, each request needs a token: `python -m fcst token create NAME`. "
    "Errors are problem+json, with what happened (`detail`) and what to do (`hint`)."
)
_PROBLEMS = problem_responses(
    {
        400: "The body cannot be read",
        401: "The token is missing or invalid",
        403: "The caller does not have permission",
        404: "The object does not exist",
        408: "The body was not received in time",
        413: "The body is too large",
        421: "Unknown host name",
        422: "The request is invalid",
        429: "Too many requests",
        500: "Internal error; see the server log",
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
        dependencies=[Security(HTTPBearer(auto_error=False, description="From `python -m fcst token create`."))],
        responses=_PROBLEMS,
        redirect_slashes=False,
        redoc_url=None,  # it loads its logo from another server
    )
    for part in (
        jobs,
        datasets,
        sources,
        drivers,
        lifecycles,
        attributes,
        stock,
        worklist,
        adjustments,
        plans,
        publishing,
        scenarios,
    ):
        api.include_router(part.router)
    handle_problems(api)
    return api
