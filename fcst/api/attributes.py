"""Attribute routes: list, save and remove item attributes; attribute filters in requests (`attr.city=Quito`)."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from fcst.api import schemas
from fcst.api.uploads import DatasetId
from fcst.attributes import AttributeFile, Saved
from fcst.filters import AttributeFilter, attributes_in
from fcst.services import attributes

router = APIRouter(tags=["attributes"])


def wanted_attributes(request: Request) -> AttributeFilter:
    """The `attr.…` query parameters of a request."""
    return attributes_in(request.query_params.multi_items())


def wanted_in(attributes: schemas.WantedAttributes) -> AttributeFilter:
    """Converts the attributes in a request body to a filter."""
    return tuple((name, tuple(values)) for name, values in attributes.items())


WantedAttributes = Annotated[AttributeFilter, Depends(wanted_attributes)]


@router.get(
    "/datasets/{dataset_id:number}/attributes",
    summary="List the attributes by which items can be filtered and summed",
    response_model=schemas.Attributes,
)
def list_attributes(dataset_id: DatasetId) -> dict[str, Any]:
    return {"attributes": attributes.find_attributes(dataset_id)}


@router.put(
    "/datasets/{dataset_id:number}/attributes",
    summary="Save attribute values; replaces the values of the given keys",
    response_model=schemas.SavedAttributes,
)
def save(dataset_id: DatasetId, body: schemas.AttributesRequest) -> Saved:
    """Keys without items are kept for later versions of the dataset. Null removes a value."""
    rows = tuple((tuple(row.key), tuple(value or "" for value in row.values)) for row in body.rows)
    file = AttributeFile(body.source, tuple(body.keyed_by), tuple(body.names), rows)
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
