"""The supervisor: one process that keeps a lease and a pool, and has its dispatcher work, until nothing is left to do.

It computes nothing, and survives the absence of its database.
"""

import logging
import math
import os
import signal
import socket
import threading
import time
import uuid
from pathlib import Path

from fcst import __version__, logs, supervisor_lock
from fcst.engine.dispatcher import Dispatcher
from fcst.errors import DatabaseAway
from fcst.files import FileLock
from fcst.settings import Settings
from fcst.store import workers
from fcst.store.migrate import latest_version

BUSY_POLL_S = 0.2
IDLE_POLL_S = 5.0
END_S = 15.0  # beyond its grace period, for a supervisor that was told to end
AWAY_LIMIT_S = 600.0  # of a database that does not come back: it ends, and the app starts another when it can

log = logging.getLogger(__name__)


def run_supervisor(settings: Settings) -> bool:
    """Works until told to end or nothing has been left to do for a while; False if another lives already."""
    path = supervisor_lock.lock_path(settings)
    lock = FileLock(path)
    if not lock.acquire(blocking=False):
        return False
    supervisor = Supervisor(settings, lock, path)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.end())
    _limit_end(math.ceil(settings.grace_s + END_S))
    try:
        if supervisor.run():
            supervisor_lock.announce(lock, {})  # only then: an empty file tells that nothing was left to do
    finally:
        lock.release()
    return True


def _limit_end(seconds: int) -> None:
    """Has the kernel end this process some time after it was told to end, whatever it waits for then.

    A thread sees to it: while the main thread waits for an answer of the database, no handler of a signal runs.
    """
    told, note = os.pipe()
    os.set_blocking(note, False)
    signal.set_wakeup_fd(note, warn_on_full_buffer=False)

    def watch() -> None:
        while os.read(told, 1)[0] not in (signal.SIGTERM, signal.SIGINT):
            pass
        signal.alarm(seconds)

    threading.Thread(target=watch, daemon=True).start()


class Supervisor:
    """One engine process; `run` is its life."""

    def __init__(self, settings: Settings, lock: FileLock, lock_path: Path) -> None:
        self.settings = settings
        self.worker_id = str(uuid.uuid4())
        self._lock = lock
        self._lock_path = lock_path
        self._wake = threading.Event()
        self.is_ending = False
        self.is_outdated = False  # the schema is newer
        self._heartbeat_due = 0.0

    def end(self) -> None:
        """No new work; what runs may finish within the grace period. Called by a signal: sets a flag and no more."""
        self.is_ending = True

    def run(self) -> bool:
        """Works until it is told to end or nothing is left to do; whether nothing is, as far as can be known."""
        self._announce(is_leaving=False)
        dispatcher = Dispatcher(self.worker_id, self.settings, self._wake.set)
        try:
            self._register()
            logs.event(
                log, logging.INFO, "supervisor_started", worker=self.worker_id, processes=self.settings.processes
            )
            self._work(dispatcher)
            self._finish(dispatcher)
        finally:
            dispatcher.stop()
        logs.event(log, logging.INFO, "supervisor_ended", worker=self.worker_id)
        try:
            return not self._has_work()
        except DatabaseAway:
            return False

    def _register(self) -> None:
        host, lease_s = socket.gethostname(), self.settings.lease_s
        workers.register(self.worker_id, host, os.getpid(), __version__, self.settings.processes, lease_s)
        self._heartbeat_due = time.monotonic() + lease_s / 3

    def _announce(self, is_leaving: bool) -> None:
        state = {"pid": os.getpid(), "version": __version__, "is_leaving": is_leaving}
        supervisor_lock.announce(self._lock, state)

    def _work(self, dispatcher: Dispatcher) -> None:
        idle_since: float | None = None
        seen_at = time.monotonic()
        while not self.is_ending:
            try:
                is_busy = self._tick(dispatcher)
            except DatabaseAway as exc:
                logs.event(log, logging.WARNING, "database_away", f"{exc} Trying again.", worker=self.worker_id)
                if time.monotonic() - seen_at > AWAY_LIMIT_S:
                    raise
                self._rest(1.0)
                continue
            seen_at = time.monotonic()
            if is_busy:
                idle_since = None
                self._rest(BUSY_POLL_S)
                continue
            idle_since = idle_since or time.monotonic()
            left = self.settings.idle_exit_s - (time.monotonic() - idle_since)
            if self.settings.is_worker_external or left > 0:
                self._rest(IDLE_POLL_S if self.settings.is_worker_external else min(IDLE_POLL_S, left))
            elif self._leave():
                return
            else:
                self._rest(IDLE_POLL_S)

    def _leave(self) -> bool:
        """Says that it leaves, then looks once more: who submits after this look starts another supervisor.

        It stays while an end is to be told later.
        """
        if self._has_work():
            return False
        self._announce(is_leaving=True)
        if not self._has_work():
            return True
        self._announce(is_leaving=False)
        return False

    def _has_work(self) -> bool:
        return workers.has_work(is_telling=self.settings.webhook is not None)

    def _rest(self, seconds: float) -> None:
        """Waits, but not when a task ends or somebody has submitted."""
        woken_at = supervisor_lock.woken_at(self._lock_path)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self._wake.wait(min(left, BUSY_POLL_S)):
            if self.is_ending or supervisor_lock.woken_at(self._lock_path) != woken_at:
                break
        self._wake.clear()

    def _tick(self, dispatcher: Dispatcher) -> bool:
        """Renews the lease where that is due, and has a round of work done; whether there is something to do now."""
        if time.monotonic() >= self._heartbeat_due:
            schema_version = workers.renew_lease(self.worker_id)
            self._heartbeat_due = time.monotonic() + self.settings.lease_s / 3
            if schema_version is not None and schema_version > latest_version() and not self.is_outdated:
                words = f"The database has schema version {schema_version}, made by a newer fcst: this supervisor ends."
                logs.event(log, logging.WARNING, "schema_newer", words, worker=self.worker_id)
                self.is_outdated = self.is_ending = True
        return dispatcher.tick(self.is_ending)

    def _finish(self, dispatcher: Dispatcher) -> None:
        """Lets running tasks end within the grace period, gives back the rest, and signs off.

        Under a newer schema no task can be sure to save what it computes: all are given back at once.
        """
        self._announce(is_leaving=True)
        deadline = time.monotonic() + (0.0 if self.is_outdated else self.settings.grace_s)
        self.is_ending = True
        try:
            while dispatcher.has_running and time.monotonic() < deadline:
                self._tick(dispatcher)
                self._wake.wait(BUSY_POLL_S)
                self._wake.clear()
            why = "its supervisor is of an earlier version" if self.is_outdated else "its supervisor was told to end"
            dispatcher.give_back_all(why)
            workers.stop(self.worker_id)
        except DatabaseAway as exc:
            left = f"{exc} What runs is left to others: they take it when the lease has run out."
            logs.event(log, logging.WARNING, "database_away", left, worker=self.worker_id)
