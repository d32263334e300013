"""Turns every error of the API into a problem response, and describes these responses in its schema."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from fcst.api.problems import MEDIA_TYPE, error_response, internal_error, problem
from fcst.api.schemas import Problem
from fcst.errors import FcstError
from fcst.files import disk_full_error, is_full

MAX_ERRORS = 20
_SENTENCES = {
    400: "The request body cannot be read.",
    404: "This path does not exist.",
    405: "This path does not support the method.",
}


def _place(loc: Sequence[str | int]) -> str:
    """The location of an error in a request, as text; long or unprintable names are shortened and escaped."""
    return ".".join(str(part)[:100].encode(errors="backslashreplace").decode() for part in loc)


def problem_responses(texts: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI descriptions of problem responses, by status."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": text, "content": content} for status, text in texts.items()}


def handle_problems(api: FastAPI) -> None:
    """Adds handlers that turn every error of `api` into a problem response."""

    async def known(_: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, FcstError)
        return error_response(exc)

    async def invalid(_: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, RequestValidationError)
        errors = [{"in": _place(error["loc"]), "what": error["msg"]} for error in exc.errors()[:MAX_ERRORS]]
        first = f"{errors[0]['in']}: {errors[0]['what']}." if errors else "It cannot be read."
        return problem(422, f"The request is invalid. {first}", "See /api/docs.", errors=errors)

    async def http(_: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, HTTPException)
        words = _SENTENCES.get(exc.status_code, str(exc.detail))
        return problem(exc.status_code, words, "See /api/docs.", dict(exc.headers or {}))

    async def of_file(_: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, OSError)  # for example when the body of a request is written to disk
        return (
            error_response(disk_full_error("the request", "the server's folders"))
            if is_full(exc)
            else internal_error(exc)
        )

    async def other(_: Request, exc: Exception) -> JSONResponse:
        return internal_error(exc)

    api.add_exception_handler(FcstError, known)
    api.add_exception_handler(RequestValidationError, invalid)
    api.add_exception_handler(HTTPException, http)
    api.add_exception_handler(OSError, of_file)
    api.add_exception_handler(Exception, other)
