"""What a user asks for: the frozen description of a run and of an ingest, checked when it is made."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from fcst.errors import InputError
from fcst.names import WEEKDAYS

MAX_HORIZON = 104
MAX_BATCH_SIZE = 1_000


@dataclass(frozen=True)
class JobSpec:
    """How the items of a run are forecast. Which items they are stands in the job's own rows.

    Parameters
    ----------
    models
        names of the catalogue, at least one, as asked and in that order; `Auto` leaves the choice to the product.
    h
        weeks ahead, counted from the dataset's last whole week.
    level
        interval levels in percent, whole numbers from 1 to 99, ascending; may be empty.
    batch_size
        items of one batch, the unit that is run and retried.
    n_windows
        held-out windows at the end of the history on which accuracy is measured: 0 (not at all) or 1.
    """

    models: tuple[str, ...] = ("Auto",)
    h: int = 13
    level: tuple[int, ...] = (80, 95)
    batch_size: int = 25
    n_windows: int = 1

    def __post_init__(self) -> None:
        if not self.models:
            raise InputError("No model was chosen.", "Choose at least one.")
        if len(set(self.models)) < len(self.models):
            raise InputError(f"A model is named twice: {', '.join(self.models)}.", "Name each once.")
        _check_whole("The horizon", self.h, 1, MAX_HORIZON, "weeks")
        _check_whole("The batch size", self.batch_size, 1, MAX_BATCH_SIZE, "items")
        _check_whole("The number of held-out windows", self.n_windows, 0, 1, "windows")
        for level in self.level:
            _check_whole("An interval level", level, 1, 99, "percent")
        object.__setattr__(self, "level", tuple(sorted(set(self.level))))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Self:
        return cls(**{**value, "models": tuple(value["models"]), "level": tuple(value["level"])})


@dataclass(frozen=True)
class IngestSpec:
    """How a file of sales is read.

    Parameters
    ----------
    path
        a CSV file (plain or gzip), or a folder that holds `train.csv`, on this machine.
    name
        the dataset's name; the same name again makes the next version.
    include_promo
        keep promotional rows in `unit_sales`; by default they are left out (baseline demand).
    week_end
        the day on which weeks end.
    item, date, sales, promo
        the file's columns; a `promo` column that is not there means that no row is promotional.
    is_upload
        the path is our own copy of an upload, removed when the ingest has ended.
    """

    path: str
    name: str
    include_promo: bool = False
    week_end: str = "SAT"
    item: str = "item_nbr"
    date: str = "date"
    sales: str = "unit_sales"
    promo: str = "onpromotion"
    is_upload: bool = False

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise InputError("The dataset has no name.", "Give it one.")
        if len(self.name) > 100 or not self.name.isprintable():
            raise InputError(f"The name {self.name[:100]!r} cannot be used.", "Use at most 100 printable characters.")
        if self.week_end not in WEEKDAYS:
            raise InputError(f"Weeks cannot end on {self.week_end!r}.", f"Use one of {', '.join(WEEKDAYS)}.")
        columns = [self.item, self.date, self.sales, self.promo]
        if len(set(columns)) < len(columns):
            raise InputError("One column of the file is mapped twice.", "Map each to a column of its own.")

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Self:
        return cls(**value)


def default_batch_size(n_items: int, processes: int) -> int:
    """Items of a batch such that each process gets about eight, within 5 to 50."""
    return min(max(-(-n_items // (8 * processes)), 5), 50)


def split_batches(items: list[str], batch_size: int) -> list[list[str]]:
    """Slices of `items` of at most `batch_size`, in order."""
    return [items[start : start + batch_size] for start in range(0, len(items), batch_size)]


def _check_whole(what: str, value: object, least: int, most: int, unit: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InputError(f"{what} is {value!r}.", f"Give a whole number from {least} to {most} ({unit}).")
