"""What goes in and comes out of the routes of a plan: items that need attention, reviews, adjustments, edited files."""

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from fcst.api.run_items import ItemsInBody
from fcst.api.schemas import NO_ZERO_BYTE, Asked, Day, Given, Key
from fcst.attention import MOST, AttentionReason
from fcst.attention import Thresholds as Usual
from fcst.drivers import DriverKind
from fcst.periods import Period
from fcst.scenarios import ChangeHow
from fcst.services.adjustments import MAX_NAME, MAX_REASON
from fcst.services.plan_comparison import MAX_BAD
from fcst.services.plan_upload import Meanwhile
from fcst.specs import MAX_HORIZON
from fcst.states import Outcome

MAX_CHANGES = 10_000
"""Cells of an edited plan that are listed; all are counted, and saved."""

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


class Adjustment(Given):
    """A change of weeks of the plan by an analyst; it may be undone."""

    adjustment_id: int
    model: str
    scope: Annotated[str, Field(description="Which items were asked for, in words.")]
    unique_id: Annotated[str | None, Field(description="The key, where it is of one item.")]
    n_items: int
    first_wk_end_dt: date
    last_wk_end_dt: date
    percent: float | None
    units: Annotated[float | None, Field(description="A week. Null beside `percent`: each week or item has its own.")]
    reason: str
    made_by: str
    made_at: datetime
    undone_by: str | None
    undone_at: datetime | None
    carried_from: Annotated[int | None, Field(description="The job whose change this one repeats.")]


class Adjustments(BaseModel):
    adjustments: list[Adjustment]
    last_change: LastChange


_Units = Annotated[float, Field(strict=True)]


class AdjustmentRequest(OfPlan):
    """A change of weeks of the plan: one of `percent`, `units`, `total` and `targets`."""

    items: ItemsInBody
    first_wk_end_dt: Annotated[Day, Field(description="The last day of the first week.")]
    last_wk_end_dt: Annotated[Day, Field(description="The last day of the last week.")]
    percent: Annotated[_Units | None, Field(description="By so many percent, such as -10.")] = None
    units: Annotated[_Units | None, Field(description="To so many units a week, of all the items together.")] = None
    total: Annotated[_Units | None, Field(description="To so many units in all the weeks together.")] = None
    is_even: Annotated[
        StrictBool, Field(description="Of a total: the same in each week; else each week keeps its share.")
    ] = False
    targets: Annotated[
        list[_Units | None] | None,
        Field(max_length=MAX_HORIZON, description="To so many units, one for each week; null leaves a week as it is."),
    ] = None
    reason: Annotated[StrictStr, Field(min_length=1, max_length=MAX_REASON, pattern=NO_ZERO_BYTE)]
    last_change: Annotated[
        StrictInt | None,
        Field(
            description="As it was given with the plan that you looked at: 409, if these weeks of these items were "
            "changed since. Null: later changes do not matter."
        ),
    ]

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "items": {"family": ["BEVERAGES"]},
                    "first_wk_end_dt": "2017-08-26",
                    "last_wk_end_dt": "2017-09-16",
                    "percent": 8,
                    "reason": "campaign",
                    "last_change": 0,
                }
            ]
        },
    )


class AdjustmentId(BaseModel):
    adjustment_id: int


class Undone(BaseModel):
    adjustment_id: int
    is_new: Annotated[bool, Field(description="False: it was undone before.")]


class Dropped(BaseModel):
    n_adjustments: Annotated[int, Field(description="Those that held, and are undone now.")]


class PlanUploadOptions(OfPlan):
    """How an edited plan is taken."""

    save: Annotated[StrictBool, Field(description="Save what the file changes; else it is only compared.")] = False
    reason: Annotated[
        StrictStr, Field(max_length=MAX_REASON, pattern=NO_ZERO_BYTE, description="Why it was edited; to save.")
    ] = ""
    skip_bad: Annotated[StrictBool, Field(description="Save the other cells where some cannot be taken.")] = False
    meanwhile: Annotated[
        Meanwhile, Field(description="Cells that others have changed since the download: refuse, keep or overwrite.")
    ] = Meanwhile.REFUSE
    last_change: Annotated[
        StrictInt | None,
        Field(description="As the comparison gave it: 409, if the same weeks of these items were changed since."),
    ] = None


class CellChange(Given):
    """A cell that changes the plan."""

    key: str
    name: str
    period: Annotated[str, Field(description="Such as `2026-11-28`, `2026-11`, `2026-Q4`.")]
    cell: Annotated[str, Field(description="Where it is in the file: `Plan!H17`; in CSV `H17`.")]
    before: Annotated[float, Field(description="Units of the plan as it is now.")]
    after: float
    changed_meanwhile: Annotated[bool, Field(description="By others, since the file was downloaded.")]


class BadCell(Given):
    cell: str
    why: str


class PlanUpload(Given):
    """What an edited plan changes."""

    adjustment_id: Annotated[int | None, Field(description="As which it was saved; null: nothing was saved.")]
    kind: str
    period: Period
    n_rows: int
    n_items: Annotated[int, Field(description="Items that change.")]
    n_unchanged: Annotated[int, Field(description="Cells that are as they were.")]
    n_empty: Annotated[int, Field(description="Cells that are empty, which leaves the plan as it is.")]
    n_changes: int
    changes: Annotated[list[CellChange], Field(description=f"The first {MAX_CHANGES:,} of them.")]
    n_bad: Annotated[int, Field(description="Cells that cannot be taken.")]
    bad: Annotated[list[BadCell], Field(description=f"The first {MAX_BAD:,} of them.")]
    remarks: list[str]
    last_change: LastChange


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


class DriverChange(Given):
    driver: str
    first_wk_end_dt: Annotated[date, Field(validation_alias="first")]
    last_wk_end_dt: Annotated[date, Field(validation_alias="last")]
    how: ChangeHow
    value: float


class ScenarioChange(Given):
    """A change of a driver for some items."""

    change_id: int
    change: DriverChange
    scope: Annotated[str, Field(description="Which items were asked for, in words.")]
    n_items: Annotated[int, Field(description="Those of them that have effects of drivers.")]
    made_by: str
    made_at: datetime


class Scenario(Given):
    scenario_id: int
    name: str
    made_by: str
    made_at: datetime
    changes: list[ScenarioChange]


class ChangeableDriver(Given):
    """A driver with an effect in the run."""

    name: str
    kind: DriverKind
    percent: Annotated[
        float | None, Field(description="By which it changes sales where it is all week, or the price 10 % lower.")
    ]


class Scenarios(BaseModel):
    scenarios: list[Scenario]
    drivers: list[ChangeableDriver]


class ScenarioRequest(Signed):
    name: Annotated[StrictStr, Field(min_length=1, max_length=MAX_NAME, pattern=NO_ZERO_BYTE)]
    copy_of: Annotated[
        StrictInt | None, Field(description="The scenario of this run whose changes it begins with.")
    ] = None

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Carnival", "who": "Ann"}]})


class DriverChangeRequest(Signed):
    """What a driver is to be in some weeks ahead."""

    items: ItemsInBody
    driver: Annotated[StrictStr, Field(min_length=1, max_length=200, pattern=NO_ZERO_BYTE)]
    first_wk_end_dt: Annotated[Day, Field(description="The last day of the first week.")]
    last_wk_end_dt: Annotated[Day, Field(description="The last day of the last week.")]
    how: Annotated[ChangeHow, Field(description="`to` a value; `percent`, of what is planned, for prices and numbers.")]
    value: Annotated[
        float, Field(strict=True, description="Of promotions, events and open days a share of the week, from 0 to 1.")
    ]

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "items": {"family": ["BEVERAGES"]},
                    "driver": "price",
                    "first_wk_end_dt": "2017-08-26",
                    "last_wk_end_dt": "2017-09-02",
                    "how": "percent",
                    "value": -10.0,
                    "who": "Ann",
                }
            ]
        },
    )


class ScenarioWeek(BaseModel):
    wk_end_dt: date
    changes: Annotated[list[float], Field(description="Units, of each scenario to the final plan.")]


class ScenarioUnits(Given):
    """An item, in units of all weeks ahead."""

    unique_id: str
    name: str
    plan: float
    units: Annotated[list[float], Field(description="The plan in each scenario.")]


class ScenarioSums(BaseModel):
    scenarios: Annotated[list[int], Field(description="Their numbers, in the order of the lists below.")]
    weeks: list[ScenarioWeek]
    items: list[ScenarioUnits]


class TakeOverRequest(OfPlan):
    reason: Annotated[StrictStr, Field(min_length=1, max_length=MAX_REASON, pattern=NO_ZERO_BYTE)]
    last_change: Annotated[
        StrictInt | None,
        Field(description="As it was given with the plan that you looked at: 409, if these weeks were changed since."),
    ]

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"reason": "agreed with sales", "last_change": None, "who": "Ann"}]},
    )
