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

router = APIRouter(tags=["drivers"])


@router.get(
    "/datasets/{dataset_id:number}/drivers",
    summary="Its loads of drivers: promotions, prices, events, …; later loads count more",
    response_model=schemas.DriverLoads,
)
def list_drivers(dataset_id: DatasetId) -> dict[str, Any]:
    return {"loads": drivers.list_loads(datasets.get_dataset(dataset_id).dataset_id)}


@router.post(
    "/datasets/{dataset_id:number}/drivers",
    summary="Load drivers, such as a promotion plan, from files on the server or from an upload",
    **uploads.route_of(schemas.PlanRequest),
)
async def load(dataset_id: DatasetId, request: Request, response: Response) -> Ingest:
    """Answers as soon as the files have been looked at; the reading goes on in the background: see `Location`."""
    identity.require(Scope.RUN)  # before a large file has come

    def ask(asked: schemas.PlanRequest, paths: list[str], is_upload: bool) -> Ingest:
        spec = uploads.spec_of(asked, datasets.get_dataset(dataset_id).name, paths, is_upload, plan_of=dataset_id)
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
