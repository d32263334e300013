"""Downloads: links on pages, the server routes that serve them, and images of charts.

A file is written from the database to disk and then sent to the browser; it is never in the memory of a session.
"""

import hashlib
import hmac
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import urlencode

import anyio
import streamlit as st
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from fcst.dataset_records import Dataset
from fcst.errors import DatabaseFull, DatabaseUnreachable, DiskFull, FcstError, InputError
from fcst.export_formats import EXPORT_FORMATS, FILE_FORMATS, PLAN_FORMATS, check_format
from fcst.filters import ALL_RUN_ITEMS, PREFIX, RunFilter, attribute_pairs, attributes_in, by_keys
from fcst.job_records import Job
from fcst.names import WEEKLY_FILE, safe_file_name
from fcst.periods import Period
from fcst.services import datasets, exports, jobs, plan_workbook, scenario_files, scenarios
from fcst.services.signing import signing_secret
from fcst.settings import load_settings
from fcst.ui import text

ITEM, MODEL, SEARCH, REVIEW, BY, SCENARIO = "item", "model", "q", "review", "by", "scenario"
FILTERS = {
    "family": "families",
    "class": "classes",
    "demand_class": "demand_classes",
    "heaviest": "heaviest",
    "reason": "reasons",
    "abc": "abc",
    "xyz": "xyz",
}
"""URL parameter -> field of `RunFilter`."""
WEEKLY_SALES, REPORT = "weekly-sales.csv", "report.json"
UNTIL, SIGNATURE = "until", "signature"
LINK_HOURS = 12  # a signed link is valid for 11 to 12 hours
Query = Sequence[tuple[str, str]]

log = logging.getLogger(__name__)


def show_downloads(job: Job, what: str, n_items: int, query: Query = (), model: str = "", period: str = "") -> None:
    """Links to the final plan of one model and to the forecasts of all models, for some items or for the whole run.

    Parameters
    ----------
    what
        the items, as shown: `this item`.
    n_items
        number of items.
    query
        selects the items, from `one_item` or `filter_query`; empty for all.
    model, period
        of the plan: the run's first model if empty; a `Period`, weeks if empty.
    """
    n_rows = exports.count_rows(job, n_items)
    shown = min(n_items, job.n_completed)
    of_plan = [*(pair for pair in query if pair[0] != MODEL), (MODEL, model or job.spec.models[0])]
    st.markdown(f"**{text.plain(what[:1].upper() + what[1:])}**")
    with st.container(horizontal=True, vertical_alignment="center", key=f"plan_{safe_file_name(what)}"):
        st.markdown(f"Final plan, one column per {period or Period.WEEK}:", width="content")
        for file_format in PLAN_FORMATS:
            st.link_button(
                f"Plan as {FILE_FORMATS[file_format].label}",
                link_to_plan(job.job_id, file_format, [*of_plan, (BY, period or Period.WEEK)]),
                icon=":material/download:",
                disabled=shown == 0,
                help="One row per item. Edit the file and upload it again.",
            )
    with st.container(horizontal=True, vertical_alignment="center", key=f"downloads_{safe_file_name(what)}"):
        st.markdown(f"All models by week, {text.count(n_rows, 'row')}:", width="content")
        for file_format in EXPORT_FORMATS:
            refusal = exports.workbook_refusal(n_rows) if file_format == "xlsx" else ""
            st.link_button(
                FILE_FORMATS[file_format].label,
                link_to_forecasts(job.job_id, file_format, query),
                icon=":material/download:",
                disabled=bool(refusal) or n_rows == 0,
                help=f"{refusal} {exports.WORKBOOK_HINT}"
                if refusal
                else "One row per item, model and week. The column adjusted has the final plan.",
            )


def period_in_url() -> str:
    """The `Period` of the page, from the URL."""
    found = st.query_params.get("period", "")
    return found if found in set(Period) else str(Period.WEEK)


def one_item(unique_id: str) -> Query:
    return [(ITEM, unique_id)]


def filter_query(which: RunFilter, model: str) -> Query:
    """URL parameters of a filter; some of them filter by the forecasts of `model`."""
    chosen = [(name, value) for name, field in FILTERS.items() for value in getattr(which, field)]
    review = [(REVIEW, which.review)] if which.review else []
    return [(MODEL, model), (SEARCH, which.search), *review, *chosen, *attribute_pairs(which.attributes)]


def link_to_forecasts(job_id: int, file_format: str, query: Query = ()) -> str:
    """Link to a run's forecasts."""
    return _link(f"/downloads/{job_id}/forecasts.{file_format}", query)


def link_to_plan(job_id: int, file_format: str, query: Query) -> str:
    """Link to a run's final plan as a wide file."""
    return _link(f"/downloads/{job_id}/plan.{file_format}", query)


def link_to_scenarios(job_id: int, file_format: str, query: Query) -> str:
    """Link to the plan of a run in one or two scenarios."""
    return _link(f"/downloads/{job_id}/scenarios.{file_format}", query)


def show_dataset_link(label: str, dataset_id: int, name: str) -> None:
    """Shows a link to a file of a dataset: `WEEKLY_SALES` or `REPORT`."""
    st.link_button(label, link_to_dataset(dataset_id, name), icon=":material/download:")


def link_to_dataset(dataset_id: int, name: str) -> str:
    """Link to a file of a dataset: `WEEKLY_SALES` or `REPORT`."""
    return _link(f"/downloads/datasets/{dataset_id}/{name}")


def _link(path: str, query: Query = ()) -> str:
    """Path and parameters of a file; signed if the server has a sign-in."""
    parameters = list(query)
    if load_settings().has_sign_in:
        hour = 3600
        until = str((int(time.time()) // hour + LINK_HOURS) * hour)  # the link changes once an hour
        parameters += [(UNTIL, until), (SIGNATURE, _sign(path, [*query, (UNTIL, until)]))]
    return f"{path}?{urlencode(parameters)}" if parameters else path


def _sign(path: str, parameters: Query) -> str:
    secret = signing_secret().encode()
    return hmac.new(secret, f"download {path}?{urlencode(parameters)}".encode(), hashlib.sha256).hexdigest()


def _refuse(request: Request) -> Response | None:
    """The response to a link without a valid signature, or to an expired one; None if the link is valid."""
    if not load_settings().has_sign_in:
        return None
    parameters = request.query_params.multi_items()
    signature = parameters.pop()[1] if parameters and parameters[-1][0] == SIGNATURE else ""
    until = parameters[-1][1] if parameters and parameters[-1][0] == UNTIL else ""
    is_signed = hmac.compare_digest(signature.encode(), _sign(request.url.path, parameters).encode())
    if is_signed and until.isdigit() and time.time() < int(until):
        return None
    return _text_response(403, "This link has expired. Reload its page and use the new link.")


def image_config(job: Job, what: str, unique_id: str | None = None) -> dict[str, Any]:
    """Plotly `config` of a chart: the camera button saves a PNG, 1200 × 600 pixels at scale 2, named by content."""
    parts = exports.name_parts(job, by_keys(unique_id) if unique_id else ALL_RUN_ITEMS)
    parts = [*(parts if unique_id else parts[:1]), safe_file_name(what)]
    options = {"format": "png", "filename": "_".join(parts), "width": 1200, "height": 600, "scale": 2}
    return {"toImageButtonOptions": options, "displaylogo": False}


def _chosen(job: Job, query: QueryParams, more: Sequence[str] = ()) -> tuple[RunFilter, str]:
    """Item filter of a request, and the model by whose forecasts it filters."""
    names = {ITEM, MODEL, SEARCH, REVIEW, *FILTERS, *more, *(name for name in query if name.startswith(PREFIX))}
    _check_names(query, names, "Name items with item=KEY, once for each.")
    if ITEM in query:
        unique_ids = list(dict.fromkeys(query.getlist(ITEM)))
        exports.check_items(job.job_id, unique_ids)
        return by_keys(*unique_ids), ""
    model = jobs.choose_model(job, query.get(MODEL))
    chosen: dict[str, Any] = {field: tuple(query.getlist(name)) for name, field in FILTERS.items()}
    chosen |= {"review": query.get(REVIEW, ""), "attributes": attributes_in(query.multi_items())}
    return RunFilter(query.get(SEARCH, ""), **chosen), model


def _check_names(query: QueryParams, known: set[str], hint: str) -> None:
    if unknown := set(query) - {UNTIL, SIGNATURE} - known:
        raise InputError(f"There is no parameter {min(unknown)}.", hint)


@dataclass(frozen=True)
class _File:
    """A checked request for a file; `make` writes the file when it is sent."""

    headers: dict[str, str]
    make: Callable[[], tuple[BinaryIO, int]]


def _forecasts(request: Request) -> _File:
    job_id, file_format = request.path_params["job_id"], request.path_params["file_format"]
    check_format(file_format, EXPORT_FORMATS)
    job = jobs.get_job(job_id)
    which, model = _chosen(job, request.query_params)
    headers = exports.file_headers(job, file_format, which, model)
    return _File(headers, lambda: exports.open_export(job, file_format, which, model))


def _plan(request: Request) -> _File:
    job, file_format = jobs.get_job(request.path_params["job_id"]), request.path_params["file_format"]
    check_format(file_format, PLAN_FORMATS)
    query = request.query_params
    which, _ = _chosen(job, query, [BY])
    model = jobs.choose_model(job, query.get(MODEL))
    period = plan_workbook.as_period(query.get(BY, Period.WEEK))
    headers = exports.headers_of(plan_workbook.plan_file_name(job, model, file_format, period, which))
    return _File(headers, lambda: plan_workbook.open_plan(job, model, file_format, period, which))


def _scenarios(request: Request) -> _File:
    job, file_format = jobs.get_job(request.path_params["job_id"]), request.path_params["file_format"]
    check_format(file_format, PLAN_FORMATS)
    query = request.query_params
    which, _ = _chosen(job, query, [SCENARIO])
    model = jobs.choose_model(job, query.get(MODEL))
    numbers = list(dict.fromkeys(query.getlist(SCENARIO)))
    if not 0 < len(numbers) < 3 or not all(number.isascii() and number.isdigit() for number in numbers):
        raise InputError("One or two scenarios make a file.", "Name each with scenario=NUMBER.")
    chosen = [scenarios.get_scenario(job, int(number[:12])) for number in numbers]
    headers = exports.headers_of(scenario_files.scenario_file_name(job, model, file_format, which, chosen))
    return _File(headers, lambda: scenario_files.open_scenarios(job, model, file_format, which, chosen))


def _dataset(request: Request) -> Dataset:
    _check_names(request.query_params, set(), "This file has the whole dataset; it takes no parameters.")
    return datasets.get_dataset(request.path_params["dataset_id"])


def _weekly_sales(request: Request) -> _File:
    dataset_id = _dataset(request).dataset_id
    return _File(exports.headers_of(WEEKLY_FILE), lambda: exports.open_weekly_file(dataset_id))


def _report(request: Request) -> _File:
    dataset = _dataset(request)
    return _File(exports.headers_of(exports.report_name(dataset)), lambda: exports.open_report(dataset))


def _route(path: str, find: Callable[[Request], _File]) -> Route:
    async def download(request: Request) -> Response:
        if (refusal := _refuse(request)) is not None:
            return refusal
        async with exports.download_limiter:
            if await request.is_disconnected():  # while this request waited
                return Response(status_code=499)
            return await anyio.to_thread.run_sync(_respond, request, find)

    return Route(path, download)


def _respond(request: Request, find: Callable[[Request], _File]) -> Response:
    """Sends a file after it is completely on disk, or a text with the reason why it cannot be made."""
    try:
        file = find(request)
    except InputError as exc:
        return _text_response(404, str(exc))
    except Exception as exc:  # noqa: BLE001  logged, and sent as text
        return _error_response(exc)
    if request.method == "HEAD":
        return Response(headers=file.headers)
    try:
        out, n_bytes = file.make()
    except Exception as exc:  # noqa: BLE001  logged, and sent as text
        return _text_response(400, str(exc)) if isinstance(exc, InputError) else _error_response(exc)
    return StreamingResponse(exports.chunks(out), headers=file.headers | {"Content-Length": str(n_bytes)})


def _error_response(exc: Exception) -> Response:
    if isinstance(exc, DiskFull | DatabaseFull):
        return _text_response(507, f"This file could not be made. {exc}")
    if isinstance(exc, DatabaseUnreachable):
        return _text_response(503, "The database is unreachable. Try again in a moment.")
    reference = uuid.uuid4().hex[:8]
    log.error("download error %s", reference, exc_info=exc)
    known = isinstance(exc, FcstError)
    why = str(exc) if known else f"See the server log, reference {reference}."
    return _text_response(500, f"This file could not be made. {why}")


def _text_response(status: int, message: str) -> Response:
    return PlainTextResponse(message, status, {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"})


ROUTES = [
    _route("/downloads/{job_id:int}/forecasts.{file_format}", _forecasts),
    _route("/downloads/{job_id:int}/plan.{file_format}", _plan),
    _route("/downloads/{job_id:int}/scenarios.{file_format}", _scenarios),
    _route(f"/downloads/datasets/{{dataset_id:int}}/{WEEKLY_SALES}", _weekly_sales),
    _route(f"/downloads/datasets/{{dataset_id:int}}/{REPORT}", _report),
]
