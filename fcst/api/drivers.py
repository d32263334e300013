"""Driver routes: load from a plan, add public holidays, list, remove."""

from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Path, Request, Response

from fcst.api import schemas, uploads
from fcst.api.problem_handlers import problem_responses
from fcst.api.uploads import DatasetId
from fcst.dataset_records import Ingest
from fcst.drivers import DriverLoad
from fcst.roles import Scope
from fcst.services import datasets, drivers, identity, loading

router = APIRouter(tags=["drivers"])


@router.get(
    "/datasets/{dataset_id:number}/drivers",
    summary="List the loads of drivers (promotions, prices, events, …); later loads override earlier ones",
    response_model=schemas.DriverLoads,
)
def list_drivers(dataset_id: DatasetId) -> dict[str, Any]:
    return {"loads": drivers.list_loads(datasets.get_dataset(dataset_id).dataset_id)}


@router.post(
    "/datasets/{dataset_id:number}/drivers",
    summary="Load drivers, such as a promotion plan, from files on the server or from an upload",
    **uploads.route_options(schemas.PlanRequest),
)
async def load(dataset_id: DatasetId, request: Request, response: Response) -> Ingest:
    """Responds after a check of the files; they are read in the background. `Location` has the ingest."""
    identity.require(Scope.RUN)  # before a large body is received

    def submit(body: schemas.PlanRequest, paths: list[str], is_upload: bool) -> Ingest:
        spec = uploads.make_spec(body, datasets.get_dataset(dataset_id).name, paths, is_upload, plan_of=dataset_id)
        return loading.get_ingest(drivers.request_plan(spec))

    return await uploads.start_ingest(request, response, schemas.PlanRequest, submit)


@router.post(
    "/datasets/{dataset_id:number}/holidays",
    status_code=201,
    summary="Add the public holidays of a country as events for all items",
    response_model=schemas.DriverLoad,
)
async def add_holidays(dataset_id: DatasetId, body: schemas.HolidaysRequest) -> DriverLoad:
    return await anyio.to_thread.run_sync(drivers.add_holidays, dataset_id, body.country, body.region)


@router.delete(
    "/datasets/{dataset_id:number}/drivers/{load_id:number}",
    status_code=204,
    summary="Remove a load of drivers that no run has used",
    responses=problem_responses({409: "A run has used it"}),
)
def remove(dataset_id: DatasetId, load_id: Annotated[int, Path(description="The load's id.")]) -> None:
    drivers.remove_load(dataset_id, load_id)
