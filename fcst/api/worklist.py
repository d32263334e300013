"""Worklist routes: list the items of a run that need attention, mark as reviewed, reopen; attention thresholds."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from fcst import attention as rules
from fcst.api import plan_schemas as schemas
from fcst.api.jobs import JobId, Offset
from fcst.api.run_items import ItemsInQuery, ModelName, check_keys, to_filter
from fcst.filters import RunOrder, RunSort
from fcst.services import adjustments, attention, forecasts, identity, jobs

router = APIRouter(prefix="/jobs/{job_id:number}", tags=["attention"])


@router.get("/items", summary="List a run's items, most units at stake first", response_model=schemas.RunItems)
def list_items(
    job_id: JobId,
    wanted: ItemsInQuery,
    model: ModelName = None,
    sort: Annotated[RunSort, Query(description="Numbers sort descending, texts ascending.")] = RunSort.STAKE,
    reversed: Annotated[bool, Query(description="Reverse the order.")] = False,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    offset: Offset = 0,
) -> dict[str, Any]:
    """Filter by attributes with `attr.city=Quito`. Repeat a name to match one of several values. An empty value
    matches items without a value."""
    job = jobs.get_job(job_id)
    model, which = jobs.choose_model(job, model), check_keys(job, wanted)
    attention.prepare(job)
    last_change = adjustments.last_change(job_id)  # read before the plan: changes made in between count as later
    found = forecasts.list_items(job, model, which, RunOrder(sort, reversed), limit, offset)
    return {"items": found, "n_found": forecasts.count_items(job, model, which), "last_change": last_change}


@router.post("/review", summary="Mark items as reviewed")
def review(job_id: JobId, body: schemas.ReviewRequest) -> schemas.Reviewed:
    """Items that are already reviewed keep their review. A later run reopens an item if it has a new reason, or its
    plan differs by a tenth."""
    job = jobs.get_job(job_id)
    model, which = jobs.choose_model(job, body.model), to_filter(job, body.items)
    attention.prepare(job)
    return schemas.Reviewed(n_items=attention.review(job, model, which, author_name(body)))


@router.post("/reopen", summary="Remove the reviews of items")
def reopen(job_id: JobId, body: schemas.ReopenRequest) -> schemas.Reviewed:
    job = jobs.get_job(job_id)
    which = to_filter(job, body.items)
    return schemas.Reviewed(n_items=attention.reopen(job, jobs.choose_model(job, body.model), which))


@router.get(
    "/thresholds",
    summary="Get the attention thresholds of the dataset name",
    response_model=schemas.Thresholds,
)
def get_thresholds(job_id: JobId) -> rules.Thresholds:
    return attention.thresholds(jobs.get_job(job_id).dataset)


@router.put(
    "/thresholds",
    summary="Set the attention thresholds of the dataset name",
    response_model=schemas.Thresholds,
)
def set_thresholds(job_id: JobId, body: schemas.ThresholdsRequest) -> rules.Thresholds:
    """Applies to this run immediately, and to later runs."""
    job = jobs.get_job(job_id)
    wanted = rules.Thresholds(**body.model_dump(exclude={"who"}))
    attention.set_thresholds(job, wanted, author_name(body))
    return wanted


def author_name(body: schemas.Authored | None) -> str:
    """The author of a change: the name in the request, or the name of the caller."""
    return (body.who.strip() if body else "") or identity.current().name
