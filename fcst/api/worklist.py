"""Items of a run that need attention, listed with their reasons."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from fcst.api import plan_schemas as schemas
from fcst.api.jobs import JobId, Offset
from fcst.api.run_items import ItemsInAddress, ModelName, checked
from fcst.filters import RunOrder, RunSort
from fcst.services import adjustments, attention, forecasts, jobs

router = APIRouter(prefix="/jobs/{job_id:number}", tags=["attention"])


@router.get("/items", summary="Its items, those with most units at stake first", response_model=schemas.RunItems)
def list_items(
    job_id: JobId,
    wanted: ItemsInAddress,
    model: ModelName = None,
    sort: Annotated[RunSort, Query(description="Numbers from the largest, the rest from the first.")] = RunSort.STAKE,
    reversed: Annotated[bool, Query(description="Numbers from the smallest.")] = False,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    offset: Offset = 0,
) -> dict[str, Any]:
    """`attr.city=Quito` gives only items with this value of an attribute; the same name again, those with one of
    several values; an empty value, those without any."""
    job = jobs.get_job(job_id)
    model, which = jobs.choose_model(job, model), checked(job, wanted)
    attention.prepare(job)
    last_change = adjustments.last_change(job_id)  # before the plan is read: what changes meanwhile counts as later
    found = forecasts.list_items(job, model, which, RunOrder(sort, reversed), limit, offset)
    return {"items": found, "n_found": forecasts.count_items(job, model, which), "last_change": last_change}
