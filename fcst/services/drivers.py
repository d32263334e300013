"""Drivers of a dataset: inspect and load driver plans, add holidays, list and remove loads."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from fcst.drivers import MAX_FUTURE_WEEKS, DriverColumn, DriverKind, DriverLoad, DriverReport, assemble
from fcst.errors import InputError
from fcst.ingest.driver_files import VALUES, DriverFiles
from fcst.ingest.driver_plans import PlanTables, find_plan_tables
from fcst.ingest.folders import folders_for
from fcst.ingest.plan import describe_file
from fcst.job_records import Job
from fcst.quality_report import FileRead
from fcst.records import SalesRecord
from fcst.roles import Scope
from fcst.services import identity
from fcst.services.loading import insert_ingest, workspace
from fcst.settings import load_settings
from fcst.specs import IngestSpec
from fcst.store import datasets, drivers, sales


def inspect_plan(spec: IngestSpec) -> PlanTables:
    """Inspects a driver plan: finds its files under the spec's paths and reads a sample of each.

    Raises
    ------
    InputError
        if no file can be read.
    """
    identity.require(Scope.RUN)
    known = datasets.get(spec.plan_of).spec.mapping
    with workspace() as own:
        return find_plan_tables(spec, folders_for(spec, load_settings()), own, known)


def describe_plan(spec: IngestSpec, look: PlanTables, is_draft: bool = False) -> list[FileRead]:
    """Describes how each inspected file of a driver plan will be read.

    Parameters
    ----------
    is_draft
        allow missing columns and open questions, which the user answers later.

    Raises
    ------
    InputError
        if a file has no date or driver column, or a format is ambiguous and the spec does not give it.
    """
    return [describe_file(part) for part in look.parts(spec, is_draft)]


def request_plan(spec: IngestSpec, look: PlanTables | None = None) -> int:
    """Checks that the files of a driver plan are readable, then requests an ingest; returns its id.

    Parameters
    ----------
    look
        result of `inspect_plan`; None inspects the files here.

    Raises
    ------
    InputError
        if a file cannot be read, or as `describe_plan`; nothing is requested then.
    """
    who = identity.require(Scope.RUN)
    (look or inspect_plan(spec)).parts(spec)
    return insert_ingest(replace(spec, requested_by=who), who)


def list_events(job: Job, unique_id: str | None) -> pd.DataFrame:
    """Weeks with promotions and events that a run uses: `wk_end_dt, name`, the names of a week joined by commas.

    Parameters
    ----------
    unique_id
        None: only drivers that apply to all items.
    """
    loads = drivers.list_loads(job.dataset_id, job.spec.driver_load) if job.spec.driver_load else []
    if unique_id is None:
        loads = [load for load in loads if load.grouped_by == "all"]
    weeks = pd.DataFrame({"wk_end_dt": pd.Series(dtype="datetime64[ns]"), "name": pd.Series(dtype=str)})
    if not loads:
        return weeks
    if unique_id is None:
        n_weeks = datasets.get(job.dataset_id).n_weeks
        records = [SalesRecord("", np.zeros(n_weeks))]
    else:
        records = sales.item_series(job.dataset_id, [unique_id])
    last, found = pd.Timestamp(job.last_wk_end_dt), dict[pd.Timestamp, list[str]]()
    for record in records:
        n_weeks = len(record.unit_sales)
        values = drivers.values_of([record], loads)[record.unique_id]
        for driver in assemble(loads, values, n_weeks, job.last_wk_end_dt):
            if driver.kind in (DriverKind.PROMOTION, DriverKind.EVENT):
                for place in np.flatnonzero(driver.values[: n_weeks + job.spec.h] > 0):
                    found.setdefault(last + pd.Timedelta(weeks=int(place) - n_weeks + 1), []).append(driver.name)
    rows = [(day, ", ".join(names)) for day, names in sorted(found.items())]
    return pd.DataFrame(rows, columns=["wk_end_dt", "name"]) if rows else weeks


def list_loads(dataset_id: int) -> list[DriverLoad]:
    """Driver loads of a dataset, oldest first; later loads take precedence."""
    return drivers.list_loads(dataset_id)


def remove_load(dataset_id: int, driver_load_id: int) -> None:
    """Removes a driver load that no run uses.

    Raises
    ------
    NotFound
        if the dataset has no such load.
    Conflict
        if a run uses it.
    """
    drivers.delete_load(dataset_id, driver_load_id, identity.require(Scope.ADMIN))


def countries() -> dict[str, list[str]]:
    """Supported countries with their regions."""
    import holidays

    return {country: sorted(regions) for country, regions in sorted(holidays.list_supported_countries().items())}


def add_holidays(dataset_id: int, country: str, region: str = "") -> DriverLoad:
    """Adds the public holidays of a country as events of all items, up to `MAX_FUTURE_WEEKS` ahead; one event per name.

    Raises
    ------
    InputError
        if the country or region is not supported.
    """
    who = identity.require(Scope.RUN)
    dataset = datasets.get(dataset_id)
    first = dataset.first_wk_end_dt - timedelta(days=6)
    last = dataset.last_wk_end_dt + timedelta(weeks=MAX_FUTURE_WEEKS)
    days = _holidays(country, region, range(first.year, last.year + 1))
    events = {name: [day for day in found if first <= day <= last] for name, found in days.items()}
    source = f"Holidays of {country}" + (f", {region}" if region else "")
    with workspace() as own:
        files = _write_events(events, first, last, source, own.new_file())
        driver_load_id = drivers.insert(dataset_id, files, who)
    return drivers.get_load(dataset_id, driver_load_id)


def _holidays(country: str, region: str, years: Sequence[int]) -> dict[str, list[date]]:
    """Holiday name -> days. A day with two holidays counts for both; a day in lieu counts for its holiday."""
    import holidays

    known = countries()
    if country not in known:
        raise InputError(
            f"The holidays of {country!r} are not available.", "Give a two-letter country code, such as EC."
        )
    if region and region not in known[country]:
        raise InputError(f"{country} has no region {region!r}.", f"Give one of {', '.join(known[country]) or 'none'}.")
    language = "en_US"
    found = holidays.country_holidays(country, subdiv=region or None, years=years, language=language)
    days: dict[str, list[date]] = {}
    for day, names in sorted(found.items()):
        for name in names.split("; "):
            name = name.removesuffix(" (estimated)").removesuffix(" (observed)").removesuffix(" (observed, estimated)")
            days.setdefault(name[:100], []).append(day)
    return days


def _write_events(events: dict[str, list[date]], first: date, last: date, source: str, target: Path) -> DriverFiles:
    """Writes the driver values of events that apply to all items."""
    n_weeks = (last - first).days // 7 + 1
    rows = {
        "key": [""] * len(events),
        "name": list(events),
        "first_wk_end_dt": [first + timedelta(days=6)] * len(events),
    }
    values = [[0.0] * n_weeks for _ in events]
    for row, days in zip(values, events.values(), strict=True):
        for day in days:
            row[(day - first).days // 7] += 1 / 7
    with pa.ipc.new_stream(target, VALUES) as out:
        out.write_table(pa.table({**rows, "values": values}, schema=VALUES))
    columns = tuple(DriverColumn(name, DriverKind.EVENT, 1) for name in events)
    report = DriverReport(n_rows=sum(map(len, events.values())))
    return DriverFiles(target, source, "all", first, last, columns, report)
