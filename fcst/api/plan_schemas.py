"""Request and response models of a run's plan: worklist, reviews, adjustments, edited files, thresholds, scenarios."""

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from fcst.api.run_items import ItemsInBody
from fcst.api.schemas import NO_ZERO_BYTE, Day, Key, RequestModel, ResponseModel
from fcst.attention import MOST, AttentionReason
from fcst.attention import Thresholds as Defaults
from fcst.drivers import DriverKind
from fcst.periods import Period
from fcst.scenarios import ChangeHow
from fcst.services.adjustments import MAX_NAME, MAX_REASON
from fcst.services.plan_comparison import MAX_BAD
from fcst.services.plan_upload import ConflictPolicy
from fcst.specs import MAX_HORIZON
from fcst.states import Outcome

MAX_CHANGES = 10_000
"""Changed cells of an edited plan in the response; all cells are counted and saved."""

LastChange = Annotated[int, Field(description="Number of the last change of the run's plan. Send it with your change.")]


class Authored(RequestModel):
    """A change with the name of its author."""

    who: Annotated[
        StrictStr,
        Field(
            max_length=MAX_NAME,
            pattern=NO_ZERO_BYTE,
            description="Your name. With a token, the token's name is used; the default is the server's user.",
        ),
    ] = ""


class PlanChange(Authored):
    """A change of one model's plan."""

    model: Annotated[Key | None, Field(description="One of the run's models; default: the first.")] = None


class RunItem(ResponseModel):
    """An item of a run with its forecast by one model. Units are sums over all weeks; null: not known."""

    unique_id: str
    description: str | None
    family: str | None
    item_class: Annotated[str | None, Field(serialization_alias="class")]
    demand_class: str | None
    outcome: Outcome
    error: Annotated[str | None, Field(validation_alias="reason", description="Why it failed or was cancelled.")]
    reasons: Annotated[list[AttentionReason], Field(description="Why it needs attention.")]
    at_stake: Annotated[float, Field(description="Units at stake: by how much the plan may be wrong.")]
    final: Annotated[float | None, Field(description="The final plan: the forecast with adjustments.")]
    forecast: float | None
    sold: Annotated[
        float | None, Field(validation_alias="recent", description="Units sold in as many weeks before the forecast.")
    ]
    last_year: Annotated[float | None, Field(description="Units sold in the same weeks of last year.")]
    change: Annotated[float | None, Field(description="Change from last year to the final plan; a fraction.")]
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
    n_found: Annotated[int, Field(description="Total number of matching items.")]
    last_change: LastChange


class ReviewRequest(PlanChange):
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


class ReopenRequest(RequestModel):
    model: Annotated[Key | None, Field(description="One of the run's models; default: the first.")] = None
    items: ItemsInBody


class Reviewed(BaseModel):
    n_items: Annotated[int, Field(description="Items that were reviewed or reopened.")]


_Threshold = Annotated[float, Field(strict=True, ge=0, le=MOST)]


class Adjustment(ResponseModel):
    """An adjustment: a change of some weeks of the plan by an analyst."""

    adjustment_id: int
    model: str
    scope: Annotated[str, Field(description="The selected items, as text.")]
    unique_id: Annotated[str | None, Field(description="The item's key, if it changes one item.")]
    n_items: int
    first_wk_end_dt: date
    last_wk_end_dt: date
    percent: float | None
    units: Annotated[
        float | None, Field(description="Units per week. Null if `percent` is null, too: values per week or item.")
    ]
    reason: str
    made_by: str
    made_at: datetime
    undone_by: str | None
    undone_at: datetime | None
    carried_from: Annotated[int | None, Field(description="The run from which the adjustment was carried over.")]


class Adjustments(BaseModel):
    adjustments: list[Adjustment]
    last_change: LastChange


_Units = Annotated[float, Field(strict=True)]


class AdjustmentRequest(PlanChange):
    """A change of some weeks of the plan: exactly one of `percent`, `units`, `total` and `targets`."""

    items: ItemsInBody
    first_wk_end_dt: Annotated[Day, Field(description="Last day of the first week.")]
    last_wk_end_dt: Annotated[Day, Field(description="Last day of the last week.")]
    percent: Annotated[_Units | None, Field(description="Change in percent, such as -10.")] = None
    units: Annotated[_Units | None, Field(description="New units per week, for all selected items together.")] = None
    total: Annotated[_Units | None, Field(description="New units over all weeks, for all selected items.")] = None
    is_even: Annotated[
        StrictBool, Field(description="With `total`: equal units per week; otherwise each week keeps its share.")
    ] = False
    targets: Annotated[
        list[_Units | None] | None,
        Field(max_length=MAX_HORIZON, description="New units for each week; null keeps a week unchanged."),
    ] = None
    reason: Annotated[StrictStr, Field(min_length=1, max_length=MAX_REASON, pattern=NO_ZERO_BYTE)]
    last_change: Annotated[
        StrictInt | None,
        Field(
            description="`last_change` from when you read the plan: 409 if these weeks of these items were changed "
            "since. Null: ignore later changes."
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
    is_new: Annotated[bool, Field(description="False: it was already undone.")]


class Dropped(BaseModel):
    n_adjustments: Annotated[int, Field(description="Number of adjustments undone.")]


class PlanUploadOptions(PlanChange):
    """Options for an edited plan."""

    save: Annotated[StrictBool, Field(description="Save the changes; otherwise only compare.")] = False
    reason: Annotated[
        StrictStr,
        Field(max_length=MAX_REASON, pattern=NO_ZERO_BYTE, description="Reason of the changes; required to save."),
    ] = ""
    skip_bad: Annotated[StrictBool, Field(description="Save the good cells if there are bad ones.")] = False
    on_conflict: Annotated[
        ConflictPolicy, Field(description="Cells that others changed since the download: refuse, keep or overwrite.")
    ] = ConflictPolicy.REFUSE
    last_change: Annotated[
        StrictInt | None,
        Field(
            description="`last_change` from the comparison: 409 if the same weeks of these items were changed since."
        ),
    ] = None


class CellChange(ResponseModel):
    """A changed cell of an edited plan."""

    key: str
    name: str
    period: Annotated[str, Field(description="Such as `2026-11-28`, `2026-11`, `2026-Q4`.")]
    cell: Annotated[str, Field(description="Cell in the file: `Plan!H17`; in CSV `H17`.")]
    before: Annotated[float, Field(description="Units in the current plan.")]
    after: float
    has_conflict: Annotated[bool, Field(description="Changed by others since the file was downloaded.")]


class BadCell(ResponseModel):
    cell: str
    why: str


class PlanUpload(ResponseModel):
    """Result of an uploaded plan."""

    adjustment_id: Annotated[int | None, Field(description="The saved adjustment; null: nothing was saved.")]
    kind: str
    period: Period
    n_rows: int
    n_items: Annotated[int, Field(description="Number of changed items.")]
    n_unchanged: Annotated[int, Field(description="Number of unchanged cells.")]
    n_empty: Annotated[int, Field(description="Number of empty cells, which do not change the plan.")]
    n_changes: int
    changes: Annotated[list[CellChange], Field(description=f"The first {MAX_CHANGES:,} changes.")]
    n_bad: Annotated[int, Field(description="Number of bad cells.")]
    bad: Annotated[list[BadCell], Field(description=f"The first {MAX_BAD:,} bad cells.")]
    remarks: list[str]
    last_change: LastChange


class Thresholds(RequestModel):
    """Thresholds above which an item needs attention; omitted fields have their defaults."""

    worse_by: Annotated[
        _Threshold,
        Field(description="Excess of the backtest error over the error of last year's sales; a fraction."),
    ] = Defaults.worse_by
    bias_ratio: Annotated[
        _Threshold, Field(description="Sum of backtest errors divided by the sum of absolute errors, from 0 to 1.")
    ] = Defaults.bias_ratio
    plan_change: Annotated[
        _Threshold,
        Field(description="Relative difference of the final plan from the same weeks of last year; a fraction."),
    ] = Defaults.plan_change
    outside_weeks: Annotated[
        _Threshold, Field(description="Number of weeks since the last run with sales outside its widest interval.")
    ] = Defaults.outside_weeks
    shift: Annotated[
        _Threshold,
        Field(description="Relative change of the sales level in the last weeks; a fraction of recent sales."),
    ] = Defaults.shift
    x_below: Annotated[_Threshold, Field(description="WAPE below which an item is in class X.")] = Defaults.x_below
    y_below: Annotated[_Threshold, Field(description="WAPE below which an item is in class Y; others are Z.")] = (
        Defaults.y_below
    )

    model_config = ConfigDict(extra="forbid", from_attributes=True)


class ThresholdsRequest(Thresholds, Authored):
    """New thresholds of a dataset's name."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"plan_change": 0.3, "who": "Ann"}]})


class DriverChange(ResponseModel):
    driver: str
    first_wk_end_dt: Annotated[date, Field(validation_alias="first")]
    last_wk_end_dt: Annotated[date, Field(validation_alias="last")]
    how: ChangeHow
    value: float


class ScenarioChange(ResponseModel):
    """A driver change in a scenario."""

    change_id: int
    change: DriverChange
    scope: Annotated[str, Field(description="The selected items, as text.")]
    n_items: Annotated[int, Field(description="Selected items with driver effects.")]
    made_by: str
    made_at: datetime


class Scenario(ResponseModel):
    scenario_id: int
    name: str
    made_by: str
    made_at: datetime
    changes: list[ScenarioChange]


class ChangeableDriver(ResponseModel):
    """A driver with an effect in the run."""

    name: str
    kind: DriverKind
    percent: Annotated[
        float | None, Field(description="Effect on sales in percent, for a full week or a price cut of 10 %.")
    ]


class Scenarios(BaseModel):
    scenarios: list[Scenario]
    drivers: list[ChangeableDriver]


class ScenarioRequest(Authored):
    name: Annotated[StrictStr, Field(min_length=1, max_length=MAX_NAME, pattern=NO_ZERO_BYTE)]
    copy_of: Annotated[StrictInt | None, Field(description="Scenario of this run whose changes are copied.")] = None

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Carnival", "who": "Ann"}]})


class DriverChangeRequest(Authored):
    """New values of a driver in some future weeks."""

    items: ItemsInBody
    driver: Annotated[StrictStr, Field(min_length=1, max_length=200, pattern=NO_ZERO_BYTE)]
    first_wk_end_dt: Annotated[Day, Field(description="Last day of the first week.")]
    last_wk_end_dt: Annotated[Day, Field(description="Last day of the last week.")]
    how: Annotated[
        ChangeHow, Field(description="`to`: set the value; `percent`: change prices and numbers in percent.")
    ]
    value: Annotated[
        float, Field(strict=True, description="For promotions, events and open days the share of the week, 0 to 1.")
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
    changes: Annotated[list[float], Field(description="Units by scenario: difference from the final plan.")]


class ScenarioUnits(ResponseModel):
    """An item; units are sums over all future weeks."""

    unique_id: str
    name: str
    plan: float
    units: Annotated[list[float], Field(description="Units by scenario.")]


class ScenarioSums(BaseModel):
    scenarios: Annotated[list[int], Field(description="Scenario ids, in the order of the lists below.")]
    weeks: list[ScenarioWeek]
    items: list[ScenarioUnits]


class ApplyRequest(PlanChange):
    reason: Annotated[StrictStr, Field(min_length=1, max_length=MAX_REASON, pattern=NO_ZERO_BYTE)]
    last_change: Annotated[
        StrictInt | None,
        Field(description="`last_change` from when you read the plan: 409 if these weeks were changed since."),
    ]

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"reason": "agreed with sales", "last_change": None, "who": "Ann"}]},
    )
