"""Health checks with real supervisors that are killed or stopped, a full disk, and ports."""

import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fcst import supervisor_lock
from fcst.files import FileLock
from fcst.job_records import Stall
from fcst.services import health, jobs
from fcst.settings import load_settings
from fcst.specs import JobSpec
from fcst.store import attempts, workers
from fcst.store.database import transaction
from fcst.store.migrate import migrate
from tests.conftest import wait_until

HERE = socket.gethostname()
GB = 1_000_000_000


def check(name: str) -> health.Check:
    """Returns the check of this name."""
    (found,) = (check for check in health.run_checks() if check.name == name)
    return found


def run_sql(statement: str, **params: object) -> None:
    with transaction() as cur:
        cur.execute(statement, params)


@pytest.fixture
def waiting(load_dataset) -> int:
    """A submitted run without a supervisor."""
    dataset = load_dataset()
    return jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(batch_size=2))


def register(host: str = "elsewhere", pid: int = 7, lease_s: float = 60) -> str:
    worker_id = f"00000000-0000-0000-0000-{pid:012}"
    workers.register(worker_id, host, pid, "0", 2, lease_s)
    return worker_id


def give_batch(worker_id: str) -> None:
    run_sql(
        "UPDATE fcst_app.batch_status SET stage = 'obtaining_sales', attempt = 1, tries = 1, started_at = now(),"
        " worker_id = %(worker_id)s WHERE batch_id = (SELECT min(batch_id) FROM fcst_app.batch_status"
        " WHERE stage = 'submitted')",
        worker_id=worker_id,
    )


def test_all_checks_pass_when_idle(database: str) -> None:
    checks = health.run_checks()
    assert [check.name for check in checks] == [
        "settings",
        "disk",
        "files",
        "database",
        "schema",
        "supervisor",
        "lease",
    ]
    assert health.as_dict(checks)["is_ok"]
    assert check("supervisor").text == "none running, no work waiting; one starts when there is work"


# Database and schema


def test_unreachable_database_fails_and_disk_is_still_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:S3cret@127.0.0.1:1/d")
    monkeypatch.setenv("FCST_HOME", str(tmp_path))
    checks = health.run_checks()
    assert [check.name for check in checks] == ["settings", "disk", "files", "database"]
    assert not checks[-1].is_ok and "cannot be reached" in checks[-1].text and checks[-1].hint
    assert "S3cret" not in str(checks)


def test_missing_older_and_newer_schema_fail(empty_database: str) -> None:
    assert "does not exist" in check("schema").text and "migrate" in check("schema").hint
    migrate()
    assert check("schema").is_ok
    run_sql("INSERT INTO fcst_app.migrations (version, name) VALUES (9999, 'of the future')")
    assert not check("schema").is_ok and "Upgrade" in check("schema").hint
    run_sql("DELETE FROM fcst_app.migrations WHERE version > 1")
    assert not check("schema").is_ok and "version 1;" in check("schema").text and "migrate" in check("schema").hint


# Disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True)
    if not done or done.returncode:
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_full_disk_fails_with_free_and_total_bytes(
    database: str, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCST_HOME", str(small_disk / "not" / "made" / "yet"))
    (small_disk / "ballast").write_bytes(b"x" * 5_000_000)
    found = check("disk")
    assert not found.is_ok and "3 MB of 8 MB free" in found.text and str(small_disk) in found.text
    assert "at least 1.0 GB must be free" in found.hint
    with pytest.raises(OSError, match="No space"):
        (small_disk / "more").write_bytes(b"x" * 5_000_000)
    assert "0 MB of 8 MB free" in check("disk").text


def test_missing_home_is_checked_on_the_disk_of_its_parent(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCST_HOME", str(tmp_path / "a" / "b"))
    assert "free at" in check("disk").text and not (tmp_path / "a" / "b" / "logs").exists()


def test_folders_that_other_users_can_access_are_named(database: str) -> None:
    home = load_settings().home
    for name, mode in (("uploads", 0o755), ("tmp", 0o710), ("logs", 0o700)):
        (home / name).mkdir(parents=True, exist_ok=True)
        (home / name).chmod(mode)
    found = check("folders")
    assert not found.is_ok and found.text == f"other users of this machine can access {home}/uploads, {home}/tmp"
    subprocess.run(found.hint.removeprefix("Run ").removesuffix("."), shell=True, check=True)
    assert "folders" not in [check.name for check in health.run_checks()]


@pytest.mark.parametrize(
    ("total", "free", "is_ok"),
    [
        (0, 0, True),  # a file system that reports no size
        (4 * GB, 0.9 * GB, False),
        (4 * GB, 1.1 * GB, True),
        (100 * GB, 4.9 * GB, False),
        (100 * GB, 5.1 * GB, True),
        (4_000 * GB, 9.9 * GB, False),
        (4_000 * GB, 10.1 * GB, True),
    ],
)
def test_disk_limit_is_a_gigabyte_or_a_share(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, total: int, free: float, is_ok: bool
) -> None:
    usage = type(shutil.disk_usage("/"))(total, total - int(free), int(free))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert health._check_disk(tmp_path).is_ok == is_ok


# Dask


def test_listening_scheduler_passes_and_closed_port_fails(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for address in (f"tcp://127.0.0.1:{port}", f"tls://localhost:{port}", f"127.0.0.1:{port}"):
            monkeypatch.setenv("FCST_DASK_SCHEDULER", address)
            assert check("dask").is_ok
    found = check("dask")
    assert not found.is_ok and "refused" in found.text and str(port) in found.text and "dask scheduler" in found.hint


@pytest.mark.parametrize(
    "address", ["host", "tcp://host", "tcp://:8786", "http://host:1", "tcp://host:x", "host:99999", "tcp://[::1", "a b"]
)
def test_invalid_scheduler_address_fails(address: str) -> None:
    found = health._check_dask(address)
    assert not found.is_ok and repr(address) in found.text and "tcp://host:8786" in found.hint


def test_unknown_scheduler_host_fails() -> None:
    assert "cannot be reached" in health._check_dask("tcp://nowhere.invalid:8786").text


def test_silent_scheduler_times_out_soon() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        others = [socket.socket() for _ in range(4)]
        for other in others:  # they fill the accept queue
            other.setblocking(False)
            other.connect_ex(("127.0.0.1", port))
        begin = time.monotonic()
        found = health._check_dask(f"tcp://127.0.0.1:{port}")
        assert not found.is_ok and "timed out" in found.text and time.monotonic() - begin < 4
        for other in others:
            other.close()


# Supervisors


def stall_of(job_id: int) -> Stall | None:
    return health.find_stalls([jobs.get_job(job_id)]).get(job_id)


def test_work_without_a_supervisor_fails(waiting: int) -> None:
    found = check("supervisor")
    assert (
        not found.is_ok
        and found.text == "no supervisor is running, and work is waiting"
        and "fcst worker" in found.hint
    )
    stall = stall_of(waiting)
    assert stall is not None
    assert (stall.why, stall.hint) == (
        "No supervisor is running, and work is waiting.",
        "Start one with the command: python -m fcst worker.",
    )
    assert abs((datetime.now(UTC) - stall.since).total_seconds()) < 600
    assert health.waiting_reason(waiting) == ""


def test_supervisor_of_another_machine_counts_as_running(waiting: int) -> None:
    register("elsewhere", pid=2**22 + 1)
    assert check("supervisor").text == f"running: elsewhere:{2**22 + 1} (2 processes)"
    assert stall_of(waiting) is None
    assert health.waiting_reason(waiting) == "Queued."


def test_run_waits_behind_runs_with_running_batches(waiting: int) -> None:
    register("elsewhere", pid=2**22 + 1)
    attempts.claim(str(uuid.uuid4()), 1)
    assert health.waiting_reason(waiting) == "", "a batch of the run itself is running"
    reason = health.waiting_reason(waiting + 1)
    assert reason.startswith(f"Waiting behind run {waiting}, whose batches are running now.")


def test_starting_supervisor_is_reported(waiting: int) -> None:
    lock = FileLock(supervisor_lock.lock_path(load_settings()))
    lock.acquire()
    assert health.waiting_reason(waiting) == "The supervisor is starting."
    supervisor_lock.announce(lock, {"pid": os.getpid(), "version": "0", "is_leaving": False})
    assert health.waiting_reason(waiting) == "The supervisor is starting." and check("supervisor").is_ok
    lock.release()


def test_problem_of_a_supervisor_is_reported(waiting: int) -> None:
    worker_id = register("elsewhere", 8)
    run_sql("UPDATE fcst_app.workers SET problem = 'Dask has no workers.' WHERE worker_id = %(w)s", w=worker_id)
    found = check("supervisor")
    assert not found.is_ok and "Dask has no workers" in found.text and "elsewhere:8" in found.text
    stall = stall_of(waiting)
    assert stall is not None and stall.why == "Dask has no workers (reported by elsewhere:8)."


def test_expired_lease_is_reported_with_owner_time_and_held_work(waiting: int) -> None:
    worker_id = register("elsewhere", 9, lease_s=-90)
    assert check("lease").is_ok, "it holds no work"
    give_batch(worker_id)
    give_batch(worker_id)
    run_sql(
        "INSERT INTO fcst_app.ingests (spec, status, worker_id) VALUES ('{}', 'running', %(worker_id)s)",
        worker_id=worker_id,
    )
    found = check("lease")
    assert not found.is_ok and "elsewhere:9 did not sign off; its lease expired at 20" in found.text
    assert "(90 s ago), and it holds 2 batches and 1 ingest" in found.text and "python -m fcst worker" in found.hint
    register("elsewhere", 10)
    assert "pg_locks" in check("lease").hint
    run_sql("UPDATE fcst_app.workers SET stopped_at = now() WHERE worker_id = %(w)s", w=worker_id)
    assert check("lease").is_ok


def test_ended_process_has_crashed_though_its_lease_is_valid(waiting: int) -> None:
    process = subprocess.Popen(["true"])
    wait_until(lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2][0] == "Z")
    give_batch(register(HERE, process.pid))  # a zombie: its exit code has not been read
    for _ in range(2):
        found = check("supervisor")
        assert not found.is_ok and found.text == f"{HERE}:{process.pid} has crashed, and work is waiting"
        assert "has crashed; its lease is valid for another" in check("lease").text and "1 batch" in check("lease").text
        process.wait()
    register("elsewhere", 3)
    assert check("supervisor").is_ok and not check("lease").is_ok


def test_one_process_is_in_the_singular(waiting: int) -> None:
    workers.register(str(uuid.uuid4()), HERE, os.getpid(), "0", 1, 60)
    assert check("supervisor").text == f"running: {HERE}:{os.getpid()} (1 process)"


def test_reused_process_id_counts_as_crashed(waiting: int) -> None:
    worker_id = register(HERE, os.getpid())
    assert check("supervisor").is_ok
    run_sql("UPDATE fcst_app.workers SET process_start = process_start - 100 WHERE worker_id = %(w)s", w=worker_id)
    assert "has crashed" in check("supervisor").text


def test_process_is_recognised_after_clock_changes(waiting: int) -> None:
    worker_id = register(HERE, os.getpid())
    run_sql("UPDATE fcst_app.workers SET started_at = now() - interval '1 day' WHERE worker_id = %(w)s", w=worker_id)
    assert check("supervisor").text == f"running: {HERE}:{os.getpid()} (2 processes)"


def test_lease_beyond_its_maximum_duration_is_not_valid(waiting: int) -> None:
    """As after the database clock was set back."""
    worker_id = register("elsewhere", 9, lease_s=20)
    give_batch(worker_id)
    run_sql("UPDATE fcst_app.workers SET lease_expires_at = now() + interval '1 hour'")
    assert "no supervisor is running" in check("supervisor").text
    found = check("lease")
    assert "elsewhere:9 did not sign off; its lease, valid until 20" in found.text
    assert "is from before the database clock was set back, and it holds 1 batch" in found.text
    workers.renew_lease(worker_id)
    assert check("supervisor").text.startswith("running: elsewhere:9") and check("lease").is_ok


def test_supervisor_that_holds_its_lock_is_running_though_its_process_is_not_visible(waiting: int) -> None:
    lock = FileLock(supervisor_lock.lock_path(load_settings()))
    lock.acquire()
    supervisor_lock.announce(lock, {"pid": 2**22 + 1, "version": "0", "is_leaving": False})
    register(HERE, 2**22 + 1)
    assert check("supervisor").text.startswith("running")
    lock.release()
    assert "has crashed" in check("supervisor").text


SLOW_SPEC = JobSpec(models=("AutoCES",), h=13, level=(80,), batch_size=10)


@pytest.mark.full
def test_killed_supervisor_is_detected_before_its_lease_expires(load_dataset, start_supervisor) -> None:
    dataset = load_dataset(n_items=40)
    supervisor = start_supervisor(FCST_LEASE_S="4")
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 40), SLOW_SPEC)
    wait_until(lambda: jobs.get_job(job_id).batches.get("processing", 0), what="for a batch to be processed")
    assert check("supervisor").is_ok and check("lease").is_ok
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    assert check("supervisor").text == f"{HERE}:{supervisor.pid} has crashed, and work is waiting"
    stall = stall_of(job_id)
    assert stall is not None and stall.why.endswith(f"{HERE}:{supervisor.pid} has crashed, and work is waiting.")
    assert f"{HERE}:{supervisor.pid} has crashed; its lease is valid" in check("lease").text
    wait_until(lambda: "its lease expired" in check("lease").text, 10)
    assert "it holds 2 batches" in check("lease").text or "it holds 1 batch" in check("lease").text
    start_supervisor()
    wait_until(lambda: check("lease").is_ok and check("supervisor").is_ok, 30, "for another to take over")


@pytest.mark.full
def test_stopped_supervisor_is_reported_as_hanging(waiting: int, start_supervisor) -> None:
    supervisor = start_supervisor(FCST_LEASE_S="1")
    wait_until(lambda: workers.list_live(), what="for the supervisor")
    supervisor.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: not workers.list_live(), 10, "for its lease to expire")
        found = check("supervisor")
        assert not found.is_ok and f"{HERE}:{supervisor.pid} hangs" in found.text
        assert f"kill -CONT {supervisor.pid}" in found.hint
    finally:
        supervisor.send_signal(signal.SIGCONT)
