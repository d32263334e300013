"""The supervisors and their leases: a supervisor owns its work while its lease holds, by the database's clock."""

from typing import Any

from fcst.store.database import execute, fetch_all, fetch_one


def register(worker_id: str, host: str, pid: int, version: str, processes: int, lease_s: float) -> None:
    execute(
        "register_worker",
        worker_id=worker_id,
        host=host,
        pid=pid,
        version=version,
        processes=processes,
        lease_s=lease_s,
    )


def renew_lease(worker_id: str, lease_s: float) -> None:
    execute("renew_lease", worker_id=worker_id, lease_s=lease_s)


def stop(worker_id: str) -> None:
    execute("stop_worker", worker_id=worker_id)


def list_live() -> list[dict[str, Any]]:
    return fetch_all("list_live_workers")


def has_work() -> bool:
    """Whether a job or an ingest is open."""
    return bool((fetch_one("has_work") or {})["found"])
