"""Requests to read files: uploads as multipart/form-data, or paths on the server as JSON."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

import anyio
from fastapi import Path, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from fcst.api import schemas
from fcst.api.problem_handlers import problem_responses
from fcst.dataset_records import Ingest
from fcst.errors import InputError
from fcst.services import loading
from fcst.specs import IngestSpec

DatasetId = Annotated[int, Path(description="The dataset's id.")]
MAX_FILES = 50
UPLOAD = "multipart/form-data"
JSON = "application/json"


ReadRequest = TypeVar("ReadRequest", bound=schemas.PlanRequest)
AnyModel = TypeVar("AnyModel", bound=BaseModel)


def route_options(model: type[BaseModel]) -> dict[str, Any]:
    """FastAPI options for the route of a request to read files."""
    return {
        "status_code": 202,
        "response_model": schemas.Ingest,
        "responses": problem_responses({415: "The body is neither JSON nor an upload"}),
        "openapi_extra": _json_or_upload_body(model),
    }


def _json_or_upload_body(model: type[BaseModel]) -> dict[str, Any]:
    """OpenAPI body of a request as JSON, or as an upload with the same options."""
    file = {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
    upload = _upload_schema(file, "JSON with the same fields as the JSON body, except `path`.")
    content = {JSON: {"schema": model.model_json_schema()}, UPLOAD: {"schema": upload}}
    return {"requestBody": {"required": True, "content": content}}


def upload_body(model: type[BaseModel]) -> dict[str, Any]:
    """OpenAPI body of an upload of one file, with options as JSON."""
    options = "\n".join(f"- `{name}`: {field.description}" for name, field in model.model_fields.items())
    upload = _upload_schema({"type": "string", "format": "binary"}, f"JSON with these optional fields:\n{options}")
    return {"requestBody": {"required": True, "content": {UPLOAD: {"schema": upload}}}}


def _upload_schema(file: dict[str, Any], options: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["file"],
        "properties": {"file": file, "options": {"type": "string", "description": options}},
    }


def make_spec(body: schemas.PlanRequest, name: str, paths: list[str], is_upload: bool, plan_of: int = 0) -> IngestSpec:
    """Makes the spec from the fields that requests to read sales and plans have in common."""
    return IngestSpec(
        paths=tuple(paths),
        name=name,
        mapping={role: [names] if isinstance(names, str) else names for role, names in body.map.items()},
        date_format=body.date_format,
        decimal=body.decimal,
        encoding=body.encoding,
        file=body.file,
        where=tuple(body.where.items()),
        skip_bad=body.skip_bad,
        is_upload=is_upload,
        plan_of=plan_of,
        from_source=not paths,
    )


async def start_ingest(
    request: Request,
    response: Response,
    model: type[ReadRequest],
    submit: Callable[[ReadRequest, list[str], bool], Ingest],
) -> Ingest:
    """Submits an ingest of the files of a request. Deletes an upload if the request is refused.

    Parameters
    ----------
    submit
        (request body, paths, whether they are copies of an upload) -> the submitted ingest.
    """
    kind = _kind(request)
    if kind not in (JSON, UPLOAD):
        raise HTTPException(415, "The body is neither JSON nor an upload.")
    if kind == UPLOAD:
        async with request.form(max_files=MAX_FILES, max_fields=10) as form:
            ingest = await anyio.to_thread.run_sync(_submit_upload, form, model, submit)
    else:
        body = _parse(model, await request.body())
        if body.path is None:
            raise InputError(
                "No file was given.", "Give a path on the server, or upload a file as multipart/form-data."
            )
        paths = [body.path] if isinstance(body.path, str) else body.path
        ingest = await anyio.to_thread.run_sync(submit, body, paths, False)
    response.headers["Location"] = f"/api/ingests/{ingest.ingest_id}"
    return ingest


def _submit_upload(
    form: FormData, model: type[ReadRequest], submit: Callable[[ReadRequest, list[str], bool], Ingest]
) -> Ingest:
    body = _options(form, model)
    if body.path is not None:
        raise InputError("Both a path and an upload were given.", "Give one of them.")
    files = _files(form)
    kept = loading.save_uploads((file.filename or "", file.file) for file in files)
    try:
        return submit(body, kept, True)
    except BaseException:
        loading.discard_upload(kept[0])
        raise


@asynccontextmanager
async def single_upload(request: Request, model: type[AnyModel]) -> AsyncIterator[tuple[AnyModel, UploadFile]]:
    """The options and the file of an upload with one file, which exists until the end of the block.

    Raises
    ------
    InputError
        if there is no file, or there are several.
    """
    if _kind(request) != UPLOAD:
        raise HTTPException(415, "The body is not an upload.")
    async with request.form(max_files=MAX_FILES, max_fields=10) as form:
        body, files = _options(form, model), _files(form)
        if len(files) > 1:
            raise InputError(f"{len(files)} files were uploaded.", "Send one file.")
        yield body, files[0]


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _options(form: FormData, model: type[AnyModel]) -> AnyModel:
    options = form.get("options", "{}")
    return _parse(model, (options if isinstance(options, str) else "").encode())


def _files(form: FormData) -> list[UploadFile]:
    files = [file for file in form.getlist("file") if isinstance(file, UploadFile)]
    if not files:
        raise InputError("No file was uploaded.", "Send it as the field `file`.")
    return files


def _parse(model: type[AnyModel], body: bytes) -> AnyModel:
    try:
        return model.model_validate_json(body)
    except ValidationError as exc:
        errors = [{**error, "loc": ("body", *error["loc"])} for error in exc.errors()]
        raise RequestValidationError(errors) from exc
