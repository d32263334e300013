"""Full disks, tested with real small disks and a real embedded server."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from fcst.api.app import create_api
from fcst.cli.main import main
from fcst.errors import DatabaseUnreachable, DiskFull, InputError
from fcst.files import free_space
from fcst.services import datasets, health, jobs, loading
from fcst.settings import PROJECT, child_environment
from fcst.specs import IngestSpec, JobSpec
from fcst.store import embedded
from fcst.store.database import fetch_one, transaction
from fcst.store.embedded import ensure_running
from fcst.store.migrate import applied_version, migrate
from fcst.terminal import DONE, FAILED, REFUSED
from fcst.ui import downloads
from tests.conftest import wait_until, write_sales
from tests.databases import url
from tests.engine.helpers import check_items, finish, reasons_of, submit
from tests.servers import load_here, read, work
from tests.store.old_versions import LATEST, leave, tables

MB = 1_000_000
N_ITEMS = 200


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """Mounts a small disk that PostgreSQL's OS user can access."""
    disk = Path(tempfile.mkdtemp(prefix="disk"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(disk)]
    try:
        is_mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        is_mounted = False
    if not is_mounted:
        disk.rmdir()
        pytest.skip("no small disk can be mounted here")
    disk.chmod(0o755)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
        disk.rmdir()


@contextmanager
def small_home() -> Iterator[Path]:
    """A home on a disk of 160 MB, with its embedded server in use."""
    with small_disk(160) as disk, pytest.MonkeyPatch.context() as patch:
        patch.delenv("DATABASE_URL", raising=False)
        patch.setenv("FCST_HOME", str(disk / "home"))
        patch.setenv("FCST_INGEST_ROOTS", "/")
        patch.setenv("FCST_WORKER", "external")
        migrate()
        yield disk / "home"
        lock = os.open(disk / "home" / "pg.server", os.O_RDWR)
        shutil.rmtree(disk / "home", ignore_errors=True)
        wait_until(lambda: not embedded.is_held(lock), what="for the guard to stop the server")
        os.close(lock)


@pytest.fixture
def home() -> Iterator[Path]:
    with small_home() as home:
        yield home


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a run of 200 items, shared by tests that do not change it."""
    with small_home() as home:
        path = tmp_path_factory.mktemp("shop") / "sales.csv"
        write_sales(path, N_ITEMS, 120)
        dataset = load_here(path, "shop")
        spec = JobSpec(models=("SeasonalNaive",), h=13, level=(80,), batch_size=N_ITEMS, n_windows=0)
        submit(dataset, N_ITEMS, spec)
        work(1)
        yield home


@pytest.fixture
def stick() -> Iterator[Path]:
    """Another small disk, with an unrelated file."""
    with small_disk(4) as disk:
        (disk / "unrelated").write_text("unrelated")
        yield disk


@pytest.fixture
def ballast(shop: Path) -> Iterator[Path]:
    """A file for filling the disk of the shop."""
    path = shop.parent / "ballast"
    yield path
    path.unlink(missing_ok=True)


def fill(path: Path, left: int = 0) -> None:
    """Writes a file until only `left` bytes are free on the disk."""
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


@pytest.mark.full
def test_server_on_a_full_disk_deletes_scratch_files_to_recover(home: Path) -> None:
    fill(home / "tmp" / "ingest-9" / "spill")
    kill_server(home)
    assert fetch_one("has_data") == {"found": False}
    assert not (home / "tmp" / "ingest-9").exists()


@pytest.mark.full
def test_server_on_a_full_disk_is_away_until_space_is_free(home: Path) -> None:
    ballast = home.parent / "unrelated"
    fill(ballast)
    kill_server(home)
    with pytest.raises(DatabaseUnreachable, match="failed"):
        fetch_one("has_data")
    ballast.unlink()
    assert fetch_one("has_data") == {"found": False}


@pytest.mark.full
def test_load_without_free_space_is_refused_and_the_server_keeps_running(home: Path, tmp_path: Path) -> None:
    write_sales(tmp_path / "sales.csv", 400, 120)
    fill(home.parent / "unrelated", left=160 * MB // 20 + MB // 2)
    assert 0 < free_space(home) < MB
    with pytest.raises(InputError, match="disk space"):
        loading.wait_for_ingest(request(tmp_path / "sales.csv"))
    assert fetch_one("has_data") == {"found": True}, "the ingest is there, with its reason"
    (home.parent / "unrelated").unlink()
    assert load_here(tmp_path / "sales.csv", "again").n_items == 400


def request(path: Path) -> int:
    ingest_id = loading.request_ingest(IngestSpec(paths=(str(path),), name="large"))
    read()
    return ingest_id


# Output files on another disk


WRITTEN = {
    "backup": ["backup", "{}/new.backup"],
    "csv": ["export", "1", "-o", "{}/new.csv"],
    "xlsx": ["export", "1", "-o", "{}/new.xlsx"],
    "parquet": ["export", "1", "-o", "{}/new.parquet"],
    "plan as csv": ["final-plan", "1", "-o", "{}/new.csv"],
    "plan as xlsx": ["final-plan", "1", "-o", "{}/new.xlsx"],
    "stock": ["stock", "1", "-o", "{}/new.csv", "--lead-time", "7d"],
}


@pytest.mark.few(1)
@pytest.mark.parametrize("left", [pytest.param(0, marks=pytest.mark.full), 5_000], ids=["before", "in the middle"])
@pytest.mark.parametrize("command", WRITTEN.values(), ids=list(WRITTEN))
def test_output_file_on_a_full_disk_is_refused(
    shop: Path, stick: Path, command: list[str], left: int, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(stick / "ballast", left)
    found = sorted(stick.iterdir())
    assert main([part.format(stick) for part in command]) in (FAILED, REFUSED)
    said = capsys.readouterr().err
    assert f"Not enough disk space for the file {stick}/new" in said and f"Free space in {stick}" in said
    assert sorted(stick.iterdir()) == found, "no partial file is left"
    (stick / "ballast").unlink()
    assert main([part.format(stick) for part in command]) == DONE


# Files in FCST_HOME


def leave_reserve(ballast: Path, more: int = 0) -> None:
    """Fills the disk of the home until the reserve plus `more` bytes are free."""
    fill(ballast, left=shutil.disk_usage(ballast.parent).total // 20 + more)


def ask(method: str, path: str, **more: Any) -> httpx.Response:
    """Sends a request to the server's routes, in this process."""
    app = Starlette(routes=[*downloads.ROUTES, Mount("/api", create_api())])

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.request(method, path, **more)

    return anyio.run(send)


DOWNLOADS = ["forecasts.csv", "forecasts.xlsx", "forecasts.parquet", "plan.csv", "plan.xlsx"]


@pytest.mark.parametrize("more", [pytest.param(0, marks=pytest.mark.full), 10_000], ids=["before", "in the middle"])
def test_downloads_keep_the_reserve_free_and_return_507(shop: Path, ballast: Path, more: int) -> None:
    leave_reserve(ballast, more)
    for name in DOWNLOADS:
        answer = ask("GET", f"/downloads/1/{name}")
        assert (answer.status_code, "Free space in FCST_HOME" in answer.text) == (507, True), (name, answer.text)
    for query in ("forecasts?format=csv", "forecasts?format=xlsx", "plan?format=xlsx"):
        answer = ask("GET", f"/api/jobs/1/{query}")
        assert (answer.status_code, answer.json()["status"]) == (507, 507), answer.text
        assert answer.json()["hint"] == "Free space in FCST_HOME, then try again."
    assert not list((shop / "tmp").iterdir()) and free_space(shop) >= 0
    ballast.unlink()
    assert ask("GET", "/downloads/1/forecasts.xlsx").status_code == 200


def test_upload_without_free_space_is_refused_before_it_is_copied(shop: Path, ballast: Path) -> None:
    leave_reserve(ballast, MB)
    with pytest.raises(DiskFull, match="It needs about 3.0 MB, and 1.0 MB is available|needs about 3.0 MB"):
        loading.save_upload("sales.csv", io.BytesIO(b"x" * 3 * MB))
    assert not (shop / "uploads").exists()
    content = io.BytesIO(b"x" * (MB // 2))
    content.seek(10)
    path = Path(loading.save_upload("sales.csv", content))
    assert path.stat().st_size == MB // 2, "the whole file, from any read position"
    loading.discard_upload(str(path))


def test_api_upload_without_free_space_returns_507(shop: Path, ballast: Path) -> None:
    leave_reserve(ballast)
    answer = ask("POST", "/api/datasets", files={"file": ("sales.csv", b"item,date,sales\na,2024-01-01,1\n")})
    assert (answer.status_code, answer.json()["detail"][:37]) == (507, "Not enough disk space for the upload:")


def test_request_body_without_free_space_returns_507(shop: Path, stick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(stick))  # where large request bodies are buffered
    fill(stick / "ballast")
    answer = ask("POST", "/api/datasets", files={"file": ("sales.csv", b"x" * 3 * MB)})
    assert (answer.status_code, answer.json()["detail"]) == (507, "Not enough disk space for the request.")


def test_command_with_output_on_a_full_disk_is_refused(
    shop: Path, stick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(stick / "ballast")
    command = [sys.executable, "-m", "fcst", "export", "1"]
    with (stick / "out.csv").open("wb") as out:
        done = subprocess.run(command, cwd=PROJECT, env=child_environment(), stdout=out, stderr=subprocess.PIPE)
    assert (done.returncode, b"Traceback" in done.stderr) == (REFUSED, False), done.stderr
    assert done.stderr.startswith(b"Not enough disk space for the output of the command.")


def test_backup_on_the_disk_of_the_database_keeps_the_reserve_free(
    shop: Path, ballast: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shop.parent / "new.backup"
    leave_reserve(ballast)
    assert main(["backup", str(path)]) == FAILED
    assert f"Not enough disk space for the file {path}" in capsys.readouterr().err
    assert not list(shop.parent.glob("*backup")) and not list(shop.parent.glob(".*part")) and free_space(shop) >= 0


LONG = "(SELECT string_agg(md5(g::text || unique_id), '') FROM generate_series(1, 1600) AS g)"


@pytest.mark.parametrize(
    "how", ["known before", "noticed by the server", pytest.param("noticed in the middle", marks=pytest.mark.full)]
)
def test_restore_without_free_space_changes_nothing(
    shop: Path,
    ballast: Path,
    tmp_path: Path,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "fcst.backup"
    if how == "noticed in the middle":
        with transaction() as cur:  # more than the reserve, so that the check fails before the disk is full
            cur.execute(f"UPDATE fcst_app.items SET description = {LONG}")
    assert main(["backup", str(path)]) == DONE
    if how == "noticed in the middle":
        rewrite(path)
    before = tables()
    if how == "noticed by the server":
        where = ensure_running(shop)
        monkeypatch.setenv("DATABASE_URL", url(where, where["dbname"]))
        fill(ballast, left=MB // 2)
    else:
        leave_reserve(ballast, MB // 2)
    capsys.readouterr()
    assert main(["restore", str(path), "--replace"]) == FAILED
    said = capsys.readouterr().err
    assert "Nothing was changed." in said
    if how == "noticed by the server":
        assert "the disk of the database is full" in said
    else:
        assert "disk space for the restored data" in said
        assert ("0.5 MB is available" in said) == (how == "known before")
    ballast.unlink()
    assert tables() == before
    assert main(["restore", str(path), "--replace"]) == DONE
    assert tables() | {"actions": before["actions"]} == before


def rewrite(path: Path) -> None:
    """Converts a backup to the format of an older version, without the data size."""
    content = path.read_bytes()
    archive = content[: content.rindex(b'{"data_bytes"')]
    path.write_bytes(archive + b"fcst sha256 " + hashlib.sha256(archive).digest())


def test_restore_without_free_space_for_uploads_changes_nothing(
    shop: Path, ballast: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fcst.backup"
    upload = loading.save_upload("sales.csv", io.BytesIO(b"item,date,sales\n" + b"a,2024-01-01,1\n" * 300_000))
    ingest_id = loading.request_ingest(IngestSpec(paths=(upload,), name="waits", is_upload=True))
    assert main(["backup", str(path), "--with-uploads"]) == DONE
    loading.cancel_ingest(ingest_id)
    loading.discard_upload(upload)
    before = tables()
    leave_reserve(ballast, MB)
    assert main(["restore", str(path), "--replace"]) == FAILED
    said = capsys.readouterr().err
    assert "disk space for the uploads of the backup: it needs about 4.5 MB, and 1.0 MB is available" in said
    assert "Nothing was changed." in said and not list((shop / "uploads").glob("*/*"))
    ballast.unlink()
    assert tables() == before


# Loads and upgrades


@pytest.mark.full
def test_load_into_another_server_with_a_full_disk_fails_with_the_reason(
    shop: Path, ballast: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ensure_running(shop)
    monkeypatch.setenv("DATABASE_URL", url(where, where["dbname"]))
    monkeypatch.setenv("FCST_HOME", str(tmp_path / "home"))
    write_sales(tmp_path / "sales.csv", N_ITEMS, 120)
    fill(ballast, left=100_000)
    before = [row.dataset_id for row in datasets.list_datasets()]
    with pytest.raises(InputError, match="The disk of the database is full"):
        loading.wait_for_ingest(request(tmp_path / "sales.csv"))
    assert [row.dataset_id for row in datasets.list_datasets()] == before
    ballast.unlink()
    assert load_here(tmp_path / "sales.csv", "again").n_items == N_ITEMS


@pytest.mark.full
@pytest.mark.parametrize("how", [pytest.param("known before", marks=pytest.mark.full), "noticed by the server"])
def test_upgrade_without_free_space_changes_nothing(
    home: Path, how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with transaction() as cur:
        cur.execute("DROP SCHEMA fcst_app CASCADE")
    leave(LATEST - 1)
    if how == "known before":
        leave_reserve(home.parent / "ballast")
    else:
        where = ensure_running(home)
        monkeypatch.setenv("DATABASE_URL", url(where, where["dbname"]))
        fill(home.parent / "ballast")
    assert main(["migrate"]) == REFUSED
    said = capsys.readouterr().err
    assert {
        "known before": "disk space for the upgrade of the database",
        "noticed by the server": "The disk of the database is full. Free disk space there",
    }[how] in said.replace("\n", " ")
    assert applied_version() == LATEST - 1
    (home.parent / "ballast").unlink()
    assert main(["migrate"]) == DONE
    assert applied_version() == LATEST


# A run


@pytest.fixture
def engine(shop: Path) -> Iterator[subprocess.Popen]:
    """Runs a supervisor on the shop's database."""
    log = (shop.parent / "worker.log").open("wb")
    environment = child_environment() | {"FCST_PROCESSES": "2"}
    process = subprocess.Popen([sys.executable, "-m", "fcst", "worker"], cwd=PROJECT, env=environment, stderr=log)
    yield process
    process.terminate()
    process.wait(30)
    log.close()


@pytest.mark.full
def test_run_without_free_space_waits_and_is_stalled(shop: Path, ballast: Path, engine: subprocess.Popen) -> None:
    leave_reserve(ballast)
    job_id = submit(datasets.find_dataset("shop"), 20, JobSpec(models=("Naive",), n_windows=0, batch_size=10))
    wait_until(health.has_supervisor, 30, "for the supervisor")
    wait_until(lambda: health.find_stalls([jobs.get_job(job_id)]), 10, "for the run to be stalled")
    stall = health.find_stalls([jobs.get_job(job_id)])[job_id]
    assert "Not enough disk space for forecasts in the database. Free space in" in stall.why
    assert jobs.get_job(job_id).batches == {"submitted": 2}
    ballast.unlink()
    finish(job_id)
    assert check_items(job_id).n_completed == 20


@pytest.mark.full
@pytest.mark.parametrize("is_killed", [False, True], ids=["server running", "server killed"])
def test_run_on_a_full_disk_continues_when_space_is_free(
    shop: Path, ballast: Path, engine: subprocess.Popen, is_killed: bool
) -> None:
    spec = JobSpec(models=("AutoCES",), h=13, level=(80,), batch_size=10)
    job_id = submit(datasets.find_dataset("shop"), 60, spec)
    wait_until(lambda: jobs.get_job(job_id).n_completed > 0, 60, "for results")
    fill(ballast)
    if is_killed:
        kill_server(shop)
        with pytest.raises(DatabaseUnreachable):
            jobs.get_job(job_id)
    time.sleep(5)
    ballast.unlink()
    finish(job_id)
    assert check_items(job_id).n_completed == 60
    assert not [reason for reason in reasons_of(job_id) if "full" not in reason and "database" not in reason]
