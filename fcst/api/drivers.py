"""Drivers of a dataset: loaded from a plan, added from a calendar of holidays, listed, removed."""

from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Path, Request, Response

from fcst.api import schemas, uploads
from fcst.api.problems import documented
from fcst.api.uploads import DatasetId
from fcst.dataset_records import Ingest
from fcst.drivers import DriverLoad
from fcst.roles import Scope
from fcst.services import datasets, drivers, identity, loading
from fcst.specs import IngestSpec

router = APIRouter(tags=["drivers"])


@router.get(
    "/datasets/{dataset_id:number}/drivers",
    summary="What tells of its drivers: promotions, prices, events, …; later loads count more",
    response_model=schemas.DriverLoads,
)
def list_drivers(dataset_id: DatasetId) -> dict[str, Any]:
    return {"loads": drivers.list_loads(datasets.get_dataset(dataset_id).dataset_id)}


@router.post(
    "/datasets/{dataset_id:number}/drivers",
    status_code=202,
    summary="Load drivers, such as a promotion plan, from files on the server or from an upload",
    response_model=schemas.Ingest,
    responses=documented({415: "The body is neither JSON nor an upload"}),
    openapi_extra=uploads.body_of(schemas.PlanRequest),
)
async def load(dataset_id: DatasetId, request: Request, response: Response) -> Ingest:
    """Answers as soon as the files have been looked at; the reading goes on in the background: see `Location`."""
    identity.require(Scope.RUN)  # before a large file has come

    def ask(asked: schemas.PlanRequest, paths: list[str], is_upload: bool) -> Ingest:
        dataset = datasets.get_dataset(dataset_id)
        spec = IngestSpec(
            paths=tuple(paths),
            name=dataset.name,
            mapping=uploads.mapping_of(asked.map),
            date_format=asked.date_format,
            decimal=asked.decimal,
            encoding=asked.encoding,
            file=asked.file,
            where=tuple(asked.where.items()),
            skip_bad=asked.skip_bad,
            is_upload=is_upload,
            plan_of=dataset_id,
        )
        return loading.get_ingest(drivers.request_plan(spec))

    return await uploads.receive(request, response, schemas.PlanRequest, ask)


@router.post(
    "/datasets/{dataset_id:number}/holidays",
    status_code=201,
    summary="Add the public holidays of a country as events of all items",
    response_model=schemas.DriverLoad,
)
async def add_holidays(dataset_id: DatasetId, asked: schemas.HolidaysRequest) -> DriverLoad:
    return await anyio.to_thread.run_sync(drivers.add_holidays, dataset_id, asked.country, asked.region)


@router.delete(
    "/datasets/{dataset_id:number}/drivers/{load_id:number}",
    status_code=204,
    summary="Remove a load of drivers that no job has used",
    responses=documented({409: "A job has used it"}),
)
def remove(dataset_id: DatasetId, load_id: Annotated[int, Path(description="A load's number.")]) -> None:
    drivers.remove_load(dataset_id, load_id)
