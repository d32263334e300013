"""Attention reasons of a run's items, their reviews, and the thresholds."""

import json
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from fcst.attention import ABC_SHARES, Thresholds
from fcst.filters import RunFilter
from fcst.job_records import AttentionCount, Job
from fcst.names import ENDED_AFTER_WEEKS, NEW_WITHIN_WEEKS
from fcst.store import item_filters
from fcst.store.database import fetch_all, fetch_one, transaction
from fcst.store.queries import query


def refresh(cur: Cursor, params: dict[str, Any], items: sql.Composable) -> None:
    """Recomputes the forecast totals and attention reasons of some items of a run, in the caller's transaction.

    Parameters
    ----------
    params
        the parameters of `items`, and `job_id`.
    items
        a statement that selects the keys of the items.
    """
    clear = sql.SQL(query("clear_sums")).format(keys=items)
    cur.execute(clear, params)
    names = ("outside_weeks", "worse_by", "bias_ratio", "plan_change", "shift")
    statement = sql.SQL(query("find_sums")).format(
        keys=items,
        sold=item_filters.sold_lately(sql.SQL("j.h")),
        new_within=sql.Literal(NEW_WITHIN_WEEKS),
        ended_after=sql.Literal(ENDED_AFTER_WEEKS),
        **{name: item_filters.threshold(name, "t.thresholds") for name in names},
    )
    cur.execute(statement, params)


_ITEMS_OF_RUN = sql.SQL("SELECT o.unique_id FROM fcst_app.job_items o WHERE o.job_id = %(job_id)s")


def refresh_run(job_id: int) -> None:
    """Recomputes the attention reasons of a run's items."""
    with transaction() as cur:
        refresh(cur, {"job_id": job_id}, _ITEMS_OF_RUN)


def is_missing(job_id: int) -> bool:
    """Whether items of a run have no computed attention reasons."""
    return bool((fetch_one("lacks_reasons", job_id=job_id) or {})["found"])


def carry_reviews(cur: Cursor, params: dict[str, Any], items: sql.Composable) -> None:
    """Copies reviews of earlier runs to items of a run that have not changed since."""
    statement = sql.SQL(query("carry_reviews")).format(keys=items)
    cur.execute(statement, params)


def count(job: Job, model: str, which: RunFilter) -> list[AttentionCount]:
    """Number of items that match, by reason."""
    chosen = item_filters.select_job_items(job, model, which)
    statement = sql.SQL(query("count_attention")).format(chosen=chosen.text)
    return [AttentionCount(**row) for row in fetch_all(statement, **chosen.params)]


def review(job: Job, model: str, which: RunFilter, reviewed_by: str) -> int:
    """Marks the items that match as reviewed; returns the number newly marked."""
    return _change(job, model, which, "review_items", reviewed_by)


def reopen(job: Job, model: str, which: RunFilter) -> int:
    """Removes the reviews of the items that match; returns the number removed."""
    return _change(job, model, which, "reopen_items", "")


def _change(job: Job, model: str, which: RunFilter, name: str, who: str) -> int:
    chosen = item_filters.select_job_items(job, model, which)
    statement = sql.SQL(query(name)).format(chosen=chosen.text)
    with transaction() as cur:
        cur.execute(statement, chosen.params | {"reviewed_by": who})
        return int(cur.rowcount)


def last_review(job_id: int) -> tuple[str, int]:
    """The time of a run's last review, and the number of reviews."""
    row = fetch_one("last_review", job_id=job_id) or {}
    return str(row["last"]), int(row["n"])


def thresholds(dataset: str) -> Thresholds:
    """The thresholds of a dataset's name."""
    row = fetch_one("find_thresholds", dataset=dataset)
    return Thresholds.from_json(row["thresholds"] if row else {})


def set_thresholds(dataset: str, wanted: Thresholds, set_by: str) -> None:
    with transaction() as cur:
        values = {"dataset": dataset, "thresholds": json.dumps(wanted.to_json()), "set_by": set_by}
        cur.execute(query("set_thresholds"), values)


def find_abc(dataset_id: int) -> None:
    """Computes the limits of the classes A and B of a dataset, unless they are stored."""
    share_a, share_b = map(sql.Literal, ABC_SHARES)
    with transaction() as cur:
        statement = sql.SQL(query("find_abc")).format(share_a=share_a, share_b=share_b)
        cur.execute(statement, {"dataset_id": dataset_id})
