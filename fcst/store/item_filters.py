"""Filters, orders and selections of items as SQL. Values are parameters; nothing of them is in the text."""

from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from fcst.filters import FLAGS, ItemFilter, ItemSort, RunFilter, RunSort, Selection, Take, in_small_letters
from fcst.job_records import Job
from fcst.names import ENDED_AFTER_WEEKS, NEW_WITHIN_WEEKS
from fcst.store.database import fetch_all
from fcst.store.queries import query


@dataclass(frozen=True)
class Part:
    """A part of a statement, with the parameters that it names."""

    text: sql.Composed
    params: dict[str, Any]


_DATASET = sql.SQL("(SELECT {} FROM fcst_app.datasets WHERE dataset_id = %(dataset_id)s)")
_LAST = _DATASET.format(sql.Identifier("last_wk_end_dt"))

ENDED = sql.SQL("(NOT d.is_added AND (d.last_sale_dt IS NULL OR d.last_sale_dt <= {} - {}))").format(
    _LAST, sql.Literal(7 * ENDED_AFTER_WEEKS)
)
"""Whether the item d of a dataset has ended."""

NEW = sql.SQL("(d.first_wk_end_dt > greatest({}, {} - {}))").format(
    _DATASET.format(sql.Identifier("first_wk_end_dt")), _LAST, sql.Literal(7 * NEW_WITHIN_WEEKS)
)
"""Whether it is new, unless it has ended."""

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

_FLAGS: dict[str, sql.Composable] = {
    "ended": ENDED,
    "new": sql.SQL("d.n_weeks <= {}").format(sql.Literal(NEW_WITHIN_WEEKS)),
    "fallback": sql.SQL("f.is_fallback"),
    "adjusted": sql.SQL(
        "EXISTS (SELECT FROM fcst_app.adjusted_forecasts o"
        " WHERE o.job_id = i.job_id AND o.unique_id = i.unique_id AND o.model = %(model)s)"
    ),
    "no forecast": sql.SQL("i.outcome <> 'completed'"),
}

_TAKEN = {
    Take.LARGEST: sql.SQL("ORDER BY d.sales_rank LIMIT %(n_taken)s"),
    Take.RANDOM: sql.SQL("ORDER BY hashtextextended(d.unique_id, %(seed)s), d.unique_id LIMIT %(n_taken)s"),
    Take.ALL: sql.SQL(""),
}


def item_condition(dataset_id: int, which: ItemFilter) -> Part:
    """What the items d of a dataset must have."""
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
    if which.lives:
        lives = {"ended": ENDED, "new": sql.SQL("({} AND NOT {})").format(NEW, ENDED)}
        parts.append(_any_of([lives[name] for name in which.lives if name in lives]))
    groups = _groups(dataset_id) if which.words and which.also_in else {}
    for number, word in enumerate(which.words):
        places: list[sql.Composable] = [sql.SQL("d.search_text LIKE {}").format(sql.Placeholder(f"word_{number}"))]
        params[f"word_{number}"] = contains(word)
        for name in which.also_in:
            if found := [key for key in groups[name] if word in in_small_letters(key)]:
                key = f"word_{number}_{name}"
                places.append(sql.SQL("d.{} = ANY ({})").format(sql.Identifier(name), sql.Placeholder(key)))
                params[key] = found
        parts.append(_any_of(places))
    return Part(sql.SQL(" AND ").join(parts), params)


def select(dataset_id: int, selection: Selection) -> Part:
    """The items of a dataset that are selected, as a statement to read from."""
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


def run_condition(job: Job, which: RunFilter) -> Part:
    """What the items of a run must have: i its own row, d its dataset's, f the forecast of one model."""
    of_dataset = item_condition(job.dataset_id, which)
    parts: list[sql.Composable] = [of_dataset.text] if not which.has_keys_only else [sql.SQL("TRUE")]
    params = of_dataset.params | {"job_id": job.job_id}
    if which.keys is not None:
        parts.append(sql.SQL("i.unique_id = ANY (%(keys)s::text[])"))
        params["keys"] = list(which.keys)
    if which.heaviest:
        parts.append(sql.SQL("f.heaviest = ANY (%(heaviest)s)"))
        params["heaviest"] = list(which.heaviest)
    if which.flags:
        parts.append(_any_of([_FLAGS[name] for name in which.flags if name in _FLAGS]))
    return Part(sql.SQL(" AND ").join(parts), params)


def select_job_items(job: Job, model: str, which: RunFilter, sort: RunSort = RunSort.SALES) -> Part:
    """The items of a run that match, as a statement to read from: `unique_id, sales_rank, value` to order by."""
    condition = run_condition(job, which)
    value = _run_value(sort, job.spec.h)
    text = sql.SQL(query("chosen_job_items")).format(condition=condition.text, value=value)
    return Part(text, condition.params | {"model": model})


def within(column: str, job: Job, model: str, which: RunFilter) -> Part:
    """AND, and that the item of a row is one of those that match; `column` is its key, as in `f.unique_id`."""
    if which.is_empty:
        return Part(sql.SQL("").format(), {"job_id": job.job_id})
    if which.has_keys_only:
        return Part(among(column), {"job_id": job.job_id, "keys": list(which.keys or ())})
    name, chosen = sql.Identifier(*column.split(".")), select_job_items(job, model, which)
    return Part(sql.SQL("AND {} IN (SELECT c.unique_id FROM ({}) c)").format(name, chosen.text), chosen.params)


def among(column: str) -> sql.Composed:
    """AND, and that the item of a row is one of the parameter `keys`."""
    return sql.SQL("AND {} = ANY (%(keys)s::text[])").format(sql.Identifier(*column.split(".")))


def flag_names() -> sql.Composed:
    """The names of an item's flags, NULL where it has them not."""
    parts = [sql.SQL("CASE WHEN {} THEN {} END").format(_FLAGS[name], sql.Literal(name)) for name in FLAGS]
    return sql.SQL(", ").join(parts)


def _run_value(sort: RunSort, h: int) -> sql.Composable:
    """What a run's items are ordered by; the least first."""
    if sort == RunSort.SALES:
        return sql.SQL("i.sales_rank")
    if sort == RunSort.KEY:
        return sql.SQL("i.unique_id")
    # An item without a forecast has sales too.
    sold = sql.SQL(
        "COALESCE(f.sold, (SELECT sum(u.units) FROM fcst_app.sales s"
        " CROSS JOIN LATERAL unnest(s.unit_sales[cardinality(s.unit_sales) - {} :]) u (units)"
        " WHERE s.dataset_id = %(dataset_id)s AND s.unique_id = i.unique_id))"
    ).format(sql.Literal(h - 1))
    values: dict[RunSort, sql.Composable] = {
        RunSort.FORECAST: sql.SQL("-f.total"),
        RunSort.SOLD: sql.SQL("-{}").format(sold),
        RunSort.RISE: sql.SQL("-f.change"),
        RunSort.FALL: sql.SQL("f.change"),
        RunSort.WAPE: sql.SQL("-f.abs_error / NULLIF(f.actual, 0)"),
        RunSort.OVER: sql.SQL("-f.error / NULLIF(f.actual, 0)"),
        RunSort.UNDER: sql.SQL("f.error / NULLIF(f.actual, 0)"),
    }
    return sql.SQL("COALESCE({}, 'Infinity')").format(values[sort])


def contains(word: str) -> str:
    """A pattern of LIKE for texts that have `word` in them, to the letter."""
    return "%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def _any_of(parts: list[sql.Composable]) -> sql.Composed:
    return sql.SQL("({})").format(sql.SQL(" OR ").join(parts) if parts else sql.SQL("FALSE"))


def _groups(dataset_id: int) -> dict[str, list[str]]:
    rows = fetch_all("list_groups", dataset_id=dataset_id)
    return {name: [row["key"] for row in rows if row["grouped_by"] == name] for name in ("family", "class")}
