"""Error responses as problem+json (RFC 9457), with the same messages as the pages."""

import logging
import uuid
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from fcst.errors import (
    BadRows,
    Conflict,
    DatabaseFull,
    DatabaseUnreachable,
    DiskFull,
    FcstError,
    InputError,
    NotAllowed,
    NotFound,
)

MEDIA_TYPE = "application/problem+json"
RETRY_S = "2"

log = logging.getLogger(__name__)

_STATUS: list[tuple[type[FcstError], int]] = [
    (NotFound, 404),
    (Conflict, 409),
    (InputError, 422),
    (NotAllowed, 403),
    (DiskFull, 507),
    (DatabaseFull, 507),
    (DatabaseUnreachable, 503),
]


def problem(
    status: int, detail: str, hint: str = "", headers: dict[str, str] | None = None, **more: Any
) -> JSONResponse:
    """A problem response with what happened (`detail`) and what to do (`hint`)."""
    title = HTTPStatus(status).phrase if status in list(HTTPStatus) else "Error"
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "hint": hint, **more}
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def error_response(exc: FcstError) -> JSONResponse:
    """The response for a known error. Errors about the installation are logged, not shown to the caller."""
    for kind, status in _STATUS:
        if isinstance(exc, kind):
            more = {"report": exc.report.to_json()} if isinstance(exc, BadRows) else {}
            headers = {"Retry-After": RETRY_S} if status == 503 else None
            words = "The database is unreachable." if status == 503 else exc.message
            return problem(status, words, "Try again in a moment." if status == 503 else exc.hint, headers, **more)
    return internal_error(exc)


def internal_error(exc: Exception) -> JSONResponse:
    """The response for an internal error: logs it, and returns a reference into the log."""
    reference = uuid.uuid4().hex[:8]
    log.error("API error %s", reference, exc_info=exc)
    return problem(500, "Internal error.", f"See the server log, reference {reference}.")
