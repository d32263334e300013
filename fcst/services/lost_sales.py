"""What the items of a run have lost to stock-outs: known ones, and those that the run takes as such."""

from fcst.job_records import ItemLostSales, Job, RunLostSales
from fcst.store import lost_sales


def sum_lost_sales(job: Job) -> RunLostSales:
    """The sums over the completed items of a run; those that an earlier version completed have none."""
    return lost_sales.totals(job)


def list_lost_sales(job: Job, limit: int | None = None, skip: int = 0) -> list[ItemLostSales]:
    """The items of a run with weeks that are, or look, out of stock; those that lost most first."""
    return lost_sales.list_items(job, limit, skip)


def find_lost_sales(job: Job, unique_id: str) -> ItemLostSales | None:
    """What one item of a run has lost; None where it has no week that is, or looks, out of stock."""
    return lost_sales.find_item(job, unique_id)
