"""Totals of a run's forecasts over the horizon, grouped by attributes of the items."""

from typing import Any

from psycopg2 import sql

from fcst.attributes import ALL
from fcst.filters import GroupSort, RunFilter
from fcst.job_records import Job
from fcst.records import GroupSums
from fcst.store import item_filters
from fcst.store.database import transaction
from fcst.store.queries import query

_ORDERS: dict[GroupSort, str] = {
    GroupSort.VALUE: "",
    GroupSort.ITEMS: "g.n_items DESC, ",
    GroupSort.SOLD: "g.sold DESC NULLS LAST, ",
    GroupSort.LAST_YEAR: "g.last_year DESC NULLS LAST, ",
    GroupSort.FORECAST: "g.final DESC NULLS LAST, ",
    GroupSort.RISE: "g.final / NULLIF(g.last_year, 0) DESC NULLS LAST, ",
    GroupSort.FALL: "g.final / NULLIF(g.last_year, 0) NULLS LAST, ",
    GroupSort.WAPE: "g.wape DESC NULLS LAST, ",
    GroupSort.OVER: "g.bias DESC NULLS LAST, ",
    GroupSort.UNDER: "g.bias NULLS LAST, ",
}
_BY_VALUE = r"g.value IS NULL, CASE WHEN g.value ~ '^[0-9]{1,15}$' THEN g.value::bigint END NULLS LAST, g.value"
"""Order of group values: numbers by value, then texts, then missing values."""


def sum_groups(
    job: Job, model: str, by: str, which: RunFilter, sort: GroupSort, limit: int | None, skip: int, n_levels: int
) -> list[GroupSums]:
    """A page of the totals of a run's items that match, grouped by an attribute or all together, sorted.

    Parameters
    ----------
    n_levels
        number of interval levels whose distances are summed.
    """
    condition = item_filters.run_condition(job, model, which)
    params = dict(condition.params)
    sums = {
        f"{squares}{side}": sql.SQL(", ").join(
            sql.SQL(f"sum({pattern})").format(sql.Literal(level)) for level in range(1, n_levels + 1)
        )
        for side in ("down", "up")
        for squares, pattern in (("", f"p.{side}[{{0}}]"), ("squares_", f"p.{side}[{{0}}] * p.{side}[{{0}}]"))
    }
    statement = sql.SQL(query("sum_groups")).format(
        value=_value(by, params),
        rows=item_filters.run_rows(job, model),
        joined=item_filters.JOINED,
        condition=condition.text,
        order=sql.SQL(_ORDERS[sort] + _BY_VALUE),
        **sums,
    )
    with transaction() as cur:
        cur.execute(query("for_large_sums"))
        cur.execute(statement, params | {"h": job.spec.h, "limit": limit, "skip": skip})
        return [GroupSums.from_row(row) for row in cur.fetchall()]


def count_groups(job: Job, model: str, by: str, which: RunFilter) -> int:
    """The number of groups."""
    condition = item_filters.run_condition(job, model, which)
    params = dict(condition.params)
    statement = sql.SQL(query("count_groups")).format(
        value=_value(by, params),
        rows=item_filters.run_rows(job, model),
        joined=item_filters.JOINED,
        condition=condition.text,
    )
    with transaction() as cur:
        cur.execute(query("for_large_sums"))
        cur.execute(statement, params)
        return int((cur.fetchone() or {})["n_found"])


def _value(by: str, params: dict[str, Any]) -> sql.Composable:
    return sql.SQL("NULL::text") if by == ALL else item_filters.attribute_value(by, "grouped_by", params)
