"""Adjustment routes: list, create and undo changes of a run's plan."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from fcst.api import plan_schemas as schemas
from fcst.api.jobs import JobId, Offset
from fcst.api.problem_handlers import problem_responses
from fcst.api.run_items import ItemKeys, to_filter
from fcst.api.worklist import author_name
from fcst.filters import ALL_RUN_ITEMS, by_keys
from fcst.services import adjustments, exports, jobs
from fcst.services.adjustments import Change

router = APIRouter(tags=["adjustments"])


@router.get(
    "/jobs/{job_id:number}/adjustments",
    summary="List the adjustments of a run's plan, newest first, undone ones included",
    response_model=schemas.Adjustments,
)
def list_adjustments(
    job_id: JobId,
    item: ItemKeys = None,
    model: Annotated[str | None, Query(max_length=100, description="Only adjustments of this model's plan.")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    offset: Offset = 0,
) -> dict[str, Any]:
    job = jobs.get_job(job_id)
    exports.check_items(job_id, item or [])
    of_model = "" if model is None else jobs.choose_model(job, model)
    last_change = adjustments.last_change(job_id)  # read first: changes made in between count as later
    found = adjustments.list_adjustments(
        job, ALL_RUN_ITEMS if item is None else by_keys(*item), of_model, limit, offset
    )
    return {"adjustments": found, "last_change": last_change}


@router.post(
    "/jobs/{job_id:number}/adjustments",
    status_code=201,
    summary="Adjust weeks of a run's plan, for one, several or all items",
    responses=problem_responses({409: "These weeks were changed since `last_change`"}),
)
def adjust(job_id: JobId, body: schemas.AdjustmentRequest) -> schemas.AdjustmentId:
    """Items keep their shares of each week. A week without units is distributed by recent sales. Adjustments apply in
    the order in which they were made."""
    job = jobs.get_job(job_id)
    change = Change(
        body.first_wk_end_dt,
        body.last_wk_end_dt,
        body.percent,
        body.units,
        body.total,
        body.is_even,
        None if body.targets is None else tuple(body.targets),
    )
    model, which = jobs.choose_model(job, body.model), to_filter(job, body.items)
    made = adjustments.adjust(job, model, which, change, body.reason, author_name(body), seen=body.last_change)
    return schemas.AdjustmentId(adjustment_id=made)


@router.post("/adjustments/{adjustment_id:number}/undo", summary="Undo an adjustment; it stays in the list")
def undo(
    adjustment_id: Annotated[int, Path(description="The adjustment's id.")], body: schemas.Authored | None = None
) -> schemas.Undone:
    return schemas.Undone(adjustment_id=adjustment_id, is_new=adjustments.undo(adjustment_id, author_name(body)))


@router.post(
    "/jobs/{job_id:number}/adjustments/undo-carried",
    summary="Undo all adjustments that were carried over from earlier runs",
)
def undo_carried(job_id: JobId, body: schemas.PlanChange | None = None) -> schemas.Dropped:
    job = jobs.get_job(job_id)
    model = jobs.choose_model(job, body.model if body else None)
    return schemas.Dropped(n_adjustments=adjustments.undo_carried(job, model, author_name(body)))
