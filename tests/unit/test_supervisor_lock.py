"""The supervisor's lock file, held by a real other process that can be killed."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fcst import supervisor_lock
from fcst.errors import ConfigError
from fcst.files import FileLock
from fcst.settings import PROJECT, Settings, load_settings

HOLD = """
import sys
from pathlib import Path
from fcst import supervisor_lock
from fcst.files import FileLock
lock = FileLock(Path(sys.argv[1]))
lock.acquire()
if sys.argv[2] == "announced":
    supervisor_lock.announce(lock, {"pid": 7, "version": "0", "is_leaving": False})
print("held", flush=True)
sys.stdin.read()
supervisor_lock.announce(lock, {})
"""

Hold = Callable[..., subprocess.Popen]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "supervisor.lock"


@pytest.fixture
def hold(path: Path) -> Iterator[Hold]:
    """Returns a function that starts a process holding the lock; it exits cleanly when its stdin is closed."""
    started: list[subprocess.Popen] = []

    def start(what: str = "announced") -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path), what], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def make_settings(home: Path, database_url: str | None = None) -> Settings:
    return replace(load_settings(), database_url=database_url, home=home)


# Holder


def test_missing_file_has_no_holder(path: Path) -> None:
    assert supervisor_lock.holder(path) is None
    assert not supervisor_lock.has_crashed(path)
    assert not path.exists()


def test_holder_returns_the_announced_state(path: Path, hold: Hold) -> None:
    hold()
    assert supervisor_lock.holder(path) == {"pid": 7, "version": "0", "is_leaving": False}
    assert not supervisor_lock.has_crashed(path)


def test_starting_holder_has_an_empty_state(path: Path, hold: Hold) -> None:
    hold("silent")
    assert supervisor_lock.holder(path) == {}
    assert not supervisor_lock.has_crashed(path)


@pytest.mark.parametrize("text", ["{", "[1]", "7", "é"])
def test_holder_with_an_invalid_state_is_still_found(path: Path, hold: Hold, text: str) -> None:
    hold("silent")
    path.write_text(text, encoding="latin-1")
    assert supervisor_lock.holder(path) == {}


def test_killed_holder_counts_as_crashed(path: Path, hold: Hold) -> None:
    process = hold()
    process.kill()
    assert process.wait() == -9
    assert supervisor_lock.holder(path) is None
    assert supervisor_lock.has_crashed(path)


def test_clean_exit_does_not_count_as_crash(path: Path, hold: Hold) -> None:
    process = hold()
    process.communicate()
    assert process.returncode == 0
    assert supervisor_lock.holder(path) is None
    assert not supervisor_lock.has_crashed(path)
    assert path.exists()


def test_new_holder_after_a_crash_does_not_count_as_crashed(path: Path, hold: Hold) -> None:
    first = hold()
    first.kill()
    first.wait()
    hold()
    assert supervisor_lock.holder(path) is not None
    assert not supervisor_lock.has_crashed(path)


def test_state_without_holder_counts_as_crash(path: Path) -> None:
    path.write_text('{"pid": 1}')
    assert supervisor_lock.has_crashed(path)


# Announced state


def test_later_announcement_replaces_a_longer_one(path: Path) -> None:
    with FileLock(path) as lock:
        supervisor_lock.announce(lock, {"pid": 1, "version": "0.1.0+a-very-long-one"})
        supervisor_lock.announce(lock, {"pid": 1, "is_leaving": True})
        assert supervisor_lock.holder(path) == {"pid": 1, "is_leaving": True}


def test_empty_announcement_leaves_an_empty_file(path: Path) -> None:
    with FileLock(path) as lock:
        supervisor_lock.announce(lock, {"pid": 1})
        supervisor_lock.announce(lock, {})
        assert path.read_bytes() == b""


def test_announce_without_the_lock_writes_nothing(path: Path) -> None:
    supervisor_lock.announce(FileLock(path), {"pid": 1})
    assert not path.exists()


# Waking


def test_wake_changes_only_the_modification_time(path: Path) -> None:
    path.write_text('{"pid": 1}')
    os.utime(path, (1_000, 1_000))
    assert supervisor_lock.woken_at(path) == 1_000
    before = time.time() - 1
    supervisor_lock.wake(path)
    assert supervisor_lock.woken_at(path) > before
    assert path.read_text() == '{"pid": 1}'


def test_announce_counts_as_wake(path: Path) -> None:
    with FileLock(path) as lock:
        os.utime(path, (1_000, 1_000))
        supervisor_lock.announce(lock, {"pid": 1})
        assert supervisor_lock.woken_at(path) > 1_000


def test_wake_without_supervisor_creates_no_file(path: Path) -> None:
    supervisor_lock.wake(path)
    assert not path.exists()
    assert supervisor_lock.woken_at(path) == 0.0


# Path of the lock


def test_each_database_has_its_own_lock_in_the_home(tmp_path: Path) -> None:
    urls = (None, "postgresql://a/b", "postgresql://a/c")
    paths = {supervisor_lock.lock_path(make_settings(tmp_path / "home", url)) for url in urls}
    assert len(paths) == 3
    assert {path.parent for path in paths} == {tmp_path / "home"}


def test_lock_path_of_a_database_is_stable(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"postgresql://a/b").hexdigest()[:8]
    found = supervisor_lock.lock_path(make_settings(tmp_path, "postgresql://a/b"))
    assert found == tmp_path / f"supervisor-{digest}.lock"


def test_lock_path_does_not_contain_the_password(tmp_path: Path) -> None:
    found = supervisor_lock.lock_path(make_settings(tmp_path, "postgresql://user:secret@host/b"))
    assert "secret" not in found.name


def test_missing_home_is_created(tmp_path: Path) -> None:
    supervisor_lock.lock_path(make_settings(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b").is_dir()


def test_home_that_cannot_be_created_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(ConfigError) as caught:
        supervisor_lock.lock_path(make_settings(tmp_path / "taken" / "home"))
    assert str(tmp_path / "taken" / "home") in caught.value.message
    assert "FCST_HOME" in caught.value.hint
