"""Lifecycle routes: list, save and remove item lifecycles of a dataset."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from fcst.api import schemas
from fcst.api.uploads import DatasetId
from fcst.lifecycles import Lifecycle, Source
from fcst.services import lifecycles

router = APIRouter(tags=["lifecycles"])


@router.get(
    "/datasets/{dataset_id:number}/lifecycles",
    summary="List item lifecycles: predecessors, like items, launches, last days",
    response_model=schemas.Lifecycles,
)
def list_lifecycles(
    dataset_id: DatasetId,
    skip: Annotated[int, Query(ge=0, le=2**31 - 1, description="Number of lifecycles to skip, in item order.")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Items per page.")] = 1_000,
) -> dict[str, Any]:
    stored, n_items = lifecycles.find_lifecycles(dataset_id, limit, skip)
    rows = [
        {
            **{name: getattr(row.lifecycle, name) for name in schemas.Lifecycle.model_fields},
            "has_sales": row.has_sales,
            "created_at": row.created_at,
            "created_by": row.created_by,
        }
        for row in stored
    ]
    return {"lifecycles": rows, "n_items": n_items}


@router.put(
    "/datasets/{dataset_id:number}/lifecycles",
    status_code=204,
    summary="Save item lifecycles; replaces those of the given items",
)
def save(dataset_id: DatasetId, body: schemas.LifecyclesRequest) -> None:
    """Adds items that the dataset does not have. Does not change runs that are already submitted."""
    found = [
        Lifecycle(
            row.unique_id,
            row.origin,
            tuple(Source(source.unique_id, source.factor) for source in row.sources),
            row.launch,
            row.last_day,
        )
        for row in body.lifecycles
    ]
    lifecycles.save_lifecycles(dataset_id, found)


@router.delete(
    "/datasets/{dataset_id:number}/lifecycles",
    status_code=204,
    summary="Remove the lifecycle of an item",
)
def remove(
    dataset_id: DatasetId,
    item: Annotated[
        str, Query(min_length=1, max_length=1_000, pattern=schemas.NO_ZERO_BYTE, description="The item's key.")
    ],
) -> None:
    """Also removes an item that was added for the lifecycle and has no sales, unless a run has it."""
    lifecycles.remove_lifecycle(dataset_id, item)
