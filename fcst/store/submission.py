"""What a run knows when it is submitted, and the run that was asked for together with the load of its dataset."""

from dataclasses import replace

from fcst.filters import Selection, Take
from fcst.names import LEAST_ITEMS_TO_LEARN
from fcst.settings import Settings
from fcst.specs import JobSpec, default_batch_size
from fcst.store import datasets, drivers, jobs, lifecycles


def with_what_is_known(dataset_id: int, items: Selection, spec: JobSpec, can_learn: bool) -> JobSpec:
    """The spec with the drivers and lifecycles that are known now, and whether the run learns across its items.

    Parameters
    ----------
    can_learn
        one of its models has parts that are learnt across items, where they are enough.
    """
    loads = drivers.list_loads(dataset_id)
    driver_load = loads[-1].driver_load_id if loads else 0
    has_many = can_learn and datasets.count_items(dataset_id, items).n_items >= LEAST_ITEMS_TO_LEARN
    change = lifecycles.last_change(dataset_id)
    return replace(spec, driver_load=driver_load, lifecycle=change, learns=bool(loads) or has_many)


def submit_after_load(ingest_id: int, dataset_id: int, who: str, settings: Settings) -> int:
    """Submits the run of all items, with the defaults, that was asked for together with a load; returns its id.

    It is submitted once, however often this is called within a day.

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
    spec = with_what_is_known(dataset_id, items, spec, can_learn=True)
    once = ("load", f"load-{ingest_id}", str(dataset_id))
    return jobs.insert(dataset_id, items, spec, "", "", who, once)[0]
