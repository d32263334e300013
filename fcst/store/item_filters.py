"""Filters, sort orders and selections of items as SQL. Values are passed as parameters, never in the SQL text."""

from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from fcst.attention import Thresholds
from fcst.filters import (
    BY_SALES,
    WITHOUT,
    ItemFilter,
    ItemSort,
    RunFilter,
    RunOrder,
    RunSort,
    Selection,
    Take,
    to_lower,
)
from fcst.job_records import Job
from fcst.names import ENDED_AFTER_WEEKS, NEW_WITHIN_WEEKS
from fcst.store.database import fetch_all
from fcst.store.queries import query


@dataclass(frozen=True)
class Part:
    """A part of a statement, with its parameters."""

    text: sql.Composed
    params: dict[str, Any]


_DATASET = sql.SQL("(SELECT {} FROM fcst_app.datasets WHERE dataset_id = %(dataset_id)s)")
_LAST = _DATASET.format(sql.Identifier("last_wk_end_dt"))

ENDED = sql.SQL("(NOT d.is_added AND (d.last_sale_dt IS NULL OR d.last_sale_dt <= {} - {}))").format(
    _LAST, sql.Literal(7 * ENDED_AFTER_WEEKS)
)
"""Condition: the item d of a dataset has ended."""

NEW = sql.SQL("(d.first_wk_end_dt > greatest({}, {} - {}))").format(
    _DATASET.format(sql.Identifier("first_wk_end_dt")), _LAST, sql.Literal(7 * NEW_WITHIN_WEEKS)
)
"""Condition: the item d is new; ended items may match too."""

_IN_COLUMNS = {
    "family": sql.SQL("d.family"),
    "class": sql.SQL("d.class"),
    "perishable": sql.SQL("CASE d.is_perishable WHEN true THEN 'yes' WHEN false THEN 'no' END"),
}

ITEM_ORDERS: dict[ItemSort, sql.SQL] = {
    ItemSort.SALES: sql.SQL("d.sales_rank"),
    ItemSort.KEY: sql.SQL("d.unique_id"),
    ItemSort.SHORTEST: sql.SQL("d.n_weeks, d.sales_rank"),
    ItemSort.MISSING: sql.SQL("d.n_missing DESC, d.sales_rank"),
    ItemSort.ADI: sql.SQL("d.adi DESC NULLS LAST, d.sales_rank"),
    ItemSort.CV2: sql.SQL("d.cv2 DESC NULLS LAST, d.sales_rank"),
    ItemSort.NEWEST: sql.SQL("d.first_wk_end_dt DESC, d.sales_rank"),
    ItemSort.LAST_SALE: sql.SQL("d.last_sale_dt NULLS FIRST, d.sales_rank"),
}


def threshold(name: str, stored: str) -> sql.Composed:
    """An attention threshold as SQL: the value set for the dataset's name, or the default.

    Parameters
    ----------
    stored
        SQL expression for the thresholds that were set.
    """
    default = sql.Literal(getattr(Thresholds(), name))
    return sql.SQL("COALESCE(({} ->> {})::float8, {})").format(sql.SQL(stored), sql.Literal(name), default)


_WORTH = sql.SQL("d.total_units * CASE WHEN {} THEN COALESCE(d.price, 0) ELSE 1 END").format(
    _DATASET.format(sql.Identifier("abc_by_value"))
)

ABC = sql.SQL("CASE WHEN {worth} >= {a} THEN 'A' WHEN {worth} >= {b} THEN 'B' ELSE 'C' END").format(
    worth=_WORTH, a=_DATASET.format(sql.Identifier("abc_a")), b=_DATASET.format(sql.Identifier("abc_b"))
)
"""The ABC class of the item d: its share of the dataset's sales."""

_SET = """(SELECT t.thresholds FROM fcst_app.attention_thresholds t JOIN fcst_app.datasets n ON n.name = t.dataset
           WHERE n.dataset_id = %(dataset_id)s)"""

XYZ = sql.SQL("CASE WHEN {wape} < {x} THEN 'X' WHEN {wape} < {y} THEN 'Y' ELSE 'Z' END").format(
    wape=sql.SQL("p.abs_error / NULLIF(p.actual, 0)"), x=threshold("x_below", _SET), y=threshold("y_below", _SET)
)
"""The XYZ class of the item p of a run: the backtest accuracy of its forecast."""

_TAKEN = {
    Take.LARGEST: sql.SQL("ORDER BY d.sales_rank LIMIT %(n_taken)s"),
    Take.RANDOM: sql.SQL("ORDER BY hashtextextended(d.unique_id, %(seed)s), d.unique_id LIMIT %(n_taken)s"),
    Take.ALL: sql.SQL(""),
}


def item_condition(dataset_id: int, which: ItemFilter) -> Part:
    """The condition for the items d of a dataset."""
    parts: list[sql.Composable] = [sql.SQL("TRUE")]
    params: dict[str, Any] = {"dataset_id": dataset_id}
    for name, values in (
        ("family", which.families),
        ("class", which.classes),
        ("demand_class", which.demand_classes),
    ):
        if values:
            parts.append(sql.SQL("d.{} = ANY (%(wanted_{name})s)").format(sql.Identifier(name), name=sql.SQL(name)))
            params[f"wanted_{name}"] = list(values)
    for number, (name, wanted) in enumerate(which.attributes):
        value = attribute_value(name, f"attribute_{number}", params)
        params[f"attribute_{number}_values"] = list(wanted)
        found: list[sql.Composable] = [
            sql.SQL("{} = ANY ({})").format(value, sql.Placeholder(f"attribute_{number}_values"))
        ]
        if WITHOUT in wanted:
            found.append(sql.SQL("{} IS NULL").format(value))
        parts.append(_any_of(found))
    if which.lives:
        lives = {"ended": ENDED, "new": sql.SQL("({} AND NOT {})").format(NEW, ENDED)}
        parts.append(_any_of([lives[name] for name in which.lives if name in lives]))
    groups = _groups(dataset_id) if which.words and which.also_in else {}
    for number, word in enumerate(which.words):
        places: list[sql.Composable] = [sql.SQL("d.search_text LIKE {}").format(sql.Placeholder(f"word_{number}"))]
        params[f"word_{number}"] = contains(word)
        for name in which.also_in:
            if found := [key for key in groups[name] if word in to_lower(key)]:
                key = f"word_{number}_{name}"
                places.append(sql.SQL("d.{} = ANY ({})").format(sql.Identifier(name), sql.Placeholder(key)))
                params[key] = found
        parts.append(_any_of(places))
    return Part(sql.SQL(" AND ").join(parts), params)


def attribute_value(name: str, key: str, params: dict[str, Any]) -> sql.Composable:
    """SQL of an attribute's value for the item d of a dataset; NULL if it has none.

    Parameters
    ----------
    key
        the parameter name for `name`; added to `params`.
    """
    params[key] = name
    value = sql.SQL("(d.attributes ->> {})").format(sql.Placeholder(key))
    # A key column may be called family; then the column d.family is empty.
    return sql.SQL("COALESCE({}, {})").format(_IN_COLUMNS[name], value) if name in _IN_COLUMNS else value


def select(dataset_id: int, selection: Selection) -> Part:
    """A statement that selects the chosen items of a dataset."""
    condition = item_condition(dataset_id, selection.which)
    parts, params = [condition.text], dict(condition.params)
    if selection.keys is not None:
        parts.append(sql.SQL("d.unique_id = ANY (%(keys)s::text[])").format())
        params["keys"] = list(selection.keys)
    if selection.job_id is not None:
        of_run = "d.unique_id IN (SELECT i.unique_id FROM fcst_app.job_items i WHERE i.job_id = %(selected_job)s)"
        parts.append(sql.SQL(of_run).format())
        params["selected_job"] = selection.job_id
    if selection.take != Take.ALL:
        params |= {"n_taken": selection.n_items, "seed": selection.seed}
    text = sql.SQL(query("chosen_items")).format(condition=sql.SQL(" AND ").join(parts), first=_TAKEN[selection.take])
    return Part(text, params)


JOINED = sql.SQL(query("joined_to_rows"))
"""Joins for the items p of a run, needed by conditions and sort orders."""


def run_condition(job: Job, model: str, which: RunFilter) -> Part:
    """The condition for the items p of a run: d is the dataset's row, f the model's forecast, v the review."""
    of_dataset = item_condition(job.dataset_id, which)
    parts: list[sql.Composable] = [of_dataset.text] if not which.has_keys_only else [sql.SQL("TRUE")]
    params = of_dataset.params | {"job_id": job.job_id, "model": model}
    if which.keys is not None:
        parts.append(sql.SQL("p.unique_id = ANY (%(keys)s::text[])"))
        params["keys"] = list(which.keys)
    if which.heaviest:
        parts.append(sql.SQL("f.heaviest = ANY (%(heaviest)s)"))
        params["heaviest"] = list(which.heaviest)
    if which.reasons:
        parts.append(sql.SQL("p.reasons && %(reasons)s::text[]"))
        params["reasons"] = list(which.reasons)
    for name, known, values in (("abc", ABC, which.abc), ("xyz", XYZ, which.xyz)):
        if values:
            parts.append(sql.SQL("{} = ANY ({})").format(known, sql.Placeholder(name)))
            params[name] = list(values)
    if which.review:
        is_open = sql.SQL("v.reviewed_at IS NULL AND cardinality(p.reasons) > 0")
        parts.append(is_open if which.review == "open" else sql.SQL("v.reviewed_at IS NOT NULL"))
    return Part(sql.SQL(" AND ").join(parts), params)


def select_job_items(job: Job, model: str, which: RunFilter, order: RunOrder = BY_SALES) -> Part:
    """A statement that selects the items of a run that match: `unique_id, sales_rank`, the sort key `value`, and
    `final, reasons` of one model."""
    condition = run_condition(job, model, which)
    text = sql.SQL(query("chosen_job_items")).format(
        rows=run_rows(job, model), joined=JOINED, condition=condition.text, value=_run_value(order)
    )
    return Part(text, condition.params)


def run_rows(job: Job, model: str) -> sql.Composed:
    """A statement that selects the items p of a run with the forecast totals of one model."""
    parts = [sql.SQL(query("rows_with_forecast"))]
    if job.n_completed < job.n_items or model not in job.spec.models:
        parts.append(sql.SQL(query("rows_without_forecast")).format(sold=sold_lately(sql.Literal(job.spec.h))))
    return sql.SQL(" UNION ALL ").join(parts)


def sold_lately(h: sql.Composable) -> sql.Composed:
    """A statement that selects `sold, last_year, is_whole` of the sales s of an item, for a horizon of `h` weeks."""
    return sql.SQL(query("sold_lately")).format(h=h)


def within(column: str, job: Job, model: str, which: RunFilter) -> Part:
    """An AND condition: the row's item matches. `column` is the item key, such as `f.unique_id`."""
    if which.is_empty:
        return Part(sql.SQL("").format(), {"job_id": job.job_id})
    if which.has_keys_only:
        return Part(among(column), {"job_id": job.job_id, "keys": list(which.keys or ())})
    name, chosen = sql.Identifier(*column.split(".")), select_job_items(job, model, which)
    return Part(sql.SQL("AND {} IN (SELECT c.unique_id FROM ({}) c)").format(name, chosen.text), chosen.params)


def among(column: str) -> sql.Composed:
    """An AND condition: the row's item is in the parameter `keys`."""
    return sql.SQL("AND {} = ANY (%(keys)s::text[])").format(sql.Identifier(*column.split(".")))


def _run_value(order: RunOrder) -> sql.Composable:
    """The sort key of the items p of a run, for ascending order."""
    if order.sort == RunSort.SALES:
        return sql.SQL("p.sales_rank")
    if order.sort == RunSort.KEY:
        return sql.SQL("p.unique_id")
    return sql.SQL("COALESCE({}({}), 'Infinity')").format(
        sql.SQL("" if order.is_reversed else "-"), sql.SQL(_NUMBERS[order.sort])
    )


_NUMBERS: dict[RunSort, str] = {
    RunSort.STAKE: "p.at_stake",
    RunSort.FORECAST: "p.forecast",
    RunSort.FINAL: "p.final",
    RunSort.SOLD: "p.sold",
    RunSort.LAST_YEAR: "p.last_year",
    RunSort.CHANGE: "p.final / NULLIF(p.last_year, 0)",
    RunSort.WAPE: "p.abs_error / NULLIF(p.actual, 0)",
    RunSort.BIAS: "p.error / NULLIF(p.actual, 0)",
}


def contains(word: str) -> str:
    """A LIKE pattern for texts that contain `word`, with wildcards escaped."""
    return "%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def _any_of(parts: list[sql.Composable]) -> sql.Composed:
    return sql.SQL("({})").format(sql.SQL(" OR ").join(parts) if parts else sql.SQL("FALSE"))


def _groups(dataset_id: int) -> dict[str, list[str]]:
    rows = fetch_all("list_groups", dataset_id=dataset_id)
    return {name: [row["key"] for row in rows if row["grouped_by"] == name] for name in ("family", "class")}
