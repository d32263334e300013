"""Rules of a week on small files: whole weeks, promotions, an item's first sale, keys, attributes, row filters."""

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest

from fcst.names import WEEKDAYS
from tests.unit.ingest.conftest import (
    HEADER,
    SATURDAYS,
    SUNDAY,
    day,
    filler,
    load,
    make,
    refusal,
    sales_of,
    write,
)

# Whole weeks


def test_week_ends_on_saturday(file: Path) -> None:
    rows = [f"{day(n)},a,{10**n if n < 7 else 1}," for n in range(14)]
    weekly = load(write(file, *rows))
    assert weekly.weeks == {"a": {"2020-01-11": ("1111111.0", "0.0"), "2020-01-18": ("7.0", "0.0")}}


@pytest.mark.few(2)
@pytest.mark.parametrize("week_end", WEEKDAYS)
def test_week_may_end_on_any_day(file: Path, week_end: str) -> None:
    weekly = load(write(file, *filler(28)), week_end=week_end)
    ends = [date.fromisoformat(week) for week in weekly.weeks["every day"]]
    assert {f"{end:%a}".upper() for end in ends} == {week_end}
    assert set(weekly.units("every day")) == {"7.0"}
    assert ends == [ends[0] + timedelta(weeks=n) for n in range(4 if week_end == "SAT" else 3)]
    assert SUNDAY + timedelta(days=6) <= ends[0] < SUNDAY + timedelta(days=13)


@pytest.mark.few(2)
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
def test_partial_first_and_last_week_are_dropped(file: Path, first: int, last: int, weeks: tuple[str, ...]) -> None:
    weekly = load(write(file, *filler(last + 1)[first:]))
    assert tuple(weekly.weeks["every day"]) == weeks
    report = weekly.report
    assert (str(report.first_day), str(report.last_day)) == (day(first), day(last))
    assert (str(report.first_wk_end_dt), str(report.last_wk_end_dt)) == (weeks[0], weeks[-1])
    assert (report.n_weeks, report.total_units) == (len(weeks), 7.0 * len(weeks))
    assert report.n_rows == last - first + 1


def test_item_with_sales_only_in_partial_weeks_is_dropped_and_counted(file: Path) -> None:
    weekly = load(write(file, *filler(15), f"{day(14)},late,5,False"))
    assert set(weekly.weeks) == {"every day"}
    assert (weekly.report.n_items_read, weekly.report.n_items) == (2, 1)


def test_file_without_a_whole_week_is_refused(file: Path) -> None:
    error = refusal(write(file, *filler(13)[1:]))
    assert error.message == "sales.csv has no whole week: it covers 2020-01-06 to 2020-01-17."
    assert "Weeks end on SAT" in error.hint


def test_week_ending_day_decides_which_weeks_are_whole(file: Path) -> None:
    assert load(write(file, *filler(13)[1:]), week_end="SUN").units("every day") == ["7.0"]


# Weekly data


def weekly_rows(weekday: int, n_weeks: int = 4, key: str = "a") -> list[str]:
    """One row per week, on one weekday; 0 is a Sunday."""
    return [f"{day(7 * n + weekday)},{key},{n + 1}," for n in range(n_weeks)]


@pytest.mark.few(2)
@pytest.mark.parametrize(("weekday", "week_end"), list(enumerate(WEEKDAYS)))
def test_rows_on_one_weekday_are_weekly_data(file: Path, weekday: int, week_end: str) -> None:
    weekly = load(write(file, *weekly_rows(weekday)))
    assert list(weekly.weeks["a"]) == [day(7 * n + weekday) for n in range(4)]
    assert weekly.units("a") == ["1.0", "2.0", "3.0", "4.0"]
    assert weekly.spec.week_end == week_end
    report = weekly.report
    assert report.is_weekly is True
    assert report.dropped.first_week == report.dropped.last_week == 0
    assert (str(report.first_wk_end_dt), str(report.last_wk_end_dt)) == (day(weekday), day(21 + weekday))


@pytest.mark.few(2)
@pytest.mark.parametrize("week_end", WEEKDAYS)
def test_weekly_data_keep_all_weeks_with_a_given_week_ending_day(file: Path, week_end: str) -> None:
    weekly = load(write(file, *weekly_rows(1)), week_end=week_end)
    ends = [date.fromisoformat(week) for week in weekly.weeks["a"]]
    assert {f"{end:%a}".upper() for end in ends} == {weekly.spec.week_end} == {week_end}
    assert [(end - date.fromisoformat(day(7 * n + 1))).days in range(7) for n, end in enumerate(ends)] == [True] * 4
    assert weekly.units("a") == ["1.0", "2.0", "3.0", "4.0"]


def test_gap_in_weekly_data_is_zero(file: Path) -> None:
    rows = weekly_rows(1)
    assert load(write(file, rows[0], *rows[2:])).units("a") == ["1.0", "0.0", "3.0", "4.0"]


def test_data_with_a_row_on_another_weekday_are_not_weekly(file: Path) -> None:
    weekly = load(write(file, *weekly_rows(1), f"{day(9)},b,1,"))
    assert weekly.report.is_weekly is False
    assert list(weekly.weeks["a"]) == ["2020-01-18", "2020-01-25"]


def test_single_day_is_not_a_week(file: Path) -> None:
    assert "has no whole week" in refusal(write(file, *weekly_rows(1, 1))).message


def test_weekly_data_may_have_several_items_and_stores(file: Path) -> None:
    rows = [f"{row.removesuffix(',')},{store}" for key in "ab" for row in weekly_rows(4, key=key) for store in (1, 2)]
    weekly = load(write(file, *rows, header="date,item_nbr,unit_sales,store_nbr"))
    assert (weekly.units("a"), weekly.units("b")) == (["2.0", "4.0", "6.0", "8.0"],) * 2
    assert weekly.report.duplicates.n == 0


# Promotions


PROMO_ROWS = [f"{day(1)},a,10,False", f"{day(2)},a,4,True", f"{day(8)},a,5,", f"{day(9)},a,6,true"]


def test_promotional_rows_are_excluded_and_reported_separately(file: Path) -> None:
    weekly = load(write(file, *filler(), *PROMO_ROWS))
    assert list(weekly.weeks["a"].values()) == [("10.0", "4.0"), ("5.0", "6.0")]
    assert weekly.item("a")["total_units"] == "15.0"
    assert (weekly.report.n_promo, weekly.report.n_flag_missing) == (2, 1)


def test_promotional_rows_are_included_on_request(file: Path) -> None:
    weekly = load(write(file, *filler(), *PROMO_ROWS), include_promo=True)
    assert list(weekly.weeks["a"].values()) == [("14.0", "4.0"), ("11.0", "6.0")]


def test_file_without_a_flag_has_no_promotions(file: Path) -> None:
    rows = [f"{day(n)},a,2" for n in range(7)]
    weekly = load(write(file, *rows, header="date,item_nbr,unit_sales"))
    assert weekly.units("a") == ["14.0"]
    assert weekly.report.has_promo_column is False
    assert weekly.report.n_promo == 0


@pytest.mark.few(3)
@pytest.mark.parametrize("flag", ["True", "TRUE", "t", "yes", "Y", "1", "1.0", " true "])
def test_flag_is_read_as_promoted(file: Path, flag: str) -> None:
    weekly = load(write(file, *filler(), f"{day(1)},a,3,False", f"{day(1)},a,5,{flag}"))
    assert weekly.weeks["a"]["2020-01-11"] == ("3.0", "5.0")
    assert weekly.report.n_flag_unknown == 0


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("flag", "counted"),
    [("False", None), ("f", None), ("no", None), ("0", None), ("0.0", None)]
    + [("", "n_flag_missing"), ("  ", "n_flag_missing"), ("2", "n_flag_unknown"), ("perhaps", "n_flag_unknown")],
)
def test_flag_is_read_as_not_promoted(file: Path, flag: str, counted: str | None) -> None:
    weekly = load(write(file, *filler(), f"{day(1)},a,5,{flag}"))
    assert weekly.weeks["a"]["2020-01-11"] == ("5.0", "0.0")
    counts = {name: getattr(weekly.report, name) for name in ("n_flag_missing", "n_flag_unknown")}
    assert counts == {name: int(name == counted) for name in counts}


def test_week_with_promotional_rows_only_is_missing(file: Path) -> None:
    weekly = load(write(file, *filler(21), f"{day(1)},a,3,False", f"{day(8)},a,5,True", f"{day(15)},a,4,False"))
    assert list(weekly.weeks["a"].values()) == [("3.0", "0.0"), (r"\N", "5.0"), ("4.0", "0.0")]
    assert weekly.report.n_weeks_emptied == 1
    assert weekly.item("a")["n_missing"] == "1"


def test_week_is_not_missing_when_promotions_are_included(file: Path) -> None:
    rows = [f"{day(1)},a,3,False", f"{day(8)},a,5,True"]
    weekly = load(write(file, *filler(), *rows), include_promo=True)
    assert weekly.units("a") == ["3.0", "5.0"]
    assert weekly.report.n_weeks_emptied == 0


def test_key_that_looks_like_a_missing_value_is_kept(file: Path) -> None:
    files = make(file.parent, write(file, *filler(), rf"{day(1)},\N,3,True"))
    assert files.items_csv.read_text().splitlines()[1].startswith(r'7,"\N",2,')
    assert sales_of(files)[0]["unique_id"] == r"\N"


def test_share_of_promotions_is_reported_by_year(file: Path) -> None:
    rows = [f"2019-12-{n},a,6,False" for n in range(22, 29)] + [f"2019-12-{n},a,1,True" for n in range(22, 29)]
    rows += [f"2019-12-{n},a,1,False" for n in range(29, 32)] + [f"2020-01-0{n},a,1,False" for n in range(1, 5)]
    shares = load(write(file, *rows)).report.promo_share_by_year
    assert shares == {"2019": pytest.approx(1 / 7), "2020": 0.0}


# An item's first sale


def test_week_without_rows_after_the_first_sale_is_zero(file: Path) -> None:
    weekly = load(write(file, *filler(21), f"{day(1)},a,3,False", f"{day(15)},a,4,False"))
    assert list(weekly.weeks["a"].values()) == [("3.0", "0.0"), ("0.0", "0.0"), ("4.0", "0.0")]
    assert weekly.report.n_weeks_zero == 1
    assert weekly.item("a")["n_missing"] == "0"


def test_series_begins_with_the_first_sale_and_ends_with_the_dataset(file: Path) -> None:
    weekly = load(write(file, *filler(21), f"{day(8)},a,4,False"))
    assert list(weekly.weeks["a"]) == list(SATURDAYS[1:])
    assert weekly.units("a") == ["4.0", "0.0"]
    row = weekly.item("a")
    assert (row["first_wk_end_dt"], row["last_sale_dt"], row["n_weeks"]) == ("2020-01-18", "2020-01-18", "2")


@pytest.mark.parametrize("units", ["0", "-2"])
def test_rows_before_the_first_sale_are_not_in_the_series(file: Path, units: str) -> None:
    weekly = load(write(file, *filler(21), f"{day(1)},a,{units},False", f"{day(8)},a,4,False"))
    assert list(weekly.weeks["a"]) == list(SATURDAYS[1:])


def test_series_may_begin_with_a_promotion(file: Path) -> None:
    weekly = load(write(file, *filler(), f"{day(1)},a,3,True", f"{day(8)},a,4,False"))
    assert weekly.units("a") == [r"\N", "4.0"]


def test_first_sale_may_be_in_the_partial_first_week(file: Path) -> None:
    rows = ["2020-01-02,early,1,", "2020-01-28,early,2,", *(f"{day(n)},other,1," for n in range(28))]
    weekly = load(write(file, *rows))
    assert list(weekly.weeks["early"]) == ["2020-01-11", "2020-01-18", "2020-01-25", "2020-02-01"]
    assert weekly.units("early") == ["0.0", "0.0", "0.0", "2.0"]


@pytest.mark.parametrize("units", ["0", "-2"])
def test_item_with_its_first_sale_in_the_partial_last_week_begins_with_its_first_row(file: Path, units: str) -> None:
    weekly = load(write(file, *filler(23), f"{day(8)},a,{units},False", f"{day(22)},a,4,False"))
    assert list(weekly.weeks["a"]) == list(SATURDAYS[1:])
    assert weekly.units("a") == [f"{float(units)}", "0.0"]
    assert weekly.item("a")["last_sale_dt"] == r"\N"


def test_item_with_returns_only_begins_with_its_first_row(file: Path) -> None:
    weekly = load(write(file, *filler(21), f"{day(8)},a,-4,False"))
    assert weekly.units("a") == ["-4.0", "0.0"]
    assert weekly.item("a")["last_sale_dt"] == r"\N"


def test_returns_are_netted_within_the_week(file: Path) -> None:
    weekly = load(write(file, *filler(), f"{day(1)},a,10,False", f"{day(2)},a,-3,False", f"{day(8)},a,-1,False"))
    assert weekly.units("a") == ["7.0", "-1.0"]
    assert weekly.report.n_returns == 2


def test_dropped_returns_are_counted(file: Path) -> None:
    rows = [f"{day(1)},a,10,False", f"{day(2)},a,-3,False", f"{day(3)},a,-2,True", f"{day(8)},a,-1,False"]
    weekly = load(write(file, *filler(), *rows), returns="drop")
    assert list(weekly.weeks["a"].values()) == [("10.0", "0.0"), ("0.0", "0.0")]
    report = weekly.report
    assert (report.n_returns, report.dropped.returns, report.n_kept) == (3, 3, 15)
    assert report.units.returned_units == -6.0


def test_item_with_returns_only_has_zero_units_when_they_are_dropped(file: Path) -> None:
    weekly = load(write(file, *filler(), f"{day(1)},a,-4,False"), returns="drop")
    assert weekly.units("a") == ["0.0", "0.0"]


def test_week_with_a_promotion_and_a_dropped_return_is_missing(file: Path) -> None:
    rows = [f"{day(1)},a,3,False", f"{day(8)},a,5,True", f"{day(9)},a,-1,False"]
    assert load(write(file, *filler(), *rows), returns="drop").units("a") == ["3.0", r"\N"]
    assert load(file).units("a") == ["3.0", "-1.0"]


def test_rows_of_one_item_and_day_are_summed(file: Path) -> None:
    weekly = load(write(file, *filler(), *[f"{day(3)},a,0.1,False"] * 3))
    assert weekly.units("a") == ["0.3", "0.0"]
    assert weekly.report.n_fractional == 3


def test_items_are_ranked_by_units_then_by_key(file: Path) -> None:
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


def test_keys_are_kept_unchanged(file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(HEADER.split(","))
        writer.writerows([day(n), key, 2, ""] for key in KEYS for n in range(7))
    weekly = load(file)
    assert set(weekly.weeks) == set(KEYS)
    assert {row["unique_id"] for row in weekly.items} == set(KEYS)
    assert {weekly.units(key)[0] for key in KEYS} == {"14.0"}


@pytest.mark.few(3)
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
    mapping = {"item": [item], "date": ["Tag"], "sales": [sales], "promo": []}
    assert load(file, mapping=mapping).units("a") == ["21.0"]


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "other", ["d", "D", "y", "flag", "is_promo", "wk_end_dt", "unique_id", "Date", "", "c1", "a'b"]
)
def test_names_of_unmapped_columns_do_not_matter(file: Path, other: str) -> None:
    rows = [f"{n},{day(n)},a,3" for n in range(7)]
    mapping = {"item": ["item_nbr"], "date": ["date"], "sales": ["unit_sales"], "promo": []}
    path = write(file, *rows, header=f"{other},date,item_nbr,unit_sales")
    assert load(path, mapping=mapping).units("a") == ["21.0"]


def test_promotion_column_may_be_mapped(file: Path) -> None:
    rows = [f"{day(n)},a,3,{int(n == 0)}" for n in range(7)]
    path = write(file, *rows, header="date,item_nbr,unit_sales,cheap")
    weekly = load(path, mapping={"promo": ["cheap"]})
    assert list(weekly.weeks["a"].values()) == [("18.0", "3.0")]


@pytest.mark.parametrize("text", ["2020-01-05", "2020-01-05 13:45:00"])
def test_date_may_have_a_time(file: Path, text: str) -> None:
    assert load(write(file, *filler(7), f"{text},a,3,")).units("a") == ["3.0"]


# Item keys from several columns


JOINED = "date,store_nbr,item_nbr,unit_sales"


def test_item_key_from_two_columns(file: Path) -> None:
    rows = [f"{day(n)},{store},105574,{store}" for n in range(7) for store in (24, 25)]
    weekly = load(write(file, *rows, header=JOINED), mapping={"item": ["store_nbr", "item_nbr"]})
    assert weekly.weeks == {
        "24|105574": {SATURDAYS[0]: ("168.0", "0.0")},
        "25|105574": {SATURDAYS[0]: ("175.0", "0.0")},
    }
    assert weekly.spec.mapping["item"] == ["store_nbr", "item_nbr"]
    assert weekly.report.duplicates.n == 0


def test_key_parts_have_the_order_of_the_mapping(file: Path) -> None:
    path = write(file, *(f"{day(n)},24,105574,1" for n in range(7)), header=JOINED)
    assert set(load(path, mapping={"item": ["item_nbr", "store_nbr"]}).weeks) == {"105574|24"}


def test_colliding_joined_keys_are_refused(file: Path) -> None:
    rows = [f"{day(n)},{store},{item},1" for n in range(7) for store, item in (("a|b", "c"), ("a", "b|c"))]
    error = refusal(write(file, *rows, header=JOINED), mapping={"item": ["store_nbr", "item_nbr"]})
    assert error.message == "Different items have the same key when their columns are joined with '|'."
    assert "single column" in error.hint


def test_separator_in_a_single_column_key_is_kept(file: Path) -> None:
    assert load(write(file, *filler(7, "a|b"))).units("a|b") == ["7.0"]


def test_empty_key_part_is_reported_with_its_column(file: Path) -> None:
    rows = [f"{day(n)},24,a,1" for n in range(7)] + [f"{day(1)},,a,1"]
    error = refusal(write(file, *rows, header=JOINED), mapping={"item": ["store_nbr", "item_nbr"]})
    assert "line 9: store_nbr is empty." in error.message


# items.csv


def test_attributes_come_from_the_items_file(file: Path) -> None:
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
def test_no_attributes_without_a_matching_items_file(file: Path, content: str | None) -> None:
    if content:
        (file.parent / "items.csv").write_text(content)
    assert load(write(file, *filler(7, "7"))).item("7")["family"] == r"\N"


def test_item_twice_in_the_items_file_is_one_item(file: Path) -> None:
    (file.parent / "items.csv").write_text("item_nbr,family,class,perishable\n7,DELI,1,0\n7,DELI,1,0\n")
    weekly = load(write(file, *filler(7, "7")))
    assert len(weekly.items) == 1


def test_items_file_with_text_keys(file: Path) -> None:
    (file.parent / "items.csv").write_text("sku;category;description\nA 1;TOOLS;A hammer\n")
    row = load(write(file, *filler(7, "A 1"))).item("A 1")
    assert (row["family"], row["description"], row["class"]) == ("TOOLS", "A hammer", r"\N")


def test_attributes_come_from_the_sales_without_an_items_file(file: Path) -> None:
    rows = [f"{day(n)},a,1,DELI,7,{n % 2},Ham" for n in range(7)]
    row = load(write(file, *rows, header="date,item_nbr,unit_sales,family,class,perishable,description")).item("a")
    assert (row["family"], row["class"], row["description"]) == ("DELI", "7", "Ham")


def test_attribute_in_most_weeks_is_used(file: Path) -> None:
    rows = [f"{day(n)},a,1,{'OLD' if n < 7 else 'NEW'}" for n in range(21)]
    assert load(write(file, *rows, header="date,item_nbr,unit_sales,family")).item("a")["family"] == "NEW"


def test_items_file_overrides_the_sales(file: Path) -> None:
    (file.parent / "items.csv").write_text("item_nbr,family\na,OF THE FILE\n")
    rows = [f"{day(n)},a,1,OF THE SALES,7" for n in range(7)]
    row = load(write(file, *rows, header="date,item_nbr,unit_sales,family,class")).item("a")
    assert (row["family"], row["class"]) == ("OF THE FILE", "7")


# Row filters


FILTERED = "date,item_nbr,store_nbr,unit_sales"


@pytest.fixture
def stores(file: Path) -> Path:
    """Sales of two items in three stores; store 1 sells one a day, store 2 ten, store 3 a hundred."""
    (file.parent / "stores.csv").write_text("store_nbr,city,type\n1,Quito,A\n2,Quito,B\n3,Guayaquil,B\n")
    (file.parent / "items.csv").write_text("item_nbr,family\na,DELI\nb,BREAD\n")
    rows = [f"{day(n)},{item},{store},{10 ** (store - 1)}" for n in range(7) for item in "ab" for store in (1, 2, 3)]
    return write(file, *rows, header=FILTERED)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("where", "units"),
    [
        ([("store_nbr", "2")], {"a": "70.0", "b": "70.0"}),
        ([("store_nbr", "1"), ("store_nbr", "3")], {"a": "707.0", "b": "707.0"}),
        ([("city", "Quito")], {"a": "77.0", "b": "77.0"}),
        ([("city", "Quito"), ("type", "B")], {"a": "70.0", "b": "70.0"}),
        ([("family", "DELI")], {"a": "777.0"}),
        ([("family", "DELI"), ("city", "Guayaquil"), ("item_nbr", "a")], {"a": "700.0"}),
    ],
    ids=["column", "either value", "column of stores.csv", "two columns", "column of items.csv", "of all three"],
)
def test_only_rows_that_pass_the_filter_are_read(
    stores: Path, where: list[tuple[str, str]], units: dict[str, str]
) -> None:
    weekly = load(stores, where=tuple(where))
    assert {key: weekly.units(key)[0] for key in weekly.weeks} == units
    report = weekly.report
    assert report.n_rows == 42
    assert report.n_kept == 42 - report.n_filtered == 42 - report.dropped.filtered


def test_filter_without_a_match_is_refused(stores: Path) -> None:
    assert refusal(stores, where=(("city", "Lima"),)).message == "No row of sales.csv passes the filter."


def test_filter_by_an_unknown_column_is_refused_with_the_known_ones(stores: Path) -> None:
    error = refusal(stores, where=(("town", "Quito"),))
    assert error.message == "sales.csv has no column 'town' to filter by."
    assert "date, item_nbr, store_nbr, unit_sales" in error.hint


def test_bad_row_dropped_by_the_filter_is_not_reported(stores: Path) -> None:
    with stores.open("a") as out:
        out.write(f"yesterday,a,3,1\n{day(1)},,3,1\n{day(1)},a,3,many\n")
    weekly = load(stores, where=(("city", "Quito"),))
    assert weekly.report.bad_rows.n == 0
    assert "line 44: date is not a valid date" in refusal(stores, where=(("city", "Guayaquil"),)).message


def test_filter_values_must_match_exactly(file: Path) -> None:
    rows = [f"{day(n)},a,{store},1" for n in range(7) for store in ("O'Brien", "o'brien", "O'Brien ")]
    path = write(file, *rows, header=FILTERED)
    assert load(path, where=(("store_nbr", "O'Brien"),)).units("a") == ["7.0"]


# Determinism


def test_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    """Also sums of fractions, regardless of the order of threads."""
    rows = [f"{day(n % 28)},item {n % 7},{(n * 37 % 1000) / 7:.3f},{n % 5 == 0}" for n in range(20_000)]
    path = write(tmp_path / "sales.csv", *rows)
    contents = set()
    for threads in (1, 2, 4, 4):
        files = make(tmp_path, path, threads=threads)
        contents.add((files.items_csv.read_bytes(), files.sales.read_bytes(), files.totals_csv.read_bytes()))
    assert len(contents) == 1
