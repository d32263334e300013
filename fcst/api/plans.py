"""The final plan of a run as a wide file: given away to be edited, and read back."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any, BinaryIO, Literal

import anyio
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import StreamingResponse

from fcst.api import plan_schemas as schemas
from fcst.api import uploads
from fcst.api.jobs import JobId
from fcst.api.problems import documented
from fcst.api.run_items import ItemsInAddress, ModelName, checked
from fcst.api.worklist import name_of
from fcst.periods import Period
from fcst.roles import Scope
from fcst.services import exports, identity, jobs, plan_upload, plan_workbook
from fcst.services.plan_layout import PLAN_FORMATS

router = APIRouter(prefix="/jobs/{job_id:number}/plan", tags=["plans"])


async def take_turn() -> AsyncIterator[None]:
    """Waits until a file may be made."""
    async with exports.at_once:
        yield


@router.get(
    "",
    summary="Its final plan by one model as a file to be edited: one row an item, one column a period",
    response_class=StreamingResponse,
    dependencies=[Depends(take_turn, scope="function")],
    responses={200: {"content": {exports.MEDIA_TYPES[name].partition(";")[0]: {} for name in PLAN_FORMATS}}},
)
def get_plan(
    job_id: JobId,
    wanted: ItemsInAddress,
    model: ModelName = None,
    format: Annotated[
        Literal[*PLAN_FORMATS],  # type: ignore[valid-type]
        Query(description="A workbook remembers what was downloaded; CSV does not."),
    ] = "xlsx",
    by: Annotated[Period, Query(description="What a column is.")] = Period.WEEK,
) -> StreamingResponse:
    job = jobs.get_job(job_id)
    model, which = jobs.choose_model(job, model), checked(job, wanted)
    name = plan_workbook.plan_file_name(job, model, format, by, which)
    file, n_bytes = plan_workbook.open_plan(job, model, format, by, which)
    return StreamingResponse(exports.chunks(file), headers=exports.headers_of(name) | {"Content-Length": str(n_bytes)})


@router.post(
    "",
    summary="Compare an edited file with its plan, and save what changes",
    response_model=schemas.PlanUpload,
    responses=documented({409: "Others have changed the same cells", 415: "The body is no upload"}),
    openapi_extra=uploads.body_of_upload(schemas.PlanUploadOptions),
)
async def upload_plan(job_id: JobId, request: Request) -> dict[str, Any]:
    """The file is a workbook or CSV as `GET` gives it. What is saved is one adjustment: all of its cells, or none."""
    identity.require(Scope.RUN)  # before a large file has come
    async with uploads.one_file(request, schemas.PlanUploadOptions) as (asked, file), exports.at_once:
        return await anyio.to_thread.run_sync(_take, job_id, asked, file.file, (file.filename or "The file")[:200])


def _take(job_id: int, asked: schemas.PlanUploadOptions, file: BinaryIO, name: str) -> dict[str, Any]:
    job = jobs.get_job(job_id)
    model = jobs.choose_model(job, asked.model)
    found = plan_upload.read_plan_file(job, model, file, name)
    if asked.last_change is not None:
        found = replace(found, seen=min(found.seen, asked.last_change))
    made = None
    if asked.save:
        who = name_of(asked)
        made = plan_upload.save_plan_file(job, model, found, asked.reason, who, asked.skip_bad, asked.meanwhile)
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
