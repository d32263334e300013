"""Request and response models of the API. Units are units sold per week; durations are seconds."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr
from starlette.convertors import Convertor, register_url_convertor

from fcst.attributes import MAX_ATTRIBUTES, MAX_VALUE
from fcst.data_sources import MAX_LOCATION, MAX_QUERY, SourceKind
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
    """Path parameter of an id: digits only, so that other path segments do not match."""

    regex = "[0-9]{1,40}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("number", _Number())

NO_ZERO_BYTE = r"^[^\x00]*$"  # Postgres text and file paths do not allow it
Key = Annotated[StrictStr, Field(min_length=1, max_length=1_000, pattern=NO_ZERO_BYTE)]
Words = Annotated[StrictStr, Field(max_length=1_000, pattern=NO_ZERO_BYTE)]
WantedAttributes = dict[Key, Annotated[list[Words], Field(min_length=1, max_length=1_000)]]
"""Attribute name -> values; an empty value matches items without a value."""


def _check_day(value: Any) -> Any:
    """Refuses numbers, which pydantic would read as seconds since 1970."""
    if isinstance(value, date) or isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return value
    raise ValueError("write dates as 2024-03-31")


Day = Annotated[date, BeforeValidator(_check_day)]


class RequestModel(BaseModel):
    """Base of request bodies; refuses unknown fields."""

    model_config = ConfigDict(extra="forbid")


class ResponseModel(BaseModel):
    """Base of responses; reads the attributes of a record."""

    model_config = ConfigDict(from_attributes=True)


class Spec(BaseModel):
    """Forecast settings; the same fields in requests and responses."""

    models: Annotated[list[Key], Field(min_length=1, max_length=50, description="Model names, or `auto`.")] = ["auto"]
    h: Annotated[
        StrictInt,
        Field(ge=1, le=MAX_HORIZON, description="Horizon in weeks.", validation_alias=AliasChoices("h", "horizon")),
    ] = 13
    level: Annotated[list[StrictInt], Field(max_length=20, description="Interval levels in percent.")] = [80, 95]
    n_windows: Annotated[
        StrictInt,
        Field(
            ge=0,
            le=MAX_WINDOWS,
            description="Number of backtest windows of 13 weeks.",
            validation_alias=AliasChoices("n_windows", "backtest"),
        ),
    ] = 3
    batch_size: Annotated[
        StrictInt | None,
        Field(ge=1, le=MAX_BATCH_SIZE, description="Items per batch; default: chosen to keep all processes busy."),
    ] = None
    skips_stockouts: Annotated[
        StrictBool,
        Field(description="Treat weeks without sales that look like stock-outs as missing, not as zero demand."),
    ] = False

    model_config = ConfigDict(from_attributes=True)


class JobRequest(Spec):
    """A run to submit. Accepts the fields of `spec` from `GET /jobs/{job_id}`."""

    dataset: Annotated[
        Key | None,
        Field(description="Dataset name; uses its newest version. Default: the newest dataset."),
    ] = None
    items: Annotated[
        Annotated[StrictInt, Field(ge=1, le=MAX_ITEMS)]
        | Annotated[list[Key], Field(min_length=1, max_length=MAX_ITEMS)]
        | None,
        Field(description="Number of largest sellers, or item keys; default: all items."),
    ] = None
    attributes: Annotated[
        WantedAttributes,
        Field(description="Only items with one of the values of each attribute; not allowed with item keys."),
    ] = {}
    name: Annotated[StrictStr, Field(max_length=100, pattern=NO_ZERO_BYTE)] = ""
    note: Words = ""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"dataset": "sample", "items": 40, "models": ["auto"], "h": 8}]},
    )


class JobId(BaseModel):
    job_id: int


class BatchRequest(RequestModel):
    """A batch to retry."""

    job_id: StrictInt
    batch_id: StrictInt

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"job_id": 1, "batch_id": 3}]})


class RetriedItems(BaseModel):
    job_id: int
    n_items: Annotated[int, Field(description="Number of items to retry.")]


class Cancelled(BaseModel):
    job_id: int
    is_new: Annotated[bool, Field(description="False: the run has ended or was cancelled before.")]


class Stall(ResponseModel):
    """Why an open run is stalled."""

    since: Annotated[datetime, Field(description="The last stage change of its batches.")]
    why: str
    hint: Annotated[str, Field(description="What to do.")]


class Job(ResponseModel):
    """A run and its progress."""

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
    batches: Annotated[dict[Stage, int], Field(description="Number of batches by stage.")]
    learning: Annotated[Stage | None, Field(description="Stage of the learning across items; null: the run has none.")]
    items_per_s: float | None
    time_left_s: Annotated[float | None, Field(description="Null if unknown, for example if stalled.")]
    stalled: Annotated[Stall | None, Field(description="Null: the run is running, queued or ended.")]
    submitted_by: str | None
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Jobs(BaseModel):
    jobs: list[Job]
    n_found: int


class Batches(BaseModel):
    batches: list[Batch]


class Forecast(ResponseModel):
    """Forecast of an item and week by a model, in units. Interval bounds are keyed by level, as in `lo["80"]`."""

    unique_id: str
    wk_end_dt: date
    model: str
    forecast: float
    lo: dict[str, float]
    hi: dict[str, float]
    is_fallback: bool
    made_by: str
    adjusted: Annotated[float, Field(description="The final plan: the forecast with adjustments.")]
    baseline: Annotated[float | None, Field(description="The forecast without driver effects; null: not known.")]
    uplift: Annotated[float | None, Field(description="Factor of the driver effects on the baseline; null: not known.")]


class Forecasts(BaseModel):
    forecasts: list[Forecast]
    next: Annotated[str | None, Field(description="URL of the next page; null on the last page.")]


class Group(ResponseModel):
    """Sums over the items of a run with the same attribute value, over all forecast weeks; in units."""

    value: Annotated[str | None, Field(description="Attribute value; null: items without a value, or all items.")]
    n_items: int
    sold: Annotated[float | None, Field(description="Units sold in as many weeks before the forecast.")]
    last_year: Annotated[float | None, Field(description="Units sold in the same weeks of last year; null: not known.")]
    forecast: Annotated[float | None, Field(description="Null: no item has a forecast.")]
    final: Annotated[float | None, Field(description="The final plan: the forecast with adjustments.")]
    lo: Annotated[dict[str, float], Field(description="Lower bounds of the forecast by level, with `bounds=true`.")]
    hi: Annotated[dict[str, float], Field(description="Upper bounds of the forecast by level, with `bounds=true`.")]
    wape: float | None
    bias: float | None


class Groups(BaseModel):
    by: str
    groups: list[Group]
    n_found: Annotated[int, Field(description="Total number of groups.")]


class Metrics(BaseModel):
    """Accuracy in backtests, on weeks not used for fitting; null is undefined."""

    by: str
    metrics: list[dict[str, Any]]


class ItemLostSales(ResponseModel):
    unique_id: str
    family: str | None
    n_weeks: Annotated[int, Field(description="Out-of-stock weeks, from a driver or detected by the run.")]
    units: Annotated[float, Field(description="Estimated lost sales in these weeks.")]
    share: Annotated[float | None, Field(description="Share of the units sold in its history; null: no sales.")]
    n_suspected: Annotated[int, Field(description="Weeks that look like stock-outs, used as such or not.")]


class LostSales(ResponseModel):
    """Lost sales from stock-outs in the histories of a run's completed items."""

    n_items: int
    n_weeks: int
    units: float
    share: Annotated[
        float | None, Field(description="Share of the units sold in the histories of all completed items.")
    ]
    n_items_suspected: int
    n_weeks_suspected: int
    n_found: Annotated[int, Field(description="Items with out-of-stock or suspected weeks.")]
    items: Annotated[list[ItemLostSales], Field(description="Largest lost sales first.")]


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
        Field(description="Quality report of the load."),
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
    price: Annotated[float | None, Field(description="Mean price per unit; null if the sales have no values.")]
    attributes: Annotated[dict[str, str], Field(description="Attribute name -> value, without family and class.")]


class Items(BaseModel):
    items: list[Item]
    next: Annotated[str | None, Field(description="URL of the next page; null on the last page.")]


class Week(ResponseModel):
    wk_end_dt: date
    unit_sales: Annotated[
        float | None, Field(description="Null: missing, for example if all units were sold on promotion.")
    ]
    promo_units: float


class History(BaseModel):
    unique_id: str
    weeks: list[Week]


class PlanRequest(RequestModel):
    """Settings for reading driver files. Omitted fields are recognised, or taken from the dataset's sales."""

    path: Annotated[
        Key | Annotated[list[Key], Field(min_length=1, max_length=1_000)] | None,
        Field(description="Paths on the server, in allowed folders; omit with an upload."),
    ] = None
    map: Annotated[dict[Literal[*ROLES], Key | list[Key]], Field(description="Role -> column.")] = {}  # type: ignore[valid-type]
    date_format: Annotated[StrictStr, Field(max_length=50)] = ""
    decimal: Literal["", *DECIMALS] = ""  # type: ignore[valid-type]
    encoding: Annotated[StrictStr, Field(max_length=50)] = ""
    file: Annotated[StrictStr, Field(max_length=1_000, description="File in an archive, or sheet of a workbook.")] = ""
    where: Annotated[dict[Key, Key], Field(description="Row filter: column -> value.")] = {}
    skip_bad: StrictBool = False

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"path": "/data/plan.csv", "map": {"item": "sku", "promo": "on_deal"}}]},
    )


class HolidaysRequest(RequestModel):
    country: Annotated[
        StrictStr, Field(min_length=2, max_length=10, description="Two-letter country code, such as EC.")
    ]
    region: Annotated[StrictStr, Field(max_length=50, description="Region code, such as BY for DE.")] = ""


class DriverColumn(ResponseModel):
    name: str
    kind: DriverKind
    n_keys: Annotated[int, Field(description="Number of items or groups with values.")]


class DriverReport(ResponseModel):
    n_rows: int
    n_unknown: Annotated[int, Field(description="Number of keys that the dataset does not have.")]
    unknown: Annotated[list[str], Field(description="The first of these keys.")]
    n_outside: Annotated[int, Field(description="Rows before the dataset's first week, or too far after its last.")]
    n_bad: int
    bad: list[str]
    remarks: list[str]


class DriverLoad(ResponseModel):
    """The drivers of one file or calendar."""

    driver_load_id: int
    source: str
    is_own: Annotated[bool, Field(description="True: loaded with the sales.")]
    grouped_by: Literal["item", "part", "family", "class", "all"]
    key_columns: Annotated[list[str], Field(description="Key columns, if grouped by `part`; else empty.")]
    first_day: date
    last_day: date
    columns: list[DriverColumn]
    report: DriverReport
    created_at: datetime
    created_by: str


class DriverLoads(BaseModel):
    loads: list[DriverLoad]


class Source(RequestModel):
    """A source item: its units times the factor extend the history of another item."""

    unique_id: Key
    factor: Annotated[float, Field(gt=0, le=MAX_FACTOR, strict=True)] = 1.0

    model_config = ConfigDict(extra="forbid", from_attributes=True)


class Lifecycle(RequestModel):
    """Lifecycle of an item; at least one field is set."""

    unique_id: Key
    origin: Annotated[
        Origin | None,
        Field(description="Type of `sources`: replaced predecessors, or one similar item."),
    ] = None
    sources: Annotated[list[Source], Field(max_length=MAX_SOURCES)] = []
    launch: Annotated[Day | None, Field(description="First day of sale.")] = None
    last_day: Annotated[Day | None, Field(description="Last day of sale.")] = None


class LifecyclesRequest(RequestModel):
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
    has_sales: Annotated[bool, Field(description="Whether the item has its own sales.")]
    created_at: datetime
    created_by: str

    model_config = ConfigDict(extra="forbid", from_attributes=True)


class Lifecycles(BaseModel):
    lifecycles: list[StoredLifecycle]
    n_items: Annotated[int, Field(description="Total number of lifecycles.")]


class StockFigures(ResponseModel):
    unique_id: str
    lead_time_days: Annotated[float | None, Field(description="Null if not set.")]
    review_period_days: float | None
    service_level: Annotated[float | None, Field(description="A fraction.")]
    demand: Annotated[float | None, Field(description="Final plan over lead time and review period, in units.")]
    safety_stock: float | None
    reorder_point: Annotated[float | None, Field(description="Demand plus safety stock.")]
    is_measured: Annotated[bool, Field(description="True: from backtest errors; false: from typical errors.")]
    reason: Annotated[str | None, Field(description="Why a figure is null.")]


class Stock(BaseModel):
    stock: list[StockFigures]
    next: Annotated[str | None, Field(description="URL of the next page; null on the last page.")]


class StockSettings(RequestModel):
    """Replenishment settings of an item or group; null fields use the setting of a larger group."""

    grouped_by: Annotated[
        Literal[*GROUPS],  # type: ignore[valid-type]
        Field(description="`part`: all items with the same part of the key. `all` has the key ''."),
    ] = "item"
    key_columns: Annotated[list[Key], Field(max_length=20, description="Key columns, if grouped by `part`.")] = []
    key: Annotated[StrictStr, Field(max_length=1_000, pattern=NO_ZERO_BYTE)]
    lead_time_days: Annotated[float | None, Field(strict=True)] = None
    review_period_days: Annotated[float | None, Field(strict=True)] = None
    service_level: Annotated[float | None, Field(strict=True, description="A fraction, such as 0.95.")] = None


class StockSettingsRequest(RequestModel):
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
    unknown: Annotated[list[str], Field(description="Keys that the dataset does not have.")]


class StoredStockSettings(StockSettings):
    changed_at: datetime
    changed_by: str


class StockSettingsPage(BaseModel):
    settings: list[StoredStockSettings]
    n_found: Annotated[int, Field(description="Total number of settings.")]


class AttributeRow(RequestModel):
    key: Annotated[
        list[Key], Field(min_length=1, max_length=50, description="The item key, or one value for each of `keyed_by`.")
    ]
    values: Annotated[
        list[Annotated[StrictStr, Field(max_length=MAX_VALUE, pattern=NO_ZERO_BYTE)] | None],
        Field(description="One value for each of `names`; null removes the value."),
    ]


class AttributesRequest(RequestModel):
    names: Annotated[list[Key], Field(min_length=1, max_length=MAX_ATTRIBUTES, description="Attribute names.")]
    keyed_by: Annotated[
        list[Key], Field(max_length=50, description="Key columns, or family or class; empty: item keys.")
    ] = []
    source: Annotated[
        StrictStr, Field(min_length=1, max_length=200, pattern=NO_ZERO_BYTE, description="Source of the values.")
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


class SavedAttributes(ResponseModel):
    n_keys: Annotated[int, Field(description="Keys with items.")]
    n_items: Annotated[int, Field(description="Items with at least one of the attributes.")]
    n_unknown: Annotated[int, Field(description="Keys without items.")]
    unknown: Annotated[list[str], Field(description="The first of the keys without items.")]


class Attribute(ResponseModel):
    name: str
    source: Annotated[str, Field(description="Source file, or `key`.")]
    keyed_by: Annotated[list[str], Field(description="The attributes that determine it; empty: set per item.")]
    is_own: Annotated[bool, Field(description="True: loaded with the sales.")]
    n_items: Annotated[int, Field(description="Items with a value.")]
    n_values: int
    values: Annotated[list[str], Field(description="The most frequent values, up to 1,000.")]


class Attributes(BaseModel):
    attributes: list[Attribute]


class LoadRequest(PlanRequest):
    """Settings for reading sales files. Omitted fields are recognised."""

    name: Annotated[Key | None, Field(description="Dataset name; default: the file name.")] = None
    zone: Annotated[StrictStr, Field(max_length=50, description="Time zone of days, for times with a UTC offset.")] = ""
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


class DataSource(RequestModel):
    """Where the sales of a dataset come from. `secret` is the name of a secret of the installation."""

    kind: Literal[*SourceKind]  # type: ignore[valid-type]
    location: Annotated[
        StrictStr, Field(max_length=MAX_LOCATION, pattern=NO_ZERO_BYTE, description="Path, pattern or address.")
    ] = ""
    query: Annotated[
        StrictStr, Field(max_length=MAX_QUERY, pattern=NO_ZERO_BYTE, description="Statement of an SQL source.")
    ] = ""
    secret: Annotated[StrictStr, Field(max_length=50, pattern=r"^([a-z][a-z0-9_]*)?$")] = ""


class SourceRequest(LoadRequest):
    """A source, and settings for reading it. Omitted settings are recognised at the first load."""

    name: Annotated[Key, Field(description="Dataset name.")]
    path: None = None
    source: DataSource

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "shop", "source": {"kind": "url", "location": "https://shop.example/sales.csv"}}]
        },
    )


class RefreshRequest(RequestModel):
    name: Annotated[Key, Field(description="Dataset name.")]


class StoredSource(ResponseModel):
    """The source of a dataset name."""

    dataset: str
    source: DataSource
    set_by: str
    set_at: datetime
    dataset_id: Annotated[int | None, Field(description="The newest version; null before the first load ends.")]
    open_ingest_id: Annotated[int | None, Field(description="A refresh that has not ended.")]


class Sources(ResponseModel):
    sources: list[StoredSource]


class PublishRequest(RequestModel):
    model: Annotated[StrictStr, Field(max_length=100, description="Default: the first model of the run.")] = ""


class PublishedPlan(ResponseModel):
    """A published plan; the sums are in units."""

    plan_id: int
    dataset: str
    job_id: Annotated[int | None, Field(description="Null after the run was deleted.")]
    run_no: int
    model: str
    first_wk_end_dt: date
    h: Annotated[int, Field(description="Number of weeks.")]
    n_items: int
    forecast: Annotated[float, Field(description="Sum of the model's forecast.")]
    final: Annotated[float, Field(description="Sum of the final plan.")]
    published_by: str
    published_at: datetime
    is_current: bool
    n_changes_since: Annotated[int, Field(description="Adjustments of the run since it was published.")]


class PublishedPlans(ResponseModel):
    plans: list[PublishedPlan]


class Ingest(BaseModel):
    """An ingest of files and its progress."""

    ingest_id: int
    status: Literal["submitted", "running", "completed", "failed", "cancelled"]
    progress: str | None
    dataset_id: int | None
    error: str | None
    hint: str | None
    report: Annotated[
        dict[str, Any] | None,
        BeforeValidator(_report_in_json),
        Field(description="Report of the bad rows, if they made the ingest fail."),
    ]


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: Annotated[str, Field(description="What happened, to which data.")]
    hint: Annotated[str, Field(description="What to do.")]
