"""The supervisor: claims batches and ingests, hands them to the pool, keeps the lease, and takes over from the dead.

It computes nothing and keeps nothing: what it knows of its tasks it could lose, for the database has it all.
"""

import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

from pebble import ProcessExpired

from fcst import __version__, presence
from fcst.engine import task
from fcst.engine.pool import LocalPool
from fcst.errors import DatabaseAway, FcstError, InputError, StaleState
from fcst.files import FileLock
from fcst.settings import Settings
from fcst.states import Stage
from fcst.store import batches, ingests, jobs, workers

MAX_TRIES = 3  # of a batch or an ingest whose process dies or that fails as a whole
BUSY_POLL_S = 0.2
IDLE_POLL_S = 5.0
RESCUE_EVERY_S = 2.0
AWAY_LIMIT_S = 600.0  # of a database that does not come back: it ends, and the app starts another when it can
GRACE_S = 20.0  # for running tasks, when the supervisor is told to end
CANCELLED = "cancelled by the user"
POOL_BROKE = "the process pool broke"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Running:
    """A task in flight. `job_id` is None for an ingest."""

    future: Future
    job_id: int | None
    id: int
    attempt: int
    tries: int

    def __str__(self) -> str:
        kind = "ingest" if self.job_id is None else f"job {self.job_id} batch"
        return f"{kind} {self.id} attempt {self.attempt}"


def run_supervisor(settings: Settings) -> bool:
    """Works until told to end or nothing has been left to do for a while; False if another lives already."""
    path = presence.lock_path(settings)
    lock = FileLock(path)
    if not lock.acquire(blocking=False):
        return False
    supervisor = Supervisor(settings, lock, path)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.end())
    try:
        if supervisor.run():
            presence.announce(lock, {})  # only then: an empty file tells that nothing was left to do
    finally:
        lock.release()
    return True


class Supervisor:
    """One engine process; `run` is its life."""

    def __init__(self, settings: Settings, lock: FileLock, lock_path: Path) -> None:
        self.settings = settings
        self.worker_id = str(uuid.uuid4())
        self._lock = lock
        self._lock_path = lock_path
        self._running: list[_Running] = []
        self._wake = threading.Event()
        self._is_ending = False
        self._heartbeat_due = 0.0
        self._rescue_due = 0.0

    def end(self) -> None:
        """No new work; what runs may finish within the grace period. Called by a signal: sets a flag and no more."""
        self._is_ending = True

    def run(self) -> bool:
        """Works until it is told to end or nothing is left to do; whether nothing is."""
        self._announce(is_leaving=False)
        pool = LocalPool(self.settings.processes)
        try:
            self._register()
            log.info("supervisor %s works with %s processes", self.worker_id, self.settings.processes)
            self._work(pool)
            self._finish(pool)
        finally:
            pool.stop()
        log.info("supervisor %s ends", self.worker_id)
        return not workers.has_work()

    def _register(self) -> None:
        host, lease_s = socket.gethostname(), self.settings.lease_s
        workers.register(self.worker_id, host, os.getpid(), __version__, self.settings.processes, lease_s)
        self._heartbeat_due = time.monotonic() + lease_s / 3

    def _announce(self, is_leaving: bool) -> None:
        state = {"pid": os.getpid(), "version": __version__, "is_leaving": is_leaving}
        presence.announce(self._lock, state)

    def _work(self, pool: LocalPool) -> None:
        idle_since: float | None = None
        seen_at = time.monotonic()
        while not self._is_ending:
            try:
                self._tick(pool)
                has_work = bool(self._running) or workers.has_work()
            except DatabaseAway as exc:
                log.warning("%s Trying again.", exc)
                if time.monotonic() - seen_at > AWAY_LIMIT_S:
                    raise
                self._rest(1.0)
                continue
            seen_at = time.monotonic()
            if has_work:
                idle_since = None
                self._rest(BUSY_POLL_S)
                continue
            idle_since = idle_since or time.monotonic()
            left = self.settings.idle_exit_s - (time.monotonic() - idle_since)
            if self.settings.is_worker_external or left > 0:
                self._rest(IDLE_POLL_S if self.settings.is_worker_external else min(IDLE_POLL_S, left))
            elif self._leave():
                return

    def _leave(self) -> bool:
        """Says that it leaves, then looks once more: who submits after this look starts another supervisor."""
        self._announce(is_leaving=True)
        if not workers.has_work():
            return True
        self._announce(is_leaving=False)
        return False

    def _rest(self, seconds: float) -> None:
        """Waits, but not when a task ends or somebody has submitted."""
        woken_at = presence.woken_at(self._lock_path)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self._wake.wait(min(left, BUSY_POLL_S)):
            if self._is_ending or presence.woken_at(self._lock_path) != woken_at:
                break
        self._wake.clear()

    def _tick(self, pool: LocalPool) -> None:
        now = time.monotonic()
        if now >= self._heartbeat_due:
            workers.renew_lease(self.worker_id, self.settings.lease_s)
            self._heartbeat_due = now + self.settings.lease_s / 3
        has_ended = self._collect(pool) | self._stop_cancelled()
        if now >= self._rescue_due:
            self._rescue()
            has_ended = True  # or a supervisor that died before this look would leave its last job open
            self._rescue_due = now + RESCUE_EVERY_S
        if has_ended:
            jobs.freeze_ended()
        if not self._is_ending:
            self._claim(pool)

    def _claim(self, pool: LocalPool) -> None:
        free = pool.processes - len(self._running)
        if free > 0 and (claimed := ingests.claim(self.worker_id)):
            self._start(pool, task.run_ingest, None, claimed["ingest_id"], claimed["attempt"], claimed["attempt"])
            free -= 1
        if free > 0:
            for row in batches.claim(self.worker_id, free):
                self._start(pool, task.run_batch, row["job_id"], row["batch_id"], row["attempt"], row["tries"])

    def _start(
        self, pool: LocalPool, function: Callable[..., None], job_id: int | None, id: int, attempt: int, tries: int
    ) -> None:
        future: Future = Future()
        running = _Running(future, job_id, id, attempt, tries)
        try:
            future = pool.submit(function, id, attempt)
        except RuntimeError:  # the pool broke this instant; the next tick builds it anew
            self._give_back(running, POOL_BROKE, is_forgiven=True)
            return
        future.add_done_callback(lambda _: self._wake.set())
        self._running.append(replace(running, future=future))
        log.info("%s started", running)

    def _collect(self, pool: LocalPool) -> bool:
        """Takes note of tasks that have ended; whether there were any. All have when the pool is broken."""
        is_broken = pool.is_broken
        ended = [running for running in self._running if is_broken or running.future.done()]
        for running in ended:
            self._end(running)
            self._running.remove(running)
        if is_broken:
            pool.rebuild()
        return bool(ended)

    def _end(self, running: _Running) -> None:
        """Ends the attempt of a task as it deserves."""
        try:
            running.future.result(timeout=0)
            log.info("%s finished", running)
        except StaleState as exc:
            log.info("%s stopped: %s", running, exc)
        except (BrokenProcessPool, CancelledError, TimeoutError):
            self._give_back(running, POOL_BROKE, is_forgiven=True)
        except ProcessExpired as exc:
            self._give_back(running, f"its process died ({_exit_reason(exc.exitcode)})")
        except DatabaseAway as exc:
            self._give_back(running, str(exc), is_forgiven=True)
        except Exception as exc:  # noqa: BLE001  a batch that fails in whatever way does not stop the others
            log.exception("%s failed", running)
            self._give_back(running, str(exc) if isinstance(exc, FcstError) else f"{type(exc).__name__}: {exc}")

    def _give_back(self, running: _Running, reason: str, is_forgiven: bool = False) -> None:
        """Another try, or the end where the tries are used up."""
        log.warning("%s broke off: %s", running, reason)
        is_last = running.tries >= MAX_TRIES and not is_forgiven
        if running.job_id is not None:
            if is_last:
                reason = f"gave up after {running.tries} tries: {reason}"
            to_stage = Stage.FAILED if is_last else Stage.SUBMITTED
            batches.end_attempt(running.id, running.attempt, to_stage, reason, is_forgiven)
        elif is_last:
            error = InputError(f"The reading broke off {running.tries} times: {reason}.", "The log tells more.")
            ingests.fail(running.id, running.attempt, error)
            task.discard_files(running.id)
        else:
            ingests.release(running.id, running.attempt)

    def _stop_cancelled(self) -> bool:
        """Ends what is to stop: waiting ingests and batches, and those that run here."""
        self._stop_cancelled_ingests()
        wanted = jobs.list_cancel_requests()
        if not wanted:
            return False
        batches.cancel_waiting()
        for running in [r for r in self._running if r.job_id in wanted]:
            batches.end_attempt(running.id, running.attempt, Stage.CANCELLED, CANCELLED)
            running.future.cancel()  # what it may still write is refused
            self._running.remove(running)
            log.info("%s cancelled", running)
        return True

    def _stop_cancelled_ingests(self) -> None:
        wanted = ingests.list_cancel_requests()
        if not wanted:
            return
        for ingest_id in ingests.cancel_waiting():
            task.discard_files(ingest_id)
        for running in [r for r in self._running if r.job_id is None and r.id in wanted]:
            ingests.cancel(running.id, running.attempt)
            running.future.cancel()  # kills its process; what it has written of the dataset is rolled back
            self._running.remove(running)
            task.discard_files(running.id)
            log.info("%s cancelled", running)

    def _rescue(self) -> None:
        """Frees what supervisors that are gone have left, and what was claimed here without our learning of it.

        The latter happens where the connection dies between a claim and its answer. Ingests of the former are
        claimed as they are.
        """
        own = [running.id for running in self._running if running.job_id is not None]
        ingests.release_lost(self.worker_id, [running.id for running in self._running if running.job_id is None])
        for row in batches.list_lost(self.worker_id, own):
            reason = "its supervisor was lost"
            log.warning("batch %s attempt %s: %s", row["batch_id"], row["attempt"], reason)
            batches.end_attempt(row["batch_id"], row["attempt"], Stage.SUBMITTED, reason, is_forgiven=True)

    def _finish(self, pool: LocalPool) -> None:
        """Lets running tasks end within the grace period, gives back the rest, and signs off."""
        self._announce(is_leaving=True)
        deadline = time.monotonic() + GRACE_S
        self._is_ending = True
        while self._running and time.monotonic() < deadline:
            self._tick(pool)
            self._wake.wait(BUSY_POLL_S)
            self._wake.clear()
        for running in self._running:
            self._give_back(running, "its supervisor was told to end", is_forgiven=True)
            running.future.cancel()
        self._running.clear()
        jobs.freeze_ended()
        workers.stop(self.worker_id)


def _exit_reason(exitcode: int | None) -> str:
    return f"signal {-exitcode}" if exitcode is not None and exitcode < 0 else f"exit code {exitcode}"
