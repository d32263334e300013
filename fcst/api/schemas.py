"""What goes in and comes out, as OpenAPI tells it: units a week, seconds, and fractions where it says so."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr
from starlette.convertors import Convertor, register_url_convertor

from fcst.attributes import MAX_ATTRIBUTES, MAX_VALUE
from fcst.drivers import DriverKind
from fcst.job_records import Batch
from fcst.lifecycles import MAX_FACTOR, MAX_SOURCES, Origin
from fcst.names import WEEKDAYS
from fcst.quality_report import ReadingReport
from fcst.specs import (
    CANCELLED,
    DECIMALS,
    DUPLICATES,
    MAX_BATCH_SIZE,
    MAX_HORIZON,
    MAX_WINDOWS,
    ODD_DATES,
    RETURNS,
    ROLES,
)
from fcst.states import JobStatus, Stage
from fcst.stock import GROUPS

MAX_ITEMS = 200_000


class _Number(Convertor[int]):
    """In an address, where nothing else that may stand in its place is taken for one."""

    regex = "[0-9]{1,40}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("number", _Number())

NO_ZERO_BYTE = r"^[^\x00]*$"  # there is none in a text of Postgres, or in a path
Key = Annotated[StrictStr, Field(min_length=1, max_length=1_000, pattern=NO_ZERO_BYTE)]
Words = Annotated[StrictStr, Field(max_length=1_000, pattern=NO_ZERO_BYTE)]
WantedAttributes = dict[Key, Annotated[list[Words], Field(min_length=1, max_length=1_000)]]
"""Values by the names of attributes; an empty value is for items without one."""


def _check_day(value: Any) -> Any:
    """Refuses what would be read as seconds since 1970."""
    if isinstance(value, date) or isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return value
    raise ValueError("a day is written as 2024-03-31")


Day = Annotated[date, BeforeValidator(_check_day)]


class Asked(BaseModel):
    """What a caller sends: a name that is not known is a mistake."""

    model_config = ConfigDict(extra="forbid")


class Given(BaseModel):
    """What a caller gets: read off a record by the names of its fields."""

    model_config = ConfigDict(from_attributes=True)


class Spec(BaseModel):
    """How items are forecast: the same names in what is sent and in what comes back."""

    models: Annotated[list[Key], Field(min_length=1, max_length=50, description="Names of models, or `auto`.")] = [
        "auto"
    ]
    h: Annotated[
        StrictInt,
        Field(ge=1, le=MAX_HORIZON, description="Weeks ahead.", validation_alias=AliasChoices("h", "horizon")),
    ] = 13
    level: Annotated[list[StrictInt], Field(max_length=20, description="Interval levels, percent.")] = [80, 95]
    n_windows: Annotated[
        StrictInt,
        Field(
            ge=0,
            le=MAX_WINDOWS,
            description="Windows of 13 weeks on which accuracy is measured.",
            validation_alias=AliasChoices("n_windows", "backtest"),
        ),
    ] = 3
    batch_size: Annotated[
        StrictInt | None,
        Field(ge=1, le=MAX_BATCH_SIZE, description="Items of a batch; without it, what keeps all processes busy."),
    ] = None
    skips_stockouts: Annotated[
        StrictBool,
        Field(description="Weeks without a sale that look like stock-outs are missing, not zero demand."),
    ] = False

    model_config = ConfigDict(from_attributes=True)


class JobRequest(Spec):
    """A run to be made. What `GET /jobs/{job_id}` gives as `spec` can be sent as it is."""

    dataset: Annotated[
        Key | None,
        Field(description="Name of a dataset, of which the newest version is taken; without it, the newest of all."),
    ] = None
    items: Annotated[
        Annotated[StrictInt, Field(ge=1, le=MAX_ITEMS)]
        | Annotated[list[Key], Field(min_length=1, max_length=MAX_ITEMS)]
        | None,
        Field(description="How many of the largest sellers, or the keys of items; without it, all."),
    ] = None
    attributes: Annotated[
        WantedAttributes,
        Field(description="Only items that have one of the values of each; with a number or without `items`."),
    ] = {}
    name: Annotated[StrictStr, Field(max_length=100, pattern=NO_ZERO_BYTE)] = ""
    note: Words = ""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"dataset": "sample", "items": 40, "models": ["auto"], "h": 8}]},
    )


class JobId(BaseModel):
    job_id: int


class BatchRequest(Asked):
    """A batch to be run again."""

    job_id: StrictInt
    batch_id: StrictInt

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"job_id": 1, "batch_id": 3}]})


class ItemsAgain(BaseModel):
    job_id: int
    n_items: Annotated[int, Field(description="Items that run again.")]


class Cancelled(BaseModel):
    job_id: int
    is_new: Annotated[bool, Field(description="False: it has ended, or was told to stop before.")]


class Stall(Given):
    """What keeps an open run from going on."""

    since: Annotated[datetime, Field(description="The last change of a stage of its batches.")]
    why: str
    hint: Annotated[str, Field(description="What to do.")]


class Job(Given):
    """A run and how far it is."""

    job_id: int
    status: JobStatus
    dataset_id: int
    dataset: str
    dataset_version: int
    name: str
    note: str
    spec: Spec
    n_items: int
    n_completed: int
    n_failed: int
    n_cancelled: int
    n_batches: int
    batches: Annotated[dict[Stage, int], Field(description="How many are in each stage.")]
    learning: Annotated[Stage | None, Field(description="Of what it learns across its items; null: nothing.")]
    items_per_s: float | None
    time_left_s: Annotated[float | None, Field(description="Null where it cannot be known, as of a stalled run.")]
    stalled: Annotated[Stall | None, Field(description="Null: it goes on, waits for its turn, or has ended.")]
    submitted_by: str | None
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Jobs(BaseModel):
    jobs: list[Job]
    n_found: int


class Batches(BaseModel):
    batches: list[Batch]


class Forecast(Given):
    """One week of an item by a model, in units; bounds by the levels of the run, as `lo["80"]`."""

    unique_id: str
    wk_end_dt: date
    model: str
    forecast: float
    lo: dict[str, float]
    hi: dict[str, float]
    is_fallback: bool
    made_by: str
    adjusted: Annotated[float, Field(description="As analysts changed it; else the forecast.")]
    baseline: Annotated[float | None, Field(description="Without the effects of drivers; null: none is known.")]
    uplift: Annotated[float | None, Field(description="By what drivers multiply the baseline; null: none is known.")]


class Forecasts(BaseModel):
    forecasts: list[Forecast]
    next: Annotated[str | None, Field(description="Where the next page is; null on the last one.")]


class Group(Given):
    """Items of a run with the same value of an attribute, added up over the weeks that are forecast; units."""

    value: Annotated[str | None, Field(description="Null: the items without a value; or all items.")]
    n_items: int
    sold: Annotated[float | None, Field(description="In as many weeks before.")]
    last_year: Annotated[float | None, Field(description="In the same weeks a year before; null: not known.")]
    forecast: Annotated[float | None, Field(description="Null: none of the items has one.")]
    final: Annotated[float | None, Field(description="The forecast as analysts changed it.")]
    lo: Annotated[dict[str, float], Field(description="Lower bounds of the forecast by level, where asked for.")]
    hi: dict[str, float]
    wape: float | None
    bias: float | None


class Groups(BaseModel):
    by: str
    groups: list[Group]
    n_found: Annotated[int, Field(description="How many groups there are in all.")]


class Metrics(BaseModel):
    """Measured on weeks that the models had not seen; null is undefined."""

    by: str
    metrics: list[dict[str, Any]]


class ItemLostSales(Given):
    unique_id: str
    family: str | None
    n_weeks: Annotated[int, Field(description="Out of stock, by a driver or because the run takes them as such.")]
    units: Annotated[float, Field(description="About how many more would have sold in them.")]
    share: Annotated[float | None, Field(description="Of what it sold in its history; null: nothing.")]
    n_suspected: Annotated[int, Field(description="Weeks that look like stock-outs, taken as such or not.")]


class LostSales(Given):
    """What the completed items of a run have lost to stock-outs in their histories."""

    n_items: int
    n_weeks: int
    units: float
    share: Annotated[float | None, Field(description="Of what all completed items sold in their histories.")]
    n_items_suspected: int
    n_weeks_suspected: int
    n_found: Annotated[int, Field(description="Items with weeks of either kind.")]
    items: Annotated[list[ItemLostSales], Field(description="Those that lost most first.")]


class Dataset(BaseModel):
    dataset_id: int
    name: str
    version: int
    n_items: int
    n_weeks: int
    first_wk_end_dt: date
    last_wk_end_dt: date
    week_end: str
    include_promo: bool
    total_units: float
    created_at: datetime


def _report_in_json(report: ReadingReport | None) -> dict[str, Any] | None:
    return None if report is None else report.to_json()


class DatasetWithReport(Dataset):
    report: Annotated[
        dict[str, Any],
        BeforeValidator(_report_in_json),
        Field(description="What was read, and what is odd in it."),
    ]


class Datasets(BaseModel):
    datasets: list[Dataset]


class Item(BaseModel):
    unique_id: str
    sales_rank: int
    total_units: float
    n_weeks: int
    family: str | None
    item_class: Annotated[str | None, Field(serialization_alias="class")]
    description: str | None
    demand_class: str | None
    price: Annotated[float | None, Field(description="Mean of a unit, where the sales say what was paid.")]
    attributes: Annotated[dict[str, str], Field(description="By name, besides family and class.")]


class Items(BaseModel):
    items: list[Item]
    next: Annotated[str | None, Field(description="Where the next page is; null on the last one.")]


class Week(Given):
    wk_end_dt: date
    unit_sales: Annotated[float | None, Field(description="Null: missing, as when an item sold on promotion only.")]
    promo_units: float


class History(BaseModel):
    unique_id: str
    weeks: list[Week]


class PlanRequest(Asked):
    """How files of drivers are read; what is left out is recognised, or as for the sales of the dataset."""

    path: Annotated[
        Key | Annotated[list[Key], Field(min_length=1, max_length=1_000)] | None,
        Field(description="Files on the server, in folders that it allows; none with an upload."),
    ] = None
    map: Annotated[dict[Literal[*ROLES], Key | list[Key]], Field(description="Which column has which role.")] = {}  # type: ignore[valid-type]
    date_format: Annotated[StrictStr, Field(max_length=50)] = ""
    decimal: Literal["", *DECIMALS] = ""  # type: ignore[valid-type]
    encoding: Annotated[StrictStr, Field(max_length=50)] = ""
    file: Annotated[StrictStr, Field(max_length=1_000, description="Which file of an archive, or sheet.")] = ""
    where: Annotated[dict[Key, Key], Field(description="Column and the value that rows must have.")] = {}
    skip_bad: StrictBool = False

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"path": "/data/plan.csv", "map": {"item": "sku", "promo": "on_deal"}}]},
    )


class HolidaysRequest(Asked):
    country: Annotated[StrictStr, Field(min_length=2, max_length=10, description="Of two letters, such as EC.")]
    region: Annotated[StrictStr, Field(max_length=50, description="Of the country, such as BY of DE.")] = ""


class DriverColumn(Given):
    name: str
    kind: DriverKind
    n_keys: Annotated[int, Field(description="Items or groups that have values of it.")]


class DriverReport(Given):
    n_rows: int
    n_unknown: Annotated[int, Field(description="Keys that the dataset does not have.")]
    unknown: Annotated[list[str], Field(description="The first of them.")]
    n_outside: Annotated[int, Field(description="Rows of weeks before the dataset, or too far after it.")]
    n_bad: int
    bad: list[str]
    remarks: list[str]


class DriverLoad(Given):
    """The drivers of one file or calendar."""

    driver_load_id: int
    source: str
    is_own: Annotated[bool, Field(description="It came with the sales.")]
    grouped_by: Literal["item", "part", "family", "class", "all"]
    key_columns: Annotated[list[str], Field(description="Of a part of the items' keys: its columns; else none.")]
    first_day: date
    last_day: date
    columns: list[DriverColumn]
    report: DriverReport
    created_at: datetime
    created_by: str


class DriverLoads(BaseModel):
    loads: list[DriverLoad]


class Source(Asked):
    """An item whose units, times the factor, stand before another one's."""

    unique_id: Key
    factor: Annotated[float, Field(gt=0, le=MAX_FACTOR, strict=True)] = 1.0

    model_config = ConfigDict(extra="forbid", from_attributes=True)


class Lifecycle(Asked):
    """What is known of an item's life; at least one thing is."""

    unique_id: Key
    origin: Annotated[
        Origin | None,
        Field(description="What `sources` are: predecessors that it replaces, or one item that it is like."),
    ] = None
    sources: Annotated[list[Source], Field(max_length=MAX_SOURCES)] = []
    launch: Annotated[Day | None, Field(description="The first day on which it is sold.")] = None
    last_day: Annotated[Day | None, Field(description="The last day on which it is sold.")] = None


class LifecyclesRequest(Asked):
    lifecycles: Annotated[list[Lifecycle], Field(min_length=1, max_length=10_000)]

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "lifecycles": [
                        {"unique_id": "new", "origin": "like", "sources": [{"unique_id": "old", "factor": 0.8}]},
                        {"unique_id": "other", "last_day": "2017-12-31"},
                    ]
                }
            ]
        },
    )


class StoredLifecycle(Lifecycle):
    has_sales: Annotated[bool, Field(description="Whether the item has sales of its own.")]
    created_at: datetime
    created_by: str

    model_config = ConfigDict(extra="forbid", from_attributes=True)


class Lifecycles(BaseModel):
    lifecycles: list[StoredLifecycle]
    n_items: Annotated[int, Field(description="How many there are in all.")]


class StockFigures(Given):
    unique_id: str
    lead_time_days: Annotated[float | None, Field(description="Null where none is set.")]
    review_period_days: float | None
    service_level: Annotated[float | None, Field(description="A fraction.")]
    demand: Annotated[float | None, Field(description="The final plan over lead time and review period, in units.")]
    safety_stock: float | None
    reorder_point: Annotated[float | None, Field(description="Demand and safety stock together.")]
    is_measured: Annotated[bool, Field(description="By errors of backtests; else by what is usual.")]
    reason: Annotated[str | None, Field(description="Why something is not defined.")]


class Stock(BaseModel):
    stock: list[StockFigures]
    next: Annotated[str | None, Field(description="The address of the next page; null on the last one.")]


class StockSettings(Asked):
    """What is said of the replenishment of an item or group; of what is null, what is said of a larger group holds."""

    grouped_by: Annotated[
        Literal[*GROUPS],  # type: ignore[valid-type]
        Field(description="`part`: all items that share some of the columns of their keys. `all` has the key ''."),
    ] = "item"
    key_columns: Annotated[list[Key], Field(max_length=20, description="Of a part: the columns it is joined of.")] = []
    key: Annotated[StrictStr, Field(max_length=1_000, pattern=NO_ZERO_BYTE)]
    lead_time_days: Annotated[float | None, Field(strict=True)] = None
    review_period_days: Annotated[float | None, Field(strict=True)] = None
    service_level: Annotated[float | None, Field(strict=True, description="A fraction, such as 0.95.")] = None


class StockSettingsRequest(Asked):
    settings: Annotated[list[StockSettings], Field(min_length=1, max_length=10_000)]

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "settings": [
                        {"grouped_by": "all", "key": "", "lead_time_days": 14, "service_level": 0.95},
                        {"grouped_by": "item", "key": "S17", "lead_time_days": 28},
                    ]
                }
            ]
        },
    )


class StockSettingsSaved(BaseModel):
    unknown: Annotated[list[str], Field(description="Keys that the dataset does not have yet.")]


class StoredStockSettings(StockSettings):
    changed_at: datetime
    changed_by: str


class StockSettingsPage(BaseModel):
    settings: list[StoredStockSettings]
    n_found: Annotated[int, Field(description="How many there are in all.")]


class AttributeRow(Asked):
    key: Annotated[
        list[Key], Field(min_length=1, max_length=50, description="The item's key, or a value for each of `keyed_by`.")
    ]
    values: Annotated[
        list[Annotated[StrictStr, Field(max_length=MAX_VALUE, pattern=NO_ZERO_BYTE)] | None],
        Field(description="One for each of `names`; null takes the value away."),
    ]


class AttributesRequest(Asked):
    names: Annotated[list[Key], Field(min_length=1, max_length=MAX_ATTRIBUTES, description="Of the attributes.")]
    keyed_by: Annotated[
        list[Key], Field(max_length=50, description="Parts of the items' keys, or family or class; none: the items.")
    ] = []
    source: Annotated[
        StrictStr, Field(min_length=1, max_length=200, pattern=NO_ZERO_BYTE, description="Who says it.")
    ] = "API"
    rows: Annotated[list[AttributeRow], Field(min_length=1, max_length=100_000)]

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"names": ["region"], "keyed_by": ["store_nbr"], "rows": [{"key": ["7"], "values": ["North"]}]}
            ]
        },
    )


class SavedAttributes(Given):
    n_keys: Annotated[int, Field(description="Keys that items have.")]
    n_items: Annotated[int, Field(description="Items that have one of the attributes now.")]
    n_unknown: Annotated[int, Field(description="Keys that no item has.")]
    unknown: Annotated[list[str], Field(description="The first of them.")]


class Attribute(Given):
    name: str
    source: Annotated[str, Field(description="The file that says it, or `key`.")]
    keyed_by: Annotated[list[str], Field(description="The attributes that decide it; none: it is said of each item.")]
    is_own: Annotated[bool, Field(description="It came with the sales.")]
    n_items: Annotated[int, Field(description="Items that have a value.")]
    n_values: int
    values: Annotated[list[str], Field(description="Those that most items have, up to 1,000.")]


class Attributes(BaseModel):
    attributes: list[Attribute]


class LoadRequest(PlanRequest):
    """How files of sales are read; what is left out is recognised."""

    name: Annotated[Key | None, Field(description="The dataset's name; without it, the file's.")] = None
    zone: Annotated[StrictStr, Field(max_length=50, description="Whose days count, for moments with a zone.")] = ""
    include_promo: StrictBool = False
    week_end: Literal["", *WEEKDAYS] = ""  # type: ignore[valid-type]
    returns: Literal[*RETURNS] = "net"  # type: ignore[valid-type]
    duplicates: Literal["", *DUPLICATES] = ""  # type: ignore[valid-type]
    cancelled: Literal[*CANCELLED] = "keep"  # type: ignore[valid-type]
    odd_dates: Literal["", *ODD_DATES] = ""  # type: ignore[valid-type]

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"path": "/data/sales.csv", "name": "shop", "map": {"item": "sku", "sales": "qty"}}]
        },
    )


class Ingest(BaseModel):
    """A reading of files and how far it is."""

    ingest_id: int
    status: Literal["submitted", "running", "completed", "failed", "cancelled"]
    progress: str | None
    dataset_id: int | None
    error: str | None
    hint: str | None
    report: Annotated[
        dict[str, Any] | None,
        BeforeValidator(_report_in_json),
        Field(description="Rows that could not be read, where that is why."),
    ]


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: Annotated[str, Field(description="What happened, to what.")]
    hint: Annotated[str, Field(description="What to do.")]
