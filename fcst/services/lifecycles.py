"""Item lifecycles: list them, save one or a file of them, remove them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial

from fcst.dataset_records import Dataset
from fcst.drivers import MAX_FUTURE_WEEKS
from fcst.errors import InputError, NotFound
from fcst.ingest.folders import folders_for
from fcst.ingest.lifecycle_files import read_lifecycles
from fcst.lifecycles import Lifecycle, StoredLifecycle
from fcst.roles import Scope
from fcst.services import identity
from fcst.services.item_selection import join_keys
from fcst.services.loading import workspace
from fcst.settings import load_settings
from fcst.specs import IngestSpec
from fcst.store import datasets, lifecycles


def find_lifecycles(dataset_id: int, limit: int | None = None, skip: int = 0) -> tuple[list[StoredLifecycle], int]:
    """A page of lifecycles of a dataset, by item, and their total number."""
    dataset = datasets.get(dataset_id)
    return lifecycles.find(dataset.dataset_id, limit, skip), lifecycles.count(dataset.dataset_id)


def count_lifecycles(dataset_id: int) -> int:
    """Counts the items of a dataset with a lifecycle."""
    return lifecycles.count(dataset_id)


def read_file(spec: IngestSpec) -> list[Lifecycle]:
    """Reads lifecycles from a file without saving them.

    Parameters
    ----------
    spec
        paths of the file; `plan_of` is the dataset id.

    Raises
    ------
    InputError
        if any line is invalid; the message names the lines and their faults.
    """
    identity.require(Scope.RUN)
    dataset = datasets.get(spec.plan_of)
    with workspace() as own:
        return read_lifecycles(spec, folders_for(spec, load_settings()), own, dataset.spec.mapping.get("item", []))


def save_lifecycles(dataset_id: int, found: Sequence[Lifecycle]) -> None:
    """Saves lifecycles for future runs, replacing those of the same items. Adds items that the dataset lacks, without
    sales.

    Raises
    ------
    InputError
        if a lifecycle is invalid; nothing is saved then.
    """
    who = identity.require(Scope.RUN)
    dataset = datasets.get(dataset_id)
    _check_days(dataset, found)
    lifecycles.save(dataset_id, found, who, partial(_check, dataset, found))


def remove_lifecycle(dataset_id: int, unique_id: str) -> None:
    """Removes the lifecycle of an item for future runs. Also deletes an item added for it, unless a run has it.

    Raises
    ------
    NotFound
        if the item has no lifecycle.
    """
    who = identity.require(Scope.RUN)
    if not lifecycles.remove(datasets.get(dataset_id).dataset_id, unique_id, who):
        raise NotFound(f"Item {unique_id!r} has no lifecycle.", "Check the list; keys must match exactly.")


def _check_days(dataset: Dataset, found: Sequence[Lifecycle]) -> None:
    """Refuses an empty list, duplicate items, and days before the dataset or too long after it."""
    if not found:
        raise InputError("No items were given.", "Give at least one.")
    twice = [key for key, n in Counter(lifecycle.unique_id for lifecycle in found).items() if n > 1]
    if twice:
        raise InputError(f"Items occur twice: {join_keys(twice)}.", "Give each item once.")
    first = dataset.first_wk_end_dt - timedelta(days=6)
    last = dataset.last_wk_end_dt + timedelta(weeks=MAX_FUTURE_WEEKS)
    for lifecycle in found:
        for day, what in ((lifecycle.launch, "launch day"), (lifecycle.last_day, "last day")):
            if day is not None and not first <= day <= last:
                raise InputError(
                    f"The {what} of item {lifecycle.unique_id!r}, {day}, is out of range.",
                    f"Give a day from {first}, when sales begin, to {last}, {MAX_FUTURE_WEEKS} weeks after they end.",
                )


def _check(
    dataset: Dataset, found: Sequence[Lifecycle], has_sales: Mapping[str, bool], before: Mapping[str, Sequence[str]]
) -> None:
    """Checks lifecycles against the dataset, as `store.lifecycles.Check`."""
    befores = {source.unique_id for lifecycle in found for source in lifecycle.sources}
    unknown = sorted(key for key in befores if key not in has_sales)
    if unknown:
        raise InputError(
            f"Dataset {dataset.name!r} has no item {join_keys(unknown)} to borrow history from.",
            "Keys must match exactly.",
        )
    empty = sorted(key for key in befores if not has_sales[key])
    if empty:
        raise InputError(
            f"History cannot be borrowed from items without sales: {join_keys(empty)}.",
            "Name items with sales.",
        )
    for lifecycle in found:
        _check_one(dataset, lifecycle, has_sales.get(lifecycle.unique_id, False))
    after = {**before, **{each.unique_id: [source.unique_id for source in each.sources] for each in found}}
    _check_order(after, [lifecycle.unique_id for lifecycle in found])
    for lifecycle in found:
        _check_once(after, lifecycle.unique_id)


def _check_one(dataset: Dataset, lifecycle: Lifecycle, has_sales: bool) -> None:
    if lifecycle.sources:
        return
    if not has_sales:
        raise InputError(
            f"Item {lifecycle.unique_id!r} has no sales in dataset {dataset.name!r}.",
            "Name a predecessor or a like item; keys must match exactly.",
        )
    if lifecycle.launch is not None and lifecycle.launch > dataset.last_wk_end_dt:
        raise InputError(
            f"The launch day of item {lifecycle.unique_id!r}, {lifecycle.launch}, is after all sales of the dataset.",
            "Also name a predecessor or a like item.",
        )


def _check_once(before: Mapping[str, Sequence[str]], unique_id: str) -> None:
    """Refuses an item that has the same predecessor or like item twice: its sales would count twice."""
    seen: set[str] = set()
    wanted = list(before.get(unique_id, ()))
    while wanted:
        key = wanted.pop()
        if key in seen:
            raise InputError(
                f"The sales of {key!r} would count twice in item {unique_id!r}.", "Name only its direct predecessors."
            )
        seen.add(key)
        wanted += before.get(key, ())


def _check_order(before: Mapping[str, Sequence[str]], named: Sequence[str]) -> None:
    """Refuses cycles of predecessors and like items."""
    done: set[str] = set()
    for first in named:
        path: dict[str, None] = {}
        stack = [(first, False)]
        while stack:
            key, is_left = stack.pop()
            if is_left:
                del path[key]
                done.add(key)
            elif key in path:
                names = " → ".join([*list(path)[list(path).index(key) :], key])
                raise InputError(f"Predecessors form a cycle: {names}.", "Remove one of them.")
            elif key not in done:
                path[key] = None
                stack.append((key, True))
                stack.extend((source, False) for source in before.get(key, ()))
