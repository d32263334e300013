"""The final plans of a run's items, for exports and uploads."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg2 import sql

from fcst.filters import RunFilter
from fcst.job_records import Job
from fcst.names import SEASON_LENGTH
from fcst.periods import same_weeks_last_year
from fcst.records import FloatArray
from fcst.states import Outcome
from fcst.store import item_filters
from fcst.store.database import fetch_all
from fcst.store.queries import query

ITEMS_AT_ONCE = 1_000


@dataclass(frozen=True)
class PlanRow:
    """The plan of one item by one model, in units per week, for H weeks.

    Parameters
    ----------
    last_year
        (H,) units of the same weeks of the last known year; NaN if unknown.
    forecast, final
        (H,) the model's forecast, and the final plan.
    lo, hi
        (L, H) interval bounds of the run's levels.
    """

    unique_id: str
    name: str
    family: str
    last_year: FloatArray
    forecast: FloatArray
    final: FloatArray
    lo: FloatArray
    hi: FloatArray


@dataclass(frozen=True)
class PlanNow:
    """The current final plan of an item, and the item's outcome; `final` is None without a forecast."""

    name: str
    outcome: Outcome
    reason: str
    final: FloatArray | None


def read(job: Job, model: str, which: RunFilter) -> Iterator[list[PlanRow]]:
    """Yields the plans of the completed items that match, largest sellers first, in pages."""
    items = item_filters.within("i.unique_id", job, model, which)
    season = sql.Literal(SEASON_LENGTH)
    statement = sql.SQL(query("page_of_plan")).format(which=items.text, season=season)
    page = {"planned_model": model, "planned_dataset": job.dataset_id, "limit": ITEMS_AT_ONCE}
    after = -1
    while rows := fetch_all(statement, **items.params | page | {"after": after}):
        yield [_plan_row(row, job) for row in rows]
        after = rows[-1]["sales_rank"]


def list_now(job: Job, model: str, unique_ids: Sequence[str]) -> dict[str, PlanNow]:
    """item -> its current plan, for the given items that the run has."""
    params = {"job_id": job.job_id, "dataset_id": job.dataset_id, "model": model, "unique_ids": list(unique_ids)}
    return {
        row["unique_id"]: PlanNow(
            row["name"], Outcome(row["outcome"]), row["reason"], None if row["forecast"] is None else _final(row)
        )
        for row in fetch_all("list_plans", **params)
    }


def _plan_row(row: Mapping[str, Any], job: Job) -> PlanRow:
    h, n_levels = job.spec.h, len(job.spec.level)
    bounds = (np.array(row[side], dtype=float).reshape(n_levels, h) for side in ("lo", "hi"))
    last_year = same_weeks_last_year(np.array(row["sold"] or [], dtype=float), h)
    forecast = np.array(row["forecast"], dtype=float)
    return PlanRow(row["unique_id"], row["name"], row["family"], last_year, forecast, _final(row), *bounds)


def _final(row: Mapping[str, Any]) -> FloatArray:
    forecast = np.array(row["forecast"], dtype=float)
    if row["adjusted"] is None:
        return forecast
    adjusted = np.array(row["adjusted"], dtype=float)
    return np.where(np.isnan(adjusted), forecast, adjusted)
