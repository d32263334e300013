"""Proposals: column roles and formats by names, by values, and as set by the user."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from fcst.ingest.column_roles import recognise_roles
from fcst.ingest.date_texts import DATE_FORMATS, find_date_format
from fcst.ingest.number_texts import find_decimal
from fcst.ingest.periods import find_periods
from fcst.ingest.recognisers import propose
from fcst.names import WEEKDAYS
from fcst.specs import WIDE
from tests.unit.ingest.conftest import day, filler, load, refusal, write

FAVORITA = "id,date,store_nbr,item_nbr,unit_sales,onpromotion"
SAMPLE = {
    "date": ("2020-01-05", "2020-01-06", "2020-01-07"),
    "item": ("a", "b", "a"),
    "sales": ("1", "2.5", "-3"),
}


def proposed(header: str, *rows: str, **given: list[str]):
    columns = header.split(",")
    cells = [tuple(cell or None for cell in row.split(",")) for row in rows]
    return propose(columns, ["VARCHAR"] * len(columns), cells, given)


# Names


@pytest.mark.parametrize(
    ("header", "roles"),
    [
        (
            FAVORITA,
            {"item": "item_nbr", "date": "date", "sales": "unit_sales", "promo": "onpromotion", "store": "store_nbr"},
        ),
        ("date,store,item,sales", {"item": "item", "date": "date", "sales": "sales", "store": "store"}),
        (
            "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
            {
                "item": "StockCode",
                "date": "InvoiceDate",
                "sales": "Quantity",
                "receipt": "InvoiceNo",
                "description": "Description",
            },
        ),
        ("unique_id,ds,y", {"item": "unique_id", "date": "ds", "sales": "y"}),
        (
            "id,item_id,dept_id,cat_id,store_id,state_id",
            {"item": "item_id", "family": "dept_id", "class": "cat_id", "store": "store_id"},
        ),
        (
            "Store,Dept,Date,Weekly_Sales,IsHoliday",
            {"store": "Store", "date": "Date", "sales": "Weekly_Sales", "family": "Dept"},
        ),
        (
            "Order ID,Order Date,Product,Category,Sub-Category,Qty Sold",
            {
                "item": "Product",
                "date": "Order Date",
                "sales": "Qty Sold",
                "receipt": "Order ID",
                "family": "Category",
                "class": "Sub-Category",
            },
        ),
        ("Artikel,Datum,Menge,Filiale", {"item": "Artikel", "date": "Datum", "sales": "Menge", "store": "Filiale"}),
        ("SKU,Product Name,Day,Units", {"item": "SKU", "date": "Day", "sales": "Units", "description": "Product Name"}),
        ("Product Name,Day,Units", {"item": "Product Name", "date": "Day", "sales": "Units"}),
        ("item_nbr,family,class,perishable", {"item": "item_nbr", "family": "family", "class": "class"}),
        ("Description,Date,Qty", {"item": "Description", "date": "Date", "sales": "Qty"}),
        ("Shop,Date,Sales", {"store": "Shop", "date": "Date", "sales": "Sales"}),
        ("a,b,c", {}),
    ],
)
def test_roles_are_recognised_by_name(header: str, roles: dict[str, str]) -> None:
    found = recognise_roles(header.split(","))
    found.pop("perishable", None)
    assert found == {role: [column] for role, column in roles.items()}


@pytest.mark.parametrize("name", ["unit_sales", "Unit Sales", "UNITSALES", "unit-sales", " unit.sales ", "UnitSales"])
def test_case_spaces_and_punctuation_do_not_matter(name: str) -> None:
    assert recognise_roles([name]) == {"sales": [name]}


def test_most_likely_name_wins_in_any_position() -> None:
    assert recognise_roles(["id", "value", "product", "qty", "item_nbr"]) == {"item": ["item_nbr"], "sales": ["qty"]}


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("ORDERNUMBER,QUANTITYORDERED,PRICEEACH,SALES", "QUANTITYORDERED"),
        ("Order Qty,Amount", "Order Qty"),
        ("Value,Invoiced Quantity", "Invoiced Quantity"),
        ("Bottles Sold,Sale (Dollars),Volume Sold (Liters)", "Bottles Sold"),
        ("transaction_id,transaction_qty,unit_price", "transaction_qty"),
        ("Sales Amount,Weekly_Sales", "Weekly_Sales"),
    ],
)
def test_units_are_preferred_to_sales_and_money(header: str, column: str) -> None:
    assert recognise_roles(header.split(","))["sales"] == [column]


@pytest.mark.parametrize(
    "name", ["Amount", "Value", "Revenue", "Umsatz", "Sales Amount", "Total Price", "Sales Order No"]
)
def test_money_column_is_not_units(name: str) -> None:
    assert "sales" not in recognise_roles(["item", "date", name])


def test_column_with_a_given_role_gets_no_other_role() -> None:
    found = proposed("date,item,sales,amount", "2020-01-05,a,1,2", sales=["amount"]).mapping
    assert (found["sales"], found["item"], found["date"]) == (["amount"], ["item"], ["date"])
    found = proposed("date,item,sales,sku", "2020-01-05,a,1,b", family=["item"]).mapping
    assert (found["item"], found["family"]) == (["sku"], ["item"])


def test_role_given_as_empty_has_no_column() -> None:
    found = proposed(FAVORITA, "1,2020-01-05,1,a,1,True", promo=[], store=[]).mapping
    assert (found["promo"], found["store"], found["item"]) == ([], [], ["item_nbr"])


def test_date_column_with_an_unknown_name_is_found_by_values() -> None:
    proposal = proposed("when,item,sales", *map(",".join, zip(*SAMPLE.values(), strict=True)))
    assert (proposal.mapping["date"], proposal.date_format, proposal.missing) == (["when"], "%Y-%m-%d", [])


def test_numeric_column_is_not_a_date_column() -> None:
    assert proposed("price,item,sales", "1,a,1", "2,a,3").mapping["date"] == []


def test_required_roles_without_a_column_are_missing() -> None:
    assert proposed("a,b,c", "x,y,z").missing == ["item", "date", "sales"]
    assert proposed("a,sku,c", "x,y,z").missing == ["date", "sales"]


# Dates


@pytest.mark.parametrize(
    ("values", "date_format"),
    [
        (["2020-01-05"], "%Y-%m-%d"),
        (["2020/1/5"], "%Y/%m/%d"),
        (["20200105"], "%Y%m%d"),
        (["5.1.2020"], "%d.%m.%Y"),
        (["05-Jan-2020"], "%d-%b-%Y"),
        (["Jan 5, 2020"], "%b %d, %Y"),
        (["2020-01-05 10:00:00"], "%Y-%m-%d %H:%M:%S"),
        (["2020-01-05T10:00:00Z"], "%Y-%m-%dT%H:%M:%SZ"),
        (["1/12/2010 8:26", "13/12/2010 8:26"], "%d/%m/%Y %H:%M"),
        (["12/1/2010 8:26", "12/13/2010 8:26"], "%m/%d/%Y %H:%M"),
        (["12/13/2010 8:26 PM"], "%m/%d/%Y %I:%M %p"),
        (["13/01/20"], "%d/%m/%y"),
        (["W1", "W2"], ""),
        ([], ""),
        (["2020-01-05", "x", "y"], ""),
        (["2020-01-05", "2020-01-06", "x"], "%Y-%m-%d"),
    ],
)
def test_date_format_is_recognised(values: list[str], date_format: str) -> None:
    assert find_date_format(values) == date_format


def test_late_value_proves_day_first() -> None:
    assert find_date_format([f"0{n}/0{n}/2020" for n in range(1, 10)] + ["13/01/2020"]) == "%d/%m/%Y"


def test_late_value_proves_month_first() -> None:
    assert find_date_format([f"0{n}/0{n}/2020" for n in range(1, 10)] + ["01/13/2020"]) == "%m/%d/%Y"


def test_ambiguous_dates_are_day_first() -> None:
    assert find_date_format(["01/02/2020", "03/04/2020"]) == "%d/%m/%Y"


def test_duckdb_parses_every_known_format_like_python() -> None:
    moment = datetime(2020, 1, 31, 13, 45, 30)
    with duckdb.connect() as con:
        for date_format in DATE_FORMATS:
            text = f"{moment:{date_format}}"
            (found,) = con.execute("SELECT try_strptime($1, $2)", [text, date_format]).fetchone()
            assert found == datetime.strptime(text, date_format), date_format


@pytest.mark.few(6)
@pytest.mark.parametrize("date_format", [name for name in DATE_FORMATS if "%H" not in name and "%I" not in name])
def test_every_known_format_gives_the_same_days(file: Path, date_format: str) -> None:
    rows = [f'"{date.fromisoformat(day(n)):{date_format}}",a,{n}' for n in range(14)]
    weekly = load(write(file, *rows, header="date,item,sales"))
    assert weekly.weeks == {"a": {"2020-01-11": ("21.0", "0.0"), "2020-01-18": ("70.0", "0.0")}}
    assert weekly.spec.date_format in (date_format, date_format.replace("%B", "%b"))


def test_given_format_is_used(file: Path) -> None:
    rows = [f"{n:02d}/02/2020,a,1" for n in range(1, 13)]
    path = write(file, *rows, header="date,item,sales")
    assert load(path, date_format="%d/%m/%Y").report.last_day == date(2020, 2, 12)
    assert load(path, date_format="%m/%d/%Y").report.last_day == date(2020, 12, 2)


def test_dates_in_another_format_than_given_are_bad(file: Path) -> None:
    message = refusal(write(file, *filler()), date_format="%d/%m/%Y").message
    assert message.startswith("sales.csv, line 2: date is not a valid date (expected DD/MM/YYYY): '2020-01-05'.")


def test_rows_with_times_of_day_are_receipt_lines(file: Path) -> None:
    rows = [f"{day(n)} {hour}:00:00,a,1" for n in range(7) for hour in (10, 11)]
    assert load(write(file, *rows, header="date,item,sales")).report.is_lines is True
    rows = [f"{day(n)} 00:00:00,a,1" for n in range(7)]
    assert load(write(file, *rows, header="date,item,sales")).report.is_lines is False


# Numbers


@pytest.mark.parametrize(
    ("values", "decimal", "is_grouped"),
    [
        ([], ".", False),
        (["1", "-2"], ".", False),
        (["1.5", "2"], ".", False),
        (["1,5", "2"], ",", False),
        (["-1,5"], ",", False),
        (["1,000"], ".", True),
        (["1,000", "2,5"], ",", True),
        (["1,000.5"], ".", True),
        (["1.000,5"], ",", True),
        (["1 000,5"], ",", True),
        (["1'000.5"], ".", True),
        (["1'000"], ".", True),
        (["1.234"], ".", False),
        (["1.234", "2,5"], ",", False),
        (["1.234", "0.5"], ".", False),
        (["1.234.567"], ",", False),
        (["many"], ".", False),
    ],
)
def test_decimal_sign_and_thousands_are_recognised(values: list[str], decimal: str, is_grouped: bool) -> None:
    found = find_decimal(values)
    assert (found.decimal, found.is_grouped) == (decimal, is_grouped)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("written", "units"),
    [
        (["1,000", "2", "0.5"], ["7000.0", "14.0", "3.5"]),
        (["1,234,567.5", "2"], ["8641972.5", "14.0"]),
        (["1.000,5", "2,5"], ["7003.5", "17.5"]),
        (["1.000", "2,5"], ["7000.0", "17.5"]),
        (["1 000,5", "-2,5"], ["7003.5", "-17.5"]),
        (["1\u00a0000", "2,5"], ["7000.0", "17.5"]),
        (["1'000.5", "2"], ["7003.5", "14.0"]),
        (["+3", " 4 "], ["21.0", "28.0"]),
        (["1e2", "2.5"], ["700.0", "17.5"]),
        ([".5", "1."], ["3.5", "7.0"]),
    ],
)
def test_number_formats_are_read(file: Path, written: list[str], units: list[str]) -> None:
    rows = [f"{day(n + 7 * week)};a;{text}" for week, text in enumerate(written) for n in range(7)]
    assert load(write(file, *rows, header="date;item;sales")).units("a") == units


def test_given_decimal_sign_is_used(file: Path) -> None:
    rows = [f"{day(n)};a;1.234" for n in range(7)]
    path = write(file, *rows, header="date;item;sales")
    assert "'1.234' is 1,234 or 1.234" in refusal(path).message
    assert load(path, decimal=".").units("a") == ["8.638"]
    assert load(path, decimal=",").units("a") == ["8638.0"]


# Weeks and periods


@pytest.mark.parametrize("weekday", range(7))
def test_weekday_of_weekly_data_is_recognised(weekday: int) -> None:
    rows = [f"{day(7 * n + weekday)},a,1" for n in range(3)]
    assert proposed("date,item,sales", *rows).week_end == WEEKDAYS[weekday]


def test_daily_data_have_no_week_ending_day() -> None:
    assert proposed("date,item,sales", f"{day(0)},a,1", f"{day(1)},a,1").week_end == ""
    assert proposed("date,item,sales", f"{day(0)},a,1", f"{day(0)},b,1").week_end == ""


def test_m5_columns_are_days() -> None:
    found = find_periods(["item_id", *(f"d_{n}" for n in range(1, 1942))], {})
    assert len(found) == 1941
    assert (found["d_1"], found["d_1941"]) == (date(2011, 1, 29), date(2016, 5, 22))


def test_few_date_columns_are_not_periods() -> None:
    names = [f"{date(2020, 1, 5) + timedelta(days=n)}" for n in range(5)]
    assert find_periods(["item", *names], {}) == {}
    assert set(find_periods(["item", *names, "2020-01-10"], {})) == {*names, "2020-01-10"}


def test_excel_day_numbers_are_periods_only_if_regular() -> None:
    weeks = [str(45_298 + 7 * n) for n in range(8)]
    assert list(find_periods(["item", *weeks], {}).values())[:2] == [date(2024, 1, 7), date(2024, 1, 14)]
    assert find_periods(["date", *(str(40_001 + 3 * n) for n in range(8))], {}) == {}
    assert find_periods(["date", "33001", "33002", "33004", "33007", "33011", "33012"], {}) == {}


def test_file_with_dates_and_units_is_not_wide() -> None:
    header = "date,item,sales," + ",".join(f"d_{n}" for n in range(1, 10))
    proposal = proposed(header, f"{day(0)},a,1" + ",0" * 9)
    assert (proposal.mapping["date"], proposal.periods) == (["date"], {})


def test_wide_file_has_dates_and_units_in_columns() -> None:
    proposal = proposed("item_id," + ",".join(f"d_{n}" for n in range(1, 10)), "a" + ",1" * 9)
    assert proposal.mapping["date"] == proposal.mapping["sales"] == [WIDE]
    assert proposal.missing == []


# From the file to the spec


def test_completed_spec_reads_the_same(file: Path) -> None:
    rows = [f"{date.fromisoformat(day(n)):%d.%m.%Y};a;1.000,5;1" for n in range(14)]
    path = write(file, *rows, header="Datum;Artikel;Menge;Filiale")
    first = load(path)
    spec = first.spec
    assert {role: names for role, names in spec.mapping.items() if names} == {
        "item": ["Artikel"],
        "date": ["Datum"],
        "sales": ["Menge"],
        "store": ["Filiale"],
    }
    assert (spec.date_format, spec.decimal, spec.week_end) == ("%d.%m.%Y", ",", "SAT")
    again = load(path, mapping=spec.mapping, date_format=spec.date_format, decimal=spec.decimal, week_end=spec.week_end)
    (file_read,), (as_set,) = first.report.files, again.report.files
    assert again == replace(first, report=replace(first.report, files=(replace(file_read, why=as_set.why),)))
    assert set(as_set.why.values()) == {"set by you"}
    assert again.spec == spec


@pytest.mark.parametrize(
    ("dates", "date_format", "is_assumed"),
    [
        (["01/05/2020", "02/05/2020"], "", True),
        (["01/05/2020", "13/05/2020"], "", False),
        (["01/05/2020", "05/13/2020", "05/14/2020"], "", False),
        (["2020-01-05"], "", False),
        (["01/05/2020"], "%d/%m/%Y", False),
    ],
)
def test_day_first_is_assumed_only_for_ambiguous_dates(dates: list[str], date_format: str, is_assumed: bool) -> None:
    rows = [(day, "a", "1") for day in dates]
    found = propose(("date", "item", "sales"), ("VARCHAR",) * 3, rows, {}, date_format)
    assert found.is_day_first_assumed is is_assumed


def test_key_part_can_be_the_store() -> None:
    found = proposed("date,store_nbr,item_nbr,sales", "2020-01-05,1,a,2", item=["store_nbr", "item_nbr"]).mapping
    assert (found["item"], found["store"]) == (["store_nbr", "item_nbr"], ["store_nbr"])
    found = proposed("date,store_nbr,item_nbr,sales", "2020-01-05,1,a,2", item=["store_nbr", "item_nbr"], store=[])
    assert found.mapping["store"] == []


def test_format_needs_half_of_the_values() -> None:
    assert find_date_format(["2020-01-05", "x"]) == "%Y-%m-%d"
    assert find_date_format(["2020-01-05", "x", "y"]) == ""
