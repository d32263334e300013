"""Which files may be read: by whom a load is asked for decides it, and where people are besides."""

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


def test_page_and_api_read_the_users_own_folder_and_the_project(home: Path) -> None:
    folders = folders_for(SPEC, load_settings())
    for path in (home / "sales.csv", home / "a" / "b.csv", PROJECT / "data" / "x.csv", SAMPLE / "train.csv.gz"):
        assert folders.allow(path)
    for path in (
        Path("/etc/passwd"), Path("/"), home.parent / "x.csv", home / ".ssh" / "id_rsa", home / ".netrc",
        home / "a" / ".hidden" / "b.csv", PROJECT / ".streamlit" / "secrets.toml", PROJECT / ".git" / "config",
        home / "fcst", home / "fcst" / "uploads" / "x" / "s.csv", home / "fcst" / "cookie.secret",
    ):  # fmt: skip
        assert not folders.allow(path), path


def test_nothing_is_read_by_path_where_others_reach_the_server(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_upload_is_read_from_where_uploads_are_and_from_nowhere_else(home: Path) -> None:
    folders = folders_for(replace(SPEC, is_upload=True), load_settings())
    assert folders.allow(home / "fcst" / "uploads" / "x" / "s.csv")
    assert not any(map(folders.allow, (home / "sales.csv", SAMPLE / "train.csv.gz", Path("/etc/passwd"))))


def test_command_line_reads_what_its_user_reads(home: Path) -> None:
    folders = folders_for(replace(SPEC, is_from_shell=True), load_settings())
    assert all(map(folders.allow, (Path("/data/sales.csv"), home / ".cache" / "x.csv")))


def test_hidden_is_what_is_hidden_within_a_folder_that_is_allowed() -> None:
    folders = Folders([Path("/data/.sales")], has_hidden=False)
    assert folders.allow(Path("/data/.sales/x.csv")) and not folders.allow(Path("/data/.sales/.x.csv"))
