"""Plan file routes: download the final plan of a run as a wide file, and upload the edited file."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any, BinaryIO, Literal

import anyio
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import StreamingResponse

from fcst.api import plan_schemas as schemas
from fcst.api import uploads
from fcst.api.jobs import JobId
from fcst.api.problem_handlers import problem_responses
from fcst.api.run_items import ItemsInQuery, ModelName, check_keys
from fcst.api.worklist import author_name
from fcst.export_formats import PLAN_FORMATS, media_types
from fcst.periods import Period
from fcst.roles import Scope
from fcst.services import exports, identity, jobs, plan_upload, plan_workbook

router = APIRouter(prefix="/jobs/{job_id:number}/plan", tags=["plans"])


async def wait_for_export() -> AsyncIterator[None]:
    """Waits for a free export slot."""
    async with exports.download_limiter:
        yield


@router.get(
    "",
    summary="Download a run's final plan by one model for editing: one row per item, one column per period",
    response_class=StreamingResponse,
    dependencies=[Depends(wait_for_export, scope="function")],
    responses={200: {"content": dict.fromkeys(media_types(PLAN_FORMATS), {})}},
)
def get_plan(
    job_id: JobId,
    wanted: ItemsInQuery,
    model: ModelName = None,
    format: Annotated[
        Literal[*PLAN_FORMATS],  # type: ignore[valid-type]
        Query(description="A workbook stores the downloaded values for comparison; CSV does not."),
    ] = "xlsx",
    by: Annotated[Period, Query(description="Period of a column.")] = Period.WEEK,
) -> StreamingResponse:
    job = jobs.get_job(job_id)
    model, which = jobs.choose_model(job, model), check_keys(job, wanted)
    name = plan_workbook.plan_file_name(job, model, format, by, which)
    file, n_bytes = plan_workbook.open_plan(job, model, format, by, which)
    return StreamingResponse(exports.chunks(file), headers=exports.headers_of(name) | {"Content-Length": str(n_bytes)})


@router.post(
    "",
    summary="Compare an edited file with a run's plan, and save the changes",
    response_model=schemas.PlanUpload,
    responses=problem_responses({409: "Others have changed the same cells", 415: "The body is not an upload"}),
    openapi_extra=uploads.upload_body(schemas.PlanUploadOptions),
)
async def upload_plan(job_id: JobId, request: Request) -> dict[str, Any]:
    """The file is a workbook or CSV from `GET`. All its changes are saved as one adjustment, or none."""
    identity.require(Scope.RUN)  # before a large body is received
    async with uploads.single_upload(request, schemas.PlanUploadOptions) as (options, file), exports.download_limiter:
        name = (file.filename or "The file")[:200]
        return await anyio.to_thread.run_sync(_read_upload, job_id, options, file.file, name)


def _read_upload(job_id: int, options: schemas.PlanUploadOptions, file: BinaryIO, name: str) -> dict[str, Any]:
    job = jobs.get_job(job_id)
    model = jobs.choose_model(job, options.model)
    found = plan_upload.read_plan_file(job, model, file, name)
    if options.last_change is not None:
        found = replace(found, seen=min(found.seen, options.last_change))
    made = None
    if options.save:
        who = author_name(options)
        made = plan_upload.save_plan_file(job, model, found, options.reason, who, options.skip_bad, options.on_conflict)
    of_file = {name: getattr(found, name) for name in ("kind", "period", "n_rows", "n_items", "n_unchanged", "n_empty")}
    return {
        **of_file,
        "adjustment_id": made,
        "n_changes": len(found.changes),
        "changes": found.changes[: schemas.MAX_CHANGES],
        "n_bad": found.n_bad,
        "bad": found.bad,
        "remarks": found.remarks,
        "last_change": found.seen,
    }
