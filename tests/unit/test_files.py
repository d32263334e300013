"""Folders for one OS user, whatever the umask.

Locks between processes: held by one, freed by any death, not inherited by accident.
"""

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcst.files import FileLock, is_held, make_home, open_private, private_folder
from fcst.settings import PROJECT

HOLD = """
import sys
from pathlib import Path
from fcst.files import FileLock
lock = FileLock(Path(sys.argv[1]), fd=int(sys.argv[2]) if len(sys.argv) > 2 else None)
if lock.fd is None:
    lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o377], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_private_folder_and_all_above_it_in_the_home_are_their_owners_alone(tmp_path: Path, umask: int) -> None:
    home = tmp_path / "above" / "home"
    folder = private_folder(home / "tmp" / "work", make_home(home))
    assert folder == home / "tmp" / "work"
    assert [mode(path) for path in (folder, folder.parent)] == [0o700, 0o700]
    assert [mode(path) for path in (home, home.parent)] == [0o711, 0o711]
    with open(folder / "file", "w", opener=open_private) as file:
        file.write("x")
    assert mode(folder / "file") == 0o600


def test_folders_that_were_open_to_others_are_closed_and_the_home_stays_as_it_is(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "home" / "tmp" / "work"
    folder.mkdir(parents=True)
    for path in (home, folder.parent, folder):
        path.chmod(0o755)
    private_folder(folder, make_home(home))
    assert [mode(path) for path in (home, folder.parent, folder)] == [0o755, 0o700, 0o700]
    with pytest.raises(FileExistsError):
        private_folder(folder, home, exist_ok=False)


def test_private_folder_makes_no_home_and_takes_no_file_for_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        private_folder(tmp_path / "home" / "logs", tmp_path / "home")
    (tmp_path / "logs").touch(0o644)
    with pytest.raises(FileExistsError):
        private_folder(tmp_path / "logs", tmp_path)
    with pytest.raises(FileExistsError):
        make_home(tmp_path / "logs")


def start_holder(path: Path, pass_fd: int | None = None) -> subprocess.Popen:
    inherited = [] if pass_fd is None else [pass_fd]
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), *map(str, inherited)],
        cwd=PROJECT,
        pass_fds=inherited,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def end(process: subprocess.Popen) -> None:
    process.kill()
    process.communicate()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.lock"


def test_second_lock_is_refused_while_the_first_is_held(path: Path) -> None:
    with FileLock(path):
        assert is_held(path)
        assert not FileLock(path).acquire(blocking=False)
    assert not is_held(path)
    assert FileLock(path).acquire(blocking=False)


def test_lock_of_another_process_is_freed_when_it_is_killed(path: Path) -> None:
    process = start_holder(path)
    assert is_held(path)
    assert not FileLock(path).acquire(blocking=False)
    end(process)
    assert not is_held(path)
    assert FileLock(path).acquire(blocking=False)


def test_shared_locks_stand_beside_each_other_and_keep_an_exclusive_one_out(path: Path) -> None:
    one, two = FileLock(path), FileLock(path)
    assert one.acquire(exclusive=False)
    assert two.acquire(exclusive=False)
    assert not is_held(path)
    assert not FileLock(path).acquire(blocking=False)
    one.release()
    two.release()
    assert FileLock(path).acquire(blocking=False)


def test_lock_taken_twice_by_one_object_is_a_mistake(path: Path) -> None:
    with FileLock(path) as lock, pytest.raises(RuntimeError, match="held already"):
        lock.acquire()


def test_file_that_must_exist_is_not_made(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileLock(path).acquire(create=False)
    assert not path.exists()


def test_lock_on_a_deleted_file_is_not_current(path: Path) -> None:
    with FileLock(path) as lock:
        assert lock.is_current()
        path.unlink()
        assert not lock.is_current()
        path.touch()
        assert not lock.is_current()


def test_locked_file_that_was_deleted_does_not_keep_the_next_out(path: Path) -> None:
    with FileLock(path):
        path.unlink()
        with FileLock(path) as other:
            assert other.is_current()


def test_lock_that_was_waited_for_is_on_the_new_file_when_the_old_was_deleted(path: Path) -> None:
    first, second = FileLock(path), FileLock(path)
    first.acquire()
    waiting = threading.Thread(target=second.acquire, daemon=True)
    waiting.start()
    while second.fd is None:
        time.sleep(0.001)
    path.unlink()
    first.release()
    waiting.join(10)
    assert second.is_current()
    second.release()


def test_asking_leaves_no_lock_behind(path: Path) -> None:
    path.touch()
    assert not is_held(path)
    assert FileLock(path).acquire(blocking=False)


def test_forked_child_holds_nothing(path: Path) -> None:
    lock = FileLock(path)
    lock.acquire()
    child = os.fork()
    if child == 0:
        os._exit(0 if lock.fd is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert is_held(path)
    lock.release()
    assert not is_held(path)


def test_started_program_does_not_inherit_the_lock(path: Path, tmp_path: Path) -> None:
    lock = FileLock(path)
    lock.acquire()
    process = start_holder(tmp_path / "another.lock")
    lock.release()
    held = is_held(path)
    end(process)
    assert not held


def test_lock_that_was_passed_on_lasts_until_both_are_gone(path: Path) -> None:
    lock = FileLock(path)
    lock.acquire()
    process = start_holder(path, lock.fd)
    lock.release()
    still_held = is_held(path)
    end(process)
    assert still_held
    assert not is_held(path)
