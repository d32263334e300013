"""Random file formats of one sales table: each loads exactly, or is refused as ambiguous.

Runs 12 examples by default; 2,000 with the marker `full`.
"""

import csv
import io
import shutil
import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fcst.errors import InputError
from tests.unit.ingest.conftest import make
from tests.unit.ingest.pandas_weeks import weeks_by_pandas, weeks_of

# item, date, units, money
HEADERS = {
    "english": ("SKU", "Order Date", "Quantity", "Amount"),
    "plain": ("item", "date", "qty", "revenue"),
    "german": ("Artikelnummer", "Datum", "Menge", "Umsatz"),
    "french": ("Code article", "Date de vente", "Quantité", "Montant"),
    "spanish": ("Código", "Fecha", "Cantidad", "Importe"),
    "portuguese": ("Produto", "Data da venda", "Quantidade", "Valor total"),
    "dutch": ("Artikelcode", "Datum", "Aantal", "Omzet"),
    "polish": ("Indeks", "Data sprzedaży", "Ilość", "Wartość"),
}
DATE_FORMATS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y%m%d", "%d/%m/%y", "%m/%d/%y"),
    *("%d %b %Y", "%B %d, %Y", "%d-%b-%y"),
)
TIMES = ("", "", " 00:00:00", " 14:05", " 2:05 PM", "T23:30:00-05:00", " 23:59:59.1234567")
TITLES = ([], [], ["Sales report"], ["Sales report", "", "Shop 12"])
FOOTERS = ([], [], [""], ["", "End of report"])


@dataclass(frozen=True)
class Dialect:
    """File format of the table."""

    delimiter: str
    quoting: int
    encoding: str
    decimal: str
    thousands: str
    date_format: str
    time: str
    header: str
    has_money: bool
    has_row_number: bool
    total: str
    title: list[str]
    footer: list[str]
    line_end: str
    is_shuffled: bool
    as_workbook: bool


@st.composite
def dialects(draw: st.DrawFn) -> Dialect:
    decimal = draw(st.sampled_from(".,"))
    delimiter = draw(st.sampled_from(";\t|" if decimal == "," else ",;\t|"))
    header = draw(st.sampled_from(sorted(HEADERS)))
    is_american = header in ("english", "plain") and delimiter != ";" and decimal == "."  # month-first dates
    formats = [form for form in DATE_FORMATS if is_american or not form.startswith("%m")]
    return Dialect(
        delimiter=delimiter,
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        encoding=draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1250"])),
        decimal=decimal,
        thousands=draw(st.sampled_from(["", "", "." if decimal == "," else ",", "\u00a0"])),
        date_format=draw(st.sampled_from(formats)),
        time=draw(st.sampled_from(TIMES)),
        header=header,
        has_money=draw(st.booleans()),
        has_row_number=draw(st.booleans()),
        total=draw(st.sampled_from(["", "", "Total", "Summe", "Total général"])),
        title=draw(st.sampled_from(TITLES)),
        footer=draw(st.sampled_from(FOOTERS)),
        line_end=draw(st.sampled_from(["\n", "\r\n"])),
        is_shuffled=draw(st.booleans()),
        as_workbook=draw(st.integers(0, 9)) == 0,
    )


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Daily sales in whole weeks of a few items; sometimes only days up to the 12th of each month."""
    items = draw(st.lists(st.sampled_from(["A-1", "B-2", "C 3", "00042", "77", "Øl", "D;4"]), min_size=1, max_size=4))
    first = date(2018, 1, 7) + timedelta(days=7 * draw(st.integers(0, 330)))
    n_days = 7 * draw(st.integers(4, 12))
    only_first_days = draw(st.integers(0, 4)) == 0
    is_large = draw(st.booleans())
    has_fractions = draw(st.booleans())
    rows = []
    for number in range(n_days):
        day = first + timedelta(days=number)
        if only_first_days and day.day > 12:
            continue
        for item in dict.fromkeys(items):
            units = draw(st.integers(1, 2_400 if is_large else 40)) + (0.5 if has_fractions else 0)
            rows.append((item, pd.Timestamp(day), units, False))
    return pd.DataFrame(rows, columns=["item", "date", "units", "is_promo"])


def number(value: float, dialect: Dialect) -> str:
    whole, _, fraction = f"{value:.2f}".rstrip("0").rstrip(".").partition(".")
    grouped = f"{int(whole):,}".replace(",", dialect.thousands)
    return grouped + (dialect.decimal + fraction if fraction else "")


def cells_of(table: pd.DataFrame, dialect: Dialect) -> list[list[str]]:
    names = HEADERS[dialect.header]
    place = [3, 1, 0, 2] if dialect.has_money else [1, 0, 2]
    header = [names[number] for number in place]
    rows = []
    for line, row in enumerate(table.itertuples(), 1):
        day = row.date.strftime(dialect.date_format) + dialect.time
        cells = [row.item, day, number(row.units, dialect), number(row.units * 1.25 + 0.99, dialect)]
        rows.append(([str(line)] if dialect.has_row_number else []) + [cells[number] for number in place])
    if dialect.total:
        cells = [dialect.total, "", number(table["units"].sum(), dialect), number(table["units"].sum() * 2, dialect)]
        rows.append(([""] if dialect.has_row_number else []) + [cells[number] for number in place])
    return [(["id"] if dialect.has_row_number else []) + header, *rows]


def write(folder: Path, table: pd.DataFrame, dialect: Dialect) -> Path:
    cells = cells_of(table, dialect)
    if dialect.as_workbook:
        book = openpyxl.Workbook()
        page = book.active
        assert page is not None
        for title in dialect.title:
            page.append([title])
        for row in cells:
            page.append(row)
        book.save(folder / "sales.xlsx")
        return folder / "sales.xlsx"
    out = io.StringIO()
    writer = csv.writer(out, delimiter=dialect.delimiter, quoting=dialect.quoting, lineterminator="\n")
    writer.writerows(cells)
    text = "\n".join(dialect.title) + ("\n" if dialect.title else "") + out.getvalue() + "\n".join(dialect.footer)
    path = folder / "sales.csv"
    path.write_bytes(text.replace("\n", dialect.line_end).encode(dialect.encoding, errors="replace"))
    return path


def has_whole_week(table: pd.DataFrame) -> bool:
    """Whether a week from Sunday to Saturday lies between the first and the last day; twelve days may have none."""
    first, last = table["date"].min(), table["date"].max()
    return first + pd.Timedelta(days=(6 - first.dayofweek) % 7 + 6) <= last


def check(table: pd.DataFrame, dialect: Dialect) -> None:
    if dialect.encoding == "cp1250" and not dialect.as_workbook:
        table = table.assign(item=table["item"].str.replace("Ø", "O"))  # cp1250 does not have this letter
    if dialect.is_shuffled:
        table = table.sample(frac=1, random_state=1)
    folder = Path(tempfile.mkdtemp())
    try:
        files = make(folder, write(folder, table, dialect))
    except InputError as exc:
        is_empty = not has_whole_week(table) and "whole week" in exc.message
        assert is_empty or "ambiguous" in exc.message, (exc.message, exc.hint)
        return
    else:
        order = ["item", "week"]
        found, expected = (t.sort_values(order, ignore_index=True) for t in (weeks_of(files), weeks_by_pandas(table)))
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)
        report = files.report
        assert report.n_rows == report.n_kept + sum(vars(report.dropped).values())
    finally:
        shutil.rmtree(folder)


QUIET: dict[str, Any] = {
    "deadline": None,
    "derandomize": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
}


@settings(max_examples=12, **QUIET)
@given(tables(), dialects())
def test_some_dialects_load_exactly_or_are_ambiguous(table: pd.DataFrame, dialect: Dialect) -> None:
    check(table, dialect)


@pytest.mark.full
@settings(max_examples=2_000, **QUIET)
@given(tables(), dialects())
def test_many_dialects_load_exactly_or_are_ambiguous(table: pd.DataFrame, dialect: Dialect) -> None:
    check(table, dialect)
