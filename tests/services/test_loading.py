"""Loads: permissions of uploads and temporary folders, and the run after a load."""

import io
import os
import stat
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fcst.engine import task
from fcst.services import jobs, loading
from fcst.settings import load_settings
from fcst.specs import IngestSpec
from fcst.store import ingests
from tests.conftest import write_sales


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """A umask that makes new files readable by all users."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def home(database: str) -> Path:
    """A home as left by an older version, with folders readable by all users."""
    home = load_settings().home
    for name in ("uploads", "tmp"):
        (home / name).mkdir(parents=True)
        (home / name).chmod(0o755)
    return home


def mode(path: Path | str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def test_uploads_are_private(home: Path) -> None:
    paths = loading.save_uploads([("a.csv", io.BytesIO(b"x")), ("b.csv", io.BytesIO(b"y"))])
    assert [mode(path) for path in paths] == [0o600, 0o600]
    assert [mode(folder) for folder in (Path(paths[0]).parent, home / "uploads")] == [0o700, 0o700]


def test_working_folders_are_private(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sales(tmp_path / "sales.csv", 2, 20)
    with zipfile.ZipFile(tmp_path / "sales.zip", "w") as archive:
        archive.write(tmp_path / "sales.csv", "sales.csv")
    seen: list[tuple[str, int, int]] = []

    def recording(read: Any) -> Any:
        def reading(*args: Any) -> Any:
            (folder,) = (home / "tmp").iterdir()
            seen.append((folder.name.partition("-")[0], mode(folder), mode(folder.parent)))
            return read(*args)

        return reading

    monkeypatch.setattr(loading, "look_at", recording(loading.look_at))
    monkeypatch.setattr(task, "read_sales", recording(task.read_sales))
    spec = IngestSpec(paths=(str(tmp_path / "sales.zip"),), name="s")
    loading.inspect(spec)
    loading.request_ingest(spec)
    claimed = ingests.claim(str(uuid.uuid4()))
    assert claimed is not None
    task.run_ingest(claimed.ingest_id, claimed.attempt)
    assert loading.get_ingest(claimed.ingest_id).status == "completed"
    assert seen == [("look", 0o700, 0o700), ("look", 0o700, 0o700), ("ingest", 0o700, 0o700)]
    assert not list((home / "tmp").iterdir())


def test_requested_run_is_submitted_once_after_a_load(database: str, tmp_path: Path) -> None:
    write_sales(tmp_path / "s.csv", 3, 60)
    spec = IngestSpec(paths=(str(tmp_path / "s.csv"),), name="s", then_run=True)
    ingest_id = loading.request_ingest(spec)
    claimed = ingests.claim(str(uuid.uuid4()))
    assert claimed is not None
    task.run_ingest(ingest_id, claimed.attempt)
    (job,) = jobs.list_jobs()
    assert (job.n_items, job.spec.models, job.submitted_by) == (
        3,
        ("Auto",),
        loading.get_ingest(ingest_id).spec.requested_by,
    )
    assert loading.run_after_load(loading.get_ingest(ingest_id)) == job.job_id and len(jobs.list_jobs()) == 1


def test_run_after_a_load_is_submitted_on_read_if_the_supervisor_crashed(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sales(tmp_path / "s.csv", 3, 60)
    ingest_id = loading.request_ingest(IngestSpec(paths=(str(tmp_path / "s.csv"),), name="s", then_run=True))
    claimed = ingests.claim(str(uuid.uuid4()))
    assert claimed is not None

    def die(*args: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("fcst.engine.task.submission.submit_after_load", die)
        task.run_ingest(ingest_id, claimed.attempt)
    assert jobs.list_jobs() == []
    found = loading.run_after_load(loading.get_ingest(ingest_id))
    assert [job.job_id for job in jobs.list_jobs()] == [found]
