"""Files that come as an upload, or stand on the server: how a request names them."""

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
from fcst.api.problems import documented
from fcst.dataset_records import Ingest
from fcst.errors import InputError
from fcst.services import loading
from fcst.specs import IngestSpec

DatasetId = Annotated[int, Path(description="A dataset's number.")]
MAX_FILES = 50
UPLOAD = "multipart/form-data"
JSON = "application/json"


Asked = TypeVar("Asked", bound=schemas.PlanRequest)
AnyModel = TypeVar("AnyModel", bound=BaseModel)


def route_of(model: type[BaseModel]) -> dict[str, Any]:
    """What FastAPI is given for the route of a request to read files."""
    return {
        "status_code": 202,
        "response_model": schemas.Ingest,
        "responses": documented({415: "The body is neither JSON nor an upload"}),
        "openapi_extra": _body_of(model),
    }


def _body_of(model: type[BaseModel]) -> dict[str, Any]:
    """What OpenAPI says of a request that is JSON, or an upload with the same options."""
    file = {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
    upload = _upload_of(file, "What JSON would say, without a path.")
    content = {JSON: {"schema": model.model_json_schema()}, UPLOAD: {"schema": upload}}
    return {"requestBody": {"required": True, "content": content}}


def body_of_upload(model: type[BaseModel]) -> dict[str, Any]:
    """What OpenAPI says of a request that is an upload of one file, with options of this form as JSON."""
    options = "\n".join(f"- `{name}`: {field.description}" for name, field in model.model_fields.items())
    upload = _upload_of({"type": "string", "format": "binary"}, f"JSON with some of\n{options}")
    return {"requestBody": {"required": True, "content": {UPLOAD: {"schema": upload}}}}


def _upload_of(file: dict[str, Any], options: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["file"],
        "properties": {"file": file, "options": {"type": "string", "description": options}},
    }


def spec_of(asked: schemas.PlanRequest, name: str, paths: list[str], is_upload: bool, plan_of: int = 0) -> IngestSpec:
    """How files are read, of what requests to read sales and plans have in common."""
    return IngestSpec(
        paths=tuple(paths),
        name=name,
        mapping={role: [names] if isinstance(names, str) else names for role, names in asked.map.items()},
        date_format=asked.date_format,
        decimal=asked.decimal,
        encoding=asked.encoding,
        file=asked.file,
        where=tuple(asked.where.items()),
        skip_bad=asked.skip_bad,
        is_upload=is_upload,
        plan_of=plan_of,
    )


async def receive(
    request: Request, response: Response, model: type[Asked], ask: Callable[[Asked, list[str], bool], Ingest]
) -> Ingest:
    """Has the files of a request read; where that is refused nothing of an upload stays.

    Parameters
    ----------
    ask
        (what is asked, paths, whether they are copies of an upload) -> the ingest that was asked for.
    """
    kind = _kind(request)
    if kind not in (JSON, UPLOAD):
        raise HTTPException(415, "The body is neither JSON nor an upload.")
    if kind == UPLOAD:
        async with request.form(max_files=MAX_FILES, max_fields=10) as form:
            ingest = await anyio.to_thread.run_sync(_keep_upload, form, model, ask)
    else:
        asked = _parse(model, await request.body())
        if asked.path is None:
            raise InputError(
                "No file was given.", "Name a path of the server, or upload a file as multipart/form-data."
            )
        paths = [asked.path] if isinstance(asked.path, str) else asked.path
        ingest = await anyio.to_thread.run_sync(ask, asked, paths, False)
    response.headers["Location"] = f"/api/ingests/{ingest.ingest_id}"
    return ingest


def _keep_upload(form: FormData, model: type[Asked], ask: Callable[[Asked, list[str], bool], Ingest]) -> Ingest:
    asked = _options(form, model)
    if asked.path is not None:
        raise InputError("A path was given with an upload.", "Give one of the two.")
    files = _files(form)
    kept = loading.save_uploads((file.filename or "", file.file) for file in files)
    try:
        return ask(asked, kept, True)
    except BaseException:
        loading.discard_upload(kept[0])
        raise


@asynccontextmanager
async def one_file(request: Request, model: type[AnyModel]) -> AsyncIterator[tuple[AnyModel, UploadFile]]:
    """The options and the one file of an upload, which is there until the end of the block.

    Raises
    ------
    InputError
        if there is no file, or there are several.
    """
    if _kind(request) != UPLOAD:
        raise HTTPException(415, "The body is no upload.")
    async with request.form(max_files=MAX_FILES, max_fields=10) as form:
        asked, files = _options(form, model), _files(form)
        if len(files) > 1:
            raise InputError(f"{len(files)} files were uploaded.", "Send one.")
        yield asked, files[0]


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
        asked: AnyModel = model.model_validate_json(body)
    except ValidationError as exc:
        errors = [{**error, "loc": ("body", *error["loc"])} for error in exc.errors()]
        raise RequestValidationError(errors) from exc
    return asked
