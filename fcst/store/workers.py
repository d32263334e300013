"""The supervisors and their leases: a supervisor owns its work while its lease holds, by the database's clock."""

from dataclasses import dataclass
from datetime import datetime

from fcst.processes import start_of
from fcst.store.database import execute, fetch_all, fetch_one


@dataclass(frozen=True)
class Supervisor:
    """A supervisor that lives, by the database's clock.

    Parameters
    ----------
    process_start
        ticks of its machine's clock from the boot to the begin of its process; None where that is not known.
    problem
        what hinders it, in words; empty while nothing does.
    """

    worker_id: str
    host: str
    pid: int
    process_start: int | None
    processes: int
    problem: str


@dataclass(frozen=True)
class LapsedSupervisor:
    """A supervisor that has not signed off and is gone, and the work that it still holds.

    Parameters
    ----------
    lapsed_s
        seconds since its lease ran out; negative while it holds, and where the database's clock went back.
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
    """A supervisor begins, a process of this machine."""
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
    """Renews the lease of a supervisor that has not signed off; returns the version of the schema."""
    row = fetch_one("renew_lease", worker_id=worker_id)
    return None if row is None else int(row["schema_version"])


def is_known(worker_id: str) -> bool:
    """Whether the supervisor has registered here: another database does not know it."""
    return fetch_one("find_worker", worker_id=worker_id) is not None


def stop(worker_id: str) -> None:
    execute("stop_worker", worker_id=worker_id)


def list_live() -> list[Supervisor]:
    """The supervisors whose lease holds."""
    return [Supervisor(**row) for row in fetch_all("list_live_workers")]


@dataclass(frozen=True)
class Lease:
    """The lease of a supervisor that holds work; `holds` by the database's clock."""

    worker_id: str
    lease_s: float
    lease_expires_at: datetime
    holds: bool


def list_leases(worker_id: str) -> list[Lease]:
    """Those of all supervisors that hold work, but for one."""
    return [Lease(**row) for row in fetch_all("list_leases", worker_id=worker_id)]


def list_lapsed(gone: list[str], host: str, pid: int) -> list[LapsedSupervisor]:
    """Supervisors without a lease that still hold work, or are this process.

    Parameters
    ----------
    gone
        those that are known to be dead whatever their lease says.
    """
    rows = fetch_all("list_lapsed_workers", gone=gone, host=host, pid=pid)
    return [LapsedSupervisor(**row) for row in rows]


@dataclass(frozen=True)
class Outlook:
    """What a supervisor looks for several times a second: what is to stop, what is open, what has ended."""

    cancelled_jobs: list[int]
    cancelled_ingests: list[int]
    has_jobs: bool
    has_ingests: bool
    next_end_s: float | None
    """Seconds until the end of a job is to be told; None where there is none."""
    has_ended_jobs: bool

    @property
    def is_end_due(self) -> bool:
        return self.next_end_s is not None and self.next_end_s <= 0

    @property
    def is_busy(self) -> bool:
        """Whether something is to be done now."""
        return self.has_jobs or self.has_ingests or self.is_end_due

    @property
    def has_work(self) -> bool:
        """Whether a job or an ingest is open, or the end of one is to be told, be it later."""
        return self.has_jobs or self.has_ingests or self.next_end_s is not None


def look(is_telling: bool) -> Outlook:
    """`is_telling`: ends that are to be told are work too."""
    return Outlook(**(fetch_one("look_for_work", is_telling=is_telling) or {}))


def set_problem(worker_id: str, problem: str) -> None:
    """What hinders a supervisor, in words; empty while nothing does."""
    execute("set_problem", worker_id=worker_id, problem=problem)


def has_work(is_telling: bool) -> bool:
    """Whether anything is left to do, as `look` finds it."""
    return look(is_telling).has_work
