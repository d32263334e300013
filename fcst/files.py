"""Private folders and files, disk space checks, and file locks between processes.

The kernel releases a flock when its holder ends for any reason. So a held lock proves that the process is running. A
pid file does not: it outlives its writer, and its pid may be reused.
"""

import contextlib
import errno
import fcntl
import io
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeVar

from fcst.errors import DiskFull

PRIVATE_UMASK = 0o077
"""Umask of long-lived processes, in which libraries create files too."""

_open_locks: set["FileLock"] = set()


def make_home(home: Path) -> Path:
    """Create FCST_HOME and its missing parents; return it. An existing folder is not changed.

    With any umask, other users may enter the folder but not list it, because for root Postgres runs as another user.
    """
    if not home.is_dir():
        make_home(home.parent)
        try:
            home.mkdir()
        except FileExistsError:  # another process has created it, or it is a file
            if not home.is_dir():
                raise
        else:
            home.chmod(0o711)
    return home


MOST_RESERVE = 500_000_000
"""Maximum reserve in bytes: the disk space kept free for the database. On a small disk it is a twentieth."""


T = TypeVar("T")


def free_space(folder: Path) -> int:
    """Return the bytes that may be written to a folder, or to its nearest existing parent; 0 or less: none."""
    existing = next(path for path in (folder, *folder.parents) if path.is_dir())
    usage = shutil.disk_usage(existing)
    return usage.free - min(MOST_RESERVE, usage.total // 20)


def disk_full_error(what: str, where: Path | str, n_bytes: int = 0, n_free: int = 0) -> DiskFull:
    """Return the error for a disk that is full, or would be.

    Parameters
    ----------
    what
        what needs the space, such as `the upload`.
    where
        a folder on the disk, or the setting that names one.
    n_bytes, n_free
        required bytes, if known, and available bytes.
    """
    need = f": it needs about {_in_mb(n_bytes)}, and {_in_mb(max(n_free, 0))} is available" if n_bytes else ""
    return DiskFull(f"Not enough disk space for {what}{need}.", f"Free space in {where}, then try again.")


def _in_mb(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB" if n_bytes > 50_000 or not n_bytes else "0.1 MB"


def is_full(exc: OSError) -> bool:
    """Whether an error means that a disk is full or a quota is exceeded."""
    return exc.errno in (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def convert_disk_full(what: str, where: Path | str) -> Iterator[None]:
    """Context manager that converts the error of a full disk into `disk_full_error`; other errors pass."""
    try:
        yield
    except OSError as exc:
        if is_full(exc):
            raise disk_full_error(what, where) from exc
        raise


def within_reserve(rows: Iterable[T], what: str, home: Path, step: int = 1000) -> Iterator[T]:
    """Yield rows that the caller writes to files in FCST_HOME; raise `disk_full_error` before the reserve is used.

    Parameters
    ----------
    what
        what is written.
    step
        number of rows between two checks of the disk.
    """
    for number, row in enumerate(rows):
        if number % step == 0 and free_space(home) <= 0:
            raise disk_full_error(what, "FCST_HOME")
        yield row


class _WithinReserve(io.FileIO):
    """A file that raises `disk_full_error` instead of writing to the reserve."""

    def __init__(self, file: int | str, what: str, where: Path | str, folder: Path) -> None:
        super().__init__(file, "w+b")
        self._what, self._where, self._folder = what, where, folder

    def write(self, data: Any, /) -> int:
        if free_space(self._folder) < memoryview(data).nbytes:
            raise disk_full_error(self._what, self._where)
        with convert_disk_full(self._what, self._where):
            return super().write(data)


def open_within_reserve(file: int | Path, what: str, where: Path | str, folder: Path) -> BinaryIO:
    """Open a new file for writing and reading on the disk of `folder`; raise `disk_full_error` before a write uses the
    reserve.

    Parameters
    ----------
    file
        path, or a file descriptor that this file takes over.
    what, where
        as for `disk_full_error`.
    """
    name = file if isinstance(file, int) else str(file)
    return io.BufferedRandom(_WithinReserve(name, what, where, folder), 1 << 18)


def private_folder(folder: Path, home: Path, exist_ok: bool = True) -> Path:
    """Create `folder` in the existing `home` and return it. Only the owner may enter it and the folders between.

    This applies with any umask, and to folders that an older version created with wider permissions.

    Raises
    ------
    FileExistsError
        if `exist_ok` is off and the folder exists.
    """
    path = home
    for name in folder.relative_to(home).parts:
        path /= name
        path.mkdir(0o700, exist_ok=exist_ok or path != folder)
        with contextlib.suppress(PermissionError):  # owned by another user; `doctor` reports it
            if stat.S_IMODE(path.stat().st_mode) != 0o700:
                path.chmod(0o700)
    return path


def open_private(path: str, flags: int) -> int:
    """Open a file that only its owner can read and write; an `opener` for `open`."""
    fd = os.open(path, flags, 0o600)
    with contextlib.suppress(OSError):  # an existing file of another user
        if stat.S_ISREG(os.fstat(fd).st_mode):  # do not change /dev/null
            os.fchmod(fd, 0o600)
    return fd


class FileLock:
    """A flock on `path`, held until `release` or the end of this process.

    Child programs do not inherit it unless `fd` is passed to them (`pass_fds`). Then the lock is held until all
    processes with the descriptor have ended. A forked child closes its copy and does not hold the lock.

    Parameters
    ----------
    fd : inherited descriptor of a lock that another process acquired and passed to this one.
    """

    def __init__(self, path: Path, fd: int | None = None) -> None:
        self.path = path
        self.fd = fd

    def acquire(self, exclusive: bool = True, blocking: bool = True, create: bool = True) -> bool:
        """Acquire the lock; False if `blocking` is off and another process holds it.

        Raises
        ------
        FileNotFoundError
            if the folder is missing, or the file is missing and `create` is off.
        """
        if self.fd is not None:
            raise RuntimeError(f"this lock on {self.path} is already held")
        while not self.is_current():  # a lock on a deleted file excludes no other process
            self.release()
            self.fd = os.open(self.path, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
            _open_locks.add(self)
            try:
                taken = _flock(self.fd, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, blocking)
            except BaseException:
                self.release()
                raise
            if not taken:
                self.release()
                return False
        return True

    def release(self) -> None:
        """Release the lock, if it is held."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
        _open_locks.discard(self)

    def is_current(self) -> bool:
        """Whether this object holds the lock, and `path` is still the locked file."""
        try:
            return self.fd is not None and os.path.samestat(os.fstat(self.fd), self.path.stat())
        except OSError:
            return False

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_held(file: Path | int) -> bool:
    """Whether a process holds an exclusive lock on the file; False if the file does not exist.

    Pass an open descriptor for a file that may have been deleted.
    """
    if isinstance(file, Path):
        try:
            fd = os.open(file, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return is_held(fd)
        finally:
            os.close(fd)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _flock(fd: int, kind: int, blocking: bool) -> bool:
    if blocking:
        fcntl.flock(fd, kind)
        return True
    for _ in range(5):  # another process's `is_held` may lock it for an instant
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
            return True
        time.sleep(0.01)
    return False


def _drop_after_fork() -> None:
    for lock in tuple(_open_locks):
        with contextlib.suppress(OSError):
            lock.release()
    _open_locks.clear()


os.register_at_fork(after_in_child=_drop_after_fork)
