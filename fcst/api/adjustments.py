"""Changes of the plan of a run: listed, made, undone."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from fcst.api import plan_schemas as schemas
from fcst.api.jobs import JobId, Offset
from fcst.api.problems import documented
from fcst.api.run_items import ItemKeys, chosen
from fcst.api.worklist import name_of
from fcst.filters import EVERY, only
from fcst.services import adjustments, exports, jobs
from fcst.services.adjustments import Change

router = APIRouter(tags=["adjustments"])


@router.get(
    "/jobs/{job_id:number}/adjustments",
    summary="The changes of its plan, the newest first, also those that are undone",
    response_model=schemas.Adjustments,
)
def list_adjustments(
    job_id: JobId,
    item: ItemKeys = None,
    model: Annotated[str | None, Query(max_length=100, description="Only of the plan by this model.")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    offset: Offset = 0,
) -> dict[str, Any]:
    job = jobs.get_job(job_id)
    exports.check_items(job_id, item or [])
    of_model = "" if model is None else jobs.choose_model(job, model)
    last_change = adjustments.last_change(job_id)  # before they are read: what changes meanwhile counts as later
    found = adjustments.list_adjustments(job, EVERY if item is None else only(*item), of_model, limit, offset)
    return {"adjustments": found, "last_change": last_change}


@router.post(
    "/jobs/{job_id:number}/adjustments",
    status_code=201,
    summary="Change weeks of its plan, for one item, some or all",
    responses=documented({409: "These weeks were changed since `last_change`"}),
)
def adjust(job_id: JobId, asked: schemas.AdjustmentRequest) -> schemas.AdjustmentId:
    """Items keep their shares of each week. A week in which none of them has units is spread by what they sold lately.
    Changes hold one after the other, in the order in which they were made."""
    job = jobs.get_job(job_id)
    change = Change(
        asked.first_wk_end_dt,
        asked.last_wk_end_dt,
        asked.percent,
        asked.units,
        asked.total,
        asked.is_even,
        None if asked.targets is None else tuple(asked.targets),
    )
    model, which = jobs.choose_model(job, asked.model), chosen(job, asked.items)
    made = adjustments.adjust(job, model, which, change, asked.reason, name_of(asked), seen=asked.last_change)
    return schemas.AdjustmentId(adjustment_id=made)


@router.post("/adjustments/{adjustment_id:number}/undo", summary="Take a change of a plan back; it stays to be read")
def undo(
    adjustment_id: Annotated[int, Path(description="An adjustment's number.")], asked: schemas.Signed | None = None
) -> schemas.Undone:
    return schemas.Undone(adjustment_id=adjustment_id, is_new=adjustments.undo(adjustment_id, name_of(asked)))


@router.post(
    "/jobs/{job_id:number}/adjustments/drop-carried",
    summary="Take back all changes of its plan that it took over from earlier jobs",
)
def drop_carried(job_id: JobId, asked: schemas.OfPlan | None = None) -> schemas.Dropped:
    job = jobs.get_job(job_id)
    model = jobs.choose_model(job, asked.model if asked else None)
    return schemas.Dropped(n_adjustments=adjustments.drop_carried(job, model, name_of(asked)))
