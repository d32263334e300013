"""Result files: arrays of weeks, content hash, totals, search text, demand classes."""

import csv
from pathlib import Path

import pytest

from fcst.ingest import pipeline
from tests.unit.ingest.conftest import day, load, make, read_back, sales_of, write

HEADER = "date,item_nbr,unit_sales,onpromotion,family,class,description"


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_weeks_are_arrays_from_the_first_week_of_an_item(file: Path) -> None:
    rows = [
        *(f"{day(n)},every day,1,False" for n in range(21)),
        f"{day(8)},late,1.5,False",
        f"{day(15)},late,4,True",
        f"{day(1)},large,12345678901,False",
    ]
    files = make(file.parent, write(file, *rows))
    assert [list(map(str, row.values())) for row in sales_of(files)] == [
        ["every day", "2020-01-11", "[7.0, 7.0, 7.0]", "None"],
        ["large", "2020-01-11", "[12345678901.0, 0.0, 0.0]", "None"],
        ["late", "2020-01-18", "[1.5, nan]", "[0.0, 4.0]"],
    ]


def test_content_hash_depends_on_weeks_not_on_files(file: Path) -> None:
    rows = [f"{day(n)},{key},{n % 3},{n % 2 == 0}" for n in range(21) for key in ("a", "bc", "d")]
    content = load(write(file, *rows)).report.content
    assert load(write(file, *reversed(rows))).report.content == content
    keys = [row.replace(",bc,", ",b,").replace(",d,", ",cd,") for row in rows]
    assert load(write(file, *keys)).report.content != content
    assert load(write(file, *rows, f"{day(3)},a,1,False")).report.content != content
    assert load(write(file, *rows[:-1], rows[-1].replace("True", "False"))).report.content != content


def test_content_hash_does_not_depend_on_block_size(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"{day(n)},item {key},{n % 3},{(n + key) % 2 == 0}" for n in range(21) for key in range(30)]
    whole = read_back(make(file.parent, write(file, *rows)))
    monkeypatch.setattr(pipeline, "MAX_CELLS", 20)
    parts = read_back(make(file.parent, file))
    assert parts == whole
    assert parts.report.content == whole.report.content != ""


def test_totals_by_all_items_family_and_class(file: Path) -> None:
    rows = [
        *(f"{day(n)},a,1,False,DELI,7," for n in range(21)),
        *(f"{day(n)},b,2,False,BREAD,7," for n in range(7, 21)),
        f"{day(14)},c,5,True,,,",
    ]
    files = make(file.parent, write(file, *rows, header=HEADER))
    first = ["2020-01-11"]
    assert rows_of(files.totals_csv) == [
        ["7", "all", "", *first, "{7,21,21}", "{0,0,5}", "{1,2,3}"],
        ["7", "class", "", *first, "{0,0,0}", "{0,0,5}", "{0,0,1}"],
        ["7", "class", "7", *first, "{7,21,21}", "{0,0,0}", "{1,2,2}"],
        ["7", "family", "", *first, "{0,0,0}", "{0,0,5}", "{0,0,1}"],
        ["7", "family", "BREAD", *first, "{0,14,14}", "{0,0,0}", "{0,1,1}"],
        ["7", "family", "DELI", *first, "{7,7,7}", "{0,0,0}", "{1,1,1}"],
    ]


def test_totals_without_families_have_all_items_only(file: Path) -> None:
    files = make(file.parent, write(file, *(f"{day(n)},a,1.5,False" for n in range(14))))
    assert rows_of(files.totals_csv) == [["7", "all", "", "2020-01-11", "{10.5,10.5}", "{0,0}", "{1,1}"]]


def test_search_text_is_key_and_description(file: Path) -> None:
    rows = [f"{day(n)},{key},1,False,,,{text}" for n in range(7) for key, text in (("A 1", "Smoked HAM"), ("B", ""))]
    weekly = load(write(file, *rows, header=HEADER))
    assert weekly.item("A 1")["search_text"] == "a 1\x1fsmoked ham"
    assert weekly.item("B")["search_text"] == "b\x1f"


def test_missing_weeks_do_not_affect_the_demand_class(file: Path) -> None:
    """Forty times: five units, three missing weeks, a zero. So 80 known weeks, 40 with units."""
    rows = [f"{day(7 * n + d)},every day,1,False" for n in range(200) for d in range(7)]
    for n in range(200):
        rows.append(f"{day(7 * n)},a,{5 if n % 5 in (0, 4) else 9},{n % 5 in (1, 2, 3)}")
    rows = [row for n, row in enumerate(rows) if not (n >= 1400 and (n - 1400) % 5 == 4)]
    weekly = load(write(file, *rows))
    assert weekly.units("a")[:5] == ["5.0", r"\N", r"\N", r"\N", "0.0"]
    row = weekly.item("a")
    assert (row["demand_class"], row["adi"], row["cv2"], row["n_missing"]) == ("intermittent", "2.0", "0.0", "120")


def test_item_without_sales_has_no_demand_class(file: Path) -> None:
    rows = [f"{day(n)},{key},{units},False" for n in range(70) for key, units in (("a", 0), ("b", 1))]
    row = load(write(file, *rows)).item("a")
    assert (row["demand_class"], row["adi"], row["cv2"]) == ("none", r"\N", r"\N")
