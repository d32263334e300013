"""Datasets: loaded from an upload or from a path of the server, listed, looked into, deleted."""

from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from fcst.api import schemas
from fcst.api.jobs import next_page
from fcst.api.problems import documented
from fcst.dataset_records import Dataset, Ingest
from fcst.errors import InputError
from fcst.roles import Scope
from fcst.services import datasets, identity, loading
from fcst.specs import IngestSpec

router = APIRouter(tags=["datasets"])

DatasetId = Annotated[int, Path(description="A dataset's number.")]
MAX_FILES = 50
UPLOAD = "multipart/form-data"
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": schemas.LoadRequest.model_json_schema()},
            UPLOAD: {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}},
                        "options": {"type": "string", "description": "What JSON would say, without a path."},
                    },
                }
            },
        },
    }
}


@router.get("/datasets", summary="List datasets, the newest first", response_model=schemas.Datasets)
def list_datasets() -> dict[str, Any]:
    return {"datasets": datasets.list_datasets()}


@router.post(
    "/datasets",
    status_code=202,
    summary="Load sales from files on the server, or from an upload",
    response_model=schemas.Ingest,
    responses=documented({415: "The body is neither JSON nor an upload"}),
    openapi_extra=_BODY,
)
async def load(request: Request, response: Response) -> Ingest:
    """Answers as soon as the files have been looked at; the reading goes on in the background: see `Location`."""
    identity.require(Scope.RUN)  # before a large file has come
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _BODY["requestBody"]["content"]:
        raise HTTPException(415, "The body is neither JSON nor an upload.")
    if kind == UPLOAD:
        async with request.form(max_files=MAX_FILES, max_fields=10) as form:
            ingest = await anyio.to_thread.run_sync(_load_upload, form)
    else:
        asked = _parse(await request.body())
        if asked.path is None:
            raise InputError(
                "No file was given.", "Name a path of the server, or upload a file as multipart/form-data."
            )
        paths = [asked.path] if isinstance(asked.path, str) else asked.path
        ingest = await anyio.to_thread.run_sync(_request, asked, paths, False)
    response.headers["Location"] = f"/api/ingests/{ingest.ingest_id}"
    return ingest


@router.get("/ingests/{ingest_id:number}", summary="How a reading of files is doing", response_model=schemas.Ingest)
def get_ingest(ingest_id: Annotated[int, Path(description="An ingest's number.")]) -> Ingest:
    return loading.get_ingest(ingest_id)


@router.get(
    "/datasets/{dataset_id:number}", summary="A dataset with its report", response_model=schemas.DatasetWithReport
)
def get_dataset(dataset_id: DatasetId) -> Dataset:
    return datasets.get_dataset(dataset_id)


@router.delete(
    "/datasets/{dataset_id:number}",
    status_code=204,
    summary="Delete a dataset with its jobs and their forecasts",
    responses=documented({409: "A job of it has not ended"}),
)
def delete_dataset(dataset_id: DatasetId) -> None:
    datasets.delete_dataset(dataset_id)


@router.get(
    "/datasets/{dataset_id:number}/items", summary="Its items, the largest sellers first", response_model=schemas.Items
)
def list_items(
    dataset_id: DatasetId,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="Where a page begins; `next` has it.")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Items of a page.")] = 1_000,
) -> dict[str, Any]:
    items, last = datasets.list_page(dataset_id, after, limit)
    return {"items": items, "next": next_page(f"/api/datasets/{dataset_id}/items", last, limit)}


@router.get("/datasets/{dataset_id:number}/history", summary="The weeks of one item", response_model=schemas.History)
def get_history(
    dataset_id: DatasetId, item: Annotated[str, Query(min_length=1, max_length=1_000, description="Its key.")]
) -> dict[str, Any]:
    return {"unique_id": item, "weeks": datasets.item_history(dataset_id, item)}


def _load_upload(form: FormData) -> Ingest:
    """Keeps the uploaded files and asks for their reading; where that is refused nothing of them stays."""
    options = form.get("options", "{}")
    asked = _parse((options if isinstance(options, str) else "").encode())
    if asked.path is not None:
        raise InputError("A path was given with an upload.", "Give one of the two.")
    files = [file for file in form.getlist("file") if isinstance(file, UploadFile)]
    if not files:
        raise InputError("No file was uploaded.", "Send it as the field `file`.")
    kept = loading.save_uploads((file.filename or "", file.file) for file in files)
    try:
        name = asked.name or loading.default_name(files[0].filename or kept[0])
        return _request(asked.model_copy(update={"name": name}), kept, True)
    except BaseException:
        loading.discard_upload(kept[0])
        raise


def _request(asked: schemas.LoadRequest, paths: list[str], is_upload: bool) -> Ingest:
    spec = IngestSpec(
        paths=tuple(paths),
        name=asked.name or loading.default_name(paths[0]),
        mapping={role: [columns] if isinstance(columns, str) else columns for role, columns in asked.map.items()},
        date_format=asked.date_format,
        decimal=asked.decimal,
        zone=asked.zone,
        encoding=asked.encoding,
        file=asked.file,
        where=tuple(asked.where.items()),
        include_promo=asked.include_promo,
        returns=asked.returns,
        duplicates=asked.duplicates,
        cancelled=asked.cancelled,
        odd_dates=asked.odd_dates,
        week_end=asked.week_end,
        skip_bad=asked.skip_bad,
        is_upload=is_upload,
    )
    look = loading.look_into(spec)
    spec, _ = loading.with_remembered(spec, look)
    return loading.get_ingest(loading.request_ingest(spec, look))


def _parse(body: bytes) -> schemas.LoadRequest:
    try:
        return schemas.LoadRequest.model_validate_json(body)
    except ValidationError as exc:
        errors = [{**error, "loc": ("body", *error["loc"])} for error in exc.errors()]
        raise RequestValidationError(errors) from exc
