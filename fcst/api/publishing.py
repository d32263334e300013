"""Routes of published plans: publish, list, read as a file, withdraw."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from starlette.responses import StreamingResponse

from fcst.api import schemas
from fcst.api.jobs import JobId
from fcst.api.problem_handlers import problem_responses
from fcst.published_plans import PublishedPlan
from fcst.services import exports, publishing

router = APIRouter(tags=["published plans"])
PlanId = Annotated[int, Path(description="The published plan's id.")]


@router.post(
    "/jobs/{job_id:number}/publish",
    status_code=201,
    summary="Publish the final plan of a run",
    response_model=schemas.PublishedPlan,
    responses=problem_responses({409: "The run has not ended, or has no forecasts"}),
)
def publish(job_id: JobId, body: schemas.PublishRequest) -> PublishedPlan:
    """It becomes the published plan of its dataset, and is kept as it is, also when the run is adjusted or deleted."""
    return publishing.publish(job_id, body.model)


@router.get("/published-plans", summary="List published plans, newest first", response_model=schemas.PublishedPlans)
def list_plans(
    dataset: Annotated[
        str | None, Query(min_length=1, max_length=1_000, pattern=schemas.NO_ZERO_BYTE, description="Dataset name.")
    ] = None,
) -> dict[str, Any]:
    """The newest of each dataset has `is_current`: it is the published plan."""
    return {"plans": publishing.list_plans(dataset)}


@router.get(
    "/published-plans/{plan_id:number}/items",
    summary="Get a published plan as CSV, a row for each item and week",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}}},
)
def get_items(plan_id: PlanId) -> Response:
    plan = publishing.get_plan(plan_id)
    file, n_bytes = publishing.open_plan(plan)
    headers = exports.headers_of(publishing.file_name(plan)) | {"Content-Length": str(n_bytes)}
    return StreamingResponse(exports.chunks(file), headers=headers)


@router.delete("/published-plans/{plan_id:number}", status_code=204, summary="Withdraw a published plan")
def withdraw(plan_id: PlanId) -> None:
    """The one before it becomes the published plan of its dataset."""
    publishing.withdraw(plan_id)
