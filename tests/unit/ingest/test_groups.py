"""Groups: summed in memory and row by row, with the same weeks and the same report."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from fcst.ingest import groups, pipeline
from fcst.quality_report import QualityReport
from tests.unit.ingest.conftest import Weekly, day, load, write
from tests.unit.ingest.random_rows import STORES, random_rows


@pytest.fixture
def row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forces the row-by-row mode of large files, read back a few items at a time."""
    monkeypatch.setattr(groups, "BYTES_PER_GROUP", 10**12)
    monkeypatch.setattr(groups, "LEAST_ROWS_PER_GROUP", 10**9)
    monkeypatch.setattr(groups, "MAX_GROUPS", 200)
    monkeypatch.setattr(pipeline, "MAX_CELLS", 20)


def same(found: Weekly, expected: Weekly) -> None:
    assert (found.weeks, found.items) == (expected.weeks, expected.items)
    assert rounded(found.report) == rounded(expected.report)


def rounded(report: QualityReport) -> QualityReport:
    """The report with rounded shares, whose last digits depend on the order of summation."""
    years = {
        year: replace(sums, share=sums.share and round(sums.share, 12)) for year, sums in report.promo_by_year.items()
    }
    return replace(report, promo_by_year=years, promo_share_by_year={})


OPTIONS: list[dict[str, Any]] = [
    {},
    {"mapping": {"store": []}},
    {"mapping": {"store": []}, "duplicates": "drop", "include_promo": True},
    {"mapping": {"store": [], "promo": []}, "returns": "drop"},
    {"duplicates": "drop", "returns": "drop"},
    {"mapping": {"item": ["store_nbr", "item_nbr"]}, "week_end": "WED"},
    {"where": (("store_nbr", "1"), ("store_nbr", "2"))},
]


@pytest.mark.few(1)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("is_parquet", [False, True])
def test_summed_and_row_by_row_give_the_same_weeks(
    tmp_path: Path, request: pytest.FixtureRequest, options: dict[str, Any], is_parquet: bool
) -> None:
    chance = random.Random(len(str(options)))
    rows = [*(f"{day(n)},1,every day,1,False" for n in range(-2, 39)), *random_rows(chance)]
    rows = [f"{row},{chance.choice('XY')}" for row in rows if row.count(",") == 4]
    path = write(tmp_path / "sales.csv", *rows, header=f"{STORES},family")
    if is_parquet:
        target = tmp_path / "sales.parquet"
        duckdb.sql(f"COPY (FROM read_csv('{path}', all_varchar = true)) TO '{target}'")
        path = target
    expected = load(path, skip_bad=True, **options)
    request.getfixturevalue("row_by_row")
    same(load(path, skip_bad=True, **options), expected)
    assert len(list(tmp_path.glob("out */rows.duckdb"))) == 1


@pytest.mark.few(2)
@pytest.mark.parametrize("name", ["DATE", "TIMESTAMP", "VARCHAR"])
@pytest.mark.parametrize("kind", ["DOUBLE", "BIGINT", "DECIMAL(9, 2)", "FLOAT", "VARCHAR"])
def test_typed_columns_give_the_same_result_as_text(tmp_path: Path, row_by_row: None, name: str, kind: str) -> None:
    rows = [f"{day(7 * n)},{key},{n * 3 % 5}" for n in range(20) for key in ("a", "b")]
    path = write(tmp_path / "sales.csv", *rows, header="date,item,units")
    target = tmp_path / "sales.parquet"
    columns = f"date::{name} AS date, item, units::{kind} AS units"
    duckdb.sql(f"COPY (SELECT {columns} FROM read_csv('{path}', all_varchar = true)) TO '{target}'")
    found, expected = load(target), load(path)
    assert (found.weeks, found.report.content) == (expected.weeks, expected.report.content)


def test_units_of_any_size_are_summed_exactly(file: Path) -> None:
    """Also sums above 64 bits in millionths."""
    rows = [
        f"{day(n % 14)},{key},{units}" for n in range(140) for key, units in (("a", "999999999999.5"), ("b", "0.1"))
    ]
    weekly = load(write(file, *rows, header="date,item_nbr,unit_sales"))
    assert weekly.units("a") == [str(70 * 999999999999.5)] * 2
    assert weekly.units("b") == ["7.0", "7.0"]
    assert weekly.report.duplicates.n == 252


def test_most_frequent_attribute_is_used_row_by_row(file: Path, row_by_row: None) -> None:
    rows = [f"{day(n)},{key},1,{'OLD' if n < 7 and key == 'a' else 'NEW'}" for n in range(21) for key in "ab"]
    weekly = load(write(file, *rows, header="date,item_nbr,unit_sales,family"))
    assert {row["family"] for row in weekly.items} == {"NEW"}
