"""What goes in and comes out of the routes of a plan: items that need attention."""

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, Field

from fcst.api.schemas import Given
from fcst.attention import AttentionReason
from fcst.states import Outcome

LastChange = Annotated[
    int, Field(description="The number of the last change of the run's plan. Send it with a change of yours.")
]


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
