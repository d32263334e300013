"""Item selection in requests about a run: item keys or filters, as query parameters or in the body."""

from typing import Annotated, Literal

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictStr, Tag

from fcst.api import schemas
from fcst.api.attributes import WantedAttributes, wanted_in
from fcst.api.schemas import MAX_ITEMS, NO_ZERO_BYTE, Key
from fcst.attention import ABC, XYZ, AttentionReason
from fcst.filters import AttributeFilter, RunFilter
from fcst.job_records import Job
from fcst.services import exports

MAX_VALUES = 100
MAX_KEYS = 1_000
"""Maximum number of keys in the query."""
ONLY_THESE = "Only these items, by key."

_Values = Annotated[list[Key], Field(min_length=1, max_length=MAX_VALUES)]


class Matching(BaseModel):
    """Item filters: an item matches if it matches each given field; a list matches one of its values."""

    q: Annotated[
        StrictStr,
        Field(max_length=200, pattern=NO_ZERO_BYTE, description="Words in the key, description or family."),
    ] = ""
    family: _Values | None = None
    item_class: Annotated[_Values | None, Field(alias="class")] = None
    demand_class: _Values | None = None
    heaviest: Annotated[_Values | None, Field(description="The model with the largest weight in the forecast.")] = None
    reason: Annotated[
        list[AttentionReason] | None,
        Field(min_length=1, max_length=MAX_VALUES, description="Reasons why an item needs attention."),
    ] = None
    abc: Annotated[list[Literal[*ABC]] | None, Field(min_length=1, max_length=MAX_VALUES)] = None  # type: ignore[valid-type]
    xyz: Annotated[list[Literal[*XYZ]] | None, Field(min_length=1, max_length=MAX_VALUES)] = None  # type: ignore[valid-type]
    review: Annotated[
        Literal["open", "done"] | None,
        Field(description="`open`: needs attention and is not reviewed; `done`: reviewed."),
    ] = None

    def to_filter(self, attributes: AttributeFilter, keys: list[str] | None) -> RunFilter:
        return RunFilter(
            self.q,
            families=tuple(self.family or ()),
            classes=tuple(self.item_class or ()),
            demand_classes=tuple(self.demand_class or ()),
            attributes=attributes,
            heaviest=tuple(self.heaviest or ()),
            reasons=tuple(self.reason or ()),
            abc=tuple(self.abc or ()),
            xyz=tuple(self.xyz or ()),
            review=self.review or "",
            keys=None if keys is None else tuple(dict.fromkeys(keys)),
        )


class MatchingInQuery(Matching):
    item: Annotated[list[str] | None, Field(max_length=MAX_KEYS, description=ONLY_THESE)] = None


class MatchingInBody(Matching):
    attributes: Annotated[
        schemas.WantedAttributes,
        Field(description="Attribute name -> values; an empty value matches items without a value."),
    ] = {}

    model_config = ConfigDict(extra="forbid")


ItemsInBody = Annotated[
    Annotated[list[Key], Field(min_length=1, max_length=MAX_ITEMS), Tag("keys")]
    | Annotated[MatchingInBody, Tag("filter")],
    Discriminator(lambda value: "keys" if isinstance(value, list) else "filter"),
    Field(description="Item keys, or filters; `{}`: all items."),
]


def _in_query(filters: Annotated[MatchingInQuery, Query()], attributes: WantedAttributes) -> RunFilter:
    return filters.to_filter(attributes, filters.item)


ItemsInQuery = Annotated[RunFilter, Depends(_in_query)]
"""Query parameters that select items, `attr.city=Quito` included."""

ItemKeys = Annotated[list[str] | None, Query(max_length=MAX_KEYS, description=ONLY_THESE)]

ModelName = Annotated[str | None, Query(max_length=100, description="One of the run's models; default: the first.")]


def check_keys(job: Job, which: RunFilter) -> RunFilter:
    """Returns the filter after a check of its keys.

    Raises
    ------
    NotFound
        if the run does not have some of the keys; the message names them.
    """
    exports.check_items(job.job_id, list(which.keys or ()))
    return which


def to_filter(job: Job, items: list[str] | MatchingInBody) -> RunFilter:
    """Converts the item selection in a body to a filter.

    Raises
    ------
    NotFound
        if the run does not have some of the keys; the message names them.
    """
    if isinstance(items, list):
        return check_keys(job, MatchingInBody().to_filter((), items))
    return items.to_filter(wanted_in(items.attributes), None)
