"""Error messages of refused files and bad rows: file, line, column, value and number of bad rows."""

import gzip
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from fcst.errors import BadRows
from fcst.quality_report import BadRow, BadRowCount
from tests.unit.ingest.conftest import HEADER, as_text, day, filler, load, refusal, write

# Unusable files


def test_missing_file_is_refused_with_its_path(tmp_path: Path) -> None:
    assert f"There is no file {tmp_path / 'none.csv'}." in refusal(tmp_path / "none.csv").message


def test_device_is_refused(file: Path) -> None:
    assert refusal(write(file, *filler()), Path("/dev/null")).message == "/dev/null is not a file."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "sales.csv is empty."),
        (b"\n", "sales.csv is empty."),
        (HEADER.encode(), "sales.csv has a header but no rows."),
        (HEADER.encode() + b"\n\n", "sales.csv has a header but no rows."),
        (
            b"date,item_nbr,unit_sales,date\n2020-01-05,a,1,x\n",
            "sales.csv has no header with unique column names: 'date' appears twice.",
        ),
        ("día,item_nbr\n".encode("latin-1"), "sales.csv has no column for units sold."),
        ("date,item_nbr\n".encode("utf-16"), "sales.csv has no column for units sold."),
        (bytes(range(32)) * 100, "sales.csv is a binary file."),
        (b"PAR1" + bytes(100), "sales.csv cannot be read as Parquet"),
        (b"%PDF-1.7\n", "sales.csv is a PDF document."),
        (b"\xd0\xcf\x11\xe0" + bytes(100), "sales.csv cannot be opened as a workbook: "),
    ],
    ids=[
        "empty",
        "blank",
        "header only",
        "header and blank",
        "duplicate header",
        "latin-1 header",
        "utf-16",
        "binary",
        "broken parquet",
        "pdf",
        "xls",
    ],
)
def test_unusable_file_is_refused_by_name(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    assert refusal(file).message.startswith(message)


def test_missing_columns_error_lists_the_columns(file: Path) -> None:
    error = refusal(write(file, "x,1", header="Kind,Price"))
    assert error.message == (
        "sales.csv has no column for item and none for date and none for units sold. 'Price' looks like money."
    )
    assert error.hint.startswith("Its columns are Kind, Price. ")
    assert "--map item=SKU" in error.hint


@pytest.mark.parametrize("role", ["item", "date", "sales", "promo", "store", "receipt", "family"])
def test_unknown_mapped_column_is_refused(file: Path, role: str) -> None:
    error = refusal(write(file, *filler()), mapping={role: ["Nothing"]})
    assert error.message.startswith("sales.csv has no column 'Nothing' (")
    assert "date, item_nbr, unit_sales, onpromotion" in error.hint


def test_dates_without_a_known_format_are_refused_with_examples(file: Path) -> None:
    error = refusal(write(file, "W1,a,1,", "W2,a,1,"))
    assert error.message == "The dates in 'date' of sales.csv have no known format: 'W1', 'W2'."
    assert "--date-format" in error.hint


@pytest.mark.parametrize("encoding", ["klingon", "utf-16"])
def test_unknown_or_wrong_encoding_is_refused(file: Path, encoding: str) -> None:
    assert refusal(write(file, *filler()), encoding=encoding).message


@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"x" * 10_000)[:-12], b"\x1f\x8b\x08", b"date,item_nbr\n", gzip.compress(b"")],
    ids=["truncated", "header only", "not gzip", "empty content"],
)
def test_broken_gzip_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "sales.csv.gz").write_bytes(content)
    assert refusal(tmp_path / "sales.csv.gz").message.startswith("sales.csv.gz ")


def test_truncated_large_gzip_is_refused_by_name(tmp_path: Path) -> None:
    text = as_text([*filler(14, "a"), *[f"2020-01-05,{n},1," for n in range(200_000)]])
    (tmp_path / "sales.csv.gz").write_bytes(gzip.compress(text.encode(), 1)[:-5_000])
    error = refusal(tmp_path / "sales.csv.gz")
    assert error.message.startswith("sales.csv.gz › sales.csv is broken: ")
    assert "incomplete" in error.hint


# Companion files


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "items.csv is empty."),
        (
            b"item_nbr,family,class,perishable\na,DELI,1\n",
            "items.csv next to the sales file, line 2: the line has fewer cells than the header.",
        ),
        (
            b'item_nbr,family,class,perishable\na,DELI,1,0\nb,"D,1,0\n',
            "items.csv next to the sales file, line 3: a quote is not closed, or text follows the closing quote.",
        ),
    ],
    ids=["empty", "too few columns", "unclosed quote"],
)
def test_broken_items_file_is_refused_by_name(file: Path, content: bytes, message: str) -> None:
    (file.parent / "items.csv").write_bytes(content)
    assert refusal(write(file, *filler())).message == message


def test_items_file_in_another_encoding_is_read(file: Path) -> None:
    (file.parent / "items.csv").write_bytes("item_nbr,family\na,Pâtés\n".encode("latin-1"))
    assert load(write(file, *filler(7, "a"))).item("a")["family"] == "Pâtés"


def test_broken_stores_file_is_refused_by_name_if_the_filter_uses_it(file: Path) -> None:
    (file.parent / "stores.csv").write_text("store_nbr,city\n1,Quito\n2,Lima,x\n")
    path = write(file, *(f"{day(n)},a,1,1" for n in range(7)), header="date,item_nbr,store_nbr,unit_sales")
    assert load(path).units("a") == ["7.0"]
    error = refusal(path, where=(("city", "Quito"),))
    assert error.message == "stores.csv next to the sales file, line 3: the line has more cells than the header."


# Bad rows

UNUSABLE = {
    "bad date": ("2020-13-01,a,1,", "date is not a valid date: '2020-13-01'"),
    "date of another country": ("05/01/2020,a,1,", "date is not a valid date: '05/01/2020'"),
    "no date": (",a,1,", "date is empty"),
    "date without end": ("infinity,a,1,", "date is not between 1900-01-01 and 2099-12-31: 'infinity'"),
    "date before christ": (
        "0044-03-15 (BC),a,1,",
        "date is not between 1900-01-01 and 2099-12-31: '0044-03-15 (BC)'",
    ),
    "five digits of a year": ("12020-01-05,a,1,", "date is not between 1900-01-01 and 2099-12-31: '12020-01-05'"),
    "century too early": ("1820-01-05,a,1,", "date is not between 1900-01-01 and 2099-12-31: '1820-01-05'"),
    "day too early": ("1899-12-31,a,1,", "date is not between 1900-01-01 and 2099-12-31: '1899-12-31'"),
    "day too late": ("2100-01-01,a,1,", "date is not between 1900-01-01 and 2099-12-31: '2100-01-01'"),
    "no item": ("2020-01-05,,1,", "item_nbr is empty"),
    "quoted empty item": ('2020-01-05,"",1,', "item_nbr is empty"),
    "endless item": (f"2020-01-05,{'k' * 501},1,", f"item_nbr is longer than 500 characters: '{'k' * 120} …'"),
    "zero byte": ("2020-01-05,a\0b,1,", r"item_nbr contains a zero byte: 'a\\0b'"),
    "no units": ("2020-01-05,a,,", "unit_sales is empty"),
    "text in units": ("2020-01-05,a,many,", "unit_sales is not a number: 'many'"),
    "thousands in the wrong places": ('2020-01-05,a,"1,00",', "unit_sales is not a number: '1,00'"),
    "decimal comma among decimal points": ('2020-01-05,a,"1,5",', "unit_sales is not a number: '1,5'"),
    "infinite units": ("2020-01-05,a,inf,", "unit_sales is not a number: 'inf'"),
    "minus infinity": ("2020-01-05,a,-inf,", "unit_sales is not a number: '-inf'"),
    "nan": ("2020-01-05,a,nan,", "unit_sales is not a number: 'nan'"),
    "beyond floats": ("2020-01-05,a,1e999,", "unit_sales is not a number: '1e999'"),
    "beyond decimals": ("2020-01-05,a,1e13,", "unit_sales is not a number: '1e13'"),
    "too few columns": ("2020-01-05,a,1", "the line has fewer cells than the header: '2020-01-05,a,1'"),
    "too many columns": ("2020-01-05,a,1,,x", "the line has more cells than the header: '2020-01-05,a,1,,x'"),
}


@pytest.mark.few(9)
@pytest.mark.parametrize(("bad", "why"), UNUSABLE.values(), ids=UNUSABLE)
@pytest.mark.parametrize("position", [0, 5, 14])
def test_bad_row_error_has_file_line_column_and_value(file: Path, bad: str, why: str, position: int) -> None:
    rows = [f"{day(n)},every day,{n}.5,False" for n in range(14)]
    rows.insert(position, bad)
    error = refusal(write(file, *rows))
    assert isinstance(error, BadRows)
    assert error.message == f"sales.csv, line {position + 2}: {why}. Bad rows: 1 of 15."
    assert error.hint == "Load the 14 good rows (command line: --skip-bad), or correct the file."
    (row,) = error.report.bad_rows.first
    assert (row.file, row.line) == ("sales.csv", position + 2)
    assert error.report.n_rows == 15


def test_unclosed_quote_error_has_its_first_line(file: Path) -> None:
    error = refusal(write(file, *filler(), '2020-01-05,"a,1,'))
    assert error.message == (
        "sales.csv, line 16: a quote is not closed, or text follows the closing quote: '2020-01-05,\"a,1,'."
        " Bad rows: 1 of 15."
    )


def test_span_of_more_than_a_century_is_refused(file: Path) -> None:
    error = refusal(write(file, *filler(), "1900-01-01,a,1,", "2099-12-31,a,1,"))
    assert error.message == "sales.csv spans 1900-01-01 to 2099-12-31, more than 100 years."
    assert "mistyped year" in error.hint


@pytest.mark.few(1)
@pytest.mark.parametrize("when", ["1920-01-05", "2099-12-31"])
def test_span_of_less_than_a_century_is_read(file: Path, when: str) -> None:
    report = load(write(file, *filler(), f"{when},a,1,")).report
    assert date.fromisoformat(when) in (report.first_day, report.last_day)


def test_error_names_the_column_not_the_role(file: Path) -> None:
    rows = [*(f"{day(n)},a,1" for n in range(7)), "2020-01-05,a,many"]
    mapping = {"date": ["Tag"], "item": ["SKU"], "sales": ["the 'sum'"]}
    error = refusal(write(file, *rows, header="Tag,SKU,the 'sum'"), mapping=mapping)
    assert "line 9: the 'sum' is not a number" in error.message


def test_error_names_the_expected_date_format(file: Path) -> None:
    rows = [f"{day(n)[8:]}/01/2020,a,1," for n in range(14)]
    message = refusal(write(file, *rows, "2020-01-05,a,1,")).message
    assert message.startswith("sales.csv, line 16: date is not a valid date (expected DD/MM/YYYY): '2020-01-05'.")


def test_error_names_the_expected_decimal_comma(file: Path) -> None:
    rows = [f"{day(n)};a;{n},5" for n in range(14)]
    message = refusal(write(file, *rows, f"{day(1)};a;1.5", header="date;item_nbr;unit_sales")).message
    assert "line 16: unit_sales is not a number with a decimal comma: '1.5'." in message


def test_long_bad_line_is_cut(file: Path) -> None:
    assert len(refusal(write(file, *filler(), f"2020-01-05,{'x' * 5_000},many,")).message) < 400
    assert len(refusal(file).report.bad_rows.first[0].value) < 130


# Line numbers


@pytest.mark.few(2)
@pytest.mark.parametrize("name", ["crlf.csv", "cr.csv", "packed.csv.gz", "utf-16.csv", "bom.csv"])
def test_line_number_is_the_same_in_every_format(tmp_path: Path, name: str) -> None:
    text = as_text([*filler(), "2020-13-01,a,1,"])
    content = {
        "packed.csv.gz": gzip.compress(text.encode()),
        "crlf.csv": text.replace("\n", "\r\n").encode(),
        "cr.csv": text.replace("\n", "\r").encode(),
        "utf-16.csv": text.encode("utf-16"),
        "bom.csv": b"\xef\xbb\xbf" + text.encode(),
    }[name]
    (tmp_path / name).write_bytes(content)
    shown = "packed.csv.gz › packed.csv" if name.endswith("gz") else name
    expected = f"{shown}, line 16: date is not a valid date: '2020-13-01'. Bad rows: 1 of 15."
    assert refusal(tmp_path / name).message == expected


def test_lines_above_the_header_are_counted(file: Path) -> None:
    file.write_text("Sales of 2020\n\n" + as_text([*filler(), "2020-13-01,a,1,"]))
    assert refusal(file).message.startswith("sales.csv, line 18: date is not a valid date")


def test_blank_lines_are_counted(file: Path) -> None:
    report = refusal(write(file, "", *filler(), "", "2020-01-05,a", "2020-01-05,a,many,")).report
    assert [(row.line, row.column) for row in report.bad_rows.first] == [(18, ""), (19, "unit_sales")]


def test_line_breaks_in_a_quoted_cell_are_counted(file: Path) -> None:
    rows = [f'{day(1)},"two\nlines",1,', *filler(), "2020-01-05,a,many,"]
    assert refusal(write(file, *rows)).message.startswith("sales.csv, line 18: unit_sales is not a number")


def test_bad_rows_of_several_files_have_their_file(tmp_path: Path) -> None:
    good = write(tmp_path / "good.csv", *filler())
    bad = [write(tmp_path / f"bad {n}.csv", *filler(14, "x"), f"{day(1)},x,many,") for n in range(2)]
    error = refusal(good, *bad)
    assert error.message == ("bad 0.csv, line 16: unit_sales is not a number: 'many'. Bad rows: 2 of 44.")
    found = [(row.file, row.line) for row in error.report.bad_rows.first]
    assert found == [("bad 0.csv", 16), ("bad 1.csv", 16)]


# Counts


def test_every_bad_row_is_listed_and_counted_once(file: Path) -> None:
    rows = [*filler(), "yesterday,a,many,", f"{day(1)},,1,", f"{day(1)},a,--,", f"{day(1)},a"]
    error = refusal(write(file, *rows))
    assert error.message.endswith("Bad rows: 4 of 18.")
    bad = error.report.bad_rows
    assert {(kind.first.column, kind.first.line): kind.n for kind in bad.kinds} == {
        ("date", 16): 1,
        ("item_nbr", 17): 1,
        ("unit_sales", 18): 1,
        ("", 19): 1,
    }
    assert replace(bad, kinds=()) == BadRowCount(
        n=4,
        is_at_least=False,
        first=(
            BadRow("sales.csv", 16, "date", "yesterday", "is not a valid date"),
            BadRow("sales.csv", 17, "item_nbr", "", "is empty"),
            BadRow("sales.csv", 18, "unit_sales", "--", "is not a number"),
            BadRow("sales.csv", 19, "", "2020-01-06,a", "the line has fewer cells than the header"),
        ),
    )


def test_error_has_the_first_of_many_bad_lines_and_counts_each_once(file: Path) -> None:
    rows = [*filler(), "yesterday,a,many,", *filler(), *["2020-01-05,a,many,"] * 300]
    error = refusal(write(file, *rows))
    assert error.message.startswith("sales.csv, line 16: date is not a valid date: 'yesterday'.")
    assert error.message.endswith("Bad rows: 301 of 329.")
    assert [row.line for row in error.report.bad_rows.first] == [16, *range(31, 130)]


def test_many_bad_rows_are_counted_exactly(file: Path) -> None:
    message = refusal(write(file, *filler(), *["05/01/2020,a,1,"] * 50_000)).message
    assert message.endswith("Bad rows: 50,000 of 50,014.")


def test_more_rejected_lines_than_kept_are_counted_as_at_least(file: Path) -> None:
    message = refusal(write(file, *filler(), *["2020-01-05,a,1"] * 20_000)).message
    assert "Bad rows: at least 10,000 of " in message


def test_hint_does_not_offer_skip_bad_without_good_rows(file: Path) -> None:
    path = write(file, *(f"{day(n)},a,many," for n in range(14)))
    for skip_bad in (False, True):
        error = refusal(path, skip_bad=skip_bad)
        assert error.message.endswith("Bad rows: 14 of 14.")
        assert error.hint == "Correct the file or its mapping."


# Loading the good rows


@pytest.mark.few(3)
@pytest.mark.parametrize(("bad", "why"), UNUSABLE.values(), ids=UNUSABLE)
def test_skip_bad_loads_good_rows_and_reports_bad_ones(file: Path, bad: str, why: str) -> None:
    rows = [f"{day(n)},every day,{n}.5,False" for n in range(14)]
    weekly = load(write(file, *rows[:5], bad, *rows[5:]), skip_bad=True)
    assert weekly.weeks == {"every day": {"2020-01-11": ("24.5", "0.0"), "2020-01-18": ("73.5", "0.0")}}
    report = weekly.report
    assert (report.n_rows, report.n_kept, report.dropped.bad) == (15, 14, 1)
    (row,) = report.bad_rows.first
    assert row.line == 7
    assert why.startswith(f"{row.column} {row.reason}".strip())


# Text that is not UTF-8


def test_invalid_bytes_in_a_utf8_file_are_a_bad_row(file: Path) -> None:
    rows = as_text([*filler(), "2020-01-05,Señal,1,", *["2020-01-05,a,1,"] * 50_000]).encode()
    file.write_bytes(rows + b"2020-01-05,\xff\xfe,1,\n")
    error = refusal(file)
    assert error.message.startswith("sales.csv, line 50017: the line is not valid UTF-8: ")
    assert error.message.endswith("Bad rows: 1 of 50,016.")
