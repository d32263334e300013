"""Load plans: which of the given files are sales, companion files, archives, allowed paths."""

import gzip
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import py7zr
import pytest

from fcst.errors import InputError
from fcst.ingest.folders import Folders
from fcst.ingest.plan import Plan, look_at
from fcst.ingest.sources import MAX_FILES, Workspace
from fcst.specs import IngestSpec
from tests.unit.ingest.conftest import as_text, day, filler, load, make, refusal, write

SALES = as_text(filler())
ITEMS = "item_nbr,family,class,perishable\nevery day,DELI,1,0\n"
STORES = "store_nbr,city,state,type,cluster\n1,Quito,Pichincha,D,13\n"
TRANSACTIONS = "date,store_nbr,transactions\n" + "".join(f"{day(n)},1,700\n" for n in range(14))
OIL = "date,dcoilwtico\n" + "".join(f"{day(n)},93.14\n" for n in range(14))
OTHER_SALES = "date,shop,sku,qty,promo\n" + "".join(f"{day(n)},1,x,1,False\n" for n in range(14))


def plan_of(*paths: Path, roots: tuple[Path, ...] = (Path("/"),), **options: Any) -> Plan:
    folder = paths[0].parent / "work"
    folder.mkdir(exist_ok=True)
    spec = IngestSpec(paths=tuple(map(str, paths)), name="n", **options)
    return look_at(spec, Folders(roots), Workspace(folder, 10**9)).plan(spec)


def names(plan: Plan) -> list[str]:
    return [part.table.name for part in plan.parts]


def seven_zip(path: Path, name: str, text: str) -> bytes:
    with py7zr.SevenZipFile(path, "w") as archive:
        archive.writestr(text.encode(), name)
    content = path.read_bytes()
    path.unlink()
    return content


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def kaggle(tmp_path: Path) -> Path:
    """Kaggle's download of Favorita: an archive of archives with one file each."""
    path = tmp_path / "favorita.zip"
    files = {
        "holidays_events.csv": "date,type\n2020-01-05,Holiday\n",
        "items.csv": ITEMS,
        "oil.csv": OIL,
        "stores.csv": STORES,
        "test.csv": as_text(filler()).replace("unit_sales", "id"),
        "train.csv": SALES,
        "transactions.csv": TRANSACTIONS,
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.7z", seven_zip(tmp_path / "one.7z", name, text))
    return path


# Choice of the sales files


@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz", "TRAIN.CSV"])
def test_train_file_of_a_folder_is_read(folder: Path, name: str) -> None:
    content = gzip.compress(SALES.encode()) if name.endswith("gz") else SALES.encode()
    (folder / name).write_bytes(content)
    (folder / "other.csv").write_text(OTHER_SALES)
    plan = plan_of(folder)
    assert [part.table.source.path for part in plan.parts] == [folder / name]
    assert plan.others == ["other.csv"]
    assert load(folder).report.n_rows == 14


def test_only_sales_like_file_of_a_folder_is_read(folder: Path) -> None:
    for name, text in {"oil.csv": OIL, "my sales.csv": SALES, "transactions.csv": TRANSACTIONS}.items():
        (folder / name).write_text(text)
    plan = plan_of(folder)
    assert names(plan) == ["my sales.csv"]
    assert sorted(plan.others) == ["oil.csv", "transactions.csv"]


def test_files_of_a_folder_with_the_same_roles_are_read_together(folder: Path) -> None:
    (folder / "2019.csv").write_text(SALES)
    (folder / "2020.csv").write_text(SALES.replace("item_nbr", "sku").replace("unit_sales", "qty"))
    (folder / "oil.csv").write_text(OIL)
    assert names(plan_of(folder)) == ["2019.csv", "2020.csv"]


def test_files_of_a_folder_with_different_roles_are_refused(folder: Path) -> None:
    (folder / "daily.csv").write_text(SALES)
    (folder / "tills.csv").write_text(OTHER_SALES)
    error = refusal(folder)
    assert error.message == (
        "Several files look like sales, but their columns differ in meaning: daily.csv, tills.csv."
    )
    assert "--file" in error.hint
    assert load(folder, file="daily.csv").report.source == "daily.csv"
    assert load(folder / "daily.csv", folder / "tills.csv").report.n_rows == 28


def test_folder_without_sales_is_refused_with_its_files(folder: Path) -> None:
    (folder / "oil.csv").write_text(OIL)
    (folder / "stores.csv").write_text(STORES)
    error = refusal(folder)
    assert error.message == "None of oil.csv, stores.csv has a column for each of item, date and units sold."
    assert "--file" in error.hint
    assert "--map" in error.hint


def test_file_with_the_mapped_columns_is_the_sales_file(folder: Path) -> None:
    (folder / "oil.csv").write_text(OIL)
    (folder / "stores.csv").write_text(STORES)
    (folder / "odd.csv").write_text("A,B,C\n" + "".join(f"{day(n)},x,1\n" for n in range(7)))
    assert names(plan_of(folder, mapping={"date": ["A"], "item": ["B"], "sales": ["C"]})) == ["odd.csv"]


@pytest.mark.parametrize("content", [None, ""], ids=["nothing", "an empty file"])
def test_folder_without_files_is_refused(folder: Path, content: str | None) -> None:
    if content is not None:
        (folder / "train.csv").write_text(content)
    (folder / "readme.md").write_text("# x")
    assert "contains no data file" in refusal(folder).message


def test_folder_with_too_many_files_is_refused(folder: Path) -> None:
    for number in range(MAX_FILES + 1):
        (folder / f"{number}.csv").write_text("x")
    assert "more than 2,000 files" in refusal(folder).message


def test_hidden_files_and_lock_files_are_ignored(folder: Path) -> None:
    for name in (".train.csv", "~$sales.xlsx", ".git/train.csv"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(SALES)
    (folder / "sales.csv").write_text(SALES)
    assert (names(plan_of(folder)), plan_of(folder).others) == (["sales.csv"], [])


# Choice of a file by name


@pytest.mark.parametrize(
    ("file", "found"),
    [
        ("2019.csv", ["2019.csv"]),
        ("deep/2020.csv", ["box.zip › deep/2020.csv"]),
        ("2020.csv", ["box.zip › deep/2020.csv"]),
        ("20*.csv", ["2019.csv", "box.zip › deep/2020.csv"]),
    ],
)
def test_file_is_chosen_by_name_or_pattern(folder: Path, file: str, found: list[str]) -> None:
    (folder / "2019.csv").write_text(SALES)
    (folder / "train.csv").write_text(SALES)
    with zipfile.ZipFile(folder / "box.zip", "w") as archive:
        archive.writestr("deep/2020.csv", SALES)
        archive.writestr("train.csv", SALES)
    assert names(plan_of(folder / "2019.csv", folder / "box.zip", file=file)) == found


def test_unknown_file_name_is_refused_with_the_available_names(folder: Path) -> None:
    (folder / "2019.csv").write_text(SALES)
    (folder / "2020.csv").write_text(SALES)
    error = refusal(folder, file="2021.csv")
    assert error.message == "The given files have no file or sheet '2021.csv'."
    assert error.hint == "Choose one of 2019.csv, 2020.csv."


def test_sheet_is_chosen_by_name(folder: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Notes"
    for row in SALES.splitlines():
        book.create_sheet("Sales") if "Sales" not in book.sheetnames else None
        book["Sales"].append(row.split(","))
    book.save(folder / "book.xlsx")
    assert names(plan_of(folder / "book.xlsx", file="Sales")) == ["book.xlsx › Sales"]


# Nested archives


def test_kaggle_download_is_read(kaggle: Path) -> None:
    plan = plan_of(kaggle)
    assert [name.rpartition(" › ")[2] for name in plan.others] == [
        "holidays_events.csv.7z",
        "oil.csv.7z",
        "test.csv.7z",
        "transactions.csv.7z",
    ]
    assert names(plan) == ["favorita.zip › train.csv.7z › train.csv"]
    assert plan.items is not None
    assert plan.items.name == "favorita.zip › items.csv.7z › items.csv"
    assert plan.stores is not None
    assert plan.stores.name == "favorita.zip › stores.csv.7z › stores.csv"
    weekly = load(kaggle)
    assert weekly.units("every day") == ["7.0", "7.0"]
    assert weekly.item("every day")["family"] == "DELI"


def test_bad_row_in_a_nested_archive_has_the_full_path(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "favorita.zip", "w") as archive:
        archive.writestr("train.csv.7z", seven_zip(tmp_path / "one.7z", "train.csv", SALES + "yesterday,a,1,\n"))
    message = refusal(tmp_path / "favorita.zip").message
    assert message.startswith("favorita.zip › train.csv.7z › train.csv, line 16: date is not a valid date")


def test_kaggle_files_in_a_folder_are_read_like_their_archive(folder: Path) -> None:
    for name, text in {"train.csv": SALES, "items.csv": ITEMS}.items():
        (folder / f"{name}.7z").write_bytes(seven_zip(folder / "one.7z", name, text))
    assert load(folder).item("every day")["family"] == "DELI"
    assert load(folder / "train.csv.7z").item("every day")["family"] == "DELI"


def test_archive_with_several_files_in_a_folder_is_refused(folder: Path) -> None:
    with zipfile.ZipFile(folder / "box.zip", "w") as archive:
        archive.writestr("a.csv", SALES)
        archive.writestr("b.csv", SALES)
    assert "box.zip contains several files: a.csv, b.csv." in refusal(folder).message
    assert names(plan_of(folder / "box.zip")) == ["box.zip › a.csv", "box.zip › b.csv"]


def test_too_deeply_nested_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "0.zip"
    content = SALES.encode()
    name = "train.csv"
    for number in range(6):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, content)
        name, content = f"{number}.zip", path.read_bytes()
    assert "too many nested archives" in refusal(path).message


def test_archive_member_cannot_escape_the_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "box.zip", "w") as archive:
        archive.writestr("../../escaped.csv", SALES)
    assert load(tmp_path / "box.zip").report.n_rows == 14
    assert not list(tmp_path.parent.parent.glob("escaped.csv"))
    assert not list(tmp_path.rglob("escaped.csv"))


# Companion files


@pytest.mark.parametrize("packed", [False, True])
def test_items_and_stores_files_are_found_in_the_same_folder(folder: Path, packed: bool) -> None:
    (folder / "sales.csv").write_text(SALES)
    for name, text in {"items.csv": ITEMS, "stores.csv": STORES}.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / name).write_text(text)
    plan = plan_of(folder / "sales.csv")
    assert plan.items is not None
    assert plan.stores is not None
    assert (plan.items.source.path.parent, plan.stores.source.path.parent) == (folder, folder)
    assert load(folder / "sales.csv").item("every day")["family"] == "DELI"


def test_items_file_is_found_in_the_same_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "box.zip", "w") as archive:
        archive.writestr("x/sales.csv", SALES)
        archive.writestr("x/items.csv", ITEMS)
    assert load(tmp_path / "box.zip").item("every day")["family"] == "DELI"


def test_no_companion_files(folder: Path) -> None:
    (folder / "sales.csv").write_text(SALES)
    plan = plan_of(folder / "sales.csv")
    assert (plan.items, plan.stores, plan.others) == (None, None, [])


# Paths


def test_tilde_in_a_path_is_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    (folder / "sales.csv").write_text(SALES)
    (folder / "work").mkdir()
    spec = IngestSpec(paths=("~/sales.csv",), name="n")
    plan = look_at(spec, Folders([Path("/")]), Workspace(folder / "work", 10**9)).plan(spec)
    assert plan.parts[0].table.source.path == folder / "sales.csv"


@pytest.mark.parametrize("path", ["", "zero\0byte", "x" * 5_000, "~nobody-of-this-name/sales.csv"])
def test_invalid_path_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(InputError) as caught:
        look_at(IngestSpec(paths=(path,), name="n"), Folders([Path("/")]), Workspace(tmp_path, 10**9))
    assert caught.value.hint


def test_file_given_twice_is_read_once(folder: Path) -> None:
    (folder / "sales.csv").write_text(SALES)
    (folder / "link.csv").symlink_to(folder / "sales.csv")
    paths = (folder / "sales.csv", folder / "sales.csv", folder / "link.csv", folder)
    assert load(*paths).report.n_rows == 14


def test_file_outside_the_allowed_folders_is_refused(tmp_path: Path, folder: Path) -> None:
    write(tmp_path / "sales.csv", *filler())
    error = refusal(tmp_path / "sales.csv", roots=(folder,))
    assert error.message == f"{tmp_path / 'sales.csv'} is not in an allowed folder."
    assert error.hint == f"Allowed folders (FCST_INGEST_ROOTS): {folder}."
    assert make(tmp_path, write(folder / "sales.csv", *filler()), roots=(folder,)).report.n_rows == 14


def test_link_out_of_the_allowed_folders_is_refused(tmp_path: Path, folder: Path) -> None:
    write(tmp_path / "secret.csv", *filler())
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    assert "is not in an allowed folder" in refusal(folder / "link.csv", roots=(folder,)).message


def test_links_out_of_the_allowed_folders_are_skipped_in_a_folder(tmp_path: Path, folder: Path) -> None:
    write(tmp_path / "train.csv", *filler())
    (folder / "train.csv").symlink_to(tmp_path / "train.csv")
    (folder / "out").symlink_to(tmp_path)
    (folder / "sales.csv").write_text(SALES)
    assert names(plan_of(folder, roots=(folder,))) == ["sales.csv"]


def test_items_file_that_links_out_of_the_allowed_folders_is_not_read(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "items.csv").write_text(ITEMS)
    (folder / "items.csv").symlink_to(tmp_path / "items.csv")
    (folder / "sales.csv").write_text(SALES)
    assert plan_of(folder / "sales.csv", roots=(folder,)).items is None
    assert plan_of(folder / "sales.csv").items is not None


def test_dots_in_a_path_cannot_leave_the_allowed_folders(tmp_path: Path, folder: Path) -> None:
    write(tmp_path / "sales.csv", *filler())
    assert "not in an allowed folder" in refusal(folder / ".." / "sales.csv", roots=(folder,)).message


def test_folder_with_the_same_name_prefix_is_not_allowed() -> None:
    folders = Folders([Path("/data/sales")])
    assert folders.allow(Path("/data/sales/x.csv"))
    assert not folders.allow(Path("/data/sales-of-others/x.csv"))
