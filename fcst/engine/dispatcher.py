"""Dispatcher: claims batches, learning stages and ingests, submits them to pools, and records how each attempt ended.

All state that must survive a crash of the supervisor is in the database.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fcst import logs
from fcst.engine import retry_policy, task
from fcst.engine.change_timer import ChangeTimer
from fcst.engine.pool import BROKE, LocalPool, Pool, PoolLost, Task, WorkerDied
from fcst.engine.retry_policy import Cause
from fcst.errors import DatabaseUnreachable, DiskFull, FcstError, InputError, StaleState, StoreError
from fcst.settings import Settings, Webhook
from fcst.store import attempts, ingests, jobs, workers
from fcst.store.database import check_disk_space

if TYPE_CHECKING:
    from fcst.engine.notifier import Notifier

MAX_INGEST_TRIES = 3
POLL_EVERY_S = 0.2
RESCUE_EVERY_S = 2.0
SILENCE_MARGIN_S = 10.0  # added to the time limit of an item; a batch without a heartbeat for longer hangs
RETRY_END_S = 1.0  # delay before ending an attempt again, if a frozen process locks its row or the database fails

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Running:
    """A running task.

    Parameters
    ----------
    job_id
        run of a batch; None for an ingest.
    work_id
        id of the batch or ingest.
    end_due
        earliest time, by the monotonic clock, to end its attempt; set after a failure to end it.
    """

    task: Task
    pool: Pool
    job_id: int | None
    work_id: int
    attempt: int
    end_due: float = 0.0

    @property
    def is_ingest(self) -> bool:
        return self.job_id is None

    def log(self, event: str, message: str = "", level: int = logging.INFO, exc_info: bool = False) -> None:
        if self.is_ingest:
            ids: dict[str, Any] = {"ingest": self.work_id, "attempt": self.attempt}
        else:
            ids = {"job": self.job_id, "batch": self.work_id, "attempt": self.attempt}
        logs.event(log, level, f"{'ingest' if self.is_ingest else 'batch'}_{event}", message, exc_info=exc_info, **ids)


class _NotStarted:
    """Placeholder for a task that a broken pool did not accept."""

    def done(self) -> bool:
        return True

    def result(self) -> None:
        raise PoolLost(BROKE)

    def cancel(self) -> None:
        pass


def _make_notifier(webhook: Webhook | None) -> "Notifier | None":
    if webhook is None:
        return None
    from fcst.engine.notifier import Notifier

    return Notifier(webhook)


class Dispatcher:
    """Runs the work of one supervisor: batches on the configured pool, ingests on this machine, where the files are."""

    def __init__(self, worker_id: str, settings: Settings, wake: Callable[[], object]) -> None:
        self.worker_id = worker_id
        self._wake = wake
        self._local: LocalPool | None = None
        self._running: list[_Running] = []
        self._rescue_due = 0.0
        self._leases = ChangeTimer[str]()
        self._heartbeats = ChangeTimer[int]()
        self._polled: tuple[float, workers.PendingWork] | None = None
        self._problem = ""
        self._notifier = _make_notifier(settings.webhook)
        if settings.dask_scheduler is None:
            self._pool: Pool = self._local_pool(settings.processes)
        else:
            from fcst.engine.dask_pool import DaskPool

            self._pool = DaskPool(settings.dask_scheduler, worker_id)

    @property
    def has_running(self) -> bool:
        return bool(self._running)

    def stop(self) -> None:
        """Stop the worker processes; wait up to a second for notifications in delivery."""
        if self._notifier is not None:
            self._notifier.wait(1.0)
        for pool in self._pools():
            pool.stop()

    def tick(self, is_ending: bool) -> bool:
        """Run one round: collect ended tasks, cancel, rescue, claim and start work. Returns whether there is work."""
        self._collect()
        pending = self._poll()
        self._cancel(pending)
        if pending.cancelled_jobs or pending.has_ended_jobs:
            jobs.freeze_ended()
        if time.monotonic() >= self._rescue_due:
            self._rescue()
            self._report_problem()
            self._rescue_due = time.monotonic() + RESCUE_EVERY_S
        has_more = not is_ending and self._claim(pending)
        if not has_more or pending.cancelled_jobs or pending.cancelled_ingests:
            self._polled = None
        if not is_ending and self._notifier is not None and pending.is_notification_due:
            self._notifier.deliver_due()
        return bool(self._running) or pending.is_busy

    def _poll(self) -> workers.PendingWork:
        """Return the pending work: for up to POLL_EVERY_S the last answer, if the last claim filled all free slots."""
        now = time.monotonic()
        if self._polled is None or now - self._polled[0] > POLL_EVERY_S:
            self._polled = now, workers.find_pending_work(self._notifier is not None)
        return self._polled[1]

    def release_all(self, reason: str) -> None:
        """End the attempts of all running tasks so that other supervisors can claim them; later writes are rejected."""
        for running in self._running:
            self._end(running, Cause.UNRELATED, reason)
            running.task.cancel()
        self._running.clear()
        jobs.freeze_ended()

    def _claim(self, pending: workers.PendingWork) -> bool:
        """Claim and start waiting work for the free slots; return whether there were batches for every free slot."""
        n_ingests = sum(running.is_ingest for running in self._running)
        n_batches = len(self._running) - n_ingests
        is_shared = self._pool is self._local
        free = self._pool.size - n_batches - (n_ingests if is_shared else 0)
        may_ingest = pending.has_ingests and (free > 0 if is_shared else n_ingests == 0)
        if may_ingest and (claimed := ingests.claim(self.worker_id)):
            pool = self._local_pool(1)
            self._start(pool, task.run_ingest, None, claimed.ingest_id, claimed.attempt)
            if is_shared:
                free -= 1
        if free > 0 and pending.has_jobs and not _find_disk_problem():
            rows = attempts.claim(self.worker_id, free)
            for row in rows:
                function = task.run_learning if row.is_learning else task.run_batch
                self._start(self._pool, function, row.job_id, row.batch_id, row.attempt)
            return len(rows) == free
        return False

    def _pools(self) -> list[Pool]:
        return [self._pool] if self._local is None or self._local is self._pool else [self._pool, self._local]

    def _local_pool(self, size: int) -> LocalPool:
        if self._local is None:
            self._local = LocalPool(size)
        return self._local

    def _start(self, pool: Pool, function: Callable[..., None], job_id: int | None, work_id: int, attempt: int) -> None:
        running = _Running(_NotStarted(), pool, job_id, work_id, attempt)
        try:
            running.task = pool.submit(self._wake, function, work_id, attempt)
        except PoolLost:
            pass  # the next tick finds it lost and releases it
        else:
            running.log("started")
        self._running.append(running)

    def _collect(self) -> None:
        """Record ended tasks; all tasks of a broken pool have ended."""
        broken = [pool for pool in self._pools() if pool.is_broken]
        now = time.monotonic()
        ended = [r for r in self._running if r.end_due <= now and (r.pool in broken or r.task.done())]
        for running in ended:
            if self._record_end(running):
                self._running.remove(running)
            else:
                running.end_due = now + RETRY_END_S
        for pool in broken:
            if not any(r.pool is pool for r in self._running):
                pool.rebuild()

    def _record_end(self, running: _Running) -> bool:
        """End the attempt of an ended task; False if this must be retried."""
        try:
            if not running.task.done():
                raise PoolLost(BROKE)
            running.task.result()
        except StaleState as exc:
            running.log("stopped", str(exc))
            # If another supervisor has ended the attempt, this changes nothing. If not, Dask ran the task a second
            # time, because its first process died.
            return self._end(running, Cause.DIED, "the process died")
        except PoolLost as exc:
            return self._end(running, Cause.LOST, str(exc))
        except WorkerDied as exc:
            return self._end(running, Cause.DIED, f"the process died ({exc})" if str(exc) else "the process died")
        except DatabaseUnreachable as exc:
            return self._end(running, Cause.UNRELATED, str(exc))
        except Exception as exc:  # noqa: BLE001  an error of one batch does not stop the others
            running.log("failed", level=logging.ERROR, exc_info=True)
            return self._end(
                running, Cause.FAILED, str(exc) if isinstance(exc, FcstError) else f"{type(exc).__name__}: {exc}"
            )
        running.log("finished")
        return True

    def _end(self, running: _Running, ending: Cause, reason: str) -> bool:
        """End an attempt that did not complete; False if this must be retried."""
        running.log("interrupted", reason, logging.WARNING)
        if not running.is_ingest:
            try:
                return retry_policy.end_attempt(running.work_id, running.attempt, ending, reason)
            except DatabaseUnreachable:
                raise
            except StoreError as exc:  # must not stop the other batches
                running.log("not_ended", exc.message, logging.ERROR)
                return False
        if running.attempt >= MAX_INGEST_TRIES and ending != Cause.UNRELATED:
            error = InputError(f"The load was interrupted {running.attempt} times: {reason}.", "See the log.")
            ingests.fail(running.work_id, running.attempt, error)
            task.discard_files(running.work_id)
        else:
            ingests.release(running.work_id, running.attempt)
        return True

    def _cancel(self, pending: workers.PendingWork) -> None:
        """Cancel what users have cancelled: waiting batches and ingests, and those that run here."""
        if pending.cancelled_ingests:
            for ingest_id in ingests.cancel_waiting():
                task.discard_files(ingest_id)
        if pending.cancelled_jobs:
            attempts.cancel_waiting()
        stopped = [r for r in self._running if r.job_id in pending.cancelled_jobs]
        stopped += [r for r in self._running if r.is_ingest and r.work_id in pending.cancelled_ingests]
        for running in stopped:
            if running.is_ingest:
                ingests.cancel(running.work_id, running.attempt)
            elif not self._end(running, Cause.CANCELLED, retry_policy.CANCELLED):
                running.task.cancel()  # its process may lock the row; the next round ends the attempt
                continue
            running.task.cancel()
            self._running.remove(running)
            if running.is_ingest:
                task.discard_files(running.work_id)
            running.log("cancelled")

    def _rescue(self) -> None:
        """Release the work of lost supervisors, claims whose answer did not arrive here, and hanging batches."""
        lost = self._find_lost()
        own = [running.work_id for running in self._running if not running.is_ingest]
        own_ingests = [running.work_id for running in self._running if running.is_ingest]
        ingests.release_lost(self.worker_id, own_ingests, lost)
        for row in attempts.list_lost(self.worker_id, own, lost):
            retry_policy.end_attempt(row.batch_id, row.attempt, Cause.LOST, "its supervisor was lost")
            ids: dict[str, Any] = {"job": row.job_id, "batch": row.batch_id, "attempt": row.attempt}
            logs.event(log, logging.WARNING, "batch_rescued", "its supervisor was lost", **ids)
        silent = self._find_silent(own)
        for running in [r for r in self._running if not r.is_ingest and r.work_id in silent]:
            running.task.cancel()
            if self._end(running, Cause.DIED, f"the process did not respond for {silent[running.work_id]:.0f} s"):
                self._running.remove(running)

    def _find_lost(self) -> list[str]:
        """Return other supervisors with an expired lease that was not renewed for half of its duration.

        The lease expires by the database's clock. If that clock jumps, a running supervisor renews its lease before
        half of its duration has passed by the clock of this process.
        """
        leases = workers.list_leases(self.worker_id)
        seconds = self._leases.seconds({lease.worker_id: lease.lease_expires_at for lease in leases})
        return [lease.worker_id for lease in leases if not lease.holds and seconds[lease.worker_id] > lease.lease_s / 2]

    def _find_silent(self, own: list[int]) -> dict[int, float]:
        """Return own batches whose current item must have passed its limit: batch_id -> seconds without progress.

        Their process is frozen, or hangs in a way its own watchdog cannot detect.
        """
        beats = attempts.list_heartbeats(own, SILENCE_MARGIN_S, self._pool.wait_s) if own else []
        seconds = self._heartbeats.seconds({beat.batch_id: beat.touched_at for beat in beats})
        return {beat.batch_id: seconds[beat.batch_id] for beat in beats if seconds[beat.batch_id] > beat.limit_s}

    def _report_problem(self) -> None:
        problem = self._pool.problem or _find_disk_problem()
        if problem != self._problem:
            logs.event(
                log, logging.WARNING, "supervisor_problem", problem or "The problem is resolved.", worker=self.worker_id
            )
            workers.set_problem(self.worker_id, problem)
            self._problem = problem


def _find_disk_problem() -> str:
    """Return a message if the disk of the embedded server is full, otherwise an empty text.

    Running batches can still be saved: some space is reserved for that.
    """
    try:
        check_disk_space("forecasts in the database")
    except DiskFull as exc:
        return str(exc)
    return ""
