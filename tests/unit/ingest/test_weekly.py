"""What a week is, on tiny files; what is refused, by file and line; and the same sums as pandas on real data."""

import csv
import gzip
import math
import re
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fcst.errors import InputError
from fcst.ingest.weekly import WeeklyFiles, check_columns, find_source, make_weekly, read_header
from fcst.names import WEEKDAYS
from fcst.settings import PROJECT
from fcst.specs import IngestSpec

HEADER = "date,item_nbr,unit_sales,onpromotion"
SUNDAY = date(2020, 1, 5)  # the first day of the tiny files
SATURDAYS = ("2020-01-11", "2020-01-18", "2020-01-25")
FAVORITA = PROJECT.parent / "shared" / "data" / "favorita"


@dataclass(frozen=True)
class Weekly:
    """The two files as they are read back, and the report."""

    items: list[dict[str, str]]
    weeks: dict[str, dict[str, tuple[str, str]]]
    report: dict[str, Any]

    def units(self, item: str) -> list[str]:
        return [units for units, _ in self.weeks[item].values()]

    def item(self, key: str) -> dict[str, str]:
        return next(row for row in self.items if row["unique_id"] == key)


ITEM_COLUMNS = (
    "dataset_id,unique_id,sales_rank,total_units,first_wk_end_dt,last_sale_dt,n_weeks,n_missing,family,class,"
    "is_perishable"
).split(",")


def read_back(files: WeeklyFiles) -> Weekly:
    with files.items_csv.open(encoding="utf-8", newline="") as file:
        items = [dict(zip(ITEM_COLUMNS, row, strict=True)) for row in csv.reader(file)]
    weeks: dict[str, dict[str, tuple[str, str]]] = {}
    with files.weekly_csv.open(encoding="utf-8", newline="") as file:
        for _, key, week, units, promo in csv.reader(file):
            weeks.setdefault(key, {})[week] = (units, promo)
    return Weekly(items, weeks, files.report)


def load(path: Path, **options: Any) -> Weekly:
    """Reads a file into an empty folder, in which nothing is left but the two files."""
    threads = options.pop("threads", 2)
    folder = path.parent / f"out of {path.name}"
    folder.mkdir()
    files = make_weekly(IngestSpec(path=str(path), name="n", **options), 7, folder, "200MB", threads)
    assert sorted(file.name for file in folder.iterdir()) == ["items.csv", "weekly.csv"]
    return read_back(files)


def day(number: int) -> str:
    """The n-th day of the tiny files: 0 is a Sunday."""
    return (SUNDAY + timedelta(days=number)).isoformat()


def filler(n_days: int = 14, key: str = "every day", units: float = 1) -> list[str]:
    """An item that sells every day, so that the weeks are whole."""
    return [f"{day(n)},{key},{units},False" for n in range(n_days)]


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sales.csv"


# Whole weeks


def test_week_is_seven_days_up_to_saturday(file: Path) -> None:
    rows = [f"{day(n)},a,{10**n if n < 7 else 1}," for n in range(14)]
    weekly = load(write(file, *rows))
    assert weekly.weeks == {"a": {"2020-01-11": ("1111111.0", "0.0"), "2020-01-18": ("7.0", "0.0")}}


@pytest.mark.parametrize("week_end", WEEKDAYS)
def test_week_may_end_on_any_day(file: Path, week_end: str) -> None:
    weekly = load(write(file, *filler(28)), week_end=week_end)
    ends = [date.fromisoformat(week) for week in weekly.weeks["every day"]]
    assert {f"{end:%a}".upper() for end in ends} == {week_end}
    assert set(weekly.units("every day")) == {"7.0"}
    assert ends == [ends[0] + timedelta(weeks=n) for n in range(4 if week_end == "SAT" else 3)]
    assert SUNDAY + timedelta(days=6) <= ends[0] < SUNDAY + timedelta(days=13)


@pytest.mark.parametrize(
    ("first", "last", "weeks"),
    [
        (0, 20, SATURDAYS),
        (1, 20, SATURDAYS[1:]),
        (0, 19, SATURDAYS[:2]),
        (6, 14, SATURDAYS[1:2]),
        (0, 6, SATURDAYS[:1]),
    ],
)
def test_first_and_last_week_are_dropped_when_the_data_do_not_cover_them(
    file: Path, first: int, last: int, weeks: tuple[str, ...]
) -> None:
    weekly = load(write(file, *filler(last + 1)[first:]))
    assert tuple(weekly.weeks["every day"]) == weeks
    report = weekly.report
    assert (report["first_day"], report["last_day"]) == (day(first), day(last))
    assert (report["first_wk_end_dt"], report["last_wk_end_dt"]) == (weeks[0], weeks[-1])
    assert (report["n_weeks"], report["total_units"]) == (len(weeks), 7.0 * len(weeks))
    assert report["n_rows"] == last - first + 1


def test_item_that_sold_in_partial_weeks_only_is_left_out_and_counted(file: Path) -> None:
    weekly = load(write(file, *filler(15), f"{day(14)},late,5,False"))
    assert set(weekly.weeks) == {"every day"}
    assert (weekly.report["n_items_read"], weekly.report["n_items"]) == (2, 1)


# Promotions


PROMO_ROWS = [f"{day(1)},a,10,False", f"{day(2)},a,4,True", f"{day(8)},a,5,", f"{day(9)},a,6,true"]


def test_promotional_rows_are_left_out_and_kept_beside(file: Path) -> None:
    weekly = load(write(file, *filler(), *PROMO_ROWS))
    assert list(weekly.weeks["a"].values()) == [("10.0", "4.0"), ("5.0", "6.0")]
    assert weekly.item("a")["total_units"] == "15.0"
    assert (weekly.report["n_promo"], weekly.report["n_flag_missing"]) == (2, 1)


def test_promotional_rows_are_kept_on_demand_and_still_shown_beside(file: Path) -> None:
    weekly = load(write(file, *filler(), *PROMO_ROWS), include_promo=True)
    assert list(weekly.weeks["a"].values()) == [("14.0", "4.0"), ("11.0", "6.0")]


def test_file_without_a_flag_has_no_promotions(file: Path) -> None:
    rows = [f"{day(n)},a,2" for n in range(7)]
    weekly = load(write(file, *rows, header="date,item_nbr,unit_sales"))
    assert weekly.units("a") == ["14.0"]
    assert weekly.report["has_promo_column"] is False
    assert weekly.report["n_promo"] == 0


@pytest.mark.parametrize("flag", ["True", "TRUE", "t", "yes", "Y", "1", "1.0", " true "])
def test_flag_is_read_as_promoted(file: Path, flag: str) -> None:
    weekly = load(write(file, *filler(), f"{day(1)},a,3,False", f"{day(1)},a,5,{flag}"))
    assert weekly.weeks["a"]["2020-01-11"] == ("3.0", "5.0")
    assert weekly.report["n_flag_unknown"] == 0


@pytest.mark.parametrize(
    ("flag", "counted"),
    [("False", None), ("f", None), ("no", None), ("0", None), ("0.0", None)]
    + [("", "n_flag_missing"), ("  ", "n_flag_missing"), ("2", "n_flag_unknown"), ("perhaps", "n_flag_unknown")],
)
def test_flag_is_read_as_not_promoted(file: Path, flag: str, counted: str | None) -> None:
    weekly = load(write(file, *filler(), f"{day(1)},a,5,{flag}"))
    assert weekly.weeks["a"]["2020-01-11"] == ("5.0", "0.0")
    counts = {name: weekly.report[name] for name in ("n_flag_missing", "n_flag_unknown")}
    assert counts == {name: int(name == counted) for name in counts}


def test_week_with_promotional_rows_only_is_missing_and_not_zero(file: Path) -> None:
    weekly = load(write(file, *filler(21), f"{day(1)},a,3,False", f"{day(8)},a,5,True", f"{day(15)},a,4,False"))
    assert list(weekly.weeks["a"].values()) == [("3.0", "0.0"), (r"\N", "5.0"), ("4.0", "0.0")]
    assert weekly.report["n_weeks_emptied"] == 1
    assert weekly.item("a")["n_missing"] == "1"


def test_same_week_is_not_missing_when_promotions_are_included(file: Path) -> None:
    rows = [f"{day(1)},a,3,False", f"{day(8)},a,5,True"]
    weekly = load(write(file, *filler(), *rows), include_promo=True)
    assert weekly.units("a") == ["3.0", "5.0"]
    assert weekly.report["n_weeks_emptied"] == 0


def test_missing_value_is_not_the_key_that_looks_like_one(file: Path) -> None:
    path = write(file, *filler(), rf"{day(1)},\N,3,True")
    load(path)
    line = (file.parent / "out of sales.csv" / "weekly.csv").read_text().splitlines()[0]
    assert line == r'7,"\N",2020-01-11,\N,3.0'


def test_share_of_promotions_is_reported_by_year(file: Path) -> None:
    rows = [f"2019-12-{n},a,6,False" for n in range(22, 29)] + [f"2019-12-{n},a,1,True" for n in range(22, 29)]
    rows += [f"2019-12-{n},a,1,False" for n in range(29, 32)] + [f"2020-01-0{n},a,1,False" for n in range(1, 5)]
    shares = load(write(file, *rows)).report["promo_share_by_year"]
    assert shares == {"2019": pytest.approx(1 / 7), "2020": 0.0}


# An item's life


def test_week_without_rows_within_the_life_is_zero(file: Path) -> None:
    weekly = load(write(file, *filler(21), f"{day(1)},a,3,False", f"{day(15)},a,4,False"))
    assert list(weekly.weeks["a"].values()) == [("3.0", "0.0"), ("0.0", "0.0"), ("4.0", "0.0")]
    assert weekly.report["n_weeks_zero"] == 1
    assert weekly.item("a")["n_missing"] == "0"


def test_life_begins_with_the_first_sale_and_ends_with_the_dataset(file: Path) -> None:
    weekly = load(write(file, *filler(21), f"{day(8)},a,4,False"))
    assert list(weekly.weeks["a"]) == list(SATURDAYS[1:])
    assert weekly.units("a") == ["4.0", "0.0"]
    row = weekly.item("a")
    assert (row["first_wk_end_dt"], row["last_sale_dt"], row["n_weeks"]) == ("2020-01-18", "2020-01-18", "2")


@pytest.mark.parametrize("units", ["0", "-2"])
def test_rows_before_the_first_sale_are_not_life(file: Path, units: str) -> None:
    weekly = load(write(file, *filler(21), f"{day(1)},a,{units},False", f"{day(8)},a,4,False"))
    assert list(weekly.weeks["a"]) == list(SATURDAYS[1:])


def test_life_may_begin_with_a_promotion(file: Path) -> None:
    weekly = load(write(file, *filler(), f"{day(1)},a,3,True", f"{day(8)},a,4,False"))
    assert weekly.units("a") == [r"\N", "4.0"]


def test_item_with_returns_only_lives_from_its_first_row(file: Path) -> None:
    weekly = load(write(file, *filler(21), f"{day(8)},a,-4,False"))
    assert weekly.units("a") == ["-4.0", "0.0"]
    assert weekly.item("a")["last_sale_dt"] == r"\N"


def test_returns_are_netted_within_the_week(file: Path) -> None:
    weekly = load(write(file, *filler(), f"{day(1)},a,10,False", f"{day(2)},a,-3,False", f"{day(8)},a,-1,False"))
    assert weekly.units("a") == ["7.0", "-1.0"]
    assert weekly.report["n_returns"] == 2


def test_rows_of_one_item_and_day_are_added_up(file: Path) -> None:
    weekly = load(write(file, *filler(), *[f"{day(3)},a,0.1,False"] * 3))
    assert weekly.units("a") == ["0.3", "0.0"]
    assert weekly.report["n_fractional"] == 3


def test_items_are_ranked_by_their_units_then_by_key(file: Path) -> None:
    rows = [f"{day(1)},{key},{units},False" for key, units in (("b", 5), ("c", 50), ("a", 5))]
    weekly = load(write(file, *filler(7), *rows))
    assert [(row["unique_id"], row["sales_rank"]) for row in weekly.items] == [
        ("c", "1"),
        ("every day", "2"),
        ("a", "3"),
        ("b", "4"),
    ]
    assert {row["dataset_id"] for row in weekly.items} == {"7"}


# Keys and columns


KEYS = ["00042", "42", "a,b", 'say "hi"', "it's", "😀", "Señal", "two\nlines", "NULL", "nan", r"\.", "=1+1", " x "]


def test_keys_are_kept_to_the_letter(file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(HEADER.split(","))
        writer.writerows([day(n), key, 2, ""] for key in KEYS for n in range(7))
    weekly = load(file)
    assert set(weekly.weeks) == set(KEYS)
    assert {row["unique_id"] for row in weekly.items} == set(KEYS)
    assert {weekly.units(key)[0] for key in KEYS} == {"14.0"}


@pytest.mark.parametrize(
    ("item", "sales"),
    [
        ("item no", "units sold"),
        ('the "item"', "it's sold"),
        ("item, number", "sales;"),
        ("d", "y"),
        ("unique_id", "flag"),
        ("artículo 😀", "c0"),
        ("{item}", "%s"),
        ("select", "--"),
    ],
)
def test_columns_may_have_any_name(file: Path, item: str, sales: str) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow([sales, "Tag", item])
        writer.writerows([3, day(n), "a"] for n in range(7))
    assert load(file, item=item, date="Tag", sales=sales, promo="none").units("a") == ["21.0"]


@pytest.mark.parametrize(
    "other", ["d", "D", "y", "flag", "is_promo", "wk_end_dt", "unique_id", "Date", "", "c1", "a'b"]
)
def test_other_columns_do_not_matter_whatever_their_name(file: Path, other: str) -> None:
    rows = [f"{n},{day(n)},a,3" for n in range(7)]
    assert load(write(file, *rows, header=f"{other},date,item_nbr,unit_sales")).units("a") == ["21.0"]


def test_promotion_column_may_be_mapped(file: Path) -> None:
    rows = [f"{day(n)},a,3,{int(n == 0)}" for n in range(7)]
    weekly = load(write(file, *rows, header="date,item_nbr,unit_sales,on deal"), promo="on deal")
    assert list(weekly.weeks["a"].values()) == [("18.0", "3.0")]


@pytest.mark.parametrize("text", ["2020-01-05", "2020-01-05 13:45:00"])
def test_date_may_carry_a_time(file: Path, text: str) -> None:
    assert load(write(file, *filler(7), f"{text},a,3,")).units("a") == ["3.0"]


# items.csv


def test_attributes_come_from_the_items_file_beside(file: Path) -> None:
    (file.parent / "items.csv").write_text(
        'item_nbr,family,class,perishable\n00042,"BREAD, BAKERY",2702,1\n7,DELI,2630,0\nunused,X,1,1\n'
    )
    weekly = load(write(file, *filler(7, "00042"), *filler(7, "7"), *filler(7, "unknown")))
    found = {row["unique_id"]: (row["family"], row["class"], row["is_perishable"]) for row in weekly.items}
    assert found == {
        "00042": ("BREAD, BAKERY", "2702", "true"),
        "7": ("DELI", "2630", "false"),
        "unknown": (r"\N", r"\N", r"\N"),
    }


@pytest.mark.parametrize("content", [None, "item_nbr,name\n7,x\n"], ids=["none", "of another kind"])
def test_without_an_items_file_of_favoritas_kind_there_are_no_attributes(file: Path, content: str | None) -> None:
    if content:
        (file.parent / "items.csv").write_text(content)
    assert load(write(file, *filler(7, "7"))).item("7")["family"] == r"\N"


def test_item_listed_twice_in_the_items_file_is_still_one_item(file: Path) -> None:
    (file.parent / "items.csv").write_text("item_nbr,family,class,perishable\n7,DELI,1,0\n7,DELI,1,0\n")
    weekly = load(write(file, *filler(7, "7")))
    assert len(weekly.items) == 1


# Forms of a file


def test_gzip_bom_and_line_ends_do_not_matter(tmp_path: Path) -> None:
    text = "\n".join([HEADER, *filler(), *PROMO_ROWS]) + "\n"
    forms = {
        "plain.csv": text.encode(),
        "gzip.csv.gz": gzip.compress(text.encode()),
        "bom.csv": b"\xef\xbb\xbf" + text.encode(),
        "crlf.csv": text.replace("\n", "\r\n").encode(),
        "open end.csv": text.rstrip("\n").encode(),
        "blank end.csv": text.encode() + b"\n\n",
        "quoted.csv": text.replace(HEADER, '"date","item_nbr","unit_sales","onpromotion"').encode(),
        "star*[1]{2}.csv": text.encode(),
    }
    found = []
    for name, content in forms.items():
        (tmp_path / name).write_bytes(content)
        weekly = load(tmp_path / name)
        assert weekly.report.pop("source") == name
        found.append(weekly)
    assert found == [found[0]] * len(forms)


@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz"])
def test_folder_stands_for_its_train_file(tmp_path: Path, name: str) -> None:
    text = "\n".join([HEADER, *filler()]) + "\n"
    content = gzip.compress(text.encode()) if name.endswith("gz") else text.encode()
    (tmp_path / name).write_bytes(content)
    assert find_source(str(tmp_path)) == tmp_path / name
    (tmp_path / "out").mkdir()
    files = make_weekly(IngestSpec(path=str(tmp_path), name="n"), 1, tmp_path / "out", "200MB", 1)
    assert files.report["n_rows"] == 14


def test_tilde_in_a_path_is_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "sales.csv", *filler())
    assert find_source("~/sales.csv") == tmp_path / "sales.csv"


def test_header_is_read_without_bom_and_with_quotes(file: Path) -> None:
    file.write_bytes(b'\xef\xbb\xbfdate,"a ""b"", c",x\r\n')
    assert read_header(file) == ["date", 'a "b", c', "x"]


def test_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    """Sums of fractions too, in whatever order the threads add them up."""
    rows = [f"{day(n % 28)},item {n % 7},{(n * 37 % 1000) / 7:.3f},{n % 5 == 0}" for n in range(20_000)]
    path = write(tmp_path / "sales.csv", *rows)
    contents = set()
    for number, threads in enumerate((1, 2, 4, 4)):
        folder = tmp_path / str(number)
        folder.mkdir()
        files = make_weekly(IngestSpec(path=str(path), name="n"), 7, folder, "200MB", threads)
        contents.add((files.items_csv.read_bytes(), files.weekly_csv.read_bytes()))
    assert len(contents) == 1


# Refusals


def refusal(path: Path, **options: Any) -> InputError:
    """The error of a file that is refused, which leaves nothing behind."""
    folder = path.parent / "out"
    folder.mkdir()
    with pytest.raises(InputError) as caught:
        make_weekly(IngestSpec(path=str(path), name="n", **options), 1, folder, "200MB", 2)
    assert list(folder.iterdir()) == []
    assert caught.value.hint
    return caught.value


def test_missing_file_is_told_with_its_path(tmp_path: Path) -> None:
    assert f"There is no file {tmp_path / 'none.csv'}." in refusal(tmp_path / "none.csv").message


def test_folder_without_a_train_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no train.csv" in refusal(tmp_path / "empty").message


def test_what_is_no_file_is_told() -> None:
    with pytest.raises(InputError, match="/dev/null is not a file"):
        find_source("/dev/null")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "sales.csv is empty."),
        (b"\n", "sales.csv has no header"),
        (HEADER.encode(), "sales.csv has a header and no rows."),
        (HEADER.encode() + b"\n\n", "sales.csv has a header and no rows."),
        (b"date,item_nbr,unit_sales,date\n2020-01-05,a,1,x\n", "sales.csv has no header of unique column names."),
        ("día,item_nbr\n".encode("latin-1"), "sales.csv is not UTF-8 text."),
        ("date,item_nbr\n".encode("utf-16"), "sales.csv is not UTF-8 text."),
    ],
    ids=["empty", "blank", "header only", "header and blank", "duplicate header", "latin-1 header", "utf-16"],
)
def test_file_without_header_or_rows_is_told_by_name(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    assert refusal(file).message.startswith(message)


def test_missing_columns_are_told_with_those_that_are_there(file: Path) -> None:
    error = refusal(write(file, "x,1", header="SKU,Qty"))
    assert error.message == (
        "sales.csv has no column 'item_nbr' (item) and no column 'date' (date) and no column 'unit_sales' (sales)."
    )
    assert "Its columns are SKU, Qty;" in error.hint
    assert "--map item=SKU" in error.hint


def test_mapped_column_that_is_not_there_is_told(file: Path) -> None:
    spec = IngestSpec(path=str(file), name="n", item="Item_nbr")
    with pytest.raises(InputError, match=r"no column 'Item_nbr' \(item\)\."):
        check_columns(write(file, *filler()), spec)


BAD_LINES = {
    "bad date": ("2020-13-01,a,1,", "date is not a date"),
    "date of another country": ("05/01/2020,a,1,", "date is not a date"),
    "text in units": ("2020-01-05,a,many,", "unit_sales is not a number"),
    "thousands": ('2020-01-05,a,"1,000",', "unit_sales is not a number"),
    "decimal comma": ('2020-01-05,a,"1,5",', "unit_sales is not a number"),
    "too few columns": ("2020-01-05,a,1", "does not fit the header (missing columns)"),
    "too many columns": ("2020-01-05,a,1,,x", "does not fit the header (too many columns)"),
    "unclosed quote": ('2020-01-05,"a,1,', "does not fit the header (unquoted value)"),
}


@pytest.mark.parametrize(("bad", "why"), BAD_LINES.values(), ids=BAD_LINES)
@pytest.mark.parametrize("position", [0, 5, 14])
def test_bad_line_is_told_with_file_line_and_reason(file: Path, bad: str, why: str, position: int) -> None:
    rows = filler()
    rows.insert(position, bad)
    error = refusal(write(file, *rows))
    assert error.message.startswith(f"sales.csv, line {position + 2}: ")
    assert why in error.message
    assert f"in {bad!r}"[:-1] in error.message
    assert "Bad lines in all: 1." in error.message


@pytest.mark.parametrize("name", ["crlf.csv", "packed.csv.gz"])
def test_bad_line_is_counted_the_same_in_every_form(tmp_path: Path, name: str) -> None:
    text = "\n".join([HEADER, *filler(), "2020-13-01,a,1,"]) + "\n"
    content = gzip.compress(text.encode()) if name.endswith("gz") else text.replace("\n", "\r\n").encode()
    (tmp_path / name).write_bytes(content)
    expected = f"{name}, line 16: date is not a date, in '2020-13-01,a,1,'. Bad lines in all: 1."
    assert refusal(tmp_path / name).message == expected


def test_first_of_many_bad_lines_is_told_and_each_is_counted_once(file: Path) -> None:
    rows = [*filler(), "yesterday,a,many,", *filler(), *["2020-01-05,a,many,"] * 300]
    message = refusal(write(file, *rows)).message
    assert message.startswith("sales.csv, line 16: date is not a date, in 'yesterday,a,many,'.")
    assert message.endswith("Bad lines in all: 301.")


def test_more_bad_lines_than_memory_should_hold_are_counted_as_at_least(file: Path) -> None:
    message = refusal(write(file, *filler(), *["05/01/2020,a,1,"] * 50_000)).message
    assert re.search(r"Bad lines in all: at least [\d,]+\.$", message)


def test_life_begins_with_a_first_sale_in_the_partial_first_week(file: Path, tmp_path: Path) -> None:
    rows = ["2020-01-02,early,1,", "2020-01-28,early,2,", *(f"{day(n)},other,1," for n in range(28))]
    files = make_weekly(IngestSpec(path=str(write(file, *rows)), name="n"), 1, tmp_path, "500MB", 1)
    weeks = [line.split(",")[2:4] for line in files.weekly_csv.read_text().splitlines() if ",early," in line]
    assert weeks == [["2020-01-11", "0.0"], ["2020-01-18", "0.0"], ["2020-01-25", "0.0"], ["2020-02-01", "2.0"]]


def test_reason_names_the_column_of_the_file_and_not_the_role(file: Path) -> None:
    rows = [*(f"{day(n)},a,1" for n in range(7)), "2020-01-05,a,many"]
    error = refusal(write(file, *rows, header="Tag,SKU,the 'sum'"), date="Tag", item="SKU", sales="the 'sum'")
    assert "line 9: the 'sum' is not a number" in error.message


def test_long_bad_line_is_cut(file: Path) -> None:
    assert len(refusal(write(file, *filler(), f"2020-01-05,{'x' * 5_000},many,")).message) < 400


def test_text_in_another_encoding_is_told(file: Path) -> None:
    file.write_bytes("\n".join([HEADER, *filler(), "2020-01-05,Señal,1,"]).encode("latin-1"))
    assert refusal(file).message == "sales.csv is not UTF-8 text."


def test_bytes_that_are_no_text_far_down_are_told(file: Path) -> None:
    rows = "\n".join([HEADER, *filler(), *["2020-01-05,a,1,"] * 50_000]).encode()
    file.write_bytes(rows + b"\n2020-01-05,\xff\xfe,1,\n")
    assert refusal(file).message.startswith("sales.csv, line 50016: ")


@pytest.mark.parametrize("units", ["inf", "-inf", "nan", "1e999", "1e13", ""])
def test_units_that_are_no_finite_number_are_refused(file: Path, units: str) -> None:
    message = refusal(write(file, *filler(), f"2020-01-05,a,{units},")).message
    assert message == "sales.csv: 1 of 15 rows lack a usable item, date or number of units."


@pytest.mark.parametrize(
    "row", [",a,1,", "2020-01-05,,1,", '2020-01-05,"",1,', f"2020-01-05,{'k' * 501},1,", "2020-01-05,a\0b,1,"]
)
def test_row_without_item_or_date_is_refused(file: Path, row: str) -> None:
    message = refusal(write(file, *filler(), row)).message
    assert message == "sales.csv: 1 of 15 rows lack a usable item, date or number of units."


@pytest.mark.parametrize("when", ["infinity", "-infinity", "0044-03-15 (BC)", "12020-01-05"])
def test_date_that_is_on_no_calendar_is_refused(file: Path, when: str) -> None:
    assert "1 of 15 rows" in refusal(write(file, *filler(), f"{when},a,1,")).message


@pytest.mark.parametrize("when", ["1820-01-05", "1820-01-08", "2121-01-05", "9999-12-31"])
def test_more_than_a_century_is_taken_for_a_mistyped_year(file: Path, when: str) -> None:
    error = refusal(write(file, *filler(), f"{when},a,1,"))
    assert error.message.startswith("sales.csv spans ")
    assert when in error.message
    assert "mistyped year" in error.hint


def test_file_without_a_whole_week_is_refused_with_its_span(file: Path) -> None:
    error = refusal(write(file, *filler(13)[1:]))
    assert error.message == "sales.csv covers no whole week: 2020-01-06 to 2020-01-17."
    assert "Weeks end on SAT" in error.hint


def test_same_days_are_a_whole_week_when_it_ends_on_another_day(file: Path) -> None:
    assert load(write(file, *filler(13)[1:]), week_end="SUN").units("every day") == ["7.0"]


@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"x" * 10_000)[:-12], b"\x1f\x8b\x08", b"date,item_nbr\n", gzip.compress(b"")],
    ids=["cut off", "header only", "not packed", "nothing in it"],
)
def test_broken_gzip_is_told_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "sales.csv.gz").write_bytes(content)
    assert refusal(tmp_path / "sales.csv.gz").message.startswith("sales.csv.gz ")


def test_gzip_that_is_cut_off_far_down_is_told_by_name(tmp_path: Path) -> None:
    text = "\n".join([HEADER, *filler(14, "a"), *[f"2020-01-05,{n},1," for n in range(200_000)]])
    (tmp_path / "sales.csv.gz").write_bytes(gzip.compress(text.encode(), 1)[:-5_000])
    assert refusal(tmp_path / "sales.csv.gz").message.startswith("sales.csv.gz cannot be read: ")


@pytest.mark.parametrize(
    "content",
    [b"", b"item_nbr,family,class,perishable\na,DELI,1\n", b"item_nbr,family,class,perishable\na,D\xe9LI,1,0\n"],
    ids=["empty", "too few columns", "latin-1"],
)
def test_broken_items_file_is_told_by_its_own_name(file: Path, content: bytes) -> None:
    (file.parent / "items.csv").write_bytes(content)
    assert refusal(write(file, *filler())).message.startswith("items.csv ")


# Real data


def weekly_by_pandas(path: Path, include_promo: bool) -> pd.DataFrame:
    """The rules of a week, told a second time: `item, week, units, promo` of every whole week of an item's life."""
    rows = pd.read_csv(path, dtype={"item_nbr": str, "onpromotion": str}, parse_dates=["date"])
    flags = rows.get("onpromotion", pd.Series("", index=rows.index))
    rows["is_promo"] = flags.isin(["True", "1.0", "1"])
    rows["week"] = rows["date"] + pd.to_timedelta((5 - rows["date"].dt.dayofweek) % 7, unit="D")
    is_whole = (rows["week"] - pd.Timedelta(days=6) >= rows["date"].min()) & (rows["week"] <= rows["date"].max())
    sold = rows[rows["unit_sales"] > 0].groupby("item_nbr")["week"].min()
    first = sold.combine_first(rows.groupby("item_nbr")["week"].min()).rename("first").rename_axis("item_nbr")
    rows = rows[is_whole]
    first = first[first.index.isin(rows["item_nbr"])]
    calendar = pd.DataFrame({"week": pd.date_range(rows["week"].min(), rows["week"].max(), freq="7D")})
    lives = first.reset_index().merge(calendar, how="cross")
    keys = ["item_nbr", "week"]
    sums = rows.pivot_table(index=keys, columns="is_promo", values="unit_sales", aggfunc="sum")
    sums = sums.reindex(columns=[False, True]).set_axis(["base", "promo"], axis=1)
    weeks = lives[lives["week"] >= lives["first"]].join(sums, on=keys)
    is_there = pd.MultiIndex.from_frame(weeks[keys]).isin(sums.index)
    promo = weeks["promo"].fillna(0)
    units = weeks["base"].fillna(0) + promo if include_promo else weeks["base"].where(is_there, 0.0)
    return pd.DataFrame({"item": weeks["item_nbr"], "week": weeks["week"], "units": units, "promo": promo})


REAL = {
    "guayas_35items_2013_2014.csv": (35, 64),
    "train_10stores_200items_2016.csv": (200, 17),
    "random_rows_100k.csv": (None, None),
}


@pytest.mark.parametrize(("name", "size"), REAL.items(), ids=list(REAL))
@pytest.mark.parametrize("include_promo", [False, True])
def test_weeks_of_real_data_equal_those_of_pandas(
    tmp_path: Path, name: str, size: tuple[int | None, int | None], include_promo: bool
) -> None:
    source = FAVORITA / name
    if not source.exists():
        pytest.skip(f"no ../shared/data/favorita/{name}")
    spec = IngestSpec(path=str(source), name="n", include_promo=include_promo)
    files = make_weekly(spec, 1, tmp_path, "500MB", 2)
    columns = ["dataset", "item", "week", "units", "promo"]
    found = pd.read_csv(
        files.weekly_csv, names=columns, dtype={"item": str}, parse_dates=["week"], na_values=["\\N"]
    ).drop(columns="dataset")
    expected = weekly_by_pandas(source, include_promo)
    order = ["item", "week"]
    pd.testing.assert_frame_equal(
        found.sort_values(order, ignore_index=True), expected.sort_values(order, ignore_index=True), check_dtype=False
    )
    report = files.report
    assert report["n_weeks_emptied"] == found["units"].isna().sum()
    assert math.isclose(report["total_units"], expected["units"].sum(), rel_tol=1e-9)
    if size[0]:
        assert (report["n_items"], report["n_weeks"]) == size


def test_attributes_of_real_items_are_found(tmp_path: Path) -> None:
    source = FAVORITA / "guayas_35items_2013_2014.csv"
    if not (FAVORITA / "items.csv").exists():
        pytest.skip("no ../shared/data/favorita/items.csv")
    weekly = read_back(make_weekly(IngestSpec(path=str(source), name="n"), 1, tmp_path, "500MB", 2))
    known = pd.read_csv(FAVORITA / "items.csv", dtype=str).set_index("item_nbr")
    assert len(weekly.items) == 35
    for row in weekly.items:
        attributes = known.loc[row["unique_id"]]
        assert (row["family"], row["class"]) == (attributes["family"], attributes["class"])
        assert row["is_perishable"] == ("true" if attributes["perishable"] == "1" else "false")
