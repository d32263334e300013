"""Who did what to runs, datasets, ingests and tokens."""

from fcst.job_records import Action
from fcst.store import actions

MOST = 10_000


def list_actions(job_id: int | None = None, limit: int = 100) -> list[Action]:
    """What was done, of late or to one run, the newest first."""
    return actions.find(None if job_id is None else "job", job_id, min(max(limit, 1), MOST))
