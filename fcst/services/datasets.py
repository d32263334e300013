"""Datasets: find, describe, list items, export weekly sales, delete."""

from typing import BinaryIO

import pandas as pd

from fcst import filters
from fcst.attributes import COLUMNS, Attribute
from fcst.dataset_records import Dataset, DatasetVersion, Dependents, ListedDataset, RankedItem
from fcst.errors import InputError, NotFound
from fcst.filters import PREFIX, ItemFilter, ItemSort, Selection
from fcst.names import DEMAND_CLASSES
from fcst.records import Item, ItemCounts, SalesWeek
from fcst.roles import Scope
from fcst.services import identity
from fcst.store import attributes, datasets, sales

ALL_DATASET_ITEMS = Selection()


def list_datasets() -> list[ListedDataset]:
    """All datasets, newest first."""
    return datasets.list_all()


def newest_versions(known: list[ListedDataset]) -> list[ListedDataset]:
    """Keeps the newest version of each name, in order; expects the newest first."""
    newest: dict[str, ListedDataset] = {}
    for row in known:
        newest.setdefault(row.name, row)
    return list(newest.values())


def find_dataset(name: str | None) -> Dataset:
    """Returns the newest version of the dataset called `name`, or the newest dataset if None.

    Raises
    ------
    InputError
        if there is no such dataset.
    """
    dataset_id = datasets.find(name)
    if dataset_id is not None:
        return datasets.get(dataset_id)
    if name is None:
        raise InputError("There are no datasets.", "Load one first: `python -m fcst ingest PATH`.")
    known = ", ".join(sorted({row.name for row in datasets.list_all()})) or "none"
    raise InputError(f"There is no dataset {name!r}.", f"Loaded datasets: {known}.")


def get_dataset(dataset_id: int) -> Dataset:
    """Returns a dataset.

    Raises
    ------
    InputError
        if no dataset has this id.
    """
    return datasets.get(dataset_id)


def list_versions(name: str) -> list[DatasetVersion]:
    """All versions of a dataset, newest first."""
    return datasets.list_versions(name)


def count_dependents(dataset_id: int) -> Dependents:
    """Counts what is deleted with a dataset."""
    return datasets.count_dependents(dataset_id)


def delete_dataset(dataset_id: int) -> None:
    """Deletes a version of a dataset with its runs and forecasts.

    Raises
    ------
    InputError
        if it was deleted before, or one of its runs has not ended; nothing is deleted then.
    """
    datasets.delete(dataset_id, identity.require(Scope.ADMIN))


def list_items(
    dataset_id: int,
    selection: Selection = ALL_DATASET_ITEMS,
    sort: ItemSort = ItemSort.SALES,
    limit: int | None = None,
    skip: int = 0,
) -> list[Item]:
    """Selected items of a dataset, sorted."""
    return datasets.list_items(dataset_id, selection, sort, limit, skip)


def count_items(dataset_id: int, selection: Selection = ALL_DATASET_ITEMS) -> ItemCounts:
    """Counts the selected items and their sales."""
    return datasets.count_items(dataset_id, selection)


def list_options(dataset_id: int) -> dict[str, list[str]]:
    """Filter fields with their values: `family`, `class`, `demand_class`, and `attr.NAME` for each other attribute.

    Attributes list at most `attributes.MAX_LISTED` values.
    """
    found = datasets.list_demand_classes(dataset_id)
    others = {f"{PREFIX}{row.name}": list(row.values) for row in list_attributes(dataset_id) if row.name not in COLUMNS}
    classes = {"demand_class": [name for name in DEMAND_CLASSES if name in found]}
    return datasets.list_groups(dataset_id) | classes | others


def list_attributes(dataset_id: int) -> list[Attribute]:
    """Item attributes of a dataset, including family and class; those from the sales file first."""
    return attributes.list_known(dataset_id)


def list_page(
    dataset_id: int, after: int, limit: int, which: ItemFilter = filters.ALL_DATASET_ITEMS
) -> tuple[list[RankedItem], int | None]:
    """A page of matching items with a sales rank above `after`, largest sellers first.

    Returns the items, and the rank of the last one if there may be more, otherwise None.
    """
    datasets.get(dataset_id)
    rows = datasets.page_of_items(dataset_id, after, limit, which)
    return rows, rows[-1].sales_rank if len(rows) == limit else None


def item_history(dataset_id: int, unique_id: str) -> list[SalesWeek]:
    """Weekly sales of an item.

    Raises
    ------
    NotFound
        if there is no such dataset or item.
    """
    datasets.get(dataset_id)
    if "\0" in unique_id or not datasets.find_items(dataset_id, [unique_id]):
        raise NotFound(f"Dataset {dataset_id} has no item {unique_id!r}.", "Keys must match exactly.")
    return sales.item_history(dataset_id, unique_id)


def weekly_totals(dataset_id: int) -> pd.DataFrame:
    """Weekly totals over all items: `wk_end_dt, unit_sales, promo_units, n_items`."""
    return sales.totals(dataset_id)


def write_weekly_file(dataset_id: int, out: BinaryIO) -> None:
    """Streams the weekly file: `item_nbr, wk_end_dt, unit_sales`."""
    sales.copy_weekly_file(dataset_id, out)
