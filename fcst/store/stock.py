"""Stock settings (lead time, review period, service level), and the inputs of safety stock: plans and backtests."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from psycopg2 import sql

from fcst.errors import NotFound
from fcst.filters import RunFilter
from fcst.job_records import Job
from fcst.names import DEMAND_CLASSES, HOLDOUT_WEEKS
from fcst.records import FloatArray
from fcst.stock import GroupSettings, StoredSettings, settings_of
from fcst.store import binary_copy, item_filters
from fcst.store.actions import record
from fcst.store.database import copy_rows, fetch_all, fetch_one, transaction
from fcst.store.queries import query


@dataclass(frozen=True, eq=False)
class StockItem:
    """An item of a run with the forecast of one model.

    Parameters
    ----------
    units_per_sale, cv2, adi
        mean of the weeks with sales, their squared coefficient of variation, and average demand interval; None without
        sales.
    forecast, plan
        (H,) units per week, without and with adjustments; None if the item has not completed.
    bounds
        (2, H) lower and upper bounds of the narrowest level; None without levels or forecast.
    """

    unique_id: str
    sales_rank: int
    family: str | None
    item_class: str | None
    demand_class: str | None
    units_per_sale: float | None
    cv2: float | None
    adi: float | None
    forecast: FloatArray | None
    plan: FloatArray | None
    bounds: FloatArray | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any], changed: Iterable[tuple[int, float]]) -> Self:
        """Builds the item from a row and the changed weeks: (weeks ahead from 1, units)."""
        stored = dict(row)
        forecast, lo, hi = (stored.pop(name) for name in ("forecast", "lo", "hi"))
        if forecast is None:
            return cls(**stored, forecast=None, plan=None, bounds=None)
        units = np.array(forecast, dtype=float)
        plan = units.copy()
        for step, adjusted in changed:
            plan[step - 1] = adjusted
        return cls(**stored, forecast=units, plan=plan, bounds=np.array([lo[0], hi[0]], dtype=float) if lo else None)


@dataclass(frozen=True, eq=False)
class ClassedBacktests:
    """Backtests of one model for some items of a run, with demand classes.

    Parameters
    ----------
    classes
        (R,) demand class of each row's item; empty if unknown.
    units_per_sale, cv2, adi
        (R,) as in StockItem; NaN without sales.
    actual, forecast, lo, hi
        (R, HOLDOUT_WEEKS) units, NaN in missing weeks; bounds of the narrowest level.
    """

    classes: Sequence[str]
    units_per_sale: FloatArray
    cv2: FloatArray
    adi: FloatArray
    actual: FloatArray
    forecast: FloatArray
    lo: FloatArray
    hi: FloatArray


def page(job: Job, model: str, which: RunFilter, after: int, limit: int | None, skip: int) -> list[StockItem]:
    """Items of a run that match with a rank above `after`, largest sellers first."""
    chosen = item_filters.select_job_items(job, model, which)
    position = {"after": after, "limit": limit, "skip": skip}
    rows = fetch_all(sql.SQL(query("stock_page")).format(chosen=chosen.text), **chosen.params, **position)
    changed: dict[str, list[tuple[int, float]]] = {}
    for row in fetch_all(
        "changed_weeks",
        job_id=job.job_id,
        model=model,
        unique_ids=[row["unique_id"] for row in rows],
    ):
        changed.setdefault(row["unique_id"], []).append((row["step"], row["adjusted"]))
    return [StockItem.from_row(row, changed.get(row["unique_id"], ())) for row in rows]


def read_backtests(job: Job, model: str, every: int, use: Callable[[ClassedBacktests], None]) -> None:
    """Passes backtests of one model of a run with levels to `use` in blocks; samples one in `every` items."""
    item_fields = ("units_per_sale", "cv2", "adi")
    weeks, bounds = binary_copy.array_field(HOLDOUT_WEEKS), binary_copy.array_field(1, HOLDOUT_WEEKS)
    fields = {"class": binary_copy.INTEGER_FIELD, **dict.fromkeys(item_fields, binary_copy.FLOAT_FIELD)}
    fields |= {"actual": weeks, "forecast": weeks, "lo": bounds, "hi": bounds}
    names = ("", *DEMAND_CLASSES)

    def read(rows: np.ndarray) -> None:
        classes = [names[place] for place in rows["class"]["value"].tolist()]
        numbers = {name: rows[name]["value"].astype(float) for name in item_fields}
        units = {
            name: binary_copy.array_values(rows[name], HOLDOUT_WEEKS).astype(float)
            for name in ("actual", "forecast", "lo", "hi")
        }
        use(ClassedBacktests(classes, **numbers, **units))

    params = {
        "job_id": job.job_id,
        "dataset_id": job.dataset_id,
        "model": model,
        "every": every,
        "classes": list(DEMAND_CLASSES),
    }
    copy_rows(sql.SQL(query("copy_backtests_of_classes")).format(), params, binary_copy.RowReader(fields, read))


def list_settings(name: str, limit: int | None, skip: int = 0) -> list[StoredSettings]:
    """A page of the stock settings of a dataset's name: defaults, groups, items."""
    rows = fetch_all("list_stock_settings", name=name, limit=limit, skip=skip)
    return [StoredSettings.from_row(row) for row in rows]


def count_settings(name: str) -> int:
    """The number of groups and items with stock settings."""
    return int((fetch_one("count_stock_settings", name=name) or {})["n_found"])


def list_parts(name: str) -> list[tuple[str, ...]]:
    """The key columns of each kind of key part that has stock settings."""
    return [tuple(row["key_columns"]) for row in fetch_all("list_stock_parts", name=name)]


def find_settings(name: str, groups: Iterable[tuple[str, str]]) -> list[GroupSettings]:
    """The stock settings of groups given as (grouping, key); key parts match for any columns."""
    pairs = list(groups)
    grouped_by, keys = [grouped_by for grouped_by, _ in pairs], [key for _, key in pairs]
    rows = fetch_all("find_stock_settings", name=name, groups=grouped_by, keys=keys)
    return [settings_of(row) for row in rows]


def save_settings(dataset_id: int, found: Sequence[GroupSettings], who: str) -> None:
    """Saves settings, replacing those of the same groups, in one transaction; empty settings delete them.

    Raises
    ------
    NotFound
        if the dataset was deleted.
    """
    rows = [
        {"grouped_by": each.grouped_by, "key_columns": list(each.key_columns), "key": each.key, **vars(each.settings)}
        for each in found
    ]
    stored = [row for row, each in zip(rows, found, strict=True) if not each.settings.is_empty]
    with transaction() as cur:
        cur.execute(query("lock_dataset"), {"dataset_id": dataset_id})
        if (dataset := cur.fetchone()) is None:
            raise NotFound(f"Dataset {dataset_id} was deleted.", "Choose another.")
        name = dataset["name"]
        cur.execute(query("lock_dataset_name"), {"name": name})
        cur.execute(query("delete_stock_settings"), {"name": name, "rows": json.dumps(rows)})
        n_removed = cur.rowcount
        cur.execute(query("insert_stock_settings"), {"name": name, "rows": json.dumps(stored), "changed_by": who})
        if stored or n_removed:
            words = f"{len(stored):,} groups or items" if stored else f"{n_removed:,} groups or items"
            record(cur, who, "save" if stored else "delete", "stock settings", dataset_id, words)
