"""Stock routes: safety stocks and reorder points of a run; replenishment settings of a dataset."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from fcst.api import schemas
from fcst.api.jobs import JobId, next_page
from fcst.api.uploads import DatasetId
from fcst.services import exports, jobs, stock, stock_settings
from fcst.stock import GroupSettings, StockSettings

router = APIRouter(tags=["stock"])

PAGE_ITEMS = 500


@router.get(
    "/jobs/{job_id:number}/stock",
    summary="List safety stocks and reorder points of a run's items, largest sellers first",
    response_model=schemas.Stock,
)
def list_stock(
    job_id: JobId,
    item: Annotated[list[str] | None, Query(max_length=1_000, description="Only these items, by key.")] = None,
    model: Annotated[
        str | None, Query(max_length=100, description="One of the run's models; default: the first.")
    ] = None,
    lead_time_days: Annotated[float | None, Query(description="Overrides all lead times.")] = None,
    review_period_days: Annotated[float | None, Query(description="Overrides all review periods.")] = None,
    service_level: Annotated[float | None, Query(description="Overrides all service levels; a fraction.")] = None,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="Start of the page, from `next`.")] = 0,
    limit: Annotated[int, Query(ge=1, le=5_000, description="Items per page.")] = PAGE_ITEMS,
) -> dict[str, Any]:
    """The reorder point covers the demand over lead time and review period with the probability of the service level.
    Assumes errors as in the backtests, fixed lead times, and demand equal to sales."""
    overrides = StockSettings(lead_time_days, review_period_days, service_level)
    job = jobs.get_job(job_id)
    exports.check_items(job_id, item or [])
    found, last = stock.list_page(job, chosen := jobs.choose_model(job, model), item, after, limit, overrides)
    settings = {name: _texts(value) for name, value in vars(overrides).items()}
    params = {"item": item or [], "model": [chosen], **settings}
    return {"stock": found, "next": next_page(f"/api/jobs/{job_id}/stock", last, limit, list(params.items()))}


def _texts(value: float | None) -> list[str]:
    return [] if value is None else [str(value)]


@router.get(
    "/datasets/{dataset_id:number}/stock",
    summary="List stock settings: lead times, review periods, service levels",
    response_model=schemas.StockSettingsPage,
)
def list_settings(
    dataset_id: DatasetId,
    skip: Annotated[int, Query(ge=0, le=2**31 - 1, description="Number of settings to skip.")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Settings per page.")] = 1_000,
) -> dict[str, Any]:
    stored, n_found = stock_settings.find_settings(dataset_id, limit, skip)
    rows = [
        {
            **{name: getattr(row.group, name) for name in ("grouped_by", "key_columns", "key")},
            **vars(row.group.settings),
            "changed_at": row.changed_at,
            "changed_by": row.changed_by,
        }
        for row in stored
    ]
    return {"settings": rows, "n_found": n_found}


@router.put(
    "/datasets/{dataset_id:number}/stock",
    summary="Save stock settings; replaces those of the given items and groups",
)
def save(dataset_id: DatasetId, body: schemas.StockSettingsRequest) -> schemas.StockSettingsSaved:
    """An item uses its own settings, else those of a part of its key, its class, its family, or all items. Applies
    immediately to all versions of the dataset and to existing runs. A row with only nulls removes a setting."""
    found = [
        GroupSettings(
            row.grouped_by,
            row.key,
            StockSettings(row.lead_time_days, row.review_period_days, row.service_level),
            tuple(row.key_columns),
        )
        for row in body.settings
    ]
    return schemas.StockSettingsSaved(unknown=stock_settings.save_settings(dataset_id, found))
