"""What went wrong, as problem+json (RFC 9457), in the sentences that the pages have."""

import logging
import uuid
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from fcst.api.schemas import Problem
from fcst.errors import (
    BadRows,
    Conflict,
    DatabaseAway,
    DatabaseFull,
    FcstError,
    InputError,
    NoRoom,
    NotAllowed,
    NotFound,
)
from fcst.files import is_full, no_room

MEDIA_TYPE = "application/problem+json"
RETRY_S = "2"
MOST_ERRORS = 20

log = logging.getLogger(__name__)

_STATUS: list[tuple[type[FcstError], int]] = [
    (NotFound, 404),
    (Conflict, 409),
    (InputError, 422),
    (NotAllowed, 403),
    (NoRoom, 507),
    (DatabaseFull, 507),
    (DatabaseAway, 503),
]
_SENTENCES = {
    400: "The request's body cannot be read.",
    404: "There is nothing at this address.",
    405: "This method is not for this address.",
}


def problem(
    status: int, detail: str, hint: str = "", headers: dict[str, str] | None = None, **more: Any
) -> JSONResponse:
    """An answer that says what happened (`detail`) and what to do (`hint`)."""
    title = HTTPStatus(status).phrase if status in list(HTTPStatus) else "Error"
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "hint": hint, **more}
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def of_error(exc: FcstError) -> JSONResponse:
    """A known error; one that tells of the installation is told to the log alone."""
    for kind, status in _STATUS:
        if isinstance(exc, kind):
            more = {"report": exc.report.to_json()} if isinstance(exc, BadRows) else {}
            headers = {"Retry-After": RETRY_S} if status == 503 else None
            words = "The database is unreachable." if status == 503 else exc.message
            return problem(status, words, "Try again in a moment." if status == 503 else exc.hint, headers, **more)
    return unforeseen(exc)


def unforeseen(exc: Exception) -> JSONResponse:
    """An error that the caller cannot mend: a reference into the log."""
    reference = uuid.uuid4().hex[:8]
    log.error("API error %s", reference, exc_info=exc)
    return problem(500, "This could not be done.", f"The server's log tells why, under reference {reference}.")


def _place(loc: Sequence[str | int]) -> str:
    """Where in a request something is wrong; a name in it may be anything that JSON can say."""
    return ".".join(str(part)[:100].encode(errors="backslashreplace").decode() for part in loc)


def documented(texts: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    """How OpenAPI tells of problems, by status."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": text, "content": content} for status, text in texts.items()}


def handle_problems(api: FastAPI) -> None:
    """Every error of `api` becomes a problem."""

    async def known(_: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, FcstError)
        return of_error(exc)

    async def invalid(_: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, RequestValidationError)
        errors = [{"in": _place(error["loc"]), "what": error["msg"]} for error in exc.errors()[:MOST_ERRORS]]
        first = f"{errors[0]['in']}: {errors[0]['what']}." if errors else "It cannot be read."
        return problem(422, f"The request cannot be used. {first}", "See /api/docs.", errors=errors)

    async def http(_: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, HTTPException)
        words = _SENTENCES.get(exc.status_code, str(exc.detail))
        return problem(exc.status_code, words, "See /api/docs.", dict(exc.headers or {}))

    async def of_file(_: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, OSError)  # as where the body of a request is put on the disk
        return of_error(no_room("the request", "the server's folders")) if is_full(exc) else unforeseen(exc)

    async def other(_: Request, exc: Exception) -> JSONResponse:
        return unforeseen(exc)

    api.add_exception_handler(FcstError, known)
    api.add_exception_handler(RequestValidationError, invalid)
    api.add_exception_handler(HTTPException, http)
    api.add_exception_handler(OSError, of_file)
    api.add_exception_handler(Exception, other)
