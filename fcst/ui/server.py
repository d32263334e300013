"""ASGI setup of the Streamlit server: routes, middleware, start-up checks, and supervision of database and engine."""

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

from fcst.api.authentication import RequestCounts
from fcst.api.request_checks import THIS_MACHINE, Gate
from fcst.api.routes import prepare_api, routes
from fcst.errors import ConfigError, FcstError
from fcst.files import PRIVATE_UMASK
from fcst.services import loading, supervision
from fcst.services.signing import signing_secret
from fcst.settings import SECRETS, Settings, load_settings
from fcst.ui import access_control, downloads, start, streamlit_internals
from fcst.ui.connections import limit_connections, raise_file_limit

WATCH_EVERY_S = 5.0
ANY_ADDRESS = ("0.0.0.0", "::")
MESSAGE_MARGIN = 65_536  # bytes of a message in addition to its widget state

log = logging.getLogger(__name__)


def server_names() -> list[str]:
    """Host names of this server from Streamlit's options."""
    address = str(st.get_option("server.address") or ANY_ADDRESS[0])
    names = [address, *(st.get_option("server.allowedHosts") or [])]
    if address in ANY_ADDRESS:
        names.append(socket.gethostname())
    if (shown := st.get_option("browser.serverAddress")) is not None:
        names.append(str(shown))
    return [name.strip().lower().rstrip(".") for name in names]


_limiter = MovingWindowRateLimiter(RequestCounts())
ROUTES = [*start.ROUTES, *downloads.ROUTES, *routes(_limiter)]
"""Routes in addition to the pages."""
MIDDLEWARE = [
    Middleware(
        Gate,
        max_upload=1_000_000 * int(st.get_option("server.maxUploadSize") or 200),
        names=server_names(),
        large_paths=(streamlit_internals.UPLOADS,),
    ),
    Middleware(access_control.AccessControl, limiter=_limiter),
]
"""Middleware of all routes, including Streamlit's own."""


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    """Starts database and supervisor and restarts them; pages show their failures."""
    streamlit_internals.use_navigation()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_watch)
        try:
            yield {}
        finally:
            tasks.cancel_scope.cancel()


def check_settings() -> None:
    """Exits before the server listens if settings are wrong, or if it would be open to a network without sign-in.

    An address other than localhost needs a sign-in, or the same address in FCST_OPEN_ADDRESS; Streamlit's option
    alone is not enough.
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
    """The section [auth] for Streamlit with a cookie secret made by fcst, if secrets.toml has none."""
    settings = load_settings()
    if not settings.has_sign_in or settings.cookie_secret:
        return None
    return {"auth": {**st.secrets["auth"].to_dict(), "cookie_secret": signing_secret()}}


def _refuse_options(settings: Settings) -> None:
    """Refuses Streamlit options that fcst does not support."""
    if st.get_option("server.baseUrlPath"):
        raise ConfigError(
            "server.baseUrlPath is set, but downloads and the API do not support it.",
            "Remove the option, and give fcst its own host name at the proxy.",
        )
    if settings.has_sign_in and st.get_option("server.trustedUserHeaders"):
        raise ConfigError(
            "server.trustedUserHeaders and a sign-in are both set: a header could replace the name of a user.",
            "Remove the option, or the section [auth].",
        )


def _refuse_other_sign_in(settings: Settings) -> None:
    """Refuses a sign-in in other secrets files that Streamlit reads: fcst would not enforce it."""
    if not settings.has_sign_in and st.secrets.load_if_toml_exists() and "auth" in st.secrets:
        raise ConfigError(
            "Another secrets.toml, outside this project, has a section [auth]. fcst does not use it.",
            f"Move [auth] to {SECRETS}, with [roles].",
        )


def _refuse_open_address(settings: Settings) -> None:
    address = str(st.get_option("server.address") or "0.0.0.0")
    if address in THIS_MACHINE or settings.has_sign_in or address == settings.open_address:
        return
    raise ConfigError(
        f"At {address} the server can be reached from other machines without a sign-in.",
        f"Set up a sign-in (docs/how-to/teams.md), or allow it: FCST_OPEN_ADDRESS={address}.",
    )


async def _watch() -> None:
    step = _start
    while True:
        try:
            await anyio.to_thread.run_sync(step, abandon_on_cancel=True)
            step = _maintain
        except FcstError as exc:
            log.warning("%s Retrying.", exc)
        except Exception:  # noqa: BLE001  logged; supervision must continue
            log.exception("supervision of database and supervisor failed")
        streamlit_internals.drop_expired_sessions()
        await anyio.sleep(WATCH_EVERY_S)


def _start() -> None:
    supervision.prepare_database()
    supervision.ensure_supervisor()
    loading.discard_old_uploads()


def _maintain() -> None:
    supervision.ensure_embedded_server()
    supervision.restart_crashed_supervisor()
    prepare_api()
