"""What planners say of the replenishment of items: listed, read from files, saved; and what holds for an item."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from fcst.dataset_records import Dataset
from fcst.drivers import places_in_key
from fcst.errors import InputError, NotFound
from fcst.ingest.folders import folders_for
from fcst.ingest.stock_files import read_stock_settings
from fcst.job_records import Job
from fcst.names import KEY_JOINT
from fcst.roles import Scope
from fcst.services import identity
from fcst.services.item_selection import name_some
from fcst.services.loading import workspace
from fcst.settings import load_settings
from fcst.specs import IngestSpec
from fcst.stock import USUAL, GroupSettings, StockSettings, StoredSettings
from fcst.store import datasets, drivers, stock


def find_settings(dataset_id: int, limit: int | None = None, skip: int = 0) -> tuple[list[StoredSettings], int]:
    """A page of what is said of the items of a dataset's name: of all, of groups, of items; and how many in all."""
    name = datasets.get(dataset_id).name
    return stock.list_settings(name, limit, skip), stock.count_settings(name)


def count_settings(dataset_id: int) -> int:
    """Of how many groups and items of a dataset's name something is said."""
    return stock.count_settings(datasets.get(dataset_id).name)


def default_settings(dataset_id: int) -> StockSettings:
    """What holds for items of which nothing else is said."""
    found = stock.find_settings(datasets.get(dataset_id).name, [("all", "")])
    return found[0].settings.over(USUAL) if found else USUAL


def read_file(spec: IngestSpec) -> list[GroupSettings]:
    """The settings in a file, which are not saved yet.

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
        return read_stock_settings(spec, folders_for(spec, load_settings()), own, dataset.spec.mapping.get("item", []))


def save_settings(dataset_id: int, found: Sequence[GroupSettings]) -> list[str]:
    """Saves what is said of items and groups, in place of what was said of them; where nothing is said it is removed.
    All versions of the dataset's name have it at once.

    Returns
    -------
    list
        keys that the dataset has no item or group for; what is said of them counts once it has.

    Raises
    ------
    InputError
        if one is named twice, is of columns that the keys do not have, or the dataset knows none of them. Nothing is
        saved then.
    """
    who = identity.require(Scope.RUN)
    dataset = datasets.get(dataset_id)
    if not found:
        raise InputError("No item was given.", "Give at least one.")
    counts = Counter((each.grouped_by, each.key_columns, each.key) for each in found)
    if twice := [key for (_, _, key), n in counts.items() if n > 1]:
        raise InputError(f"Items are named twice: {name_some(twice)}.", "Name each once.")
    kept = [each for each in found if not each.settings.is_empty]
    unknown = _find_unknown(dataset, kept)
    if kept and len(unknown) == len(kept):
        raise InputError(
            f"Dataset {dataset.name!r} has none of these: {name_some(unknown)}.", "Keys must match to the letter."
        )
    stock.save_settings(dataset_id, found, who)
    return unknown


def save_defaults(dataset_id: int, defaults: StockSettings) -> None:
    """Saves what holds for items of which nothing else is said; what the defaults leave out stays as it was."""
    name = datasets.get(dataset_id).name
    before = stock.find_settings(name, [("all", "")])
    settings = defaults.over(before[0].settings) if before else defaults
    save_settings(dataset_id, [GroupSettings("all", "", settings)])


def remove_settings(dataset_id: int, groups: Sequence[GroupSettings]) -> None:
    """Removes what is said of items or groups.

    Raises
    ------
    NotFound
        if nothing is said of one of them; nothing is removed then.
    """
    found = stock.find_settings(datasets.get(dataset_id).name, [(each.grouped_by, each.key) for each in groups])
    known = {(each.grouped_by, each.key_columns, each.key) for each in found}
    missing = [each.key for each in groups if (each.grouped_by, each.key_columns, each.key) not in known]
    if missing:
        raise NotFound(f"Nothing is said of {name_some(missing)}.", "Look at the list; keys must match to the letter.")
    save_settings(dataset_id, [replace(each, settings=StockSettings()) for each in groups])


def unknown_in_words(unknown: list[str]) -> str:
    """What became of the keys that `save_settings` gives back."""
    return f"The dataset does not have {name_some(unknown)}: what is said of them counts once it does."


def _find_unknown(dataset: Dataset, found: Sequence[GroupSettings]) -> list[str]:
    """Keys of which settings are kept though the dataset does not have them."""
    item_columns = dataset.spec.mapping.get("item", [])
    unknown = []
    for grouped_by, columns in dict.fromkeys((each.grouped_by, each.key_columns) for each in found):
        keys = [each.key for each in found if (each.grouped_by, each.key_columns) == (grouped_by, columns)]
        if grouped_by == "part" and places_in_key(item_columns, columns) is None:
            raise InputError(
                f"The keys of dataset {dataset.name!r} have no columns {', '.join(columns)}.",
                f"They are joined of {', '.join(item_columns)}.",
            )
        if grouped_by != "all":
            known = drivers.find_known(dataset.dataset_id, item_columns, grouped_by, columns, keys)
            unknown += [key for key in keys if key not in known]
    return unknown


def settings_of(job: Job, items: Sequence[stock.StockItem]) -> list[StockSettings]:
    """What holds for each of a run's items: what is said of it, else of its part, class, family, of all, or what is
    usual. Of parts one of more columns counts more."""
    parts = sorted(stock.list_parts(job.dataset), key=lambda columns: (-len(columns), columns))
    item_columns = datasets.get(job.dataset_id).spec.mapping.get("item", []) if parts else []
    known_parts = [(columns, places) for columns in parts if (places := places_in_key(item_columns, columns))]

    def groups_of(item: stock.StockItem) -> list[tuple[str, tuple[str, ...], str]]:
        values = item.unique_id.split(KEY_JOINT)
        of_parts = [
            ("part", columns, KEY_JOINT.join(values[place] for place in places))
            for columns, places in known_parts
            if len(values) == len(item_columns)
        ]
        groups = [("class", item.item_class), ("family", item.family)]
        named = [(name, (), key) for name, key in groups if key is not None]
        return [("item", (), item.unique_id), *of_parts, *named, ("all", (), "")]

    wanted = [groups_of(item) for item in items]
    asked = dict.fromkeys((grouped_by, key) for groups in wanted for grouped_by, _, key in groups)
    said = {
        (found.grouped_by, found.key_columns, found.key): found.settings
        for found in stock.find_settings(job.dataset, asked)
    }
    return [
        reduce(StockSettings.over, (said[group] for group in groups if group in said), StockSettings()).over(USUAL)
        for groups in wanted
    ]
