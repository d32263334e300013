"""Attributes of items: those of a dataset listed, saved, removed; in requests, as `attr.city=Quito`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from fcst.api import schemas
from fcst.api.uploads import DatasetId
from fcst.attributes import AttributeFile, Saved
from fcst.filters import Wanted, attributes_in
from fcst.services import attributes

router = APIRouter(tags=["attributes"])


def wanted_attributes(request: Request) -> Wanted:
    """The parameters `attr.…` of a request."""
    return attributes_in(request.query_params.multi_items())


def wanted_in(attributes: schemas.WantedAttributes) -> Wanted:
    """Those of a body, as a filter has them."""
    return tuple((name, tuple(values)) for name, values in attributes.items())


WantedAttributes = Annotated[Wanted, Depends(wanted_attributes)]


@router.get(
    "/datasets/{dataset_id:number}/attributes",
    summary="The attributes by which its items can be filtered and summed",
    response_model=schemas.Attributes,
)
def list_attributes(dataset_id: DatasetId) -> dict[str, Any]:
    return {"attributes": attributes.find_attributes(dataset_id)}


@router.put(
    "/datasets/{dataset_id:number}/attributes",
    summary="Save values of attributes, in place of those that their keys have",
    response_model=schemas.SavedAttributes,
)
def save(dataset_id: DatasetId, asked: schemas.AttributesRequest) -> Saved:
    """Keys that no item has are kept for later versions of the dataset. Null takes a value away."""
    rows = tuple((tuple(row.key), tuple(value or "" for value in row.values)) for row in asked.rows)
    file = AttributeFile(asked.source, tuple(asked.keyed_by), tuple(asked.names), rows)
    return attributes.save_attributes(dataset_id, file)


@router.delete(
    "/datasets/{dataset_id:number}/attributes",
    status_code=204,
    summary="Remove an attribute that did not come with the sales",
)
def remove(
    dataset_id: DatasetId,
    name: Annotated[str, Query(min_length=1, max_length=200, pattern=schemas.NO_ZERO_BYTE)],
) -> None:
    attributes.remove_attribute(dataset_id, name)
