"""Which items of a run a request is for: keys, or what they must have, in its address or in its body."""

from typing import Annotated, Literal

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictStr, Tag

from fcst.api import schemas
from fcst.api.attributes import WantedAttributes, wanted_in
from fcst.api.schemas import MAX_ITEMS, NO_ZERO_BYTE, Key
from fcst.attention import ABC, XYZ, AttentionReason
from fcst.filters import RunFilter, Wanted
from fcst.job_records import Job
from fcst.services import exports

MAX_VALUES = 100
MAX_KEYS = 1_000
"""In an address."""
ONLY_THESE = "Only these items, by key."

_Values = Annotated[list[Key], Field(min_length=1, max_length=MAX_VALUES)]


class Matching(BaseModel):
    """What an item must have: all that is given, and of each list one of its values."""

    q: Annotated[
        StrictStr,
        Field(max_length=200, pattern=NO_ZERO_BYTE, description="Words in its key, description or family."),
    ] = ""
    family: _Values | None = None
    item_class: Annotated[_Values | None, Field(alias="class")] = None
    demand_class: _Values | None = None
    heaviest: Annotated[_Values | None, Field(description="The model of the largest weight in its forecast.")] = None
    reason: Annotated[
        list[AttentionReason] | None, Field(min_length=1, max_length=MAX_VALUES, description="Why it needs attention.")
    ] = None
    abc: Annotated[list[Literal[*ABC]] | None, Field(min_length=1, max_length=MAX_VALUES)] = None  # type: ignore[valid-type]
    xyz: Annotated[list[Literal[*XYZ]] | None, Field(min_length=1, max_length=MAX_VALUES)] = None  # type: ignore[valid-type]
    review: Annotated[
        Literal["open", "done"] | None,
        Field(description="`open`: it needs attention and was not reviewed; `done`: it was reviewed."),
    ] = None

    def to_filter(self, attributes: Wanted, keys: list[str] | None) -> RunFilter:
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


class MatchingInAddress(Matching):
    item: Annotated[list[str] | None, Field(max_length=MAX_KEYS, description=ONLY_THESE)] = None


class MatchingInBody(Matching):
    attributes: Annotated[
        schemas.WantedAttributes,
        Field(description="By name, such as `city`; an empty value is for items without one."),
    ] = {}

    model_config = ConfigDict(extra="forbid")


ItemsInBody = Annotated[
    Annotated[list[Key], Field(min_length=1, max_length=MAX_ITEMS), Tag("keys")]
    | Annotated[MatchingInBody, Tag("filter")],
    Discriminator(lambda value: "keys" if isinstance(value, list) else "filter"),
    Field(description="The keys of items, or what they must have; `{}`: all items."),
]


def _in_address(asked: Annotated[MatchingInAddress, Query()], attributes: WantedAttributes) -> RunFilter:
    return asked.to_filter(attributes, asked.item)


ItemsInAddress = Annotated[RunFilter, Depends(_in_address)]
"""The parameters of a request that say which items; `attr.city=Quito` is one of them."""

ItemKeys = Annotated[list[str] | None, Query(max_length=MAX_KEYS, description=ONLY_THESE)]

ModelName = Annotated[str | None, Query(max_length=100, description="One of the run's models; without it, the first.")]


def checked(job: Job, which: RunFilter) -> RunFilter:
    """The same filter.

    Raises
    ------
    NotFound
        that names keys which the run does not have.
    """
    exports.check_items(job.job_id, list(which.keys or ()))
    return which


def chosen(job: Job, items: list[str] | MatchingInBody) -> RunFilter:
    """The filter of items in a body.

    Raises
    ------
    NotFound
        that names keys which the run does not have.
    """
    if isinstance(items, list):
        return checked(job, MatchingInBody().to_filter((), items))
    return items.to_filter(wanted_in(items.attributes), None)
