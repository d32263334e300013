"""Replenishment settings of items and groups: list, read from files, save, and resolve for an item."""

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
from fcst.services.item_selection import join_keys
from fcst.services.loading import workspace
from fcst.settings import load_settings
from fcst.specs import IngestSpec
from fcst.stock import USUAL, GroupSettings, StockSettings, StoredSettings
from fcst.store import datasets, drivers, stock


def find_settings(dataset_id: int, limit: int | None = None, skip: int = 0) -> tuple[list[StoredSettings], int]:
    """A page of saved settings of a dataset name (defaults, groups, items), and their total number."""
    name = datasets.get(dataset_id).name
    return stock.list_settings(name, limit, skip), stock.count_settings(name)


def count_settings(dataset_id: int) -> int:
    """Counts the saved settings of a dataset name."""
    return stock.count_settings(datasets.get(dataset_id).name)


def default_settings(dataset_id: int) -> StockSettings:
    """Settings of items without settings of their own or of a group."""
    found = stock.find_settings(datasets.get(dataset_id).name, [("all", "")])
    return found[0].settings.over(USUAL) if found else USUAL


def read_file(spec: IngestSpec) -> list[GroupSettings]:
    """Reads settings from a file without saving them.

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
        return read_stock_settings(spec, folders_for(spec, load_settings()), own, dataset.spec.mapping.get("item", []))


def save_settings(dataset_id: int, found: Sequence[GroupSettings]) -> list[str]:
    """Saves settings of items and groups, replacing earlier ones; empty settings are removed. Applies at once to all
    versions of the dataset name.

    Returns
    -------
    list
        keys without an item or group in the dataset; their settings apply once it has them.

    Raises
    ------
    InputError
        if an item occurs twice, a key column does not exist, or the dataset has none of the items. Nothing is saved
        then.
    """
    who = identity.require(Scope.RUN)
    dataset = datasets.get(dataset_id)
    if not found:
        raise InputError("No items were given.", "Give at least one.")
    counts = Counter((each.grouped_by, each.key_columns, each.key) for each in found)
    if twice := [key for (_, _, key), n in counts.items() if n > 1]:
        raise InputError(f"Items occur twice: {join_keys(twice)}.", "Give each item once.")
    kept = [each for each in found if not each.settings.is_empty]
    unknown = _find_unknown(dataset, kept)
    if kept and len(unknown) == len(kept):
        raise InputError(
            f"Dataset {dataset.name!r} has none of these: {join_keys(unknown)}.", "Keys must match exactly."
        )
    stock.save_settings(dataset_id, found, who)
    return unknown


def save_defaults(dataset_id: int, defaults: StockSettings) -> None:
    """Saves default settings; empty fields do not change."""
    name = datasets.get(dataset_id).name
    before = stock.find_settings(name, [("all", "")])
    settings = defaults.over(before[0].settings) if before else defaults
    save_settings(dataset_id, [GroupSettings("all", "", settings)])


def remove_settings(dataset_id: int, groups: Sequence[GroupSettings]) -> None:
    """Removes settings of items or groups.

    Raises
    ------
    NotFound
        if one of them has no settings; nothing is removed then.
    """
    found = stock.find_settings(datasets.get(dataset_id).name, [(each.grouped_by, each.key) for each in groups])
    known = {(each.grouped_by, each.key_columns, each.key) for each in found}
    missing = [each.key for each in groups if (each.grouped_by, each.key_columns, each.key) not in known]
    if missing:
        raise NotFound(f"No settings are saved for {join_keys(missing)}.", "Check the list; keys must match exactly.")
    save_settings(dataset_id, [replace(each, settings=StockSettings()) for each in groups])


def unknown_message(unknown: list[str]) -> str:
    """Message about the unknown keys that `save_settings` returns."""
    return f"The dataset does not have {join_keys(unknown)}: their settings apply once it does."


def _find_unknown(dataset: Dataset, found: Sequence[GroupSettings]) -> list[str]:
    """Finds keys that the dataset does not have."""
    item_columns = dataset.spec.mapping.get("item", [])
    unknown = []
    for grouped_by, columns in dict.fromkeys((each.grouped_by, each.key_columns) for each in found):
        keys = [each.key for each in found if (each.grouped_by, each.key_columns) == (grouped_by, columns)]
        if grouped_by == "part" and places_in_key(item_columns, columns) is None:
            raise InputError(
                f"The keys of dataset {dataset.name!r} have no columns {', '.join(columns)}.",
                f"The key columns are {', '.join(item_columns)}.",
            )
        if grouped_by != "all":
            known = drivers.find_known(dataset.dataset_id, item_columns, grouped_by, columns, keys)
            unknown += [key for key in keys if key not in known]
    return unknown


def settings_of(job: Job, items: Sequence[stock.StockItem]) -> list[StockSettings]:
    """Resolves the settings of each item of a run: own, of its key part, class, family, defaults, built-in values.

    Earlier ones take precedence; among key parts, those with more columns.
    """
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
    keys = dict.fromkeys((grouped_by, key) for groups in wanted for grouped_by, _, key in groups)
    saved = {
        (found.grouped_by, found.key_columns, found.key): found.settings
        for found in stock.find_settings(job.dataset, keys)
    }
    return [
        reduce(StockSettings.over, (saved[group] for group in groups if group in saved), StockSettings()).over(USUAL)
        for groups in wanted
    ]
