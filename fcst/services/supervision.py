"""Getting the engine going: the database ready, a supervisor alive."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from fcst import presence
from fcst.errors import ConfigError, DatabaseAway
from fcst.settings import PROJECT, child_environment, load_settings
from fcst.store.database import connect_kwargs
from fcst.store.migrate import migrate

START_LIMIT_S = 30.0
AWAY_LIMIT_S = 60.0

T = TypeVar("T")


def prepare_database() -> list[str]:
    """Starts the embedded server if it is the one in use, and brings the schema up to date; names what it applied."""
    connect_kwargs()
    return migrate()


def ensure_supervisor() -> None:
    """Has a supervisor look at the work now: wakes the living one, or starts one and does not wait for its imports.

    Raises
    ------
    ConfigError
        if it ends at once, with the place of its log.
    """
    settings = load_settings()
    path = presence.lock_path(settings)
    deadline = time.monotonic() + START_LIMIT_S
    while (state := presence.holder(path)) is not None and state.get("is_leaving") and time.monotonic() < deadline:
        time.sleep(0.05)  # it has looked for work for the last time; its lock is free in a moment
    if state is not None:
        presence.wake(path)
        return
    if settings.is_worker_external:
        return
    log = settings.logs / "supervisor.log"
    try:
        settings.logs.mkdir(parents=True, exist_ok=True)
        out = log.open("ab")
    except OSError as exc:
        hint = "Set FCST_HOME to a folder that can be written."
        raise ConfigError(f"The log {log} cannot be written: {exc.strerror}.", hint) from exc
    with out:
        process = subprocess.Popen(
            [sys.executable, "-m", "fcst", "worker"],
            cwd=PROJECT,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the end of this process, or its terminal, is not the supervisor's
        )
    threading.Thread(target=process.wait, daemon=True).start()  # or it would stay as a zombie of ours when it ends
    while presence.holder(path) is None and time.monotonic() < deadline:
        if process.poll() is not None and presence.holder(path) is None and process.returncode != 0:
            raise ConfigError("The supervisor ended as soon as it was started.", f"{log} tells why.")
        time.sleep(0.02)


def patiently(read: Callable[[], T]) -> T:
    """What `read` returns; while the database is away it is asked again, for a minute."""
    deadline = time.monotonic() + AWAY_LIMIT_S
    while True:
        try:
            return read()
        except DatabaseAway:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def keep_alive() -> None:
    """What those who wait do now and then: a crashed supervisor is replaced. Asks no database.

    A supervisor that left because nothing was to do is not replaced.
    """
    settings = load_settings()
    if not settings.is_worker_external and presence.has_crashed(presence.lock_path(settings)):
        ensure_supervisor()


def keep_server() -> None:
    """What the app does now and then: the embedded server, if it is the one in use, and its guard are brought back."""
    if load_settings().database_url is None:
        connect_kwargs()
