"""Backups: complete restore or none, during open work, from earlier versions, with uploads."""

import contextlib
import io
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg2
import pytest

from fcst import supervisor_lock
from fcst.attention import Thresholds
from fcst.attributes import AttributeFile
from fcst.cli.main import main
from fcst.data_sources import DataSource
from fcst.dataset_records import Dataset
from fcst.errors import InputError, NotAllowed, StoreError
from fcst.files import FileLock
from fcst.filters import Selection, by_keys
from fcst.job_records import Job
from fcst.lifecycles import Lifecycle, Origin, Source
from fcst.records import LearnedRecord
from fcst.roles import Scope, SignIn
from fcst.scenarios import ChangeHow, DriverChange, ScenarioItem
from fcst.services import (
    adjustments,
    attention,
    attributes,
    backups,
    data_sources,
    datasets,
    drivers,
    jobs,
    lifecycles,
    loading,
    publishing,
    scenarios,
    sign_ins,
    stock_settings,
    tokens,
)
from fcst.services.adjustments import Change
from fcst.settings import PROJECT, load_settings
from fcst.specs import IngestSpec, JobSpec
from fcst.stock import GroupSettings, StockSettings
from fcst.store import backup_file, dump, learning, queries, workers
from fcst.store import scenarios as stored_scenarios
from fcst.store.database import transaction
from fcst.store.embedded_paths import find_binaries
from fcst.store.migrate import migrate
from tests.computed_runs import run
from tests.conftest import wait_until, write_sales
from tests.databases import admin
from tests.engine.helpers import SLOW, check_items, finish, is_processing, submit
from tests.restoring import restored_from
from tests.servers import read
from tests.store.old_versions import LATEST, leave, tables


@pytest.fixture
def full(load_dataset: Callable[..., Dataset], once: Callable) -> Job:
    return once("full", lambda: fill(load_dataset))


def fill(load_dataset: Callable[..., Dataset]) -> Job:
    """Creates rows in every table.

    Two datasets, a run with an adjustment, a cancelled run, a token, a sign-out, drivers, a lifecycle, stock settings,
    an attribute, learnt effects, a scenario, and a source.
    """
    other = load_dataset(name="other", n_items=2, n_weeks=60)
    drivers.add_holidays(other.dataset_id, "EC")
    lifecycles.save_lifecycles(other.dataset_id, [Lifecycle("new", Origin.LIKE, (Source("item1"),))])
    settings = StockSettings(lead_time_days=14)
    stock_settings.save_settings(other.dataset_id, [GroupSettings("item", "item1", settings)])
    buyers = AttributeFile("buyers.csv", (), ("buyer",), ((("item1",), ("Eva",)),))
    attributes.save_attributes(other.dataset_id, buyers)
    job = run(load_dataset(n_items=4), 3, models=("SeasonalNaive", "Naive"), n_windows=1)
    week = job.last_wk_end_dt + timedelta(weeks=2)
    adjustments.adjust(job, "Naive", by_keys("item4"), Change(week, week, percent=10), "a fair", "Ana")
    attention.review(job, "Naive", by_keys("item4"), "Ana")
    attention.set_thresholds(job, Thresholds(plan_change=0.4), "Ana")
    tokens.create_token("etl", "read")
    sign_ins.sign_out_person("eve@shop.example")
    idempotency = ("a key", "of this request")
    job_id, _ = jobs.submit_once(job.dataset_id, Selection(keys=("item1",)), JobSpec(), "", "", idempotency)
    jobs.cancel_job(job_id)
    workers.register(str(uuid.uuid4()), "elsewhere", 1, "0", 1, -60)
    with transaction() as cur:
        learning.replace(cur, job.job_id, {0: LearnedRecord({"effects": []}, b"learnt")})
    publishing.publish(job.job_id, "Naive")
    source = IngestSpec((), "other", from_source=True)
    loading.cancel_ingest(data_sources.load(DataSource("files", "/nowhere/*.csv"), source))
    scenario = scenarios.create_scenario(job, "Carnival", "Ana")
    item = ScenarioItem("item4", np.full(job.spec.h, 2.0), np.full(job.spec.h, 2.0))
    promotion = DriverChange("promo", week, week, ChangeHow.TO, 1.0)
    stored_scenarios.add_change(scenario, promotion, ["item4"], "item item4", "Ana", [item])
    return jobs.get_job(job.job_id)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "fcst.backup"


def test_restore_brings_back_all_data_and_work_continues(full: Job, file: Path, load_dataset, capsys) -> None:
    before = tables()
    assert all(before.values()), "a table is empty: extend `fill`"
    assert main(["backup", str(file)]) == 0
    assert "datasets: 2, runs: 2" in capsys.readouterr().err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    datasets.delete_dataset(full.dataset_id)
    load_dataset(name="later", n_items=1)
    with transaction() as cur:
        cur.execute("CREATE TABLE fcst_app.of_a_newer_version (job_id integer REFERENCES fcst_app.jobs)")
    changed = tables()
    assert main(["restore", str(file)]) == 2
    assert "--replace" in capsys.readouterr().err
    assert tables() == changed
    assert main(["restore", str(file), "--replace"]) == 0
    assert restored_from(before, tables()) == file.name
    assert migrate() == []
    again = run(datasets.get_dataset(full.dataset_id), 3, models=("SeasonalNaive",))
    assert (again.job_id, again.n_completed) == (3, 3)
    assert jobs.retry_job(2) == 1


@pytest.mark.full
def test_backup_of_a_running_run_resumes_after_restore(
    load_dataset, start_supervisor: Callable[..., subprocess.Popen], file: Path
) -> None:
    job_id = submit(load_dataset(n_items=30), 30, SLOW)
    supervisor = start_supervisor(FCST_LEASE_S="5")
    wait_until(lambda: jobs.get_job(job_id).n_completed > 0 and is_processing(job_id), 60, "for results")
    backups.write_backup(file, is_replacing=False)
    finish(job_id)
    assert check_items(job_id).n_completed == 30
    with pytest.raises(InputError, match="supervisor is running"):
        backups.restore(file, is_replacing=True)
    supervisor.terminate()
    assert supervisor.wait(30) == 0
    assert backups.restore(file, is_replacing=True) == []
    job = jobs.get_job(job_id)
    assert not job.is_over and job.n_completed < 30 and job.batches.get("processing")
    start_supervisor(FCST_LEASE_S="5")
    finish(job_id)
    assert check_items(job_id).n_completed == 30


@pytest.mark.few(2)
@pytest.mark.parametrize("version", range(1, LATEST))
def test_backup_of_an_earlier_version_is_migrated(empty_database: str, file: Path, version: int) -> None:
    leave(version)
    dump.dump(file)
    migrate()
    migrated = tables()
    with transaction() as cur:
        cur.execute("DROP SCHEMA fcst_app CASCADE")
    migrate()
    assert backups.read_contents(file).version == version
    assert backups.restore(file, is_replacing=False) == [name for _, name, _ in queries.migrations()[version:]]
    assert restored_from(migrated, tables()) == file.name


# Uploads


@pytest.fixture
def home(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FCST_HOME", str(tmp_path / "first home"))
    return tmp_path / "first home"


@pytest.fixture
def upload(home: Path, tmp_path: Path) -> str:
    """Path of a saved upload."""
    write_sales(tmp_path / "sales.csv", 3, 60)
    with (tmp_path / "sales.csv").open("rb") as content:
        return loading.save_upload("sales.csv", content)


def test_waiting_load_runs_from_its_restored_upload(
    home: Path, upload: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    ingest_id = loading.request_ingest(IngestSpec(paths=(upload,), name="waited", is_upload=True))
    assert main(["backup", str(file), "--with-uploads"]) == 0
    assert "uploaded files: 1" in capsys.readouterr().err and not list((home / "tmp").iterdir())
    loading.cancel_ingest(ingest_id)
    monkeypatch.setenv("FCST_HOME", str(tmp_path / "other home"))
    assert main(["restore", str(file), "--replace"]) == 0
    assert "uploaded files: 1" in capsys.readouterr().err
    (path,) = loading.get_ingest(ingest_id).spec.paths
    assert Path(path).is_relative_to(tmp_path / "other home" / "uploads")
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    shutil.rmtree(home)
    read()
    assert datasets.find_dataset("waited").n_items == 3
    assert not Path(path).exists(), "a load deletes its upload"


def test_backup_includes_only_uploads_that_loads_refer_to(home: Path, upload: str, file: Path) -> None:
    loading.save_upload("not asked for.csv", io.BytesIO(b"x"))
    bad = loading.save_upload("bad.csv", io.BytesIO(b"item,date,sales\na,2024-01-01,1\na,2024-01-02,many\n"))
    for path, name in ((upload, "read"), (bad, "bad")):
        loading.request_ingest(IngestSpec(paths=(path,), name=name, is_upload=True))
        read()
    waiting = loading.save_upload("waits.csv", io.BytesIO(Path(bad).read_bytes()))
    loading.request_ingest(IngestSpec(paths=(waiting,), name="waits", is_upload=True))
    assert backups.write_backup(file, is_replacing=False, has_uploads=True).n_uploads == 2
    found = {name for name, _ in backup_file.read_uploads(file, backup_file.read_manifest(file))}
    assert found == {f"{Path(path).parent.name}/{Path(path).name}" for path in (bad, waiting)}
    assert backups.write_backup(file, is_replacing=True).n_uploads is None


def test_backup_includes_an_upload_whose_load_ends_meanwhile(home: Path, upload: str, file: Path) -> None:
    loading.request_ingest(IngestSpec(paths=(upload,), name="read", is_upload=True))
    with backups._links_to_uploads() as copy_uploads:
        copy_uploads()
        read()
        dump.dump(file, None, copy_uploads)
    assert not Path(upload).exists() and backups.read_contents(file).n_uploads == 1


def test_existing_uploads_are_kept_and_never_overwritten(home: Path, upload: str, file: Path) -> None:
    ingest_id = loading.request_ingest(IngestSpec(paths=(upload,), name="waits", is_upload=True))
    backups.write_backup(file, is_replacing=False, has_uploads=True)
    loading.cancel_ingest(ingest_id)
    before = Path(upload).stat()
    backups.restore(file, is_replacing=True)
    after = Path(upload).stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)
    loading.cancel_ingest(ingest_id)
    Path(upload).write_text("mine")
    found = tables()
    with pytest.raises(InputError, match="different content"):
        backups.restore(file, is_replacing=True)
    assert Path(upload).read_text() == "mine" and tables() == found


def test_failed_restore_removes_its_uploads(home: Path, upload: str, file: Path) -> None:
    ingest_id = loading.request_ingest(IngestSpec(paths=(upload,), name="waits", is_upload=True))
    backups.write_backup(file, is_replacing=False, has_uploads=True)
    loading.cancel_ingest(ingest_id)
    shutil.rmtree(home / "uploads")
    with transaction() as cur:
        cur.execute("CREATE VIEW public.by_others AS SELECT ingest_id FROM fcst_app.ingests")
    with pytest.raises(StoreError, match="other objects depend on"):
        backups.restore(file, is_replacing=True)
    assert not [path for path in (home / "uploads").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "name", ["../../outside", "/etc/outside", "0" * 32 + "/../../outside", "0" * 32 + "/..", "link"]
)
def test_upload_paths_outside_the_folder_are_refused(home: Path, file: Path, tmp_path: Path, name: str) -> None:
    member = tarfile.TarInfo("0" * 32 + "/a.csv" if name == "link" else name)
    if name == "link":
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    else:
        member.size = 4
    backups.write_backup(file, is_replacing=False)
    forge(file, member, b"mine")
    before = tables()
    with pytest.raises(InputError, match="an invalid upload"):
        backups.restore(file, is_replacing=True)
    assert tables() == before and not list(tmp_path.rglob("outside")) and not list(home.rglob("a.csv"))


def test_uploads_are_limited_in_size(home: Path, upload: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest_id = loading.request_ingest(IngestSpec(paths=(upload,), name="waits", is_upload=True))
    backups.write_backup(file, is_replacing=False, has_uploads=True)
    loading.cancel_ingest(ingest_id)
    monkeypatch.setenv("FCST_UNPACK_LIMIT", "1KB")
    with pytest.raises(InputError, match="FCST_UNPACK_LIMIT"):
        backups.restore(file, is_replacing=True)
    member = tarfile.TarInfo("0" * 32 + "/a.csv")
    member.size = 5_000
    forge(file, member, b"x" * 5_000)
    with pytest.raises(InputError, match="an invalid upload"):
        backups.restore(file, is_replacing=True)


def forge(file: Path, member: tarfile.TarInfo, content: bytes) -> None:
    """Adds one upload to a backup, with four bytes in the manifest and a valid digest."""
    size = file.stat().st_size
    with file.open("ab") as out, tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(member, io.BytesIO(content) if member.size else None)
    backup_file.seal(file, backup_file.Manifest(0, 1, 4, size))


# Refusals


def test_backup_replaces_a_file_only_with_replace(full: Job, file: Path, capsys) -> None:
    file.write_text("mine")
    assert main(["backup", str(file)]) == 2
    assert "--replace" in capsys.readouterr().err and file.read_text() == "mine"
    assert main(["backup", str(file), "--replace"]) == 0
    assert backups.read_contents(file).n_datasets == 2
    for place in (file.parent, file.parent / "nowhere" / "x", file / "x"):
        assert main(["backup", str(place)]) == 2


def test_failed_backup_leaves_no_partial_file(full: Job, file: Path, database: str, monkeypatch, capsys) -> None:
    file.write_text("mine")
    with transaction() as cur:
        cur.execute("DROP ROLE IF EXISTS other_role")
        cur.execute("CREATE ROLE other_role LOGIN")
        cur.execute("GRANT USAGE ON SCHEMA fcst_app TO other_role")
        cur.execute("GRANT SELECT ON fcst_app.migrations TO other_role")
    monkeypatch.setenv("DATABASE_URL", database.replace("fcst@", "other_role:S3cret@"))
    assert main(["backup", str(file), "--replace"]) == 1
    err = capsys.readouterr().err
    assert "permission denied" in err and "S3cret" not in err
    assert file.read_text() == "mine" and [path.name for path in file.parent.iterdir() if ".part" in path.name] == []


def test_password_is_passed_in_the_environment(database: str, monkeypatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:S3cret@h:1/d?sslmode=require")
    where, environment = dump._connection()
    assert "S3cret" not in where and "sslmode=require" in where and environment["PGPASSWORD"] == "S3cret"


@pytest.mark.few(3)
@pytest.mark.parametrize("what", ["text", "empty", "missing", "folder", "foreign", "head"])
def test_foreign_files_are_refused(full: Job, database: str, file: Path, what: str, capsys) -> None:
    if what == "folder":
        file.mkdir()
    elif what == "foreign":
        with transaction() as cur:
            cur.execute("CREATE TABLE public.mine AS SELECT 1 AS n")
        command = [find_binaries(None) / "pg_dump", "-Fc", "-n", "public", "-f", file, "-d", database]
        subprocess.run(command, check=True)
    elif what != "missing":
        file.write_bytes({"text": b"mine", "empty": b"", "head": b"PGDMP and more"}[what])
    before = tables()
    assert main(["restore", str(file), "--replace"]) == 2
    assert str(file) in capsys.readouterr().err
    assert tables() == before


def test_backup_of_a_newer_version_is_refused(full: Job, file: Path) -> None:
    with transaction() as cur:
        cur.execute("INSERT INTO fcst_app.migrations (version, name) VALUES (9999, 'from_the_future')")
    backups.write_backup(file, is_replacing=False)
    with transaction() as cur:
        cur.execute("DELETE FROM fcst_app.migrations WHERE version = 9999")
    with pytest.raises(InputError, match="9999"):
        backups.read_contents(file)


def test_restore_into_a_database_in_use_is_refused(full: Job, file: Path) -> None:
    backups.write_backup(file, is_replacing=False)
    worker_id = str(uuid.uuid4())
    workers.register(worker_id, "elsewhere", 7, "0", 2, 60)
    with pytest.raises(InputError, match="supervisor is running"):
        backups.restore(file, is_replacing=True)
    workers.stop(worker_id)
    with FileLock(supervisor_lock.lock_path(load_settings())), pytest.raises(InputError, match="supervisor is running"):
        backups.restore(file, is_replacing=True)  # a supervisor that has not registered
    job_id = jobs.submit_job(full.dataset_id, Selection(keys=("item1",)), JobSpec())
    with pytest.raises(InputError, match="have not ended"):
        backups.restore(file, is_replacing=True)
    jobs.cancel_job(job_id)
    assert backups.restore(file, is_replacing=True) == []
    assert not FileLock(supervisor_lock.lock_path(load_settings())).is_current()


def test_run_submitted_during_a_restore_is_not_lost(full: Job, file: Path) -> None:
    backups.write_backup(file, is_replacing=False)
    job_id = jobs.submit_job(full.dataset_id, Selection(keys=("item1",)), JobSpec())
    before = tables()
    with pytest.raises(StoreError, match="submitted meanwhile"):
        dump.load(file)  # runs after the first check for open work
    assert tables() == before and not jobs.get_job(job_id).is_over


def test_token_revoked_after_the_backup_stays_revoked(full: Job, file: Path) -> None:
    lost, kept = tokens.create_token("lost", "run"), tokens.create_token("kept", "run")
    backups.write_backup(file, is_replacing=False)
    tokens.revoke_token(next(row.token_id for row in tokens.list_tokens() if row.name == "lost"))
    backups.restore(file, is_replacing=True)
    assert tokens.check_token(kept).may(Scope.RUN)
    with pytest.raises(NotAllowed, match="was revoked"):
        tokens.check_token(lost)


def test_sign_in_ended_after_the_backup_stays_ended(full: Job, file: Path) -> None:
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    lost, left, kept = (
        SignIn(name.encode(), at, {"email": f"{name}@shop.example"}) for name in ("lost", "left", "kept")
    )
    backups.write_backup(file, is_replacing=False)
    sign_ins.sign_out_person("lost@shop.example")
    sign_ins.end(left)
    backups.restore(file, is_replacing=True)
    backups.restore(file, is_replacing=True)
    sign_ins._checked.clear()
    assert [sign_ins.is_over(sign_in) for sign_in in (lost, left, kept)] == [True, True, False]
    with transaction() as cur:
        cur.execute("SELECT count(*) AS n FROM fcst_app.sign_outs")
        assert cur.fetchone() == {"n": 3}  # no duplicates; one is from `fill`


@pytest.mark.few(3)
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9, 0.999])
@pytest.mark.parametrize("how", ["cut", "overwritten"])
def test_damaged_backup_changes_nothing(full: Job, file: Path, part: float, how: str, capsys) -> None:
    backups.write_backup(file, is_replacing=False)
    content = file.read_bytes()
    place = int(len(content) * part)
    file.write_bytes(content[:place] + (b"" if how == "cut" else b"\0" * 40 + content[place + 40 :]))
    before = tables()
    with pytest.raises(StoreError, match="damaged"):
        backups.restore(file, is_replacing=True)
    assert main(["restore", str(file), "--replace"]) in (1, 2)
    err = capsys.readouterr().err
    assert "Traceback" not in err and ("could not be restored" in err or "damaged" in err)
    assert tables() == before


def test_database_error_during_restore_changes_nothing(
    full: Job, file: Path, database: str, monkeypatch, capsys
) -> None:
    backups.write_backup(file, is_replacing=False)
    before = tables()
    with transaction() as cur:
        cur.execute("DROP ROLE IF EXISTS stranger")
        cur.execute("CREATE ROLE stranger LOGIN")
        cur.execute("GRANT ALL ON SCHEMA fcst_app TO stranger")
        cur.execute("GRANT ALL ON ALL TABLES IN SCHEMA fcst_app TO stranger")
    monkeypatch.setenv("DATABASE_URL", database.replace("fcst@", "stranger:S3cret@"))
    assert main(["restore", str(file), "--replace"]) == 1
    err = capsys.readouterr().err
    assert "must be owner" in err and "S3cret" not in err
    assert tables() == before


def test_views_of_others_on_our_tables_are_not_dropped(full: Job, file: Path, capsys) -> None:
    backups.write_backup(file, is_replacing=False)
    with transaction() as cur:
        cur.execute("CREATE VIEW public.by_others AS SELECT job_id FROM fcst_app.jobs")
    before = tables()
    assert main(["restore", str(file), "--replace"]) == 1
    assert "other objects depend on" in capsys.readouterr().err
    assert tables() == before


# CLI with the embedded database


@pytest.fixture
def embedded(tmp_path: Path, monkeypatch) -> Iterator[Path]:
    home = tmp_path / "home"
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("FCST_HOME", str(home))
    monkeypatch.setenv("FCST_PROCESSES", "2")
    monkeypatch.setenv("FCST_IDLE_EXIT_S", "1")
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.mark.full
def test_embedded_database_is_restored_to_another_home(embedded: Path, tmp_path: Path, file: Path) -> None:
    def fcst(*args: str, home: Path = embedded) -> subprocess.CompletedProcess:
        env = {**os.environ, "FCST_HOME": str(home)}
        command = [sys.executable, "-m", "fcst", *args]
        return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=120)

    write_sales(tmp_path / "s.csv", 3, 60)
    assert fcst("ingest", str(tmp_path / "s.csv")).returncode == 0
    done = fcst("submit", "--models", "Naive", "--wait")
    assert done.returncode == 0, done.stderr
    assert fcst("backup", str(file)).returncode == 0
    other = tmp_path / "other"
    try:
        done = fcst("restore", str(file), home=other)
        assert done.returncode == 0, done.stderr
        assert fcst("export", "1", home=other).stdout == fcst("export", "1").stdout != ""
    finally:
        shutil.rmtree(other, ignore_errors=True)


def test_killed_restore_changes_nothing(full: Job, file: Path, server: dict[str, str]) -> None:
    def waits() -> bool:
        with admin(server) as cur:
            cur.execute("SELECT 1 FROM pg_stat_activity WHERE application_name = 'psql' AND wait_event_type = 'Lock'")
            return cur.fetchone() is not None

    backups.write_backup(file, is_replacing=False)
    before = tables()
    with contextlib.closing(psycopg2.connect(os.environ["DATABASE_URL"])) as con, con.cursor() as cur:
        cur.execute("SELECT 1 FROM fcst_app.jobs FOR UPDATE")  # makes the restore wait
        command = [sys.executable, "-m", "fcst", "restore", str(file), "--replace"]
        process = subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.DEVNULL, start_new_session=True)
        wait_until(waits, 20, "for the restore to wait")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    wait_until(lambda: not waits(), 20, "for the server to notice")
    assert tables() == before


@pytest.mark.full
def test_backup_and_restore_report_progress(
    load_dataset: Callable[..., Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dump, "REPORT_EVERY_S", 0.0)
    monkeypatch.setattr(dump, "CHECK_EVERY_S", 0.001)
    dataset = load_dataset(n_items=6)
    with transaction() as cur:  # enough data to keep the server busy
        cur.execute(
            "INSERT INTO fcst_app.sales SELECT %(dataset_id)s, 'more ' || i, '2020-01-04', array_agg(random())"
            " FROM generate_series(1, 20000) i, generate_series(1, 156) GROUP BY i",
            {"dataset_id": dataset.dataset_id},
        )
        cur.execute("ANALYZE fcst_app.sales")
    written: list[tuple[int, int]] = []
    backups.write_backup(tmp_path / "b", False, on_progress=lambda *progress: written.append(progress))
    restored: list[tuple[int, int]] = []
    backups.restore(tmp_path / "b", True, on_progress=lambda *progress: restored.append(progress))
    for calls in (written, restored):
        assert len(calls) > 1 and len({total for _, total in calls}) == 1
        assert calls == sorted(calls), calls
        assert 0 < calls[-1][0] <= calls[-1][1]
    assert restored[-1][0] > restored[-1][1] / 2
