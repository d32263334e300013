"""Datasets: loaded from an upload or from a path of the server, listed, looked into, deleted."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from fcst.api import schemas, uploads
from fcst.api.attributes import WantedAttributes
from fcst.api.jobs import next_page
from fcst.api.problems import documented
from fcst.api.uploads import DatasetId
from fcst.dataset_records import Dataset, Ingest
from fcst.filters import ItemFilter, attribute_pairs
from fcst.roles import Scope
from fcst.services import datasets, identity, loading

router = APIRouter(tags=["datasets"])


@router.get("/datasets", summary="List datasets, the newest first", response_model=schemas.Datasets)
def list_datasets() -> dict[str, Any]:
    return {"datasets": datasets.list_datasets()}


@router.post(
    "/datasets",
    summary="Load sales from files on the server, or from an upload",
    **uploads.route_of(schemas.LoadRequest),
)
async def load(request: Request, response: Response) -> Ingest:
    """Answers as soon as the files have been looked at; the reading goes on in the background: see `Location`."""
    identity.require(Scope.RUN)  # before a large file has come
    return await uploads.receive(request, response, schemas.LoadRequest, _request)


@router.get("/ingests/{ingest_id:number}", summary="How a reading of files is doing", response_model=schemas.Ingest)
def get_ingest(ingest_id: Annotated[int, Path(description="An ingest's number.")]) -> Ingest:
    return loading.get_ingest(ingest_id)


@router.get(
    "/datasets/{dataset_id:number}", summary="A dataset with its report", response_model=schemas.DatasetWithReport
)
def get_dataset(dataset_id: DatasetId) -> Dataset:
    return datasets.get_dataset(dataset_id)


@router.delete(
    "/datasets/{dataset_id:number}",
    status_code=204,
    summary="Delete a dataset with its jobs and their forecasts",
    responses=documented({409: "A job of it has not ended"}),
)
def delete_dataset(dataset_id: DatasetId) -> None:
    datasets.delete_dataset(dataset_id)


@router.get(
    "/datasets/{dataset_id:number}/items", summary="Its items, the largest sellers first", response_model=schemas.Items
)
def list_items(
    dataset_id: DatasetId,
    wanted: WantedAttributes,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="Where a page begins; `next` has it.")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Items of a page.")] = 1_000,
) -> dict[str, Any]:
    """`attr.city=Quito` gives only items with this value of an attribute; the same name again, those with one of
    several values; an empty value, those without any."""
    items, last = datasets.list_page(dataset_id, after, limit, ItemFilter(attributes=wanted))
    more = [(name, [value]) for name, value in attribute_pairs(wanted)]
    return {"items": items, "next": next_page(f"/api/datasets/{dataset_id}/items", last, limit, more)}


@router.get("/datasets/{dataset_id:number}/history", summary="The weeks of one item", response_model=schemas.History)
def get_history(
    dataset_id: DatasetId, item: Annotated[str, Query(min_length=1, max_length=1_000, description="Its key.")]
) -> dict[str, Any]:
    return {"unique_id": item, "weeks": datasets.item_history(dataset_id, item)}


def _request(asked: schemas.LoadRequest, paths: list[str], is_upload: bool) -> Ingest:
    spec = replace(
        uploads.spec_of(asked, asked.name or loading.default_name(paths[0]), paths, is_upload),
        zone=asked.zone,
        include_promo=asked.include_promo,
        returns=asked.returns,
        duplicates=asked.duplicates,
        cancelled=asked.cancelled,
        odd_dates=asked.odd_dates,
        week_end=asked.week_end,
    )
    look = loading.look_into(spec)
    spec, _ = loading.with_remembered(spec, look)
    return loading.get_ingest(loading.request_ingest(spec, look))
