"""Source routes: list the sources of datasets, load from a source, refresh, remove."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from fcst.api import schemas
from fcst.api.datasets import spec_of
from fcst.api.problem_handlers import problem_responses
from fcst.data_sources import DataSource
from fcst.dataset_records import Ingest
from fcst.roles import Scope
from fcst.services import data_sources, identity, loading

router = APIRouter(tags=["datasets"])
OPEN = problem_responses({409: "A refresh of the dataset has not ended"})


@router.get("/sources", summary="List the sources of datasets", response_model=schemas.Sources)
def list_sources() -> dict[str, Any]:
    return {"sources": data_sources.list_sources()}


@router.put(
    "/sources",
    status_code=202,
    summary="Set the source of a dataset, and load from it",
    response_model=schemas.Ingest,
    responses=OPEN,
)
def set_source(body: schemas.SourceRequest, response: Response) -> Ingest:
    """Replaces an earlier source of this name. `Location` has the ingest. A source with a secret needs the scope
    admin."""
    identity.require(Scope.RUN)
    source = DataSource(**body.source.model_dump())
    return _accepted(data_sources.load(source, spec_of(body, body.name, [], is_upload=False)), response)


@router.post(
    "/sources/refresh",
    status_code=202,
    summary="Load the next version of a dataset from its source",
    response_model=schemas.Ingest,
    responses=OPEN,
)
def refresh(body: schemas.RefreshRequest, response: Response) -> Ingest:
    """Reads it as the last time. `Location` has the ingest."""
    return _accepted(data_sources.refresh(body.name), response)


@router.delete("/sources", status_code=204, summary="Remove the source of a dataset; its versions stay")
def remove(
    name: Annotated[str, Query(min_length=1, max_length=1_000, pattern=schemas.NO_ZERO_BYTE)],
) -> None:
    data_sources.remove(name)


def _accepted(ingest_id: int, response: Response) -> Ingest:
    response.headers["Location"] = f"/api/ingests/{ingest_id}"
    return loading.get_ingest(ingest_id)
