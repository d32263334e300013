"""Stock: how items are replenished, said and listed; the safety stocks and reorder points of a run."""

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
    summary="Safety stocks and reorder points of its items, the largest sellers first",
    response_model=schemas.Stock,
)
def list_stock(
    job_id: JobId,
    item: Annotated[list[str] | None, Query(max_length=1_000, description="Only these items, by key.")] = None,
    model: Annotated[str | None, Query(max_length=100, description="By which; without it, the job's first.")] = None,
    lead_time_days: Annotated[float | None, Query(description="For all items, in place of what is set.")] = None,
    review_period_days: Annotated[float | None, Query(description="The same.")] = None,
    service_level: Annotated[float | None, Query(description="The same; a fraction.")] = None,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="Where a page begins; `next` has it.")] = 0,
    limit: Annotated[int, Query(ge=1, le=5_000, description="Items of a page.")] = PAGE_ITEMS,
) -> dict[str, Any]:
    """The demand over lead time and review period is at most the reorder point as often as the service level says, if
    errors are as in the backtests, lead times are certain, and sales are all the demand."""
    asked = StockSettings(lead_time_days, review_period_days, service_level)
    job = jobs.get_job(job_id)
    exports.check_items(job_id, item or [])
    found, last = stock.list_page(job, chosen := jobs.choose_model(job, model), item, after, limit, asked)
    given = {"item": item or [], "model": [chosen], **{name: _texts(value) for name, value in vars(asked).items()}}
    return {"stock": found, "next": next_page(f"/api/jobs/{job_id}/stock", last, limit, list(given.items()))}


def _texts(value: float | None) -> list[str]:
    return [] if value is None else [str(value)]


@router.get(
    "/datasets/{dataset_id:number}/stock",
    summary="How its items are replenished: lead times, review periods, service levels",
    response_model=schemas.StockSettingsPage,
)
def list_settings(
    dataset_id: DatasetId,
    skip: Annotated[int, Query(ge=0, le=2**31 - 1, description="How many to leave out, in their order.")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Groups and items of a page.")] = 1_000,
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
    summary="Say how items and groups of items are replenished, in place of what is said of them",
)
def save(dataset_id: DatasetId, asked: schemas.StockSettingsRequest) -> schemas.StockSettingsSaved:
    """An item has what is said of it, else of a part of its key, of its class, its family, of all. All versions of the
    dataset's name have it at once, and jobs that were submitted before too. Where nothing is said it is removed."""
    found = [
        GroupSettings(
            row.grouped_by,
            row.key,
            StockSettings(row.lead_time_days, row.review_period_days, row.service_level),
            tuple(row.key_columns),
        )
        for row in asked.settings
    ]
    return schemas.StockSettingsSaved(unknown=stock_settings.save_settings(dataset_id, found))
