"""Supervisors and their leases: a supervisor owns its work while its lease is valid, by the database's clock."""

from dataclasses import dataclass
from datetime import datetime

from fcst.processes import start_of
from fcst.store.database import execute, fetch_all, fetch_one


@dataclass(frozen=True)
class Supervisor:
    """A supervisor with a valid lease, by the database's clock.

    Parameters
    ----------
    process_start
        start of its process, in clock ticks since the boot of its machine; None if unknown.
    problem
        description of a problem that stops its work; empty if there is none.
    """

    worker_id: str
    host: str
    pid: int
    process_start: int | None
    processes: int
    problem: str


@dataclass(frozen=True)
class LapsedSupervisor:
    """A supervisor that was lost without signing off, and the work that it still holds.

    Parameters
    ----------
    lapsed_s
        seconds since its lease expired; negative if the lease is still valid or the database's clock was set back.
    """

    worker_id: str
    host: str
    pid: int
    process_start: int | None
    lease_expires_at: datetime
    lapsed_s: float
    n_batches: int
    n_ingests: int


def register(worker_id: str, host: str, pid: int, version: str, processes: int, lease_s: float) -> None:
    """Registers a supervisor, a process on this machine."""
    execute(
        "register_worker",
        worker_id=worker_id,
        host=host,
        pid=pid,
        process_start=start_of(pid),
        version=version,
        processes=processes,
        lease_s=lease_s,
    )


def renew_lease(worker_id: str) -> int | None:
    """Renews the lease of a supervisor and returns the schema version; None if it has signed off."""
    row = fetch_one("renew_lease", worker_id=worker_id)
    return None if row is None else int(row["schema_version"])


def is_known(worker_id: str) -> bool:
    """Whether the supervisor is registered in this database; false after a change of the database."""
    return fetch_one("find_worker", worker_id=worker_id) is not None


def stop(worker_id: str) -> None:
    execute("stop_worker", worker_id=worker_id)


def list_live() -> list[Supervisor]:
    """Supervisors with a valid lease."""
    return [Supervisor(**row) for row in fetch_all("list_live_workers")]


@dataclass(frozen=True)
class Lease:
    """The lease of a supervisor that holds work; `holds`: valid, by the database's clock."""

    worker_id: str
    lease_s: float
    lease_expires_at: datetime
    holds: bool


def list_leases(worker_id: str) -> list[Lease]:
    """The leases of all supervisors that hold work, except `worker_id`."""
    return [Lease(**row) for row in fetch_all("list_leases", worker_id=worker_id)]


def list_lapsed(gone: list[str], host: str, pid: int) -> list[LapsedSupervisor]:
    """Supervisors with an expired lease that still hold work, or that are this process.

    Parameters
    ----------
    gone
        supervisors known to have ended, even if their lease is valid.
    """
    rows = fetch_all("list_lapsed_workers", gone=gone, host=host, pid=pid)
    return [LapsedSupervisor(**row) for row in rows]


@dataclass(frozen=True)
class PendingWork:
    """Pending work, polled by the supervisor several times a second: cancel requests, open work, ended jobs."""

    cancelled_jobs: list[int]
    cancelled_ingests: list[int]
    has_jobs: bool
    has_ingests: bool
    next_notification_s: float | None
    """Seconds until the next notification of an ended job is due; None without one."""
    has_ended_jobs: bool

    @property
    def is_notification_due(self) -> bool:
        return self.next_notification_s is not None and self.next_notification_s <= 0

    @property
    def is_busy(self) -> bool:
        """Whether there is work to do now."""
        return self.has_jobs or self.has_ingests or self.is_notification_due

    @property
    def has_work(self) -> bool:
        """Whether a job or an ingest is open, or a notification is pending, now or later."""
        return self.has_jobs or self.has_ingests or self.next_notification_s is not None


def find_pending_work(include_notifications: bool) -> PendingWork:
    """Finds pending work. `include_notifications`: undelivered notifications count as work."""
    return PendingWork(**(fetch_one("look_for_work", include_notifications=include_notifications) or {}))


def set_problem(worker_id: str, problem: str) -> None:
    """Stores the problem that stops a supervisor's work; empty clears it."""
    execute("set_problem", worker_id=worker_id, problem=problem)


def has_work(include_notifications: bool) -> bool:
    """Whether `find_pending_work` finds any pending work."""
    return find_pending_work(include_notifications).has_work
