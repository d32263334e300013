"""Files that are odd, broken or malicious, with what a load must answer."""

import csv
import datetime
import decimal
import gzip
import io
import os
import random
import re
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import openpyxl
import py7zr
import pyarrow as pa
import pyarrow.parquet as pq

from tests.unit.ingest.conftest import HEADER, SUNDAY, as_text, day, filler

Write = Callable[[Path], object]


@dataclass(frozen=True)
class Nasty:
    """A file to write, and the expected error.

    Parameters
    ----------
    write
        function that writes the file; or its content.
    pattern
        regex of the message.
    name
        file name.
    is_seen
        the error is found when a page checks the file; otherwise only by the load.
    options
        options of the spec.
    """

    write: Write | bytes | str
    pattern: str
    name: str = "sales.csv"
    is_seen: bool = True
    options: dict[str, Any] = field(default_factory=dict)

    def make(self, folder: Path) -> Path:
        path = folder / self.name
        if isinstance(self.write, str):
            path.write_text(self.write, encoding="utf-8", newline="")
        elif isinstance(self.write, bytes):
            path.write_bytes(self.write)
        else:
            self.write(path)
        return path


GOOD = filler()  # lines 2 to 15
ROWS = as_text(GOOD)
FAR = as_text([*filler(), *(f"{day(n % 14)},pad {n % 3},1,False" for n in range(100_000))])  # larger than every sample


@lru_cache
def deflated(n_blocks: int) -> bytes:
    """A deflate stream of rows in equal blocks of 1 MB; the block is compressed once."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(f"{HEADER}\n".encode()) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(f"{day(0)},a,1,False\n".encode() * 50_000) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * n_blocks + packer.flush()


def gzip_bomb() -> bytes:
    return b"\x1f\x8b\x08\0\0\0\0\0\x02\xff" + deflated(1_000) + bytes(8)


def zip_of(name: str, content: bytes | str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def zip_bomb() -> bytes:
    """A zip file with a member of one gigabyte of rows, as declared."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("sales.csv", deflated(1_000))
    whole = bytearray(packed.getvalue())
    central = whole.rfind(b"PK\x01\x02")
    for method, size in ((8, 22), (central + 10, central + 24)):
        whole[method : method + 2] = struct.pack("<H", zipfile.ZIP_DEFLATED)
        whole[size : size + 4] = struct.pack("<I", 10**9)
    return bytes(whole)


def patched(content: bytes, place: int, value: bytes) -> bytes:
    return content[:place] + value + content[place + len(value) :]


def cut(content: bytes, share: float) -> bytes:
    return content[: int(len(content) * share)]


def seven_zip(content: str, **options: Any) -> bytes:
    packed = io.BytesIO()
    with py7zr.SevenZipFile(packed, "w", **options) as archive:
        archive.writestr(content, "sales.csv")
    return packed.getvalue()


def encrypted_zip(path: Path) -> None:
    (path.parent / "plain.csv").write_text(ROWS)
    subprocess.run(["zip", "-q", "-P", "secret", path.name, "plain.csv"], cwd=path.parent, check=True)
    (path.parent / "plain.csv").unlink()


def parquet(path: Path, **columns: Any) -> None:
    n = 14
    dates = [SUNDAY + datetime.timedelta(days=number) for number in range(n)]
    table = {"date": dates, "item": ["a"] * n, "units": [1.5] * n} | columns
    pq.write_table(pa.table({name: values for name, values in table.items() if values is not None}), path)


SHEET = [["date", "item", "units"], *([SUNDAY + datetime.timedelta(days=n), "a", 1.5] for n in range(14))]


def workbook(path: Path, rows: list[list[Any]], change: Callable[[Any, Any], object] | None = None) -> None:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    if change is not None:
        change(book, book.active)
    book.save(path)


def with_sheet(path: Path, change: Callable[[bytes], bytes]) -> None:
    """A workbook with changed XML of its sheet."""
    workbook(path, SHEET)
    changed = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if "sheet1" in name else old.read(name))
    path.write_bytes(changed.getvalue())


def with_saved_formulas(path: Path) -> None:
    with_sheet(path, lambda xml: re.sub(rb"<v>1\.5</v>", b"<f>1+0.5</f><v>1.5</v>", xml))


def in_folder(**files: str) -> Write:
    def write(folder: Path) -> None:
        folder.mkdir()
        for name, content in files.items():
            (folder / f"{name}.csv").write_text(content)

    return write


ARCHIVES = {
    "gzip truncated near its start": Nasty(gzip.compress(FAR.encode())[:30], "is broken", "sales.csv.gz"),
    "gzip truncated near its end": Nasty(
        cut(gzip.compress(FAR.encode(), 1), 0.9), "is broken", "sales.csv.gz", is_seen=False
    ),
    "gzip of nothing": Nasty(gzip.compress(b""), "is empty", "sales.csv.gz"),
    "empty gzip": Nasty(b"", "is empty", "sales.csv.gz"),
    "gzip with a wrong checksum": Nasty(patched(gzip.compress(ROWS.encode()), -6, b"XX"), "is broken", "sales.csv.gz"),
    "gzip with trailing garbage": Nasty(gzip.compress(ROWS.encode()) + b"rubbish", "is broken", "sales.csv.gz"),
    "gzip of zeros": Nasty(
        lambda path: path.write_bytes(gzip.compress(bytes(10**8), 9)), "is a binary file", "s.csv.gz"
    ),
    "gzip bomb": Nasty(gzip_bomb(), "unpacks to more than 250 times its size", "sales.csv.gz", is_seen=False),
    "zip bomb": Nasty(zip_bomb(), "unpacks to more than 250 times its size", "sales.zip", is_seen=False),
    "zip bomb in a zip file": Nasty(
        zip_of("sales.csv.zip", zip_of("sales.csv.zip", zip_bomb())),
        r"sales.zip › sales.csv.zip › .* unpacks to more than 250 times",
        "sales.zip",
        is_seen=False,
    ),
    "deeply nested zips": Nasty(
        zip_of("a.zip", zip_of("a.zip", zip_of("a.zip", zip_of("a.zip", zip_of("a.csv", ROWS))))),
        "too many nested archives",
        "sales.zip",
    ),
    "encrypted zip": Nasty(encrypted_zip, "is encrypted", "sales.zip"),
    "zip without a table": Nasty(zip_of("readme.md", "x"), "contains no data file", "sales.zip"),
    "empty zip": Nasty(b"PK\x05\x06" + bytes(18), "contains no data file", "sales.zip"),
    "zip with a broken directory": Nasty(
        zip_of("sales.csv", ROWS).replace(b"PK\x01\x02", b"PK__"), "is broken", "sales.zip"
    ),
    "truncated zip": Nasty(cut(zip_of("sales.csv", ROWS), 0.5), "is broken", "sales.zip"),
    "zip with a wrong member offset": Nasty(
        patched(zip_of("sales.csv", ROWS), zip_of("sales.csv", ROWS).rfind(b"PK\x01\x02") + 42, b"\0\0\0\x70"),
        "is broken",
        "sales.zip",
    ),
    "zip with an unknown compression": Nasty(
        patched(zip_of("sales.csv", ROWS), zip_of("sales.csv", ROWS).rfind(b"PK\x01\x02") + 10, b"\x5d\0"),
        "unsupported compression method|is broken",
        "sales.zip",
    ),
    "text named 7z": Nasty(ROWS, "is not a 7z file, although its name ends so", "sales.7z"),
    "7z with garbage after its signature": Nasty(b"7z\xbc\xaf\x27\x1c" + bytes(500), "is broken", "sales.7z"),
    "truncated 7z": Nasty(cut(seven_zip(FAR), 0.5), "is broken", "sales.7z"),
    "7z with a wrong byte": Nasty(patched(seven_zip(FAR), 500, b"rubbish" * 9), "is broken", "sales.7z"),
    "encrypted 7z": Nasty(seven_zip(ROWS, password="x"), "is encrypted", "sales.7z"),
    "7z with encrypted names": Nasty(seven_zip(ROWS, password="x", header_encryption=True), "is encrypted", "sales.7z"),
}


TEXTS = {
    "nothing": Nasty(b"", "is empty"),
    "byte order mark alone": Nasty(b"\xef\xbb\xbf", "is empty"),
    "blank lines alone": Nasty(b" \r\n\n  \n", "is empty"),
    "header alone": Nasty(HEADER, "has a header but no rows"),
    "zeros": Nasty(bytes(100_000), "is a binary file"),
    "many zeros": Nasty(bytes(3_000_000), "is a binary file"),
    "random bytes": Nasty(random.Random(3).randbytes(200_000), "is a binary file"),
    "picture": Nasty(b"\x89PNG\r\n\x1a\n" + random.Random(3).randbytes(20_000), "is a binary file"),
    "random bytes after rows": Nasty(ROWS.encode() + random.Random(3).randbytes(20_000), "is a binary file"),
    "zero byte in the header": Nasty(ROWS.replace("item", "it\0em"), "is a binary file"),
    "web page": Nasty("<html><body>404</body></html>\n", "is a web page"),
    "json": Nasty('[{"date":"2020-01-01","item":"a"}]', "has no column for units sold"),
    "json without a list of records": Nasty('{"sales": [[1, 2], [3, 4]]}', "has no column for item"),
    "5,000 columns": Nasty(
        as_text([f"{day(0)},a,1,{',' * 4_996}"], f"{HEADER},{','.join(f'x{n}' for n in range(4_997))}"),
        "has 5,001 columns",
    ),
    "line of 10 MB at the top": Nasty("x" * 10_000_000 + "\n" + ROWS, "line 1: the line is longer than 1,000 kB"),
    "columns with the same name": Nasty(
        ROWS.replace("onpromotion", "date"), "no header with unique column names: 'date'"
    ),
    "no header": Nasty("\n".join(filler()), "has no column for item and none for units sold"),
    "dates without a known format": Nasty(as_text(["W1,a,1,", "W2,a,1,"]), "have no known format: 'W1', 'W2'"),
    "more than a century": Nasty(
        as_text([*filler(), "1900-01-01,a,1,", "2099-12-31,a,1,"]), "more than 100 years", is_seen=False
    ),
    "utf-16 truncated in a character": Nasty(
        ROWS.encode("utf-16")[:-1], "is not valid in the encoding utf-16", is_seen=False
    ),
    "mixed encodings and mixed line ends": Nasty(
        as_text(GOOD[:7]).replace("\n", "\r\n").encode()
        + "\n".join([*GOOD[7:], f"{day(1)},Größe,1,", f"{day(1)},K"]).encode()
        + b"\xe4se,1,\n",
        "is not valid in the encoding utf-8",
        is_seen=False,
    ),
    "unknown encoding": Nasty(ROWS, "Unknown encoding 'klingon'", options={"encoding": "klingon"}),
    "codec that is not a text encoding": Nasty(ROWS, "Unknown encoding 'hex'", options={"encoding": "hex"}),
    "codec that raises": Nasty(ROWS, "Unknown encoding 'undefined'", options={"encoding": "undefined"}),
    "encoding with a zero byte": Nasty(ROWS, r"Unknown encoding 'a\\x00'", options={"encoding": "a\0"}),
    "wrong encoding": Nasty(
        as_text(filler(14, "Käse")), "not valid in the encoding ascii", is_seen=False, options={"encoding": "ascii"}
    ),
    "invalid date format": Nasty(ROWS, "date format '%Q%%%' is not valid", options={"date_format": "%Q%%%"}),
    "date format with two days": Nasty(ROWS, "date format '%d%d' is not valid", options={"date_format": "%d%d"}),
    "filter by an unknown column": Nasty(
        ROWS, "has no column 'x' to filter by", is_seen=False, options={"where": (("x", "y"),)}
    ),
    "filter without a match": Nasty(
        ROWS, "No row of sales.csv passes", is_seen=False, options={"where": (("item_nbr", "'; DROP TABLE groups"),)}
    ),
    "broken items file": Nasty(in_folder(train=ROWS, items="\0" * 99), "items.csv is a binary file", "folder"),
}


LOADED = {
    "zip with a member above its folder": Nasty(zip_of("../../x.csv", ROWS), "every day", "sales.zip"),
    "zip with an absolute member": Nasty(zip_of("/tmp/fcst-absolute.csv", ROWS), "every day", "sales.zip"),
    "zip with a strange name": Nasty(zip_of("a\nb'\"\u202e.csv", ROWS), "every day", "sales.zip"),
    "latin-1 near the end": Nasty(
        FAR.encode() + as_text(filler(14, "Käse Größe für Öl"), "").encode("latin-1")[1:], "Käse Größe für Öl"
    ),
    "latin-1 and mixed line ends": Nasty(
        as_text(filler(14, "Größe")).replace("\n", "\r\n").encode("latin-1") + as_text(filler(), "").encode()[1:],
        "Größe",
    ),
    "cp1251": Nasty(as_text([*filler(14, "Молоко цельное"), *filler(14, "Хлеб")]).encode("cp1251"), "Хлеб"),
    "utf-16": Nasty(as_text(filler(14, "Käse")).encode("utf-16"), "Käse"),
    "utf-16 without a byte order mark": Nasty(as_text(filler(14, "Käse")).encode("utf-16-le"), "Käse"),
    "big-endian utf-16 without a byte order mark": Nasty(as_text(filler(14, "Käse")).encode("utf-16-be"), "Käse"),
    "1,000 columns": Nasty(
        as_text([f"{row}{',' * 996}" for row in filler()], f"{HEADER},{','.join(f'x{n}' for n in range(996))}"),
        "every day",
    ),
    "carriage returns": Nasty(ROWS.replace("\n", "\r"), "every day"),
    "carriage returns in a large file": Nasty(FAR.replace("\n", "\r"), "every day"),
    "mixed line ends": Nasty(as_text(GOOD[:7]).replace("\n", "\r\n") + "\n".join(GOOD[7:]), "every day"),
    "thousands separators": Nasty(as_text([*filler(14, "a"), f'{day(1)},a,"1,234.5",']), "a"),
    "quote in a cell": Nasty(as_text([*filler(), f'{day(1)},5" pipe,1,']), '5" pipe'),
    "zero bytes in flags": Nasty(ROWS.replace("False", "x\0y"), "every day"),
    "name with wildcards": Nasty(ROWS, "every day", "sales [1]*?{x}.csv"),
    "name like a partition": Nasty(ROWS, "every day", "date=2020-01-01.csv"),
    "parquet with wildcards in its name": Nasty(parquet, "a", "sales [1].parquet"),
    "parquet with lists and records": Nasty(
        lambda path: parquet(path, x=[[1, 2]] * 14, target=[{"a": 1}] * 14, sku=[["b"]] * 14), "a", "sales.parquet"
    ),
    "parquet with times, decimals and bytes": Nasty(
        lambda path: parquet(
            path,
            date=[datetime.datetime(2020, 1, 5, 9) + datetime.timedelta(days=n) for n in range(14)],
            item=pa.array(["Käse".encode()] * 14, pa.binary()),
            units=[decimal.Decimal("1.50")] * 14,
        ),
        "Käse",
        "sales.parquet",
    ),
    "workbook with titles in merged cells": Nasty(
        lambda path: workbook(
            path, [["Sales of 2020"], [], ["from", None, "us"], *SHEET], lambda _, page: page.merge_cells("A1:C1")
        ),
        "a",
        "sales.xlsx",
    ),
    "workbook with saved formulas": Nasty(with_saved_formulas, "a", "sales.xlsx"),
    "workbook with its second sheet": Nasty(
        lambda path: workbook(
            path, [], lambda book, _: [page.append(row) for page in [book.create_sheet("Data")] for row in SHEET]
        ),
        "a",
        "sales.xlsx",
        options={"file": "Data"},
    ),
    "workbook with a cell in its last corner": Nasty(
        lambda path: workbook(path, SHEET, lambda _, page: page.cell(row=1_048_576, column=16_384, value=" ")),
        "a",
        "sales.xlsx",
    ),
    "folder with a pipe in it": Nasty(
        lambda path: (in_folder(train=ROWS)(path), os.mkfifo(path / "items.csv"), os.mkfifo(path / "x.csv")),
        "every day",
        "folder",
    ),
}  # fmt: skip


KEYS = [
    "=cmd()", "+1", "@x", "-5", "\tx", "<script>alert(1)</script>", "a\nb", "a\r\nb", "t\tb", "\u202eabc\u200f", "😀",
    "'q'", '"dq"', "a,b", "a;b", "\\N", "\\", "\\.", "NULL", "null", " lead", "trail ", "'; DROP TABLE x; --", "{x}",
    "%s", "$1", "0042", "1e3", "x" * 500,
]  # fmt: skip


def write_keys(path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["date", "item_nbr", "unit_sales", "description"])
        writer.writerows([day(n), key, 1, f"{key} \0 {key}"] for key in KEYS for n in range(14))
