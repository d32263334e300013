"""A run with a plan, and requests that read and change it."""

from datetime import timedelta
from typing import Any

from fcst.services import jobs
from tests.api.conftest import ApiServer
from tests.servers import work

MODEL = "SeasonalNaive"
H = 4


def run(api: ApiServer, **more: Any) -> int:
    """A completed run of all items."""
    api.clear()
    settings = {"items": 6, "models": [MODEL, "Naive"], "batch_size": 6, "n_windows": 0, "level": [80], "h": H}
    job_id = api.submit(**settings | more)
    work(1)
    return job_id


def week(job_id: int, step: int) -> str:
    return str(jobs.get_job(job_id).last_wk_end_dt + timedelta(weeks=step))


def change_body(job_id: int, first: int = 1, last: int = 2, **more: Any) -> dict[str, Any]:
    weeks = {"first_wk_end_dt": week(job_id, first), "last_wk_end_dt": week(job_id, last)}
    return {"items": ["item3"], **weeks, "reason": "campaign", "who": "Ann", "last_change": None, **more}


def adjust(api: ApiServer, job_id: int, **more: Any) -> int:
    answer = api.post(f"/api/jobs/{job_id}/adjustments", json=change_body(job_id, **more))
    assert answer.status_code == 201, answer.text
    return answer.json()["adjustment_id"]


def plan(api: ApiServer, job_id: int, *items: str, name: str = "adjusted", model: str = MODEL) -> list[float]:
    """Units by week, of some or all items."""
    rows = api.get(f"/api/jobs/{job_id}/forecasts", params={"item": items} if items else {}).json()["forecasts"]
    weeks = [week(job_id, step) for step in range(1, H + 1)]
    return [sum(row[name] for row in rows if (row["model"], row["wk_end_dt"]) == (model, one)) for one in weeks]


def listed(api: ApiServer, job_id: int, **params: Any) -> list[dict[str, Any]]:
    return api.get(f"/api/jobs/{job_id}/adjustments", params=params).json()["adjustments"]
