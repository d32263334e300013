"""Lost sales of a run from stock-outs: known ones, and weeks that the run treats as such."""

from fcst.job_records import ItemLostSales, Job, RunLostSales
from fcst.store import lost_sales


def sum_lost_sales(job: Job) -> RunLostSales:
    """Totals over the completed items of a run; items completed by an earlier fcst version have none."""
    return lost_sales.totals(job)


def list_lost_sales(job: Job, limit: int | None = None, skip: int = 0) -> list[ItemLostSales]:
    """Items of a run with known or suspected stock-out weeks, largest loss first."""
    return lost_sales.list_items(job, limit, skip)


def find_lost_sales(job: Job, unique_id: str) -> ItemLostSales | None:
    """Lost sales of one item; None if it has no known or suspected stock-out week."""
    return lost_sales.find_item(job, unique_id)
