"""Private folders with any umask, and file locks between processes."""

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


def test_private_folder_and_its_parents_in_the_home_are_private(tmp_path: Path, umask: int) -> None:
    home = tmp_path / "above" / "home"
    folder = private_folder(home / "tmp" / "work", make_home(home))
    assert folder == home / "tmp" / "work"
    assert [mode(path) for path in (folder, folder.parent)] == [0o700, 0o700]
    assert [mode(path) for path in (home, home.parent)] == [0o711, 0o711]
    with open(folder / "file", "w", opener=open_private) as file:
        file.write("x")
    assert mode(folder / "file") == 0o600


def test_permissions_of_existing_folders_are_tightened_except_the_home(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "home" / "tmp" / "work"
    folder.mkdir(parents=True)
    for path in (home, folder.parent, folder):
        path.chmod(0o755)
    private_folder(folder, make_home(home))
    assert [mode(path) for path in (home, folder.parent, folder)] == [0o755, 0o700, 0o700]
    with pytest.raises(FileExistsError):
        private_folder(folder, home, exist_ok=False)


def test_private_folder_refuses_a_missing_home_and_files(tmp_path: Path) -> None:
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


def test_second_lock_fails_while_the_first_is_held(path: Path) -> None:
    with FileLock(path):
        assert is_held(path)
        assert not FileLock(path).acquire(blocking=False)
    assert not is_held(path)
    assert FileLock(path).acquire(blocking=False)


def test_lock_is_released_when_its_process_is_killed(path: Path) -> None:
    process = start_holder(path)
    assert is_held(path)
    assert not FileLock(path).acquire(blocking=False)
    end(process)
    assert not is_held(path)
    assert FileLock(path).acquire(blocking=False)


def test_shared_locks_coexist_and_exclude_an_exclusive_lock(path: Path) -> None:
    one, two = FileLock(path), FileLock(path)
    assert one.acquire(exclusive=False)
    assert two.acquire(exclusive=False)
    assert not is_held(path)
    assert not FileLock(path).acquire(blocking=False)
    one.release()
    two.release()
    assert FileLock(path).acquire(blocking=False)


def test_acquiring_a_held_lock_raises(path: Path) -> None:
    with FileLock(path) as lock, pytest.raises(RuntimeError, match="already held"):
        lock.acquire()


def test_missing_file_is_not_created(path: Path) -> None:
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


def test_lock_on_a_deleted_file_does_not_block_a_new_one(path: Path) -> None:
    with FileLock(path):
        path.unlink()
        with FileLock(path) as other:
            assert other.is_current()


def test_waiting_lock_moves_to_the_new_file_after_deletion(path: Path) -> None:
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


def test_is_held_leaves_no_lock(path: Path) -> None:
    path.touch()
    assert not is_held(path)
    assert FileLock(path).acquire(blocking=False)


def test_forked_child_does_not_hold_the_lock(path: Path) -> None:
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


def test_passed_lock_is_held_until_both_processes_release_it(path: Path) -> None:
    lock = FileLock(path)
    lock.acquire()
    process = start_holder(path, lock.fd)
    lock.release()
    still_held = is_held(path)
    end(process)
    assert still_held
    assert not is_held(path)
