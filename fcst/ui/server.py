"""What the server does beside serving pages: have the database and the engine running before the first visitor."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from fcst.api.app import routes
from fcst.errors import FcstError
from fcst.services import loading, supervision
from fcst.ui import downloads

WATCH_EVERY_S = 5.0
ROUTES = [*downloads.ROUTES, *routes(max_upload=1_000_000 * int(st.get_option("server.maxUploadSize") or 200))]
"""What the server answers beside the pages."""

log = logging.getLogger(__name__)


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
        await anyio.sleep(WATCH_EVERY_S)


def _start() -> None:
    supervision.prepare_database()
    supervision.ensure_supervisor()
    loading.discard_old_uploads()


def _keep() -> None:
    supervision.keep_server()
    supervision.keep_alive()
