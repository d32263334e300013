"""Who is alive: told by a lock that the kernel frees, with a real other process to hold it and to be killed."""

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
    """Starts another process that holds the lock, and leaves in good order when its stdin is closed."""
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


# Who holds it


def test_nobody_holds_a_file_that_is_not_there(path: Path) -> None:
    assert supervisor_lock.holder(path) is None
    assert not supervisor_lock.has_crashed(path)
    assert not path.exists()


def test_holder_tells_what_it_announced(path: Path, hold: Hold) -> None:
    hold()
    assert supervisor_lock.holder(path) == {"pid": 7, "version": "0", "is_leaving": False}
    assert not supervisor_lock.has_crashed(path)


def test_holder_that_is_just_starting_is_alive_and_has_said_nothing(path: Path, hold: Hold) -> None:
    hold("silent")
    assert supervisor_lock.holder(path) == {}
    assert not supervisor_lock.has_crashed(path)


@pytest.mark.parametrize("text", ["{", "[1]", "7", "é"])
def test_holder_whose_words_make_no_sense_is_still_alive(path: Path, hold: Hold, text: str) -> None:
    hold("silent")
    path.write_text(text, encoding="latin-1")
    assert supervisor_lock.holder(path) == {}


def test_killed_holder_is_gone_and_has_crashed(path: Path, hold: Hold) -> None:
    process = hold()
    process.kill()
    assert process.wait() == -9
    assert supervisor_lock.holder(path) is None
    assert supervisor_lock.has_crashed(path)


def test_holder_that_left_in_good_order_has_not_crashed(path: Path, hold: Hold) -> None:
    process = hold()
    process.communicate()
    assert process.returncode == 0
    assert supervisor_lock.holder(path) is None
    assert not supervisor_lock.has_crashed(path)
    assert path.exists()


def test_next_holder_after_a_crash_has_not_crashed(path: Path, hold: Hold) -> None:
    first = hold()
    first.kill()
    first.wait()
    hold()
    assert supervisor_lock.holder(path) is not None
    assert not supervisor_lock.has_crashed(path)


def test_file_with_words_but_no_holder_tells_of_a_crash(path: Path) -> None:
    path.write_text('{"pid": 1}')
    assert supervisor_lock.has_crashed(path)


# What it announces


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


def test_announcing_without_the_lock_writes_nothing(path: Path) -> None:
    supervisor_lock.announce(FileLock(path), {"pid": 1})
    assert not path.exists()


# Waking


def test_waking_moves_the_time_of_the_file_and_nothing_else(path: Path) -> None:
    path.write_text('{"pid": 1}')
    os.utime(path, (1_000, 1_000))
    assert supervisor_lock.woken_at(path) == 1_000
    before = time.time() - 1
    supervisor_lock.wake(path)
    assert supervisor_lock.woken_at(path) > before
    assert path.read_text() == '{"pid": 1}'


def test_announcing_counts_as_woken(path: Path) -> None:
    with FileLock(path) as lock:
        os.utime(path, (1_000, 1_000))
        supervisor_lock.announce(lock, {"pid": 1})
        assert supervisor_lock.woken_at(path) > 1_000


def test_waking_nobody_makes_no_file(path: Path) -> None:
    supervisor_lock.wake(path)
    assert not path.exists()
    assert supervisor_lock.woken_at(path) == 0.0


# Where the lock is


def test_each_database_has_a_lock_of_its_own_in_the_home(tmp_path: Path) -> None:
    urls = (None, "postgresql://a/b", "postgresql://a/c")
    paths = {supervisor_lock.lock_path(make_settings(tmp_path / "home", url)) for url in urls}
    assert len(paths) == 3
    assert {path.parent for path in paths} == {tmp_path / "home"}


def test_lock_of_a_database_is_the_same_every_time(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"postgresql://a/b").hexdigest()[:8]
    found = supervisor_lock.lock_path(make_settings(tmp_path, "postgresql://a/b"))
    assert found == tmp_path / f"supervisor-{digest}.lock"


def test_name_of_the_lock_does_not_tell_the_password(tmp_path: Path) -> None:
    found = supervisor_lock.lock_path(make_settings(tmp_path, "postgresql://user:secret@host/b"))
    assert "secret" not in found.name


def test_home_is_made_when_it_is_missing(tmp_path: Path) -> None:
    supervisor_lock.lock_path(make_settings(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b").is_dir()


def test_home_that_cannot_be_made_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(ConfigError) as caught:
        supervisor_lock.lock_path(make_settings(tmp_path / "taken" / "home"))
    assert str(tmp_path / "taken" / "home") in caught.value.message
    assert "FCST_HOME" in caught.value.hint
