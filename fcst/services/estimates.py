"""How long a run will take: from what alike runs took on this machine, else from the catalogue's costs."""

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
"""About how many seconds pass before the first batch of a run begins, where the processes have to be started."""

LONGEST_START_S = 30.0
"""A run that began later waited behind others."""

LEARNING_S = 6.0
"""About how many seconds of one core learning takes at a cutoff."""

OVERHEAD_MS = 30.0
"""About how many milliseconds of one core an item takes beside its fits: read, measured and saved."""


@dataclass(frozen=True)
class Estimate:
    """How long a run would take, if nothing else runs.

    Parameters
    ----------
    job_id
        the run whose measured pace it follows from; None: it follows from the catalogue's costs.
    """

    seconds: float
    job_id: int | None


def estimate(
    dataset: ListedDataset, counts: ItemCounts, models: tuple[str, ...], n_windows: int, batch_size: int
) -> Estimate:
    """How long a run of these items would take on this machine.

    Every cost counts: the start, learning across items, the items by the processes that share them, the end. Of alike
    runs, of the same models, the one on the same dataset counts, then the one with the nearest number of items. A run
    with other backtests is scaled by the catalogue.
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
    """At how many cutoffs a run learns."""
    return 1 + n_windows + LEARNED_WINDOWS
