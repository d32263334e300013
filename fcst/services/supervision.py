"""Getting the engine going: the database ready, a supervisor alive."""

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
from fcst.errors import ConfigError, DatabaseAway, FcstError
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
    """How far a migration of the schema is, in steps of about the same size."""

    name: str
    done: int
    total: int

    def __str__(self) -> str:
        return f"Upgrading the database: {self.name.replace('_', ' ')}, step {self.done + 1:,} of {self.total:,}"


_upgrade: Upgrade | None = None


def prepare_database(on_progress: Callable[[Upgrade], None] | None = None) -> list[str]:
    """Starts the embedded server if it is the one in use, and brings the schema up to date; names what it applied."""

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
    """The migration that a thread of this process applies now, if one does."""
    return _upgrade


def ensure_supervisor() -> None:
    """Has a supervisor look at the work now: wakes the living one, or starts one and does not wait for its imports.

    Raises
    ------
    ConfigError
        if it ends at once, with its reason and the place of its log.
    """
    settings = load_settings()
    path = supervisor_lock.lock_path(settings)
    deadline = time.monotonic() + START_LIMIT_S
    state = supervisor_lock.holder(path)
    while state is not None and state.get("is_leaving") and time.monotonic() < deadline:
        time.sleep(0.05)  # it has looked for work for the last time; its lock is free in a moment
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
            stderr=out,  # what is said before the log is there, and by the interpreter when it dies
            start_new_session=True,  # the end of this process, or its terminal, is not the supervisor's
        )
    finally:
        os.close(out)
    threading.Thread(target=process.wait, daemon=True).start()  # or it would stay as a zombie of ours when it ends
    while supervisor_lock.holder(path) is None and time.monotonic() < deadline:
        if process.poll() is not None and supervisor_lock.holder(path) is None and process.returncode != 0:
            raise _ended_at_once(log, n_before, err)
        time.sleep(0.02)


def log_path() -> Path:
    """The log of this home's supervisor: as its lock file, one for each database."""
    settings = load_settings()
    return settings.logs / supervisor_lock.lock_path(settings).with_suffix(".log").name


def _ended_at_once(log: Path, n_before: int, err: Path) -> ConfigError:
    """In the words of its log, or of its stderr where it died before it had one."""
    place, reason = log, ""
    if log.exists() and log.stat().st_size != n_before:
        reason = logs.tail(log, n_before)
    if not reason:
        place, reason = err, logs.tail(err)
    message = "The supervisor ended as soon as it was started" + (f": {reason}" if reason else ".")
    return ConfigError(message, f"{place} tells more.")


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


def has_database() -> bool:
    """Whether the database answers now; one that answers with a refusal is there."""
    try:
        server_version()
    except DatabaseAway:
        return False
    except FcstError:
        return True
    return True


def break_off_statements() -> None:
    """Has the database break off all that this process has asked for; nothing of it is kept."""
    database.break_off_statements()


def keep_alive() -> None:
    """What those who wait do now and then: a crashed supervisor is replaced. Asks no database.

    A supervisor that left because nothing was to do is not replaced.
    """
    settings = load_settings()
    if not settings.is_worker_external and supervisor_lock.has_crashed(supervisor_lock.lock_path(settings)):
        ensure_supervisor()


def keep_server() -> None:
    """What the app does now and then: the embedded server, if it is the one in use, and its guard are brought back."""
    if load_settings().database_url is None:
        connect_kwargs()
