"""What the server does beside serving pages: have the database and the engine running before the first visitor."""

import logging
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import streamlit as st
from limits.strategies import MovingWindowRateLimiter
from starlette.middleware import Middleware
from streamlit.runtime import get_instance
from streamlit.runtime.pages_manager import PagesManager

from fcst.api.app import routes
from fcst.api.callers import RequestCounts
from fcst.api.request_checks import THIS_MACHINE, Gate
from fcst.errors import ConfigError, FcstError
from fcst.files import PRIVATE_UMASK
from fcst.services import loading, supervision
from fcst.services.signing import signing_secret
from fcst.settings import SECRETS, Settings, load_settings
from fcst.ui import downloads, start, visits
from fcst.ui.connections import limit_connections, raise_file_limit

WATCH_EVERY_S = 5.0
ANY_ADDRESS = ("0.0.0.0", "::")
MESSAGE_MARGIN = 65_536  # bytes of a message beside the state of its widgets

log = logging.getLogger(__name__)


def own_names() -> list[str]:
    """Names of this server that Streamlit's options say."""
    address = str(st.get_option("server.address") or ANY_ADDRESS[0])
    names = [address, *(st.get_option("server.allowedHosts") or [])]
    if address in ANY_ADDRESS:
        names.append(socket.gethostname())
    if (shown := st.get_option("browser.serverAddress")) is not None:
        names.append(str(shown))
    return [name.strip().lower().rstrip(".") for name in names]


_limiter = MovingWindowRateLimiter(RequestCounts())
ROUTES = [*start.ROUTES, *downloads.ROUTES, *routes(_limiter)]
"""What the server answers beside the pages."""
MIDDLEWARE = [
    Middleware(
        Gate,
        max_upload=1_000_000 * int(st.get_option("server.maxUploadSize") or 200),
        names=own_names(),
        large_paths=(visits.UPLOADS,),
    ),
    Middleware(visits.Visits, limiter=_limiter),
]
"""What stands before all of it, Streamlit's own routes as well."""


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    """Starts database and supervisor and looks after them; their failures are told by the pages."""
    # A deep link as the first request of a server would otherwise run pages/*.py without app.py.
    PagesManager.uses_pages_directory = False
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_watch)
        try:
            yield {}
        finally:
            tasks.cancel_scope.cancel()


def check_settings() -> None:
    """Ends the server before it listens where its settings are wrong, or would put all there is on a network.

    That needs a sign-in, or the address's own name in FCST_OPEN_ADDRESS: a flag of Streamlit's alone is no decision.
    """
    os.umask(PRIVATE_UMASK)
    try:
        settings = load_settings()
        _refuse_options(settings)
        _refuse_other_sign_in(settings)
        _refuse_open_address(settings)
    except ConfigError as exc:
        sys.exit(f"{exc.message}\n{exc.hint}")
    raise_file_limit()
    limit_connections(st.get_option("server.maxWidgetStateSize") * 1_048_576 + MESSAGE_MARGIN)


def sign_in_secrets() -> dict[str, Any] | None:
    """The section [auth] for Streamlit, with the secret that fcst made, where secrets.toml has none."""
    settings = load_settings()
    if not settings.has_sign_in or settings.cookie_secret:
        return None
    return {"auth": {**st.secrets["auth"].to_dict(), "cookie_secret": signing_secret()}}


def _refuse_options(settings: Settings) -> None:
    """Options of Streamlit that the rest of the server does not follow."""
    if st.get_option("server.baseUrlPath"):
        raise ConfigError(
            "server.baseUrlPath is set: files and the API would not be below it.",
            "Give fcst a host name of its own at the proxy.",
        )
    if settings.has_sign_in and st.get_option("server.trustedUserHeaders"):
        raise ConfigError(
            "server.trustedUserHeaders is set, and people sign in: a header could give them another name.",
            "Remove the option, or the section [auth].",
        )


def _refuse_other_sign_in(settings: Settings) -> None:
    """Streamlit reads secrets in other places as well: a sign-in that is set up there would guard nothing."""
    if not settings.has_sign_in and st.secrets.load_if_toml_exists() and "auth" in st.secrets:
        raise ConfigError(
            "There is a sign-in in secrets that are not this project's.",
            f"Move [auth] to {SECRETS}, with [roles].",
        )


def _refuse_open_address(settings: Settings) -> None:
    address = str(st.get_option("server.address") or "0.0.0.0")
    if address in THIS_MACHINE or settings.has_sign_in or address == settings.open_address:
        return
    raise ConfigError(
        f"The server would be reached from other machines at {address}, and nobody has to sign in.",
        f"Set up a sign-in (docs/how-to/teams.md), or allow it by name: FCST_OPEN_ADDRESS={address}.",
    )


async def _watch() -> None:
    step = _start
    while True:
        try:
            await anyio.to_thread.run_sync(step, abandon_on_cancel=True)
            step = _keep
        except FcstError as exc:
            log.warning("%s Trying again.", exc)
        except Exception:  # noqa: BLE001  the watch must go on; the log has it
            log.exception("the watch over the database and the supervisor failed")
        _forget_sessions()
        await anyio.sleep(WATCH_EVERY_S)


def _forget_sessions() -> None:
    """Have Streamlit drop the sessions whose browser is gone for good: by itself it does when it stores another one."""
    manager: Any = get_instance()._session_mgr
    manager._session_storage.list()


def _start() -> None:
    supervision.prepare_database()
    supervision.ensure_supervisor()
    loading.discard_old_uploads()


def _keep() -> None:
    supervision.keep_server()
    supervision.keep_alive()
