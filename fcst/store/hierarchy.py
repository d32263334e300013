"""Sums of forecasts over the horizon: written with them, added up by attributes of items."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from fcst.attributes import ALL
from fcst.filters import GroupSort, RunFilter
from fcst.job_records import Job
from fcst.records import GroupSums, ItemResult
from fcst.store import binary_copy, item_filters
from fcst.store.database import transaction
from fcst.store.queries import query


def replace_sums(cur: Cursor, job_id: int, results: Sequence[ItemResult]) -> None:
    """Writes what the forecasts of finished items come to, in the caller's transaction, in place of what is there."""
    rows = list(_rows(job_id, results))
    if not rows:
        return
    keys = {"unique_ids": [result.unique_id for result in results], "models": sorted({row[2] for row in rows})}
    cur.execute(query("delete_sums"), {"job_id": job_id, **keys})
    cur.copy_expert(query("copy_sums"), binary_copy.encode(rows))


def _rows(job_id: int, results: Sequence[ItemResult]) -> Iterator[binary_copy.Row]:
    for result in results:
        known = [units for units in result.recent if not math.isnan(units)]
        sold = math.fsum(known) if known else math.nan
        last_year = math.nan if result.last_year is None else float(result.last_year)
        for f in result.forecasts:
            sums = [b.sums for b in result.backtests if b.model == f.model]
            abs_error, error, _, actual, _ = map(sum, zip(*sums, strict=True)) if sums else [math.nan] * 5
            down = (f.forecast - f.lo).sum(axis=-1, dtype=float).reshape(-1)
            up = (f.hi - f.forecast).sum(axis=-1, dtype=float).reshape(-1)
            yield (
                *(job_id, result.unique_id, f.model, float(f.forecast.sum()), sold, last_year, down, up),
                *(float(abs_error), float(error), float(actual)),
            )


_ORDERS: dict[GroupSort, str] = {
    GroupSort.VALUE: "",
    GroupSort.ITEMS: "g.n_items DESC, ",
    GroupSort.SOLD: "g.sold DESC NULLS LAST, ",
    GroupSort.LAST_YEAR: "g.last_year DESC NULLS LAST, ",
    GroupSort.FORECAST: "g.forecast + g.change DESC NULLS LAST, ",
    GroupSort.RISE: "(g.forecast + g.change) / NULLIF(g.last_year, 0) DESC NULLS LAST, ",
    GroupSort.FALL: "(g.forecast + g.change) / NULLIF(g.last_year, 0) NULLS LAST, ",
    GroupSort.WAPE: "g.wape DESC NULLS LAST, ",
    GroupSort.OVER: "g.bias DESC NULLS LAST, ",
    GroupSort.UNDER: "g.bias NULLS LAST, ",
}
_BY_VALUE = r"g.value IS NULL, CASE WHEN g.value ~ '^[0-9]{1,15}$' THEN g.value::bigint END NULLS LAST, g.value"
"""Numbers by their size, then texts, then the items without a value."""


def sum_groups(
    job: Job, model: str, by: str, which: RunFilter, sort: GroupSort, limit: int | None, skip: int, n_levels: int
) -> list[GroupSums]:
    """The items of a run that match, summed by an attribute or all together: a page of the groups in an order.

    Parameters
    ----------
    n_levels
        of how many interval levels the distances are summed; 0: of none.
    """
    condition, params = _condition(job, model, which)
    value = _value(by, params)
    items = sql.SQL(query("summed_items"))
    if job.n_completed < job.n_items:
        items = sql.SQL("{} UNION ALL {}").format(items, sql.SQL(query("items_without_forecast")))
    sums = {
        f"{squares}{side}": sql.SQL(", ").join(
            sql.SQL(f"sum({pattern})").format(sql.Literal(level)) for level in range(1, n_levels + 1)
        )
        for side in ("down", "up")
        for squares, pattern in (("", f"s.{side}[{{0}}]"), ("squares_", f"s.{side}[{{0}}] * s.{side}[{{0}}]"))
    }
    statement = sql.SQL(query("sum_groups")).format(
        value=value,
        rows=items,
        changes=sql.SQL(query("changes_of_forecasts")),
        condition=condition,
        order=sql.SQL(_ORDERS[sort] + _BY_VALUE),
        **sums,
    )
    with transaction() as cur:
        cur.execute(query("for_large_sums"))
        cur.execute(statement, params | {"h": job.spec.h, "limit": limit, "skip": skip})
        return [GroupSums.from_row(row) for row in cur.fetchall()]


def count_groups(job: Job, model: str, by: str, which: RunFilter) -> int:
    """How many groups there are."""
    condition, params = _condition(job, model, which)
    statement = sql.SQL(query("count_groups")).format(value=_value(by, params), condition=condition)
    with transaction() as cur:
        cur.execute(query("for_large_sums"))
        cur.execute(statement, params)
        return int((cur.fetchone() or {})["n_found"])


def _value(by: str, params: dict[str, Any]) -> sql.Composable:
    return sql.SQL("NULL::text") if by == ALL else item_filters.attribute_value(by, "grouped_by", params)


def _condition(job: Job, model: str, which: RunFilter) -> tuple[sql.Composed, dict[str, Any]]:
    """What the items d of a dataset must have to be counted."""
    of_dataset = item_filters.item_condition(job.dataset_id, which)
    condition, params = of_dataset.text, of_dataset.params | {"job_id": job.job_id, "model": model}
    of_run = (which.heaviest, which.reasons, which.abc, which.xyz, which.review)
    if any(of_run) or which.keys is not None:
        chosen = item_filters.select_job_items(job, model, which)
        inside = sql.SQL("{} AND d.unique_id IN (SELECT c.unique_id FROM ({}) c)").format(condition, chosen.text)
        return inside, params | chosen.params
    return condition, params
