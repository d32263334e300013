"""Duplicates: exact counts, kept or dropped, correct sums afterwards."""

import random
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from tests.unit.ingest.conftest import Weekly, day, filler, load, write

DAILY = "date,store_nbr,item_nbr,unit_sales,onpromotion"
LINES = "InvoiceNo,StockCode,Quantity,InvoiceDate"


def daily(n: int, store: object, item: str, units: object, flag: str = "False") -> str:
    return f"{day(n)},{store},{item},{units},{flag}"


def full(*stores: object, n_days: int = 14) -> list[str]:
    return [daily(n, store, "every day", 1) for n in range(n_days) for store in stores]


def duplicates(weekly: Weekly) -> tuple[int, int, int | None]:
    found = weekly.report.duplicates
    return found.n, found.n_dropped, found.n_differing


# Daily sales: key is item, store and day


def test_rows_with_different_item_store_or_day_are_not_duplicates(file: Path) -> None:
    rows = [daily(n, store, item, 1) for n in range(14) for store in (1, 2) for item in "ab"]
    weekly = load(write(file, *rows, header=DAILY))
    assert duplicates(weekly) == (0, 0, None)
    assert weekly.report.duplicates.key == "item, store and day"


def test_kept_duplicates_are_summed_and_counted(file: Path) -> None:
    rows = [*full(1), daily(3, 1, "a", 5), daily(3, 1, "a", 5), daily(3, 1, "a", 7), daily(4, 1, "a", 7)]
    weekly = load(write(file, *rows, header=DAILY))
    assert weekly.units("a") == ["24.0", "0.0"]
    assert duplicates(weekly) == (2, 0, None)
    assert weekly.report.dropped.duplicates == 0


def test_last_row_is_kept_when_duplicates_are_dropped(file: Path) -> None:
    rows = [*full(1), daily(3, 1, "a", 5), daily(3, 1, "a", 9), daily(3, 1, "a", 7), daily(4, 1, "a", 7)]
    weekly = load(write(file, *rows, header=DAILY), duplicates="drop")
    assert weekly.units("a") == ["14.0", "0.0"]
    assert duplicates(weekly) == (2, 2, 2)
    assert (weekly.report.n_rows, weekly.report.n_kept, weekly.report.dropped.duplicates) == (18, 16, 2)


def test_duplicates_with_the_same_units_are_not_differing(file: Path) -> None:
    rows = [*full(1), daily(3, 1, "a", 5), daily(3, 1, "a", 5), daily(3, 1, "a", 6)]
    assert duplicates(load(write(file, *rows, header=DAILY), duplicates="drop")) == (2, 2, 2)
    rows = [*full(1), daily(3, 1, "a", 5), daily(3, 1, "a", 5)]
    assert duplicates(load(write(file, *rows, header=DAILY), duplicates="drop")) == (1, 1, 0)


@pytest.mark.few(1)
@pytest.mark.parametrize("n_rows", [100, 60_000])
def test_last_row_of_the_file_is_kept_with_many_threads(file: Path, n_rows: int) -> None:
    rows = [daily(n % 14, 1, "a", n) for n in range(n_rows)]
    weekly = load(write(file, *rows, header=DAILY), duplicates="drop", threads=4)
    last = {n % 14: n for n in range(n_rows)}
    expected = [f"{sum(last[n] for n in range(7 * week, 7 * week + 7))}.0" for week in (0, 1)]
    assert weekly.units("a") == expected
    assert duplicates(weekly)[:2] == (n_rows - 14, n_rows - 14)


def test_row_of_a_later_file_replaces_that_of_an_earlier_one(tmp_path: Path) -> None:
    first = write(tmp_path / "z.csv", *full(1), daily(3, 1, "a", 5), header=DAILY)
    second = write(tmp_path / "a.csv", daily(3, 1, "a", 9), header=DAILY)
    assert load(first, second, duplicates="drop").units("a") == ["9.0", "0.0"]
    assert load(second, first, duplicates="drop").units("a") == ["5.0", "0.0"]


@pytest.mark.few(3)
@pytest.mark.parametrize("n_stores", [1, 17, 18, 19, 36, 37, 100])
@pytest.mark.parametrize("handling", ["keep", "drop"])
def test_duplicates_are_counted_exactly_with_any_number_of_stores(file: Path, n_stores: int, handling: str) -> None:
    chance = random.Random(n_stores)
    rows = [daily(n, store, item, 1) for n in range(14) for store in range(n_stores) for item in "ab"]
    twice = chance.choices(rows, k=50)
    order = [*rows, *twice]
    chance.shuffle(order)
    weekly = load(write(file, *order, header=DAILY), duplicates=handling)
    dropped = 50 if handling == "drop" else 0
    assert duplicates(weekly)[:2] == (50, dropped)
    assert weekly.report.total_units == len(order) - dropped


@pytest.mark.full
def test_stores_missing_in_the_sample_are_counted_exactly(file: Path) -> None:
    """The sample has the first few thousand rows; later rows have other stores."""
    rows = [daily(n % 14, 1, f"item {n // 14}", 1) for n in range(5_600)]
    late = [daily(n, store, "a", 1) for n in range(14) for store in (1, "late", "later")]
    path = write(file, *rows, *late, *late[:3], header=DAILY)
    assert duplicates(load(path)) == (3, 0, None)
    weekly = load(path, duplicates="drop")
    assert duplicates(weekly) == (3, 3, 0)
    assert weekly.units("a") == ["21.0", "21.0"]


def test_empty_store_counts_as_a_store(file: Path) -> None:
    rows = [*full(1), *full("", n_days=7), daily(0, "", "every day", 1)]
    weekly = load(write(file, *rows, header=DAILY), duplicates="drop")
    assert duplicates(weekly) == (1, 1, 0)
    assert weekly.units("every day") == ["14.0", "7.0"]


@pytest.mark.parametrize(("handling", "units"), [("keep", ["14.0", "7.0"]), ("drop", ["12.0", "7.0"])])
def test_key_is_item_and_day_without_a_store(file: Path, handling: str, units: list[str]) -> None:
    rows = [*filler(14, "a"), f"{day(0)},a,4,False", f"{day(1)},a,3,False"]
    weekly = load(write(file, *rows), duplicates=handling)
    assert weekly.report.duplicates.key == "item and day"
    assert duplicates(weekly)[0] == 2
    assert weekly.units("a") == units


def test_store_that_is_part_of_the_item_key_counts_as_a_store(file: Path) -> None:
    rows = [*full(1, 2), daily(3, 1, "every day", 9)]
    mapping = {"item": ["store_nbr", "item_nbr"], "store": ["store_nbr"]}
    weekly = load(write(file, *rows, header=DAILY), mapping=mapping, duplicates="drop")
    assert duplicates(weekly) == (1, 1, 1)
    assert weekly.units("1|every day") == ["15.0", "7.0"]


def test_bad_and_filtered_rows_are_not_duplicates(file: Path) -> None:
    rows = [*full(1, 2), daily(3, 1, "every day", "many"), daily(3, 2, "every day", 1)]
    weekly = load(write(file, *rows, header=DAILY), skip_bad=True, duplicates="drop", where=(("store_nbr", "1"),))
    assert duplicates(weekly) == (0, 0, None)
    assert weekly.units("every day") == ["7.0", "7.0"]


def test_sums_are_correct_after_dropping_duplicates(file: Path) -> None:
    rows = [
        *full(1, 2),
        *[daily(1, 1, "a", units) for units in (3.5, -2, 4.25)],  # keeps a fraction, drops a fraction and a return
        *[daily(2, 1, "a", units, "True") for units in (5, 6)],
        *[daily(3, 1, "a", units, flag) for units, flag in ((8, "True"), (1, "False"))],  # drops the promotional row
        daily(4, 2, "a", -1),
        daily(4, 2, "a", -1),
        daily(8, 1, "a", 2, ""),
        daily(8, 1, "a", 2, ""),
    ]
    weekly = load(write(file, *rows, header=DAILY), duplicates="drop")
    assert weekly.weeks["a"] == {"2020-01-11": ("4.25", "6.0"), "2020-01-18": ("2.0", "0.0")}
    report = weekly.report
    assert duplicates(weekly) == (6, 6, 4)
    assert (report.n_returns, report.n_fractional, report.n_promo, report.n_flag_missing) == (1, 1, 1, 1)
    assert report.units.units_read == 28 + 4.25 + 6 + 1 - 1 + 2
    assert report.units.returned_units == -1.0
    assert report.units.promo_units == 6.0
    assert report.n_rows == report.n_kept + sum(vars(report.dropped).values())


def test_dropping_duplicates_equals_a_file_without_them(tmp_path: Path) -> None:
    chance = random.Random(4)
    rows = [
        daily(
            chance.randrange(30),
            chance.randrange(25),
            f"item {chance.randrange(6)}",
            f"{chance.randrange(-3_000, 9_000) / 1000:.3f}",
            chance.choice(("True", "False", "")),
        )
        for _ in range(4_000)
    ]
    last = {tuple(row.split(",")[:3]): row for row in rows}
    for returns in ("net", "drop"):
        options = {"returns": returns, "duplicates": "drop"}
        found = load(write(tmp_path / f"{returns} twice.csv", *rows, header=DAILY), **options)
        expected = load(write(tmp_path / f"{returns} once.csv", *last.values(), header=DAILY), **options)
        assert (found.weeks, found.items) == (expected.weeks, expected.items)
        assert duplicates(found)[:2] == (len(rows) - len(last),) * 2
        same = ("n_kept", "n_returns", "n_fractional", "n_promo", "n_flag_missing", "units", "weeks", "content")
        assert [getattr(found.report, name) for name in same] == [getattr(expected.report, name) for name in same]


# Receipts: lines in several files


def line(receipt: object, item: str, units: object, n: int, time: str = "10:00") -> str:
    return f"{receipt},{item},{units},{day(n)} {time}"


def test_identical_lines_of_one_file_are_kept(file: Path) -> None:
    rows = [*(line(n, "a", 1, n) for n in range(14)), *[line(3, "a", 1, 3)] * 2]
    weekly = load(write(file, *rows, header=LINES), duplicates="drop")
    assert weekly.units("a") == ["9.0", "7.0"]
    assert duplicates(weekly) == (0, 0, None)
    assert weekly.report.duplicates.n_repeated == 2
    assert weekly.report.duplicates.key == "receipt, item, time and units, in several files"


@pytest.mark.parametrize(("handling", "units", "n_dropped"), [("keep", "18.0", 0), ("drop", "11.0", 7)])
def test_lines_of_two_overlapping_files_are_counted_once_with_drop(
    tmp_path: Path, handling: str, units: str, n_dropped: int
) -> None:
    common = [line(n, "a", 1, n) for n in range(7)]
    first = write(tmp_path / "1.csv", *common, line(90, "a", 1, 1), line(91, "a", 1, 2), header=LINES)
    second = write(tmp_path / "2.csv", *common, line(92, "a", 1, 1), line(93, "a", 1, 2), header=LINES)
    weekly = load(first, second, duplicates=handling)
    assert weekly.units("a") == [units]
    assert duplicates(weekly) == (7, n_dropped, None)
    assert weekly.report.n_kept == 18 - n_dropped


def test_line_is_kept_as_often_as_in_the_file_with_the_most(tmp_path: Path) -> None:
    base = [line(n, "base", 1, n) for n in range(7)]
    first = write(tmp_path / "1.csv", *base, *[line(50, "a", 2, 3)] * 3, header=LINES)
    second = write(tmp_path / "2.csv", *[line(50, "a", 2, 3)] * 2, line(51, "a", 2, 3), header=LINES)
    third = write(tmp_path / "3.csv", line(50, "a", 2, 3), header=LINES)
    weekly = load(first, second, third, duplicates="drop")
    assert weekly.units("a") == ["8.0"]
    assert (weekly.report.duplicates.n, weekly.report.duplicates.n_repeated) == (3, 2)


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "other",
    [line(1, "b", 1, 0), line(2, "a", 1, 0), line(1, "a", 2, 0), line(1, "a", 1, 0, "10:01"), line(1, "a", 1, 1)],
)
def test_lines_with_different_receipt_item_units_or_time_are_not_duplicates(tmp_path: Path, other: str) -> None:
    base = [line(90 + n, "base", 1, n) for n in range(7)]
    first = write(tmp_path / "1.csv", *base, line(1, "a", 1, 0), header=LINES)
    second = write(tmp_path / "2.csv", other, header=LINES)
    assert duplicates(load(first, second, duplicates="drop")) == (0, 0, None)


def test_overlap_is_found_between_files_of_different_formats(tmp_path: Path) -> None:
    rows = [line(n, "a", 1, n) for n in range(7)]
    first = write(tmp_path / "1.csv", *rows, header=LINES)
    table = pd.DataFrame([row.split(",") for row in rows], columns=["Invoice", "Code", "Qty", "InvoiceDate"])
    table = table.rename(columns={"Code": "StockCode", "Qty": "Quantity"}).astype({"Quantity": "int64"})
    table["InvoiceDate"] = pd.to_datetime(table["InvoiceDate"])
    table.to_parquet(tmp_path / "2.parquet")
    weekly = load(first, tmp_path / "2.parquet", duplicates="drop")
    assert duplicates(weekly) == (7, 7, None)
    assert weekly.units("a") == ["7.0"]


def test_returned_lines_of_overlapping_files_are_counted_once(tmp_path: Path) -> None:
    base = [line(90 + n, "a", 1, n) for n in range(7)]
    common = [line("C1", "a", -2, 3), line("C2", "a", 0.5, 3)]
    first = write(tmp_path / "1.csv", *base, *common, header=LINES)
    second = write(tmp_path / "2.csv", *common, header=LINES)
    weekly = load(first, second, duplicates="drop")
    assert weekly.units("a") == ["5.5"]
    report = weekly.report
    assert (report.n_returns, report.n_fractional, report.units.returned_units) == (1, 1, -2.0)
    assert load(first, second, duplicates="drop", returns="drop").units("a") == ["7.5"]


def test_random_overlaps_equal_the_union_of_multisets(tmp_path: Path) -> None:
    chance = random.Random(7)

    def receipts(n: int) -> list[str]:
        return [
            line(chance.randrange(20), chance.choice("abc"), chance.randrange(-2, 4), chance.randrange(21))
            for _ in range(n)
        ]

    common = receipts(300)
    files = [[*receipts(300), *common], [*receipts(200), *common, *common[:50]], receipts(400)]
    paths = [write(tmp_path / f"{n}.csv", *rows, header=LINES) for n, rows in enumerate(files)]
    union: Counter[str] = Counter()
    for rows in files:
        union |= Counter(rows)
    once = write(tmp_path / "once.csv", *union.elements(), header=LINES)
    found, expected = load(*paths, duplicates="drop"), load(once)
    assert (found.weeks, found.items) == (expected.weeks, expected.items)
    assert duplicates(found)[:2] == (sum(map(len, files)) - union.total(),) * 2
