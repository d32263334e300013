"""The same sales in every supported format: text, archives, Parquet, workbooks, folders, wide files."""

import gzip
import zipfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import openpyxl
import pandas as pd
import py7zr
import pytest

from fcst.ingest.archives import Kind
from fcst.ingest.heads import read_table
from fcst.ingest.sources import Source, Workspace
from fcst.ingest.tables import Table
from fcst.ingest.texts import detect_encoding
from tests.unit.ingest.conftest import (
    HEADER,
    SATURDAYS,
    SUNDAY,
    as_text,
    day,
    filler,
    load,
    refusal,
    write,
)

ROWS = [*filler(), f"{day(1)},a,10.5,False", f"{day(2)},a,4,True", f"{day(8)},a,-5,", f'{day(9)},"b, c",6,true']
TEXT = as_text(ROWS)
WEEKS = {
    "a": {"2020-01-11": ("10.5", "4.0"), "2020-01-18": ("-5.0", "0.0")},
    "b, c": {"2020-01-18": (r"\N", "6.0")},
    "every day": {"2020-01-11": ("7.0", "0.0"), "2020-01-18": ("7.0", "0.0")},
}


def table(path: Path) -> Table:
    return read_table(Source(path), Workspace(path.parent, 10**9))


def frame() -> pd.DataFrame:
    """The rows as a typed table."""
    rows = [line.replace('"b, c"', "b; c").split(",") for line in ROWS]
    found = pd.DataFrame(rows, columns=HEADER.split(","))
    found["item_nbr"] = found["item_nbr"].str.replace(";", ",")
    found["date"] = pd.to_datetime(found["date"])
    found["unit_sales"] = found["unit_sales"].astype(float)
    found["onpromotion"] = found["onpromotion"].str.lower().map({"true": True, "false": False})
    return found


def write_zip(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_7z(path: Path, **members: bytes) -> Path:
    with py7zr.SevenZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(content, name)
    return path


def write_workbook(path: Path, **sheets: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        page = book.create_sheet(name)
        for row in rows:
            page.append(row)
    book.save(path)
    return path


def cells() -> list[list[object]]:
    """The rows as cells of a sheet: typed dates and numbers, empty cells for missing flags."""
    rows = frame().itertuples(index=False)
    return [HEADER.split(",")] + [
        [row[0].to_pydatetime(), *row[1:3], None if pd.isna(row[3]) else row[3]] for row in rows
    ]


# Text


def semicolons(decimal: str) -> str:
    return "\n".join(
        line.replace('"b, c"', "b# c").replace(",", ";").replace("b#", "b,").replace(".", decimal)
        for line in TEXT.splitlines()
    )


TEXT_FORMS: dict[str, bytes] = {
    "plain.csv": TEXT.encode(),
    "gzip.csv.gz": gzip.compress(TEXT.encode()),
    "bom.csv": b"\xef\xbb\xbf" + TEXT.encode(),
    "crlf.csv": TEXT.replace("\n", "\r\n").encode(),
    "cr.csv": TEXT.replace("\n", "\r").encode(),
    "mixed.csv": TEXT.replace("\n", "\r\n", 9).encode(),
    "open end.csv": TEXT.rstrip("\n").encode(),
    "blank end.csv": TEXT.encode() + b"\n\n",
    "blank begin.csv": b"\n\n" + TEXT.encode(),
    "title.csv": b"Sales of January\n\n" + TEXT.encode(),
    "quoted.csv": TEXT.replace(HEADER, '"date","item_nbr","unit_sales","onpromotion"').encode(),
    "star*[1]{2}.csv": TEXT.encode(),
    "it's.csv": TEXT.encode(),
    "semicolon.csv": semicolons(".").encode(),
    "semicolon and comma.csv": semicolons(",").encode(),
    "tab.txt": semicolons(".").replace(";", "\t").encode(),
    "tab.tsv": semicolons(",").replace(";", "\t").encode(),
    "pipe.csv": semicolons(".").replace(";", "|").encode(),
    "utf-16.csv": TEXT.encode("utf-16"),
    "utf-16 without bom.csv": TEXT.encode("utf-16-le"),
    "utf-32.csv": TEXT.encode("utf-32"),
}


@pytest.mark.few(3)
@pytest.mark.parametrize("name", TEXT_FORMS)
def test_text_formats_give_the_same_weeks(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(TEXT_FORMS[name])
    weekly = load(tmp_path / name)
    assert weekly.weeks == WEEKS
    report = weekly.report
    assert report.source.startswith(name)
    assert (report.n_rows, report.n_kept, report.n_promo, report.n_returns) == (18, 16, 2, 1)


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("name", "delimiter", "encoding", "decimal"),
    [
        ("plain.csv", ",", "utf-8", "."),
        ("bom.csv", ",", "utf-8-sig", "."),
        ("semicolon and comma.csv", ";", "utf-8", ","),
        ("tab.txt", "\t", "utf-8", "."),
        ("pipe.csv", "|", "utf-8", "."),
        ("utf-16.csv", ",", "utf-16", "."),
    ],
)
def test_report_has_the_format_of_a_text(
    tmp_path: Path, name: str, delimiter: str, encoding: str, decimal: str
) -> None:
    (tmp_path / name).write_bytes(TEXT_FORMS[name])
    (found,) = load(tmp_path / name).report.files
    assert (found.kind, found.delimiter, found.encoding) == ("text", delimiter, encoding)
    assert (found.decimal, found.n_bytes) == (decimal, len(TEXT_FORMS[name]))


@pytest.mark.few(1)
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8", "utf-16"])
def test_letters_are_decoded(file: Path, encoding: str) -> None:
    file.write_bytes(as_text([*filler(), f"{day(1)},Señal,1,", f"{day(1)},Über größe,2,"]).encode(encoding))
    assert set(load(file).weeks) == {"every day", "Señal", "Über größe"}


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "2020-01-05,Señal,1"),
        ("cp1252", "día,item"),
        ("cp1252", "a,DéLI,1,0"),
        ("cp1252", "Größe °C;m²;5 €;«Käse»"),
        ("cp1250", "Łosoś,Żółty ser,Chleb żytni"),
        ("cp1250", "mléko,řepa,sýr,švestky,žampiony,těsto,příloha,rýže,vejce čerstvá,kuřecí řízek\n" * 5),
        ("cp1251", "Молоко,Хлеб,Сыр российский"),
        ("cp932", "牛乳,パン,りんごジュース"),
        ("utf-8", "Señal,牛乳,Молоко"),
        ("utf-8", "plain"),
    ],
)
def test_encoding_is_recognised(encoding: str, text: str) -> None:
    assert detect_encoding([text.encode(encoding)]) == encoding


def test_given_encoding_is_used(file: Path) -> None:
    file.write_bytes(as_text(filler(7, "Ł")).encode("cp1250"))
    assert set(load(file, encoding="cp1250").weeks) == {"Ł"}
    assert set(load(file, encoding="cp1252").weeks) == {"£"}


def test_letters_near_the_end_decide_the_encoding(file: Path) -> None:
    """The sample is ASCII; the load finds the encoding."""
    rows = as_text([*filler(), *[f"{day(n % 14)},a,1," for n in range(80_000)]]).encode()
    file.write_bytes(rows + f"{day(1)},Señal,1,\n".encode("latin-1"))
    weekly = load(file)
    assert set(weekly.weeks) == {"every day", "a", "Señal"}
    assert weekly.report.files[0].encoding == "cp1252"
    assert weekly.report.n_rows == 80_015


def test_header_with_bom_and_quotes(file: Path) -> None:
    file.write_bytes(b'\xef\xbb\xbfdate,"a ""b"", c",x\r\n1,2,3\r\n')
    assert table(file).columns == ("date", 'a "b", c', "x")


def test_single_quotes_around_cells_are_quotes(file: Path) -> None:
    file.write_text("\n".join(["'date','item_nbr','unit_sales'", *(f"'{day(n)}','a, b','1'" for n in range(7))]))
    assert load(file).units("a, b") == ["7.0"]


def test_file_without_a_header_has_numbered_columns(file: Path) -> None:
    path = write(file, *(f"a,{day(n)},{n}" for n in range(1, 7)), header=f"a,{day(0)},0")
    assert table(path).columns == ("column 1", "column 2", "column 3")
    weekly = load(path, mapping={"item": ["column 1"], "date": ["column 2"], "sales": ["column 3"]})
    assert weekly.units("a") == ["21.0"]
    assert weekly.report.n_rows == 7


# Archives


ARCHIVES: dict[str, Callable[[Path], Path]] = {
    "sales.zip": lambda path: write_zip(path, **{"sales.csv": TEXT.encode()}),
    "deep.zip": lambda path: write_zip(path, **{"data/2020/sales.csv": TEXT.encode()}),
    "with notes.zip": lambda path: write_zip(path, **{"readme.md": b"# x", "sales.csv": TEXT.encode()}),
    "sales.7z": lambda path: write_7z(path, **{"sales.csv": TEXT.encode()}),
    "sales.csv.7z": lambda path: write_7z(path, **{"sales.csv": TEXT.encode()}),
    "gzip in zip.zip": lambda path: write_zip(path, **{"sales.csv.gz": gzip.compress(TEXT.encode())}),
}


@pytest.mark.few(3)
@pytest.mark.parametrize("name", ARCHIVES)
def test_archive_is_read_like_the_file_in_it(tmp_path: Path, name: str) -> None:
    assert load(ARCHIVES[name](tmp_path / name)).weeks == WEEKS


def test_archive_is_recognised_without_its_ending(tmp_path: Path) -> None:
    assert load(ARCHIVES["sales.zip"](tmp_path / "download")).weeks == WEEKS
    (tmp_path / "packed").write_bytes(gzip.compress(TEXT.encode()))
    assert load(tmp_path / "packed").weeks == WEEKS


def test_file_with_a_wrong_ending_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sales.zip").write_text(TEXT)
    assert refusal(tmp_path / "sales.zip").message == "sales.zip is not a zip file, although its name ends so."


def test_archive_without_a_table_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "notes.zip", **{"readme.md": b"# x"})
    assert refusal(path).message == "notes.zip contains no data file."


@pytest.mark.full
def test_archive_that_unpacks_to_more_than_allowed_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "bomb.zip", **{"sales.csv": TEXT.encode() + b"\n" * 150_000_000})
    error = refusal(path)
    assert error.message == "bomb.zip › sales.csv unpacks to more than 250 times its size (0.1 GB)."
    assert "unpack it" in error.hint


# Parquet


def test_parquet_is_read_like_text(tmp_path: Path) -> None:
    frame().to_parquet(tmp_path / "sales.parquet")
    weekly = load(tmp_path / "sales.parquet")
    assert weekly.weeks == WEEKS
    assert weekly.report.files[0].kind == Kind.PARQUET


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("dtype", "key"), [("int64", "17850"), ("float64", "17850"), ("Int32", "17850"), ("str", "017850")]
)
def test_numeric_key_of_parquet_has_no_decimals(tmp_path: Path, dtype: str, key: str) -> None:
    rows = pd.DataFrame({"date": [date.fromisoformat(day(n)) for n in range(7)], "unit_sales": 1})
    rows["item_nbr"] = pd.Series([key] * 7).astype(float if dtype == "float64" else dtype)
    rows.to_parquet(tmp_path / "sales.parquet")
    assert load(tmp_path / "sales.parquet").weeks == {key: {SATURDAYS[0]: ("7.0", "0.0")}}


def test_bad_row_of_parquet_has_its_row_number(tmp_path: Path) -> None:
    rows = frame().assign(item_nbr=["a"] * 5 + [None] + ["a"] * 12)
    rows.to_parquet(tmp_path / "sales.parquet")
    error = refusal(tmp_path / "sales.parquet")
    assert error.message == "sales.parquet, row 6: item_nbr is empty. Bad rows: 1 of 18."


def test_parquet_without_rows_is_refused(tmp_path: Path) -> None:
    frame()[:0].to_parquet(tmp_path / "sales.parquet")
    assert refusal(tmp_path / "sales.parquet").message == "sales.parquet has columns but no rows."


def test_column_with_lists_is_refused(tmp_path: Path) -> None:
    frame().assign(item_nbr=[["a"]] * 18).to_parquet(tmp_path / "sales.parquet")
    assert refusal(tmp_path / "sales.parquet").message == "sales.parquet has no column for item."
    message = refusal(tmp_path / "sales.parquet", mapping={"item": ["item_nbr"]}).message
    assert "The column 'item_nbr' of sales.parquet contains lists" in message


# Workbooks


def test_first_sheet_of_a_workbook_is_read(tmp_path: Path) -> None:
    weekly = load(write_workbook(tmp_path / "sales.xlsx", Sales=cells(), Notes=[["x"]]))
    assert weekly.weeks == WEEKS
    assert weekly.report.files[0].kind == Kind.WORKBOOK


def test_chosen_sheet_is_read(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "sales.xlsx", Notes=[["x"]], Sales=cells())
    weekly = load(path, file="Sales")
    assert weekly.weeks == WEEKS
    assert weekly.report.source == "sales.xlsx › Sales"


def test_missing_sheet_is_refused(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "sales.xlsx", Sales=cells())
    assert refusal(path, file="Umsatz").message == "The given files have no file or sheet 'Umsatz'."


def test_title_and_blank_rows_of_a_sheet_are_skipped(tmp_path: Path) -> None:
    header, *rows = cells()
    sheet = [["Sales of January"], [], header, *rows[:5], [], *rows[5:]]
    assert load(write_workbook(tmp_path / "sales.xlsx", Sales=sheet)).weeks == WEEKS


def test_bad_row_of_a_sheet_has_its_row_number(tmp_path: Path) -> None:
    header, *rows = cells()
    rows[4][1] = None
    path = write_workbook(tmp_path / "sales.xlsx", Sales=[["Sales of January"], [], header, *rows])
    assert refusal(path).message == "sales.xlsx, row 8: item_nbr is empty. Bad rows: 1 of 18."


def test_broken_workbook_is_refused(tmp_path: Path) -> None:
    whole = write_workbook(tmp_path / "whole.xlsx", Sales=cells()).read_bytes()
    (tmp_path / "broken.xlsx").write_bytes(whole[: len(whole) // 2])
    assert refusal(tmp_path / "broken.xlsx").message.startswith("broken.xlsx ")


# Several files and folders


def test_several_files_make_one_dataset(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"part {n}.csv", *ROWS[n::3]) for n in range(3)]
    weekly = load(*paths)
    assert weekly.weeks == WEEKS
    assert weekly.report.source == "part 0.csv, part 1.csv, part 2.csv"
    assert weekly.report.n_rows == 18


def test_files_of_one_dataset_may_have_different_formats(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.csv", *ROWS[:6])
    lines = semicolons(",").splitlines()
    (tmp_path / "b.csv").write_text("\n".join([lines[0], *lines[7:13]]), encoding="utf-16")
    frame()[12:].to_parquet(tmp_path / "c.parquet")
    assert load(plain, tmp_path / "b.csv", tmp_path / "c.parquet").weeks == WEEKS


def test_files_may_have_different_column_order_and_names(tmp_path: Path) -> None:
    first = write(tmp_path / "a.csv", *filler(7, "a"))
    rows = [f"2,{day(7 + n)},a" for n in range(7)]
    second = write(tmp_path / "b.csv", *rows, header="Quantity,InvoiceDate,StockCode")
    assert load(first, second).units("a") == ["7.0", "14.0"]


def test_folder_is_read_like_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "2020").mkdir(parents=True)
    write(folder / "a.csv", *ROWS[:9])
    write(folder / "2020" / "b.csv", *ROWS[9:])
    (folder / "notes.md").write_text("# x")
    (folder / ".hidden.csv").write_text("x")
    assert load(folder).weeks == WEEKS


# Wide files: one column per period


def wide(columns: list[str], *rows: list[object]) -> str:
    return "\n".join(",".join(map(str, row)) for row in [columns, *rows]) + "\n"


def test_m5_columns_are_days(file: Path) -> None:
    """d_1 is Saturday, 2011-01-29."""
    columns = ["id", "item_id", "dept_id", "cat_id", "store_id", "state_id", *(f"d_{n}" for n in range(1, 16))]
    keys = ["HOBBIES_1_001_CA_1_validation", "HOBBIES_1_001", "HOBBIES_1", "HOBBIES", "CA_1", "CA"]
    file.write_text(wide(columns, [*keys, *range(1, 16)]))
    weekly = load(file)
    assert weekly.weeks == {"HOBBIES_1_001": {"2011-02-05": ("35.0", "0.0"), "2011-02-12": ("84.0", "0.0")}}
    assert weekly.report.first_day == date(2011, 1, 29)
    assert weekly.report.n_rows == 15
    assert weekly.item("HOBBIES_1_001")["family"] == "HOBBIES_1"


def test_calendar_file_has_the_dates_of_the_columns(file: Path) -> None:
    days = [f"day_{n}" for n in range(14)]
    (file.parent / "calendar.csv").write_text(wide(["date", "d"], *([day(n), name] for n, name in enumerate(days))))
    file.write_text(wide(["item_id", "store_id", *days], ["a", 1, *range(14)], ["a", 2, *range(14)]))
    assert load(file).weeks == {"a": {"2020-01-11": ("42.0", "0.0"), "2020-01-18": ("140.0", "0.0")}}


def test_calendar_file_overrides_the_days_of_m5(file: Path) -> None:
    days = [f"d_{n}" for n in range(1, 8)]
    (file.parent / "calendar.csv").write_text(wide(["date", "d"], *([day(n), name] for n, name in enumerate(days))))
    file.write_text(wide(["item_id", *days], ["a", *[1] * 7]))
    assert load(file).weeks == {"a": {"2020-01-11": ("7.0", "0.0")}}


@pytest.mark.few(1)
@pytest.mark.parametrize("date_format", ["%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y", "%Y%m%d"])
def test_columns_may_be_dates(file: Path, date_format: str) -> None:
    names = [f"{SUNDAY + timedelta(days=n):{date_format}}" for n in range(14)]
    file.write_text(wide(["SKU", "Product name", *names], ["a", "A hammer", *range(14)], ["b", "Nails", *[1] * 14]))
    weekly = load(file)
    assert (weekly.units("a"), weekly.units("b")) == (["21.0", "70.0"], ["7.0", "7.0"])
    assert weekly.report.n_rows == 28
    assert weekly.item("a")["description"] == "A hammer"


def test_columns_may_be_weeks(file: Path) -> None:
    names = [f"{SUNDAY + timedelta(days=7 * n)}" for n in range(8)]
    file.write_text(wide(["item", *names], ["a", *range(1, 9)]))
    weekly = load(file)
    assert weekly.units("a") == [f"{n}.0" for n in range(1, 9)]
    assert (weekly.report.is_weekly, weekly.spec.week_end) == (True, "SUN")


def test_empty_cell_of_a_wide_file_is_skipped(file: Path) -> None:
    names = [day(n) for n in range(14)]
    file.write_text(wide(["item", *names], ["a", *[1] * 14], ["b", *[""] * 7, *[2] * 7]))
    weekly = load(file)
    assert list(weekly.weeks["b"]) == ["2020-01-18"]
    assert weekly.report.n_rows == 21


def test_bad_cell_of_a_wide_file_is_reported(file: Path) -> None:
    names = [day(n) for n in range(7)]
    file.write_text(wide(["item", *names], ["a", *[1] * 7], ["b", 1, "many", *[1] * 5]))
    error = refusal(file)
    assert error.message.startswith("sales.csv, line 3: ")
    assert "is not a number: 'many'. Bad rows: 1 of 14." in error.message
