"""Run routes: submit, list, cancel, retry; batches, forecasts, accuracy, lost sales and sums of a run."""

import hashlib
import math
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from starlette.responses import StreamingResponse

from fcst.api import schemas
from fcst.api.attributes import WantedAttributes, wanted_in
from fcst.api.problem_handlers import problem_responses
from fcst.api.run_items import ItemsInQuery, check_keys
from fcst.attributes import ALL
from fcst.errors import InputError
from fcst.export_formats import EXPORT_FORMATS, media_types
from fcst.filters import GroupSort, ItemFilter, RunFilter
from fcst.job_records import Job
from fcst.services import accuracy, datasets, exports, forecasts, health, hierarchy, jobs, lost_sales
from fcst.states import JobStatus, Stage

router = APIRouter(prefix="/jobs", tags=["jobs"])

JobId = Annotated[int, Path(description="The run's id.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="A repeated key within a day returns the run of the first request and submits no other run.",
    ),
]
Format = Annotated[Literal["json", *EXPORT_FORMATS], Query(description="`json` is paged; a file has all rows.")]  # type: ignore[valid-type]
Offset = Annotated[int, Query(ge=0, le=10_000_000)]
PAGE_ITEMS = 500


@router.post(
    "",
    status_code=201,
    summary="Submit a run",
    responses=problem_responses({409: "The idempotency key was used for another request"}),
)
def submit(request: schemas.JobRequest, response: Response, idempotency_key: IdempotencyKey = None) -> schemas.JobId:
    """Responds when the run is stored; it is computed in the background."""
    once = None
    if idempotency_key is not None:
        once = (idempotency_key, hashlib.sha256(request.model_dump_json().encode()).hexdigest())
        if (known := jobs.find_submitted(*once)) is not None:  # even if a newer dataset exists now
            return _submitted(response, known, is_new=False)
    if isinstance(request.items, list) and request.attributes:
        raise InputError("Both item keys and attributes were given.", "Give one of them.")
    dataset = datasets.find_dataset(request.dataset)
    if isinstance(request.items, list):
        items = jobs.choose_named(dataset, request.items)
    else:
        n_items = dataset.n_items if request.items is None else request.items
        items = jobs.choose_largest(dataset, n_items, ItemFilter(attributes=wanted_in(request.attributes)))
    n_items = jobs.count_chosen(dataset.dataset_id, items)
    spec = jobs.make_spec(
        n_items,
        request.models,
        request.h,
        request.level,
        request.batch_size,
        request.n_windows,
        request.skips_stockouts,
    )
    job_id, is_new = jobs.submit_once(dataset.dataset_id, items, spec, request.name, request.note, once)
    return _submitted(response, job_id, is_new)


def _submitted(response: Response, job_id: int, is_new: bool) -> schemas.JobId:
    response.headers["Location"] = f"/api/jobs/{job_id}"
    if not is_new:
        response.headers["Idempotency-Replayed"] = "true"
    return schemas.JobId(job_id=job_id)


@router.get("", summary="List runs, newest first", response_model=schemas.Jobs)
def list_jobs(
    status: Annotated[list[JobStatus] | None, Query(description="Only runs with these statuses.")] = None,
    q: Annotated[
        str, Query(max_length=200, pattern=schemas.NO_ZERO_BYTE, description="Words in the name or note.")
    ] = "",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    offset: Offset = 0,
) -> dict[str, Any]:
    which = jobs.Filter(tuple(status or ()), words=q)
    found, n_found = jobs.find_jobs(which, limit, offset)
    return {"jobs": _with_stalls(found), "n_found": n_found}


def _with_stalls(found: Sequence[Job]) -> list[dict[str, Any]]:
    stalls = health.find_stalls(found)
    return [
        {**vars(job), "stalled": (stall := stalls.get(job.job_id)), "time_left_s": None if stall else job.time_left_s}
        for job in found
    ]


@router.post(
    "/batch",
    summary="Retry one batch",
    responses=problem_responses({409: "The batch is waiting, running or completed"}),
)
def retry_batch(request: schemas.BatchRequest) -> schemas.RetriedItems:
    """Retries a batch that failed or was cancelled."""
    return schemas.RetriedItems(job_id=request.job_id, n_items=jobs.retry_batch(request.job_id, request.batch_id))


@router.get("/{job_id:number}", summary="Get a run and its progress", response_model=schemas.Job)
def get_job(job_id: JobId) -> dict[str, Any]:
    (job,) = _with_stalls([jobs.get_job(job_id)])
    return job


@router.get("/{job_id:number}/batches", summary="List a run's batches", response_model=schemas.Batches)
def list_batches(
    job_id: JobId,
    stage: Annotated[list[Stage] | None, Query(description="Only batches in these stages.")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
    offset: Offset = 0,
) -> dict[str, Any]:
    jobs.get_job(job_id)
    return {"batches": jobs.list_batches(job_id, limit, offset, stage)}


@router.post("/{job_id:number}/cancel", summary="Cancel a run; completed items are kept")
def cancel(job_id: JobId) -> schemas.Cancelled:
    return schemas.Cancelled(job_id=job_id, is_new=jobs.cancel_job(job_id))


@router.post(
    "/{job_id:number}/retry",
    summary="Retry the failed and cancelled items of an ended run",
    responses=problem_responses({409: "The run has not ended"}),
)
def retry(job_id: JobId) -> schemas.RetriedItems:
    return schemas.RetriedItems(job_id=job_id, n_items=jobs.retry_job(job_id))


async def wait_for_export(format: Format = "json") -> AsyncIterator[None]:
    """Waits for a free export slot; a page of JSON does not need one."""
    if format == "json":
        yield
    else:
        async with exports.download_limiter:
            yield


@router.get(
    "/{job_id:number}/forecasts",
    summary="Get a run's forecasts, as pages of JSON or as a file",
    response_model=schemas.Forecasts,
    dependencies=[Depends(wait_for_export, scope="function")],
    responses={200: {"content": dict.fromkeys(media_types(EXPORT_FORMATS), {})}},
)
def list_forecasts(
    request: Request,
    job_id: JobId,
    wanted: ItemsInQuery,
    model: Annotated[
        str | None,
        Query(max_length=100, description="Model whose forecasts the filters use; default: the run's first."),
    ] = None,
    format: Format = "json",
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="Start of the page, from `next`.")] = 0,
    limit: Annotated[int, Query(ge=1, le=5_000, description="Items per page.")] = PAGE_ITEMS,
) -> Any:
    """Forecasts of all models. Has the same item filters as the worklist, `attr.city=Quito` included."""
    job = jobs.get_job(job_id)
    model, which = jobs.choose_model(job, model), check_keys(job, wanted)
    if format != "json":
        of_model = "" if which.has_keys_only else model
        file, n_bytes = exports.open_export(job, format, which, of_model)
        headers = exports.file_headers(job, format, which, of_model) | {"Content-Length": str(n_bytes)}
        return StreamingResponse(exports.chunks(file), headers=headers)
    weeks, last = forecasts.list_page(job, model, which, after, limit)
    params = [(name, [value]) for name, value in request.query_params.multi_items() if name not in ("after", "limit")]
    return {"forecasts": weeks, "next": next_page(f"/api/jobs/{job_id}/forecasts", last, limit, params)}


@router.get("/{job_id:number}/metrics", summary="Get a run's forecast accuracy", response_model=schemas.Metrics)
def list_metrics(
    job_id: JobId,
    by: Annotated[Literal[*accuracy.BY], Query()] = "model",  # type: ignore[valid-type]
) -> dict[str, Any]:
    frame = accuracy.list_accuracy(jobs.get_job(job_id), by)
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return {"by": by, "metrics": [{str(name): _defined(value) for name, value in row.items()} for row in rows]}


@router.get(
    "/{job_id:number}/lost-sales",
    summary="List the lost sales of a run's items from stock-outs",
    response_model=schemas.LostSales,
)
def list_lost_sales(
    job_id: JobId,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    offset: Offset = 0,
) -> dict[str, Any]:
    job = jobs.get_job(job_id)
    totals = lost_sales.sum_lost_sales(job)
    items = lost_sales.list_lost_sales(job, limit, offset)
    return {**vars(totals), "share": totals.share, "items": items}


@router.get(
    "/{job_id:number}/groups",
    summary="Sum a run's forecasts over all weeks by an item attribute",
    response_model=schemas.Groups,
)
def list_groups(
    job_id: JobId,
    wanted: WantedAttributes,
    by: Annotated[
        str,
        Query(
            max_length=200, pattern=schemas.NO_ZERO_BYTE, description="Attribute name; `all`: one sum over all items."
        ),
    ] = ALL,
    model: Annotated[str | None, Query(description="One of the run's models; default: the first.")] = None,
    bounds: Annotated[bool, Query(description="Add interval bounds of the sums; slower, reads all backtests.")] = False,
    sort: Annotated[GroupSort, Query()] = GroupSort.FORECAST,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
    offset: Offset = 0,
) -> dict[str, Any]:
    """Filter by attributes with `attr.city=Quito`, for example to drill down. Repeat a name to match one of several
    values. An empty value matches items without a value."""
    job, which = jobs.get_job(job_id), RunFilter(attributes=wanted)
    model = jobs.choose_model(job, model)
    found = hierarchy.list_groups(job, model, by, which, sort, limit, offset, bounds)
    return {"by": by, "groups": found, "n_found": hierarchy.count_groups(job, model, by, which)}


def next_page(path: str, last: int | None, limit: int, more: Sequence[tuple[str, list[str]]] = ()) -> str | None:
    """The URL of the next page; None on the last page."""
    if last is None:
        return None
    return f"{path}?{urlencode([('after', last), ('limit', limit), *((n, v) for n, vs in more for v in vs)])}"


def _defined(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
