"""Where a visit begins: with the forecasts, once there are some; else on Home."""

import anyio.to_thread
import streamlit as st
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from fcst.errors import FcstError
from fcst.services import jobs

HOME, FORECASTS = "home", "forecasts"


def first_page() -> str:
    """The path of the page that a visit begins with; Home too while the database is away."""
    try:
        return FORECASTS if jobs.has_forecasts() else HOME
    except FcstError:
        return HOME


async def _lead(request: Request) -> Response:
    path = await anyio.to_thread.run_sync(first_page)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/{path}{query}", headers={"Cache-Control": "no-store"})


ROUTES = [Route("/", _lead)]
"""The address without a page is answered by the server: a page that leads on would be one to go back to."""


def lead_on() -> None:
    """The page at that address, for who comes there within the app."""
    st.switch_page(f"pages/{first_page()}.py")
