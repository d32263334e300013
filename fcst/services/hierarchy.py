"""Forecast totals by item attribute: the whole run, each city, each store of a city, and so on."""

import numpy as np

from fcst.attributes import ALL, COLUMNS
from fcst.compute.aggregation import combined
from fcst.errors import InputError
from fcst.filters import ALL_RUN_ITEMS, GroupSort, RunFilter
from fcst.job_records import Job
from fcst.records import Group, GroupSums
from fcst.services import accuracy, datasets
from fcst.store import hierarchy


def list_groups(
    job: Job,
    model: str,
    by: str = ALL,
    which: RunFilter = ALL_RUN_ITEMS,
    sort: GroupSort = GroupSort.FORECAST,
    limit: int | None = None,
    skip: int = 0,
    with_bounds: bool = True,
    correlation: float | None = None,
) -> list[Group]:
    """A sorted page of groups: the matching items of a run, summed by the values of an attribute.

    To drill down into a group, call again with another attribute and a filter on the group's value.

    Parameters
    ----------
    by
        attribute name; ALL makes one group of all matching items.
    with_bounds
        compute the bounds of the totals; the correlation is only needed for these.
    correlation
        correlation of the item errors, from 0 to 1, as `accuracy.error_correlation` returns it; None measures it from
        the backtests of all items.

    Raises
    ------
    InputError
        if the dataset has no such attribute.
    """
    _check(job, by)
    level = job.spec.level if with_bounds else ()
    if level and correlation is None:
        correlation = accuracy.error_correlation(job, model)[0]
    found = hierarchy.sum_groups(job, model, by, which, sort, limit, skip, len(level))
    return [_with_bounds(row, level, correlation or 0.0) for row in found]


def count_groups(job: Job, model: str, by: str, which: RunFilter = ALL_RUN_ITEMS) -> int:
    """Total number of groups of `list_groups`.

    Raises
    ------
    InputError
        if the dataset has no such attribute.
    """
    _check(job, by)
    return hierarchy.count_groups(job, model, by, which)


def _check(job: Job, by: str) -> None:
    known = [attribute.name for attribute in datasets.list_attributes(job.dataset_id)]
    if by not in (ALL, *COLUMNS, *known):
        raise InputError(
            f"Dataset {job.dataset!r} has no attribute {by!r}.", f"Choose one of {', '.join((ALL, *known))}."
        )


def _with_bounds(row: GroupSums, level: tuple[int, ...], correlation: float) -> Group:
    """Adds bounds to a group. Item half-widths over the horizon are sums over weeks and combine like weekly ones."""
    lo, hi = {}, {}
    if level and row.forecast is not None:
        down = combined(np.array(row.down), np.array(row.squares_down), correlation)
        up = combined(np.array(row.up), np.array(row.squares_up), correlation)
        lo = {str(p): max(row.forecast - float(d), 0.0) for p, d in zip(level, down, strict=True)}
        hi = {str(p): row.forecast + float(d) for p, d in zip(level, up, strict=True)}
    return Group(row.value, row.n_items, row.sold, row.last_year, row.forecast, row.final, lo, hi, row.wape, row.bias)
