"""Lost sales of a run's items due to stock-outs: totals, and the items with the largest losses."""

from fcst.job_records import ItemLostSales, Job, RunLostSales
from fcst.store.database import fetch_all, fetch_one


def totals(job: Job) -> RunLostSales:
    """Totals over the completed items of a run."""
    row = fetch_one("sum_lost_sales", job_id=job.job_id, dataset_id=job.dataset_id)
    return RunLostSales(**(row or {}))


def list_items(job: Job, limit: int | None, skip: int) -> list[ItemLostSales]:
    """The items of a run with known or suspected stock-out weeks, largest losses first."""
    rows = fetch_all("list_lost_sales", job_id=job.job_id, dataset_id=job.dataset_id, limit=limit, skip=skip)
    return [ItemLostSales(**row) for row in rows]


def find_item(job: Job, unique_id: str) -> ItemLostSales | None:
    """Lost sales of one item; None if it has no such weeks."""
    row = fetch_one("item_lost_sales", job_id=job.job_id, dataset_id=job.dataset_id, unique_id=unique_id)
    return None if row is None else ItemLostSales(**row)
