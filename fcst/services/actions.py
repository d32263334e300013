"""Audit log of runs, datasets, ingests and tokens."""

from fcst.job_records import Action
from fcst.store import actions

MOST = 10_000


def list_actions(job_id: int | None = None, limit: int = 100) -> list[Action]:
    """Recent actions, newest first; optionally only those on one run."""
    return actions.find(None if job_id is None else "job", job_id, min(max(limit, 1), MOST))
