"""What goes in and comes out of the routes of a plan: items that need attention, reviews, thresholds."""

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictStr

from fcst.api.run_items import ItemsInBody
from fcst.api.schemas import NO_ZERO_BYTE, Asked, Given, Key
from fcst.attention import MOST, AttentionReason
from fcst.attention import Thresholds as Usual
from fcst.services.adjustments import MAX_NAME
from fcst.states import Outcome

LastChange = Annotated[
    int, Field(description="The number of the last change of the run's plan. Send it with a change of yours.")
]


class Signed(Asked):
    """What is done under a name."""

    who: Annotated[
        StrictStr,
        Field(
            max_length=MAX_NAME,
            pattern=NO_ZERO_BYTE,
            description="Your name. With a token, its name counts; without either, that of this machine's user.",
        ),
    ] = ""


class OfPlan(Signed):
    """What is done to the plan by one model."""

    model: Annotated[Key | None, Field(description="One of the run's models; without it, the first.")] = None


class RunItem(Given):
    """An item of a run, with what one model forecasts of it. Units are those of all its weeks; null: not known."""

    unique_id: str
    description: str | None
    family: str | None
    item_class: Annotated[str | None, Field(serialization_alias="class")]
    demand_class: str | None
    outcome: Outcome
    error: Annotated[str | None, Field(validation_alias="reason", description="Why it failed or was cancelled.")]
    reasons: Annotated[list[AttentionReason], Field(description="Why it needs attention.")]
    at_stake: Annotated[float, Field(description="Units that the plan may be wrong by, for these reasons.")]
    final: Annotated[float | None, Field(description="The forecast as analysts changed it.")]
    forecast: float | None
    sold: Annotated[float | None, Field(validation_alias="recent", description="In as many weeks before.")]
    last_year: Annotated[float | None, Field(description="In the same weeks a year before.")]
    change: Annotated[float | None, Field(description="Of the final plan to last year; a fraction.")]
    wape: float | None
    bias: float | None
    abc: str
    xyz: str
    made_by: str | None
    is_fallback: bool | None
    last_sale_dt: date | None
    reviewed_by: str | None
    reviewed_at: datetime | None


class RunItems(BaseModel):
    items: list[RunItem]
    n_found: Annotated[int, Field(description="How many match in all.")]
    last_change: LastChange


class ReviewRequest(OfPlan):
    items: ItemsInBody

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"items": ["S17", "S18"], "who": "Ann"},
                {"items": {"reason": ["biased"], "abc": ["C"], "attributes": {"city": ["Quito"]}}, "who": "Ann"},
            ]
        },
    )


class ReopenRequest(Asked):
    model: Annotated[Key | None, Field(description="One of the run's models; without it, the first.")] = None
    items: ItemsInBody


class Reviewed(BaseModel):
    n_items: Annotated[int, Field(description="Items whose review was made, or taken back.")]


_Threshold = Annotated[float, Field(strict=True, ge=0, le=MOST)]


class Thresholds(Asked):
    """From which value on an item needs attention; what is left out of a request has its usual value."""

    worse_by: Annotated[
        _Threshold,
        Field(description="By how much the error in backtests exceeds that of last year's sales; a fraction."),
    ] = Usual.worse_by
    one_sided: Annotated[
        _Threshold, Field(description="The sum of the errors in backtests by the sum of their sizes, from 0 to 1.")
    ] = Usual.one_sided
    far: Annotated[
        _Threshold, Field(description="How far the final plan is from the same weeks of last year; a fraction.")
    ] = Usual.far
    outside_weeks: Annotated[
        _Threshold, Field(description="Weeks since the last run that lie outside its widest interval.")
    ] = Usual.outside_weeks
    shift: Annotated[
        _Threshold,
        Field(description="By how much the level of the last weeks differs; a fraction of what sold lately."),
    ] = Usual.shift
    x_below: Annotated[_Threshold, Field(description="The WAPE below which an item is of class X.")] = Usual.x_below
    y_below: Annotated[_Threshold, Field(description="The same of class Y; the others are Z.")] = Usual.y_below

    model_config = ConfigDict(extra="forbid", from_attributes=True)


class ThresholdsRequest(Thresholds, Signed):
    """Thresholds of a dataset's name, in place of those that it has."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"far": 0.3, "who": "Ann"}]})
