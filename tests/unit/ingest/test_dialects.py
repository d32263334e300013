"""One sales table in the file formats of many systems: read correctly, or refused with the reason."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from fcst.ingest import date_texts
from tests.unit.ingest.conftest import Weekly, load, refusal

SUNDAY = date(2024, 1, 7)
ITEMS = ("A1", "B2", "C3")
ROWS = [(SUNDAY + timedelta(days=n), item, (7 * n + 3 * i) % 9 + 1) for n in range(56) for i, item in enumerate(ITEMS)]
"""Eight whole weeks, from Sunday to Saturday."""

Row = Sequence[Any]


def by_week(rows: Iterable[tuple[date, str, float]], last_weekday: int = 5) -> dict[str, dict[str, float]]:
    """Item -> last day of the week -> units; weekday 5 is a Saturday."""
    found: dict[str, dict[str, float]] = {}
    for day, item, units in rows:
        end = str(day + timedelta(days=(last_weekday - day.weekday()) % 7))
        weeks = found.setdefault(item, {})
        weeks[end] = weeks.get(end, 0) + units
    return found


def found_in(weekly: Weekly) -> dict[str, dict[str, float]]:
    """Item -> last day of the week -> units as loaded, promotional units included."""
    return {
        item: {end: (0.0 if a == r"\N" else float(a)) + float(b) for end, (a, b) in weeks.items()}
        for item, weeks in weekly.weeks.items()
    }


def table(target: Path, header: Row, rows: Iterable[Row], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows([header, *rows])
    target.write_text(out.getvalue(), encoding=encoding)
    return target


def daily(header: str, write: Callable[[date, str, int], Row], **options: Any) -> Callable[[Path], list[Path]]:
    """A function that writes a file with one row per row of the table."""
    return lambda folder: [table(folder / "sales.csv", header.split("|"), [write(*row) for row in ROWS], **options)]


def us(day: date) -> str:
    return day.strftime("%m/%d/%Y")


def german(day: date) -> str:
    return day.strftime("%d.%m.%Y")


# Columns

NAMED = {
    "quantity and money": daily(
        "ORDERNUMBER|QUANTITYORDERED|PRICEEACH|SALES|ORDERDATE|PRODUCTCODE",
        lambda day, item, units: (1, units, 9.99, f"{9.99 * units:.2f}", us(day), item),
    ),
    "quantity and amount": daily(
        "Amount|Order Qty|Order Date|SKU", lambda d, i, u: (f"{3.5 * u:.2f}", u, d.isoformat(), i)
    ),
    "quantity and value": daily("Posting Date|Item No.|Value|Invoiced Quantity", lambda d, i, u: (d, i, 2.5 * u, u)),
    "dollars and litres": daily(
        "Date|Item Number|Bottles Sold|Sale (Dollars)|Volume Sold (Liters)",
        lambda d, i, u: (us(d), i, u, f"${7.5 * u:.2f}", f"{0.75 * u:.2f}"),
    ),
    "shop": daily(
        "Name|Paid at|Total|Created at|Lineitem quantity|Lineitem name|Lineitem price|Lineitem sku|Id",
        lambda d, i, u: ("#1", "", "", f"{d} 10:00:00 -0500", u, f"{i} name", 9.99, i, ""),
    ),
    "point of sale": daily(
        "Date|System ID|Item|Qty|Price", lambda d, i, u: (f"{d}T23:30:00-05:00", i, f"{i} name", u, "$9.99")
    ),
    "delivery before posting": daily(
        "Requested Delivery|Posting Date|SKU|Qty", lambda d, i, u: (d + timedelta(days=u), d, i, u)
    ),
    "Portuguese": daily("Data|Produto|Quantidade", lambda d, i, u: (d.strftime("%d/%m/%Y"), i, u), delimiter=";"),
    "French": daily("Jour;Article;Quantité vendue".replace(";", "|"), lambda d, i, u: (d, i, u), encoding="cp1252"),
    "running number": daily("id|date|family|sales", lambda d, i, u: (f"{d:%j}{i}", d, i, u)),
}


@pytest.mark.few(4)
@pytest.mark.parametrize("name", NAMED)
def test_columns_are_recognised_by_names_and_values(tmp_path: Path, name: str) -> None:
    assert found_in(load(*NAMED[name](tmp_path))) == by_week(ROWS)


def test_store_and_department_are_the_key_without_an_item(tmp_path: Path) -> None:
    rows = [(store, item[1], day, units) for day, item, units in ROWS for store in (1, 2)]
    path = table(tmp_path / "sales.csv", ("Store", "Dept", "Date", "Weekly_Sales"), rows)
    expected = by_week((day, f"{store}|{item[1]}", units) for day, item, units in ROWS for store in (1, 2))
    assert found_in(load(path)) == expected


def test_shop_is_the_key_without_other_columns(tmp_path: Path) -> None:
    rows = [(day, item, units) for day, item, units in ROWS]
    assert found_in(load(table(tmp_path / "sales.csv", ("Date", "Shop", "Sales"), rows))) == by_week(ROWS)


@pytest.mark.parametrize("money", ["Amount", "Revenue", "Value", "Umsatz"])
def test_money_is_not_units(tmp_path: Path, money: str) -> None:
    path = table(tmp_path / "sales.csv", ("date", "item", money), ROWS)
    assert f"Its columns are date, item, {money}" in refusal(path).hint


# Dates

DATED: dict[str, Callable[[date], str]] = {
    "long": lambda day: f"{day:%B} {day.day} {day.year} 9:05 am",
    "offset": lambda day: f"{day}T23:00:00.1234567-0500",
    "zulu": lambda day: f"{day}T23:59:59Z",
    "a time in some rows": lambda day: us(day) + (" 10:30" if day.day % 7 == 0 else ""),
    "German with a time": lambda day: f"{german(day)} 23:15",
    "AM or PM": lambda day: f"{us(day)} 11:30 PM",
    "Excel day number": lambda day: str((day - date(1899, 12, 30)).days),
}


@pytest.mark.few(3)
@pytest.mark.parametrize("name", DATED)
def test_date_is_taken_as_written(tmp_path: Path, name: str) -> None:
    rows = [(DATED[name](day), item, units) for day, item, units in ROWS]
    assert found_in(load(table(tmp_path / "sales.csv", ("date", "item", "qty"), rows))) == by_week(ROWS)


def test_date_of_a_zoned_timestamp_is_local(tmp_path: Path) -> None:
    moments = [f"{day}T23:00:00" for day, *_ in ROWS]
    local = pa.compute.assume_timezone(pa.array(moments).cast(pa.timestamp("us")), "America/New_York")
    columns = {"date": local, "item": [item for _, item, _ in ROWS], "qty": [units for *_, units in ROWS]}
    parquet.write_table(pa.table(columns), tmp_path / "sales.parquet")
    assert found_in(load(tmp_path / "sales.parquet")) == by_week(ROWS)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("header", "write"),
    [
        (("week", "item", "qty"), lambda monday: [f"{monday:%G-W%V}"]),
        (("week", "item", "qty"), lambda monday: [f"{monday:%GW%V}"]),
        (("week", "item", "qty"), lambda monday: [f"{monday:%G-%V}"]),
        (("year", "week", "item", "qty"), lambda monday: [monday.isocalendar().year, monday.isocalendar().week]),
        (("week_start", "item", "qty"), lambda monday: [monday.isoformat()]),
        (("Week commencing", "item", "qty"), lambda monday: [monday.strftime("%d/%m/%Y")]),
    ],
)
def test_week_formats(tmp_path: Path, header: Row, write: Callable[[date], list[Any]]) -> None:
    """Also across the end of a year with a week 53."""
    mondays = [date(2020, 11, 30) + timedelta(weeks=n) for n in range(10)]
    rows = [(monday, item, n + i + 1) for n, monday in enumerate(mondays) for i, item in enumerate(ITEMS)]
    path = table(tmp_path / "sales.csv", header, [(*write(monday), item, units) for monday, item, units in rows])
    expected = by_week(rows, last_weekday=6)
    assert found_in(load(path)) == expected


def test_week_53_of_a_year_with_52_weeks_is_a_bad_row(tmp_path: Path) -> None:
    weeks = [f"2024-W{week:02}" for week in (48, 49, 50, 51, 52, 53)]
    path = table(tmp_path / "sales.csv", ("week", "item", "qty"), [(week, "a", 1) for week in weeks])
    assert "'2024-W53'" in refusal(path).message


@pytest.mark.parametrize("day", [1, 31])
def test_monthly_data_are_refused(tmp_path: Path, day: int) -> None:
    months = [date(2024, 1 + n, 1) - timedelta(days=1 if day > 1 else 0) for n in range(1, 8)]
    path = table(tmp_path / "sales.csv", ("date", "item", "qty"), [(month, "a", 100) for month in months])
    assert "by month" in refusal(path).message


# Evidence from other files of the load


def test_file_that_proves_month_first_decides_for_all(tmp_path: Path) -> None:
    rows = [(day, item, units) for day, item, units in ROWS if day.month == 1 or day.day <= 12]
    files = [
        table(
            tmp_path / f"{month}.csv",
            ("date", "item", "qty"),
            [(us(day), item, units) for day, item, units in rows if day.month == month],
        )
        for month in (1, 2)
    ]
    for paths in (files, files[::-1]):
        assert load(*paths).report.last_day == date(2024, 2, 12)


def test_ambiguous_dates_are_refused(tmp_path: Path) -> None:
    rows = [(us(day), item, units) for day, item, units in ROWS if day.day <= 12]
    path = table(tmp_path / "sales.csv", ("date", "item", "qty"), sorted(rows, key=lambda row: (row[2], row[0])))
    error = refusal(path)
    assert "are ambiguous: '" in error.message
    assert "%d/%m/%Y" in error.hint and "%m/%d/%Y" in error.hint
    assert load(path, date_format="%m/%d/%Y").report.last_day == date(2024, 3, 2)


def test_row_order_decides_day_or_month_first(tmp_path: Path) -> None:
    rows = [(us(day), item, units) for day, item, units in ROWS if day.day <= 12]
    assert load(table(tmp_path / "sales.csv", ("date", "item", "qty"), rows)).report.last_day == date(2024, 3, 2)


def test_future_dates_decide_day_or_month_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unsorted rows: with day first one date is months ahead, with month first none is."""
    monkeypatch.setattr(date_texts, "latest_day", lambda: datetime(2024, 3, 3))
    rows = [(us(day), item, units) for day, item, units in ROWS if day.day <= 12]
    path = table(tmp_path / "sales.csv", ("date", "item", "qty"), sorted(rows, key=lambda row: (row[2], row[0])))
    assert load(path).report.last_day == date(2024, 3, 2)


@pytest.mark.parametrize("delimiter", [";", ","])
def test_ambiguous_numbers_are_refused(tmp_path: Path, delimiter: str) -> None:
    rows = [(day, item, f"{units}.250" if units % 2 else units * 100) for day, item, units in ROWS]
    path = table(tmp_path / "sales.csv", ("date", "item", "qty"), rows, delimiter)
    error = refusal(path)
    assert "are ambiguous: '" in error.message and "--decimal" in error.hint
    expected = by_week((d, i, u * 1000 + 250 if u % 2 else u * 100) for d, i, u in ROWS)
    assert found_in(load(path, decimal=",")) == expected


def test_file_that_proves_the_decimal_sign_decides_for_all(tmp_path: Path) -> None:
    one = table(tmp_path / "1.csv", ("date", "item", "qty"), [(d, i, f"{u},50") for d, i, u in ROWS[:84]], ";")
    two = table(tmp_path / "2.csv", ("date", "item", "qty"), [(d, i, f"{u},500") for d, i, u in ROWS[84:]], ";")
    expected = by_week((day, item, units + 0.5) for day, item, units in ROWS)
    assert found_in(load(one, two)) == expected
    assert found_in(load(two, one)) == expected


# Numbers


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("write", "factor"),
    [
        (lambda units: f"{units},000", 1000),
        (lambda units: f"{units}.000" if units % 2 else f"{units}000", 1000),
        (lambda units: f"{units}\u00a0000,00", 1000),
        (lambda units: f"{units}\u2009000,00", 1000),
    ],
)
def test_thousands_in_a_German_file(tmp_path: Path, write: Callable[[int], str], factor: int) -> None:
    """With semicolons and DD.MM.YYYY, 1.250 is 1250 and 1,250 is 1.25."""
    rows = [(german(day), item, write(units)) for day, item, units in ROWS]
    path = table(tmp_path / "sales.csv", ("Datum", "Artikel", "Menge"), rows, ";")
    factor = 1 if write(1) == "1,000" else factor
    assert found_in(load(path)) == by_week((day, item, units * factor) for day, item, units in ROWS)


@pytest.mark.few(3)
@pytest.mark.parametrize("three", ["-3", "3-", "(3)", "\u22123", "- 3", "$-3", "-€3", "(3 €)", " 3 -"])
def test_negative_number_formats(tmp_path: Path, three: str) -> None:
    rows = [*ROWS, (SUNDAY, "A1", three), (SUNDAY, "B2", "-"), (SUNDAY, "C3", "$2")]
    path = table(tmp_path / "sales.csv", ("date", "item", "qty"), rows)
    assert found_in(load(path)) == by_week([*ROWS, (SUNDAY, "A1", -3), (SUNDAY, "C3", 2)])


@pytest.mark.few(2)
@pytest.mark.parametrize("wrong", ["3-4", "--3", "(3", "3)", "2024-01-07", "$", "1-", "a3"][:6])
def test_invalid_number_is_a_bad_row(tmp_path: Path, wrong: str) -> None:
    path = table(tmp_path / "sales.csv", ("date", "item", "qty"), [*ROWS, (SUNDAY, "A1", wrong)])
    assert "is not a number" in refusal(path).message


def test_signs_of_a_ledger_with_negative_sales_are_reversed(tmp_path: Path) -> None:
    rows = [(us(day), item, -units) for day, item, units in ROWS] + [(us(SUNDAY), "A1", 2)]
    weekly = load(table(tmp_path / "sales.csv", ("Posting Date", "Item No.", "Quantity"), rows))
    assert found_in(weekly) == by_week([*ROWS, (SUNDAY, "A1", -2)])
    assert "negative" in weekly.report.files[0].remarks[0]


# Totals


@pytest.mark.few(3)
@pytest.mark.parametrize("word", ["Total", "TOTAL", "Grand Total", "Summe", "Gesamtergebnis:", "Итого"])
def test_total_rows_are_dropped_and_reported(tmp_path: Path, word: str) -> None:
    sums = [(day, word, sum(u for d, _, u in ROWS if d == day)) for day in {day: None for day, *_ in ROWS}]
    weekly = load(table(tmp_path / "sales.csv", ("date", "item", "qty"), [*ROWS, *sums]))
    assert found_in(weekly) == by_week(ROWS)
    assert (weekly.report.totals, weekly.report.n_totals, weekly.report.dropped.totals) == ((word,), 56, 56)
    assert weekly.report.n_filtered == 0


def test_single_item_named_total_is_an_item(tmp_path: Path) -> None:
    rows = [(day, "Total", units) for day, _, units in ROWS]
    assert found_in(load(table(tmp_path / "sales.csv", ("date", "item", "qty"), rows))) == by_week(rows)


def test_wide_report_with_totals(tmp_path: Path) -> None:
    weeks = by_week(ROWS)
    ends = list(weeks["A1"])
    lines = [[item, *weeks[item].values(), sum(weeks[item].values())] for item in ITEMS]
    lines.append(["Total", *(sum(weeks[item][end] for item in ITEMS) for end in ends), 1])
    path = table(tmp_path / "sales.csv", ["Item", *ends, "Total"], lines)
    assert found_in(load(path)) == weeks


# Layouts


def test_header_of_R_without_a_name_for_row_names(tmp_path: Path) -> None:
    lines = [f'"{n}"\t"{day}"\t"{item}"\t{units}' for n, (day, item, units) in enumerate(ROWS, 1)]
    path = tmp_path / "sales.txt"
    path.write_text("\n".join(['"date"\t"item"\t"qty"', *lines]))
    assert found_in(load(path)) == by_week(ROWS)


@pytest.mark.parametrize("is_list", [True, False])
def test_records_in_JSON(tmp_path: Path, is_list: bool) -> None:
    records = [{"date": str(day), "item": item, "qty": units} for day, item, units in ROWS]
    path = tmp_path / ("sales.json" if is_list else "sales.jsonl")
    path.write_text(json.dumps(records, indent=1) if is_list else "\n".join(map(json.dumps, records)))
    assert found_in(load(path)) == by_week(ROWS)


def test_broken_JSON_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sales.jsonl"
    path.write_text('{"date": "2024-01-07", "item": "A1", "qty": 8}\n{"date": ')
    assert "cannot be read" in refusal(path).message


def workbook(target: Path, sheets: dict[str, Sequence[Row]], hidden: Sequence[str] = (), form: str = "") -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
            if form and isinstance(row[1], int):
                sheet.cell(sheet.max_row, 2).number_format = form
        if name in hidden:
            sheet.sheet_state = "hidden"
    book.save(target)
    return target


HEADER = ("date", "item", "qty")


def test_sheets_with_the_same_columns_are_one_table(tmp_path: Path) -> None:
    sheets = {str(month): [HEADER, *(row for row in ROWS if row[0].month == month)] for month in (1, 2, 3)}
    sheets |= {"Notes": [("made in March",)], "Draft": [HEADER, *ROWS]}
    path = workbook(tmp_path / "sales.xlsx", sheets, hidden=["Draft"])
    assert found_in(load(path)) == by_week(ROWS)


def test_cover_before_the_sales(tmp_path: Path) -> None:
    path = workbook(tmp_path / "sales.xlsx", {"Cover": [("Sales report",), ("2024",)], "Data": [HEADER, *ROWS]})
    assert found_in(load(path)) == by_week(ROWS)


def test_sheets_with_different_columns_are_refused(tmp_path: Path) -> None:
    other = [("day", "sku", "units", "store"), *((*row, 1) for row in ROWS)]
    path = workbook(tmp_path / "sales.xlsx", {"One": [HEADER, *ROWS], "Two": other})
    assert "One, Two" in refusal(path).message
    assert found_in(load(path, file="Two")) == by_week(ROWS)


def test_key_keeps_the_leading_zeros_of_its_number_format(tmp_path: Path) -> None:
    rows = [(day, int(item[1]), units) for day, item, units in ROWS]
    path = workbook(tmp_path / "sales.xlsx", {"Sales": [HEADER, *rows]}, form="00000")
    assert found_in(load(path)) == by_week((day, f"0000{item[1]}", units) for day, item, units in ROWS)
