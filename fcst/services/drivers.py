"""What a user can do with drivers: look into a plan, load it, add a calendar of holidays, list them, remove them."""

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
from fcst.ingest.driver_plans import PlanLook, look_at_plan
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


def look_into_plan(spec: IngestSpec) -> PlanLook:
    """Finds the files of a plan under the spec's paths and reads a sample of each.

    Raises
    ------
    InputError
        if there is no file that can be read.
    """
    identity.require(Scope.RUN)
    known = datasets.get(spec.plan_of).spec.mapping
    with workspace() as own:
        return look_at_plan(spec, folders_for(spec, load_settings()), own, known)


def describe_plan(spec: IngestSpec, look: PlanLook, is_draft: bool = False) -> list[FileRead]:
    """How the files of a plan that were looked into are read.

    Parameters
    ----------
    is_draft
        columns may still be missing and questions open: people are about to answer them.

    Raises
    ------
    InputError
        if one has no date or no driver, or something that the data do not prove is not said.
    """
    return [describe_file(part) for part in look.parts(spec, is_draft)]


def request_plan(spec: IngestSpec, look: PlanLook | None = None) -> int:
    """Checks that the files of a plan can be read, then asks for their ingest; returns the ingest's id.

    Parameters
    ----------
    look
        what `look_into_plan` found; without it the files are looked into here.

    Raises
    ------
    InputError
        if a file cannot be read, or as `describe_plan`; nothing is asked for then.
    """
    who = identity.require(Scope.RUN)
    (look or look_into_plan(spec)).parts(spec)
    return insert_ingest(replace(spec, asked_by=who), who)


def list_events(job: Job, unique_id: str | None) -> pd.DataFrame:
    """`wk_end_dt, name`: the weeks with promotions and events that a run knows, of an item or, for None, of all items;
    the names of a week together."""
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
    """The loads of drivers of a dataset, the earliest first; later ones count more."""
    return drivers.list_loads(dataset_id)


def remove_load(dataset_id: int, driver_load_id: int) -> None:
    """Removes a load that no run was submitted with.

    Raises
    ------
    NotFound
        if the dataset has no such load; Conflict, if a run has used it.
    """
    drivers.delete_load(dataset_id, driver_load_id, identity.require(Scope.ADMIN))


def countries() -> dict[str, list[str]]:
    """The countries whose holidays are known, each with its regions."""
    import holidays

    return {country: sorted(regions) for country, regions in sorted(holidays.list_supported_countries().items())}


def add_holidays(dataset_id: int, country: str, region: str = "") -> DriverLoad:
    """Adds the public holidays of a country as events of all items, two years into the future; one event a name.

    Raises
    ------
    InputError
        if the country or region is not known.
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
    """name -> its days. A day that two holidays share is one of each; a day in lieu is its holiday's."""
    import holidays

    known = countries()
    if country not in known:
        raise InputError(f"The holidays of {country!r} are not known.", "Give a country of two letters, such as EC.")
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
    """The file of values of events that are the same for all items."""
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
