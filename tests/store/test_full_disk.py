"""A disk that is full, for the embedded server: a real small one, with a real server on it."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcst.errors import DatabaseAway, InputError
from fcst.files import room_in
from fcst.services import loading
from fcst.specs import IngestSpec
from fcst.store import embedded
from fcst.store.database import fetch_one
from fcst.store.migrate import migrate
from tests.conftest import write_sales
from tests.servers import load_here

MB = 1_000_000


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home on a disk of 160 MB, whose embedded server is in use; PostgreSQL's OS user may enter it."""
    disk = Path(tempfile.mkdtemp(prefix="disk"))
    command = ["mount", "-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", str(disk)]
    try:
        is_mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        is_mounted = False
    if not is_mounted:
        pytest.skip("no small disk can be mounted here")
    disk.chmod(0o755)
    home = disk / "home"
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("FCST_HOME", str(home))
    monkeypatch.setenv("FCST_INGEST_ROOTS", "/")
    monkeypatch.setenv("FCST_WORKER", "external")
    migrate()
    yield home
    shutil.rmtree(home, ignore_errors=True)
    time.sleep(2)  # the guard sees that its home is gone, and ends the server
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(path: Path, left: int = 0) -> None:
    """Writes a file until the disk has no more than so many bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        while (free := shutil.disk_usage(path.parent).free - left) > 0:
            try:
                file.write(b"x" * min(free, MB))
                file.flush()
            except OSError:
                break


def kill_server(home: Path) -> None:
    embedded._end_processes((home / "pg.server").stat())
    while embedded.is_held(home / "pg.server"):
        time.sleep(0.05)


def test_server_that_has_no_room_to_recover_gets_that_of_scratch_files(home: Path) -> None:
    fill(home / "tmp" / "ingest-9" / "spill")
    kill_server(home)
    assert fetch_one("has_data") == {"found": False}
    assert not (home / "tmp" / "ingest-9").exists()


def test_server_without_any_room_is_away_until_there_is_some(home: Path) -> None:
    ballast = home.parent / "of others"
    fill(ballast)
    kill_server(home)
    with pytest.raises(DatabaseAway, match="failed"):
        fetch_one("has_data")
    ballast.unlink()
    assert fetch_one("has_data") == {"found": False}


def test_load_that_the_database_has_no_room_for_is_refused_and_leaves_it_up(home: Path, tmp_path: Path) -> None:
    write_sales(tmp_path / "sales.csv", 400, 120)
    fill(home.parent / "of others", left=160 * MB // 20 + MB // 2)
    assert 0 < room_in(home) < MB
    with pytest.raises(InputError, match="no room on disk"):
        loading.wait_for_ingest(request(tmp_path / "sales.csv"))
    assert fetch_one("has_data") == {"found": True}, "the ingest is there, with its reason"
    (home.parent / "of others").unlink()
    assert load_here(tmp_path / "sales.csv", "again").n_items == 400


def request(path: Path) -> int:
    from tests.servers import read

    ingest_id = loading.request_ingest(IngestSpec(paths=(str(path),), name="large"))
    read()
    return ingest_id
