"""Exports of other systems: titles, totals, order headers, ledgers, two-line headers; and odd but valid rows.

Each file is written from one table, whose weeks must be read back.
"""

import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import openpyxl
import pytest

from fcst.errors import InputError
from fcst.ingest import anomalies, heads
from tests.unit.ingest.conftest import Weekly, load, refusal

SUNDAY = date(2024, 1, 7)
N_WEEKS = 12
ITEMS = ("A-1", "B-2", "C-3")
SATURDAYS = [SUNDAY + timedelta(days=7 * week + 6) for week in range(N_WEEKS)]


def units(number: int, day: int) -> int:
    """Units of an item on a day of the table."""
    return (7 * number + 3 * day) % 11 + 1


def rows() -> Iterator[tuple[date, str, int]]:
    for day in range(7 * N_WEEKS):
        for number, item in enumerate(ITEMS):
            yield SUNDAY + timedelta(days=day), item, units(number, day)


WEEKS = {
    item: [sum(units(number, 7 * week + day) for day in range(7)) for week in range(N_WEEKS)]
    for number, item in enumerate(ITEMS)
}


def weeks_of(weekly: Weekly) -> dict[str, list[float]]:
    """Item -> units by week."""
    return {item: [float(known) for known, _ in weeks.values()] for item, weeks in weekly.weeks.items()}


def check(weekly: Weekly) -> None:
    assert weeks_of(weekly) == WEEKS
    assert [date.fromisoformat(end) for end in weekly.weeks["A-1"]] == SATURDAYS


def lines(form: Callable[[date, str, int], str]) -> list[str]:
    return [form(*row) for row in rows()]


def write(path: Path, *parts: str | Sequence[str], encoding: str = "utf-8") -> Path:
    whole = [line for part in parts for line in ([part] if isinstance(part, str) else part)]
    path.write_text("\n".join(whole) + "\n", encoding=encoding)
    return path


ISO = lines(lambda day, item, n: f"{day},{item},{n}")


# Lines that are not records


def test_titles_footers_blank_rows_and_repeated_headers_are_dropped_and_counted(file: Path) -> None:
    half = len(ISO) // 2
    header = "date,item,qty"
    path = write(
        file,
        ["Sales report, January", "", header, *ISO[:half], ",,", "Sales report of March,,", header, *ISO[half:]],
        ["", "End of report", "(252 rows affected)", "----------,----,---"],
    )
    weekly = load(path)
    check(weekly)
    assert weekly.report.n_no_records == 6
    assert "End of report" in weekly.report.no_records
    assert weekly.report.dropped.no_records == 6 and weekly.report.n_rows == len(ISO) + 6


def test_truncated_last_line_is_not_a_footer(file: Path) -> None:
    path = write(file, "item,date,qty", lines(lambda day, item, n: f"{item},{day},{n}"), "A-")
    assert "line 254: the line has fewer cells than the header: 'A-'" in refusal(path).message


@pytest.mark.parametrize("ending", ["", "7"])
def test_row_without_a_date_is_bad_if_it_has_units(file: Path, ending: str) -> None:
    """`Widget,,7` may be a sale; `Widget,,` is not a record."""
    path = write(file, "item,date,qty", lines(lambda day, item, n: f"{item},{day},{n}"), f"A-1,,{ending}")
    if ending:
        assert "date is empty" in refusal(path).message
    else:
        check(load(path))


@pytest.mark.few(2)
@pytest.mark.parametrize("name", ["Total", "Gesamtergebnis", "Total A-1", "A-1 Ergebnis", "Sous-total : A-1", "Итого"])
def test_totals_without_a_date_are_dropped(file: Path, name: str) -> None:
    total = f"{name},,{sum(map(sum, WEEKS.values()))}"
    weekly = load(write(file, "item,date,qty", lines(lambda day, item, n: f"{item},{day},{n}"), total))
    check(weekly)
    assert weekly.report.n_no_records == 1


def test_rows_without_an_item_are_totals_if_they_equal_the_sums(file: Path) -> None:
    days = [SUNDAY + timedelta(days=day) for day in range(7 * N_WEEKS)]
    sums = [f"{day},,{sum(units(n, number) for n in range(3))}" for number, day in enumerate(days)]
    weekly = load(write(file, "date,item,qty", ISO, sums))
    check(weekly)
    assert weekly.report.totals == ("rows without an item",) and weekly.report.n_totals == len(sums)
    off_by_one = [*sums[:-1], sums[-1] + "0"]
    assert "item is empty" in refusal(write(file, "date,item,qty", ISO, off_by_one)).message


def test_item_that_equals_the_sum_of_the_others_is_a_total(file: Path) -> None:
    days = [SUNDAY + timedelta(days=day) for day in range(7 * N_WEEKS)]
    sums = [f"{day},the shop,{sum(units(n, number) for n in range(3))}" for number, day in enumerate(days)]
    weekly = load(write(file, "date,item,qty", ISO, sums))
    check(weekly)
    assert weekly.report.totals == ("the shop",)


# Orders and ledgers


def test_order_headers_and_payments_are_not_sales(file: Path) -> None:
    def order(day: date, item: str, n: int) -> list[str]:
        return [f"{day},Sale,,{n}", f"{day},Sale Line,{item},{n}", f"{day},Payment,,"]

    path = write(file, "Date,Line Type,Sku,Quantity", [line for row in rows() for line in order(*row)])
    weekly = load(path)
    check(weekly)
    assert "Only rows with Line Type = Sale Line" in weekly.report.files[0].remarks[0]


def test_purchases_in_a_ledger_are_not_sales(file: Path) -> None:
    sales = lines(lambda day, item, n: f"{day},Sale,{item},{-n}")
    bought = [f"{SUNDAY + timedelta(days=7 * week)},Purchase,A-1,500" for week in range(N_WEEKS)]
    check(load(write(file, "Posting Date,Entry Type,Item No.,Quantity", sales, bought)))


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Day,SKU,Measure,Value", "{day},{item},Units,{n}\n{day},{item},Revenue,{money}"),
        ("Order Date,Line #,SKU,Item Name,Line Total,Qty Ordered", "{day},1,{item},Thing,{money},{n}"),
        ("Umsatz;Bestelldatum;Artikelnummer;Bezeichnung;Menge", "{money};{day};{item};Ding;{n}"),
        ("Wartość netto;Data sprzedaży;Indeks;Nazwa towaru;Ilość", "{money};{day};{item};Rzecz;{n}"),
        ("Tutar;Satış Tarihi;Ürün Kodu;Ürün Adı;Miktar", "{money};{day};{item};Şey;{n}"),
        ("売上金額,売上日,商品コード,商品名,数量", "{money},{day},{item},もの,{n}"),
    ],
)
def test_units_are_distinguished_from_money(file: Path, header: str, row: str) -> None:
    body = lines(lambda day, item, n: row.format(day=day, item=item, n=n, money=f"{n * 3}99"))
    check(load(write(file, header, body)))


def test_money_is_not_units(file: Path) -> None:
    error = refusal(write(file, "date,item,revenue", ISO))
    assert error.message == "sales.csv has no column for units sold. 'revenue' looks like money."


def test_cancelled_orders_are_kept_or_dropped(file: Path) -> None:
    path = write(
        file,
        "date,item,qty,Order Status",
        lines(lambda day, item, n: f"{day},{item},{n},Shipped"),
        [f"{SUNDAY},A-1,5,Cancelled", f"{SUNDAY},A-1,4,Refunded"],
    )
    kept, left_out = load(path), load(path, cancelled="drop")
    assert weeks_of(kept)["A-1"][0] == WEEKS["A-1"][0] + 9
    check(left_out)
    for weekly, is_dropped in ((kept, False), (left_out, True)):
        found = weekly.report.cancelled
        assert (found.column, found.n_rows, found.units, found.is_dropped) == ("Order Status", 2, 9.0, is_dropped)


def test_receipt_lines_without_a_quantity_are_one_unit(file: Path) -> None:
    each = [f"{day} 10:{n:02},{item},2.50" for day, item, units in rows() for n in range(units)]
    weekly = load(write(file, "datetime,product,price", each))
    check(weekly)
    assert "each row counts as one" in weekly.report.files[0].remarks[0]


def test_items_as_headings_are_refused(file: Path) -> None:
    body = [line for item in ITEMS for line in (f"{item},,,", *(f",{d},Ann,{n}" for d, i, n in rows() if i == item))]
    error = refusal(write(file, "x,Date,Customer Name,Qty", body))
    assert error.message == "sales.csv has the items as headings above their sales."


# Layouts


def test_single_series_has_no_item_column(file: Path) -> None:
    body = [f"{day},{n}" for day, item, n in rows() if item == "A-1"]
    assert weeks_of(load(write(file, "day,qty", body))) == {"all": WEEKS["A-1"]}
    path = write(file, "day,passengers", body)
    assert refusal(path).message == "Nothing in sales.csv proves that 'passengers' is units sold."
    assert weeks_of(load(path, mapping={"sales": ["passengers"]})) == {"all": WEEKS["A-1"]}


def test_year_month_and_day_in_separate_columns(file: Path) -> None:
    check(load(write(file, "Year,Month,Day,sku,qty", lines(lambda d, i, n: f"{d.year},{d.month},{d.day},{i},{n}"))))


def test_trailing_delimiter_is_not_a_row_name(file: Path) -> None:
    check(load(write(file, "date,sku,qty", lines(lambda day, item, n: f"{day},{item},{n},"))))


def test_records_inside_a_json_object(tmp_path: Path) -> None:
    records = [{"order_date": f"{day}T12:00:00Z", "sku": item, "qty": n} for day, item, n in rows()]
    path = tmp_path / "sales.json"
    path.write_text(json.dumps({"status": "ok", "pages": 1, "data": records}))
    check(load(path))


def test_two_line_header_with_years_above_weeks(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    weeks = [SUNDAY - timedelta(days=1) + timedelta(weeks=week) for week in range(-2, 6)]  # 2023 and 2024
    calendar = [day.isocalendar() for day in weeks]
    page.append(["Weekly units"])
    page.append(["", *(year if n == 0 or year != calendar[n - 1][0] else "" for n, (year, *_) in enumerate(calendar))])
    page.append(["Item", *(f"W{week}" for _, week, _ in calendar)])
    for number, item in enumerate(ITEMS):
        page.append([item, *(units(number, n) for n in range(len(weeks)))])
    book.save(tmp_path / "wide.xlsx")
    weekly = load(tmp_path / "wide.xlsx")
    assert weeks_of(weekly) == {i: [units(k, n) for n in range(len(weeks))] for k, i in enumerate(ITEMS)}
    sundays = [day + timedelta(days=1) for day in weeks]  # ISO weeks end on Sundays
    assert [date.fromisoformat(end) for end in weekly.weeks["A-1"]] == sundays


@pytest.mark.parametrize("merged", ["item", "date"])
def test_merged_cells_repeat_the_value_above(tmp_path: Path, merged: str) -> None:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.append(["date", "item", "qty"])
    ordered = sorted(rows(), key=lambda row: row[1]) if merged == "item" else list(rows())
    place = 1 if merged == "item" else 0
    above = None
    for row in ordered:
        page.append([None if number == place and cell == above else cell for number, cell in enumerate(row)])
        above = row[place]
    hidden = book.create_sheet("old", 0)
    hidden.append(["date", "item", "qty"])
    hidden.append([SUNDAY, "A-1", 9_999])
    hidden.sheet_state = "hidden"
    book.save(tmp_path / "sales.xlsx")
    weekly = load(tmp_path / "sales.xlsx")
    check(weekly)
    assert weekly.report.files[0].remarks == (f"Empty cells in {merged} repeat the value above.",)


def test_own_weekly_export_keeps_missing_weeks(file: Path) -> None:
    body = [f"{item},{end},{WEEKS[item][n] if n != 4 else ''}" for item in ITEMS for n, end in enumerate(SATURDAYS)]
    weekly = load(write(file, "item_nbr,wk_end_dt,unit_sales", body))
    assert {key: [known for known, _ in weeks.values()][4] for key, weeks in weekly.weeks.items()} == dict.fromkeys(
        ITEMS, r"\N"
    )
    assert weekly.units("A-1")[5] == str(float(WEEKS["A-1"][5]))


@pytest.mark.parametrize(
    ("header", "body", "word"),
    [
        ("month,item,qty", [f"2024-{n:02},a,1" for n in range(1, 13)], "month"),
        ("period,item,qty", [f"2024-Q{n},a,1" for n in range(1, 5)], "quarter"),
        ("year,item,qty", [f"{n},a,1" for n in range(2010, 2024)], "year"),
        ("t,item,qty", [f"{n},a,1" for n in range(60)], "index"),
        ("item,Jan 2024,Feb 2024,Mar 2024,Apr 2024,May 2024,Jun 2024", ["a,1,2,3,4,5,6"], "month"),
        ("date,item,qty", [f"2024-01-{n:02},8.71E+12,1" for n in range(1, 29)], "scientific notation"),
        ("unique_id,wk_end_dt,model,forecast", [f"a,2024-01-{n:02},Naive,1" for n in range(1, 29)], "forecasts"),
    ],
)
def test_unsupported_periods_are_refused(file: Path, header: str, body: list[str], word: str) -> None:
    assert word in refusal(write(file, header, body)).message


def two_weeks_of(weekly: Weekly) -> dict[str, list[float]]:
    assert [date.fromisoformat(end) for end in weekly.weeks["A-1"]] == SATURDAYS[:2]
    return weeks_of(weekly)


TWO_WEEKS = {
    item: [sum(7 * week + day + n + 0.5 for day in range(7)) for week in range(2)]
    for n, item in enumerate(("A-1", "B-2"))
}


def test_workbook_of_old_excel_is_read(tmp_path: Path) -> None:
    """It has a hidden first sheet, a title, and date cells."""
    path = tmp_path / "two_weeks.xls"
    path.write_bytes(Path(__file__).with_name("two_weeks.xls").read_bytes())
    assert two_weeks_of(load(path)) == TWO_WEEKS


def test_workbook_of_open_document_is_read(tmp_path: Path) -> None:
    def cell(value: object) -> str:
        if isinstance(value, date):
            return f'<table:table-cell office:value-type="date" office:date-value="{value}"/>'
        if isinstance(value, float):
            return f'<table:table-cell office:value-type="float" office:value="{value}"/>'
        return f'<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>'

    body = [("date", "item", "qty")]
    body += [(SUNDAY + timedelta(days=d), item, d + n + 0.5) for d in range(14) for n, item in enumerate(TWO_WEEKS)]
    cells = "".join(f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in body)
    urn = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<office:document-content xmlns:office="{urn}:office:1.0" xmlns:table="{urn}:table:1.0"'
        f' xmlns:text="{urn}:text:1.0" office:version="1.2"><office:body><office:spreadsheet>'
        f'<table:table table:name="Sales">{cells}</table:table></office:spreadsheet></office:body>'
        "</office:document-content>"
    )
    path = tmp_path / "sales.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", f'<manifest:manifest xmlns:manifest="{urn}:manifest:1.0"/>')
    assert two_weeks_of(load(path)) == TWO_WEEKS


@pytest.mark.few(2)
@pytest.mark.parametrize("form", ["{day}T23:30:00-05:00", "{day} 23:30 -0500", "{next}T04:30:00Z", "{epoch}"])
def test_days_are_in_the_given_time_zone(file: Path, form: str) -> None:
    """A sale at 23:30 in New York is on the next day in Paris."""

    def row(day: date, item: str, n: int) -> str:
        after = day + timedelta(days=1)
        moment = datetime(after.year, after.month, after.day, 4, 30, tzinfo=UTC)
        return f"{form.format(day=day, next=after, epoch=int(moment.timestamp()))},{item},{n}"

    path = write(file, "time,item,qty", lines(row))
    found = load(path, zone="Etc/GMT+5")  # as New York in winter
    check(found)
    assert found.spec.zone == "Etc/GMT+5"
    paris = weeks_of(load(path, zone="Europe/Paris"))
    assert paris["A-1"][0] == sum(units(0, day) for day in range(6, 13))  # from Sunday to Saturday, a day later
    with pytest.raises(InputError, match="no time zone 'Mars/Base'"):
        load(path, zone="Mars/Base")


# Columns and rows that must not mislead


def test_recognised_mapping_reads_the_same(file: Path) -> None:
    """Also for row filters by measure and for wide files."""
    measures = [f"{day},{item},{m},{n * f}" for day, item, n in rows() for m, f in (("Units", 1), ("Revenue", 9))]
    check(load(write(file, "day,sku,Measure,Value", measures)))
    spec = load(write(file, "day,sku,Measure,Value", measures)).spec
    check(load(file, mapping=spec.mapping))
    header = ",".join(["sku", *map(str, SATURDAYS)])
    write(file, header, [",".join([item, *map(str, weeks)]) for item, weeks in WEEKS.items()])
    check(load(file, mapping=load(file).spec.mapping))


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("date,sku,quantity,Payment Type", "{day},{item},{n},{pay}"),
        ("date,sku,qty,uom,amount", "{day},{item},{n},{uom},{money}"),
        ("Order Time,SKU,Qty,Delivery Date", "{day},{item},{n},{later}"),
        ("Bought,SKU,Qty,Expiry Date", "{day},{item},{n},{later}"),
        ("Bought,SKU,Qty,Day of week", "{day},{item},{n},Monday"),
        ("Date,Name,Item,Qty", "{day},{who},{item},{n}"),
        ("id,date,item,quantity", "{order},{day},{item},{n}"),
        ("Order ID,Line Item Number,Product Name,Quantity,Order Date", "{order},1,{item},{n},{day}"),
        ("date,sku,Number of Units,price", "{day},{item},{n},2.5"),
    ],
)
def test_other_columns_do_not_mislead(file: Path, header: str, form: str) -> None:
    body = [
        form.format(
            day=day,
            item=item,
            n=n,
            pay=("Cash", "Card", "Bank Transfer")[number % 3],
            uom=("pcs", "pack")[number % 2],
            money=f"{n}.99",
            later=day + timedelta(days=21),
            who=("Ann", "Bob", "Cid")[number % 3],
            order=1000 + number // 2,
        )
        for number, (day, item, n) in enumerate(rows())
    ]
    check(load(write(file, header, body)))


def test_row_type_missing_in_the_sample_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "SAMPLE_ROWS", 100)
    sales = lines(lambda day, item, n: f"{day},Sale,{item},{-n}")
    bought = [f"{SUNDAY},Purchase,A-1,500"]
    path = write(file, "Posting Date,Entry Type,Item No.,Quantity", bought, sales, f"{SATURDAYS[-1]},Credit Memo,A-1,5")
    assert "also has 'Credit Memo'" in refusal(path).message
    weekly = load(path, where=(("Entry Type", "Sale"),))
    assert weeks_of(weekly) == WEEKS


@pytest.mark.parametrize("dates", [[f"01/{m:02}/{y}" for y in range(18, 24) for m in range(1, 13)], ["P01 Jan 2024"]])
def test_ambiguous_periods_are_not_dates(file: Path, dates: list[str]) -> None:
    assert "no known format" in refusal(write(file, "date,item,qty", [f"{day},a,1" for day in dates])).message


def test_row_with_a_dash_as_date_is_bad(file: Path) -> None:
    assert "'-'" in refusal(write(file, "date,item,qty", ISO, "-,A-1,700")).message
    assert "Bad rows: 1" in refusal(write(file, "date,item,qty", ISO, "          ,A-1,700")).message
    last = write(file, "item,date,qty", lines(lambda day, item, n: f"{item},{day},{n}"), "NEWITEM9")
    assert "fewer cells" in refusal(last).message


def test_files_of_one_load_share_week_starts_and_sign(tmp_path: Path) -> None:
    mondays = [SUNDAY + timedelta(days=7 * week + 1) for week in range(7)]
    one = write(tmp_path / "a.csv", "week,item,qty", [f"{day},a,1" for day in mondays[:5]])
    two = write(tmp_path / "b.csv", "week,item,qty", [f"{day},a,1" for day in mondays[5:]])
    assert weeks_of(load(one, two)) == {"a": [1.0] * 7}
    write(one, "date,item,qty", [f"{day},a,-3" for day in mondays[:4] for _ in range(5)])
    write(two, "date,item,qty", [f"{day},a,-3" for day in mondays[4:] for _ in range(3)])
    assert weeks_of(load(one, two)) == {"a": [15.0] * 4 + [9.0] * 3}


@pytest.mark.parametrize(
    "mapping",
    [{"item": ["(each row)"]}, {"item": ["item", "(one item)"]}, {"date": ["(each row)"]}, {"sales": ["(one item)"]}],
)
def test_invalid_placeholder_for_a_role_is_refused(file: Path, mapping: dict[str, list[str]]) -> None:
    assert "cannot be mapped to" in refusal(write(file, "date,item,qty", ISO), mapping=mapping).message


def test_long_file_cannot_be_mapped_as_wide(file: Path) -> None:
    error = refusal(write(file, "date,item,qty", ISO), mapping={"date": ["(columns)"], "sales": ["(columns)"]})
    assert error.message == "sales.csv has no columns with dates as names."


def test_json_records_with_nested_lists(tmp_path: Path) -> None:
    path = tmp_path / "sales.jsonl"
    records = ({"date": str(day), "sku": item, "qty": n, "taxes": [{"rate": 1}]} for day, item, n in rows())
    path.write_text("\n".join(map(json.dumps, records)))
    check(load(path))


def test_wide_file_with_a_status_column(file: Path) -> None:
    header = ",".join(["sku", "Status", *map(str, SATURDAYS)])
    body = [
        ",".join([item, status, *map(str, WEEKS[item])])
        for item, status in zip(ITEMS, ("Active", "Cancelled", "Active"), strict=True)
    ]
    check(load(write(file, header, body)))


def test_wide_file_with_several_measures_is_refused(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.append(["", *["Actual"] * 6, *["Forecast"] * 6])
    page.append(["Item", *SATURDAYS[:6], *SATURDAYS[:6]])
    page.append(["A-1", *range(12)])
    book.save(tmp_path / "wide.xlsx")
    refusal(tmp_path / "wide.xlsx")


def test_cancelled_line_does_not_cancel_its_order(file: Path) -> None:
    path = write(
        file,
        "order id,date,item,qty,Item Status",
        lines(lambda day, item, n: f"{day},{day},{item},{n},Shipped"),
        [f"{SUNDAY},{SUNDAY},A-1,5,Cancelled"],
    )
    check(load(path, cancelled="drop"))


# Odd rows


@pytest.mark.few(1)
@pytest.mark.parametrize("year", [2042, 1924])
def test_mistyped_year_is_refused_until_decided(file: Path, year: int) -> None:
    path = write(file, "date,item,qty", ISO, f"{year}-02-01,A-1,3")
    error = refusal(path)
    assert f"1 row with a date far from all others, such as '{year}-02-01'" in error.message
    assert "--odd-dates" in error.hint
    left_out = load(path, odd_dates="drop")
    check(left_out)
    assert (left_out.report.n_odd_dates, left_out.report.dropped.odd_dates) == (1, 1)
    assert len(load(path, odd_dates="keep").weeks["A-1"]) > 900


def test_many_rows_after_a_long_gap_are_kept(file: Path) -> None:
    later = lines(lambda day, item, n: f"{day + timedelta(days=7 * 80)},{item},{n}")
    assert weeks_of(load(write(file, "date,item,qty", ISO, later)))["A-1"][-N_WEEKS:] == WEEKS["A-1"]


def test_incomplete_last_day_is_reported(file: Path) -> None:
    assert not load(write(file, "date,item,qty", ISO)).report.warnings
    (doubt,) = load(write(file, "date,item,qty", ISO[:-2])).report.warnings
    assert doubt.startswith("On the last day, 2024-03-30, 1 items sold; on the same weekday before, 3")


def test_jump_in_the_level_is_reported(file: Path) -> None:
    weeks = 2 * anomalies.USUAL_WEEKS
    body = [
        f"{SUNDAY + timedelta(days=7 * week)},{item},{(5 + n) * (12 if week >= anomalies.USUAL_WEEKS else 1)}"
        for week in range(weeks)
        for n, item in enumerate(ITEMS)
    ]
    (doubt,) = load(write(file, "date,item,qty", body)).report.warnings
    assert doubt.startswith(
        "From the week ending 2024-03-03 on, items sell 12.0 times as many units per week as before"
    )


def test_receipts_in_several_files_count_once_by_default(tmp_path: Path) -> None:
    receipts = lines(lambda day, item, n: f"R{day}{item},{day} 10:00,{item},{n}")
    first = write(tmp_path / "a.csv", "receipt,date,item,qty", receipts[:150])
    second = write(tmp_path / "b.csv", "receipt,date,item,qty", receipts[100:])
    weekly = load(first, second)
    check(weekly)
    assert weekly.report.duplicates.n_dropped == 50
    assert weeks_of(load(first, second, duplicates="keep")) != WEEKS
