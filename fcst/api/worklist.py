"""Items of a run that need attention: listed with their reasons, reviewed, opened again; the thresholds behind that."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from fcst import attention as rules
from fcst.api import plan_schemas as schemas
from fcst.api.jobs import JobId, Offset
from fcst.api.run_items import ItemsInAddress, ModelName, checked, chosen
from fcst.filters import RunOrder, RunSort
from fcst.services import adjustments, attention, forecasts, identity, jobs

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


@router.post("/review", summary="Mark items as reviewed")
def review(job_id: JobId, asked: schemas.ReviewRequest) -> schemas.Reviewed:
    """Those that were reviewed before keep that review. A new run opens an item again where a reason is new, or the
    plan differs by a tenth."""
    job = jobs.get_job(job_id)
    model, which = jobs.choose_model(job, asked.model), chosen(job, asked.items)
    attention.prepare(job)
    return schemas.Reviewed(n_items=attention.review(job, model, which, name_of(asked)))


@router.post("/reopen", summary="Take the reviews of items back")
def reopen(job_id: JobId, asked: schemas.ReopenRequest) -> schemas.Reviewed:
    job = jobs.get_job(job_id)
    which = chosen(job, asked.items)
    return schemas.Reviewed(n_items=attention.reopen(job, jobs.choose_model(job, asked.model), which))


@router.get(
    "/thresholds",
    summary="The thresholds of the name of its dataset, from which on an item needs attention",
    response_model=schemas.Thresholds,
)
def get_thresholds(job_id: JobId) -> rules.Thresholds:
    return attention.thresholds(jobs.get_job(job_id).dataset)


@router.put(
    "/thresholds",
    summary="Set the thresholds of the name of its dataset",
    response_model=schemas.Thresholds,
)
def set_thresholds(job_id: JobId, asked: schemas.ThresholdsRequest) -> rules.Thresholds:
    """They hold for this run at once, and for the runs to come."""
    job = jobs.get_job(job_id)
    wanted = rules.Thresholds(**asked.model_dump(exclude={"who"}))
    attention.set_thresholds(job, wanted, name_of(asked))
    return wanted


def name_of(asked: schemas.Signed | None) -> str:
    """Under which something is done: what is asked for or, as of a command, that of this machine's user."""
    return (asked.who.strip() if asked else "") or identity.current().name
