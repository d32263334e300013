"""Reads the series of a run's items: sales, drivers, lifecycles and borrowed history."""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from typing import Protocol

from fcst.compute.lifecycles import apply_lifecycle
from fcst.compute.series import Series
from fcst.drivers import assemble
from fcst.lifecycles import Lifecycle
from fcst.records import SalesRecord
from fcst.specs import JobSpec
from fcst.store import drivers, lifecycles, sales

MAX_GENERATIONS = 20
"""Maximum length of a chain of predecessors or like items."""


class RunData(Protocol):
    """The data a run reads; implemented by a batch attempt and by a job."""

    @property
    def dataset_id(self) -> int: ...

    @property
    def last_wk_end_dt(self) -> date: ...

    @property
    def spec(self) -> JobSpec: ...


def read_series(run: RunData, records: Sequence[SalesRecord]) -> list[Series]:
    """Return the series of items from their sales, with the run's drivers and lifecycles."""
    known, last_days = _read_lifecycles(run, [record.unique_id for record in records])
    have = {record.unique_id for record in records}
    wanted = {source.unique_id for found in known.values() for source in found.sources} - have
    others = sales.item_series(run.dataset_id, sorted(wanted)) if wanted else []
    own = {series.unique_id: series for series in _with_drivers(run, [*records, *others])}

    @cache
    def series_of(unique_id: str) -> Series:
        found, series = known.get(unique_id), own[unique_id]
        last_day = (found and found.last_day) or last_days.get(unique_id)
        if found is None:
            return series if last_day is None else apply_lifecycle(series, None, (), None, last_day)
        sources = [(series_of(source.unique_id), source.factor) for source in found.sources if source.unique_id in own]
        return apply_lifecycle(series, found.origin if sources else None, sources, found.launch, last_day)

    return [series_of(record.unique_id) for record in records]


def _read_lifecycles(run: RunData, unique_ids: Sequence[str]) -> tuple[dict[str, Lifecycle], dict[str, date]]:
    """Return the lifecycles of items and of the items they borrow from, and the last days of replaced items."""
    dataset_id, change = run.dataset_id, run.spec.lifecycle
    known: dict[str, Lifecycle] = {}
    last_days: dict[str, date] = {}
    if not change:
        return known, last_days
    for unique_id, launch in lifecycles.replaced_at(dataset_id, change, unique_ids):
        last_day = run.last_wk_end_dt if launch is None else launch - timedelta(days=1)
        last_days[unique_id] = min(last_days.get(unique_id, last_day), last_day)
    visited, wanted = set[str](), set(unique_ids)
    for _ in range(MAX_GENERATIONS):
        visited |= wanted
        found = lifecycles.known_at(dataset_id, change, sorted(wanted))
        known |= {lifecycle.unique_id: lifecycle for lifecycle in found}
        wanted = {source.unique_id for lifecycle in found for source in lifecycle.sources} - visited
        if not wanted:
            break
    return known, last_days


def _with_drivers(run: RunData, records: Sequence[SalesRecord]) -> list[Series]:
    last = run.last_wk_end_dt
    loads = drivers.list_loads(run.dataset_id, run.spec.driver_load) if run.spec.driver_load else []
    values = drivers.values_of(records, loads) if loads else {}
    return [
        Series(
            record.unique_id,
            last,
            record.unit_sales,
            record.attributes,
            assemble(loads, values.get(record.unique_id, ()), len(record.unit_sales), last),
            skips_stockouts=run.spec.skips_stockouts,
        )
        for record in records
    ]
