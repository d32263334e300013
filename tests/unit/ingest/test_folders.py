"""Folder access by source of the request: pages and API, uploads, command line."""

from dataclasses import replace
from pathlib import Path

import pytest

from fcst import settings
from fcst.ingest.folders import Folders, folders_for
from fcst.settings import PROJECT, SAMPLE, load_settings
from fcst.specs import IngestSpec

SPEC = IngestSpec(paths=("/x.csv",), name="n")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "SECRETS", tmp_path / "secrets.toml")
    monkeypatch.setenv("FCST_HOME", str(tmp_path / "home" / "fcst"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("FCST_INGEST_ROOTS", "FCST_OPEN_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    return (tmp_path / "home").resolve()


def test_pages_and_api_may_read_home_and_project_folders(home: Path) -> None:
    folders = folders_for(SPEC, load_settings())
    for path in (home / "sales.csv", home / "a" / "b.csv", PROJECT / "data" / "x.csv", SAMPLE / "train.csv.gz"):
        assert folders.allow(path)
    for path in (
        Path("/etc/passwd"), Path("/"), home.parent / "x.csv", home / ".ssh" / "id_rsa", home / ".netrc",
        home / "a" / ".hidden" / "b.csv", PROJECT / ".streamlit" / "secrets.toml", PROJECT / ".git" / "config",
        home / "fcst", home / "fcst" / "uploads" / "x" / "s.csv", home / "fcst" / "cookie.secret",
    ):  # fmt: skip
        assert not folders.allow(path), path


def test_open_server_reads_no_files_by_path(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FCST_OPEN_ADDRESS", "0.0.0.0")
    for spec in (SPEC, replace(SPEC, is_from_shell=True)):
        folders = folders_for(spec, load_settings())
        assert not any(map(folders.allow, (home / "sales.csv", PROJECT / "README.md", Path("/etc/passwd"))))
        assert folders.allow(SAMPLE / "train.csv.gz")
        error = folders.refusal(str(home / "fcst" / "uploads"))
        assert str(home) not in f"{error.message}{error.hint}" and "Upload the file" in error.hint
    monkeypatch.setenv("FCST_INGEST_ROOTS", str(home))
    folders = folders_for(SPEC, load_settings())
    assert folders.allow(home / "sales.csv") and not folders.allow(home / "fcst" / "uploads" / "x" / "s.csv")
    assert "uploads" not in folders.refusal("~/x").hint


def test_upload_is_read_only_from_the_uploads_folder(home: Path) -> None:
    folders = folders_for(replace(SPEC, is_upload=True), load_settings())
    assert folders.allow(home / "fcst" / "uploads" / "x" / "s.csv")
    assert not any(map(folders.allow, (home / "sales.csv", SAMPLE / "train.csv.gz", Path("/etc/passwd"))))


def test_command_line_may_read_every_file_of_its_user(home: Path) -> None:
    folders = folders_for(replace(SPEC, is_from_shell=True), load_settings())
    assert all(map(folders.allow, (Path("/data/sales.csv"), home / ".cache" / "x.csv")))


def test_only_hidden_files_below_an_allowed_folder_are_excluded() -> None:
    folders = Folders([Path("/data/.sales")], has_hidden=False)
    assert folders.allow(Path("/data/.sales/x.csv")) and not folders.allow(Path("/data/.sales/.x.csv"))
