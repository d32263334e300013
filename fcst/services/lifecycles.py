"""What a user can do with lifecycles: list them, save one or a file of them, remove them."""

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
from fcst.services.item_selection import name_some
from fcst.services.loading import workspace
from fcst.settings import load_settings
from fcst.specs import IngestSpec
from fcst.store import datasets, lifecycles


def find_lifecycles(dataset_id: int, limit: int | None = None, skip: int = 0) -> tuple[list[StoredLifecycle], int]:
    """A page of a dataset's lifecycles by item, and how many there are in all."""
    dataset = datasets.get(dataset_id)
    return lifecycles.find(dataset.dataset_id, limit, skip), lifecycles.count(dataset.dataset_id)


def count_lifecycles(dataset_id: int) -> int:
    """How many items of a dataset have a lifecycle."""
    return lifecycles.count(dataset_id)


def read_file(spec: IngestSpec) -> list[Lifecycle]:
    """The lifecycles in a file, which are not saved yet.

    Parameters
    ----------
    spec
        its paths; `plan_of` is the dataset.

    Raises
    ------
    InputError
        if it cannot be read whole; the text names lines and what is wrong in them.
    """
    identity.require(Scope.RUN)
    dataset = datasets.get(spec.plan_of)
    with workspace() as own:
        return read_lifecycles(spec, folders_for(spec, load_settings()), own, dataset.spec.mapping.get("item", []))


def save_lifecycles(dataset_id: int, found: Sequence[Lifecycle]) -> None:
    """Saves lifecycles in place of those that their items have; runs to come know them. Items that the dataset lacks
    are added to it, without sales.

    Raises
    ------
    InputError
        if one of them cannot be used; nothing is saved then.
    """
    who = identity.require(Scope.RUN)
    dataset = datasets.get(dataset_id)
    _check_days(dataset, found)
    lifecycles.save(dataset_id, found, who, partial(_check, dataset, found))


def remove_lifecycle(dataset_id: int, unique_id: str) -> None:
    """An item's lifecycle counts no longer for runs to come. An item that was added for it goes, unless a run has it.

    Raises
    ------
    NotFound
        if the item has none.
    """
    who = identity.require(Scope.RUN)
    if not lifecycles.remove(datasets.get(dataset_id).dataset_id, unique_id, who):
        raise NotFound(f"Item {unique_id!r} has no lifecycle.", "Look at the list; keys must match to the letter.")


def _check_days(dataset: Dataset, found: Sequence[Lifecycle]) -> None:
    """Refuses an empty list, items that are named twice, and days before the dataset or too long after it."""
    if not found:
        raise InputError("No item was given.", "Give at least one.")
    twice = [key for key, n in Counter(lifecycle.unique_id for lifecycle in found).items() if n > 1]
    if twice:
        raise InputError(f"Items are named twice: {name_some(twice)}.", "Name each once.")
    first = dataset.first_wk_end_dt - timedelta(days=6)
    last = dataset.last_wk_end_dt + timedelta(weeks=MAX_FUTURE_WEEKS)
    for lifecycle in found:
        for day, what in ((lifecycle.launch, "be launched on"), (lifecycle.last_day, "be sold until")):
            if day is not None and not first <= day <= last:
                raise InputError(
                    f"Item {lifecycle.unique_id!r} would {what} {day}.",
                    f"Give a day from {first}, when sales begin, to {last}, {MAX_FUTURE_WEEKS} weeks after they end.",
                )


def _check(
    dataset: Dataset, found: Sequence[Lifecycle], has_sales: Mapping[str, bool], before: Mapping[str, Sequence[str]]
) -> None:
    """As `store.lifecycles.Check`."""
    befores = {source.unique_id for lifecycle in found for source in lifecycle.sources}
    unknown = sorted(key for key in befores if key not in has_sales)
    if unknown:
        raise InputError(
            f"Dataset {dataset.name!r} has no item {name_some(unknown)} to take the history of.",
            "Keys must match to the letter.",
        )
    empty = sorted(key for key in befores if not has_sales[key])
    if empty:
        raise InputError(
            f"Items without sales cannot be taken the history of: {name_some(empty)}.",
            "Name the items whose sales they continue.",
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
            "Name a predecessor or an item that it is like; keys must match to the letter.",
        )
    if lifecycle.launch is not None and lifecycle.launch > dataset.last_wk_end_dt:
        raise InputError(
            f"Item {lifecycle.unique_id!r} would be launched on {lifecycle.launch}, after all sales that are known.",
            "Name a predecessor or an item that it is like as well.",
        )


def _check_once(before: Mapping[str, Sequence[str]], unique_id: str) -> None:
    """Refuses an item before which another one stands twice: its sales would count twice."""
    seen: set[str] = set()
    wanted = list(before.get(unique_id, ()))
    while wanted:
        key = wanted.pop()
        if key in seen:
            raise InputError(
                f"The sales of {key!r} would count twice in item {unique_id!r}.", "Name only its last predecessors."
            )
        seen.add(key)
        wanted += before.get(key, ())


def _check_order(before: Mapping[str, Sequence[str]], named: Sequence[str]) -> None:
    """Refuses items that come before themselves, over others."""
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
                raise InputError(f"Items come before themselves: {names}.", "Leave one of them out.")
            elif key not in done:
                path[key] = None
                stack.append((key, True))
                stack.extend((source, False) for source in before.get(key, ()))
