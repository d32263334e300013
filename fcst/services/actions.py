"""Who did what to runs, datasets, ingests and tokens."""

from typing import Any

from fcst.store import actions

MOST = 10_000


def list_actions(job_id: int | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """What was done, of late or to one run, the newest first: `at, who, action, noun, number, words`."""
    return actions.find(None if job_id is None else "job", job_id, min(max(limit, 1), MOST))
