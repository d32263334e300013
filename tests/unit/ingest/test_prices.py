"""Prices: the mean price of an item, and value columns as evidence for the number format of units."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fcst.ingest import groups
from tests.unit.ingest.conftest import day, load, write


@pytest.fixture(params=["summed", "each row"])
def file(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Runs each test with summed groups and with each row as a group."""
    if request.param == "each row":
        monkeypatch.setattr(groups, "BYTES_PER_GROUP", 10**12)
        monkeypatch.setattr(groups, "LEAST_ROWS_PER_GROUP", 10**9)
    yield tmp_path / "sales.csv"


def price_of(path: Path, header: str, *sold: str, key: str = "a", **options: Any) -> str:
    """The price of an item with the given cells of units and money on its first days."""
    rows = [f"{day(n)},every day,1,1.00" for n in range(28)]
    rows += [f"{day(n)},{key},{text}" for n, text in enumerate(sold)]
    return load(write(path, *rows, header=header), **options).item(key)["price"]


def test_price_is_total_value_divided_by_total_units(file: Path) -> None:
    assert price_of(file, "day,item,qty,amount", "2,20.00", "1,13.00", "7,77.50") == "11.05"


def test_unit_prices_are_weighted_by_units(file: Path) -> None:
    assert price_of(file, "day,item,qty,unit price", "3,10.00", "1,14.00") == "11.0"


def test_returns_reduce_value_and_units(file: Path) -> None:
    assert price_of(file, "day,item,qty,amount", "5,50.00", "-1,-14.00") == "9.0"


def test_units_without_a_valid_value_are_ignored(file: Path) -> None:
    assert price_of(file, "day,item,qty,amount", "5,50.00", "100,n/a", "5,") == "10.0"


def test_no_price_without_a_positive_value(file: Path) -> None:
    assert price_of(file, "day,item,qty,amount", "5,0.00") == r"\N"
    assert price_of(file, "day,item,qty,amount", "5,") == r"\N"
    assert price_of(file, "day,item,qty,remark", "5,3.00") == r"\N"


def test_price_column_that_grows_with_units_is_a_value(file: Path) -> None:
    more = [f"{day(n)},{item},{n + 1},{(n + 1) * 12.5}" for item in "bcd" for n in range(3)]
    rows = [f"{day(n)},every day,1,1.0" for n in range(14)]
    found = load(write(file, *rows, *more, header="day,item,qty,price"))
    assert found.spec.mapping["value"] == ["price"] and found.item("b")["price"] == "12.5"


def test_value_column_can_be_mapped_or_unmapped(file: Path) -> None:
    mapping = {"value": ["remark"]}
    assert price_of(file, "day,item,qty,remark", "5,55.00", mapping=mapping) == "11.0"
    assert price_of(file, "day,item,qty,amount", "5,55.00", mapping={"value": []}) == r"\N"


def test_decimal_sign_of_values_applies_to_units(file: Path) -> None:
    rows = [f"{day(n)};every day;1;1,25" for n in range(14)]
    found = load(write(file, *rows, f"{day(1)};a;1.250;1562,50", header="day;item;qty;amount"))
    assert found.units("a") == ["1250.0", "0.0"] and found.item("a")["price"] == "1.25"


def test_values_may_have_thousands_separators_without_units_having_them(file: Path) -> None:
    rows = [f"{day(n)},every day,1,1.25" for n in range(14)]
    found = load(write(file, *rows, f'{day(1)},a,2,"1,500.50"', header="day,item,qty,amount"))
    assert found.item("a")["price"] == "750.25"
