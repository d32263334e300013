"""Malformed and malicious files: each is refused with one message, or loaded with a report; no files are left."""

import csv
import gzip
import multiprocessing
import os
import random
import re
import resource
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import py7zr
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fcst.errors import BadRows, DiskFull, InputError
from fcst.ingest import archives
from fcst.ingest.folders import Folders
from fcst.ingest.pipeline import Resources, read_series
from fcst.ingest.sources import OnProgress, no_progress
from fcst.services import loading
from fcst.specs import IngestSpec
from tests.nasty_files import (
    ARCHIVES,
    GOOD,
    KEYS,
    LOADED,
    ROWS,
    SHEET,
    TEXTS,
    Nasty,
    cut,
    gzip_bomb,
    parquet,
    seven_zip,
    with_sheet,
    workbook,
    write_keys,
    zip_bomb,
    zip_of,
)
from tests.unit.ingest.conftest import HEADER, SUNDAY, Weekly, as_text, day, filler, read_back

SECONDS = 20.0  # timeout per file
MUST_HAVE = "item and none for date and none for units sold"
IS_ROOT = os.geteuid() == 0


def files_below(folder: Path) -> set[Path]:
    return {Path(top) / name for top, folders, names in os.walk(folder) for name in [*folders, *names]}


def read(path: Path, on_progress: OnProgress = no_progress, memory: str = "200MB", **options: Any) -> Weekly:
    """Loads a file with a working folder next to it; checks which files are left."""
    out = Path(tempfile.mkdtemp(dir=path.parent, prefix="out "))
    before = files_below(path.parent)
    roots = options.pop("roots", [Path("/")])
    spec = IngestSpec(paths=(str(path),), name="n", **options)
    try:
        return read_back(read_series(spec, 7, Resources(out, memory, 2, 10**9, Folders(roots)), on_progress))
    except InputError as exc:
        assert not [*out.glob("*.csv")], "result files of a refused file"
        check_message(exc)
        raise
    finally:
        assert {file for file in files_below(path.parent) - before if not file.is_relative_to(out)} == set()


def check_message(error: InputError) -> None:
    """Checks that an error is short, has a hint, and is safe for database and terminal."""
    assert error.message.endswith(".") and error.hint.endswith(".")
    assert len(error.message) < 1_000 and len(error.hint) < 2_000
    assert "\0" not in str(error) and "Traceback" not in str(error)
    str(error).encode("utf-8")


def refusal(path: Path, **options: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        read(path, **options)
    return caught.value


def inspect(path: Path, **options: Any) -> loading.Inspection:
    """Checks a file as a page does before a load; checks that the temporary folder is deleted."""
    spec = IngestSpec(paths=(str(path),), name="n", **options)
    try:
        inspection = loading.inspect(spec)
        loading.check_files(spec, loading.inspect_files(spec))
        return inspection
    except InputError as exc:
        check_message(exc)
        raise
    finally:
        assert [*Path(os.environ["FCST_HOME"]).glob("tmp/*")] == []


# File contents


def lol(_: bytes) -> bytes:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    sheet = '<sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>&a9;</t></is></c></row></sheetData>'
    schema = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<!DOCTYPE l [<!ENTITY a0 "lol">{entities}]><worksheet xmlns="{schema}">{sheet}</worksheet>'.encode()


# Refused


TABLES = {
    "truncated parquet": Nasty(
        lambda path: (parquet(path), path.write_bytes(cut(path.read_bytes(), 0.5))),
        "cannot be read as Parquet",
        "sales.parquet",
    ),
    "parquet without rows": Nasty(
        lambda path: pq.write_table(pa.table({"date": [], "item": [], "units": []}), path),
        "has columns but no rows",
        "sales.parquet",
    ),
    "parquet without columns": Nasty(
        lambda path: pq.write_table(pa.table({}), path), "cannot be read as Parquet", "sales.parquet"
    ),
    "parquet with lists as items": Nasty(
        lambda path: parquet(path, keys=[[1, 2]] * 14),
        "column 'keys' of sales.parquet contains lists or records",
        "sales.parquet",
        options={"mapping": {"item": ["keys"]}},
    ),
    "parquet with invalid text": Nasty(
        lambda path: parquet(path, item=pa.array([b"K\xe4se"] * 14, pa.binary())),
        "cannot be read as Parquet",
        "sales.parquet",
    ),
    "parquet with a reserved column": Nasty(
        lambda path: parquet(path, file_row_number=[1] * 14), "'file_row_number', which is reserved", "sales.parquet"
    ),
    "csv named xlsx": Nasty(ROWS, "is not a workbook, although its name ends so", "sales.xlsx"),
    "zip named xlsx": Nasty(zip_of("sales.csv", ROWS), "is not a workbook", "sales.xlsx"),
    "broken old workbook": Nasty(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(999), "cannot be opened as a workbook", "sales.xls"
    ),
    "workbook without cells": Nasty(lambda path: workbook(path, []), "sales.xlsx is empty", "sales.xlsx"),
    "workbook with an empty first sheet": Nasty(
        lambda path: workbook(path, [], lambda book, _: book.create_sheet("Data").append([1])),
        "is empty on its first sheet",
        "sales.xlsx",
    ),
    "missing sheet": Nasty(
        lambda path: workbook(path, SHEET), "no file or sheet 'May'", "sales.xlsx", options={"file": "May"}
    ),
    "header of merged cells": Nasty(
        lambda path: workbook(path, SHEET, lambda _, page: page.merge_cells("B1:C1")),
        "has no column for units sold",
        "sales.xlsx",
    ),
    "formulas without values": Nasty(
        lambda path: workbook(path, [SHEET[0], *([when, key, "=1+1"] for when, key, _ in SHEET[1:])]),
        "row 2: units is empty. Bad rows: 14 of 14",
        "sales.xlsx",
        is_seen=False,
    ),
    "workbook with a truncated sheet": Nasty(
        lambda path: with_sheet(path, lambda xml: cut(xml, 0.5)), "cannot be read", "sales.xlsx"
    ),
    "workbook of zeros": Nasty(
        lambda path: with_sheet(path, lambda xml: xml.replace(b"<sheetData>", b"<sheetData>" + b" " * 11 * 10**7)),
        "unpacks to more than 0.1 GB",
        "sales.xlsx",
    ),
    "workbook with a billion laughs": Nasty(
        lambda path: with_sheet(path, lol), "cannot be opened as a workbook|cannot be read", "sales.xlsx"
    ),
}  # fmt: skip

PATHS = {
    "pipe": Nasty(os.mkfifo, "is not a file"),
    "dangling link": Nasty(lambda path: path.symlink_to(path.parent / "gone"), "There is no file"),
    # From a page the reason is not given: it could reveal what exists outside of the allowed folders.
    "circle of links": Nasty(lambda path: path.symlink_to(path), "cannot be used|is not in an allowed folder"),
    "empty folder": Nasty(lambda path: path.mkdir(), "contains no data file", "folder"),
    "folder of other files": Nasty(
        lambda path: (path.mkdir(), os.mkfifo(path / "a.csv"), (path / "b.md").write_text("x")),
        "contains no data file",
        "folder",
    ),
    "name that is not UTF-8": Nasty(ROWS, "is not valid UTF-8", "caf\udce9.csv"),
}

REFUSED = ARCHIVES | TEXTS | TABLES | PATHS
IS_WITHOUT_ZIP = not any((Path(folder) / "zip").exists() for folder in os.environ["PATH"].split(os.pathsep))


@pytest.fixture(params=REFUSED)
def refused(request: pytest.FixtureRequest) -> Nasty:
    if request.param == "encrypted zip" and IS_WITHOUT_ZIP:
        pytest.skip("there is no zip command")
    return REFUSED[request.param]


@pytest.mark.few(13)
def test_file_is_refused_with_a_clear_message_also_with_skip_bad(tmp_path: Path, refused: Nasty) -> None:
    error = refusal(refused.make(tmp_path), skip_bad=True, **refused.options)
    assert re.search(refused.pattern, error.message), error.message
    if not refused.options.keys() & {"encoding", "date_format", "file"}:  # the message is about these
        assert refused.name.encode("unicode_escape").decode()[:5] in error.message or "items.csv" in error.message


@pytest.mark.full
def test_page_check_reports_the_same_error(tmp_path: Path, database: str, refused: Nasty) -> None:
    path = refused.make(tmp_path)
    if refused.is_seen:
        with pytest.raises(InputError, match=refused.pattern):
            inspect(path, **refused.options)
    else:
        assert inspect(path, **refused.options).files[0].name.startswith(refused.name)


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("/dev/zero", "/dev/zero is not a file"),
        ("/dev/null", "/dev/null is not a file"),
        ("sales\0.csv", "cannot be used"),
        ("x" * 5_000, "cannot be used"),
        ("~nobody-of-that-name/sales.csv", "cannot be used"),
        ("", "is empty"),
    ],
)
def test_invalid_path_is_refused(path: str, pattern: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=pattern) as caught:
        read_series(
            IngestSpec(paths=(path,), name="n"), 7, Resources(tmp_path, "200MB", 2, 10**9, Folders([Path("/")]))
        )
    check_message(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
@pytest.mark.parametrize("bomb", [gzip_bomb, zip_bomb])
def test_zip_bomb_is_stopped_within_limits(tmp_path: Path, bomb: Callable[[], bytes]) -> None:
    path = tmp_path / f"sales.{'zip' if bomb is zip_bomb else 'csv.gz'}"
    path.write_bytes(bomb())
    message, growth = in_child(lambda: refusal(path).message)
    assert "unpacks to more than 250 times its size" in message
    assert growth < 200 << 20
    assert sum(file.stat().st_size for file in files_below(tmp_path) if file.is_file()) < 2 * path.stat().st_size


def in_child(work: Callable[[], str], **changes: int) -> tuple[str, int]:
    """Runs `work` in a child process; returns its result and the memory growth in bytes."""

    def run(pipe: Any) -> None:
        if "uid" in changes:
            os.setuid(changes["uid"])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        result = work()
        pipe.send((result, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024))

    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=run, args=(sender,))
    process.start()
    sender.close()
    try:
        assert receiver.poll(SECONDS), "it hangs"
        return receiver.recv()
    finally:
        process.kill()
        process.join()


# Bad rows: refused with file and line, or skipped


WITH_BREAKS = [f'{day(n)},"two\nlines",1,False' for n in range(14)]


@dataclass(frozen=True)
class Bad:
    """A text file with bad rows on some lines."""

    content: str | bytes
    lines: tuple[int, ...]
    pattern: str
    n_good: int = 14


BAD = {
    "utf-8 and latin-1": Bad(
        as_text([*GOOD, f"{day(0)},Größe,1,"]).encode() + f"{day(1)},Käse,1,\n".encode("latin-1"),
        (17,),
        "the line is not valid UTF-8",
        15,
    ),
    "zero byte in a key": Bad(as_text([*GOOD, f"{day(1)},a\0b,1,"]), (16,), "item_nbr contains a zero byte"),
    "zero byte in a number": Bad(as_text([*GOOD, f"{day(1)},a,1\0,"]), (16,), "unit_sales is not a number"),
    "zero byte in a date": Bad(as_text([*GOOD, f"{day(1)}\0,a,1,"]), (16,), "date is not a valid date"),
    "line of 10 MB": Bad(
        as_text([*GOOD[:7], f"{day(1)},{'k' * 10_000_000},1,", *GOOD[7:]]), (9,), "the line is longer than 1,000 kB"
    ),
    "key of 10,000 characters": Bad(
        as_text([*GOOD, f"{day(1)},{'k' * 10_000},1,"]), (16,), "item_nbr is longer than 500 characters"
    ),
    "mixed line ends": Bad(
        as_text([*GOOD[:7]]).replace("\n", "\r\n") + "\n".join([*GOOD[7:], f"{day(1)},a,x,\n"]), (16,), ": 'x'"
    ),
    "carriage returns": Bad(as_text([*GOOD, f"{day(1)},a,x,"]).replace("\n", "\r"), (16,), ": 'x'"),
    "blank lines": Bad("\n\n" + as_text(GOOD).replace("\n", "\n\n") + f"{day(1)},a,x,\n", (33,), ": 'x'"),
    "line breaks in quotes above": Bad(as_text([*WITH_BREAKS, f"{day(1)},a,x,"]), (30,), ": 'x'"),
    "line breaks in the title and the header": Bad(
        '"The\nsales",,,\n"of\n2020",,,\n'
        + as_text([*GOOD, f"{day(1)},a,x,"], HEADER.replace("onpromotion", '"on\npromotion"')),
        (21,),
        ": 'x'",
    ),
    "text after a quote": Bad(as_text([*GOOD, f'{day(1)},"a" b,1,']), (16,), "text follows the closing quote"),
    "too few cells": Bad(as_text([*GOOD, f"{day(1)},a"]), (16,), "the line has fewer cells than the header"),
    "too many cells": Bad(as_text([*GOOD, f"{day(1)},a,1,,x,y"]), (16,), "the line has more cells than the header"),
    "days and months in either order": Bad(
        as_text([*(f"{n:02}/01/2020,a,1," for n in range(5, 19)), "12/13/2013,a,1,"]),
        (16,),
        "date is not a valid date (expected DD/MM/YYYY): '12/13/2013'",
    ),
    "years 13 and 9999": Bad(
        as_text([*GOOD, "0013-12-13,a,1,", "9999-12-31,a,1,"]), (16, 17), "is not between 1900-01-01 and 2099-12-31"
    ),
    "29 February of a common year": Bad(as_text([*GOOD, "2019-02-29,a,1,"]), (16,), "date is not a valid date"),
    "endless date": Bad(as_text([*GOOD, "infinity,a,1,"]), (16,), "is not between"),
    "invalid numbers": Bad(
        as_text([*GOOD, *(f"{day(1)},a,{text}," for text in ("1e999", "inf", "nan", "-inf", "5 kg", "", "0x1", "--"))]),
        tuple(range(16, 24)),
        "unit_sales is not a number: '1e999'",
    ),
    "empty keys": Bad(
        as_text([*GOOD, f"{day(1)},,1,", f'{day(1)},"",1,', f"{day(1)},   ,1,"]), (16, 17, 18), "item_nbr is empty"
    ),
}


@pytest.mark.few(5)
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_rows_are_refused_with_file_line_and_reason(tmp_path: Path, bad: Bad) -> None:
    path = Nasty(bad.content, "").make(tmp_path)
    error = refusal(path)
    assert isinstance(error, BadRows)
    assert error.message.startswith(f"sales.csv, line {bad.lines[0]}: ") and bad.pattern in error.message
    assert f"Bad rows: {len(bad.lines)} of " in error.message
    assert f"Load the {bad.n_good} good rows" in error.hint
    assert [row.line for row in error.report.bad_rows.first] == list(bad.lines)


@pytest.mark.few(4)
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_skip_bad_loads_good_rows_and_reports_bad_ones(tmp_path: Path, bad: Bad) -> None:
    report = read(Nasty(bad.content, "").make(tmp_path), skip_bad=True).report
    assert (report.n_kept, report.n_rows) == (bad.n_good, bad.n_good + len(bad.lines))
    assert report.dropped.bad == report.bad_rows.n == len(bad.lines)
    assert [row.line for row in report.bad_rows.first] == list(bad.lines)


@pytest.mark.few(4)
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_page_check_finds_columns_of_a_file_with_bad_rows(tmp_path: Path, database: str, bad: Bad) -> None:
    found = inspect(Nasty(bad.content, "").make(tmp_path))
    assert [len(found.mapping[role]) for role in ("item", "date", "sales")] == [1, 1, 1]


@pytest.mark.parametrize("skip_bad", [False, True])
@pytest.mark.parametrize("behind", [GOOD, [*GOOD, f'{day(1)},"b",1,', *GOOD]], ids=["to the end", "to the next quote"])
def test_unclosed_quote_that_hides_good_rows_is_refused(tmp_path: Path, behind: list[str], skip_bad: bool) -> None:
    path = Nasty(as_text([*GOOD, f'{day(1)},"a,1,', *behind]), "").make(tmp_path)
    error = refusal(path, skip_bad=skip_bad)
    assert error.message.startswith("sales.csv, line 16: ") and "a quote is not closed" in error.message
    assert "the lines after it were read as its continuation" in error.hint


def test_bad_row_of_a_workbook_has_its_row_number(tmp_path: Path) -> None:
    workbook(tmp_path / "sales.xlsx", [["Sales"], [], *SHEET, [SUNDAY, "a", "#REF!"]])
    assert refusal(tmp_path / "sales.xlsx").message.startswith("sales.xlsx, row 18: units is not a number: '#REF!'")
    assert read(tmp_path / "sales.xlsx", skip_bad=True).report.dropped.bad == 1
    assert refusal(tmp_path / "sales.xlsx", file="Sheet").message.startswith("sales.xlsx › Sheet, row 18: ")


def test_formulas_without_saved_values_have_a_hint(tmp_path: Path) -> None:
    for place, name in enumerate(["dates", "units"]):
        rows = [[*row[: place * 2], "=A1", *row[place * 2 + 1 :]] for row in SHEET[1:]]
        workbook(tmp_path / f"{name}.xlsx", [SHEET[0], *rows])
        assert "save the workbook in Excel, which stores their values" in refusal(tmp_path / f"{name}.xlsx").hint


def test_bad_row_of_parquet_has_its_row_number(tmp_path: Path) -> None:
    parquet(tmp_path / "sales.parquet", units=[1.0] * 12 + [float("nan"), float("inf")])
    assert refusal(tmp_path / "sales.parquet").message.startswith("sales.parquet, row 13: units is not a number")
    report = read(tmp_path / "sales.parquet", skip_bad=True).report
    assert [row.value for row in report.bad_rows.first] == ["nan", "inf"]


# Odd files that are read


@pytest.mark.few(6)
@pytest.mark.parametrize("odd", LOADED.values(), ids=LOADED)
def test_odd_file_is_read(tmp_path: Path, odd: Nasty) -> None:
    weekly = read(odd.make(tmp_path), **odd.options)
    assert odd.pattern in weekly.weeks
    report = weekly.report
    assert report.n_rows == report.n_kept and report.bad_rows.n == 0
    assert not Path("/tmp/fcst-absolute.csv").exists()


@pytest.mark.parametrize("odd", LOADED.values(), ids=LOADED)
@pytest.mark.full
def test_page_check_accepts_odd_files(tmp_path: Path, database: str, odd: Nasty) -> None:
    assert len(inspect(odd.make(tmp_path), **odd.options).preview) > 0


def test_sales_are_found_among_other_files_of_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "sales.zip", "w") as archive:
        archive.writestr("stock.csv", "a,b\n1,2\n")
        archive.writestr("prices.csv", "sku,price\n1,2\n")
        archive.writestr("2020/verkauf.csv", ROWS)
    report = read(tmp_path / "sales.zip").report
    assert report.source == "sales.zip › 2020/verkauf.csv"
    assert report.other_files == ("sales.zip › stock.csv", "sales.zip › prices.csv")


def test_file_without_a_header_is_mapped_by_column_numbers(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("\n".join(filler()))
    mapping = {"item": ["column 2"], "date": ["column 1"], "sales": ["column 3"]}
    assert read(tmp_path / "sales.csv", mapping=mapping).units("every day") == ["7.0", "7.0"]


def test_keys_are_kept_unchanged(tmp_path: Path) -> None:
    write_keys(tmp_path / "sales.csv")
    weekly = read(tmp_path / "sales.csv")
    assert set(weekly.weeks) == set(KEYS) == {row["unique_id"] for row in weekly.items}
    assert all(weekly.units(key) == ["7.0", "7.0"] for key in KEYS)


def test_columns_may_have_any_name(tmp_path: Path) -> None:
    names = {"item": ['it\'em "x"; --'], "date": ["d\nate"], "sales": ["{u}%s$1"]}
    with (tmp_path / "sales.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([name for (name,) in names.values()])
        writer.writerows(["a", day(n), 1] for n in range(14))
    assert read(tmp_path / "sales.csv", mapping=names).units("a") == ["7.0", "7.0"]


# Allowed folders


def test_path_or_link_outside_the_allowed_folders_is_refused(tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "secret.csv").write_text(ROWS)
    (tmp_path / "allowed" / "link.csv").symlink_to(tmp_path / "secret.csv")
    (tmp_path / "allowed" / "folder").symlink_to(tmp_path)
    roots = [tmp_path / "allowed"]
    for path in ("secret.csv", "allowed/../secret.csv", "allowed/link.csv", "allowed/folder/secret.csv"):
        error = refusal(tmp_path / path, roots=roots)
        assert "is not in an allowed folder" in error.message and "FCST_INGEST_ROOTS" in error.hint
    assert "contains no data file" in refusal(tmp_path / "allowed", roots=roots).message


def test_items_outside_the_allowed_folders_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "secret.csv").write_text("item_nbr,family\nevery day,SECRET\n")
    (tmp_path / "allowed" / "items.csv").symlink_to(tmp_path / "secret.csv")
    (tmp_path / "allowed" / "train.csv").write_text(ROWS)
    weekly = read(tmp_path / "allowed" / "train.csv", roots=[tmp_path / "allowed"])
    assert "SECRET" not in str(weekly)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can access, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.mark.skipif(not IS_ROOT, reason="only root can change the user")
@pytest.mark.parametrize("what", ["file", "folder", "file of a folder"])
def test_unreadable_path_is_refused(open_folder: Path, what: str) -> None:
    folder = open_folder / "data"
    folder.mkdir()
    (folder / "sales.csv").write_text(ROWS)
    (folder / "sales.csv").chmod(0 if "file" in what else 0o644)
    folder.chmod(0 if what == "folder" else 0o755)
    path = folder if what == "file of a folder" else folder / "sales.csv"

    def work() -> str:
        out = Path(tempfile.mkdtemp(dir=open_folder))
        try:
            read_series(
                IngestSpec(paths=(str(path),), name="n"), 7, Resources(out, "200MB", 2, 10**9, Folders([Path("/")]))
            )
        except InputError as exc:
            check_message(exc)
            return exc.message
        return "it was read"

    message, _ = in_child(work, uid=65_534)
    assert "sales.csv" in message and "Permission denied" in message


# Changes during a load


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["sales.csv", "sales.csv.gz"])
@pytest.mark.parametrize("skip_bad", [False, True])
def test_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, name: str, skip_bad: bool) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(ROWS.encode()) if name.endswith("gz") else ROWS.encode())

    size = path.stat().st_size

    def grow(what: str, done: int, total: int) -> None:
        if path.stat().st_size == size:
            with path.open("ab") as file:
                file.write(gzip.compress(b"") if name.endswith("gz") else b"2020-01-08,a,1,\n")

    error = refusal(path, on_progress=grow, skip_bad=skip_bad)
    assert "changed while it was read" in error.message


@pytest.mark.parametrize("phase", ["reading", "making weeks"])
def test_file_that_is_removed_while_it_is_read_is_refused(tmp_path: Path, phase: str) -> None:
    path = Nasty(ROWS, "").make(tmp_path)
    error = refusal(path, on_progress=lambda what, done, total: path.unlink(missing_ok=True) if what == phase else None)
    assert "sales.csv" in error.message and "no longer exists" in error.message


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        is_mounted = IS_ROOT and subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        is_mounted = False
    if not is_mounted:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def noisy(n_rows: int) -> str:
    """Rows of many items that do not compress well."""
    rng = random.Random(1)
    return as_text([*filler(), *(f"{day(n % 700)},item {rng.getrandbits(64)},{n % 7},False" for n in range(n_rows))])


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("sales.csv.gz", lambda text: gzip.compress(text.encode(), 1)),
        ("sales.zip", lambda text: zip_of("sales.csv", text)),
        ("utf-16.csv", lambda text: text.encode("utf-16")),
        ("sales.csv", lambda text: text.encode()),
    ],
    ids=["unpacking", "unpacking a member", "converting", "writing weeks"],
)
def test_full_disk_is_reported(tmp_path: Path, small_disk: Path, name: str, pack: Callable[[str], bytes]) -> None:
    path = tmp_path / name
    path.write_bytes(pack(noisy(150_000)))
    with pytest.raises(DiskFull) as caught:
        read_series(
            IngestSpec(paths=(str(path),), name="n"), 7, Resources(small_disk, "60MB", 2, 10**9, Folders([Path("/")]))
        )
    check_message(caught.value)
    assert "disk space" in caught.value.message
    assert "Free space in FCST_HOME" in caught.value.hint
    assert path.exists() and not (small_disk / "part").exists()


@pytest.mark.full
def test_page_check_reports_a_full_disk(
    tmp_path: Path, small_disk: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCST_HOME", str(small_disk))
    (tmp_path / "sales.zip").write_bytes(zip_of("sales.csv.gz", gzip.compress(noisy(300_000).encode(), 1)))
    with pytest.raises(DiskFull, match="disk space for the unpacked "):
        inspect(tmp_path / "sales.zip")


@pytest.mark.parametrize(
    "packing",
    [
        {"id": py7zr.FILTER_LZMA2, "dict_size": 1 << 21},
        {"id": py7zr.FILTER_LZMA, "dict_size": 1 << 21},
        {"id": py7zr.FILTER_PPMD, "order": 6, "mem": 21},
    ],
    ids=["LZMA2", "LZMA", "PPMd"],
)
def test_7z_that_needs_too_much_memory_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packing: dict[str, int]
) -> None:
    path = Nasty(seven_zip(ROWS, filters=[packing]), "", "sales.7z").make(tmp_path)
    monkeypatch.setattr(archives, "MAX_DECODER_MEMORY", (1 << 21) - 1)
    error = refusal(path)
    assert error.message == "sales.7z needs 2 MB of memory to be unpacked; the limit is 2 MB."
    assert "-md=64m" in error.hint
    monkeypatch.setattr(archives, "MAX_DECODER_MEMORY", 1 << 21)
    read(path)


def test_too_little_memory_is_reported(tmp_path: Path) -> None:
    path = Nasty(noisy(150_000), "").make(tmp_path)
    error = refusal(path, memory="3MB")
    assert error.message.startswith("sales.csv needs more memory than allowed")
    assert error.hint == "Increase FCST_INGEST_MEMORY."


@pytest.mark.full
def test_load_spills_to_disk_with_little_memory(tmp_path: Path) -> None:
    report = read(Nasty(noisy(30_000), "").make(tmp_path), memory="50MB").report
    assert report.n_rows == 30_014


# Files that are not tables


SECRETS = {
    "passwords": "root:x:0:0:root:/root:/bin/bash\ndaemon:*:1:1::/:/bin/false\nbob:$6$Zk3$Yq:19000:0:99999:7:::\n",
    "key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nBKcwggSjAgEAAoIBAQC7\n-----END PRIVATE KEY-----\n",
    "letter": "Dear Bob, the password is hunter2, as ever\nSee you\nAnn, Mary, and all of us, too\nPS: burn this\n",
    "settings": "[auth]\ncookie_secret = hunter2, or so\nclient_id = fcst\n\n[roles]\nadmin = [ada, bob, eve]\n",
    "groups": "sudo:x:27:hunter2,bob,ann\nadm:x:4:\nusers:x:100:ann\n",
}


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_lines_of_a_file_that_is_not_a_table_are_not_quoted(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    for options in ({}, {"mapping": {"item": ["nothing"]}}):
        error = refusal(tmp_path / "x.csv", **options)
        shown = f"{error.message} {error.hint}"
        for line in text.splitlines():
            assert not any(part in shown for part in (line, line[:20]) if len(part) > 8), shown
        assert "hunter2" not in shown


def test_missing_role_error_lists_the_columns(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("when,what,how much\n1,2,3\n4,5,6\n7,8,9\n")
    assert "Its columns are when, what, how much" in refusal(tmp_path / "x.csv").hint
