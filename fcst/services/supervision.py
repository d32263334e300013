"""Start-up of the database and of the supervisor."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fcst import logs, supervisor_lock
from fcst.errors import ConfigError, DatabaseUnreachable, FcstError
from fcst.files import open_private, private_folder
from fcst.settings import PROJECT, child_environment, load_settings
from fcst.store import database
from fcst.store.database import connect_kwargs, server_version
from fcst.store.migrate import migrate

START_LIMIT_S = 30.0
AWAY_LIMIT_S = 60.0

T = TypeVar("T")


@dataclass(frozen=True)
class Upgrade:
    """Progress of a schema migration, in steps of similar size."""

    name: str
    done: int
    total: int

    def __str__(self) -> str:
        return f"Upgrading the database: {self.name.replace('_', ' ')}, step {self.done + 1:,} of {self.total:,}"


_upgrade: Upgrade | None = None


def prepare_database(on_progress: Callable[[Upgrade], None] | None = None) -> list[str]:
    """Starts the embedded server if it is in use, and migrates the schema; returns the applied migrations."""

    def note(name: str, done: int, total: int) -> None:
        global _upgrade
        _upgrade = Upgrade(name, done, total)
        if on_progress is not None:
            on_progress(_upgrade)

    global _upgrade
    connect_kwargs()
    try:
        return migrate(note)
    finally:
        _upgrade = None


def current_upgrade() -> Upgrade | None:
    """Progress of a migration that runs in this process; None if none runs."""
    return _upgrade


def ensure_supervisor() -> None:
    """Wakes the running supervisor, or starts one without waiting for its imports.

    Raises
    ------
    ConfigError
        if the supervisor exits at once; the message has the reason and the hint the log path.
    """
    settings = load_settings()
    path = supervisor_lock.lock_path(settings)
    deadline = time.monotonic() + START_LIMIT_S
    state = supervisor_lock.holder(path)
    while state is not None and state.get("is_leaving") and time.monotonic() < deadline:
        time.sleep(0.05)  # it exits without looking for work again and releases its lock soon
        state = supervisor_lock.holder(path)
    if state is not None:
        supervisor_lock.wake(path)
        return
    if settings.is_worker_external:
        return
    log = log_path()
    err = log.with_suffix(".err")
    try:
        private_folder(settings.logs, settings.home)
        n_before = log.stat().st_size if log.exists() else 0
        out = open_private(str(err), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC)
    except OSError as exc:
        hint = "Set FCST_HOME to a folder that can be written."
        raise ConfigError(f"The log {err} cannot be written: {exc.strerror}.", hint) from exc
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "fcst", "worker", "--log", str(log)],
            cwd=PROJECT,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,  # output before the log is open, and of an interpreter crash
            start_new_session=True,  # the supervisor outlives this process and its terminal
        )
    finally:
        os.close(out)
    threading.Thread(target=process.wait, daemon=True).start()  # reaps the process, so that it does not stay a zombie
    while supervisor_lock.holder(path) is None and time.monotonic() < deadline:
        if process.poll() is not None and supervisor_lock.holder(path) is None and process.returncode != 0:
            raise _ended_at_once(log, n_before, err)
        time.sleep(0.02)


def log_path() -> Path:
    """Path of the supervisor log in this FCST_HOME; one for each database, like the lock file."""
    settings = load_settings()
    return settings.logs / supervisor_lock.lock_path(settings).with_suffix(".log").name


def _ended_at_once(log: Path, n_before: int, err: Path) -> ConfigError:
    """Error with the reason from the log, or from stderr if the supervisor exited before opening its log."""
    place, reason = log, ""
    if log.exists() and log.stat().st_size != n_before:
        reason = logs.tail(log, n_before)
    if not reason:
        place, reason = err, logs.tail(err)
    message = "The supervisor exited right after its start" + (f": {reason}" if reason else ".")
    return ConfigError(message, f"See {place}.")


def retry_while_database_away(read: Callable[[], T]) -> T:
    """Returns the result of `read`; retries for a minute while the database is not reachable."""
    deadline = time.monotonic() + AWAY_LIMIT_S
    while True:
        try:
            return read()
        except DatabaseUnreachable:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def is_database_reachable() -> bool:
    """Whether the database is reachable; an error response counts as reachable."""
    try:
        server_version()
    except DatabaseUnreachable:
        return False
    except FcstError:
        return True
    return True


def cancel_statements() -> None:
    """Cancels all running statements of this process; their transactions are rolled back."""
    database.cancel_statements()


def restart_crashed_supervisor() -> None:
    """Restarts a crashed supervisor; called periodically while waiting. Does not use the database.

    A supervisor that exited because there was no work is not restarted.
    """
    settings = load_settings()
    if not settings.is_worker_external and supervisor_lock.has_crashed(supervisor_lock.lock_path(settings)):
        ensure_supervisor()


def ensure_embedded_server() -> None:
    """Restarts the embedded server and its guard if they are in use; called periodically by the app."""
    if load_settings().database_url is None:
        connect_kwargs()
