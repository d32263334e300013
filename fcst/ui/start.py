"""First page of a visit: Forecasts if a run has any, otherwise Home."""

import anyio.to_thread
import streamlit as st
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from fcst.errors import FcstError
from fcst.services import jobs

HOME, FORECASTS = "home", "forecasts"


def first_page() -> str:
    """Returns the path of the first page; Home while the database is unreachable."""
    try:
        return FORECASTS if jobs.has_forecasts() else HOME
    except FcstError:
        return HOME


async def _redirect(request: Request) -> Response:
    path = await anyio.to_thread.run_sync(first_page)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/{path}{query}", headers={"Cache-Control": "no-store"})


ROUTES = [Route("/", _redirect)]
"""The server redirects `/`, so that no redirecting page is in the browser's history."""


def open_first_page() -> None:
    """The page at `/`, for navigation within the app."""
    st.switch_page(f"pages/{first_page()}.py")
