"""Attributes of items in requests: `attr.city=Quito`."""

from typing import Annotated

from fastapi import Depends, Request

from fcst.filters import Wanted, attributes_in


def wanted_attributes(request: Request) -> Wanted:
    """The parameters `attr.…` of a request."""
    return attributes_in(request.query_params.multi_items())


WantedAttributes = Annotated[Wanted, Depends(wanted_attributes)]
