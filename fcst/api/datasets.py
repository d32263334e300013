"""Dataset routes: load from an upload or from a path on the server, list, read, delete."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from fcst.api import schemas, uploads
from fcst.api.attributes import WantedAttributes
from fcst.api.jobs import next_page
from fcst.api.problem_handlers import problem_responses
from fcst.api.uploads import DatasetId
from fcst.dataset_records import Dataset, Ingest
from fcst.filters import ItemFilter, attribute_pairs
from fcst.roles import Scope
from fcst.services import datasets, identity, loading
from fcst.specs import IngestSpec

router = APIRouter(tags=["datasets"])


@router.get("/datasets", summary="List datasets, newest first", response_model=schemas.Datasets)
def list_datasets() -> dict[str, Any]:
    return {"datasets": datasets.list_datasets()}


@router.post(
    "/datasets",
    summary="Load sales from files on the server, or from an upload",
    **uploads.route_options(schemas.LoadRequest),
)
async def load(request: Request, response: Response) -> Ingest:
    """Responds after a check of the files; they are read in the background. `Location` has the ingest."""
    identity.require(Scope.RUN)  # before a large body is received
    return await uploads.start_ingest(request, response, schemas.LoadRequest, _submit)


@router.get("/ingests/{ingest_id:number}", summary="Get an ingest and its progress", response_model=schemas.Ingest)
def get_ingest(ingest_id: Annotated[int, Path(description="The ingest's id.")]) -> Ingest:
    return loading.get_ingest(ingest_id)


@router.get(
    "/datasets/{dataset_id:number}", summary="Get a dataset with its report", response_model=schemas.DatasetWithReport
)
def get_dataset(dataset_id: DatasetId) -> Dataset:
    return datasets.get_dataset(dataset_id)


@router.delete(
    "/datasets/{dataset_id:number}",
    status_code=204,
    summary="Delete a dataset with its runs and their forecasts",
    responses=problem_responses({409: "A run of the dataset has not ended"}),
)
def delete_dataset(dataset_id: DatasetId) -> None:
    datasets.delete_dataset(dataset_id)


@router.get(
    "/datasets/{dataset_id:number}/items",
    summary="List a dataset's items, largest sellers first",
    response_model=schemas.Items,
)
def list_items(
    dataset_id: DatasetId,
    wanted: WantedAttributes,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="Start of the page, from `next`.")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Items per page.")] = 1_000,
) -> dict[str, Any]:
    """Filter by attributes with `attr.city=Quito`. Repeat a name to match one of several values. An empty value
    matches items without a value."""
    items, last = datasets.list_page(dataset_id, after, limit, ItemFilter(attributes=wanted))
    more = [(name, [value]) for name, value in attribute_pairs(wanted)]
    return {"items": items, "next": next_page(f"/api/datasets/{dataset_id}/items", last, limit, more)}


@router.get(
    "/datasets/{dataset_id:number}/history", summary="Get the weekly sales of an item", response_model=schemas.History
)
def get_history(
    dataset_id: DatasetId, item: Annotated[str, Query(min_length=1, max_length=1_000, description="The item's key.")]
) -> dict[str, Any]:
    return {"unique_id": item, "weeks": datasets.item_history(dataset_id, item)}


def spec_of(body: schemas.LoadRequest, name: str, paths: list[str], is_upload: bool) -> IngestSpec:
    """The spec of a load; without paths, of a load from a source."""
    return replace(
        uploads.make_spec(body, name, paths, is_upload),
        zone=body.zone,
        include_promo=body.include_promo,
        returns=body.returns,
        duplicates=body.duplicates,
        cancelled=body.cancelled,
        odd_dates=body.odd_dates,
        week_end=body.week_end,
    )


def _submit(body: schemas.LoadRequest, paths: list[str], is_upload: bool) -> Ingest:
    spec = spec_of(body, body.name or loading.default_name(paths[0]), paths, is_upload)
    look = loading.inspect_files(spec)
    spec, _ = loading.fill_mapping(spec, look)
    return loading.get_ingest(loading.request_ingest(spec, look))
