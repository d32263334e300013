"""Submission of runs: completes the spec, and submits the run requested together with a load."""

from dataclasses import replace

from fcst.filters import Selection, Take
from fcst.names import LEAST_ITEMS_TO_LEARN
from fcst.settings import Settings
from fcst.specs import JobSpec, default_batch_size
from fcst.store import datasets, drivers, jobs, lifecycles


def complete_spec(dataset_id: int, items: Selection, spec: JobSpec, can_learn: bool) -> JobSpec:
    """Adds the current drivers and lifecycles to the spec, and whether the run learns across its items.

    Parameters
    ----------
    can_learn
        whether one of its models can learn across items, given enough items.
    """
    loads = drivers.list_loads(dataset_id)
    driver_load = loads[-1].driver_load_id if loads else 0
    has_many = can_learn and datasets.count_items(dataset_id, items).n_items >= LEAST_ITEMS_TO_LEARN
    change = lifecycles.last_change(dataset_id)
    return replace(spec, driver_load=driver_load, lifecycle=change, learns=bool(loads) or has_many)


def submit_after_load(ingest_id: int, dataset_id: int, who: str, settings: Settings) -> int:
    """Submits the run of all items, with default settings, that was requested with a load; returns its id.

    Idempotent for a day: repeated calls return the same run.

    Raises
    ------
    NotFound
        if the dataset was deleted.
    """
    items = Selection(take=Take.ALL)
    n_items = datasets.count_items(dataset_id, items).n_items
    spec = JobSpec(
        batch_size=default_batch_size(n_items, settings.processes),
        item_limit_s=settings.item_limit_s,
        process_memory=settings.process_memory,
    )
    spec = complete_spec(dataset_id, items, spec, can_learn=True)
    idempotency = ("load", f"load-{ingest_id}", str(dataset_id))
    return jobs.insert(dataset_id, items, spec, "", "", who, idempotency)[0]
