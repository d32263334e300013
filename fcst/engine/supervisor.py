"""The supervisor process: keeps a lease and a pool, and runs the dispatcher until no work is left.

It computes no forecasts itself, and keeps running while the database is unreachable.
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
from fcst.errors import DatabaseUnreachable
from fcst.files import FileLock
from fcst.settings import Settings
from fcst.store import workers
from fcst.store.migrate import latest_version

BUSY_POLL_S = 0.2
IDLE_POLL_S = 5.0
END_S = 15.0  # time to stop after the grace period
AWAY_LIMIT_S = 600.0  # stops after the database was unreachable this long; the app starts another supervisor

log = logging.getLogger(__name__)


def run_supervisor(settings: Settings) -> bool:
    """Run until stopped, or idle for a while; False if another supervisor is running."""
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
            supervisor_lock.announce(lock, {})  # an empty file means that no work was left
    finally:
        lock.release()
    return True


def _limit_end(seconds: int) -> None:
    """Have the kernel end this process `seconds` after SIGTERM or SIGINT, even if it blocks.

    This needs a thread: while the main thread waits for the database, no signal handler runs.
    """
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)

    def watch() -> None:
        while os.read(read_end, 1)[0] not in (signal.SIGTERM, signal.SIGINT):
            pass
        signal.alarm(seconds)

    threading.Thread(target=watch, daemon=True).start()


class Supervisor:
    """One supervisor process; `run` is its main loop."""

    def __init__(self, settings: Settings, lock: FileLock, lock_path: Path) -> None:
        self.settings = settings
        self.worker_id = str(uuid.uuid4())
        self._lock = lock
        self._lock_path = lock_path
        self._wake = threading.Event()
        self.is_ending = False
        self.is_outdated = False  # whether the schema is newer than this version
        self._heartbeat_due = 0.0

    def end(self) -> None:
        """Stop claiming; running tasks may finish within the grace period. Signal handler: only sets a flag."""
        self.is_ending = True

    def run(self) -> bool:
        """Run until stopped or idle; return whether no work is left, False if unknown."""
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
        except DatabaseUnreachable:
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
            except DatabaseUnreachable as exc:
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
        """Announce that it leaves, then check once more for work; return whether it leaves.

        After this check, submitting a run starts another supervisor. It stays while notifications are pending.
        """
        if self._has_work():
            return False
        self._announce(is_leaving=True)
        if not self._has_work():
            return True
        self._announce(is_leaving=False)
        return False

    def _has_work(self) -> bool:
        return workers.has_work(include_notifications=self.settings.webhook is not None)

    def _rest(self, seconds: float) -> None:
        """Wait up to `seconds`; return early when a task ends or work was submitted."""
        woken_at = supervisor_lock.woken_at(self._lock_path)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self._wake.wait(min(left, BUSY_POLL_S)):
            if self.is_ending or supervisor_lock.woken_at(self._lock_path) != woken_at:
                break
        self._wake.clear()

    def _tick(self, dispatcher: Dispatcher) -> bool:
        """Renew the lease if due, and run one round of the dispatcher; return whether there is work."""
        if time.monotonic() >= self._heartbeat_due:
            schema_version = workers.renew_lease(self.worker_id)
            self._heartbeat_due = time.monotonic() + self.settings.lease_s / 3
            if schema_version is not None and schema_version > latest_version() and not self.is_outdated:
                text = f"The database has schema version {schema_version}, from a newer fcst. This supervisor stops."
                logs.event(log, logging.WARNING, "schema_newer", text, worker=self.worker_id)
                self.is_outdated = self.is_ending = True
        return dispatcher.tick(self.is_ending)

    def _finish(self, dispatcher: Dispatcher) -> None:
        """Let running tasks end within the grace period, release the rest, and deregister.

        With a newer schema, tasks may not be able to save their results, so all are released at once.
        """
        self._announce(is_leaving=True)
        deadline = time.monotonic() + (0.0 if self.is_outdated else self.settings.grace_s)
        self.is_ending = True
        try:
            while dispatcher.has_running and time.monotonic() < deadline:
                self._tick(dispatcher)
                self._wake.wait(BUSY_POLL_S)
                self._wake.clear()
            reason = "its supervisor has an older version" if self.is_outdated else "its supervisor was stopped"
            dispatcher.release_all(reason)
            workers.stop(self.worker_id)
        except DatabaseUnreachable as exc:
            text = f"{exc} Another supervisor takes over the running batches when the lease expires."
            logs.event(log, logging.WARNING, "database_away", text, worker=self.worker_id)
