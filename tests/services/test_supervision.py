"""Start of a supervisor: its log files, and the error if it exits at once."""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcst import logs, supervisor_lock
from fcst.errors import ConfigError
from fcst.services import supervision
from fcst.settings import load_settings
from tests.conftest import wait_until
from tests.engine.helpers import workers_of


@pytest.fixture
def automatic(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Supervisors start automatically in this FCST_HOME; yields the home."""
    monkeypatch.setenv("FCST_WORKER", "auto")
    monkeypatch.setenv("FCST_IDLE_EXIT_S", "60")
    path = supervisor_lock.lock_path(load_settings())
    yield load_settings().home
    if state := supervisor_lock.holder(path):
        wait_until(lambda: (supervisor_lock.holder(path) or {"pid": 0}).get("pid") is not None)
        os.kill((supervisor_lock.holder(path) or state)["pid"], signal.SIGTERM)
        wait_until(lambda: supervisor_lock.holder(path) is None)


def test_log_is_named_after_its_lock_file(automatic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = supervision.log_path()
    assert first.parent == automatic / "logs"
    assert first.stem == supervisor_lock.lock_path(load_settings()).stem
    monkeypatch.setenv("DATABASE_URL", "postgresql://other@h/d")
    assert supervision.log_path() != first, "supervisors of one home never share a log file"


@pytest.mark.full
def test_supervisor_writes_its_log_and_its_stderr_to_private_files(automatic: Path) -> None:
    err = supervision.log_path().with_suffix(".err")
    err.parent.mkdir(parents=True)
    err.parent.chmod(0o755)
    err.write_text("of the previous one")
    err.chmod(0o644)
    supervision.ensure_supervisor()
    wait_until(lambda: supervision.log_path().exists() and supervision.log_path().stat().st_size, what="for its log")
    assert all(logs.parse(line) for line in supervision.log_path().read_text().splitlines())
    assert err.read_text() == ""
    for path in (err, supervision.log_path()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(err.parent.stat().st_mode) == 0o700


@pytest.mark.full
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_files_of_libraries_in_supervisor_and_workers_are_private(automatic: Path) -> None:
    supervision.ensure_supervisor()
    path = supervisor_lock.lock_path(load_settings())
    wait_until(lambda: len(workers_of((supervisor_lock.holder(path) or {}).get("pid", 0))) == 2, what="for its workers")
    pid = (supervisor_lock.holder(path) or {})["pid"]
    for process in (pid, *workers_of(pid)):
        assert "\nUmask:\t0077\n" in Path(f"/proc/{process}/status").read_text()


def test_error_of_a_supervisor_that_exits_at_once_has_no_secrets(
    automatic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:S3cret@127.0.0.1:1/d")
    with pytest.raises(ConfigError) as caught:
        supervision.ensure_supervisor()
    log = supervision.log_path()
    assert "right after its start: The database cannot be reached" in caught.value.message
    assert caught.value.hint == f"See {log}."
    assert "S3cret" not in str(caught.value) + log.read_text() + log.with_suffix(".err").read_text()
    with pytest.raises(ConfigError, match="start: The database cannot be reached"):
        supervision.ensure_supervisor()


def test_error_of_a_failed_interpreter_start_is_read_from_stderr(
    automatic: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'first words' >&2\necho 'no interpreter: password=S3cret' >&2\nexit 3\n")
    broken.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(broken))
    log = supervision.log_path()
    log.parent.mkdir(parents=True)
    log.write_text("time=2026-01-01T00:00:00.000Z level=error event=x message=old\n")
    with pytest.raises(ConfigError) as caught:
        supervision.ensure_supervisor()
    assert caught.value.message == "The supervisor exited right after its start: no interpreter: password=***"
    assert caught.value.hint == f"See {log.with_suffix('.err')}."


def test_database_that_responds_with_an_error_is_reachable(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert supervision.is_database_reachable()
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@127.0.0.1:1/d")
    assert not supervision.is_database_reachable()
    monkeypatch.setenv("DATABASE_URL", "nonsense")
    assert supervision.is_database_reachable()
