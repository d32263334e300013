"""Estimated duration of a run: from similar runs on this machine, otherwise from the costs in the model catalogue."""

import socket
from dataclasses import dataclass

from fcst.compute.models import AUTO, LEARNED_WINDOWS, expected_ms
from fcst.dataset_records import ListedDataset
from fcst.names import LEAST_ITEMS_TO_LEARN
from fcst.records import ItemCounts
from fcst.settings import load_settings
from fcst.store import drivers
from fcst.store import jobs as store

START_S = 5.0
"""Approximate seconds until the first batch of a run begins, if the worker processes must be started."""

LONGEST_START_S = 30.0
"""Upper limit in seconds: a run with a later start waited behind other runs."""

LEARNING_S = 6.0
"""Approximate seconds of one core for learning at a cutoff."""

OVERHEAD_MS = 30.0
"""Approximate milliseconds of one core per item besides its fits, to read, measure and save it."""


@dataclass(frozen=True)
class Estimate:
    """Estimated duration of a run, if nothing else runs.

    Parameters
    ----------
    job_id
        the run whose measured pace was used; None: catalogue costs were used.
    """

    seconds: float
    job_id: int | None


def estimate(
    dataset: ListedDataset, counts: ItemCounts, models: tuple[str, ...], n_windows: int, batch_size: int
) -> Estimate:
    """Estimates the duration of a run of these items on this machine.

    Includes the start, learning across items, the items divided by the worker processes, and the end. Among earlier
    runs of the same models, prefers the same dataset, then the nearest number of items. Scales a run with a different
    number of backtest windows by catalogue costs.
    """
    has_drivers = bool(drivers.list_loads(dataset.dataset_id))
    learns = has_drivers or AUTO in models and counts.n_items >= LEAST_ITEMS_TO_LEARN
    n_batches = -(-counts.n_items // batch_size)
    at_once = min(load_settings().processes, n_batches)
    pace = store.find_pace(models, learns, dataset.name, counts.n_items, socket.gethostname())
    if pace is not None:
        wanted, known = (expected_ms(models, n, 240, "smooth") + OVERHEAD_MS for n in (n_windows, pace.n_windows))
        learning_s = pace.learning_s * _n_cutoffs(n_windows) / _n_cutoffs(pace.n_windows)
        items_s = counts.n_items * pace.item_s * wanted / known
        start_s = min(pace.start_s, LONGEST_START_S)
        return Estimate(start_s + learning_s + items_s / at_once + pace.end_s, pace.job_id)
    is_learned = learns and AUTO in models
    fits_ms = sum(
        n * expected_ms(models, n_windows, weeks, demand or "", is_learned) for weeks, demand, n in counts.alike
    )
    items_s = (fits_ms + OVERHEAD_MS * counts.n_items) / 1000
    learning_s = LEARNING_S * _n_cutoffs(n_windows) if learns else 0.0
    return Estimate(START_S + learning_s + items_s / at_once, None)


def _n_cutoffs(n_windows: int) -> int:
    """Number of cutoffs at which a run learns."""
    return 1 + n_windows + LEARNED_WINDOWS
