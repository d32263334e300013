"""Helpers and fixtures: write small sales files, load them and read the result back."""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from fcst.errors import InputError
from fcst.ingest.folders import Folders
from fcst.ingest.pipeline import Resources, SeriesFiles, read_series
from fcst.quality_report import QualityReport
from fcst.specs import IngestSpec

HEADER = "date,item_nbr,unit_sales,onpromotion"
SUNDAY = date(2020, 1, 5)  # first day of the test files
SATURDAYS = ("2020-01-11", "2020-01-18", "2020-01-25")
ITEM_COLUMNS = (
    "dataset_id unique_id sales_rank total_units first_wk_end_dt last_sale_dt n_weeks n_missing family class"
    " is_perishable description demand_class adi cv2 price attributes search_text"
).split()


@dataclass(frozen=True)
class Weekly:
    """Result of a load: items, weeks by item, the report and the completed spec."""

    items: list[dict[str, str]]
    weeks: dict[str, dict[str, tuple[str, str]]]
    report: QualityReport
    spec: IngestSpec = field(compare=False)

    def units(self, item: str) -> list[str]:
        return [units for units, _ in self.weeks[item].values()]

    def item(self, key: str) -> dict[str, str]:
        return next(row for row in self.items if row["unique_id"] == key)


def sales_of(files: SeriesFiles) -> list[dict[str, Any]]:
    """Rows of the file of sales; a missing week is NaN."""
    with pa.ipc.open_stream(files.sales) as stream:
        return stream.read_all().to_pylist()


def written(units: float) -> str:
    """Units as text; a missing week is \\N."""
    return r"\N" if math.isnan(units) else str(units)


def read_back(files: SeriesFiles) -> Weekly:
    with files.items_csv.open(encoding="utf-8", newline="") as file:
        items = [dict(zip(ITEM_COLUMNS, row, strict=True)) for row in csv.reader(file)]
    weeks: dict[str, dict[str, tuple[str, str]]] = {}
    for row in sales_of(files):
        units = row["unit_sales"]
        promo = row["promo_units"] or [0.0] * len(units)
        ends = [row["first_wk_end_dt"] + timedelta(weeks=n) for n in range(len(units))]
        cells = zip(map(written, units), map(written, promo), strict=True)
        weeks[row["unique_id"]] = dict(zip(map(str, ends), cells, strict=True))
    return Weekly(items, weeks, files.report, files.spec)


def resources(folder: Path, threads: int = 2, roots: Sequence[Path] = (Path("/"),)) -> Resources:
    return Resources(folder, "200MB", threads, 10**9, Folders(roots))


def make(
    folder: Path, *paths: Path, threads: int = 2, roots: Sequence[Path] = (Path("/"),), **options: Any
) -> SeriesFiles:
    """Loads files; writes everything to a new folder below `folder`."""
    out = folder / f"out {len(list(folder.glob('out *')))}"
    out.mkdir()
    spec = IngestSpec(paths=tuple(map(str, paths)), name="n", **options)
    return read_series(spec, 7, resources(out, threads, roots), lambda what, done, total: None)


def load(path: Path, *more: Path, **options: Any) -> Weekly:
    """Loads files together and reads the result back."""
    return read_back(make(path.parent, path, *more, **options))


def refusal(path: Path, *more: Path, **options: Any) -> InputError:
    """Returns the error of files that are refused; checks that no result files are left."""
    before = set(path.parent.glob("out */*.csv"))
    with pytest.raises(InputError) as caught:
        make(path.parent, path, *more, **options)
    assert set(path.parent.glob("out */*.csv")) == before
    assert caught.value.hint
    return caught.value


def day(number: int) -> str:
    """The n-th day of the test files; 0 is a Sunday."""
    return (SUNDAY + timedelta(days=number)).isoformat()


def filler(n_days: int = 14, key: str = "every day", units: float = 1) -> list[str]:
    """Rows of an item that sells every day, so that all weeks are whole."""
    return [f"{day(n)},{key},{units},False" for n in range(n_days)]


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text(as_text(rows, header), encoding="utf-8")
    return path


def as_text(rows: Iterable[str], header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sales.csv"
