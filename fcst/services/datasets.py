"""What a user can do with datasets: find one, look at it, take the weekly file away, delete it."""

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

EVERY_ITEM = Selection()


def list_datasets() -> list[ListedDataset]:
    """All datasets, the newest first."""
    return datasets.list_all()


def newest_versions(known: list[ListedDataset]) -> list[ListedDataset]:
    """The newest version of each name among datasets that stand the newest first, in that order."""
    newest: dict[str, ListedDataset] = {}
    for row in known:
        newest.setdefault(row.name, row)
    return list(newest.values())


def find_dataset(name: str | None) -> Dataset:
    """The newest version of the dataset called `name`; without a name the newest dataset.

    Raises
    ------
    InputError
        if there is none.
    """
    dataset_id = datasets.find(name)
    if dataset_id is not None:
        return datasets.get(dataset_id)
    if name is None:
        raise InputError("There is no dataset yet.", "Load one first: `python -m fcst ingest PATH`.")
    known = ", ".join(sorted({row.name for row in datasets.list_all()})) or "none"
    raise InputError(f"There is no dataset {name!r}.", f"Those that are loaded: {known}.")


def get_dataset(dataset_id: int) -> Dataset:
    """One dataset.

    Raises
    ------
    InputError
        if there is none with this id.
    """
    return datasets.get(dataset_id)


def list_versions(name: str) -> list[DatasetVersion]:
    """All versions of a dataset, the newest first."""
    return datasets.list_versions(name)


def count_dependents(dataset_id: int) -> Dependents:
    """What is deleted with a dataset."""
    return datasets.count_dependents(dataset_id)


def delete_dataset(dataset_id: int) -> None:
    """Removes a version of a dataset with all its runs and their forecasts.

    Raises
    ------
    InputError
        if it is not there any more, or one of its runs has not ended; nothing is removed then.
    """
    datasets.delete(dataset_id, identity.require(Scope.ADMIN))


def list_items(
    dataset_id: int,
    selection: Selection = EVERY_ITEM,
    sort: ItemSort = ItemSort.SALES,
    limit: int | None = None,
    skip: int = 0,
) -> list[Item]:
    """Selected items of a dataset in an order."""
    return datasets.list_items(dataset_id, selection, sort, limit, skip)


def count_items(dataset_id: int, selection: Selection = EVERY_ITEM) -> ItemCounts:
    """How many items are selected, and what they sold."""
    return datasets.count_items(dataset_id, selection)


def list_options(dataset_id: int) -> dict[str, list[str]]:
    """What items can be filtered by: `family`, `class`, `demand_class`, and `attr.NAME` for each other attribute; each
    with the values that items have, of attributes up to `attributes.MAX_LISTED`."""
    found = datasets.list_demand_classes(dataset_id)
    others = {f"{PREFIX}{row.name}": list(row.values) for row in list_attributes(dataset_id) if row.name not in COLUMNS}
    classes = {"demand_class": [name for name in DEMAND_CLASSES if name in found]}
    return datasets.list_groups(dataset_id) | classes | others


def list_attributes(dataset_id: int) -> list[Attribute]:
    """The attributes of a dataset's items: those that came with the sales first, family and class among them."""
    return attributes.list_known(dataset_id)


def list_page(
    dataset_id: int, after: int, limit: int, which: ItemFilter = filters.EVERY_ITEM
) -> tuple[list[RankedItem], int | None]:
    """Items of a dataset that match, whose rank is above `after`, the largest sellers first; and the rank of the last
    where there may be more."""
    datasets.get(dataset_id)
    rows = datasets.page_of_items(dataset_id, after, limit, which)
    return rows, rows[-1].sales_rank if len(rows) == limit else None


def item_history(dataset_id: int, unique_id: str) -> list[SalesWeek]:
    """The sales of an item, week by week.

    Raises
    ------
    NotFound
        if there is no such dataset or item.
    """
    datasets.get(dataset_id)
    if "\0" in unique_id or not datasets.find_items(dataset_id, [unique_id]):
        raise NotFound(f"Dataset {dataset_id} has no item {unique_id!r}.", "Keys must match to the letter.")
    return sales.item_history(dataset_id, unique_id)


def weekly_totals(dataset_id: int) -> pd.DataFrame:
    """`wk_end_dt, unit_sales, promo_units, n_items` of all items together."""
    return sales.totals(dataset_id)


def write_weekly_file(dataset_id: int, out: BinaryIO) -> None:
    """Streams the weekly file: `item_nbr, wk_end_dt, unit_sales`."""
    sales.copy_weekly_file(dataset_id, out)
